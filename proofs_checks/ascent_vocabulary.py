"""More words for claims, about policies that are improved a step at a time.

Modest, UnitModel          quantifiers: models on which a run of a few dozen steps can be read
StepSize                   a quantifier: α in 1/reward
mirror(D)(mdp, pi, alpha)  a step of mirror ascent: the iterates π and π⁺
followed(mdp, method, n)   the iterates 0 … n of a method
as_promised(mdp, …)        a run within the bounds that its method gives out
total(mdp, x)              Σ_a x(s, a), (S,), in pair layout or flat
gap_of(mdp, q)             max_a q − the second largest, (S,); None where there is one action
uniform_start(mdp)         every state equally often, (S,)
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit.claim import MDP, Rate, models, numbers
from mdpkit.improve._iterates import State, covering
from mdpkit.improve.divergences import Divergence
from mdpkit.improve.mirror_ascent import ascended, begun
from proofs_checks.vocabulary import over_actions as total

Step = Callable[[MDP, Any, Any], tuple[State, State]]

Modest = Annotated[MDP, models(reward=(-1, 1), discount=(0, Fraction(99, 100)))]
UnitModel = Annotated[MDP, models(reward=(0, 1), discount=(0, Fraction(9, 10)))]
StepSize = Annotated[Any, numbers(low=Fraction(1, 100), high=10)]


def mirror(divergence: Divergence) -> Step:
    """One step of mirror ascent from a policy: both iterates."""

    def step(mdp: MDP, pi: Any, alpha: Any) -> tuple[State, State]:
        old = begun(mdp, divergence, pi, None)
        return old, ascended(mdp, divergence, old, alpha)

    return step


def followed(mdp: MDP, method: Any, steps: int) -> list[State]:
    """The iterates of a method, from 0 on."""
    states = [method.init(mdp)]
    for _ in range(steps):
        states.append(method.step(mdp, states[-1]))
    return states


def as_promised(
    mdp: MDP, method: Any, states: list[State], v: Any, *, first: int = 1, tol: Any = None
) -> Rate:
    """A run within the bounds that its method itself gives out, from an iterate on."""
    known = method.bounds(mdp, states, v)
    return Rate(known.errors[first:], known.bounds[first:], tol)


def uniform_start(mdp: MDP) -> np.ndarray:
    """Every state equally often, in the model's numbers."""
    return covering(mdp, None)


def gap_of(mdp: MDP, q: Any) -> list[Any]:
    """The largest q of each state less the second largest; None where there is no second."""
    rows = np.split(np.asarray(q).reshape(-1), np.array(mdp.action_ptr[1:-1]))
    ranked = [sorted(row, reverse=True) for row in rows]
    return [row[0] - row[1] if len(row) > 1 else None for row in ranked]


__all__ = [
    "Modest",
    "Step",
    "StepSize",
    "UnitModel",
    "as_promised",
    "followed",
    "gap_of",
    "mirror",
    "total",
    "uniform_start",
]
