"""From the arrays a user has to the arrays a model keeps; the model itself is in mdp.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from mdpkit._array import EPS, as_float, number, read_only
from mdpkit._check import check_rationals
from mdpkit._exact import rational, read_discount
from mdpkit._rows import CSR, Place, Rows, is_sparse, read_csr, row_sums
from mdpkit.errors import ModelError

LARGEST_VALUE = 1e300
"""Values beyond it overflow in the bounds; max|r|/(1−γ) is held against it before any work."""


def read_gamma(gamma: Any, *, exact: bool = False) -> Any:
    """Return the discount, in [0, 1]: a float, or for exact models a rational."""
    if isinstance(gamma, bool | np.bool_ | str | bytes | complex) or gamma is None:
        raise TypeError(f"gamma must be a number in [0, 1], not {gamma!r}.")
    rational_already = hasattr(gamma, "p") or isinstance(gamma, Fraction)
    try:
        value = number(gamma)
    except (TypeError, ValueError):
        raise TypeError(f"gamma must be a number in [0, 1], not {gamma!r}.") from None
    if not 0 <= (rational(gamma) if rational_already else value) <= 1:
        raise ModelError(f"gamma must lie in [0, 1]; it is {gamma}.", gamma=gamma)
    if exact:
        return rational(gamma if rational_already else read_discount(value))
    return value


def read_pairs(
    P: Any, r: Any, action_ptr: Any, mask: Any
) -> tuple[Rows, np.ndarray, np.ndarray | None, tuple[int, ...]]:
    """Rows, action_ptr, the pairs' actions (None: 0, 1, … in each state), and the layout."""
    if is_sparse(P):
        if mask is not None:
            raise ModelError(
                "mask= goes with dense P; CSR rows name their actions by action_ptr=."
            )
        return _sparse_pairs(P, np.shape(r), action_ptr)
    P = P if getattr(P, "dtype", None) == np.dtype(object) else as_float(P, "P")
    if P.ndim == 2 and action_ptr is not None:
        ptr = read_action_ptr(action_ptr, P.shape[0])
        _match_states(ptr.size - 1, P.shape[1])
        return np.ascontiguousarray(P), ptr, None, (P.shape[0],)
    if P.ndim != 3 or P.shape[0] != P.shape[2]:
        raise ModelError(
            f"P has shape {P.shape}; (S, A, S) is needed, axes state, action, next state. "
            "Other orders: MDP.from_arrays(…, axes=). "
            "Sparse rows: shape (pairs, S) with action_ptr=.",
            shape=P.shape,
        )
    n_states, n_actions, _ = P.shape
    if n_states == 0 or n_actions == 0:
        raise ModelError(
            f"P has shape {P.shape}: at least one state and one action are needed."
        )
    if action_ptr is not None:
        raise ModelError(
            "action_ptr= goes with P of shape (pairs, S); use mask= with (S, A, S)."
        )
    rows = np.ascontiguousarray(P).reshape(n_states * n_actions, n_states)
    if mask is None:
        ptr = np.arange(0, n_states * n_actions + 1, n_actions, dtype=np.int64)
        return rows, read_only(ptr), None, (n_states, n_actions)
    mask = read_mask(mask, (n_states, n_actions))
    ptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
    actions = np.nonzero(mask)[1]
    return rows[mask.reshape(-1)], read_only(ptr), read_only(actions), (int(ptr[-1]),)


def _sparse_pairs(P: Any, r_shape: tuple, action_ptr: Any) -> Any:
    if action_ptr is None and len(r_shape) == 2 and min(r_shape) > 0:
        action_ptr = np.arange(0, r_shape[0] * r_shape[1] + 1, r_shape[1], dtype=np.int64)
    if action_ptr is None:
        raise ModelError(
            "CSR rows need action_ptr= (S+1,): the first row of each state, and the last."
        )
    rows = read_csr(P, np.asarray(action_ptr).size - 1)
    ptr = read_action_ptr(action_ptr, rows.shape[0])
    _match_states(ptr.size - 1, rows.shape[1])
    return rows, ptr, None, (rows.shape[0],)


def _match_states(n_states: int, n_columns: int) -> None:
    if n_states != n_columns:
        raise ModelError(f"action_ptr speaks of {n_states} states, P's columns of {n_columns}.")


