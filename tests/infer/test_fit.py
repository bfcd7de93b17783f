"""Rewards recovered from experts whose reward is known."""

import resource

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.errors import ModelError
from mdpkit.infer import (
    Demonstrations,
    MaxCausalEntropy,
    MaxEntropyPaths,
    expected_value_difference,
    fit,
    occupancy_error,
    read_features,
    reward_correlation,
)
from mdpkit.infer.compare import value_range

T = 20


def grid(size=5, gamma=0.9, slip=0.3):
    """A grid without an end: one good cell, one bad cell, from the corner."""
    source = f"gallery:macrocells?size={size}&cell=1&noise={slip}"
    walk = mk.load(source, gamma=gamma)
    r = np.zeros(size * size)
    r[-1], r[size // 2 * (size + 1)] = 1.0, -0.5
    start = np.eye(size * size)[0]
    return walk.replace(r=np.repeat(r, 4), start=start)


def expert(mdp, model):
    """The expert's behavior, and its policy in the shape that sampling takes."""
    found = model.behave(mdp, mdp.r)
    shape = mdp.pair_shape if model.horizon is None else (model.horizon, *mdp.pair_shape)
    return found, found.policy.reshape(shape)


MODELS = [MaxCausalEntropy(T, 0.2), MaxCausalEntropy(None, 0.2), MaxEntropyPaths(T, 0.2)]


def losses(mdp, model, found, true):
    """EVD of the best policy for the recovered reward, and what the fitted behavior loses."""
    at = {"horizon": model.horizon, "discount": model.gamma(mdp)}
    evd = expected_value_difference(mdp, found.r, **at) / value_range(mdp, **at)
    soft = abs((found.behavior.visits - true.visits) @ mdp.r.reshape(-1))
    return evd, soft / value_range(mdp, **at)


@pytest.mark.parametrize("features", ["state", "pair"])
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_exact_expectations_give_back_the_behavior(model, features):
    mdp = grid()
    true, _ = expert(mdp, model)
    own = read_features(mdp, features).expectations(true.visits)
    found = fit(mdp, model, own, features, tol=1e-7)
    evd, soft = losses(mdp, model, found, true)
    assert evd < 1e-6
    assert soft < 1e-6
    assert occupancy_error(found.behavior.visits, true.visits) < 1e-6
    assert found.feature_error < 1e-6


@pytest.mark.parametrize("model", MODELS[:2], ids=str)
def test_ten_thousand_demonstrations_are_enough(model):
    mdp = grid()
    true, policy = expert(mdp, model)
    shown = Demonstrations.sample(mdp, policy, T, n=10_000, rng=0)
    found = fit(mdp, model, shown, "state", penalty=1e-4)
    evd, soft = losses(mdp, model, found, true)
    assert found.converged
    assert evd < 0.01
    assert soft < 0.01
    assert reward_correlation(mdp, found.r, mdp.r) > 0.99


def test_ten_thousand_paths_are_enough_where_they_are_drawn_from_their_own_model():
    # Paths of the posterior exist only where nothing is left to luck.
    mdp, model = grid(slip=0.0), MaxEntropyPaths(T, 0.2)
    true, policy = expert(mdp, model)
    shown = Demonstrations.sample(mdp, policy, T, n=10_000, rng=1)
    found = fit(mdp, model, shown, "state", penalty=1e-4)
    assert max(losses(mdp, model, found, true)) < 0.01


def test_paths_fitted_to_a_causal_expert_mistake_luck_for_preference():
    # E41: with dynamics that slip, path entropy explains the same expert by another reward.
    mdp = grid(slip=0.3)
    causal, whole = MaxCausalEntropy(T, 0.2, 1.0), MaxEntropyPaths(T, 0.2)
    true, _ = expert(mdp, causal)
    own = read_features(mdp, "state").expectations(true.visits)
    right, wrong = (fit(mdp, model, own, "state", tol=1e-6) for model in (causal, whole))
    rho = [reward_correlation(mdp, found.r, mdp.r) for found in (right, wrong)]
    assert rho[0] > 0.999
    assert rho[1] < rho[0] - 0.01


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_gradient_ascent_and_lbfgs_agree(model):
    mdp = grid(3)
    true, _ = expert(mdp, model)
    phi = np.eye(9)[:, [2, 4, 8]]
    own = read_features(mdp, phi).expectations(true.visits)
    one, other = (
        fit(mdp, model, own, phi, optimizer=o, penalty=1e-2, tol=1e-7, max_steps=3000)
        for o in ("lbfgs", "gradient")
    )
    assert other.converged
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-4)
    assert (np.diff(other.values) >= 0).all()


