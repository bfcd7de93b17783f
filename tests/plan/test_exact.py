"""Exact answers: fractions that a book prints, brute force, and the floats' own bounds."""

from fractions import Fraction

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._exact import fraction
from mdpkit.evaluate import evaluate
from mdpkit.plan import ExactPolicyIteration, PolicyIteration
from mdpkit.policy import uniform
from tests.oracles import brute_force, exact_optimum, inside, random_mdp

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")


def fractions(values):
    return [fraction(x) for x in values]


def test_forest_has_the_fractions_of_the_book():
    solution = mk.solve(mk.load("gallery:forest?n=3", gamma=0.9).exact())
    expected = [Fraction(6561, 250), Fraction(7371, 250), Fraction(8371, 250)]
    assert fractions(solution.v) == expected
    assert solution.gap == 0
    assert solution.status is mk.Status.SOLVED


def test_the_random_walk_on_the_gridworld_has_integer_values():
    mdp = mk.load("gallery:grid4x4").exact()
    v = evaluate(mdp, uniform(mdp)).v
    assert set(fractions(v)) <= {0, -14, -18, -20, -22}
    assert {-14, -18, -20, -22} <= set(fractions(v))


@pytest.mark.parametrize("seed", range(60))
def test_exact_policy_iteration_finds_the_exact_optimum(seed):
    mdp = random_mdp(seed, gammas=(0.0, 0.5, 0.9, 0.999)).exact()
    v, q = exact_optimum(mdp)
    solution = mk.solve(mdp)
    assert solution.v.tolist() == v
    assert solution.q.reshape(-1).tolist() == q
    assert isinstance(solution.method, ExactPolicyIteration)


@pytest.mark.parametrize("seed", range(25))
def test_it_agrees_with_brute_force_and_lies_in_the_floats_bounds(seed):
    mdp = random_mdp(seed, gammas=(0.5, 0.9))
    exact = mk.solve(mdp.exact()).v.tolist()
    if mdp.n_states <= 4:
        assert brute_force(mdp.exact()) == exact
    floats = mk.solve(mdp, PolicyIteration())
    assert inside(exact, floats.lower, floats.upper)


def test_ties_take_the_lowest_index_exactly():
    P = np.full((2, 3, 2), 0.5)
    solution = mk.solve(mk.MDP(P, np.full((2, 3), 1 / 3), 0.5).exact())
    assert solution.policy.tolist() == [0, 0]
    assert fractions(solution.v) == [Fraction(2, 3)] * 2


def test_a_float_model_is_pointed_to_exact():
    with pytest.raises(TypeError, match=r"pass mdp\.exact\(\)"):
        mk.solve(random_mdp(0), ExactPolicyIteration())


def test_a_wrong_float_start_is_repaired_exactly(monkeypatch):
    # Even if floats end at the worst policy, fractions go on to the best.
    mdp = random_mdp(3, gammas=(0.9,)).exact()
    monkeypatch.setattr(PolicyIteration, "step", lambda self, mdp, state: state)
    monkeypatch.setattr(
        PolicyIteration, "init", lambda self, mdp, start=None: _first_actions(mdp)
    )
    assert mk.solve(mdp).v.tolist() == exact_optimum(mdp)[0]


def _first_actions(mdp):
    from mdpkit.plan.policy_iteration import evaluated

    return evaluated(mdp, mdp.action_ptr[:-1].copy())


def test_rounded_is_the_nearest_float_model():
    mdp = mk.MDP([[[1 / 3, 2 / 3]], [[0.1, 0.9]]], [[0.1], [2.0]], 0.99)
    again = mdp.exact().rounded()
    assert again.P.tolist() == mdp.P.tolist()
    assert again.r.tolist() == mdp.r.tolist()
    assert again.gamma == mdp.gamma
