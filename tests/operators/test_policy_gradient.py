"""The policy-gradient theorem against J in complex numbers, and against fractions."""

import numpy as np
import pytest

from mdpkit.errors import UnboundedError
from mdpkit.gallery import short_corridor
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import (
    policy_gradient,
    soft_policy_values,
    softmax_gradient,
    softmax_policy,
    visits,
)
from tests.gradient_oracle import (
    FINITE,
    complex_gradient,
    drawn_policy,
    fractions,
    horizon,
    layered,
    performance,
    softmax,
    value,
)
from tests.oracles import random_mdp

SEEDS = range(12)
TAUS = (0.0, 0.3)


def drawn(seed):
    """A layered model that ends, or any random one whose rewards are of order 1."""
    mdp = layered(seed, n_actions=3) if seed % 2 else random_mdp(seed, gammas=FINITE)
    if not seed % 2:
        mdp = mdp.replace(r=mdp.r / max(mdp.reward_size, 1e-9))
    theta, pi = drawn_policy(mdp, np.random.default_rng(seed))
    return mdp, theta, pi


def near(mdp):
    """Two dense solves on either side, of numbers ≤ H³."""
    return 1e-13 * max(1.0, horizon(mdp)) ** 3


@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_direct_gradient_is_the_derivative_of_j(seed, tau):
    mdp, _, pi = drawn(seed)
    truth = complex_gradient(lambda x: performance(mdp, x, tau), pi.reshape(-1))
    ours = policy_gradient(mdp, pi, tau=tau).reshape(-1)
    np.testing.assert_allclose(ours, truth, rtol=0, atol=near(mdp))


@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_softmax_gradient_is_the_derivative_of_j(seed, tau):
    mdp, theta, pi = drawn(seed)
    truth = complex_gradient(lambda x: performance(mdp, softmax(mdp, x), tau), theta)
    ours = softmax_gradient(mdp, pi, tau=tau).reshape(-1)
    np.testing.assert_allclose(ours, truth, rtol=0, atol=near(mdp))
    sums = np.add.reduceat(ours, mdp.action_ptr[:-1])
    np.testing.assert_allclose(sums, 0, atol=near(mdp))
    assert softmax_policy(mdp, theta.reshape(mdp.pair_shape)) == pytest.approx(pi)


@pytest.mark.parametrize("seed", SEEDS)
def test_in_fractions_the_chain_rule_joins_the_two(seed):
    mdp = layered(seed).exact()
    pi = fractions(mdp, seed)
    direct, p = policy_gradient(mdp, pi).reshape(-1), pi.reshape(-1)
    counts, first = np.diff(mdp.action_ptr), mdp.action_ptr[:-1]
    # ∂π(b|s)/∂θ(s,a) = π(b|s)(1{a = b} − π(a|s))
    chained = p * (direct - np.repeat(np.add.reduceat(p * direct, first), counts))
    assert (softmax_gradient(mdp, pi).reshape(-1) == chained).all()


def test_a_derivative_of_one_over_pi_times_one_less_pi_is_caught():
    mdp, theta, pi = drawn(1)
    truth = complex_gradient(lambda x: performance(mdp, softmax(mdp, x)), theta)
    q = policy_values(mdp, pi).q
    d = np.repeat(visits(mdp, pi), np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
    impostor = d * pi * q * (1 - pi) / pi
    assert np.abs(impostor.reshape(-1) - truth).max() > 1e-2


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_entropy_adds_is_not_to_be_left_out(seed):
    mdp, theta, pi = drawn(seed)
    if mdp.n_actions == 1 or (np.diff(mdp.action_ptr) == 1).all():
        return
    truth = complex_gradient(lambda x: performance(mdp, softmax(mdp, x), 0.3), theta)
    v, q, advantage = soft_policy_values(mdp, pi, 0.3)
    d = np.repeat(visits(mdp, pi), np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
    each = np.repeat(v, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
    right, forgetful, bare = d * pi * advantage, d * pi * (q - each), d * pi
    assert np.abs(right.reshape(-1) - truth).max() <= near(mdp)
    for impostor in (forgetful, bare):  # −τ log π left out; the factor A_τ left out
        assert np.abs(impostor.reshape(-1) - truth).max() > 1e-4


@pytest.mark.parametrize("seed", SEEDS)
def test_soft_values_satisfy_their_equations(seed):
    mdp, _, pi = drawn(seed)
    v, q, advantage = soft_policy_values(mdp, pi, 0.3)
    np.testing.assert_allclose(v, value(mdp, pi.reshape(-1), 0.3), atol=near(mdp))
    np.testing.assert_allclose(q, mdp.r + mdp.gamma * mdp.expect(v), atol=near(mdp))
    mean = np.add.reduceat((pi * advantage).reshape(-1), mdp.action_ptr[:-1])
    np.testing.assert_allclose(mean, 0, atol=near(mdp))


def test_an_action_that_is_never_taken_is_infinitely_good_for_the_entropy():
    mdp = layered(1, n_actions=3, gammas=(0.9,))
    policy = np.zeros(mdp.n_states, dtype=int)
    v, _, advantage = soft_policy_values(mdp, policy, 0.5)
    assert v == pytest.approx(policy_values(mdp, policy).v)
    assert np.isinf(advantage).sum() == mdp.n_pairs - mdp.n_states
    assert softmax_gradient(mdp, policy, tau=0.5) == pytest.approx(0, abs=near(mdp))
    assert np.isposinf(policy_gradient(mdp, policy, tau=0.5)).any()


def test_without_discount_visits_are_counted():
    mdp = short_corridor()
    half = np.full((3, 2), 0.5)
    assert visits(mdp, half) == pytest.approx(occupancy(mdp, half))
    # J(p) = (2p − 4)/(p(1 − p)): dJ/dp = (2p² − 8p + 4)/(p²(1 − p)²) = 8 at p = ½
    gradient = policy_gradient(mdp, half)
    assert gradient @ np.array([-1.0, 1.0]) @ np.ones(3) == pytest.approx(8)
    with pytest.raises(UnboundedError):
        policy_gradient(mdp, np.array([0, 0, 0]))


def test_refusals():
    mdp = random_mdp(3, gammas=(0.9,))
    policy = np.zeros(mdp.n_states, dtype=int)
    for tau in (-1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="tau"):
            soft_policy_values(mdp, policy, tau)
    with pytest.raises(TypeError, match="not rational"):
        softmax_gradient(layered(1).exact(), np.zeros(6, dtype=int), tau=0.1)
