"""Successor features against Neumann sums, solved policies, and each other's conventions."""

import numpy as np
import pytest

from mdpkit import MDP, gallery, solve
from mdpkit.errors import SingularError
from mdpkit.operators.bellman import action_values
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.resolvent import policy_value
from mdpkit.operators.successor import (
    best_of,
    feature_values,
    gpi,
    reward_weights,
    successor_features,
    successor_representation,
)
from mdpkit.policy import under, uniform
from tests.learn_oracle import small
from tests.oracles import random_mdp


def instance(seed):
    mdp = random_mdp(seed, gammas=(0.5, 0.9))
    mdp = mdp.replace(r=small(mdp.r))
    rng = np.random.default_rng(seed)
    pi = rng.random(mdp.n_pairs) + 0.1
    pi /= np.repeat(np.add.reduceat(pi, mdp.action_ptr[:-1]), np.diff(mdp.action_ptr))
    return mdp, pi.reshape(mdp.pair_shape), rng.normal(size=(mdp.n_pairs, 3))


@pytest.mark.parametrize("seed", range(10))
def test_the_representation_is_its_series(seed):
    """(1−γ) Σ γᵏ Pᵏ, summed until γᵏ < 1e-17; and its rows are occupancies."""
    mdp, pi, _ = instance(seed)
    rows = under(mdp, pi)[0]
    P = rows.to_scipy().toarray() if mdp.is_sparse else rows
    power, total = np.eye(mdp.n_states), np.zeros((mdp.n_states, mdp.n_states))
    for k in range(int(np.log(1e-17) / np.log(mdp.gamma))):
        total += mdp.gamma**k * power
        power = power @ P
    M = successor_representation(mdp, pi)
    assert np.allclose(M, (1 - mdp.gamma) * total, atol=1e-13)
    assert np.allclose(successor_representation(mdp, pi, normalized=False), total, atol=1e-12)
    for s in range(mdp.n_states):
        assert np.allclose(M[s], occupancy(mdp, pi, np.eye(mdp.n_states)[s]), atol=1e-13)
    if not mdp.stops:
        assert np.allclose(M.sum(axis=1), 1, atol=1e-13)
    else:
        assert (M.sum(axis=1) < 1).any()


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_features_give_the_values_of_linear_rewards(seed, normalized):
    mdp, pi, phi = instance(seed)
    w = np.array([1.0, -2.0, 0.5])
    paid = mdp.replace(r=(phi @ w).reshape(mdp.pair_shape))
    q = action_values(paid, policy_value(paid, pi))
    psi = successor_features(mdp, pi, phi, normalized=normalized)
    assert np.allclose(feature_values(mdp, psi, w, normalized=normalized), q, atol=1e-11)
    if mdp.gamma > 0:
        other = feature_values(mdp, psi, w, normalized=not normalized)
        assert not np.allclose(other, q, atol=1e-3)  # the factor matters
    shaped = phi.reshape(*mdp.pair_shape, 3)
    assert np.array_equal(successor_features(mdp, pi, shaped, normalized=normalized), psi)


@pytest.mark.parametrize("seed", range(6))
def test_one_hot_features_make_the_representation(seed):
    """φ(s,a) = 1_s: the policy's average of ψ is M."""
    mdp, pi, _ = instance(seed)
    psi = successor_features(mdp, pi, np.eye(mdp.n_states)[mdp.pair_states])
    followed = np.add.reduceat(pi.reshape(-1, 1) * psi, mdp.action_ptr[:-1], axis=0)
    assert np.allclose(followed, successor_representation(mdp, pi), atol=1e-13)


def test_exact_models_give_fractions():
    mdp = gallery.make("puterman").exact()
    M = successor_representation(mdp, np.array([0, 0]))
    assert all(sum(row) == 1 for row in M)
    phi = np.array([[1], [0], [2]]) + mdp.gamma * 0
    psi = successor_features(mdp, np.array([0, 0]), phi)
    assert psi[2, 0] == 2  # stays for ever, seeing 2
    assert (M @ phi[[0, 2]])[0, 0] == psi[0, 0]
    w = reward_weights(mdp, np.stack([mdp.r.reshape(-1), phi[:, 0]], axis=1))
    assert w.tolist() == [1, 0]


