"""Enumeration against all histories in fractions, and play against enumeration."""

from fractions import Fraction

import numpy as np
import pytest

from mdpkit._exact import rational
from mdpkit.bandits import (
    KLUCB,
    UCB,
    UCB1,
    Bandit,
    BetaPrior,
    EpsilonGreedy,
    ExploreFirst,
    FinitePrior,
    Gaussian,
    GradientBandit,
    Thompson,
    expected_pulls,
    expected_regret,
    expected_reward,
    play,
)
from tests.bandit_oracle import bayes_optimal, histories, kl_bisected

P, Q = Fraction(3, 5), Fraction(2, 5)
COINS = Bandit([float(P), float(Q)])
GREEDY = EpsilonGreedy(0.0, initial=2.0)
"""Each arm once, then the largest mean."""


def by_log(count):
    """UCB's choice with `count` of (t, n_a) in the logarithm; the lowest index among ties."""

    def policy(counts, sums):
        if (counts == 0).any():
            return np.eye(len(counts))[int(np.argmin(counts))]
        index = sums / counts + np.sqrt(2 * np.log(count(counts.sum(), counts)) / counts)
        return np.eye(len(counts))[int(np.argmax(index))]

    return policy


def by_kl(counts, sums):
    if (counts == 0).any():
        return np.eye(2)[int(np.argmin(counts))]
    bound = np.log(counts.sum())
    q = [kl_bisected(s / n, n, bound) for s, n in zip(sums, counts, strict=True)]
    return np.eye(2)[int(np.argmax(q))]


def greedy_policy(counts, sums):
    q = [s / n if n else 2.0 for s, n in zip(sums, counts, strict=True)]
    return np.eye(2)[int(np.argmax(q))]


def exact_regret(policy, horizon, means=(P, Q)):
    """E R_T over every history, in fractions, rewards drawn one by one."""
    best = max(means)
    return sum(
        p * sum(best - means[arm] for arm in arms)
        for arms, _, p in histories(means, policy, horizon)
    )


RULES = {
    "ucb1": (UCB1(), by_log(lambda t, n: t)),
    "kl-ucb": (KLUCB(), by_kl),
    "greedy": (GREEDY, greedy_policy),
    "explore-first": (ExploreFirst(2), None),
    "epsilon": (EpsilonGreedy(0.5), None),
}


@pytest.mark.parametrize("name", RULES)
def test_states_are_enough(name):
    """The sum over (pulls, successes) is the sum over all 4⁶ histories."""
    algorithm, policy = RULES[name]
    policy = policy or (lambda n, s: algorithm.policy(COINS, 6, n, s))
    found = expected_regret(COINS, algorithm, 5)
    for horizon in (1, 5):
        wanted = (
            exact_regret(policy, horizon) if name != "explore-first" or horizon == 6 else None
        )
        if wanted is not None:
            assert abs(found[horizon - 1] - float(wanted)) < 1e-14


def test_the_own_count_in_the_logarithm_is_caught():
    """√(2 ln n/n): the enumeration tells it from UCB1."""
    wrong = exact_regret(by_log(lambda t, n: n), 6)
    assert abs(expected_regret(COINS, UCB1(), 6)[-1] - float(wrong)) > 0.01


def test_exact_means_give_exact_regret():
    coins = Bandit([rational("3/5"), rational("2/5")])
    found = expected_regret(coins, GREEDY, 5)[-1]
    assert Fraction(int(found.p), int(found.q)) == exact_regret(greedy_policy, 5)


def test_greedy_is_stuck_with_this_chance():
    """Arm 0 fails, arm 1 pays: then arm 0, whose mean is 0, is never tried again."""
    horizon = 12
    stuck = float((1 - P) * Q)
    regret = expected_regret(COINS, GREEDY, horizon)
    assert regret[-1] - regret[-2] > 0.2 * stuck  # linear: so much more at every pull
    assert regret[-1] > 0.2 * stuck * (horizon - 1)


