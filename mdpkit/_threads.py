"""Work on ranges of states or runs: cut into short calls, on one thread or several.

Kernels release the interpreter's lock, so plain threads serve, and one kernel is both the
serial and the parallel one. Calls are short, so that Ctrl-C and progress bars work. Who does
which changes no bit: cuts depend on the work alone, a run's random numbers on its own index.
Nobody spins at a barrier; where the other cores are busy, the caller does most of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

BUDGET = 400_000
"""Steps of a run a kernel may take before it returns to Python: 10 to 40 ms."""

WORTH, CHUNK = 500_000, 250_000
"""Entries from which a second thread pays (`python -m benchmarks twins`), and a call's."""

Found = TypeVar("Found")
_limits: list[int] = []


def over_states(work: Callable[[int, int], Found], n: int, n_entries: int) -> list[Found]:
    """[work(begin, end), …] on ranges of states that cover 0 … n and touch n_entries in all.

    As many threads as NUMBA_NUM_THREADS says (all cores, if nothing), where that pays.
    """
    if n_entries < WORTH:
        return [work(0, n)]
    from mdpkit._jit import blocks  # here, for it loads numba

    parts = list(blocks(n, n_entries, CHUNK))
    return _shared(work, parts, min(most_threads(), len(parts)))


def over_runs(
    work: Callable[[int, int], object], n: int, *, cost: float = 1.0, threads: int = 1
) -> None:
    """Call work(begin, end) on ranges that cover 0 … n; `cost` is the steps of one run."""
    if threads < 1:
        raise ValueError(f"threads must be ≥ 1; it is {threads}.")
    size = max(1, min(-(-n // threads), int(BUDGET / max(cost, 1.0))))
    parts = [(begin, min(begin + size, n)) for begin in range(0, n, size)]
    _shared(work, parts, min(threads, len(parts)))


def extremes(found: list[tuple[float, float]]) -> tuple[float, float]:
    """The least of the first and the greatest of the second numbers."""
    return min(low for low, _ in found), max(high for _, high in found)


def most_threads() -> int:
    """The threads that a sweep may use here and now."""
    from mdpkit._jit import config

    return min([config.NUMBA_NUM_THREADS, *_limits])


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Let sweeps of this process use that many threads at most, meanwhile."""
    _limits.append(threads)
    try:
        yield
    finally:
        _limits.remove(threads)


def _shared(
    work: Callable[[int, int], Found], parts: list[tuple[int, int]], threads: int
) -> list[Found]:
    """[work(*part) for part in parts]: this thread and the others take the next in turn."""
    if threads <= 1:
        return [work(*part) for part in parts]
    found, turn = {}, iter(range(len(parts)))  # next(turn) is one step under the lock

    def take() -> None:
        try:  # numba compiles under a lock of its own, so once
            for i in turn:
                found[i] = work(*parts[i])
        finally:  # after an error, or Ctrl-C, nobody takes another
            for _ in turn:
                pass

    others = [_pool(threads - 1).submit(take) for _ in range(threads - 1)]
    try:
        take()
    finally:
        late = [other for other in others if not other.cancel()]
    for other in late:
        other.result()
    return [found[i] for i in range(len(parts))]


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="mdpkit")


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