def test_rewards_are_regressed():
    """Exact where linear; elsewhere the residual is orthogonal under the weights."""
    mdp, _, phi = instance(5)
    w = np.array([3.0, 1.0, -1.0])
    linear = mdp.replace(r=(phi @ w).reshape(mdp.pair_shape))
    assert np.allclose(reward_weights(linear, phi), w, atol=1e-12)
    rho = np.arange(mdp.n_pairs) + 1.0
    found = reward_weights(mdp, phi, rho=rho)
    residual = phi @ found - mdp.r.reshape(-1)
    assert abs(phi.T @ (rho * residual)).max() < 1e-11
    assert abs(phi.T @ residual).max() > 1e-3
    assert np.allclose(reward_weights(mdp, phi, rewards=linear.r), w, atol=1e-12)
    with pytest.raises(SingularError):
        reward_weights(mdp, np.ones((mdp.n_pairs, 2)))


def test_improvement_takes_the_best_of_the_best():
    """In each state the action of the largest entry of any policy; not of their average."""
    mdp = MDP(np.ones((1, 3, 1)), np.zeros((1, 3)), 0.5)
    values = [np.array([[0.0, 2.0, 5.0]]), np.array([[0.0, 4.5, 0.0]])]
    assert best_of(mdp, values).tolist() == [2]
    assert np.mean(values, axis=0).argmax() == 1
    psis = [q[0][:, None] for q in values]
    assert gpi(mdp, psis, [1.0]).tolist() == [2]
    assert gpi(mdp, psis, [-1.0]).tolist() == [0]


def test_improvement_is_better_than_each_policy():
    """Two corners of a grid: from policies for the one and the other to the nearer of the two.

    Better than either; here it is the optimum.
    """
    grid = gallery.make("grid4x4", gamma=0.9)
    phi, ends = np.zeros((grid.n_pairs, 2)), grid.stop.reshape(-1) > 0
    first = np.isin(grid.pair_states, [1, 4])
    phi[ends & first, 0] = phi[ends & ~first, 1] = 1.0
    policies = [
        solve(grid.replace(r=(phi @ w).reshape(grid.pair_shape))).policy for w in np.eye(2)
    ]
    psis = [successor_features(grid, pi, phi) for pi in policies]
    both = grid.replace(r=phi.sum(axis=1).reshape(grid.pair_shape))
    best = solve(both).v
    assert np.allclose(policy_value(both, gpi(grid, psis, [1.0, 1.0])), best, atol=1e-9)
    assert all((policy_value(both, pi) < best - 0.1).any() for pi in policies)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: successor_representation(m.replace(gamma=1.0), uniform(m)), "normalized"),
        (lambda m: successor_features(m, uniform(m), np.ones(3)), "features"),
        (lambda m: successor_features(m, uniform(m), np.ones((3, 2))), "features"),
        (
            lambda m: successor_features(m, uniform(m), np.full((m.n_pairs, 1), np.nan)),
            "finite",
        ),
        (lambda m: feature_values(m, np.ones((m.n_pairs, 2)), np.ones(3)), "w"),
        (lambda m: gpi(m, [], np.ones(2)), "nothing"),
        (lambda m: best_of(m, [np.ones(2)]), r"values\[0\]"),
    ],
)
def test_bad_inputs_are_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call(instance(5)[0])


def test_sparse_chains_take_matrices():
    """The three ways to solve for many right sides at once agree with one at a time."""
    from mdpkit.operators import resolvent

    mdp, pi, phi = instance(6)
    rows = under(mdp, pi)[0]
    b = np.random.default_rng(0).normal(size=(mdp.n_states, 3))
    one = np.stack([resolvent.solve_dense(rows, x, 0.9) for x in b.T], axis=1)
    for way in (resolvent.solve_dense, resolvent.solve_sparse):
        assert np.allclose(way(rows, b, 0.9), one, atol=1e-12)
    assert np.allclose(resolvent._by_columns(resolvent.solve_krylov, rows, b, 0.9), one)
    assert phi.shape[0] == mdp.n_pairs
