"""How good is what was learned: episodes of the greedy policy, each counted once.

Checked in tests/deep/test_loops.py.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from mdpkit.deep.loops.play import within


def evaluated(algorithm: Any, worlds: Any, learner: Any, key: Any, episodes: int) -> Any:
    """The mean undiscounted return of `episodes` episodes, one a lane, played side by side.

    Each lane counts its first episode alone, so that short episodes are not counted more often.
    """
    first, second = jax.random.split(key)
    lanes, observation = worlds.begin(first, episodes)

    def step(carry: Any, key: Any) -> tuple[Any, None]:
        lanes, observation, earned, over = carry
        action = within(worlds.action_space, algorithm.greedy(learner, observation))
        lanes, step = worlds.advance(key, lanes, action)
        earned = jnp.where(over, earned, step.episode_return)
        over = over | step.terminated | step.truncated
        return (lanes, step.observation, earned, over), None

    nothing = jnp.zeros(episodes), jnp.zeros(episodes, bool)
    keys = jax.random.split(second, worlds.limit)
    (_, _, earned, _), _ = jax.lax.scan(step, (lanes, observation, *nothing), keys)
    return earned.mean()
