"""Models come in and go out. A format is one file here and one line in FORMATS."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdpkit._device import require_cpu
from mdpkit._exact import rational, simplest
from mdpkit._read import read_gamma
from mdpkit.errors import FormatError, ModelError, SourceError
from mdpkit.io._parts import needed_gamma
from mdpkit.mdp import MDP

if TYPE_CHECKING:
    from mdpkit.io.property import Property

FORMATS = {
    ".dot": "dot",
    ".drn": "drn",
    ".gv": "dot",
    ".json": "exact_json",
    ".npz": "archive",
    ".tra": "explicit",
}
"""Suffix → module with `read(path, *, …)` and `write(mdp, path)`; loaded when first used.

Where the format has no discount, `read(path, gamma, *, …)`; where it has labels of states, also
`read_labeled(path, *, …)`, of which a property can be asked.
"""

SOURCES = "gym:ID?key=value, gallery:NAME?key=value, or a file: {}"


def load(
    source: Any,
    gamma: Any = None,
    *,
    labels: str | os.PathLike | None = None,
    rewards: str | os.PathLike | None = None,
    property: str | None = None,
    normalize: bool = False,
    **options: Any,
) -> MDP:
    """Return the model that `source` names.

    source     "gym:ID?key=value", "gallery:NAME?key=value" (values are JSON, else text), a path
               with a known suffix, a Gymnasium environment, a networkx graph, or an MDP
    gamma      discount in [0, 1]; needed where the source has none, otherwise replaces its own
    labels, rewards   companion files, where the format has them and they lie elsewhere
    property   as in `load_property`: the model whose total reward is the answer, at γ = 1; for
               Pmin and Rmin that is minus the answer, since an MDP maximizes
    normalize  accept rows off by ≤ 1e-5, divide them by their sum, and warn
    options    what the format takes: max_bytes, and reward= where it names its rewards

    Raises SourceError if nothing is there, FormatError if it cannot be read, ModelError if it
    is no MDP. A "gym:" source runs code of an installed package; a file never runs any.
    """
    given = {"labels": labels, "rewards": rewards, "normalize": normalize or None} | options
    given = {name: value for name, value in given.items() if value is not None}
    if property is not None:
        if gamma is not None and gamma != 1:
            raise ValueError(f"a property is a total: gamma is 1, not {gamma!r}.")
        return load_property(source, property, **given).mdp
    if isinstance(source, MDP):
        _only(given, set(), "an MDP")
        return _discounted(source, gamma)
    if isinstance(source, str) and source.startswith(("gym:", "gallery:")):
        return _named(source, gamma, given)
    if isinstance(source, str | os.PathLike):
        return _load_file(Path(source), gamma, given)
    networkx = sys.modules.get("networkx")  # who holds a graph has imported it
    if networkx is not None and isinstance(source, networkx.Graph):
        from mdpkit.io import graph

        _only(given, {"normalize"}, "a graph")
        return graph.read_graph(source, gamma, **given)
    if hasattr(source, "unwrapped"):
        from mdpkit.io import gymnasium

        _only(given, {"normalize"}, "an environment")
        return gymnasium.read(source, needed_gamma(gamma, "an environment"), **given)
    what = f"{_sources()}, a Gymnasium environment, a networkx graph or an MDP"
    raise TypeError(f"load() takes {what}; not {type(source)}.")


def save(mdp: MDP, path: str | os.PathLike) -> None:
    """Write a model in the format of the suffix; an old file stays whole on any failure."""
    if not isinstance(mdp, MDP):
        raise TypeError(f"save() takes an MDP, not {type(mdp)}.")
    require_cpu(mdp, "save()")
    _format(Path(path)).write(mdp, path)


def _named(source: str, gamma: Any, given: dict[str, Any]) -> MDP:
    name, arguments = _parse(source)
    if source.startswith("gym:"):
        from mdpkit.io import gymnasium

        _only(given, {"normalize"}, source)
        return gymnasium.make(name, needed_gamma(gamma, source), arguments, **given)
    from mdpkit import gallery

    _only(given, set(), source)
    return _discounted(gallery.make(name, **arguments), gamma)


def load_property(source: str | os.PathLike, text: str, **options: Any) -> Property:
    """Return a question like 'Pmax=? [F "done"]' about a file with labels, ready to be solved.

    text      Pmax, Pmin, Rmax or Rmin (P or R where nothing is to choose), `=? [F "label"]`;
              R{"name"}max names the rewards, `[C]` asks for the total without a goal
    options   as in `load`: labels, rewards, normalize, max_bytes

    `question.answer(mk.solve(question.mdp))` has the sign that was asked for. Raises
    FormatError if the text or a label is unknown, UnboundedError if the value at the start is
    infinite.
    """
    from mdpkit.io.property import ask

    path = Path(source)
    module = _format(path)
    if not hasattr(module, "read_labeled"):
        raise TypeError(f"{path.suffix} takes no property: it has no labels.")
    normalize = bool(options.pop("normalize", False))
    with _reading(path, module.read_labeled, options) as read:
        return ask(read(path, **options), text, normalize=normalize)


def _load_file(path: Path, gamma: Any, given: dict[str, Any]) -> MDP:
    read = _format(path).read
    if "gamma" in inspect.signature(read).parameters:
        with _reading(path, read, given):
            return read(path, gamma, **given)
    with _reading(path, read, given):
        mdp = read(path, **given)
    return _discounted(mdp, gamma)


@contextlib.contextmanager
def _reading(path: Path, read: Callable, given: dict[str, Any]) -> Iterator[Callable]:
    """Check options and file first, and name the file in what goes wrong."""
    _only(given, set(inspect.signature(read).parameters) - {"path", "gamma"}, path.suffix)
    if not path.exists():
        raise SourceError(f"no file {str(path)!r}. A source is {_sources()}.")
    if not path.is_file():  # reading a pipe or a device may never end
        raise SourceError(f"{str(path)!r} is not a regular file.")
    try:
        yield read
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
