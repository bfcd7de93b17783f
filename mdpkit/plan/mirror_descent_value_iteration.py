"""Mirror descent value iteration: a policy leaves the one before it at a price, a divergence.

    v_{k+1}, π_{k+1}  =  max, argmax over π of  Σ_a π(a) q_k(s,a) − λ KL(π‖π_k) + τ ent(π)
    q_k = r + γPv_k,     π_0 uniform

As π_{k+1} ∝ e^{x_k/(λ+τ)}, the whole state is x_k = q_k + λ log π_k, and one step is

    x_{k+1} = q_{k+1} + λ/(λ+τ) · (x_k − v_{k+1}),     v_{k+1} = ⊕_a x_k(s,a),   ⊕ = soft(λ + τ)

For τ = 0, π_{k+1} is the softmax of Σ_j q_j/λ, so that errors in the q_j average out, and it is
within 4H²(1 + λ log A)/(k + 1) of optimal if 0 ≤ r ≤ 1 and v_0 = 0; v_k tends to v*, as fast as
e^{−kΔ/λ} where actions differ by Δ. For τ > 0 the limit is v*_τ. Checked in proofs_checks (X8)
and tests/plan/test_mirror_descent.py.
Source: Vieillard et al. (2020), "Leverage the average" and "Munchausen reinforcement learning";
Azar, Gómez & Kappen (2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdpkit.mdp import MDP
from mdpkit.operators.aggregate import Reduction, maximum, soft
from mdpkit.operators.bellman import action_values, aggregate
from mdpkit.plan import _regularized as shared

SHARE = 0.1
"""λ where none is given, as a share of the largest reward."""


class State(NamedTuple):
    """The k-th iterate; the next policy is π_{k+1} ∝ e^{x_k/(λ+τ)}.

    v, image     v_k, and T v_k or, with entropy, T_τ v_k
    low, high    extremes of image − v
    preferences  x_k = q_k + λ log π_k, in pair layout and units of reward
    """

    v: np.ndarray
    image: np.ndarray
    low: float
    high: float
    preferences: np.ndarray


@dataclass(frozen=True)
class MirrorDescentValueIteration:
    """MD-VI without entropy, of which the limit is v*.

    lambda_   weight > 0 of the divergence, in units of reward; None: a tenth of the largest
              |reward|. The smaller, the nearer to value iteration
    """

    lambda_: float | None = None
    key = "md-vi"
    over = maximum
    gap = shared.gap

    def __post_init__(self):
        if self.lambda_ is not None:
            shared.temperature(self.lambda_, "lambda_")

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given, and the uniform policy."""
        return _begun(mdp, start, self.weight(mdp), self.over)

    def step(self, mdp: MDP, state: State) -> State:
        """One policy and one sweep."""
        return _stepped(mdp, state, self.weight(mdp), 0.0, self.over)

    def weight(self, mdp: MDP) -> float:
        """λ on this model."""
        return self.lambda_ if self.lambda_ is not None else SHARE * mdp.reward_size or 1.0


@dataclass(frozen=True)
class MunchausenValueIteration:
    """MD-VI with entropy, of which the limit is v*_τ: Munchausen's with α = λ/(λ+τ), at λ + τ.

    tau, lambda_   weights > 0 of the entropy and of the divergence, in units of reward
    """

    tau: float = 1.0
    lambda_: float = 1.0
    key = "munchausen-vi"
    gap, floor, certify = shared.gap, shared.floor, shared.certify

    def __post_init__(self):
        shared.temperature(self.tau)
        shared.temperature(self.lambda_, "lambda_")

    @property
    def over(self) -> Reduction:
        """The log-sum-exp that stands for max."""
        return soft(self.tau)

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given, and the uniform policy; raises as `SoftValueIteration`."""
        shared.readied(mdp, self.over)
        return _begun(mdp, start, self.lambda_, self.over)

    def step(self, mdp: MDP, state: State) -> State:
        """One policy and one sweep."""
        return _stepped(mdp, state, self.lambda_, self.tau, self.over)


def _begun(mdp: MDP, start: np.ndarray | None, lambda_: float, over: Reduction) -> State:
    logs = -_at_pairs(mdp, np.log(np.diff(mdp.action_ptr)))  # log π_0
    return _swept(mdp, shared.start_values(mdp, start), lambda_ * logs, over)


def _stepped(mdp: MDP, state: State, lambda_: float, tau: float, over: Reduction) -> State:
    v = aggregate(mdp, state.preferences, soft(lambda_ + tau))
    kept = lambda_ / (lambda_ + tau) * (state.preferences - _at_pairs(mdp, v))  # λ log π
    return _swept(mdp, v, kept, over)


def _swept(mdp: MDP, v: np.ndarray, kept: np.ndarray, over: Reduction) -> State:
    q = action_values(mdp, v)
    image = aggregate(mdp, q, over)
    change = image - v
    return State(v, image, float(change.min()), float(change.max()), q + kept)


def _at_pairs(mdp: MDP, v: np.ndarray) -> np.ndarray:
    """v(s) at every pair (s, a)."""
    return np.repeat(v, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
