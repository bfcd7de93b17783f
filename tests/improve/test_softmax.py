"""Softmax policy gradient, with entropy and without: steps, growth, rates, an identity."""

from itertools import pairwise

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.improve import Armijo, Normalized, SoftmaxPolicyGradient, rates
from mdpkit.operators.fisher import divergence
from mdpkit.operators.occupancy import occupancy
from mdpkit.plan import SoftPolicyIteration
from tests.gradient_oracle import complex_gradient, softmax, value
from tests.improve.runs import drawn, near, optimum, policy_of, run, within

SEEDS = range(4)
UNIFORM = np.full(4, 0.25)


@pytest.mark.parametrize("tau", [0.0, 0.3])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_step_is_a_gradient_step_in_the_logits(seed, tau):
    mdp = drawn(seed)
    first = policy_of(mdp, seed)
    old, new = run(mdp, SoftmaxPolicyGradient(0.3, tau, policy=first), 1)
    slope = complex_gradient(
        lambda x: value(mdp, softmax(mdp, x), tau).mean(), np.log(first).reshape(-1)
    )
    moved = old.coordinates + 0.3 * slope.reshape(first.shape)
    np.testing.assert_allclose(new.coordinates, moved, atol=1e-12)
    np.testing.assert_allclose(new.policy.reshape(-1), softmax(mdp, moved), atol=1e-13)
    np.testing.assert_allclose(new.v, value(mdp, new.policy.reshape(-1), tau), atol=1e-12)


@pytest.mark.parametrize("tau", [0.0, 0.3])
@pytest.mark.parametrize("seed", SEEDS)
def test_at_one_over_l_j_grows_by_what_is_proven(seed, tau):
    mdp = drawn(seed)
    H, L = 1 / (1 - mdp.gamma), rates.softmax_smoothness(mdp, tau)
    assert pytest.approx((8 + tau * (4 + 8 * np.log(3))) * H**3) == L
    for old, new in pairwise(run(mdp, SoftmaxPolicyGradient(tau=tau), 25)):
        square = ((new.coordinates - old.coordinates) ** 2).sum() * L**2
        assert (new.v - old.v).mean() >= square / (2 * L) - near(mdp)


def test_normalized_steps_have_their_length_and_armijos_gain_their_share():
    mdp = drawn(1)
    for old, new in pairwise(run(mdp, SoftmaxPolicyGradient(Normalized(0.5)), 10)):
        assert np.linalg.norm(new.coordinates - old.coordinates) == pytest.approx(0.5)
    for old, new in pairwise(run(mdp, SoftmaxPolicyGradient(Armijo()), 20)):
        moved = new.coordinates - old.coordinates
        assert (new.v - old.v).mean() >= (moved**2).sum() / new.step_size / 2


@pytest.mark.parametrize("tau", [0.0, 0.3])
@pytest.mark.parametrize("rule", [0.01, Armijo(), None], ids=str)
def test_errors_lie_within_their_bounds(rule, tau):
    for seed in SEEDS:
        mdp = drawn(seed, gammas=(0.5,))
        method = (
            SoftmaxPolicyGradient(tau=tau) if rule is None else SoftmaxPolicyGradient(rule, tau)
        )
        found = method.bounds(mdp, run(mdp, method, 30), optimum(mdp, tau))
        assert found.quantity == "J* − J_k"
        assert within(found, near(mdp))


def test_rewards_enter_the_bound_by_their_range():
    mdp, method = drawn(2), SoftmaxPolicyGradient()
    found = method.bounds(mdp, run(mdp, method, 30), optimum(mdp))
    moved = mdp.replace(r=7 * mdp.r - 3)
    other = method.bounds(moved, run(moved, method, 30), optimum(moved))
    np.testing.assert_allclose(other.errors, 7 * found.errors, rtol=1e-9)
    np.testing.assert_allclose(other.bounds, 7 * found.bounds, rtol=1e-9)


