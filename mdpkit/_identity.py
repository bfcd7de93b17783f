"""Whether two models, or two methods, are the same: SHA-256 of all that their answers rest on.

Names of states and actions are no part of it. Checked in tests/plan/test_checkpoint.py.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from mdpkit._rows import CSR
from mdpkit.mdp import MDP

BLOCK = 1 << 17
"""Numbers hashed at a time, so that no copy of an array is made."""


def model_digests(mdp: MDP) -> dict[str, str]:
    """SHA-256 of each part of a float model, by name; integers count alike in any width."""
    rows, ptr, actions = mdp.rows, mdp.action_ptr, mdp._pair_actions
    parts = {
        "P": (rows.values, rows.columns, rows.row_ptr) if isinstance(rows, CSR) else (rows,),
        "r": (mdp._r,),
        "gamma": (np.array([mdp.gamma]),),
        "stop": () if mdp._stop is None else (mdp._stop,),
        "start": (mdp.start,),
        "actions": (ptr,) if actions is None else (ptr, actions),
    }
    return {name: _digest(arrays) for name, arrays in parts.items()}


def _digest(arrays: Iterable[np.ndarray]) -> str:
    sha = hashlib.sha256()
    for x in arrays:
        flat, dtype = x.reshape(-1), "<f8" if x.dtype.kind == "f" else "<i8"
        sha.update(f"{x.shape}{dtype}".encode())
        for i in range(0, flat.size, BLOCK):
            sha.update(np.ascontiguousarray(flat[i : i + BLOCK], dtype=dtype).data)
    return sha.hexdigest()


def method_digest(method: Any) -> str:
    """SHA-256 of a method: its class, and its fields bit for bit.

    Raises TypeError where a field cannot be told from another, as a lambda's body.
    """
    return hashlib.sha256(json.dumps(_spelled(method), sort_keys=True).encode()).hexdigest()


def _spelled(x: Any) -> Any:
    """x in JSON, so that what differs is spelled differently."""
    if x is None or isinstance(x, bool | int | str):
        return x
    if isinstance(x, float):
        return ["float", float(x).hex()]
    if isinstance(x, np.generic):
        return _spelled(x.item())
    if isinstance(x, np.ndarray) and x.dtype != np.dtype(object):
        sha = hashlib.sha256(np.ascontiguousarray(x).view(np.uint8).data).hexdigest()
        return ["array", x.dtype.str, list(x.shape), sha]
    if isinstance(x, tuple | list):
        return [_name(type(x)), *(_spelled(part) for part in x)]
    if isinstance(x, dict):
        return ["dict", sorted([repr(k), _spelled(v)] for k, v in x.items())]
    if is_dataclass(x) and not isinstance(x, type):
        return [_name(type(x)), {f.name: _spelled(getattr(x, f.name)) for f in fields(x)}]
    if (inspect.isfunction(x) or isinstance(x, type)) and "<" not in x.__qualname__:
        return ["name", _name(x)]
    raise TypeError(
        f"{x!r} cannot be told from others of its kind, so a checkpoint could not say which it "
        "belongs to. Methods with checkpoints hold numbers, arrays, frozen dataclasses and "
        "functions of a module."
    )


def _name(x: Any) -> str:
    return f"{x.__module__}.{x.__qualname__}"
