"""Models come in and go out. A format is one file here and one line in FORMATS."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from mdpkit._exact import rational, simplest
from mdpkit._read import read_gamma
from mdpkit.errors import FormatError, ModelError, SourceError
from mdpkit.mdp import MDP

FORMATS = {
    ".json": "exact_json",
    ".npz": "archive",
}
"""Suffix → module with `read(path, *, …)` and `write(mdp, path)`; loaded when first used."""

SOURCES = "gym:ID?key=value, gallery:NAME?key=value, or a file: {}"


def load(
    source: Any,
    gamma: Any = None,
    *,
    labels: str | os.PathLike | None = None,
    rewards: str | os.PathLike | None = None,
    normalize: bool = False,
    **options: Any,
) -> MDP:
    """Return the model that `source` names.

    source     "gym:ID?key=value", "gallery:NAME?key=value" (values are JSON, else text), a path
               with a known suffix, a Gymnasium environment, or an MDP
    gamma      discount in [0, 1]; needed where the source has none, otherwise replaces its own
    labels, rewards   companion files, where the format has them and they lie elsewhere
    normalize  accept rows off by ≤ 1e-5, divide them by their sum, and warn
    options    what the format takes: max_bytes for .npz and .json

    Raises SourceError if nothing is there, FormatError if it cannot be read, ModelError if it
    is no MDP. A "gym:" source runs code of an installed package; a file never runs any.
    """
    given = {"labels": labels, "rewards": rewards, "normalize": normalize or None} | options
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(source, MDP):
        _only(given, set(), "an MDP")
        return _discounted(source, gamma)
    if isinstance(source, str) and source.startswith(("gym:", "gallery:")):
        return _named(source, gamma, given)
    if isinstance(source, str | os.PathLike):
        return _discounted(_load_file(Path(source), given), gamma)
    if hasattr(source, "unwrapped"):
        from mdpkit.io import gymnasium

        _only(given, {"normalize"}, "an environment")
        return gymnasium.read(source, _needed(gamma, "an environment"), **given)
    what = f"{_sources()}, a Gymnasium environment or an MDP"
    raise TypeError(f"load() takes {what}; not {type(source)}.")


def save(mdp: MDP, path: str | os.PathLike) -> None:
    """Write a model in the format of the suffix; an old file stays whole on any failure."""
    if not isinstance(mdp, MDP):
        raise TypeError(f"save() takes an MDP, not {type(mdp)}.")
    _format(Path(path)).write(mdp, path)


def _named(source: str, gamma: Any, given: dict[str, Any]) -> MDP:
    name, arguments = _parse(source)
    if source.startswith("gym:"):
        from mdpkit.io import gymnasium

        _only(given, {"normalize"}, source)
        return gymnasium.make(name, _needed(gamma, source), arguments, **given)
    from mdpkit import gallery

    _only(given, set(), source)
    return _discounted(gallery.make(name, **arguments), gamma)


def _load_file(path: Path, given: dict[str, Any]) -> MDP:
    read = _format(path).read
    _only(given, set(inspect.signature(read).parameters) - {"path"}, path.suffix)
    if not path.exists():
        raise SourceError(f"no file {str(path)!r}. A source is {_sources()}.")
    if not path.is_file():  # reading a pipe or a device may never end
        raise SourceError(f"{str(path)!r} is not a regular file.")
    try:
        return read(path, **given)
    except (FormatError, ModelError) as error:
        error.args = (f"{path}: {error}", *error.args[1:])
        raise
    except PermissionError as error:
        raise SourceError(f"{str(path)!r} cannot be opened: {error.strerror}.") from error


def _format(path: Path) -> Any:
    module = FORMATS.get(path.suffix.lower())
    if module is None:
        raise SourceError(f"{str(path)!r} names no model: a source is {_sources()}.")
    return import_module(f"mdpkit.io.{module}")


def _sources() -> str:
    return SOURCES.format(", ".join(f"*{suffix}" for suffix in FORMATS))


def _only(given: dict[str, Any], known: set[str], what: str) -> None:
    if unknown := sorted(set(given) - known):
        raise TypeError(
            f"{what} takes no {', '.join(unknown)}; it takes {sorted(known) or 'no options'}."
        )


def _needed(gamma: Any, what: str) -> Any:
    if gamma is None:
        raise SourceError(f"{what} has no discount: pass gamma= (on the command line --gamma).")
    return read_gamma(gamma)


def _discounted(mdp: MDP, gamma: Any) -> MDP:
    if gamma is None:
        return mdp
    gamma = read_gamma(gamma)
    return mdp.replace(
        gamma=rational(simplest(gamma)) if mdp.is_exact and isinstance(gamma, float) else gamma
    )


def _parse(source: str) -> tuple[str, dict[str, Any]]:
    """Split "kind:NAME?key=value&key=value"."""
    name, _, query = source.partition(":")[2].partition("?")
    if not name:
        raise SourceError(f"{source!r} names nothing; a source is {_sources()}.")
    arguments: dict[str, Any] = {}
    for part in query.split("&") if query else []:
        key, equals, text = part.partition("=")
        if not equals or not key.isidentifier() or key in arguments:
            raise SourceError(f"{source!r}: {part!r} is not key=value, with each key once.")
        arguments[key] = _value(text)
    return name, arguments


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(text: str) -> Callable:
    raise ValueError(f"{text} is no JSON.")
