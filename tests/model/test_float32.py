"""Probabilities kept in float32: less memory, sums in float64, bounds that hold all the same.

Oracle: the same model in float64, solved to 1e-9.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

import mdpkit as mk
from mdpkit._check import NARROW
from mdpkit.errors import ModelError
from mdpkit.gallery import make
from mdpkit.operators.bellman import action_values, action_values_reference, rounding, sweep
from mdpkit.operators.resolvent import solve_chain
from mdpkit.policy import take_rows

SLOW = ["gs", "elimination", "topological", "lp"]  # each has a kernel of its own to compile
METHODS = [None, "vi", "pi", "mpi", "ipi"]
METHODS += [pytest.param(method, marks=pytest.mark.slow) for method in SLOW]


def narrow(mdp, dtype=np.float32):
    """The same model, its probabilities in 4 bytes each."""
    P = csr_array(mdp.P)
    P = csr_array((P.data.astype(dtype), P.indices, P.indptr), P.shape)
    return mk.MDP(P, mdp._r, mdp.gamma, action_ptr=mdp.action_ptr, stop=mdp._stop)


def wide_rows():
    """Rows of 80 entries, enough of them for the compiled checks."""
    rng = np.random.default_rng(0)
    columns = np.sort(rng.permuted(np.tile(np.arange(700), (7000, 1)), axis=1)[:, :80])
    P = rng.dirichlet(np.ones(80), 7000).reshape(-1)
    rows = (P, columns.reshape(-1), np.arange(7001) * 80)
    return mk.MDP(csr_array(rows), rng.random(7000), 0.9, action_ptr=np.arange(701) * 10)


MODELS = {
    "garnet": lambda: make("garnet", S=60, A=3, b=7, gamma=0.95),
    "lake": lambda: make("lake", size=9, gamma=0.99),
    "wide rows": wide_rows,
}


@pytest.fixture(params=MODELS)
def pair(request):
    mdp = MODELS[request.param]()
    return mdp, narrow(mdp)


def test_the_probabilities_stay_in_four_bytes_and_are_not_copied():
    mdp = make("garnet", S=60, A=3, b=7, gamma=0.95)
    P = csr_array(mdp.P)
    P = csr_array((P.data.astype(np.float32), P.indices, P.indptr), P.shape)
    small = mk.MDP(P, mdp._r, 0.95, action_ptr=mdp.action_ptr)
    assert small.rows.values.dtype == np.float32
    assert np.shares_memory(small.rows.values, P.data)
    assert small.P.dtype == np.float32
    assert mk.MDP(small.P, mdp._r, 0.95, action_ptr=mdp.action_ptr).defect == small.defect


@pytest.mark.parametrize("method", METHODS)
def test_bounds_hold_for_the_model_in_float64(pair, method):
    mdp, small = pair
    v = mk.solve(mdp, tol=1e-9).v
    sol = mk.solve(small, method and mk.plan.METHODS[method]())
    assert sol.status.name == "SOLVED"
    assert np.all((sol.lower <= v + 1e-9) & (v - 1e-9 <= sol.upper))
    # γ/(1−γ) times the spread that one sweep's rounding opens, and room for the method's own
    assert np.max(sol.upper - sol.lower) <= 10 * rounding(small, v) / (1 - mdp.gamma)


def test_bounds_that_forget_the_storage_do_not_hold():
    mdp = make("garnet", S=60, A=3, b=7, gamma=0.99)
    v = mk.solve(mdp, tol=1e-9).v
    forgetful = mk.solve(narrow(mdp)._with(defect=0.0), tol=1e-8)
    assert not np.all((forgetful.lower <= v + 1e-9) & (v - 1e-9 <= forgetful.upper))


def test_sums_are_made_in_float64(pair):
    _, small = pair
    wide = small._with(rows=small.rows._replace(values=small.rows.values.astype(float)))
    v = np.random.default_rng(0).normal(size=small.n_states)
    np.testing.assert_array_equal(sweep(small, v).v, sweep(wide, v).v)
    np.testing.assert_array_equal(action_values(small, v), action_values(wide, v))
    q = action_values_reference(small, v)
    np.testing.assert_array_equal(q, action_values_reference(wide, v))
    pairs = small.action_ptr[:-1]
    chains = [take_rows(mdp.rows, pairs) for mdp in (small, wide)]
    values = [solve_chain(rows, small._r[pairs], small.gamma) for rows in chains]
    np.testing.assert_array_equal(*values)
    np.testing.assert_array_equal(small.rows.to_scipy() @ v, wide.rows.to_scipy() @ v)


def test_every_probability_s_rounding_is_within_what_is_allowed_for(pair):
    mdp, small = pair
    P, Q = csr_array(mdp.P).toarray(), small.P.toarray().astype(float)
    assert 0 < np.abs(P - Q).sum(axis=1).max() <= NARROW <= small.defect


def test_rows_that_miss_one_by_more_are_refused():
    mdp = make("garnet", S=60, A=3, b=7, gamma=0.95)
    P = csr_array(mdp.P).astype(np.float32)
    P.data[P.indptr[7]] += 1e-6
    with pytest.raises(ModelError, match=r"P\[2, 1\] sums to 1.00000"):
        mk.MDP(P, mdp._r, 0.95, action_ptr=mdp.action_ptr)
    with pytest.warns(mk.errors.ModelWarning, match="normalized 1 row"):
        found = mk.MDP(P, mdp._r, 0.95, action_ptr=mdp.action_ptr, normalize=True)
    assert found.rows.values.dtype == np.float64


def test_duplicates_are_summed_and_rows_sorted():
    values = np.array([0.5, 0.25, 0.25, 1.0], dtype=np.float32)
    P = (values, np.array([1, 0, 1, 0]), np.array([0, 3, 4]))
    mdp = mk.MDP(csr_array(P, (2, 2)), [1.0, 0.0], 0.5, action_ptr=[0, 1, 2])
    assert mdp.rows.values.dtype == np.float32
    np.testing.assert_array_equal(mdp.P.toarray(), [[0.25, 0.75], [1, 0]])


def test_a_saved_model_comes_back_as_narrow(tmp_path):
    small = narrow(make("lake", size=5, gamma=0.9))
    mk.save(small, tmp_path / "lake.npz")
    back = mk.load(tmp_path / "lake.npz")
    assert back.rows.values.dtype == np.float32
    np.testing.assert_array_equal(back.rows.values, small.rows.values)
    assert back.defect == small.defect


def test_dense_and_half_precision_are_cast_as_before():
    dense = np.full((2, 1, 2), 0.5, dtype=np.float32)
    assert mk.MDP(dense, np.zeros((2, 1)), 0.5).rows.dtype == np.float64
    sparse = narrow(make("garnet", S=60, A=3, b=7, gamma=0.95))
    P = sparse.rows._replace(values=np.full(sparse.rows.values.size, 1 / 8, dtype=np.float16))
    half = mk.MDP(P, sparse._r, 0.5, action_ptr=sparse.action_ptr, stop=sparse._r * 0 + 1 / 8)
    assert half.rows.values.dtype == np.float64
