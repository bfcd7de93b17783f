"""Proximal surrogates: each maximizer against its optimality conditions or a linear program."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import linprog

import mdpkit as mk
from mdpkit.improve import ExponentiatedQAscent, ProximalClip, ProximalPenalty
from mdpkit.improve._iterates import advantages
from mdpkit.improve.proximal import clipped_step, forward_step
from mdpkit.operators.fisher import divergence
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.surrogate import clipped_surrogate
from tests.improve.runs import drawn, near, optimum, policy_of, run, within

SEEDS = range(6)
UNIFORM = np.full(4, 0.25)


def bandit(n):
    return mk.MDP(np.ones((1, n, 1)), np.zeros((1, n)), 0.5)


def situation(seed, n=4, zeros=False):
    """A policy and its advantages in one state."""
    rng = np.random.default_rng([seed, n, 21])
    pi = rng.dirichlet(np.ones(n))
    A = rng.normal(size=n)
    if zeros:
        A[rng.integers(n)] = 0
    up = A > 0
    if up.sum() > 0 and (A < 0).any():  # E_π A = 0, with A = 0 kept
        A[up] *= -(pi @ np.where(A < 0, A, 0)) / (pi @ np.where(up, A, 0))
    else:
        A[:] = 0
    return pi, A


# ---- the penalty -----------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [1e-6, 0.01, 1.0, 1e4])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_forward_step_is_stationary(seed, beta):
    pi, A = situation(seed)
    new, log = forward_step(bandit(4), np.log([pi]), np.array([A]), beta)
    # A + βπ/π' is one number, λ, for all actions: the condition of Lagrange.
    level = A + beta * pi / new[0]
    assert new.sum() == pytest.approx(1, abs=1e-13)
    np.testing.assert_allclose(level, level[0], rtol=1e-9)
    assert level[0] > A.max()
    np.testing.assert_allclose(np.exp(log), new)


def test_the_forward_step_survives_probabilities_no_float_has():
    log = np.array([[-2000.0, 0.0, -800.0]])
    new, after = forward_step(bandit(3), log, np.array([[1.0, 0.0, 0.5]]), 1e-3)
    assert np.isfinite(after).all()
    assert new.sum() == pytest.approx(1)


def test_the_penalty_in_the_other_direction_is_another_step():
    pi, A = situation(3)
    forward, _ = forward_step(bandit(4), np.log([pi]), np.array([A]), 0.5)
    reverse = pi * np.exp(A / 0.5)
    assert np.abs(forward[0] - reverse / reverse.sum()).max() > 1e-2


@pytest.mark.parametrize("seed", SEEDS)
def test_reversed_with_a_fixed_weight_it_is_exponentiated_q_ascent(seed):
    mdp = drawn(seed)
    one = run(mdp, ProximalPenalty(2.0, direction="reverse"), 15)
    other = run(mdp, ExponentiatedQAscent(0.5), 15)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a.policy, b.policy, atol=1e-13)
    method = ProximalPenalty(2.0, direction="reverse")
    assert within(method.bounds(mdp, one, optimum(mdp)), near(mdp))
    assert ProximalPenalty(2.0).bounds(mdp, one, optimum(mdp)) is None


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_the_weight_follows_the_target(direction):
    mdp, target = drawn(1), 0.01
    states = run(mdp, ProximalPenalty(1.0, target, direction), 12)
    changed = 0
    for old, new in pairwise(states):
        d = occupancy(mdp, old.policy, UNIFORM)
        pair = (old.policy, new.policy) if direction == "forward" else (new.policy, old.policy)
        moved = divergence(mdp, *pair, d)
        factor = 2 if moved > 1.5 * target else 0.5 if moved < target / 1.5 else 1
        assert old.step_size / new.step_size == pytest.approx(factor)
        changed += factor != 1
    assert changed >= 2


# ---- the clip --------------------------------------------------------------------------------


def clipped_value(pi, A, p, epsilon):
    return np.minimum(p * A, np.clip(p, (1 - epsilon) * pi, (1 + epsilon) * pi) * A).sum()


def best_clipped(pi, A, epsilon):
    """The largest clipped surrogate of one state, by a linear program in p and its terms."""
    n = pi.size
    edge = np.where(A > 0, 1 + epsilon, 1 - epsilon) * pi * A
    rows = np.hstack([-np.diag(A), np.eye(n)])  # term ≤ pA, term ≤ edge
    caps = np.hstack([np.zeros((n, n)), np.eye(n)])
    found = linprog(
        np.concatenate([np.zeros(n), -np.ones(n)]),
        A_ub=np.vstack([rows, caps]),
        b_ub=np.concatenate([np.zeros(n), edge]),
        A_eq=np.concatenate([np.ones(n), np.zeros(n)])[None],
        b_eq=[1.0],
        bounds=[(0, None)] * n + [(None, None)] * n,
    )
    return -found.fun


@pytest.mark.parametrize("epsilon", [0.05, 0.2, 0.9])
@pytest.mark.parametrize("seed", range(12))
def test_the_clipped_step_maximizes(seed, epsilon):
    pi, A = situation(seed, n=2 + seed % 4, zeros=seed % 2 == 0)
    p = clipped_step(bandit(pi.size), pi[None], A[None], epsilon)[0]
    assert p.sum() == pytest.approx(1, abs=1e-14)
    assert (p >= 0).all()
    ours, best = clipped_value(pi, A, p, epsilon), best_clipped(pi, A, epsilon)
    assert ours == pytest.approx(best, abs=1e-9)
    odds = p / pi
    for sign in (A == 0, A < 0):  # leveled where it costs nothing
        if sign.any() and (odds[sign] > 0).all():
            assert np.ptp(odds[sign]) <= 1e-9


def test_the_clipped_step_by_hand():
    def step(pi, A, epsilon=0.2):
        return clipped_step(bandit(len(pi)), np.array([pi]), np.array([A]), epsilon)[0]

    # Mass .05·ε leaves the bad action and does not fill the good one's (1+ε)π: A = 0 gives way.
    assert step([0.5, 0.45, 0.05], [1.0, 0.0, -10.0]) == pytest.approx([0.6, 0.36, 0.04])
    # As much is freed as is wanted.
    assert step([0.5, 0.5], [1.0, -1.0]) == pytest.approx([0.6, 0.4])
    # More is freed than is wanted: the good one takes it all, beyond 1+ε, for nothing.
    assert step([0.25, 0.75], [3.0, -1.0]) == pytest.approx([0.4, 0.6])
    # The good ones want more than there is: the worst of them gives way, the bad one goes.
    assert step([0.5, 0.45, 0.05], [1.0, 0.1, -10.9]) == pytest.approx([0.6, 0.4, 0.0])
    assert step([0.3, 0.7], [0.0, 0.0]) == pytest.approx([0.3, 0.7])


def test_the_clip_with_the_factor_inside_is_caught():
    # min(ρ, clip(ρ)A) is largest elsewhere: it gives all to the good actions, whatever A < 1.
    pi, A = np.array([0.25, 0.75]), np.array([3.0, -1.0])
    p = clipped_step(bandit(2), pi[None], A[None], 0.2)[0]
    rho = p / pi
    impostor = pi @ np.minimum(rho, np.clip(rho, 0.8, 1.2) * A)
    assert abs(impostor - best_clipped(pi, A, 0.2)) > 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_maximizes_the_surrogate_of_the_model(seed):
    mdp = drawn(seed)
    old, new = run(mdp, ProximalClip(0.2, policy_of(mdp, seed)), 1)
    found = clipped_surrogate(mdp, old.policy, new.policy, 0.2, start=UNIFORM)
    d, x = occupancy(mdp, old.policy, UNIFORM), advantages(mdp, old)
    best = sum(
        d[s] * best_clipped(old.policy[s], x[s], 0.2) / (1 - mdp.gamma) for s in range(4)
    )
    assert found - UNIFORM @ old.v == pytest.approx(best, abs=1e-8)


def test_maximized_to_the_end_it_may_stop_at_a_policy_that_is_not_optimal():
    stopped, solved = 0, 0
    for seed in range(30):
        mdp = drawn(seed, gammas=(0.9,))
        solution = mk.solve(mdp, ProximalClip(0.5), max_steps=500, throw=False)
        v = optimum(mdp)
        assert (solution.lower <= v + near(mdp)).all()
        assert (v <= solution.upper + near(mdp)).all()
        if solution.status is mk.Status.STAGNATED:
            assert solution.gap >= (v - solution.state.v).max() > 1e-6
            stopped += 1
        solved += solution.status is mk.Status.SOLVED
    assert stopped >= 1
    assert solved >= 5


def test_refusals():
    for bad in (0.0, 1.0, -0.2, np.nan):
        with pytest.raises(ValueError, match="epsilon"):
            ProximalClip(bad)
    for options in ({"beta": 0}, {"target": -1.0}, {"direction": "sideways"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            ProximalPenalty(**options)
