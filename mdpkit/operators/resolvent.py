"""The resolvent (I − γP_π)⁻¹: what a policy is worth, v^π = (I − γP_π)⁻¹ r_π.

Dense LU where the chain is small, sparse LU where its factors stay sparse, GMRES elsewhere.
Whatever method, the answer is a float estimate; `certify` bounds it.
Source: Puterman (1994), §6.1. Checked in tests/evaluate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._exact import solve_rational
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
    """(I − γP)⁻¹ r for a chain P; the way is chosen by its size and fill."""
    if r.dtype == np.dtype(object):
        return solve_exact(rows, r, gamma)
    if not isinstance(rows, CSR) or rows.n_columns <= DENSE_STATES:
        return solve_dense(rows, r, gamma)
    return (
        solve_sparse(rows, r, gamma)
        if stays_sparse(rows)
        else solve_krylov(rows, r, gamma, guess)
    )


def solve_dense(rows: Rows, r: np.ndarray, gamma: float) -> np.ndarray:
    """By LAPACK's LU."""
    P = rows.to_scipy().toarray() if isinstance(rows, CSR) else rows
    try:
        return np.linalg.solve(np.eye(r.size) - gamma * P, r)
    except np.linalg.LinAlgError:
        raise SingularError(SINGULAR) from None


def solve_sparse(rows: Rows, r: np.ndarray, gamma: float) -> np.ndarray:
    """By SuperLU, in an order that keeps the factors narrow."""
    from scipy.sparse import csr_array, eye_array
    from scipy.sparse.linalg import splu

    P = rows.to_scipy() if isinstance(rows, CSR) else csr_array(rows)
    matrix = (eye_array(r.size) - gamma * P).tocsc()
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
    """Whether a diagonal band holds the chain and its factors: bandwidth · S < 20 nnz."""
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    matrix = rows.to_scipy()
    order = reverse_cuthill_mckee(matrix)
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    row = np.repeat(np.arange(rows.n_columns), np.diff(rows.row_ptr))
    band = int(np.abs(place[row] - place[rows.columns]).max(initial=0))
    return band * rows.n_columns < 20 * max(rows.values.size, rows.n_columns)
