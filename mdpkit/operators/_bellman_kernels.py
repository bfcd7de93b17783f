"""The numba twins of the Bellman backup: one pass over the rows of a range of states.

`optimal_csr` is the sweep that exact solvers spend their time in, ⊕ = max and ⊗ = mean, with
nothing else in its loop; `sweep_csr` and `sweep_dense` take any ⊕ and ⊗ by their codes. Dense
rows are multiplied by BLAS and only reduced here.
"""

from __future__ import annotations

import numpy as np

from mdpkit._jit import njit
from mdpkit.operators.aggregate import MAXIMUM, reduce_row
from mdpkit.operators.expect import MEAN, SAMPLED, expect_row

LONG = 32
"""Entries of a row from which its sum is quicker in any order; shorter rows take longer."""


def _optimal_csr(
    values, columns, row_ptr, action_ptr, r, gamma, v, begin, end, out, best, every_q
):  # fmt: skip
    """T v for states begin … end; returns the extremes of T v − v."""
    low, high, keep = np.inf, -np.inf, every_q.size > 0
    for s in range(begin, end):
        top, arg = -np.inf, action_ptr[s]
        for pair in range(action_ptr[s], action_ptr[s + 1]):
            total = 0.0
            for j in range(row_ptr[pair], row_ptr[pair + 1]):
                total += values[j] * v[columns[j]]
            q = r[pair] + gamma * total
            if keep:
                every_q[pair] = q
            if q > top:
                top, arg = q, pair
        out[s], best[s] = top, arg
        low, high = min(low, top - v[s]), max(high, top - v[s])
    return low, high


@njit
def optimal_equal(
    values, columns, width, action_ptr, r, gamma, v, begin, end, out, best, every_q
):  # fmt: skip
    """`optimal_csr` where every row has as many entries as `width`, a tuple, has."""
    low, high, keep, w = np.inf, -np.inf, every_q.size > 0, np.uint64(len(width))
    for s in range(begin, end):
        top, arg = -np.inf, action_ptr[s]
        for pair in range(action_ptr[s], action_ptr[s + 1]):
            total = 0.0
            for j in range(w):
                total += values[pair * w + j] * v[columns[pair * w + j]]
            q = r[pair] + gamma * total
            if keep:
                every_q[pair] = q
            if q > top:
                top, arg = q, pair
        out[s], best[s] = top, arg
        low, high = min(low, top - v[s]), max(high, top - v[s])
    return low, high


optimal_csr = njit(_optimal_csr)
optimal_csr_of_long_rows = njit(_optimal_csr, fastmath={"reassoc"})


@njit
def reduce_states(q, action_ptr, over, parameter, weight, v, begin, end, out, best):
    """⊕ of the action values q of states begin … end, q[0] being their first pair's."""
    low, high, base = np.inf, -np.inf, action_ptr[begin]
    for s in range(begin, end):
        first, n = action_ptr[s], action_ptr[s + 1] - action_ptr[s]
        change = finish_state(
            s, q[first - base :], first, n, v, over, parameter, weight, out, best, q[:0]
        )
        low, high = min(low, change), max(high, change)
    return low, high


@njit
def finish_state(s, q, first, n, v, over, parameter, weight, out, best, every_q):
    """Reduce one state's action values; return (T v − v)(s)."""
    top = 0
    for i in range(1, n):
        if q[i] > q[top]:
            top = i
    best[s] = first + top
    out[s] = q[top] if over == MAXIMUM else reduce_row(over, q, n, parameter, weight, first)
    if every_q.size:
        for i in range(n):
            every_q[first + i] = q[i]
    return out[s] - v[s]


@njit
def sweep_dense(
    rows, action_ptr, r, stop, gamma, v, least, over, parameter, weight, expect, tau, chosen,
    order, p, gathered, begin, end, out, best, every_q,
):  # fmt: skip
    low, high = np.inf, -np.inf
    q = np.empty(np.max(action_ptr[begin + 1 : end + 1] - action_ptr[begin:end]))
    for s in range(begin, end):
        first, n = action_ptr[s], action_ptr[s + 1] - action_ptr[s]
        for i in range(n):
            pair = first + i
            if expect == SAMPLED:
                total = v[chosen[pair]] if chosen[pair] >= 0 else 0.0
            else:
                end_here = stop[pair] if stop.size else 0.0
                for t in range(v.size):
                    p[t], gathered[t] = rows[pair, order[t]], v[order[t]]
                total = expect_row(expect, p, gathered, v.size, end_here, tau, least)
            q[i] = r[pair] + gamma * total
        change = finish_state(s, q, first, n, v, over, parameter, weight, out, best, every_q)
        low, high = min(low, change), max(high, change)
    return low, high


@njit
def sweep_csr(
    values, columns, row_ptr, action_ptr, r, stop, gamma, v, least, over, parameter, weight,
    expect, tau, chosen, order, p, gathered, begin, end, out, best, every_q,
):  # fmt: skip
    low, high = np.inf, -np.inf
    q = np.empty(np.max(action_ptr[begin + 1 : end + 1] - action_ptr[begin:end]))
    for s in range(begin, end):
        first, n = action_ptr[s], action_ptr[s + 1] - action_ptr[s]
        for i in range(n):
            pair = first + i
            if expect == MEAN:
                total = 0.0
                for j in range(row_ptr[pair], row_ptr[pair + 1]):
                    total += values[j] * v[columns[j]]
            elif expect == SAMPLED:
                total = v[chosen[pair]] if chosen[pair] >= 0 else 0.0
            else:
                end_here = stop[pair] if stop.size else 0.0
                size = row_ptr[pair + 1] - row_ptr[pair]
                for j in range(size):
                    p[j], gathered[j] = values[row_ptr[pair] + j], v[columns[row_ptr[pair] + j]]
                total = expect_row(expect, p, gathered, size, end_here, tau, least)
            q[i] = r[pair] + gamma * total
        change = finish_state(s, q, first, n, v, over, parameter, weight, out, best, every_q)
        low, high = min(low, change), max(high, change)
    return low, high


@njit
def aggregate_states(q, action_ptr, over, parameter, weight, out):
    for s in range(out.size):
        first, n = action_ptr[s], action_ptr[s + 1] - action_ptr[s]
        out[s] = reduce_row(over, q[first:], n, parameter, weight, first)


@njit
def greedy_states(q, action_ptr, slack, out):
    for s in range(out.size):
        top = q[action_ptr[s]]
        for pair in range(action_ptr[s], action_ptr[s + 1]):
            top = max(top, q[pair])
        for pair in range(action_ptr[s], action_ptr[s + 1]):
            if q[pair] >= top - slack:
                out[s] = pair
                break
