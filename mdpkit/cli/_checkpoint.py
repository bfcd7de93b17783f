"""Where a long run keeps its state for `--resume`, and what is said about it."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from mdpkit.cli import _console as console
from mdpkit.cli import _files as files

SUFFIX = ".checkpoint.npz"

Keep = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="Keep the state there (.npz) every 30 s and at an early end. Otherwise on Ctrl-C "
        "only, or beside --save.",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the checkpoint, to the same answer.")
]


class Place(NamedTuple):
    """The checkpoint of a solve or a training: None where it has none.

    named    whether the command line names it; if not, it is removed when it has served
    before   when it was last written before this run, in ns
    """

    checkpoint: Any
    named: bool
    before: int | None


def place(
    named: str | None, save: str | None, resume: bool, exact: bool, question: tuple
) -> Place:
    """Return where to keep the state: as named, beside `save`, or in the current folder.

    question   what the command asks, but for how long and how finely: the name in the current
               folder is of its first part, the source, and of a hash of all
    """
    from mdpkit.checkpoint import Checkpoint

    files.check_writable(named, (".npz",), "--checkpoint")
    if exact and (named is not None or resume):
        raise ValueError("--exact keeps no state: leave --checkpoint and --resume out.")
    if named is not None:
        given = Checkpoint(named)
    elif save is not None and not exact:
        given = Checkpoint(Path(save).with_suffix(SUFFIX))
    elif resume or (not exact and os.access(".", os.W_OK)):
        given = Checkpoint(_default(question), every=None)
    else:
        return Place(None, False, None)
    return Place(given, named is not None, _written(given.path))


def _default(question: tuple) -> str:
    """A name that one question always has, and another has not."""
    stem = Path(str(question[0]).partition("?")[0].rpartition(":")[2]).stem
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.")[:40] or "model"
    return f"{slug}-{hashlib.sha256(repr(question).encode()).hexdigest()[:8]}{SUFFIX}"


def _written(path: Any) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def report(at: Place, resume: bool, *, finished: bool) -> None:
    """Say where an unfinished run can go on; remove what a finished one leaves behind."""
    from mdpkit.checkpoint import previous_of

    if at.checkpoint is None:
        return
    path = Path(at.checkpoint.path)
    ours = resume or _written(path) != at.before
    if finished:
        if ours and not at.named:
            for file in (path, previous_of(path)):
                file.unlink(missing_ok=True)
    elif _written(path) != at.before:
        console.note(f"wrote {path}; --resume goes on from there")
