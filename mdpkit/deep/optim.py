"""From a gradient to the next parameters; and how a target network follows.

    θ ← θ − α(p) d(∇L)         d of Adam, RMSProp, or the gradient itself; p in [0, 1]
    θ̄ ← θ̄ + ρ (θ − θ̄)          after k steps towards a fixed θ, 1 − (1 − ρ)ᵏ of the way
    θ̄ ← θ                      every C updates

With the gradient itself, α = 1 and a table, one step of Q-learning is the operator: Q ← TQ̄.
Checked in tests/deep/test_optim.py. Source: Kingma & Ba (2015); Lillicrap et al. (2016).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import optax

Schedule = Callable[[Any], Any]


@dataclass(frozen=True)
class Optimizer:
    """θ − α(progress) d(∇L).

    rate  α, a number or a function of the progress in [0, 1]
    rule  d in words, by which a checkpoint knows it again
    """

    rate: float | Schedule
    rule: str
    direction: optax.GradientTransformation = field(repr=False)

    def __post_init__(self):
        if not callable(self.rate) and not self.rate > 0:
            raise ValueError(f"a learning rate must be > 0; it is {self.rate}.")

    def init(self, params: Any) -> Any:
        """The state before the first step."""
        return self.direction.init(params)

    def step(
        self, gradient: Any, state: Any, params: Any, progress: Any = 0.0
    ) -> tuple[Any, Any]:
        """Parameters and state after one step."""
        rate = self.rate(progress) if callable(self.rate) else self.rate
        direction, state = self.direction.update(gradient, state, params)
        return jax.tree.map(lambda p, d: p - rate * d, params, direction), state


def adam(
    rate: float | Schedule, *, clip: float | None = None, epsilon: float = 1e-8
) -> Optimizer:
    """Adam, on gradients whose norm is cut to `clip`."""
    rule = optax.scale_by_adam(eps=epsilon)
    return _optimizer(rate, f"Adam, epsilon={epsilon}", clip, rule)


def rmsprop(
    rate: float | Schedule,
    *,
    clip: float | None = None,
    decay: float = 0.99,
    epsilon: float = 1e-5,
) -> Optimizer:
    """RMSProp, on gradients whose norm is cut to `clip`."""
    rule = optax.scale_by_rms(decay=decay, eps=epsilon)
    return _optimizer(rate, f"RMSProp, decay={decay}, epsilon={epsilon}", clip, rule)


def sgd(rate: float | Schedule = 1.0, *, clip: float | None = None) -> Optimizer:
    """The gradient itself."""
    return _optimizer(rate, "gradient", clip, optax.identity())


def polyak(target: Any, online: Any, rate: float) -> Any:
    """θ̄ + ρ (θ − θ̄) for every array of two networks; 0 < ρ ≤ 1."""
    if not 0 < rate <= 1:
        raise ValueError(f"a Polyak rate lies in (0, 1]; it is {rate}.")
    return jax.tree.map(lambda old, new: old + rate * (new - old), target, online)


def refreshed(target: Any, online: Any, updates: Any, every: int) -> Any:
    """θ where `updates`, counted from 1, is a multiple of `every` ≥ 1; else θ̄."""
    if every < 1:
        raise ValueError(f"a target is refreshed every 1 or more updates; it is {every}.")
    due = updates % every == 0
    return jax.tree.map(lambda old, new: jnp.where(due, new, old), target, online)


def _optimizer(rate: float | Schedule, words: str, clip: float | None, rule: Any) -> Optimizer:
    if clip is None:
        return Optimizer(rate, words, rule)
    if not clip > 0:
        raise ValueError(f"clip must be > 0, or None; it is {clip}.")
    both = optax.chain(optax.clip_by_global_norm(clip), rule)
    return Optimizer(rate, f"{words}, clip={clip}", both)
