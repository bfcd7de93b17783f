"""Rewards compared: blind to shaping, constants and scale, and to nothing else."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.infer import (
    MaxCausalEntropy,
    canonical,
    epic_distance,
    expected_value_difference,
    identifiable_dimension,
    occupancy_error,
    reward_correlation,
    reward_distance,
)
from mdpkit.infer.compare import value_range
from tests.oracles import brute_force, random_mdp


def mild(seed):
    """A model of the oracles with rewards of size 1."""
    mdp = random_mdp(seed, gammas=(0.5, 0.9))
    rng = np.random.default_rng(seed)
    return mdp.replace(r=rng.normal(size=mdp.pair_shape)), rng


def shaped(mdp, r, phi, scale=1.0):
    here = np.repeat(phi, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
    return scale * r + mdp.gamma * mdp.expect(phi) - here


@pytest.mark.parametrize("seed", range(25))
def test_shaping_and_scale_are_not_seen(seed):
    mdp, rng = mild(seed)
    other = shaped(mdp, mdp.r, 10 * rng.normal(size=mdp.n_states), scale=3.0)
    np.testing.assert_allclose(canonical(mdp, other), 3 * canonical(mdp), atol=1e-11)
    if np.diff(mdp.action_ptr).max() > 1 and np.abs(canonical(mdp)).max() > 1e-9:
        assert reward_correlation(mdp, other, mdp.r) == pytest.approx(1, abs=1e-9)
        assert reward_distance(mdp, -other, mdp.r) == pytest.approx(1, abs=1e-6)


def test_a_difference_of_potentials_without_the_discount_is_seen():
    rng = np.random.default_rng(0)
    P, r, phi = (
        rng.dirichlet(np.ones(4), size=(4, 3)),
        rng.normal(size=(4, 3)),
        rng.normal(size=4),
    )
    mdp = mk.MDP(P, r, 0.5)
    wrong = r + P @ phi - phi[:, None]
    assert np.abs(canonical(mdp, wrong) - canonical(mdp)).max() > 0.01


def test_a_constant_reward_is_no_reward_where_nothing_ends():
    mdp = mk.load("gallery:grid5x5")
    assert np.abs(canonical(mdp, np.ones(mdp.pair_shape))).max() < 1e-12
    assert np.isnan(reward_correlation(mdp, np.ones(mdp.pair_shape), mdp.r))


@pytest.mark.parametrize("seed", range(10))
def test_epic_sees_through_shaping_without_the_dynamics(seed):
    rng, gamma = np.random.default_rng(seed), 0.9
    S, A = 4, 3
    R, phi = rng.normal(size=(S, A, S)), rng.normal(size=S)
    other = 2.5 * R + gamma * phi[None, None, :] - phi[:, None, None] + 7.0
    assert epic_distance(R, other, gamma) == pytest.approx(0, abs=1e-7)
    assert epic_distance(R, -other, gamma) == pytest.approx(1, abs=1e-7)
    wrong = R + phi[None, None, :] - phi[:, None, None]  # the discount forgotten
    assert epic_distance(R, wrong, gamma) > 1e-3
    ds, da = rng.dirichlet(np.ones(S)), rng.dirichlet(np.ones(A))
    assert epic_distance(R, other, gamma, states=ds, actions=da) == pytest.approx(0, abs=1e-7)
    third = rng.normal(size=R.shape)
    legs = epic_distance(R, third, gamma) + epic_distance(third, wrong, gamma)
    assert epic_distance(R, wrong, gamma) <= legs + 1e-12


@pytest.mark.parametrize("seed", range(12))
def test_the_value_difference_is_that_of_the_policies(seed):
    mdp, rng = mild(seed)
    assert expected_value_difference(mdp, mdp.r) <= 1e-9
    other = rng.normal(size=mdp.pair_shape)
    best = max_of(brute_force(mdp.exact(dyadic=True)) if mdp.n_pairs <= 12 else None, mdp)
    policy = mk.solve(mdp.replace(r=other), mk_policy()).policy
    own = mk.certify(mdp, policy=policy).v
    found = expected_value_difference(mdp, other)
    assert found == pytest.approx(float(mdp.start @ (best - own)), abs=1e-8)
    assert found <= value_range(mdp) + 1e-9


def mk_policy():
    from mdpkit.plan import PolicyIteration

    return PolicyIteration()


def max_of(exact, mdp):
    if exact is None:
        return mk.solve(mdp).v
    return np.array([int(x.p) / int(x.q) for x in exact])


def test_a_finite_horizon_has_its_own_value_difference():
    mdp = mk.load("gallery:corner-goal?noise=0")
    # Eight steps to the goal and one in it: the horizon must be nine.
    assert value_range(mdp, horizon=8) == pytest.approx(0, abs=1e-12)
    assert value_range(mdp, horizon=9) == pytest.approx(0.9**8)
    assert expected_value_difference(mdp, -mdp.r, horizon=9) == pytest.approx(0.9**8)
    assert expected_value_difference(mdp, mdp.r, horizon=9) == 0


def test_occupancies_of_any_scale_are_compared():
    assert occupancy_error([1, 1], [3, 3]) == 0
    assert occupancy_error([1, 0], [0, 5]) == 1


@pytest.mark.parametrize("seed", range(15))
def test_what_is_identifiable_is_what_changes_behavior(seed):
    # Tables of pairs: all but the S dimensions of shaping. Features: by perturbing behavior.
    mdp, rng = mild(seed)
    assert identifiable_dimension(mdp) == mdp.n_pairs - mdp.n_states
    phi = rng.normal(size=(mdp.n_pairs, 3))
    phi[:, 2] = shaped(mdp, 0 * mdp.r, rng.normal(size=mdp.n_states)).reshape(-1)
    dimension = identifiable_dimension(mdp, phi)
    model, base = MaxCausalEntropy(None, 1.0), np.zeros(3)
    slopes = []
    for k in range(3):
        step = 1e-4 * (np.arange(3) == k)
        up, down = (model.behave(mdp, phi @ (base + sign * step)).policy for sign in (1, -1))
        slopes.append((up - down) / 2e-4)
    size = np.linalg.svd(np.array(slopes), compute_uv=False)
    assert int((size > 1e-6).sum()) == dimension
    assert dimension <= 2
