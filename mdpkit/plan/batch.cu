// Many small models at once, a block each: the twin of batch.py, entry by entry.
//
// Policy iteration by elimination without pivoting; the threads of a block share the rows.
// BLOCK_MEMORY holds the matrix (S, S) and the values (S,).

#include "_group.cuh"

__device__ inline void eliminate(double* matrix, double* right, int S) {
    for (int k = 0; k < S; k++) {
        for (int i = k + 1 + threadIdx.x; i < S; i += blockDim.x) {
            double factor = matrix[i * S + k] / matrix[k * S + k];
            for (int j = k + 1; j < S; j++) matrix[i * S + j] -= factor * matrix[k * S + j];
            right[i] -= factor * right[k];
        }
        __syncthreads();
    }
    for (int k = S - 1; threadIdx.x == 0 && k >= 0; k--) {
        for (int j = k + 1; j < S; j++) right[k] -= matrix[k * S + j] * right[j];
        right[k] /= matrix[k * S + k];
    }
    __syncthreads();
}

extern "C" __global__ void solve_models(
    const double* __restrict__ P, const double* __restrict__ r,
    const double* __restrict__ gamma, int S, int A, int most, double* __restrict__ v,
    double* __restrict__ image, long long* __restrict__ policy
) {
    BLOCK_MEMORY(matrix);
    __shared__ int changed;
    double* own = matrix + S * S;
    long long n = blockIdx.x;
    double discount = gamma[n];
    P += n * S * A * S;
    r += n * S * A;
    v += n * S;
    image += n * S;
    policy += n * S;
    for (int s = threadIdx.x; s < S; s += blockDim.x) {
        int best = 0;
        for (int a = 1; a < A; a++) {
            if (r[s * A + a] > r[s * A + best]) best = a;
        }
        policy[s] = best;
    }
    for (int step = 0; step < most; step++) {
        if (threadIdx.x == 0) changed = 0;
        for (int s = threadIdx.x; s < S; s += blockDim.x) {
            int chosen = s * A + (int)policy[s];
            for (int t = 0; t < S; t++) matrix[s * S + t] = -discount * P[chosen * S + t];
            matrix[s * S + s] += 1.0;
            own[s] = r[chosen];
        }
        __syncthreads();
        eliminate(matrix, own, S);
        for (int s = threadIdx.x; s < S; s += blockDim.x) {
            double top = -infinity(), mine = 0.0;
            int best = 0;
            for (int a = 0; a < A; a++) {
                double total = 0.0;
                for (int t = 0; t < S; t++) total += P[(s * A + a) * S + t] * own[t];
                double q = r[s * A + a] + discount * total;
                if (a == policy[s]) mine = q;
                if (q > top) {
                    top = q;
                    best = a;
                }
            }
            v[s] = own[s];
            image[s] = top;
            if (top > mine + 1e-14 * (fabs(top) + fabs(mine))) {
                policy[s] = best;
                changed = 1;
            }
        }
        __syncthreads();
        int again = changed;
        __syncthreads();  // read by all before the next step clears it
        if (!again) break;
    }
}
