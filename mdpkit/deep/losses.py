"""Losses on a weighted batch: Σ_i w_i φ(y_i − q_i), the target y held fixed.

    half_square   φ(x) = ½x²
    huber(κ)      φ(x) = ½x² where |x| ≤ κ, else κ(|x| − ½κ):     φ' = clip(x, ±κ)
    expectile(ℓ)  φ(x) = ½|ℓ − 1{x < 0}| x²

With weights ρ(s,a) P(t|s,a) and a table, −∂L/∂Q(s,a) = ρ E φ'(y − Q), so the gradient of ½x²
is an operator: Q − ∇L/ρ = E y. Checked in proofs_checks/lifting and tests/deep/test_losses.py.
Source: Mnih et al. (2015); Kostrikov, Nair & Levine (2022) for the expectile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

Penalty = Callable[[Array], Array]


def regression(
    prediction: Array, target: Array, weight: Array, penalty: Penalty | None = None
) -> Array:
    """Σ w φ(y − q), a number. prediction, target, weight : (n,); φ is ½x² if None.

    Raises ValueError unless the three have one shape: (n, 1) beside (n,) would pair each row
    with all.
    """
    if not prediction.shape == target.shape == weight.shape:
        raise ValueError(
            f"predictions {prediction.shape}, targets {target.shape} and weights "
            f"{weight.shape} must have one shape."
        )
    error = jax.lax.stop_gradient(target) - prediction
    return (weight * (half_square if penalty is None else penalty)(error)).sum()


def half_square(x: Array) -> Array:
    """½x²."""
    return x**2 / 2


def huber(kappa: float) -> Penalty:
    """½x² near 0, κ(|x| − ½κ) beyond κ > 0: the error is clipped, not the loss."""
    if not kappa > 0:
        raise ValueError(f"kappa must be > 0; it is {kappa}.")
    return partial(_huber, kappa)


def expectile(level: float) -> Penalty:
    """½|ℓ − 1{x < 0}| x², whose minimizer is the ℓ-expectile of the targets; 0 < ℓ < 1."""
    if not 0 < level < 1:
        raise ValueError(f"an expectile's level lies in (0, 1); it is {level}.")
    return partial(_expectile, level)


def _huber(kappa: float, x: Array) -> Array:
    inside = jnp.clip(x, -kappa, kappa)
    return inside * (x - inside / 2)


def _expectile(level: float, x: Array) -> Array:
    return jnp.where(x < 0, 1 - level, level) * x**2 / 2


def taken(q: Array, action: Array) -> Any:
    """q(s, a) of the actions taken: (…, n) of (…, n, A) and ints (n,)."""
    index = jnp.broadcast_to(action, q.shape[:-1])[..., None]
    return jnp.take_along_axis(q, index, axis=-1)[..., 0]
