"""CartPole: balance a pole on a cart by pushing the cart left or right.

    f = (F + mℓ θ̇² sin θ) / (M + m)                                F = ±10 N
    θ̈ = (g sin θ − f cos θ) / (ℓ (4/3 − m cos²θ / (M + m)))
    ẍ = f − mℓ θ̈ cos θ / (M + m)

g = 9.8, M = 1, m = .1, and ℓ = .5, half the pole; Euler steps of .02 s. It ends where |x| > 2.4
or |θ| > 12°; each step pays 1, the last one too.

Checked step by step against Gymnasium in tests/deep/envs/test_classic_control.py.
Source: Barto, Sutton & Anderson (1983); the equations without friction of Florian (2007).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdpkit.deep.envs.environment import Moment
from mdpkit.envs.spaces import Box, Discrete

GRAVITY = 9.8
CART, POLE = 1.0, 0.1  # kg
HALF_LENGTH = 0.5  # m
FORCE = 10.0  # N
SECONDS = 0.02
FARTHEST = 2.4  # m
STEEPEST = 12 * math.pi / 180


@dataclass(frozen=True)
class CartPole:
    """Observation and state (4,): x, ẋ, θ, θ̇. Action 0 pushes to the left, 1 to the right."""

    limit: int | None = 500

    @property
    def name(self) -> str:
        """CartPole-v1."""
        return "CartPole-v1"

    @property
    def observation_space(self) -> Box:
        """Positions within twice the bounds; no bound on velocities."""
        high = np.array([2 * FARTHEST, np.inf, 2 * STEEPEST, np.inf])
        return Box(-high, high)

    @property
    def action_space(self) -> Discrete:
        """Left, right."""
        return Discrete(2)

    def reset(self, key: Any) -> tuple[Any, Any]:
        """All four numbers are uniform in ±.05."""
        state = jax.random.uniform(key, (4,), minval=-0.05, maxval=0.05)
        return state, state

    def step(self, key: Any, state: Any, action: Any) -> Moment:
        """One Euler step; deterministic."""
        x, speed, angle, spin = state
        force = jnp.where(action == 1, FORCE, -FORCE)
        sin, cos, mass = jnp.sin(angle), jnp.cos(angle), CART + POLE
        f = (force + POLE * HALF_LENGTH * spin**2 * sin) / mass
        inertia = HALF_LENGTH * (4 / 3 - POLE * cos**2 / mass)
        turn = (GRAVITY * sin - f * cos) / inertia
        push = f - POLE * HALF_LENGTH * turn * cos / mass
        rates = jnp.stack([speed, push, spin, turn])
        after = state + SECONDS * rates
        terminated = (jnp.abs(after[0]) > FARTHEST) | (jnp.abs(after[2]) > STEEPEST)
        return Moment(after, after, jnp.ones_like(x), terminated)