def test_a_penalty_shrinks_and_a_start_is_used():
    mdp, model = grid(3), MaxCausalEntropy(5, 1.0)
    true, _ = expert(mdp, model)
    own = read_features(mdp, "state").expectations(true.visits)
    small = fit(mdp, model, own, "state", penalty=10.0)
    large = fit(mdp, model, own, "state", penalty=0.1)
    assert np.linalg.norm(small.weights) < np.linalg.norm(large.weights)
    again = fit(mdp, model, own, "state", penalty=0.1, start=large.weights)
    assert again.steps <= 2


def test_an_expert_counted_one_state_too_far_is_explained_worse():
    # The peer's other half: demonstrations whose T + 1 states are counted with T steps' visits.
    mdp, model = grid(3), MaxCausalEntropy(5, 0.2, 1.0)
    true, policy = expert(mdp, model)
    phi = read_features(mdp, "state")
    honest = fit(mdp, model, phi.expectations(true.visits), "state", tol=1e-7, penalty=1e-8)
    from mdpkit.operators.messages import flow

    over = flow(mdp, policy).sum(axis=0)
    assert over.sum() == pytest.approx(6)
    wrong = fit(mdp, model, over, "state", penalty=1e-8)
    assert honest.feature_error < 1e-5
    assert wrong.feature_error > 0.01  # no behavior of 5 steps visits 6 states


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "adam"}, "optimizer"),
        ({"penalty": -1.0}, "penalty"),
        ({"features": "color"}, "features"),
        ({"features": np.ones((2, 2))}, "features have shape"),
        ({"features": np.full((9, 2), np.nan)}, "finite"),
        ({"expert": np.ones(3)}, "feature expectations"),
        ({"expert": Demonstrations.of([[(0, 0)] * 9])}, "horizon"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, message):
    options = {"expert": np.ones(9), "features": "state"} | change
    with pytest.raises(ValueError, match=message):
        fit(grid(3), MaxCausalEntropy(5), **options)


@pytest.mark.slow
def test_a_thousand_states_converge_in_a_minute():
    rng = np.random.default_rng(0)
    walk = mk.load("gallery:macrocells?size=32&cell=1", gamma=0.99)
    r = rng.normal(size=1024) * (rng.random(1024) < 0.1)
    mdp, model = walk.replace(r=np.repeat(r, 4)), MaxCausalEntropy(100, 1.0, 1.0)
    true = model.behave(mdp, mdp.r)
    phi = read_features(mdp, "state")
    own = phi.expectations(true.visits)
    before = resource.getrusage(resource.RUSAGE_SELF)
    found = fit(mdp, model, own, "state", tol=1e-4, max_steps=3000)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert found.converged
    assert after.ru_utime - before.ru_utime < 60
    assert occupancy_error(phi.expectations(found.behavior.visits), own) < 1e-4
    assert np.corrcoef(found.weights, r)[0, 1] > 0.99


@pytest.mark.parametrize(
    "make",
    [
        lambda: MaxCausalEntropy(0),
        lambda: MaxCausalEntropy(2.5),
        lambda: MaxCausalEntropy(3, tau=0),
        lambda: MaxCausalEntropy(3, discount=1.5),
        lambda: MaxEntropyPaths(None),
        lambda: MaxEntropyPaths(3, tau=-1.0),
    ],
)
def test_models_of_no_behavior_are_refused(make):
    with pytest.raises(ValueError, match=r"must|horizon"):
        make()


def test_without_a_horizon_a_discount_is_needed():
    with pytest.raises(ModelError, match="γ = 1"):
        fit(grid(3).replace(gamma=1.0), MaxCausalEntropy(), np.ones(9), "state")
