"""What holds for every method: bounds that contain the exact v*, as narrow as asked."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.certify import tolerance
from mdpkit.errors import ModelError, NonFiniteError, NotSolvedError
from mdpkit.plan import METHODS, ModifiedPolicyIteration, PolicyIteration, ValueIteration
from mdpkit.plan.gauss_seidel import GaussSeidel
from mdpkit.plan.linear_program import LinearProgram
from tests.oracles import brute_force, exact_optimum, inside, random_mdp

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word", "ignore:γ = ")

MODERATE, EXTREME = (0.0, 0.5, 0.9, 0.99), (0.999, 0.9999)
EVERY = [
    None,
    *(make() for make in METHODS.values()),
    GaussSeidel("random"),
    GaussSeidel("alternating"),
    ModifiedPolicyIteration(sweeps=1),
    ModifiedPolicyIteration(sweeps=None),
    ModifiedPolicyIteration(sweeps=5, lambda_=0.7),
    LinearProgram("dual"),
]
FEW_STEPS = [None, PolicyIteration(), LinearProgram()]


def names(method):
    return "auto" if method is None else str(method)


def truths(mdp):
    """v* of both exact readings of a model."""
    return exact_optimum(mdp.exact())[0], exact_optimum(mdp.exact(dyadic=True))[0]


def faults(mdp, solution, exact):
    """What is wrong with an answer; [] if nothing is."""
    wrong = []
    if not all(inside(v, solution.lower, solution.upper) for v in exact):
        wrong.append("the bounds do not contain v*")
    if not inside(exact[0], solution.v - solution.gap, solution.v + solution.gap):
        wrong.append("v is further from v* than the gap")
    if not (solution.lower <= solution.v).all() or not (solution.v <= solution.upper).all():
        wrong.append("v lies outside its own bounds")
    if solution.gap > tolerance(mdp, np.abs(solution.v).max() + solution.gap):
        wrong.append("the gap exceeds the default tolerance")
    return wrong


@pytest.mark.parametrize("method", EVERY, ids=names)
@pytest.mark.parametrize("seed", range(25))
def test_bounds_contain_the_exact_optimum(method, seed):
    mdp = random_mdp(seed, gammas=MODERATE)
    solution = mk.solve(mdp, method)
    assert faults(mdp, solution, truths(mdp)) == []
    assert solution.gaps.size == solution.steps


@pytest.mark.parametrize("method", FEW_STEPS, ids=names)
def test_bounds_contain_the_exact_optimum_at_every_discount(method):
    for seed in range(150):
        mdp = random_mdp(seed, gammas=(*MODERATE, *EXTREME))
        assert faults(mdp, mk.solve(mdp, method), truths(mdp)) == [], seed


@pytest.mark.slow
@pytest.mark.parametrize("method", EVERY, ids=names)
def test_bounds_contain_the_exact_optimum_on_a_thousand_models(method):
    # γ = .9999 takes a sweeping method 2·10⁵ sweeps, so it is drawn now and then only.
    gammas = (*MODERATE, *EXTREME) if method in FEW_STEPS else (*12 * MODERATE, *EXTREME)
    for seed in range(1000):
        mdp = random_mdp(seed, gammas=gammas)
        assert faults(mdp, mk.solve(mdp, method), truths(mdp)) == [], seed


def test_the_oracle_agrees_with_brute_force():
    for seed in range(20):
        mdp = random_mdp(seed).exact()
        if mdp.n_states <= 4:
            assert brute_force(mdp) == exact_optimum(mdp)[0]


class Off(NamedTuple):
    v: np.ndarray


@dataclass(frozen=True)
class Impostor:
    """Claims to be done at v* + 2·tol·shape."""

    tol: float
    shape: str

    def init(self, mdp, start=None):
        return Off(np.zeros(mdp.n_states))

    def step(self, mdp, state):
        v = mk.solve(mdp, PolicyIteration()).v
        return Off(
            v + 2 * self.tol * (np.ones_like(v) if self.shape == "all" else np.eye(v.size)[0])
        )

    def gap(self, mdp, state):
        return 0.0


def test_an_impostor_off_at_one_state_is_not_certified():
    mdp = random_mdp(1, gammas=(0.9,))
    assert mdp.n_states > 1
    with pytest.raises(NotSolvedError) as caught:
        mk.solve(mdp, Impostor(1e-6, "one"), tol=1e-6)
    assert inside(truths(mdp)[0], caught.value.solution.lower, caught.value.solution.upper)


def test_an_impostor_off_everywhere_gets_no_wrong_answer_through():
    # A constant shift shows in Tv − v, so the certificate removes it: the answer is right.
    mdp = random_mdp(1, gammas=(0.9,))
    solution = mk.solve(mdp, Impostor(1e-6, "all"), tol=1e-6, throw=False)
    assert faults(mdp, solution, truths(mdp)) in ([], ["the gap exceeds the default tolerance"])


def test_an_answer_that_trusts_the_impostor_is_caught_by_these_tests():
    mdp, tol = random_mdp(1, gammas=(0.9,)), 1e-6
    honest = mk.solve(mdp, PolicyIteration(), tol=tol)
    v = honest.v + 2 * tol
    forged = replace(honest, v=v, lower=v - tol / 2, upper=v + tol / 2, gap=tol)
    assert "the bounds do not contain v*" in faults(mdp, forged, truths(mdp))


def test_bad_input_18_zero_rewards_are_worth_nothing():
    mdp = mk.MDP(np.full((3, 2, 3), 1 / 3), np.zeros((3, 2)), 0.9)
    for method in EVERY:
        solution = mk.solve(mdp, method)
        assert solution.v == pytest.approx(0, abs=1e-9)
        assert solution.policy.tolist() == [0, 0, 0]


def test_bad_input_13_and_15_the_smallest_models():
    for gamma in (0, 0.5):
        for method in EVERY:
            assert mk.solve(mk.MDP([[[1.0]]], [[3.0]], gamma), method).v[0] == pytest.approx(
                3 / (1 - gamma)
            )


def test_bad_input_29_the_first_values_are_not_written_to():
    mdp = random_mdp(2, gammas=(0.9,))
    for method in EVERY:
        start = np.arange(mdp.n_states, dtype=float)
        mk.solve(mdp, method, start=start)
        assert start.tolist() == list(range(mdp.n_states))


@pytest.mark.parametrize("start", [np.zeros(99), np.full(3, np.nan), np.zeros((3, 1))])
def test_bad_input_30_first_values_of_the_wrong_kind_are_refused(start):
    mdp = mk.MDP(np.full((3, 2, 3), 1 / 3), np.zeros((3, 2)), 0.9)
    with pytest.raises(ValueError, match="start"):
        mk.solve(mdp, ValueIteration(), start=start)


def test_bad_input_38_tiny_probabilities_are_kept():
    tiny = 1e-300
    P = np.array([[[1.0, tiny]], [[0.0, 1.0]]])
    solution = mk.solve(mk.MDP(P, [[0.0], [1.0]], 0.5), PolicyIteration())
    assert solution.v == pytest.approx([tiny, 2.0])


def test_bad_input_40_tiny_values_can_be_asked_for_closely():
    # zeroconf_dl: a value of 2e-15 is invisible to an absolute 1e-8, so one can ask for less.
    P = np.array([[[0.5, 0.5]], [[0.0, 1.0]]])
    mdp = mk.MDP(P, [[1e-15], [0.0]], 0.9)
    solution = mk.solve(mdp, ValueIteration(), tol=1e-20)
    assert solution.lower[0] <= 1e-15 / 0.55 <= solution.upper[0]
    assert solution.gap <= 1e-20


def test_bad_input_41_ties_take_the_lowest_index_and_never_cycle():
    for seed in range(40):
        mdp = random_mdp(seed, gammas=(0.9,))
        twice = mk.MDP(
            np.repeat(np.full((4, 1, 4), 0.25), 5, axis=1), np.full((4, 5), float(seed)), 0.99
        )
        assert mk.solve(twice, PolicyIteration()).policy.tolist() == [0] * 4
        assert mk.solve(mdp, PolicyIteration()).steps <= 50


def test_bad_input_44_and_45_too_few_steps_are_said():
    mdp = mk.MDP(_chain(9), np.eye(9)[8][:, None], 0.99)
    with pytest.raises(NotSolvedError, match="limit on steps") as caught:
        mk.solve(mdp, ValueIteration(), max_steps=2)
    solution = caught.value.solution
    assert solution.status is mk.Status.MAX_STEPS
    assert inside(truths(mdp)[0], solution.lower, solution.upper)
    assert mk.solve(mdp, ValueIteration()).v[0] == pytest.approx(0.99**8 * 100)


def _chain(n):
    P = np.zeros((n, 1, n))
    for s in range(n):
        P[s, 0, min(s + 1, n - 1)] = 1
    return P


def test_bad_input_65_a_number_that_is_not_finite_stops_with_sweep_and_state():
    @dataclass(frozen=True)
    class Overflows:
        def init(self, mdp, start=None):
            return Off(np.zeros(mdp.n_states))

        def step(self, mdp, state):
            return Off(np.array([0.0, np.inf]) if state.v[0] else state.v + 1)

        def gap(self, mdp, state):
            return 1.0

    mdp = mk.MDP(np.full((2, 1, 2), 0.5), np.ones((2, 1)), 0.9)
    with pytest.raises(NonFiniteError, match=r"after step 2, v\[1\]") as caught:
        mk.solve(mdp, Overflows())
    assert (caught.value.step, caught.value.state) == (2, 1)


def test_a_tolerance_below_the_floor_is_reported_not_chased():
    mdp = random_mdp(4, gammas=(0.9,))
    for method in EVERY:
        solution = mk.solve(mdp, method, tol=0, throw=False)
        assert solution.status in (mk.Status.ROUNDING_FLOOR, mk.Status.STAGNATED)
        assert inside(truths(mdp)[0], solution.lower, solution.upper)


def test_a_deadline_ends_a_solve():
    mdp = mk.MDP(_chain(50), np.ones((50, 1)), 1 - 1e-7)
    solution = mk.solve(mdp, ValueIteration(), tol=1e-3, deadline=0.01, throw=False)
    assert solution.status in (mk.Status.DEADLINE, mk.Status.SOLVED)
    assert solution.lower[0] <= 1e7 <= solution.upper[0] + 1


def test_an_interrupt_carries_the_last_complete_iterate(monkeypatch):
    mdp = random_mdp(6, gammas=(0.99,))
    step, calls = ValueIteration.step, []

    def interrupted(self, mdp, state):
        calls.append(1)
        if len(calls) > 5:
            raise KeyboardInterrupt
        return step(self, mdp, state)

    monkeypatch.setattr(ValueIteration, "step", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        mk.solve(mdp, ValueIteration(), tol=1e-12)
    solution = caught.value.solution
    assert solution.status is mk.Status.INTERRUPTED
    assert solution.steps == 5
    assert inside(truths(mdp)[0], solution.lower, solution.upper)


def test_without_discount_the_value_is_refused():
    mdp = mk.MDP(np.ones((1, 1, 1)), np.ones((1, 1)), 1)
    for method in EVERY:
        with pytest.raises(ModelError, match="γ = 1"):
            mk.solve(mdp, method)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tol": -1}, "tol"),
        ({"max_steps": 0}, "max_steps"),
        ({"deadline": 0}, "deadline"),
        ({"tol": np.nan}, "tol"),
    ],
)
def test_limits_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        mk.solve(random_mdp(0), ValueIteration(), **options)
