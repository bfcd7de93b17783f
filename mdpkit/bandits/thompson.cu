// Thompson sampling for many runs at once, a thread each: the twin of thompson.py.
//
// The numbers drawn are those of the CPU, counter by counter, up to the last bits of log and
// cos; so are the arms, unless two of those numbers agree to the last bits.

#include "_group.cuh"
#include "_random.cuh"
#include "bandits/_game.cuh"

const double BYTE = 1.0 / 256.0, UNKNOWN = 2.0;

// X / (X + Y) by ln Y − ln X, after X·U^(1/α) for α < 1 and the same for Y.
__device__ inline double lowered(double difference, double alpha, double beta, Words words) {
    if (alpha < 1.0) difference -= log(1.0 - unit(words.a, words.b)) / alpha;
    if (beta < 1.0) difference += log(1.0 - unit(words.c, words.d)) / beta;
    return 1.0 / (1.0 + exp(difference));
}

// A number ~ Beta(α, β): two gammas of Marsaglia & Tsang, kept or refused together.
__device__ inline double beta_number(
    double alpha, double beta, unsigned long long key, long long run, long long pull,
    long long slot
) {
    double d = (alpha >= 1.0 ? alpha : alpha + 1.0) - 1.0 / 3.0;
    double e = (beta >= 1.0 ? beta : beta + 1.0) - 1.0 / 3.0;
    for (long long low = 256 * slot;; low++) {
        Words words = words_of(key, run, pull, low);
        double radius = sqrt(-2.0 * log(1.0 - unit(words.a, words.b)));
        double angle = TURN * short_unit(words.c);
        double y = radius * cos(angle), z = radius * sin(angle);
        double v = 1.0 + y / sqrt(9.0 * d), w = 1.0 + z / sqrt(9.0 * e);
        v = v * v * v;
        w = w * w * w;
        if (v <= 0.0 || w <= 0.0) continue;
        double u = short_unit(words.d);
        y = y * y;
        z = z * z;
        if (0.0331 * (y * y + z * z) > 1.0 - u && u > 0.0) {
            double sure = 0.5 * (y + z) + d * (1.0 - v + log(v)) + e * (1.0 - w + log(w));
            if (log(u) >= sure) continue;
        }
        if (alpha >= 1.0 && beta >= 1.0) return d * v / (d * v + e * w);
        words = words_of(key, run, pull, low + 1);
        return lowered(log(e * w) - log(d * v), alpha, beta, words);
    }
}

struct Arm {
    double wins, losses, log_beta, mean;
};

struct Tail {
    double mass, slope;
};

// ∫_x^1 f ≤ mass = f(x)/|slope| beyond the mode; else 1 and 0.
__device__ inline Tail tail(double x, double log_x, double log_rest, const Arm& arm) {
    double slope = arm.wins / x - arm.losses / (1.0 - x);
    if (!(slope < 0.0)) return {1.0, 0.0};
    double height = exp(arm.wins * log_x + arm.losses * log_rest - arm.log_beta);
    return {-height / slope, slope};
}

// A point from which on the tail is below 1/256.
__device__ inline double skip_from(const Arm& arm) {
    double spread = arm.mean * (1.0 - arm.mean) / (arm.wins + arm.losses + 3.0);
    double x = arm.mean + 2.7 * sqrt(spread);
    if (x >= 1.0) return 1.0;
    Tail t = tail(x, log(x), log(1.0 - x), arm);
    if (t.slope == 0.0) return 1.0;
    return t.mass <= BYTE ? x : smaller(1.0, x - log(t.mass / BYTE) / t.slope);
}

// The number of an arm, if it is above x; else x.
__device__ inline double beyond(
    double x, Tail t, const Arm& arm, double byte, unsigned long long key, long long run,
    long long pull, int a
) {
    Words words = words_of(key, run, pull, 256LL * a + 511);
    if ((byte + short_unit(words.a)) * BYTE >= t.mass) return x;
    double y = x + log(1.0 - short_unit(words.b)) / t.slope;
    if (y >= 1.0) return x;
    double fall = arm.wins * log(y / x) + arm.losses * log((1.0 - y) / (1.0 - x));
    return unit(words.c, words.d) < exp(fall - t.slope * (y - x)) ? y : x;
}

