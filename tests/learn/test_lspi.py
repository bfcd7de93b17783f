"""LSPI: policy iteration on the empirical model, the chains of its paper, ends, and speed."""

import sys

import numpy as np
import pytest

import mdpkit as mk
from mdpkit import MDP, gallery
from mdpkit import enumerate as every
from mdpkit.batch import Transitions
from mdpkit.errors import SingularError
from mdpkit.learn import lspi, lstdq, merged
from mdpkit.learn.linear.lspi import eliminate
from mdpkit.operators.bellman import action_values
from mdpkit.operators.features import OneHot, Polynomial, RadialBasis, pair_features
from mdpkit.operators.performance import policy_values
from mdpkit.operators.rollout import rollout
from mdpkit.plan import PolicyIteration
from mdpkit.policy import uniform
from tests.oracles import random_mdp


def collected(mdp, steps, n, seed):
    """Steps of random walks, as the paper collects them."""
    batch = rollout(mdp, uniform(mdp), steps, n=n, rng=seed)
    taken = batch.pairs >= 0
    parts = batch.pairs, batch.rewards, batch.discounts, batch.states[1:]
    return Transitions(*(x[taken] for x in parts), np.ones(taken.sum()))


def empirical(mdp, steps):
    """The model that the steps describe."""
    s, a = mdp.pair_states[steps.pair], mdp.pair_actions[steps.pair]
    over = steps.discount == 0
    made = MDP.from_transitions(
        s, a, steps.reward, steps.next_state, over, gamma=mdp.gamma, n_states=mdp.n_states
    )
    assert made.mdp.n_pairs == mdp.n_pairs
    return made.mdp


