"""Actors: networks that answer with a distribution over actions.

    Logits     π(a|s) ∝ exp(net(s)_a)
    Normal     π(·|s) = N(net(s), σ²), one σ for all states
    Squashed   a = low + (high − low)(1 + tanh u)/2,  u ~ N(μ(s), σ(s)²),  (μ, log σ) = net(s)

Checked in tests/deep/test_actors.py.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from mdpkit.deep.heads import Categorical, Gaussian, TanhGaussian
from mdpkit.deep.spaces import check_vectors
from mdpkit.envs.spaces import Box, Discrete

LOG_STD = (-5.0, 2.0)
"""Where the logarithm of a deviation that depends on the state is kept."""


class Logits(eqx.Module):
    """Numbered actions."""

    net: Any

    def __call__(self, observation: Array) -> Categorical:
        """π(·|s)."""
        return Categorical(self.net(observation))


class Normal(eqx.Module):
    """Real actions without bounds. log_std : (m,)."""

    net: Any
    log_std: Array

    def __call__(self, observation: Array) -> Gaussian:
        """π(·|s)."""
        mean = self.net(observation)
        return Gaussian(mean, jnp.broadcast_to(self.log_std, mean.shape))


class Squashed(eqx.Module):
    """Real actions between low and high, (m,) each."""

    net: Any
    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, observation: Array) -> TanhGaussian:
        """π(·|s)."""
        mean, log_std = jnp.split(self.net(observation), 2, axis=-1)
        low, high = jnp.asarray(self.low, mean.dtype), jnp.asarray(self.high, mean.dtype)
        return TanhGaussian(mean, jnp.clip(log_std, *LOG_STD), low, high)


def unbounded(net: Any, space: Discrete | Box, dtype: Any = None) -> Logits | Normal:
    """Logits, or a Gaussian with deviation 1, on a network with one output an action.

    Raises TypeError for real actions that are no vectors.
    """
    if isinstance(space, Discrete):
        return Logits(net)
    check_vectors(space)
    return Normal(net, jnp.zeros(space.low.shape, dtype))


def squashed(net: Any, space: Box) -> Squashed:
    """A squashed Gaussian on a network with two outputs an action."""
    return Squashed(net, tuple(map(float, space.low)), tuple(map(float, space.high)))
