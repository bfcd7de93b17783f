"""The 10-armed testbed and the bandits of Russo and Van Roy: known figures, by simulation.

The default tier plays fewer runs; `-m slow` plays the book's 2000 and longer. Intervals are
5 standard errors of the runs played, plus the landmark's own last digit: false alarm < 1e-6.
"""

import numpy as np
import pytest

from mdpkit.bandits import (
    UCB,
    UCB1,
    Bandit,
    BetaPrior,
    EpsilonGreedy,
    Gaussian,
    GradientBandit,
    NormalPrior,
    Thompson,
    play,
)

TESTBED = Bandit(NormalPrior(0.0, 1.0, 10), Gaussian(1.0))
SHIFTED = Bandit(NormalPrior(4.0, 1.0, 10), Gaussian(1.0))
LAST = [900, 1000]
"""Steps 901 … 1000, which the figures of landmarks are averages of."""

LANDMARKS = {
    # name: bandit, algorithm, (share of optimal pulls, reward), each with its last digit
    "epsilon .1": (TESTBED, EpsilonGreedy(0.1), (0.786, 0.01), (1.36, 0.01)),
    "ucb c=2": (TESTBED, UCB(2.0), (0.859, 0.01), (1.49, 0.01)),
    "optimistic": (
        TESTBED,
        EpsilonGreedy(0.0, step_size=0.1, initial=5.0),
        (0.855, 0.01),
        None,
    ),
    "gradient, baseline": (SHIFTED, GradientBandit(0.1), (0.85, 0.02), None),
    "gradient, none": (SHIFTED, GradientBandit(0.1, baseline=False), (0.50, 0.03), None),
}


def holds(name, runs):
    bandit, algorithm, share, reward = LANDMARKS[name]
    found = play(bandit, algorithm, 1000, runs=runs, rng=0, checkpoints=LAST)
    for curves, landmark in ((found.optimal_share, share), (found.reward, reward)):
        if landmark is not None:
            off = abs(curves.mean[-1] - landmark[0])
            assert off <= landmark[1] + 5 * curves.standard_error[-1], curves.mean[-1]


@pytest.mark.stat
@pytest.mark.parametrize("name", LANDMARKS)
def test_the_testbed(name):
    """400 runs."""
    holds(name, 400)


@pytest.mark.slow
@pytest.mark.stat
@pytest.mark.parametrize("name", LANDMARKS)
def test_the_testbed_at_length(name):
    """20,000 runs: the landmark's last digit is what the interval is made of."""
    holds(name, 20_000)


@pytest.mark.stat
def test_greedy_does_worse_in_the_long_run():
    """Greedy finds the best arm in about a third of the runs; ε = .01 in more. 5 s.e."""
    shares = []
    for epsilon in (0.0, 0.01, 0.1):
        found = play(TESTBED, EpsilonGreedy(epsilon), 1000, runs=400, rng=0, checkpoints=LAST)
        shares.append((found.optimal_share.mean[-1], found.optimal_share.standard_error[-1]))
    assert shares[0][0] + 5 * shares[0][1] < shares[2][0] - 5 * shares[2][1]
    assert abs(shares[0][0] - 0.37) < 0.03 + 5 * shares[0][1]


@pytest.mark.stat
def test_ten_uniform_coins():
    """T = 1000: Thompson 28.0 ± .2, UCB1 131.0 ± .3; here 500 runs."""
    bandit = Bandit(BetaPrior(1.0, 1.0, 10))
    for algorithm, wanted, digit in ((Thompson(), 28.0, 0.2), (UCB1(), 131.0, 0.3)):
        found = play(bandit, algorithm, 1000, runs=500, rng=0, checkpoints=[1000])
        off = abs(found.regret.mean[0] - wanted)
        assert off <= digit + 5 * found.regret.standard_error[0], found.regret.mean


@pytest.mark.slow
@pytest.mark.stat
def test_ten_uniform_coins_at_length():
    """The same with 20,000 runs."""
    bandit = Bandit(BetaPrior(1.0, 1.0, 10))
    for algorithm, wanted, digit in ((Thompson(), 28.0, 0.2), (UCB1(), 131.0, 0.3)):
        found = play(bandit, algorithm, 1000, runs=20_000, rng=0, checkpoints=[1000])
        off = abs(found.regret.mean[0] - wanted)
        assert off <= digit + 5 * found.regret.standard_error[0], found.regret.mean


@pytest.mark.stat
def test_thompson_on_five_coins_for_ten_pulls():
    """5.84 of 10 with five uniform coins, where the optimum is 6.660: 40,000 runs, 5 s.e."""
    bandit = Bandit(BetaPrior(1.0, 1.0, 5))
    found = play(bandit, Thompson(), 10, runs=40_000, rng=0, checkpoints=[10])
    total = 10 * found.reward.values[:, 0]
    error = total.std() / np.sqrt(total.size)
    assert abs(total.mean() - 5.84) < 0.01 + 5 * error
    assert total.mean() + 5 * error < 6.659988
