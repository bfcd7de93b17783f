"""The projection on the simplex against all supports, in fractions; softmax in logarithms."""

from itertools import combinations

import numpy as np
import pytest

from mdpkit._array import EPS, number
from mdpkit._exact import exact_array
from mdpkit.operators.aggregate import sparsemax
from mdpkit.operators.projection import log_softmax, simplex_projection, softmax_policy
from tests.oracles import random_mdp

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")
SEEDS = range(20)


def drawn(seed):
    """A model of any storage, and numbers of any size in its pair layout."""
    mdp, rng = random_mdp(seed), np.random.default_rng([seed, 3])
    return mdp, rng.normal(size=mdp.pair_shape) * rng.choice([0.2, 1.0, 30.0])


def nearest(x):
    """argmin ‖p − x‖² over distributions: the best of all supports. x : fractions."""
    best, least = None, None
    for size in range(1, len(x) + 1):
        for support in combinations(range(len(x)), size):
            level = (sum(x[i] for i in support) - 1) / size
            p = [x[i] - level if i in support else 0 * level for i in range(len(x))]
            far = sum((a - b) ** 2 for a, b in zip(p, x, strict=True))
            if min(p) >= 0 and (least is None or far < least):
                best, least = p, far
    return best


def by_supports(mdp, x):
    flat = x.reshape(-1)
    ends = zip(mdp.action_ptr[:-1], mdp.action_ptr[1:], strict=True)
    return [p for i, j in ends for p in nearest(list(flat[i:j]))]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_projection_is_the_nearest_distribution(seed):
    mdp, x = drawn(seed)
    exact = exact_array(x, dyadic=True)
    truth = by_supports(mdp, exact)
    assert list(simplex_projection(mdp.exact(), exact).reshape(-1)) == truth
    # A support of n entries is averaged after x has been moved to 0 from its largest.
    allowed = 4 * (mdp.n_actions + 4) * EPS * (1 + np.abs(x).max())
    ours = simplex_projection(mdp, x).reshape(-1)
    assert np.abs(ours - [number(p) for p in truth]).max() <= allowed
    left_out = np.array([p == 0 for p in truth])
    assert (ours[left_out] <= allowed).all()


def test_clipping_and_dividing_is_not_the_projection():
    caught = 0
    for seed in SEEDS:
        mdp, x = drawn(seed)
        clipped = np.maximum(x, 1e-9).reshape(-1)
        total = np.add.reduceat(clipped, mdp.action_ptr[:-1])
        impostor = clipped / np.repeat(total, np.diff(mdp.action_ptr))
        truth = [number(p) for p in by_supports(mdp, exact_array(x, dyadic=True))]
        caught += np.abs(impostor - truth).max() > 1e-3
    assert caught >= 12


def test_by_hand():
    mdp = random_mdp(0)
    x = np.array([[0.5, 0.3, -2.0]])
    assert simplex_projection(one_state(3), x)[0] == pytest.approx([0.6, 0.4, 0.0])
    assert simplex_projection(one_state(3), x)[0, 2] == 0.0
    assert simplex_projection(one_state(2), np.array([[5.0, 2.9]])).tolist() == [[1.0, 0.0]]
    with pytest.raises(ValueError, match="shape"):
        simplex_projection(mdp, np.zeros(99))


def one_state(n_actions):
    import mdpkit as mk

    return mk.MDP(np.ones((1, n_actions, 1)), np.zeros((1, n_actions)), 0.5)


def test_sparsemax_is_rational():
    q = exact_array(np.array([[1.0, 0.75, -3.0]]))
    value, policy = sparsemax(0.5)(q)
    # z = (2, 1.5, …): threshold (3.5 − 1)/2, π = (.75, .25); Σ πq + ¼(1 − 10/16)
    assert [number(p) for p in policy[0]] == [0.75, 0.25, 0.0]
    assert number(value[0]) == 0.75 + 0.1875 + 0.09375


@pytest.mark.parametrize("seed", SEEDS)
def test_softmax_is_itself_after_a_shift(seed):
    mdp, x = drawn(seed)
    shift = np.repeat(np.random.default_rng(seed).integers(-64, 64, mdp.n_states), 1)
    moved = x + np.repeat(shift, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
    pi = softmax_policy(mdp, x)
    np.testing.assert_allclose(softmax_policy(mdp, moved), pi, rtol=300 * EPS * 64)
    np.testing.assert_allclose(np.exp(log_softmax(mdp, x)), pi, rtol=300 * EPS)
    assert np.add.reduceat(pi.reshape(-1), mdp.action_ptr[:-1]) == pytest.approx(1)


def test_logarithms_know_what_floats_do_not():
    mdp, theta = one_state(2), np.array([[0.0, 5000.0]])
    assert softmax_policy(mdp, theta).tolist() == [[0.0, 1.0]]
    assert log_softmax(mdp, theta).tolist() == [[-5000.0, 0.0]]
