"""What a statement says on one instance, and what the engine reads from it."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest

from mdpkit._exact import rational
from mdpkit.claim import (
    MDP,
    All,
    Eq,
    Exists,
    InExpectation,
    Leq,
    Policy,
    Rate,
    Value,
    claim,
    optimum,
)
from mdpkit.claim.statement import judge
from mdpkit.hunt import check
from mdpkit.policy import expected_under, probabilities
from tests.oracles import exact_optimum, random_mdp


def only(statement, default=0.0):
    (outcome,) = judge(statement, default)
    return outcome


def test_leq_compares_every_component_and_reads_the_largest_ratio():
    outcome = only(Leq(np.array([1.0, 3.0]), np.array([2.0, 4.0])))
    assert outcome.holds
    assert outcome.ratio == 0.75
    assert outcome.strict
    assert not only(Leq(np.array([1.0, 5.0]), np.array([2.0, 4.0]))).holds


def test_rounding_helps_floats_and_never_fractions():
    assert only(Leq(1.0, 0.9, rounding=0.2)).holds
    third = rational("1/3")
    assert not only(Leq(third, third - rational("1/10"), rounding=0.2)).holds
    assert not only(Eq(third, 0, rounding=1)).holds


def test_a_difference_below_floating_point_is_seen_on_fractions():
    tiny = rational(Fraction(1, 10**40))
    outcome = only(Leq(1 + tiny, rational(1)))
    assert not outcome.holds
    assert outcome.push > 0


def test_ratios_near_rounding_are_not_read():
    assert math.isnan(only(Leq(0.5e-9, 1e-9, rounding=1e-11)).ratio)
    assert math.isnan(only(Leq(1.0, 2.0, ratio=False)).ratio)


def test_not_a_number_says_nothing():
    assert not only(Leq(np.nan, 1.0)).defined
    assert not only(Eq(np.array([1.0, np.nan]), 1.0)).defined
    assert only(Leq(1.0, 2.0)).defined


def test_rate_stops_at_the_floor_and_not_before():
    bound = [1.0, 1e-3, 1e-6, 1e-12]
    assert only(Rate([1.0, 1e-3, 1e-7, 1e-9], bound, rounding=1e-12)).holds
    assert not only(Rate([1.0, 2e-3, 1e-7, 1e-9], bound, rounding=1e-12)).holds


def test_expectations_by_enumeration_and_by_samples():
    p = np.array([rational("1/4"), rational("3/4")], dtype=object)
    assert only(InExpectation([4, 0], 1, probabilities=p)).holds
    assert not only(InExpectation([4, 0], 2, probabilities=p)).holds
    assert only(InExpectation([4, 0], 2, probabilities=p, at_most=True)).holds
    x = np.random.default_rng(0).random(4000)
    assert only(InExpectation(x, 0.5, bounds=(0, 1))).holds
    assert not only(InExpectation(x, 0.7, bounds=(0, 1))).holds


def test_existence_and_conjunction():
    assert only(Exists(0)).holds
    assert not only(Exists(None)).holds
    outcomes = judge(All(Exists(1), All(Leq(1, 2), Eq(1, 2))), 0.0)
    assert [o.holds for o in outcomes] == [True, True, False]


def test_anything_else_is_refused():
    with pytest.raises(TypeError, match="a claim returns"):
        judge(True, 0.0)


# ---- declarations ----------------------------------------------------------------------------


def test_an_annotation_that_says_nothing_to_draw_is_refused():
    with pytest.raises(TypeError, match="says nothing to draw"):

        @claim(source="-")
        def of_an_int(n: int):
            """n."""


def test_an_impostor_of_an_unknown_subject_is_refused():
    @claim(source="-")
    def plain(mdp: MDP, v: Value, *, constant=1):
        """v ≤ v + constant."""
        return Leq(v, v + constant)

    with pytest.raises(TypeError, match="no subject"):
        plain.rejects("misspelt", konstant=0)
    with pytest.raises(TypeError, match="needs a subject"):
        plain.rejects("nothing changed")


def test_expectation_claims_run_end_to_end():
    @claim(id="Z1", source="-", exact="Q")
    def mean_over_actions(mdp: MDP, pi: Policy, *, weights=probabilities):
        """E_{a~π} r(s,a) = r_π(s) at the first state."""
        own = slice(mdp.action_ptr[0], mdp.action_ptr[1])
        r, p = mdp.r.reshape(-1)[own], weights(mdp, pi).reshape(-1)[own]
        return InExpectation(r, expected_under(mdp, pi, mdp.r)[0], probabilities=p)

    mean_over_actions.rejects(
        "doubles them", weights=lambda mdp, pi: 2 * probabilities(mdp, pi)
    )
    verdict = check(mean_over_actions)
    assert verdict.verdict == "holds"
    assert "doubles them" not in verdict.missed


def test_existence_claims_run_end_to_end():
    @claim(id="Z2", source="Puterman (1994), Theorem 6.2.10", exact="Q")
    def some_policy_is_optimal(mdp: MDP, *, candidate=lambda mdp: optimum(mdp).policy):
        """Some deterministic policy attains v* at every state."""
        from mdpkit.operators.resolvent import policy_value

        policy = candidate(mdp)
        slack = 0 if mdp.is_exact else 1e-9 * (1 + abs(optimum(mdp).v).max())
        attains = (policy_value(mdp, policy) + slack >= optimum(mdp).v).all()
        return Exists(policy if attains else None)

    some_policy_is_optimal.rejects(
        "always the first", candidate=lambda mdp: mdp.pair_actions[mdp.action_ptr[:-1]]
    )
    assert check(some_policy_is_optimal).passed


@pytest.mark.parametrize("seed", range(12))
def test_the_optimum_is_the_oracle_s(seed):
    mdp = random_mdp(seed)
    if not mdp.is_sparse:
        exact = mdp.exact(dyadic=True)
        v, q = exact_optimum(exact)
        assert (optimum(exact).v == np.array(v, dtype=object)).all()
        assert (optimum(exact).q.reshape(-1) == np.array(q, dtype=object)).all()


def test_an_example_in_sparse_rows_is_printed_and_certified(tmp_path):
    from mdpkit import gallery
    from mdpkit.hunt.checker import check as check_certificate

    @claim(source="-", exact="Q")
    def nothing_is_worth_more_than_ten(mdp: MDP):
        """v* ≤ 10."""
        return Leq(optimum(mdp).v, 10)

    @nothing_is_worth_more_than_ten.example
    def thirty():
        return gallery.make("identity").exact()

    verdict = check(nothing_is_worth_more_than_ten, folder=tmp_path)
    assert verdict.verdict == "refuted"
    assert any("to 2 (1)" in line for line in verdict.said)
    (file,) = tmp_path.iterdir()
    assert check_certificate(json.loads(file.read_text(encoding="utf-8")))