def policies_of(mdp, first):
    """The policies that policy iteration visits, from `first` on."""
    method, out = PolicyIteration(), [first]
    from mdpkit.plan.policy_iteration import evaluated

    state = evaluated(mdp, mdp.action_ptr[:-1] + first)
    while True:
        new = method.step(mdp, state)
        if np.array_equal(new.pairs, state.pairs):
            return np.array(out)
        state = new
        out.append(new.pairs - mdp.action_ptr[:-1])


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_one_weight_a_pair_is_policy_iteration_on_the_empirical_model(seed, counted):
    rng = np.random.default_rng(seed)
    stop = np.where(rng.random((5, 3)) < 0.3, 0.2, 0.0)
    P = rng.dirichlet(np.full(5, 0.5), size=(5, 3)) * (1 - stop[..., None])
    mdp = MDP(P, rng.normal(size=(5, 3)), 0.95, stop=stop)
    steps = collected(mdp, 200, 60, seed)
    wanted = policies_of(empirical(mdp, steps), np.zeros(5, int))
    assert len(wanted) > 1
    found = lspi(merged(steps) if counted else steps, np.eye(15), action_ptr=mdp.action_ptr)
    np.testing.assert_array_equal(found.policies[: len(wanted)], wanted)
    np.testing.assert_array_equal(found.policy, wanted[-1])
    assert found.converged
    assert found.steps == len(wanted)  # the last one is evaluated, and stays
    values = policy_values(empirical(mdp, steps), found.policy).q.reshape(-1)
    np.testing.assert_allclose(found.q, values, rtol=0, atol=1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_of_every_transition_it_is_policy_iteration(seed):
    mdp = random_mdp(seed, gammas=(0.9,))
    mdp = mdp.replace(r=np.random.default_rng(seed).normal(size=mdp.pair_shape))
    found = lspi(every.transitions(mdp), np.eye(mdp.n_pairs), action_ptr=mdp.action_ptr)
    wanted = policies_of(mdp, np.zeros(mdp.n_states, int))
    np.testing.assert_array_equal(found.policies[: len(wanted)], wanted)


# ---- the chains of the paper -----------------------------------------------------------------


def chain(n, rewarded):
    return gallery.make("lspi-chain", n=n, rewarded=rewarded)


def letters(policy):
    return "".join("LR"[a] for a in policy)


def shortfall(mdp, policy):
    """The largest v* − v^π."""
    return float((mk.solve(mdp, PolicyIteration()).v - policy_values(mdp, policy).v).max())


def test_four_states_have_their_optimum():
    mdp = chain(4, (1, 2))
    best = mk.solve(mdp, PolicyIteration())
    np.testing.assert_allclose(best.v, [8.1, 9.1, 9.1, 8.1], rtol=0, atol=1e-12)
    found = lspi(every.transitions(mdp), np.eye(8), action_ptr=mdp.action_ptr)
    assert letters(found.policy) == "RRLL"
    np.testing.assert_allclose(found.q.reshape(4, 2), action_values(mdp, best.v), atol=1e-10)
    poly = pair_features(mdp, Polynomial(2, 0.0, 3.0))
    few = lspi(collected(mdp, 50, 1, 0), poly, action_ptr=mdp.action_ptr)
    assert letters(few.policy) == "RRLL"


@pytest.mark.parametrize("seed", range(4))
def test_twenty_states_with_polynomials_reach_the_optimum(seed):
    """§9.1: 5 terms for each action and 5000 steps; left below the middle, right above it."""
    mdp = chain(20, (0, 19))
    phi = pair_features(mdp, Polynomial(4, 0.0, 19.0))
    found = lspi(collected(mdp, 50, 100, seed), phi, action_ptr=mdp.action_ptr)
    assert phi.shape == (40, 10)
    assert letters(found.policy) == "L" * 10 + "R" * 10
    assert found.converged
    assert found.steps <= 8  # as many as the paper needed


def test_fifty_states_need_radial_functions():
    """§9.1: rewards in states 10 and 41; ten bumps come near, polynomials do not."""
    mdp = chain(50, (9, 40))
    best = letters(mk.solve(mdp, PolicyIteration()).policy)
    assert best == "R" * 9 + "L" * 16 + "R" * 16 + "L" * 9
    bumps = RadialBasis(np.linspace(0, 49, 10), 4.0)
    losses = {}
    for name, phi in {"poly": Polynomial(4, 0.0, 49.0), "rbf": bumps}.items():
        table = pair_features(mdp, phi)
        found = lspi(every.transitions(mdp), table, action_ptr=mdp.action_ptr)
        assert found.converged
        losses[name] = shortfall(mdp, found.policy)
        assert table.shape[1] == {"poly": 10, "rbf": 22}[name]
    assert losses["rbf"] < 0.35
    assert losses["poly"] > 3 * losses["rbf"]
    sampled = lspi(
        collected(mdp, 200, 50, 1), pair_features(mdp, bumps), action_ptr=mdp.action_ptr
    )
    assert shortfall(mdp, sampled.policy) < 0.5


# ---- ends ------------------------------------------------------------------------------------


def absorbing():
    """Pay 1 and end; the state number that comes with an end is moot."""
    ended = np.zeros(3)
    return Transitions(np.zeros(3, int), np.ones(3), ended, np.zeros(3, int), np.ones(3))


def test_nothing_follows_an_end():
    """q = 1, where one that bootstraps through the end finds 1/(1 − .9) = 10."""
    found = lspi(absorbing(), np.eye(1), action_ptr=[0, 1])
    assert found.q == pytest.approx([1.0])
    through = absorbing()._replace(discount=np.full(3, 0.9))
    assert lspi(through, np.eye(1), action_ptr=[0, 1]).q == pytest.approx([10.0])


def test_wherever_an_end_is_said_to_lead_nothing_changes():
    mdp = MDP(
        np.full((2, 2, 2), 0.25), [[1.0, 2.0], [3.0, 0.0]], 0.9, stop=np.full((2, 2), 0.5)
    )
    batch = every.transitions(mdp)
    moot = batch._replace(next_state=np.where(batch.discount == 0, 0, batch.next_state))
    one, other = (lspi(x, np.eye(4), action_ptr=mdp.action_ptr) for x in (batch, moot))
    np.testing.assert_array_equal(one.w, other.w)
    np.testing.assert_allclose(one.q, mk.solve(mdp).q.reshape(-1), rtol=1e-9)


# ---- singular, and the way it is solved ------------------------------------------------------


def test_a_pair_never_seen_is_refused_and_a_ridge_reported():
    mdp = chain(4, (1, 2))
    batch = every.transitions(mdp)
    seen = batch.pair != 5
    batch = Transitions(*(x[seen] for x in batch))
    with pytest.raises(SingularError, match="rank 7, below 8") as caught:
        lspi(batch, np.eye(8), action_ptr=mdp.action_ptr)
    assert caught.value.rank == 7
    found = lspi(batch, np.eye(8), action_ptr=mdp.action_ptr, ridge=1e-6)
    assert found.ridge == 1e-6
    assert found.w[5] == 0.0


def test_at_most_so_many_steps():
    mdp = chain(20, (0, 19))
    found = lspi(every.transitions(mdp), np.eye(40), action_ptr=mdp.action_ptr, steps=2)
    assert not found.converged
    assert found.policies.shape == (3, 20)


def test_it_begins_with_the_policy_given():
    mdp = chain(4, (1, 2))
    best = np.array([1, 1, 0, 0])
    found = lspi(every.transitions(mdp), np.eye(8), action_ptr=mdp.action_ptr, policy=best)
    assert found.steps == 1
    assert found.converged


@pytest.mark.parametrize("seed", range(10))
def test_elimination_solves(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 12))
    A = rng.normal(size=(n, n)) * 10.0 ** rng.integers(-8, 8, size=n)  # any units
    x = rng.normal(size=n)
    y = x.copy()
    least = eliminate(A.copy(), y, 0.0)
    scale = np.abs(A) @ np.abs(np.linalg.solve(A, x)) + np.abs(x)
    assert (abs(A @ y - x) <= 1e-9 * scale).all()
    assert 0 < least <= 1
    twice = np.vstack([A, A[:1]])
    twice = np.hstack([twice, twice[:, :1]])
    assert eliminate(twice, np.ones(n + 1), 0.0) < 1e-12
    assert eliminate(np.zeros((2, 2)), np.ones(2), 0.0) == 0.0


