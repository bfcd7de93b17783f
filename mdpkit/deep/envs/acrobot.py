"""Acrobot: swing the tip of two hanging links above a line, with a motor at the joint between.

    d₁ = m ℓc² + m (ℓ² + ℓc² + 2ℓℓc cos θ₂) + 2I          d₂ = m (ℓc² + ℓℓc cos θ₂) + I
    φ₂ = m ℓc g cos(θ₁ + θ₂ − π/2)
    φ₁ = −m ℓℓc θ̇₂² sin θ₂ − 2m ℓℓc θ̇₂ θ̇₁ sin θ₂ + m (ℓc + ℓ) g cos(θ₁ − π/2) + φ₂
    θ̈₂ = (τ + (d₂/d₁) φ₁ − m ℓℓc θ̇₁² sin θ₂ − φ₂) / (m ℓc² + I − d₂²/d₁)
    θ̈₁ = −(d₂ θ̈₂ + φ₁) / d₁

m = ℓ = I = 1, ℓc = .5, g = 9.8; τ ∈ {−1, 0, 1} is held for .2 s, one Runge–Kutta step of
order 4. It ends where −cos θ₁ − cos(θ₁ + θ₂) > 1; each step before pays −1, that one 0.

Checked step by step against Gymnasium in tests/deep/envs/test_classic_control.py.
Source: Sutton & Barto (1998), §11.3, whose term θ̇₁² sin θ₂ Sutton (1996) lacks.
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
MASS, LENGTH, INERTIA = 1.0, 1.0, 1.0  # of either link
CENTER = 0.5  # of mass
SECONDS = 0.2
FASTEST = (4 * math.pi, 9 * math.pi)  # rad/s


@dataclass(frozen=True)
class Acrobot:
    """State (4,): θ₁, θ₂, θ̇₁, θ̇₂; action 0, 1, 2 for a torque of −1, 0, 1 N m.

    Observation (6,): cos θ₁, sin θ₁, cos θ₂, sin θ₂, θ̇₁, θ̇₂. θ₁ = 0 hangs down.
    """

    limit: int | None = 500

    @property
    def name(self) -> str:
        """Acrobot-v1."""
        return "Acrobot-v1"

    @property
    def observation_space(self) -> Box:
        """Two circles in their squares, and the angular velocities."""
        high = np.array([1.0, 1.0, 1.0, 1.0, *FASTEST])
        return Box(-high, high)

    @property
    def action_space(self) -> Discrete:
        """−1, 0, 1 N m."""
        return Discrete(3)

    def reset(self, key: Any) -> tuple[Any, Any]:
        """All four numbers are uniform in ±.1."""
        state = jax.random.uniform(key, (4,), minval=-0.1, maxval=0.1)
        return state, _observed(state)

    def step(self, key: Any, state: Any, action: Any) -> Moment:
        """One Runge–Kutta step; deterministic."""
        torque = action - 1.0
        half = SECONDS / 2
        k1 = _rates(state, torque)
        k2 = _rates(state + half * k1, torque)
        k3 = _rates(state + half * k2, torque)
        k4 = _rates(state + SECONDS * k3, torque)
        after = state + SECONDS / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        angles = (after[:2] + math.pi) % (2 * math.pi) - math.pi
        bound = jnp.array(FASTEST, after.dtype)
        after = jnp.concatenate([angles, jnp.clip(after[2:], -bound, bound)])
        terminated = -jnp.cos(after[0]) - jnp.cos(after[0] + after[1]) > 1
        reward = jnp.where(terminated, 0.0, -jnp.ones_like(after[0]))
        return Moment(after, _observed(after), reward, terminated)


def _rates(state: Any, torque: Any) -> Any:
    """(4,) θ̇₁, θ̇₂, θ̈₁, θ̈₂."""
    first, second, spin, twist = state
    sin, cos, arm = jnp.sin(second), jnp.cos(second), MASS * LENGTH * CENTER
    d1 = MASS * (2 * CENTER**2 + LENGTH**2) + 2 * arm * cos + 2 * INERTIA
    d2 = MASS * CENTER**2 + arm * cos + INERTIA
    phi2 = MASS * CENTER * GRAVITY * jnp.cos(first + second - math.pi / 2)
    weight = MASS * (CENTER + LENGTH) * GRAVITY * jnp.cos(first - math.pi / 2)
    phi1 = -arm * twist**2 * sin - 2 * arm * twist * spin * sin + weight + phi2
    driven = torque + d2 / d1 * phi1 - arm * spin**2 * sin - phi2
    bend = driven / (MASS * CENTER**2 + INERTIA - d2**2 / d1)
    return jnp.stack([spin, twist, -(d2 * bend + phi1) / d1, bend])


def _observed(state: Any) -> Any:
    cos, sin = jnp.cos(state[:2]), jnp.sin(state[:2])
    return jnp.stack([cos[0], sin[0], cos[1], sin[1], state[2], state[3]])
