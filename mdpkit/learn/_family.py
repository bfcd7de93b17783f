"""What the methods of one kernel share; a method names its family and holds its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Family(NamedTuple):
    """Functions of a family; a method of it has `rule()`, a NamedTuple of its numbers.

    begin(method, place, runs) → tables, a NamedTuple of arrays whose first axis is the run
    kernel(world, log, rule, tables, first, last, budget): go on with runs first … last for
        `budget` steps each, as `_world` describes
    values(tables) → (runs, pairs) or (runs, states), what has been learned
    remembers: whether the log keeps the whole episode (`_world.remember`)
    predicts: whether it compares its values with the truth (`_world.compare`)
    """

    begin: Callable[..., Any]
    kernel: Callable[..., None]
    values: Callable[[Any], Any]
    remembers: bool = False
    predicts: bool = False
