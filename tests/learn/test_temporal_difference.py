"""TD(0), TD(λ), true online TD(λ): against operators, against each other, and with faults."""

import numpy as np
import pytest

from mdpkit import MDP
from mdpkit import enumerate as every
from mdpkit.learn import TD0, LambdaReturn, TDLambda, TrueOnlineTDLambda, learn
from mdpkit.learn import temporal_difference as module
from mdpkit.operators.performance import policy_values
from mdpkit.operators.returns import lambda_return
from mdpkit.operators.rollout import rollout
from mdpkit.operators.step_size import constant, polynomial
from mdpkit.operators.traces import lambda_operator, n_step_operator
from tests.prediction_oracle import (
    FIRST_ONLY,
    descending_mdp,
    fed,
    from_each_state,
    looping_mdp,
    mutated,
    some_policy,
)

NEAR = {"rtol": 0, "atol": 1e-12}  # of numbers of order 1, after at most 50 operations


def truncated_lambda_operator(mdp, pi, v, lam, horizon):
    """(1−λ) Σ_{n<h} λⁿ⁻¹ (T^π)ⁿ v + λ^{h−1} (T^π)ʰ v: λ-returns of h steps, term by term."""
    steps = [n_step_operator(mdp, pi, v, n) for n in range(1, horizon + 1)]
    mixed = sum((1 - lam) * lam**n * x for n, x in enumerate(steps[:-1]))
    return mixed + lam ** (horizon - 1) * steps[-1]


@pytest.mark.parametrize("seed", range(3))
def test_td0_expects_the_backup(seed):
    mdp = looping_mdp(seed, n_states=3)
    pi, v = some_policy(mdp, seed), np.random.default_rng(seed).normal(size=3)
    found = from_each_state(mdp, TD0(pi, constant(1.0), v), 1, pi)
    np.testing.assert_allclose(found, n_step_operator(mdp, pi, v, 1), **NEAR)
    half = from_each_state(mdp, TD0(pi, 0.5, v), 1, pi)
    np.testing.assert_allclose(half, (found + v) / 2, **NEAR)


@pytest.mark.parametrize("lam", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(2))
def test_offline_td_lambda_expects_the_lambda_operator(seed, lam):
    """The update of the first visit; loops cut at the horizon, and episodes that all end."""
    mdp = looping_mdp(seed)
    pi, v = some_policy(mdp, seed), np.random.default_rng(seed).normal(size=2)
    backward = TDLambda(pi, lam, FIRST_ONLY, online=False, initial=v)
    found = from_each_state(mdp, backward, 4, pi)
    wanted = truncated_lambda_operator(mdp, pi, v, lam, 4)
    np.testing.assert_allclose(found, wanted, **NEAR)
    forward = LambdaReturn(pi, lam, FIRST_ONLY, initial=v)
    np.testing.assert_allclose(from_each_state(mdp, forward, 4, pi), wanted, **NEAR)
    ending = descending_mdp(seed)
    pi, v = some_policy(ending, seed), np.random.default_rng(seed).normal(size=4)
    backward = TDLambda(pi, lam, FIRST_ONLY, online=False, initial=v)
    found = from_each_state(ending, backward, 4, pi)
    np.testing.assert_allclose(found, lambda_operator(ending, pi, v, lam), **NEAR)


def some_paths(seed, n=8, horizon=8):
    """Trajectories of a looping model, some ended, some cut, and values to begin with."""
    mdp = looping_mdp(seed, n_states=3)
    pi, v = some_policy(mdp, seed), np.random.default_rng(seed).normal(size=3)
    batch = rollout(mdp, pi, horizon, n=n, rng=seed)
    assert 0 < (batch.discounts[-1] == 0).sum() < n
    return mdp, pi, v, batch


@pytest.mark.parametrize("step_size", [0.3, polynomial(0.9, power=0.7)])
@pytest.mark.parametrize("lam", [0.0, 0.7, 1.0])
def test_offline_forward_and_backward_views_are_one_on_every_path(lam, step_size):
    mdp, pi, v, batch = some_paths(2)
    one = fed(mdp, TDLambda(pi, lam, step_size, online=False, initial=v), batch)
    other = fed(mdp, LambdaReturn(pi, lam, step_size, True, v), batch)
    np.testing.assert_allclose(one, other, **NEAR)
    moved = abs(one - v).max(axis=1)
    assert (moved > 1e-3).all()


def online_lambda_returns(batch, i, gamma, lam, alpha, v):
    """Sutton & Barto (2018), (12.18): at every horizon all updates are made afresh."""
    n = int((batch.pairs[:, i] >= 0).sum())
    states, rewards = batch.states[: n + 1, i], batch.rewards[:n, i]
    last = [v]  # last[h]: the values after the updates of horizon h
    for h in range(1, n + 1):
        after = np.array([last[t][states[t + 1]] for t in range(h)])
        if h == n and batch.discounts[n - 1, i] == 0:
            after[-1] = 0.0
        G = lambda_return(rewards[:h], np.full(h, gamma), np.arange(h) == h - 1, after, lam)
        w = v.copy()
        for t in range(h):
            w[states[t]] += alpha * (G[t] - w[states[t]])
        last.append(w)
    return last[-1]


