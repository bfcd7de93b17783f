"""γ = 1: bounds that contain brute force's answer, and classes that have none."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.errors import UnboundedError
from mdpkit.plan import (
    GaussSeidel,
    LinearProgram,
    ModifiedPolicyIteration,
    PolicyIteration,
    ValueIteration,
)
from mdpkit.policy import as_pairs
from mdpkit.structure import recurrent_classes
from tests.oracles import inside
from tests.total_oracle import UNDEFINED, total_optimum

METHODS = [
    None,
    PolicyIteration(),
    ValueIteration(),
    GaussSeidel(),
    ModifiedPolicyIteration(),
    LinearProgram(),
]


def random_total(seed):
    """A small model at γ = 1 with loops, idle cycles, ties, costs, now and then a gain."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    P = np.zeros((n, m, n))
    for s in range(n):
        for a in range(m):
            for t in rng.integers(n, size=2):
                P[s, a, t] += 0.5
    stop = np.where(rng.random((n, m)) < 0.35, rng.choice([0.5, 1.0], size=(n, m)), 0.0)
    P *= (1 - stop)[:, :, None]
    costs = [-2, -1, -1, 0, 0, 0] + ([1] if seed % 3 == 0 else [])
    r = rng.choice(costs, size=(n, m)).astype(float)
    if seed % 2:
        mask = rng.random((n, m)) < 0.7
        mask[:, 0] = True
        return mk.MDP(P, r, 1, stop=stop, mask=mask)
    return mk.MDP(P, r, 1, stop=stop)


def expected(mdp):
    """Brute force's v*, or None where a value is infinite or undefined."""
    best = total_optimum(mdp.exact())
    return None if best is UNDEFINED or any(x is None for x in best) else best


def check(mdp, method):
    """Solve and hold the answer, or the refusal, against brute force."""
    best = expected(mdp)
    if best is None:
        with pytest.raises(UnboundedError, match="γ = 1"):
            mk.solve(mdp, method)
        return False
    solution = mk.solve(mdp, method)
    assert inside(best, solution.lower, solution.upper)
    assert inside(best, solution.v - solution.gap, solution.v + solution.gap)
    # storm#940: the policy makes progress, so its own value is the optimum
    own = mk.certify(mdp, policy=solution.policy)
    assert inside(best, own.lower, own.upper)
    pairs = as_pairs(mdp, solution.policy)
    assert all(
        (mdp._r[pairs[idle]] == 0).all() for idle in recurrent_classes(mdp, solution.policy)
    )
    return True


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_answers_and_refusals_agree_with_brute_force(method):
    solved = sum(check(random_total(seed), method) for seed in range(120))
    assert 30 < solved < 110  # neither kind is rare


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_answers_and_refusals_agree_with_brute_force_on_a_thousand_models(method):
    for seed in range(1000):
        check(random_total(seed), method)


def test_exact_answers_are_brute_forces():
    solved = 0
    for seed in range(150):
        mdp = random_total(seed)
        best = expected(mdp)
        if best is not None:
            solution = mk.solve(mdp.exact())
            assert solution.v.tolist() == best
            assert solution.gap == 0
            solved += 1
    assert solved > 40


def shuttle(r, stop=0.0):
    """Two states that go back and forth; from the first one may leave for −10."""
    P = np.array([[[0.0, 1.0], [0.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]])
    return mk.MDP(P, [[r[0], -10.0], [r[1], r[1]]], 1, stop=[[stop, 1.0], [0, 0]])


@pytest.mark.parametrize(
    ("r", "match"),
    [((1.0, 1.0), r"\+∞"), ((1.0, -1.0), "cancel around a cycle"), ((2.0, -1.0), r"\+∞")],
)
def test_bad_input_16_classes_that_pay_are_named(r, match):
    with pytest.raises(UnboundedError, match=match) as caught:
        mk.solve(shuttle(r))
    assert caught.value.witness["states"] == [0, 1]


def test_bad_input_16_a_class_nobody_leaves_is_named():
    P = np.array([[[0.5, 0.5, 0]], [[0, 0, 1.0]], [[0, 1.0, 0]]])
    with pytest.raises(UnboundedError, match=r"among states \{1, 2\}") as caught:
        mk.solve(mk.MDP(P, [[0.0], [-1.0], [-1.0]], 1))
    assert caught.value.witness["states"] == [1, 2]


def test_bad_input_42_an_idle_cycle_is_worth_its_best_way_out():
    # storm#940: from above, value iteration sticks at any value of an idle cycle.
    mdp = shuttle((0.0, 0.0))
    for method in METHODS:
        solution = mk.solve(mdp, method)
        assert solution.v == pytest.approx([0, 0], abs=1e-9)  # staying idle is worth 0
    paid = mk.MDP(mdp.P, [[0.0, 5.0], [0.0, 0.0]], 1, stop=mdp.stop)
    for method in METHODS:
        solution = mk.solve(paid, method)
        assert solution.v == pytest.approx([5, 5], abs=1e-8)
        assert solution.policy[0] == 1


def test_bad_input_43_negative_rewards_are_not_clipped():
    # storm#1061 returned 0 in place of −100.
    P = np.zeros((2, 1, 2))
    P[0, 0, 1] = 1
    mdp = mk.MDP(P, [[-40.0], [-60.0]], 1, stop=[[0.0], [1.0]])
    assert mk.solve(mdp).v == pytest.approx([-100, -60])
    assert mk.solve(mdp.exact()).v.tolist() == [-100, -60]


def test_bad_input_48_an_improper_policy_is_refused_with_its_class():
    mdp = shuttle((-1.0, -1.0))
    with pytest.raises(UnboundedError, match=r"\{0, 1\}"):
        mk.certify(mdp, policy=np.array([0, 0]))
    proof = mk.certify(mdp, policy=np.array([1, 0]))
    assert inside([-10, -11], proof.lower, proof.upper)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("gym:FrozenLake-v1", "14/17"),
        ("gym:FrozenLake8x8-v1", "1"),
        ("gym:CliffWalking-v1", "-13"),
    ],
)
def test_gymnasium_at_gamma_one(source, value):
    mdp = mk.load(source, gamma=1.0)
    assert str(mk.solve(mdp.exact()).value_at_start) == value
    solution = mk.solve(mdp)
    assert solution.gap <= 1e-8 * 14
    numerator, _, denominator = value.partition("/")
    truth = int(numerator) / int(denominator or 1)
    assert solution.lower_at_start <= truth <= solution.upper_at_start


def test_bounds_too_narrow_by_the_rounding_would_be_caught():
    # The impostor: the float solution taken as exact.
    mdp = mk.load("gym:FrozenLake-v1", gamma=1.0)
    v = mk.solve(mdp).v
    truth = mk.solve(mdp.exact()).v
    assert not inside(truth, v, v)
