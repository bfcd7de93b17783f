"""v* and q* of a tiny model, floats or exact: policy iteration, remembered for each model.

The engine needs v* thousands of times, on models of a few states; this is the shortest way.
"""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from mdpkit._array import EPS, sup
from mdpkit.mdp import MDP
from mdpkit.operators.resolvent import solve_chain
from mdpkit.policy import take_rows


class Optimum(NamedTuple):
    """What policy iteration ends with."""

    v: np.ndarray  # (S,)   v*
    q: np.ndarray  # pairs  q*, in pair layout
    policy: np.ndarray  # (S,) int, optimal


_KNOWN: WeakKeyDictionary[MDP, Optimum] = WeakKeyDictionary()


def optimum(mdp: MDP) -> Optimum:
    """v*, q* and an optimal policy, for γ < 1 or where every policy is proper."""
    if mdp not in _KNOWN:
        _KNOWN[mdp] = _policy_iteration(mdp)
    return _KNOWN[mdp]


def _policy_iteration(mdp: MDP) -> Optimum:
    first = mdp.action_ptr[:-1]
    pairs = first.copy()
    r = mdp.r.reshape(-1)
    while True:
        v = solve_chain(take_rows(mdp.rows, pairs), r[pairs], mdp.gamma)
        q = r + mdp.gamma * mdp.expect(v).reshape(-1)
        top = np.maximum.reduceat(q, first)
        slack = 0 if mdp.is_exact else 64 * EPS * mdp.n_states * (sup(v) + sup(r))
        better = np.flatnonzero(top > q[pairs] + slack)
        if not better.size:
            return Optimum(v, q.reshape(mdp.pair_shape), mdp.pair_actions[pairs])
        at_top = np.flatnonzero(q == np.repeat(top, np.diff(mdp.action_ptr)))
        best = at_top[np.searchsorted(at_top, first)]
        pairs[better] = best[better]
