"""Least-squares policy iteration: LSTDQ evaluates, the greedy policy improves, on one batch.

    A_k w_k = b,   A_k = Σ φ_i (φ_i − d_i φ(s'_i, π_k(s'_i)))ᵀ,   π_{k+1}(s) ∈ argmax φ(s,·) w_k

With one weight a pair it is policy iteration on the empirical model, policy by policy. The data
are walked through once a round; only the part of A that the policy changes is summed again. The
sums depend on the data only through how often each step was seen, so `merged` data give the
same iterates, and fifty times sooner where 20,000 samples are 80 different ones. A state keeps
its action unless another is better by more than rounding. Nothing follows an end: d = 0 there.
Checked in tests/learn/test_lspi.py. Source: Lagoudakis & Parr (2003).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit._array import EPS, kind
from mdpkit._cuda import download, upload
from mdpkit._jit import BLOCK, njit
from mdpkit._rows import unsigned
from mdpkit.batch import Transitions
from mdpkit.learn.linear.least_squares import pair_system
from mdpkit.operators.features import Active, active, state_features
from mdpkit.operators.linear import System, solution

SMALL = 200
"""Weights up to which elimination in place is quicker than LAPACK and its overhead."""


@dataclass(frozen=True, eq=False)
class LeastSquaresPolicy:
    """What LSPI ends with.

    w          (K,) weights, q (pairs,) = Φw, policy (S,) int greedy in them: which of the
               state's own actions
    policies   (steps + 1, S) int: those evaluated, and the last one
    weights    (steps, K), of each evaluation
    converged  whether the last step changed w by at most tol, in ‖·‖₂
    ridge      what was added to the diagonal of A
    """

    w: np.ndarray
    q: np.ndarray
    policy: np.ndarray
    policies: np.ndarray
    weights: np.ndarray
    converged: bool
    ridge: float

    @property
    def steps(self) -> int:
        """Evaluations."""
        return len(self.weights)


def lspi(
    batch: Transitions,
    features: Any,
    *,
    action_ptr: Any,
    policy: Any = None,
    steps: int = 20,
    tol: float = 1e-5,
    ridge: float = 0.0,
) -> LeastSquaresPolicy:
    """LSPI on a batch, or on its counts, `merged(batch)`; a device's is solved there.

    features    Φ (pairs, K), such as `pair_features` makes
    action_ptr  (S + 1,) each state's first pair
    policy      (S,) int to begin with; the first actions if None
    steps       the most evaluations; tol: ‖w_k − w_{k−1}‖₂ at which it stops
    ridge       added to the diagonal of A

    Raises SingularError with the rank of A where it is singular and no ridge is given: then
    the data do not determine some weights.
    """
    phi = state_features(features, len(features)).astype(float)
    ptr = np.ascontiguousarray(action_ptr, dtype=np.int64)
    pairs = ptr[:-1] + (0 if policy is None else np.asarray(policy, dtype=np.int64))
    system_of = _normal_equations(batch, phi)
    w, visited, weights, converged = np.zeros(phi.shape[1]), [pairs], [], False
    while not converged and len(weights) < steps:
        new = _solved(*system_of(pairs), ridge)
        converged = bool(weights) and float(np.sqrt(((new - w) ** 2).sum())) <= tol
        w = new
        weights.append(w)
        pairs = pairs.copy()
        _improve(phi, w, ptr, pairs)
        converged = converged or (pairs == visited[-1]).all()
        visited.append(pairs)
    policies = np.array(visited) - ptr[:-1]
    found = np.array(weights)
    return LeastSquaresPolicy(w, phi @ w, policies[-1], policies, found, bool(converged), ridge)


def _normal_equations(batch: Transitions, phi: np.ndarray) -> Callable[[np.ndarray], System]:
    """A and b by the pairs (S,) of a policy; what no policy changes is summed once."""
    if kind(batch.pair) == "cupy":
        there = upload(phi)
        return lambda pairs: pair_system(batch, there, there[upload(pairs, np.int64)])
    data, rows, K = [np.ascontiguousarray(x) for x in batch], active(phi), phi.shape[1]
    C, b, none = np.zeros((K, K)), np.zeros(K), np.zeros(0, dtype=np.int64)
    _over(data, rows, none, C, b)

    def system_of(pairs: np.ndarray) -> System:
        A = C.copy()
        _over(data, rows, pairs, A, b)
        return System(A, b)

    return system_of


def _over(data: Any, rows: Active, pairs: np.ndarray, A: np.ndarray, b: np.ndarray) -> None:
    """Walk through the data in short calls; without pairs for Σ φφᵀ and Σ φr."""
    pair, reward, discount, after, weight = data
    row_ptr, columns, values = rows[0], unsigned(rows.columns), rows.values
    each = max(1, columns.size // max(1, row_ptr.size - 1))
    size = max(1, BLOCK // (each * each))
    for begin in range(0, pair.size, size):
        span = begin, min(begin + size, pair.size), A, b
        _sum(pair, reward, discount, after, weight, row_ptr, columns, values, pairs, *span)


def _solved(A: np.ndarray, b: np.ndarray, ridge: float) -> np.ndarray:
    """(A + ridge I)⁻¹ b; where a pivot is small, by `solution`, which says what is wrong."""
    if kind(A) == "cupy":
        return download(solution(System(A, b), ridge=ridge))
    if len(b) <= SMALL:
        matrix, x = A.copy(), b.copy()
        if eliminate(matrix, x, ridge) > 64 * len(b) * EPS:
            return x
    return solution(System(A, b), ridge=ridge)


@njit(allocates=False)
def _sum(
    pair, reward, discount, after, weight, row_ptr, columns, values, chosen, begin, end, A, b
):
    for i in range(begin, end):
        first, last = row_ptr[pair[i]], row_ptr[pair[i] + 1]
        if chosen.size == 0:
            for j in range(first, last):
                part, row = weight[i] * values[j], A[columns[j]]
                b[columns[j]] += part * reward[i]
                for k in range(first, last):
                    row[columns[k]] += part * values[k]
        elif discount[i] != 0.0:
            then = chosen[after[i]]
            for j in range(first, last):
                part, row = weight[i] * discount[i] * values[j], A[columns[j]]
                for k in range(row_ptr[then], row_ptr[then + 1]):
                    row[columns[k]] -= part * values[k]


@njit
def eliminate(A, x, ridge):
    """Solve (A + ridge I) y = x in place of x, destroying A; the smallest pivot, scaled.

    Rows, then columns, are divided by their largest entry, and rows are interchanged: so the
    smallest pivot beside 1 says how nearly singular A is, whatever the units of features.
    """
    n = x.size
    column = np.zeros(n)
    for i in range(n):
        A[i, i] += ridge
        top = 0.0
        for j in range(n):
            top = max(top, abs(A[i, j]))
        if top == 0.0:
            return 0.0
        x[i] /= top
        for j in range(n):
            A[i, j] /= top
            column[j] = max(column[j], abs(A[i, j]))
    least = 1.0
    for j in range(n):
        if column[j] == 0.0:
            return 0.0
        for i in range(n):
            A[i, j] /= column[j]
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if abs(A[i, k]) > abs(A[best, k]):
                best = i
        least = min(least, abs(A[best, k]))
        if A[best, k] == 0.0:
            return 0.0
        if best != k:
            x[k], x[best] = x[best], x[k]
            for j in range(k, n):
                A[k, j], A[best, j] = A[best, j], A[k, j]
        for i in range(k + 1, n):
            factor = A[i, k] / A[k, k]
            if factor != 0.0:
                x[i] -= factor * x[k]
                for j in range(k + 1, n):
                    A[i, j] -= factor * A[k, j]
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            x[k] -= A[k, j] * x[j]
        x[k] /= A[k, k]
    for j in range(n):
        x[j] /= column[j]
    return least


@njit
def _improve(phi, w, ptr, pairs):
    size = 0.0
    q = np.zeros(phi.shape[0])
    for pair in range(phi.shape[0]):
        total = 0.0
        for k in range(w.size):
            total += phi[pair, k] * w[k]
        q[pair] = total
        size = max(size, abs(total))
    slack = 1e-12 * size
    for s in range(pairs.size):
        best = ptr[s]
        for pair in range(ptr[s], ptr[s + 1]):
            if q[pair] > q[best]:
                best = pair
        if q[best] > q[pairs[s]] + slack:
            pairs[s] = best
