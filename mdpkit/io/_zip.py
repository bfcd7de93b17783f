"""A zip of .npy members and a manifest that says what they are, opened without trusting it.

Members are stored, not compressed, so a file of n bytes never becomes more than n bytes. Names
and sizes are compared before an array is allocated; nothing is unpickled, nothing extracted to
disk. SHA-256 guards against damage, not malice: what is read still needs its own checks.

Checked in tests/io/test_archive.py.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from mdpkit.errors import FormatError
from mdpkit.io._atomic import atomic_write
from mdpkit.io._json import EXPANSION, canonical, check_digest, digest, fields, parse
from mdpkit.io._memory import require
from mdpkit.io._npy import BLOCK, member, write_array

MANIFEST = "manifest.json"
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


def write(
    path: str | os.PathLike, arrays: dict[str, np.ndarray], about: dict[str, Any]
) -> None:
    """Save arrays and what is said about them, atomically; the same make the same bytes."""
    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
        listed = {name: write_array(archive, name, x) for name, x in arrays.items()}
        manifest = about | {"arrays": listed}
        archive.writestr(member(MANIFEST), canonical(manifest | {"sha256": digest(manifest)}))


@contextlib.contextmanager
def opened(
    path: str | os.PathLike, names: set[str] | None, limit: int, what: str = "a model"
) -> Iterator[zipfile.ZipFile]:
    """Open a zip whose arrays have some of these names; FormatError on anything else.

    names   None is any; then `check_members` is what holds them against the manifest
    limit   bytes that the members may take
    """
    try:
        with open(path, "rb") as file, zipfile.ZipFile(_Bounded(file)) as archive:  # pyright: ignore
            expected = None if names is None else {MANIFEST, *(f"{x}.npy" for x in names)}
            _check_directory(archive, expected, os.fstat(file.fileno()).st_size, limit, what)
            yield archive
    except BROKEN as error:
        raise FormatError(f"not an archive that can be read: {error}.") from error


class _Bounded:
    """A file that refuses long reads: zipfile would read a directory of any size at once."""

    def __init__(self, file: BinaryIO):
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._read = file.read

    def read(self, size: int = -1) -> bytes:
        if size > BLOCK:
            raise FormatError(f"the zip directory claims {size} bytes; a model's has hundreds.")
        return self._read(BLOCK if size < 0 else size)


def _check_directory(
    archive: zipfile.ZipFile, expected: set[str] | None, size: int, limit: int, what: str
) -> None:
    """Refuse what does not belong there, before any member is read."""
    seen, total = set(), 0
    for info in archive.infolist():
        name = info.orig_filename  # zipfile cleans .filename, so a trick would not show there
        if expected is not None and name not in expected:
            raise FormatError(
                f"unexpected member {name[:80]!r}; {what} has {sorted(expected)}."
            )
        if name in seen:
            raise FormatError(f"the member {name!r} is there twice.")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise FormatError(f"the member {name!r} is compressed; {what}'s are stored.")
        seen.add(name)
        total += info.file_size
    require(total, limit, what)
    if total > size:
        raise FormatError(f"the members claim {total} bytes in a file of {size}.")


def read_manifest(
    archive: zipfile.ZipFile, keys: set[str], known: tuple[str, int], limit: int
) -> dict[str, Any]:
    """Return the manifest after checking its signature, keys, and format and version."""
    if MANIFEST not in archive.namelist():
        raise FormatError(
            f"no {MANIFEST}, so mdpkit did not save it; MDP(P, r, gamma) takes arrays."
        )
    info = archive.getinfo(MANIFEST)
    require(EXPANSION * info.file_size, limit, MANIFEST)
    with archive.open(info) as file:
        manifest = parse(b"".join(iter(lambda: file.read(BLOCK), b"")))
    fields(manifest, keys | {"format", "version", "arrays", "sha256"}, set())
    check_digest(manifest)
    if (manifest["format"], manifest["version"]) != known:
        found = f"{manifest['format']!r} version {manifest['version']!r}"
        raise FormatError(f"format {found}; this mdpkit reads {known[0]!r} version {known[1]}.")
    if not isinstance(manifest["arrays"], dict):
        raise FormatError("arrays must be an object.")
    return manifest


def check_members(archive: zipfile.ZipFile, manifest: dict[str, Any]) -> None:
    """Raise FormatError unless the members are those that the manifest lists."""
    if set(archive.namelist()) != {MANIFEST} | {f"{name}.npy" for name in manifest["arrays"]}:
        raise FormatError("the members are not those the manifest lists.")
