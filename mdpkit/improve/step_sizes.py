"""Step-size rules: how far to go along an ascent direction, and what each rule has to know.

    Constant     α_k = α
    Smoothness   α_k = 1/L,  L the Lipschitz constant of ∇J in the method's own parameters
    Geometric    α_k = α_0 ϱᵏ,  ϱ = 1/γ unless given
    Adaptive     α_k = max_s D(greedy(s), π_k(s)) / (γ^{2(k+1)} c)      as close to greedy as γᵏ
    Armijo       the first of α, βα, β²α, … with J(x_{k+1}) ≥ J(x_k) + σ ⟨∇J, x_{k+1} − x_k⟩
    Normalized   α_k = η / ‖∇J‖₂

A rule is asked once a step and keeps no memory. Sizes of mirror ascent are in 1/reward. Checked
in tests/improve/test_step_sizes.py. Source: Armijo (1966); Xiao (2022); Johnson, Pike-Burke &
Rebeschini (2023); Mei et al. (2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

LARGEST = 1e100
"""Beyond it a step is greedy to the last digit, and a larger one would only overflow."""


class Situation(NamedTuple):
    """What a rule may ask of the step to be taken; None where the method has no such thing.

    step        k
    gamma       discount
    last        the size of the step before, nan at k = 0
    smoothness  L
    slope       ‖∇J‖₂
    distance    () → max_s D(greedy(s), π_k(s)), what a greedy step would cost
    unit        α per unit of the method's step: H for the natural gradient, else 1
    trial       α → J(x_{k+1}) − J(x_k) and ⟨∇J, x_{k+1} − x_k⟩ of a step of size α
    """

    step: int
    gamma: Any
    last: float = math.nan
    smoothness: float | None = None
    slope: float | None = None
    distance: Callable[[], float] | None = None
    unit: float = 1.0
    trial: Callable[[float], tuple[float, float]] | None = None


class StepSize(Protocol):
    """A rule: the size of the next step, > 0; 0 where none was found."""

    def __call__(self, situation: Situation, /) -> Any:
        """Return the size for this step."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same size at every step; a fraction stays one on exact models."""

    size: Any = 1.0

    def __post_init__(self):
        positive(self.size, "size")

    def __call__(self, situation: Situation, /) -> Any:
        """α."""
        return self.size


@dataclass(frozen=True)
class Smoothness:
    """1/L: the largest constant step for which a gradient step is proven to ascend."""

    def __call__(self, situation: Situation, /) -> float:
        """1/L."""
        return 1 / _known(self, situation.smoothness, "a smoothness constant")


@dataclass(frozen=True)
class Geometric:
    """α_0 ϱᵏ: steps that grow, so that mirror ascent converges linearly.

    first   α_0 > 0          ratio   ϱ > 1; None is 1/γ
    """

    first: float = 1.0
    ratio: float | None = None

    def __post_init__(self):
        positive(self.first, "first")
        if self.ratio is not None and not self.ratio > 1:
            raise ValueError(f"ratio must be > 1; it is {self.ratio}.")

    def __call__(self, situation: Situation, /) -> float:
        """α_0 ϱᵏ, held at a size from which on every step is greedy."""
        log = math.log(self.first) + situation.step * math.log(self.growth(situation.gamma))
        return math.exp(min(log, math.log(LARGEST)))

    def growth(self, gamma: Any) -> float:
        """ϱ for this discount."""
        return self.ratio if self.ratio is not None else 1 / max(float(gamma), 1 / LARGEST)


@dataclass(frozen=True)
class Adaptive:
    """The smallest size for which the step loses at most cγ^{2(k+1)} against a greedy one.

    c : units of reward, > 0. The error then falls as that of policy iteration, γᵏ.
    """

    c: float = 1.0

    def __post_init__(self):
        positive(self.c, "c")

    def __call__(self, situation: Situation, /) -> float:
        """max_s D(greedy(s), π_k(s)) / (γ^{2(k+1)} c)."""
        distance = _known(self, situation.distance, "a divergence from the greedy policy")()
        if distance == 0:  # already greedy: any step will do
            return 1.0
        power = float(situation.gamma) ** (2 * (situation.step + 1))
        return min(distance / max(power * self.c, 1 / LARGEST), LARGEST) / situation.unit


@dataclass(frozen=True)
class Armijo:
    """Backtracking from twice the last size (at first from `first`), until J has grown enough.

    shrink   β in (0, 1)          share   σ in (0, 1), of the growth that the slope promises
    """

    first: float = 1.0
    shrink: float = 0.5
    share: float = 0.5
    tries: int = 100

    def __post_init__(self):
        positive(self.first, "first")
        for name in ("shrink", "share"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in (0, 1); it is {getattr(self, name)}.")

    def __call__(self, situation: Situation, /) -> float:
        """The first size that is good enough; 0 if rounding hides every gain."""
        trial = _known(self, situation.trial, "a gradient step that may fail to ascend")
        size = self.first if math.isnan(situation.last) else 2 * situation.last
        for _ in range(self.tries):
            gain, promised = trial(size)
            if 0 < self.share * promised <= gain:
                return size
            size *= self.shrink
        return 0.0


@dataclass(frozen=True)
class Normalized:
    """A step of length η in parameters, however flat J is."""

    length: float = 1.0

    def __post_init__(self):
        positive(self.length, "length")

    def __call__(self, situation: Situation, /) -> float:
        """η/‖∇J‖₂; 0 where there is no slope."""
        slope = _known(self, situation.slope, "a gradient")
        return min(self.length / slope, LARGEST) if slope > 0 else 0.0


def rule(step_size: Any) -> StepSize:
    """A rule, from one or from a number. Raises ValueError unless the number is > 0."""
    return step_size if callable(step_size) else Constant(step_size)


def positive(x: Any, name: str) -> None:
    """Raise ValueError unless x is a number > 0."""
    if isinstance(x, (bool, str)) or not x > 0 or x == math.inf:
        raise ValueError(f"{name} must be a finite number > 0; it is {x!r}.")


def _known(asking: Any, x: Any, what: str) -> Any:
    if x is None:
        raise ValueError(
            f"{asking} needs {what}, which this method has none of; "
            "pass a number, or a rule that its documentation names."
        )
    return x
