"""Exact rationals: reading a float as the fraction its author meant, and models of fractions.

Arrays of exact numbers are NumPy object arrays of flint's `fmpq` (13× faster than `Fraction`).
A float is read as the simplest fraction within 2⁻⁵² of it: 0.333…37 is 1/3, 0.99 is 99/100.
Source: the Stern–Brocot tree; Graham, Knuth & Patashnik (1994), §4.5.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from mdpkit._array import number
from mdpkit._rows import CSR
from mdpkit.errors import ModelError

RADIUS = Fraction(1, 2**52)
AT_ITS_WORD = 2.0**-40
"""Entries below this are taken as the floats they are: within 2⁻⁵² they might be read as 0."""


def _flint() -> Any:
    try:
        import flint
    except ImportError:
        raise ImportError(
            'exact rationals need python-flint: pip install "mdpkit[exact]"'
        ) from None
    return flint


def rational(x: Any) -> Any:
    """Return x as an exact `fmpq`: an int, a Fraction, "p/q", or a float at its word."""
    fmpq = _flint().fmpq
    if isinstance(x, fmpq):
        return x
    x = Fraction(x) if not isinstance(x, np.generic) else Fraction(x.item())
    return fmpq(x.numerator, x.denominator)


def fraction(x: Any) -> Fraction:
    """Return an exact number as a `Fraction`, for printing and for certificates."""
    if isinstance(x, Fraction | int | float | np.number):
        return Fraction(x.item() if isinstance(x, np.number) else x)
    return Fraction(int(x.p), int(x.q))


def simplest(x: float, *, relative: bool = False) -> Fraction:
    """Return the fraction of smallest denominator within 2⁻⁵² of x, or within 2⁻⁵²·|x|."""
    value = Fraction(x)
    if value < 0:
        return -simplest(-x, relative=relative)
    if value < AT_ITS_WORD:
        return value
    radius = value * RADIUS if relative else RADIUS
    return _simplest_between(value - radius, value + radius)


def _simplest_between(low: Fraction, high: Fraction) -> Fraction:
    """Continued fractions of low and high share a prefix; the simplest between follows it."""
    p0, q0, p1, q1 = 0, 1, 1, 0
    while True:
        whole = low.numerator // low.denominator
        if whole == low or whole + 1 <= high:
            last = whole if whole == low else whole + 1
            return Fraction(last * p1 + p0, last * q1 + q0)
        p0, q0, p1, q1 = p1, q1, whole * p1 + p0, whole * q1 + q0
        low, high = 1 / (high - whole), 1 / (low - whole)


def exact_array(x: np.ndarray, *, dyadic: bool = False, relative: bool = False) -> np.ndarray:
    """Return x as an object array of `fmpq`, each distinct float read once."""
    if x.dtype == np.dtype(object):
        return np.vectorize(rational, otypes=[object])(x) if x.size else x
    distinct, index = np.unique(x, return_inverse=True)
    read = [_read(float(value), dyadic, relative) for value in distinct]
    table = np.empty(len(read), dtype=object)
    table[:] = read
    return table[index.reshape(x.shape)]


def _read(x: float, dyadic: bool, relative: bool) -> Any:
    return rational(x if dyadic else simplest(x, relative=relative))


def exact_rows(
    values: np.ndarray, row_ptr: np.ndarray, stop: np.ndarray | None, *, dyadic: bool
) -> tuple[np.ndarray, np.ndarray | None, list[int]]:
    """Read rows so that each sums to exactly 1 with its stop.

    A row whose simplest fractions do not sum to 1 is taken dyadic, its defect put on its
    largest entry. Returns the values, the stops, and the rows that were taken dyadic unasked.
    """
    one = rational(1)
    exact = exact_array(values, dyadic=dyadic)
    ends = exact_array(stop, dyadic=dyadic) if stop is not None else None
    changed = []
    for row in range(row_ptr.size - 1):
        entries = slice(row_ptr[row], row_ptr[row + 1])
        end = ends[row] if ends is not None else 0
        if sum(exact[entries], start=rational(0)) + end == one:
            continue
        exact[entries] = [rational(float(x)) for x in values[entries]]
        if ends is not None and stop is not None:
            end = ends[row] = rational(float(stop[row]))
        defect = one - sum(exact[entries], start=rational(0)) - end
        if entries.stop > entries.start and (ends is None or max(exact[entries]) >= end):
            largest = entries.start + int(np.argmax(values[entries]))
            exact[largest] += defect
        elif ends is not None:
            ends[row] = end + defect
        if not dyadic:
            changed.append(row)
    return exact, ends, changed


def exact_fields(mdp: Any, *, dyadic: bool) -> tuple[dict[str, Any], list[int]]:
    """The numeric fields of a model in exact rationals, and the rows taken dyadic unasked."""
    csr = isinstance(mdp.rows, CSR)
    ptr = mdp.rows.row_ptr if csr else np.arange(mdp.n_pairs + 1) * mdp.n_states
    values = mdp.rows.values if csr else mdp.rows.reshape(-1)
    values, stop, at_word = exact_rows(values, ptr, mdp._stop, dyadic=dyadic)
    start = mdp._start
    if start is not None:
        start = exact_rows(start, np.array([0, start.size]), None, dyadic=dyadic)[0]
    fields = {
        "rows": mdp.rows._replace(values=values) if csr else values.reshape(mdp.rows.shape),
        "_r": exact_array(mdp._r, dyadic=dyadic, relative=True),
        "_stop": stop,
        "_start": start,
        "gamma": rational(mdp.gamma if dyadic else read_discount(mdp.gamma)),
        "defect": 0.0,
        "reward_error": 0.0,
    }
    return fields, at_word


def solve_rational(
    row: np.ndarray, column: np.ndarray, values: np.ndarray, gamma: Any, right: np.ndarray
) -> np.ndarray:
    """Solve (I − γP) x = right in exact rationals, P given by its entries.

    Raises ZeroDivisionError on a singular matrix.
    """
    if hasattr(right[0], "chain_solved"):  # numbers that record what is done with them
        return right[0].chain_solved(row, column, values, gamma, right)
    flint = _flint()
    n = right.size
    left, b = flint.fmpq_mat(n, n), flint.fmpq_mat(n, 1)
    for i, j, p in zip(row.tolist(), column.tolist(), -gamma * values, strict=True):
        left[i, j] = rational(p)
    for i in range(n):
        left[i, i] = left[i, i] + 1
        b[i, 0] = rational(right[i])
    x = left.solve(b)
    out = np.empty(n, dtype=object)
    out[:] = [x[i, 0] for i in range(n)]
    return out


def read_discount(gamma: float) -> Fraction:
    """A discount as the fraction meant; so near 1 that it might be read as 1, at its word."""
    return Fraction(gamma) if 0 < 1 - gamma < AT_ITS_WORD else simplest(gamma)


def float_fields(mdp: Any) -> dict[str, Any]:
    """The numeric fields of an exact model, each number rounded to the nearest float."""

    def floats(x: np.ndarray | None, name: str = "") -> np.ndarray | None:
        if x is None:
            return None
        out = np.array([number(p) for p in x.flat]).reshape(x.shape)
        lost = np.asarray((out == 0) & (x != 0), dtype=bool) | ~np.isfinite(out)
        if lost.any():
            place = int(np.argmax(lost))
            raise ModelError(
                f"{name}, entry {place}, is beyond floating point. Solve the model exactly.",
                entry=place,
            )
        return out

    csr = isinstance(mdp.rows, CSR)
    gamma = number(mdp.gamma)
    if gamma == 1 != mdp.gamma:
        raise ModelError(
            "gamma is 1 in floating point, but less in the model. Solve it exactly."
        )
    rows = (
        mdp.rows._replace(values=floats(mdp.rows.values, "P")) if csr else floats(mdp.rows, "P")
    )
    return {
        "rows": rows,
        "_r": floats(mdp._r, "r"),
        "_stop": floats(mdp._stop, "stop"),
        "_start": floats(mdp._start, "start"),
        "gamma": gamma,
        "defect": mdp.widest_row * 2.0**-53,
    }
