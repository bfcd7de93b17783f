"""Many small models at once: policy iteration on each, in one call, every answer certified.

    P (N, S, A, S), r (N, S, A), γ a number or (N,)  →  v, lower, upper (N, S), policy (N, S)

Each model is solved on its own by dense LU without pivoting, which I − γP_π allows because its
diagonal dominates its rows; the bounds are those of `certify`. For models of up to some fifty
states; larger ones are better solved one by one.
Checked in tests/plan/test_batch.py. Source: Howard (1960); MacQueen (1966).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit._array import as_float, kind
from mdpkit._check import ROUNDING, check_rows
from mdpkit._cuda import download, empty, launch, upload
from mdpkit._jit import njit
from mdpkit._threads import over_runs
from mdpkit.certify import DEFAULT_TOLERANCE, offsets
from mdpkit.errors import ModelError, NotSolvedError
from mdpkit.operators.bellman import action_value_rounding

MOST = 1000
"""Improvements of one policy at most."""

LARGEST = 76
"""States of a model on a device: its matrix must fit a block's 48 KB."""


@dataclass(frozen=True, eq=False)
class BatchSolution:
    """v, lower, upper (N, S); policy (N, S) int; gap (N,) max(upper − lower) of each model."""

    v: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    policy: np.ndarray
    gap: np.ndarray

    def __len__(self) -> int:
        return len(self.gap)


def solve_batch(
    P: Any, r: Any, gamma: Any, *, stop: Any = None, tol: float | None = None, threads: int = 1
) -> BatchSolution:
    """Solve N models of S states and A actions each; the same for any number of threads.

    P (N, S, A, S), r (N, S, A) in units of reward, gamma in [0, 1) a number or (N,),
    stop (N, S, A) the probability that the episode ends, None is 0; rows satisfy ΣP + stop = 1
    tol   bound on every gap; None, model by model, as for `solve`
    A P of a device (CuPy's) is solved there, a block of threads a model; the answer is here.

    Raises ModelError naming the model, state and action of a bad row, NotSolvedError if a gap
    exceeds `tol` (with `.solution`).
    """
    if kind(P) == "cupy":
        return _solved_there(P, download(r), gamma, download(stop), tol)
    P, r, gamma, stop = _read(P, r, gamma, stop)
    n, S, A, _ = P.shape
    rows = P.reshape(-1, S)
    ends = None if stop is None else stop.reshape(-1)
    _, _, defect, _ = check_rows(rows, ends, lambda i: _place(i, S, A), normalize=False)
    v, image = np.empty((n, S)), np.empty((n, S))
    policy = np.empty((n, S), dtype=np.int64)
    over_runs(
        lambda begin, end: _solve(P, r, gamma, begin, end, v, image, policy),
        n,
        cost=float(S * S * (S + 4 * A)),
        threads=threads,
    )
    return _certified(P, r, gamma, stop, defect, v, image, policy, tol)


