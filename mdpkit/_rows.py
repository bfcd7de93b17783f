"""Transition rows P(·|s,a), one a state-action pair: read, checked, and multiplied by a vector.

Two storages: dense, an array (pairs, S); or CSR, three plain arrays. SciPy objects stop at this door:
SciPy does not bounds-check columns and cannot hold exact rationals.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import EPS, as_float, namespace, read_only
from mdpkit.errors import ModelError, ModelWarning

BLOCK = 1 << 20
"""Entries checked at a time, so that checking a model needs little memory of its own."""

NORMALIZE_LIMIT = 1e-5
"""`normalize=True` repairs rows off by rounding; a row further off than this is a mistake."""


class CSR(NamedTuple):
    """Compressed rows: entries row_ptr[i] … row_ptr[i+1]−1 belong to row i."""

    values: np.ndarray  # (nnz,) probabilities, float64 or exact
    columns: np.ndarray  # (nnz,) next states
    row_ptr: np.ndarray  # (pairs + 1,)
    n_columns: int

    @property
    def shape(self) -> tuple[int, int]:
        """(pairs, S), as for a dense array."""
        return self.row_ptr.size - 1, self.n_columns


Rows = np.ndarray | CSR


def is_sparse(x: Any) -> bool:
    """Return whether x is a SciPy sparse array, our CSR, or a plain (values, columns, row_ptr)."""
    return isinstance(x, CSR) or hasattr(x, "tocsr") or (isinstance(x, tuple) and len(x) == 3)


def read_csr(x: Any, n_columns: int | None = None) -> CSR:
    """Read any compressed matrix; duplicates are summed, explicit zeros dropped, bounds checked.

    Nothing is copied unless something has to change, and the caller's arrays never change.
    """
    if isinstance(x, tuple) and not isinstance(x, CSR):
        values, columns, row_ptr = (np.asarray(part) for part in x)
    elif isinstance(x, CSR):
        values, columns, row_ptr, n_columns = x
    else:
        n_columns = int(x.shape[1])
        x = x if x.format == "csr" else x.tocsr()
        values, columns, row_ptr = x.data, x.indices, x.indptr
    if values.dtype != np.dtype(object):
        values = as_float(values, "P.values")
    columns, row_ptr = _index(columns, "columns"), _index(row_ptr, "row_ptr")
    if n_columns is None:
        raise ModelError(
            "P is a (values, columns, row_ptr) triple: the number of states is unknown."
        )
    _check_pointer(row_ptr, values.size, columns.size)
    canonical = _check_columns(columns, row_ptr, n_columns)
    if not canonical or any((values[b] == 0).any() for b in _blocks(values.size)):
        values, columns, row_ptr = _canonical(values, columns, row_ptr, n_columns)
    return CSR(read_only(values), read_only(columns), read_only(row_ptr), n_columns)


def _index(x: np.ndarray, name: str) -> np.ndarray:
    x = np.asarray(x)
    if x.ndim != 1 or x.dtype.kind not in "iu":
        raise ModelError(
            f"P.{name} must be a one-dimensional integer array, not {x.dtype} {x.shape}."
        )
    if x.dtype.itemsize < 4 or not x.dtype.isnative or not x.flags.c_contiguous:
        x = np.ascontiguousarray(x, dtype=np.int64 if x.dtype.itemsize > 4 else np.int32)
    return x


def _blocks(size: int) -> Iterator[slice]:
    return (slice(i, min(i + BLOCK, size)) for i in range(0, size, BLOCK))


def _check_pointer(row_ptr: np.ndarray, n_values: int, n_columns: int) -> None:
    if row_ptr.size == 0 or row_ptr[0] != 0 or row_ptr[-1] != n_values or n_values != n_columns:
        raise ModelError(
            f"P.row_ptr must run from 0 to the number of entries; it runs from "
            f"{row_ptr[0] if row_ptr.size else '?'} to {row_ptr[-1] if row_ptr.size else '?'}, with "
            f"{n_values} values and {n_columns} columns."
        )
    falls = np.flatnonzero(row_ptr[1:] < row_ptr[:-1])
    if falls.size:
        i = int(falls[0])
        raise ModelError(
            f"P.row_ptr falls after row {i}: {row_ptr[i]} then {row_ptr[i + 1]}.", row=i
        )


def _check_columns(columns: np.ndarray, row_ptr: np.ndarray, n_columns: int) -> bool:
    """Raise on a column out of range; return whether every row's columns strictly increase."""
    ordered = True
    for block in _blocks(columns.size):
        part = columns[block]
        bad = np.flatnonzero((part < 0) | (part >= n_columns))
        if bad.size:
            entry = block.start + int(bad[0])
            row = int(np.searchsorted(row_ptr, entry, side="right")) - 1
            raise ModelError(
                f"P.columns[{entry}] (row {row}) is {columns[entry]}; next states are 0 … {n_columns - 1}.",
                row=row,
                entry=entry,
            )
        follows = np.flatnonzero(part[1:] <= part[:-1]) + block.start + 1
        edge = (
            [block.start]
            if block.start and columns[block.start] <= columns[block.start - 1]
            else []
        )
        for entries in (follows, np.asarray(edge, dtype=np.int64)):
            starts = row_ptr[np.searchsorted(row_ptr, entries)] if entries.size else entries
            ordered = ordered and bool((starts == entries).all())
    return ordered


