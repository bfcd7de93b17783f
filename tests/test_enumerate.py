"""Exhaustive batches against a recursion that writes every path down."""

import numpy as np
import pytest

from mdpkit import enumerate as every
from mdpkit.errors import ModelError
from mdpkit.operators.bellman import action_values
from mdpkit.policy import probabilities
from tests.oracles import pair_rows, random_mdp


def paths(mdp, pi, horizon, s, weight):
    """(pairs, states, ended, probability) of every path from s, one by one."""
    if horizon == 0:
        yield [], [s], False, weight
        return
    rows = pair_rows(mdp)
    for pair in range(mdp.action_ptr[s], mdp.action_ptr[s + 1]):
        if pi[pair] == 0:
            continue
        stop = mdp.stop.reshape(-1)[pair]
        if stop != 0:
            yield [pair], [s, s], True, weight * pi[pair] * stop
        for t, p in rows[pair]:
            for taken, seen, ended, w in paths(mdp, pi, horizon - 1, t, weight * pi[pair] * p):
                yield [pair, *taken], [s, *seen], ended, w


def random_policy(mdp, rng):
    weight = rng.random(mdp.n_pairs) * (rng.random(mdp.n_pairs) < 0.7) + 1e-3
    total = np.add.reduceat(weight, mdp.action_ptr[:-1])
    return (weight / np.repeat(total, np.diff(mdp.action_ptr))).reshape(mdp.pair_shape)


@pytest.mark.parametrize("seed", range(12))
def test_every_path_is_listed_once_with_its_probability(seed):
    mdp = random_mdp(seed)
    pi = random_policy(mdp, np.random.default_rng(seed))
    batch = every.trajectories(mdp, pi, 2)
    flat = pi.reshape(-1)
    wanted = {}
    for s in np.flatnonzero(mdp.start != 0):
        for taken, seen, ended, w in paths(mdp, flat, 2, s, mdp.start[s]):
            wanted[tuple(taken), tuple(seen[: len(taken) + (not ended)]), ended] = w
    found = {}
    for i in range(batch.weight.size):
        taken = tuple(int(p) for p in batch.pairs[:, i] if p >= 0)
        n = len(taken)
        ended = batch.discounts[n - 1, i] == 0
        seen = tuple(int(s) for s in batch.states[: n + (not ended), i])
        found[taken, seen, bool(ended)] = batch.weight[i]
    if mdp.gamma > 0:  # at γ = 0 the discount does not tell an end from a step
        assert found.keys() == wanted.keys()
        assert all(abs(found[key] - wanted[key]) < 1e-15 for key in wanted)
    assert abs(batch.weight.sum() - 1) < 1e-12


def test_returns_of_paths_that_end_are_the_value():
    """On a loop that every path leaves within 3 steps, Σ p·G = v^π(μ), by hand 1 + .9/2."""
    from mdpkit import MDP

    P = np.zeros((3, 1, 3))
    P[0, 0, 1], P[1, 0, 2] = 0.5, 1.0
    stop = np.array([[0.5], [0.0], [1.0]])
    r = np.array([[1.0], [1.0], [-1.0]])
    mdp = MDP(P, r, 0.9, stop=stop, start=[1.0, 0, 0])
    batch = every.trajectories(mdp, np.zeros(3, dtype=int), 3)
    G = np.zeros(batch.weight.size)
    for t in reversed(range(3)):
        G = batch.rewards[t] + batch.discounts[t] * G
    assert batch.weight.size == 2
    assert abs(batch.weight @ G - (1 + 0.5 * 0.9 * (1 - 0.9))) < 1e-15


@pytest.mark.parametrize("seed", range(12))
def test_transitions_make_the_backup(seed):
    """Σ weight (r + discount v(s')) over a pair's rows is q = r + γPv."""
    mdp = random_mdp(seed)
    v = np.random.default_rng(seed).normal(size=mdp.n_states)
    batch = every.transitions(mdp)
    q = np.zeros(mdp.n_pairs)
    np.add.at(
        q, batch.pair, batch.weight * (batch.reward + batch.discount * v[batch.next_state])
    )
    size = 1 + abs(mdp._r).max()
    near = {"atol": 1e-14 * size, "rtol": 1e-13}
    assert np.allclose(q.reshape(mdp.pair_shape), action_values(mdp, v), **near)
    continued = batch._replace(discount=np.full(batch.discount.size, mdp.gamma))
    wrong = np.zeros(mdp.n_pairs)
    values = continued.reward + continued.discount * v[continued.next_state]
    np.add.at(wrong, continued.pair, continued.weight * values)
    if mdp.stops and mdp.gamma > 0:  # bootstraps through the end
        assert not np.allclose(wrong, q, **near)


def test_exact_models_are_enumerated_in_fractions():
    mdp = random_mdp(3).exact(dyadic=True)
    batch = every.trajectories(mdp, np.array(mdp.pair_actions[mdp.action_ptr[:-1]]), 3)
    assert sum(batch.weight) == 1
    assert sum(every.transitions(mdp).weight) == mdp.n_pairs


def test_policies_are_all_different_and_valid():
    mdp = random_mdp(5)
    found = every.policies(mdp)
    assert len({tuple(pi) for pi in found}) == np.prod(np.diff(mdp.action_ptr))
    for pi in found:
        probabilities(mdp, pi)


def test_too_many_are_refused_before_they_are_made():
    mdp = random_mdp(1)
    with pytest.raises(ModelError, match="trajectories, above 2"):
        every.trajectories(mdp, mdp.pair_actions[mdp.action_ptr[:-1]], 60, most=2)
    with pytest.raises(ModelError, match="deterministic policies"):
        every.policies(mdp, most=0)
    with pytest.raises(ValueError, match="horizon"):
        every.trajectories(mdp, mdp.pair_actions[mdp.action_ptr[:-1]], 0)
