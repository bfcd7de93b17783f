"""Linear systems for claims: matrix · x = right, on floats, on fractions, and on a record."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._exact import rational


def solve(matrix: Any, right: Any) -> np.ndarray:
    """matrix⁻¹ right; right is a vector (n,) or a matrix (n, k).

    Exact numbers: ZeroDivisionError if the matrix is singular; floats: LinAlgError.
    """
    matrix, right = np.asarray(matrix), np.asarray(right)
    if right.ndim == 2:
        return np.stack([solve(matrix, column) for column in right.T], axis=1)
    if matrix.dtype != np.dtype(object) and right.dtype != np.dtype(object):
        return np.linalg.solve(matrix, right)
    recording = [x for x in (*matrix.flat, *right) if hasattr(x, "solved")]
    if recording:
        return recording[0].solved(matrix, right)
    return solve_exact(matrix, right)


def solve_exact(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The solution in rationals."""
    import flint

    n = len(right)
    left = flint.fmpq_mat(n, n, [rational(x) for x in matrix.reshape(-1)])
    x = left.solve(flint.fmpq_mat(n, 1, [rational(b) for b in right]))
    out = np.empty(n, dtype=object)
    out[:] = [x[i, 0] for i in range(n)]
    return out
