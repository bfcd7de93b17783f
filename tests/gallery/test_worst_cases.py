"""The worst cases are as bad as promised: each count and each loss, in exact rationals."""

from fractions import Fraction

import numpy as np
import pytest

from mdpkit._exact import fraction
from mdpkit.gallery import (
    azar,
    bc_cliff,
    cycle,
    feinberg_huang,
    gpi_tie,
    identity,
    leak,
    lottery,
    pi_chain,
    scherrer_lesner,
    singh_yee,
    softmax_plateau,
)

H, G = 10, Fraction(9, 10)  # at γ = .9


def action_values(solver, mdp, v):
    """q as Fractions, pair by pair."""
    P, r, _, gamma = solver.dense(mdp.exact())
    v = np.array([type(gamma)(Fraction(x).numerator, Fraction(x).denominator) for x in v])
    return [fraction(x) for x in r + gamma * (P @ v)]


@pytest.mark.parametrize("epsilon", [1.0, 0.25])
def test_greedy_on_a_value_off_by_epsilon_loses_twice_that(solver, epsilon):
    mdp, e = singh_yee(epsilon), Fraction(epsilon)
    q = action_values(solver, mdp, [e, -e])
    assert q[0] == q[1] == -G * e  # tied; the lowest index stays
    stays = solver.evaluate(mdp.exact(), [1, 0, 1])
    assert fraction(stays[0]) == -2 * G * e * H
    assert fraction(solver.answers(mdp)[0]) == 0


def test_eta_breaks_the_tie(solver):
    q = action_values(solver, singh_yee(eta=0.001), [1, -1])
    assert q[0] - q[1] == Fraction(1, 1000)


LOSSES = {2: 18, 5: 61.902, 20: 155.6847, 40: 177.0438}


def noisy_value_iteration(solver, mdp, k):
    """v after k − 1 steps from 0, with noise −1 on state i and +1 on state i + 1 in step i."""
    P, r, _, gamma = solver.dense(mdp.exact())
    v = np.zeros(mdp.n_states, dtype=object) * gamma
    for i in range(1, k):
        v = (r + gamma * (P @ v)).reshape(-1, 2).max(axis=1)
        v[i - 1] -= 1
        if i < mdp.n_states:
            v[i] += 1
    return r + gamma * (P @ v)


@pytest.mark.parametrize(("k", "loss"), LOSSES.items())
def test_approximate_value_iteration_is_tied_where_staying_costs_most(solver, k, loss):
    mdp = scherrer_lesner(40)
    q = noisy_value_iteration(solver, mdp, k)
    stay, left = q[2 * (k - 1)], q[2 * (k - 1) + 1]
    # γᵏ has the denominator 10ᵏ: beyond k = 15 a float does not tell the fraction meant
    assert abs(fraction(stay - left)) <= (0 if k <= 15 else Fraction(1, 10**13))
    assert mdp.r[k - 1, 0] == float(-2 * (G - G**k) * H)
    value = float(fraction(solver.evaluate(mdp.exact(), np.tile([1, 0], 40))[k - 1]))
    assert value == pytest.approx(-loss, abs=5e-5)
    assert value == pytest.approx(float(-2 * (G - G**k) * H**2), rel=1e-14)


def test_without_noise_staying_is_no_temptation(solver):
    mdp = scherrer_lesner(10)
    q = action_values(solver, mdp, [0] * 10)
    assert all(q[2 * i] < q[2 * i + 1] for i in range(1, 10))


def test_value_iteration_on_the_identity_errs_by_exactly_its_bound(solver):
    mdp = identity(4)
    best = [Fraction(10 * k) for k in (1, 2, 3, 4)]
    v = [x + 3 for x in best]
    for k in range(1, 6):
        v = action_values(solver, mdp, v)
        assert [x - y for x, y in zip(v, best, strict=True)] == [3 * G**k] * 4


@pytest.mark.parametrize("n", [1, 5, 20])
def test_policy_iteration_switches_one_link_at_a_time(solver, n):
    policies = []
    mdp = pi_chain(n).exact()
    solver.optimum(mdp, policy=mdp.action_ptr[:-1].copy(), seen=policies)
    assert len(policies) == n + 1
    switched = [int(mdp.pair_actions[policy].sum()) for policy in policies]
    assert switched == list(range(n + 1))


@pytest.mark.parametrize(("delta", "steps"), [(1e-2, 65), (1e-6, 152), (1e-12, 284)])
def test_value_iteration_is_fooled_as_long_as_predicted(solver, delta, steps):
    mdp = feinberg_huang(delta).exact()
    P, r, _, gamma = solver.dense(mdp)
    v, k = np.zeros(3, dtype=object) * gamma, 0
    while (q := r + gamma * (P @ v))[0] <= q[1]:
        v, k = np.array([max(q[0], q[1]), q[2], q[3]]), k + 1
    assert k == steps
    policies = []
    solver.optimum(mdp, policy=np.array([1, 2, 3]), seen=policies)
    assert len(policies) == 2


