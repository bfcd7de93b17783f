"""One function of many items, on any number of workers, with the same results.

    map(fn, items, executor)[i] = fn(items[i])         bit for bit, for every executor

Item i draws from a generator of its own, a function of the seed and of i; the linear algebra
under it runs on one thread, because how many share a sum decides how it is rounded. Processes
are spawned, never forked: a fork copies locks that threads of the parent hold.

Checked in tests/test_map.py.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from operator import index
from typing import Any, SupportsIndex

from mdpkit._progress import count_bar
from mdpkit._threads import limited

CHUNKS = 256
"""About how many jobs there are: enough to share them well, too few for sending to cost."""


@dataclass(frozen=True)
class _Job:
    """Some consecutive items, the number of the first, and a seed for each."""

    fn: Callable
    first: int
    items: list
    seeds: list[int] | None
    parent: int


def map(
    fn: Callable,
    items: Iterable,
    executor: Any = None,
    *,
    rng: Any = None,
    progress: bool = False,
) -> list:
    """[fn(item) for item in items], in this order, wherever it is computed.

    fn         of one item; with `rng` it is called as fn(item, rng=generator)
    executor   None: here, one after another; a whole number n ≥ 1: n processes; or any with
               `submit` or `map` (concurrent.futures, loky, dask, a pool), or a joblib.Parallel
    rng        a seed, SeedSequence or Generator, from which each item gets a generator
    progress   draw a bar on standard error

    Raises what fn raised for the first item that fails, with a note that names the item; what
    has not begun then never begins, nor after Ctrl-C. Raises TypeError if fn cannot be sent to
    another process. Where processes are started, scripts need `if __name__ == "__main__":`.
    An executor of your own decides itself whether it forks; and where a process of it has
    several threads, equal bits need OPENBLAS_NUM_THREADS=1 there.
    """
    jobs = _jobs(fn, list(items), rng)
    n_items = sum(len(job.items) for job in jobs)
    found: list = []
    with (
        _one_thread(),
        count_bar(progress, "items", n_items) as show,
        _running(executor, jobs) as results,
    ):
        for part in results:
            found.extend(part)
            show(len(found))
    return found


def _jobs(fn: Callable, items: list, rng: Any) -> list[_Job]:
    if not callable(fn):
        raise TypeError(f"fn must be a function; it is {fn!r}.")
    seeds = None
    if rng is not None:
        from mdpkit._random import keys

        seeds = [int(key) for key in keys(rng, len(items))]
    size = max(1, len(items) // CHUNKS)
    cuts = [slice(i, i + size) for i in range(0, len(items), size)]
    parent = os.getpid()
    return [_Job(fn, c.start, items[c], seeds and seeds[c], parent) for c in cuts]


def _run(job: _Job) -> list:
    """The results of a job, wherever this runs."""
    here = os.getpid() == job.parent  # where `map` itself sees to it
    with contextlib.nullcontext() if here else _one_thread():
        return [_call(job, i, item) for i, item in enumerate(job.items)]


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Limit sweeps and BLAS to one thread; a limit is a process's, but one thread sets it."""
    import scipy.linalg  # noqa: F401  its BLAS must be there to be limited
    from threadpoolctl import threadpool_limits

    with limited(1), threadpool_limits(limits=1, user_api="blas"):
        yield


def _call(job: _Job, i: int, item: Any) -> Any:
    try:
        if job.seeds is None:
            return job.fn(item)
        import numpy as np

        return job.fn(item, rng=np.random.default_rng(job.seeds[i]))
    except Exception as error:
        error.add_note(f"in item {job.first + i} of mdpkit.map: {_short(item)}")
        if os.getpid() != job.parent and not _travels(error):
            told = RuntimeError(f"{type(error).__name__}: {error}")
            told.__notes__ = error.__notes__
            raise told from None
        raise


def _short(item: Any) -> str:
    text = repr(item)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _travels(error: Exception) -> bool:
    """Whether an exception arrives as it left: one that does not would end the whole pool."""
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)
    except Exception:
        return False


# ---- executors -------------------------------------------------------------------------------


@contextlib.contextmanager
def _running(executor: Any, jobs: list[_Job]) -> Iterator[Iterable[list]]:
    """The results of the jobs in order, as they come; nothing more begins after an error."""
    if executor is None:
        yield (_run(job) for job in jobs)
    elif hasattr(executor, "submit"):
        yield from _submitted(executor, jobs)
    elif hasattr(executor, "map"):
        yield executor.map(_run, jobs)
    elif hasattr(
        executor, "n_jobs"
    ):  # a joblib.Parallel is called with functions and arguments
        yield executor((_run, (job,), {}) for job in jobs)
    else:
        yield from _spawned(_number(executor), jobs)


def _number(executor: Any) -> int:
    if isinstance(executor, bool) or not isinstance(executor, SupportsIndex):
        raise TypeError(
            "executor must be None, a whole number of processes, or have submit() or map(); "
            f"it is {executor!r}."
        )
    n = index(executor)
    if n < 1:
        raise ValueError(f"executor must be at least 1 process; it is {n}.")
    return n


def _submitted(executor: Any, jobs: list[_Job]) -> Iterator[Iterable[list]]:
    futures = [executor.submit(_run, job) for job in jobs]
    try:
        yield (future.result() for future in futures)
    finally:
        for future in futures:
            future.cancel()


def _spawned(n: int, jobs: list[_Job]) -> Iterator[Iterable[list]]:
    if not jobs:
        yield []
        return
    _check_sendable(jobs[0].fn)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(n, len(jobs)), mp_context=context, initializer=_worker)
    try:
        # No future is cancelled: a pool whose workers end expects to tell each one so itself.
        futures = [pool.submit(_run, job) for job in jobs]
        yield (future.result() for future in futures)
    except BrokenExecutor as error:
        error.add_note(
            "A process of mdpkit.map ended before its work did: perhaps killed for its memory; "
            'or the script calls map outside of `if __name__ == "__main__":`.'
        )
        raise
    except BaseException:
        _terminate(pool)
        raise
    finally:
        pool.shutdown()


def _terminate(pool: ProcessPoolExecutor) -> None:
    """End the workers in the middle of their work. (Python 3.14 has a method for it.)"""
    for process in list((pool._processes or {}).values()):
        process.terminate()


def _check_sendable(fn: Callable) -> None:
    """Raise TypeError where a worker could not find the function."""
    own = fn
    while isinstance(own, partial):
        own = own.func
    main = sys.modules.get("__main__")
    told = f"{fn!r} cannot be sent to another process"
    if getattr(own, "__module__", None) == "__main__" and not hasattr(main, "__file__"):
        raise TypeError(f"{told}: it is defined in a session, not in a file to import.")
    try:
        pickle.dumps(fn)
    except Exception as error:
        raise TypeError(
            f"{told}: {error}. Define it at the top of a module; functools.partial fixes "
            "arguments."
        ) from error


def _worker() -> None:
    """Prepare a process: Ctrl-C is its parent's to answer, and it ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: Any) -> None:
    wait([sentinel])
    os._exit(1)
