"""Bandits, arm for arm, against the CPU."""

from mdpkit.bandits import (
    UCB,
    UCB1,
    Bandit,
    BetaPrior,
    Gaussian,
    NormalPrior,
    SubGaussianUCB,
    Thompson,
    Uniform,
)
from mdpkit.bandits import play as play_bandit
from tests.cuda.case import case


@case("bandits/ucb.cu play_ucb")
def upper_confidence(device, full):
    """The same arms pulled, on every kind of noise."""
    for bandit, algorithm in (
        (Bandit([0.2, 0.5, 0.4]), UCB1()),
        (Bandit([0.0, 1.0, 0.5], Gaussian(2.0)), UCB(2.0)),
        (Bandit([0.0, 1.0], Uniform(1.0)), SubGaussianUCB()),
    ):
        yield from _played(bandit, algorithm, full)


@case("bandits/thompson.cu play_beta", "bandits/thompson.cu play_normal")
def thompson(device, full):
    """The same arms pulled, from beta and normal posteriors."""
    for bandit in (
        Bandit([0.2, 0.5, 0.4]),
        Bandit(BetaPrior(0.5, 0.5, n_arms=18)),
        Bandit(NormalPrior(0, 1, n_arms=5), Gaussian(1.0)),
    ):
        yield from _played(bandit, Thompson(), full)


def _played(bandit, algorithm, full):
    pulls = 60 if full else 20
    given = bandit, algorithm, pulls
    found = play_bandit(*given, runs=12, rng=9, checkpoints=[7, pulls], device="gpu")
    true = play_bandit(*given, runs=12, rng=9, checkpoints=[7, pulls])
    yield found.counts, true.counts, 0
    yield found.reward.mean, true.reward.mean, 1e-12
