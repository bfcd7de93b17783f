"""n-step TD: against (T^π)ⁿ, TD(0), Monte Carlo, a slow copy of the definition, and faults."""

import numpy as np
import pytest

from mdpkit.learn import TD0, LambdaReturn, NStepTD, learn
from mdpkit.learn import n_step as module
from mdpkit.operators.returns import n_step_return
from mdpkit.operators.rollout import rollout
from mdpkit.operators.step_size import constant
from mdpkit.operators.traces import n_step_operator
from tests.prediction_oracle import (
    FIRST_ONLY,
    fed,
    from_each_state,
    looping_mdp,
    mutated,
    some_policy,
)

NEAR = {"rtol": 0, "atol": 1e-12}  # of numbers of order 1, after at most 50 operations


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("seed", range(2))
def test_n_step_td_expects_the_nth_power_of_the_backup(seed, n):
    """Cut at n steps, and at n + 1, where the return no longer ends with the data."""
    mdp = looping_mdp(seed)
    pi, v = some_policy(mdp, seed), np.random.default_rng(seed).normal(size=2)
    wanted = n_step_operator(mdp, pi, v, n)
    for horizon in (n, n + 1):
        found = from_each_state(mdp, NStepTD(pi, n, FIRST_ONLY, v), horizon, pi)
        np.testing.assert_allclose(found, wanted, **NEAR)


def some_paths(seed=2):
    mdp = looping_mdp(seed, n_states=3)
    pi, v = some_policy(mdp, seed), np.random.default_rng(seed).normal(size=3)
    batch = rollout(mdp, pi, 8, n=8, rng=seed)
    assert 0 < (batch.discounts[-1] == 0).sum() < 8
    return mdp, pi, v, batch


def by_definition(batch, i, n, alpha, v, gamma):
    """Every return when it is complete, from the values of that time, one after another."""
    v, length = v.copy(), int((batch.pairs[:, i] >= 0).sum())
    states, rewards = batch.states[:, i], batch.rewards[:, i]
    ended = batch.discounts[length - 1, i] == 0
    final = None
    for t in range(length):
        end = min(t + n, length)
        if end == length and final is None:  # the last updates see the same last value
            final = 0.0 if ended else v[states[length]]
        tail = final if end == length else v[states[end]]
        G = sum(gamma**k * rewards[t + k] for k in range(end - t)) + gamma ** (end - t) * tail
        v[states[t]] += alpha * (G - v[states[t]])
    return v


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 20])
def test_every_path_gives_what_the_definition_gives(n):
    mdp, pi, v, batch = some_paths()
    found = fed(mdp, NStepTD(pi, n, 0.3, v), batch)
    wanted = [by_definition(batch, i, n, 0.3, v, mdp.gamma) for i in range(8)]
    np.testing.assert_allclose(found, wanted, **NEAR)


def test_the_first_update_is_toward_the_return_of_the_operators():
    """The same n-step returns as those that whole batches are given."""
    mdp, pi, v, batch = some_paths()
    G = n_step_return(batch.rewards, batch.discounts, batch.boundary, v[batch.states[1:]], 3)
    found = fed(mdp, NStepTD(pi, 3, FIRST_ONLY, v), batch)
    first = batch.states[0]
    np.testing.assert_allclose(found[np.arange(8), first], G[0], **NEAR)


def test_one_step_is_td0_and_many_steps_are_monte_carlo():
    mdp, pi, v, batch = some_paths()
    one = fed(mdp, NStepTD(pi, 1, 0.3, v), batch)
    np.testing.assert_allclose(one, fed(mdp, TD0(pi, 0.3, v), batch), **NEAR)
    all_steps = fed(mdp, NStepTD(pi, 99, 0.3, v), batch)
    monte_carlo = fed(mdp, LambdaReturn(pi, 1.0, 0.3, initial=v), batch)
    np.testing.assert_allclose(all_steps, monte_carlo, **NEAR)


FAULTS = {
    "bootstraps where the episode terminated": (
        "G = 0.0 if after == ENDED else v[after]",
        "G = v[after]",
    ),
    "forgets what a cut episode leads to": (
        "G = 0.0 if after == ENDED else v[after]",
        "G = 0.0 if over else v[after]",
    ),
    "drops what waits at the end": (
        "_flush(world, rule, tables, run, now, G)\n                end",
        "end",
    ),
    "updates the state after the right one": (
        "states[(now + 1) % n], G)",
        "states[(now + 2) % n], G)",
    ),
    "discounts from the wrong end": (
        "G = rewards[t % n] + world.gamma * G",
        "G = world.gamma * rewards[t % n] + G",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_kernel_is_caught(name):
    mdp, pi, v, batch = some_paths()
    method = NStepTD(pi, 3, 0.3, v)
    wanted = np.array([by_definition(batch, i, 3, 0.3, v, mdp.gamma) for i in range(8)])
    wrong = fed(mdp, method, batch, family=mutated(module, *FAULTS[name]))
    assert abs(wrong - wanted).max() > 1e-3


def test_threads_change_nothing_and_bad_input_is_refused():
    mdp = looping_mdp(0)
    pi = some_policy(mdp, 0)
    one = learn(mdp, NStepTD(pi, 3), episodes=30, runs=5, rng=3, max_steps=20)
    two = learn(mdp, NStepTD(pi, 3), episodes=30, runs=5, rng=3, max_steps=20, threads=2)
    assert np.array_equal(one.values, two.values)
    with pytest.raises(ValueError, match="n must"):
        NStepTD(pi, 0)
    assert NStepTD(pi, 3, 1.0).rule().step_size == constant(1.0)
