"""What numbers are these? The only file that knows array libraries, and the rounding of a row.

The references of this package run on NumPy, CuPy and JAX arrays and on NumPy object arrays of
exact rationals; everything here is asked of the arrays themselves, never of a global switch.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

EPS = 2.0**-52
"""Spacing of float64 at 1. One rounding errs by ≤ half of it; `.exact()` reads within it."""

TINY = 2.0**-1022
"""Smallest normal float64: what a product that underflows can lose."""


def kind(*arrays: Any) -> str:
    """Return "exact", "jax", "cupy" or "numpy": the richest home among the arrays."""
    homes = {_home(x) for x in arrays if x is not None}
    for home in ("exact", "jax", "cupy"):
        if home in homes:
            return home
    return "numpy"


def _home(x: Any) -> str:
    top = type(x).__module__.partition(".")[0]
    if top in ("jax", "jaxlib"):
        return "jax"
    if top == "cupy":
        return "cupy"
    return "exact" if getattr(x, "dtype", None) == np.dtype(object) else "numpy"


def namespace(*arrays: Any) -> Any:
    """Return the array-API namespace the arrays live in (NumPy for exact object arrays)."""
    home = kind(*arrays)
    if home == "jax":
        import jax.numpy as jnp

        return jnp
    if home == "cupy":
        import array_api_compat.cupy as cp  # pyright: ignore[reportMissingImports]

        return cp
    return np


def scatter(shape: tuple[int, ...], where: Any, x: Any) -> Any:
    """Return an array of zeros with x at the indices `where`, in the library x lives in."""
    xp = namespace(x)
    x = xp.asarray(x)
    table = xp.zeros(shape, dtype=x.dtype)
    if kind(x) == "jax":  # its arrays cannot be written to
        return table.at[where].set(x)
    table[where] = x
    return table


def backward(first: Any, factor: Any, last: Any = 0) -> Any:
    """Return x with x_t = first_t + factor_t x_{t+1} and x_T = last, (T, …) like first; T ≥ 1.

    last : one number, or a row. JAX arrays are scanned, so that a compiled program is as long
    for T = 2048 as for T = 2; all the others are passed over in Python.
    """
    if kind(first, factor, last) == "jax":
        return _scanned_back(first, factor, last)
    found: list[Any] = []
    for t in reversed(range(first.shape[0])):
        last = first[t] + factor[t] * last
        found.append(last)
    return namespace(first, factor, last).stack(found[::-1])


def _scanned_back(first: Any, factor: Any, last: Any) -> Any:
    import jax

    xp = jax.numpy
    dtype = xp.result_type(first, factor, last)
    terms = [x.astype(dtype) for x in xp.broadcast_arrays(first, factor)]

    def step(later: Any, now: Any) -> tuple[Any, Any]:
        found = now[0] + now[1] * later
        return found, found

    start = xp.broadcast_to(xp.asarray(last, dtype=dtype), terms[0].shape[1:])
    return jax.lax.scan(step, start, terms, reverse=True)[1]


def sup(x: Any) -> Any:
    """Return ‖x‖∞, 0 for an empty array; exact on exact arrays."""
    if x.size == 0:
        return 0
    return abs(x).max()


def number(x: Any) -> float:
    """Return a float or an exact rational as a float."""
    if not (hasattr(x, "q") and hasattr(x, "p")):
        return float(x)
    try:
        return int(x.p) / int(x.q)
    except OverflowError:
        return inf if x > 0 else -inf


def row_rounding(n: Any, size: float) -> Any:
    """Bound |computed − true| of a row Σ_t p_t v_t with n terms, Σ_t p_t ≤ 1 and |v| ≤ size.

        (n + 4)·u·size   the dot product, its discount and the sum with r   (Higham 2002, §3.1)
        n·2⁻⁵²·size      each probability may be read up to 2⁻⁵² away (`MDP.exact`)

    It holds in any order of summation, fused multiply-adds or not, hence for every twin.
    """
    return (2.0 * n + 4.0) * EPS * size + n * TINY


def as_float(x: Any, name: str) -> np.ndarray:
    """Return x as a float64 array without copying where none is needed.

    Integers, booleans, float32 and foreign byte orders are cast; masked arrays with a masked
    entry, complex numbers, text and objects raise TypeError.
    """
    if isinstance(x, np.ma.MaskedArray):
        if np.ma.getmaskarray(x).any():
            raise TypeError(
                f"{name} is a masked array with masked entries. Pass mask= for missing actions."
            )
        x = x.data
    array = np.asarray(x)
    if type(array) is not np.ndarray:
        array = array.view(np.ndarray)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{name} has dtype {array.dtype}; real numbers are needed "
            "(exact rationals: MDP.exact())."
        )
    return array.astype(np.float64, copy=False)


def read_only(x: np.ndarray) -> np.ndarray:
    """Return a read-only view of x; x itself is left as it was."""
    view = x.view()
    view.flags.writeable = False
    return view
