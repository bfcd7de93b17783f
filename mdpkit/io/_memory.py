"""How much memory a file may ask for, and the refusal, before anything is allocated."""

from __future__ import annotations

import os

from mdpkit.errors import FormatError

SHARE = 0.6
"""The part of the physical memory that one file may fill."""


def memory_limit(max_bytes: int | None) -> int:
    """Return `max_bytes`, or 60 % of the physical memory where it is None."""
    if max_bytes is None:
        return int(SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    if not isinstance(max_bytes, int) or isinstance(max_bytes, bool) or max_bytes <= 0:
        raise ValueError(f"max_bytes must be a positive whole number, not {max_bytes!r}.")
    return max_bytes


def require(n_bytes: int, limit: int, what: str) -> None:
    """Raise FormatError if `what` would take more than `limit` bytes."""
    if n_bytes > limit:
        raise FormatError(
            f"{what} needs {n_bytes:.4g} bytes; the limit is {limit:.4g}. max_bytes= raises it."
        )
