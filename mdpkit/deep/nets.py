"""Networks: what turns observations into numbers, with any leading axes.

    Table      y = values[s]                                  observations are states, ints
    MLP        y = φ(… φ(x W₁ + b₁) …) W_L + b_L              φ the activation
    Dueling    q = V + A − mean_a A,   (V, A) = trunk(x)     its parts are known: V = mean q
    Ensemble   y_i = net_i(x), i = 1 … k                      a new leading axis
    Recurrent  h_t = GRU(x_t, h_{t−1}), y_t = h_t W + b       h restarts behind a boundary

A table is a network like any other: on one an algorithm computes what its theory says, and its
exact answer is known. Checked in tests/deep/test_nets.py.
Source: Wang et al. (2016) for Dueling; Cho et al. (2014) for the GRU; Saxe, McClelland &
Ganguli (2014) for orthogonal weights.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from mdpkit.envs.spaces import Box, Discrete


class Table(eqx.Module):
    """One row of numbers a state. values : (S, K)."""

    values: Array

    def __call__(self, state: Array) -> Array:
        """y."""
        return self.values[state]


class MLP(eqx.Module):
    """Fully connected layers. weights[i] : (n_i, n_{i+1}), biases[i] : (n_{i+1},)."""

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __call__(self, x: Array) -> Array:
        """y."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = self.activation(x @ weight + bias)
        return x @ self.weights[-1] + self.biases[-1]


class Dueling(eqx.Module):
    """q = V + A − mean A of a trunk with 1 + A outputs, V first."""

    trunk: Any

    def __call__(self, x: Array) -> Array:
        """y."""
        y = self.trunk(x)
        value, advantage = y[..., :1], y[..., 1:]
        return value + advantage - advantage.mean(axis=-1, keepdims=True)


class Ensemble(eqx.Module):
    """k networks of one kind side by side; the answer has their axis first."""

    members: Any

    def __call__(self, *x: Array) -> Array:
        """y."""
        return jax.vmap(lambda member: member(*x))(self.members)


class ActionValue(eqx.Module):
    """q(x, a) of a network that is given both. action : (…, m)."""

    net: Any

    def __call__(self, x: Array, action: Array) -> Array:
        """y."""
        return self.net(jnp.concatenate([x, action], axis=-1))[..., 0]


class Recurrent(eqx.Module):
    """A GRU over time and a linear layer behind it; time is the first axis."""

    cell: eqx.nn.GRUCell
    last: MLP

    def __call__(self, x: Array, boundary: Array, hidden: Array) -> tuple[Array, Array]:
        """Outputs (T, n, K) and the last hidden state (n, H).

        x : (T, n, d); boundary : (T, n) bool, the episode ended or was cut behind row t, so
        that row t + 1 begins with an empty memory; hidden : (n, H) before the first row.
        """

        def step(h: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
            observed, cut = row
            h = jax.vmap(self.cell)(observed, h)
            return jnp.where(cut[:, None], 0 * h, h), h

        hidden, seen = jax.lax.scan(step, hidden, (x, boundary))
        return self.last(seen), hidden


def table(n_states: int, outputs: int, dtype: Any = None) -> Table:
    """A table of zeros."""
    return Table(jnp.zeros((n_states, outputs), dtype))


def mlp(
    key: Any,
    sizes: tuple[int, ...],
    *,
    activation: Callable[[Array], Array] = jax.nn.relu,
    last: float = 1.0,
    dtype: Any = None,
) -> MLP:
    """Orthogonal weights, scaled by √2, and by `last` in the last layer; biases 0.

    sizes : numbers of inputs, of units in each hidden layer, of outputs.
    """
    shapes = list(pairwise(sizes))
    ends = list(accumulate(n * m for n, m in shapes))
    # Drawn at once: a compiler is at work for a third of a second for each draw.
    noise = jnp.split(jax.random.normal(key, ends[-1:], dtype), ends[:-1])
    scales = [2**0.5] * (len(shapes) - 1) + [last]
    matrices = _orthogonal([x.reshape(shape) for x, shape in zip(noise, shapes, strict=True)])
    weights = tuple(scale * w for scale, w in zip(scales, matrices, strict=True))
    return MLP(weights, tuple(jnp.zeros(n, dtype) for n in sizes[1:]), activation)


def _orthogonal(noise: list[Array]) -> list[Array]:
    """Uniform among matrices with WᵀW = 1, or WWᵀ = 1 if wider than tall, of normal noise.

    Gram–Schmidt, each column twice, all matrices in one loop. LAPACK's QR of a batch waits in a
    thread of the pool for other threads of the pool: two of them, on two cores, wait for ever.
    """
    tall = [x if x.shape[0] >= x.shape[1] else x.T for x in noise]
    n, m = (max(x.shape[axis] for x in tall) for axis in (0, 1))
    padded = [jnp.pad(x, ((0, n - x.shape[0]), (0, m - x.shape[1]))) for x in tall]

    def turned(j: Array, q: Array) -> Array:
        before, v = jnp.where(jnp.arange(m) < j, q, 0), q[:, :, j, None]
        for _ in range(2):  # what rounding leaves of the others goes the second time
            v = v - before @ (before.mT @ v)
        length = jnp.sqrt((v**2).sum(axis=1, keepdims=True))
        return q.at[:, :, j].set((v / jnp.where(length > 0, length, 1))[..., 0])

    done = jax.lax.fori_loop(0, m, turned, jnp.stack(padded))
    square = [q[: x.shape[0], : x.shape[1]] for q, x in zip(done, tall, strict=True)]
    return [q if q.shape == x.shape else q.T for q, x in zip(square, noise, strict=True)]


def recurrent(key: Any, inputs: int, hidden: int, outputs: int, dtype: Any = None) -> Recurrent:
    """A GRU with `hidden` units."""
    first, second = jax.random.split(key)
    cell = eqx.nn.GRUCell(inputs, hidden, key=first, dtype=dtype)
    return Recurrent(cell, mlp(second, (hidden, outputs), dtype=dtype))


def ensemble(make: Callable[[Any], Any], key: Any, k: int) -> Ensemble:
    """k networks that `make(key)` builds from k keys."""
    return Ensemble(eqx.filter_vmap(make)(jax.random.split(key, k)))


def network(
    key: Any,
    space: Discrete | Box,
    outputs: int,
    *,
    widths: tuple[int, ...] = (64, 64),
    activation: Callable[[Array], Array] = jax.nn.relu,
    last: float = 1.0,
    dtype: Any = None,
) -> Table | MLP:
    """The network that fits a space of observations: a table for states, an MLP for vectors.

    Raises TypeError for observations of two axes or more, which need a network of their own.
    """
    if isinstance(space, Discrete):
        return table(space.n, outputs, dtype)
    return mlp(
        key, (features(space), *widths, outputs), activation=activation, last=last, dtype=dtype
    )


def features(space: Discrete | Box) -> int:
    """How many numbers an observation has. TypeError unless it is a vector."""
    if isinstance(space, Discrete) or space.low.ndim != 1:
        what = "states" if isinstance(space, Discrete) else f"of shape {space.low.shape}"
        raise TypeError(
            f"observations are {what}, not vectors. Flatten them, or build your own network."
        )
    return space.low.size
