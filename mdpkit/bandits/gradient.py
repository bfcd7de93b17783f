"""Gradient bandit: stochastic ascent of E r on preferences H, the softmax of which is played.

    π_a = exp(H_a) / Σ_b exp(H_b)
    H_a ← H_a + α (r_t − r̄_t) (1[a = A_t] − π_a),     r̄_t the mean of the rewards before t

E of the update is α ∇_H Σ_a π_a μ_a, whatever the baseline r̄_t. r̄_1 = r_1.
Checked in tests/bandits/test_gradient.py. Source: Williams (1992); Sutton & Barto (2018), §2.8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mdpkit._jit import njit
from mdpkit._random import unit
from mdpkit.bandits._draws import words_of
from mdpkit.bandits._game import Learner, pay
from mdpkit.bandits.bandit import Bandit


@dataclass(frozen=True)
class GradientBandit:
    """step_size = α > 0, per unit of reward; baseline False: r̄_t = 0."""

    step_size: float = 0.1
    baseline: bool = True

    def __post_init__(self):
        if not 0 < self.step_size < math.inf:
            raise ValueError(f"step_size must be finite and > 0; it is {self.step_size}.")

    def prepare(self, bandit: Bandit, horizon: int) -> Learner:
        """Its kernel."""
        parameters = float(self.step_size), bool(self.baseline)
        return Learner(_play, parameters, np.zeros(2 * bandit.n_arms))


@njit
def _play(game, state, step_size, baseline):
    """state: H, then room for π."""
    n_arms = game.means.shape[1]
    for i in range(game.means.shape[0]):
        preference, pi = state[i, :n_arms], state[i, n_arms:]
        for j in range(game.pulls):
            t = game.start + j
            top, total = np.max(preference), 0.0
            for a in range(n_arms):
                pi[a] = math.exp(preference[a] - top)
                total += pi[a]
            words = words_of(game.key, game.run + i, t, 0)
            left, arm = unit(words[0], words[1]) * total, 0
            while arm < n_arms - 1 and left >= pi[arm]:
                left -= pi[arm]
                arm += 1
            before = game.paid[i]
            reward = pay(game, i, j, arm)
            base = 0.0
            if baseline:
                base = before / t if t > 0 else reward
            push = step_size * (reward - base)
            for a in range(n_arms):
                preference[a] -= push * pi[a] / total
            preference[arm] += push
