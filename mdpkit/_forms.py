"""Other forms in which users hold a model: state-action-pair lists, arrays with other axes.

What comes out are the arrays that the constructor of `MDP` takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mdpkit._array import as_float, read_only
from mdpkit._rows import CSR, is_sparse, read_csr
from mdpkit.errors import ModelError


def sort_pairs(s: Any, a: Any, P: Any, r: Any, stop: Any) -> tuple:
    """Rows sorted by (s, a): P, r, stop, action_ptr, actions (None: 0, 1, … in each state)."""
    s, a = (_whole(x, name) for x, name in ((s, "s"), (a, "a")))
    rows = read_csr(P) if is_sparse(P) and not (isinstance(P, tuple)) else P
    shape = rows.shape if isinstance(rows, CSR) else np.shape(rows)
    if len(shape) != 2:
        raise ModelError(f"P has shape {shape}; rows of shape (pairs, S) are needed.")
    n_pairs, n_states = shape
    if s.shape != (n_pairs,) or a.shape != (n_pairs,):
        raise ModelError(
            f"s, a and P's rows must agree: {s.shape}, {a.shape} and {n_pairs} rows."
        )
    out = np.flatnonzero((s < 0) | (s >= n_states) | (a < 0))
    if out.size:
        i = int(out[0])
        raise ModelError(
            f"row {i} belongs to state {s[i]}, action {a[i]}; states are 0 … {n_states - 1}.",
            row=i,
        )
    order = np.lexsort((a, s))
    s, a = s[order], a[order]
    twice = np.flatnonzero((s[1:] == s[:-1]) & (a[1:] == a[:-1]))
    if twice.size:
        i = int(twice[0])
        raise ModelError(
            f"state {s[i]}, action {a[i]} is given twice ({twice.size} such pairs).",
            s=int(s[i]),
            a=int(a[i]),
        )
    ptr = np.concatenate([[0], np.cumsum(np.bincount(s, minlength=n_states))]).astype(np.int64)
    r = _one_each(r, "r", n_pairs)[order]
    stop = None if stop is None else _one_each(stop, "stop", n_pairs)[order]
    P = (rows.to_scipy() if isinstance(rows, CSR) else as_float(P, "P"))[order]
    local = np.arange(n_pairs) - np.repeat(ptr[:-1], np.diff(ptr))
    return P, r, stop, ptr, None if (a == local).all() else read_only(a)


def _one_each(x: Any, name: str, n_pairs: int) -> np.ndarray:
    x = as_float(x, name)
    if x.shape != (n_pairs,):
        raise ModelError(f"{name} has shape {x.shape}; ({n_pairs},) is needed, one a row of P.")
    return x


def _whole(x: Any, name: str) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype.kind not in "iu" or x.ndim != 1:
        raise ModelError(
            f"{name} must be a one-dimensional integer array, not {x.dtype} {x.shape}."
        )
    return x.astype(np.int64)


def named_axes(P: Any, r: Any, axes: str) -> tuple[Any, Any, str, dict]:
    """Return P (S, A, S), r and reward_on from arrays with named axes, "ast,sa" say."""
    p_axes, comma, r_axes = axes.replace(" ", "").partition(",")
    if (
        not comma
        or sorted(p_axes) != sorted("sat")
        or not r_axes
        or not set(r_axes) <= set("sat")
    ):
        raise ModelError(f"axes must look like \"ast,sa\": P's axes, then r's; it is {axes!r}.")
    if (
        isinstance(P, Sequence)
        and not isinstance(P, np.ndarray)
        and any(is_sparse(part) for part in P)
    ):
        P, r, more = _stack_sparse(P, r, p_axes, r_axes)
        return P, r, "pair", more
    P = np.transpose(as_float(P, "P"), [p_axes.index(x) for x in "sat"])
    sizes = dict(zip("sat", P.shape, strict=True))
    r = as_float(r, "r")
    if r.ndim != len(r_axes) or any(r.shape[i] != sizes[x] for i, x in enumerate(r_axes)):
        raise ModelError(
            f"r has shape {r.shape}; axes {r_axes!r} say {tuple(sizes[x] for x in r_axes)}."
        )
    if "t" not in r_axes:
        r = np.transpose(r, [r_axes.index(x) for x in "sa" if x in r_axes])
        full = r[:, None] if r_axes == "s" else r[None, :] if r_axes == "a" else r
        return P, np.broadcast_to(full, P.shape[:2]), "pair", {}
    kept = [x for x in "sat" if x in r_axes]
    r = np.transpose(r, [r_axes.index(x) for x in kept])
    r = r.reshape([sizes[x] if x in kept else 1 for x in "sat"])
    return P, np.broadcast_to(r, P.shape), "transition", {}


def _stack_sparse(
    P: Sequence, r: Any, p_axes: str, r_axes: str
) -> tuple[Any, np.ndarray, dict]:
    from scipy.sparse import vstack

    if p_axes != "ast":
        raise ModelError(
            f"a list of sparse matrices, one an action, has axes 'ast', not {p_axes!r}."
        )
    n_actions, n_states = len(P), P[0].shape[0]
    order = np.arange(n_actions * n_states).reshape(n_actions, n_states).T.reshape(-1)
    r = as_float(r, "r")
    if r_axes not in ("s", "sa", "as"):
        raise ModelError(f"with sparse P, r's axes may be s, sa or as, not {r_axes!r}.")
    r = r.T if r_axes == "as" else r
    full = np.broadcast_to(r[:, None] if r.ndim == 1 else r, (n_states, n_actions))
    stacked: Any = vstack(P, format="csr")
    return stacked[order], full, {}
