"""Mirror ascent with entropy: Cen et al.'s rates, and the two methods at its ends."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._array import sup
from mdpkit.improve import NaturalPolicyGradient, RegularizedMirrorAscent
from mdpkit.operators.bellman import action_values
from mdpkit.operators.projection import log_softmax, softmax_policy
from tests.improve.runs import drawn, near, optimum, policy_of, run, within

SEEDS = range(6)
TAU = 0.1


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_both_of_its_rates_hold(seed, share):
    mdp = drawn(seed)
    method = RegularizedMirrorAscent(TAU, share * (1 - mdp.gamma) / TAU, policy_of(mdp, seed))
    states, v = run(mdp, method, 25), optimum(mdp, TAU)
    found = method.bounds(mdp, states, v)
    assert within(found, near(mdp))
    q = action_values(mdp, v)
    best, eta = log_softmax(mdp, q / TAU), method.eta(mdp)
    first = sup(q - states[0].q) + 2 * TAU * (1 - eta * TAU / (1 - mdp.gamma)) * sup(
        best - states[0].coordinates
    )
    for k, state in enumerate(states[1:]):
        allowed = 2 * first / TAU * (1 - eta * TAU) ** k + near(mdp) / TAU
        assert sup(best - state.coordinates) <= allowed


def test_a_rate_that_is_too_good_is_caught():
    mdp = drawn(0, gammas=(0.9,))
    method = RegularizedMirrorAscent(TAU, 0.02 / TAU)  # ητ = .02, ητH = .2
    found = method.bounds(mdp, run(mdp, method, 60), optimum(mdp, TAU))
    assert within(found, near(mdp))
    impostor = found.bounds[1] * (1 - 0.5) ** np.arange(60)
    assert (found.errors[1:] > impostor + near(mdp)).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_with_the_largest_step_it_is_soft_policy_iteration(seed):
    mdp = drawn(seed)
    method = RegularizedMirrorAscent(TAU, (1 - mdp.gamma) / TAU, policy_of(mdp, seed))
    old, new = run(mdp, method, 1)
    assert new.policy == pytest.approx(softmax_policy(mdp, old.q / TAU), abs=1e-13)


def test_at_a_low_temperature_it_is_the_natural_gradient():
    mdp = drawn(1)
    soft = run(mdp, RegularizedMirrorAscent(1e-9, 0.1), 5)
    hard = run(mdp, NaturalPolicyGradient(0.1), 5)
    for a, b in zip(soft, hard, strict=True):
        np.testing.assert_allclose(a.policy, b.policy, atol=1e-7)


def test_solving_certifies_the_soft_optimum():
    mdp = drawn(2)
    solution = mk.solve(mdp, RegularizedMirrorAscent(TAU), tol=1e-8)
    v = optimum(mdp, TAU)
    assert (solution.lower <= v + near(mdp)).all()
    assert (v <= solution.upper + near(mdp)).all()
    assert solution.loss <= 1e-8


def test_refusals():
    mdp = drawn(0, gammas=(0.9,))
    with pytest.raises(ValueError, match=r"≤ \(1−γ\)/τ = 1"):
        RegularizedMirrorAscent(0.1, 1.01).init(mdp)
    for tau in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError, match="tau"):
            RegularizedMirrorAscent(tau)
    with pytest.raises(ValueError, match="step_size"):
        RegularizedMirrorAscent(1.0, 0.0)