@pytest.mark.parametrize("lam", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("seed", [2, 5])
def test_true_online_is_the_online_lambda_return_algorithm(seed, lam):
    mdp, pi, v, batch = some_paths(seed)
    found = fed(mdp, TrueOnlineTDLambda(pi, lam, 0.4, v), batch)
    wanted = [
        online_lambda_returns(batch, i, mdp.gamma, lam, 0.4, v)
        for i in range(batch.weight.size)
    ]
    np.testing.assert_allclose(found, wanted, **NEAR)
    if lam > 0:  # other traces are only near
        accumulating = fed(mdp, TDLambda(pi, lam, 0.4, initial=v), batch)
        assert abs(accumulating - wanted).max() > 1e-3


def test_lambda_zero_is_td0_and_lambda_one_online_is_not_monte_carlo():
    mdp, pi, v, batch = some_paths(2)
    plain = fed(mdp, TD0(pi, 0.3, v), batch)
    for method in (
        TDLambda(pi, 0.0, 0.3, initial=v),
        TDLambda(pi, 0.0, 0.3, "replacing", initial=v),
        TrueOnlineTDLambda(pi, 0.0, 0.3, v),
    ):
        np.testing.assert_allclose(fed(mdp, method, batch), plain, **NEAR)
    offline = fed(mdp, TDLambda(pi, 1.0, 0.3, online=False, initial=v), batch)
    online = fed(mdp, TDLambda(pi, 1.0, 0.3, initial=v), batch)
    assert abs(offline - online).max() > 1e-3


def test_replacing_traces_by_hand():
    """Two steps that stay, then the end: z is α, and fades by ½ between."""
    mdp = MDP(np.ones((1, 1, 1)), np.ones((1, 1)), 0.5)
    ended = MDP(np.full((1, 1, 1), 0.5), np.ones((1, 1)), 0.5, stop=np.full((1, 1), 0.5))
    path = every.trajectories(ended, np.array([0]), 3)
    i = int(np.flatnonzero((path.pairs >= 0).all(axis=0) & (path.discounts[-1] == 0))[0])
    v, z, found = 0.0, {}, {}
    for kind in ("accumulating", "replacing"):
        v, trace = 0.0, 0.0
        for following in (1, 1, 0):
            trace = 0.25 if kind == "replacing" else trace + 0.25
            v += (1 + 0.5 * following * v - v) * trace
            trace *= 0.5 * 0.8
        z[kind] = v
        found[kind] = fed(ended, TDLambda(np.array([0]), 0.8, 0.25, kind), path, [i])[0, 0]
    assert found == pytest.approx(z, rel=1e-14)
    assert z["replacing"] != pytest.approx(z["accumulating"], rel=1e-2)
    assert mdp.n_states == 1


FAULTS = {
    "trace not cut at the boundary": (
        "decay = 0.0 if over else discount * rule.lam",
        "decay = 0.9 * rule.lam",
    ),
    "fades without the discount": (
        "decay = 0.0 if over else discount * rule.lam",
        "decay = 0.0 if over else rule.lam",
    ),
    "bootstraps where the episode terminated": (
        "if after != ENDED:\n                following",
        "if after != 99:\n                following",
    ),
    "forgets what a cut episode leads to": (
        "if after != ENDED:\n                following",
        "if not over:\n                following",
    ),
    "fades after the visit": (
        "n = visit(rule.kind, z, eligible, n, s, alpha)",
        "n = visit(rule.kind, z, eligible, n, s, alpha)\n    z *= rule.lam * 0.9",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_kernel_is_caught(name):
    """The mutant is no longer the forward view on every path; the original is."""
    mdp, pi, v, batch = some_paths(2)
    twice = two_in_a_row(batch)
    method = TDLambda(pi, 0.7, 0.3, online=False, initial=v)
    family = mutated(module, *FAULTS[name])
    wanted = after_two(mdp, LambdaReturn(pi, 0.7, 0.3, True, v), twice)
    right = after_two(mdp, method, twice)
    wrong = after_two(mdp, method, twice, family)
    np.testing.assert_allclose(right, wanted, **NEAR)
    assert abs(wrong - wanted).max() > 1e-3


def two_in_a_row(batch):
    """One trajectory that ended, and one that was cut, as two episodes of one run."""
    n = (batch.pairs >= 0).sum(axis=0)
    ended = batch.discounts[n - 1, np.arange(n.size)] == 0
    return [(batch, int(np.flatnonzero(ended)[0])), (batch, int(np.flatnonzero(~ended)[0]))]


def after_two(mdp, method, episodes, family=None):
    """The values after several episodes, the traces of the first meeting the second."""
    from tests.prediction_oracle import fed_in_turn

    return fed_in_turn(mdp, method, episodes, family or method.family)


def test_a_list_of_eligible_states_is_the_same_as_all_of_them(monkeypatch):
    from mdpkit import gallery
    from mdpkit.operators import traces

    mdp = gallery.make("steered-walk", n=19)
    pi = np.full((19, 2), 0.5)
    methods = [TDLambda(pi, 0.8, 0.3), TDLambda(pi, 1.0, 0.1, "replacing")]
    methods += [TrueOnlineTDLambda(pi, 0.8, 0.3), TDLambda(pi, 0.9, 0.05, online=False)]
    for method in methods:
        dense = learn(mdp, method, episodes=20, runs=2, rng=1)
        monkeypatch.setattr(traces, "FEW", 0)
        listed = learn(mdp, method, episodes=20, runs=2, rng=1)
        monkeypatch.undo()
        assert listed.tables.eligible.shape == (2, 19)
        assert dense.tables.eligible.shape == (2, 0)
        np.testing.assert_allclose(listed.values, dense.values, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "method",
    [TD0, TDLambda, TrueOnlineTDLambda],
)
def test_threads_and_runs_change_nothing(method):
    mdp = looping_mdp(0)
    pi = some_policy(mdp, 0)
    one = learn(mdp, method(pi), episodes=30, runs=5, rng=3, max_steps=20)
    for threads in (2, 4):
        other = learn(
            mdp, method(pi), episodes=30, runs=5, rng=3, max_steps=20, threads=threads
        )
        assert np.array_equal(one.values, other.values)
    fewer = learn(mdp, method(pi), episodes=30, runs=2, rng=3, max_steps=20)
    assert np.array_equal(fewer.values, one.values[:2])


def test_errors_are_those_of_the_values():
    mdp = looping_mdp(1)
    pi = some_policy(mdp, 1)
    truth = policy_values(mdp, pi).v
    found = learn(mdp, TD0(pi, 0.1), episodes=7, runs=4, rng=0, max_steps=50, truth=truth)
    wanted = np.sqrt(((found.values - truth) ** 2).mean(axis=1))
    np.testing.assert_allclose(found.errors.values[:, -1], wanted, rtol=1e-12)
    partly = learn(
        mdp, TD0(pi, 0.1), episodes=7, runs=4, rng=0, max_steps=50, truth=[truth[0], np.nan]
    )
    wanted = abs(found.values[:, 0] - truth[0])
    np.testing.assert_allclose(partly.errors.values[:, -1], wanted, rtol=1e-12)
    assert found.errors.values.shape == (4, 7)
    assert learn(mdp, TD0(pi), episodes=7, max_steps=9).errors.values.shape == (1, 0)


@pytest.mark.stat
def test_sampled_td0_is_unbiased():
    """4.5 standard errors, 2 states: fails by chance less often than 2e-5; seed fixed."""
    mdp = looping_mdp(3)
    pi, v = some_policy(mdp, 3), np.array([1.0, -2.0])
    start = np.array([0.3, 0.7])
    found = learn(mdp, TD0(pi, 0.5, v), episodes=1, runs=5000, max_steps=1, rng=0, start=start)
    moved = found.values - v
    error = moved.std(axis=0) / np.sqrt(5000)
    wanted = start * 0.5 * (n_step_operator(mdp, pi, v, 1) - v)
    assert (abs(moved.mean(axis=0) - wanted) < 4.5 * error).all()
    assert (abs(moved.mean(axis=0) - 0.9 * wanted) > 4.5 * error).any()


@pytest.mark.stat
def test_td0_converges_to_the_value_at_robbins_monro_steps():
    """Mean of 40 runs within 4.5 standard errors and 1 % of the range; false alarm < 3e-5."""
    mdp = looping_mdp(0)
    pi = some_policy(mdp, 0)
    truth = policy_values(mdp, pi).v
    method = TD0(pi, polynomial(1.0, power=0.7))
    found = learn(mdp, method, episodes=400, runs=40, max_steps=50, rng=0).values
    error = found.std(axis=0, ddof=1) / np.sqrt(40)
    assert (abs(found.mean(axis=0) - truth) < 4.5 * error + 0.01 * np.ptp(truth)).all()


def test_bad_input_is_refused():
    mdp = looping_mdp(0)
    pi = some_policy(mdp, 0)
    with pytest.raises(ValueError, match="λ"):
        TDLambda(pi, 1.5)
    with pytest.raises(ValueError, match="TrueOnlineTDLambda"):
        TDLambda(pi, 0.5, traces="dutch")
    with pytest.raises(ValueError, match="step_size"):
        learn(mdp, TD0(pi, 2.0), episodes=1)
    with pytest.raises(ValueError, match="sums to"):
        learn(mdp, TD0(0.9 * pi), episodes=1)
    with pytest.raises(ValueError, match="truth"):
        learn(mdp, TD0(pi), episodes=1, truth=np.zeros(5))
    with pytest.raises(ValueError, match="initial"):
        learn(mdp, TD0(pi, initial=np.zeros(7)), episodes=1)
