"""Functions that processes of tests/test_map.py can import."""

import multiprocessing
import os
import time

import numpy as np
from threadpoolctl import threadpool_info

import mdpkit as mk
from mdpkit.plan import ValueIteration


def drawn(item, rng):
    """A number, a sum by BLAS and a solution by LAPACK, from the item's own generator."""
    A = rng.normal(size=(120, 120))
    return item, rng.random(), float((A @ A[0]).sum()), np.linalg.solve(A, A[0]).tobytes()


def solved(mdp):
    """The solution, whether the model is still read-only, and who computed it."""
    arrays = [mdp._r, mdp.action_ptr, *(mdp.rows[:3] if mdp.is_sparse else [mdp.rows])]
    locked = not any(x.flags.writeable for x in arrays)
    return mk.solve(mdp), locked, multiprocessing.current_process().name


def unsolved(mdp):
    """Raises NotSolvedError."""
    return mk.solve(mdp, ValueIteration(), max_steps=1)


def threads(_):
    """How many threads each BLAS here may use."""
    return [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]


def odd(item):
    """The item, unless it is 3 or 5."""
    if item in (3, 5):
        raise KeyError(f"no {item}")
    return item


def forever(item):
    """Say who is at work, and go on for a minute."""
    os.write(1, f"{os.getpid()}\n".encode())  # at once: two processes share the pipe
    time.sleep(60)
    return item


def killed(item):
    """End the process in the middle of its work."""
    os._exit(1)


class Stubborn(Exception):
    """An exception that cannot be pickled and read again."""

    def __init__(self, a, b):
        super().__init__(a)


def stubborn(item):
    """Raises it."""
    raise Stubborn(item, item)
