"""The chain of one policy on a device: sweeps, colored sweeps, and (I − γP_π)⁻¹ r_π by Krylov.

The rows of a policy are read where they stand, by their pairs: nothing is gathered.

    BiCGSTAB      (I − γP_π) v = r_π, two products an iteration; begun anew from the residual
                  where it breaks down
    coloring      states of one color lead to none of their color: a Gauss–Seidel sweep in the
                  order of the colors backs up a color at once

Checked in tests/operators/test_cuda_kernels.py. Source: van der Vorst (1992); Adams & Ortega
(1982).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import TINY
from mdpkit._cuda import THREADS, empty, launch, upload
from mdpkit._rows import CSR
from mdpkit.errors import DeviceError
from mdpkit.mdp import MDP
from mdpkit.operators._device import capped, extremes, lanes, room, space
from mdpkit.operators.coloring import Coloring
from mdpkit.policy import as_pairs, chain, is_deterministic

SOURCE = "operators/sweep.cu"
ITERATIONS, ANEW, DIVERGED = 2000, 5, 1e6
"""Steps of BiCGSTAB, fresh starts, and how far it may stray from its best, at most."""


class Chain(NamedTuple):
    """Rows of a model, of which one policy's are meant; pairs (S,) says which (None: all)."""

    rows: Any
    pairs: Any
    width: int


def gathered(rows: Any, pairs: Any = None) -> Chain:
    """The rows of the given indices (None: all), none of which is moved."""
    if isinstance(rows, Chain):
        return rows
    if not isinstance(rows, CSR):
        return Chain(rows, pairs, 32)
    return Chain(rows, pairs, lanes(rows.values.size / max(rows.row_ptr.size - 1, 1)))


def policy_chain(mdp: MDP, policy: Any) -> tuple[Chain, Any]:
    """P_π and r_π: rows that stay where they stand; means are made on the CPU, and moved."""
    if is_deterministic(policy):
        pairs = upload(as_pairs(mdp, policy), np.int64)
        return gathered(mdp.rows, pairs), mdp._r[pairs]
    mixed = chain(mdp, policy)
    return gathered(mixed.rows), mixed._r


def product(chain: Any, gamma: float, v: Any) -> Any:
    """γ P v, (S,)."""
    return _swept(gathered(chain), None, gamma, v, None)


def change(chain: Any, r: Any, gamma: float, v: Any) -> tuple[Any, float, float]:
    """T_π v = r + γ P v, and the extremes of T_π v − v."""
    chain = gathered(chain)
    _, partial = room(v.size * chain.width)
    out = _swept(chain, r, gamma, v, partial)
    low, high, _ = extremes(partial)
    return out, low, high


def _swept(chain: Chain, r: Any, gamma: float, v: Any, partial: Any) -> Any:
    rows, n, out = chain.rows, v.size, empty(v.size)
    n_threads = capped(n * chain.width)
    end = chain.width, out, partial
    if isinstance(rows, CSR):
        given = rows.values, rows.columns, rows.row_ptr, chain.pairs, r, gamma, v, n
        launch(SOURCE, "chain_csr", n_threads, *given, *end)
    else:
        given = rows, chain.pairs, r, gamma, v, n, rows.shape[1]
        launch(SOURCE, "chain_dense", n_threads, *given, *end)
    return out


def solve(chain: Any, r: Any, gamma: float, guess: Any = None, rtol: float = 1e-13) -> Any:
    """(I − γP)⁻¹ r, (S,), by BiCGSTAB from a guess."""
    return bicgstab(lambda x: x - product(chain, gamma, x), r, guess, rtol)


def bicgstab(apply: Any, b: Any, guess: Any = None, rtol: float = 1e-13) -> Any:
    """x with ‖b − A x‖₂ ≤ rtol ‖b‖₂, or as near as it comes. apply : A x.

    The residual that recurrences carry drifts from the true one, so the true one decides.
    """
    x = best = b * 0 if guess is None else guess
    goal, lowest = rtol * _norm(b), np.inf
    for _ in range(ANEW):
        residual = b - apply(x)
        found = _norm(residual)
        if not found < lowest:
            break
        best, lowest = x, found
        if found <= goal:
            break
        x = _descended(apply, residual, x, goal)
    return best


def _descended(apply: Any, residual: Any, x: Any, goal: float) -> Any:
    """BiCGSTAB's best x from the residual of a guess; one number a step comes back."""
    shadow = p = residual
    best, least, rho = x, np.inf, shadow @ residual
    for _ in range(ITERATIONS):
        moved = apply(p)
        alpha = rho / (shadow @ moved)
        half = residual - alpha * moved
        turned = apply(half)
        omega = (turned @ half) / (turned @ turned + TINY)  # 0 where half of it is enough
        x = x + alpha * p + omega * half
        residual = half - omega * turned
        size = _norm(residual)
        best, least = (x, size) if size < least else (best, least)
        if not goal < size < DIVERGED * least:
            break
        new = shadow @ residual
        p = residual + (new / rho) * (alpha / omega) * (p - omega * moved)
        rho = new
    return best


def _norm(x: Any) -> float:
    return float((x @ x) ** 0.5)


def color_sweep(mdp: MDP, v: Any, colors: Coloring) -> tuple[Any, float]:
    """One sweep in the order of the colors, a color at once; and the largest change."""
    rows, where = mdp.rows, space(mdp)
    if not isinstance(rows, CSR):
        raise DeviceError("on dense rows every state leads to every other: sweep on the CPU.")
    v, order = v.copy(), upload(colors.order, np.int64)
    counts = np.diff(colors.ptr)
    threads = [capped(n * where.width) for n in counts.tolist()]
    ends = np.concatenate([[0], np.cumsum(3 * np.array(threads) // THREADS)]).tolist()
    partial, ptr = empty(ends[-1]), colors.ptr.tolist()
    model = rows.values, rows.columns, rows.row_ptr, where.action_ptr, mdp._r, mdp.gamma, v
    for k, n in enumerate(counts.tolist()):
        rest = order[ptr[k] : ptr[k + 1]], n, where.width, partial[ends[k] : ends[k + 1]]
        launch(SOURCE, "color_sweep", threads[k], *model, *rest)
    low, high, _ = extremes(partial)
    return v, max(abs(low), abs(high))
