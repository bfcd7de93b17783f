"""Importance sampling: unbiased where it says so, biased where it says so, and with faults."""

import numpy as np
import pytest

from mdpkit import MDP, gallery
from mdpkit import enumerate as every
from mdpkit.errors import ModelError
from mdpkit.learn import ImportanceSampling, MonteCarlo, _episodes, learn
from mdpkit.operators.performance import policy_values
from mdpkit.policy import uniform
from tests.prediction_oracle import (
    descending_mdp,
    expected,
    fed,
    looping_mdp,
    mutated,
    some_policy,
)

NEAR = {"rtol": 0, "atol": 1e-12}  # ratios up to 10, products of 5: a margin of 100 is left


def start_of(n, s):
    return np.eye(n)[s]


def unbiased(mdp, pi, b, weighing, horizon, family=None):
    """E v(s) after one episode of b from s, (S,), truncated where the values are true."""
    v = policy_values(mdp, pi).v
    method = ImportanceSampling(pi, b, weighing, initial=v)
    found = []
    for s in range(mdp.n_states):
        batch = every.trajectories(mdp, b, horizon, start=start_of(mdp.n_states, s))
        found.append(expected(mdp, method, batch, family or method.family)[s])
    return np.array(found), v


@pytest.mark.parametrize("weighing", ["ordinary", "per-decision"])
@pytest.mark.parametrize("seed", range(2))
def test_ordinary_and_per_decision_estimates_are_unbiased(seed, weighing):
    """Loops that are cut where the values are true, and episodes that end."""
    for mdp, horizon in ((looping_mdp(seed), 3), (descending_mdp(seed), 4)):
        pi, b = some_policy(mdp, seed), some_policy(mdp, seed + 50)
        found, v = unbiased(mdp, pi, b, weighing, horizon)
        np.testing.assert_allclose(found, v, **NEAR)


@pytest.mark.parametrize("weighing", ["ordinary", "per-decision"])
def test_pairs_are_unbiased_too(weighing):
    """Given the first pair: its own ratio is no part of its weight."""
    mdp = looping_mdp(1)
    pi, b = some_policy(mdp, 1), some_policy(mdp, 51)
    q = policy_values(mdp, pi).q.reshape(-1)
    method = ImportanceSampling(pi, b, weighing, of_pairs=True, initial=q)
    batch = every.trajectories(mdp, b, 3)
    values = fed(mdp, method, batch)
    for pair in range(mdp.n_pairs):
        first = batch.pairs[0] == pair
        mean = batch.weight[first] @ values[first, pair] / batch.weight[first].sum()
        assert mean == pytest.approx(q[pair], abs=1e-12)


def test_a_weighted_estimate_begins_at_the_value_of_the_behavior():
    """Of one episode it is the return itself, so its mean is v^b; of many it is v^π."""
    mdp = descending_mdp(0)
    pi, b = some_policy(mdp, 0), some_policy(mdp, 50)
    method = ImportanceSampling(pi, b, "weighted")
    batch = every.trajectories(mdp, b, 4, start=start_of(4, 3))
    found = expected(mdp, method, batch)[3]
    assert found == pytest.approx(policy_values(mdp, b).v[3], abs=1e-12)
    assert abs(found - policy_values(mdp, pi).v[3]) > 1e-2


