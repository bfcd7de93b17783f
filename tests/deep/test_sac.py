"""Soft actor–critic with real actions: its target, entropy, temperature, and what follows."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdpkit.deep import SAC
from mdpkit.deep.actor_critic.sac import soft_target
from mdpkit.deep.actors import Squashed
from mdpkit.deep.batch import Batch
from mdpkit.deep.optim import sgd
from mdpkit.envs.spaces import Box

pytestmark = pytest.mark.usefixtures("float64", "quickly")

KEY, TAU = jax.random.key(0), 0.3
LOW, HIGH, MEAN, LOG_STD = (-2.0,), (6.0,), 0.2, -0.5
LEARNER = SAC(widths=(4,), polyak=0.25, optimizer=sgd(0.1))


class Line:
    name = "line"
    observation_space = Box(np.zeros(1), np.ones(1))
    action_space = Box(np.array(LOW), np.array(HIGH))


class Bowls:
    """Q_i(s, a) = −(a − c_i)², two critics whose minimum changes sides."""

    def __call__(self, observation, action):
        a = action[..., 0]
        return jnp.stack([-((a - 1.0) ** 2), -((a - 2.0) ** 2)])


def policy(mean=MEAN):
    return Squashed(
        lambda x: jnp.stack([mean + 0 * x[..., 0], LOG_STD + 0 * x[..., 0]], -1), LOW, HIGH
    )


def expectation(charge=TAU, least=np.minimum, scale=4.0, mean=MEAN):
    """E[min_i Q_i − τ log π] by a fine sum over u ~ N(μ, σ²); log π by change of variable."""
    u = np.linspace(-9, 9, 40_001) * np.exp(LOG_STD) + mean
    noise = (u - mean) / np.exp(LOG_STD)
    density = np.exp(-(noise**2) / 2) / np.sqrt(2 * np.pi) / np.exp(LOG_STD)
    a = 2.0 + 4.0 * np.tanh(u)
    log_prob = np.log(density) - np.log(scale * (1 - np.tanh(u) ** 2))
    q = least(-((a - 1.0) ** 2), -((a - 2.0) ** 2))
    return np.trapezoid(density * (q - charge * log_prob), u)


def rows(n, reward=0.0, discount=1.0):
    x = jnp.ones((n, 1))
    full = jnp.full(n, 1.0)
    return Batch(x, x, reward * full, discount * full, full < 0, x, full / n)


@pytest.mark.stat
def test_the_target_is_the_soft_value_of_the_least_critic():
    """False alarm rate 7e-6: one normal mean of 40,000 draws beyond 4.5 standard errors."""
    n, reward, discount = 40_000, 0.7, 0.9
    batch = rows(n, reward, discount)

    @jax.jit
    def target(batch):
        return soft_target(policy(), Bowls(), batch, batch.next_observation, TAU, KEY)

    y, entropy = target(batch)
    error = np.asarray(y).std() / np.sqrt(n)
    off = float(y.mean()) - (reward + discount * expectation())
    assert abs(off) < 4.5 * error
    for wrong in (
        expectation(charge=-TAU),
        expectation(charge=0.0),
        expectation(least=np.maximum),
        expectation(scale=1.0),  # without the scale of the action in log π
    ):
        assert abs(float(y.mean()) - (reward + discount * wrong)) > 9 * error
    ended, _ = target(batch._replace(discount=0 * batch.discount))
    assert np.array_equal(ended, np.full(n, reward))
    assert float(entropy.mean()) == pytest.approx(-expectation_of_log(), abs=0.05)


def expectation_of_log():
    """E log π = (E min Q − E[min Q − log π]) of the two sums above."""
    return expectation(charge=0.0) - expectation(charge=1.0)


@cache
def update():
    """One update, compiled once for both tests."""
    return jax.jit(LEARNER.update)


def test_a_learned_temperature_falls_where_there_is_entropy_to_spare():
    state = LEARNER.init(Line, KEY)
    assert float(state.params.log_tau) == 0.0
    assert float(state.entropy) == -1.0
    for goal, falls in ((-9.0, True), (9.0, False)):
        after = update()(state._replace(entropy=jnp.asarray(goal)), rows(8), KEY)[0]
        assert (float(after.params.log_tau) < 0) is falls
        assert float(after.entropy) == goal


def test_the_target_critics_go_a_share_of_the_way():
    state = LEARNER.init(Line, KEY)
    for old, new in zip(
        *map(jax.tree.leaves, (state.target, state.params.critic)), strict=True
    ):
        assert np.array_equal(old, new)
    after = update()(state, rows(8), KEY)[0]
    critics = state.target, after.params.critic, after.target
    moved = 0.0
    for old, online, target in zip(*map(jax.tree.leaves, critics), strict=True):
        wanted = np.asarray(0.75 * old + 0.25 * online)
        assert np.asarray(target) == pytest.approx(wanted, abs=1e-15)
        moved = max(moved, abs(online - old).max())
    assert moved > 1e-4


def test_it_plays_what_it_draws_and_shows_the_middle():
    algorithm = LEARNER
    state = algorithm.init(Line, KEY)
    state = state._replace(params=state.params._replace(actor=policy()))
    observation = jnp.ones((400, 1))
    action, extras = algorithm.act(state, observation, KEY, 0.0)
    assert extras is None
    assert action.shape == (400, 1)
    assert (np.asarray(action) > LOW).all()
    assert (np.asarray(action) < HIGH).all()
    assert np.unique(action).size == 400
    greedy = algorithm.greedy(state, observation)
    assert np.asarray(greedy) == pytest.approx(2.0 + 4.0 * np.tanh(MEAN), abs=1e-14)
