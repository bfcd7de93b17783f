"""The resolvent (I − γP_π)⁻¹: what a policy is worth, v^π = (I − γP_π)⁻¹ r_π.

Dense LU where the chain is small, sparse LU where its factors stay sparse, GMRES elsewhere.
Whatever method, the answer is a float estimate; `certify` bounds it.
Source: Puterman (1994), §6.1. Checked in tests/evaluate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._exact import solve_rational
from mdpkit._jit import njit
from mdpkit._rows import CSR, Rows
from mdpkit.errors import SingularError
from mdpkit.mdp import MDP
from mdpkit.policy import under

SINGULAR = (
    "I − γP is singular in floating point: a policy ends too rarely to be told from never. "
    "Use mdp.exact(), or a smaller γ."
)

DENSE_STATES = 1500
"""Up to here LAPACK's dense LU takes at most about 0.2 s."""


def policy_value(mdp: MDP, policy: Any, guess: np.ndarray | None = None) -> np.ndarray:
    """v^π, (S,), by LU or Krylov. policy : (S,) int or pair layout; γ < 1 or P_π proper."""
    rows, r, _ = under(mdp, policy)
    return solve_chain(rows, r, mdp.gamma, guess)


def solve_chain(
    rows: Rows, r: np.ndarray, gamma: Any, guess: np.ndarray | None = None
) -> np.ndarray:
    """(I − γP)⁻¹ r for a chain P, r (S,) or (S, K); the way is chosen by its size and fill."""
    if r.dtype == np.dtype(object):
        return _by_columns(solve_exact, rows, r, gamma)
    if not isinstance(rows, CSR) or rows.n_columns <= DENSE_STATES:
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


def solve_sparse(rows: Rows, r: np.ndarray, gamma: float) -> np.ndarray:
    """By SuperLU, in an order that keeps the factors narrow."""
    from scipy.sparse import csr_array, eye_array
    from scipy.sparse.linalg import splu

    P = rows.to_scipy() if isinstance(rows, CSR) else csr_array(rows)
    matrix = (eye_array(len(r)) - gamma * P).tocsc()
    try:
        return splu(matrix, permc_spec="MMD_AT_PLUS_A").solve(r)
    except RuntimeError:  # SuperLU's word for an exact zero on the diagonal
        raise SingularError(SINGULAR) from None


def solve_krylov(
    rows: Rows,
    r: np.ndarray,
    gamma: float,
    guess: np.ndarray | None = None,
    rtol: float = 1e-13,
) -> np.ndarray:
    """By restarted GMRES; the residual reached is whatever it is, and `certify` reports it."""
    from scipy.sparse.linalg import LinearOperator, gmres

    P = rows.to_scipy() if isinstance(rows, CSR) else rows
    operator = LinearOperator(P.shape, matvec=lambda x: x - gamma * (P @ x), dtype=float)  # pyright: ignore[reportCallIssue]
    x, _ = gmres(operator, r, x0=guess, rtol=rtol, restart=50, maxiter=200)
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


def stays_sparse(rows: CSR) -> bool:
    """Whether a diagonal band holds the chain and its factors: bandwidth · S < 20 nnz.

    The states within d steps of one lie, in any order, within d bandwidths of it: a chain that
    spreads fast has no narrow band, which a walk over its edges tells much sooner than the
    reverse Cuthill-McKee order.
    """
    n, allowed = rows.n_columns, 20 * max(rows.values.size, rows.n_columns)
    row = np.repeat(np.arange(n), np.diff(rows.row_ptr))
    if int(np.abs(row - rows.columns).max(initial=0)) * n < allowed:
        return True
    if _least_band(rows.columns, rows.row_ptr) * n >= allowed:
        return False
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    order = reverse_cuthill_mckee(rows.to_scipy())
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    return int(np.abs(place[row] - place[rows.columns]).max(initial=0)) * n < allowed


@njit
def _least_band(columns, row_ptr):
    """max_d (|states within d steps of state 0| − 1) / 2d ≤ the bandwidth in any order."""
    n = row_ptr.size - 1
    seen = np.zeros(n, dtype=np.bool_)
    queue = np.empty(n, dtype=np.int64)
    queue[0], seen[0] = 0, True
    begin, end, depth, band = 0, 1, 0, 0.0
    while begin < end:
        last = end
        for i in range(begin, last):
            for j in range(row_ptr[queue[i]], row_ptr[queue[i] + 1]):
                t = columns[j]
                if not seen[t]:
                    seen[t] = True
                    queue[end] = t
                    end += 1
        begin, depth = last, depth + 1
        band = max(band, (end - 1) / (2.0 * depth))
    return band
