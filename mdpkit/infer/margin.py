"""Maximum-margin planning: the expert beats every policy by as much as they differ.

    min ½‖w‖² + ½C ξ²   s.t.   w·f_E ≥ max_π [ w·f_π + D(π, π_E) ] − ξ
    D(π, π_E) = Σ_{s,a} x^π(s,a) (1 − π_E(a|s)),   D(π_E, π_E) = 0

D adds over steps, so the inner maximum is a plan for the reward w·φ + 1 − π_E, and the
constraints it finds are added until none is broken. Each program is one of least distance,
solved by nonnegative least squares. Checked in tests/infer/test_margin.py.
Source: Ratliff, Bagnell & Zinkevich (2006); Lawson & Hanson (1974), §23.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit.infer.apprenticeship import best_policy, feature_expectations
from mdpkit.infer.features import read_features
from mdpkit.mdp import MDP
from mdpkit.operators.occupancy import pair_occupancy
from mdpkit.policy import probabilities


@dataclass(frozen=True, eq=False)
class MarginFit:
    """The reward of largest margin.

    weights, r     (K,), Φw in pair layout
    slack          ξ ≥ 0, by how much the expert falls short of the margins
    violation      by how much the most broken constraint is broken, over all policies
    rows, losses   f_E − f_π (n, K) and D (n,) of the constraints that were needed
    multipliers    (n,) λ ≥ 0; w = Σ λ_i rows_i, ξ = Σ λ_i / C
    """

    weights: np.ndarray
    r: np.ndarray
    slack: float
    violation: float
    rows: np.ndarray
    losses: np.ndarray
    multipliers: np.ndarray


def max_margin(
    mdp: MDP,
    expert: Any,
    features: Any = "state",
    *,
    cost: float = 1.0,
    tol: float = 1e-9,
    max_steps: int = 1000,
) -> MarginFit:
    """Fit a reward that makes the expert's policy best by a margin.

    expert : (S,) int or pair layout; cost C > 0 of a squared slack; γ < 1.
    Raises ArithmeticError if max_steps programs leave a constraint broken by more than tol.
    """
    if not 0 < cost < np.inf:
        raise ValueError(f"cost must be finite and > 0; it is {cost}.")
    phi, pi = read_features(mdp, features), probabilities(mdp, expert)
    own, horizon = feature_expectations(mdp, pi, phi), 1 / (1 - mdp.gamma)
    rows, losses = np.zeros((0, phi.size)), np.zeros(0)
    w, slack, multipliers = np.zeros(phi.size), 0.0, np.zeros(0)
    violation = np.inf
    for _ in range(max_steps):
        rival = best_policy(mdp, phi.reward(w) + (1 - pi))
        row = own - feature_expectations(mdp, rival, phi)
        loss = horizon * float(np.sum(pair_occupancy(mdp, rival) * (1 - pi)))
        violation = loss - float(row @ w) - slack
        if violation <= tol * max(1.0, loss):
            return MarginFit(
                w, phi.reward(w), slack, max(violation, 0.0), rows, losses, multipliers
            )
        rows, losses = np.vstack([rows, row]), np.append(losses, loss)
        multipliers = least_distance(
            np.hstack([rows, np.full((len(rows), 1), cost**-0.5)]), losses
        )
        w, slack = multipliers @ rows, float(multipliers.sum()) / cost
    raise ArithmeticError(
        f"after {max_steps} programs a constraint is broken by {violation:.3g}. "
        "Raise max_steps or tol."
    )


def least_distance(G: np.ndarray, h: np.ndarray) -> np.ndarray:
    """The multipliers λ ≥ 0 of min ½‖x‖² s.t. Gx ≥ h; x = Gᵀλ. Raises if there is no such x."""
    from scipy.optimize import nnls

    scale = max(float(np.abs(h).max()), 1e-300)
    system = np.vstack([G.T, h / scale])
    aim = np.zeros(len(system))
    aim[-1] = 1.0
    u, _ = nnls(system, aim, maxiter=100 * len(h) + 100)
    left = 1.0 - float(h @ u) / scale
    if left <= 1e-14:
        raise ArithmeticError("no weights satisfy the constraints: the program is infeasible.")
    return u / left * scale
