"""Modified (truncated) policy iteration: a greedy sweep, then m sweeps of its policy.

    v_{k+1} = (T_{π_{k+1}})ᵐ v_k,   π_{k+1} greedy in v_k
    m = 1 is value iteration, m → ∞ policy iteration; adaptively, m is where the policy's own
    interval is a share η of the greedy sweep's, and v is then shifted to the interval's middle;
    η ← η² where the next greedy sweep keeps what was promised, else a tenth
    λ: v_{k+1} = (1−λ) Σ_j λʲ (T_π)ʲ⁺¹ v_k, cut after m sweeps;   λ = 0 is value iteration

The sweeps run on a matrix of the policy's rows only, gathered once an improvement.
Checked in proofs_checks (B14, X4). Source: Puterman & Shin (1978); Bertsekas & Ioffe (1996).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdpkit.certify import interval, middle
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import rounding, size_of, sweep
from mdpkit.operators.sweep import ChainRows, chain_change, chain_sweep, policy_rows

TENTH, LEAST = 0.1, 1e-6
"""The share of a first evaluation, and the smallest."""

MOST, FIXED = 1000, 20
"""Sweeps of one policy at most, and where no interval is known."""


class State(NamedTuple):
    """v, its greedy sweep's values T v and best pairs, the extremes of T v − v, and η."""

    v: np.ndarray
    image: np.ndarray
    best: np.ndarray
    low: float
    high: float
    share: float = TENTH


@dataclass(frozen=True)
class ModifiedPolicyIteration:
    """Truncated policy iteration: `sweeps` ≥ 1 of T_π each time, weighted by λ in [0, 1].

    sweeps=None chooses their number anew at each improvement (λ is then 1).
    """

    sweeps: int | None = 20
    lambda_: float = 1.0
    key = "mpi"
    on_device = True

    def __post_init__(self):
        if self.sweeps is not None and self.sweeps < 1:
            raise ValueError(f"sweeps must be ≥ 1; it is {self.sweeps}.")
        if not 0 <= self.lambda_ <= 1:
            raise ValueError(f"lambda_ must lie in [0, 1]; it is {self.lambda_}.")
        if self.sweeps is None and self.lambda_ != 1:
            raise ValueError("sweeps=None goes with lambda_=1.")

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given, and their greedy sweep."""
        return swept(mdp, np.zeros(mdp.n_states) if start is None else start)

    def step(self, mdp: MDP, state: State) -> State:
        """The other m − 1 sweeps of the greedy policy, and the next greedy sweep."""
        if self.sweeps == 1:
            return swept(mdp, state.image)
        rows, r = policy_rows(mdp, state.best), mdp._r[state.best]
        if self.sweeps is None:
            return self._adapted(mdp, state, policy_swept(mdp, rows, r, state))
        power, v = state.image, state.image * (1 - self.lambda_)
        for j in range(1, self.sweeps or FIXED):
            power = chain_sweep(rows, r, mdp.gamma, power)
            v = v + self._weight(j) * power
        return swept(mdp, power if self.lambda_ == 1 else v)

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the interval that T v − v proves, rounding included."""
        return interval(mdp, state.low, state.high, size_of(mdp, state.v))

    def estimate(self, mdp: MDP, state: State) -> np.ndarray:
        """T v in the middle of the interval that T v − v proves."""
        return state.image + middle(mdp, state.low, state.high)

    def rate(self, mdp: MDP) -> float | None:
        """γ a step; none is claimed where the number of sweeps is chosen."""
        return None if self.sweeps is None else mdp.gamma

    def _adapted(self, mdp: MDP, state: State, v: np.ndarray) -> State:
        """The next greedy sweep, and how far to evaluate the policy that it found."""
        new = swept(mdp, v)
        kept = self.gap(mdp, new) <= 2 * state.share * self.gap(mdp, state) < np.inf
        return new._replace(share=max(state.share**2, LEAST) if kept else TENTH)

    def _weight(self, j: int) -> float:
        """(1−λ)λʲ, and all that is left on the last power."""
        last = j == (self.sweeps or FIXED) - 1
        return self.lambda_**j * (1 if last else 1 - self.lambda_)


def policy_swept(mdp: MDP, rows: ChainRows, r: np.ndarray, state: State) -> np.ndarray:
    """v^π from T v, to a share of the spread that T v − v left open.

    Sweeps that gain a factor ten each go on: they are cheaper than what they save.
    """
    v, low, high = state.image, state.low, state.high
    least = 4 * rounding(mdp, v, size_of(mdp, v))
    now = spread(mdp, low, high)
    goal = state.share * now
    for _ in range(MOST if mdp.gamma < 1 else FIXED):
        v, low, high = chain_change(rows, r, mdp.gamma, v)
        before, now = now, spread(mdp, low, high)
        if now <= least or TENTH * before < now <= goal:
            break
    return v + middle(mdp, low, high)


def spread(mdp: MDP, low: float, high: float) -> float:
    """What an interval of v*'s is as wide as, but for γ/(1−γ): a stop puts 0 into it."""
    return max(high, 0.0) - min(low, 0.0) if mdp.stops else high - low


def swept(mdp: MDP, v: np.ndarray) -> State:
    """v with its greedy sweep."""
    new = sweep(mdp, v)
    return State(v, new.v, new.best, new.low, new.high)
