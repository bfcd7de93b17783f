"""Objectives whose gradient is the policy gradient, for what can only differentiate losses.

    L^IS(θ) = E_old Σ_t γᵗ (π_θ/π_old)(a_t|s_t) A_t        ∇L^IS = E Σ γᵗ ρ_t ∇ log π_θ A_t
    L^PG(θ) = E_old Σ_t γᵗ log π_θ(a_t|s_t) A_t            ∇L^PG = E Σ γᵗ ∇ log π_θ A_t

At θ_old ρ = 1: both gradients are ∇J, if E[A_t | s,a] = A^π. Away from it they part, and there
already their Hessians do: by E Σ γᵗ A ∇ log π ∇ log πᵀ. L^IS is J to first order; L^PG is not
even in units of return. Checked in tests/improve/test_sampled_surrogates.py.
Source: Kakade & Langford (2002); Schulman et al. (2015), (14).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit.batch import Trajectories
from mdpkit.improve.estimators import at_pairs, score_gradient, step_weight
from mdpkit.operators.scores import Scores


def importance_surrogate(
    batch: Trajectories, ratios: Any, advantages: Any, *, discount_states: bool = True
) -> np.ndarray:
    """Σ_t γᵗ ρ_t A_t of each trajectory, (n,).

    ratios : π_θ/π_old, (T, n), see `action_ratios`; advantages : (T, n), of the old policy.
    """
    return _total(batch, np.asarray(ratios) * advantages, discount_states)


def importance_gradient(
    batch: Trajectories,
    ratios: Any,
    scores: Scores,
    advantages: Any,
    *,
    discount_states: bool = True,
) -> np.ndarray:
    """∇_θ of `importance_surrogate`, (n, K). scores : of π_θ."""
    gain = np.asarray(ratios) * advantages
    return score_gradient(batch, scores, gain, discount_states=discount_states)


def log_surrogate(
    batch: Trajectories, log_policy: Any, advantages: Any, *, discount_states: bool = True
) -> np.ndarray:
    """Σ_t γᵗ log π_θ(a_t|s_t) A_t of each trajectory, (n,). log_policy : pair layout.

    Its gradient, A held fixed, is `score_gradient(batch, scores, advantages)`.
    """
    return _total(batch, at_pairs(batch, log_policy) * advantages, discount_states)


def _total(batch: Trajectories, gain: np.ndarray, discount_states: bool) -> np.ndarray:
    """Σ_t γᵗ gain_t over the steps taken, (n,)."""
    return (step_weight(batch, discount_states) * gain).sum(axis=0)
