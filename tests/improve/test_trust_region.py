"""Trust regions: the search against its quadratic model, the maximizer against SLSQP."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize

import mdpkit as mk
from mdpkit.improve import TrustRegion
from mdpkit.improve._iterates import advantages
from mdpkit.operators.bellman import greedy
from mdpkit.operators.fisher import divergence
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.surrogate import lower_bound, surrogate
from tests.improve.runs import drawn, near, optimum, policy_of, run

SEEDS = range(3)
UNIFORM = np.full(4, 0.25)


def begun(seed, **options):
    mdp = drawn(seed)
    method = TrustRegion(policy=policy_of(mdp, seed), **options)
    (state,) = run(mdp, method, 0)
    return mdp, method, state, occupancy(mdp, state.policy, UNIFORM)


def promised(mdp, state, d, policy):
    """E_{d,π'} A."""
    return d @ (policy * advantages(mdp, state)).sum(axis=1)


@pytest.mark.parametrize("solver", ["natural", "lagrangian"])
@pytest.mark.parametrize("radius", [1e-4, 0.01, 0.3])
@pytest.mark.parametrize("seed", SEEDS)
def test_each_step_is_in_the_ball_and_gains(seed, radius, solver):
    mdp, method, state, d = begun(seed, radius=radius, solver=solver)
    for _ in range(4):
        new = method.step(mdp, state)
        d = occupancy(mdp, state.policy, UNIFORM)
        assert divergence(mdp, state.policy, new.policy, d) <= radius * (1 + 1e-9)
        assert promised(mdp, state, d, new.policy) >= -near(mdp)
        below = lower_bound(mdp, state.policy, new.policy, start=UNIFORM)
        assert UNIFORM @ new.v >= below - near(mdp)
        state = new


def test_a_small_step_is_as_long_as_its_quadratic_model_says():
    mdp, method, state, d = begun(0, radius=1e-8)
    x = advantages(mdp, state)
    first = np.sqrt(2e-8 / (d @ (state.policy * x**2).sum(axis=1)))
    new = method.step(mdp, state)
    # The cubic term decides whether the first size is a hair too long.
    assert any(new.step_size == pytest.approx(first * 0.8**j, rel=1e-12) for j in (0, 1))
    assert divergence(mdp, state.policy, new.policy, d) == pytest.approx(
        (new.step_size / first) ** 2 * 1e-8, rel=1e-3
    )


@pytest.mark.parametrize("radius", [0.003, 0.05])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_maximizer_is_that_of_another_optimizer(seed, radius):
    mdp, method, state, d = begun(seed, radius=radius, solver="lagrangian")
    new = method.step(mdp, state)
    x, shape = advantages(mdp, state), state.policy.shape

    def theta_policy(theta):
        e = np.exp(theta.reshape(shape) - theta.reshape(shape).max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    found = minimize(
        lambda theta: -d @ (theta_policy(theta) * x).sum(axis=1),
        state.coordinates.reshape(-1),
        method="SLSQP",
        constraints={
            "type": "ineq",
            "fun": lambda theta: radius - divergence(mdp, state.policy, theta_policy(theta), d),
        },
        options={"ftol": 1e-13, "maxiter": 500},
    )
    ours = promised(mdp, state, d, new.policy)
    assert ours == pytest.approx(-found.fun, rel=1e-5)
    assert divergence(mdp, state.policy, new.policy, d) == pytest.approx(radius, rel=1e-9)
    natural = TrustRegion(radius).step(mdp, state)
    assert promised(mdp, state, d, natural.policy) <= ours * (1 + 1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_without_a_constraint_the_step_is_greedy(seed):
    mdp, method, state, _ = begun(seed, radius=1e6, solver="lagrangian")
    new = method.step(mdp, state)
    assert (new.policy.argmax(axis=1) == greedy(mdp, state.v)).all()
    assert new.policy.max(axis=1) == pytest.approx(1, abs=1e-9)


def test_a_ball_in_the_wrong_direction_is_caught():
    # KL(π'‖π) ≤ δ is another ball: its maximizer, π e^{A/β}, leaves this one.
    mdp, method, state, d = begun(1, radius=0.3, solver="lagrangian")
    new, x = method.step(mdp, state), advantages(mdp, state)
    best = -np.inf
    for beta in np.geomspace(1e-3, 10, 2000):
        weight = state.policy * np.exp((x - x.max(axis=1, keepdims=True)) / beta)
        policy = weight / weight.sum(axis=1, keepdims=True)
        if divergence(mdp, policy, state.policy, d) <= 0.3:
            best = max(best, promised(mdp, state, d, policy))
    assert abs(best - promised(mdp, state, d, new.policy)) > 1e-3


def test_the_root_of_two_belongs_there():
    mdp, _, state, d = begun(2)
    x = advantages(mdp, state)
    size = np.sqrt(1e-8 / (d @ (state.policy * x**2).sum(axis=1)))  # √(δ/xᵀFx)
    weight = state.policy * np.exp(size * x)
    policy = weight / weight.sum(axis=1, keepdims=True)
    assert divergence(mdp, state.policy, policy, d) == pytest.approx(0.5e-8, rel=1e-3)


def test_it_solves_and_j_may_fall_short_of_the_surrogate():
    short = 0
    for seed in SEEDS:
        mdp = drawn(seed)
        for solver in ("natural", "lagrangian"):
            method = TrustRegion(0.1, solver)
            solution = mk.solve(mdp, method, max_steps=100)
            assert solution.v == pytest.approx(optimum(mdp), abs=1e-6)
            states = run(mdp, method, 5)
            for old, new in pairwise(states):
                said = surrogate(mdp, old.policy, new.policy, UNIFORM)
                short += UNIFORM @ new.v < said - near(mdp)
    assert short >= 1
    assert TrustRegion().bounds(drawn(0), [], optimum(drawn(0))) is None


def test_refusals():
    for options in ({"radius": 0}, {"solver": "cg"}, {"backtrack": 1.0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            TrustRegion(**options)
