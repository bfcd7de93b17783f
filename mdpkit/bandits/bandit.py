"""A bandit: K arms, one state, nothing to plan for; only what each arm pays is unknown.

    Bandit([0.2, 0.5])                                   two coins
    Bandit([0.0, 1.0], Gaussian(sigma=2.0))
    Bandit(BetaPrior(1, 1, n_arms=10))                   each run draws its own ten coins
    Bandit(NormalPrior(0, 1, n_arms=10), Gaussian(1.0))  the 10-armed testbed

Regret is in expectation: Σ_a Δ_a N_a(t), Δ_a = max μ − μ_a, N_a(t) the pulls of arm a; not the
rewards missed by luck. Checked in tests/bandits/test_bandit.py.
Source: Lattimore & Szepesvári (2020), §4; Sutton & Barto (2018), §2.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mdpkit._array import number, read_only
from mdpkit.bandits.noise import Bernoulli, Gaussian, Noise, Uniform
from mdpkit.bandits.priors import BetaPrior, FinitePrior, NormalPrior, Prior
from mdpkit.errors import ModelError


@dataclass(frozen=True, eq=False)
class Bandit:
    """K arms.

    means   (K,), in units of reward, or a prior that every run draws them from
    noise   what a pull pays around the mean

    Exact rationals are kept, for enumeration; playing needs floats.
    Raises ModelError if K < 1, a mean is not finite, or a coin's is outside [0, 1].
    """

    means: Any
    noise: Noise = field(default_factory=Bernoulli)

    def __post_init__(self):
        if not isinstance(self.noise, Bernoulli | Gaussian | Uniform):
            raise TypeError(f"noise must be Bernoulli(), Gaussian(…) …; it is {self.noise!r}.")
        if self.prior is None:
            means = np.array(self.means)
            means = means if means.dtype == object else means.astype(float)
            _check_means(means)
            object.__setattr__(self, "means", read_only(means))
        if isinstance(self.noise, Bernoulli):
            self._check_coins()
        if np.ndim(self.width) and np.size(self.width) != self.n_arms:
            raise ModelError(
                f"{self.noise} is for {np.size(self.width)} arms; there are {self.n_arms}."
            )

    @property
    def prior(self) -> Prior | None:
        """The law of the means, None where they are fixed."""
        return (
            self.means
            if isinstance(self.means, BetaPrior | NormalPrior | FinitePrior)
            else None
        )

    @property
    def n_arms(self) -> int:
        """K."""
        return int(np.size(self.means if self.prior is None else self.prior.mean))

    @property
    def is_exact(self) -> bool:
        """Whether the means are exact rationals."""
        table = self.means.means if isinstance(self.means, FinitePrior) else self.means
        return getattr(table, "dtype", None) == np.dtype(object)

    @property
    def width(self) -> Any:
        """What multiplies the noise of a pull, one number or (K,); 0 for coins."""
        if isinstance(self.noise, Gaussian):
            return self.noise.sigma
        return self.noise.half_width if isinstance(self.noise, Uniform) else 0.0

    @property
    def gaps(self) -> np.ndarray:
        """(K,) Δ_a = max μ − μ_a. Raises ValueError where the means are not fixed."""
        if self.prior is not None:
            raise ValueError(
                "the gaps of a prior are random, and so is a bound in them: "
                "take Bandit(means), or a bound on the Bayesian regret."
            )
        return self.means.max() - self.means

    @property
    def reward_range(self) -> tuple[float, float]:
        """Bounds on every reward; infinite where there are none."""
        if isinstance(self.noise, Bernoulli):
            return 0.0, 1.0
        if self.prior is not None:
            low, high = self.prior.support
            spread = np.max(self.noise.spread)
            return float(low - spread), float(high + spread)
        lowest, highest = self.means - self.noise.spread, self.means + self.noise.spread
        return number(lowest.min()), number(highest.max())

    def require_unit_rewards(self, who: str, remedy: str) -> None:
        """Raise ModelError unless every reward lies in [0, 1]."""
        low, high = self.reward_range
        if not (low >= 0 and high <= 1):
            raise ModelError(
                f"{who} is for rewards in [0, 1]; these lie in [{low:g}, {high:g}]. {remedy}",
                low=low,
                high=high,
            )

    def draw(self, key: Any, runs: int) -> np.ndarray:
        """(runs, K) the means of each run."""
        if self.is_exact:
            raise TypeError("exact means are enumerated, not drawn from: pass floats.")
        if self.prior is not None:
            return self.prior.draw(key, runs)
        return np.tile(self.means, (runs, 1))

    def _check_coins(self) -> None:
        low, high = (
            (self.means.min(), self.means.max()) if self.prior is None else self.prior.support
        )
        if not (low >= 0 and high <= 1):
            raise ModelError(
                f"a coin's mean is a probability; these lie in [{number(low):g}, "
                f"{number(high):g}]. Scale the rewards to [0, 1], or name another noise.",
                low=low,
                high=high,
            )


def _check_means(means: np.ndarray) -> None:
    if means.ndim != 1 or means.size < 1:
        raise ModelError(f"means must be (K,) with K ≥ 1; they are {means.shape}.")
    if means.dtype != object and not np.isfinite(means).all():
        bad = int(np.flatnonzero(~np.isfinite(means))[0])
        raise ModelError(f"means[{bad}] is {means[bad]}; means must be finite.", arm=bad)
