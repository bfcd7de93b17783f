"""The operators of n steps and of λ against their series; traces against their definition."""

import numpy as np
import pytest

from mdpkit._array import sup
from mdpkit.operators import traces
from mdpkit.operators.performance import policy_values
from mdpkit.operators.traces import (
    KINDS,
    lambda_modulus,
    lambda_operator,
    n_step_operator,
    spread,
    visit,
)
from mdpkit.policy import uniform
from tests.oracles import random_mdp
from tests.prediction_oracle import looping_mdp, some_policy


@pytest.mark.parametrize("seed", range(6))
def test_the_operator_of_lambda_is_its_series(seed):
    """Terms beyond 200 are below .9²⁰⁰ < 1e-9 of the rewards."""
    mdp = random_mdp(seed, gammas=(0.5, 0.9))
    pi, v = uniform(mdp), np.random.default_rng(seed).normal(size=mdp.n_states)
    scale = sup(mdp.r) + 1
    for lam in (0.0, 0.7, 0.95):
        total, power = 0 * v, v
        for n in range(400):
            power = n_step_operator(mdp, pi, power, 1)
            total = total + (1 - lam) * lam**n * power
        found = lambda_operator(mdp, pi, v, lam)
        np.testing.assert_allclose(found, total, rtol=0, atol=1e-7 * scale)
    truth = policy_values(mdp, pi).v
    np.testing.assert_allclose(lambda_operator(mdp, pi, v, 1.0), truth, atol=1e-9 * scale)
    np.testing.assert_allclose(lambda_operator(mdp, pi, truth, 0.7), truth, atol=1e-9 * scale)
    np.testing.assert_array_equal(n_step_operator(mdp, pi, v, 0), v)


def test_the_operators_are_exact_on_exact_models():
    mdp = looping_mdp(0).exact(dyadic=True)
    from mdpkit._exact import exact_array, rational

    pi, v = exact_array(np.full((2, 2), 0.5)), exact_array(np.array([1.0, -3.0]))
    found = lambda_operator(mdp, pi, v, rational("1/2"))
    shifted = lambda_operator(mdp, pi, v + 1, rational("1/2"))
    assert (shifted - found)[0] <= lambda_modulus(mdp.gamma, rational("1/2"))
    assert found.dtype == object


def test_the_modulus_is_attained_where_no_episode_ends():
    mdp = random_mdp(4, gammas=(0.9,))
    while mdp.stops:
        mdp = random_mdp(int(np.random.default_rng(1).integers(99)), gammas=(0.9,))
    v = np.arange(mdp.n_states) * 1.0
    moved = lambda_operator(mdp, uniform(mdp), v + 1, 0.6) - lambda_operator(
        mdp, uniform(mdp), v, 0.6
    )
    np.testing.assert_allclose(moved, lambda_modulus(0.9, 0.6), rtol=1e-9)
    assert lambda_modulus(0.9, 0.6) == pytest.approx(0.9 * 0.4 / 0.46)


@pytest.mark.parametrize("kind", KINDS)
def test_traces_are_those_of_their_definition(kind):
    """Once over all entries, once along the list, against arrays that are made anew."""
    rng = np.random.default_rng(0)
    size, alpha, decay = 7, 0.3, 0.6
    z, values = np.zeros(size), np.zeros(size)
    dense, listed = np.zeros((2, size)), np.zeros((2, size))
    eligible, n = np.zeros(size, dtype=np.int64), 0
    for step in range(40):
        i, delta = int(rng.integers(size)), rng.normal()
        cut = 0.0 if step % 11 == 10 else decay
        one = np.arange(size) == i
        z = z + alpha * one * {"accumulating": 1, "replacing": 0, "dutch": 1 - z[i]}[kind]
        z = np.where(one & (kind == "replacing"), alpha, z)
        values = values + delta * z
        z = cut * z
        visit(KINDS[kind], dense[1], eligible[:0], 0, i, alpha)
        spread(dense[0], dense[1], eligible[:0], 0, delta, cut)
        n = visit(KINDS[kind], listed[1], eligible, n, i, alpha)
        n = spread(listed[0], listed[1], eligible, n, delta, cut)
        np.testing.assert_allclose(dense, [values, z], rtol=1e-13)
        np.testing.assert_allclose(listed, [values, z], rtol=1e-13)
        assert sorted(eligible[:n]) == np.flatnonzero(z).tolist()
    assert abs(values).max() > 0.1


def test_faded_traces_leave_the_list_and_never_become_subnormal():
    z, values = np.zeros(3), np.zeros(3)
    eligible, n = np.zeros(3, dtype=np.int64), 0
    n = visit(0, z, eligible, n, 1, 1.0)
    for _ in range(200):
        n = spread(values, z, eligible, n, 1.0, 0.5)
    assert n == 0
    assert (z == 0).all()
    assert values[1] == pytest.approx(2.0, abs=2 * traces.FADED)
    dense = np.full(3, 1.0)
    for _ in range(200):
        spread(values, dense, eligible[:0], 0, 0.0, 0.5)
    assert (dense == 0).all()


def test_bad_input_is_refused():
    mdp = looping_mdp(0)
    pi = some_policy(mdp, 0)
    for lam in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="λ"):
            lambda_operator(mdp, pi, np.zeros(2), lam)
    with pytest.raises(ValueError, match="v has shape"):
        lambda_operator(mdp, pi, np.zeros(3), 0.5)
    with pytest.raises(ValueError, match="n must"):
        n_step_operator(mdp, pi, np.zeros(2), -1)
