"""Linear prediction from samples: v^π ≈ Φw, one step at a time, on and off the policy.

    δ = r + γ φ'w − φw,    ρ = π/b,    A, b as in `operators.linear`
    semi-gradient TD(λ)   e ← ρ (γλ e + φ),            w += α δ e         mean b − A w
    emphatic TD(λ)        F ← γρ⁻F + i, M = λi + (1−λ)F, e ← ρ (γλ e + M φ), w += α δ e
    GTD2                  u += β (ρδ − φu) φ,          w += α ρ (φ − γφ') φu
    TDC                   u as before,                 w += α ρ (δ φ − γφ' φu)
    residual gradient     w += α ρ δ (φ − γφ''),       s'' drawn anew: −½∇‖Φw − T^πΦw‖²
    gradient Monte Carlo  w += α Σ_t (G_t − φ_t w) φ_t at the end of each episode

Semi-gradient TD converges on the policy's own data; off it, it may diverge (`triad`), and the
three that follow do not. With the same s' in both places the residual gradient minimizes the
error plus the variance of the target: `double_sampling=False` shows that.
A truncated step bootstraps, and cuts what runs along: e, F and the return.
Checked in tests/learn/test_linear_prediction.py. Source: Tsitsiklis & Van Roy (1997); Baird
(1995); Sutton et al. (2009); Sutton, Mahmood & White (2016); Sutton & Barto (2018), §9.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mdpkit.learn._act import rate
from mdpkit.learn.linear._prediction import (
    EMPHATIC,
    FAMILY,
    GTD2_CODE,
    MONTE_CARLO,
    RESIDUAL,
    SINGLE,
    TD,
    TDC_CODE,
    Rule,
)
from mdpkit.learn.temporal_difference import check_lambda


def _rule(method: Any, code: int, lam: float = 0.0, second: Any = 0.0) -> Rule:
    alpha, beta = rate(method.step_size, "step_size"), rate(second, "second_step_size")
    return Rule(code, float(lam), alpha, beta)


@dataclass(frozen=True, eq=False)
class SemiGradientTD:
    """Semi-gradient TD(λ).

    policy     (S,) int or pair layout: what is evaluated
    features   Φ (S, K), or a function of the states' numbers
    lam        λ in [0, 1]
    behavior   what is done, where that is another policy; the bootstrap is corrected by
               ratios, the frequencies of the states are not: it may diverge
    step_size  number or Schedule, by steps; initial: weights at first, one number or (K,)
    """

    policy: Any
    features: Any
    lam: float = 0.0
    step_size: Any = 0.1
    behavior: Any = None
    initial: Any = 0.0
    key = "semi-gradient-td"
    operator = "Π T^(λ) v: b − A w on average, A = ΦᵀD (I − γλP)⁻¹ (I − γP) Φ"
    family = FAMILY

    def __post_init__(self):
        check_lambda(self.lam)

    def rule(self) -> Rule:
        """Traces as usual."""
        return _rule(self, TD, self.lam)


@dataclass(frozen=True, eq=False)
class EmphaticTD:
    """Emphatic TD(λ): each state counts as much as it is bootstrapped from.

    interest   i(s) ≥ 0, (S,) or one number; the rest as for SemiGradientTD
    """

    policy: Any
    features: Any
    lam: float = 0.0
    interest: Any = 1.0
    step_size: Any = 0.01
    behavior: Any = None
    initial: Any = 0.0
    key = "emphatic-td"
    operator = "Π_m T^(λ) v with m = λ d i + (1 − λ) f, f = (I − γPᵀ)⁻¹ (d i)"
    family = FAMILY

    def __post_init__(self):
        check_lambda(self.lam)

    def rule(self) -> Rule:
        """Traces with emphasis."""
        return _rule(self, EMPHATIC, self.lam)


@dataclass(frozen=True, eq=False)
class GTD2:
    """Gradient TD: the gradient of ‖Π T^π v − v‖_D², its expectation learned in u at rate β.

    step_size, second_step_size   α and β, numbers or Schedules, by steps; the rest as for
                                  SemiGradientTD
    """

    policy: Any
    features: Any
    step_size: Any = 0.01
    second_step_size: Any = 0.05
    behavior: Any = None
    initial: Any = 0.0
    key = "gtd2"
    operator = "−½ ∇ ‖Π T^π v − v‖_D²: Aᵀ C⁻¹ (b − A w), once u has settled"
    family = FAMILY

    def rule(self) -> Rule:
        """α for w, β for u."""
        return _rule(self, GTD2_CODE, second=self.second_step_size)


@dataclass(frozen=True, eq=False)
class TDC:
    """TD with gradient correction; as GTD2, and nearer to TD where that does well."""

    policy: Any
    features: Any
    step_size: Any = 0.01
    second_step_size: Any = 0.05
    behavior: Any = None
    initial: Any = 0.0
    key = "tdc"
    operator = "−½ ∇ ‖Π T^π v − v‖_D²: Aᵀ C⁻¹ (b − A w), once u has settled"
    family = FAMILY

    def rule(self) -> Rule:
        """α for w, β for u."""
        return _rule(self, TDC_CODE, second=self.second_step_size)


@dataclass(frozen=True, eq=False)
class ResidualGradient:
    """The gradient of the Bellman error itself; needs two independent next states.

    double_sampling   False uses the one there is in both places, and minimizes the Bellman
                      error plus the variance of the target
    """

    policy: Any
    features: Any
    step_size: Any = 0.01
    behavior: Any = None
    double_sampling: bool = True
    initial: Any = 0.0
    key = "residual-gradient"
    family = FAMILY

    @property
    def operator(self) -> str:
        """What is descended."""
        variance = "" if self.double_sampling else " + E_d Var(r + γ v(s') | s)"
        return "−½ ∇ ‖T^π v − v‖_D²" + variance

    def rule(self) -> Rule:
        """Two draws, or one."""
        return _rule(self, RESIDUAL if self.double_sampling else SINGLE)


@dataclass(frozen=True, eq=False)
class GradientMonteCarlo:
    """Toward the returns themselves, at the end of each episode: no bootstrap, no bias.

    step_size   number or Schedule, by episodes; the rest as for SemiGradientTD
    """

    policy: Any
    features: Any
    step_size: Any = 0.01
    initial: Any = 0.0
    key = "gradient-monte-carlo"
    operator = "Π v^π: ΦᵀN (v^π − Φw) on average, N the expected visits in an episode"
    family = FAMILY

    def rule(self) -> Rule:
        """The whole return."""
        return _rule(self, MONTE_CARLO)
