"""Distributions over actions: what a policy network answers with.

    Categorical    π(a) = exp(z_a) / Σ_b exp(z_b)
    Gaussian       a = μ + σε,  ε ~ N(0, 1)          log π(a) = −½((a − μ)/σ)² − log σ − ½log 2π
    TanhGaussian   a = center + half · tanh u,  u ~ N(μ, σ²),  half = (high − low)/2
                   log π(a) = log N(u) − 2(log 2 − u − softplus(−2u)) − log half

each summed over the dimensions of an action, the last axis. The second term of the last line
is log(1 − tanh² u), written so that it holds where tanh u rounds to 1; the third is the scale
of the action, without which its density would not integrate to 1.

`at(noise)` is the sample that standard normal numbers are turned into: gradients pass through
it (reparameterization), and a quadrature over the noise gives exact expectations.

Checked in tests/deep/test_heads.py.
Source: Kingma & Welling (2014); Haarnoja et al. (2018), appendix C.
"""

from __future__ import annotations

from math import log, pi
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from mdpkit.deep.losses import taken

HALF_LOG_2PI = 0.5 * log(2 * pi)


class Categorical(NamedTuple):
    """One of A numbered actions. logits : (…, A); −∞ where an action cannot be taken."""

    logits: Any

    def sample(self, key: Array) -> Array:
        """Actions (…) int."""
        return jax.random.categorical(key, self.logits)

    def probabilities(self) -> Array:
        """π, (…, A)."""
        return jax.nn.softmax(self.logits)

    def log_prob(self, action: Any) -> Array:
        """log π(a), (…), of actions (…) int."""
        return taken(jax.nn.log_softmax(self.logits), action)

    def entropy(self) -> Array:
        """−Σ π log π, (…), with 0 log 0 = 0."""
        log_p = jax.nn.log_softmax(self.logits)
        p = jnp.exp(log_p)
        return -(p * jnp.where(p > 0, log_p, 0)).sum(axis=-1)

    def mode(self) -> Array:
        """The most probable action, the lowest among equals, (…) int."""
        return jnp.argmax(self.logits, axis=-1)


class Gaussian(NamedTuple):
    """Independent normal numbers. mean : (…, m); log_std : (…, m) or (m,)."""

    mean: Any
    log_std: Any

    def at(self, noise: Array) -> Array:
        """μ + σε, (…, m), of standard normal noise (…, m)."""
        return self.mean + jnp.exp(self.log_std) * noise

    def sample(self, key: Array) -> Array:
        """Actions (…, m), through which gradients pass."""
        return self.at(_noise(key, self))

    def log_prob(self, action: Any) -> Array:
        """log π(a), (…), of actions (…, m)."""
        return _log_normal((action - self.mean) * jnp.exp(-self.log_std), self.log_std)

    def entropy(self) -> Array:
        """Σ (log σ + ½ + ½log 2π), (…)."""
        log_std = jnp.broadcast_to(self.log_std, _shape(self))
        return (log_std + 0.5 + HALF_LOG_2PI).sum(axis=-1)

    def mode(self) -> Array:
        """μ, (…, m)."""
        return self.mean


class TanhGaussian(NamedTuple):
    """A Gaussian squashed into a box. mean, log_std : (…, m); low < high : (m,), finite.

    Its entropy has no closed form: −log_prob of a sample estimates it. Every method raises
    ValueError for bounds that are not finite and in order, as far as they are known when it is
    traced.
    """

    mean: Any
    log_std: Any
    low: Any
    high: Any

    def at(self, noise: Array) -> Array:
        """center + half · tanh(μ + σε), (…, m), of standard normal noise (…, m)."""
        return self.at_with_log_prob(noise)[0]

    def at_with_log_prob(self, noise: Array) -> tuple[Array, Array]:
        """Actions (…, m) of standard normal noise (…, m), and their log π, (…)."""
        center, half = _center_and_half(self)
        u = Gaussian(self.mean, self.log_std).at(noise)
        density = _log_normal(noise, self.log_std)
        return center + half * jnp.tanh(u), density - _log_volume(u, half)

    def sample(self, key: Array) -> Array:
        """Actions (…, m), in the box up to rounding, through which gradients pass."""
        return self.at(_noise(key, self))

    def sample_and_log_prob(self, key: Array) -> tuple[Array, Array]:
        """Actions (…, m) and their log π, (…), at any distance from the bounds."""
        return self.at_with_log_prob(_noise(key, self))

    def log_prob(self, action: Any) -> Array:
        """log π(a), (…), of actions (…, m).

        u = artanh is lost where tanh rounds to 1, |u| > 8 in float32: actions at a bound or
        beyond count as the last ones that are not. `sample_and_log_prob` loses nothing.
        """
        center, half = _center_and_half(self)
        y = (action - center) / half
        most = 1 - jnp.finfo(y.dtype).eps
        u = jnp.arctanh(jnp.clip(y, -most, most))
        return Gaussian(self.mean, self.log_std).log_prob(u) - _log_volume(u, half)

    def mode(self) -> Array:
        """center + half · tanh μ, (…, m): the median in each dimension, used to act greedily.

        The density itself may be greatest at a bound, where it would be no good advice.
        """
        center, half = _center_and_half(self)
        return center + half * jnp.tanh(self.mean)


def _shape(head: Gaussian | TanhGaussian) -> tuple[int, ...]:
    return jnp.broadcast_shapes(jnp.shape(head.mean), jnp.shape(head.log_std))


def _noise(key: Array, head: Gaussian | TanhGaussian) -> Array:
    return jax.random.normal(key, _shape(head), jnp.result_type(head.mean))


def _log_normal(noise: Array, log_std: Any) -> Array:
    """Σ log N(μ + σε; μ, σ²) over the last axis; no variance that could under- or overflow."""
    return -(noise**2 / 2 + log_std + HALF_LOG_2PI).sum(axis=-1)


def _log_volume(u: Array, half: Array) -> Array:
    """Σ log da/du of a = half · tanh u."""
    slope = 2 * (log(2) - u - jax.nn.softplus(-2 * u))
    return (slope + jnp.log(half)).sum(axis=-1)


def _center_and_half(head: TanhGaussian) -> tuple[Array, Array]:
    known = not any(isinstance(x, Tracer) for x in (head.low, head.high))
    if known:
        low, high = np.asarray(head.low), np.asarray(head.high)
        if not (np.isfinite(low) & np.isfinite(high) & (low < high)).all():
            raise ValueError(
                f"tanh squashes into a box with finite sides, low < high; got low = {low}, "
                f"high = {high}. Rescale the actions, or use Gaussian."
            )
    dtype = jnp.result_type(head.mean)
    low, high = jnp.asarray(head.low, dtype), jnp.asarray(head.high, dtype)
    return (low + high) / 2, (high - low) / 2
