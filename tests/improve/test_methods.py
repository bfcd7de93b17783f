"""What holds for every method: honest intervals, honest ends, and clear refusals."""

from fractions import Fraction

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.errors import ModelError, NotSolvedError
from mdpkit.improve import (
    IMPROVE_METHODS,
    SOFT_IMPROVE_METHODS,
    Adaptive,
    Armijo,
    ConservativePolicyIteration,
    Constant,
    ExponentiatedQAscent,
    Geometric,
    NaturalPolicyGradient,
    Normalized,
    PolicyMirrorAscent,
    ProjectedPolicyGradient,
    ProjectedQAscent,
    ProximalClip,
    ProximalPenalty,
    SoftmaxPolicyGradient,
    TrustRegion,
    Tsallis,
)
from mdpkit.plan import PolicyIteration
from tests.improve.runs import drawn, optimum, run, whole_numbers
from tests.oracles import exact_optimum, inside, random_mdp, rational

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")

EVERY = [
    *(made() for made in IMPROVE_METHODS.values()),
    ProjectedPolicyGradient(Armijo()),
    SoftmaxPolicyGradient(Normalized(1.0)),
    NaturalPolicyGradient(Adaptive()),
    PolicyMirrorAscent(Tsallis(0.5), Geometric()),
    TrustRegion(solver="lagrangian"),
    ProximalPenalty(target=0.01, direction="reverse"),
]
EXACT = [
    ProjectedPolicyGradient(Fraction(1, 3)),
    ProjectedQAscent(),
    ConservativePolicyIteration(),
]


def short(method):
    return str(method)[:60]


@pytest.mark.parametrize("method", EVERY, ids=short)
def test_intervals_contain_the_exact_optimum_and_the_policys_own_value(method):
    for seed in range(4):
        mdp = random_mdp(seed, gammas=(0.0, 0.5, 0.9))
        truth = exact_optimum(mdp.exact())[0]
        for state in run(mdp, method, 3):
            proof = method.certify(mdp, state)
            assert inside(truth, proof.lower, proof.upper)
            own = mk.certify(mdp, policy=state.policy)
            assert (proof.lower <= own.upper).all()
            assert method.gap(mdp, state) == proof.gap >= proof.loss > -1e-30


def test_an_interval_that_begins_at_the_optimum_is_caught():
    # In one state T v − v is a constant, so v* is known at once, and the policy is still bad.
    mdp = mk.MDP([[[1.0], [1.0]]], [[1.0, 0.0]], 0.5)
    solution = mk.solve(mdp, ExponentiatedQAscent(0.1), max_steps=1, throw=False)
    tight = mk.certify(mdp, solution.state.v)
    assert tight.gap < 1e-12  # the impostor: of v*, not of the policy
    assert solution.gap >= (2 - solution.state.v).max() > 0.9
    assert solution.lower[0] <= solution.state.v[0] <= 2 <= solution.upper[0]


@pytest.mark.parametrize(
    "method",
    [
        ProjectedQAscent(5.0),
        NaturalPolicyGradient(5.0),
        PolicyMirrorAscent(step_size=Geometric()),
    ],
    ids=short,
)
def test_what_is_solved_is_a_policy(method):
    for seed in range(4):
        mdp = random_mdp(seed + 30, gammas=(0.5, 0.9))
        mdp = mdp.replace(r=mdp.r / max(mdp.reward_size, 1e-9))
        solution = mk.solve(mdp, method, tol=1e-6, max_steps=5000)
        assert solution.status is mk.Status.SOLVED
        assert solution.gap <= 1e-6
        assert solution.loss <= solution.gap
        own = mk.certify(mdp, policy=solution.probabilities)
        assert own.loss <= 1.01e-6
        assert solution.policy.shape == (mdp.n_states,)
        assert solution.gaps.size == solution.steps
        truth = exact_optimum(mdp.exact())[0]
        assert inside(truth, solution.lower, solution.upper)
        assert inside(truth, solution.v - 1e-6, solution.v + 1e-6)


def test_too_few_steps_are_said():
    with pytest.raises(NotSolvedError, match="limit on steps") as caught:
        mk.solve(drawn(0), ProjectedPolicyGradient(), max_steps=3)
    solution = caught.value.solution
    assert solution.status is mk.Status.MAX_STEPS
    assert solution.steps == 3
    v = optimum(drawn(0))
    assert ((solution.lower <= v) & (v <= solution.upper)).all()


