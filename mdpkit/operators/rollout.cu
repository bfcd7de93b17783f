// Trajectories on a device, a thread each: the twin of rollout.py, draw for draw.
//
// Step k of trajectory i uses the words of counter (i, k), as on the CPU, so the same key gives
// the same trajectories. Arrays are time first, so that neighboring threads write side by side.

#include "_group.cuh"
#include "_random.cuh"

extern "C" __global__ void roll(
    const int* __restrict__ action_ptr, const long long* __restrict__ row_ptr,
    const int* __restrict__ columns, const double* __restrict__ upper,
    const double* __restrict__ reward, const double* __restrict__ end_reward,
    const double* __restrict__ start, long long n_states, const double* __restrict__ policy,
    double gamma, unsigned long long key, long long n, long long horizon,
    long long* __restrict__ states, long long* __restrict__ pairs,
    double* __restrict__ rewards, double* __restrict__ discounts, bool* __restrict__ boundary
) {
    long long i = thread_number();
    if (i >= n) return;
    Words words = philox(key, i, 0);
    long long s = above(start, 0, n_states, unit(words.a, words.b));
    bool running = true;
    states[i] = s;
    for (long long t = 0; t < horizon; t++) {
        long long here = t * n + i, pair = -1;
        double earned = 0.0;
        if (running) {
            words = philox(key, i, t + 1);
            pair = above(policy, action_ptr[s], action_ptr[s + 1], short_unit(words.c));
            long long end = row_ptr[pair + 1];
            long long j = above(upper, row_ptr[pair], end, unit(words.a, words.b));
            running = j < end;
            earned = running ? reward[pair] : end_reward[pair];
            s = running ? columns[j] : s;
        }
        pairs[here] = pair;
        rewards[here] = earned;
        discounts[here] = running ? gamma : 0.0;
        boundary[here] = !running || t == horizon - 1;
        states[here + n] = s;
    }
}