def _canonical(
    values: np.ndarray, columns: np.ndarray, row_ptr: np.ndarray, n_columns: int
) -> Any:
    """Sort each row by column, sum duplicates, drop zeros."""
    row = np.repeat(np.arange(row_ptr.size - 1), np.diff(row_ptr))
    order = np.lexsort((columns, row))
    row, columns, values = row[order], columns[order], values[order]
    first = np.ones(values.size, dtype=bool)
    first[1:] = (row[1:] != row[:-1]) | (columns[1:] != columns[:-1])
    values = np.add.reduceat(values, np.flatnonzero(first)) if values.size else values
    row, columns = row[first], columns[first]
    keep = values != 0
    counts = np.bincount(row[keep], minlength=row_ptr.size - 1)
    pointer = np.concatenate([[0], np.cumsum(counts)]).astype(row_ptr.dtype)
    return values[keep], columns[keep], pointer


def row_sums(rows: Rows) -> np.ndarray:
    """Return Σ_t P[i, t] for every row i."""
    if isinstance(rows, np.ndarray):
        return rows.sum(axis=1)
    return _segment_sum(rows.values, rows.row_ptr)


def _segment_sum(x: np.ndarray, ptr: np.ndarray) -> np.ndarray:
    """Sum x over ptr[i]:ptr[i+1]; NumPy's reduceat returns x[ptr[i]] for an empty segment."""
    total = np.zeros(ptr.size - 1, dtype=x.dtype)
    full = np.flatnonzero(ptr[1:] > ptr[:-1])
    if full.size:
        total[full] = np.add.reduceat(x, ptr[:-1][full])
    return total


def multiply(rows: Rows, v: Any) -> Any:
    """Return Σ_t P[i, t] v[t] for every row i, on NumPy, JAX or CuPy arrays or exact rationals."""
    if not isinstance(rows, CSR):
        return rows @ v
    xp = namespace(v, rows.values)
    terms = rows.values * v[rows.columns]
    if xp is np:
        return _segment_sum(terms, rows.row_ptr)
    index = xp.asarray(np.repeat(np.arange(rows.shape[0]), np.diff(rows.row_ptr)))
    if hasattr(xp.zeros(1), "at"):  # JAX: arrays are immutable
        return xp.zeros(rows.shape[0], dtype=terms.dtype).at[index].add(terms)
    return xp.bincount(index, weights=terms, minlength=rows.shape[0])


