"""Every answer the gallery claims, against exact policy iteration."""

from fractions import Fraction

import pytest

from mdpkit import gallery

CASES = [
    pytest.param(name, known, id=f"{name}-{i}-{known.whose.replace(' ', '-')}")
    for name in gallery.names()
    for i, known in enumerate(gallery.get(name).known)
]
RANDOM = {"garnet", "linear-mdp"}


@pytest.mark.parametrize(("name", "known"), CASES)
def test_a_model_has_the_answers_it_claims(solver, name, known):
    assert solver.disagreements(gallery.make(name, **known.given), known) == {}


def test_every_model_but_the_random_ones_claims_an_optimum():
    silent = {n for n in gallery.names() if all(k.policy for k in gallery.get(n).known)}
    assert silent == RANDOM | {"blackjack"}  # its optimum has no printed digits


@pytest.mark.parametrize("wrong", [{"wait_reward": 3}, {"cut_reward": 20}, {"p_fire": 0.11}])
def test_a_forest_with_a_wrong_number_is_caught(solver, wrong):
    known = gallery.get("forest").known[0]
    assert solver.disagreements(gallery.make("forest", **wrong), known)


def test_a_value_off_by_one_part_in_a_billion_is_caught(solver):
    known = gallery.get("puterman").known[0]
    off = gallery.Known({0: known.values[0] * (1 + Fraction(1, 10**9))})
    assert list(solver.disagreements(gallery.make("puterman"), off)) == [0]


def test_a_wrong_policy_is_caught(solver):
    uniform, optimal = gallery.get("grid4x4").known
    swapped = gallery.Known(optimal.values, policy=uniform.policy)
    assert solver.disagreements(gallery.make("grid4x4"), swapped)


def test_the_policy_of_an_answer_has_a_name():
    assert [known.whose for known in gallery.get("grid4x4").known] == ["uniform", "optimal"]
    assert gallery.get("blackjack").known[0].whose == "stick at 20"
