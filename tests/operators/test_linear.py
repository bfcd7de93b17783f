"""Linear value functions of known models: against minimization, operators, known answers."""

import numpy as np
import pytest

from mdpkit import MDP, gallery
from mdpkit.errors import ModelError, SingularError
from mdpkit.operators import linear
from mdpkit.operators.bellman import action_values, aggregate
from mdpkit.operators.features import Aggregation, Hats, OneHot
from mdpkit.operators.linear import System, solution, weighted_norm
from mdpkit.operators.performance import policy_values
from mdpkit.operators.stationary import pair_frequencies, stationary
from mdpkit.operators.traces import lambda_operator, n_step_operator
from mdpkit.policy import expected_under, probabilities, uniform
from tests.prediction_oracle import looping_mdp, some_policy

NEAR = {"rtol": 0, "atol": 1e-11}  # solutions of systems whose condition is at most 1e3


def ergodic(seed, n=6, a=2, gamma=0.9):
    rng = np.random.default_rng(seed)
    return MDP(rng.dirichlet(np.ones(n), size=(n, a)), rng.normal(size=(n, a)), gamma)


def features(seed, n, k):
    return np.random.default_rng([seed, 5]).normal(size=(n, k))


# ---- frequencies -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_frequencies_are_invariant(seed):
    mdp = ergodic(seed)
    pi = some_policy(mdp, seed)
    d = stationary(mdp, pi)
    P, _ = linear.state_chain(mdp, pi)
    np.testing.assert_allclose(d @ P, d, rtol=0, atol=1e-14)
    assert d.sum() == pytest.approx(1, abs=1e-14)
    np.testing.assert_allclose(pair_frequencies(mdp, pi), d[:, None] * pi, rtol=0, atol=1e-15)


@pytest.mark.parametrize("seed", range(4))
def test_frequencies_with_ends_are_those_of_the_chain_that_begins_again(seed):
    mdp = looping_mdp(seed, n_states=4)
    pi, start = some_policy(mdp, seed), np.array([0.1, 0.2, 0.3, 0.4])
    assert mdp.stops
    P, _ = linear.state_chain(mdp, pi)
    again = P + np.outer(1 - P.sum(axis=1), start)
    d = stationary(mdp, pi, start)
    np.testing.assert_allclose(d @ again, d, rtol=0, atol=1e-13)
    assert not np.allclose(d, stationary(mdp, pi, start[::-1]), atol=1e-3)


def test_frequencies_of_a_periodic_chain_and_of_a_sparse_one():
    np.testing.assert_allclose(stationary(gallery.make("cycle"), np.zeros(12, int)), 1 / 12)
    mdp = gallery.make("queue", capacity=70)
    pi = uniform(mdp)
    d = stationary(mdp, pi)
    P, _ = linear.state_chain(mdp, pi)
    assert mdp.is_sparse
    np.testing.assert_allclose(d @ P, d, rtol=0, atol=1e-14)


def test_frequencies_are_exact_on_exact_models():
    d = stationary(gallery.make("baird").exact(), np.array([[6, 1]] * 7) * (1 / fraction(7)))
    assert [str(x) for x in d] == ["1/7"] * 7
    chain = gallery.make("boyan-chain").exact()
    d = stationary(chain, np.zeros(13, int))
    P, _ = linear.state_chain(chain, np.zeros(13, int))
    again = P + np.multiply.outer(1 - P.sum(axis=1), chain.start)
    assert list(d @ again) == list(d)
    assert sum(d) == 1


def fraction(x):
    from mdpkit._exact import rational

    return rational(x)


def test_frequencies_that_depend_on_the_start_are_refused():
    with pytest.raises(ModelError, match="3 recurrent classes"):
        stationary(gallery.make("identity"), np.zeros(3, int))
    P = np.array([[[1.0, 0.0]], [[0.0, 0.5]]])
    half = MDP(P, np.zeros((2, 1)), 0.9, stop=[[0.0], [0.5]], start=[0.5, 0.5])
    with pytest.raises(ModelError, match="never ends"):
        stationary(half, np.zeros(2, int))


# ---- projection ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_projection_minimizes(seed):
    phi, d = features(seed, 7, 3), np.random.default_rng(seed).dirichlet(np.ones(7))
    x = np.random.default_rng([seed, 1]).normal(size=7)
    nearest = linear.projection(phi, d) @ x
    np.testing.assert_allclose(nearest, phi @ linear.best_weights(phi, d, x), **NEAR)
    for other in np.random.default_rng([seed, 2]).normal(size=(50, 3)) * 0.1:
        assert weighted_norm(nearest + phi @ other - x, d) > weighted_norm(nearest - x, d)
    unweighted = phi @ np.linalg.lstsq(phi, x, rcond=None)[0]
    assert abs(nearest - unweighted).max() > 1e-3


