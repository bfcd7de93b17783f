"""`.npz`: a float model as it lies in memory, with a manifest that says what must be there.

A zip of .npy members and manifest.json, opened by `numpy.load` too. Members are stored, not
compressed, so a file of n bytes never becomes more than n bytes. Names and sizes are compared
before an array is allocated; nothing is unpickled, nothing extracted to disk. SHA-256 guards
against damage, not malice: what is read still goes through every check of `MDP`, and the defect
of the rows is computed again, since a stored one could lie about the bounds.

Checked in tests/io/test_archive.py.
"""

from __future__ import annotations

import os
import struct
import zipfile
from typing import Any, BinaryIO

import numpy as np

from mdpkit._rows import CSR
from mdpkit.errors import FormatError
from mdpkit.io._atomic import atomic_write
from mdpkit.io._json import (
    EXPANSION,
    canonical,
    check_digest,
    decode_names,
    digest,
    encode_names,
    fields,
    parse,
)
from mdpkit.io._memory import memory_limit, require
from mdpkit.io._npy import BLOCK, member, read_array, write_array
from mdpkit.io._parts import STORAGES, assemble, storage
from mdpkit.mdp import MDP

FORMAT, VERSION = "mdpkit-archive", 1
MANIFEST = "manifest.json"
KEYS = {"format", "version", "storage", "gamma", "arrays", "states", "actions", "sha256"}

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
BROKEN = (
    zipfile.BadZipFile,
    OSError,
    EOFError,
    LookupError,
    RuntimeError,
    OverflowError,
    struct.error,
)
"""What zipfile raises on damaged input, next to ValueErrors."""


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
    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
        arrays = _arrays(mdp)
        manifest["arrays"] = {name: write_array(archive, name, x) for name, x in arrays.items()}
        archive.writestr(member(MANIFEST), canonical(manifest | {"sha256": digest(manifest)}))


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
    try:
        with open(path, "rb") as file, zipfile.ZipFile(_Bounded(file)) as archive:  # pyright: ignore
            _check_directory(archive, os.fstat(file.fileno()).st_size, limit)
            manifest = _manifest(archive, limit)
            arrays = {
                name: read_array(archive, name, claim, *ARRAYS[name])
                for name, claim in manifest["arrays"].items()
            }
    except BROKEN as error:
        raise FormatError(f"not an archive that can be read: {error}.") from error
    return _build(manifest, arrays, normalize=normalize, limit=limit)


class _Bounded:
    """A file that refuses long reads: zipfile would read a directory of any size at once."""

    def __init__(self, file: BinaryIO):
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._read = file.read

    def read(self, size: int = -1) -> bytes:
        if size > BLOCK:
            raise FormatError(f"the zip directory claims {size} bytes; a model's has hundreds.")
        return self._read(BLOCK if size < 0 else size)


def _check_directory(archive: zipfile.ZipFile, size: int, limit: int) -> None:
    """Refuse what a model does not have, before any member is read."""
    expected = {MANIFEST} | {f"{name}.npy" for name in ARRAYS}
    seen, total = set(), 0
    for info in archive.infolist():
        name = info.orig_filename  # zipfile cleans .filename, so a trick would not show there
        if name not in expected:
            raise FormatError(
                f"unexpected member {name[:80]!r}; a model has {sorted(expected)}."
            )
        if name in seen:
            raise FormatError(f"the member {name!r} is there twice.")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise FormatError(f"the member {name!r} is compressed; a model's are stored.")
        seen.add(name)
        total += info.file_size
    require(total, limit, "the model")
    if total > size:
        raise FormatError(f"the members claim {total} bytes in a file of {size}.")


def _manifest(archive: zipfile.ZipFile, limit: int) -> dict[str, Any]:
    if MANIFEST not in archive.namelist():
        raise FormatError(
            f"no {MANIFEST}, so mdpkit did not save it; MDP(P, r, gamma) takes arrays."
        )
    info = archive.getinfo(MANIFEST)
    require(EXPANSION * info.file_size, limit, MANIFEST)
    with archive.open(info) as file:
        manifest = parse(b"".join(iter(lambda: file.read(BLOCK), b"")))
    fields(manifest, KEYS, set())
    check_digest(manifest)
    if (manifest["format"], manifest["version"]) != (FORMAT, VERSION):
        found = f"{manifest['format']!r} version {manifest['version']!r}"
        raise FormatError(f"format {found}; this mdpkit reads {FORMAT!r} version {VERSION}.")
    if manifest["storage"] not in STORAGES or not isinstance(manifest["arrays"], dict):
        raise FormatError(f"storage must be one of {STORAGES}, arrays an object.")
    optional = (
        {"stop", "start"}
        if manifest["storage"] == "dense"
        else {"stop", "start", "pair_actions"}
    )
    fields(manifest["arrays"], ROWS[manifest["storage"]] | {"r"}, optional)
    if set(archive.namelist()) != {MANIFEST} | {f"{name}.npy" for name in manifest["arrays"]}:
        raise FormatError("the members are not those the manifest lists.")
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
