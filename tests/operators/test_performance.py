"""The performance-difference identity, exactly; and what it is not."""

from fractions import Fraction

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._array import EPS
from mdpkit.errors import UnboundedError
from mdpkit.gallery import short_corridor
from mdpkit.operators.occupancy import pair_occupancy
from mdpkit.operators.performance import (
    advantage,
    performance,
    performance_difference,
    policy_values,
)
from mdpkit.policy import expected_under
from tests.operators.test_occupancy import draw, floats
from tests.oracles import random_mdp, rational

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")
SEEDS = range(25)


def two_policies(seed):
    mdp, new, mu = draw(seed)
    first = np.zeros(mdp.n_pairs, dtype=object) * rational(0)
    first[mdp.action_ptr[:-1]] = rational(1)
    old = (new + first.reshape(mdp.pair_shape)) / 2
    return mdp, new, old, mu


@pytest.mark.parametrize("seed", SEEDS)
def test_both_sides_are_equal_in_rationals(seed):
    mdp, new, old, mu = two_policies(seed)
    found = performance_difference(mdp, new, old, mu)
    assert found.left == found.right == performance(mdp, new, mu) - performance(mdp, old, mu)


def test_the_visits_of_the_old_policy_are_only_the_first_order():
    caught = 0
    for seed in SEEDS:
        mdp, new, old, mu = two_policies(seed)
        visits = pair_occupancy(mdp, old, mu)
        per_state = np.add.reduceat(visits.reshape(-1), mdp.action_ptr[:-1])
        gain = expected_under(mdp, new, advantage(mdp, old))
        impostor = (per_state @ gain) / (1 - mdp.gamma)
        caught += impostor != performance_difference(mdp, new, old, mu).left
    assert caught >= 8


@pytest.mark.parametrize("seed", SEEDS)
def test_floats_agree(seed):
    exact, new, old, mu = two_policies(seed)
    mdp = random_mdp(seed)
    found = performance_difference(mdp, floats(new), floats(old), floats(mu))
    truth = performance_difference(exact, new, old, mu).left
    # Two solves with ‖(I − γP)⁻¹‖ = H on each side, of vectors of size ‖r‖H.
    n, horizon = mdp.n_states, 1 / (1 - mdp.gamma)
    allowed = 16 * n * (n + mdp.n_actions) * EPS * horizon**2 * mdp.reward_size
    assert abs(found.left - found.right) <= allowed
    assert found.left == pytest.approx(float(Fraction(int(truth.p), int(truth.q))), abs=allowed)


@pytest.mark.parametrize("seed", SEEDS)
def test_values_satisfy_their_equations(seed):
    mdp, policy, _ = draw(seed)
    v, q, a = policy_values(mdp, policy)
    assert (q == mdp.r + mdp.gamma * mdp.expect(v)).all()
    assert (expected_under(mdp, policy, q) == v).all()
    assert (expected_under(mdp, policy, a) == 0).all()


def test_without_discount_the_identity_counts_visits():
    mdp = short_corridor().exact()
    half = np.full((3, 2), rational(Fraction(1, 2)))
    right = np.array([1, 0, 1])  # right, but left where they are exchanged: three steps
    found = performance_difference(mdp, right, half)
    # The book's numbers, from state 0: −3 against (2p − 4)/(p(1 − p)) = −12 at p = ½.
    assert found.left == found.right == 9
    with pytest.raises(UnboundedError, match="never ends"):
        performance_difference(mdp, right, np.array([0, 1, 1]))


def test_one_state_by_hand():
    mdp = mk.MDP([[[1.0], [1.0]]], [[1.0, 3.0]], 0.5)
    assert policy_values(mdp, np.array([0])).v.tolist() == [2.0]
    assert policy_values(mdp, np.array([0])).q.tolist() == [[2.0, 4.0]]
    assert advantage(mdp, np.array([0])).tolist() == [[0.0, 2.0]]
    assert tuple(performance_difference(mdp, np.array([1]), np.array([0]))) == (4.0, 4.0)
