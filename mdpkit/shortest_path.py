"""Rigorous bounds on v* at γ = 1, for a model where staying costs: one weight vector a side.

Let π be proper and w = (I − P_π)⁻¹1 its expected number of steps. If v ≤ T_π v + ε(w − P_π w),
then ℓ = v − εw satisfies ℓ ≤ T_π ℓ, so ℓ ≤ v^π ≤ v*. If for every pair r + P_a v + εP_a w ≤ v +
εw, then u = v + εw satisfies u ≥ Tu, so u ≥ v*, because a policy that never ends earns −∞. For
the upper bound w counts the longest way among actions that may be tied for best.

Whatever v, w and π are, the inequalities are checked, rounding included, before they are used.
Checked in tests/certify/test_total_reward.py.
Source: Bertsekas & Tsitsiklis (1991), §3; Puterman (1994), §7.2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import EPS, sup
from mdpkit.errors import SingularError
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import greedy_pairs, rounding
from mdpkit.operators.resolvent import policy_value
from mdpkit.structure import is_proper, proper_pairs

LEAST_MARGIN = 0.5  # of the 1 that w − P_π w is without rounding
RETRIES = 8


class Bounds(NamedTuple):
    """Two-sided bounds on v*, the pairs of a proper policy, and a lower bound on its value."""

    lower: np.ndarray
    upper: np.ndarray
    pairs: np.ndarray


def bounds(mdp: MDP, v: np.ndarray, q: np.ndarray) -> Bounds:
    """Bound v* of a shortest path problem (`total_reward.quotient`) from v and its q = r + Pv.

    A side that cannot be proven is infinite.
    """
    error = rounding(mdp, v)
    if not mdp.is_exact:
        error += 2 * EPS * float(sup(v))
    q = q.reshape(-1)
    change = q - v[mdp.pair_states]
    pairs = _proper_greedy(mdp, v, q, 2 * error)
    w = _steps(mdp, pairs)
    if w is None:
        infinite = np.full(v.size, np.inf)
        return Bounds(-infinite, infinite, pairs)
    lower = _lower(mdp, v, change[pairs], pairs, w, error)
    return Bounds(lower, _upper(mdp, v, change, pairs, w, error), pairs)


def _proper_greedy(mdp: MDP, v: np.ndarray, q: np.ndarray, slack: Any) -> np.ndarray:
    """The greedy pairs, or tied ones that end, or in the last resort any that end."""
    pairs = greedy_pairs(mdp, q, slack)
    if is_proper(mdp, mdp.actions_of(pairs)):
        return pairs
    top = np.maximum.reduceat(q, mdp.action_ptr[:-1])
    near = np.asarray(q >= np.repeat(top - slack, np.diff(mdp.action_ptr)), dtype=bool)
    tied, inside = proper_pairs(mdp, near)
    return tied if inside.all() else proper_pairs(mdp)[0]


def _steps(mdp: MDP, pairs: np.ndarray) -> np.ndarray | None:
    """Expected number of steps until the end; None where that is not finite."""
    ones = mdp.replace(r=np.ones_like(mdp._r) if not mdp.is_exact else mdp._r * 0 + 1)
    try:
        w = policy_value(ones, mdp.actions_of(pairs))
    except (SingularError, ZeroDivisionError):
        return None
    return w if mdp.is_exact or (np.isfinite(w).all() and w.min() > LEAST_MARGIN) else None


def _margins(mdp: MDP, w: np.ndarray) -> np.ndarray:
    """A lower bound on w(s) − Σ_t P(t|s,a) w(t) for every pair."""
    ahead = mdp.expect(w).reshape(-1)
    slack = 0 if mdp.is_exact else rounding(mdp, w) + 2 * EPS * float(sup(w))
    return w[mdp.pair_states] - ahead - slack


def _lower(
    mdp: MDP, v: np.ndarray, own: np.ndarray, pairs: np.ndarray, w: np.ndarray, error: Any
) -> np.ndarray:
    short = error - own
    if not (short > 0).any():
        return v
    margin = _margins(mdp, w)[pairs]
    if margin.min() < LEAST_MARGIN:
        return np.full(v.size, -np.inf)
    return _shifted(mdp, v, -max((short / margin).max(), 0), w)


def _upper(
    mdp: MDP, v: np.ndarray, change: np.ndarray, pairs: np.ndarray, w: np.ndarray, error: Any
) -> np.ndarray:
    excess = change + error
    if not (excess > 0).any():
        return v
    tied = 8 * error + 4 * max(excess.max(), 0)
    for _ in range(RETRIES):
        near = np.asarray(change >= -tied, dtype=bool)
        near[pairs] = True
        longest = _longest(mdp, near, pairs, w)
        if longest is not None:
            margin = _margins(mdp, longest)
            if margin[near].min() >= LEAST_MARGIN:
                epsilon = max((excess[near] / margin[near]).max(), 0)
                # elsewhere a longer way must not pay off: change + error ≤ ε (w − P_a w)
                if (excess[~near] <= epsilon * margin[~near]).all():
                    return _shifted(mdp, v, epsilon, longest)
        tied = 32 * tied
    return np.full(v.size, np.inf)


def _longest(mdp: MDP, near: np.ndarray, pairs: np.ndarray, w: np.ndarray) -> np.ndarray | None:
    """The largest expected number of steps by the pairs in `near`, by policy iteration."""
    for _ in range(50):
        ahead = 1 + mdp.expect(w).reshape(-1)
        ahead = np.where(near, ahead, ahead.min() - 1)
        longer = greedy_pairs(mdp, ahead)
        better = ahead[longer] > w * (1 if mdp.is_exact else 1 + 1e-9)
        if not better.any():
            return w
        pairs = np.where(better, longer, pairs)
        if not is_proper(mdp, mdp.actions_of(pairs)):
            return None
        following = _steps(mdp, pairs)
        if following is None:
            return None
        w = following
    return w


def longest_way(mdp: MDP, tied: np.ndarray) -> np.ndarray:
    """The largest expected number of steps by the pairs in `tied` ((pairs,) bool).

    Raises ArithmeticError where one can go round for ever by them.
    """
    pairs, inside = proper_pairs(mdp, tied)
    w = _steps(mdp, pairs) if inside.all() else None
    w = None if w is None else _longest(mdp, tied, pairs, w)
    if w is None:
        raise ArithmeticError("by the actions tied for best one can go round for ever.")
    return w


def _shifted(mdp: MDP, v: np.ndarray, epsilon: Any, w: np.ndarray) -> np.ndarray:
    """v + εw, rounded outward."""
    if mdp.is_exact:
        return v + epsilon * w
    outward = 4 * EPS * (sup(v) + abs(epsilon) * sup(w))
    return v + epsilon * w + (outward if epsilon > 0 else -outward)
