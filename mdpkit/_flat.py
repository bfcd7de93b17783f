"""A method's state as leaves and arrays, and back: NamedTuples of arrays, numbers and models.

    State(v, alive=Survivors(pairs, counts), low)  ↔  state.v, state.alive.pairs, …, state.low

The type is what the method's `init` is annotated with, so no file ever names one; an array that
is the model's own, as in predecessor lists, is kept by name. Checked in
tests/plan/test_checkpoint.py.
"""

from __future__ import annotations

from typing import Any, cast, get_args, get_type_hints

import numpy as np

from mdpkit._rows import CSR
from mdpkit.errors import FormatError
from mdpkit.mdp import MDP

SCALARS: dict[str, type] = {
    "bool": bool,
    "int": int,
    "float": float,
    "int64": np.int64,
    "float64": np.float64,
}
STORED = ("<f8", "<i4", "<i8", "<u4", "<u8")
NARROW = {"|b1": "<u4", "|i1": "<i4", "|u1": "<u4", "<i2": "<i4", "<u2": "<u4", "<f4": "<f8"}
"""Arrays of these numbers are stored as wider ones, and read back as they were."""


def state_type(method: Any) -> type:
    """The NamedTuple that a method's `init` says it returns; TypeError if it does not say."""
    try:
        kind = get_type_hints(type(method).init).get("return")
    except NameError:
        kind = None
    if not _is_tuple(kind):
        raise TypeError(
            f"{type(method).__name__}.init must be annotated with the NamedTuple it returns, "
            "defined in a module, for its states to be kept in a checkpoint."
        )
    return cast(type, kind)


def _is_tuple(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def _parts(kind: Any) -> dict[str, type | None]:
    """Each field of a NamedTuple, and the NamedTuple that it may itself be."""
    hints = get_type_hints(kind)
    choices = {name: (hints[name], *get_args(hints[name])) for name in kind._fields}
    return {
        name: next((x for x in choices[name] if _is_tuple(x)), None) for name in kind._fields
    }


def paths(kind: Any, at: str) -> set[str]:
    found = set()
    for name, inner in _parts(kind).items():
        path = f"{at}.{name}"
        found |= {path} if inner is None else {path} | paths(inner, path)
    return found


def flatten(
    kind: Any, state: Any, mdp: MDP, at: str, leaves: dict[str, list], arrays: dict | None
) -> None:
    """Put the fields of a state among the leaves, and their arrays among the arrays.

    Raises TypeError where a field could not be read again; arrays=None is only to see that.
    """
    if type(state) is not kind:
        raise TypeError(f"{at} is a {type(state).__name__}; {kind.__name__} was announced.")
    for name, inner in _parts(kind).items():
        x, path = getattr(state, name), f"{at}.{name}"
        if inner is not None and isinstance(x, inner):
            flatten(inner, x, mdp, path, leaves, arrays)
            continue
        leaves[path] = _leaf(x, mdp, path)
        if arrays is not None and leaves[path][0] == "array":
            arrays[path] = x.astype(NARROW.get(x.dtype.str, x.dtype.str), copy=False)


def _leaf(x: Any, mdp: MDP, path: str) -> list:
    """What the manifest says of one field."""
    if x is None:
        return ["none"]
    if isinstance(x, np.bool_):
        x = bool(x)
    if (name := type(x).__name__) in SCALARS and type(x) is SCALARS[name]:
        return [name, float(x).hex() if "float" in name else x if name == "bool" else int(x)]
    if isinstance(x, MDP) and x.rows is mdp.rows and np.array_equal(x._r, mdp._r):
        return ["model", float(x.gamma).hex()]  # at another discount, at most
    if isinstance(x, np.ndarray):
        if (name := _of_model(mdp, x)) is not None:
            return ["part", name]
        if x.ndim in (1, 2, 3) and x.dtype.str in (*STORED, *NARROW):
            return ["array", x.dtype.str]
        raise TypeError(f"{path} is an array {x.dtype} of {x.ndim} axes; none is kept.")
    raise TypeError(f"{path} is a {type(x).__name__}; a checkpoint keeps arrays and numbers.")


def _of_model(mdp: MDP, x: np.ndarray) -> str | None:
    """Which array of the model this is, if it is one, not only its like."""
    return next((name for name, own in _model_arrays(mdp).items() if own is x), None)


def _model_arrays(mdp: MDP) -> dict[str, np.ndarray]:
    own = {"action_ptr": mdp.action_ptr, "r": mdp._r}
    rows = mdp.rows
    if isinstance(rows, CSR):
        own |= {"values": rows.values, "columns": rows.columns, "row_ptr": rows.row_ptr}
    return own


def unflatten(kind: Any, mdp: MDP, at: str, leaves: dict, arrays: dict) -> Any:
    """The state that was flattened."""
    values = {}
    for name, inner in _parts(kind).items():
        path = f"{at}.{name}"
        if path in leaves:
            values[name] = _grown(leaves[path], mdp, path, arrays)
        elif inner is not None:
            values[name] = unflatten(inner, mdp, path, leaves, arrays)
        else:
            raise FormatError(f"{path} is missing.")
    return kind(**values)


def _grown(leaf: Any, mdp: MDP, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """One field, from what the manifest says of it."""
    tag, x = (*leaf, None)[:2] if isinstance(leaf, list) and leaf else (None, None)
    if tag == "none":
        return None
    if tag == "model":
        gamma = read_float(x, path)
        return mdp if gamma == mdp.gamma else mdp.replace(gamma=gamma)
    if tag == "part" and x in (own := _model_arrays(mdp)):
        return own[x]
    if tag == "array" and path in arrays and x in (*STORED, *NARROW):
        return arrays[path].astype(np.dtype(x).newbyteorder("="), copy=False)
    if tag in ("float", "float64"):
        return SCALARS[tag](read_float(x, path))
    if tag in SCALARS and type(x) is (bool if tag == "bool" else int):
        return SCALARS[tag](x)
    raise FormatError(f"{path} is {str(leaf)[:60]}; no field of a state is that.")


def read_float(text: Any, what: str) -> float:
    try:
        return float.fromhex(text)
    except (TypeError, ValueError, OverflowError):
        raise FormatError(f"{what} is {text!r}; a float in hexadecimal is needed.") from None
