"""Values as text: a number, a list, or a part of an algorithm by name.

    0.9    1e-3    [64,64]    true    null    inf    prioritized    adam(linear(1e-3,0),clip=.5)

A part is NAME or NAME(value, …). What it needs and is not given, it takes from the part whose
place it takes: `prioritized` keeps the capacity that `uniform` had. Nothing else is understood,
and nothing is evaluated. Checked in tests/deep/test_settings.py.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import math
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from mdpkit.deep.explore import EpsilonGreedy, Linear, Softmax
from mdpkit.deep.optim import adam, rmsprop, sgd
from mdpkit.deep.replay import Prioritized, Uniform
from mdpkit.operators.aggregate import mellowmax, soft
from mdpkit.targets import Double, OneStep


def _max() -> OneStep:
    return OneStep()


def _soft(tau: float) -> OneStep:
    return OneStep(soft(tau))


def _mellowmax(omega: float) -> OneStep:
    return OneStep(mellowmax(omega))


def _double() -> Double:
    return Double()


def _double_soft(tau: float) -> Double:
    return Double(soft(tau))


PARTS: dict[str, Callable[..., Any]] = {
    "max": _max,
    "soft": _soft,
    "mellowmax": _mellowmax,
    "double": _double,
    "double_soft": _double_soft,
    "uniform": Uniform,
    "prioritized": Prioritized,
    "epsilon_greedy": EpsilonGreedy,
    "softmax": Softmax,
    "adam": adam,
    "rmsprop": rmsprop,
    "sgd": sgd,
    "linear": Linear,
}
"""Targets, replays, behaviors, optimizers, and a schedule."""

WORDS = {float: "a number", int: "a whole number", bool: "true or false", NoneType: "null"}
LITERALS = {"true": True, "false": False, "null": None, "inf": math.inf, "nan": math.nan}
LONGEST = 300
"""Characters of a value."""


def read(text: str, instead: Any = None) -> Any:
    """The value that a text means: None, a bool, a number, a tuple of them, or a part.

    instead : what it takes the place of. ValueError for anything else.
    """
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text)} characters; {LONGEST} are allowed.")
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError(f"this is no value. {_examples()}") from None
    return _meant(tree, instead)


def _meant(node: ast.expr, instead: Any) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | None):
        return node.value
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _part(node.value, [], {}, instead)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _meant(node.operand, None)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.List | ast.Tuple):
        return tuple(_meant(one, None) for one in node.elts)
    if isinstance(node, ast.Name):
        return LITERALS[node.id] if node.id in LITERALS else _part(node.id, [], {}, instead)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        given = [_meant(one, None) for one in node.args]
        named = {one.arg: _meant(one.value, None) for one in node.keywords if one.arg}
        if len(named) == len(node.keywords):
            return _part(node.func.id, given, named, instead)
    raise ValueError(f"{ast.unparse(node)[:60]!r} is no value. {_examples()}")


def _part(name: str, given: list, named: dict[str, Any], instead: Any) -> Any:
    """A part with these settings, the missing ones from `instead`, if it has them."""
    if name not in PARTS:
        near = difflib.get_close_matches(name, PARTS, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise ValueError(f"there is no part {name!r}. {hint}There are {', '.join(PARTS)}.")
    make = PARTS[name]
    takes = inspect.signature(make)
    open_to = [x for x in list(takes.parameters.values())[len(given) :] if x.name not in named]
    needs = [x.name for x in open_to if x.default is x.empty]
    kept = {key: getattr(instead, key) for key in needs if hasattr(instead, key)}
    try:
        bound = takes.bind(*given, **named, **kept)
    except TypeError as error:
        raise ValueError(f"{name}({', '.join(takes.parameters)}): {error}.") from None
    types = get_type_hints(make)
    for key, value in bound.arguments.items():
        bound.arguments[key] = fitting(value, types[key], f"{key} of {name}(…)")
    return make(*bound.args, **bound.kwargs)


def fitting(value: Any, wanted: Any, where: str) -> Any:
    """The value, if it is of the type that is wanted, else ValueError; a float if that is."""
    several = get_origin(wanted) in (Union, UnionType)
    kinds = get_args(wanted) if several else (wanted,)
    for kind in kinds:
        if _is(value, kind):
            return float(value) if kind is float else value
    words = " or ".join(dict.fromkeys(map(_words, kinds)))
    raise ValueError(f"{where}: wanted is {words}.")


def _is(value: Any, wanted: Any) -> bool:
    """Whether a value is of a type; a bool is no number, a whole number is a float too."""
    if get_origin(wanted) is tuple:
        each = get_args(wanted)
        if not isinstance(value, tuple):
            return False
        each = each[:1] * len(value) if ... in each else each
        return len(value) == len(each) and all(map(_is, value, each))
    if wanted in (int, float):
        return isinstance(value, int | wanted) and not isinstance(value, bool)
    return isinstance(value, Linear if _is_schedule(wanted) else wanted)


def _is_schedule(wanted: Any) -> bool:
    return get_origin(wanted) is Callable


def _words(wanted: Any) -> str:
    """A type in words."""
    if get_origin(wanted) is tuple:
        each = get_args(wanted)
        count = "" if ... in each else f"{len(each)} "
        return f"a list of {count}{'whole ' if each[0] is int else ''}numbers"
    if wanted in WORDS or _is_schedule(wanted):
        return WORDS.get(wanted, "linear(start, stop)")
    made = {name: get_type_hints(make).get("return", make) for name, make in PARTS.items()}
    names = [name for name, kind in made.items() if kind is wanted]
    return " or ".join(names) or "no value, but settings of its own"


def _examples() -> str:
    return "Values are as 1e-3, [64,64], true, null, prioritized or linear(1e-3,0)."
