"""Mirror ascent: its two corners, growth for every step size, rates, and where it ends."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._exact import fraction, rational
from mdpkit.improve import (
    Adaptive,
    Euclidean,
    ExponentiatedQAscent,
    Geometric,
    NaturalPolicyGradient,
    NegativeEntropy,
    PolicyMirrorAscent,
    ProjectedQAscent,
    Tsallis,
    rates,
)
from mdpkit.improve._iterates import advantages
from mdpkit.operators.bellman import action_values, greedy_pairs
from mdpkit.operators.projection import simplex_projection
from mdpkit.plan import ExactPolicyIteration
from tests.improve.runs import drawn, near, optimum, policy_of, run, whole_numbers, within

SEEDS = range(6)
KINDS = [Euclidean(), NegativeEntropy(), Tsallis(0.5)]


# ---- the corners -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_exponentiated_q_ascent_is_the_natural_gradient_for_200_steps(seed):
    mdp = drawn(seed)
    alpha = 0.2
    eta = alpha * (1 - mdp.gamma)
    one = run(mdp, ExponentiatedQAscent(alpha), 200)
    other = run(mdp, NaturalPolicyGradient(eta), 200)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a.policy, b.policy, rtol=0, atol=1e-12)
        np.testing.assert_allclose(a.v, b.v, rtol=1e-12)
    assert len(one) == 201


@pytest.mark.parametrize("seed", SEEDS)
def test_the_steps_are_their_formulas(seed):
    mdp, first = drawn(seed), policy_of(drawn(seed), seed)
    euclid = PolicyMirrorAscent(Euclidean(), 0.7, first)
    entropy = PolicyMirrorAscent(NegativeEntropy(), 0.7, first)
    for kinds in (
        (ProjectedQAscent(0.7, first), euclid),
        (ExponentiatedQAscent(0.7, first), entropy),
    ):
        for one, other in zip(*(run(mdp, kind, 20) for kind in kinds), strict=True):
            assert np.array_equal(one.policy, other.policy)
    states = run(mdp, euclid, 3)
    for old, new in pairwise(states):
        moved = simplex_projection(mdp, old.policy + 0.7 * old.q)
        np.testing.assert_allclose(new.policy, moved, atol=1e-14)
    states = run(mdp, entropy, 3)
    for old, new in pairwise(states):
        weight = old.policy * np.exp(0.7 * old.q)
        share = weight / weight.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(new.policy, share, atol=1e-14)


def test_a_step_size_that_cancels_is_caught():
    # With α on the divergence too, all sizes would give the same policy.
    mdp = drawn(0)
    small, large = (run(mdp, ProjectedQAscent(alpha), 1)[1].policy for alpha in (0.1, 1.0))
    assert np.abs(small - large).max() > 1e-2


# ---- growth ----------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_values_grow_at_every_state_for_every_step_size(kind, alpha, seed):
    mdp = drawn(seed)
    states = run(mdp, PolicyMirrorAscent(kind, alpha), 12)
    for old, new in pairwise(states):
        gain = (old.q * (new.policy - old.policy)).sum(axis=1)
        assert (gain >= -near(mdp)).all()
        assert (new.v - old.v >= gain - near(mdp)).all()


def test_with_values_that_are_wrong_they_need_not_grow():
    caught = 0
    for seed in range(20):
        mdp = drawn(seed)
        old = run(mdp, ProjectedQAscent(), 3)[3]
        rng = np.random.default_rng(seed)
        wrong = old._replace(q=old.q + 0.5 * rng.normal(size=old.q.shape))
        caught += (ProjectedQAscent().step(mdp, wrong).v < old.v - 1e-3).any()
    assert caught >= 5


# ---- rates -----------------------------------------------------------------------------------

RULES = [
    ProjectedQAscent(0.05),
    ProjectedQAscent(2.0),
    ExponentiatedQAscent(0.05),
    ExponentiatedQAscent(2.0),
    NaturalPolicyGradient(0.1),
    PolicyMirrorAscent(Tsallis(0.5), 0.3),
    ProjectedQAscent(Geometric(0.01)),
    ExponentiatedQAscent(Geometric(0.01)),
    ExponentiatedQAscent(Geometric(0.1, ratio=3.0)),
    ProjectedQAscent(Adaptive(0.1)),
    ExponentiatedQAscent(Adaptive(0.1)),
    NaturalPolicyGradient(Adaptive(0.1)),
]


@pytest.mark.parametrize("method", RULES, ids=lambda m: f"{m.key}, {m.step_size}")
def test_errors_lie_within_their_bounds(method):
    for seed in range(4):
        mdp = drawn(seed)
        found = method.bounds(mdp, run(mdp, method, 30), optimum(mdp))
        assert within(found, near(mdp))
        assert found.errors.size == 31
        moved = mdp.replace(r=7 * mdp.r - 3)  # rewards in [−3, 4]: R = 7
        found = method.bounds(moved, run(moved, method, 30), optimum(moved))
        assert within(found, 10 * near(mdp))


def one_state(gamma=0.9):
    return mk.MDP([[[1.0], [1.0]]], [[0.01, 0.0]], gamma)


def test_the_geometric_bound_without_the_factor_h_is_caught():
    mdp, method = one_state(), ExponentiatedQAscent(Geometric(1e-3))
    states, v = run(mdp, method, 120), optimum(one_state())
    right = method.bounds(mdp, states, v)
    assert within(right, near(mdp))
    theta, distance = 10.0, np.log(2)
    k = np.arange(121)
    impostor = (1 - 1 / theta) ** k * (right.errors[0] + distance / (1e-3 * (theta - 1)))
    ratio = right.errors / impostor
    assert ratio.max() == pytest.approx(4.0, abs=0.05)
    assert np.argmax(ratio) == 91


def test_a_sublinear_bound_without_the_divergence_is_caught():
    # α so small that nothing moves: only D_0H/α remains of the bound.
    mdp, method = drawn(3), ExponentiatedQAscent(1e-4)
    found = method.bounds(mdp, run(mdp, method, 200), optimum(mdp))
    H = 1 / (1 - mdp.gamma)
    assert within(found, near(mdp))
    assert (found.errors > H**2 / np.arange(1, 202)).any()


def test_the_adaptive_rate_is_lost_with_steps_that_do_not_grow():
    mdp, method = drawn(2), ExponentiatedQAscent(0.02)
    states, v = run(mdp, method, 60), optimum(mdp)
    assert not within(rates.adaptive(mdp, states, v, 0.1), near(mdp))


def test_other_rules_have_no_theorem():
    class Always:
        def __call__(self, situation):
            return 0.5

    mdp, method = drawn(0), ProjectedQAscent(Always())
    assert method.bounds(mdp, run(mdp, method, 2), optimum(mdp)) is None


# ---- policy iteration, and the end -----------------------------------------------------------


def test_a_projected_step_is_greedy_once_alpha_times_the_gap_is_two():
    greedy_steps = 0
    for seed in range(10):
        mdp = whole_numbers(seed)
        state = run(mdp, ProjectedQAscent(Fraction(1, 3)), 1)[1]
        ranked = [sorted(row) for row in state.q]
        gaps = [row[-1] - row[-2] for row in ranked]
        if min(gaps) == 0:
            continue
        best = mdp.actions_of(greedy_pairs(mdp, state.q))
        chosen = np.arange(mdp.n_states), best
        enough = ProjectedQAscent(Fraction(2) / fraction(min(gaps)))
        assert (enough.step(mdp, state).policy[chosen] == 1).all()
        greedy_steps += 1
    assert greedy_steps >= 5


def test_two_is_needed():
    # From the wrong vertex Proj(π + αq) keeps ½(2 − α·gap) of it.
    mdp = mk.MDP([[[1.0], [1.0]]], [[1.0, 0.0]], 0.5).exact()
    first = np.array([[rational(0), rational(1)]], dtype=object)
    new = run(mdp, ProjectedQAscent(Fraction(19, 10), first), 1)[1]
    assert list(new.policy[0]) == [rational(19) / 20, rational(1) / 20]
    assert list(run(mdp, ProjectedQAscent(2, first), 1)[1].policy[0]) == [1, 0]


def terminates(seed):
    """Steps of projected Q-ascent until only optimal actions are left, and their bound."""
    mdp = whole_numbers(seed, n_states=2 + seed % 3, n_actions=2 + seed % 2)
    alpha = 2.0 ** (seed % 5 - 2)
    best = mk.solve(mdp, ExactPolicyIteration()).v
    distance = rational(mdp.n_actions - 1) / (2 * mdp.n_actions)
    bound = rates.finite_termination(mdp, best, rational(alpha), distance)
    q = action_values(mdp, best)
    wrong = q < q.max(axis=1, keepdims=True)
    model, method, steps = mdp.rounded(), ProjectedQAscent(alpha), 0
    state = method.init(model)
    while (state.policy[wrong] > 0).any() and steps <= bound:
        state, steps = method.step(model, state), steps + 1
    return steps, bound


@pytest.mark.parametrize("seed", range(20))
def test_projected_q_ascent_ends_within_its_bound(seed):
    steps, bound = terminates(seed)
    assert steps <= bound


@pytest.mark.slow
def test_projected_q_ascent_ends_within_its_bound_on_two_hundred_models():
    for seed in range(200):
        steps, bound = terminates(seed)
        assert steps <= bound, seed


def exact_run(seed, alpha=12, steps=5):
    """A few steps in fractions: each has many times the digits of the one before."""
    mdp = whole_numbers(seed, n_states=2, n_actions=2)
    return mdp, run(mdp, ProjectedQAscent(alpha), steps)


def test_in_fractions_the_end_has_the_gap_zero():
    ended = 0
    for seed in range(12):
        mdp = whole_numbers(seed, n_states=2, n_actions=2)
        solution = mk.solve(mdp, ProjectedQAscent(12), max_steps=5, throw=False)
        v = mk.solve(mdp, ExactPolicyIteration()).v
        assert (solution.lower <= v).all()
        assert (v <= solution.upper).all()
        if solution.status is mk.Status.SOLVED:
            assert solution.gap == solution.loss == 0
            assert (solution.v == v).all()
            assert (rates.optimal_mass(mdp, v, solution.probabilities) == 1).all()
            ended += 1
    assert ended >= 8


def test_within_a_distance_of_the_optimum_the_next_policy_is_optimal():
    met = 0
    for seed in range(12):
        mdp, states = exact_run(seed, alpha=2, steps=4)
        v = mk.solve(mdp, ExactPolicyIteration()).v
        delta, alpha = rates.action_gap(mdp, v), rational(2)
        if delta is None:
            continue
        radius = alpha * delta**2 / (2 + alpha * mdp.gamma * delta)
        for old, new in pairwise(states):
            if max(v - old.v) <= radius:
                assert (rates.optimal_mass(mdp, v, new.policy) == 1).all()
                met += 1
    assert met >= 5


def test_exponentiated_q_ascent_never_ends():
    mdp = drawn(1)
    last = run(mdp, ExponentiatedQAscent(), 300)[-1]
    assert np.isfinite(last.coordinates).all()
    assert last.coordinates.min() < -100


def test_advantages_are_q_less_v():
    mdp, state = exact_run(1, steps=1)[0], exact_run(1, steps=1)[1][1]
    assert (advantages(mdp, state) == state.q - state.v[:, None]).all()
    # Near a vertex all digits of q − v are rounding, and those of the advantage are not.
    mdp = drawn(1)
    last = run(mdp, ExponentiatedQAscent(), 300)[-1]
    found = advantages(mdp, last)
    best = np.arange(4), last.q.argmax(axis=1)
    missing = (last.policy * (last.q[best][:, None] - last.q)).sum(axis=1)
    np.testing.assert_allclose(found[best], missing, rtol=1e-12)
    assert (found[best] > 0).all()
    assert found[best].min() < 1e-20
