"""The natural policy gradient: three ways to the same direction, and others to another."""

import numpy as np
import pytest

from mdpkit.improve import NaturalPolicyGradient, SoftmaxPolicyGradient
from mdpkit.improve.natural_policy_gradient import conjugate_gradients
from mdpkit.operators.fisher import fisher_matrix
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.policy_gradient import softmax_gradient
from mdpkit.operators.scores import softmax_scores
from tests.improve.runs import drawn, optimum, policy_of, run

SEEDS = range(6)
UNIFORM = np.full(4, 0.25)


def centered(x):
    """What of a direction in logits moves the policy."""
    return x - x.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_closed_form_is_the_pseudo_inverse_of_fisher_times_the_gradient(seed):
    mdp = drawn(seed)
    method = NaturalPolicyGradient(policy=policy_of(mdp, seed))
    (state,) = run(mdp, method, 0)
    d = occupancy(mdp, state.policy, UNIFORM)
    F = fisher_matrix(softmax_scores(mdp, state.policy), d)
    x = np.linalg.pinv(F, rcond=1e-10) @ softmax_gradient(mdp, state.policy, UNIFORM).reshape(
        -1
    )
    # F's condition number is at most 1/min dπ ≈ 10⁴ here.
    truth = centered(x.reshape(mdp.pair_shape))
    assert centered(method.direction(mdp, state)) == pytest.approx(truth, abs=1e-7)
    for solver in ("fisher", "compatible"):
        other = NaturalPolicyGradient(solver=solver).direction(mdp, state)
        assert centered(other) == pytest.approx(truth, abs=1e-7)


@pytest.mark.parametrize("solver", ["fisher", "compatible"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_solvers_give_the_same_run(seed, solver):
    mdp = drawn(seed)
    closed = run(mdp, NaturalPolicyGradient(0.05), 10)
    other = run(mdp, NaturalPolicyGradient(0.05, solver), 10)
    for a, b in zip(closed, other, strict=True):
        np.testing.assert_allclose(a.policy, b.policy, atol=1e-8)


def test_a_fisher_matrix_without_the_states_expectation_is_caught():
    mdp = drawn(0)
    (state,) = run(mdp, NaturalPolicyGradient(policy=policy_of(mdp, 0)), 0)
    F = fisher_matrix(softmax_scores(mdp, state.policy), np.ones(4))
    x = np.linalg.pinv(F, rcond=1e-10) @ softmax_gradient(mdp, state.policy, UNIFORM).reshape(
        -1
    )
    truth = centered(NaturalPolicyGradient().direction(mdp, state))
    assert np.abs(centered(x.reshape(mdp.pair_shape)) - truth).max() > 0.1


def test_a_euclidean_step_is_not_natural():
    mdp, first = drawn(0), policy_of(drawn(0), 0)
    natural = run(mdp, NaturalPolicyGradient(0.1, policy=first), 1)[1]
    plain = run(mdp, SoftmaxPolicyGradient(0.1, policy=first), 1)[1]
    assert np.abs(natural.policy - plain.policy).max() > 1e-2


def test_damping_shortens_the_step_and_has_no_theorem():
    mdp = drawn(0)
    (state,) = run(mdp, NaturalPolicyGradient(), 0)
    free, damped = (
        NaturalPolicyGradient(solver="fisher", damping=damping).direction(mdp, state)
        for damping in (0.0, 0.1)
    )
    assert np.linalg.norm(damped) < np.linalg.norm(free) / 2
    method = NaturalPolicyGradient(solver="fisher", damping=0.1)
    assert method.bounds(mdp, run(mdp, method, 2), optimum(mdp)) is None


def test_what_is_not_visited_stays_as_it_is():
    mdp = drawn(0)
    start = np.array([1.0, 0.0, 0.0, 0.0])
    # From state 0 under a policy that stays in it, nothing else is seen.
    P = np.array(mdp.P)
    P[0] = np.eye(4)[0]
    stuck = type(mdp)(P, mdp.r, 0.5)
    closed = run(stuck, NaturalPolicyGradient(start=start), 1)[1]
    for solver in ("fisher", "compatible"):
        new = run(stuck, NaturalPolicyGradient(solver=solver, start=start), 1)[1]
        np.testing.assert_allclose(new.policy[1:], 1 / 3, atol=1e-12)
        np.testing.assert_allclose(new.policy[0], closed.policy[0], atol=1e-8)
    assert np.abs(closed.policy[1:] - 1 / 3).max() > 1e-2


def test_conjugate_gradients_solve():
    A = np.array([[4.0, 1.0], [1.0, 3.0]])
    x = conjugate_gradients(lambda y: A @ y, np.array([1.0, 2.0]))
    np.testing.assert_allclose(x, [1 / 11, 7 / 11], rtol=1e-13)


def test_refusals():
    with pytest.raises(ValueError, match="solver"):
        NaturalPolicyGradient(solver="magic")
    with pytest.raises(ValueError, match="damping"):
        NaturalPolicyGradient(solver="fisher", damping=-1.0)
    with pytest.raises(ValueError, match="damping"):
        NaturalPolicyGradient(damping=0.1)
