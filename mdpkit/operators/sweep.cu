// Policy-restricted and in-place sweeps on a device: twins of sweep.py.
//
//   chain_csr, chain_dense   c x + γ P_π x, the row of state s being pairs[s], or s itself;
//                            `width` lanes a row
//   color_sweep              v(s) ← max_a r + γ P v in place, for states of one color: none is
//                            a next state of another, so they may be backed up at once

#include "_group.cuh"

extern "C" __global__ void __launch_bounds__(THREADS) chain_csr(
    const double* __restrict__ values, const int* __restrict__ columns,
    const long long* __restrict__ row_ptr, const long long* __restrict__ pairs,
    const double* __restrict__ r, double gamma, const double* __restrict__ v, long long n,
    int width, double* __restrict__ out, double* __restrict__ partial
) {
    Extremes own = no_extremes();
    int lane = threadIdx.x % width;
    for (long long s = thread_number() / width; s < n; s += groups(width)) {
        double total = 0.0;
        long long row = pairs ? pairs[s] : s;
        for (long long j = row_ptr[row] + lane; j < row_ptr[row + 1]; j += width) {
            total += values[j] * v[columns[j]];
        }
        total = group_sum(total, width);
        if (lane == 0) {
            out[s] = (r ? r[s] : 0.0) + gamma * total;
            enter(own, out[s], v[s]);
        }
    }
    if (partial) write_extremes(own, partial);
}

extern "C" __global__ void __launch_bounds__(THREADS) chain_dense(
    const double* __restrict__ rows, const long long* __restrict__ pairs,
    const double* __restrict__ r, double gamma, const double* __restrict__ v, long long n,
    long long n_columns, int width, double* __restrict__ out, double* __restrict__ partial
) {
    Extremes own = no_extremes();
    int lane = threadIdx.x % width;
    for (long long s = thread_number() / width; s < n; s += groups(width)) {
        double total = 0.0;
        const double* row = rows + (pairs ? pairs[s] : s) * n_columns;
        for (long long t = lane; t < n_columns; t += width) total += row[t] * v[t];
        total = group_sum(total, width);
        if (lane == 0) {
            out[s] = (r ? r[s] : 0.0) + gamma * total;
            enter(own, out[s], v[s]);
        }
    }
    if (partial) write_extremes(own, partial);
}

extern "C" __global__ void __launch_bounds__(THREADS) color_sweep(
    const double* __restrict__ values, const int* __restrict__ columns,
    const long long* __restrict__ row_ptr, const int* __restrict__ action_ptr,
    const double* __restrict__ r, double gamma, double* v, const long long* __restrict__ order,
    long long n, int width, double* __restrict__ partial
) {
    Extremes own = no_extremes();
    int lane = threadIdx.x % width;
    for (long long i = thread_number() / width; i < n; i += groups(width)) {
        long long s = order[i];
        double top = -infinity();
        for (int pair = action_ptr[s]; pair < action_ptr[s + 1]; pair++) {
            double total = 0.0;
            for (long long j = row_ptr[pair] + lane; j < row_ptr[pair + 1]; j += width) {
                total += values[j] * v[columns[j]];
            }
            top = larger(top, r[pair] + gamma * group_sum(total, width));
        }
        // The last sum has every lane's reads behind it: the group's own state may change.
        if (lane == 0) {
            enter(own, top, v[s]);
            v[s] = top;
        }
    }
    write_extremes(own, partial);
}
