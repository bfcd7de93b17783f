"""Policy gradients from trajectories: one vector a trajectory, whose mean is the estimate.

    REINFORCE       (Σ_t ∇ log π_t) (R(τ) − b)                R(τ) = Σ_t γᵗ r_t
    reward to go    Σ_t γᵗ ∇ log π_t (G_t − b(s_t))           G_t = Σ_{k≥t} γᵏ⁻ᵗ r_k
    critic          Σ_t γᵗ ∇ log π_t ψ_t                      ψ = Q, A, n-step, GAE, …

The rules are those of practice, and take a weighted batch: on `enumerate.trajectories` the mean
is the exact expectation and `variance` the exact variance; on `rollout` they are estimates.
All have the mean ∇J, if every path ends within the batch and the critic is exact. The factor γᵗ
belongs to ∇J: without it (`discount_states=False`, as most codes have it) the states are
weighted by undiscounted visits, which is the gradient of no objective. That the reward to go
varies less than the whole return is usual, and not a theorem.
Checked in tests/improve. Source: Williams (1992); Sutton et al. (2000); Schulman et al. (2016);
Thomas (2014); Nota & Thomas (2020).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit.batch import Trajectories
from mdpkit.operators.bellman import check_shape
from mdpkit.operators.returns import (
    discount_so_far,
    generalized_advantage,
    lambda_return,
    n_step_return,
)
from mdpkit.operators.scores import Scores


def reinforce(batch: Trajectories, scores: Scores, baseline: Any = 0) -> np.ndarray:
    """(Σ_t ∇ log π_t) (R − b), (n, K).

    baseline : b, one number, (n, 1) for one a trajectory, (K,) for one a parameter, or (n, K).
    """
    path = scores.on_paths(batch.pairs, path_weight(batch))
    return path * (monte_carlo(batch)[0][:, None] - baseline)


def reward_to_go(
    batch: Trajectories, scores: Scores, baseline: Any = 0, *, discount_states: bool = True
) -> np.ndarray:
    """Σ_t γᵗ ∇ log π_t (G_t − b_t), (n, K).

    baseline : b_t, one number, (T, 1), or (T, n); it may know s_t, not a_t.
    """
    gain = monte_carlo(batch) - baseline
    return score_gradient(batch, scores, gain, discount_states=discount_states)


def score_gradient(
    batch: Trajectories, scores: Scores, weight: Any, *, discount_states: bool = True
) -> np.ndarray:
    """Σ_t γᵗ ∇ log π_t ψ_t, (n, K). weight : ψ, (T, n), in units of reward."""
    return scores.on_paths(batch.pairs, step_weight(batch, discount_states) * weight)


# ---- what the scores are multiplied by -------------------------------------------------------


def monte_carlo(batch: Trajectories, values: Any = None) -> np.ndarray:
    """G_t, (T, n); where a path was cut, of the rest V(s) if values (S,) are given, else 0."""
    after = 0 if values is None else np.asarray(values)[batch.states[1:]]
    return lambda_return(batch.rewards, batch.discounts, batch.boundary, after)


def advantages(batch: Trajectories, values: Any, lam: Any = 0.95) -> np.ndarray:
    """GAE(λ), (T, n), from values V (S,); with V = v^π its mean given (s, a) is A^π, any λ.

    For other V see `gae_bias`. λ = 0 is δ, λ = 1 the bootstrapped return less V.
    """
    now, after = _values(batch, values)
    return generalized_advantage(
        batch.rewards, batch.discounts, batch.boundary, now, after, lam
    )


def n_step_advantages(batch: Trajectories, values: Any, n: int) -> np.ndarray:
    """Σ_{k<n} γᵏ r_{t+k} + γⁿ V(s_{t+n}) − V(s_t), (T, n), from values V (S,); n ≥ 1."""
    now, after = _values(batch, values)
    return n_step_return(batch.rewards, batch.discounts, batch.boundary, after, n) - now


def at_pairs(batch: Trajectories, q: Any) -> np.ndarray:
    """q(s_t, a_t), (T, n), of a table in pair layout; 0 after the end."""
    flat = np.asarray(q).reshape(-1)
    return np.where(batch.pairs >= 0, flat[np.maximum(batch.pairs, 0)], 0 * flat[0])


def step_weight(batch: Trajectories, discount_states: bool = True) -> np.ndarray:
    """γᵗ, or 1, on the steps that were taken, 0 after the end, (T, n)."""
    return discount_so_far(batch.discounts) if discount_states else path_weight(batch)


def path_weight(batch: Trajectories) -> np.ndarray:
    """1 on the steps that were taken, 0 after the end, (T, n), in the numbers of the batch."""
    one = 0 * batch.weight[0] + 1
    return np.where(batch.pairs >= 0, one, 0 * one)


def _values(batch: Trajectories, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """V(s_t) and V(s_{t+1}), (T, n) each."""
    values = np.asarray(values)
    check_shape(values, (values.size,), "values")
    return values[batch.states[:-1]], values[batch.states[1:]]
