// TD(λ) along many chains at once, each with values of its own: the twin of traces.py.
//
//   δ = r + d v(s') − v(s);   z(s) ← z(s) + α, or α;   v ← v + δ z;   z ← d λ z
//
// `width` lanes share a chain: each keeps the values and traces of every width-th state.

#include "_group.cuh"

const double FADED = 1e-20;  // as in traces.py

extern "C" __global__ void td_lambda(
    const long long* __restrict__ states, const long long* __restrict__ pairs,
    const double* __restrict__ rewards, const double* __restrict__ discounts,
    const bool* __restrict__ boundary, long long n, long long horizon, long long n_states,
    double alpha, double lam, bool replacing, int width, double* v, double* z
) {
    long long i = thread_number() / width;
    int lane = threadIdx.x % width;
    if (i >= n) return;  // a whole group leaves together
    v += i * n_states;
    z += i * n_states;
    for (long long t = 0; t < horizon; t++) {
        long long here = t * n + i;
        if (pairs[here] < 0) break;
        group_wait(width);  // the last step's values are written
        long long s = states[here];
        double delta = rewards[here] + discounts[here] * v[states[here + n]] - v[s];
        group_wait(width);  // and read by every lane before they change
        double decay = boundary[here] ? 0.0 : discounts[here] * lam;
        if (s % width == lane) z[s] = replacing ? alpha : z[s] + alpha;
        for (long long u = lane; u < n_states; u += width) {
            v[u] += delta * z[u];
            z[u] = fabs(decay * z[u]) >= FADED ? decay * z[u] : 0.0;
        }
    }
}
