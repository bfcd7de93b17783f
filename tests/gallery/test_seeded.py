"""Garnets and linear MDPs: what is drawn, that seeds repeat it, in how little memory."""

import itertools
import tracemalloc
from fractions import Fraction

import flint
import numpy as np
import pytest

from mdpkit._exact import fraction
from mdpkit.gallery import garnet, linear_mdp, seeded

SHAPES = [(50, 3, 1), (50, 3, 3), (50, 3, 7), (50, 3, 8), (50, 3, 49), (50, 3, 50), (1, 1, 1)]


@pytest.mark.parametrize("concentration", [0.05, 1.0, 5.0])
@pytest.mark.parametrize(("S", "A", "b"), SHAPES)
def test_a_garnet_has_b_different_successors_and_rows_of_exactly_one(S, A, b, concentration):
    mdp = garnet(S, A, b, concentration=concentration)
    values, columns, row_ptr, _ = mdp.rows
    assert (np.diff(row_ptr) == b).all()
    assert (values > 0).all()  # none was dropped, so none was zero
    rows = columns.reshape(S * A, b)
    assert (np.diff(rows, axis=1) > 0).all()
    assert rows.min() >= 0
    assert rows.max() < S
    assert {sum(map(Fraction, row)) for row in values.reshape(S * A, b)} == {1}
    assert ((mdp.r >= 0) & (mdp.r < 1)).all()


def test_a_garnet_is_stored_in_twelve_bytes_a_transition():
    values, columns, row_ptr, _ = garnet(50, 3, 7).rows
    assert [x.dtype for x in (values, columns, row_ptr)] == [np.float64, np.int32, np.int32]


@pytest.mark.parametrize("b", [2, 3])
def test_all_sets_of_successors_are_equally_likely(b):
    """χ² with C(5, b) − 1 = 9 degrees of freedom, below its 1 − 1e-6 quantile of 46."""
    mdp = garnet(5, 4000, b, seed=1)  # b² > 5 takes one way to draw for b = 3, the other for 2
    sets = np.unique(mdp.rows.columns.reshape(-1, b), axis=0, return_counts=True)
    counts, expected = sets[1], 20_000 / 10
    assert len(counts) == len(list(itertools.combinations(range(5), b))) == 10
    assert ((counts - expected) ** 2 / expected).sum() < 46.0


@pytest.mark.parametrize(("alpha", "variance"), [(1.0, 1 / 18), (5.0, 1 / 72)])
def test_probabilities_are_dirichlet(alpha, variance):
    """Var = (b − 1)/(b²(bα + 1)) at b = 3; from 3·10⁴ draws it is known to about 2 %."""
    values = garnet(100, 100, 3, concentration=alpha, seed=2).rows.values
    assert abs(values.var() / variance - 1) < 0.1
    assert values.mean() == pytest.approx(1 / 3, abs=1e-12)


def test_the_largest_entry_takes_what_rounding_leaves():
    rng = np.random.default_rng(0)
    p = seeded._dirichlet(1000, 5, 1.0, 1 << 10, rng)
    assert (p * (1 << 10) == np.round(p * (1 << 10))).all()
    assert (p.sum(axis=1) == 1).all()
    assert p.min() >= 2.0**-10


def test_a_seed_gives_the_same_garnet_and_another_seed_another():
    one, two, other = garnet(seed=3), garnet(seed=3), garnet(seed=4)
    np.testing.assert_array_equal(one.rows.values, two.rows.values)
    np.testing.assert_array_equal(one.rows.columns, two.rows.columns)
    assert not np.array_equal(one.rows.columns, other.rows.columns)
    assert not np.array_equal(one.r, other.r)


def garnet_peak(build, nnz=200_000, b=10):
    """Peak memory while the arrays are made, over the memory of the arrays."""
    tracemalloc.start()
    try:
        rows, r = build(nnz // 100, nnz // b, b)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return peak / (sum(x.nbytes for x in rows) + r.nbytes)


def test_making_a_garnet_takes_a_tenth_of_its_memory():
    rng = np.random.default_rng(0)
    assert garnet_peak(lambda S, n, b: seeded._garnet_rows(S, n, b, 1.0, rng)) < 1.1


def test_a_copy_of_the_garnet_would_be_seen():
    def twice(S, n, b):
        (values, columns, row_ptr), r = seeded._garnet_rows(
            S, n, b, 1.0, np.random.default_rng(0)
        )
        return (values.copy(), columns, row_ptr), r

    assert garnet_peak(twice) > 1.1


def test_a_linear_mdp_is_linear_in_d_features():
    S, A, d = 20, 3, 4
    mdp = linear_mdp(S, A, d, seed=5)
    phi, mu, theta = seeded.linear_features(S, A, d, seed=5)
    np.testing.assert_array_equal(phi.sum(axis=2), 1)
    np.testing.assert_array_equal(mu.sum(axis=1), 1)
    np.testing.assert_array_equal(mdp.P, phi @ mu)
    np.testing.assert_array_equal(mdp.r, phi @ theta)
    exact = mdp.exact()
    rows = flint.fmpq_mat(S * A, S, list(exact.P.reshape(-1)))
    assert rows.rank() == d
    assert np.linalg.matrix_rank(garnet(20, 3, 4).P.toarray()) == 20


def test_the_action_values_of_a_linear_mdp_are_linear(solver):
    mdp = linear_mdp(12, 2, 3, seed=6)
    phi, mu, theta = seeded.linear_features(12, 2, 3, seed=6)
    v = np.array([float(fraction(x)) for x in solver.answers(mdp)])
    w = theta + mdp.gamma * mu @ v
    np.testing.assert_allclose((phi @ w).max(axis=1), v, rtol=1e-12)
