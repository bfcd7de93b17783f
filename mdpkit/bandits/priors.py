"""Laws of the means of a bandit's arms: priors, and what data make of them.

    Bernoulli rewards       Beta(α, β)      → Beta(α + Σr, β + n − Σr)
    N(μ, σ²) rewards        N(m, s²)        → v = 1/(1/s² + n/σ²),  N(v (m/s² + Σr/σ²), v)
    of finitely many        w_i             → w_i × likelihood, normalized

A* is the best arm, the lowest index among ties. P(A* = a | data) is what Thompson sampling
plays; its entropy, in nats, is what there is to be learned.

Checked in tests/bandits/test_priors.py. Source: Russo, Van Roy, Kazerouni, Osband & Wen (2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from mdpkit._array import number, read_only
from mdpkit.bandits import _draws
from mdpkit.bandits.noise import Bernoulli, Gaussian, Noise
from mdpkit.errors import ModelError

NODES = 16
"""Of each panel of a quadrature; panels are so short that 10⁻¹² is reached."""


class Best(NamedTuple):
    """The best arm of a random bandit: P(A* = a), (K,), and E max_a μ_a."""

    probabilities: np.ndarray
    value: Any


@dataclass(frozen=True, eq=False)
class BetaPrior:
    """Independent means μ_a ~ Beta(alpha_a, beta_a).

    alpha, beta   > 0, numbers or (K,); n_arms repeats numbers

    Raises ModelError where one is not positive, or shapes disagree.
    """

    alpha: Any = 1.0
    beta: Any = 1.0
    n_arms: int | None = None

    def __post_init__(self):
        alpha, beta = _columns(self, ("alpha", "beta"), positive=("alpha", "beta"))
        object.__setattr__(self, "alpha", alpha)
        object.__setattr__(self, "beta", beta)
        object.__setattr__(self, "n_arms", alpha.size)

    @property
    def mean(self) -> np.ndarray:
        """(K,) E μ_a."""
        return self.alpha / (self.alpha + self.beta)

    @property
    def support(self) -> tuple[float, float]:
        """The least and largest mean there may be."""
        return 0.0, 1.0

    def posterior(self, counts: Any, sums: Any, noise: Noise) -> BetaPrior:
        """Given n_a = counts pulls of each arm and the sums of their rewards, (K,) each."""
        if not isinstance(noise, Bernoulli):
            raise TypeError(f"a beta prior is conjugate to Bernoulli rewards, not to {noise}.")
        counts, sums = np.asarray(counts), np.asarray(sums)
        return BetaPrior(self.alpha + sums, self.beta + counts - sums)

    def best(self) -> Best:
        """P(A* = a) and E max μ, by quadrature to about 10⁻¹²."""
        return _best_of(
            [
                (
                    lambda x, a=a, b=b: special.betainc(a, b, x),
                    lambda u, a=a, b=b: special.betaincinv(a, b, u),
                )
                for a, b in zip(self.alpha, self.beta, strict=True)
            ]
        )

    def draw(self, key: Any, runs: int) -> np.ndarray:
        """(runs, K) means; those of run i are the same for every `runs` > i."""
        out = np.empty((runs, self.alpha.size))
        _draws.beta_means(key, self.alpha, self.beta, out)
        return out


@dataclass(frozen=True, eq=False)
class NormalPrior:
    """Independent means μ_a ~ N(mean_a, scale_a²).

    mean, scale > 0   numbers or (K,); n_arms repeats numbers

    Raises ModelError where a scale is not positive, or shapes disagree.
    """

    mean: Any = 0.0
    scale: Any = 1.0
    n_arms: int | None = None

    def __post_init__(self):
        mean, scale = _columns(self, ("mean", "scale"), positive=("scale",))
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "n_arms", mean.size)

    @property
    def support(self) -> tuple[float, float]:
        """The least and largest mean there may be."""
        return -np.inf, np.inf

    def posterior(self, counts: Any, sums: Any, noise: Noise) -> NormalPrior:
        """Given n_a = counts pulls of each arm and the sums of their rewards, (K,) each."""
        if not isinstance(noise, Gaussian):
            raise TypeError(f"a normal prior is conjugate to Gaussian rewards, not to {noise}.")
        precision = 1 / np.square(noise.sigma)
        own = 1 / np.square(self.scale)
        variance = 1 / (own + np.asarray(counts) * precision)
        mean = variance * (self.mean * own + np.asarray(sums) * precision)
        return NormalPrior(mean, np.sqrt(variance))

    def best(self) -> Best:
        """P(A* = a) and E max μ, by quadrature to about 10⁻¹²."""
        return _best_of(
            [
                (
                    lambda x, m=m, s=s: special.ndtr((x - m) / s),
                    lambda u, m=m, s=s: m + s * special.ndtri(u),
                )
                for m, s in zip(self.mean, self.scale, strict=True)
            ]
        )

    def draw(self, key: Any, runs: int) -> np.ndarray:
        """(runs, K) means; those of run i are the same for every `runs` > i."""
        out = np.empty((runs, self.mean.size))
        _draws.normal_means(key, self.mean, self.scale, out)
        return out


@dataclass(frozen=True, eq=False)
class FinitePrior:
    """One of M bandits: the means are row i of `means` with probability weights_i.

    means (M, K), weights (M,) ≥ 0 that sum to 1; floats, or exact rationals for `posterior`

    Raises ModelError where they are no such thing.
    """

    means: Any
    weights: Any

    def __post_init__(self):
        means, weights = read_only(np.array(self.means)), read_only(np.array(self.weights))
        if means.ndim != 2 or means.size == 0 or weights.shape != means.shape[:1]:
            raise ModelError(
                f"means (M, K) and weights (M,) are needed, M, K ≥ 1; "
                f"they are {means.shape} and {weights.shape}."
            )
        slack = 0.0 if weights.dtype == object else 1e-12 * weights.size
        if not (weights >= 0).all() or not abs(number(weights.sum() - 1)) <= slack:
            raise ModelError(f"weights must be ≥ 0 and sum to 1; they are {weights}.")
        if means.dtype != object and not np.isfinite(means).all():
            raise ModelError(f"means must be finite; they are {means.tolist()}.")
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "weights", weights)

    @property
    def n_arms(self) -> int:
        """K."""
        return self.means.shape[1]

    @property
    def mean(self) -> np.ndarray:
        """(K,) E μ_a."""
        return self.weights @ self.means

    @property
    def support(self) -> tuple[Any, Any]:
        """The least and largest mean there may be."""
        return self.means.min(), self.means.max()

    @property
    def best_arms(self) -> np.ndarray:
        """(M,) the best arm of each, the lowest index among ties."""
        return self.means.argmax(axis=1)

    def posterior(self, counts: Any, sums: Any, noise: Noise) -> FinitePrior:
        """Given n_a = counts pulls of each arm and the sums of their rewards, (K,) each.

        Raises ValueError where no bandit of the prior could have paid this.
        """
        weights = self.weights * likelihood(self.means, counts, sums, noise)
        total = weights.sum()
        if not total > 0:
            raise ValueError(f"rewards {sums} of {counts} pulls are impossible a priori.")
        return FinitePrior(self.means, weights / total)

    def best(self) -> Best:
        """P(A* = a) and E max μ."""
        arms = self.best_arms
        chance = [self.weights[arms == a].sum() for a in range(self.n_arms)]
        return Best(np.array(chance), (self.weights * self.means.max(axis=1)).sum())

    def draw(self, key: Any, runs: int) -> np.ndarray:
        """(runs, K) means; those of run i are the same for every `runs` > i."""
        out = np.empty(runs, dtype=np.int64)
        upper = np.cumsum(self.weights.astype(float))
        upper[-1] = 1.0
        _draws.chosen(key, upper, out)
        return self.means.astype(float)[out]


Prior = BetaPrior | NormalPrior | FinitePrior


def likelihood(means: Any, counts: Any, sums: Any, noise: Noise) -> Any:
    """(M,) of rewards that sum to `sums`, (K,), under each row of means, up to one factor."""
    counts, sums = np.asarray(counts), np.asarray(sums)
    if isinstance(noise, Bernoulli):
        if means.dtype == object:
            counts, sums = counts.astype(object), sums.astype(object)
        return (means**sums * (1 - means) ** (counts - sums)).prod(axis=1)
    if isinstance(noise, Gaussian):
        fit = ((means * sums - counts * np.square(means) / 2) / np.square(noise.sigma)).sum(1)
        return np.exp(fit - fit.max())
    raise TypeError(f"the likelihood of {noise} is not a function of the sums of rewards.")


def entropy(probabilities: Any) -> float:
    """−Σ p ln p, in nats."""
    return float(special.entr(np.asarray(probabilities, dtype=float)).sum())


def _columns(prior: Any, names: tuple[str, str], positive: tuple[str, ...]) -> list[np.ndarray]:
    """Two parameters as (K,) arrays."""
    found = [np.asarray(getattr(prior, name), dtype=float) for name in names]
    for name, x in zip(names, found, strict=True):
        if not np.isfinite(x).all() or (name in positive and not (x > 0).all()):
            need = "finite and > 0" if name in positive else "finite"
            raise ModelError(f"{name} must be {need}; it is {x.tolist()}.", parameter=name)
    shapes = [x.shape for x in found] + ([] if prior.n_arms is None else [(prior.n_arms,)])
    try:
        shape = np.broadcast_shapes(*shapes, (1,))
    except ValueError:
        shape = ()
    if len(shape) != 1 or 0 in shape or prior.n_arms not in (None, shape[0]):
        raise ModelError(
            f"{names[0]}, {names[1]} and n_arms have shapes {shapes}; numbers or (K,) with one "
            "K ≥ 1 are needed."
        )
    return [read_only(np.broadcast_to(x, shape).copy()) for x in found]


def _best_of(laws: list[Any]) -> Best:
    """Of independent arms (cdf, inverse): P(A* = a) = ∫ Π_{b≠a} F_b(F_a⁻¹(u)) du, by panels.

    They end at quantiles of all arms, so that none of them is a step within a panel.
    """
    tails = 10.0 ** -np.arange(1, 16)
    levels = np.concatenate([tails[::-1], [0.25, 0.5, 0.75], 1 - tails])
    edges = np.concatenate([inverse(levels) for _, inverse in laws])
    x, weight = np.polynomial.legendre.leggauss(NODES)
    chance, value = np.empty(len(laws)), 0.0
    for a, (cdf, inverse) in enumerate(laws):
        ends = np.unique(np.concatenate([[0.0, 1.0], cdf(edges)]))
        half = np.diff(ends)[:, None] / 2
        u = (ends[:-1, None] + half * (1 + x)).reshape(-1)
        at = inverse(np.minimum(u, 1 - 2.0**-53))
        others = [F(at) for b, (F, _) in enumerate(laws) if b != a]
        mass = (half * weight).reshape(-1) * np.prod(others, axis=0)
        chance[a], value = mass.sum(), value + mass @ at
    return Best(chance, value)
