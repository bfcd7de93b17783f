"""The Fisher information of a policy, and the divergence it is the curvature of.

    F(θ) = E_{s~d, a~π} [∇ log π(a|s) ∇ log π(a|s)ᵀ]            F x = Σ d π ∇ log π ⟨∇ log π, x⟩
    F(θ) = ∇²_{θ'} E_d KL(π_θ‖π_θ') = ∇²_{θ'} E_d KL(π_θ'‖π_θ)      at θ' = θ
    KL(π_θ‖π_{θ+δ}) = ½ δᵀ F δ + O(‖δ‖³)                        the ½ belongs there
    w* = argmin_w E_{d,π} (⟨∇ log π, w⟩ − A)²   ⇒   ∇J = H F w*  and  F†∇J = H w*

The expectation over states belongs to F. d is `occupancy`, normalized; where episodes stop it
sums to less than 1 and is not renormalized; H d (`visits`) gives H F. Beyond θ' = θ the Hessian
of E_d KL(π_old‖π_θ') is, for tables, the Fisher matrix of π_θ' under the same d.
Checked in tests/operators/test_fisher.py.
Source: Kakade (2001); Sutton et al. (2000); Amari (1998); Peters & Schaal (2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._array import kind
from mdpkit.errors import ModelError
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import check_shape
from mdpkit.operators.scores import Scores, softmax_scores
from mdpkit.policy import probabilities


def fisher_matrix(scores: Scores, d: Any) -> np.ndarray:
    """F = Σ_s d(s) Σ_a π(a|s) ∇ log π ∇ log πᵀ, (K, K). d : (S,) ≥ 0. Exact on exact input.

    Symmetric and ≥ 0. Of a table it is never invertible: a constant added to the parameters of
    a state changes no probability.
    """
    rows = scores.table()
    return rows.T @ (_pair_weights(scores, d)[:, None] * rows)


def fisher_product(scores: Scores, d: Any, x: Any) -> np.ndarray:
    """F x, (K,), without forming F: O(pairs) for a table. d : (S,); x : (K,)."""
    return scores.gathered(_pair_weights(scores, d) * scores.along(x))


def compatible_weights(scores: Scores, d: Any, advantage: Any) -> np.ndarray:
    """w* = argmin_w E_{d,π} (⟨∇ log π(a|s), w⟩ − A(s,a))², (K,), the shortest one.

    d : (S,) ≥ 0; advantage : pair layout, in units of reward. ∇J = H F w*, whatever is left of
    the error: the critic ⟨∇ log π, w*⟩ in place of A leaves the policy gradient as it is. For a
    table w* is A less its mean over the actions that are taken, exact on exact input; where
    nothing is visited it is 0.
    """
    x, A = _pair_weights(scores, d), np.asarray(advantage).reshape(-1)
    check_shape(A, scores.pi.shape, "advantage (flat)")
    if scores.matrix is None:
        zero = 0 * scores.pi
        count = np.maximum(scores.state_sums(np.where(x > 0, zero + 1, zero)), zero + 1)
        return np.where(x > 0, A - scores.state_sums(np.where(x > 0, A, zero)) / count, zero)
    if kind(x, A, scores.matrix) == "exact":
        raise TypeError("least squares have no exact form here; pass floats.")
    root = np.sqrt(x)
    return np.linalg.lstsq(root[:, None] * scores.matrix, root * A)[0]


# ---- the divergence --------------------------------------------------------------------------


def divergence(mdp: MDP, p: Any, q: Any, d: Any) -> float:
    """E_d KL(p‖q) = Σ_s d(s) Σ_a p(a|s) (log p(a|s) − log q(a|s)) ≥ 0, in nats.

    p, q : pair layout; d : (S,) ≥ 0. +∞ where p has an action that q lacks and d(s) > 0.
    """
    p, q = _positive(mdp, p), _positive(mdp, q)
    inside = (p > 0) & (_on_pairs(mdp, d) > 0)
    if (q[inside] == 0).any():
        return float("inf")
    return float(_on_pairs(mdp, d)[inside] @ (p[inside] * np.log(p[inside] / q[inside])))


def divergence_gradient(
    mdp: MDP, old: Any, new: Any, d: Any, *, reverse: bool = False
) -> np.ndarray:
    """∇_θ E_d KL(old‖π_θ) at π_θ = new, tables, in pair layout: d (new − old); 0 at new = old.

    With `reverse`, of E_d KL(π_θ‖old): d new (log(new/old) − KL(new‖old)). Both policies must
    be positive. old, new : pair layout; d : (S,) ≥ 0.
    """
    p, q, weight = _positive(mdp, old), _positive(mdp, new), _on_pairs(mdp, d)
    if not reverse:
        return (weight * (q - p)).reshape(mdp.pair_shape)
    log = _log_ratio(mdp, q, p)
    return (weight * softmax_scores(mdp, new).gathered(q * log)).reshape(mdp.pair_shape)


def divergence_product(
    mdp: MDP, old: Any, new: Any, d: Any, x: Any, *, reverse: bool = False
) -> np.ndarray:
    """∇²_θ E_d KL(old‖π_θ) · x at π_θ = new, tables, in pair layout; x : pair layout.

    It is F_new x, whatever `old` is. With `reverse`, of E_d KL(π_θ‖old): F_new x, and a term
    that vanishes at new = old. Both policies must be positive.
    """
    check_shape(x, mdp.pair_shape, "x")
    scores = softmax_scores(mdp, new)
    moved = scores.along(np.asarray(x).reshape(-1))
    forward = _on_pairs(mdp, d) * scores.pi * moved
    if not reverse:
        return forward.reshape(mdp.pair_shape)
    log = _log_ratio(mdp, scores.pi, _positive(mdp, old))
    excess = log - scores.state_sums(scores.pi * log)
    rest = _on_pairs(mdp, d) * scores.gathered(scores.pi * moved * excess)
    return (forward + rest).reshape(mdp.pair_shape)


def _pair_weights(scores: Scores, d: Any) -> np.ndarray:
    """d(s) π(a|s), (pairs,)."""
    check_shape(d, (scores.action_ptr.size - 1,), "d")
    return np.repeat(np.asarray(d), np.diff(scores.action_ptr)) * scores.pi


def _on_pairs(mdp: MDP, d: Any) -> np.ndarray:
    check_shape(d, (mdp.n_states,), "d")
    return np.repeat(np.asarray(d), np.diff(mdp.action_ptr))


def _positive(mdp: MDP, policy: Any) -> np.ndarray:
    """(pairs,) probabilities as floats: a logarithm is not rational."""
    pi = probabilities(mdp, policy).reshape(-1)
    if kind(pi) == "exact":
        raise TypeError("divergences are not rational; pass float probabilities.")
    return pi


def _log_ratio(mdp: MDP, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    if not ((p > 0) & (q > 0)).all():
        s, a = mdp.place(int(np.argmin((p > 0) & (q > 0))))
        raise ModelError(f"policy[{s}, {a}] is 0; its log-ratio has no derivative.", s=s, a=a)
    return np.log(p / q)
