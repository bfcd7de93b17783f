"""ε-greedy: the arm of the largest estimate, but any arm with probability ε_t.

    ε_t = min(1, (K ln t/t)^(1/3)), ε_1 = 1   ⇒   E R_t = O(t^(2/3) (K ln t)^(1/3)) at every t
    ε_t = ε                                   ⇒   E R_t ~ ε t · mean Δ: linear
    Q_a ← Q_a + α (r − Q_a)                   the reward j pulls ago weighs α(1 − α)^j

Without a step size Q_a is the sample mean. Initial values above what arms pay make it try them
all ("optimistic"). Among ties the lowest index.

Checked in tests/bandits and as U4. Source: Auer, Cesa-Bianchi & Fischer (2002), §3; Slivkins
(2019), Theorem 1.6; Sutton & Barto (2018), §2.2–2.6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit._jit import njit
from mdpkit._random import unit
from mdpkit.bandits._draws import words_of
from mdpkit.bandits._game import Learner, pay
from mdpkit.bandits._policy import greedy
from mdpkit.bandits.bandit import Bandit
from mdpkit.operators.step_size import Schedule, as_schedule, at

_UNUSED = Schedule(0.0)


@dataclass(frozen=True)
class EpsilonGreedy:
    """Explore with probability ε_t, at pull t = 1, 2, …

    epsilon     a number, a Schedule (its k-th term at pull k + 1), or None: the ε_t above
    step_size   α in (0, 1]; None: sample means
    initial     Q of an arm not yet pulled, in units of reward
    """

    epsilon: Schedule | float | None = None
    step_size: float | None = None
    initial: float = 0.0

    def __post_init__(self):
        if self.epsilon is not None:
            as_schedule(self.epsilon)  # raises
        if self.step_size is not None and not 0 < self.step_size <= 1:
            raise ValueError(f"step_size must lie in (0, 1]; it is {self.step_size}.")
        if not math.isfinite(self.initial):
            raise ValueError(f"initial must be finite; it is {self.initial}.")

    def prepare(self, bandit: Bandit, horizon: int) -> Learner:
        """Its kernel."""
        schedule = _UNUSED if self.epsilon is None else as_schedule(self.epsilon)
        parameters = self.epsilon is None, schedule, self.step_size or 0.0
        state = np.append(np.full(bandit.n_arms, self.initial), np.zeros(bandit.n_arms))
        return Learner(_play, parameters, state)

    def rate(self, pull: int, n_arms: int) -> float:
        """ε_t at pull t = 1, 2, …"""
        if self.epsilon is None:
            return _decreasing(pull, n_arms)
        return at(as_schedule(self.epsilon), pull - 1)

    def policy(self, bandit: Bandit, horizon: int, counts: Any, sums: Any) -> np.ndarray:
        """(K,) P(the next arm | pulls and sums of rewards), as it is defined.

        Raises TypeError with a step size: then the order of rewards matters too.
        """
        if self.step_size is not None:
            raise TypeError("with a step size, counts and sums do not say what Q is.")
        counts, k = np.asarray(counts), bandit.n_arms
        q = np.where(counts > 0, sums / np.maximum(counts, 1), self.initial)
        epsilon = self.rate(int(counts.sum()) + 1, k)
        return (1 - epsilon) * greedy(q) + epsilon / k

    def bound(self, bandit: Bandit, pulls: Any) -> np.ndarray:
        """E R_T ≤ Σ_{t≤T} min(1, 5ε_t + 2K t⁻³ + K exp(−t ε_t/(8K))), rewards in [0, 1].

        Exploration costs ε_t. Else, unless a mean is off by more than √(2 ln t/n) (2K t⁻³) or
        an arm was explored less than half as often as expected (Chernoff), the choice costs at
        most two radii of n = t ε_t/(2K) samples, which are 4ε_t. For the default ε_t only.
        """
        bandit.require_unit_rewards("This bound", "Scale the rewards.")
        if self.epsilon is not None:
            raise ValueError("this bound is for epsilon=None; a constant ε has linear regret.")
        pulls, k = np.asarray(pulls, dtype=np.int64), bandit.n_arms
        t = np.arange(1, pulls.max() + 1, dtype=float)
        epsilon = np.minimum(1, (k * np.log(t) / t) ** (1 / 3))
        epsilon[0] = 1
        unlucky = 2 * k / t**3 + k * np.exp(-t * epsilon / (8 * k))
        return np.cumsum(np.minimum(1, 5 * epsilon + unlucky))[pulls - 1]


@njit
def _decreasing(pull, n_arms):
    """min(1, (K ln t/t)^(1/3)), but 1 at the first pull."""
    return 1.0 if pull == 1 else min(1.0, (n_arms * math.log(pull) / pull) ** (1.0 / 3.0))


@njit
def _play(game, state, decreasing, schedule, step_size):
    """state: Q, then sums of rewards; a mean is a quotient, so that equal means are ties."""
    n_arms = game.means.shape[1]
    for i in range(game.means.shape[0]):
        q, total = state[i, :n_arms], state[i, n_arms:]
        for j in range(game.pulls):
            t = game.start + j
            epsilon = _decreasing(t + 1, n_arms) if decreasing else at(schedule, t)
            words = words_of(game.key, game.run + i, t, 0)
            if unit(words[0], words[1]) < epsilon:
                arm = np.int64((words[2] * np.uint64(n_arms)) >> np.uint64(32))
            else:
                arm = np.argmax(q)
            reward = pay(game, i, j, arm)
            if step_size > 0.0:
                q[arm] += step_size * (reward - q[arm])
            else:
                total[arm] += reward
                q[arm] = total[arm] / game.counts[i, arm]
