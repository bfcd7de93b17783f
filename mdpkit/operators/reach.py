"""Walks over the graph of a sparse model: how far is it across, what are its components?

    walk        how many steps until it has seen whatever it can reach, how many states a step
    components  states that reach each other, each component after all that it can reach

Both take one pass over the non-zeros. The successors of a state stand side by side in CSR.
Checked in tests/operators/test_reach.py. Source: Tarjan (1972), SIAM J. Comput. 1(2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdpkit._jit import njit
from mdpkit._rows import CSR, unsigned


class Walk(NamedTuple):
    """steps of the longest walk, and max_d (states within d steps − 1) / 2d of any.

    The states within d steps of one lie, in any order, within d bandwidths of it: no order of
    the states has a smaller bandwidth than that.
    """

    steps: int
    band: float


def walk(rows: CSR, action_ptr: np.ndarray) -> Walk:
    """Walk from the first state, from the last, and from those not seen yet.

    A walk ends where all states have been seen: well-mixed models are told after few rows.
    """
    edges = unsigned(rows.columns), rows.row_ptr[action_ptr]
    found = [_walk(*edges, forth) for forth in (True, False)]
    return Walk(int(max(x[0] for x in found)), float(max(x[1] for x in found)))


def components(rows: CSR, action_ptr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The states component by component, and where each ends: i is order[ends[i−1]:ends[i]]."""
    order, ends = _tarjan(unsigned(rows.columns), rows.row_ptr[action_ptr])
    return order, ends


@njit
def _walk(columns, ptr, forth):
    n = ptr.size - 1
    seen, queue = np.zeros(n, dtype=np.bool_), np.empty(n, dtype=np.int64)
    end, deepest, band = 0, 0, 0.0
    for i in range(n):
        source = i if forth else n - 1 - i
        if seen[source]:
            continue
        queue[end], seen[source] = source, True
        first = begin = end
        end, levels = end + 1, 0
        while begin < end and end < n:
            last, levels = end, levels + 1
            for k in range(begin, last):
                for j in range(ptr[queue[k]], ptr[queue[k] + 1]):
                    t = columns[j]
                    if not seen[t]:
                        seen[t] = True
                        queue[end] = t
                        end += 1
                if end == n:
                    break
            begin, band = last, max(band, (end - first - 1) / (2.0 * levels))
        deepest = max(deepest, levels)
        if end == n:
            break
    return deepest, band


@njit
def _tarjan(columns, ptr):
    """Tarjan's algorithm with a stack of its own; a component is done after its successors."""
    n = ptr.size - 1
    number, low = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    edge = ptr[:-1].astype(np.int64)
    path, held = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    order, ends = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    count, found, done = 0, 0, 0
    deep, kept = 0, 0
    for root in range(n):
        if number[root] != 0:
            continue
        count += 1
        number[root], low[root] = count, count
        path[0], held[kept] = root, root
        deep, kept = 1, kept + 1
        while deep > 0:
            s = path[deep - 1]
            if edge[s] < ptr[s + 1]:
                t = np.int64(columns[edge[s]])
                edge[s] += 1
                if number[t] == 0:
                    count += 1
                    number[t], low[t] = count, count
                    path[deep], held[kept] = t, t
                    deep, kept = deep + 1, kept + 1
                elif number[t] > 0:  # still held; numbers of finished states are negative
                    low[s] = min(low[s], number[t])
                continue
            deep -= 1
            if deep > 0:
                low[path[deep - 1]] = min(low[path[deep - 1]], low[s])
            if low[s] == number[s]:
                while True:
                    kept -= 1
                    t = held[kept]
                    order[done] = t
                    number[t] = -number[t]
                    done += 1
                    if t == s:
                        break
                ends[found] = done
                found += 1
    return order, ends[:found]
