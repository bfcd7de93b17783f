"""Models whose answers are known: `names()`, `get(name)`, `make(name, **parameters)`.

Each is also a function: `from mdpkit.gallery import garnet, lake, river_swim`. A model is one
function under `@model` in a module of this folder, and nothing else: the modules are found by
walking it.

Checked in tests/gallery, each answer by a method that is not ours.
"""

from typing import Any

from mdpkit.gallery._registry import Entry, Known, get, make, names

__all__ = ["Entry", "Known", "get", "make", "names"]


def __getattr__(name: str) -> Any:
    entry = name.replace("_", "-")
    if name.startswith("_") or entry not in names():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return get(entry).function


def __dir__() -> list[str]:
    return sorted([*__all__, *(name.replace("-", "_") for name in names())])
