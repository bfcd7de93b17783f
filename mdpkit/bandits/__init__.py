"""Bandits: which arm? Algorithms, their regret over many runs, and the bounds beside it.

    from mdpkit.bandits import UCB1, Bandit, Thompson, play
    coins = Bandit([0.4, 0.5, 0.6])
    found = play(coins, UCB1(), 100_000, runs=1000, rng=0)
    found.regret.mean, found.regret.quantile(0.95), UCB1().bound(coins, found.pulls)

An algorithm is a frozen dataclass; `play` runs many games of it in one call, `expected_pulls`
enumerates short ones exactly.
"""

from mdpkit.bandits.bandit import Bandit
from mdpkit.bandits.epsilon_greedy import EpsilonGreedy
from mdpkit.bandits.exact import expected_pulls, expected_regret, expected_reward
from mdpkit.bandits.explore_first import ExploreFirst
from mdpkit.bandits.gradient import GradientBandit
from mdpkit.bandits.kl_ucb import KLUCB, kl_index, lai_robbins_slope
from mdpkit.bandits.noise import (
    Bernoulli,
    Gaussian,
    Uniform,
    bernoulli_divergence,
    hoeffding_radius,
)
from mdpkit.bandits.play import Played, play
from mdpkit.bandits.priors import BetaPrior, FinitePrior, NormalPrior, entropy
from mdpkit.bandits.thompson import Thompson
from mdpkit.bandits.ucb import UCB, UCB1, SubGaussianUCB

__all__ = [
    "KLUCB",
    "UCB",
    "UCB1",
    "Bandit",
    "Bernoulli",
    "BetaPrior",
    "EpsilonGreedy",
    "ExploreFirst",
    "FinitePrior",
    "Gaussian",
    "GradientBandit",
    "NormalPrior",
    "Played",
    "SubGaussianUCB",
    "Thompson",
    "Uniform",
    "bernoulli_divergence",
    "entropy",
    "expected_pulls",
    "expected_regret",
    "expected_reward",
    "hoeffding_radius",
    "kl_index",
    "lai_robbins_slope",
    "play",
]
