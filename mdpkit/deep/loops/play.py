"""One step of every lane: act, advance, and what is worth keeping of it.

    discount = γ (1 − terminated)      boundary = terminated or truncated

The row holds the observation truly reached, before any reset; what to act on next is the one
after. A reward that is not finite is noted with its step, unless it answers an action that was
not finite either: then it is the learner that is lost, and not the environment.
Checked in tests/deep/test_loops.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mdpkit.deep.batch import Batch
from mdpkit.envs.spaces import Box


class Play(NamedTuple):
    """The lanes and what is seen in them. bad : first row with a non-finite reward, or −1."""

    lanes: Any
    observation: Any
    key: Any
    bad: Any

    @classmethod
    def begin(cls, worlds: Any, key: Any, lanes: int) -> Play:
        """Lanes at the beginning of an episode each."""
        first, second = jax.random.split(key)
        state, observation = worlds.begin(first, lanes)
        return cls(state, observation, second, jnp.asarray(-1))


class Log(NamedTuple):
    """Episodes that ended: how many, their returns summed; and the mean loss of the updates."""

    episodes: Any
    returns: Any
    loss: Any

    @classmethod
    def none(cls) -> Log:
        """Of nothing played yet."""
        return cls(jnp.asarray(0), jnp.asarray(0.0), jnp.nan)

    def plus(self, more: Log) -> Log:
        """Both, one after the other."""
        return Log(self.episodes + more.episodes, self.returns + more.returns, jnp.nan)

    @classmethod
    def total(cls, logs: Log) -> Log:
        """Sum over the leading axis."""
        return cls(logs.episodes.sum(axis=0), logs.returns.sum(axis=0), jnp.nan)


def played(
    algorithm: Any, worlds: Any, learner: Any, play: Play, t: Any, progress: Any
) -> tuple[Play, Batch, Log]:
    """One step of every lane with the algorithm's behavior; the row is (n, …)."""
    key, first, second = jax.random.split(play.key, 3)
    action, extras = algorithm.act(learner, play.observation, first, progress)
    lanes, step = worlds.advance(second, play.lanes, within(worlds.action_space, action))
    over = step.terminated | step.truncated
    ones = jnp.ones_like(step.reward)
    row = Batch(
        play.observation,
        action,
        step.reward,
        algorithm.gamma * (ones - step.terminated),
        over,
        step.next_observation,
        ones / ones.size,
        extras,
    )
    real = jnp.isfinite(action).reshape(ones.size, -1).all(axis=1)
    wrong = (play.bad < 0) & (real & ~jnp.isfinite(step.reward)).any()
    log = Log(over.sum(), (over * step.episode_return).sum(), jnp.nan)
    return Play(lanes, step.observation, key, jnp.where(wrong, t, play.bad)), row, log


def within(space: Any, action: Any) -> Any:
    """What the environment is given: real actions cut to their box. Rows keep them whole."""
    return jnp.clip(action, space.low, space.high) if isinstance(space, Box) else action