def check_rows(
    rows: Rows,
    stop: np.ndarray | None,
    place: Callable[[int], tuple[int, int]],
    *,
    normalize: bool,
) -> tuple[Rows, np.ndarray | None, float]:
    """Raise ModelError unless every row is a probability distribution together with its stop.

    place     gives row i's state and action
    returns   rows, stop (both divided by their sum if `normalize` had to) and the largest defect
    """
    values = rows if isinstance(rows, np.ndarray) else rows.values
    if values.dtype == np.dtype(object):
        return rows, stop, _check_exact_rows(rows, stop, place)
    flat = values.reshape(-1)
    for block in _blocks(flat.size):
        part = flat[block]
        if not np.isfinite(part).all():
            _refuse(rows, ~np.isfinite(flat), place, "not finite")
        if part.min(initial=0.0) < 0:
            _refuse(rows, flat < 0, place, "negative")
    sums = row_sums(rows) if stop is None else row_sums(rows) + stop
    lengths = rows.shape[1] if isinstance(rows, np.ndarray) else np.diff(rows.row_ptr)
    off = np.abs(sums - 1.0)
    defect = float(off.max(initial=0.0))
    bad = np.flatnonzero(off > np.maximum(1e-12, 4.0 * EPS * lengths))
    if bad.size == 0:
        return rows, stop, defect
    i = int(bad[0])
    too_far = off[i] > NORMALIZE_LIMIT or defect > NORMALIZE_LIMIT
    if not normalize or too_far:
        i = int(np.argmax(off)) if normalize else i
        remedy = (
            f"normalize=True repairs only rows off by ≤ {NORMALIZE_LIMIT:g}."
            if normalize
            else "Pass normalize=True if this is rounding, stop= if the episode may end here."
        )
        state, action = place(i)
        raise ModelError(
            f"P[{state}, {action}] sums to {float(sums[i])}, not 1 ({bad.size} such rows). {remedy}",
            s=state,
            a=action,
            sum=float(sums[i]),
            count=int(bad.size),
        )
    state, action = place(int(np.argmax(off)))
    warnings.warn(
        f"normalized {bad.size} rows; the largest was off by {defect:.3g}, in P[{state}, {action}].",
        ModelWarning,
        stacklevel=4,
    )
    if isinstance(rows, np.ndarray):
        rows = rows / sums[:, None]
    else:
        rows = rows._replace(values=rows.values / np.repeat(sums, np.diff(rows.row_ptr)))
    stop = None if stop is None else stop / sums
    again = row_sums(rows) if stop is None else row_sums(rows) + stop
    return rows, stop, float(np.abs(again - 1.0).max())


def _check_exact_rows(rows: Rows, stop: np.ndarray | None, place: Callable) -> float:
    """Raise unless every row is exactly a distribution: rationals do not round, so none is forgiven."""
    flat = rows.reshape(-1) if isinstance(rows, np.ndarray) else rows.values
    check_rationals(flat, "P")
    if (flat < 0).any():
        _refuse(rows, flat < 0, place, "negative")
    sums = row_sums(rows) if stop is None else row_sums(rows) + stop
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


def _refuse(
    rows: Rows, wrong: np.ndarray, place: Callable[[int], tuple[int, int]], what: str
) -> None:
    entry = int(np.argmax(wrong))
    if isinstance(rows, np.ndarray):
        row, column, value = (
            entry // rows.shape[1],
            entry % rows.shape[1],
            rows.reshape(-1)[entry],
        )
    else:
        row = int(np.searchsorted(rows.row_ptr, entry, side="right")) - 1
        column, value = int(rows.columns[entry]), rows.values[entry]
    state, action = place(row)
    raise ModelError(
        f"P[{state}, {action}, {column}] is {value}, which is {what} ({int(wrong.sum())} such entries).",
        s=state,
        a=action,
        t=column,
        value=float(value) if isinstance(value, np.floating) else value,
    )


def row_max(rows: Rows, v: Any) -> Any:
    """Return max { v[t] : P[i, t] > 0 } for every row i; −∞ for a row without entries."""
    xp = namespace(v)
    if not isinstance(rows, CSR):
        return xp.where(rows > 0, v, -xp.inf).max(axis=1)
    index = np.repeat(np.arange(rows.shape[0]), np.diff(rows.row_ptr))
    if hasattr(xp.zeros(1), "at"):  # JAX
        return xp.full(rows.shape[0], -xp.inf).at[index].max(v[rows.columns])
    top = np.full(rows.shape[0], -np.inf)
    np.maximum.at(top, index, v[rows.columns])
    return top