def test_a_plateau_is_not_taken_for_the_end():
    mdp = mk.load("gallery:softmax-plateau", gamma=0.0)
    first = np.array([[0.1, 0.8, 0.1]])
    method = SoftmaxPolicyGradient(0.4, policy=first)
    solution = mk.solve(mdp, method, tol=0.05, max_steps=1000)
    assert solution.steps == pytest.approx(390, abs=1)
    assert solution.gap <= 0.05


def test_a_policy_that_stands_still_ends_the_solve():
    # Zero probability on the better arm, which projected ascent gives back and softmax cannot.
    mdp = mk.MDP([[[1.0], [1.0]]], [[1.0, 0.0]], 0.5)
    solution = mk.solve(mdp, ProximalClip(policy=np.array([1])), throw=False)
    assert solution.status is mk.Status.STAGNATED
    assert solution.gap >= 2
    assert mk.solve(mdp, ProjectedQAscent(policy=np.array([1]))).v == pytest.approx([2])


def test_a_tolerance_below_rounding_is_said():
    solution = mk.solve(drawn(1), ProjectedQAscent(50.0), tol=0.0, throw=False)
    assert solution.status is mk.Status.ROUNDING_FLOOR
    assert 0 < solution.gap < 1e-10


def test_a_deadline_and_an_interrupt_leave_bounds():
    mdp, v = drawn(2), optimum(drawn(2))
    late = mk.solve(mdp, SoftmaxPolicyGradient(), deadline=0.05, throw=False)
    assert late.status is mk.Status.DEADLINE

    class Interrupting:
        def __call__(self, situation):
            if situation.step == 3:
                raise KeyboardInterrupt
            return 1.0

    with pytest.raises(KeyboardInterrupt) as caught:
        mk.solve(mdp, ProjectedQAscent(Interrupting()))
    stopped = caught.value.solution
    assert stopped.status is mk.Status.INTERRUPTED
    assert stopped.steps == 3
    for solution in (late, stopped):
        assert ((solution.lower <= v) & (v <= solution.upper)).all()


@pytest.mark.parametrize("method", EXACT, ids=short)
def test_in_fractions_the_interval_is_exact(method):
    mdp = whole_numbers(3, n_states=2, n_actions=2)
    solution = mk.solve(mdp, method, max_steps=3, throw=False)
    truth = exact_optimum(mdp)[0]
    own = mk.certify(mdp, policy=solution.probabilities)
    assert list(solution.lower) == list(own.lower) == list(solution.state.v)
    assert all(isinstance(x, type(rational(1))) for x in solution.v)
    assert (solution.lower <= truth).all()
    assert (truth <= solution.upper).all()
    with pytest.raises(TypeError, match=r"mdp\.rounded"):
        method.bounds(mdp, [solution.state], truth)


@pytest.mark.parametrize("made", {**IMPROVE_METHODS, **SOFT_IMPROVE_METHODS}.values())
def test_refusals(made):
    with pytest.raises(ModelError, match="γ = 1"):
        mk.solve(mk.MDP([[[0.5]]], [[1.0]], 1.0, stop=[[0.5]]), made())
    with pytest.raises(ValueError, match="begins from a policy"):
        mk.solve(drawn(0), made(), start=np.zeros(4))
    with pytest.raises(ModelError, match=r"policy\[0\] sums to"):
        mk.solve(drawn(0), made(policy=np.full((4, 3), 0.5)))
    if made.key not in ("pqa", "ppg", "cpi"):
        with pytest.raises(TypeError, match="not rational"):
            mk.solve(whole_numbers(0), made())


def test_keys_are_the_names_of_their_methods():
    keys = {key: made.__name__ for key, made in IMPROVE_METHODS.items()}
    assert keys["ppg"] == "ProjectedPolicyGradient"
    assert keys["softmax-pg"] == "SoftmaxPolicyGradient"
    assert len(keys) == 10
    assert set(SOFT_IMPROVE_METHODS) == {"reg-npg"}


def test_a_run_agrees_with_policy_iteration_on_one_state_of_one_action():
    mdp = mk.MDP([[[1.0]]], [[3.0]], 0.5)
    for method in EVERY:
        solution = mk.solve(mdp, method)
        assert solution.v == pytest.approx(mk.solve(mdp, PolicyIteration()).v)
        assert solution.policy.tolist() == [0]
    assert Constant(Fraction(1, 3))(None) == Fraction(1, 3)
