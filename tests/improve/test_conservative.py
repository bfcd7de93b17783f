"""Conservative policy iteration: what a mixture gains at least, in fractions."""

from itertools import pairwise

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._array import sup
from mdpkit._exact import rational
from mdpkit.improve import ConservativePolicyIteration
from mdpkit.improve._iterates import advantages
from mdpkit.operators.bellman import greedy_pairs
from mdpkit.operators.occupancy import occupancy
from mdpkit.policy import expected_under, probabilities
from tests.improve.runs import drawn, near, optimum, run, whole_numbers, within

SEEDS = range(8)


def step_facts(mdp, state):
    """𝔸, ε' and the greedy policy at a state of a run, under the uniform start."""
    best = mdp.actions_of(greedy_pairs(mdp, state.q))
    gain = expected_under(mdp, best, advantages(mdp, state))
    mu = np.full(mdp.n_states, mdp.gamma * 0 + 1) / mdp.n_states
    return occupancy(mdp, state.policy, mu) @ gain, sup(gain), best, mu


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mixture_gains_what_is_proven(seed):
    mdp = whole_numbers(seed)
    H, gamma = 1 / (1 - mdp.gamma), mdp.gamma
    (state,) = run(mdp, ConservativePolicyIteration(), 0)
    total, size, best, mu = step_facts(mdp, state)
    for alpha in (None, rational(1) / 10, rational(1) / 2, 1):
        new = ConservativePolicyIteration(alpha).step(mdp, state)
        a = (1 - gamma) * total / (4 * size) if alpha is None else alpha
        mixed = (1 - a) * state.policy + a * probabilities(mdp, best)
        assert (new.policy == mixed).all()
        grown = mu @ (new.v - state.v)
        least = a * H * total - 2 * a**2 * gamma * size * H / (1 - gamma * (1 - a))
        assert grown >= least
        if alpha is None:
            assert grown >= total**2 / (8 * size)


def test_without_the_quadratic_term_the_promise_is_caught():
    caught = 0
    for seed in SEEDS:
        mdp = whole_numbers(seed)
        (state,) = run(mdp, ConservativePolicyIteration(), 0)
        total, _, _, mu = step_facts(mdp, state)
        new = ConservativePolicyIteration(rational(1) / 2).step(mdp, state)
        caught += mu @ (new.v - state.v) < total / (2 * (1 - mdp.gamma))
    assert caught >= 1


def test_with_the_whole_greedy_policy_it_is_policy_iteration():
    mdp = drawn(1)
    solution = mk.solve(mdp, ConservativePolicyIteration(1))
    assert solution.steps <= 10
    assert solution.v == pytest.approx(optimum(mdp), abs=near(mdp))


def test_errors_lie_within_their_bounds_and_j_grows():
    for seed in range(4):
        mdp, method = drawn(seed), ConservativePolicyIteration()
        states = run(mdp, method, 60)
        found = method.bounds(mdp, states, optimum(mdp))
        assert within(found, near(mdp))
        assert (np.diff(found.errors) <= near(mdp)).all()
        assert ConservativePolicyIteration(0.5).bounds(mdp, states, optimum(mdp)) is None


def test_an_optimal_policy_stays():
    mdp = drawn(0)
    best = mk.solve(mdp).policy
    first, new = run(mdp, ConservativePolicyIteration(policy=best), 1)
    assert new.still
    assert np.array_equal(first.policy, new.policy)


def test_mixtures_below_one_are_needed():
    for old, new in pairwise(run(drawn(2), ConservativePolicyIteration(), 5)):
        assert 0 < new.step_size <= 0.25
        assert new.v.mean() > old.v.mean()
    for bad in (0, -0.5, 1.5, np.nan):
        with pytest.raises(ValueError, match="mixture"):
            ConservativePolicyIteration(bad)
