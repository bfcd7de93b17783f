"""KL-UCB: confidence by Chernoff instead of Hoeffding; each arm is tried as often as it must.

    q_a = max {q ∈ [μ̂_a, 1] : n_a kl(μ̂_a, q) ≤ ln t + c ln ln t}
    R_T / ln T → Σ_a Δ_a / kl(μ_a, μ*)               the least any consistent algorithm can do
    μ̂_a ≤ q_a ≤ μ̂_a + √(ln t/(2n_a)) for c = 0       Pinsker: never above UCB's

Each arm is pulled once first; among ties the lowest index. One root is found a pull: another
arm can only be best where n kl(μ̂, q) at the best q so far is below the level. In w = −ln(1 − q)
the equation is convex, and Newton's steps need no safeguard but an upper end.

Checked in tests/bandits/test_kl_ucb.py. Source: Garivier & Cappé (2011).
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


@dataclass(frozen=True)
class KLUCB:
    """Rewards in [0, 1]; c ≥ 0: 0 in practice, 3 in the proof."""

    c: float = 0.0

    def __post_init__(self):
        if not 0 <= self.c < math.inf:
            raise ValueError(f"c must be finite and ≥ 0; it is {self.c}.")

    def prepare(self, bandit: Bandit, horizon: int) -> Learner:
        """Its kernel; ValueError if T < K, ModelError where rewards leave [0, 1]."""
        bandit.require_unit_rewards("KLUCB", "Scale the rewards.")
        check_first_pulls(bandit, horizon)
        return Learner(_play, (float(self.c),), np.zeros(4 * bandit.n_arms + 1))

    def policy(self, bandit: Bandit, horizon: int, counts: Any, sums: Any) -> np.ndarray:
        """(K,) P(the next arm | pulls and sums of rewards), as it is defined."""
        counts = np.asarray(counts)
        if (counts == 0).any():
            return untried(counts)
        return greedy(kl_index(sums / counts, counts, level(int(counts.sum()), self.c)))


def kl_index(mean: Any, n: Any, bound: float) -> np.ndarray:
    """max {q ≥ mean : n kl(mean, q) ≤ bound}, elementwise: mean in [0, 1], n ≥ 1, bound ≥ 0."""
    mean, n = np.broadcast_arrays(np.asarray(mean, float), np.asarray(n, float))
    out = mean.copy()
    for at in np.ndindex(out.shape):
        if bound > 0 and out[at] < 1:
            out[at] = _root(mean[at], _negative_entropy(mean[at]), bound / n[at], -1.0)[1]
    return out


@njit
def level(t, c):
    """ln t + c ln ln t, 0 where that is negative; t ≥ 1 pulls were made."""
    log = math.log(t)
    if c > 0.0 and log > 0.0:
        log += c * math.log(log)
    return max(log, 0.0)


@njit
def _negative_entropy(p):
    """p ln p + (1 − p) ln(1 − p)."""
    return p * math.log(p) + (1.0 - p) * math.log(1.0 - p) if 0.0 < p < 1.0 else 0.0


@njit
def _root(mean, gain, bound, start):
    """w = −ln(1 − q), q and ln q with kl(mean, q) = bound > 0, q ≥ mean, for mean < 1.

    kl = gain − mean ln q + (1 − mean) w. A start outside is replaced by the upper end, where
    −mean ln q ≥ 0 is left out; from there Newton's steps only fall.
    """
    most = (bound - gain) / (1.0 - mean)
    w, step = start if 0.0 < start < most else most, 1.0
    q = log = 0.0
    for _ in range(60):
        rest = math.exp(-w)
        q = 1.0 - rest
        log = math.log(q)
        if q <= mean:  # left of the minimum, where a step would lead away
            w = most
            continue
        slope = 1.0 - mean / q
        step = -(gain - mean * log + (1.0 - mean) * w - bound) / slope
        if abs(step) <= 1e-8 * w:  # its square is lost in rounding, here and in q and ln q
            return w + step, q + rest * step, log + rest / q * step
        w = min(w + step, most)
    return w, q, log


@njit
def _play(game, state, c):
    """state: sums, means, negative entropies and roots w of each arm; the arm last best."""
    k = game.means.shape[1]
    for i in range(game.means.shape[0]):
        total, mean = state[i, :k], state[i, k : 2 * k]
        gain, root = state[i, 2 * k : 3 * k], state[i, 3 * k : 4 * k]
        counts = game.counts[i]
        for j in range(game.pulls):
            t = game.start + j
            if t < k:
                arm = t
            else:
                arm = _best(counts, mean, gain, root, level(t, c), int(state[i, -1]))
            total[arm] += pay(game, i, j, arm)
            mean[arm] = total[arm] / counts[arm]
            gain[arm] = _negative_entropy(mean[arm])
            state[i, -1] = arm


@njit
def _best(counts, mean, gain, root, bound, guess):
    """The arm of the largest q, the lowest index among ties, beginning at a good guess."""
    if bound <= 0.0:
        return np.argmax(mean)
    for a in range(mean.size):
        if mean[a] >= 1.0:  # q = 1, and no other arm's is
            return a
    best = guess
    w, q, log = _root(mean[best], gain[best], bound / counts[best], root[best])
    root[best] = w
    for a in range(mean.size):
        if counts[a] == counts[best] and mean[a] == mean[best]:
            if a < best:
                best, root[a] = a, w
            continue
        divergence = gain[a] - mean[a] * log + (1.0 - mean[a]) * w
        if mean[a] <= q and counts[a] * divergence >= bound:
            continue
        found = _root(mean[a], gain[a], bound / counts[a], root[a])
        root[a] = found[0]
        if found[0] > w:
            best, (w, q, log) = a, found
    return best


def lai_robbins_slope(bandit: Bandit) -> float:
    """Σ_a Δ_a / KL(μ_a, μ*) over arms with Δ_a > 0: what R_T / ln T tends to at the least.

    In units of reward. Source: Lai & Robbins (1985), Theorem 1.
    """
    gaps, means = bandit.gaps, bandit.means
    worse = gaps > 0
    divergence = bandit.noise.divergence(means, means.max())
    return float((gaps[worse] / np.broadcast_to(divergence, means.shape)[worse]).sum())
