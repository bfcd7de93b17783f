"""Classic control against Gymnasium's own, step by step and over whole episodes."""

from functools import cache

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import ks_2samp

from mdpkit.deep.envs import Acrobot, CartPole, MountainCar, Pendulum, worlds_of
from mdpkit.envs.spaces import Discrete, space_of

PI = np.pi
WORLDS = {
    # environment, half-widths of a box of states that reaches beyond every bound, center
    "CartPole-v1": (CartPole(), [3.0, 3.0, 0.3, 3.0], 0.0),
    "Pendulum-v1": (Pendulum(), [20.0, 8.0], 0.0),
    "MountainCar-v0": (MountainCar(), [0.9, 0.07], [-0.3, 0.0]),
    "Acrobot-v1": (Acrobot(), [PI, PI, 4 * PI, 9 * PI], 0.0),
}


@pytest.fixture(params=WORLDS)
def name(request):
    return request.param


def theirs(name, **settings):
    env = gymnasium.make(name).unwrapped
    env.reset(seed=0)
    for key, value in settings.items():
        setattr(env, key, value)
    return env


def put(env, state):
    """Gymnasium's environment in that state, as if it had just been reached."""
    env.state = np.array(state, dtype=np.float64)
    env.steps_beyond_terminated = None


def random_actions(env, rng, n):
    if isinstance(env.action_space, Discrete):
        return rng.integers(env.action_space.n, size=n)
    return rng.uniform(-3, 3, size=(n, 1))  # beyond the bounds, to be clipped


def random_states(name, rng, n):
    _, width, center = WORLDS[name]
    return rng.uniform(-1, 1, size=(n, len(width))) * width + center


def their_step(env, state, action):
    put(env, state)
    observation, reward, terminated, truncated, _ = env.step(action)
    assert not truncated
    return np.array(env.state, dtype=float), observation, reward, terminated


@cache
def our_steps(name, n=400):
    """Random states and actions, and one step of ours from each; call it in float64."""
    env, rng = WORLDS[name][0], np.random.default_rng(5)
    states, actions = random_states(name, rng, n), random_actions(env, rng, n)
    step = jax.jit(jax.vmap(env.step, in_axes=(None, 0, 0)))
    return states, actions, step(jax.random.key(0), jnp.asarray(states), jnp.asarray(actions))


def difference(ours, wanted):
    """The largest in anything of many steps; observations of Gymnasium's are float32."""
    found = 0.0
    for mine, yours in zip(ours, map(np.array, zip(*wanted, strict=True)), strict=True):
        rounding = 6e-8 * abs(yours) if yours.dtype == np.float32 else 0.0
        found = max(found, (abs(np.asarray(mine, float) - yours) - rounding).max())
    return found


def from_anywhere(name, env):
    """The difference of one step of ours and of `env`, from states drawn at random."""
    states, actions, ours = our_steps(name)
    wanted = [their_step(env, s, a) for s, a in zip(states, actions, strict=True)]
    assert name == "Pendulum-v1" or 0.02 < ours.terminated.mean() < 0.98  # both are seen
    return difference(ours, wanted)


TOLERANCE = 1e-10
"""Rounding makes at most 1e-11 a step, at the Acrobot's fastest; other equations 1e-4."""


def test_one_step_from_anywhere_is_gymnasiums(name, float64):
    assert from_anywhere(name, theirs(name)) < TOLERANCE


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("CartPole-v1", {"kinematics_integrator": "semi-implicit euler"}),
        ("CartPole-v1", {"x_threshold": 2.5}),
        ("Pendulum-v1", {"g": 9.8}),
        ("Pendulum-v1", {"max_torque": 2.5}),
        ("MountainCar-v0", {"goal_velocity": 0.02}),
        ("MountainCar-v0", {"min_position": -1.1}),
        ("Acrobot-v1", {"book_or_nips": "nips"}),
        ("Acrobot-v1", {"LINK_COM_POS_2": 0.51}),
    ],
)
def test_other_equations_would_be_seen(name, settings, float64):
    assert from_anywhere(name, theirs(name, **settings)) > 1e-4


