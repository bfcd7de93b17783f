"""More words for claims, at a temperature τ against a prior p on actions. Floats only.

Temperature, Prior             quantifiers; a prior of ones is the counting measure
Gentle                         models on which no soft-optimal probability is too small a float
log_ratio(pi, p)               log(π/p), 0 where π = 0
divergence(mdp, pi, p)         KL(π(·|s)‖p(·|s)), (S,); without p it is −entropy
soft_value(mdp, pi, tau, p)    v^π_τ = Σ γᵗ E[r − τ log(π/p)]
soft_advantage(…)              A^π_τ = q^π_τ − v^π_τ − τ log(π/p), in pair layout
soft_policy(mdp, q, tau, p)    π ∝ p e^{q/τ}
soft_optimum(mdp, tau, p)      v*_τ and π*_τ, by soft policy iteration
soft_improved(mdp, v, tau, p)  v^π_τ of the π ∝ p e^{(r + γPv)/τ}: a step of that iteration
near(mdp, tau, …)              the rounding of all of them
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit.claim import MDP, models, numbers, policies
from mdpkit.operators.aggregate import soft
from mdpkit.operators.bellman import action_values
from mdpkit.operators.projection import attaining
from mdpkit.plan import SoftPolicyIteration
from proofs_checks.vocabulary import over_actions, over_states, tol_v, v_pi


def priors(draw, earlier):
    """The counting measure, or a distribution on each state's actions of full support."""
    p = policies(full=True)(draw, earlier)
    return p if draw.integer(0, 1) else 0 * p + 1


Temperature = Annotated[Any, numbers(low=Fraction(1, 10), high=2)]
Prior = Annotated[Any, priors]
Gentle = Annotated[MDP, models(stops="some", reward=(-1, 1), discount=(0, Fraction(9, 10)))]


def log_ratio(pi: Any, prior: Any = 1.0) -> Any:
    """log(π/p), 0 where π = 0."""
    return np.log(np.where(pi > 0, pi, prior) / prior)


def divergence(mdp: MDP, pi: Any, other: Any = 1.0) -> Any:
    """KL(π(·|s)‖p(·|s)), (S,)."""
    return over_actions(mdp, pi * log_ratio(pi, other))


def soft_value(mdp: MDP, pi: Any, tau: float, prior: Any = 1.0) -> Any:
    """v^π_τ, (S,)."""
    return v_pi(mdp.replace(r=mdp.r - tau * log_ratio(pi, prior)), pi)


def soft_advantage(mdp: MDP, pi: Any, tau: float, prior: Any = 1.0) -> Any:
    """A^π_τ, in pair layout, of a π > 0."""
    v = soft_value(mdp, pi, tau, prior)
    return action_values(mdp, v) - over_states(mdp, v) - tau * log_ratio(pi, prior)


def soft_policy(mdp: MDP, q: Any, tau: float, prior: Any = 1.0) -> Any:
    """π ∝ p e^{q/τ}, in pair layout."""
    return attaining(mdp, q, soft(tau, _known(prior)))


def soft_optimum(mdp: MDP, tau: float, prior: Any = 1.0) -> tuple[Any, Any]:
    """v*_τ and π*_τ."""
    method = SoftPolicyIteration(tau, _known(prior))
    state, new = None, method.init(mdp)
    while new is not state:  # it stays where rounding forbids any gain
        state, new = new, method.step(mdp, new)
    return new.v, soft_policy(mdp, action_values(mdp, new.v), tau, prior)


def soft_improved(mdp: MDP, v: Any, tau: float, prior: Any = 1.0) -> Any:
    """v^π_τ of the π ∝ p e^{(r + γPv)/τ}, (S,)."""
    return SoftPolicyIteration(tau, _known(prior)).init(mdp, v).v


def _known(prior: Any) -> Any:
    """The prior as methods take it: distributions, or None for the counting measure."""
    return None if np.all(prior == 1) else prior


def near(mdp: MDP, tau: float, *inputs: Any) -> float:
    """The rounding of values whose rewards are r − τ log(π/p), p ≥ 1/30."""
    return tol_v(mdp, 4 * tau, *inputs)
