"""One array as a member of a zip, in NumPy's .npy format 1.0, read without trusting it.

NumPy evaluates the header as Python; here a pattern reads it. Only plain numbers are read,
never objects, and the claimed size must be the size that is there before any allocation.
"""

from __future__ import annotations

import hashlib
import math
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mdpkit.errors import FormatError

BLOCK = 1 << 20
"""Bytes read or written at a time, so that no array is held twice."""

DTYPE = re.compile(r"[<>](?:f[48]|[iu][48])")
HEADER = re.compile(
    r"\{'descr': '([^']*)', 'fortran_order': False, "
    r"'shape': \(((?:[0-9]{1,19},? ?){0,8})\), \} *\n"
)


def member(name: str) -> zipfile.ZipInfo:
    """A member dated 1980, so that what is written does not depend on the clock."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o644 << 16
    return info


def write_array(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> dict[str, Any]:
    """Store an array as `name`.npy; return what `read_array` will hold it against."""
    array = np.ascontiguousarray(array)
    sha = hashlib.sha256()
    large = array.nbytes >= 1 << 31
    with archive.open(member(f"{name}.npy"), "w", force_zip64=large) as file:
        header = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(file, header)
        for block in _blocks(array.reshape(-1).view(np.uint8)):
            sha.update(block.data)
            file.write(block.data)  # pyright: ignore[reportArgumentType]
    return {"dtype": array.dtype.str, "shape": list(array.shape), "sha256": sha.hexdigest()}


def read_array(archive: zipfile.ZipFile, name: str, claim: Any, kinds: str, axes: set) -> Any:
    """Read `name`.npy; FormatError unless it is as `claim` says and a model may have it."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as file:
        dtype, shape, length = _header(file.read, name)
        claimed = claim if isinstance(claim, dict) else {}
        if (claimed.get("dtype"), claimed.get("shape")) != (dtype, shape):
            raise FormatError(f"{name}: the header says {dtype} {shape}, the manifest {claim}.")
        if dtype[1] not in kinds or len(shape) not in axes:
            raise FormatError(f"{name} is {dtype} with {len(shape)} axes; no model has that.")
        size, there = math.prod(shape) * int(dtype[2]), info.file_size - length
        if size != there:
            raise FormatError(f"{name} claims {size:.4g} bytes; {there} are there.")
        raw, sha = np.empty(size, dtype=np.uint8), hashlib.sha256()
        for block in _blocks(raw):
            data = file.read(block.size)
            if len(data) != block.size:
                raise FormatError(f"{name} ends early.")
            block[:] = np.frombuffer(data, dtype=np.uint8)
            sha.update(data)
    if sha.hexdigest() != claimed.get("sha256"):
        raise FormatError(f"{name}: sha256 does not match; the file is damaged.")
    array = raw.view(dtype).reshape(shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _header(read: Callable[[int], bytes], name: str) -> tuple[str, list[int], int]:
    """Return dtype, shape and the length of the header."""
    magic = read(10)
    length = int.from_bytes(magic[8:10], "little")
    found = HEADER.fullmatch(read(length).decode("latin-1"))
    if magic[:8] != b"\x93NUMPY\x01\x00" or found is None:
        raise FormatError(f"{name}: not an .npy header as NumPy writes it.")
    dtype, shape = found.groups()
    if not DTYPE.fullmatch(dtype):
        raise FormatError(
            f"{name} has dtype {dtype!r}; objects and foreign types are not read."
        )
    return dtype, [int(n) for n in re.findall("[0-9]+", shape)], 10 + length


def _blocks(raw: np.ndarray) -> Iterator[np.ndarray]:
    return (raw[i : i + BLOCK] for i in range(0, raw.size, BLOCK))