// argmax of one number ~ Beta(α_a, β_a) an arm; state as in play_beta.
__device__ inline int largest_draw(
    double* state, long long runs, int k, bool concave, unsigned long long key, long long run,
    long long pull
) {
    double *mean = state + 3 * k * runs, *skip = state + 4 * k * runs;
    int leader = 0;
    for (int a = 1; a < k; a++) {
        if (mean[a * runs] > mean[leader * runs]) leader = a;
    }
    double x = beta_number(state[leader * runs] + 1.0, state[(k + leader) * runs] + 1.0, key,
                           run, pull, 0);
    int best = leader;
    double log_x = UNKNOWN, log_rest = UNKNOWN;
    unsigned long long low = 0, high = 0;
    for (int a = 0; a < k; a++) {
        if (a % 16 == 0) {  // sixteen bytes for as many arms
            Words words = words_of(key, run, pull, 256LL * a + 254);
            low = words.a | (unsigned long long)words.b << 32;
            high = words.c | (unsigned long long)words.d << 32;
        }
        double byte = (double)(low & 255);
        low = a % 8 == 7 ? high : low >> 8;
        if (a == leader || (x >= skip[a * runs] && byte > 0)) continue;
        Arm arm = {state[a * runs], state[(k + a) * runs], state[(2 * k + a) * runs],
                   mean[a * runs]};
        double y = -1.0;
        if (concave && 0.0 < x && x < 1.0) {
            if (skip[a * runs] == UNKNOWN) skip[a * runs] = skip_from(arm);
            if (log_x == UNKNOWN) {
                log_x = log(x);
                log_rest = log(1.0 - x);
            }
            Tail t = tail(x, log_x, log_rest, arm);
            if (byte * BYTE >= t.mass) continue;
            if (t.mass < 1.0) y = beyond(x, t, arm, byte, key, run, pull, a);
        }
        if (y < 0.0) y = beta_number(arm.wins + 1.0, arm.losses + 1.0, key, run, pull, a + 1);
        if (y > x) {
            best = a;
            x = y;
            log_x = UNKNOWN;
        }
    }
    return best;
}

// state (5 K, runs): α − 1, β − 1, ln B(α, β), α/(α + β) and where to skip, of each arm.
extern "C" __global__ void play_beta(
    const double* __restrict__ means, const double* __restrict__ width, int kind,
    unsigned long long luck, unsigned long long key, long long runs, int n_arms,
    long long start, long long pulls, long long* __restrict__ counts,
    double* __restrict__ paid, double* state, bool concave
) {
    long long i = thread_number();
    if (i >= runs) return;
    Game game = {means, width, kind, n_arms, luck, runs, i, counts, paid};
    state += i;
    for (long long t = start; t < start + pulls; t++) {
        int arm = largest_draw(state, runs, n_arms, concave, key, i, t);
        double *wins = state + arm * runs, *losses = state + (n_arms + arm) * runs;
        double count = *wins + *losses + 2.0, reward = pay(game, t, arm);
        double shape = reward * *wins + (1.0 - reward) * *losses + 1.0;
        state[(2 * n_arms + arm) * runs] += log(shape / count);
        *wins += reward;
        *losses += 1.0 - reward;
        state[(3 * n_arms + arm) * runs] = (*wins + 1.0) / (count + 1.0);
        state[(4 * n_arms + arm) * runs] = UNKNOWN;
    }
}

// state (4 K, runs): m/v, 1/v, m and √v of each arm.
extern "C" __global__ void play_normal(
    const double* __restrict__ means, const double* __restrict__ width, int kind,
    unsigned long long luck, unsigned long long key, long long runs, int n_arms,
    long long start, long long pulls, long long* __restrict__ counts,
    double* __restrict__ paid, double* state, const double* __restrict__ precision
) {
    long long i = thread_number();
    if (i >= runs) return;
    Game game = {means, width, kind, n_arms, luck, runs, i, counts, paid};
    double *weighted = state + i, *known = weighted + n_arms * runs;
    double *mean = known + n_arms * runs, *deviation = mean + n_arms * runs;
    for (long long t = start; t < start + pulls; t++) {
        int arm = 0;
        double top = -infinity();
        Pair z = {0.0, 0.0};
        for (int a = 0; a < n_arms; a++) {
            if (a % 2 == 0) z = normals(words_of(key, i, t, a));
            double x = mean[a * runs] + deviation[a * runs] * (a % 2 ? z.second : z.first);
            if (x > top) {
                top = x;
                arm = a;
            }
        }
        weighted[arm * runs] += pay(game, t, arm) * precision[arm];
        known[arm * runs] += precision[arm];
        mean[arm * runs] = weighted[arm * runs] / known[arm * runs];
        deviation[arm * runs] = 1.0 / sqrt(known[arm * runs]);
    }
}
