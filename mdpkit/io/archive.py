"""`.npz`: a float model as it lies in memory, with a manifest that says what must be there.

A zip of .npy members and manifest.json, opened by `numpy.load` too; see `_zip`. What is read
still goes through every check of `MDP`, and the defect of the rows is computed again, since a
stored one could lie about the bounds.

Checked in tests/io/test_archive.py.
"""

from __future__ import annotations

import os
import zipfile
from typing import Any

import numpy as np

from mdpkit._rows import CSR
from mdpkit.errors import FormatError
from mdpkit.io import _zip
from mdpkit.io._json import decode_names, encode_names, fields
from mdpkit.io._memory import memory_limit
from mdpkit.io._npy import read_array
from mdpkit.io._parts import STORAGES, assemble, storage
from mdpkit.mdp import MDP

FORMAT, VERSION = "mdpkit-archive", 1
KEYS = {"storage", "gamma", "states", "actions"}

# The kind of number and the number of axes of each array that may occur.
ARRAYS: dict[str, tuple[str, set[int]]] = {
    "P": ("f", {2, 3}),
    "values": ("f", {1}),
    "columns": ("iu", {1}),
    "row_ptr": ("iu", {1}),
    "r": ("f", {1, 2}),
    "stop": ("f", {1, 2}),
    "start": ("f", {1}),
    "action_ptr": ("iu", {1}),
    "pair_actions": ("iu", {1}),
}
ROWS = {
    "dense": {"P"},
    "pairs": {"P", "action_ptr"},
    "csr": {"values", "columns", "row_ptr", "action_ptr"},
}


def write(mdp: MDP, path: str | os.PathLike) -> None:
    """Save a float model, atomically; the same model always makes the same bytes."""
    if mdp.is_exact:
        raise FormatError("an exact model does not fit in .npz; save it as .json.")
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "storage": storage(mdp),
        "gamma": float(mdp.gamma).hex(),
        "states": encode_names(mdp.states),
        "actions": encode_names(mdp.actions),
    }
    _zip.write(path, _arrays(mdp), manifest)


def _arrays(mdp: MDP) -> dict[str, np.ndarray]:
    rows = mdp.rows
    if isinstance(rows, CSR):
        arrays = {"values": rows.values, "columns": rows.columns, "row_ptr": rows.row_ptr}
    else:
        arrays = {"P": mdp.P}
    arrays["r"] = mdp.r
    optional = {"stop": mdp.stop if mdp.stops else None, "start": mdp._start}
    if storage(mdp) != "dense":
        optional |= {"action_ptr": mdp.action_ptr, "pair_actions": mdp._pair_actions}
    return arrays | {name: x for name, x in optional.items() if x is not None}


def read(
    path: str | os.PathLike, *, normalize: bool = False, max_bytes: int | None = None
) -> MDP:
    """Load what `write` saved; FormatError on anything else, ModelError if it is no MDP.

    max_bytes   the most memory the file may ask for; None is 60 % of the physical memory
    """
    limit = memory_limit(max_bytes)
    with _zip.opened(path, set(ARRAYS), limit) as archive:
        manifest = _manifest(archive, limit)
        arrays = {
            name: read_array(archive, name, claim, *ARRAYS[name])
            for name, claim in manifest["arrays"].items()
        }
    return _build(manifest, arrays, normalize=normalize, limit=limit)


def _manifest(archive: zipfile.ZipFile, limit: int) -> dict[str, Any]:
    manifest = _zip.read_manifest(archive, KEYS, (FORMAT, VERSION), limit)
    if manifest["storage"] not in STORAGES:
        raise FormatError(f"storage must be one of {STORAGES}.")
    optional = (
        {"stop", "start"}
        if manifest["storage"] == "dense"
        else {"stop", "start", "pair_actions"}
    )
    fields(manifest["arrays"], ROWS[manifest["storage"]] | {"r"}, optional)
    _zip.check_members(archive, manifest)
    return manifest


def _build(
    manifest: dict[str, Any], arrays: dict[str, Any], *, normalize: bool, limit: int
) -> MDP:
    kind, ptr = manifest["storage"], arrays.get("action_ptr")
    if kind == "csr":
        n_states = max(arrays["action_ptr"].size - 1, 0)
        P = CSR(arrays["values"], arrays["columns"], arrays["row_ptr"], n_states)
    else:
        P = arrays["P"]
        if P.ndim != (3 if kind == "dense" else 2):
            raise FormatError(f"{kind} storage with P of {P.ndim} axes.")
    return assemble(
        P,
        arrays["r"],
        _hexadecimal(manifest["gamma"]),
        action_ptr=ptr,
        pair_actions=arrays.get("pair_actions"),
        limit=limit,
        states=decode_names(manifest["states"], "states"),
        actions=decode_names(manifest["actions"], "actions"),
        stop=arrays.get("stop"),
        start=arrays.get("start"),
        normalize=normalize,
    )


def _hexadecimal(text: Any) -> float:
    try:
        return float.fromhex(text)
    except (TypeError, ValueError, OverflowError):
        raise FormatError(f"gamma is {text!r}; a float in hexadecimal is needed.") from None