@pytest.mark.parametrize(("gamma", "value"), [(0.9, 7.5), (0.99, 75), (0.25, 1)])
@pytest.mark.parametrize("alpha", [None, 0.0, 0.001])
def test_azars_states_live_three_quarters_of_the_horizon(solver, gamma, value, alpha):
    g = Fraction(str(gamma))
    p = (4 * g - 1) / (3 * g)
    more = (1 - p) / 2 if alpha is None else Fraction(str(alpha))
    v = [float(fraction(x)) for x in solver.answers(azar(3, 2, alpha, gamma=gamma))]
    # 1 − p is rounded to a float and read back; the value multiplies that by H²
    assert v[0] == pytest.approx(float(1 / (1 - g * (p + more))), rel=1e-12)
    assert v[1:] == pytest.approx([value] * 2, rel=1e-12)


def test_only_the_last_action_of_the_first_state_is_special():
    stop = np.asarray(azar(3, 4).stop)
    assert stop[0, 3] < stop.max()
    assert (np.delete(stop.reshape(-1), 3) == stop.max()).all()


def test_acceleration_diverges_on_the_ring():
    """The companion matrix of Nesterov's iteration v⁺ = w − α(w − γPw), w = (1 + β)v − βv⁻."""
    mdp = cycle()
    g = mdp.gamma
    alpha, beta = 1 / (1 + g), (1 - np.sqrt(1 - g * g)) / g
    step = (1 - alpha) * np.eye(12) + alpha * g * mdp.P[:, 0]
    companion = np.block([[(1 + beta) * step, -beta * step], [np.eye(12), np.zeros((12, 12))]])
    assert np.abs(np.linalg.eigvals(companion)).max() == pytest.approx(1.3103, abs=5e-5)


def test_a_ring_comes_round_after_n_steps():
    P = cycle(7).P[:, 0]
    powers = [np.trace(np.linalg.matrix_power(P, k)) for k in range(1, 8)]
    assert powers == [0] * 6 + [7]


@pytest.mark.parametrize("delta", [1e-3, 0.1, 1.0])
def test_the_simulation_lemma_is_attained_by_the_leak(solver, delta):
    """‖v̂ − v‖ = γ·‖P̂ − P‖₁·H·sp(v̂)/2, v̂ the leaky model's value."""
    d = Fraction(str(delta))
    tight, leaky = ([fraction(x) for x in solver.answers(leak(x))] for x in (0.0, delta))
    difference = max(abs(x - y) for x, y in zip(tight, leaky, strict=True))
    assert difference == G * (2 * d) * H * (max(leaky) - min(leaky)) / 2


@pytest.mark.parametrize("epsilon", [1.0, 0.1])
def test_the_tie_of_generalized_policy_improvement_costs_two_epsilon(solver, epsilon):
    """q* = (−2γε, 0); errors of ε either way would tie it, up to the factor γ of the bound."""
    mdp = gpi_tie(epsilon)
    e = Fraction(str(epsilon))
    assert action_values(solver, mdp, [0]) == [-2 * G * e, 0]
    assert fraction(solver.evaluate(mdp.exact(), [1, 0])[0]) == -2 * G * e * H


def test_the_gamble_is_worse_in_the_mean_and_better_to_an_optimist(solver):
    mdp = lottery()
    q = action_values(solver, mdp, solver_values := [-1, 0, -10])
    assert q[:2] == [-1, -5]
    P = solver.dense(mdp)[0]
    optimist = np.log(P[1] @ np.exp(np.array(solver_values, dtype=float)))
    assert optimist == pytest.approx(-0.6931, abs=1e-4)
    assert optimist > -1


@pytest.mark.parametrize("T", [1, 2, 10])
def test_one_early_mistake_costs_all_that_is_left(solver, T):
    """An imitator wrong with probability Tε at the first step only: loss T²ε."""
    epsilon = Fraction(1, 4 * T)
    mdp = bc_cliff(T).exact()
    probabilities = [Fraction(1), Fraction(0)] * mdp.n_states
    probabilities[:2] = [1 - T * epsilon, T * epsilon]
    one = mdp.gamma / mdp.gamma
    v = solver.evaluate(mdp, [one * p.numerator / p.denominator for p in probabilities])
    assert -fraction(v[0]) == T**2 * epsilon


@pytest.mark.parametrize(("e", "iterations"), [(0.1, 390), (0.01, 4569)])
def test_policy_gradient_waits_on_the_plateau(e, iterations):
    r = softmax_plateau().r[0]
    theta, k = np.log([e, 1 - 2 * e, e]), 0
    while True:
        pi = np.exp(theta - theta.max())
        pi /= pi.sum()
        if r.max() - pi @ r < 0.05:
            break
        theta, k = theta + 0.4 * pi * (r - pi @ r), k + 1
    assert k == iterations
