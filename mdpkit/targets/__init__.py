"""Sampled backups on plain arrays; each names the operator it lifts.

    target                      its operator                            claims
    OneStep(⊕)                  B_⊕ q = r + γP(⊕ q)                     F9-reductions, F9-smooth
    Double(⊕)                   B^π q − γP Ω(π), π attaining ⊕ online   F12-target
    Twin(target)                B(min_i q_i)                            F12-twin
    Expected(π, τ), Sampled     B^π_τ q                                 F9-reductions, K13
    n_step_return               (B^b)ⁿ⁻¹ B q                            F1, F1-behavior
    lambda_return               T^(λ) v, as far as the window goes      F2, F3-window
    generalized_advantage       the same less v, given the action       H10, H11
    retrace, tree_backup        Q + (I − γP^{cb})⁻¹(B^π Q − Q)          X26, X26-sampled
    vtrace                      V + (I − γP_{cb})⁻¹ρb(r + γPV − V)      X26-vtrace, …-sampled

Each is checked on every transition or trajectory, with its probability. One-step targets share
one slot, `Target`; the others run along time-major arrays, with d = γ(1 − terminated) and a
boundary that only cuts.
"""

from mdpkit.operators.returns import (
    generalized_advantage,
    lambda_return,
    n_step_return,
    temporal_differences,
)
from mdpkit.targets.off_policy import VTrace, off_policy_return, retrace, tree_backup, vtrace
from mdpkit.targets.one_step import Double, Expected, OneStep, Sampled, Target, Twin

__all__ = [
    "Double",
    "Expected",
    "OneStep",
    "Sampled",
    "Target",
    "Twin",
    "VTrace",
    "generalized_advantage",
    "lambda_return",
    "n_step_return",
    "off_policy_return",
    "retrace",
    "temporal_differences",
    "tree_backup",
    "vtrace",
]