def read_action_ptr(action_ptr: Any, n_pairs: int) -> np.ndarray:
    """Return action_ptr as int64; it must run from 0 to n_pairs and give each state a pair."""
    ptr = np.asarray(action_ptr)
    if ptr.ndim != 1 or ptr.dtype.kind not in "iu" or ptr.size == 0:
        raise ModelError(
            f"action_ptr must be a one-dimensional integer array, not {ptr.dtype} {ptr.shape}."
        )
    if ptr.size == 1:
        raise ModelError("action_ptr speaks of 0 states; at least one is needed.")
    if ptr[0] != 0 or ptr[-1] != n_pairs:
        raise ModelError(
            f"action_ptr must run from 0 to {n_pairs} (rows of P), not {ptr[0]} to {ptr[-1]}."
        )
    short = np.flatnonzero(ptr[1:] <= ptr[:-1])
    if short.size:
        s = int(short[0])
        what = "falls" if ptr[s + 1] < ptr[s] else "gives it no action"
        raise ModelError(
            f"state {s}: action_ptr {what} ({short.size} such states). Every state needs an "
            "action; an absorbing one has a single action with stop=1, or a self-loop.",
            s=s,
        )
    return read_only(ptr.astype(np.int64, copy=False))


def read_mask(mask: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return mask as bool (S, A); each state keeps at least one action."""
    mask = np.asarray(mask)
    if mask.dtype != np.dtype(bool) or mask.shape != shape:
        raise ModelError(f"mask must be bool {shape}, not {mask.dtype} {mask.shape}.")
    empty = np.flatnonzero(~mask.any(axis=1))
    if empty.size:
        raise ModelError(
            f"mask leaves state {empty[0]} no action ({empty.size} such states).",
            s=int(empty[0]),
        )
    return mask


def pair_rewards(
    rows: Rows,
    r: Any,
    on: str,
    ptr: np.ndarray,
    mask: Any,
    shape: tuple[int, ...],
    name: str = "r",
) -> np.ndarray:
    """Return expected rewards (pairs,), from rewards on pairs, states or transitions."""
    n_pairs, n_states = rows.shape
    array = r if getattr(r, "dtype", None) == np.dtype(object) else as_float(r, name)
    exact = array.dtype == np.dtype(object)
    if exact != ((rows.values if isinstance(rows, CSR) else rows).dtype == np.dtype(object)):
        raise TypeError(f"P and {name} must both be floats or both exact rationals.")
    if exact:
        check_rationals(array, name)
    if on == "state":
        if array.shape != (n_states,):
            raise ModelError(
                f'{name} has shape {array.shape}; reward_on="state" needs ({n_states},).'
            )
        return read_only(np.repeat(array, np.diff(ptr)))
    if on != "pair":
        raise ModelError(f'reward_on must be "pair", "state" or "transition", not {on!r}.')
    if mask is not None and array.shape == np.shape(mask):
        return read_only(np.ascontiguousarray(array[np.asarray(mask)]))
    shapes = [shape, (n_pairs,)]
    if mask is None and (np.diff(ptr) == n_pairs // n_states).all():
        shapes.append((n_states, n_pairs // n_states))
    if array.shape in shapes:
        return read_only(np.ascontiguousarray(array).reshape(-1))
    raise ModelError(
        f"{name} has shape {array.shape}; {shape} is needed, one number a state-action pair. "
        "Rewards on states or transitions: "
        'reward_on="state" (S,) or reward_on="transition" (S, A, S).',
        shape=array.shape,
    )


def transition_rewards(P: Any, rows: Rows, r: Any, mask: Any) -> tuple[np.ndarray, float]:
    """r(s,a) = Σ_t P[s,a,t] r[s,a,t], and a bound on its rounding; rows are P as it was read.

    What is paid where P is 0 does not count.
    """
    if isinstance(rows, CSR):
        paid = _entry_rewards(P, rows, r)
        products, sizes = (
            rows._replace(values=rows.values * paid),
            rows._replace(values=abs(paid)),
        )
        return row_sums(products), _averaging_error(rows, products, sizes)
    r = as_float(r, "r")
    needed = rows.shape if np.ndim(P) == 2 else np.shape(P)
    if r.shape != needed:
        raise ModelError(
            f'r has shape {r.shape}; reward_on="transition" needs P\'s shape {needed}.',
            shape=r.shape,
        )
    r = (r[np.asarray(mask)] if mask is not None else r).reshape(rows.shape)
    paid = np.where(rows > 0, r, 0.0)
    if not np.isfinite(paid).all():
        raise ModelError("r is not finite on a transition of positive probability.")
    return (rows * paid).sum(axis=1), _averaging_error(rows, rows * paid, abs(paid))


def _entry_rewards(P: Any, rows: CSR, r: Any) -> np.ndarray:
    """The reward of each stored entry of P, from a sparse matrix or entry by entry."""
    if is_sparse(r):
        if r.shape != rows.shape:
            raise ModelError(f"r has shape {r.shape}; P has {rows.shape}.", shape=r.shape)
        where = rows._replace(values=np.ones(rows.values.size)).to_scipy()
        row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.row_ptr))
        return np.asarray(where.multiply(r.tocsr()).tocsr()[row, rows.columns]).reshape(-1)
    r = as_float(r, "r")
    given = P[1] if isinstance(P, tuple) else P.tocsr().indices
    if r.shape != rows.values.shape or not np.array_equal(given, rows.columns):
        raise ModelError(
            f"r has shape {r.shape}; entry by entry, P needs rows in order of next state, "
            f"without duplicates or zeros ({rows.values.size} entries), or r a sparse matrix."
        )
    return r


def _averaging_error(rows: Rows, products: Rows, sizes: Rows) -> float:
    """Bound the rounding of Σ p r, and what p may be read as (`MDP.exact`), over all pairs.

    A reward that is certain is not averaged: p = 1 costs nothing.
    """
    if isinstance(rows, CSR):
        width = np.diff(rows.row_ptr)
        certain = (width == 1) & (row_sums(rows) == 1)
        totals = row_sums(sizes)
    else:
        width = np.count_nonzero(rows, axis=1)
        certain = (width == 1) & (rows.max(axis=1) == 1)
        totals = np.asarray(sizes).sum(axis=1)
    return float(np.where(certain, 0.0, (width + 3.0) * EPS * totals).max(initial=0.0))


def clean_rewards(r: np.ndarray, gamma: Any, place: Place) -> np.ndarray:
    """Return r after checking that it is finite and that no value can overflow."""
    if r.dtype == np.dtype(object):
        return r
    bad = np.flatnonzero(~np.isfinite(r))
    if bad.size:
        i = int(bad[0])
        hint = (
            " If the action does not exist, pass mask= (for example np.isfinite(r))."
            if r[i] == -math.inf
            else ""
        )
        s, a = place(i)
        raise ModelError(
            f"r[{s}, {a}] is {r[i]}; rewards must be finite ({bad.size} such pairs).{hint}",
            s=s,
            a=a,
        )
    largest = float(np.abs(r).max(initial=0.0))
    horizon = 1.0 / (1.0 - float(gamma)) if gamma < 1 else 1.0
    if largest * horizon > LARGEST_VALUE:
        raise ModelError(
            f"max|r| = {largest:.3g} at gamma = {float(gamma)}: values would reach "
            f"{largest * horizon:.3g} or more and overflow. Scale the rewards.",
            size=largest,
        )
    return r


def read_distribution(p: Any, size: int, name: str) -> np.ndarray:
    """Return p (size,) after checking that it is a probability distribution."""
    p = p if getattr(p, "dtype", None) == np.dtype(object) else as_float(p, name)
    if p.shape != (size,):
        raise ModelError(f"{name} has shape {p.shape}; ({size},) is needed.")
    exact = p.dtype == np.dtype(object)
    if exact:
        check_rationals(p, name)
    bad = np.flatnonzero(~(p >= 0))
    if bad.size:
        raise ModelError(f"{name}[{bad[0]}] is {p[bad[0]]}, not a probability.", s=int(bad[0]))
    total = p.sum()
    if total != 1 if exact else not abs(total - 1) <= 1e-9:
        raise ModelError(
            f"{name} sums to {total}, not 1.", sum=total if exact else float(total)
        )
    return read_only(p)


def read_names(names: Sequence | None, count: int, what: str, *, exact: bool) -> tuple | None:
    """Return names as a tuple of `count` (or, if not exact, at least that many)."""
    if names is None:
        return None
    if isinstance(names, str):
        raise TypeError(f"{what} must be a sequence of names, not one string.")
    names = tuple(names)
    if len(names) < count or (exact and len(names) > count):
        raise ModelError(f"{what} has {len(names)} names for {count} {what}.")
    return names


def check_probabilities(p: np.ndarray, place: Place, name: str) -> None:
    """Raise ModelError unless 0 ≤ p ≤ 1 for every pair."""
    inside = np.asarray((p >= 0) & (p <= 1), dtype=bool)
    if not inside.all():
        pair = int(np.argmin(inside))
        s, a = place(pair)
        raise ModelError(f"{name}[{s}, {a}] is {p[pair]}, not a probability.", s=s, a=a)
