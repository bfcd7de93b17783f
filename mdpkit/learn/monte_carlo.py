"""Monte Carlo prediction: the value of a policy is the average of the returns that follow.

    G_t = r_t + γ G_{t+1}              v(s_t) ← v(s_t) + α (G_t − v(s_t)),  α = 1/N(s) at first
    first visit    one return an episode: independent, so the mean is unbiased
    every visit    all of them: biased for finitely many episodes, less spread out
    λ-return       G^λ instead of G, v held for the episode: T^(λ) v on average

On the chain that stays with probability p, for a reward of 1, and else ends, V = p/(1−p), and
every visit expects V n/(n+1) after n episodes. Checked in tests/learn/test_monte_carlo.py.
Source: Sutton & Barto (2018), §5.1, §12.1; Singh & Sutton (1996).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mdpkit.learn._act import rate
from mdpkit.learn._episodes import FAMILY, ORDINARY, Rule
from mdpkit.learn.temporal_difference import check_lambda
from mdpkit.operators.step_size import polynomial

AVERAGE = polynomial()
"""α = 1/N: the plain mean of what was seen."""


@dataclass(frozen=True, eq=False)
class MonteCarlo:
    """Monte Carlo: toward the return of an episode, once it is over.

    policy       (S,) int or pair layout: what is followed and evaluated
    first_visit  learn of a state at its first visit in an episode only
    step_size    number or Schedule, by visits of the state; the mean of the returns if not said
    initial      values at first, one number or (S,); of no effect where the first α is 1

    Episodes that are cut bootstrap from the value of the state they reached.
    """

    policy: Any
    first_visit: bool = True
    step_size: Any = AVERAGE
    initial: Any = 0.0
    key = "monte-carlo"
    operator = "v^π = (I − γP_π)⁻¹ r_π, whatever v is"
    family = FAMILY

    def rule(self) -> Rule:
        """λ = 1."""
        step_size = rate(self.step_size, "step_size")
        return Rule(ORDINARY, bool(self.first_visit), False, 1.0, False, step_size)


@dataclass(frozen=True, eq=False)
class LambdaReturn:
    """The offline λ-return algorithm, the forward view of TD(λ): every visit toward G^λ.

    policy, step_size, initial   as for TD0
    lam     λ in [0, 1]
    summed  whether the updates of an episode are added up, all from the values before it, as
            offline TD(λ) does; otherwise one follows the other, which no step size ≤ 1 blows up
    """

    policy: Any
    lam: float = 0.8
    step_size: Any = 0.1
    summed: bool = False
    initial: Any = 0.0
    key = "lambda-return"
    operator = "T^(λ) v = v + (I − γλP_π)⁻¹ (T^π v − v)"
    family = FAMILY

    def __post_init__(self):
        check_lambda(self.lam)

    def rule(self) -> Rule:
        """Every visit."""
        step_size = rate(self.step_size, "step_size")
        return Rule(ORDINARY, False, False, float(self.lam), bool(self.summed), step_size)
