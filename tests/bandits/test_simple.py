"""Explore first, ε-greedy and gradient bandits: their parts, one at a time."""

import math

import numpy as np
import pytest

from mdpkit.bandits import Bandit, EpsilonGreedy, ExploreFirst, Gaussian, GradientBandit, play
from mdpkit.bandits._game import Game
from mdpkit.operators.step_size import Schedule, constant

COINS = Bandit([0.3, 0.5])


# ---- explore first ---------------------------------------------------------------------------


def test_the_length_of_exploration():
    """(T/K)^(2/3) (ln T)^(1/3), rounded up; never more than T/K, never less than 1."""
    for horizon, k in ((1000, 2), (100_000, 10), (17, 3)):
        wanted = math.ceil((horizon / k) ** (2 / 3) * math.log(horizon) ** (1 / 3))
        assert ExploreFirst().pulls_of(k, horizon) == min(wanted, horizon // k)
    assert ExploreFirst().pulls_of(1, 1) == 1
    assert ExploreFirst(50).pulls_of(3, 10) == 3


def test_explore_first_commits():
    found = play(COINS, ExploreFirst(10), 100, runs=200, rng=0)
    assert set(found.counts.min(axis=1)) == {10}
    assert set(found.counts.max(axis=1)) == {90}


def test_its_bound_by_hand():
    n = ExploreFirst().pulls_of(2, 1000)
    bound = 2 * n + 2000 * math.sqrt(2 * math.log(1000) / n) + 4e-9
    assert abs(ExploreFirst().bound(COINS, 1000) - bound) < 1e-9
    assert ExploreFirst().bound(COINS, [10, 1000]).shape == (2,)


def test_its_regret_is_below_its_bound_and_a_fixed_length_is_linear():
    exact = [ExploreFirst().expected_regret(COINS, t) for t in (100, 1000, 10_000)]
    assert (np.array(exact) <= ExploreFirst().bound(COINS, [100, 1000, 10_000])).all()
    fixed = [ExploreFirst(5).expected_regret(COINS, t) for t in (1000, 2000, 3000)]
    assert abs(np.diff(fixed, 2)[0]) < 1e-9
    assert np.diff(fixed)[0] > 20


@pytest.mark.parametrize("pulls", [0, -1])
def test_no_exploration_is_no_exploration(pulls):
    with pytest.raises(ValueError, match="pulls"):
        ExploreFirst(pulls)


# ---- ε-greedy --------------------------------------------------------------------------------


def test_the_decreasing_rate():
    """ε_1 = 1, though ln 1 = 0."""
    rate = EpsilonGreedy().rate
    assert rate(1, 10) == 1
    assert rate(50, 10) == min(1, (10 * math.log(50) / 50) ** (1 / 3))
    assert abs(rate(10_000, 10) - (10 * math.log(10_000) / 10_000) ** (1 / 3)) < 1e-15
    assert EpsilonGreedy(0.1).rate(7, 2) == EpsilonGreedy(constant(0.1)).rate(7, 2) == 0.1


def scripted(rewards, alpha, initial):
    """Q of a single arm after these rewards, by the kernel."""
    learner = EpsilonGreedy(0.0, step_size=alpha, initial=initial).prepare(Bandit([0.5]), 9)
    n = len(rewards)
    game = Game(
        means=np.zeros((1, 1)),
        width=np.ones(1),
        kind=1,
        luck=np.array([rewards], dtype=float),
        skip=0,
        start=0,
        pulls=n,
        run=0,
        key=np.uint64(0),
        counts=np.zeros((1, 1), dtype=np.int64),
        paid=np.zeros(1),
    )
    state = np.array([learner.state], dtype=float)
    learner.kernel(game, state, *learner.parameters)
    return state[0, 0]


def test_a_constant_step_weighs_the_past_geometrically():
    """The reward j pulls ago counts α(1−α)^j, the initial value (1−α)^n."""
    alpha, n = 0.3, 8
    for j in range(n):
        rewards = np.eye(n)[n - 1 - j]
        assert abs(scripted(rewards, alpha, 0.0) - alpha * (1 - alpha) ** j) < 1e-15
    assert abs(scripted(np.zeros(n), alpha, 5.0) - 5 * (1 - alpha) ** n) < 1e-14
    assert abs(scripted(np.arange(n), None, 5.0) - np.arange(n).mean()) < 1e-15


@pytest.mark.stat
def test_exploration_is_uniform():
    """ε = 1: every arm T/K times, χ² with false alarm 1e-6; ε = ½ is refused."""
    from scipy.stats import chisquare

    flat = Bandit([0.0] * 7)
    counts = play(flat, EpsilonGreedy(1.0), 1000, runs=50, rng=0).counts.sum(axis=0)
    assert chisquare(counts).pvalue > 1e-6
    assert (
        chisquare(play(flat, EpsilonGreedy(0.5), 1000, runs=50, rng=0).counts[0]).pvalue < 1e-6
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: EpsilonGreedy(1.5),
        lambda: EpsilonGreedy(-0.1),
        lambda: EpsilonGreedy(math.nan),
        lambda: EpsilonGreedy(Schedule(2.0)),
        lambda: EpsilonGreedy(0.1, step_size=0.0),
        lambda: EpsilonGreedy(0.1, step_size=1.5),
        lambda: EpsilonGreedy(0.1, step_size=math.nan),
        lambda: EpsilonGreedy(0.1, initial=math.inf),
        lambda: GradientBandit(0.0),
        lambda: GradientBandit(math.nan),
        lambda: GradientBandit(math.inf),
    ],
)
def test_what_is_no_algorithm(make):
    with pytest.raises(ValueError, match=r"must|exceeds|finite"):
        make()


