"""A file is either what it was or what it should be, never something between.

Written to a new file in the same folder, forced to the disk, then renamed over the old one.
Checked in tests/io/test_atomic.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file that takes the place of `path` when the block ends, and only if it ends well.

    mode     "wb", or "w" for UTF-8 text
    yields   the open file; on any exception it is removed and the old file stays as it was

    A new file gets the permissions the umask leaves, a replaced one keeps its own. Where `path`
    is a symbolic link, the link is replaced, not its target. Of two writers the last one wins.
    """
    if mode not in ("w", "wb"):
        raise ValueError(f'mode must be "w" or "wb", not {mode!r}.')
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(path.parent))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder", str(path))
    temporary = path.with_name(f".{path.name[:64]}.{secrets.token_hex(8)}.tmp")
    try:
        with _create(temporary, _permissions(path), mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename = str(path)  # the disk is full: say for which file
        raise
    _sync_folder(path.parent)


def _permissions(path: Path) -> int | None:
    """Permission bits of the regular file to be replaced, None if there is none."""
    with contextlib.suppress(OSError):
        found = path.lstat().st_mode
        return stat.S_IMODE(found) & 0o777 if stat.S_ISREG(found) else None
    return None


def _create(path: Path, permissions: int | None, mode: str) -> IO[Any]:
    # O_EXCL: a file or link that someone put there is never followed.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    handle = os.open(path, flags, 0o666 if permissions is None else 0o600)
    if permissions is not None:
        os.fchmod(handle, permissions)
    return os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8")


def _sync_folder(folder: Path) -> None:
    # The rename has happened; a file system that cannot sync a folder does not undo it.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
