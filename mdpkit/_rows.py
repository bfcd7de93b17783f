"""Transition rows P(·|s,a), one a state-action pair: read, checked, and multiplied by a vector.

Two storages: dense, an array (pairs, S); or CSR, three plain arrays. SciPy objects stop at this
door: SciPy does not bounds-check columns and cannot hold exact rationals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import lcm
from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import as_float, kind, namespace, read_only
from mdpkit.errors import ModelError

BLOCK = 1 << 20
"""Entries checked at a time, so that checking a model needs little memory of its own."""

LARGE = 50_000
"""Entries from which a compiled pass is worth loading the compiler's machinery for."""


class CSR(NamedTuple):
    """Compressed rows: entries row_ptr[i] … row_ptr[i+1]−1 belong to row i."""

    values: np.ndarray  # (nnz,) probabilities, float64, float32 or exact
    columns: np.ndarray  # (nnz,) next states
    row_ptr: np.ndarray  # (pairs + 1,)
    n_columns: int

    @property
    def shape(self) -> tuple[int, int]:
        """(pairs, S), as for a dense array."""
        return self.row_ptr.size - 1, self.n_columns

    def to_scipy(self) -> Any:
        """The same entries as a SciPy CSR array, never narrower than float64."""
        from scipy.sparse import csr_array

        return csr_array((wide(self.values), self.columns, self.row_ptr), self.shape)


Rows = np.ndarray | CSR
Place = Callable[[int], tuple[int, int]]  # the state and the action of a row


def wide(values: np.ndarray) -> np.ndarray:
    """float32 as float64, for what computes in the precision of its arguments."""
    return values.astype(np.float64) if values.dtype == np.float32 else values


def arrays_of(rows: CSR) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What kernels take of rows: values, columns and pointer."""
    return rows.values, unsigned(rows.columns), unsigned(rows.row_ptr)


def unsigned(index: np.ndarray) -> np.ndarray:
    """The same memory, unsigned: signed indices cost numba up to 3.4× (wrap-around checks)."""
    return index.view(f"u{index.dtype.itemsize}") if index.dtype.kind == "i" else index


def is_sparse(x: Any) -> bool:
    """Whether x is a SciPy sparse array, our CSR, or a plain (values, columns, row_ptr)."""
    if isinstance(x, CSR) or hasattr(x, "tocsr"):
        return True
    return isinstance(x, tuple) and len(x) == 3 and all(np.ndim(part) == 1 for part in x)


def read_csr(x: Any, n_columns: int | None = None) -> CSR:
    """Read any compressed matrix: duplicates summed, explicit zeros dropped, bounds checked.

    float32 stays as it is: 8 bytes an entry, not 12, and sums are made in float64 all the same.
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
    if values.dtype not in (np.dtype(object), np.dtype(np.float32)):
        values = as_float(values, "P.values")
    columns, row_ptr = _index(columns, "columns"), _index(row_ptr, "row_ptr")
    if n_columns is None:
        raise ModelError(
            "P is a (values, columns, row_ptr) triple: the number of states is unknown."
        )
    _check_pointer(row_ptr, values.size, columns.size)
    if not _sound(values, columns, row_ptr, n_columns):
        values, columns, row_ptr = _canonical(values, columns, row_ptr, n_columns)
    return CSR(read_only(values), read_only(columns), read_only(row_ptr), n_columns)


def _sound(
    values: np.ndarray, columns: np.ndarray, row_ptr: np.ndarray, n_columns: int
) -> bool:
    """Whether the rows can stay as they are; raises on a column out of range."""
    if values.size >= LARGE and values.dtype != np.dtype(object):
        from mdpkit._scan import in_order  # here, for it loads numba

        if in_order(values, columns, row_ptr, n_columns):
            return True
    ordered = _check_columns(columns, row_ptr, n_columns)
    return ordered and not any((values[b] == 0).any() for b in _blocks(values.size))


def _index(x: np.ndarray, name: str) -> np.ndarray:
    x = np.asarray(x)
    if x.ndim != 1 or x.dtype.kind not in "iu":
        raise ModelError(
            f"P.{name} must be a one-dimensional integer array, not {x.dtype} {x.shape}."
        )
    if x.dtype == np.uint64:
        if x.size and int(x.max()) > np.iinfo(np.int64).max:
            raise ModelError(f"P.{name} holds {x.max()}, which is no index.")
        return x.astype(np.int64)
    if x.dtype.itemsize < 4 or not x.dtype.isnative or not x.flags.c_contiguous:
        x = np.ascontiguousarray(x, dtype=np.int64 if x.dtype.itemsize > 4 else np.int32)
    return x


