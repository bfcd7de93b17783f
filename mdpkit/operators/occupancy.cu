// Flow on a device, gathered along the transposed rows: no two threads write one number.
//
//   out(u) = first(u) + scale · Σ_i P(u|i) x(i) d(s_i)     over the pairs i that lead to u
//
// With x = π and d an occupancy it is a step of d = (1−γ)μ + γ P_πᵀ d; without d it is `inflow`.

#include "_group.cuh"

extern "C" __global__ void inflow(
    const double* __restrict__ values, const int* __restrict__ from,
    const long long* __restrict__ ptr, const int* __restrict__ pair_states,
    const double* __restrict__ d, const double* __restrict__ x, double scale,
    const double* __restrict__ first, long long n, int width, double* __restrict__ out
) {
    long long u = thread_number() / width;
    int lane = threadIdx.x % width;
    if (u >= n) return;  // a whole group leaves together
    double total = 0.0;
    for (long long j = ptr[u] + lane; j < ptr[u + 1]; j += width) {
        double flow = d ? x[from[j]] * d[pair_states[from[j]]] : x[from[j]];
        total += values[j] * flow;
    }
    total = group_sum(total, width);
    if (lane == 0) out[u] = (first ? first[u] : 0.0) + scale * total;
}
