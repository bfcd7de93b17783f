"""What a hostile reader found, each now refused or bounded."""

from fractions import Fraction

import flint
import numpy as np
import pytest
from scipy import sparse

import mdpkit as mk
from mdpkit.errors import ModelError, SingularError
from mdpkit.evaluate import evaluate
from mdpkit.plan import LinearProgram, ValueIteration
from tests.oracles import inside

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word", "ignore:γ = ")


def test_rewards_of_unsorted_entries_are_not_shuffled():
    parts = (np.array([0.3, 0.7, 1.0]), np.array([1, 0, 1]), np.array([0, 2, 3]))
    rows = sparse.csr_array(parts, shape=(2, 2))
    paid = sparse.csr_array((np.array([10.0, 0, 0]), *parts[1:]), shape=(2, 2))
    options = {"action_ptr": [0, 1, 2], "reward_on": "transition"}
    with pytest.raises(ModelError, match="in order of next state"):
        mk.MDP(rows, np.array([10.0, 0, 0]), 0.5, **options)
    assert mk.MDP(rows, paid, 0.5, **options).r.tolist() == [3, 0]
    with pytest.raises(ModelError, match="P has"):
        mk.MDP(rows, paid[:1], 0.5, **options)


def test_transition_rewards_of_another_shape_are_not_reshaped():
    P = np.zeros((2, 3, 2))
    P[:, :, 0] = 1
    with pytest.raises(ModelError, match="shape"):
        mk.MDP(P, np.arange(12.0).reshape(3, 2, 2), 0.5, reward_on="transition")


def test_the_rounding_of_averaged_rewards_is_counted():
    # .1·10⁶ + .2·3·10⁶ − .7·10⁶ is 0 as written and 1.7e-10 in binary.
    P = np.tile([0.1, 0.2, 0.7], (3, 1, 1)).reshape(3, 1, 3)
    R = np.tile([1e6, 3e6, -1e6], (3, 1, 1)).reshape(3, 1, 3)
    solution = mk.solve(mk.MDP(P, R, 0.5, reward_on="transition"))
    truth = 2 * sum(Fraction(p) * Fraction(r) for p, r in zip(P[0, 0], R[0, 0], strict=True))
    assert inside([flint.fmpq(0)] * 3, solution.lower, solution.upper)
    binary = flint.fmpq(truth.numerator, truth.denominator)
    assert inside([binary] * 3, solution.lower, solution.upper)


def test_the_rounding_of_a_mixed_policy_is_counted():
    mdp = mk.MDP(np.ones((1, 3, 1)), [[1e6, 3e6, -1e6]], 0.5)
    solution = evaluate(mdp, np.array([[0.1, 0.2, 0.7]]))
    assert inside([flint.fmpq(0)], solution.lower, solution.upper)


def test_infinite_bounds_are_no_solution():
    mdp = mk.MDP(np.ones((1, 1, 1)), np.ones((1, 1)), 1 - 1e-16)
    solution = mk.solve(mdp, throw=False)
    assert solution.status is mk.Status.ROUNDING_FLOOR
    assert (solution.lower_at_start, solution.upper_at_start) == (-np.inf, np.inf)


def test_an_exact_discount_is_not_rounded_before_it_is_checked():
    one = np.array([[[flint.fmpq(1)]]], dtype=object)
    for gamma in (Fraction(10**30 + 1, 10**30), Fraction(-1, 10**400)):
        with pytest.raises(ModelError, match="gamma must lie"):
            mk.MDP(one, one[0], gamma)
    assert mk.MDP(np.ones((1, 1, 1)), [[1.0]], 1 - 2**-52).exact().gamma < 1


