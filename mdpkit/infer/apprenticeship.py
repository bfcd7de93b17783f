"""Apprenticeship by matching features, for rewards w·φ with ‖w‖₂ ≤ 1.

If ‖f_π − f_E‖₂ ≤ ε then |J_w(π) − J_w(π_E)| ≤ ε for every such w, whatever the expert's is.

    w_i ∝ f_E − f̄_{i−1},  ‖w_i‖₂ = 1;   π_i optimal for w_i·φ,  f_i its features
    projection   f̄_i the point nearest f_E on the line through f̄_{i−1} and f_i
    max-margin   f̄_i the point nearest f_E in the hull of f_0 … f_i:
                 max_{‖w‖₂≤1} min_j w·(f_E − f_j) = ‖f_E − f̄_i‖₂, so that both are one program

Without ‖w‖₂ ≤ 1 the margin has no bound. The quadratic program is solved as nonnegative least
squares. Checked in tests/infer/test_margin.py. Source: Abbeel & Ng (2004).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit.infer.features import Features, read_features
from mdpkit.mdp import MDP
from mdpkit.operators.occupancy import pair_occupancy
from mdpkit.plan import PolicyIteration
from mdpkit.solve import solve

RULES = ("projection", "max-margin")


@dataclass(frozen=True, eq=False)
class Apprentice:
    """Policies whose mixture behaves as the expert.

    policies     (n, S) int, deterministic, one optimal for each row of `weights`
    features     (n, K) their feature expectations, Σ_t γᵗ E φ
    mixture      (n,) with which probability to draw each, once, before the first step
    weights      (n − 1, K) the rewards' weights, ‖w‖₂ = 1
    margins      (n − 1,) ‖f_E − f̄‖₂ before each; never increasing
    distance     ‖Σ_i mixture_i f_i − f_E‖₂
    """

    policies: np.ndarray
    features: np.ndarray
    mixture: np.ndarray
    weights: np.ndarray
    margins: np.ndarray
    distance: float


def apprentice(
    mdp: MDP,
    expectations: Any,
    features: Any = "state",
    *,
    rule: str = "max-margin",
    tol: float = 1e-3,
    max_steps: int = 200,
) -> Apprentice:
    """Find a mixture of policies whose features are within tol of the expert's, (K,), γ < 1.

    expectations : Σ_t γᵗ E φ(s_t, a_t), not normalized; `Demonstrations.visits` with
    `Features.expectations` estimates them. Raises ValueError on an unknown rule.
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {RULES}; it is {rule!r}.")
    phi = read_features(mdp, features)
    aim = np.asarray(expectations, dtype=float).reshape(-1)
    if aim.shape != (phi.size,):
        raise ValueError(f"expectations have shape {aim.shape}; ({phi.size},) is needed.")
    policies = [mdp.actions_of(mdp.action_ptr[:-1])]
    found = [feature_expectations(mdp, policies[0], phi)]
    nearest, weights, margins = found[0], [], []
    for _ in range(max_steps):
        gap = aim - nearest
        margin = float(np.linalg.norm(gap))
        if margin <= tol:
            break
        weights.append(gap / margin)
        margins.append(margin)
        policies.append(best_policy(mdp, phi.reward(weights[-1])))
        found.append(feature_expectations(mdp, policies[-1], phi))
        nearest = _nearest(rule, aim, nearest, np.array(found))
        if margin - float(np.linalg.norm(aim - nearest)) <= 1e-13 * max(1.0, margin):
            break
    mixture, distance = nearest_mixture(aim, np.array(found))
    return Apprentice(
        np.array(policies),
        np.array(found),
        mixture,
        np.array(weights).reshape(-1, phi.size),
        np.array(margins),
        distance,
    )


def best_policy(mdp: MDP, r: np.ndarray) -> np.ndarray:
    """An optimal policy for reward r, (S,) int."""
    return solve(mdp.replace(r=r), PolicyIteration(), throw=False).policy


def feature_expectations(mdp: MDP, policy: Any, features: Features) -> np.ndarray:
    """Σ_t γᵗ E φ(s_t, a_t) under a policy, (K,)."""
    x = pair_occupancy(mdp, policy)
    return features.expectations(x) / (1 - mdp.gamma if mdp.gamma < 1 else 1)


def nearest_mixture(aim: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, float]:
    """The weights of the point nearest `aim` in the hull of `points` (n, K), and its distance.

    min ‖Σ λ_i (p_i − aim)‖² + (Σ λ_i − 1)², λ ≥ 0, is least squares; its minimum is a multiple
    of the nearest point's weights.
    """
    from scipy.optimize import nnls

    away = (points - aim).T
    scale = max(float(np.abs(away).max()), 1e-300)
    found, _ = nnls(
        np.vstack([away / scale, np.ones(len(points))]),
        np.eye(1, len(aim) + 1, len(aim))[0],
        maxiter=100 * len(points),
    )
    mixture = found / found.sum()
    return mixture, float(np.linalg.norm(away @ mixture))


def _nearest(rule: str, aim: np.ndarray, nearest: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The point nearest `aim` in the hull, or on the segment from `nearest` to the newest."""
    if rule == "max-margin":
        return nearest_mixture(aim, found)[0] @ found
    step = found[-1] - nearest
    length = float(step @ step)
    share = float(step @ (aim - nearest)) / length if length > 0 else 0.0
    return nearest + min(max(share, 0.0), 1.0) * step