def balanced(observation):
    """A linear law that keeps the pole up."""
    return (observation @ np.array([0.1, 0.5, 5.0, 1.0]) > 0) * 1


def test_a_whole_run_is_gymnasiums(name, float64):
    """500 steps at random; a pole that is kept up loses a digit in 40 steps, so 150 of it."""
    ours, env, rng = WORLDS[name][0], theirs(name), np.random.default_rng(2)
    n = 150 if name == "CartPole-v1" else 500
    actions = random_actions(ours, rng, n)
    begun, observation = ours.reset(jax.random.key(1))
    put(env, begun)
    wanted = []
    for t in range(n):
        if name == "CartPole-v1":
            actions[t] = balanced(observation)
        observation, reward, terminated, _, _ = env.step(actions[t])
        wanted.append((np.array(env.state, float), observation, reward, terminated))

    def step(state, action):
        moment = ours.step(jax.random.key(0), state, action)
        return moment.state, moment

    _, found = jax.lax.scan(step, begun, jnp.asarray(actions))
    assert not found.terminated.any()
    assert difference(found, wanted) < TOLERANCE


def test_spaces_limits_and_types_are_gymnasiums(name):
    env, spec = WORLDS[name][0], gymnasium.spec(name)
    assert env.name == name
    assert env.limit == spec.max_episode_steps
    for ours, yours in (
        (env.observation_space, theirs(name).observation_space),
        (env.action_space, theirs(name).action_space),
    ):
        if isinstance(ours, Discrete):
            assert ours == space_of(yours, "actions")
        else:
            assert ours.low.astype(np.float32).tolist() == yours.low.tolist()
            assert ours.high.astype(np.float32).tolist() == yours.high.tolist()
    key, action = jax.random.key(0), jnp.zeros(env.action_space.shape, jnp.result_type(int))
    state, observation = jax.eval_shape(env.reset, key)
    moment = jax.eval_shape(env.step, key, state, action)
    assert observation.shape == env.observation_space.shape
    assert moment.observation.shape == observation.shape
    assert {x.dtype for x in (state, observation, *moment[:3])} == {jnp.dtype("float32")}
    assert moment.terminated.dtype == bool


@pytest.mark.stat
def test_episodes_begin_as_gymnasiums_do(name):
    """Kolmogorov–Smirnov for each coordinate, 12 in all, at 1e-6: fails by chance at 1.2e-5."""
    keys, env = jax.random.split(jax.random.key(4), 2000), theirs(name)
    ours = np.asarray(jax.jit(jax.vmap(WORLDS[name][0].reset))(keys)[0])
    wanted = np.empty_like(ours)
    for i in range(2000):
        env.reset(seed=i)
        wanted[i] = env.state
    for x, y in zip(ours.T, wanted.T, strict=True):
        assert ks_2samp(x, y).pvalue > 1e-6
        assert (y == 0).all() or ks_2samp(1.3 * x, y).pvalue < 1e-6  # it can fail


def test_the_last_step_of_the_limit_is_truncated_as_in_gymnasium():
    """A balanced pole runs into its 500 steps."""
    worlds, env = worlds_of("CartPole-v1"), gymnasium.make("CartPole-v1")

    def step(carry, key):
        lanes, observation = carry
        lanes, step = worlds.advance(key, lanes, jax.vmap(balanced)(observation))
        return (lanes, step.observation), step

    begun = worlds.begin(jax.random.key(0), 1)
    keys = jax.random.split(jax.random.key(1), 501)
    _, steps = jax.lax.scan(step, begun, keys)
    observation, _ = env.reset(seed=0)
    for t in range(500):
        observation, _, terminated, truncated, _ = env.step(int(balanced(observation)))
        assert (terminated, truncated) == (False, t == 499)
    assert np.flatnonzero(steps.truncated).tolist() == [499]
    assert not steps.terminated.any()
    assert steps.episode_length[498:, 0].tolist() == [499, 500, 1]
    assert steps.episode_return[498:, 0].tolist() == [499, 500, 1]
