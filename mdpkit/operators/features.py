"""Features: what a linear value function sees of a state, v_w(s) = Σ_k w_k φ_k(s).

    one-hot         φ_k(s) = 1{s = k}: a table
    aggregation     φ_k(s) = 1{s in group k}: piecewise constant
    hats            the weights of linear interpolation between knots; they sum to 1
    polynomial      x₁^{i₁} … x_d^{i_d}, every i ≤ order, x scaled to [−1, 1]
    radial basis    e^{−‖x − c_k‖²/2σ²}, and a constant
    Fourier         cos(π i·x), i in {0, …, order}^d, x scaled to [0, 1]

Each is a function of points, (n,) or (n, d) → Φ (n, K). Of a model the points are the states'
numbers; of a Gymnasium environment its observations. For actions a block of K weights each,
φ(s,a) = e_a ⊗ φ(s). Tiles are in `tile_coding`. Checked in tests/operators/test_features.py.
Source: Sutton & Barto (2018), §9.5; Konidaris, Osentoski & Thomas (2011).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from mdpkit.mdp import MDP

Map = Callable[[Any], np.ndarray]
"""Points (n,) or (n, d) → features (n, K)."""


@dataclass(frozen=True)
class OneHot:
    """A weight of its own for each of n states."""

    n: int

    @property
    def size(self) -> int:
        """K."""
        return self.n

    def __call__(self, x: Any) -> np.ndarray:
        """Φ. x : state numbers."""
        return (_whole(x, self.n)[:, None] == np.arange(self.n)).astype(float)


@dataclass(frozen=True)
class Aggregation:
    """Neighboring states share a weight: n states in `groups` groups, as equal as may be."""

    n: int
    groups: int

    def __post_init__(self):
        if not 1 <= self.groups <= self.n:
            raise ValueError(f"groups must lie in 1 … {self.n}; it is {self.groups}.")

    @property
    def size(self) -> int:
        """K."""
        return self.groups

    def __call__(self, x: Any) -> np.ndarray:
        """Φ. x : state numbers."""
        group = _whole(x, self.n) * self.groups // self.n
        return (group[:, None] == np.arange(self.groups)).astype(float)


@dataclass(frozen=True)
class Hats:
    """Linear interpolation between increasing knots; constant beyond the first and the last."""

    knots: tuple[float, ...]

    def __post_init__(self):
        if len(self.knots) < 2 or not (np.diff(self.knots) > 0).all():
            raise ValueError(f"knots must be two or more and increase; they are {self.knots}.")

    @property
    def size(self) -> int:
        """K."""
        return len(self.knots)

    def __call__(self, x: Any) -> np.ndarray:
        """Φ. x : points on the line."""
        x, unit = points(x, 1)[:, 0], np.eye(self.size)
        return np.stack([np.interp(x, self.knots, hat) for hat in unit], axis=1)


@dataclass(frozen=True)
class Polynomial:
    """All monomials with every exponent ≤ order, (order + 1)^d of them.

    low, high   d numbers each, or one: what is scaled to −1 and 1; the span does not depend on
                it, the condition of the equations for w does
    """

    order: int
    low: Any
    high: Any

    @property
    def size(self) -> int:
        """K."""
        return (self.order + 1) ** np.size(self.low)

    def __call__(self, x: Any) -> np.ndarray:
        """Φ. x : points in the box low … high."""
        x = 2 * in_unit_box(x, self.low, self.high) - 1
        powers = _exponents(self.order, x.shape[1])
        return (x[:, None, :] ** powers).prod(axis=2)


@dataclass(frozen=True, eq=False)
class RadialBasis:
    """A bump at each center, and a constant.

    centers  (K − 1,) or (K − 1, d)     width  σ > 0 of all, in the units of the points
    """

    centers: Any
    width: float

    def __post_init__(self):
        if not self.width > 0:
            raise ValueError(f"width must be > 0; it is {self.width}.")

    @property
    def size(self) -> int:
        """K."""
        return np.shape(self.centers)[0] + 1

    def __call__(self, x: Any) -> np.ndarray:
        """Φ, the constant last. x : points."""
        centers = np.asarray(self.centers, dtype=float).reshape(np.shape(self.centers)[0], -1)
        x = points(x, centers.shape[1])
        apart = ((x[:, None, :] - centers) ** 2).sum(axis=2)
        return np.hstack([np.exp(-apart / (2 * self.width**2)), np.ones((len(x), 1))])


@dataclass(frozen=True)
class Fourier:
    """Cosines of all frequencies ≤ order in each dimension, (order + 1)^d of them.

    low, high   d numbers each, or one: the box that is scaled to [0, 1]
    """

    order: int
    low: Any
    high: Any

    @property
    def size(self) -> int:
        """K."""
        return (self.order + 1) ** np.size(self.low)

    def __call__(self, x: Any) -> np.ndarray:
        """Φ. x : points in the box low … high."""
        x = in_unit_box(x, self.low, self.high)
        return np.cos(np.pi * x @ _exponents(self.order, x.shape[1]).T)


# ---- tables ----------------------------------------------------------------------------------


class Active(NamedTuple):
    """The rows of Φ by their nonzero entries, as kernels take them.

    row_ptr (n + 1,) where each row begins, columns (nnz,) features, values (nnz,)
    """

    row_ptr: np.ndarray
    columns: np.ndarray
    values: np.ndarray


def active(table: Any) -> Active:
    """The nonzero entries of a table (n, K), row by row."""
    row, columns = np.nonzero(table)
    ptr = np.searchsorted(row, np.arange(len(table) + 1))
    return Active(
        ptr.astype(np.int64), columns.astype(np.int64), np.asarray(table)[row, columns]
    )


def state_features(features: Any, n_states: int) -> np.ndarray:
    """Φ (S, K). features : a function of the states' numbers, or the table itself.

    Raises ValueError unless it is (S, K), K ≥ 1, and finite. Exact numbers are kept.
    """
    return _table(features(np.arange(n_states)) if callable(features) else features, n_states)


def pair_features(mdp: MDP, features: Any) -> np.ndarray:
    """Φ (pairs, A·K): a block of K for each action, filled with the state's features.

    features : a function of the states' numbers, or a table (S, K).
    """
    phi = state_features(features, mdp.n_states)
    out = np.zeros((mdp.n_pairs, mdp.n_actions, phi.shape[1]), dtype=phi.dtype)
    out[np.arange(mdp.n_pairs), mdp.pair_actions] = phi[mdp.pair_states]
    return out.reshape(mdp.n_pairs, -1)


def _table(table: Any, n: int) -> np.ndarray:
    table = np.asarray(table)
    if table.dtype != np.dtype(object):
        table = table.astype(float, copy=False)
    if table.ndim != 2 or len(table) != n or table.shape[1] < 1:
        raise ValueError(f"features have shape {table.shape}; ({n}, K) is needed.")
    if table.dtype == float and not np.isfinite(table).all():
        row, k = np.argwhere(~np.isfinite(table))[0]
        raise ValueError(f"features[{row}, {k}] is {table[row, k]}; features must be finite.")
    return table


def points(x: Any, d: int) -> np.ndarray:
    """Points as (n, d)."""
    x = np.asarray(x, dtype=float)
    x = x[:, None] if x.ndim == 1 and d == 1 else x
    if x.ndim != 2 or x.shape[1] != d:
        raise ValueError(f"points have shape {x.shape}; (n, {d}) is needed.")
    if not np.isfinite(x).all():
        raise ValueError(
            f"points must be finite; point {x[~np.isfinite(x).all(axis=1)][0]} is not."
        )
    return x


def in_unit_box(x: Any, low: Any, high: Any) -> np.ndarray:
    """Points of the box low … high in the unit box."""
    low, high = np.atleast_1d(low).astype(float), np.atleast_1d(high).astype(float)
    if low.shape != high.shape or not (low < high).all() or not np.isfinite(high - low).all():
        raise ValueError(f"low must be finite and below high; they are {low} and {high}.")
    return (points(x, low.size) - low) / (high - low)


def _whole(x: Any, n: int) -> np.ndarray:
    """State numbers in 0 … n − 1."""
    x = np.asarray(x)
    if x.ndim != 1 or x.dtype.kind not in "iu" or ((x < 0) | (x >= n)).any():
        raise ValueError(f"states must be whole numbers in 0 … {n - 1}, (n,).")
    return x


def _exponents(order: int, d: int) -> np.ndarray:
    """{0, …, order}^d, one a row."""
    if order < 0:
        raise ValueError(f"order must be ≥ 0; it is {order}.")
    return np.array(list(product(range(order + 1), repeat=d)))
