"""An algorithm with some of its settings changed, as a command line says them.

    gamma=0.9    widths=[64,64]    target=double    loop.lanes=4    loop.replay=prioritized

The key is a path of fields through frozen dataclasses; `mdpkit.deep.parts` reads the value. All
settings are made at once, whatever their order: what must fit together is looked at when all of
it is there. Checked in tests/deep/test_settings.py.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_type_hints

from mdpkit.deep.parts import fitting, read

FIXED = ("debug", "direction", "dtype", "key", "over", "rule")
"""Fields that are no settings: names, and what only a program can give."""


def changed(algorithm: Any, settings: Iterable[str]) -> Any:
    """The algorithm with settings "path.to.field=value".

    Raises ValueError for a field that is not there or is set twice, for a value of another
    kind, and where the algorithm itself refuses it.
    """
    tree: dict[str, Any] = {}
    for text in settings:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key and equals and value):
            raise ValueError(f"a setting is key=value, as gamma=0.9; not {text!r}.")
        _plant(tree, key, value)
    return _grown(algorithm, tree, "")


def _plant(tree: dict[str, Any], key: str, value: str) -> None:
    """Note a value in a tree of fields, under "" of its own."""
    for name in key.split("."):
        tree = tree.setdefault(name, {})
    if "" in tree:
        raise ValueError(f"{key} is set twice, to {tree['']} and to {value}.")
    tree[""] = value


def _grown(node: Any, tree: dict[str, Any], path: str) -> Any:
    """The node with all changes of the tree made, from the leaves to itself."""
    known = _settings(node)
    changes = {}
    for name, below in tree.items():
        if name not in known:
            raise ValueError(_unknown(path, name, known))
        value, where = getattr(node, name), f"{path}{name}"
        if "" in below:
            value = _valued(below[""], known[name], value, where)
        rest = {key: x for key, x in below.items() if key}
        changes[name] = _grown(value, rest, f"{where}.") if rest else value
    return replace(node, **changes)


def _settings(node: Any) -> dict[str, Any]:
    """The fields of a node that can be set, and their types."""
    if not is_dataclass(node):
        return {}
    types = get_type_hints(type(node))
    return {f.name: types[f.name] for f in fields(node) if f.init and f.name not in FIXED}


def _unknown(path: str, name: str, known: dict[str, Any]) -> str:
    if not known:
        return f"{path[:-1]} has no settings of its own, so no {name!r}."
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {path}{near[0]}?" if near else ""
    return f"there is no setting {path}{name}.{hint} There are {', '.join(known)}."


def _valued(text: str, wanted: Any, instead: Any, where: str) -> Any:
    said = f"{where}={text if len(text) < 60 else text[:60] + '…'}"
    try:
        value = read(text, instead)
    except ValueError as error:
        raise ValueError(f"{said}: {error}") from None
    return fitting(value, wanted, said)