@pytest.mark.parametrize("counted", [False, True])
def test_large_systems_go_another_way_to_the_same(monkeypatch, counted):
    module = sys.modules[lspi.__module__]
    mdp = chain(20, (0, 19))
    steps = collected(mdp, 50, 100, 3)
    steps = merged(steps) if counted else steps
    phi = pair_features(mdp, Polynomial(4, 0.0, 19.0))
    one = lspi(steps, phi, action_ptr=mdp.action_ptr)
    monkeypatch.setattr(module, "SMALL", 0)
    other = lspi(steps, phi, action_ptr=mdp.action_ptr)
    np.testing.assert_allclose(one.w, other.w, rtol=1e-7)
    by_lstdq = lstdq(steps, phi, one.policies[-2], action_ptr=mdp.action_ptr)
    np.testing.assert_allclose(one.w, by_lstdq.w, rtol=1e-7)


def test_features_by_one_hot_states_are_tables():
    mdp = chain(4, (1, 2))
    np.testing.assert_array_equal(pair_features(mdp, OneHot(4)).sum(axis=1), np.ones(8))
    found = lspi(
        every.transitions(mdp), pair_features(mdp, OneHot(4)), action_ptr=mdp.action_ptr
    )
    assert letters(found.policy) == "RRLL"


# ---- faults ----------------------------------------------------------------------------------


def test_features_of_a_terminal_state_that_are_not_zero_are_caught():
    """The fault of peers: φ' of an end is that of the state it is filed under."""
    mdp = MDP(
        np.full((2, 2, 2), 0.25), [[1.0, 2.0], [3.0, 0.0]], 0.9, stop=np.full((2, 2), 0.5)
    )
    batch = every.transitions(mdp)
    wrong = batch._replace(discount=np.full(batch.pair.size, 0.9))
    found = lspi(wrong, np.eye(4), action_ptr=mdp.action_ptr)
    assert abs(found.q - mk.solve(mdp).q.reshape(-1)).max() > 1
