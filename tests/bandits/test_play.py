"""Kernels against their definitions, threads and cuts against each other, and the books."""

import math
from contextlib import contextmanager
from importlib import import_module

import numpy as np
import pytest

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
    NormalPrior,
    SubGaussianUCB,
    Thompson,
    Uniform,
    play,
)
from mdpkit.operators.step_size import polynomial
from tests.bandit_oracle import (
    by_index,
    epsilon_greedy,
    explore_first,
    finite_thompson,
    game,
    gradient,
    kl_bisected,
    mean_of,
    normal_thompson,
    ucb,
    weighted,
)

COINS = Bandit([0.3, 0.55, 0.5])
TESTBED = Bandit(NormalPrior(0.0, 1.0, 4), Gaussian(1.0))
SHARP = Bandit([0.2, 0.6, 0.5], Uniform(0.2))
TWO = FinitePrior([[0.8, 0.3, 0.5], [0.2, 0.6, 0.5], [0.4, 0.4, 0.9]], [0.5, 0.3, 0.2])


PAIRS = {
    "explore-first": (COINS, ExploreFirst(7), lambda: explore_first(3, 7)),
    "ucb1": (COINS, UCB1(), lambda: ucb(3, lambda t: 2 * math.log(t))),
    "ucb1-uniform": (SHARP, UCB1(), lambda: ucb(3, lambda t: 2 * math.log(t))),
    "ucb": (TESTBED, UCB(2.0), lambda: ucb(4, lambda t: 4 * math.log(t + 1))),
    "sub-gaussian": (
        TESTBED,
        SubGaussianUCB(),
        lambda: ucb(4, lambda t: 2 * math.log(2 / t**-2)),
    ),
    "kl-ucb": (
        COINS,
        KLUCB(),
        lambda: by_index(3, lambda m, n, t: kl_bisected(m, n, math.log(t))),
    ),
    "kl-ucb-uniform": (
        SHARP,
        KLUCB(3.0),
        lambda: by_index(
            3, lambda m, n, t: kl_bisected(m, n, math.log(t) + 3 * math.log(math.log(t)))
        ),
    ),
    "greedy": (COINS, EpsilonGreedy(0.0), lambda: epsilon_greedy(3, lambda t: 0.0, mean_of)),
    "decreasing": (
        COINS,
        EpsilonGreedy(),
        lambda: epsilon_greedy(
            3, lambda t: min(1, (3 * math.log(t) / t) ** (1 / 3)) if t > 1 else 1, mean_of
        ),
    ),
    "schedule": (
        COINS,
        EpsilonGreedy(polynomial(1.0, power=1.0)),
        lambda: epsilon_greedy(3, lambda t: 1 / t, mean_of),
    ),
    "optimistic": (
        TESTBED,
        EpsilonGreedy(0.1, step_size=0.2, initial=5.0),
        lambda: epsilon_greedy(4, lambda t: 0.1, weighted(0.2, 5.0)),
    ),
    "gradient": (TESTBED, GradientBandit(0.3), lambda: gradient(4, 0.3, True)),
    "gradient-plain": (
        TESTBED,
        GradientBandit(0.3, baseline=False),
        lambda: gradient(4, 0.3, False),
    ),
    "thompson-normal": (
        Bandit(NormalPrior([0, 1, 2, 0], [1, 2, 1, 3]), Gaussian(0.5)),
        Thompson(),
        lambda: normal_thompson(4, 0.5, np.array([0, 1, 2, 0]), np.array([1, 2, 1, 3])),
    ),
    "thompson-finite": (Bandit(TWO), Thompson(), lambda: finite_thompson(TWO)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_kernel_plays_what_its_definition_plays(name):
    bandit, algorithm, make = PAIRS[name]
    horizon, runs = 60, 6
    found = play(
        bandit, algorithm, horizon, runs=runs, rng=5, checkpoints=np.arange(1, horizon + 1)
    )
    for run in range(runs):
        arms, rewards = game(bandit, make(), horizon, 5, run, found.means[run])
        assert found.counts[run].tolist() == np.bincount(arms, minlength=bandit.n_arms).tolist()
        gaps = found.means[run].max() - found.means[run]
        np.testing.assert_allclose(found.regret.values[run], np.cumsum(gaps[arms]), rtol=1e-12)
        np.testing.assert_allclose(found.reward.values[run], rewards, rtol=1e-9, atol=1e-9)
        assert (found.optimal_share.values[run] == (gaps[arms] == 0)).all()


def test_the_logarithm_of_an_arms_own_pulls_is_not_ucb1():
    """√(2 ln n/n), an erratum of lecture notes: another game."""
    found = play(COINS, UCB1(), 60, runs=6, rng=5)
    wrong = by_index(3, lambda mean, n, t: mean + math.sqrt(2 * math.log(n) / n))
    same = []
    for run in range(6):
        arms, _ = game(COINS, wrong, 60, 5, run, found.means[run])
        same.append(found.counts[run].tolist() == np.bincount(arms, minlength=3).tolist())
    assert not all(same)


def alike(one, other):
    return all(
        np.array_equal(a, b)
        for a, b in (
            (one.regret.values, other.regret.values),
            (one.reward.values, other.reward.values),
            (one.optimal_share.values, other.optimal_share.values),
            (one.counts, other.counts),
            (one.means, other.means),
        )
    )


@pytest.mark.parametrize(
    ("bandit", "algorithm"),
    [
        (COINS, UCB1()),
        (COINS, KLUCB()),
        (COINS, EpsilonGreedy()),
        (COINS, ExploreFirst()),
        (TESTBED, GradientBandit()),
        (TESTBED, Thompson()),
        (Bandit(BetaPrior(1.0, 1.0, 12)), Thompson()),
        (Bandit(TWO), Thompson()),
    ],
    ids=lambda x: type(x).__name__,
)
def test_threads_change_nothing(bandit, algorithm, monkeypatch):
    monkeypatch.setattr("mdpkit._threads.BUDGET", 20_000)  # so that there is work for all
    one = play(bandit, algorithm, 2000, runs=70, rng=3)
    for threads in (2, 4):
        assert alike(one, play(bandit, algorithm, 2000, runs=70, rng=3, threads=threads))
    assert not alike(one, play(bandit, algorithm, 2000, runs=70, rng=4))


@pytest.mark.parametrize("algorithm", [UCB1(), KLUCB(), Thompson(), EpsilonGreedy()])
def test_how_the_games_are_cut_changes_nothing(algorithm):
    marks = np.array([1, 2, 3, 10, 501, 777, 1000])
    one = play(COINS, algorithm, 1000, runs=40, rng=3)
    cut = play(COINS, algorithm, 1000, runs=90, rng=3, checkpoints=marks)
    assert np.array_equal(one.counts, cut.counts[:40])
    assert one.regret.x[-1] == cut.regret.x[-1] == 1000
    assert np.array_equal(one.regret.values[:, -1], cut.regret.values[:40, -1])


def test_algorithms_meet_the_same_luck():
    """At whatever pull two algorithms pull the same arm, it pays them the same."""
    marks = np.arange(1, 301)
    one = play(TESTBED, UCB(1.0), 300, runs=5, rng=1, checkpoints=marks)
    two = play(TESTBED, EpsilonGreedy(0.3), 300, runs=5, rng=1, checkpoints=marks)
    assert np.array_equal(one.means, two.means)
    best = (one.optimal_share.values == 1) & (two.optimal_share.values == 1)
    assert best.sum() > 100
    np.testing.assert_allclose(one.reward.values[best], two.reward.values[best], atol=1e-9)


def test_regret_is_the_gaps_times_the_pulls():
    """R_T = Σ Δ_a N_a on every path, and T pulls in all."""
    found = play(TESTBED, UCB(1.0), 500, runs=50, rng=2)
    gaps = found.means.max(axis=1, keepdims=True) - found.means
    np.testing.assert_allclose(found.regret.values[:, -1], (gaps * found.counts).sum(axis=1))
    assert (found.counts.sum(axis=1) == 500).all()
    steps = np.diff(found.pulls, prepend=0)
    assert (np.diff(found.regret.values, axis=1) >= 0).all()
    paid = (found.reward.values * steps).sum(axis=1)
    missed = 500 * found.means.max(axis=1) - paid - found.regret.values[:, -1]
    assert np.abs(missed).max() < 6.2 * math.sqrt(500)  # noise: N(0, 500), 50 runs, 1e-8


def test_default_checkpoints_are_few_and_reach_the_horizon():
    for horizon in (1, 2, 63, 10_000):
        found = play(Bandit([0.5]), EpsilonGreedy(), horizon, runs=2, rng=0)
        assert found.pulls[-1] == horizon
        assert found.pulls[0] == 1
        assert len(found.pulls) <= 64
        assert (np.diff(found.pulls) > 0).all()


@pytest.mark.parametrize("given", [[0, 5], [3, 3], [5, 4], [11], [], [2.5], [[1, 2]]])
def test_checkpoints_that_are_none(given):
    with pytest.raises(ValueError, match="checkpoints"):
        play(COINS, UCB1(), 10, runs=2, checkpoints=given)


def test_what_cannot_be_played():
    with pytest.raises(ValueError, match="horizon and runs"):
        play(COINS, UCB1(), 0)
    with pytest.raises(ValueError, match="horizon and runs"):
        play(COINS, UCB1(), 10, runs=0)
    with pytest.raises(ValueError, match="threads"):
        play(COINS, UCB1(), 10, threads=0)
    for algorithm in (UCB1(), KLUCB(), ExploreFirst(), UCB(), SubGaussianUCB()):
        with pytest.raises(ValueError, match="pulled once first"):
            play(COINS, algorithm, 2)
    for algorithm in (UCB1(), KLUCB()):
        with pytest.raises(ValueError, match=r"rewards in \[0, 1\]"):
            play(TESTBED, algorithm, 10)
        with pytest.raises(ValueError, match=r"rewards in \[0, 1\]"):
            play(Bandit([0.1, 0.5], Uniform(0.2)), algorithm, 10)


def test_ctrl_c_hands_back_what_was_played(monkeypatch):
    whole, seen = play(COINS, UCB1(), 1000, runs=10, rng=0), []

    @contextmanager
    def bar(shown, label, total):
        assert total == 10 * 1000
        yield stop

    def stop(done):
        seen.append(done)
        if len(seen) == 20:
            raise KeyboardInterrupt

    monkeypatch.setattr(import_module("mdpkit.bandits.play"), "count_bar", bar)
    with pytest.raises(KeyboardInterrupt) as caught:
        play(COINS, UCB1(), 1000, runs=10, rng=0)
    found = caught.value.played
    n = len(found.pulls)
    assert 0 < n < len(whole.pulls)
    assert np.array_equal(found.regret.values, whole.regret.values[:, :n])
    assert (found.counts.sum(axis=1) == found.pulls[-1]).all()
    assert seen == sorted(seen)


def test_a_bar_is_shown_on_standard_error(capfd):
    play(COINS, UCB1(), 100, runs=10, rng=0, progress=True)
    out, _ = capfd.readouterr()
    assert out == ""
