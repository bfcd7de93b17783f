"""The forms of QuantEcon's `DiscreteDP` and of pymdptoolbox, in and out.

    QuantEcon      R (n, m), Q (n, m, n), beta; −∞ in R where the action does not exist
                   R (L,), Q (L, n), beta, s_indices, a_indices
    pymdptoolbox   P (A, S, S) or A sparse matrices, R (S,), (S, A), (A, S, S) or A sparse

Neither knows an end of the episode: a state is added in which it goes on without reward, which
at γ < 1 changes no value. Neither package is imported.

Checked in tests/io/test_peers.py. Source: QuantEcon.py 0.11, pymdptoolbox 4.0b3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mdpkit._rows import is_sparse
from mdpkit.errors import ModelError
from mdpkit.io._labeled import with_end
from mdpkit.mdp import MDP


def from_quantecon(ddp: Any) -> MDP:
    """The model of a `DiscreteDP`, or of a dict with its arguments, in either form."""
    R, Q, beta = (_field(ddp, name) for name in ("R", "Q", "beta"))
    s, a = (_field(ddp, name, None) for name in ("s_indices", "a_indices"))
    if (s is None) != (a is None):
        raise ModelError("s_indices and a_indices belong together; one of them is missing.")
    if s is not None:
        R = np.asarray(R, dtype=float)
        feasible = np.flatnonzero(~np.isneginf(R))
        Q = Q.tocsr() if hasattr(Q, "tocsr") else np.asarray(Q)
        s, a = np.asarray(s)[feasible], np.asarray(a)[feasible]
        return MDP.from_pairs(s, a, Q[feasible], R[feasible], beta)
    R = np.asarray(R, dtype=float)
    mask = ~np.isneginf(R)
    return MDP(Q, np.where(mask, R, 0.0), beta, mask=None if mask.all() else mask)


_MISSING = object()


def _field(ddp: Any, name: str, default: Any = _MISSING) -> Any:
    found = ddp.get(name, default) if isinstance(ddp, Mapping) else getattr(ddp, name, default)
    if found is _MISSING:
        raise ModelError(f"a DiscreteDP has R, Q and beta; {name} is missing.")
    return found


def to_quantecon(mdp: MDP) -> dict[str, Any]:
    """The arguments of `quantecon.markov.DiscreteDP(**…)`, as state-action pairs."""
    rows, s, a, r = with_end(mdp.rounded())
    Q = rows.to_scipy()
    form = _matrix(Q) if mdp.is_sparse else Q.toarray()
    return {"R": r, "Q": form, "beta": float(mdp.gamma), "s_indices": s, "a_indices": a}


def _matrix(x: Any) -> Any:
    # Both packages ask for the older matrix interface, in which * is a product.
    from scipy.sparse import csr_matrix

    return csr_matrix(x)


def from_mdptoolbox(P: Any, R: Any, discount: Any) -> MDP:
    """The model of pymdptoolbox' transitions, reward and discount."""
    sparse = is_sparse(P[0])
    n_actions, n_states = len(P), P[0].shape[0]
    listed = isinstance(R, list | tuple) or getattr(R, "dtype", None) == np.dtype(object)
    if listed and is_sparse(R[0]):
        expected = [np.asarray(p.multiply(r).sum(axis=1)).reshape(-1) for p, r in _both(P, R)]
        return _by_pairs(P, np.stack(expected, axis=1), discount)
    R = np.asarray(getattr(R, "toarray", lambda: R)(), dtype=float)
    shapes = {(n_states,): "s", (n_states, n_actions): "sa"}
    shapes[n_actions, n_states, n_states] = "ast"
    axes = shapes.get(R.shape)
    if axes is None:
        known = ", ".join(str(shape) for shape in shapes)
        raise ModelError(f"R has shape {R.shape}; it is one of {known}.", shape=R.shape)
    if not sparse:
        return MDP.from_arrays(np.asarray(P), R, discount, axes=f"ast,{axes}")
    if axes == "ast":
        parts = [p.tocsr() for p in P]
        R = np.stack([_row_products(p, r) for p, r in zip(parts, R, strict=True)], axis=1)
    return _by_pairs(P, R, discount)


def _both(P: Any, R: Any) -> Any:
    return zip((p.tocsr() for p in P), (r.tocsr() for r in R), strict=True)


def _row_products(p: Any, r: np.ndarray) -> np.ndarray:
    return np.asarray(p.multiply(r).sum(axis=1)).reshape(-1)


def _by_pairs(P: Any, R: np.ndarray, discount: Any) -> MDP:
    from scipy.sparse import vstack

    n_actions, n_states = len(P), P[0].shape[0]
    s = np.tile(np.arange(n_states), n_actions)
    a = np.repeat(np.arange(n_actions), n_states)
    R = np.broadcast_to(R[:, None] if R.ndim == 1 else R, (n_states, n_actions))
    return MDP.from_pairs(s, a, vstack(P, format="csr"), R.T.reshape(-1), discount)


def to_mdptoolbox(mdp: MDP) -> tuple[Any, np.ndarray, float]:
    """Return (P, R, discount): P (A, S, S), or A sparse matrices of a sparse model; R (S, A).

    ModelError if not every state has every action, which pymdptoolbox cannot say.
    """
    if mdp.n_pairs != mdp.n_states * mdp.n_actions:
        counts = np.diff(mdp.action_ptr)
        s = int(np.argmin(counts))
        message = (
            f"state {s} has {counts[s]} of {mdp.n_actions} actions; pymdptoolbox needs all."
        )
        raise ModelError(message, s=s)
    rows, _, a, r = with_end(mdp.rounded(), mdp.n_actions)
    P, n = rows.to_scipy(), rows.n_columns
    parts = [P[np.flatnonzero(a == k)] for k in range(mdp.n_actions)]
    R = r.reshape(n, mdp.n_actions)
    if mdp.is_sparse:
        return [_matrix(part) for part in parts], R, float(mdp.gamma)
    return np.stack([part.toarray() for part in parts]), R, float(mdp.gamma)