FAULTS = {
    "the ratio of the first action counts for pairs": (
        "weight if rule.of_pairs else weight * ratio",
        "weight * ratio",
        True,
    ),
    "the ratio of the first action is left out for states": (
        "weight if rule.of_pairs else weight * ratio",
        "weight",
        False,
    ),
    "the whole path weighs, what came before included": (
        "            weight *= ratio\n",
        "            weight = 1.0\n            for k in range(n):\n"
        "                weight *= tables.ratio[log.path[run, k]]\n",
        False,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_ratio_is_caught(name):
    old, new, of_pairs = FAULTS[name]
    mdp = descending_mdp(1)
    pi, b = some_policy(mdp, 1), some_policy(mdp, 51)
    values = policy_values(mdp, pi)
    truth = values.q.reshape(-1) if of_pairs else values.v
    method = ImportanceSampling(pi, b, "ordinary", of_pairs=of_pairs, initial=truth)
    batch = every.trajectories(mdp, b, 4, start=start_of(4, 3))
    right = expected(mdp, method, batch)
    wrong = expected(mdp, method, batch, mutated(_episodes, old, new))
    np.testing.assert_allclose(right, truth, **NEAR)
    assert abs(wrong - truth).max() > 1e-3


def test_on_policy_all_three_are_the_mean():
    mdp = looping_mdp(0)
    pi = some_policy(mdp, 0)
    batch = every.trajectories(mdp, pi, 4)
    plain = fed(mdp, MonteCarlo(pi), batch)
    for weighing in ("ordinary", "weighted", "per-decision"):
        np.testing.assert_allclose(
            fed(mdp, ImportanceSampling(pi, pi, weighing), batch), plain, **NEAR
        )


def test_weights_are_averaged_as_the_definition_says():
    """Three episodes of one run: Σ W G / Σ W, by hand."""
    mdp = descending_mdp(2)
    pi, b = some_policy(mdp, 2), some_policy(mdp, 52)
    ratio = (pi / b).reshape(-1)
    found = learn(mdp, ImportanceSampling(pi, b), episodes=3, rng=5, start=start_of(4, 3))
    total = weighted = 0.0
    paths = [_seen(mdp, b, episodes, 5, 50, start_of(4, 3)) for episodes in (1, 2, 3)]
    for pairs, rewards in paths:
        W, G = np.prod(ratio[pairs]), rewards.sum()
        total, weighted = total + W, weighted + W * G
    assert found.values[0, 3] == pytest.approx(weighted / total, rel=1e-13)


def test_products_of_thousands_of_ratios_do_not_vanish():
    """A loop of 5000 steps, ratios 1.8 and .2: Σ W G/Σ W with every W below the floats."""
    mdp = MDP(np.ones((1, 2, 1)), np.array([[1.0, -1.0]]), 0.9)
    b = uniform(mdp)
    for pi in (np.array([[0.9, 0.1]]), np.array([[0.2, 0.8]])):
        logs, returns = [], []
        for episodes in (1, 2, 3):
            pairs, _ = _seen(mdp, b, episodes, 7, 5000, np.ones(1))
            logs.append(np.log((pi / b)[0, pairs]).sum())
            returns.append((0.9 ** np.arange(5000)) @ mdp.r[0, pairs])
        assert (np.exp(logs) == 0).all()
        share = np.exp(logs - np.max(logs))
        wanted = share @ returns / share.sum()
        method = ImportanceSampling(pi, b, "weighted")
        found = learn(mdp, method, episodes=3, rng=7, max_steps=5000)
        assert found.values[0, 0] == pytest.approx(wanted, rel=1e-9)


def _seen(mdp, b, episodes, seed, longest, start):
    """Pairs and rewards of the last of some episodes, from the log's memory."""
    from mdpkit.learn._world import EPISODE, TIME, log, world

    method = ImportanceSampling(b, b, "weighted")
    here = world(mdp, max_steps=longest, start=start)
    book = log(seed, 1, episodes, memory=longest)
    tables = method.family.begin(method, mdp, 1)
    rewards = None
    while book.clock[0, EPISODE] < episodes:
        method.family.kernel(here, book, method.rule(), tables, 0, 1, 1)
        n = book.clock[0, TIME]
    pairs = book.path[0, :n].copy()
    rewards = mdp.r.reshape(-1)[pairs]
    return pairs, rewards


def test_the_classic_state_of_blackjack():
    """(13, usable ace, dealer 2) under "stick on 20": −.277204 by algebra."""
    mdp = gallery.make("blackjack")
    pi = gallery.get("blackjack").known[0].policy(mdp).reshape(mdp.pair_shape)
    s = (10 + 2 - 1) * 10 + 13 - 12
    truth = policy_values(mdp, pi).v[s]
    assert truth == pytest.approx(-0.277204, abs=5e-7)


@pytest.mark.stat
@pytest.mark.parametrize("weighing", ["ordinary", "weighted", "per-decision"])
def test_blackjack_off_policy_is_consistent(weighing):
    """S&B Figure 5.3: 5 standard errors of 400 runs of 2000 episodes; false alarm < 2e-6.

    Weighted, the bias is of the order of Var W/n: .004 is allowed for it.
    """
    mdp = gallery.make("blackjack")
    pi = gallery.get("blackjack").known[0].policy(mdp).reshape(mdp.pair_shape)
    s = (10 + 2 - 1) * 10 + 13 - 12
    method = ImportanceSampling(pi, uniform(mdp), weighing)
    found = learn(mdp, method, episodes=2000, runs=400, rng=1, start=start_of(200, s)).values[
        :, s
    ]
    error = found.std(ddof=1) / np.sqrt(400)
    slack = 0.004 if weighing == "weighted" else 0.0
    assert abs(found.mean() + 0.277204) < 5 * error + slack
    behavior = policy_values(mdp, uniform(mdp)).v[s]
    assert abs(found.mean() - behavior) > 5 * error + slack


@pytest.mark.stat
def test_weighted_estimates_spread_less_there():
    """Mean square error over 2000 runs of 10 episodes, S&B Figure 5.3: a factor of 2 at least.

    The ratio of the true errors is above 5; it falls below 2 by chance less often than 1e-6.
    """
    mdp = gallery.make("blackjack")
    pi = gallery.get("blackjack").known[0].policy(mdp).reshape(mdp.pair_shape)
    s = (10 + 2 - 1) * 10 + 13 - 12
    square = {}
    for weighing in ("ordinary", "weighted"):
        method = ImportanceSampling(pi, uniform(mdp), weighing)
        found = learn(mdp, method, episodes=10, runs=2000, rng=3, start=start_of(200, s))
        square[weighing] = ((found.values[:, s] + 0.277204) ** 2).mean()
    assert square["weighted"] * 2 < square["ordinary"]


def test_the_second_moment_of_example_5_5_diverges():
    """By every path of at most n steps: .2 Σ_{k<n} 1.8^k, exactly, from the production kernel.

    The reward .1 is the mean of the last step; with left only it is 1 where the path ends.
    """
    P = np.array([[[0.9], [0.0]]])
    for n, wanted in ((1, 0.2), (5, 4.4739), (8, None)):
        mdp = MDP(P, [[0.0, 0.0]], 1.0, stop=[[0.1, 1.0]])
        batch = every.trajectories(mdp, uniform(mdp), n)
        last = np.maximum((batch.pairs >= 0).sum(axis=0) - 1, 0)
        each = np.arange(last.size)
        won = (batch.discounts[last, each] == 0) & (batch.pairs[last, each] == 0)
        rewards = np.zeros(batch.rewards.shape)
        rewards[last[won], each[won]] = 1.0
        method = ImportanceSampling(np.array([0]), uniform(mdp), "ordinary")
        found = fed(mdp, method, batch._replace(rewards=rewards))[:, 0]
        second = batch.weight @ found**2
        series = 0.2 * sum(1.8**k for k in range(n))
        assert second == pytest.approx(series, rel=1e-12)
        if wanted:
            assert second == pytest.approx(wanted, abs=5e-5)


def test_what_cannot_be_is_refused():
    mdp = looping_mdp(0)
    pi = some_policy(mdp, 0)
    with pytest.raises(ModelError, match=r"behavior\[0, 1\] is 0"):
        learn(mdp, ImportanceSampling(pi, np.array([0, 0])), episodes=1)
    with pytest.raises(ValueError, match="weighing"):
        ImportanceSampling(pi, pi, "clipped")
    method = ImportanceSampling(pi, pi, of_pairs=True)
    with pytest.raises(TypeError, match="truth"):
        learn(mdp, method, episodes=1, truth=np.zeros(2))


def test_threads_change_nothing_and_pairs_have_their_layout():
    mdp = looping_mdp(0)
    pi, b = some_policy(mdp, 0), uniform(mdp)
    method = ImportanceSampling(pi, b, of_pairs=True)
    one = learn(mdp, method, episodes=30, runs=5, rng=3, max_steps=20)
    two = learn(mdp, method, episodes=30, runs=5, rng=3, max_steps=20, threads=2)
    assert np.array_equal(one.values, two.values)
    assert one.values.shape == (5, 2, 2)
