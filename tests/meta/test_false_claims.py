"""The checker is checked: the false is refuted by a small model, the empty is vacuous."""

import json
from typing import Annotated, Any

import numpy as np
import pytest

from mdpkit.claim import (
    MDP,
    ActionValue,
    Eq,
    Exists,
    Leq,
    Policy,
    Value,
    claim,
    integers,
    models,
    optimum,
    sup,
    values,
)
from mdpkit.hunt import PROFILES, check
from mdpkit.hunt.ablation import ablate
from mdpkit.hunt.checker import check as check_certificate
from mdpkit.operators.aggregate import boltzmann
from mdpkit.operators.bellman import backup
from proofs_checks.vocabulary import evaluation, greedy, greedy_in, horizon, v_pi, v_star


@claim(source="false", exact="Q")
def backup_contracts_in_l1(mdp: MDP, v: Value, w: Value):
    """‖Tv − Tw‖₁ ≤ γ ‖v − w‖₁."""
    return Leq(abs(backup(mdp, v) - backup(mdp, w)).sum(), mdp.gamma * abs(v - w).sum())


@claim(source="false", exact="Q2")
def backup_contracts_in_l2(mdp: MDP, v: Value, w: Value):
    """‖Tv − Tw‖₂ ≤ γ ‖v − w‖₂, both sides squared."""
    change = backup(mdp, v) - backup(mdp, w)
    return Leq((change * change).sum(), mdp.gamma**2 * ((v - w) * (v - w)).sum())


@claim(source="false: a factor H is missing", exact="Q")
def residual_bounds_error(mdp: MDP, v: Value, pi: Policy):
    """‖v − v^π‖∞ ≤ ‖v − T^π v‖∞."""
    return Leq(sup(v - v_pi(mdp, pi)), sup(v - evaluation(pi)(mdp, v)))


@claim(source="false: only from v_0 ≤ Tv_0", exact="Q")
def modified_policy_iteration_contracts(mdp: MDP, v: Value, m: Annotated[int, integers(2, 6)]):
    """‖v_1 − v*‖∞ ≤ γ ‖v_0 − v*‖∞ for one step of MPI from any v_0."""
    w, T = v, evaluation(greedy(mdp, v))
    for _ in range(m):
        w = T(mdp, w)
    return Leq(sup(w - v_star(mdp)), mdp.gamma * sup(v - v_star(mdp)))


@claim(source="false: γ belongs to the bound in v", exact="Q")
def greedy_loss_in_q_has_the_factor_of_v(mdp: MDP, q: ActionValue):
    """π ∈ G(q) ⇒ v* − v^π ≤ 2γH ‖q − q*‖∞."""
    loss = sup(v_star(mdp) - v_pi(mdp, greedy_in(mdp, q)))
    return Leq(loss, 2 * mdp.gamma * horizon(mdp) * sup(q - optimum(mdp).q))


@claim(source="false: Asadi & Littman (2017)", exact="B")
def boltzmann_backup_contracts(mdp: MDP, v: Value, w: Value):
    """‖Bv − Bw‖∞ ≤ γ ‖v − w‖∞ for the average under softmax."""
    soft = boltzmann(1.0)
    return Leq(sup(backup(mdp, v, soft) - backup(mdp, w, soft)), mdp.gamma * sup(v - w))


@claim(source="false", exact="Q")
def policies_are_worth_the_same(mdp: MDP, pi: Policy):
    """v^π = v*."""
    return Eq(v_pi(mdp, pi), v_star(mdp))


@claim(source="false", exact="Q")
def every_model_has_a_negative_value(mdp: MDP):
    """Some state has v*(s) < 0."""
    below = np.flatnonzero(v_star(mdp) < 0)
    return Exists(below[0] if below.size else None)


