"""n environments side by side: lanes that reset themselves, and never hide where they ended.

    truncated = (length = limit) and not terminated
    state     ← where(terminated or truncated, a new one, the one reached)

`next_observation` is what was reached, `observation` what to act on next; they differ exactly
where an episode was over. Every lane steps and resets on its own keys. Mapped over seeds, lanes
draw the same numbers as alone; real states may differ in their last bits, for XLA contracts
a·b + c·d one way or the other as shapes go.

Checked in tests/deep/envs/test_vector.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from mdpkit.deep.envs.environment import Environment, Step
from mdpkit.envs.spaces import Box, Discrete


class Lanes(NamedTuple):
    """Where n lanes stand. state : (n, …) of the environment; the sums (n,) of the episode."""

    state: Any
    episode_return: Any
    episode_length: Any

    @classmethod
    def begun(cls, state: Any, n: int) -> Lanes:
        """Lanes that have not stepped yet."""
        return cls(state, jnp.zeros(n), jnp.zeros(n, int))


@dataclass(frozen=True)
class Vector:
    """An environment in n lanes, compiled and mapped with everything around it."""

    env: Environment

    vectorizes: ClassVar[bool] = True
    """Whether `begin` and `advance` may be mapped over seeds by `jax.vmap`."""

    def __post_init__(self):
        if not isinstance(self.env, Environment):
            raise TypeError(
                f"Vector takes an environment, not {type(self.env)}; by name: worlds_of()."
            )
        limit = self.env.limit
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be ≥ 1, or None for no limit; it is {limit}.")

    @property
    def name(self) -> str:
        """Of the environment."""
        return self.env.name

    @property
    def observation_space(self) -> Discrete | Box:
        """Of one lane."""
        return self.env.observation_space

    @property
    def action_space(self) -> Discrete | Box:
        """Of one lane."""
        return self.env.action_space

    @property
    def limit(self) -> int | None:
        """Steps after which an episode is truncated."""
        return self.env.limit

    def begin(self, key: Any, n: int) -> tuple[Lanes, Any]:
        """n episodes, and the (n, …) observations they begin with."""
        state, observation = jax.vmap(self.env.reset)(jax.random.split(key, n))
        return Lanes.begun(state, n), observation

    def advance(self, key: Any, lanes: Lanes, action: Any) -> tuple[Lanes, Step]:
        """Play one action (n, …) in each lane; begin again where an episode is over."""
        stepping, resetting = jax.random.split(key, (2, lanes.episode_length.shape[0]))
        moment = jax.vmap(self.env.step)(stepping, lanes.state, action)
        fresh, first = jax.vmap(self.env.reset)(resetting)
        truncated = self._late(lanes) & ~moment.terminated
        over = moment.terminated | truncated
        state, observation = jax.tree.map(
            lambda new, old: _where(over, new, old),
            (fresh, first),
            (moment.state, moment.observation),
        )
        ends, seen = (moment.terminated, truncated), (observation, moment.observation)
        return tally(lanes, state, moment.reward, ends, seen)

    def _late(self, lanes: Lanes) -> Any:
        """Whether this step is the last that the time limit leaves."""
        last = lanes.episode_length + 1
        return jnp.zeros_like(last, bool) if self.limit is None else last >= self.limit


def tally(
    lanes: Lanes, state: Any, reward: Any, ends: tuple[Any, Any], seen: tuple[Any, Any]
) -> tuple[Lanes, Step]:
    """Count one step. ends : terminated, truncated; seen : what to act on next, and reached."""
    (terminated, truncated), (observation, reached) = ends, seen
    reward = jnp.asarray(reward, lanes.episode_return.dtype)
    returns, length = lanes.episode_return + reward, lanes.episode_length + 1
    over = terminated | truncated
    after = Lanes(state, jnp.where(over, 0.0, returns), jnp.where(over, 0, length))
    return after, Step(observation, reward, terminated, truncated, reached, returns, length)


def _where(over: Any, new: Any, old: Any) -> Any:
    return jnp.where(over.reshape(over.shape + (1,) * (old.ndim - 1)), new, old)
