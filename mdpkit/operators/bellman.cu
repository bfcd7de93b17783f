// The Bellman backup on a device: T v, its best pairs and its extremes; twins of bellman.py.
//
//   sweep_chunks   short rows: a block takes the states of one chunk, multiplies all of their
//                  entries side by side into its own memory, and adds them up row by row, in
//                  the CPU's order (CSR-Stream: Greathouse & Daga 2014). One pass, every ⊕.
//   row_values     long rows: `width` lanes a row, q = r + γ P v
//   reduce_states  ⊕ of action values, a thread a state; of q, or of totals P v with r and γ
//   join_extremes  the extremes of all blocks

#include "_group.cuh"
#include "operators/aggregate.cuh"

const int ENTRIES = 2048, PAIRS = 1024;  // of a chunk at most, as _device.ENTRIES and PAIRS

extern "C" __global__ void __launch_bounds__(THREADS) sweep_chunks(
    const double* __restrict__ values, const int* __restrict__ columns,
    const long long* __restrict__ row_ptr, const int* __restrict__ action_ptr,
    const double* __restrict__ r, double gamma, const double* __restrict__ v,
    const int* __restrict__ chunk_ptr, int n_chunks, int over, double parameter,
    const double* __restrict__ weight, double* __restrict__ out, long long* __restrict__ best,
    double* __restrict__ every_q, double* __restrict__ partial
) {
    __shared__ double term[ENTRIES], q[PAIRS];
    Extremes own = no_extremes();
    for (int chunk = blockIdx.x; chunk < n_chunks; chunk += gridDim.x) {
        int begin = chunk_ptr[chunk], end = chunk_ptr[chunk + 1];
        int pair = action_ptr[begin], n_pairs = action_ptr[end] - pair;
        long long entry = row_ptr[pair];
        int n_entries = (int)(row_ptr[pair + n_pairs] - entry);
#pragma unroll 4
        for (int j = threadIdx.x; j < n_entries; j += THREADS) {
            term[j] = values[entry + j] * v[columns[entry + j]];
        }
        __syncthreads();
        for (int i = threadIdx.x; i < n_pairs; i += THREADS) {
            double total = 0.0;
            int last = (int)(row_ptr[pair + i + 1] - entry);
            for (int j = (int)(row_ptr[pair + i] - entry); j < last; j++) total += term[j];
            q[i] = r[pair + i] + gamma * total;
            if (every_q) every_q[pair + i] = q[i];
        }
        __syncthreads();
        for (int s = begin + threadIdx.x; s < end; s += THREADS) {
            int first = action_ptr[s], n = action_ptr[s + 1] - first;
            const double* mine = q + (first - pair);
            out[s] = reduce_row(over, mine, n, parameter, weight ? weight + first : 0);
            best[s] = first + first_largest(mine, n);
            enter(own, out[s], v[s]);
        }
        // The next chunk's first barrier comes before its q is written.
    }
    write_extremes(own, partial);
}

extern "C" __global__ void row_values(
    const double* __restrict__ values, const int* __restrict__ columns,
    const long long* __restrict__ row_ptr, const double* __restrict__ r, double gamma,
    const double* __restrict__ v, long long n_pairs, int width, double* __restrict__ q
) {
    long long pair = thread_number() / width;
    int lane = threadIdx.x % width;
    if (pair >= n_pairs) return;  // a whole group leaves together
    double total = 0.0;
    for (long long j = row_ptr[pair] + lane; j < row_ptr[pair + 1]; j += width) {
        total += values[j] * v[columns[j]];
    }
    total = group_sum(total, width);
    if (lane == 0) q[pair] = r[pair] + gamma * total;
}

// q holds action values, or P v where r is given; then q is written too. v, best and partial
// may be missing.
extern "C" __global__ void __launch_bounds__(THREADS) reduce_states(
    double* __restrict__ q, const double* __restrict__ r, double gamma,
    const int* __restrict__ action_ptr, long long n_states, const double* __restrict__ v,
    int over, double parameter, const double* __restrict__ weight, double* __restrict__ out,
    long long* __restrict__ best, double* __restrict__ partial
) {
    Extremes own = no_extremes();
    for (long long s = thread_number(); s < n_states; s += groups(1)) {
        int first = action_ptr[s], n = action_ptr[s + 1] - first;
        for (int i = first; r && i < first + n; i++) q[i] = r[i] + gamma * q[i];
        out[s] = reduce_row(over, q + first, n, parameter, weight ? weight + first : 0);
        if (best) best[s] = first + first_largest(q + first, n);
        if (v) enter(own, out[s], v[s]);
    }
    if (partial) write_extremes(own, partial);
}

extern "C" __global__ void __launch_bounds__(THREADS) join_extremes(
    const double* __restrict__ partial, long long n, double* __restrict__ found
) {
    Extremes own = no_extremes();
    for (long long i = threadIdx.x; i < n; i += THREADS) {
        own.low = smaller(own.low, partial[3 * i]);
        own.high = larger(own.high, partial[3 * i + 1]);
        own.size = magnitude(own.size, partial[3 * i + 2]);
    }
    write_extremes(own, found);
}

// The first pair within `slack` of the state's best.
extern "C" __global__ void greedy_states(
    const double* __restrict__ q, const int* __restrict__ action_ptr, long long n_states,
    double slack, long long* __restrict__ out
) {
    long long s = thread_number();
    if (s >= n_states) return;
    int first = action_ptr[s], n = action_ptr[s + 1] - first;
    double top = largest(q + first, n);
    for (int i = 0; i < n; i++) {
        if (q[first + i] >= top - slack) {
            out[s] = first + i;
            break;
        }
    }
}