@pytest.mark.parametrize("tiny", [flint.fmpq(1) / flint.fmpq(10) ** 400])
def test_what_floats_cannot_hold_is_not_rounded_away(tiny):
    one, zero = flint.fmpq(1), flint.fmpq(0)
    P = np.array([[[one - tiny, tiny]], [[zero, zero]]], dtype=object)
    r, stop = (np.array([[zero], [one]], dtype=object) for _ in range(2))
    mdp = mk.MDP(P, r, 1, stop=stop)
    with pytest.raises(ModelError, match="beyond floating point"):
        mdp.rounded()
    assert mk.solve(mdp).v.tolist() == [1, 1]


def test_a_rare_end_is_solved_exactly_and_refused_in_floats():
    mdp = mk.MDP(np.ones((1, 1, 1)), [[-1.0]], 1, stop=[[1e-17]])
    with pytest.raises(SingularError, match=r"mdp\.exact\(\)"):
        mk.solve(mdp)
    assert mk.certify(mdp, policy=np.array([0])).gap == np.inf
    assert mk.solve(mdp.exact()).gap == 0


def test_a_long_ring_of_costs_is_well_posed():
    n = 3000
    ring = sparse.csr_array((np.ones(n), (np.arange(n), (np.arange(n) + 1) % n)), shape=(n, n))
    order = np.append(np.arange(n), n)
    rows = sparse.vstack([ring, sparse.csr_array((1, n))]).tocsr()
    states = np.append(np.arange(n), 0)
    costs = np.where(order == 0, -1.0, np.where(order == n, -5.0, 0.0))
    stop = (order == n).astype(float)
    actions = (order == n).astype(int)
    mdp = mk.MDP.from_pairs(states, actions, rows, costs, 1, stop=stop)
    assert mk.solve(mdp).v[0] == pytest.approx(-5)


def test_floats_and_fractions_are_not_mixed():
    mdp = mk.MDP(np.ones((1, 1, 1)), [[1.0]], 0.5)
    with pytest.raises(TypeError, match="works on floats"):
        mk.solve(mdp.exact(), ValueIteration())
    assert mk.certify(mdp.exact(), np.array([2.0])).gap == 0
    for wrong in ("vi", ValueIteration, None.__class__):
        with pytest.raises(TypeError, match="a method is an object"):
            mk.solve(mdp, wrong)


def test_programs_that_highs_gives_up_are_finished():
    mdp = mk.MDP(np.full((2, 2, 2), 0.5), [[1.0, 2.0], [0.0, 3.0]], 1 - 1e-12)
    solution = mk.solve(mdp, LinearProgram(), throw=False)
    assert solution.lower[0] <= solution.upper[0]


def test_unsigned_indices_are_indices():
    rows = sparse.csr_array(np.full((2, 2), 0.5))
    wide = (rows.data, rows.indices.astype(np.uint64), rows.indptr.astype(np.uint64))
    mdp = mk.MDP(wide, [1.0, 2.0], 0.5, action_ptr=np.array([0, 1, 2], dtype=np.uint64))
    assert mk.solve(mdp).v == pytest.approx([2.5, 3.5])
    assert mk.certify(mdp, policy=np.zeros(2, dtype=np.uint64)).gap < 1e-12


def test_surplus_rewards_of_pairs_are_refused():
    for r in ([1.0, 2.0, 3.0], [1.0]):
        with pytest.raises(ModelError, match="one a row of P"):
            mk.MDP.from_pairs([0, 0], [1, 0], np.ones((2, 1)), r, 0.5)


@pytest.mark.parametrize("v", [np.array([1j]), np.array(["1"])])
def test_values_that_are_no_real_numbers_are_refused(v):
    with pytest.raises(TypeError, match="v has dtype"):
        mk.certify(mk.MDP(np.ones((1, 1, 1)), [[1.0]], 0.5), v)


def test_rewards_that_overflow_without_discount_are_refused():
    with pytest.raises(ModelError, match="overflow"):
        mk.MDP(np.ones((1, 1, 1)) / 2, [[-1.7e308]], 1, stop=[[0.5]])
