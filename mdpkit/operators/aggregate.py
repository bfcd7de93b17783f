"""⊕: what a state makes of its action values. v = ⊕_a q(a), with the policy that attains it.

    maximum          max_a q(a)
    expected(π)      Σ_a π(a) q(a)
    soft(τ, p)       τ log Σ_a p(a) exp(q(a)/τ)    = max_π Σ π q − τ KL(π‖p)
    mellowmax(ω)     (1/ω) log (1/|A|) Σ_a exp(ω q(a))
    sparsemax(τ)     max_π Σ π q + (τ/2)(1 − ‖π‖²)
    expectile(κ, p)  the m with Σ_a p(a) |κ − 1{q(a) < m}| (q(a) − m) = 0
    epsilon_greedy(ε)  (1−ε) max_a q(a) + ε (1/|A|) Σ_a q(a)
    boltzmann(τ)     Σ_a softmax(q/τ)(a) q(a)      not a non-expansion: a warning, not a method

The prior of soft is the counting measure where none is given. Checked in tests/operators and,
all but boltzmann as non-expansions, in proofs_checks.
Source: Szepesvári & Littman (1996); Asadi & Littman (2017); Geist, Scherrer & Pietquin (2019).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit._array import EPS, TINY, kind, namespace
from mdpkit._jit import inlined, njit

MAXIMUM, EXPECTED, SOFT, MELLOWMAX, SPARSEMAX, EXPECTILE, BOLTZMANN, EPSILON_GREEDY = range(8)


@dataclass(frozen=True, eq=False)
class Reduction:
    """One ⊕. Call it on q (…, A) for the value (…) and the policy (…, A) that attains it.

    code       which reduction, for the kernels
    parameter  its temperature, level or ω
    weight     prior or policy in pair layout, None if it has none
    """

    name: str
    code: int
    parameter: Any = 0.0
    weight: Any = None

    def __call__(self, q: Any, mask: Any = None, weight: Any = None) -> tuple[Any, Any]:
        """Reduce the last axis of q, over the actions where mask is True."""
        weight = self.weight if weight is None else weight
        xp = namespace(q, weight)
        parameter = self.parameter
        if kind(q) == "exact" and self.code == SPARSEMAX:
            from mdpkit._exact import rational

            parameter = rational(parameter)
        elif kind(q) == "exact" and self.code not in (MAXIMUM, EXPECTED):
            raise TypeError(f"{self.name} is not rational: it has no exact form.")
        mask = xp.ones(q.shape, dtype=bool) if mask is None else mask
        weight = xp.ones(q.shape, dtype=q.dtype) if weight is None else weight
        return _REFERENCE[self.code](xp, q, parameter, xp.where(mask, weight, 0), mask)

    def rounding(self, n: int, size: float, value: float) -> float:
        """Bound |computed − true| of ⊕ on n floats with |q| ≤ size whose result is ≤ value.

        log-sum-exp: z = (q − top)/τ is known to 2u|z|, so the sum to Σ_a π(a) 2u|z(a)| + (n+4)u
        of itself, and τ times that is at most (n+4)uτ + 4u·size, however small τ is; the
        logarithm and its product err by 3u|value − top|. The weights are read to 2⁻⁵².
        sparsemax: on its support |z| ≤ 1, so that Σπ = 1 to within n(n + 6)u.
        """
        if self.code == MAXIMUM:
            return 0.0
        tau = 1.0 / self.parameter if self.code == MELLOWMAX else self.parameter
        if self.code in (SOFT, MELLOWMAX):
            least = (
                1.0
                if self.weight is None
                else np.min(self.weight, where=self.weight > 0, initial=1.0)
            )
            lost = 2.0 * n * TINY / least  # terms that underflow
            logs = abs(value) + size + tau * np.log(n)
            return float(EPS * (tau * (n + 8) + 4 * size + 4 * logs) + tau * lost)
        if self.code == SPARSEMAX:
            return EPS * (n + 6) ** 2 * (size + tau)
        if self.code == EXPECTILE:
            steep = max(self.parameter, 1 - self.parameter) / min(
                self.parameter, 1 - self.parameter
            )
            return 4 * EPS * (n + 4) * size * steep
        if self.code in (EXPECTED, EPSILON_GREEDY):
            return 2 * EPS * (n + 4) * size
        raise ValueError(f"{self.name} is not a non-expansion, so no bound goes through it.")


maximum = Reduction("maximum", MAXIMUM)


def expected(policy: Any) -> Reduction:
    """Expectation under a policy in pair layout."""
    return Reduction("expected", EXPECTED, 0.0, policy)


def soft(tau: float, prior: Any = None) -> Reduction:
    """Log-sum-exp at temperature tau > 0 (units of reward), against a prior in pair layout."""
    return Reduction("soft", SOFT, _positive(tau, "tau"), prior)


def mellowmax(omega: float) -> Reduction:
    """Log-mean-exp at inverse temperature omega > 0 (per unit of reward)."""
    return Reduction("mellowmax", MELLOWMAX, _positive(omega, "omega"))


def sparsemax(tau: float) -> Reduction:
    """Tsallis-regularized maximum at temperature tau > 0 (units of reward)."""
    return Reduction("sparsemax", SPARSEMAX, _positive(tau, "tau"))


def expectile(level: float, policy: Any = None) -> Reduction:
    """The expectile at level in (0, 1) of q under a policy in pair layout (uniform if None)."""
    if not 0 < level < 1:
        raise ValueError(f"an expectile's level lies in (0, 1); it is {level}.")
    return Reduction("expectile", EXPECTILE, float(level), policy)


def boltzmann(tau: float) -> Reduction:
    """The average of q under its own softmax; not a non-expansion (Asadi & Littman 2017)."""
    return Reduction("boltzmann", BOLTZMANN, _positive(tau, "tau"))


def epsilon_greedy(epsilon: float) -> Reduction:
    """The average of q under the policy greedy in q that errs with probability ε in [0, 1]."""
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon lies in [0, 1]; it is {epsilon}.")
    return Reduction("epsilon_greedy", EPSILON_GREEDY, float(epsilon))


def _positive(x: float, name: str) -> float:
    if not x > 0:
        raise ValueError(f"{name} must be > 0; it is {x}. At temperature 0 use `maximum`.")
    return float(x)


# ---- references: array-API generic, over the last axis ---------------------------------------


def _maximum(xp: Any, q: Any, _: Any, weight: Any, mask: Any) -> tuple[Any, Any]:
    low = q.min() - 1  # below every action value, and exact on exact arrays
    best = xp.argmax(xp.where(mask, q, low), axis=-1)
    policy = xp.where(xp.arange(q.shape[-1]) == best[..., None], weight * 0 + 1, 0)
    return (xp.where(mask, q, low)).max(axis=-1), policy


def _expected(xp: Any, q: Any, _: Any, weight: Any, mask: Any) -> tuple[Any, Any]:
    return (weight * xp.where(mask, q, 0)).sum(axis=-1), weight


def _soft(xp: Any, q: Any, tau: Any, weight: Any, mask: Any) -> tuple[Any, Any]:
    top = xp.where(weight > 0, q, -xp.inf).max(axis=-1)
    e = weight * xp.exp(xp.where(weight > 0, q - top[..., None], 0.0) / tau)
    total = e.sum(axis=-1)
    return top + tau * xp.log(total), e / total[..., None]


def _mellowmax(xp: Any, q: Any, omega: Any, weight: Any, mask: Any) -> tuple[Any, Any]:
    uniform = xp.where(mask, 1.0, 0.0) / mask.sum(axis=-1)[..., None]
    return _soft(xp, q, 1.0 / omega, uniform, mask)


def _sparsemax(xp: Any, q: Any, tau: Any, weight: Any, mask: Any) -> tuple[Any, Any]:
    low = q.min() - 2 * tau  # two temperatures below the best never enters the support
    z = xp.where(mask, q, low) / tau
    z = z - z.max(axis=-1)[..., None]
    ranked = -xp.sort(-z, axis=-1)
    count = xp.arange(1, z.shape[-1] + 1)
    threshold = (xp.cumsum(ranked, axis=-1) - 1) / count
    size = (ranked > threshold).sum(axis=-1)
    cut = xp.where(count == size[..., None], threshold, 0).sum(axis=-1)
    policy = xp.where(mask, xp.maximum(z - cut[..., None], tau * 0), tau * 0)
    value = (policy * xp.where(mask, q, 0)).sum(axis=-1)
    return value + tau / 2 * (1 - (policy**2).sum(axis=-1)), policy


def _expectile(xp: Any, q: Any, level: Any, weight: Any, mask: Any) -> tuple[Any, Any]:
    q = xp.where(mask, q, 0)
    m = (weight * q).sum(axis=-1) / weight.sum(axis=-1)
    tilted = weight
    for _ in range(q.shape[-1] + 1):  # Newton on a concave piecewise linear function: A pieces
        tilted = weight * xp.where(q > m[..., None], level, 1 - level)
        tilted = tilted / tilted.sum(axis=-1)[..., None]
        m = (tilted * q).sum(axis=-1)
    return m, tilted


def _boltzmann(xp: Any, q: Any, tau: Any, weight: Any, mask: Any) -> tuple[Any, Any]:
    _, policy = _soft(xp, q, tau, xp.where(mask, 1.0, 0.0), mask)
    return (policy * xp.where(mask, q, 0)).sum(axis=-1), policy


def _epsilon_greedy(xp: Any, q: Any, epsilon: Any, weight: Any, mask: Any) -> tuple[Any, Any]:
    _, greedy = _maximum(xp, q, None, xp.where(mask, 1.0, 0.0), mask)
    uniform = xp.where(mask, 1.0, 0.0) / mask.sum(axis=-1)[..., None]
    policy = (1 - epsilon) * greedy + epsilon * uniform
    return (policy * xp.where(mask, q, 0)).sum(axis=-1), policy


_REFERENCE: dict[int, Callable[..., tuple[Any, Any]]] = {
    MAXIMUM: _maximum,
    EXPECTED: _expected,
    SOFT: _soft,
    MELLOWMAX: _mellowmax,
    SPARSEMAX: _sparsemax,
    EXPECTILE: _expectile,
    BOLTZMANN: _boltzmann,
    EPSILON_GREEDY: _epsilon_greedy,
}


# ---- the numba twin: one state's q[0:n], its weights from `first` on (none: all 1) -----------


@inlined
def largest(q: np.ndarray, begin: int, end: int) -> float:
    """Return max of q[begin:end], for kernels that cannot afford the call of `reduce_row`."""
    top = q[begin]
    for i in range(begin + 1, end):
        top = max(top, q[i])
    return top


@njit
def reduce_row(
    code: int, q: np.ndarray, n: int, parameter: float, weight: np.ndarray, first: int
) -> float:
    """Return ⊕ of q[0:n]."""
    if code == MAXIMUM:
        return largest(q, 0, n)
    if code == EXPECTED:
        total = 0.0
        for i in range(n):
            total += weight[first + i] * q[i]
        return total
    if code == SOFT:
        return _soft_row(q, n, parameter, weight, first)
    if code == MELLOWMAX:
        return _soft_row(q, n, 1.0 / parameter, weight[:0], first) - np.log(n) / parameter
    if code == SPARSEMAX:
        return _sparsemax_row(q, n, parameter)
    if code == EXPECTILE:
        return _expectile_row(q, n, parameter, weight, first)
    if code == EPSILON_GREEDY:
        return _epsilon_greedy_row(q, n, parameter)
    return _boltzmann_row(q, n, parameter)


@njit
def _soft_row(q: np.ndarray, n: int, tau: float, weight: np.ndarray, first: int) -> float:
    top = -np.inf
    for i in range(n):
        if weight.size == 0 or weight[first + i] > 0:
            top = max(top, q[i])
    total = 0.0
    for i in range(n):
        w = 1.0 if weight.size == 0 else weight[first + i]
        if w > 0:
            total += w * np.exp((q[i] - top) / tau)
    return top + tau * np.log(total)


@njit
def _sparsemax_row(q: np.ndarray, n: int, tau: float) -> float:
    """Michelot's algorithm: drop what lies under the threshold until nothing does."""
    top = q[0]
    for i in range(1, n):
        top = max(top, q[i])
    cut, count = -np.inf, 0
    while True:
        total, kept = 0.0, 0
        for i in range(n):
            if (q[i] - top) / tau > cut:
                total += (q[i] - top) / tau
                kept += 1
        if kept == count:
            break
        cut, count = (total - 1.0) / kept, kept
    value, square = 0.0, 0.0
    for i in range(n):
        p = max((q[i] - top) / tau - cut, 0.0)
        value += p * q[i]
        square += p * p
    return value + tau / 2 * (1.0 - square)


@njit
def _expectile_row(
    q: np.ndarray, n: int, level: float, weight: np.ndarray, first: int
) -> float:
    m = np.nan
    for step in range(n + 2):
        total, mass = 0.0, 0.0
        for i in range(n):
            w = 1.0 if weight.size == 0 else weight[first + i]
            if step > 0:
                w *= level if q[i] > m else 1.0 - level
            total += w * q[i]
            mass += w
        m = total / mass
    return m


@njit
def _boltzmann_row(q: np.ndarray, n: int, tau: float) -> float:
    top = q[0]
    for i in range(1, n):
        top = max(top, q[i])
    total, mass = 0.0, 0.0
    for i in range(n):
        e = np.exp((q[i] - top) / tau)
        total += e * q[i]
        mass += e
    return total / mass


@njit
def _epsilon_greedy_row(q: np.ndarray, n: int, epsilon: float) -> float:
    top, total = q[0], 0.0
    for i in range(n):
        top = max(top, q[i])
        total += q[i]
    return (1.0 - epsilon) * top + epsilon * total / n
