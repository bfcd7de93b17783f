"""Gymnasium in a compiled loop: the host's own rows, seeds, and what cannot be."""

from functools import partial

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from mdpkit.deep.envs import Step
from mdpkit.deep.envs.host import Host
from mdpkit.envs.gymnasium import HostLanes
from mdpkit.envs.spaces import Discrete
from tests.env_oracle import Diary, wrong_rows

BOTH = partial(Diary, 4, 3)


def compiled(worlds, n, n_steps):
    """A loop of ones, as a function of the key."""

    def run(key):
        lanes, observation = worlds.begin(key, n)

        def step(lanes, _):
            action = jnp.ones((n, *worlds.action_space.shape), int)
            return worlds.advance(key, lanes, action)

        return observation, jax.lax.scan(step, lanes, length=n_steps)[1]

    fast = jax.jit(run)
    return lambda key: jax.tree.map(np.asarray, fast(key))


def play(worlds, key, n, n_steps):
    return compiled(worlds, n, n_steps)(key)


@pytest.mark.parametrize(("ends", "limit"), [(4, None), (3, 3)])
def test_a_compiled_loop_plays_the_hosts_rows(ends, limit, float64):
    make = partial(Diary, ends, limit)
    key = jax.random.key(0)
    first, steps = play(Host(make), key, 3, 10)
    rows = [Step(*x) for x in zip(*steps, strict=True)]
    assert wrong_rows(first, rows) == []
    seeds = jax.random.bits(key, (3,), np.uint32)
    lanes = HostLanes(make, 3)
    assert lanes.begin(np.asarray(seeds)).tolist() == first.tolist()
    for row in rows:
        for x, y in zip(row, lanes.advance(np.ones(3, int)), strict=False):
            assert x.tolist() == y.tolist()
    length = np.arange(10) % (ends or limit) + 1
    assert (steps.episode_length == length[:, None]).all()
    assert (steps.episode_return == (length * (length + 1) / 2)[:, None]).all()


def test_the_key_is_the_seed():
    worlds = Host("CartPole-v1")
    run = compiled(worlds, 4, 40)
    runs = [run(jax.random.key(i)) for i in (0, 0, 1)]
    assert (runs[0][1].observation == runs[1][1].observation).all()
    assert (runs[0][0] != runs[2][0]).all()
    assert len(np.unique(runs[0][0], axis=0)) == 4
    assert runs[0][1].terminated.any()
    assert runs[0][1].observation.dtype == jnp.float32
    worlds.close()


def test_what_the_algorithm_sees_of_it():
    worlds = Host("Pendulum-v1", {"g": 3.0})
    assert (worlds.name, worlds.limit, worlds.vectorizes) == ("Pendulum-v1", 200, False)
    assert (worlds.observation_space.shape, worlds.action_space.shape) == ((3,), (1,))
    _, steps = play(worlds, jax.random.key(0), 2, 2)
    assert (steps.reward < 0).all()
    frozen = Host("FrozenLake-v1")
    assert frozen.observation_space == Discrete(16)
    first, steps = play(frozen, jax.random.key(0), 2, 3)
    assert first.tolist() == [0, 0]
    assert steps.observation.dtype == jnp.result_type(int)


def test_it_is_not_mapped_over_seeds():
    worlds, keys = Host(Diary), jax.random.split(jax.random.key(0), 2)
    with pytest.raises(TypeError, match="one seed after the other"):
        jax.vmap(lambda key: worlds.begin(key, 3))(keys)
    lanes, _ = worlds.begin(keys[0], 3)
    with pytest.raises(TypeError, match="one seed after the other"):
        jax.vmap(lambda a: worlds.advance(keys[0], lanes, a))(jnp.zeros((2, 3), int))


def test_a_reward_that_is_not_finite_is_handed_on():
    worlds = Host(partial(Diary, pay=lambda t: np.nan if t == 2 else 1.0))
    _, steps = play(worlds, jax.random.key(0), 1, 3)
    assert np.isnan(steps.reward[:, 0]).tolist() == [False, True, False]


def test_sets_of_lanes_live_side_by_side_the_last_used_longest():
    worlds, key = Host(BOTH), jax.random.key(0)
    action = jnp.zeros(1, int)
    kept, _ = worlds.begin(key, 1)
    idle, _ = worlds.begin(key, 1)
    for t in range(1, 4):
        worlds.begin(key, 2)  # an evaluation, never seen again
        kept, step = worlds.advance(key, kept, action)
        assert step.episode_length.tolist() == [t]
    with pytest.raises(jax.errors.JaxRuntimeError, match="these lanes of Diary are gone"):
        jax.block_until_ready(worlds.advance(key, idle, action))


def test_a_vector_of_environments_has_the_lanes_it_has():
    env = SyncVectorEnv([BOTH] * 2, autoreset_mode=AutoresetMode.NEXT_STEP)
    worlds, key = Host(env), jax.random.key(0)
    with pytest.raises(ValueError, match="has 2 lanes, not 3"):
        worlds.begin(key, 3)
    _, steps = play(worlds, key, 2, 7)
    assert steps.truncated[:, 0].tolist() == [False, False, True] * 2 + [False]
    assert steps.next_observation[:, 0, 1].tolist() == [1, 2, 3, 1, 2, 3, 1]


class Wide(gymnasium.Env):
    """Observes a picture that is as large as pictures are."""

    observation_space = gymnasium.spaces.Box(0, 1, (4, 84, 84))
    action_space = gymnasium.spaces.Box(-1, 1, (300,))

    def reset(self, *, seed=None, options=None):
        return np.ones((4, 84, 84), np.float32), {}

    def step(self, action):
        return np.full((4, 84, 84), action.mean(), np.float32), 0.0, False, False, {}


def test_large_observations_and_actions_come_through():
    worlds = Host(Wide)
    _, steps = play(worlds, jax.random.key(0), 8, 20)
    assert (steps.observation == 1).all()
