"""Explore first: pull every arm N times, then the best of them for the rest.

    N = (T/K)^(2/3) (ln T)^(1/3)   ⇒   E R_T = O(T^(2/3) (K ln T)^(1/3))
    E R_T ≤ K N + 2T √(2 ln T/N) + 2K/T³        rewards in [0, 1], checked as U3

Among ties the lowest index. On coins the expected regret is a sum over binomials: exact.
Checked in tests/bandits. Source: Slivkins (2019), §1.2, Theorem 1.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import bdtr
from scipy.stats import binom

from mdpkit._jit import njit
from mdpkit.bandits._game import Learner, pay
from mdpkit.bandits._policy import check_first_pulls, greedy
from mdpkit.bandits.bandit import Bandit
from mdpkit.bandits.noise import Bernoulli


@dataclass(frozen=True)
class ExploreFirst:
    """N pulls of each arm, then the one of the largest mean; pulls = N ≥ 1, None by formula."""

    pulls: int | None = None

    def __post_init__(self):
        if self.pulls is not None and self.pulls < 1:
            raise ValueError(f"pulls of each arm must be ≥ 1; they are {self.pulls}.")

    def pulls_of(self, n_arms: int, horizon: int) -> int:
        """N: as given, or (T/K)^(2/3) (ln T)^(1/3) rounded up; at most T/K."""
        wanted = self.pulls
        if wanted is None:
            wanted = math.ceil((horizon / n_arms) ** (2 / 3) * math.log(horizon) ** (1 / 3))
        return max(1, min(wanted, horizon // n_arms))

    def prepare(self, bandit: Bandit, horizon: int) -> Learner:
        """Its kernel; ValueError if T < K."""
        check_first_pulls(bandit, horizon)
        n = self.pulls_of(bandit.n_arms, horizon)
        return Learner(_play, (n * bandit.n_arms,), np.append(np.zeros(bandit.n_arms), -1.0))

    def policy(self, bandit: Bandit, horizon: int, counts: Any, sums: Any) -> np.ndarray:
        """(K,) P(the next arm | pulls and sums of rewards), as it is defined.

        Once committed, the arm is known by its pulls: it has more than N.
        """
        counts, n = np.asarray(counts), self.pulls_of(bandit.n_arms, horizon)
        if counts.sum() < n * bandit.n_arms:
            return greedy(-counts)
        return greedy(counts if (counts > n).any() else sums)

    def expected_regret(self, bandit: Bandit, horizon: int) -> float:
        """E R_T on coins, exactly: N Σ Δ_a + (T − KN) Σ Δ_a P(arm a has most successes)."""
        if not isinstance(bandit.noise, Bernoulli):
            raise TypeError(f"only coins are enumerated, not {bandit.noise}.")
        gaps, n = bandit.gaps, self.pulls_of(bandit.n_arms, horizon)
        successes = np.arange(n + 1)
        chance = np.array([binom.pmf(successes, n, p) for p in bandit.means])
        below = np.array([_cdf(successes - 1, n, p) for p in bandit.means])
        wins = np.empty(bandit.n_arms)
        for a in range(bandit.n_arms):
            others = np.concatenate([below[:a], below[a + 1 :] + chance[a + 1 :]])
            wins[a] = (chance[a] * others.prod(axis=0)).sum()
        return float(n * gaps.sum() + (horizon - n * bandit.n_arms) * (gaps @ wins))

    def bound(self, bandit: Bandit, pulls: Any) -> np.ndarray:
        """E R_T ≤ K N + 2T √(2 ln T/N) + 2K/T³, with the N of that T; T = pulls, any shape."""
        bandit.require_unit_rewards("This bound", "Scale the rewards.")
        k, horizons = bandit.n_arms, np.asarray(pulls, dtype=float)
        n = np.vectorize(lambda horizon: self.pulls_of(k, int(horizon)), otypes=[float])(pulls)
        radius = np.sqrt(2 * np.log(horizons) / n)
        return k * n + 2 * horizons * radius + 2 * k / horizons**3


def _cdf(successes: np.ndarray, n: int, p: float) -> np.ndarray:
    """P(S ≤ s) of a binomial, 0 below 0."""
    return np.where(successes < 0, 0.0, bdtr(np.maximum(successes, 0), n, p))


@njit
def _play(game, state, exploration):
    """state: sums of rewards, then the arm committed to, −1 before that."""
    n_arms = game.means.shape[1]
    for i in range(game.means.shape[0]):
        for j in range(game.pulls):
            t = game.start + j
            if t < exploration:
                arm = t % n_arms
            else:
                if state[i, n_arms] < 0.0:
                    state[i, n_arms] = np.argmax(state[i, :n_arms])
                arm = int(state[i, n_arms])
            state[i, arm] += pay(game, i, j, arm)
