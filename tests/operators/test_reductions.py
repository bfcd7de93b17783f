"""⊕ and ⊗ against algebra: worked numbers, limits, and the optimization problems they solve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from mdpkit.mdp import MDP
from mdpkit.operators import aggregate, expect

Q = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 3.0]])


def test_maximum_takes_the_lowest_index_among_ties():
    value, policy = aggregate.maximum(Q)
    assert value.tolist() == [4, 3]
    assert policy.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_soft_is_the_log_partition_function():
    value, policy = aggregate.soft(1.0)(np.log([[1.0, 2.0, 5.0]]))
    assert value == pytest.approx(np.log(8))
    assert policy[0] == pytest.approx([1 / 8, 2 / 8, 5 / 8])


@pytest.mark.parametrize("prior", [None, np.array([[0.2, 0.3, 0.5], [0.1, 0.0, 0.9]])])
def test_soft_maximizes_value_less_divergence_from_the_prior(prior):
    tau = 0.7
    value, policy = aggregate.soft(tau, prior)(Q)
    p = np.ones_like(Q) if prior is None else prior
    ratio = np.where(policy > 0, policy / np.where(p > 0, p, 1), 1)
    assert (policy * Q - tau * policy * np.log(ratio)).sum(axis=1) == pytest.approx(
        value, abs=1e-12
    )


def test_soft_does_not_overflow_and_tends_to_the_maximum():
    for tau in (1e-3, 1e-300):
        assert aggregate.soft(tau)(1e3 * Q)[0] == pytest.approx([4e3, 3e3], rel=1e-5)


def test_mellowmax_of_equal_values_is_their_value():
    assert aggregate.mellowmax(5.0)(Q)[0][1] == pytest.approx(3.0)


def test_sparsemax_solves_its_quadratic_program():
    tau = 2.0
    value, policy = aggregate.sparsemax(tau)(Q)
    for row in range(2):
        found = minimize(
            lambda p, q=Q[row]: -(p @ q + tau / 2 * (1 - p @ p)),
            np.full(3, 1 / 3),
            bounds=[(0, 1)] * 3,
            constraints={"type": "eq", "fun": lambda p: p.sum() - 1},
            options={"ftol": 1e-14},
        )
        assert value[row] == pytest.approx(-found.fun, abs=1e-7)
        assert policy[row] == pytest.approx(found.x, abs=1e-5)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_expectile_balances_its_asymmetric_residuals(level):
    weight = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    m, policy = aggregate.expectile(level, weight)(Q)
    tilt = np.where(m[:, None] > Q, 1 - level, level)
    assert (weight * tilt * (Q - m[:, None])).sum(axis=1) == pytest.approx([0, 0], abs=1e-12)
    assert (policy * Q).sum(axis=1) == pytest.approx(m)


def test_boltzmann_is_not_a_non_expansion():
    # Asadi & Littman (2017): the average of q under its own softmax can grow faster than q.
    over = aggregate.boltzmann(0.2)
    x, y = np.array([[0.0, 1.0]]), np.array([[0.1, 0.5]])
    far = np.abs(x - y).max()
    grid = [np.array([[0.0, shift]]) for shift in np.linspace(-1, 1, 41)]
    ratios = [abs(over(x + d)[0] - over(y + d)[0])[0] / far for d in grid]
    assert max(ratios) > 1


@pytest.mark.parametrize(
    "over",
    [aggregate.maximum, aggregate.soft(0.3), aggregate.mellowmax(2), aggregate.sparsemax(1)],
    ids=lambda over: over.name,
)
@given(st.lists(st.floats(-5, 5), min_size=6, max_size=6))
def test_reductions_are_non_expansions_and_move_with_constants(over, numbers):
    x, y = np.array(numbers[:3])[None], np.array(numbers[3:])[None]
    assert abs(over(x)[0] - over(y)[0])[0] <= np.abs(x - y).max() + 1e-13
    assert over(x + 2.5)[0] == pytest.approx(over(x)[0] + 2.5, abs=1e-12)


def two_rows(stop=0.0):
    P = np.array([[[0.5, 0.5, 0.0]], [[0.1, 0.2, 0.7]], [[0.0, 0.0, 1.0]]]) * (1 - stop)
    return MDP(P, np.zeros((3, 1)), 0.9, stop=np.full((3, 1), stop))


def test_log_mean_exp_lies_between_mean_and_maximum_and_counts_the_stop_as_zero():
    v = np.array([0.0, 1.0, 3.0])
    mdp = two_rows()
    optimistic = expect.log_mean_exp(1.0)(mdp, v)[:, 0]
    assert optimistic[0] == pytest.approx(np.log((1 + np.e) / 2))
    assert (optimistic >= mdp.expect(v)[:, 0] - 1e-12).all()
    half = expect.log_mean_exp(1.0)(two_rows(0.5), v)[:, 0]
    assert half[2] == pytest.approx(np.log(0.5 * np.e**3 + 0.5))


@pytest.mark.parametrize("radius", [0.0, 0.3, 1.0, 2.0])
def test_worst_case_solves_its_linear_program(radius):
    mdp, v = two_rows(), np.array([1.0, -2.0, 3.0])
    for row in range(3):
        p = mdp.rows[row]
        # variables: p', u ≥ |p' − p|
        answer = linprog(
            np.concatenate([v, np.zeros(3)]),
            A_ub=np.block(
                [[np.eye(3), -np.eye(3)], [-np.eye(3), -np.eye(3)], [np.zeros(3), np.ones(3)]]
            ),
            b_ub=np.concatenate([p, -p, [radius]]),
            A_eq=[[1, 1, 1, 0, 0, 0]],
            b_eq=[1],
        )
        assert expect.worst_case(radius)(mdp, v)[row, 0] == pytest.approx(answer.fun, abs=1e-9)


@pytest.mark.parametrize(
    "make",
    [
        lambda: aggregate.soft(0.0),
        lambda: aggregate.mellowmax(-1),
        lambda: aggregate.expectile(1.0),
        lambda: expect.log_mean_exp(0),
        lambda: expect.worst_case(2.1),
    ],
)
def test_parameters_out_of_range_are_refused(make):
    with pytest.raises(ValueError, match=r"must be|lies in"):
        make()
