"""A gallery model is a function that knows its source and some of its answers.

    @model(source="Puterman (1994), §3.1", known=[Known({0: Fraction(-60, 7), 1: -20})])
    def puterman(gamma=0.95): …

is listed as "puterman"; underscores of the function become hyphens of the name.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from mdpkit.errors import ModelError, SourceError
from mdpkit.mdp import MDP

Policy = Callable[[MDP], np.ndarray]
"""A model's policy, as probabilities (pairs,)."""

MEMORY_SHARE = 0.8
"""The share of memory a model may take; beyond it the machine swaps or kills the process."""


@dataclass(frozen=True)
class Known:
    """An answer from a book or from algebra, never from our own solvers.

    values  state (or "start": the mean over where episodes begin) → value, in units of reward
    policy  whose value it is: probabilities (pairs,) of the model; None for the optimum
    given   the parameters it holds for, where they differ from the defaults
    tol     how many units the printed digits leave open; 0 where the value is exact
    """

    values: Mapping[int | str, Fraction | float]
    policy: Policy | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    tol: float = 0.0

    @property
    def whose(self) -> str:
        """The policy in words: "optimal", "uniform", "stick at 20" …."""
        return "optimal" if self.policy is None else self.policy.__name__.replace("_", " ")


@dataclass(frozen=True)
class Entry:
    """One model of the gallery; call `function` with any of `parameters` to build it."""

    name: str
    function: Callable[..., MDP]
    parameters: Mapping[str, Any]  # name → default
    source: str
    known: tuple[Known, ...]

    @property
    def summary(self) -> str:
        """The first line of its description."""
        return self.description.partition("\n")[0]

    @property
    def description(self) -> str:
        """The dynamics, and the meaning and units of the parameters."""
        return inspect.getdoc(self.function) or ""


_ENTRIES: dict[str, Entry] = {}


def model(*, source: str, known: Sequence[Known] = ()) -> Callable[[Callable], Callable]:
    """Put the function that follows into the gallery, and return it as it is."""

    def register(function: Callable[..., MDP]) -> Callable[..., MDP]:
        name = function.__name__.replace("_", "-")
        parameters = inspect.signature(function).parameters
        required = [p.name for p in parameters.values() if p.default is p.empty]
        if required or name in _ENTRIES:
            reason = f"needs defaults for {required}" if required else "exists already"
            raise TypeError(f"gallery model {name!r} {reason}.")
        defaults = MappingProxyType({p.name: p.default for p in parameters.values()})
        _ENTRIES[name] = Entry(name, function, defaults, source, tuple(known))
        return function

    return register


def _entries() -> dict[str, Entry]:
    package = importlib.import_module("mdpkit.gallery")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"mdpkit.gallery.{module.name}")
    return _ENTRIES


def names() -> tuple[str, ...]:
    """Return the names of all models, in alphabetical order."""
    return tuple(sorted(_entries()))


def get(name: str) -> Entry:
    """Return the entry of a model; SourceError with the closest names if there is none.

    Hyphens may be left out: "riverswim" is "river-swim".
    """
    entries = _entries()
    joined = {known.replace("-", ""): known for known in entries}
    name = joined.get(name, name)
    if name in entries:
        return entries[name]
    close = difflib.get_close_matches(str(name), entries, n=3, cutoff=0.4)
    hint = f"close: {', '.join(close)}" if close else f"there are: {', '.join(sorted(entries))}"
    raise SourceError(f"the gallery has no model {name!r}; {hint}.")


def make(name: str, /, **parameters: Any) -> MDP:
    """Build the model of that name; SourceError on an unknown name or parameter."""
    entry = get(name)
    unknown = [key for key in parameters if key not in entry.parameters]
    if unknown:
        raise SourceError(
            f"gallery model {name!r} has no parameter {unknown[0]!r}; "
            f"it takes {', '.join(entry.parameters)}."
        )
    return entry.function(**parameters)


def require_memory(nbytes: int, what: str) -> None:
    """Raise ModelError, before anything is allocated, if nbytes exceed 80 % of the memory."""
    limit = int(MEMORY_SHARE * _physical_memory())
    if nbytes > limit:
        raise ModelError(
            f"{what} needs {nbytes / 2**30:.3g} GiB; {limit / 2**30:.3g} GiB may be used, "
            f"{MEMORY_SHARE:.0%} of this machine's memory. Ask for a smaller model.",
            needed=int(nbytes),
            limit=limit,
        )


def _physical_memory() -> int:
    """Return the bytes of memory, a container's limit included; 2⁶³ where nobody can tell."""
    sizes = [2**63]
    try:
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        sizes.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))  # "max": no limit
    except (AttributeError, OSError, ValueError):
        pass
    return min(size for size in sizes if size > 0)
