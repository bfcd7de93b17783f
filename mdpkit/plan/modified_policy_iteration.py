"""Modified (truncated) policy iteration: a greedy sweep, then m sweeps of its policy.

    v_{k+1} = (T_{π_{k+1}})ᵐ v_k,   π_{k+1} greedy in v_k
    m = 1 is value iteration, m → ∞ policy iteration
    λ: v_{k+1} = (1−λ) Σ_j λʲ (T_π)ʲ⁺¹ v_k, cut after m sweeps;   λ = 0 is value iteration

The sweeps run on a matrix of the policy's rows only, gathered once an improvement.
Checked in proofs_checks (B14, X4). Source: Puterman & Shin (1978); Bertsekas & Ioffe (1996).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdpkit._array import sup
from mdpkit.certify import interval
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import sweep
from mdpkit.operators.sweep import chain_sweep
from mdpkit.policy import take_rows


class State(NamedTuple):
    """v, its greedy sweep's values T v and best pairs, and the extremes of T v − v."""

    v: np.ndarray
    image: np.ndarray
    best: np.ndarray
    low: float
    high: float


@dataclass(frozen=True)
class ModifiedPolicyIteration:
    """Truncated policy iteration: `sweeps` ≥ 1 of T_π each time, weighted by λ in [0, 1]."""

    sweeps: int = 20
    lambda_: float = 1.0
    key = "mpi"

    def __post_init__(self):
        if self.sweeps < 1:
            raise ValueError(f"sweeps must be ≥ 1; it is {self.sweeps}.")
        if not 0 <= self.lambda_ <= 1:
            raise ValueError(f"lambda_ must lie in [0, 1]; it is {self.lambda_}.")

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given, and their greedy sweep."""
        return _swept(mdp, np.zeros(mdp.n_states) if start is None else start)

    def step(self, mdp: MDP, state: State) -> State:
        """The other m − 1 sweeps of the greedy policy, and the next greedy sweep."""
        if self.sweeps == 1:
            return _swept(mdp, state.image)
        rows, r = take_rows(mdp.rows, state.best), mdp._r[state.best]
        power, v = state.image, state.image * (1 - self.lambda_)
        for j in range(1, self.sweeps):
            power = chain_sweep(rows, r, mdp.gamma, power)
            v = v + self._weight(j) * power
        return _swept(mdp, power if self.lambda_ == 1 else v)

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the interval that T v − v proves, rounding included."""
        return interval(mdp, state.low, state.high, float(sup(state.v)))

    def rate(self, mdp: MDP) -> float:
        """γ a step."""
        return mdp.gamma

    def _weight(self, j: int) -> float:
        """(1−λ)λʲ, and all that is left on the last power."""
        last = j == self.sweeps - 1
        return self.lambda_**j * (1 if last else 1 - self.lambda_)


def _swept(mdp: MDP, v: np.ndarray) -> State:
    new = sweep(mdp, v)
    return State(v, new.v, new.best, new.low, new.high)
