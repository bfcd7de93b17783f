"""The resolvent (I − γP_π)⁻¹: what a policy is worth, v^π = (I − γP_π)⁻¹ r_π.

LU of a band or of a small dense matrix, sparse LU where its factors stay sparse, else BiCGSTAB,
and GMRES where that breaks down.
Whatever method, the answer is a float estimate; `certify` bounds it.
Source: Puterman (1994), §6.1. Checked in tests/evaluate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._array import EPS, kind, sup
from mdpkit._exact import solve_rational
from mdpkit._jit import njit
from mdpkit._rows import CSR, Rows
from mdpkit.errors import SingularError
from mdpkit.mdp import MDP
from mdpkit.operators.krylov import bicgstab
from mdpkit.operators.reach import walk
from mdpkit.policy import under

SINGULAR = (
    "I − γP is singular in floating point: a policy ends too rarely to be told from never. "
    "Use mdp.exact(), or a smaller γ."
)

SMALL_STATES, DENSE_STATES = 100, 1500
"""Where nothing is looked for, and up to where LAPACK's dense LU takes at most about 0.2 s."""

BAND_WORK = 20_000
"""Multiplications a state up to which a band is the quickest way."""


def policy_value(mdp: MDP, policy: Any, guess: np.ndarray | None = None) -> np.ndarray:
    """v^π, (S,), by LU or Krylov. policy : (S,) int or pair layout; γ < 1 or P_π proper."""
    rows, r, _ = under(mdp, policy)
    return solve_chain(rows, r, mdp.gamma, guess)


def solve_chain(
    rows: Rows, r: np.ndarray, gamma: Any, guess: np.ndarray | None = None
) -> np.ndarray:
    """(I − γP)⁻¹ r for a chain P, r (S,) or (S, K); the way is chosen by its size and fill."""
    if kind(r) == "cupy":
        return solve_krylov(rows, r, gamma, guess)
    if r.dtype == np.dtype(object):
        return _by_columns(solve_exact, rows, r, gamma)
    if not isinstance(rows, CSR) or rows.n_columns <= SMALL_STATES:
        return solve_dense(rows, r, gamma)
    below, above = band(rows)
    if below * (below + above) <= BAND_WORK:
        return solve_banded(rows, r, gamma, below, above)
    if rows.n_columns <= DENSE_STATES:
        return solve_dense(rows, r, gamma)
    if stays_sparse(rows):
        return solve_sparse(rows, r, gamma)
    return _by_columns(solve_krylov, rows, r, gamma, guess)


def _by_columns(solver: Any, rows: Rows, r: np.ndarray, *given: Any) -> np.ndarray:
    """One system after the other."""
    if r.ndim == 1:
        return solver(rows, r, *given)
    return np.stack([solver(rows, column, *given) for column in r.T], axis=1)


def solve_dense(rows: Rows, r: np.ndarray, gamma: float) -> np.ndarray:
    """By LAPACK's LU."""
    P = rows.to_scipy().toarray() if isinstance(rows, CSR) else rows
    try:
        return np.linalg.solve(np.eye(len(r)) - gamma * P, r)
    except np.linalg.LinAlgError:
        raise SingularError(SINGULAR) from None


def solve_banded(rows: CSR, r: np.ndarray, gamma: float, below: int, above: int) -> np.ndarray:
    """By LAPACK's LU of a band of `below` and `above` diagonals."""
    from scipy.linalg import get_lapack_funcs

    # Column by column, as LAPACK wants it, with the `below` rows that pivoting fills.
    table = np.zeros((len(r), 2 * below + above + 1))
    table[:, below + above] = 1.0
    _subtract_band(table, rows.values, rows.columns, rows.row_ptr, gamma, below + above)
    if below == above == 1 and r.ndim == 1:
        (solve,) = get_lapack_funcs(("gtsv",), (r,))
        *_, x, info = solve(table[:-1, 3], table[:, 2], table[1:, 1], r)
    else:
        (solve,) = get_lapack_funcs(("gbsv",), (r,))
        *_, x, info = solve(below, above, table.T, r, overwrite_ab=True)
    if info > 0:
        raise SingularError(SINGULAR)
    return x


