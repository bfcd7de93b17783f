"""Projected policy gradient: its step, growth and rate, and a start that covers too little."""

from itertools import pairwise

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._exact import rational
from mdpkit.improve import Armijo, Geometric, ProjectedPolicyGradient, rates
from mdpkit.operators.bellman import greedy_pairs
from mdpkit.operators.policy_gradient import policy_gradient, visits
from mdpkit.operators.projection import simplex_projection
from tests.gradient_oracle import complex_gradient, value
from tests.improve.runs import drawn, near, optimum, policy_of, run, whole_numbers, within

SEEDS = range(6)


def j(mdp, state):
    return state.v.mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_step_is_a_projected_gradient(seed):
    mdp = drawn(seed)
    first = policy_of(mdp, seed)
    method = ProjectedPolicyGradient(0.3, policy=first)
    new = run(mdp, method, 1)[1]
    slope = complex_gradient(lambda x: value(mdp, x).mean(), first.reshape(-1))
    moved = simplex_projection(mdp, first + 0.3 * slope.reshape(first.shape))
    np.testing.assert_allclose(new.policy, moved, atol=1e-12)


def test_in_fractions_the_step_is_exact():
    mdp, alpha = whole_numbers(2), rational(1) / 3
    first, new = run(mdp, ProjectedPolicyGradient(alpha), 1)
    mu = np.full(mdp.n_states, rational(1) / mdp.n_states, dtype=object)
    moved = first.policy + alpha * policy_gradient(mdp, first.policy, mu)
    assert (new.policy == simplex_projection(mdp, moved)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_at_one_over_l_j_grows_by_what_is_proven(seed):
    mdp = drawn(seed)
    L = rates.direct_smoothness(mdp)
    H = 1 / (1 - mdp.gamma)
    assert pytest.approx(2 * mdp.gamma * 3 * H**3) == L
    states = run(mdp, ProjectedPolicyGradient(), 25)
    for old, new in pairwise(states):
        far = ((new.policy - old.policy) ** 2).sum()
        assert j(mdp, new) - j(mdp, old) >= L / 2 * far - near(mdp)


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_are_as_smooth_as_said(seed):
    mdp, L = drawn(seed), rates.direct_smoothness(drawn(seed))
    one, other = policy_of(mdp, seed), policy_of(mdp, seed + 1)
    apart = policy_gradient(mdp, one) - policy_gradient(mdp, other)
    assert np.linalg.norm(apart) <= L * np.linalg.norm(one - other)


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e3])
def test_values_grow_at_every_state_for_every_step_size(alpha):
    for seed in SEEDS:
        mdp = drawn(seed)
        for old, new in pairwise(run(mdp, ProjectedPolicyGradient(alpha), 15)):
            assert (new.v >= old.v - near(mdp)).all()


def test_errors_lie_within_their_bounds():
    for seed in SEEDS:
        mdp, method = drawn(seed), ProjectedPolicyGradient()
        found = method.bounds(mdp, run(mdp, method, 50), optimum(mdp))
        assert within(found, near(mdp))
        moved = mdp.replace(r=7 * mdp.r - 3)
        other = method.bounds(moved, run(moved, method, 50), optimum(moved))
        # Affine in the rewards: the same policies, and every number 7 times as large.
        np.testing.assert_allclose(other.errors, 7 * found.errors, rtol=1e-9)
        np.testing.assert_allclose(other.bounds, 7 * found.bounds, rtol=1e-9)


def test_steps_beyond_one_over_l_have_no_such_bound():
    mdp, v = drawn(0), optimum(drawn(0))
    most = 1 / rates.direct_smoothness(mdp)
    for size, known in (
        (most, True),
        (2 * most, False),
        (Geometric(), False),
        (Armijo(), False),
    ):
        method = ProjectedPolicyGradient(size)
        assert (method.bounds(mdp, run(mdp, method, 2), v) is not None) is known


def test_a_bound_that_shrinks_too_fast_is_caught():
    mdp, method = drawn(0), ProjectedPolicyGradient()
    found = method.bounds(mdp, run(mdp, method, 50), optimum(mdp))
    impostor = found.bounds[0] / np.arange(1, 52)  # δ_0/k without S, L and the mismatch
    assert (found.errors > impostor + near(mdp)).any()


def test_a_step_is_greedy_once_it_is_large_for_the_least_visited_state():
    for seed in SEEDS:
        mdp = drawn(seed)
        (state,) = run(mdp, ProjectedPolicyGradient(), 0)
        ranked = np.sort(state.q, axis=1)
        uniform = np.full(4, 0.25)
        enough = (
            2 / (visits(mdp, state.policy, uniform) * (ranked[:, -1] - ranked[:, -2])).min()
        )
        new = ProjectedPolicyGradient(1.01 * enough).step(mdp, state)
        best = mdp.actions_of(greedy_pairs(mdp, state.q))
        assert (new.policy[np.arange(4), best] == 1).all()


def crossroads():
    """From 0, stay for .5 for ever or go to 1, where the second action pays 1 for ever."""
    P = np.zeros((2, 2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 1] = 1
    return mk.MDP(P, [[0.5, 0.0], [0.0, 1.0]], 0.9, start=[1.0, 0.0])


def test_a_start_that_covers_too_little_ends_at_a_policy_that_is_not_optimal():
    mdp, stay = crossroads(), np.array([0, 0])
    narrow = ProjectedPolicyGradient(10.0, start=mdp.start, policy=stay)
    solution = mk.solve(mdp, narrow, throw=False)
    assert solution.status is mk.Status.STAGNATED
    # v* − v^π = 9 − 5 = 4 at state 0, 10 − 0 at state 1; and it is said.
    assert solution.gap >= 10
    assert solution.loss >= 10
    assert (solution.lower <= [5, 0]).all()
    wide = ProjectedPolicyGradient(10.0, policy=stay)
    assert mk.solve(mdp, wide).v == pytest.approx([9, 10])


def test_armijo_ascends_faster_than_one_over_l():
    mdp, v = drawn(1), optimum(drawn(1))
    last = {
        rule: (v - run(mdp, ProjectedPolicyGradient(rule), 20)[-1].v).mean()
        for rule in (Armijo(), ProjectedPolicyGradient().step_size)
    }
    slow, fast = max(last.values()), min(last.values())
    assert last[Armijo()] == fast < slow / 2
