"""Losses on weighted batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdpkit.deep.losses import expectile, half_square, huber, regression, taken


def test_huber_clips_the_error_and_not_the_loss(float64):
    x = jnp.array([-3.0, -0.5, 0.0, 0.5, 3.0])
    slope = jax.vmap(jax.grad(huber(1.0)))(x)
    assert slope == pytest.approx([-1, -0.5, 0, 0.5, 1], abs=1e-15)
    assert huber(1.0)(x) == pytest.approx([2.5, 0.125, 0, 0.125, 2.5], abs=1e-15)

    def clips_the_loss(x):
        return jnp.minimum(half_square(x), 0.5)

    assert jax.grad(clips_the_loss)(3.0) == 0.0  # it would learn nothing from large errors


def test_an_expectile_minimizes_its_penalty(float64):
    targets, m = jnp.array([0.0, 1.0, 5.0]), 0.0
    ones = jnp.ones(3) / 3
    slope = jax.grad(lambda q: regression(jnp.full(3, q), targets, ones, expectile(0.8)))
    for _ in range(400):
        m = m - 0.5 * slope(m)
    x = np.asarray(targets) - float(m)
    assert (np.where(x < 0, 0.2, 0.8) * x).sum() == pytest.approx(0, abs=1e-9)


def test_no_gradient_goes_through_the_target(float64):
    one = jnp.ones(1)
    assert jax.grad(lambda y: regression(one, y * one, one))(3.0) == 0.0
    assert jax.grad(lambda q: regression(q * one, 3 * one, one))(1.0) == -2.0


def test_a_column_beside_a_row_is_refused():
    row, column = jnp.ones(4), jnp.ones((4, 1))
    for shapes in ((row, column, row), (row, row, column), (column, row, row)):
        with pytest.raises(ValueError, match=r"\(4, 1\).* must have one shape"):
            regression(*shapes)


def test_values_of_the_actions_taken():
    q = jnp.arange(12.0).reshape(2, 3, 2)
    assert np.array_equal(taken(q, jnp.array([1, 0, 1])), [[1, 2, 5], [7, 8, 11]])


@pytest.mark.parametrize("make", [lambda: huber(0.0), lambda: expectile(1.0)])
def test_bad_levels_are_named(make):
    with pytest.raises(ValueError, match=r"must be > 0|lies in \(0, 1\)"):
        make()
