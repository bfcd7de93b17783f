"""In-place and policy-restricted sweeps: the backup where order, or a fixed policy, matters.

    Gauss–Seidel   v(s) ← max_a r(s,a) + γ Σ_t P(t|s,a) v(t), reading what was just written
    T_πᵐ           m sweeps of v ← r_π + γ P_π v on the rows of one policy, gathered once

Source: Bertsekas & Tsitsiklis (1989), §2.6; Puterman (1994), §6.3.3 and §6.5.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import kind
from mdpkit._jit import blocks, njit
from mdpkit._rows import CSR, Rows, arrays_of, multiply, unsigned
from mdpkit._threads import extremes, over_states
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import equal_rows

FEW = 4
"""Entries of a row up to which it is written out in full, zeros added."""


class Padded(NamedTuple):
    """A chain whose rows all have w entries, some of them 0: no loop, and no branch to guess.

    A row of three entries takes a third of the time it takes as CSR.
    """

    values: np.ndarray  # (S·w,)
    columns: np.ndarray  # (S·w,) unsigned
    width: tuple  # w zeros: what compiled code knows of it is its length


ChainRows = np.ndarray | CSR | Padded


def in_place_sweep(mdp: MDP, v: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, float]:
    """Back up the states of `order` one by one, each seeing the last; v itself is kept.

    Returns the new values and the largest change of any state.
    """
    v = np.array(v, dtype=float)
    order = np.ascontiguousarray(order, dtype=np.int64)
    entries = mdp.rows.values.size if isinstance(mdp.rows, CSR) else mdp.rows.size
    largest = 0.0
    for begin, end in blocks(order.size, entries):
        if isinstance(mdp.rows, CSR):
            change = _in_place_csr(
                *arrays_of(mdp.rows), mdp.action_ptr, mdp._r, mdp.gamma, v, order[begin:end]
            )
        else:
            change = _in_place_dense(
                mdp.rows, mdp.action_ptr, mdp._r, mdp.gamma, v, order[begin:end]
            )
        largest = max(largest, change)
    return v, largest


def in_place_sweep_reference(
    mdp: MDP, v: np.ndarray, order: np.ndarray
) -> tuple[np.ndarray, float]:
    """`in_place_sweep` as it is defined."""
    new = v.copy()
    for s in order:
        pairs = slice(mdp.action_ptr[s], mdp.action_ptr[s + 1])
        new[s] = (mdp._r + mdp.gamma * multiply(mdp.rows, new))[pairs].max()
    return new, float(np.abs(new - v).max(initial=0.0))


def chain_sweep(rows: ChainRows, r: np.ndarray, gamma: float, v: np.ndarray) -> np.ndarray:
    """r + γ P v for a chain of S rows: one sweep of T_π."""
    return chain_change(rows, r, gamma, v)[0]


def chain_sweep_reference(rows: Rows, r: np.ndarray, gamma: float, v: np.ndarray) -> np.ndarray:
    """`chain_sweep` as it is defined."""
    return r + gamma * multiply(rows, v)


def chain_change(
    rows: ChainRows, r: np.ndarray, gamma: float, v: np.ndarray
) -> tuple[np.ndarray, float, float]:
    """T_π v = r + γ P v for a chain of S rows, and the extremes of T_π v − v."""
    if kind(v) == "cupy":
        return _device_chain().change(rows, r, gamma, v)
    if isinstance(rows, np.ndarray):
        out = r + gamma * (rows @ v)
        return out, float((out - v).min()), float((out - v).max())
    kernel: Any = _chain_csr if isinstance(rows, CSR) else _chain_padded
    given: Any = arrays_of(rows) if isinstance(rows, CSR) else rows
    out = np.empty(r.size)

    def work(begin, end):
        return kernel(*given, r, gamma, v, begin, end, out)

    return out, *extremes(over_states(work, r.size, rows.values.size))


def chain_change_reference(
    rows: Rows, r: np.ndarray, gamma: float, v: np.ndarray
) -> tuple[np.ndarray, float, float]:
    """`chain_change` as it is defined."""
    out = r + gamma * multiply(rows, v)
    return out, float((out - v).min()), float((out - v).max())


def gathered(rows: Rows, index: np.ndarray) -> Rows:
    """`policy.take_rows` in one pass: the rows of a policy, as sweeps want them."""
    if kind(index) == "cupy":
        return _device_chain().gathered(rows, index)
    if not isinstance(rows, CSR):
        return rows[index]
    counts = rows.row_ptr[index + 1] - rows.row_ptr[index]
    ptr = np.zeros(index.size + 1, dtype=rows.row_ptr.dtype)
    np.cumsum(counts, out=ptr[1:])
    values = np.empty(ptr[-1])
    columns = np.empty(ptr[-1], dtype=rows.columns.dtype)
    given = (*arrays_of(rows), index, unsigned(ptr))

    def work(begin, end):
        _gather(*given, begin, end, values, unsigned(columns))

    over_states(work, index.size, ptr[-1])
    return CSR(values, columns, ptr, rows.n_columns)


def policy_rows(mdp: MDP, pairs: np.ndarray) -> ChainRows:
    """The rows of a policy's pairs (S,), gathered once in the form that sweeps fastest."""
    equal = equal_rows(mdp)
    w = equal or (mdp.widest_row if 1 < mdp.widest_row <= FEW else 0)
    if mdp.device == "gpu" or not isinstance(mdp.rows, CSR) or not w:
        return gathered(mdp.rows, pairs)
    index = np.uint32 if mdp.n_states <= np.iinfo(np.uint32).max else np.uint64
    values, columns = np.zeros(pairs.size * w), np.zeros(pairs.size * w, dtype=index)
    kernel: Any = _pick if equal else _pad
    given = (*arrays_of(mdp.rows), pairs, (0,) * w)

    def work(begin, end):
        kernel(*given, begin, end, values, columns)

    over_states(work, pairs.size, values.size)
    return Padded(values, columns, (0,) * w)


