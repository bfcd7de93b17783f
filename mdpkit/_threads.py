"""Many independent runs through one kernel: cut into short calls, on one thread or several.

Kernels release the interpreter's lock, so plain threads serve; a call touches about BUDGET
steps, so that Ctrl-C and progress bars work. Which thread does which runs changes nothing,
because a run's random numbers depend on its own index alone.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

BUDGET = 400_000
"""Steps a kernel may take before it returns to Python: 10 to 40 ms."""


def over_runs(
    work: Callable[[int, int], Any], n: int, *, cost: float = 1.0, threads: int = 1
) -> None:
    """Call work(begin, end) on ranges that cover 0 … n; `cost` is the steps of one run."""
    if threads < 1:
        raise ValueError(f"threads must be ≥ 1; it is {threads}.")
    size = max(1, min(-(-n // threads), int(BUDGET / max(cost, 1.0))))
    ranges = [(begin, min(begin + size, n)) for begin in range(0, n, size)]
    if threads == 1 or len(ranges) == 1:
        for begin, end in ranges:
            work(begin, end)
        return
    pool = ThreadPoolExecutor(threads)
    try:  # numba compiles under a lock of its own, so once
        for done in [pool.submit(work, begin, end) for begin, end in ranges]:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)
