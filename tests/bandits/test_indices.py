"""UCB's and KL-UCB's indices: ties, roots, Pinsker; and the bounds beside them."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from mdpkit.bandits import (
    KLUCB,
    UCB,
    UCB1,
    Bandit,
    BetaPrior,
    EpsilonGreedy,
    ExploreFirst,
    Gaussian,
    SubGaussianUCB,
    bernoulli_divergence,
    kl_index,
    kl_ucb,
    lai_robbins_slope,
    play,
)
from mdpkit.errors import ModelError
from tests.bandit_oracle import kl_bisected

COINS = Bandit([0.3, 0.5, 0.45])


def states(seed, n=300, k=5):
    """Pulls and successes as they come about: small and large counts, ties, empty and full."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        counts = rng.integers(1, rng.choice([3, 10, 1000, 100_000]), size=k)
        yield counts, rng.binomial(counts, rng.choice([0.0, 0.01, 0.3, 0.5, 1.0], size=k))


def test_kl_index_solves_its_equation():
    """n kl(μ̂, q) = bound to 1e-10 wherever q < 1, and μ̂ ≤ q ≤ μ̂ + √(bound/(2n)).

    Half an ulp of q next to 1 is worth n ε/(1 − q) of the left side.
    """
    for counts, sums in states(0):
        mean = sums / counts
        for bound in (1e-3, math.log(counts.sum() + 1), 60.0):
            q = kl_index(mean, counts, bound)
            off = abs(counts * bernoulli_divergence(mean, q) - bound)
            inside = q < 1
            assert (off <= 1e-10 + counts * 2.0**-52 / np.maximum(1 - q, 1e-300))[inside].all()
            assert (q >= mean).all()
            assert (q <= mean + np.sqrt(bound / (2 * counts)) + 1e-12).all()  # Pinsker
            assert (q[mean == 1] == 1).all()


def test_kl_index_is_the_bisected_one():
    for counts, sums in states(1, n=20):
        for n, s in zip(counts, sums, strict=True):
            for bound in (0.1, 9.0):
                wanted = kl_bisected(s / n, n, bound)
                assert abs(kl_index(s / n, n, bound) - wanted) < 1e-12 * n**0.5 + 1e-12


def test_a_level_of_zero_is_the_mean():
    assert kl_index([0.0, 0.3, 1.0], [1, 5, 2], 0.0).tolist() == [0.0, 0.3, 1.0]


@pytest.mark.parametrize("seed", range(3))
def test_the_lazy_search_finds_the_largest_index(seed):
    """From any guess, with roots of any age; the lowest index among ties."""
    rng = np.random.default_rng(seed)
    for counts, sums in states(seed):
        mean = sums / counts
        gain = np.array([kl_ucb._negative_entropy(m) for m in mean])
        bound = math.log(counts.sum())
        if rng.random() < 0.3:
            counts[3], mean[3], gain[3] = counts[1], mean[1], gain[1]
        index = kl_index(mean, counts, bound)
        best = int(np.argmax(index))
        near = np.abs(index - index[best]) < 1e-13  # apart by rounding: either is best
        for guess in range(5):
            old = rng.choice([0.0, 0.1, 1.0, 50.0], size=5)
            found = kl_ucb._best(counts, mean, gain, old, bound, guess)
            twins = (counts == counts[best]) & (mean == mean[best])
            assert found == best or (near[found] and not twins[found])


def test_equal_arms_are_tried_in_order():
    """All pay 1: every index is 1 in KL-UCB, and UCB1 goes round."""
    sure = Bandit([1.0, 1.0, 1.0])
    assert play(sure, KLUCB(), 30, runs=1, rng=0).counts.tolist() == [[28, 1, 1]]
    assert play(sure, UCB1(), 30, runs=1, rng=0).counts.tolist() == [[10, 10, 10]]
    never = Bandit([0.0, 0.0, 0.0])
    assert play(never, KLUCB(), 30, runs=1, rng=0).counts.tolist() == [[10, 10, 10]]


def test_policies_follow_the_lowest_index():
    for algorithm in (UCB1(), UCB(), SubGaussianUCB(), KLUCB()):
        assert algorithm.policy(COINS, 9, [1, 0, 0], [1, 0, 0]).tolist() == [0, 1, 0]
        assert algorithm.policy(COINS, 9, [2, 2, 2], [1, 1, 1]).tolist() == [1, 0, 0]
        assert algorithm.policy(COINS, 9, [2, 2, 2], [0, 1, 1]).tolist() == [0, 1, 0]


# ---- bounds ----------------------------------------------------------------------------------


def test_auers_bound_by_hand():
    """8 ln T (1/.2 + 1/.05) + (1 + π²/3)(.2 + .05)."""
    bound = UCB1().bound(COINS, [100, 10_000])
    rest = (1 + math.pi**2 / 3) * 0.25
    np.testing.assert_allclose(bound, [8 * math.log(t) * 25 + rest for t in (100, 10_000)])
    assert UCB1().bound(Bandit([0.5, 0.5]), 1000) == 0
    free = UCB1().gap_free_bound(COINS, 10_000)
    assert abs(free - math.sqrt(32 * 3 * 1e4 * math.log(1e4)) - rest) < 1e-9


