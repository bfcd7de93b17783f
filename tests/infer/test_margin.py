"""Feature matching and margins: norms, monotone margins, and the programs' own conditions."""

from itertools import product

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.infer import apprentice, max_margin, nearest_mixture, read_features
from mdpkit.infer.apprenticeship import best_policy, feature_expectations
from mdpkit.infer.margin import least_distance
from mdpkit.mdp import MDP
from mdpkit.operators.occupancy import pair_occupancy
from mdpkit.policy import probabilities


def small(seed, S=4, A=3, K=3):
    rng = np.random.default_rng(seed)
    mdp = MDP(rng.dirichlet(np.ones(S), size=(S, A)), rng.normal(size=(S, A)), 0.9)
    return mdp, rng.random((S * A, K)), rng


@pytest.mark.parametrize("rule", ["projection", "max-margin"])
@pytest.mark.parametrize("seed", range(8))
def test_a_mixture_matches_an_expert_of_the_class(seed, rule):
    mdp, phi, rng = small(seed)
    features = read_features(mdp, phi)
    expert = best_policy(mdp, features.reward(rng.normal(size=3)))
    aim = feature_expectations(mdp, expert, features)
    found = apprentice(mdp, aim, phi, rule=rule, max_steps=200)
    assert found.distance <= 1e-3
    assert (np.diff(found.margins) <= 1e-9).all()
    assert np.linalg.norm(found.weights, axis=1) == pytest.approx(1)
    assert found.mixture.sum() == pytest.approx(1)
    # M4: no reward of norm 1 tells the mixture from the expert by more than the distance.
    for w in np.vstack([found.weights, rng.normal(size=(20, 3))]):
        w = w / np.linalg.norm(w)
        values = [
            float(mdp.start @ mk.certify(mdp.replace(r=features.reward(w)), policy=p).v)
            for p in found.policies
        ]
        own = float(mdp.start @ mk.certify(mdp.replace(r=features.reward(w)), policy=expert).v)
        assert abs(found.mixture @ values - own) <= found.distance + 1e-9


@pytest.mark.parametrize("rule", ["projection", "max-margin"])
def test_a_stochastic_expert_is_matched_by_a_mixture(rule):
    mdp, phi, rng = small(3)
    features = read_features(mdp, phi)
    expert = rng.dirichlet(np.ones(3), size=4)
    aim = feature_expectations(mdp, expert, features)
    found = apprentice(mdp, aim, phi, rule=rule, max_steps=200)
    assert found.distance <= 1e-3
    assert len(found.mixture) > 1


def test_without_the_norm_the_margin_has_no_bound():
    # E40: doubling w doubles min_j w·(f_E − f_j); at norm 1 it is the distance to the hull.
    mdp, phi, rng = small(1)
    features = read_features(mdp, phi)
    points = np.array(
        [feature_expectations(mdp, rng.integers(3, size=4), features) for _ in range(4)]
    )
    aim = points.mean(axis=0) + 5.0
    mixture, distance = nearest_mixture(aim, points)
    w = aim - mixture @ points
    margin = ((aim - points) @ (w / np.linalg.norm(w))).min()
    assert margin == pytest.approx(distance, rel=1e-9)
    assert ((aim - points) @ w).min() == pytest.approx(distance * np.linalg.norm(w))
    for other in rng.normal(size=(300, 3)):
        other /= np.linalg.norm(other)
        assert ((aim - points) @ other).min() <= distance + 1e-9


def every_constraint(mdp, features, expert):
    """f_E − f_π and D(π, π_E) of all deterministic policies."""
    pi, aim = probabilities(mdp, expert), feature_expectations(mdp, expert, features)
    rows, losses = [], []
    for policy in product(range(mdp.n_actions), repeat=mdp.n_states):
        policy = np.array(policy)
        rows.append(aim - feature_expectations(mdp, policy, features))
        losses.append(float(np.sum(pair_occupancy(mdp, policy) * (1 - pi))) / (1 - mdp.gamma))
    return np.array(rows), np.array(losses)


@pytest.mark.parametrize("seed", range(6))
def test_the_margin_program_meets_its_optimality_conditions(seed):
    mdp, phi, rng = small(seed)
    features = read_features(mdp, phi)
    expert = best_policy(mdp, features.reward(rng.normal(size=3)))
    found = max_margin(mdp, expert, phi, cost=2.0)
    rows, losses = every_constraint(mdp, features, expert)
    broken = losses - rows @ found.weights - found.slack
    assert broken.max() <= 1e-8 * max(1, losses.max())
    assert (found.multipliers >= 0).all()
    assert found.weights == pytest.approx(found.multipliers @ found.rows, abs=1e-8)
    assert found.slack == pytest.approx(found.multipliers.sum() / 2.0, abs=1e-8)
    tight = found.losses - found.rows @ found.weights - found.slack
    assert np.abs(found.multipliers * tight).max() <= 1e-8 * max(1, losses.max())
    # Convex, so these conditions are enough; no random neighbor is better.
    best = found.weights @ found.weights + 2.0 * found.slack**2
    for step in rng.normal(size=(200, 3)):
        w = found.weights + 0.1 * step
        slack = max(0.0, (losses - rows @ w).max())
        assert w @ w + 2.0 * slack**2 >= best - 1e-9


def test_the_margin_reward_makes_a_representable_expert_best():
    mdp, _, rng = small(2)
    expert = best_policy(mdp, rng.normal(size=(4, 3)))
    found = max_margin(mdp, expert, "pair", cost=1e6)
    assert (best_policy(mdp, found.r) == expert).all()
    # The seed's parenthesis: D outside the maximum is no margin; w = 0 would do.
    assert np.linalg.norm(found.weights) > 0.1


def test_an_infeasible_program_says_so():
    with pytest.raises(ArithmeticError, match="infeasible"):
        least_distance(np.array([[1.0], [-1.0]]), np.array([1.0, 1.0]))


def test_arguments_out_of_range_are_refused():
    mdp, phi, _ = small(0)
    with pytest.raises(ValueError, match="rule"):
        apprentice(mdp, np.zeros(3), phi, rule="guess")
    with pytest.raises(ValueError, match="expectations"):
        apprentice(mdp, np.zeros(2), phi)
    with pytest.raises(ValueError, match="cost"):
        max_margin(mdp, np.zeros(4, dtype=int), phi, cost=0)