def _blocks(size: int) -> Iterator[slice]:
    return (slice(i, min(i + BLOCK, size)) for i in range(0, size, BLOCK))


def _check_pointer(row_ptr: np.ndarray, n_values: int, n_columns: int) -> None:
    if row_ptr.size == 0 or row_ptr[0] != 0 or row_ptr[-1] != n_values or n_values != n_columns:
        raise ModelError(
            "P.row_ptr must run from 0 to the number of entries; it runs from "
            f"{row_ptr[0] if row_ptr.size else '?'} to {row_ptr[-1] if row_ptr.size else '?'}, "
            f"with {n_values} values and {n_columns} columns."
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
                f"P.columns[{entry}] (row {row}) is {columns[entry]}; "
                f"next states are 0 … {n_columns - 1}.",
                row=row,
                entry=entry,
            )
        follows = np.flatnonzero(part[1:] <= part[:-1]) + block.start + 1
        start = block.start
        edge = [start] if start and columns[start] <= columns[start - 1] else []
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
    if values.size:
        sums = np.add.reduceat(wide(values), np.flatnonzero(first))
        values = sums.astype(values.dtype, copy=False)
    row, columns = row[first], columns[first]
    keep = values != 0
    counts = np.bincount(row[keep], minlength=row_ptr.size - 1)
    pointer = np.concatenate([[0], np.cumsum(counts)]).astype(row_ptr.dtype)
    return values[keep], columns[keep], pointer


def row_sums(rows: Rows, stop: np.ndarray | None = None) -> np.ndarray:
    """Return Σ_t P[i, t] + stop[i] for every row i."""
    dense = isinstance(rows, np.ndarray)
    sums = rows.sum(axis=1) if dense else _segment_sum(wide(rows.values), rows.row_ptr)
    return sums if stop is None else sums + stop


def _segment_sum(x: np.ndarray, ptr: np.ndarray) -> np.ndarray:
    """Sum x over ptr[i]:ptr[i+1]; NumPy's reduceat returns x[ptr[i]] for an empty segment."""
    total = np.zeros(ptr.size - 1, dtype=x.dtype)
    full = np.flatnonzero(ptr[1:] > ptr[:-1])
    if full.size:
        total[full] = np.add.reduceat(x, ptr[:-1][full])
    return total


def multiply(rows: Rows, v: Any) -> Any:
    """Σ_t P[i, t] v[t] for every row i, on NumPy, JAX or CuPy arrays or exact rationals."""
    if kind(v) == "exact":
        return _multiply_exact(rows, v)
    if not isinstance(rows, CSR):
        return rows @ v
    xp = namespace(v, rows.values)
    terms = wide(rows.values) * v[rows.columns]
    if xp is np:
        return _segment_sum(terms, rows.row_ptr)
    index = xp.asarray(np.repeat(np.arange(rows.shape[0]), np.diff(rows.row_ptr)))
    if kind(v, rows.values) == "jax":  # its arrays are immutable
        return xp.zeros(rows.shape[0], dtype=terms.dtype).at[index].add(terms)
    return xp.bincount(index, weights=terms, minlength=rows.shape[0])


def _multiply_exact(rows: Rows, v: np.ndarray) -> np.ndarray:
    """Over a common denominator of v, so that no sum has to reduce two large fractions."""
    denominator = lcm(*{int(getattr(x, "q", 1)) for x in v})
    whole = v * denominator
    values = rows.values if isinstance(rows, CSR) else rows.reshape(-1)
    if values.size == 0:
        return np.zeros(rows.shape[0], dtype=object)
    if isinstance(rows, CSR):
        total = _segment_sum(values * whole[rows.columns], rows.row_ptr)
    else:
        total = rows @ whole
    return total * (0 * values[0] + 1) / denominator  # an empty row's 0 becomes a rational too


def row_max(rows: Rows, v: Any) -> Any:
    """Return max { v[t] : P[i, t] > 0 } for every row i; −∞ for a row without entries."""
    xp = namespace(v)
    if not isinstance(rows, CSR):
        return xp.where(rows > 0, v, -xp.inf).max(axis=1)
    index = np.repeat(np.arange(rows.shape[0]), np.diff(rows.row_ptr))
    if kind(v) == "jax":
        return xp.full(rows.shape[0], -xp.inf).at[index].max(v[rows.columns])
    top = np.full(rows.shape[0], -np.inf)
    np.maximum.at(top, index, v[rows.columns])
    return top
