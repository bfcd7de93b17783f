"""The rewards under which a policy is optimal, and of them the one that says most.

    (P_π − P_a)(I − γP_π)⁻¹ r ⪰ 0 for all a      r(s), exactly the rewards that make π optimal
    max Σ_s min_{a≠π(s)} {(P_π − P_a)(I − γP_π)⁻¹ r}(s) − λ‖r‖₁    s.t. this, |r| ≤ R_max

r = 0 satisfies the first line for every policy, so a choice has to be made; the second line is
a linear program. Checked in tests/infer/test_rational.py. Source: Ng & Russell (2000), §3, §4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit.mdp import MDP
from mdpkit.operators.messages import dense_rows
from mdpkit.policy import as_pairs


def consistent_reward(
    mdp: MDP, policy: Any, *, penalty: float = 0.0, largest: float = 1.0
) -> np.ndarray:
    """A reward of states, (S,), that makes the policy optimal; the model's r is not read.

    policy : (S,) int. penalty λ ≥ 0 on ‖r‖₁; largest = R_max > 0.
    Raises ArithmeticError if the linear program fails.
    """
    from scipy.optimize import linprog

    if not (penalty >= 0 and largest > 0 and mdp.gamma < 1):
        raise ValueError("penalty ≥ 0, largest > 0 and γ < 1 are needed.")
    gains, state, S = advantages(mdp, policy), _rivals(mdp, policy)[1], mdp.n_states
    # Variables: r, the least gain z of each state that has a choice, and u ≥ |r|.
    chosen = (state[:, None] == np.arange(S)).astype(float)
    none = np.zeros((len(state), S))
    eye, nothing = np.eye(S), np.zeros((S, S))
    above = np.block(
        [
            [-gains, chosen, none],
            [-gains, none, none],
            [eye, nothing, -eye],
            [-eye, nothing, -eye],
        ]
    )
    choice = np.isin(np.arange(S), state)
    bounds = [(-largest, largest)] * S
    bounds += [(None, None) if has else (0, 0) for has in choice] + [(0, None)] * S
    cost = np.concatenate([np.zeros(S), -choice.astype(float), np.full(S, float(penalty))])
    found = linprog(cost, A_ub=above, b_ub=np.zeros(len(above)), bounds=bounds, method="highs")
    if not found.success:
        raise ArithmeticError(f"the linear program failed: {found.message}")
    return found.x[:S]


def advantages(mdp: MDP, policy: Any) -> np.ndarray:
    """(P_π − P_a)(I − γP_π)⁻¹, a row for each action not taken.

    Its product with r is ≥ 0 everywhere iff π is optimal for r(s).
    """
    rivals, state = _rivals(mdp, policy)
    dense = dense_rows(mdp)
    own = dense[as_pairs(mdp, policy)]
    reach = np.linalg.solve(
        (np.eye(mdp.n_states) - mdp.gamma * own).T, (own[state] - dense[rivals]).T
    )
    return reach.T


def _rivals(mdp: MDP, policy: Any) -> tuple[np.ndarray, np.ndarray]:
    """The pairs that the policy does not take, and their states."""
    rivals = np.setdiff1d(np.arange(mdp.n_pairs), as_pairs(mdp, policy))
    return rivals, mdp.pair_states[rivals]
