"""The closed forms of the classics, at more parameters than the catalog quotes."""

from fractions import Fraction

import flint
import numpy as np
import pytest

from mdpkit._exact import fraction
from mdpkit.gallery import (
    forest,
    gambler,
    lspi_chain,
    puterman,
    random_walk,
    river_swim,
    short_corridor,
)


def fractions(v):
    return [fraction(x) for x in v]


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.9, 10 / 11, 0.95, 0.999])
def test_putermans_two_states_have_the_closed_form(solver, gamma):
    g = Fraction(gamma).limit_denominator(1000)
    rest = -1 / (1 - g)
    stay, leave = (5 + g / 2 * rest) / (1 - g / 2), 10 + g * rest
    assert fractions(solver.answers(puterman(gamma))) == [max(stay, leave), rest]
    assert (stay >= leave) == (g >= Fraction(10, 11))


@pytest.mark.parametrize("p", [Fraction(1, 4), Fraction(2, 5)])
@pytest.mark.parametrize("goal", [7, 100])
def test_bold_play_solves_the_gamblers_problem(solver, p, goal):
    """Dubins & Savage: v(x) = p·v(2x) below half of the goal, p + (1 − p)·v(2x − 1) above."""
    A, b = flint.fmpq_mat(goal + 1, goal + 1), flint.fmpq_mat(goal + 1, 1)
    for s in range(goal + 1):
        A[s, s] = 1
        stake = min(s, goal - s)
        if stake:
            won, lost = flint.fmpq(p.numerator, p.denominator), flint.fmpq(1)
            lost -= won
            if s + stake == goal:
                b[s, 0] = won
            else:
                A[s, s + stake] -= won
            if s > stake:
                A[s, s - stake] -= lost
    bold = [fraction(x) for (x,) in A.solve(b).tolist()]
    assert fractions(solver.answers(gambler(goal, float(p)))) == bold


def test_the_gambler_stakes_what_he_has_and_what_he_lacks():
    mdp = gambler(10)
    assert np.diff(mdp.action_ptr).tolist() == [1, 1, 2, 3, 4, 5, 4, 3, 2, 1, 1]
    assert mdp.actions == ("1", "2", "3", "4", "5")


@pytest.mark.parametrize(
    ("n", "left", "right"), [(1, -1, 1), (2, 3, 5), (5, 0, 1), (30, -2, 7)]
)
def test_a_random_walk_is_a_straight_line(solver, n, left, right):
    v = fractions(solver.answers(random_walk(n, left, right)))
    assert v == [left + Fraction((right - left) * (s + 1), n + 1) for s in range(n)]


def test_random_walks_begin_in_the_middle():
    assert np.flatnonzero(random_walk().start).tolist() == [9]
    assert np.flatnonzero(random_walk(5).start).tolist() == [2]


@pytest.mark.parametrize("n", [2, 3, 5, 40])
def test_a_forest_left_alone_forever_has_its_geometric_value(solver, n):
    """v(s) = γ(.9 v(s+1) + .1 v(0)) below the last age, which pays r₁ and stays or burns."""
    g, p, r = Fraction(9, 10), Fraction(1, 10), 4
    # v(s) = a_s v(n−1) + b_s v(0), from v(s) = γ(1−p) v(s+1) + γp v(0), down to s = 0
    a, b = Fraction(1), Fraction(0)
    for _ in range(n - 1):
        a, b = g * (1 - p) * a, g * (1 - p) * b + g * p
    ratio = a / (1 - b)  # v(0) = ratio · v(n−1)
    top = r / (1 - g * (1 - p) - g * p * ratio)
    mdp = forest(n)
    wait = np.asarray(mdp.pair_actions == 0, dtype=int)
    v = fractions(solver.evaluate(mdp.exact(), wait))
    assert (v[0], v[-1]) == (ratio * top, top)


@pytest.mark.parametrize(("gamma", "action"), [(0.6142, 0), (0.6144, 1), (0.95, 1), (0.99, 1)])
def test_swimming_right_pays_above_the_threshold(solver, gamma, action):
    mdp = river_swim(gamma=gamma)
    exact = mdp.exact()
    v = solver.optimum(exact)
    greedy = solver.improve(exact, v, exact.action_ptr[:-1])
    assert exact.pair_actions[greedy][0] == action


def test_the_gain_of_swimming_right():
    """π by detailed balance, exact: π(s+1)/π(s) = up(s)/down(s+1)."""
    ups, downs = [0.6, *[0.35] * 4], [*[0.05] * 4, 0.4]
    weights = np.cumprod([1.0, *(u / d for u, d in zip(ups, downs, strict=True))])
    mdp = river_swim()
    right = mdp.P[:, 1]
    balance = weights / weights.sum()
    np.testing.assert_allclose(balance @ right, balance, atol=1e-15)
    assert balance @ mdp.r[:, 1] == pytest.approx(0.428622, abs=5e-7)


@pytest.mark.parametrize("n", [2, 3, 9])
def test_the_river_pays_at_its_ends(n):
    r = river_swim(n).r
    assert (r[0, 0], r[-1, 1], np.count_nonzero(r)) == (0.005, 1, 2)


def test_the_optimum_of_the_lspi_chain_is_right_right_left_left(solver):
    exact = lspi_chain().exact()
    v = solver.optimum(exact)
    policy = solver.improve(exact, v, exact.action_ptr[:-1])
    assert exact.pair_actions[policy].tolist() == [1, 1, 0, 0]


def test_the_longer_lspi_chains_pay_where_the_paper_does():
    assert np.flatnonzero(lspi_chain(20, (0, 19)).r[:, 0]).tolist() == [0, 19]
    assert np.flatnonzero(lspi_chain(50, [9, 40]).r[:, 1]).tolist() == [9, 40]


@pytest.mark.parametrize("p", [0.05, 0.25, 0.5, 0.6, 0.95])
def test_the_corridor_has_its_quotient(solver, p):
    mdp = short_corridor()
    v = solver.evaluate(mdp, np.where(mdp.pair_actions == 1, p, 1 - p))
    assert v[0] == pytest.approx((2 * p - 4) / (p * (1 - p)), rel=1e-12)
