"""Mirror ascent with entropy: the natural policy gradient of J_τ, with a linear rate.

    π_{k+1} = argmax_p α (Σ_a p q_τ^k − τ Σ_a p log p) − KL(p‖π_k) ∝ π_k^{1−ητH} e^{ηH q_τ^k}

    ηH = α/(1 + ατ),    0 < η ≤ (1−γ)/τ,    q_τ^k = r + γPV_τ^{π_k}
    ‖q*_τ − q_τ^{k+1}‖∞ ≤ C_1 γ (1−ητ)ᵏ,    ‖log π*_τ − log π_{k+1}‖∞ ≤ 2C_1/τ (1−ητ)ᵏ

At η = (1−γ)/τ, α = ∞, it is soft policy iteration; as τ → 0 it is exponentiated Q-ascent.
Checked in tests/improve/test_regularized.py and proofs_checks (K10).
Source: Cen et al. (2022), Theorem 1; Lan (2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit.improve import _iterates as shared
from mdpkit.improve import rates
from mdpkit.improve._iterates import State
from mdpkit.improve.divergences import NegativeEntropy
from mdpkit.mdp import MDP


@dataclass(frozen=True, eq=False)
class RegularizedMirrorAscent:
    """Natural policy gradient with entropy; its limit is v*_τ and π*_τ.

    tau        temperature > 0, in units of reward
    step_size  η in (0, (1−γ)/τ]; None is half of the largest
    policy     the first one, which takes every action; uniform if None
    """

    tau: float = 1.0
    step_size: float | None = None
    policy: Any = None
    key = "reg-npg"
    gap, certify, floor = shared.gap, shared.certify, shared.floor
    verdict = shared.verdict

    def __post_init__(self):
        if not 0 < self.tau < np.inf:
            raise ValueError(
                f"tau must be finite and > 0; it is {self.tau}. At 0 use NaturalPolicyGradient."
            )
        if self.step_size is not None and not self.step_size > 0:
            raise ValueError(f"step_size must be > 0; it is {self.step_size}.")

    def init(self, mdp: MDP, start: Any = None) -> State:
        """The first policy. Raises ModelError at γ = 1, ValueError on η or if `start` is given.

        η may exceed (1−γ)/τ by a rounding.
        """
        shared.ready(mdp, start)
        self.eta(mdp)
        policy = shared.first_policy(mdp, self.policy)
        at = NegativeEntropy().coordinates(mdp, policy)
        return shared.begun(mdp, policy, at, self.tau)

    def step(self, mdp: MDP, state: State) -> State:
        """One step of every state's policy, and its evaluation."""
        eta = self.eta(mdp)
        gain = eta / (1 - mdp.gamma)
        kept = max(1 - gain * self.tau, 0.0) * state.coordinates
        x = gain * shared.advantages(mdp, state)
        policy, at = NegativeEntropy().ascend(mdp, kept, x)
        return shared.advanced(mdp, state, policy, at, step_size=eta, tau=self.tau)

    def eta(self, mdp: MDP) -> float:
        """η on this model. Raises ValueError above (1−γ)/τ."""
        most = (1 - float(mdp.gamma)) / self.tau
        if self.step_size is None:
            return most / 2
        if self.step_size > most * (1 + 1e-12):
            raise ValueError(
                f"step_size must be ≤ (1−γ)/τ = {most:.4g} here; it is {self.step_size}."
            )
        return self.step_size

    def bounds(self, mdp: MDP, states: Sequence[State], v: np.ndarray) -> rates.Bounded | None:
        """A run's errors of q beside their theorem's bounds; v : (S,) v*_τ."""
        return rates.regularized(mdp, states, v, self.tau, self.eta(mdp))
