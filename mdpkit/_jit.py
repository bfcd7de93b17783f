"""One door to numba: kernels compile on first use and are kept on disk where that is possible.

numba does not see edits in other modules, so the cache folder is named by a hash of this
package's sources. Kernels take a range of states and return to Python between blocks of at most
about 50 ms, so that Ctrl-C, progress bars and checkpoints work.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import config as numba_config

from mdpkit.errors import CacheWarning

config: Any = numba_config  # its attributes are made at run time

BLOCK = 4_000_000
"""Non-zeros a kernel may touch before it returns to Python: 10 to 50 ms."""

Function = TypeVar("Function", bound=Callable)


def njit(
    function: Function | None = None, *, allocates: bool = True, **options: Any
) -> Function:
    """Compile lazily, with the GIL released, cached where the disk allows it.

    allocates=False : arrays are read, written and sliced, none is made. Then none is counted
    either, and counting their uses can take half the time of a loop over tuples of arrays.
    """
    if function is None:
        return lambda f: njit(f, allocates=allocates, **options)  # type: ignore[return-value]
    if not allocates:
        options["_nrt"] = False
    folder = cache_folder()
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder) if folder else before  # read once, when the cache is made
    try:
        compiled = numba.njit(
            function, cache=folder is not None, nogil=True, error_model="numpy", **options
        )
        return cast(Function, compiled)
    finally:
        config.CACHE_DIR = before


def inlined(function: Function) -> Function:
    """Written into every kernel that calls it, though compiled only once; allocates nothing."""
    return njit(function, allocates=False, forceinline=True)


def compiled(kernel: Any, *example: Any) -> Callable:
    """The machine code of a kernel for arguments typed like these; it is called with them once.

    Skips the search by type, which costs 0.1 ms and more where arguments are tuples of arrays;
    whoever calls it answers for the types.
    """
    kernel(*example)
    types = tuple(numba.typeof(x) for x in example)
    return kernel.get_overload(types)


@cache
def cache_folder() -> Path | None:
    """Return the folder for compiled kernels; None, with a warning, if none can be written."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    base = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(home) / "mdpkit")
    folder = base / f"numba-{numba.__version__}-{_source_hash()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as reason:
        warnings.warn(
            f"kernels will be compiled in every process: {folder} cannot be written "
            f"({reason.strerror}). Set NUMBA_CACHE_DIR to a folder that can.",
            CacheWarning,
            stacklevel=2,
        )
        return None
    _forget_old(base, keep=folder)
    return folder


def _source_hash() -> str:
    """Of the files that hold kernels: a kernel uses names of such files only."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        source = path.read_bytes()
        if b"_jit import" in source:
            digest.update(source)
    return digest.hexdigest()[:12]


def _forget_old(base: Path, keep: Path, most: int = 4) -> None:
    """Remove the caches of sources long edited, newest kept."""
    try:
        old = sorted(base.glob("numba-*"), key=lambda p: p.stat().st_mtime, reverse=True)
    except OSError:
        return
    for folder in [p for p in old if p != keep][most:]:
        shutil.rmtree(folder, ignore_errors=True)


def blocks(n_states: int, n_entries: int, most: int = BLOCK) -> Iterator[tuple[int, int]]:
    """Cut 0 … n_states into ranges of about `most` entries each."""
    count = max(1, -(-n_entries // most))
    size = -(-n_states // count)
    return ((begin, min(begin + size, n_states)) for begin in range(0, n_states, size))