FALSE = [
    backup_contracts_in_l1,
    backup_contracts_in_l2,
    residual_bounds_error,
    modified_policy_iteration_contracts,
    greedy_loss_in_q_has_the_factor_of_v,
    boltzmann_backup_contracts,
    policies_are_worth_the_same,
    every_model_has_a_negative_value,
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("false", FALSE, ids=[c.name for c in FALSE])
def test_a_false_claim_is_refuted_by_at_most_three_states(false, seed):
    verdict = check(false, seed=seed)
    assert verdict.verdict == "refuted"
    assert not verdict.passed
    assert 1 <= verdict.counterexample.n_states <= 3
    assert verdict.counterexample.sample.exact == (false.exact != "B")
    assert verdict.to_json()["counterexample"]["words"]


RATIONAL = [c for c in FALSE if c.exact != "B" and c is not every_model_has_a_negative_value]


@pytest.fixture
def certificate(tmp_path):
    verdict = check(modified_policy_iteration_contracts, folder=tmp_path)
    return json.loads((tmp_path / verdict.file).read_text(encoding="utf-8"))


@pytest.mark.parametrize("false", RATIONAL, ids=[c.name for c in RATIONAL])
def test_its_certificate_passes_the_stand_alone_checker(false, tmp_path):
    verdict = check(false, folder=tmp_path)
    body = json.loads((tmp_path / verdict.file).read_text(encoding="utf-8"))
    left, right = check_certificate(body)
    assert left != right


def set_value(proof):
    proof["instance"]["v"][0] = "1/7"


def set_row(proof):
    proof["instance"]["mdp"]["P"][0] = ["1/3", "1/3"]


def set_left(proof):
    proof["left"] = "100"


def turn_relation(proof):
    proof["claimed"] = "="
    proof["right"], proof["right_at"] = proof["left"], proof["left_at"]


def turn_comparison(proof):
    step = next(step for step in proof["program"] if step[0] in ("<", "<="))
    step[3] = not step[3]


TAMPERINGS = [set_value, set_row, set_left, turn_relation, turn_comparison]


@pytest.mark.parametrize("tamper", TAMPERINGS)
def test_a_tampered_certificate_is_rejected(certificate, tamper):
    check_certificate(certificate)
    tamper(certificate["certificate"])
    with pytest.raises((ValueError, LookupError)):
        check_certificate(certificate)


def test_a_saved_counterexample_is_found_again_at_once(tmp_path):
    first = check(backup_contracts_in_l1, folder=tmp_path)
    again = check(backup_contracts_in_l1, folder=tmp_path)
    assert again.instances == 0  # before any instance was drawn
    assert again.file == first.file
    assert again.said == first.said


# ---- vacuous claims, and impostors -----------------------------------------------------------


def test_a_claim_whose_hypotheses_filter_too_much_is_vacuous():
    @claim(source="-", applies={"tiny reward": lambda mdp: sup(mdp.r) * 1000 < 1})
    def rarely_applies(mdp: MDP, v: Value):
        """v ≤ v + 1."""
        return Leq(v, v + 1)

    verdict = check(rarely_applies)
    assert verdict.verdict == "vacuous"
    assert "hypotheses" in verdict.reason


def test_a_claim_that_cannot_fail_is_vacuous():
    @claim(source="-", exact="Q")
    def nothing_said(mdp: MDP, v: Value):
        """0 = 0."""
        return Eq(0 * v, 0 * v)

    @claim(source="-", exact="Q")
    def equality_in_disguise(mdp: MDP, v: Value):
        """v ≤ v."""
        return Leq(v, v)

    for empty in (nothing_said, equality_in_disguise):
        verdict = check(empty)
        assert verdict.verdict == "vacuous"
        assert not verdict.passed


def test_an_impostor_that_is_true_or_crashes_is_not_caught():
    @claim(source="-", exact="Q")
    def contracts(mdp: MDP, v: Value, w: Value, *, T=backup):
        """‖Tv − Tw‖∞ ≤ γ ‖v − w‖∞."""
        return Leq(sup(T(mdp, v) - T(mdp, w)), mdp.gamma * sup(v - w))

    contracts.rejects("is the same", T=lambda mdp, v: backup(mdp, v) + 1)
    contracts.rejects("crashes", T=lambda mdp, v: 1 / 0)
    contracts.rejects("is wrong", T=lambda mdp, v: 2 * backup(mdp, v))
    verdict = check(contracts)
    assert verdict.verdict == "holds"
    assert verdict.missed == ("is the same", "crashes")
    assert (verdict.impostors_caught, verdict.impostors) == (2, 4)
    assert not verdict.passed


def test_a_crash_is_the_verdict_of_its_claim():
    @claim(source="-")
    def crashes(mdp: MDP):
        """Nothing."""
        raise KeyError("gone")

    verdict = check(crashes)
    assert verdict.verdict == "refuted"
    assert "crashed with KeyError" in verdict.reason


def test_a_tight_instance_that_is_not_tight_fails():
    @claim(source="-", exact="Q")
    def loose(mdp: MDP, v: Value):
        """‖Tv − T0‖∞ ≤ ‖v‖∞."""
        return Leq(sup(backup(mdp, v) - backup(mdp, 0 * v)), sup(v))

    @loose.attained_by
    def halves():
        return MDP(np.ones((1, 1, 1)), np.zeros((1, 1)), 0.5), np.ones(1)

    verdict = check(loose)
    assert verdict.attained is False
    assert not verdict.passed


def test_floats_on_an_exact_instance_break_a_promise():
    @claim(source="-", exact="Q")
    def in_floats(mdp: MDP, v: Value):
        """0.0 ≤ 1.0."""
        return Leq(0.0, 1.0)

    assert "compares floats" in check(in_floats).reason


def test_rounding_alone_refutes_nothing():
    @claim(source="-", exact="Q")
    def without_tolerance(mdp: MDP, v: Value):
        """T(v + 1) = Tv + γ1, with no rounding allowed for."""
        return Eq(backup(mdp, v + 1), backup(mdp, v) + mdp.gamma, rounding=0)

    assert check(without_tolerance).verdict == "holds"


def test_an_infinite_side_is_said_in_words():
    @claim(source="-", exact="B")
    def is_finite(mdp: MDP):
        """log 0 ≥ 0."""
        return Leq(-np.log(np.zeros(1)), 0.0)

    verdict = check(is_finite)
    assert verdict.verdict == "refuted"
    assert verdict.said[-1] == "left = inf  >  right = 0   (inf > 0)"


# ---- hypotheses ------------------------------------------------------------------------------


def test_the_ablation_tells_necessary_hypotheses_from_idle_ones():
    @claim(
        source="Puterman (1994), Theorem 6.3.1",
        exact="Q",
        applies={"at least one state": lambda mdp: mdp.n_states >= 1},
    )
    def iterates_grow(mdp: MDP, v: Annotated[Any, values(below_image=True)]):
        """v ≤ Tv ⇒ Tv ≤ T²v and v ≤ v*."""
        return Leq(v, v_star(mdp), ratio=False)

    found = ablate(iterates_grow, PROFILES["ci"])
    assert found["at least one state"] is None
    assert found["v: v ≤ Tv"].n_states == 1


def test_an_ergodic_model_is_one():
    @claim(source="-", exact="Q")
    def rows_are_positive(mdp: Annotated[MDP, models(ergodic=True)], *, least=0):
        """P > 0."""
        return Leq(least, mdp.rows * (100 - 0 * least) - 1)

    rows_are_positive.rejects("bounds them by 99", least=99)
    assert check(rows_are_positive).verdict == "holds"
