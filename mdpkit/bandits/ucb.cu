// Upper confidence bounds for many runs at once, a thread each: the twin of ucb.py.
//
// state (3 K, runs): sum of rewards, mean, and 1/√n of each arm.

#include "_group.cuh"
#include "_random.cuh"
#include "bandits/_game.cuh"

extern "C" __global__ void play_ucb(
    const double* __restrict__ means, const double* __restrict__ width, int kind,
    unsigned long long luck, unsigned long long key, long long runs, int n_arms,
    long long start, long long pulls, long long* __restrict__ counts,
    double* __restrict__ paid, double* state, double slope, double offset, int ahead
) {
    long long i = thread_number();
    if (i >= runs) return;
    Game game = {means, width, kind, n_arms, luck, runs, i, counts, paid};
    double* total = state + i;
    double* mean = total + n_arms * runs;
    double* span = mean + n_arms * runs;
    for (long long t = start; t < start + pulls; t++) {
        long long arm = t;
        if (t >= n_arms) {
            double scale = sqrt(slope * log((double)(t + ahead)) + offset);
            double top = mean[0] + scale * span[0];
            arm = 0;
            for (int a = 1; a < n_arms; a++) {
                double index = mean[a * runs] + scale * span[a * runs];
                if (index > top) {
                    top = index;
                    arm = a;
                }
            }
        }
        total[arm * runs] += pay(game, t, (int)arm);
        double n = (double)counts[arm * runs + i];
        mean[arm * runs] = total[arm * runs] / n;
        span[arm * runs] = 1.0 / sqrt(n);
    }
}
