"""A model as an environment: Gymnasium's own checker, frequencies, and both ways."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import mdpkit as mk

FROZEN = "gym:FrozenLake-v1"


def test_gymnasiums_checker_is_content(model, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(3):
            check_env(mk.to_env(model(seed, kind)))


def test_an_exact_model_is_played_in_floats():
    env = mk.to_env(mk.load("gallery:puterman").exact())
    env.reset(seed=0)
    assert isinstance(env.step(0)[1], float)


def play(env, seed, count):
    env.reset(seed=seed)
    env.action_space.seed(seed)
    seen, done = [], False
    for _ in range(count):
        s, _ = env.reset() if done else (seen[-1][2] if seen else env.reset(seed=seed)[0], {})
        a = int(env.action_space.sample())
        t, r, done, _, _ = env.step(a)
        seen.append((s, a, t, r, done))
    return seen


def test_the_same_seed_plays_the_same_episodes(model, kind):
    first, again, other = (play(mk.to_env(model(7, kind)), seed, 50) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.stat
def test_what_is_played_is_the_model():
    """Four times the standard error; the seed is fixed, so it fails never or always."""
    mdp = mk.load(FROZEN, gamma=0.9)
    env, n = mk.to_env(mdp), 20_000
    seen = play(env, 3, n)
    estimate = mk.MDP.from_transitions(
        *np.array([(s, a) for s, a, *_ in seen]).T,
        [r for *_, r, _ in seen],
        [t for _, _, t, _, _ in seen],
        [done for *_, done in seen],
        gamma=0.9,
        n_states=16,
        n_actions=4,
        deadlock="selfloop",
    )
    counts = estimate.counts
    assert counts.sum() == n
    for pair in range(estimate.mdp.n_pairs):
        s, a = estimate.mdp.place(pair)
        if counts[s, a] == 0:
            continue
        found = np.append(estimate.mdp.P.toarray()[pair], estimate.mdp.stop[pair])
        true = np.append(mdp.P[s, a], mdp.stop[s, a])
        error = np.sqrt(true * (1 - true) / counts[s, a])
        assert (abs(found - true) <= 4.5 * error + 1e-12).all()


def test_the_end_returns_the_state_again():
    mdp = mk.MDP(
        [[[0, 0.0], [0, 0]], [[0, 0], [1, 0]]], [[1, 2], [3, 4]], 0.9, stop=[[1, 1], [1, 0]]
    )
    env = mk.to_env(mdp)
    assert env.reset(options={"state": 1})[0] == 1
    assert env.step(0)[:4] == (1, 3.0, True, False)
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(0)
    env.reset(options={"state": 1})
    assert env.step(1)[:3] == (0, 4.0, False)


def test_an_action_that_the_state_lacks_is_refused():
    mdp = mk.MDP(
        np.eye(2)[:, None].repeat(2, 1),
        [[0.0, 1], [0, 1]],
        0.9,
        mask=[[True, False], [True, True]],
    )
    env = mk.to_env(mdp)
    _, info = env.reset(options={"state": 0})
    assert info["action_mask"].tolist() == [1, 0]
    assert {int(env.action_space.sample()) for _ in range(20)} == {0}
    with pytest.raises(ValueError, match=r"state 0 has no action 1; it has \[0\]"):
        env.step(1)
    with pytest.raises(ValueError, match="state 7 is not"):
        env.reset(options={"state": 7})


def test_only_models_are_played():
    with pytest.raises(TypeError, match="takes an MDP"):
        mk.to_env("gym:FrozenLake-v1")
    assert isinstance(mk.to_env(mk.load(FROZEN, gamma=0.9)), gymnasium.Env)
