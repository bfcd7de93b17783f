"""A long solve can be stopped, by design or by accident, and taken up where it stood.

    resumed after k steps  =  never stopped     bit for bit, if the method is deterministic

A checkpoint is a zip of plain arrays and a manifest: the method's state field by field, the
counters of the run, and SHA-256 of the model's parts and of the method. It is written whole or
not at all; the one before is kept beside it. Damaged, or taken up on another model or method,
it is refused by name. Nothing is unpickled; but as with a model's file the sums guard against
damage, not malice, so take up what you wrote.

Checked in tests/plan/test_checkpoint.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mdpkit._flat import flatten, paths, read_float, state_type, unflatten
from mdpkit._identity import method_digest, model_digests
from mdpkit.errors import CheckpointWarning, FormatError, ModelError
from mdpkit.io import _zip
from mdpkit.io._json import fields
from mdpkit.io._memory import memory_limit
from mdpkit.io._npy import read_array
from mdpkit.mdp import MDP

FORMAT, VERSION = "mdpkit-checkpoint", 1
KEYS = {"model", "method", "method_sha256", "run", "leaves"}
SECONDS = 30.0
SHARE = 0.05
"""Of the running time that writing checkpoints may take."""


class Checkpoint(NamedTuple):
    """Where a run keeps its state, and every how many seconds.

    every   at least; None is only where the run is interrupted
    """

    path: str | os.PathLike
    every: float | None = SECONDS


class Progress(NamedTuple):
    """Where a run stands between two steps: the state, and what its loop has counted.

    gaps          (k,) after each of the k steps
    best, since   the least gap, and how many steps ago it was found
    seconds       of work until now
    """

    state: Any
    gaps: np.ndarray
    best: float
    since: int
    seconds: float


class Keeper:
    """The checkpoint of one run: whether it is due, how it is written, and read again.

    Raises TypeError for an exact model or a method whose states could not be read again,
    OSError where nothing can be written, FormatError if another file would be replaced.
    """

    def __init__(self, given: Any, mdp: MDP, method: Any, *, resume: bool = False):
        if given is None:
            raise ValueError("resume=True needs checkpoint=, the file to go on from.")
        given = given if isinstance(given, Checkpoint) else Checkpoint(given)
        self.path, self.every = Path(given.path), given.every
        if self.every is not None and not self.every >= 0:
            raise ValueError(f"every must be ≥ 0 seconds; it is {self.every}.")
        self.previous = previous_of(self.path)
        if mdp.is_exact:
            raise TypeError("checkpoints hold floats, and this model is exact. Leave it out.")
        self.mdp, self.method = mdp, method
        self.kind = state_type(method)
        self.method_sha256 = method_digest(method)
        self.model: dict[str, str] | None = None  # hashed when first needed
        self.next = time.monotonic() + (self.every or 0.0)
        check_place(self.path, resume, KEYS, (FORMAT, VERSION), self._remedy())

    def due(self) -> bool:
        """Whether it is time to write again."""
        return self.every is not None and time.monotonic() >= self.next

    def write(self, progress: Progress) -> None:
        """Save, and keep the checkpoint before; a CheckpointWarning where that fails."""
        begun = time.monotonic()
        leaves: dict[str, list] = {}
        arrays = {"gaps": np.asarray(progress.gaps, dtype=float)}
        flatten(self.kind, progress.state, self.mdp, "state", leaves, arrays)
        about = {
            "format": FORMAT,
            "version": VERSION,
            "model": self._model_digests(),
            "method": repr(self.method)[:200],
            "method_sha256": self.method_sha256,
            "run": {
                "best": float(progress.best).hex(),
                "since": float(progress.since).hex(),
                "seconds": float(progress.seconds).hex(),
            },
            "leaves": leaves,
        }
        try:
            _keep_previous(self.path, self.previous)
            _zip.write(self.path, arrays, about)
        except OSError as reason:
            unwritten(self.path, reason, "the solve")
        ended = time.monotonic()
        self.next = ended + max(self.every or 0.0, (ended - begun) / SHARE)

    def read(self) -> Progress:
        """What `write` saved.

        Raises FormatError on damage or another method, ModelError on another model; the first
        names the checkpoint before it, where there is one.
        """
        try:
            return self._read()
        except FormatError as error:
            raise FormatError(f"{self.path}: {error}{self._remedy()}") from error

    def check(self, state: Any) -> None:
        """Raise TypeError now rather than after an hour if a state could not be saved."""
        flatten(self.kind, state, self.mdp, "state", {}, None)

    def _read(self) -> Progress:
        limit = memory_limit(None)
        names = {"gaps"} | paths(self.kind, "state")
        with _zip.opened(self.path, None, limit, "a checkpoint") as archive:
            manifest = _zip.read_manifest(archive, KEYS, (FORMAT, VERSION), limit)
            self._check_identity(manifest)
            _zip.check_members(archive, manifest)
            fields(manifest["arrays"], {"gaps"}, names)
            arrays = {
                name: read_array(archive, name, claim, "fiu", {1, 2, 3})
                for name, claim in manifest["arrays"].items()
            }
        run, leaves = manifest["run"], manifest["leaves"]
        fields(run, {"best", "since", "seconds"}, set())
        fields(leaves, set(), names)
        return Progress(
            unflatten(self.kind, self.mdp, "state", leaves, arrays),
            arrays["gaps"],
            read_float(run["best"], "best"),
            int(read_float(run["since"], "since")),
            read_float(run["seconds"], "seconds"),
        )

    def _check_identity(self, manifest: dict[str, Any]) -> None:
        if manifest["method_sha256"] != self.method_sha256:
            raise FormatError(
                f"it is of another method: {manifest['method']}, sha256 "
                f"{str(manifest['method_sha256'])[:12]}, not {self.method!r}, sha256 "
                f"{self.method_sha256[:12]}."
            )
        ours, theirs = self._model_digests(), manifest["model"]
        fields(theirs, set(ours), set())
        if differs := [name for name in ours if ours[name] != theirs[name]]:
            raise ModelError(
                f"{self.path} is of another model: the sha256 of {' and '.join(differs)} "
                "differs. Resume on the model it was written for, or begin anew.",
                differs=differs,
            )

    def _model_digests(self) -> dict[str, str]:
        if self.model is None:
            self.model = model_digests(self.mdp)
        return self.model

    def _remedy(self) -> str:
        if not self.previous.exists():
            return ""
        return f" The checkpoint before it is {self.previous}: move it there to resume it."


def check_place(
    path: Path, resume: bool, keys: set[str], known: tuple[str, int], remedy: str = ""
) -> None:
    """Refuse what can never be written or resumed, and to replace what is no such checkpoint.

    keys, known : of its manifest, as for `_zip.read_manifest`; remedy : said where it is gone
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(path.parent))
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, "the folder cannot be written", str(path))
    if resume and not path.exists():
        gone = f"there is no checkpoint to resume{remedy}"
        raise FileNotFoundError(errno.ENOENT, gone, str(path))
    if path.exists() and not resume:
        limit = memory_limit(None)
        try:
            with _zip.opened(path, None, limit, "a checkpoint") as archive:
                _zip.read_manifest(archive, keys, known, limit)
        except FormatError as error:
            raise FormatError(
                f"{path} is there and is no checkpoint ({error}), so it will not be "
                "replaced. Name another file, or remove it."
            ) from error


def unwritten(path: Path, reason: OSError, what: str) -> None:
    """Warn that a checkpoint could not be written; `what` goes on without."""
    warnings.warn(
        f"the checkpoint {str(path)!r} could not be written ({reason.strerror or reason}); "
        f"{what} goes on without.",
        CheckpointWarning,
        stacklevel=3,
    )


def previous_of(path: Path) -> Path:
    """Where the checkpoint before the one at `path` is kept."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def _keep_previous(path: Path, previous: Path) -> None:
    """Let `previous` be the file at `path` too, which stays where it is throughout."""
    if not path.exists():
        return
    temporary = previous.with_name(f".{previous.name[:64]}.{secrets.token_hex(8)}.tmp")
    try:
        try:
            os.link(path, temporary)
        except OSError:  # a file system without links
            shutil.copyfile(path, temporary)
        os.replace(temporary, previous)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
