"""From a violation to one a person can read: fewer states and actions, then simpler numbers.

Everything happens on the tape, so that each candidate is a valid instance; a candidate is kept
only if it still violates the claim, re-checked exactly where the claim is rational.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from mdpkit.claim.draw import Block, Tape, discount, simpler

DENOMINATORS = (1, 2, 3, 4, 5, 10, 100, 1000)
DISCOUNTS = (Fraction(1, 2), Fraction(9, 10), Fraction(99, 100), Fraction(0))
"""From the easiest to read; γ = 0 is last, since it hides what the claim is about."""

INTEGERS = ("size", "integer", "flag")


def shrink(tape: Tape, still: Callable[[Tape], bool], seconds: float = 4.0) -> Tape:
    """The simplest tape found, by greedy passes, that `still` violates the claim."""
    deadline = time.thread_time() + seconds
    changed = True
    while changed and time.thread_time() < deadline:
        changed = False
        for candidates in (_shorter, _plainer_blocks, _plainer_entries):
            tape, moved = _pass(tape, candidates, still, deadline)
            changed |= moved
    return tape


def _pass(
    tape: Tape,
    candidates: Callable[[Tape], Iterator[Tape]],
    still: Callable[[Tape], bool],
    deadline: float,
) -> tuple[Tape, bool]:
    """Take the first candidate that still violates, until none does."""
    moved = False
    while time.thread_time() < deadline:
        for candidate in candidates(tape):
            if time.thread_time() > deadline:
                return tape, moved
            if still(candidate):
                tape, moved = candidate, True
                break
        else:
            break
    return tape, moved


def _shorter(tape: Tape) -> Iterator[Tape]:
    """Drop one index of one axis."""
    for i, block in enumerate(tape):
        if block.request.kind != "size" or int(block.data) <= block.request.low:
            continue
        axis, n = block.request.axes, int(block.data)
        for index in range(n):
            shorter = [_without(b, axis, index) for b in tape]
            shorter[i] = Block(block.request, np.asarray(n - 1))
            yield tuple(shorter)


def _without(block: Block, axis: str, index: int) -> Block:
    """A block without one index along an axis; next states are states."""
    data, twins = block.data, "st" if axis == "s" else axis
    for place, letter in enumerate(block.request.axes):
        long_enough = place < data.ndim and data.shape[place] > index
        if block.request.kind != "size" and letter in twins and long_enough:
            data = np.delete(data, index, axis=place)
    return Block(block.request._replace(shape=data.shape), data)


def _plainer_blocks(tape: Tape) -> Iterator[Tape]:
    """A whole block at its plainest, or in simpler fractions."""
    for i, block in enumerate(tape):
        kind = block.request.kind
        if kind == "size" or not block.data.size:
            continue
        for data in _plainer(block):
            if _cost(kind, data) < _cost(kind, block.data):
                yield (*tape[:i], Block(block.request, data), *tape[i + 1 :])


def _plainer(block: Block) -> Iterator[np.ndarray]:
    kind, data = block.request.kind, block.data
    if kind in INTEGERS:
        yield np.full(data.shape, block.request.low, dtype=np.int64)
        return
    if kind == "discount":
        yield from (_filled(data, x) for x in DISCOUNTS)
    else:
        yield _filled(data, Fraction(0))
        yield _filled(data, Fraction(1))
    read = discount if kind == "discount" else simpler
    for denominator in DENOMINATORS:
        yield _mapped(data, lambda x, d=denominator: read(x, d))


def _plainer_entries(tape: Tape) -> Iterator[Tape]:
    """One entry at 0 or ±1, or in simpler fractions."""
    for i, block in enumerate(tape):
        if block.request.kind in ("size", "discount"):
            continue
        for place in range(block.data.size):
            x = block.data.reshape(-1)[place]
            for plain in _plainer_entry(block, x):
                if _size(plain) < _size(x):
                    data = np.array(block.data, dtype=object)
                    data.reshape(-1)[place] = plain
                    if block.request.kind in INTEGERS:
                        data = data.astype(np.int64)
                    yield (*tape[:i], Block(block.request, data), *tape[i + 1 :])


def _plainer_entry(block: Block, x: object) -> Iterator[object]:
    if block.request.kind in INTEGERS:
        yield from range(int(block.request.low), int(x))  # pyright: ignore[reportArgumentType]
        return
    low = -1 if block.request.kind == "number" else 0
    yield from (Fraction(n) for n in (0, 1, low))
    yield from (simpler(x, d) for d in DENOMINATORS)


def _filled(data: np.ndarray, x: Fraction) -> np.ndarray:
    return np.full(data.shape, x, dtype=object)


def _mapped(data: np.ndarray, read: Callable[[object], Fraction]) -> np.ndarray:
    out = np.empty(data.shape, dtype=object)
    out.reshape(-1)[:] = [read(x) for x in data.reshape(-1).tolist()]
    return out


def _size(x: Any) -> tuple[int, int, int]:
    """How hard a number is to read: denominator, then numerator, then sign."""
    fraction = Fraction(x)
    return fraction.denominator, abs(fraction.numerator), int(fraction < 0)


def _cost(kind: str, data: np.ndarray) -> tuple[int, ...]:
    if kind == "discount" and Fraction(data.item()) in DISCOUNTS:
        return (DISCOUNTS.index(Fraction(data.item())) - len(DISCOUNTS), 0, 0)
    sizes = [_size(x) for x in data.reshape(-1).tolist()]
    return tuple(sum(part) for part in zip(*sizes, strict=True))
