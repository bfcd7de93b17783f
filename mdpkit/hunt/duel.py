"""The hunt beside random search with the same budget, and the named tight instance."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit.claim.declare import Claim
from mdpkit.claim.draw import Tape
from mdpkit.hunt.counterexample import FOLDER, Counterexample, save
from mdpkit.hunt.pool import redraw, small_sample
from mdpkit.hunt.run import Refuted, Run
from mdpkit.hunt.search import Found, hunt, random_search
from mdpkit.hunt.shrink import shrink
from mdpkit.hunt.verdict import PROFILES, finite

KEPT = 0.999
"""A simpler instance may lose this much of the ratio found."""


class Row(NamedTuple):
    """What one search reached."""

    name: str
    ratio: float | None
    evaluations: int
    seconds: float


@dataclass(frozen=True)
class Duel:
    """The rows, and the tightest instance (or the counterexample) in lines."""

    claim: str
    id: str
    statement: str
    rows: tuple[Row, ...]
    lines: tuple[str, ...]
    counterexample: bool
    file: str | None

    def to_json(self) -> dict[str, Any]:
        """As a dictionary of plain values."""
        return {
            "claim": self.claim,
            "id": self.id,
            "tightness": {row.name: row.ratio for row in self.rows},
            "evaluations": {row.name: row.evaluations for row in self.rows},
            "seconds": {row.name: round(row.seconds, 3) for row in self.rows},
            "refuted": self.counterexample,
            "instance": list(self.lines),
            "file": self.file,
        }


def duel(claim: Claim, budget: int, seed: int = 0) -> Duel:
    """Search twice from random starts, with `budget` evaluations each; name the tightest."""
    if not claim.quantifiers:
        raise ValueError(f"{claim.name} quantifies over nothing: there is nothing to hunt.")
    run, rng = Run(claim, PROFILES["quick"], seed), np.random.default_rng([seed, 5])
    bad, best, rows = None, Found((), -math.inf, 0), []
    try:
        run.exact_instances()  # they also show whether the claim is rational
        run.float_instances()
        run.named_instances()
        for name, found, seconds in _searches(run, rng, budget):
            rows.append(Row(name, _ratio(run, found.tape), found.evaluations, seconds))
            best = max(best, found, key=lambda x: x.score)
            run.examine(redraw(run.domain, found.tape, exact=False))
    except Refuted as refuted:
        bad = refuted.found
    rows.append(Row("named", finite(run.at_named), 0, 0.0))
    if bad is None:
        return _result(claim, rows, _simplest(run, best), None)
    return _result(claim, rows, tuple(bad.lines()), str(save(bad, FOLDER)))


def _searches(
    run: Run, rng: np.random.Generator, budget: int
) -> Iterator[tuple[str, Found, float]]:
    def fresh() -> Tape:
        return small_sample(run.domain, rng).tape

    def objective(tape: Tape) -> float:
        return run.push(tape, min(run.bounds or run.strict or {0}))

    began = time.perf_counter()
    found = random_search(objective, fresh, evaluations=budget)
    yield "random", found, time.perf_counter() - began
    began = time.perf_counter()
    found = hunt(objective, fresh, rng, evaluations=budget)
    yield "hunted", found, time.perf_counter() - began


def _result(claim: Claim, rows: list[Row], lines: tuple[str, ...], file: str | None) -> Duel:
    refuted = file is not None
    return Duel(claim.name, claim.id, claim.statement, tuple(rows), lines, refuted, file)


def _ratio(run: Run, tape: Tape) -> float | None:
    sample = redraw(run.domain, tape, exact=False)
    return finite(run.ratio(run.claim.check(sample.instance)))


def _simplest(run: Run, best: Found) -> tuple[str, ...]:
    """The tightest instance in simple fractions, with nearly its ratio."""
    goal = KEPT * (_ratio(run, best.tape) or 0.0)

    def still(tape: Tape) -> bool:
        try:
            sample = redraw(run.domain, tape, exact=run.rational)
            outcomes = run.claim.check(sample.instance)
            return not run.claim.failing(sample.instance) and outcomes[0].ratio >= goal
        except Exception:
            return False

    if goal <= 0 or not still(best.tape):
        return ()
    tape = shrink(best.tape, still)
    sample = redraw(run.domain, tape, exact=run.rational)
    outcome = run.claim.check(sample.instance)[0]
    said = Counterexample(run.claim, sample, outcome).lines()[:-1]
    return (*said, f"left / right = {outcome.ratio:.9f}")
