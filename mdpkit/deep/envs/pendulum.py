"""Pendulum: swing a rod up and hold it there, with a motor too weak to lift it.

    θ̈ = (3g / 2ℓ) sin θ + (3 / mℓ²) u                 |u| ≤ 2 N m, |θ̇| ≤ 8 rad/s
    reward = −(θ² + .1 θ̇² + .001 u²)                  θ in [−π, π), 0 is upright

m = ℓ = 1, g = 10; semi-implicit Euler steps of .05 s. The reward is that of the state left; it
never ends.

Checked step by step against Gymnasium in tests/deep/envs/test_classic_control.py.
Source: Gymnasium 1.4, `Pendulum-v1`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdpkit.deep.envs.environment import Moment
from mdpkit.envs.spaces import Box

TORQUE = 2.0  # N m
FASTEST = 8.0  # rad/s
SECONDS = 0.05


@dataclass(frozen=True)
class Pendulum:
    """State (2,): θ, θ̇; observation (3,): cos θ, sin θ, θ̇. Action (1,): torque, clipped."""

    gravity: float = 10.0
    limit: int | None = 200

    @property
    def name(self) -> str:
        """Pendulum-v1."""
        return "Pendulum-v1"

    @property
    def observation_space(self) -> Box:
        """The circle in its square, and the angular velocity."""
        high = np.array([1.0, 1.0, FASTEST])
        return Box(-high, high)

    @property
    def action_space(self) -> Box:
        """Torque in N m."""
        high = np.array([TORQUE])
        return Box(-high, high)

    def reset(self, key: Any) -> tuple[Any, Any]:
        """θ is uniform in ±π, θ̇ in ±1."""
        unit = jax.random.uniform(key, (2,), minval=-1.0, maxval=1.0)
        state = unit * jnp.array([math.pi, 1.0])
        return state, _observed(state)

    def step(self, key: Any, state: Any, action: Any) -> Moment:
        """One semi-implicit Euler step; deterministic."""
        angle, spin = state
        torque = jnp.clip(action[0], -TORQUE, TORQUE)
        tilt = (angle + math.pi) % (2 * math.pi) - math.pi
        cost = tilt**2 + 0.1 * spin**2 + 0.001 * torque**2
        turn = 1.5 * self.gravity * jnp.sin(angle) + 3 * torque
        faster = jnp.clip(spin + SECONDS * turn, -FASTEST, FASTEST)
        after = jnp.stack([angle + SECONDS * faster, faster])
        return Moment(after, _observed(after), -cost, jnp.zeros_like(angle, bool))


def _observed(state: Any) -> Any:
    return jnp.stack([jnp.cos(state[0]), jnp.sin(state[0]), state[1]])