# ---- the projected equation ------------------------------------------------------------------


@pytest.mark.parametrize("lam", [0.0, 0.4, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_its_solution_is_the_fixed_point_of_the_projected_operator(seed, lam):
    mdp = ergodic(seed)
    pi, phi = some_policy(mdp, seed), features(seed, 6, 3)
    d, v = stationary(mdp, pi), policy_values(mdp, pi).v
    w = solution(linear.projected_system(mdp, pi, phi, lam=lam))
    image = lambda_operator(mdp, pi, phi @ w, lam)
    np.testing.assert_allclose(phi @ linear.best_weights(phi, d, image), phi @ w, **NEAR)
    best = phi @ linear.best_weights(phi, d, v)
    kappa = mdp.gamma * (1 - lam) / (1 - mdp.gamma * lam)
    assert (1 - kappa**2) * weighted_norm(phi @ w - v, d) ** 2 <= (
        weighted_norm(best - v, d) ** 2 * (1 + 1e-9)
    )
    if lam == 1:
        np.testing.assert_allclose(phi @ w, best, **NEAR)


@pytest.mark.parametrize("seed", range(3))
def test_one_weight_a_state_gives_the_value(seed):
    mdp = looping_mdp(seed, n_states=4)
    pi, weights = some_policy(mdp, seed), np.array([0.1, 0.2, 0.3, 0.4])
    w = solution(linear.projected_system(mdp, pi, OneHot(4), weights=weights))
    np.testing.assert_allclose(w, policy_values(mdp, pi).v, **NEAR)
    chain = linear.state_chain(mdp, pi)
    w = solution(linear.residual_system(chain, np.eye(4), weights, mdp.gamma))
    np.testing.assert_allclose(w, policy_values(mdp, pi).v, **NEAR)
    w = solution(linear.projected_pair_system(mdp, pi, np.eye(8), weights=np.ones(8)))
    np.testing.assert_allclose(w, policy_values(mdp, pi).q.reshape(-1), **NEAR)


@pytest.mark.parametrize("seed", range(3))
def test_the_equation_of_action_values_is_that_of_their_operator(seed):
    mdp = looping_mdp(seed, n_states=4)
    pi, phi = some_policy(mdp, seed), features(seed, 8, 3)
    rho = np.random.default_rng(seed).dirichlet(np.ones(8))
    w = solution(linear.projected_pair_system(mdp, pi, phi, weights=rho))
    q = (phi @ w).reshape(mdp.pair_shape)
    image = action_values(mdp, expected_under(mdp, pi, q)).reshape(-1)
    np.testing.assert_allclose(phi @ linear.best_weights(phi, rho, image), phi @ w, **NEAR)


@pytest.mark.parametrize("seed", range(3))
def test_the_residual_equation_minimizes_the_bellman_error(seed):
    mdp = ergodic(seed)
    pi, phi = some_policy(mdp, seed), features(seed, 6, 2)
    d, chain = stationary(mdp, pi), linear.state_chain(mdp, pi)

    def error(w):
        return weighted_norm(n_step_operator(mdp, pi, phi @ w, 1) - phi @ w, d)

    w = solution(linear.residual_system(chain, phi, d, mdp.gamma))
    other = solution(linear.projected_system(mdp, pi, phi))
    assert error(w) < error(other)
    for step in np.random.default_rng(seed).normal(size=(50, 2)) * 0.1:
        assert error(w + step) > error(w)


def test_forgetting_the_weights_is_another_fixed_point():
    mdp = ergodic(1)
    pi, phi = some_policy(mdp, 1), features(1, 6, 2)
    own = solution(linear.projected_system(mdp, pi, phi))
    flat = solution(linear.projected_system(mdp, pi, phi, weights=np.ones(6)))
    assert abs(own - flat).max() > 1e-2


# ---- known models ----------------------------------------------------------------------------


def test_boyans_chain_has_its_weights():
    mdp, knots = gallery.make("boyan-chain"), Hats((0, 4, 8, 12))
    for lam in (0.0, 0.5, 1.0):
        w = solution(linear.projected_system(mdp, np.zeros(13, int), knots, lam=lam))
        np.testing.assert_allclose(w, [0, -8, -16, -24], rtol=0, atol=1e-10)
    w = solution(linear.projected_system(mdp.exact(), np.zeros(13, int), knots))
    assert [str(x) for x in w] == ["0", "-8", "-16", "-24"]


def test_the_walk_of_1000_states_has_its_errors():
    """.0544 for the best approximation and .1167 for TD's, in ten groups; computed exactly."""
    mdp, policy = gallery.make("jumping-walk"), np.zeros(1000, int)
    phi = Aggregation(1000, 10)(np.arange(1000))
    d, v = stationary(mdp, policy), policy_values(mdp, policy).v
    assert v[499] == pytest.approx(-v[500], abs=1e-12)
    best = phi @ linear.best_weights(phi, d, v)
    found = phi @ solution(linear.projected_system(mdp, policy, phi))
    assert weighted_norm(best - v, d) == pytest.approx(0.0544, abs=5e-5)
    assert weighted_norm(found - v, d) == pytest.approx(0.1167, abs=5e-5)
    flat = np.full(1000, 1e-3)
    other = phi @ solution(linear.projected_system(mdp, policy, phi, weights=flat))
    assert abs(weighted_norm(other - v, d) - 0.1167) > 5e-4  # D is seen


# ---- emphasis and gradient TD ----------------------------------------------------------------


@pytest.mark.parametrize("lam", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_emphasis_counts_what_follows(seed, lam):
    mdp = ergodic(seed)
    pi, interest = some_policy(mdp, seed), np.random.default_rng(seed).random(6)
    chain, d = linear.state_chain(mdp, pi), stationary(mdp, uniform(mdp))
    total, moved = 0.0, d * interest
    for _ in range(400):  # .9⁴⁰⁰ < 1e-18
        total, moved = total + moved, mdp.gamma * (moved @ chain.P)
    m = linear.emphasis(chain, d, mdp.gamma, lam=lam, interest=interest)
    np.testing.assert_allclose(m, lam * d * interest + (1 - lam) * total, **NEAR)


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_gradient_td_rests_at_the_fixed_point(seed, corrected):
    mdp = ergodic(seed)
    pi, phi = some_policy(mdp, seed), features(seed, 6, 3)
    d = stationary(mdp, uniform(mdp))
    system = linear.projected_system(mdp, pi, phi, weights=d)
    mean = linear.gradient_td(system, linear.gram(phi, d), 2.0, corrected=corrected)
    rest = np.linalg.solve(mean.G, mean.g)
    np.testing.assert_allclose(rest[:3], 0, atol=1e-10)
    np.testing.assert_allclose(rest[3:], solution(system), rtol=1e-8)


# ---- singular --------------------------------------------------------------------------------


def test_a_singular_system_says_its_rank_and_a_ridge_is_asked_for():
    mdp = ergodic(0)
    phi = features(0, 6, 2)
    twice = np.hstack([phi, phi[:, :1] - 3 * phi[:, 1:]])
    system = linear.projected_system(mdp, uniform(mdp), twice)
    with pytest.raises(SingularError, match="rank 2, below 3") as caught:
        solution(system)
    assert caught.value.rank == 2
    w = solution(system, ridge=1e-6)
    own = phi @ solution(linear.projected_system(mdp, uniform(mdp), phi))
    np.testing.assert_allclose(twice @ w, own, atol=1e-3)
    for weights, name in ((np.ones(6), "ΦᵀDΦ"), (np.eye(6)[0], "ΦᵀDΦ")):
        with pytest.raises(SingularError, match=name):
            linear.projection(twice, weights)
    with pytest.raises(SingularError, match="rank 2"):
        linear.best_weights(twice, np.ones(6), np.ones(6))


def test_a_singular_system_of_fractions_says_its_rank():
    mdp = gallery.make("boyan-chain").exact()
    phi = Hats((0, 4, 8, 12))(np.arange(13))
    twice = np.hstack([phi, phi[:, :1] + phi[:, 1:2]])
    with pytest.raises(SingularError) as caught:
        solution(linear.projected_system(mdp, np.zeros(13, int), twice))
    assert caught.value.rank == 4


def test_units_of_features_make_nothing_singular():
    system = System(np.diag([1e-12, 1.0, 1e12]), np.ones(3))
    np.testing.assert_allclose(solution(system), [1e12, 1.0, 1e-12])


def test_weights_must_be_weights():
    mdp = ergodic(0)
    for bad in (np.zeros(6), -np.ones(6)):
        with pytest.raises(ValueError, match="≥ 0"):
            linear.projected_system(mdp, uniform(mdp), OneHot(6), weights=bad)
    with pytest.raises(ValueError, match=r"\(6,\) is needed"):
        linear.projected_system(mdp, uniform(mdp), OneHot(6), weights=np.ones(5))


def test_probabilities_and_greedy_forms_of_a_policy_agree():
    mdp = ergodic(2)
    greedy = np.argmax(action_values(mdp, aggregate(mdp, mdp.r)), axis=1)
    one = linear.projected_system(mdp, greedy, OneHot(6))
    two = linear.projected_system(mdp, probabilities(mdp, greedy), OneHot(6))
    np.testing.assert_allclose(one.A, two.A, atol=1e-15)
