"""The Bellman backup on a device: how its kernels are launched, and what they are told.

A model of short rows is swept in chunks, a block each, in one pass; one of long rows in two,
the second of which reduces. Only the extremes of a sweep come back, 24 bytes. Other ⊗ than the
mean are the CPU's. Checked in tests/operators/test_cuda_kernels.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._array import kind
from mdpkit._cuda import THREADS, download, empty, failures, launch, upload
from mdpkit._jit import njit
from mdpkit._rows import CSR
from mdpkit.errors import DeviceError
from mdpkit.mdp import MDP
from mdpkit.operators.aggregate import MAXIMUM, Reduction, maximum
from mdpkit.operators.expect import MEAN, Expectation, mean

ENTRIES, PAIRS = 2048, 1024
"""Of a chunk at most: what a block has room for, as in bellman.cu."""

BLOCKS = 4096
"""Of a sweep at most, some thirty for each processor; they go on to the next rows or chunks."""

SOURCE = "operators/bellman.cu"


class Space:
    """What a device model needs besides its arrays: pointers, chunks, and what was uploaded."""

    def __init__(self, mdp: MDP):
        self.action_ptr = upload(mdp.action_ptr, np.int32)
        self.chunk_ptr, self.width = None, 32
        if isinstance(mdp.rows, CSR):
            row_ptr = download(mdp.rows.row_ptr)
            self.width = lanes(row_ptr[-1] / max(mdp.n_pairs, 1))
            cut = np.empty(mdp.n_states + 1, dtype=np.int32)
            n = _cut(row_ptr, np.asarray(mdp.action_ptr), cut, ENTRIES, PAIRS)
            self.chunk_ptr = upload(cut[: n + 1], np.int32) if n > 0 else None
        self.weight: tuple[Any, Any] = (None, None)
        self.last: tuple[Any, Any, float] = (None, None, 0.0)


def space(mdp: MDP) -> Space:
    """That of the model, made once."""
    found = mdp.__dict__.get("_space")
    if found is None:
        found = mdp.__dict__["_space"] = Space(mdp)
    return found


def lanes(length: float) -> int:
    """How many lanes share a row: a quarter of its entries, a power of two up to 32."""
    return 1 << int(np.clip(np.log2(max(length / 2, 1)), 0, 5))


def sweep(
    mdp: MDP, v: Any, over: Reduction = maximum, expect: Expectation = mean, q: Any = None
) -> tuple[Any, float, float, Any]:
    """T v, min and max of T v − v, and the best pairs; q (pairs,) is written where given."""
    _only_mean(expect)
    n, rows, where = mdp.n_states, mdp.rows, space(mdp)
    out, best = empty(n), empty(n, np.int64)
    how = over.code, over.parameter, weight_of(mdp, over)
    if isinstance(rows, CSR) and where.chunk_ptr is not None:
        model = (rows.values, rows.columns, rows.row_ptr, where.action_ptr, mdp._r, mdp.gamma)
        n_chunks = where.chunk_ptr.size - 1
        n_threads, partial = room(n_chunks * THREADS)
        rest = where.chunk_ptr, n_chunks, *how, out, best, q, partial
        launch(SOURCE, "sweep_chunks", n_threads, *model, v, *rest)
    else:
        q, r = row_values(mdp, v, q)
        n_threads, partial = room(n)
        rest = where.action_ptr, n, v, *how, out, best, partial
        launch(SOURCE, "reduce_states", n_threads, q, r, mdp.gamma, *rest)
    low, high, size = extremes(partial)
    where.last = v, out, size
    return out, low, high, best


def capped(n_threads: int) -> int:
    """Threads to launch: whole blocks, and BLOCKS of them at most."""
    return min(-(-n_threads // THREADS), BLOCKS) * THREADS


def room(n_threads: int) -> tuple[int, Any]:
    """Threads to launch, and room for the extremes of each of their blocks."""
    n_threads = capped(n_threads)
    return n_threads, empty(3 * n_threads // THREADS)


def row_values(mdp: MDP, v: Any, q: Any = None) -> tuple[Any, Any]:
    """(q, None) with q = r + γ P v; or, on dense rows, (P v, r) for `reduce_states` to join."""
    rows = mdp.rows
    if isinstance(rows, CSR):
        q = empty(mdp.n_pairs) if q is None else q
        model = rows.values, rows.columns, rows.row_ptr, mdp._r, mdp.gamma, v
        width = space(mdp).width
        launch(SOURCE, "row_values", mdp.n_pairs * width, *model, mdp.n_pairs, width, q)
        return q, None
    with failures("multiplying on the device"):
        total = rows @ v  # cuBLAS
    if q is None:
        return total, mdp._r
    q[:] = total
    return q, mdp._r


def extremes(partial: Any) -> tuple[float, float, float]:
    """Least and largest change, and the largest magnitude: the one read of a sweep."""
    n = partial.size // 3
    found = empty(3)
    launch(SOURCE, "join_extremes", THREADS, partial, n, found)
    low, high, size = download(found).tolist()
    return low, high, size


def action_values(mdp: MDP, v: Any, expect: Expectation = mean) -> Any:
    """q = r + γ P v, in pair layout."""
    _only_mean(expect)
    q, r = row_values(mdp, v)
    return (q if r is None else r + mdp.gamma * q).reshape(mdp.pair_shape)


def aggregate(mdp: MDP, q: Any, over: Reduction) -> Any:
    """⊕_a q(s,a), (S,)."""
    out = empty(mdp.n_states)
    given = q.reshape(-1), None, 0.0, space(mdp).action_ptr, mdp.n_states, None
    how = over.code, over.parameter, weight_of(mdp, over)
    launch(SOURCE, "reduce_states", mdp.n_states, *given, *how, out, None, None)
    return out


def greedy_pairs(mdp: MDP, q: Any, slack: float) -> Any:
    """The first pair of each state within `slack` of its best, (S,) int."""
    out, n = empty(mdp.n_states, np.int64), mdp.n_states
    launch(SOURCE, "greedy_states", n, q.reshape(-1), space(mdp).action_ptr, n, slack, out)
    return out


def size_of(mdp: MDP, v: Any) -> float:
    """‖v‖∞, or the larger of ‖v‖∞ and ‖T v‖∞ where the last sweep was to or from v."""
    before, after, size = space(mdp).last
    return size if v is before or v is after else float(abs(v).max())


def weight_of(mdp: MDP, over: Reduction) -> Any:
    """The reduction's weight on the device; a weight of the CPU is moved once."""
    if over.weight is None or over.code == MAXIMUM:
        return None
    if kind(over.weight) == "cupy":
        return over.weight.reshape(-1)
    where = space(mdp)
    if where.weight[0] is not over.weight:
        where.weight = over.weight, upload(np.asarray(over.weight).reshape(-1))
    return where.weight[1]


def _only_mean(expect: Expectation) -> None:
    if expect.code != MEAN:
        raise DeviceError(f'⊗ = {expect.name} is computed on the CPU: mdp.to("cpu").')


@njit
def _cut(row_ptr, action_ptr, cut, entries, pairs):
    """Chunks of consecutive states that a block has room for; 0 if some state has none."""
    n, begin = 0, 0
    cut[0] = 0
    for s in range(action_ptr.size - 1):
        last = action_ptr[s + 1]
        own = row_ptr[last] - row_ptr[action_ptr[s]], last - action_ptr[s]
        if own[0] > entries or own[1] > pairs:
            return 0
        first = action_ptr[begin]
        if row_ptr[last] - row_ptr[first] > entries or last - first > pairs:
            n += 1
            cut[n] = begin = s
    cut[n + 1] = action_ptr.size - 1
    return n + 1
