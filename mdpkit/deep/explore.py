"""Exploration by noise in the choice: schedules, ε-greedy and softmax behavior.

    Linear         x(progress) = start + (stop − start) min(progress / until, 1)
    EpsilonGreedy  π(a|s) = (1−ε) 1{a greedy} + ε/|A(s)|      the greedy action may be drawn too
    Softmax        π(a|s) ∝ exp(q(s, a)/τ)

A behavior is called with (key, q, progress) and answers with actions. The second's policy is
that of `mdpkit.operators.aggregate.epsilon_greedy`: the greedy action is the lowest of equals.
Checked in tests/deep/test_explore.py. Source: Sutton & Barto (2018), §2.2 and §13.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from mdpkit.deep.heads import Categorical
from mdpkit.operators.aggregate import maximum


@dataclass(frozen=True)
class Linear:
    """From `start` to `stop` over the first part `until` of the training, then `stop`.

    until : in (0, 1], else ValueError; so are ends that are not finite
    """

    start: float
    stop: float
    until: float = 1.0

    def __post_init__(self):
        if not 0 < self.until <= 1:
            raise ValueError(f"until must lie in (0, 1]; it is {self.until}.")
        if not np.isfinite([self.start, self.stop]).all():
            raise ValueError(f"start and stop must be finite; got {self.start}, {self.stop}.")

    def __call__(self, progress: Any) -> Array:
        """The value at a progress in [0, 1], of its shape; exact at both ends."""
        over = jnp.clip(progress / self.until, 0, 1)
        return (1 - over) * self.start + over * self.stop


@dataclass(frozen=True)
class EpsilonGreedy:
    """Greedy but for a share ε of the time. epsilon : a number, or a function of the progress.

    Raises ValueError for ε outside [0, 1], as far as it is known.
    """

    epsilon: float | Callable[[Any], Any]

    def __post_init__(self):
        ends = self.epsilon
        _check_epsilon((ends.start, ends.stop) if isinstance(ends, Linear) else ends)

    def __call__(self, key: Array, q: Array, progress: Any) -> Array:
        """Actions (n,) int of values (n, A)."""
        epsilon = self.epsilon(progress) if callable(self.epsilon) else self.epsilon
        return epsilon_greedy(key, q, epsilon)


@dataclass(frozen=True)
class Softmax:
    """Softmax of the values. tau : the temperature > 0, in units of reward, else ValueError."""

    tau: float

    def __post_init__(self):
        if not self.tau > 0:
            raise ValueError(f"tau must be > 0; it is {self.tau}. Use EpsilonGreedy(0).")

    def __call__(self, key: Array, q: Array, progress: Any) -> Array:
        """Actions (n,) int of values (n, A)."""
        return Categorical(q / self.tau).sample(key)


def epsilon_greedy(key: Array, q: Array, epsilon: Any, *, mask: Any = None) -> Array:
    """Actions (n,) int: greedy with probability 1 − ε, else one of those allowed, all alike.

    q        (n, A)
    epsilon  in [0, 1], one number or (n,); else ValueError, if it is known
    mask     (n, A) or (A,) bool, which actions are allowed, at least one a row; None: all
    """
    _check_epsilon(epsilon)
    q = jnp.asarray(q)
    return chosen(jax.random.uniform(key, (2, q.shape[0]), q.dtype), q, epsilon, mask=mask)


def chosen(u: Array, q: Array, epsilon: Any, *, mask: Any = None) -> Array:
    """The choice as a function of two uniform numbers each, u : (2, n) in [0, 1).

    The first says whether, the second which: one number for both would leave few of its bits
    to tell the actions apart where ε is small.
    """
    mask = jnp.ones(q.shape, bool) if mask is None else jnp.broadcast_to(mask, q.shape)
    _, policy = maximum(q, mask)
    rank = jnp.cumsum(mask, axis=-1)  # of an allowed action among those allowed, from 1
    wanted = jnp.floor(u[1] * rank[:, -1]).astype(rank.dtype) + 1
    other = jnp.argmax(rank == wanted[:, None], axis=-1)
    return jnp.where(u[0] < epsilon, other, jnp.argmax(policy, axis=-1))


def _check_epsilon(epsilon: Any) -> None:
    if callable(epsilon) or isinstance(epsilon, Tracer):
        return
    share = np.asarray(epsilon)
    if not ((share >= 0) & (share <= 1)).all():
        raise ValueError(f"epsilon lies in [0, 1]; it is {epsilon}.")
