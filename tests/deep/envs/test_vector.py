"""Lanes: what was reached is not lost, limits count exactly, and seeds matter."""

from dataclasses import dataclass
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdpkit.deep.envs import CartPole, Pendulum, Step, Tabular, Vector, worlds_of
from mdpkit.deep.envs.environment import Environment, Moment
from mdpkit.envs.spaces import Box, Discrete
from tests.env_oracle import dyadic_model, wrong_rows


@dataclass(frozen=True)
class Diary:
    """`tests.env_oracle.Diary` in JAX: a tag that each episode draws, and its steps."""

    ends: int = -1
    limit: int | None = None
    name: str = "diary"
    observation_space = Box(np.zeros(2), np.full(2, np.inf))
    action_space = Discrete(2)

    def reset(self, key):
        state = jnp.stack([jax.random.uniform(key), 0.0])
        return state, state

    def step(self, key, state, action):
        state = state + jnp.array([0.0, 1.0])
        return Moment(state, state, state[1], state[1] == self.ends)


def play(worlds, n_steps, n=3):
    """First observations, and all steps, time first; not compiled, which is quicker here."""
    lanes, first = worlds.begin(jax.random.key(0), n)
    steps = []
    for t in range(n_steps):
        lanes, step = worlds.advance(jax.random.key(t + 1), lanes, jnp.zeros(n, int))
        steps.append(jax.tree.map(np.asarray, step))
    return first, Step(*map(np.array, zip(*steps, strict=True)))


def played(worlds, key, n, n_steps):
    """The same for a compiled loop, with the action 1 throughout."""
    lanes, observation = worlds.begin(key, n)
    action = jnp.ones((n, *worlds.action_space.shape), int)

    def step(lanes, key):
        return worlds.advance(key, lanes, action)

    return observation, jax.lax.scan(step, lanes, jax.random.split(key, n_steps))[1]


def rows(steps):
    """One Step a time."""
    return [Step(*x) for x in zip(*steps, strict=True)]


@pytest.mark.parametrize(
    ("ends", "limit", "terminated", "truncated"),
    [(4, None, 4, None), (-1, 3, None, 3), (5, 3, None, 3), (3, 3, 3, None), (1, 1, 1, None)],
)
def test_every_row_is_a_step_that_was_played(ends, limit, terminated, truncated):
    """Where a step is the last in both ways, it has terminated."""
    first, steps = play(Vector(Diary(ends, limit)), 12)
    assert wrong_rows(first, rows(steps)) == []
    t = np.arange(1, 13)
    for flags, period in ((steps.terminated, terminated), (steps.truncated, truncated)):
        assert (np.asarray(flags) == (t % period == 0 if period else t < 0)[:, None]).all()
    length = (t - 1) % (terminated or truncated) + 1
    assert (np.asarray(steps.episode_length) == length[:, None]).all()
    assert (np.asarray(steps.episode_return) == (length * (length + 1) / 2)[:, None]).all()


class PostReset(Vector):
    """Auto-reset that hands on what follows the reset as what was reached."""

    def advance(self, key, lanes, action):
        lanes, step = super().advance(key, lanes, action)
        return lanes, step._replace(next_observation=step.observation)


class Late(Vector):
    """Truncates in the step behind the limit."""

    def _late(self, lanes):
        return lanes.episode_length >= self.limit


class Forgetful(Vector):
    """Calls a truncation a termination too."""

    def advance(self, key, lanes, action):
        lanes, step = super().advance(key, lanes, action)
        return lanes, step._replace(terminated=step.terminated | step.truncated)


@pytest.mark.parametrize(
    ("impostor", "complaint"),
    [
        (PostReset, "next_observation is not what was reached"),
        (Forgetful, "both terminated and truncated"),
    ],
)
def test_a_lost_observation_or_flag_would_be_seen(impostor, complaint):
    first, steps = play(impostor(Diary(limit=3)), 8)
    assert complaint in wrong_rows(first, rows(steps))


@pytest.mark.parametrize("limit", [1, 7])
def test_the_last_step_of_the_limit_is_the_truncated_one(limit):
    """CartPole's 500 are counted in test_classic_control.py."""

    def truncated(kind):
        return np.flatnonzero(play(kind(Diary(limit=limit)), 2 * limit)[1].truncated[:, 0])

    assert truncated(Vector).tolist() == [limit - 1, 2 * limit - 1]
    assert truncated(Late).tolist() == [limit]


@cache
def runs(env, n_steps):
    """Three seeds mapped, and each of them alone."""
    run = partial(played, Vector(env), n=4, n_steps=n_steps)
    keys, alone = jax.random.split(jax.random.key(7), 3), jax.jit(run)
    together = jax.tree.map(np.asarray, jax.jit(jax.vmap(run))(keys))
    return together, [jax.tree.map(np.asarray, alone(key)) for key in keys]


def largest_difference(env, n_steps):
    """Of a seed alone and among others: in numbers and flags, and in reals."""
    together, alone = runs(env, n_steps)
    worst = {"f": 0.0, "i": 0.0, "b": 0.0}
    for i, one in enumerate(alone):
        for x, y in zip(jax.tree.leaves(together), jax.tree.leaves(one), strict=True):
            kind = x.dtype.kind
            worst[kind] = max(worst[kind], abs(x[i] * 1.0 - y).max())
    return max(worst["i"], worst["b"]), worst["f"]


DIARY = Diary(limit=4)


def test_keys_matter_and_lanes_are_independent():
    (begun, steps), _ = runs(DIARY, 9)
    for tags in (begun[..., 0], steps.observation[:, 3, :, 0], steps.observation[:, 7, :, 0]):
        assert len(np.unique(tags)) == 12  # 3 keys, 4 lanes


def test_mapped_over_seeds_it_is_the_single_run_to_the_bit():
    assert largest_difference(DIARY, 9) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("env", [Tabular(dyadic_model("stop"), limit=5), Pendulum(limit=7)])
def test_mapped_over_seeds_only_rounding_differs(env):
    """XLA contracts a·b + c·d one way or the other as shapes go, tails of loops among them.

    Real numbers up to 16 then part by 1e-6 in a step, at most tenfold in the 7 of an episode.
    """
    flags, reals = largest_difference(env, 20)
    assert flags == 0
    assert reals <= (1e-4 if isinstance(env, Pendulum) else 0)


def test_it_can_be_scanned_in_either_width(float64):
    def kinds():
        run = partial(played, Vector(Pendulum()), n=2, n_steps=3)
        _, steps = jax.eval_shape(run, jax.random.key(0))
        return {str(x.dtype) for x in (steps.observation, steps.reward, steps.episode_return)}

    assert kinds() == {"float64"}
    with jax.enable_x64(False):
        assert kinds() == {"float32"}


def test_lanes_know_their_environment():
    worlds = worlds_of("Pendulum-v1")
    assert (worlds.name, worlds.limit, worlds.vectorizes) == ("Pendulum-v1", 200, True)
    assert worlds.observation_space.shape == (3,)
    assert worlds.action_space.shape == (1,)
    assert hash(worlds) == hash(Vector(Pendulum()))
    assert worlds == Vector(Pendulum())


def test_other_things_are_refused():
    with pytest.raises(TypeError, match=r"takes an environment, not .*worlds_of"):
        Vector("CartPole-v1")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="limit must be ≥ 1, or None for no limit; it is 0"):
        Vector(CartPole(limit=0))
    assert isinstance(Diary(), Environment)
