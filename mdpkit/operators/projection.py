"""From numbers on actions to a policy: the distribution that attains ⊕, state by state.

    attaining(⊕, x)      the π with ⊕_a x(a) = Σ_a π(a) x(a) − Ω(π)
    simplex_projection   argmin_π ‖π − x‖₂      = sparsemax at temperature 1: it subtracts one
                         number from every entry of a row, and cuts off what is negative
    softmax_policy       argmax_π Σ π x − Σ π log π,   π(a) = e^{x(a)} / Σ_b e^{x(b)}

Checked in tests/operators/test_projection.py.
Source: Held, Wolfe & Crowder (1974); Michelot (1986); Martins & Astudillo (2016).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit.mdp import MDP
from mdpkit.operators.aggregate import Reduction, soft, sparsemax
from mdpkit.operators.bellman import aggregate, check_shape


def attaining(mdp: MDP, q: Any, over: Reduction) -> np.ndarray:
    """The policy that attains ⊕ of q, in pair layout. q : pair layout."""
    check_shape(q, mdp.pair_shape, "q")
    where, shape = (mdp.pair_states, mdp.pair_actions), (mdp.n_states, mdp.n_actions)
    weight = None if over.weight is None else mdp.table(over.weight, fill=0)
    mask = np.zeros(shape, dtype=bool)
    mask[where] = True
    with np.errstate(over="ignore"):  # (q − top)/τ may be −∞, and its exponential is 0
        policy = over(mdp.table(q, fill=0), mask, weight)[1]
    return policy[where].reshape(mdp.pair_shape)


def simplex_projection(mdp: MDP, x: Any) -> np.ndarray:
    """The distribution nearest to each state's x(s,·) in ‖·‖₂; exact on exact arrays.

    x : pair layout, any finite numbers. Entries it leaves out are exactly 0.
    """
    return attaining(mdp, x, sparsemax(1.0))


def softmax_policy(mdp: MDP, theta: Any) -> np.ndarray:
    """π(a|s) = e^{θ(s,a)} / Σ_b e^{θ(s,b)}, in pair layout. theta : pair layout, finite."""
    return attaining(mdp, theta, soft(1.0))


def log_softmax(mdp: MDP, theta: Any) -> np.ndarray:
    """log π of `softmax_policy`, in pair layout: finite where π itself is too small a float."""
    total = aggregate(mdp, theta, soft(1.0))
    return theta - np.repeat(total, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