def test_the_gap_free_bound_follows_from_the_other():
    """min over δ of Tδ + 8K ln T/δ is at δ = √(8K ln T/T)."""
    k, horizon = 3, 10_000
    deltas = np.geomspace(1e-3, 1, 100_001)
    split = horizon * deltas + 8 * k * math.log(horizon) / deltas
    rest = (1 + math.pi**2 / 3) * 0.25
    assert abs(UCB1().gap_free_bound(COINS, horizon) - rest - split.min()) < 1e-3


def test_the_sub_gaussian_bound_by_hand():
    bound = SubGaussianUCB().bound(Bandit([0.0, 0.5], Gaussian(2.0)), 1000)
    assert abs(bound - 8 * 4 * math.log(2e6) / 0.5 - (2 + math.log(1000)) * 0.5) < 1e-9


def test_the_epsilon_greedy_bound_grows_at_its_rate():
    """Σ ε_t ≤ 1.5 T^(2/3) (K ln T)^(1/3), so it is O of that."""
    bound = EpsilonGreedy().bound(COINS, [10**5, 10**6])
    size = [t ** (2 / 3) * (3 * math.log(t)) ** (1 / 3) for t in (1e5, 1e6)]
    assert (bound / size < 5 * 1.5).all()
    integral = quad(lambda t: 5 * min(1, (3 * math.log(t) / t) ** (1 / 3)), 2e5, 1e6, limit=200)
    tail = EpsilonGreedy().bound(COINS, [200_000, 1_000_000])
    assert abs(np.diff(tail)[0] / integral[0] - 1) < 1e-3


@pytest.mark.parametrize("algorithm", [UCB1(), EpsilonGreedy(), ExploreFirst()])
def test_bounds_are_for_rewards_in_the_unit_interval(algorithm):
    with pytest.raises(ModelError, match=r"\[0, 1\]"):
        algorithm.bound(Bandit([0.2, 0.3], Gaussian(0.1)), 100)


def test_bounds_in_the_gaps_need_gaps():
    for bound in (UCB1().bound, UCB1().gap_free_bound, SubGaussianUCB().bound):
        with pytest.raises(ValueError, match="prior"):
            bound(Bandit(BetaPrior(1.0, 1.0, 2)), 100)


@pytest.mark.stat
@pytest.mark.parametrize(
    ("bandit", "algorithm"),
    [
        (COINS, UCB1()),
        (COINS, ExploreFirst()),
        (COINS, EpsilonGreedy()),
        (Bandit([0.0, 0.6, 1.0], Gaussian(1.0)), SubGaussianUCB()),
    ],
    ids=["ucb1", "explore-first", "epsilon-greedy", "sub-gaussian"],
)
def test_regret_is_below_its_bound(bandit, algorithm):
    """At every checkpoint; the mean is so far below that its noise cannot matter (5 s.e.)."""
    horizon = 3000
    found = play(bandit, algorithm, horizon, runs=200, rng=0)
    high = found.regret.mean + 5 * found.regret.standard_error
    late = (
        found.pulls >= 10 if not isinstance(algorithm, ExploreFirst) else found.pulls == horizon
    )
    assert (high[late] <= algorithm.bound(bandit, found.pulls[late])).all()
    assert (found.regret.mean[late] > 0).any()


@pytest.mark.stat
def test_kl_ucb_regrets_less_than_ucb1():
    """Paired by luck, 200 runs of 3000 pulls: the difference is positive by 20 s.e."""
    one = play(COINS, UCB1(), 3000, runs=200, rng=0).regret.values[:, -1]
    two = play(COINS, KLUCB(), 3000, runs=200, rng=0).regret.values[:, -1]
    gain = one - two
    assert gain.mean() > 20 * gain.std() / math.sqrt(200)


@pytest.mark.slow
@pytest.mark.stat
def test_kl_ucb_grows_as_lai_and_robbins_say():
    """R(10⁵) − R(10³) over ln 100, within a fifth of Σ Δ/kl; UCB1 is far above. 5 s.e."""
    coins, marks = Bandit([0.4, 0.6]), [10**3, 10**5]
    slopes = []
    for algorithm in (KLUCB(), UCB1()):
        found = play(coins, algorithm, marks[-1], runs=300, rng=0, checkpoints=marks)
        growth = np.diff(found.regret.values, axis=1)[:, 0] / math.log(100)
        slopes.append((growth.mean(), 5 * growth.std() / math.sqrt(300)))
    slope = lai_robbins_slope(coins)
    assert abs(slopes[0][0] - slope) < 0.2 * slope + slopes[0][1]
    assert slopes[1][0] - slopes[1][1] > 3 * slope


# ---- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_width(c):
    with pytest.raises(ValueError, match="c must"):
        UCB(c)
    with pytest.raises(ValueError, match="nu"):
        SubGaussianUCB(c)
    if c != 0:
        with pytest.raises(ValueError, match="c must"):
            KLUCB(c)


def test_a_width_below_the_noise_is_refused():
    with pytest.raises(ValueError, match="sub-Gaussian"):
        play(Bandit([0.0], Gaussian(2.0)), SubGaussianUCB(1.0), 10)