def solve_sparse(rows: Rows, r: np.ndarray, gamma: float) -> np.ndarray:
    """By SuperLU, in an order that keeps the factors narrow.

    The transpose of I − γP has dominant columns, so it needs no pivoting; pivoting would undo
    the order, and can take a hundred times as long.
    """
    from scipy.sparse import csr_array, eye_array
    from scipy.sparse.linalg import splu

    P = rows.to_scipy() if isinstance(rows, CSR) else csr_array(rows)
    matrix = (eye_array(len(r)) - gamma * P).tocsr().T
    try:
        factors = splu(
            matrix,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        return factors.solve(r, "T")
    except RuntimeError:  # SuperLU's word for an exact zero on the diagonal
        raise SingularError(SINGULAR) from None


def solve_krylov(
    rows: Rows,
    r: np.ndarray,
    gamma: float,
    guess: np.ndarray | None = None,
    rtol: float = 1e-13,
) -> np.ndarray:
    """By BiCGSTAB; the residual reached is whatever it is, and `certify` reports it."""
    if kind(r) == "cupy":
        from mdpkit.operators._device_chain import solve

        return solve(rows, r, gamma, guess, rtol)
    x = np.zeros(len(r)) if guess is None else guess
    goal = rtol * float(sup(r))
    found = bicgstab(rows, r, gamma, x, goal)
    if found.residual <= max(goal, 1e3 * EPS * float(sup(found.x))):
        return found.x
    from scipy.sparse.linalg import LinearOperator, gmres

    P = rows.to_scipy() if isinstance(rows, CSR) else rows
    operator = LinearOperator(P.shape, matvec=lambda x: x - gamma * (P @ x), dtype=float)  # pyright: ignore[reportCallIssue]
    x, _ = gmres(operator, r, x0=found.x, rtol=rtol, restart=50, maxiter=20)
    return x


def solve_exact(rows: Rows, r: np.ndarray, gamma: Any) -> np.ndarray:
    """In exact rationals, by flint's p-adic lifting."""
    if isinstance(rows, CSR):
        index = np.repeat(np.arange(r.size), np.diff(rows.row_ptr))
        entries = (index, rows.columns, rows.values)
    else:
        index, column = np.nonzero(rows)
        entries = (index, column, rows[index, column])
    return solve_rational(*entries, gamma, r)


def band(rows: CSR) -> tuple[int, int]:
    """How many diagonals below and above the main one hold the chain."""
    below, above = _band(rows.columns, rows.row_ptr)
    return int(below), int(above)


def stays_sparse(rows: CSR) -> bool:
    """Whether a diagonal band holds the chain and its factors: bandwidth · S < 20 nnz.

    A chain that spreads fast has no narrow band in any order, which a walk over its edges tells
    much sooner than the reverse Cuthill-McKee order.
    """
    n, allowed = rows.n_columns, 20 * max(rows.values.size, rows.n_columns)
    if max(band(rows)) * n < allowed:
        return True
    if walk(rows, np.arange(n + 1)).band * n >= allowed:
        return False
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    order = reverse_cuthill_mckee(rows.to_scipy())
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    row = np.repeat(np.arange(n), np.diff(rows.row_ptr))
    return int(np.abs(place[row] - place[rows.columns]).max(initial=0)) * n < allowed


@njit
def _subtract_band(table, values, columns, row_ptr, gamma, main):
    for s in range(row_ptr.size - 1):
        for j in range(row_ptr[s], row_ptr[s + 1]):
            table[columns[j], main + s - columns[j]] -= gamma * values[j]


@njit
def _band(columns, row_ptr):
    below, above = 0, 0
    for s in range(row_ptr.size - 1):
        for j in range(row_ptr[s], row_ptr[s + 1]):
            below, above = max(below, s - columns[j]), max(above, columns[j] - s)
    return below, above
