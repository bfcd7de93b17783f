// Normal equations of LSTD from samples: a block adds up its share of them.
//
//   A = Σ w φ (φ − d φ')ᵀ,   b = Σ w φ r,   φ the features of a sample's pair, φ' of its
//                                             next state under the policy
//
// A thread keeps one entry of A, or of b, at a time; the blocks' sums are added afterwards.

#include "_group.cuh"

extern "C" __global__ void __launch_bounds__(THREADS) gram(
    const double* __restrict__ phi, const double* __restrict__ phi_next,
    const long long* __restrict__ pair, const long long* __restrict__ next_state,
    const double* __restrict__ reward,
    const double* __restrict__ discount, const double* __restrict__ weight, long long n,
    long long share, int size, double* __restrict__ A, double* __restrict__ b
) {
    long long begin = blockIdx.x * share, end = begin + share < n ? begin + share : n;
    A += (long long)blockIdx.x * size * size;
    b += (long long)blockIdx.x * size;
    for (int e = threadIdx.x; e < size * (size + 1); e += THREADS) {
        int row = e / (size + 1), column = e % (size + 1);
        double total = 0.0;
        for (long long k = begin; k < end; k++) {
            double other = reward[k];
            if (column < size) {
                other = phi[pair[k] * size + column];
                const double* ahead = phi_next + next_state[k] * size;
                if (discount[k] != 0.0) other -= discount[k] * ahead[column];
            }
            total += weight[k] * phi[pair[k] * size + row] * other;
        }
        if (column < size) {
            A[row * size + column] = total;
        } else {
            b[row] = total;
        }
    }
}
