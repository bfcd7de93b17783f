"""Random models of every storage, and what it means that two are the same to the bit."""

import numpy as np
import pytest

from mdpkit import MDP

KINDS = ["dense", "stop", "masked", "csr", "ragged", "gaps", "names", "start"]


def random_rows(rng, n_pairs, n_states):
    """Dyadic probabilities, many of them zero, so that each row sums to exactly 1."""
    counts = rng.multinomial(64, rng.dirichlet(np.full(n_states, 0.3)), size=n_pairs)
    return counts / 64.0


def random_model(seed, kind):
    rng = np.random.default_rng(seed)
    S, A = int(rng.integers(1, 7)), int(rng.integers(1, 5))
    P, r = random_rows(rng, S * A, S).reshape(S, A, S), rng.normal(size=(S, A))
    gamma = float(rng.uniform(0.1, 0.999))
    if kind == "dense":
        return MDP(P, r, gamma)
    if kind == "names":
        states = [("héllo\n", i, None) if i % 2 else "[{\"'\\" + str(i) for i in range(S)]
        return MDP(P, r, gamma, states=states, actions=list(range(10, 10 + A)))
    if kind == "start":
        return MDP(P, -0.0 * r, gamma, start=random_rows(rng, 1, S)[0])
    if kind == "stop":
        stop = rng.integers(0, 3, size=(S, A)) / 2.0
        return MDP(P * (1 - stop)[..., None], r, gamma, stop=stop)
    mask = rng.random((S, A)) < 0.6
    mask[np.arange(S), rng.integers(0, A, size=S)] = True
    if kind == "masked":
        return MDP(P, r, gamma, mask=mask)
    from scipy.sparse import csr_array

    if kind == "csr":
        return MDP(csr_array(P.reshape(S * A, S)), r, gamma)
    s, a = np.nonzero(mask)
    rows = csr_array(P[s, a])
    if kind == "gaps":
        return MDP.from_pairs(s, a, rows, r[s, a], gamma)
    ptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
    return MDP(rows, r[s, a], gamma, action_ptr=ptr)


def bits(x):
    """An array so that equal means equal to the bit; a rational as its text."""
    x = np.ascontiguousarray(x)
    return x.astype(str) if x.dtype == np.dtype(object) else x.reshape(-1).view(np.uint8)


def assert_same(a, b):
    assert a.is_sparse == b.is_sparse
    assert a.is_exact == b.is_exact
    assert a.pair_shape == b.pair_shape
    for name in ("gamma", "states", "actions", "n_actions", "defect"):
        assert getattr(a, name) == getattr(b, name), name
    arrays = [(a.r, b.r), (a.action_ptr, b.action_ptr), (a.pair_actions, b.pair_actions)]
    arrays += [(a.stop, b.stop), (a.start, b.start)]
    parts = ("values", "columns", "row_ptr") if a.is_sparse else ()
    arrays += [(getattr(a.rows, part), getattr(b.rows, part)) for part in parts]
    for x, y in arrays if parts else [*arrays, (a.rows, b.rows)]:
        assert x.shape == y.shape
        assert x.dtype == y.dtype
        assert (bits(x) == bits(y)).all()
    for name in ("_start", "_stop", "_pair_actions"):
        assert (getattr(a, name) is None) == (getattr(b, name) is None), name


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def model():
    return random_model


@pytest.fixture
def same():
    return assert_same
