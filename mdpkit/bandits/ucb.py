"""Upper confidence bounds: pull the arm that could be the best.

    UCB1                 μ̂_a + √(2 ln t / n_a)                rewards in [0, 1]
    SubGaussianUCB(ν)    μ̂_a + ν √((2/n_a) ln(2/δ)), δ = t⁻²  ν-sub-Gaussian noise
    UCB(c)               μ̂_a + c √(ln(t + 1) / n_a)           the one of textbooks

t pulls were made so far, n_a of them of arm a; each arm is pulled once first. Among ties the
lowest index. The logarithm grows with t: an arm unlucky at first is tried again, for ever.

    E R_T ≤ Σ_a 8 ln T/Δ_a + (1 + π²/3) Σ_a Δ_a      UCB1, checked as U5
    E R_T ≤ √(32 K T ln T) + (1 + π²/3) Σ_a Δ_a      whatever the gaps

Checked in tests/bandits. Source: Auer, Cesa-Bianchi & Fischer (2002), Theorem 1; Sutton & Barto
(2018), §2.7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit._jit import njit
from mdpkit.bandits._game import Learner, pay
from mdpkit.bandits._policy import check_first_pulls, greedy, untried
from mdpkit.bandits.bandit import Bandit

_REMEDY = "Use UCB(c) or SubGaussianUCB(nu), or scale the rewards."


@dataclass(frozen=True)
class UCB1:
    """μ̂_a + √(2 ln t / n_a), for rewards in [0, 1]."""

    def prepare(self, bandit: Bandit, horizon: int) -> Learner:
        """Its kernel; ValueError if T < K, ModelError where rewards leave [0, 1]."""
        bandit.require_unit_rewards("UCB1", _REMEDY)
        return _learner(bandit, horizon, 2.0, 0.0, 0)

    def policy(self, bandit: Bandit, horizon: int, counts: Any, sums: Any) -> np.ndarray:
        """(K,) P(the next arm | pulls and sums of rewards), as it is defined."""
        return _policy(counts, sums, 2.0, 0.0, 0)

    def bound(self, bandit: Bandit, pulls: Any) -> np.ndarray:
        """E R_T ≤ Σ 8 ln T/Δ + (1 + π²/3) Σ Δ over arms with Δ > 0; T = pulls, any shape."""
        bandit.require_unit_rewards("UCB1", _REMEDY)
        gaps = _positive_gaps(bandit)
        log = np.log(np.asarray(pulls, dtype=float))
        return 8 * log * (1 / gaps).sum() + (1 + math.pi**2 / 3) * gaps.sum()

    def gap_free_bound(self, bandit: Bandit, pulls: Any) -> np.ndarray:
        """E R_T ≤ √(32 K T ln T) + (1 + π²/3) Σ Δ: the gaps below √(8 K ln T/T) cost TΔ."""
        bandit.require_unit_rewards("UCB1", _REMEDY)
        pulls = np.asarray(pulls, dtype=float)
        rest = (1 + math.pi**2 / 3) * _positive_gaps(bandit).sum()
        return np.sqrt(32 * bandit.n_arms * pulls * np.log(pulls)) + rest


@dataclass(frozen=True)
class SubGaussianUCB:
    """μ̂_a + ν √((2/n_a) ln(2/δ)), δ = t⁻²; nu None: the bandit's own ν.

    A δ of 2/T is not enough: the number of pulls is random, so the event must hold for each of
    t possible n_a, and that costs a factor t.
    """

    nu: float | None = None

    def __post_init__(self):
        if self.nu is not None and not 0 < self.nu < math.inf:
            raise ValueError(f"nu must be finite and > 0; it is {self.nu}.")

    def prepare(self, bandit: Bandit, horizon: int) -> Learner:
        """Its kernel; ValueError if T < K, or where the noise is wider than nu."""
        nu = self._nu(bandit)
        return _learner(bandit, horizon, 4 * nu**2, 2 * nu**2 * math.log(2), 0)

    def policy(self, bandit: Bandit, horizon: int, counts: Any, sums: Any) -> np.ndarray:
        """(K,) P(the next arm | pulls and sums of rewards), as it is defined."""
        nu = self._nu(bandit)
        return _policy(counts, sums, 4 * nu**2, 2 * nu**2 * math.log(2), 0)

    def bound(self, bandit: Bandit, pulls: Any) -> np.ndarray:
        """E R_T ≤ Σ 8ν² ln(2T²)/Δ + (2 + ln T) Σ Δ over arms with Δ > 0; T = pulls.

        A pull of a after ⌈8ν² ln(2T²)/Δ²⌉ needs a mean outside its radius: at most t of each of
        two kinds, of probability t⁻²/2, so 1/t at pull t.
        """
        nu, gaps = self._nu(bandit), _positive_gaps(bandit)
        pulls = np.asarray(pulls, dtype=float)
        chosen = 8 * nu**2 * np.log(2 * pulls**2) * (1 / gaps).sum()
        return chosen + (2 + np.log(pulls)) * gaps.sum()

    def _nu(self, bandit: Bandit) -> float:
        nu = bandit.noise.nu if self.nu is None else float(self.nu)
        if bandit.noise.nu > nu:
            raise ValueError(
                f"the noise is {bandit.noise.nu:g}-sub-Gaussian; nu is {nu:g}. Raise nu."
            )
        return nu


@dataclass(frozen=True)
class UCB:
    """μ̂_a + c √(ln(t + 1) / n_a), any rewards; c > 0 in units of reward, no promise."""

    c: float = 2.0

    def __post_init__(self):
        if not 0 < self.c < math.inf:
            raise ValueError(f"c must be finite and > 0; it is {self.c}.")

    def prepare(self, bandit: Bandit, horizon: int) -> Learner:
        """Its kernel; ValueError if T < K."""
        return _learner(bandit, horizon, self.c**2, 0.0, 1)

    def policy(self, bandit: Bandit, horizon: int, counts: Any, sums: Any) -> np.ndarray:
        """(K,) P(the next arm | pulls and sums of rewards), as it is defined."""
        return _policy(counts, sums, self.c**2, 0.0, 1)


def _positive_gaps(bandit: Bandit) -> np.ndarray:
    gaps = bandit.gaps.astype(float)
    return gaps[gaps > 0]


def _learner(bandit: Bandit, horizon: int, slope: float, offset: float, ahead: int) -> Learner:
    check_first_pulls(bandit, horizon)
    state = np.zeros(3 * bandit.n_arms)
    return Learner(_play, (slope, offset, ahead), state, "bandits/ucb.cu play_ucb")


def _policy(counts: Any, sums: Any, slope: float, offset: float, ahead: int) -> np.ndarray:
    counts = np.asarray(counts)
    if (counts == 0).any():
        return untried(counts)
    log = math.log(counts.sum() + ahead)
    return greedy(np.asarray(sums) / counts + np.sqrt((slope * log + offset) / counts))


@njit
def _play(game, state, slope, offset, ahead):
    """Index μ̂_a + √(slope·ln(t + ahead) + offset) · n_a^(−½): one logarithm and root a pull."""
    n_arms = game.means.shape[1]
    for i in range(game.means.shape[0]):
        total, mean, width = state[i, :n_arms], state[i, n_arms:-n_arms], state[i, -n_arms:]
        for j in range(game.pulls):
            t = game.start + j
            arm = 0
            if t < n_arms:
                arm = t
            else:
                scale = math.sqrt(slope * math.log(t + ahead) + offset)
                top = mean[0] + scale * width[0]
                for a in range(1, n_arms):
                    index = mean[a] + scale * width[a]
                    if index > top:
                        top, arm = index, a
            total[arm] += pay(game, i, j, arm)
            n = game.counts[i, arm]
            mean[arm] = total[arm] / n
            width[arm] = 1.0 / math.sqrt(n)
