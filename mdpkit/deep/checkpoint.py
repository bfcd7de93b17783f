"""A long training can be stopped and taken up where it stood, to the same bit.

    resumed after k chunks  =  never stopped

The state's arrays are kept one after another as plain words, with the hash of what is trained;
shapes and types are those of the run that takes them up, so a file can only be refused, never
believed. It is written whole or not at all. Checked in tests/deep/test_checkpoint.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from mdpkit._flat import read_float
from mdpkit.checkpoint import SHARE, Checkpoint, check_place, unwritten
from mdpkit.errors import FormatError
from mdpkit.io import _zip
from mdpkit.io._json import fields
from mdpkit.io._memory import memory_limit
from mdpkit.io._npy import read_array

FORMAT, VERSION = "mdpkit-training", 1
KEYS = {"training_sha256", "done", "seconds"}


class Kept(NamedTuple):
    """A training between two chunks, of which `done` are.

    curve : (steps, returns (k,)) of each evaluation; seconds : of running until now
    """

    done: int
    state: Any
    curve: tuple
    seconds: float


class Keeper:
    """The checkpoint of one training; with None it keeps nothing.

    given    a path or `mdpkit.checkpoint.Checkpoint`
    identity what is trained, where and for how long; another's file is refused

    Raises OSError where nothing can be written, FormatError if another file would be replaced,
    or resumed.
    """

    def __init__(self, given: Any, resume: bool, identity: str):
        if resume and given is None:
            raise ValueError("resume=True needs checkpoint=, the file to go on from.")
        self.identity = hashlib.sha256(identity.encode()).hexdigest()
        self.resumes, self.path, self.every = resume, None, None
        if given is None:
            return
        given = given if isinstance(given, Checkpoint) else Checkpoint(given)
        self.path, self.every = Path(given.path), given.every
        self.next = time.monotonic() + (self.every or 0.0)
        check_place(self.path, resume, KEYS, (FORMAT, VERSION))
        if resume:  # refused now rather than when all is compiled
            with self._opened():
                pass

    def write_if_due(self, kept: Kept) -> None:
        """Save if it is time to."""
        if self.every is None or time.monotonic() < self.next:
            return
        begun = time.monotonic()
        self.write(kept)
        ended = time.monotonic()
        self.next = ended + max(self.every, (ended - begun) / SHARE)

    def write(self, kept: Kept) -> None:
        """Save; a CheckpointWarning where that fails."""
        if self.path is None:
            return
        arrays = {f"leaf{i}": _words(x) for i, x in enumerate(_leaves(kept.state))}
        arrays["steps"] = np.asarray([steps for steps, _ in kept.curve], dtype="<i8")
        for i, (_, returns) in enumerate(kept.curve):
            arrays[f"returns{i}"] = np.asarray(returns, dtype="<f8")
        about = {
            "format": FORMAT,
            "version": VERSION,
            "training_sha256": self.identity,
            "done": kept.done,
            "seconds": kept.seconds.hex(),
        }
        try:
            _zip.write(self.path, arrays, about)
        except OSError as reason:
            unwritten(self.path, reason, "the training")

    def read(self, like: Any) -> Kept:
        """What `write` saved; `like` is a state of the same shapes.

        Raises FormatError for damage, or a checkpoint of another training.
        """
        with self._opened() as (archive, manifest):
            _zip.check_members(archive, manifest)
            leaves = _leaves(like)
            points = len([name for name in manifest["arrays"] if name.startswith("returns")])
            names = {f"leaf{i}" for i in range(len(leaves))} | {"steps"}
            names |= {f"returns{i}" for i in range(points)}
            fields(manifest["arrays"], names, set())
            arrays = {
                name: read_array(archive, name, claim, "fiu", {1})
                for name, claim in manifest["arrays"].items()
            }
            found = [_shaped(arrays[f"leaf{i}"], x) for i, x in enumerate(leaves)]
            curve = tuple(
                (int(arrays["steps"][i]), arrays[f"returns{i}"]) for i in range(points)
            )
            seconds = read_float(manifest["seconds"], "seconds")
            return Kept(int(manifest["done"]), _filled(like, found), curve, seconds)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[Any, dict[str, Any]]]:
        """The file and its manifest, if it is of this training; errors have its name."""
        path, limit = Path(self.path or ""), memory_limit(None)
        try:
            with _zip.opened(path, None, limit, "a checkpoint") as archive:
                manifest = _zip.read_manifest(archive, KEYS, (FORMAT, VERSION), limit)
                if manifest["training_sha256"] != self.identity:
                    raise FormatError(
                        "it is of another training: algorithm, environment, steps and seeds "
                        "must be those it was written for."
                    )
                yield archive, manifest
        except FormatError as error:
            raise FormatError(f"{self.path}: {error}") from error


def _leaves(state: Any) -> list[np.ndarray]:
    """The arrays of a state, keys as the numbers they are."""
    return [np.asarray(_plain(x)) for x in jax.tree.leaves(state)]


def _plain(x: Any) -> Any:
    return jax.random.key_data(x) if _is_key(x) else x


def _is_key(x: Any) -> bool:
    return jax.numpy.issubdtype(x.dtype, jax.dtypes.prng_key)


def _words(x: np.ndarray) -> np.ndarray:
    """The bytes of an array as 32-bit words, zeros behind."""
    raw = np.ascontiguousarray(x).reshape(-1).view(np.uint8)
    return np.concatenate([raw, np.zeros(-raw.size % 4, np.uint8)]).view("<u4")


def _shaped(words: np.ndarray, like: np.ndarray) -> np.ndarray:
    if words.size != -(-like.nbytes // 4):
        raise FormatError(f"an array has {4 * words.size} bytes where {like.nbytes} belong.")
    return words.view(np.uint8)[: like.nbytes].view(like.dtype).reshape(like.shape)


def _filled(like: Any, found: list[np.ndarray]) -> Any:
    leaves, structure = jax.tree.flatten(like)
    new = [
        jax.random.wrap_key_data(jax.numpy.asarray(x), impl=jax.random.key_impl(old))
        if _is_key(old)
        else jax.numpy.asarray(x)
        for old, x in zip(leaves, found, strict=True)
    ]
    return jax.tree.unflatten(structure, new)