@pytest.mark.stat
@pytest.mark.parametrize("name", [*RULES, "ucb", "decreasing"])
def test_play_comes_to_the_enumerated_regret(name):
    """T = 20, 40,000 runs: Hoeffding's radius at 1e-6; choosing blindly is refused."""
    extra = {"ucb": UCB(0.5), "decreasing": EpsilonGreedy()}
    algorithm = extra[name] if name in extra else RULES[name][0]
    horizon, runs = 20, 40_000
    found = play(COINS, algorithm, horizon, runs=runs, rng=1, checkpoints=[5, 20])
    wanted = expected_regret(COINS, algorithm, horizon)[[4, 19]]
    radius = 0.2 * np.array([5, 20]) * np.sqrt(np.log(2e6) / (2 * runs))
    assert (abs(found.regret.mean - wanted) < radius).all()
    assert abs(found.regret.mean[1] - 2.0) > radius[1]  # a fair choice at every pull


def test_explore_first_is_a_sum_over_binomials():
    for means in ([0.6, 0.4], [0.4, 0.6], [0.3, 0.7, 0.7], [0.0, 1.0, 0.5]):
        coins = Bandit(means)
        for algorithm in (ExploreFirst(1), ExploreFirst(3), ExploreFirst()):
            horizon = 9
            states = expected_regret(coins, algorithm, horizon)[-1]
            assert abs(algorithm.expected_regret(coins, horizon) - states) < 1e-13


def test_a_prior_makes_it_bayesian():
    """Predictive chances make the same game as drawing the coins first."""
    prior = FinitePrior([[0.9, 0.5], [0.1, 0.5]], [0.25, 0.75])
    mixed = sum(
        w * expected_reward(Bandit(means), UCB1(), 8)
        for w, means in zip(prior.weights, prior.means, strict=True)
    )
    np.testing.assert_allclose(expected_reward(Bandit(prior), UCB1(), 8), mixed, rtol=1e-12)


ALL = [
    UCB1(),
    KLUCB(),
    UCB(0.3),
    EpsilonGreedy(),
    GREEDY,
    ExploreFirst(1),
]


@pytest.mark.parametrize(("horizon", "optimum"), [(5, 2.888889), (10, 6.021786)])
def test_no_algorithm_beats_the_bayes_optimal_one(horizon, optimum):
    """Two Beta(1, 1) coins: 2.888889 and 6.021786 at H = 5, 10, to six digits."""
    assert abs(bayes_optimal([1, 1], [1, 1], horizon) - optimum) < 1e-6
    bandit = Bandit(BetaPrior(1.0, 1.0, 2))
    for algorithm in ALL:
        assert expected_reward(bandit, algorithm, horizon)[-1] <= optimum + 1e-6
    assert expected_reward(bandit, Thompson(), 5)[-1] <= 2.888889
    assert expected_reward(bandit, GREEDY, horizon)[-1] > 0.96 * optimum  # a close race


@pytest.mark.slow
def test_nor_at_twenty_pulls():
    """12.431265 at H = 20; five coins, ten pulls: 6.659988."""
    optimum = bayes_optimal([1, 1], [1, 1], 20)
    assert abs(optimum - 12.431265) < 1e-6
    assert abs(bayes_optimal([1] * 5, [1] * 5, 10) - 6.659988) < 1e-6
    for algorithm in ALL:
        reward = expected_reward(Bandit(BetaPrior(1.0, 1.0, 2)), algorithm, 20)[-1]
        assert reward <= optimum


def test_someone_who_knows_the_coins_is_caught():
    """A policy that sees the means beats the Bayes-optimal value: max of mean, mean of max."""
    prior = BetaPrior(1.0, 1.0, 2)
    assert prior.best().value * 10 > 6.021786 > prior.mean.max() * 10


def test_what_is_not_enumerated():
    with pytest.raises(TypeError, match="only coins"):
        expected_pulls(Bandit([0.0], Gaussian(1.0)), UCB(), 3)
    with pytest.raises(TypeError, match="step size"):
        expected_pulls(COINS, EpsilonGreedy(0.1, step_size=0.1), 3)
    with pytest.raises(AttributeError):
        expected_pulls(COINS, GradientBandit(), 3)
    with pytest.raises(ValueError, match="horizon"):
        expected_pulls(COINS, UCB1(), 0)
