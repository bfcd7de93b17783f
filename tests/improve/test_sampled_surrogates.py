"""Surrogates: gradients against complex steps of the objectives, and where they part."""

import numpy as np
import pytest

from mdpkit import enumerate as every
from mdpkit.improve.estimators import advantages, at_pairs, score_gradient
from mdpkit.improve.moments import mean
from mdpkit.improve.off_policy import action_ratios
from mdpkit.improve.sampled_surrogates import (
    importance_gradient,
    importance_surrogate,
    log_surrogate,
)
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import softmax_gradient, visits
from mdpkit.operators.scores import softmax_scores
from mdpkit.policy import expected_under
from tests.gradient_oracle import (
    complex_gradient,
    drawn_policy,
    floats,
    fractions,
    layered,
    softmax,
)

SEEDS = range(8)
NEAR = 1e-12  # a hundred paths of numbers ≤ 10, weights of sum 1


@pytest.mark.parametrize("seed", SEEDS)
def test_at_the_old_policy_both_gradients_are_the_policy_gradient(seed):
    """In fractions, with the exact advantage and with GAE; path by path they are one vector."""
    mdp = layered(seed).exact()
    pi = fractions(mdp, seed)
    scores, batch = softmax_scores(mdp, pi), every.trajectories(mdp, pi, 3)
    v, _, A = policy_values(mdp, pi)
    ratios = action_ratios(mdp, batch, pi, pi)
    for gains in (at_pairs(batch, A), advantages(batch, v, pi.reshape(-1)[0])):
        one = importance_gradient(batch, ratios, scores, gains)
        assert (one == score_gradient(batch, scores, gains)).all()
        assert (mean(one, batch.weight) == softmax_gradient(mdp, pi).reshape(-1)).all()
    values = importance_surrogate(batch, ratios, at_pairs(batch, A))
    assert mean(values[:, None], batch.weight)[0] == 0  # E_π A = 0


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_are_complex_steps_of_the_surrogates(seed):
    """At a policy that is not the old one, where the two objectives have parted."""
    mdp = layered(seed)
    rng = np.random.default_rng(seed)
    old, (theta, new) = floats(fractions(mdp, seed)), drawn_policy(mdp, rng)
    batch = every.trajectories(mdp, old, 3)
    gains = advantages(batch, policy_values(mdp, old).v, 0.6)
    scores, taken = softmax_scores(mdp, new), batch.pairs >= 0
    pairs = np.maximum(batch.pairs, 0)

    def importance(x):
        ratio = np.where(taken, (softmax(mdp, x) / old.reshape(-1))[pairs], 1.0)
        return batch.weight @ importance_surrogate(batch, ratio, gains)

    def logarithm(x):
        return batch.weight @ log_surrogate(batch, np.log(softmax(mdp, x)), gains)

    ratios = action_ratios(mdp, batch, new, old)
    found = [
        mean(importance_gradient(batch, ratios, scores, gains), batch.weight),
        mean(score_gradient(batch, scores, gains), batch.weight),
    ]
    for gradient, objective in zip(found, (importance, logarithm), strict=True):
        assert np.abs(gradient - complex_gradient(objective, theta)).max() <= NEAR
    assert np.abs(found[0] - found[1]).max() > 1e-3


@pytest.mark.parametrize("seed", SEEDS)
def test_the_importance_surrogate_is_the_first_order_of_the_return(seed):
    """E L^IS = H Σ d^old Σ_a π A^old: `performance_difference` with the old visits. Exact."""
    mdp = layered(seed).exact()
    old, new = fractions(mdp, seed), fractions(mdp, 50 + seed)
    batch = every.trajectories(mdp, old, 3)
    A = policy_values(mdp, old).advantage
    values = importance_surrogate(
        batch, action_ratios(mdp, batch, new, old), at_pairs(batch, A)
    )
    assert batch.weight @ values == visits(mdp, old) @ expected_under(mdp, new, A)


@pytest.mark.parametrize("seed", SEEDS)
def test_their_hessians_differ_by_the_score_products(seed):
    """∇²L^IS − ∇²L^PG = E Σ γᵗ A ∇ log π ∇ log πᵀ at the old policy; not 0."""
    mdp = layered(seed, n_actions=3)
    theta, pi = drawn_policy(mdp, np.random.default_rng(seed))
    batch, A = every.trajectories(mdp, pi, 3), policy_values(mdp, pi).advantage
    gains = at_pairs(batch, A)

    def slopes(x):
        new = softmax(mdp, x).reshape(mdp.pair_shape)
        scores, ratios = softmax_scores(mdp, new), action_ratios(mdp, batch, new, pi)
        one = importance_gradient(batch, ratios, scores, gains)
        return mean(one - score_gradient(batch, scores, gains), batch.weight)

    rows = softmax_scores(mdp, pi).table()
    x = (
        np.repeat(visits(mdp, pi), np.diff(mdp.action_ptr)).reshape(mdp.pair_shape) * pi * A
    ).reshape(-1)
    true = rows.T @ (x[:, None] * rows)
    h = 1e-5
    found = [
        (slopes(theta + h * e) - slopes(theta - h * e)) / (2 * h) for e in np.eye(theta.size)
    ]
    # h² times a third derivative ≤ 100, and the rounding of sums of size 10 over h.
    assert np.abs(np.array(found) - true).max() <= 100 * h**2 + 1e-14 * 10 / h
    assert np.abs(true).max() > 1e-3
