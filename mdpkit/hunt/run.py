"""One claim being checked, stage by stage: what was seen so far."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mdpkit.claim.declare import Claim
from mdpkit.claim.draw import Tape
from mdpkit.claim.quantify import Quantifier, models
from mdpkit.claim.statement import Outcome
from mdpkit.hunt.counterexample import Counterexample, saved_tapes
from mdpkit.hunt.pool import Sample, exact_pool, float_pool, redraw, signature, small_sample
from mdpkit.hunt.refute import counterexample
from mdpkit.hunt.search import hunt
from mdpkit.hunt.verdict import Profile
from mdpkit.mdp import MDP

CLEARLY = 1e-6
"""Relative violation from which an impostor counts as caught on floats."""

ATTAINED = 1e-9


class Refuted(Exception):
    """Carries the counterexample out of the stages."""

    def __init__(self, found: Counterexample):
        super().__init__("refuted")
        self.found = found


class Run:
    """One claim being checked: what was seen so far."""

    def __init__(self, claim: Claim, profile: Profile, seed: int):
        self.claim, self.profile, self.seed = claim, profile, seed
        self.rng = np.random.default_rng([seed, 7])
        self.rational = claim.exact != "B"
        self.domain: Mapping[str, Quantifier] = claim.quantifiers
        self.remark = ""
        self.drawn = self.used = 0
        self.kept: list[Sample] = []  # instances that satisfy the hypotheses
        self.named: list[Sample] = []
        self.strict: dict[int, bool] = {}  # inequalities by place: seen strict
        self.bounds: set[int] = set()  # those whose tightness is of interest
        self.relations: set[str] = set()
        self.random = self.hunted = self.at_named = math.nan
        self.attained: bool | None = None
        self.tightest: Sample | None = None
        self.start: Sample | None = None  # the tightest of those drawn: the hunt starts there
        self.results: dict[str, bool] = {}  # impostors and controls → caught
        self.one_sided = False  # some control that damages one side applies

    # ---- evaluation --------------------------------------------------------------------------

    def outcomes(self, sample: Sample, **subject: Any) -> list[Outcome]:
        """The claim on an instance; a rational claim compares exact instances exactly."""
        outcomes = self.claim.check(sample.instance, **subject)
        if (
            sample.exact
            and self.claim.exact in ("Q", "Q2")
            and not all(o.exact for o in outcomes)
        ):
            raise TypeError(
                f'{self.claim.name} is marked exact="{self.claim.exact}", but compares floats '
                "on an exact instance."
            )
        return outcomes

    def readable(self, sample: Sample) -> Sample:
        """The instance on exact numbers, or on floats if the claim is not rational."""
        exact = sample.exact and self.rational
        if exact != sample.exact or self.domain is not self.claim.quantifiers:
            return redraw(self.domain, sample.tape, exact)
        return sample

    def admit(self, sample: Sample) -> bool:
        """Count an instance as drawn, and say whether it satisfies the hypotheses."""
        self.drawn += 1
        if self.claim.failing(sample.instance):
            return False
        self.used += 1
        return True

    def note(self, sample: Sample, outcomes: list[Outcome]) -> float:
        """Remember the relations, strictness and ratio seen."""
        for i, outcome in enumerate(outcomes):
            self.relations.add(outcome.relation)
            if outcome.bound:
                self.bounds.add(i)
            if outcome.relation == "≤":
                self.strict[i] = self.strict.get(i, False) or outcome.strict
        return self.ratio(outcomes)

    def ratio(self, outcomes: list[Outcome]) -> float:
        """The largest ratio of the parts; its root where both sides are squares."""
        ratio = max((o.ratio for o in outcomes if not math.isnan(o.ratio)), default=math.nan)
        return math.sqrt(ratio) if self.claim.exact == "Q2" and ratio > 0 else ratio

    def examine(self, sample: Sample) -> float:
        """Check one instance; its ratio. Raises Refuted."""
        outcomes = self.outcomes(sample)
        if not all(outcome.defined for outcome in outcomes):
            self.used -= 1  # floats overflowed: the instance says nothing
            return math.nan
        if not all(outcome.holds for outcome in outcomes):
            self.refute(sample)
        return self.note(sample, outcomes)

    def refute(self, sample: Sample) -> None:
        """Shrink a violation and raise Refuted; return if it was only rounding."""
        found = counterexample(self.claim, sample, self.rational, quantifiers=self.domain)
        if found is not None:
            raise Refuted(found)

    # ---- stages ------------------------------------------------------------------------------

    def regressions(self, folder: Path | str) -> None:
        """Saved counterexamples and the author's examples come first."""
        for make in self.claim.examples:
            self.examine(self.made(make))
        for tape, exact in saved_tapes(self.claim, folder):
            self.rational = exact
            sample = redraw(self.domain, tape, exact)
            if not self.claim.failing(sample.instance):
                self.examine(sample)
        self.rational = self.claim.exact != "B"

    def exact_instances(self) -> None:
        """Exact instances; where the code turns out not to be rational, their floats."""
        n = max(1, round(self.profile.exact * self.claim.effort))
        pool = exact_pool(signature(self.domain), n, self.seed)
        self._examine_all(pool)

    def float_instances(self) -> None:
        """Float instances, of larger numbers and more varied."""
        n = max(1, round(self.profile.floats * self.claim.effort))
        if self.domain:
            self._examine_all(float_pool(signature(self.domain), n, self.seed))

    def _examine_all(self, pool: Iterable[Sample]) -> None:
        deadline = math.inf
        for i, sample in enumerate(pool):
            if i == 5:  # the first ones may have to wait for kernels to compile
                deadline = time.thread_time() + self.profile.seconds
            if time.thread_time() > deadline:
                break
            sample = self.readable(sample)
            if not self.admit(sample):
                continue
            sample, ratio = self.first_that_runs(sample)
            self.kept.append(sample)
            if ratio > self.random or (math.isnan(self.random) and not math.isnan(ratio)):
                self.random, self.tightest, self.start = ratio, sample, sample

    def first_that_runs(self, sample: Sample) -> tuple[Sample, float]:
        """Examine an instance; where the code crashes, the plainer forms it may be meant for.

        These are tables (S, A) for ragged models and, without a promise of exactness, floats.
        """
        try:
            return sample, self.examine(sample)
        except Refuted:
            raise
        except Exception as crash:
            tables, known = with_tables(self.domain), self.rational
            floats = [False] if sample.exact and self.claim.exact is None else []
            forms = [
                (sample.exact, tables),
                *((f, d) for d in (self.domain, tables) for f in floats),
            ]
            for exact, domain in forms:
                try:
                    plainer = redraw(domain, sample.tape, exact)
                    self.claim.check(plainer.instance)
                except Exception:
                    continue
                self.rational, self.domain = known and exact >= sample.exact, domain
                if domain is tables:
                    self.remark = f"only models with tables (S, A): others crash it ({crash})"
                return plainer, self.examine(plainer)
            raise

    def named_instances(self) -> None:
        """The bound must be attained where the author says so."""
        for named in self.claim.tight:
            sample = self.made(named.make)
            if failing := self.claim.failing(sample.instance):
                raise ValueError(f"the tight instance does not satisfy: {', '.join(failing)}.")
            ratio = self.examine(sample)
            self.named.append(sample)
            self.at_named = float(np.fmax(self.at_named, ratio))
            if named.equality:
                self.attained = self._equal(sample, ratio) and self.attained is not False
            if ratio >= np.fmax(self.random, 0.0):
                self.tightest = sample

    def _equal(self, sample: Sample, ratio: float) -> bool:
        """Whether some bound is an equality: to 1e-9, and exactly on exact numbers."""
        bounds = [o for o in self.outcomes(sample) if o.bound]
        exactly = any(not o.exact or o.worst[0] == o.worst[1] for o in bounds)
        return abs(ratio - 1) <= ATTAINED and exactly

    def made(self, make: Any) -> Sample:
        """An author's instance."""
        instance = self.claim.named(make)
        exact = not any(isinstance(x, MDP) and not x.is_exact for x in instance)
        exact = exact and not any(_has_floats(x) for x in instance)
        return Sample(instance, (), exact)

    def adversary(self) -> None:
        """Climb towards a violation from the tightest instances seen."""
        if "≤" not in self.relations or not self.domain or self.profile.hunt <= 0:
            return
        # Orders without a tightness are watched while the bounds are climbed.
        parts = sorted(self.bounds or self.strict)
        for part in parts:
            self._climb(part, self.profile.hunt * self.claim.effort**0.5 / len(parts))

    def _climb(self, part: int, seconds: float) -> None:
        tapes = (self.start.tape,) if self.start is not None else ()
        found = hunt(
            lambda tape: self.push(tape, part),
            lambda: small_sample(self.domain, self.rng).tape,
            self.rng,
            starts=tapes,
            seconds=seconds,
        )
        sample = redraw(self.domain, found.tape, exact=False)
        if self.claim.failing(sample.instance):
            return
        ratio = self.examine(sample)
        if ratio > np.fmax(np.fmax(self.random, self.at_named), 0.0):
            self.tightest = sample
        self.hunted = float(np.fmax(np.fmax(ratio, self.hunted), self.random))

    def push(self, tape: Tape, part: int | None, **subject: Any) -> float:
        """What the hunt climbs: how near floats come to violating a part (None: any).

        A clear violation of another part counts as much.
        """
        try:
            sample = redraw(self.domain, tape, exact=False)
            if self.claim.failing(sample.instance):
                return -2.0
            outcomes = self.claim.check(sample.instance, **subject)
        except Exception:  # the instances drawn will show a crash; here it is only no progress
            return -2.0
        return max(
            (o.push for i, o in enumerate(outcomes) if part in (None, i) or o.push > CLEARLY),
            default=-1.0,
        )


def with_tables(domain: Mapping[str, Quantifier]) -> Mapping[str, Quantifier]:
    """The quantifiers, with equal action sets in every state."""
    return {
        name: dataclasses.replace(quantifier, ragged=False)
        if isinstance(quantifier, models)
        else quantifier
        for name, quantifier in domain.items()
    }


def _has_floats(x: Any) -> bool:
    if isinstance(x, np.ndarray):
        return x.dtype.kind == "f"
    if isinstance(x, tuple | list):
        return any(_has_floats(part) for part in x)
    return isinstance(x, float)
