"""Inventory, queue and car rental against their definitions, added up outcome by outcome."""

import math
from fractions import Fraction

import numpy as np
import pytest

from mdpkit.gallery import inventory, jack_car, queue


def table(mdp):
    """(s, a) → (row as a dict, reward)."""
    ptr = mdp.rows.row_ptr
    return {
        mdp.place(i): (
            dict(
                zip(
                    mdp.rows.columns[ptr[i] : ptr[i + 1]].tolist(),
                    mdp.rows.values[ptr[i] : ptr[i + 1]].tolist(),
                    strict=True,
                )
            ),
            mdp.r.reshape(-1)[i],
        )
        for i in range(mdp.n_pairs)
    }


def test_the_inventory_has_the_table_of_the_book():
    """Puterman (1994), Table 3.2.1: r(s, a), and p(j | s, a) by s + a."""
    rewards = [[0, -1, -2, -5], [5, 0, -3], [6, -1], [5]]
    rows = [{0: 1}, {0: 0.75, 1: 0.25}, {0: 0.25, 1: 0.5, 2: 0.25}, {1: 0.25, 2: 0.5, 3: 0.25}]
    found = table(inventory())
    assert {pair: r for pair, (_, r) in found.items()} == {
        (s, a): r for s, line in enumerate(rewards) for a, r in enumerate(line)
    }
    assert all(row == rows[s + a] for (s, a), (row, _) in found.items())


def test_three_months_of_inventory_are_worth_what_the_book_says(solver):
    """Puterman (1994), §4.6.1: u₁* = 67/16, 129/16, 194/16, 227/16."""
    mdp = inventory(gamma=1.0)
    P, r, _, _ = solver.dense(mdp)
    v = np.zeros(4)
    for _ in range(3):
        v = np.maximum.reduceat(r + P @ v, mdp.action_ptr[:-1])
    assert [Fraction(x) for x in v] == [Fraction(k, 16) for k in (67, 129, 194, 227)]


@pytest.mark.parametrize("demand", [1, 5, 40, (0, 0, 1), (0.1, 0.2, 0.3, 0.4)])
@pytest.mark.parametrize(("capacity", "max_order"), [(1, None), (7, 3), (60, 11)])
def test_an_inventory_is_its_definition(capacity, max_order, demand):
    mdp = inventory(
        capacity, max_order, demand, price=3, order_cost=2, unit_cost=1, holding=0.5
    )
    law = [1 / demand] * demand if isinstance(demand, int) else demand
    found = table(mdp)
    most = capacity if max_order is None else max_order
    assert set(found) == {
        (s, a) for s in range(capacity + 1) for a in range(min(most, capacity - s) + 1)
    }
    for (s, a), (row, r) in found.items():
        expected, reward = {}, -(2 + a if a else 0) - 0.5 * (s + a)
        for d, p in enumerate(law):
            t = max(s + a - d, 0)
            expected[t] = expected.get(t, 0) + p
            reward += 3 * p * min(s + a, d)
        assert row == pytest.approx({t: p for t, p in expected.items() if p}, abs=1e-14)
        assert r == pytest.approx(reward, abs=1e-12)


@pytest.mark.parametrize(("capacity", "n_rates"), [(1, 1), (1, 3), (2, 1), (9, 4)])
def test_a_queue_is_its_definition(capacity, n_rates):
    mdp = queue(capacity, n_rates, arrival=0.25, slowest=0.125, fastest=0.5, effort=8)
    rates = np.linspace(0.125, 0.5, n_rates) if n_rates > 1 else [0.125]
    found = table(mdp)
    assert len(found) == (capacity + 1) * n_rates
    for (s, a), (row, r) in found.items():
        q, expected = rates[a], {}
        for t, p in [(s + 1, 0.25), (s - 1, q), (s, 0.75 - q)]:
            t = min(max(t, 0), capacity)
            expected[t] = expected.get(t, 0) + p
        assert row == pytest.approx(expected, abs=1e-15)
        assert r == pytest.approx(-(s + 8 * q * q) / capacity)


def test_both_ways_of_serving_are_worth_their_effort_somewhere(solver):
    mdp = queue(30)
    v = solver.answers(mdp)
    greedy = solver.improve(mdp.exact(), v, mdp.action_ptr[:-1])
    used = {mdp.place(pair)[1] for pair in greedy}
    assert len(used) > 2  # a benchmark whose policy is constant would measure little


def test_the_benchmark_models_have_their_sizes():
    mdp = inventory(1999, 49, 40)
    assert mdp.n_states == 2000
    assert mdp.n_actions == 50
    assert mdp.n_transitions == pytest.approx(4e6, rel=0.02)
    mdp = queue(99_999)
    assert mdp.n_states == 10**5
    assert mdp.n_transitions == pytest.approx(2.4e6, rel=1e-4)


def poisson(mean):
    return [math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(80)]


def one_place(cars, out, back, capacity=20):
    """Law of the cars in the evening and the mean of those rented, every outcome in turn."""
    law, rented = np.zeros(capacity + 1), 0.0
    for d, p in enumerate(poisson(out)):
        gone = min(d, cars)
        rented += p * gone
        for b, q in enumerate(poisson(back)):
            law[min(cars - gone + b, capacity)] += p * q
    return law, rented


@pytest.mark.parametrize(
    ("i", "j", "move"),
    [(0, 0, 0), (20, 20, 0), (20, 3, 5), (4, 20, -5), (17, 2, 1), (3, 9, -4)],
)
def test_a_night_of_car_rental_is_its_definition(i, j, move):
    mdp = jack_car()
    (first, sold1), (second, sold2) = (
        one_place(min(i - move, 20), 3, 3),
        one_place(min(j + move, 20), 4, 2),
    )
    states, actions = mdp.pair_states, mdp.pair_actions
    (pair,) = np.flatnonzero((states == 21 * i + j) & (actions == move + 5))
    np.testing.assert_allclose(mdp.rows[pair], np.outer(first, second).reshape(-1), atol=1e-13)
    assert mdp.r[pair] == pytest.approx(10 * (sold1 + sold2) - 2 * abs(move), abs=1e-12)
    assert mdp.actions[move + 5] == f"{move:+d}"
    assert mdp.states[21 * i + j] == f"{i},{j}"


def test_nobody_moves_cars_that_are_not_there():
    mdp = jack_car()
    moves = mdp.pair_actions - 5
    first, second = np.divmod(mdp.pair_states, 21)
    assert ((moves <= first) & (-moves <= second)).all()
    assert mdp.n_pairs == sum(
        -5 <= m <= 5 for i in range(21) for j in range(21) for m in range(-j, i + 1)
    )


def test_the_optimal_moves_are_those_of_the_figure(solver):
    """The range of S&B Figure 4.2: from −4 to 5 cars, after at most five evaluations from 0."""
    mdp = jack_car()
    policies = []
    nothing = np.array(
        [
            np.flatnonzero(mdp.pair_actions[b:e] == 5)[0] + b
            for b, e in zip(mdp.action_ptr[:-1], mdp.action_ptr[1:], strict=True)
        ]
    )
    solver.optimum(mdp, policy=nothing, slack=1e-9, seen=policies)
    moves = mdp.pair_actions[policies[-1]] - 5
    assert (moves.min(), moves.max()) == (-4, 5)
    assert len(policies) == 5


def test_a_demand_cut_off_at_ten_would_be_seen():
    _, sold = one_place(20, 3, 3)
    short = sum(min(d, 20) * p for d, p in enumerate(poisson(3)[:11]))
    assert abs(short - sold) > 1e-4