def test_a_bound_without_c_is_caught():
    # On the plateau c is what keeps the bound above the error.
    mdp = mk.load("gallery:softmax-plateau", gamma=0.0)
    method = SoftmaxPolicyGradient(policy=np.array([[0.001, 0.998, 0.001]]))
    states, v = run(mdp, method, 400), optimum(mdp)
    found = method.bounds(mdp, states, v)
    assert within(found, near(mdp))
    gained = np.arange(401) * found.errors[0] / (2 * rates.softmax_smoothness(mdp))
    assert (found.errors > found.errors[0] / (1 + gained)).any()


def test_sizes_that_may_overshoot_have_no_bound():
    mdp, v = drawn(0), optimum(drawn(0))
    for rule in (Normalized(), 1e6):
        method = SoftmaxPolicyGradient(rule)
        assert method.bounds(mdp, run(mdp, method, 2), v) is None


# ---- with entropy ----------------------------------------------------------------------------


def log_line(x):
    """R² of the line fitted through log x."""
    y, k = np.log(x), np.arange(len(x))
    residual = y - np.polyval(np.polyfit(k, y, 1), k)
    return 1 - residual @ residual / ((y - y.mean()) @ (y - y.mean()))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_error_is_a_divergence_at_every_iterate_and_falls_on_a_line(seed):
    tau, mdp = 0.2, drawn(seed, gammas=(0.5, 0.8))
    H = 1 / (1 - mdp.gamma)
    best = mk.solve(mdp, SoftPolicyIteration(tau), tol=0.0, throw=False)
    states = run(mdp, SoftmaxPolicyGradient(Armijo(), tau), 60)
    errors = []
    for state in states:
        d = occupancy(mdp, state.policy, UNIFORM)
        missing = UNIFORM @ (best.v - state.v)
        apart = tau * H * divergence(mdp, state.policy, best.probabilities, d)
        assert missing == pytest.approx(apart, abs=1e-10)
        errors.append(missing)
    constant = run(mdp, SoftmaxPolicyGradient(1 / H, tau), 200)
    falling = [UNIFORM @ (best.v - state.v) for state in constant[100:]]
    usable = [x for x in falling if x > 1e-11]
    assert len(usable) >= 20
    assert log_line(usable) >= 0.99


def test_the_reverse_divergence_is_not_the_error():
    tau, mdp = 0.2, drawn(0)
    best = mk.solve(mdp, SoftPolicyIteration(tau), tol=0.0, throw=False)
    state = run(mdp, SoftmaxPolicyGradient(tau=tau), 3)[3]
    missing = UNIFORM @ (best.v - state.v)
    H = 1 / (1 - mdp.gamma)
    d = occupancy(mdp, state.policy, UNIFORM)
    reverse = tau * H * divergence(mdp, best.probabilities, state.policy, d)
    other = occupancy(mdp, best.probabilities, UNIFORM)
    visits_of_best = tau * H * divergence(mdp, state.policy, best.probabilities, other)
    assert abs(reverse - missing) > 1e-3
    assert abs(visits_of_best - missing) > 1e-3


def test_without_entropy_the_error_does_not_fall_on_a_line():
    mdp = drawn(0, gammas=(0.5,))
    states = run(mdp, SoftmaxPolicyGradient(2.0), 400)
    v = optimum(mdp)
    assert log_line([UNIFORM @ (v - state.v) for state in states[20:]]) < 0.98


def test_solving_with_entropy_certifies_the_soft_optimum():
    for seed in SEEDS:
        mdp, tau = drawn(seed, gammas=(0.5,)), 0.5
        truth = mk.solve(mdp, SoftPolicyIteration(tau), tol=0.0, throw=False)
        solution = mk.solve(mdp, SoftmaxPolicyGradient(Armijo(), tau), tol=1e-6)
        assert (solution.lower <= truth.upper).all()
        assert (truth.lower <= solution.upper).all()
        assert solution.gap <= 1e-6
        assert solution.probabilities == pytest.approx(truth.probabilities, abs=0.01)


def test_refusals():
    with pytest.raises(ValueError, match="tau"):
        SoftmaxPolicyGradient(tau=-0.1)
    with pytest.raises(ValueError, match=r"policy\[0, 1\] is 0"):
        SoftmaxPolicyGradient(policy=np.zeros(4, dtype=int)).init(drawn(0))
