"""Which method for which model? The choice when none is named, and the reason in words."""

from __future__ import annotations

import numpy as np

from mdpkit._rows import CSR
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values, greedy_pairs
from mdpkit.operators.resolvent import DENSE_STATES, stays_sparse
from mdpkit.plan.exact_policy_iteration import ExactPolicyIteration
from mdpkit.plan.modified_policy_iteration import ModifiedPolicyIteration
from mdpkit.plan.policy_iteration import PolicyIteration
from mdpkit.policy import take_rows
from mdpkit.solve import Method


def auto(mdp: MDP) -> tuple[Method, str]:
    """Return a method for the model, and why it was chosen."""
    if mdp.is_exact:
        return ExactPolicyIteration(), "an exact model: its answer can be exact too"
    if mdp.n_states <= DENSE_STATES // 3:
        return (
            PolicyIteration(),
            f"{mdp.n_states} states: dense policy iteration ends in a few exact solves",
        )
    if isinstance(mdp.rows, CSR) and mdp.gamma > 0.9:
        chain = take_rows(
            mdp.rows, greedy_pairs(mdp, action_values(mdp, np.zeros(mdp.n_states)))
        )
        if isinstance(chain, CSR) and stays_sparse(chain):
            return (
                PolicyIteration(),
                "a policy's chain is narrow, so its sparse LU stays sparse",
            )
    return (
        ModifiedPolicyIteration(),
        "large, with wide factors: a few policy sweeps for each greedy one",
    )
