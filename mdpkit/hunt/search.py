"""The adversary: a derivative-free climb over an instance's numbers, towards lhs ≥ rhs.

A move changes the tape (r, v, P's weights, γ, π …): a coordinate, a block, a sign pattern, a
tie between two entries, a row made deterministic, a flag. The step length adapts by the
one-fifth rule, so that the climb can follow a cliff (a tie of two actions) to its edge.
Random models stay far from most bounds; this search attains them.

Source: Rechenberg (1973), the one-fifth rule. Checked in tests/meta.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mdpkit.claim.draw import Block, Tape

Objective = Callable[[Tape], float]

PATIENCE = 300
"""Moves without progress after which a climb starts anew."""

RARELY = {"integer": 0.02, "flag": 0.02}
"""Structure moves less often than numbers."""

ATTAINED = -1e-9
"""A climb ends where the bound is attained: only another one may go beyond it."""

FRESH = 8
"""Random tapes, of which the best is climbed from."""


class Found(NamedTuple):
    """Where a search ended."""

    tape: Tape
    score: float
    evaluations: int


class _Budget:
    """Counts evaluations and seconds of work (not of the clock), and remembers the best."""

    def __init__(self, objective: Objective, evaluations: int | None, seconds: float | None):
        self.objective = objective
        self.left = evaluations if evaluations is not None else 1 << 60
        self.deadline = None if seconds is None else time.thread_time() + seconds
        self.best: Found | None = None
        self.used = 0

    def score(self, tape: Tape) -> float:
        value = self.objective(tape)
        self.used += 1
        if self.best is None or value > self.best.score:
            self.best = Found(tape, value, self.used)
        return value

    def spent(self, enough: float) -> bool:
        late = self.deadline is not None and time.thread_time() > self.deadline
        done = self.best is not None and self.best.score > enough
        return self.used >= self.left or late or done


def hunt(
    objective: Objective,
    fresh: Callable[[], Tape],
    rng: np.random.Generator,
    *,
    starts: tuple[Tape, ...] = (),
    evaluations: int | None = None,
    seconds: float | None = None,
    enough: float = 1e-9,
) -> Found:
    """Climb from each of `starts`, then from the best of a few fresh tapes, again and again.

    Ends when the score exceeds `enough` (a violation), or the budget is spent.
    """
    budget = _Budget(objective, evaluations, seconds)
    queue = list(starts)
    while budget.best is None or not budget.spent(enough):
        if queue:
            tape = queue.pop(0)
            score = budget.score(tape)
        else:
            some = [fresh() for _ in range(FRESH)]
            scores = [budget.score(tape) for tape in some]
            score = max(scores)
            tape = some[scores.index(score)]
        _climb(budget, tape, score, rng, enough)
    return Found(budget.best.tape, budget.best.score, budget.used)


def _climb(
    budget: _Budget, tape: Tape, score: float, rng: np.random.Generator, enough: float
) -> None:
    step, idle, ahead = 0.3, 0, None
    while idle < PATIENCE and not (budget.spent(enough) or ATTAINED < score <= enough):
        # What has just helped is tried again, further.
        moved = ahead if ahead is not None else _move(tape, step, rng)
        value = budget.score(moved)
        if value > score:
            idle = 0 if value > score + 1e-4 * abs(score) else idle + 1
            ahead = _further(tape, moved)
            tape, score = moved, value
            step = min(step * 1.6, 1.0)
        else:
            # One success in five keeps the step; at its shortest it starts over.
            step = step if ahead is not None else (step * 0.89 if step > 1e-5 else 0.3)
            idle, ahead = idle + 1, None


def _further(tape: Tape, moved: Tape) -> Tape | None:
    """One and a half times the same move again, where it was a move of numbers."""
    blocks, any_number = list(moved), False
    for i, (old, new) in enumerate(zip(tape, moved, strict=True)):
        if new is not old and new.request.kind in ("number", "discount"):
            blocks[i] = Block(new.request, new.data + 1.5 * (new.data - old.data.astype(float)))
            any_number = True
    return tuple(blocks) if any_number else None


# ---- moves -----------------------------------------------------------------------------------


def random_search(
    objective: Objective, fresh: Callable[[], Tape], *, evaluations: int
) -> Found:
    """The best of as many fresh tapes: what the hunt is compared with."""
    budget = _Budget(objective, evaluations, None)
    while not budget.spent(np.inf):
        budget.score(fresh())
    best = budget.best
    return Found((), -1.0, 0) if best is None else best._replace(evaluations=budget.used)


def _move(tape: Tape, step: float, rng: np.random.Generator) -> Tape:
    """The tape with one to three of its blocks changed."""
    free = [i for i, b in enumerate(tape) if b.request.kind != "size" and b.data.size]
    if not free:
        return tape
    # Blocks of many numbers are chosen more often, but not in proportion.
    odds = np.sqrt([tape[i].data.size * RARELY.get(tape[i].request.kind, 1.0) for i in free])
    count = min(len(free), int(rng.geometric(0.6)))
    chosen = rng.choice(free, size=count, replace=False, p=odds / odds.sum())
    blocks = list(tape)
    for i in chosen:
        blocks[i] = Block(tape[i].request, _changed(tape[i], step, rng))
    return tuple(blocks)


def _changed(block: Block, step: float, rng: np.random.Generator) -> np.ndarray:
    kind = block.request.kind
    if kind in ("integer", "flag"):
        return _other_integer(block, rng)
    data = block.data.astype(float)
    if kind == "discount":
        odds = np.exp(np.log(np.maximum(1 - data, 1e-9)) + 2 * step * rng.normal())
        return np.asarray(min(max(1 - odds, float(block.request.low)), 1.0))
    if kind == "weight":
        return _changed_weights(data, step, rng)
    return _changed_numbers(data, step, rng)


def _other_integer(block: Block, rng: np.random.Generator) -> np.ndarray:
    """One entry redrawn, half of the time: structure moves less often than numbers."""
    data = block.data.copy()
    if rng.random() < 0.5:
        place = rng.integers(data.size)
        low, high = block.request.low, block.request.high
        data.reshape(-1)[place] = rng.integers(low, max(low, high) + 1)
    return data


def _changed_numbers(data: np.ndarray, step: float, rng: np.random.Generator) -> np.ndarray:
    data = data.copy()
    flat = data.reshape(-1)
    size = abs(flat).max() or 1.0
    how, place = rng.random(), rng.integers(flat.size)
    if how < 0.45:
        flat[place] += step * size * rng.normal()
    elif how < 0.65:
        flat += step * size * rng.normal(size=flat.size)
    elif how < 0.72:
        flat[place] = rng.choice([0.0, -flat[place], size, -size])
    elif how < 0.79:
        flat[place] = flat[rng.integers(flat.size)] + step * size * rng.normal()
    elif how < 0.86:
        flat *= np.exp(step * rng.normal())
    elif how < 0.93:
        flat += step * size * rng.normal()
    else:
        flat[:] = rng.choice([-size, size], flat.size)
    return data


def _changed_weights(data: np.ndarray, step: float, rng: np.random.Generator) -> np.ndarray:
    data = data.copy()
    rows = data.reshape(-1, data.shape[-1]) if data.ndim else data.reshape(1, 1)
    row = rows[rng.integers(len(rows))]
    how, place = rng.random(), rng.integers(row.size)
    total = row.sum() or 1.0
    if how < 0.4:
        row *= np.exp(2 * step * rng.normal(size=row.size))
    elif how < 0.55:
        row[:] = 0
        row[place] = 1
    elif how < 0.7:
        row[place] = 0
    elif how < 0.85:
        row[place] += step * total * rng.random()
    else:
        row[:] = rows[rng.integers(len(rows))]
    return data
