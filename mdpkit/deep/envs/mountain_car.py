"""Mountain car: drive out of a valley with an engine too weak for its side.

    ẋ ← clip(ẋ + .001 (a − 1) − .0025 cos 3x, ±.07)
    x ← clip(x + ẋ, −1.2, .6)                        ẋ ← 0 at the left wall

It ends where x ≥ .5 and ẋ ≥ 0; each step pays −1.

Checked step by step against Gymnasium in tests/deep/envs/test_classic_control.py.
Source: Moore (1990); Sutton & Barto (2018), Example 10.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdpkit.deep.envs.environment import Moment
from mdpkit.envs.spaces import Box, Discrete

LEFT, RIGHT, GOAL = -1.2, 0.6, 0.5
FASTEST = 0.07
ENGINE, SLOPE = 0.001, 0.0025


@dataclass(frozen=True)
class MountainCar:
    """Observation and state (2,): x, ẋ. Action 0 drives left, 1 rolls, 2 drives right."""

    limit: int | None = 200

    @property
    def name(self) -> str:
        """MountainCar-v0."""
        return "MountainCar-v0"

    @property
    def observation_space(self) -> Box:
        """The valley between its walls."""
        return Box(np.array([LEFT, -FASTEST]), np.array([RIGHT, FASTEST]))

    @property
    def action_space(self) -> Discrete:
        """Left, roll, right."""
        return Discrete(3)

    def reset(self, key: Any) -> tuple[Any, Any]:
        """At rest, x uniform in [−.6, −.4)."""
        x = jax.random.uniform(key, minval=-0.6, maxval=-0.4)
        state = jnp.stack([x, jnp.zeros_like(x)])
        return state, state

    def step(self, key: Any, state: Any, action: Any) -> Moment:
        """One step of the car; deterministic."""
        x, speed = state
        speed = speed + ENGINE * (action - 1) - SLOPE * jnp.cos(3 * x)
        speed = jnp.clip(speed, -FASTEST, FASTEST)
        x = jnp.clip(x + speed, LEFT, RIGHT)
        speed = jnp.where((x <= LEFT) & (speed < 0), 0.0, speed)
        after = jnp.stack([x, speed])
        terminated = (x >= GOAL) & (speed >= 0)
        return Moment(after, after, -jnp.ones_like(x), terminated)
