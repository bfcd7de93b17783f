"""Targets on JAX arrays: compiled, mapped and differentiated, they are those of NumPy.

All targets are compiled together, since it is the compiler that takes the time.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdpkit import targets
from mdpkit._array import backward
from mdpkit.operators import aggregate

N, A, T = 5, 3, 6
TAU = 0.7
REDUCTIONS = [
    aggregate.maximum,
    aggregate.soft(TAU),
    aggregate.mellowmax(1.5),
    aggregate.sparsemax(TAU),
    aggregate.expectile(0.8),
    aggregate.epsilon_greedy(0.3),
]
NEAR = {"rtol": 0, "atol": 1e-12}


def rows(seed=0):
    """r, d, (2, n, A) action values, others, a mask, π and log-probabilities."""
    rng = np.random.default_rng(seed)
    q, online = rng.normal(size=(2, 2, N, A))
    mask = rng.random((N, A)) < 0.7
    mask[:, 0] = True
    pi = np.where(mask, rng.random((N, A)) + 0.2, 0)
    discount = np.where(np.arange(N) == 2, 0.0, 0.9)
    return rng.normal(size=N), discount, q, online, mask, pi / pi.sum(axis=1)[:, None]


def one_step(r, d, q, online, mask, pi):
    """Every target of the slot, (…, n)."""
    log_pi = 0.1 * q[0, ..., 0] - 1.0
    single = [targets.OneStep(over) for over in REDUCTIONS]
    single += [targets.Double(over) for over in REDUCTIONS]
    single += [targets.Expected(pi, TAU), targets.OneStep(aggregate.expected(pi))]
    y = [target(r, d, q[0], online[0], mask=mask) for target in single]
    both = [targets.Twin(), targets.Twin(targets.Double()), targets.Twin(width=0.5)]
    y += [target(r, d, q, online, mask=mask) for target in both]
    drawn = targets.Twin(targets.Sampled(log_pi, TAU))
    return [*y, drawn(r, d, q[..., 0]), targets.Sampled()(r, d, q[0, ..., 1])]


def window(seed=0):
    """r, d, boundary, V, V', ratios, λ of each step; (T, n)."""
    rng = np.random.default_rng(seed)
    r, v, after = rng.normal(size=(3, T, N))
    ended, cut = rng.random((2, T, N)) < 0.2
    return r, np.where(ended, 0.0, 0.9), ended | cut, v, after, rng.random((T, N)) + 0.3


def along(r, d, cut, v, after, ratio):
    """Every target of several steps, (T, …)."""
    traced = targets.vtrace(r, d, cut, v, after, ratio, lam=0.9, rho_max=1.2)
    return [
        targets.lambda_return(r, d, cut, after, 0.8),
        targets.lambda_return(r, d, cut, 0.0),
        targets.generalized_advantage(r, d, cut, v, after),
        targets.n_step_return(r, d, cut, after, 3),
        targets.retrace(r, d, cut, v, after, ratio, lam=0.9),
        targets.tree_backup(r, d, cut, v, after, ratio / 2),
        *traced,
    ]


def same(found, wanted):
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(one), other, **NEAR)


@pytest.mark.parametrize(("make", "of"), [(rows, one_step), (window, along)])
def test_compiled_targets_are_those_of_numpy(float64, make, of):
    given = make()
    same(jax.jit(of)(*given), of(*given))


def test_targets_mapped_over_rows_are_those_of_the_batch(float64):
    r, d, q, online, mask, pi = given = rows(1)
    mapped = jax.jit(jax.vmap(one_step, in_axes=(0, 0, 1, 1, 0, 0)))
    same(mapped(r, d, q, online, mask, pi), one_step(*given))
    given = window(1)
    same([x.T for x in jax.jit(jax.vmap(along, in_axes=1))(*given)], along(*given))


def test_the_gradient_in_the_action_values_is_the_policy_that_attains_them(float64):
    """∂y/∂q̄ = d π: of ⊕ itself by the envelope theorem, of Double the π of the other table."""
    r, d, q, online, mask, pi = rows(2)

    def total(q, online):
        y = one_step(r, d, q, online, mask, pi)
        return jnp.stack(y).sum(axis=-1)

    mine, other = jax.jit(jax.jacrev(total, argnums=(0, 1)))(q, online)
    n = len(REDUCTIONS)
    for i, over in enumerate(REDUCTIONS):
        for row, table in ((i, q[0]), (n + i, online[0])):
            wanted = d[:, None] * over(np.where(mask, table, 0), mask)[1]
            np.testing.assert_allclose(mine[row, 0], wanted, **NEAR)
        np.testing.assert_array_equal(other[i], 0)
    np.testing.assert_array_equal(np.isfinite(mine), True)
    for row in (2 * n, 2 * n + 1):
        np.testing.assert_allclose(mine[row, 0], d[:, None] * pi, **NEAR)
    smaller = q[0] < q[1]
    best = aggregate.maximum(np.where(mask, np.minimum(*q), 0), mask)[1] * d[:, None]
    np.testing.assert_allclose(mine[2 * n + 2, 0], best * smaller, **NEAR)
    np.testing.assert_allclose(mine[2 * n + 2, 1], best * ~smaller, **NEAR)


def test_the_gradient_along_a_window_is_what_is_left_of_each_step(float64):
    """∂G_0/∂r_t = Π_{i<t} d_i λ_i, by the sum over all the ways."""
    r, d, cut, _, after, _ = window(3)

    def first(r):
        return targets.lambda_return(r, d, cut, jnp.asarray(after), 0.8)[0].sum()

    left = np.cumprod(np.concatenate([np.ones((1, N)), (d * 0.8 * ~cut)[:-1]]), axis=0)
    np.testing.assert_allclose(jax.grad(first)(jnp.asarray(r)), left, **NEAR)


def test_a_long_window_makes_no_longer_program():
    def sizes(steps):
        given = [jnp.zeros((steps, 2))] * 6
        jaxprs = jax.make_jaxpr(lambda *x: along(*x)[:3])(*given), jax.make_jaxpr(along)(*given)
        return [len(x.eqns) for x in jaxprs]

    assert sizes(2048) == sizes(4)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_small_floats_stay_small(float64, dtype):
    """A number beside an array is of no size of its own, with float64 at hand too."""
    small = jax.ShapeDtypeStruct((N, N), dtype)
    of = [
        lambda x: backward(x, x),
        lambda x: backward(x, x, 0.5),
        lambda x: targets.OneStep(aggregate.soft(TAU))(x[0], x[1], x),
        lambda x: targets.Twin(width=0.5)(x[0], x[1], x[None] + jnp.zeros((2, 1, 1), dtype)),
        lambda x: targets.lambda_return(x, x, x == 0, x, 0.5),
        lambda x: targets.retrace(x, x, x == 0, x, x, x, lam=0.5),
    ]
    assert {jax.eval_shape(f, small).dtype for f in of} == {jnp.dtype(dtype)}


def test_a_row_or_a_number_stands_behind_the_last():
    first, factor = jnp.ones((3, 2)), jnp.full((3, 1), 0.5)
    for last in (2, 2.0, jnp.full(2, 2.0)):
        assert backward(first, factor, last).tolist() == [[2.0, 2.0]] * 3
