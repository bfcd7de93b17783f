"""What can be observed, and what can be done: one of n numbers, or a point of a box.

    Discrete(n)       {0, …, n − 1}
    Box(low, high)    {x : low ≤ x ≤ high}, sides may be infinite

Checked in tests/envs/test_spaces.py. Source: Gymnasium 1.4, `gymnasium.spaces`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Discrete(NamedTuple):
    """The numbers 0 … n − 1; an element is an int array ()."""

    n: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one element: ()."""
        return ()


class Box(NamedTuple):
    """A box of real vectors; an element is a float array of the shape of its sides.

    low, high : of one shape, in the units of the environment; −∞ and ∞ where there is no side
    """

    low: np.ndarray
    high: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one element."""
        return self.low.shape


REMEDY = {
    "observations": "gymnasium.wrappers.FlattenObservation(env) makes most spaces a Box.",
    "actions": "Number them: gymnasium.wrappers.TransformAction(env, function, Discrete(n)).",
}


def space_of(space: Any, what: str = "observations") -> Discrete | Box:
    """A Gymnasium space as one of ours; numbers are counted from 0 wherever its own begin.

    what : "observations" or "actions", for the message. Sides are float64; Gymnasium's float32
    sides keep their value. Raises TypeError for every other kind, naming what would do.
    """
    if isinstance(space, Discrete | Box):
        return space
    kinds = {c.__name__ for c in type(space).__mro__ if c.__module__.startswith("gymnasium.")}
    if "Discrete" in kinds:
        return Discrete(int(space.n))
    if "Box" in kinds:
        low, high = (np.asarray(side, dtype=np.float64) for side in (space.low, space.high))
        return Box(low, high)
    raise TypeError(f"{what} are {space}; they must be Discrete or a Box. {REMEDY[what]}")
