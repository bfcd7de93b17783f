// Returns along many trajectories, a thread each, backward in time: the twin of returns.py.
//
//   G_t = r_t + d_t ((1 − λ_t) V_{t+1} + λ_t G_{t+1})

#include "_group.cuh"

extern "C" __global__ void lambda_returns(
    const double* __restrict__ rewards, const double* __restrict__ discounts,
    const double* __restrict__ kept, const double* __restrict__ next_values, long long n,
    long long horizon, double* __restrict__ out
) {
    long long i = thread_number();
    if (i >= n) return;
    double later = next_values[(horizon - 1) * n + i];
    for (long long t = horizon - 1; t >= 0; t--) {
        long long here = t * n + i;
        double mixed = (1.0 - kept[here]) * next_values[here] + kept[here] * later;
        later = rewards[here] + discounts[here] * mixed;
        out[here] = later;
    }
}