def test_the_bound_is_for_the_decreasing_rate():
    with pytest.raises(ValueError, match="linear"):
        EpsilonGreedy(0.1).bound(COINS, 100)


# ---- gradient bandit -------------------------------------------------------------------------


@pytest.mark.stat
@pytest.mark.parametrize("baseline", [True, False])
def test_the_expected_update_is_the_gradient(baseline):
    """E ΔH = α ∇ Σ π μ = α π_a (μ_a − Σ π μ) for any baseline, here after fixed preferences.

    Hoeffding's radius at 1e-6 from 40,000 runs of one pull; without π_b in it, refused.
    """
    means, h, alpha = np.array([0.9, 0.2, 0.4]), np.array([0.0, 1.0, -1.0]), 0.5
    pi = np.exp(h) / np.exp(h).sum()
    learner = GradientBandit(alpha, baseline).prepare(Bandit(means), 2)
    runs, rng = 40_000, np.random.default_rng(0)
    game = Game(
        means=np.tile(means, (runs, 1)),
        width=np.zeros(3),
        kind=0,
        luck=rng.random((runs, 1)),
        skip=0,
        start=4,  # as if four pulls had paid 3
        pulls=1,
        run=0,
        key=np.uint64(5),
        counts=np.ones((runs, 3), dtype=np.int64),
        paid=np.full(runs, 3.0),
    )
    state = np.tile(np.append(h, np.zeros(3)), (runs, 1))
    learner.kernel(game, state, *learner.parameters)
    drift = (state[:, :3] - h).mean(axis=0)
    gradient = alpha * pi * (means - pi @ means)
    radius = 2 * alpha * math.sqrt(math.log(2e6) / (2 * runs))
    assert (abs(drift - gradient) < radius).all()
    assert (abs(drift - alpha * pi * means) > radius).any()


def test_extreme_preferences_do_not_overflow():
    found = play(Bandit([0.0, 100.0], Gaussian(1.0)), GradientBandit(10.0), 300, runs=20, rng=0)
    assert np.isfinite(found.regret.values).all()
    assert (found.counts[:, 1] > 250).mean() > 0.5
