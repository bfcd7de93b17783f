"""What `auto` chooses and why, and the quick test for a narrow band."""

from itertools import permutations

import numpy as np
import pytest
from scipy.sparse import csr_array

import mdpkit as mk
from mdpkit import MDP
from mdpkit._rows import read_csr
from mdpkit.gallery import make
from mdpkit.operators.reach import walk
from mdpkit.operators.resolvent import stays_sparse
from mdpkit.plan import (
    ExactPolicyIteration,
    InexactPolicyIteration,
    ModifiedPolicyIteration,
    PolicyIteration,
    TopologicalValueIteration,
    auto,
)


def islands(n, size, gamma=0.99):
    """n rings of `size` states, each ring leading now and then to the next."""
    total = n * size
    s = np.arange(total)
    ring = s // size * size
    onward = np.minimum(ring + size, total - 1)
    rng = np.random.default_rng(0)
    rows, columns, values = [], [], []
    for a in range(2):
        for shift, p in ((1, 0.5), (7 + a, 0.49)):
            rows.append(2 * s + a)
            columns.append(ring + (s - ring + shift) % size)
            values.append(np.full(total, p))
        rows.append(2 * s + a)
        columns.append(onward)
        values.append(np.full(total, 0.01))
    parts = (np.concatenate(x) for x in (values, rows, columns))
    values, rows, columns = parts
    P = csr_array((values, (rows, columns)), (2 * total, total))
    return MDP(P, rng.random(2 * total), gamma, action_ptr=2 * np.arange(total + 1))


@pytest.mark.parametrize(
    ("model", "method"),
    [
        (lambda: make("river-swim"), PolicyIteration),
        (lambda: make("river-swim").exact(), ExactPolicyIteration),
        (lambda: make("queue", capacity=2000), PolicyIteration),
        (lambda: make("garnet", S=2000, A=5, b=8, gamma=0.99), ModifiedPolicyIteration),
        (lambda: make("lake", size=90, seed=0, gamma=0.99), InexactPolicyIteration),
        (lambda: islands(6, 300), TopologicalValueIteration),
    ],
)
def test_the_method_fits_the_model(model, method):
    mdp = model()
    choice = auto(mdp)
    assert isinstance(choice.method, method), choice.why
    solution = mk.solve(mdp)
    assert solution.why == choice.why
    assert len(choice.why) > 20


def test_the_trial_is_not_lost_and_a_start_that_is_given_wins():
    mdp = make("garnet", S=2000, A=5, b=8, gamma=0.99)
    assert auto(mdp).start is not None
    ahead = mk.solve(mdp, start=mk.solve(mdp).v)
    assert ahead.steps <= 2


@pytest.mark.parametrize("seed", range(20))
def test_no_order_of_the_states_has_a_narrower_band_than_the_bound(seed):
    rng = np.random.default_rng(seed)
    n = 6
    dense = (rng.random((n, n)) < 0.25) | np.eye(n, dtype=bool)
    rows = read_csr(csr_array(dense / dense.sum(axis=1, keepdims=True)))
    s, t = np.nonzero(dense)
    narrowest = min(
        np.abs(np.array(order)[s] - np.array(order)[t]).max()
        for order in permutations(range(n))
    )
    assert walk(rows, np.arange(n + 1)).band <= narrowest


def test_bands_are_told_from_meshes():
    n, third = 3000, np.full(9000, 1 / 3)
    near = np.clip(np.arange(n)[:, None] + [-1, 0, 1], 0, n - 1).reshape(-1)
    band = csr_array((third, near, 3 * np.arange(n + 1)), (n, n))
    shuffled = np.random.default_rng(0).permutation(n)
    assert stays_sparse(read_csr(band))
    assert stays_sparse(read_csr(band[shuffled][:, shuffled]))
    wild = np.random.default_rng(1).integers(0, n, 3 * n)
    mesh = csr_array((third, wild, 3 * np.arange(n + 1)), (n, n))
    assert not stays_sparse(read_csr(mesh))
