"""Is every row a probability distribution? Block by block, naming the first row that is not.

Checking takes little memory of its own: a model that fits can be checked.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from mdpkit._array import EPS
from mdpkit._rows import BLOCK, CSR, LARGE, Place, Rows, row_sums
from mdpkit.errors import ModelError, ModelWarning

ROUNDING = 1e-12
"""What any row may be off by."""

NARROW = 2.0**-23
"""What a probability kept in float32, and perhaps summed in it, is off by, relatively."""

NORMALIZE_LIMIT = 1e-5
"""`normalize=True` repairs rows off by rounding; a row further off than this is a mistake."""


def check_rows(
    rows: Rows, stop: np.ndarray | None, place: Place, *, normalize: bool
) -> tuple[Rows, np.ndarray | None, float, float]:
    """Raise ModelError unless every row is a probability distribution together with its stop.

    place     gives row i's state and action
    returns   rows and stop (divided by their sums if `normalize` had to), the largest defect
              that remains, what float32 rounds away included, and the largest repaired
    """
    values = rows.values if isinstance(rows, CSR) else rows
    if values.dtype == np.dtype(object):
        return rows, stop, _check_exact_rows(rows, stop, place), 0.0
    unit = NARROW if values.dtype == np.float32 else 0.0
    if values.size >= LARGE:
        from mdpkit._scan import largest_defect  # here, for it loads numba

        defect = largest_defect(rows, stop)
        if defect <= max(ROUNDING, unit):
            return rows, stop, defect + unit, 0.0
    _check_entries(rows, place)
    defect, worst, first, count = 0.0, 0, -1, 0
    for begin, end in row_blocks(rows):
        off = np.abs(_sums(rows, stop, begin, end) - 1.0)
        # S additions can lose S ulps; anything larger is the caller's mistake.
        bad = np.flatnonzero(
            ~(off <= np.maximum(ROUNDING + unit, 4.0 * EPS * _lengths(rows, begin, end)))
        )
        first = begin + int(bad[0]) if bad.size and first < 0 else first
        count += bad.size
        if not off.max() <= defect:
            defect, worst = float(off.max()), begin + int(np.argmax(off))
    if count == 0:
        return rows, stop, defect + unit, 0.0
    if not normalize or not defect <= NORMALIZE_LIMIT:
        _refuse_sum(rows, stop, worst if normalize else first, place, count, normalize)
    s, a = place(worst)
    warnings.warn(
        f"normalized {count} rows; the largest was off by {defect:.3g}, in P[{s}, {a}].",
        ModelWarning,
        stacklevel=3,
    )
    return *_normalized(rows, stop), defect


def row_blocks(rows: Rows) -> list[tuple[int, int]]:
    """Ranges of rows with about BLOCK entries each."""
    n_rows, width = rows.shape
    if isinstance(rows, CSR):
        width = max(1, rows.values.size // max(n_rows, 1))
    size = max(1, BLOCK // width)
    return [(begin, min(begin + size, n_rows)) for begin in range(0, n_rows, size)]


def _part(rows: Rows, begin: int, end: int) -> Rows:
    if not isinstance(rows, CSR):
        return rows[begin:end]
    entries = slice(rows.row_ptr[begin], rows.row_ptr[end])
    ptr = rows.row_ptr[begin : end + 1] - rows.row_ptr[begin]
    return CSR(rows.values[entries], rows.columns[entries], ptr, rows.n_columns)


def _sums(rows: Rows, stop: np.ndarray | None, begin: int, end: int) -> np.ndarray:
    with np.errstate(over="ignore"):  # an infinite sum is off like any other
        return row_sums(_part(rows, begin, end), None if stop is None else stop[begin:end])


def _lengths(rows: Rows, begin: int, end: int) -> Any:
    return np.diff(rows.row_ptr[begin : end + 1]) if isinstance(rows, CSR) else rows.shape[1]


def _check_entries(rows: Rows, place: Place) -> None:
    flat = rows.values if isinstance(rows, CSR) else rows.reshape(-1)
    for begin in range(0, flat.size, BLOCK):
        part = flat[begin : begin + BLOCK]
        if not np.isfinite(part).all():
            _refuse(rows, ~np.isfinite(flat), place, "not finite")
        if part.min() < 0:
            _refuse(rows, flat < 0, place, "negative")


def _refuse_sum(
    rows: Rows, stop: np.ndarray | None, row: int, place: Place, count: int, normalize: bool
) -> None:
    total = float(_sums(rows, stop, row, row + 1)[0])
    remedy = "Pass normalize=True if this is rounding, stop= if the episode may end here."
    if normalize:
        remedy = f"normalize=True repairs only rows off by ≤ {NORMALIZE_LIMIT:g}."
    s, a = place(row)
    raise ModelError(
        f"P[{s}, {a}] sums to {total}, not 1 ({count} such rows). {remedy}",
        s=s,
        a=a,
        sum=total,
        count=count,
    )


def _normalized(rows: Rows, stop: np.ndarray | None) -> tuple[Rows, np.ndarray | None, float]:
    """Divide every row, with its stop, by its sum; return what defect is left."""
    sums = row_sums(rows, stop)
    if isinstance(rows, CSR):
        rows = rows._replace(values=rows.values / np.repeat(sums, np.diff(rows.row_ptr)))
    else:
        rows = rows / sums[:, None]
    stop = None if stop is None else stop / sums
    return rows, stop, float(np.abs(row_sums(rows, stop) - 1.0).max())


def _check_exact_rows(rows: Rows, stop: np.ndarray | None, place: Place) -> float:
    """Raise unless each row is exactly a distribution: no rounding, no forgiveness."""
    flat = rows.reshape(-1) if isinstance(rows, np.ndarray) else rows.values
    check_rationals(flat, "P")
    if (flat < 0).any():
        _refuse(rows, flat < 0, place, "negative")
    sums = row_sums(rows, stop)
    bad = np.flatnonzero(sums != 1)
    if bad.size:
        (s, a), total = place(int(bad[0])), sums[bad[0]]
        raise ModelError(
            f"P[{s}, {a}] sums to {total}, not exactly 1 ({bad.size} such rows).",
            s=s,
            a=a,
            sum=total,
        )
    return 0.0


def check_rationals(x: np.ndarray, name: str) -> None:
    """Raise TypeError unless the elements of an object array are exact rationals."""
    for item in x.flat:
        if not (hasattr(item, "p") and hasattr(item, "q")):
            raise TypeError(
                f"{name} holds {item!r}; object arrays hold exact rationals (flint's fmpq)."
            )


def _refuse(rows: Rows, wrong: np.ndarray, place: Place, what: str) -> None:
    entry = int(np.argmax(wrong))
    if isinstance(rows, np.ndarray):
        row, column = divmod(entry, rows.shape[1])
        value = rows[row, column]
    else:
        row = int(np.searchsorted(rows.row_ptr, entry, side="right")) - 1
        column, value = int(rows.columns[entry]), rows.values[entry]
    s, a = place(row)
    raise ModelError(
        f"P[{s}, {a}, {column}] is {value}, which is {what} ({int(wrong.sum())} such entries).",
        s=s,
        a=a,
        t=column,
        value=float(value) if isinstance(value, np.floating) else value,
    )
