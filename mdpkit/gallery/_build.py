"""From a rule, one outcome at a time, to a model; and the reading of parameters.

Parameters are read as the fractions their author meant (0.9 is 9/10), outcomes are added as
fractions, and only the finished row is rounded: each entry is the float nearest to the truth.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from mdpkit._exact import simplest
from mdpkit._read import read_gamma
from mdpkit.errors import ModelError
from mdpkit.mdp import MDP

Outcome = tuple[Fraction | int, int | None, Fraction | int]
"""Probability, next state (None: the episode ends), reward."""

DENSE_UP_TO = 64
"""States up to which a model with equal action sets is stored dense: 128 KiB for 4 actions."""


def tabulate(
    rule: Callable[[int, int], Iterable[Outcome]],
    n_actions: Sequence[int],
    gamma: Any,
    *,
    start: int | None = None,
    states: Sequence[str] | None = None,
    actions: Sequence[str] | None = None,
) -> MDP:
    """Return the model whose pair (s, a) has the outcomes rule(s, a), equal ones added up.

    n_actions  (S,) number of actions of each state
    start      the state where episodes begin; None is uniform
    """
    pairs = [_row(rule(s, a)) for s, n in enumerate(n_actions) for a in range(n)]
    n_states = len(n_actions)
    begin = None if start is None else np.eye(1, n_states, start)[0]
    r, stop = np.array([row[1] for row in pairs]), np.array([row[2] for row in pairs])
    if len(set(n_actions)) == 1 and n_states <= DENSE_UP_TO:
        shape = (n_states, n_actions[0])
        P = np.zeros((len(pairs), n_states))
        for pair, (row, _, _) in enumerate(pairs):
            P[pair, list(row)] = list(row.values())
        P, r, stop = P.reshape(*shape, n_states), r.reshape(shape), stop.reshape(shape)
        return MDP(P, r, gamma, stop=stop, start=begin, states=states, actions=actions)
    values = np.array([p for row, _, _ in pairs for p in row.values()])
    columns = np.array([t for row, _, _ in pairs for t in row], dtype=np.int32)
    rows = (values, columns, pointer([len(row) for row, _, _ in pairs]))
    ptr = pointer(n_actions)
    return MDP(
        rows, r, gamma, action_ptr=ptr, stop=stop, start=begin, states=states, actions=actions
    )


def _row(outcomes: Iterable[Outcome]) -> tuple[dict[int, float], float, float]:
    """Return next states in order with their probabilities, the mean reward, and the stop."""
    mass: dict[int | None, Fraction | int] = {}
    reward: Fraction | int = 0
    for p, t, gain in outcomes:
        mass[t] = mass.get(t, 0) + p
        reward += p * gain
    stop = float(mass.pop(None, 0))
    row = {t: float(mass[t]) for t in sorted(t for t in mass if t is not None) if mass[t]}
    return row, float(reward), stop


def pointer(counts: Any) -> np.ndarray:
    """Return 0 and the running sums of counts: a row pointer, in 32 bits where they suffice."""
    counts = np.asarray(counts)
    total = int(counts.sum(dtype=np.int64))
    ptr = np.zeros(counts.size + 1, dtype=np.int32 if total < 2**31 else np.int64)
    np.cumsum(counts, out=ptr[1:])
    return ptr


def whole(x: Any, name: str, least: int = 0, most: float = math.inf) -> int:
    """Return x as an int within [least, most]; ModelError names the parameter."""
    if isinstance(x, bool | np.bool_) or not isinstance(x, int | np.integer):
        raise ModelError(f"{name} must be a whole number, not {x!r}.", parameter=name)
    if not least <= x <= most:
        bounds = f"at least {least}" if most == math.inf else f"in {least} … {most}"
        raise ModelError(f"{name} must be {bounds}; it is {x}.", parameter=name)
    return int(x)


def number(
    x: Any,
    name: str,
    least: float | Fraction = -math.inf,
    most: float | Fraction = math.inf,
    *,
    open_: bool = False,
) -> Fraction:
    """Return x as the fraction its author meant, in [least, most], or (least, most) if open."""
    real = isinstance(x, numbers.Real) and not isinstance(x, bool | np.bool_)
    if not real or not math.isfinite(x):
        raise ModelError(f"{name} must be a finite number, not {x!r}.", parameter=name)
    value = Fraction(x) if isinstance(x, numbers.Rational) else simplest(float(x))
    inside = least < value < most if open_ else least <= value <= most
    if not inside:
        left, right = "()" if open_ else "[]"
        raise ModelError(
            f"{name} must lie in {left}{float(least):g}, {float(most):g}{right}; it is {x}.",
            parameter=name,
        )
    return value


def discount(gamma: Any) -> Fraction:
    """Return a discount below 1 as a fraction, for models whose rewards depend on it."""
    value = number(read_gamma(gamma), "gamma", 0, 1)
    if value == 1:
        raise ModelError(
            f"gamma must be below 1 for this model; it is {gamma}.", parameter="gamma"
        )
    return value


def uniform(mdp: MDP) -> np.ndarray:
    """Return the policy that takes every action of a state with equal probability."""
    counts = np.diff(mdp.action_ptr)
    return np.repeat(1.0 / counts, counts)


def always(action: int, name: str) -> Callable[[MDP], np.ndarray]:
    """Return the policy of one action, or where it is missing of the last one before it."""

    def policy(mdp: MDP) -> np.ndarray:
        first = mdp.action_ptr[:-1]
        not_after = np.add.reduceat(mdp.pair_actions <= action, first, dtype=np.int64)
        probabilities = np.zeros(mdp.n_pairs)
        probabilities[first + not_after - 1] = 1.0
        return probabilities

    policy.__name__ = name
    return policy