def _device_chain() -> Any:
    """The kernels' launchers, only where there is a device."""
    from mdpkit.operators import _device_chain

    return _device_chain


@njit
def _in_place_dense(rows, action_ptr, r, gamma, v, order):
    largest = 0.0
    for s in order:
        top = -np.inf
        for pair in range(action_ptr[s], action_ptr[s + 1]):
            total = 0.0
            for t in range(v.size):
                total += rows[pair, t] * v[t]
            top = max(top, r[pair] + gamma * total)
        largest = max(largest, abs(top - v[s]))
        v[s] = top
    return largest


@njit
def _in_place_csr(values, columns, row_ptr, action_ptr, r, gamma, v, order):
    largest = 0.0
    for s in order:
        top = -np.inf
        for pair in range(action_ptr[s], action_ptr[s + 1]):
            total = 0.0
            for j in range(row_ptr[pair], row_ptr[pair + 1]):
                total += values[j] * v[columns[j]]
            top = max(top, r[pair] + gamma * total)
        largest = max(largest, abs(top - v[s]))
        v[s] = top
    return largest


@njit
def _chain_csr(values, columns, row_ptr, r, gamma, v, begin, end, out):
    low, high = np.inf, -np.inf
    for s in range(begin, end):
        total = 0.0
        for j in range(row_ptr[s], row_ptr[s + 1]):
            total += values[j] * v[columns[j]]
        out[s] = r[s] + gamma * total
        low, high = min(low, out[s] - v[s]), max(high, out[s] - v[s])
    return low, high


@njit
def _gather(values, columns, row_ptr, index, ptr, begin, end, own_values, own_columns):
    for i in range(begin, end):
        shift = row_ptr[index[i]] - ptr[i]
        for j in range(ptr[i], ptr[i + 1]):
            own_values[j] = values[j + shift]
            own_columns[j] = columns[j + shift]


@njit
def _pad(values, columns, row_ptr, index, width, begin, end, own_values, own_columns):
    for i in range(begin, end):
        k = i * len(width)
        for j in range(row_ptr[index[i]], row_ptr[index[i] + 1]):
            own_values[k] = values[j]
            own_columns[k] = columns[j]
            k += 1


@njit
def _pick(values, columns, row_ptr, index, width, begin, end, own_values, own_columns):
    w = np.uint64(len(width))
    for i in range(np.uint64(begin), np.uint64(end)):
        pair = np.uint64(index[i])
        for j in range(w):
            own_values[i * w + j] = values[pair * w + j]
            own_columns[i * w + j] = columns[pair * w + j]


@njit
def _chain_padded(values, columns, width, r, gamma, v, begin, end, out):
    low, high, w = np.inf, -np.inf, np.uint64(len(width))
    for s in range(np.uint64(begin), np.uint64(end)):
        total = 0.0
        for j in range(w):
            total += values[s * w + j] * v[columns[s * w + j]]
        out[s] = r[s] + gamma * total
        low, high = min(low, out[s] - v[s]), max(high, out[s] - v[s])
    return low, high
