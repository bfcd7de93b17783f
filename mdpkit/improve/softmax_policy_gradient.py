"""Softmax policy gradient: ascend J in the logits of a table, with entropy or without.

    θ_{k+1} = θ_k + η ∇_θ J_τ,    ∂J_τ/∂θ(s,a) = H d_μ^π(s) π(a|s) A_τ^π(s,a),   π = softmax(θ)

τ = 0: with η = 1/L, L = 8H³R, J grows and J* − J_k ≤ S C²·16RH³/(c²k), C = H‖d*/μ‖∞, where c is
the least probability that the run ever gives to an optimal action: it may be tiny, and then the
run sits on a plateau for about 1/c steps (gallery model `softmax-plateau`).
τ > 0: L = (8R + τ(4 + 8 log|A|))H³, the limit is π*_τ, and J*_τ − J_k falls linearly; it is
τH E_{d^π} KL(π_k‖π*_τ) at every step.
Checked in tests/improve/test_softmax.py and proofs_checks (I11–I13, K7, K9).
Source: Agarwal et al. (2021); Mei et al. (2020), Theorems 4 and 6; Mei et al. (2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mdpkit.improve import _iterates as shared
from mdpkit.improve import rates
from mdpkit.improve._iterates import State
from mdpkit.improve.divergences import NegativeEntropy
from mdpkit.improve.step_sizes import Armijo, Constant, Situation, Smoothness, rule
from mdpkit.mdp import MDP
from mdpkit.operators.policy_gradient import softmax_gradient
from mdpkit.operators.projection import softmax_policy


@dataclass(frozen=True, eq=False)
class SoftmaxPolicyGradient:
    """Gradient ascent on logits.

    step_size  a number > 0, or a rule: Smoothness, Constant, Geometric, Armijo, Normalized
    tau        temperature ≥ 0 of the entropy, in units of reward
    start      (S,) distribution μ that the gradient is taken under; every state alike if None
    policy     the first one, which takes every action; uniform if None
    """

    step_size: Any = field(default_factory=Smoothness)
    tau: float = 0.0
    start: Any = None
    policy: Any = None
    key = "softmax-pg"
    gap, certify, floor = shared.gap, shared.certify, shared.floor
    verdict = shared.verdict

    def __post_init__(self):
        rule(self.step_size)
        if not 0 <= self.tau < np.inf:
            raise ValueError(f"tau must be finite and ≥ 0; it is {self.tau}.")

    def init(self, mdp: MDP, start: Any = None) -> State:
        """The first policy, θ = log π. Raises ModelError at γ = 1; `start` is refused."""
        shared.ready(mdp, start)
        policy = shared.first_policy(mdp, self.policy)
        theta = NegativeEntropy().coordinates(mdp, policy)
        return shared.begun(mdp, policy, theta, self.tau)

    def step(self, mdp: MDP, state: State) -> State:
        """One gradient step in θ, and its evaluation."""
        mu = shared.covering(mdp, self.start)
        gradient = softmax_gradient(mdp, state.policy, mu, tau=self.tau)
        square = float((gradient**2).sum())

        def moved(size: float) -> State:
            theta = state.coordinates + size * gradient
            policy = softmax_policy(mdp, theta)
            return shared.advanced(mdp, state, policy, theta, step_size=size, tau=self.tau)

        def trial(size: float) -> tuple[float, float]:
            return float(mu @ (moved(size).v - state.v)), size * square

        situation = Situation(
            state.step,
            mdp.gamma,
            state.step_size,
            smoothness=rates.softmax_smoothness(mdp, self.tau),
            slope=float(np.sqrt(square)),
            trial=trial,
        )
        return moved(float(rule(self.step_size)(situation)))

    def bounds(self, mdp: MDP, states: Sequence[State], v: np.ndarray) -> rates.Bounded | None:
        """A run's errors beside their theorem's bounds; v : (S,) v*, or v*_τ.

        For steps that surely ascend: constant ones below 2/L, and Armijo's.
        """
        chosen, L = rule(self.step_size), rates.softmax_smoothness(mdp, self.tau)
        sizes = np.array([state.step_size for state in states[1:]], dtype=float)
        gains = sizes * (1 - L * sizes / 2)
        if isinstance(chosen, Armijo):
            gains = chosen.share * sizes
        elif not isinstance(chosen, Constant | Smoothness) or (gains < 0).any():
            return None
        mu = shared.covering(mdp, self.start)
        if self.tau > 0:
            return rates.entropic(mdp, states, v, mu, gains, self.tau)
        return rates.softmax(mdp, states, v, mu, gains)
