"""What an arm pays around its mean μ: the noise of a bandit.

    Bernoulli()     1 with probability μ, else 0
    Gaussian(σ)     μ + σ x, x standard normal
    Uniform(h)      μ + h x, x uniform on [−1, 1]

    P(|X̄_n − μ| ≥ ε) ≤ 2 exp(−n ε²/(2ν²)) for ν-sub-Gaussian noise: ν = ½ on [0, 1], σ, h

Checked in tests/bandits/test_bandit.py and as U1. Source: Hoeffding (1963), Theorem 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import xlogy

from mdpkit.bandits._draws import BERNOULLI, NORMAL, UNIFORM


@dataclass(frozen=True)
class Bernoulli:
    """1 with probability μ in [0, 1], else 0."""

    kind: ClassVar[int] = BERNOULLI

    @property
    def spread(self) -> Any:
        """How far rewards may lie from any mean in [0, 1]: inside of it."""
        return 0.0

    @property
    def nu(self) -> float:
        """ν, with which the noise is sub-Gaussian."""
        return 0.5

    def divergence(self, mean: Any, other: Any) -> Any:
        """KL(mean ‖ other) between two arms, in nats; inf where it is."""
        return bernoulli_divergence(mean, other)


@dataclass(frozen=True)
class Gaussian:
    """Normal with standard deviation sigma > 0, one number or (K,)."""

    sigma: Any = 1.0
    kind: ClassVar[int] = NORMAL

    def __post_init__(self):
        object.__setattr__(self, "sigma", _positive(self.sigma, "sigma"))

    @property
    def spread(self) -> Any:
        """How far rewards may lie from the mean."""
        return math.inf

    @property
    def nu(self) -> float:
        """ν, with which the noise is sub-Gaussian."""
        return float(np.max(self.sigma))

    def divergence(self, mean: Any, other: Any) -> Any:
        """KL(mean ‖ other) between two arms, in nats."""
        return np.square(np.subtract(mean, other)) / (2 * np.square(self.sigma))


@dataclass(frozen=True)
class Uniform:
    """Uniform on [μ − half_width, μ + half_width]; half_width > 0, one number or (K,)."""

    half_width: Any
    kind: ClassVar[int] = UNIFORM

    def __post_init__(self):
        object.__setattr__(self, "half_width", _positive(self.half_width, "half_width"))

    @property
    def spread(self) -> Any:
        """How far rewards may lie from the mean."""
        return self.half_width

    @property
    def nu(self) -> float:
        """ν, with which the noise is sub-Gaussian: half the range, by Hoeffding's lemma."""
        return float(np.max(self.half_width))

    def divergence(self, mean: Any, other: Any) -> Any:
        """KL(mean ‖ other) between two arms: infinite, their supports differ."""
        return np.where(np.equal(mean, other), 0.0, math.inf)


Noise = Bernoulli | Gaussian | Uniform


def bernoulli_divergence(p: Any, q: Any) -> Any:
    """kl(p, q) = p ln(p/q) + (1−p) ln((1−p)/(1−q)), in nats, of numbers in [0, 1]."""
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    with np.errstate(divide="ignore"):
        gain = xlogy(p, p) + xlogy(1 - p, 1 - p)
        return np.maximum(gain - xlogy(p, q) - xlogy(1 - p, 1 - q), 0.0)


def hoeffding_radius(n: Any, delta: Any, nu: float = 0.5) -> Any:
    """ε with P(|X̄_n − μ| ≥ ε) ≤ δ for the mean of n samples: ν √((2/n) ln(2/δ)).

    n ≥ 1 and δ in (0, 1], any shape; in units of reward. Source: Hoeffding (1963).
    """
    return nu * np.sqrt(2.0 / np.asarray(n) * np.log(2.0 / np.asarray(delta)))


def _positive(x: Any, name: str) -> Any:
    found = np.asarray(x, dtype=float)
    if found.ndim > 1 or not (np.isfinite(found) & (found > 0)).all():
        raise ValueError(f"{name} must be finite and > 0, one number or (K,); it is {x}.")
    return float(found) if found.ndim == 0 else found
