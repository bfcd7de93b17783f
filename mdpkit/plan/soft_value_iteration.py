"""Soft value iteration: v ← T_τ v, the maximum smoothed at temperature τ.

    (T_τ v)(s) = τ log Σ_a p(a|s) e^{q(s,a)/τ} = max_π Σ_a π(a) q(s,a) − τ KL(π‖p)
    q = r + γPv
    π(a|s) = p(a|s) e^{(q(s,a) − v(s))/τ};    ‖v_k − v*_τ‖∞ ≤ γᵏ ‖v_0 − v*_τ‖∞

τ is in units of reward. Without a prior p ≡ 1, the counting measure (entropy regularization):
v* ≤ v*_τ ≤ v* + τ H log A. With the uniform distribution, v* − τ H log A ≤ v*_τ ≤ v*.
Checked in proofs_checks (K1, K6, K8) and tests/plan/test_soft.py.
Source: Ziebart (2010); Haarnoja et al. (2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mdpkit.operators.aggregate import Reduction, soft
from mdpkit.plan import _regularized as shared


@dataclass(frozen=True, eq=False)
class SoftValueIteration:
    """v ← T_τ v from v = 0.

    tau    temperature > 0, in units of reward
    prior  distribution over each state's actions in pair layout; None is the counting measure

    `sol.probabilities` is the soft-optimal policy, `sol.policy` its likeliest action.
    """

    tau: float = 1.0
    prior: Any = None
    key = "soft-vi"
    on_device = True
    init, step = shared.init, shared.step
    gap, floor, rate, certify = shared.gap, shared.floor, shared.rate, shared.certify

    def __post_init__(self):
        shared.temperature(self.tau)

    @property
    def over(self) -> Reduction:
        """The log-sum-exp that stands for max."""
        return soft(self.tau, self.prior)
