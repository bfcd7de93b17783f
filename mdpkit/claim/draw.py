"""Where instances come from: a generator asks for numbers, a source answers, a tape remembers.

A quantifier is written once, against `Draw`. What answers it may be a random source (floats or
small fractions), Hypothesis, or a tape: the answers recorded before, edited by the hunt or by
the shrinker. So one generator serves random testing, adversarial search, rationalizing and
shrinking, and every edited tape still yields a model whose rows sum to exactly 1.

Axes are letters: "s" states, "t" next states (as many), "a" actions; others are the author's.
Source: the choice sequences of Hypothesis (MacIver & Donaldson 2020). Checked in tests/claim.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import read_only

LARGEST_DISCOUNT = Fraction(999_999, 1_000_000)
"""H ≤ 10⁶: above it, float64 claims say nothing."""


class Request(NamedTuple):
    """What a generator asks for: an array of one kind.

    kind   "size", "integer", "flag" (0 is the plain case), "number", "weight" or "discount"
    """

    kind: str
    axes: str
    shape: tuple[int, ...]
    low: Any
    high: Any
    scale: float


class Block(NamedTuple):
    """One answer on a tape: the request, and the raw numbers (floats, or fractions)."""

    request: Request
    data: np.ndarray


Tape = tuple[Block, ...]
Source = Callable[[Request, bool], np.ndarray]


class Draw:
    """Hands a generator its numbers, and keeps the tape.

    source   answers requests with raw numbers
    exact    numbers are handed on as exact rationals (`fmpq`), else as floats
    """

    def __init__(self, source: Source, exact: bool):
        self.source = source
        self.exact = exact
        self.sizes: dict[str, int] = {}
        self._blocks: list[Block] = []

    @property
    def tape(self) -> Tape:
        """The answers so far."""
        return tuple(self._blocks)

    def size(self, axis: str, low: int = 1, high: int = 4) -> int:
        """How long an axis is; drawn once, from low … high."""
        if axis not in self.sizes:
            n = int(self._ask("size", axis, (), low, high, 1.0))
            self.sizes[axis] = n
            if axis == "s":
                self.sizes["t"] = n
        return self.sizes[axis]

    def integer(self, low: int, high: int) -> int:
        """One integer, low … high; shrinks towards low."""
        return int(self._ask("integer", "", (), low, high, 1.0))

    def integers(self, axes: str, low: int, high: int) -> np.ndarray:
        """Integers low … high over the axes."""
        return self._ask("integer", axes, self._shape(axes), low, high, 1.0).astype(np.int64)

    def flags(self, axes: str) -> np.ndarray:
        """Booleans over the axes, mostly False; shrinks towards False."""
        return self._ask("flag", axes, self._shape(axes), 0, 1, 1.0).astype(bool)

    def number(self, low: Any = None, high: Any = None, scale: float = 1.0) -> Any:
        """One number; see `numbers`."""
        return self.numbers("", low, high, scale)[()]

    def numbers(
        self, axes: str, low: Any = None, high: Any = None, scale: float = 1.0
    ) -> np.ndarray:
        """Numbers over the axes, within [low, high]; `scale` is a size worth trying."""
        data = self._ask("number", axes, self._shape(axes), low, high, scale)
        return self._typed(_clip(data, low, high))

    def weights(self, axes: str) -> np.ndarray:
        """Numbers ≥ 0 over the axes; they need not sum to 1."""
        data = self._ask("weight", axes, self._shape(axes), 0, None, 1.0)
        return self._typed(_clip(data, 0, None))

    def distribution(self, axes: str, full: bool = False) -> np.ndarray:
        """Distributions over the last axis; `full` mixes in a tenth of the uniform one."""
        return normalized(self.weights(axes), full)

    def discount(self, low: Any = 0, high: Any = LARGEST_DISCOUNT) -> Any:
        """A discount factor in [low, high]."""
        data = self._ask("discount", "", (), low, high, 1.0)
        return self._typed(_clip(data, low, high))[()]

    def _shape(self, axes: str) -> tuple[int, ...]:
        return tuple(self.size(axis) for axis in axes)

    def _ask(
        self, kind: str, axes: str, shape: tuple[int, ...], low: Any, high: Any, scale: float
    ) -> np.ndarray:
        request = Request(kind, axes, shape, low, high, scale)
        data = self.source(request, self.exact)
        if kind in ("size", "integer", "flag"):
            data = np.asarray(np.clip(data.astype(np.int64), low, max(low, high)))
        self._blocks.append(Block(request, data))
        return data

    def _typed(self, data: np.ndarray) -> np.ndarray:
        if not self.exact:
            return read_only(data.astype(float))
        from mdpkit._exact import rational

        out = np.empty(data.shape, dtype=object)
        out.reshape(-1)[:] = [rational(x) for x in data.reshape(-1).tolist()]
        return read_only(out)


def _clip(data: np.ndarray, low: Any, high: Any) -> np.ndarray:
    if data.dtype == np.dtype(object):
        low = None if low is None else Fraction(low)
        high = None if high is None else Fraction(high)
    else:
        low = None if low is None else float(low)
        high = None if high is None else float(high)
    data = data if low is None else np.maximum(data, low)
    return np.asarray(data if high is None else np.minimum(data, high))


def normalized(weights: np.ndarray, full: bool = False) -> np.ndarray:
    """Weights ≥ 0 as distributions over the last axis; a row of zeros goes to index 0."""
    weights, one = weights.copy(), _one(weights)
    total = weights.sum(axis=-1)
    empty = np.asarray(total == 0)
    weights[..., 0] = np.where(empty, one, weights[..., 0])
    p = weights / np.where(empty, one, total)[..., None]
    return (9 * p + one / p.shape[-1]) / 10 if full else p


def _one(like: np.ndarray) -> Any:
    if like.dtype != np.dtype(object):
        return 1.0
    from mdpkit._exact import rational

    return rational(1)


# ---- tapes -----------------------------------------------------------------------------------


class Replay:
    """A source that answers from a tape, block by block; where it does not fit, the simplest.

    denominator   for exact draws from float tapes: the largest denominator; None at their word
    """

    def __init__(self, tape: Sequence[Block], denominator: int | None = None):
        self._queue = list(tape)
        self._denominator = denominator

    def __call__(self, request: Request, exact: bool) -> np.ndarray:
        """Answer one request."""
        data = self._next(request)
        if request.kind in ("size", "integer", "flag"):
            return data
        if not exact:
            return data.astype(float)
        out = np.empty(data.shape, dtype=object)
        read = discount if request.kind == "discount" else simpler
        out.reshape(-1)[:] = [read(x, self._denominator) for x in data.reshape(-1).tolist()]
        return out

    def _next(self, request: Request) -> np.ndarray:
        for i, block in enumerate(self._queue):
            if (block.request.kind, block.request.axes) == (request.kind, request.axes):
                del self._queue[: i + 1]
                return _fitted(block.data, request)
        return _fitted(np.zeros((0,) * len(request.shape)), request)


def simpler(x: Any, denominator: int | None) -> Fraction:
    """A number as a fraction, at its word or the nearest of bounded denominator."""
    x = Fraction(x)
    return x if denominator is None else x.limit_denominator(denominator)


def discount(x: Any, denominator: int | None) -> Fraction:
    """As `simpler`, but what is below 1 stays below 1."""
    near = simpler(x, denominator)
    while denominator is not None and near >= 1 > x:
        denominator *= 10
        near = simpler(x, denominator)
    return near


def _fitted(data: np.ndarray, request: Request) -> np.ndarray:
    """The data cut or padded to the shape asked for."""
    if data.shape == request.shape:
        return data
    fill = max(0, request.low or 0)
    out = np.full(request.shape, fill, dtype=data.dtype)
    if data.ndim == len(request.shape):
        common = tuple(slice(min(n, m)) for n, m in zip(data.shape, out.shape, strict=True))
        out[common] = data[common]
    return out
