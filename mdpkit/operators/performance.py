"""The performance of a policy: v, q, advantages, and what changing the policy changes.

    J(π) = Σ_s μ(s) v^π(s),     A^π(s,a) = q^π(s,a) − v^π(s)
    J(π') − J(π) = H Σ_s d^{π'}(s) Σ_a π'(a|s) A^π(s,a)

The visits are those of the *new* policy: with those of the old one the right side is only the
first order of the left. At γ = 1 d counts visits and H is 1.
Checked in tests/operators/test_performance.py. Source: Kakade & Langford (2002), Lemma 6.1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values
from mdpkit.operators.occupancy import initial, pair_occupancy, require_end
from mdpkit.operators.resolvent import solve_chain
from mdpkit.policy import under


class Values(NamedTuple):
    """What a policy is worth: v (S,); q and A = q − v in pair layout. Units: reward."""

    v: np.ndarray
    q: np.ndarray
    advantage: np.ndarray


class Difference(NamedTuple):
    """Both sides of the identity: J(π') − J(π), and H Σ d^{π'} Σ π' A^π."""

    left: Any
    right: Any


def policy_values(mdp: MDP, policy: Any) -> Values:
    """v^π, q^π and A^π; exact on exact models. policy : (S,) int or pair layout.

    Raises UnboundedError at γ = 1 unless the policy ends every episode, wherever it begins.
    """
    rows, r, stop = under(mdp, policy)
    if mdp.gamma >= 1:
        require_end(rows, stop, np.arange(mdp.n_states))
    v = solve_chain(rows, r, mdp.gamma)
    q = action_values(mdp, v)
    return Values(v, q, q - np.repeat(v, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape))


def advantage(mdp: MDP, policy: Any) -> np.ndarray:
    """A^π(s,a) = q^π(s,a) − v^π(s), in pair layout; Σ_a π(a|s) A^π(s,a) = 0."""
    return policy_values(mdp, policy).advantage


def performance(mdp: MDP, policy: Any, start: Any = None) -> Any:
    """J(π) = Σ_s μ(s) v^π(s). start : (S,) distribution μ, the model's own if None."""
    return initial(mdp, start) @ policy_values(mdp, policy).v


def performance_difference(mdp: MDP, new: Any, old: Any, start: Any = None) -> Difference:
    """Both sides of J(π') − J(π) = H Σ_s d^{π'}(s) Σ_a π'(a|s) A^π(s,a), π' new, π old.

    new, old : (S,) int or pair layout; start : (S,) distribution μ, the model's own if None.
    The sides are computed apart and are equal on exact models. Errors as for `policy_values`.
    """
    mu, values = initial(mdp, start), policy_values(mdp, old)
    left = mu @ policy_values(mdp, new).v - mu @ values.v
    visits = pair_occupancy(mdp, new, mu)
    total = visits.reshape(-1) @ values.advantage.reshape(-1)
    return Difference(left, total / (1 - mdp.gamma) if mdp.gamma < 1 else total)
