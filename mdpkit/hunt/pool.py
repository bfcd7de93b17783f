"""The instances a claim is tried on: drawn once, shared by the claims that quantify alike."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from mdpkit.claim.declare import draw_instance, random_instance
from mdpkit.claim.draw import Draw, Replay, Tape
from mdpkit.claim.quantify import Quantifier
from mdpkit.claim.random_source import RandomSource

SMALL = 3
"""Sizes in the hunt: bounds are attained on two or three states."""


class Sample(NamedTuple):
    """An instance, and the tape from which it can be drawn again, changed or not."""

    instance: tuple
    tape: Tape
    exact: bool


Signature = tuple[tuple[str, Quantifier], ...]


def signature(quantifiers: Mapping[str, Quantifier]) -> Signature:
    """The quantifiers as a key."""
    return tuple(quantifiers.items())


@lru_cache(maxsize=256)
def exact_pool(quantifiers: Signature, n: int, seed: int) -> tuple[Sample, ...]:
    """n exact instances; by Hypothesis where it is installed, half of them."""
    if not quantifiers:
        return (Sample((), (), True),)
    rng = np.random.default_rng([seed, n])
    found = [_random(quantifiers, rng, True) for _ in range(n // 2)]
    return (*_by_hypothesis(quantifiers, n - n // 2, seed, rng), *found)


def _by_hypothesis(
    quantifiers: Signature, n: int, seed: int, rng: np.random.Generator
) -> list[Sample]:
    try:
        from mdpkit.strategies import collect
    except ImportError:  # the extra [verify] is not installed: fewer corner cases
        return [_random(quantifiers, rng, True) for _ in range(n)]
    drawn = collect(dict(quantifiers), n, seed)
    return [Sample(instance, tape, True) for instance, tape in drawn]


@lru_cache(maxsize=256)
def float_pool(quantifiers: Signature, n: int, seed: int) -> tuple[Sample, ...]:
    """n float instances."""
    if not quantifiers:
        return (Sample((), (), False),)
    rng = np.random.default_rng([seed, n, 1])
    return tuple(_random(quantifiers, rng, False) for _ in range(n))


def _random(quantifiers: Signature, rng: np.random.Generator, exact: bool) -> Sample:
    largest = None if rng.random() < 0.7 else SMALL
    source = RandomSource(rng, largest)
    instance, draw = random_instance(dict(quantifiers), source, exact)
    return Sample(instance, draw.tape, exact)


def small_sample(quantifiers: Mapping[str, Quantifier], rng: np.random.Generator) -> Sample:
    """A small float instance, from which a hunt may start."""
    instance, draw = random_instance(quantifiers, RandomSource(rng, SMALL), False)
    return Sample(instance, draw.tape, False)


def redraw(
    quantifiers: Mapping[str, Quantifier],
    tape: Tape,
    exact: bool,
    denominator: int | None = None,
) -> Sample:
    """The instance of a tape, on floats or rationalized."""
    draw = Draw(Replay(tape, denominator), exact)
    instance: tuple[Any, ...] = draw_instance(quantifiers, draw)
    return Sample(instance, draw.tape, exact)
