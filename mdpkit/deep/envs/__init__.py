"""Environments in JAX, by name: classic control, any MDP, and Gymnasium's on the host.

"CartPole-v1", "Pendulum-v1", "MountainCar-v0", "Acrobot-v1"      ours, compiled
"gallery:NAME?key=value", or an MDP                               Tabular
"gym:ID?key=value"                                                Host, not compiled
"""

from __future__ import annotations

import difflib
import inspect
from pathlib import Path
from typing import Any

from mdpkit.deep.envs.acrobot import Acrobot
from mdpkit.deep.envs.cartpole import CartPole
from mdpkit.deep.envs.environment import Environment, Moment, Step
from mdpkit.deep.envs.mountain_car import MountainCar
from mdpkit.deep.envs.pendulum import Pendulum
from mdpkit.deep.envs.tabular import Tabular
from mdpkit.deep.envs.vector import Lanes, Vector
from mdpkit.errors import SourceError
from mdpkit.io import FORMATS, _parse, load
from mdpkit.mdp import MDP

__all__ = [
    "CLASSIC",
    "Acrobot",
    "CartPole",
    "Environment",
    "Lanes",
    "Moment",
    "MountainCar",
    "Pendulum",
    "Step",
    "Tabular",
    "Vector",
    "make",
    "worlds_of",
]

CLASSIC = {
    "CartPole-v1": CartPole,
    "Pendulum-v1": Pendulum,
    "MountainCar-v0": MountainCar,
    "Acrobot-v1": Acrobot,
}
"""Name → environment of our own, with Gymnasium's equations and time limit."""


def make(source: Any, **options: Any) -> Any:
    """The environment that `source` names, or is.

    options : those of the class, such as limit=; a "gym:" source has its own behind the "?"

    Returns an Environment, or a Host for "gym:ID". Raises SourceError for a name that is none,
    TypeError for other kinds and for options it does not take.
    """
    if isinstance(source, str) and source in CLASSIC:
        return _with(CLASSIC[source], options)
    if isinstance(source, str) and source.startswith("gym:"):
        from mdpkit.deep.envs.host import Host

        name, arguments = _parse(source)
        return _with(Host, options | {"source": name, "arguments": arguments})
    if isinstance(source, str):
        return _with(Tabular, {"name": source} | options | {"mdp": _model(source)})
    if isinstance(source, MDP):
        return _with(Tabular, options | {"mdp": source})
    if isinstance(source, Environment) and not options:
        return source
    what = f"options {sorted(options)} for" if isinstance(source, Environment) else "not"
    raise TypeError(
        f"an environment is a name, an MDP, or one of mdpkit.deep.envs; {what} {type(source)}. "
        "Gymnasium's are named gym:ID, or given to mdpkit.deep.envs.host.Host as a function."
    )


def worlds_of(source: Any) -> Any:
    """Lanes to train in, `begin` and `advance`: a Vector of our own, or a Host.

    source : as for `make`, or lanes, which are returned as they are.
    """
    if hasattr(source, "begin") and hasattr(source, "advance"):
        return source
    found = make(source)
    return found if hasattr(found, "begin") else Vector(found)


def _model(source: str) -> MDP:
    if source.startswith("gallery:") or Path(source).suffix in FORMATS:
        return load(source)
    close = difflib.get_close_matches(source, CLASSIC, n=1, cutoff=0.4)
    hint = f" Do you mean {close[0]}?" if close else ""
    raise SourceError(
        f"there is no environment {source!r} here; there are {', '.join(CLASSIC)}, "
        f"gallery:NAME and gym:{source}, if Gymnasium has it.{hint}"
    )


def _with(kind: Any, options: dict[str, Any]) -> Any:
    known = inspect.signature(kind).parameters
    if unknown := sorted(set(options) - set(known)):
        taken = ", ".join(known) or "no options"
        raise TypeError(f"{kind.__name__} takes no {', '.join(unknown)}; it takes {taken}.")
    return kind(**options)
