"""One pass over the rows: is everything as it should be? Large models are checked by it.

It answers yes or no; a no is explained by the slower checks of _rows.py and _check.py.
Checked in tests/model, against them.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from mdpkit._jit import njit
from mdpkit._rows import CSR, Rows, unsigned
from mdpkit._threads import over_states


def in_order(
    values: np.ndarray, columns: np.ndarray, row_ptr: np.ndarray, n_columns: int
) -> bool:
    """Whether each row's columns lie in 0 … n_columns − 1 and increase, and no value is 0."""
    columns = unsigned(columns)
    index = columns.dtype.type
    most = index(min(n_columns, np.iinfo(index).max // 2 + 1))  # beyond it −1 would pass
    given = (values, columns, unsigned(row_ptr), most)
    return all(over_states(partial(_in_order, *given), row_ptr.size - 1, values.size))


def largest_defect(rows: Rows, stop: np.ndarray | None) -> float:
    """max |Σ_t P[i, t] + stop[i] − 1|; ∞ if a value is negative or not finite."""
    ends = np.empty(0) if stop is None else stop
    if isinstance(rows, CSR):
        work = partial(_defect, rows.values, unsigned(rows.row_ptr), ends)
        return max(over_states(work, rows.shape[0], rows.values.size))
    return max(over_states(partial(_defect_dense, rows, ends), rows.shape[0], rows.size))


@njit
def _in_order(values, columns, row_ptr, n_columns, begin, end):
    bad = 0  # counted, not returned at once: without a way out the loops are vectorized
    for i in range(begin, end):
        if row_ptr[i] < row_ptr[i + 1]:
            last = columns[row_ptr[i]]
            for j in range(row_ptr[i] + np.uint32(1), row_ptr[i + 1]):  # u64 + i64 is a float
                bad += columns[j] <= last
                last = columns[j]
            bad += last >= n_columns
            for j in range(row_ptr[i], row_ptr[i + 1]):
                bad += values[j] == 0.0
    return bad == 0


@njit
def _defect(values, row_ptr, stop, begin, end):
    largest = 0.0
    for i in range(begin, end):
        total, least = 0.0, 0.0
        for j in range(row_ptr[i], row_ptr[i + 1]):
            total += values[j]
            least = min(least, values[j])
        if stop.size:
            total += stop[i]
        off = abs(total - 1.0)
        if not off < np.inf or least < 0.0:
            return np.inf
        largest = max(largest, off)
    return largest


@njit(fastmath={"reassoc"})
def _defect_dense(rows, stop, begin, end):
    largest = 0.0
    for i in range(begin, end):
        total, negative = 0.0, 0
        for t in range(rows.shape[1]):
            total += rows[i, t]
            negative += rows[i, t] < 0.0
        if stop.size:
            total += stop[i]
        off = abs(total - 1.0)
        if not off < np.inf or negative > 0:
            return np.inf
        largest = max(largest, off)
    return largest
