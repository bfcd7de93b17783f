"""The fast seeded source of varied instances: floats, or small fractions.

It answers a generator's requests (`draw`) with the patterns in which bounds become tight:
extremal signs, constants, one nonzero entry, ties; and with rows of every kind.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from mdpkit.claim.draw import Request


class RandomSource:
    """A seeded source of varied instances: garnets, deterministic, ragged, tied, near γ = 1 …

    The mood (ties, branching, scale) is drawn once an instance, so that rewards and rows are
    tied together and whole models are deterministic. largest bounds every size.
    """

    def __init__(self, rng: np.random.Generator, largest: int | None = None):
        self.rng = rng
        self.largest = largest
        self.tied = rng.random() < 0.15
        self.spread = rng.choice(["dirichlet", "garnet", "one", "permutation", "integers"])

    def __call__(self, request: Request, exact: bool) -> np.ndarray:
        """Answer one request."""
        answer = {
            "size": self._size,
            "integer": self._integer,
            "flag": self._flag,
            "number": self._number,
            "weight": self._weight,
            "discount": self._discount,
        }[request.kind]
        data = np.asarray(answer(request, exact))
        if self.tied and request.axes[:2] == "sa" and data.shape[1] > 1:
            data = data.copy()
            data[:, 1] = data[:, 0]
        if not exact or request.kind in ("size", "integer", "flag"):
            return data
        return _fractions(data, self.rng)

    def _size(self, request: Request, exact: bool) -> np.ndarray:
        high = request.high if self.largest is None else min(request.high, self.largest)
        return np.asarray(self.rng.integers(request.low, max(request.low, high) + 1))

    def _integer(self, request: Request, exact: bool) -> np.ndarray:
        return np.asarray(self.rng.integers(request.low, request.high + 1, request.shape))

    def _flag(self, request: Request, exact: bool) -> np.ndarray:
        if self.rng.random() < 0.75:
            return np.zeros(request.shape, dtype=np.int64)
        return (self.rng.random(request.shape) < 0.35).astype(np.int64)

    def _discount(self, request: Request, exact: bool) -> np.ndarray:
        low, high = float(request.low), float(request.high)
        near = 1 - 10.0 ** -int(self.rng.integers(1, 4 if exact else 6))
        some = self.rng.choice([0.0, 0.5, 0.9, 0.99, near, self.rng.uniform(low, high)])
        return np.asarray(min(max(some, low), high))

    def _number(self, request: Request, exact: bool) -> np.ndarray:
        rng, shape = self.rng, request.shape
        if request.low is not None and request.high is not None:
            part = rng.integers(0, 2, shape) if rng.random() < 0.3 else rng.random(shape)
            return float(request.low) + (float(request.high) - float(request.low)) * part
        data = _pattern(rng, shape)
        if rng.random() < 0.5:
            data = data * (request.scale if rng.random() < 0.7 else 10.0 ** rng.uniform(-2, 2))
        if request.low is not None:
            return float(request.low) + abs(data)
        return data if request.high is None else float(request.high) - abs(data)

    def _weight(self, request: Request, exact: bool) -> np.ndarray:
        rng, shape = self.rng, request.shape
        n = shape[-1] if shape else 1
        if self.spread == "integers" or exact:
            data = rng.integers(0, 3, shape).astype(float)
            if self.spread == "integers":
                return data
        else:
            data = rng.gamma(rng.choice([0.1, 1.0, 5.0]), size=shape) + 1e-300
        if self.spread == "one":
            return np.eye(n)[rng.integers(n, size=shape[:-1])]
        if self.spread == "permutation" and len(shape) > 1 and shape[0] == n:
            orders = [rng.permutation(n) for _ in range(math.prod(shape[1:-1]))]
            rows = np.stack([np.eye(n)[order] for order in orders], axis=1)
            return rows.reshape(shape)
        if self.spread == "garnet":
            kept = rng.random(shape).argsort(axis=-1) < max(1, int(rng.integers(1, n + 1)))
            return data * kept
        return data


def _pattern(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in one of the patterns in which bounds become tight, or of no pattern."""
    style = rng.integers(6)
    if style == 0:
        return rng.integers(-3, 4, shape).astype(float)
    if style == 1:
        return rng.choice([-1.0, 1.0], shape)
    if style == 2:
        return np.full(shape, rng.normal())
    if style == 3:
        return rng.normal(size=shape) * (rng.random(shape) < 0.4)
    return rng.normal(size=shape) if style == 4 else rng.uniform(-1, 1, shape)


def _fractions(data: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The nearest fractions of a small denominator, at most 10⁴ near 1."""
    denominator = int(rng.choice([1, 2, 3, 4, 10]))
    out = np.empty(data.shape, dtype=object)
    out.reshape(-1)[:] = [_near(x, denominator) for x in data.reshape(-1).tolist()]
    return out


def _near(x: float, denominator: int) -> Fraction:
    if 0.9 <= x < 1:  # discounts: 99/100 must not become 1
        return Fraction(x).limit_denominator(10_000)
    return Fraction(x).limit_denominator(denominator)
