"""A model that every method applies to, and runs of it that end early."""

import numpy as np
from scipy.sparse import csr_array

import mdpkit as mk
from mdpkit.checkpoint import Checkpoint
from mdpkit.plan import (
    ValueIteration,
)


def model(seed=0, *, gamma=0.97, sparse=False):
    """Seven states and three actions, without an end, so that every method applies."""
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.full(7, 0.3), size=(7, 3))
    r = rng.normal(size=(7, 3))
    if not sparse:
        return mk.MDP(P, r, gamma)
    P = np.where(P < 0.05, 0, P)
    rows = csr_array((P / P.sum(axis=2, keepdims=True)).reshape(21, 7))
    return mk.MDP(rows, r, gamma)


def interrupted(monkeypatch, mdp, method, k, path, *, chosen=False, **options):
    """Ctrl-C in the k-th step; chosen: by structure, where that chooses this method."""
    whole, calls = type(method).step, []

    def step(self, mdp, state):
        calls.append(state)
        if len(calls) == k:
            raise KeyboardInterrupt
        return whole(self, mdp, state)

    with monkeypatch.context() as patch:
        patch.setattr(type(method), "step", step)
        given = None if chosen else method
        return mk.solve(mdp, given, checkpoint=path, throw=False, **options)


def same(a, b):
    """Whether two solutions are equal bit for bit."""
    names = ("v", "q", "policy", "lower", "upper", "gaps")
    equal = [getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in names]
    words = [(x.status, x.steps, x.gap, x.loss) for x in (a, b)]
    return all(equal) and words[0] == words[1]


def two_generations(tmp_path):
    path = tmp_path / "c.npz"
    given = Checkpoint(path, every=0)
    mk.solve(model(), ValueIteration(), max_steps=9, checkpoint=given, throw=False)
    return path, tmp_path / "c.previous.npz"