def _solved_there(
    P: Any, r: np.ndarray, gamma: Any, stop: np.ndarray | None, tol: float | None
) -> BatchSolution:
    """`solve_batch` for a P of a device: rows are checked and models solved where P lies."""
    if P.ndim != 4 or P.dtype != np.float64 or P.size == 0 or P.shape[1] > LARGEST:
        raise ModelError(
            f"on a device P must be (N, S, A, S) float64 with S ≤ {LARGEST}; it is "
            f"{P.shape} {P.dtype}."
        )
    n, S, A, _ = P.shape
    _, r, gamma, stop = _read(np.broadcast_to(0.0, P.shape), r, gamma, stop)
    P = upload(P)
    sums = P.sum(axis=3) + (0.0 if stop is None else upload(stop))
    defect = float(abs(sums - 1.0).max())
    if not (defect <= ROUNDING and float(P.min()) >= 0):
        ends = None if stop is None else stop.reshape(-1)
        rows = download(P).reshape(-1, S)
        check_rows(rows, ends, lambda i: _place(i, S, A), normalize=False)
    v, image, policy = empty((n, S)), empty((n, S)), empty((n, S), np.int64)
    threads = 32 * -(-S // 32)
    given = P, upload(r), upload(gamma), S, A, MOST, v, image, policy
    launch("plan/batch.cu", "solve_models", n * threads, *given, threads=threads,
           shared=8 * S * (S + 1))  # fmt: skip
    v, image, policy = (download(x) for x in (v, image, policy))
    return _certified(P, r, gamma, stop, defect, v, image, policy, tol)


def _certified(
    P: Any, r: Any, gamma: Any, stop: Any, defect: float, v: Any, image: Any, policy: Any,
    tol: float | None,
) -> BatchSolution:  # fmt: skip
    size, largest = np.abs(v).max(axis=1), np.abs(image).max(axis=1)
    error = action_value_rounding(P.shape[1], defect, size, np.abs(r).max(axis=(1, 2)))
    change = image - v
    stops = False if stop is None else (stop > 0).any(axis=(1, 2))
    low, high = offsets(
        gamma, stops, change.min(axis=1), change.max(axis=1), largest, size, error
    )
    lower, upper = image + low[:, None], image + high[:, None]
    gap = (upper - lower).max(axis=1)
    solution = BatchSolution((lower + upper) / 2, lower, upper, policy, gap)
    below, above = offsets(gamma, stops, 0.0, 0.0, size, size, error)
    own = np.maximum(DEFAULT_TOLERANCE * np.maximum(1.0, size), 4 * (above - below))
    goal = own if tol is None else np.full_like(own, tol)
    if not (gap <= goal).all():
        worst = int(np.argmax(gap / np.maximum(goal, 1e-300)))
        raise NotSolvedError(
            f"model {worst}: gap {gap[worst]:.3g}; asked: {goal[worst]:.3g} "
            f"({int((~(gap <= goal)).sum())} such models). Pass a larger tol.",
            solution,
        )
    return solution


def _read(P: Any, r: Any, gamma: Any, stop: Any) -> tuple[Any, Any, Any, Any]:
    P, r = np.ascontiguousarray(as_float(P, "P")), np.ascontiguousarray(as_float(r, "r"))
    if P.ndim != 4 or P.shape[1] != P.shape[3] or 0 in P.shape:
        raise ModelError(f"P has shape {P.shape}; (N, S, A, S) with N, S, A ≥ 1 is needed.")
    stop = None if stop is None else np.ascontiguousarray(as_float(stop, "stop"))
    for name, x in (("r", r), ("stop", stop)):
        if x is not None and x.shape != P.shape[:3]:
            raise ModelError(f"{name} has shape {x.shape}; {P.shape[:3]} is needed.")
    if not np.isfinite(r).all():
        where = np.unravel_index(int(np.argmin(np.isfinite(r))), r.shape)
        raise ModelError(f"r{[int(i) for i in where]} is {r[where]}, not finite.")
    gamma = np.array(np.broadcast_to(as_float(gamma, "gamma"), P.shape[:1]))
    if not ((gamma >= 0) & (gamma < 1)).all():
        raise ModelError("every discount must lie in [0, 1).")
    with np.errstate(over="ignore"):
        largest = np.abs(r).max(axis=(1, 2)) / (1 - gamma)
    if not np.isfinite(largest).all():
        which = int(np.argmin(np.isfinite(largest)))
        raise ModelError(f"model {which}: max|r|/(1−γ) overflows. Scale its rewards.")
    if stop is not None and not ((stop >= 0) & (stop <= 1)).all():
        raise ModelError("every entry of stop must be a probability.")
    return P, r, gamma, stop


def _place(i: int, S: int, A: int) -> tuple[int, int]:
    """State, counted through all models, and action of row i."""
    return i // A, i % A


@njit
def _solve(P, r, gamma, begin, end, v, image, policy):
    S, A = P.shape[1], P.shape[2]
    matrix, own = np.empty((S, S)), np.empty(S)
    for n in range(begin, end):
        for s in range(S):
            policy[n, s] = np.argmax(r[n, s])
        for _ in range(MOST):
            for s in range(S):
                row = P[n, s, policy[n, s]]
                for t in range(S):
                    matrix[s, t] = -gamma[n] * row[t]
                matrix[s, s] += 1.0
                own[s] = r[n, s, policy[n, s]]
            _eliminate(matrix, own)
            changed = False
            for s in range(S):
                top, best, mine = -np.inf, 0, 0.0
                for a in range(A):
                    total = 0.0
                    for t in range(S):
                        total += P[n, s, a, t] * own[t]
                    q = r[n, s, a] + gamma[n] * total
                    if a == policy[n, s]:
                        mine = q
                    if q > top:
                        top, best = q, a
                v[n, s], image[n, s] = own[s], top
                if top > mine + 1e-14 * (abs(top) + abs(mine)):
                    policy[n, s], changed = best, True
            if not changed:
                break


@njit(inline="always")
def _eliminate(matrix, right):
    """Solve in place; rows are dominated by their diagonal, so no pivot is needed."""
    n = right.size
    for k in range(n):
        for i in range(k + 1, n):
            factor = matrix[i, k] / matrix[k, k]
            if factor != 0.0:
                for j in range(k + 1, n):
                    matrix[i, j] -= factor * matrix[k, j]
                right[i] -= factor * right[k]
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            right[k] -= matrix[k, j] * right[j]
        right[k] /= matrix[k, k]
