"""Behaviors against their policies: exactly, on a grid of the uniform numbers they turn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdpkit.deep.explore import EpsilonGreedy, Linear, Softmax, chosen, epsilon_greedy
from mdpkit.operators import aggregate

pytestmark = pytest.mark.usefixtures("float64")

Q = np.array([[1.0, 3.0, 3.0, 2.0], [0.0, -1.0, -2.0, -3.0], [5.0, 5.0, 5.0, 5.0]])
MASK = np.array([[1, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 1]], dtype=bool)
WHETHER, WHICH = 64, 12  # ε = k/64 and up to 4 actions part this grid without a remainder
chosen = jax.jit(chosen)


def frequencies(epsilon, mask=None):
    """How often each action is chosen on the grid of midpoints, (states, A)."""
    first, second = np.meshgrid(
        (np.arange(WHETHER) + 0.5) / WHETHER, (np.arange(WHICH) + 0.5) / WHICH
    )
    u = jnp.asarray(np.repeat(np.stack([first.ravel(), second.ravel()]), len(Q), axis=1))
    q, allowed = np.tile(Q, (first.size, 1)), None
    if mask is not None:
        allowed = np.tile(mask, (first.size, 1))
    actions = np.asarray(chosen(u, q, epsilon, mask=allowed)).reshape(-1, len(Q))
    counts = [np.bincount(column, minlength=Q.shape[1]) for column in actions.T]
    return np.stack(counts) / first.size


@pytest.mark.parametrize("epsilon", [0.0, 3 / 64, 0.5, 1.0])
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "some"])
def test_epsilon_greedy_has_the_policy_of_its_operator(epsilon, mask):
    _, policy = aggregate.epsilon_greedy(epsilon)(Q, mask)
    assert np.allclose(frequencies(epsilon, mask), policy, rtol=0, atol=1e-14)


def test_other_policies_would_be_seen():
    """Exploring never takes the greedy action; ties are parted; what is forbidden is done."""
    right = frequencies(0.5)
    best = np.eye(4)[Q.argmax(axis=1)]
    assert np.abs(right - (0.5 * best + 0.5 * (1 - best) / 3)).max() > 0.1
    ties = Q.max(axis=1, keepdims=True) == Q
    assert np.abs(right - (0.5 * ties / ties.sum(axis=1, keepdims=True) + 0.125)).max() > 0.1
    assert np.abs(right - frequencies(0.5, MASK)).max() > 0.1


def test_the_largest_uniform_number_names_the_last_action():
    """u A rounds to less than A for the largest u < 1 that is drawn, 1 − 2⁻²³ or 1 − 2⁻⁵²."""
    allowed = np.tri(40, dtype=bool)  # 1 … 40 actions
    for dtype in (np.float32, np.float64):
        u = np.full((2, 40), 1 - np.finfo(dtype).eps, dtype)
        assert np.array_equal(
            chosen(u, np.zeros((40, 40), dtype), 1.0, mask=allowed), np.arange(40)
        )


@pytest.mark.stat
def test_keys_are_turned_into_two_independent_numbers_each():
    """30,000 of each state, every count within 6 deviations: false alarm < 3e-8."""
    n, epsilon = 30_000, jnp.asarray([0.25, 0.5, 1.0])

    @jax.jit
    @jax.vmap
    def behave(key):
        return epsilon_greedy(key, Q, epsilon)

    actions = np.asarray(behave(jax.random.split(jax.random.key(0), n)))
    for i, share in enumerate((0.25, 0.5, 1.0)):
        _, policy = aggregate.epsilon_greedy(share)(Q)
        seen, p = np.bincount(actions[:, i], minlength=4), policy[i]
        assert (np.abs(seen - n * p) <= 6 * np.sqrt(n * p * (1 - p))).all()


def test_a_schedule_is_linear_and_then_constant():
    schedule = Linear(1.0, 0.04, 0.16)
    assert [float(schedule(p)) for p in (0.0, 0.16, 0.5, 1.0)] == [1.0, 0.04, 0.04, 0.04]
    assert abs(schedule(0.08) - 0.52) < 1e-15
    assert np.allclose(Linear(2.0, 5.0)(np.array([0.0, 0.5, 1.0])), [2.0, 3.5, 5.0], rtol=1e-15)


def test_behaviors_follow_their_schedule():
    behavior, key = jax.jit(EpsilonGreedy(Linear(1.0, 0.0, 0.5))), jax.random.key(0)
    q = np.tile(Q[:1], (400, 1))
    assert set(np.asarray(behavior(key, q, 1.0)).tolist()) == {1}
    assert set(np.asarray(behavior(key, q, 0.0)).tolist()) == {0, 1, 2, 3}  # 4 (3/4)^400
    assert set(np.asarray(jax.jit(EpsilonGreedy(0.0))(key, q, 0.0)).tolist()) == {1}


@pytest.mark.stat
def test_softmax_follows_the_values_at_its_temperature():
    """40,000 draws, each count within 6 deviations: false alarm < 1e-8."""
    n, q = 40_000, np.array([1.0, 0.0, 2.0])
    p = np.exp(q / 0.5) / np.exp(q / 0.5).sum()
    actions = jax.jit(Softmax(0.5))(jax.random.key(0), np.tile(q, (n, 1)), 0.0)
    seen = np.bincount(actions, minlength=3)
    assert (np.abs(seen - n * p) <= 6 * np.sqrt(n * p * (1 - p))).all()
    p = np.exp(q) / np.exp(q).sum()  # the temperature forgotten
    assert (np.abs(seen - n * p) > 6 * np.sqrt(n * p * (1 - p))).any()


def test_settings_out_of_range_are_refused():
    for wrong in (-0.1, 1.1, float("nan"), np.array([0.5, 2.0, 0.5])):
        with pytest.raises(ValueError, match="epsilon"):
            epsilon_greedy(jax.random.key(0), jnp.asarray(Q), wrong)
        with pytest.raises(ValueError, match="epsilon"):
            EpsilonGreedy(wrong)
    with pytest.raises(ValueError, match="epsilon"):
        EpsilonGreedy(Linear(1.5, 0.0))
    for until in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="until"):
            Linear(1.0, 0.0, until)
    with pytest.raises(ValueError, match="finite"):
        Linear(1.0, float("inf"))
    with pytest.raises(ValueError, match="tau"):
        Softmax(0.0)
