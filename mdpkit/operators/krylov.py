"""BiCGSTAB: the value of a policy from a few products with its chain.

    (I − γP) x = b,   residual ρ = b − (I − γP) x,   stopped at ‖ρ‖∞ ≤ goal
    ‖x − (I − γP)⁻¹ b‖∞ ≤ ‖ρ‖∞ / (1 − γ)

Sweeps of T_π lose a factor γ each; where P moves mostly between neighbors a Krylov space needs
about the root of their number. The residual that recurrences carry drifts from the true one, so
the true one decides, and a breakdown starts anew from there.
Checked in tests/operators/test_krylov.py. Source: van der Vorst (1992); Saad (2003), §7.4.2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import sup
from mdpkit._jit import njit
from mdpkit._rows import CSR, arrays_of
from mdpkit._threads import over_states
from mdpkit.operators.sweep import ChainRows

ANEW = 5
"""How often it may start anew from the true residual."""

SUMS = {"reassoc", "contract"}
"""Inner products in any order: what they are off by, the true residual shows."""


class Krylov(NamedTuple):
    """x (S,), ‖b − (I − γP) x‖∞, and the products with P it took."""

    x: np.ndarray
    residual: float
    products: int


def bicgstab(
    rows: ChainRows, b: np.ndarray, gamma: float, x: np.ndarray, goal: float, most: int = 2000
) -> Krylov:
    """x with ‖b − (I − γP) x‖∞ ≤ goal, from the guess x (kept), or the best of `most` steps.

    rows : a chain of S rows; b, x (S,).
    """
    best, lowest, count = x, np.inf, 0
    for _ in range(ANEW):
        rho = np.empty(b.size)
        apply(rows, gamma, best, b, rho)
        rho = b - rho
        found, count = float(sup(rho)), count + 1
        if not found < lowest:
            return Krylov(x, lowest, count)
        x, lowest = best, found
        if found <= goal or count >= 2 * most:
            break
        best, more = _descended(rows, rho, gamma, x, goal, most - count // 2)
        count += more
    return Krylov(x, lowest, count)


def _descended(
    rows: ChainRows, rho: np.ndarray, gamma: float, x: np.ndarray, goal: float, most: int
) -> tuple[np.ndarray, int]:
    """BiCGSTAB's x from the residual of its guess, and its products; rho is overwritten."""
    shadow, p, x = rho.copy(), rho.copy(), x.copy()
    image, tail = np.empty(x.size), np.empty(x.size)
    size = float(shadow @ shadow)
    for k in range(most):
        along, _ = apply(rows, gamma, p, shadow, image)
        if size == 0 or along == 0:
            return x, 2 * k + 1
        alpha = size / along
        _halfway(rho, image, alpha)
        both, own = apply(rows, gamma, rho, rho, tail)
        omega = both / own if own > 0 else 0.0
        new, top = _advanced(x, rho, p, tail, shadow, alpha, omega)
        if not goal < top < np.inf or omega == 0:
            return x, 2 * k + 2
        _turned(p, rho, image, new / size * alpha / omega, omega)
        size = new
    return x, 2 * most


def apply(
    rows: ChainRows, gamma: float, x: np.ndarray, left: np.ndarray, out: np.ndarray
) -> tuple[float, float]:
    """Write (I − γP) x to out; return left·out and out·out."""
    if isinstance(rows, np.ndarray):
        np.subtract(x, gamma * (rows @ x), out=out)
        return float(left @ out), float(out @ out)
    kernel: Any = _apply_csr if isinstance(rows, CSR) else _apply_padded
    given: Any = arrays_of(rows) if isinstance(rows, CSR) else rows

    def work(begin, end):
        return kernel(*given, gamma, x, left, begin, end, out)

    parts = over_states(work, x.size, rows.values.size)
    return sum(one for one, _ in parts), sum(two for _, two in parts)


@njit(fastmath=SUMS)
def _apply_csr(values, columns, row_ptr, gamma, x, left, begin, end, out):
    one, two = 0.0, 0.0
    for s in range(begin, end):
        total = 0.0
        for j in range(row_ptr[s], row_ptr[s + 1]):
            total += values[j] * x[columns[j]]
        out[s] = x[s] - gamma * total
        one += left[s] * out[s]
        two += out[s] * out[s]
    return one, two


@njit(fastmath=SUMS)
def _apply_padded(values, columns, width, gamma, x, left, begin, end, out):
    one, two, w = 0.0, 0.0, np.uint64(len(width))
    for s in range(np.uint64(begin), np.uint64(end)):
        total = 0.0
        for j in range(w):
            total += values[s * w + j] * x[columns[s * w + j]]
        out[s] = x[s] - gamma * total
        one += left[s] * out[s]
        two += out[s] * out[s]
    return one, two


@njit(fastmath=SUMS)
def _halfway(rho, image, alpha):
    for i in range(rho.size):
        rho[i] -= alpha * image[i]


@njit(fastmath=SUMS)
def _advanced(x, rho, p, tail, shadow, alpha, omega):
    """x and rho after the second half; returns shadow·rho and max |rho|."""
    total, top = 0.0, 0.0
    for i in range(x.size):
        x[i] += alpha * p[i] + omega * rho[i]
        rho[i] -= omega * tail[i]
        total += shadow[i] * rho[i]
        top = max(top, abs(rho[i]))
    return total, top


@njit(fastmath=SUMS)
def _turned(p, rho, image, beta, omega):
    for i in range(p.size):
        p[i] = rho[i] + beta * (p[i] - omega * image[i])
