"""Compiled programs kept for the next process: most of a short training is compiling it.

They lie where compiled kernels do, in a folder for this kind of processor, since they hold its
instructions. Only the command line asks for it; a program that wants it calls `keep`, or sets
JAX_COMPILATION_CACHE_DIR. Checked in tests/cli/test_train.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

MOST = 300
"""Programs kept; each has about a quarter of a megabyte."""

SECONDS = 0.2
"""Of compiling, that a program is worth being kept for."""


def keep() -> Path | None:
    """Keep what this process compiles from now on; the folder, or None if there is none.

    A folder that JAX was told of stays.
    """
    if jax.config.jax_compilation_cache_dir is not None:  # pyright: ignore
        return Path(jax.config.jax_compilation_cache_dir)  # pyright: ignore
    folder = _folder()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            _forget_old(folder)
            jax.config.update("jax_compilation_cache_dir", str(folder))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", SECONDS)
            compilation_cache.reset_cache()  # else what was compiled before has settled it
            return folder
    return None


def _folder() -> Path:
    from llvmlite import binding

    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    features = binding.get_host_cpu_features().flatten()
    processor = f"{binding.get_host_cpu_name()} {features}"
    return Path(home) / "mdpkit" / f"jax-{hashlib.sha256(processor.encode()).hexdigest()[:12]}"


def _forget_old(folder: Path) -> None:
    """Remove the oldest programs beyond MOST."""
    files = sorted(folder.glob("*"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[MOST:]:
        file.unlink(missing_ok=True)
