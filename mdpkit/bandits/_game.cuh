// What a bandit's kernels share on a device: the twin of _game.py and _draws.py.
//
// A thread plays a run. Arrays of runs and arms are (…, runs), so that neighbors read side by
// side: number a of run i stands at [a · runs + i].

enum { BERNOULLI, NORMAL, UNIFORM };

const double TURN = 6.283185307179586;

struct Pair {
    double first, second;
};

// Two independent standard normal numbers: Box & Muller.
__device__ inline Pair normals(Words words) {
    double radius = sqrt(-2.0 * log(1.0 - unit(words.a, words.b)));
    double angle = TURN * unit(words.c, words.d);
    return {radius * cos(angle), radius * sin(angle)};
}

// The slot-th draw that a run makes for a pull.
__device__ inline Words words_of(
    unsigned long long key, long long run, long long pull, long long slot
) {
    return philox(key, run, (unsigned long long)pull + ((unsigned long long)slot << 40));
}

struct Game {
    const double *means, *width;
    int kind, n_arms;
    unsigned long long luck;
    long long runs, run;
    long long* counts;
    double* paid;
};

// Pull an arm: the reward, which is entered in the books.
__device__ inline double pay(const Game& game, long long pull, int arm) {
    Words words = philox(game.luck, game.run, pull / 2);
    double mean = game.means[arm * game.runs + game.run], reward;
    if (game.kind == NORMAL) {
        Pair x = normals(words);
        reward = mean + game.width[arm] * (pull % 2 ? x.second : x.first);
    } else {
        double x = pull % 2 ? unit(words.c, words.d) : unit(words.a, words.b);
        reward = game.kind == BERNOULLI ? (x < mean ? 1.0 : 0.0)
                                        : mean + game.width[arm] * (2.0 * x - 1.0);
    }
    game.counts[arm * game.runs + game.run] += 1;
    game.paid[game.run] += reward;
    return reward;
}
