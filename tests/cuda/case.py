"""What a case of a kernel is, how it is entered, and the models that it runs on.

A case names its kernels and yields (what the device says, what the CPU says, how far apart they
may be); the distances are computed from rounding, and 0 where the two do the same operations in
the same order. `device` is the CuPy to use, ours or the real one; without `full` it takes few
models, though every kernel.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from mdpkit.gallery import make
from mdpkit.mdp import MDP
from tests.oracles import random_mdp


class Case(NamedTuple):
    """A check of some kernels, "source kernel"."""

    kernels: tuple[str, ...]
    run: Callable[[Any, bool], Any]


CASES: dict[str, Case] = {}


def case(*kernels):
    """Enter a case."""

    def enter(function):
        CASES[function.__name__] = Case(kernels, function)
        return function

    return enter


def here(x):
    """On the CPU, as numbers."""
    x = x.get() if hasattr(x, "get") else x
    return np.asarray(x, dtype=float)


def models(full, count=10):
    """Small ones of every kind, and of several chunks or strides one, or two."""
    yield from (random_mdp(seed) for seed in range(count if full else 4))
    yield make("garnet", S=220, A=4, b=5, gamma=0.9)
    if full:
        yield make("garnet", S=600, A=1, b=3, gamma=0.9)


def wide():
    """States of more entries than a chunk holds: its rows are swept by groups of lanes."""
    rng = np.random.default_rng(1)
    P = rng.dirichlet(np.ones(60), 60 * 40) * (rng.random((2400, 60)) < 0.9)
    P[:, 0] += 1 - P.sum(axis=1)
    return MDP(csr_array(P), rng.normal(size=2400), 0.9, action_ptr=np.arange(61) * 40)


def values(mdp, seed=0):
    """Values of the rewards' size."""
    return np.random.default_rng(seed).normal(size=mdp.n_states) * (1 + mdp.reward_size)


def check(name, device, *, full=True):
    """Assert that a case holds; return how many comparisons it made."""
    count = 0
    for found, true, near in CASES[name].run(device, full):
        found, true = here(found), here(true)
        same = (found == true) | (np.isnan(found) & np.isnan(true))  # infinities too
        with np.errstate(invalid="ignore"):
            apart = np.where(same, 0.0, np.abs(found - true))
        assert np.all(apart <= near), (name, count, float(np.max(apart)), near)
        count += 1
    return count
