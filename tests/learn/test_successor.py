"""Successor features from samples: the mean update, its faults, and where it arrives."""

import gymnasium
import numpy as np
import pytest

from mdpkit import gallery
from mdpkit.learn import SuccessorFeatures, SuccessorRepresentation, learn
from mdpkit.operators.rollout import ENDED
from mdpkit.operators.step_size import polynomial
from mdpkit.operators.successor import successor_features, successor_representation
from mdpkit.policy import under, uniform
from tests.learn_oracle import Feed, every_transition, small
from tests.oracles import random_mdp


def instance():
    """5 states, 15 pairs, ragged; some end the episode with probability ¼. φ of 2 features."""
    mdp, rng = random_mdp(5, gammas=(0.9,)), np.random.default_rng(5)
    return mdp.replace(r=small(mdp.r)), rng.normal(size=(mdp.n_pairs, 2))


def expected_change(method, mdp, psi, fault=None):
    """(n, K): the mean change of ψ, or (S, S) of M, over transitions and the next action."""
    feed = Feed(method, mdp, fault=fault)
    of_pairs = isinstance(method, SuccessorFeatures)
    pi, total = uniform(mdp).reshape(-1), np.zeros(psi.shape)
    for weight, pair, reward, after in every_transition(mdp):
        feed.tables.psi[:], feed.tables.visits[:] = psi, 0
        feed.restart()
        s = mdp.pair_states[pair]
        feed.stand(s, pair)
        feed.step(reward, after)
        i = pair if of_pairs else s
        changes = (feed.tables.psi - psi)[:, i]
        if after == ENDED or not of_pairs:
            mean = changes.mean(axis=0)
            assert np.ptp(changes, axis=0).max() < 1e-14
        else:
            own = range(mdp.action_ptr[after], mdp.action_ptr[after + 1])
            mean = sum(pi[b] * changes[feed.chosen == b][0] for b in own)
        total[i] += weight * mean * (1.0 if of_pairs else pi[pair])
    return total


def wanted(method, mdp, psi):
    """α ((1−γ) φ + γPψ − ψ)."""
    scale = 0.1 if method.normalized else 1.0
    if isinstance(method, SuccessorRepresentation):
        P = under(mdp, uniform(mdp))[0]
        P = P.to_scipy().toarray() if mdp.is_sparse else P
        return 0.25 * (scale * np.eye(mdp.n_states) + 0.9 * P @ psi - psi)
    pi = uniform(mdp).reshape(-1, 1)
    seen = np.add.reduceat(pi * psi, mdp.action_ptr[:-1], axis=0)
    later = np.stack([mdp.expect(x.copy()).reshape(-1) for x in seen.T], axis=1)
    return 0.25 * (scale * method.features + 0.9 * later - psi)


def cases():
    mdp, phi = instance()
    for normalized in (True, False):
        given = {"normalized": normalized, "step_size": 0.25}
        yield SuccessorFeatures(uniform(mdp), phi, **given)
        yield SuccessorRepresentation(uniform(mdp), **given)


@pytest.mark.parametrize("method", list(cases()), ids=lambda m: f"{m.key}-{m.normalized}")
def test_expected_update_is_the_operator(method):
    mdp, phi = instance()
    states = isinstance(method, SuccessorRepresentation)
    shape = (mdp.n_states,) * 2 if states else phi.shape
    psi = np.random.default_rng(0).normal(size=shape)
    found = expected_change(method, mdp, psi)
    assert abs(found - wanted(method, mdp, psi)).max() < 1e-12
    for fault in (
        ("_advance", "scale * tables", "tables" if method.normalized else "0.1 * tables"),
        ("_advance", "discount * psi", "psi"),
        ("_advance", "after != ENDED", "(after := max(after, 0)) >= 0"),
        ("_advance", "j, discount = pair if rule.of_pairs else after", "j, discount = i"),
    ):
        off = expected_change(method, mdp, psi, fault)
        assert abs(off - wanted(method, mdp, psi)).max() > 1e-3


@pytest.mark.stat
def test_it_arrives():
    """α_k = (1 + k)^−.7, 8 runs of 40,000 steps: the mean within .02 of the exact ψ and M."""
    mdp, phi = instance()
    given = {"episodes": 400, "runs": 8, "rng": 0, "max_steps": 100}
    alpha = polynomial(power=0.7)
    pi = uniform(mdp)
    found = learn(mdp, SuccessorFeatures(pi, phi, step_size=alpha), **given)
    assert abs(found.values.mean(axis=0) - successor_features(mdp, pi, phi)).max() < 0.02
    found = learn(mdp, SuccessorRepresentation(pi, step_size=alpha), **given)
    assert found.values.shape == (8, mdp.n_states, mdp.n_states)
    assert abs(found.values.mean(axis=0) - successor_representation(mdp, pi)).max() < 0.02


def test_environments_and_threads():
    env, pi = gymnasium.make("FrozenLake-v1"), np.full((16, 4), 0.25)
    found = learn(env, SuccessorRepresentation(pi), episodes=5, rng=0, gamma=0.9)
    assert found.values.shape == (1, 16, 16)
    mdp, phi = instance()
    method = SuccessorFeatures(uniform(mdp), phi)
    one, other = (
        learn(mdp, method, episodes=9, runs=4, rng=0, max_steps=50, threads=n) for n in (1, 2)
    )
    assert np.array_equal(one.values, other.values)


@pytest.mark.parametrize(
    ("features", "said"),
    [(np.ones(15), "features"), (np.ones((14, 2)), "15"), (np.full((15, 1), np.inf), "finite")],
)
def test_bad_features_are_refused(features, said):
    mdp, _ = instance()
    with pytest.raises(ValueError, match=said):
        learn(mdp, SuccessorFeatures(uniform(mdp), features), episodes=1)


def test_nothing_is_normalized_at_discount_one():
    mdp = gallery.make("grid4x4")
    with pytest.raises(ValueError, match="normalized=False"):
        learn(mdp, SuccessorRepresentation(uniform(mdp)), episodes=1)
    learn(mdp, SuccessorRepresentation(uniform(mdp), normalized=False), episodes=1)
