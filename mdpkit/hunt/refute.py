"""From a violation to a counterexample: confirmed, shrunk, and re-checked exactly."""

from __future__ import annotations

from collections.abc import Mapping

from mdpkit.claim.declare import Claim
from mdpkit.claim.draw import Tape
from mdpkit.claim.quantify import Quantifier
from mdpkit.claim.statement import Outcome
from mdpkit.hunt.counterexample import Counterexample
from mdpkit.hunt.pool import Sample, redraw
from mdpkit.hunt.shrink import shrink


def counterexample(
    claim: Claim,
    sample: Sample,
    rational: bool,
    *,
    dropped: str | None = None,
    quantifiers: Mapping[str, Quantifier] | None = None,
    seconds: float = 4.0,
) -> Counterexample | None:
    """The shrunk violation; None if the instance violates the claim by rounding only.

    rational      the claim can be checked exactly, and must fail exactly
    dropped       a hypothesis that is not asked for
    quantifiers   from which the tape was drawn, if not the claim's
    """
    if not sample.tape:  # an author's instance: it is shown as it is
        bad = [o for o in claim.check(sample.instance) if not o.holds]
        return Counterexample(claim, sample, bad[0], dropped) if bad else None
    domain = quantifiers or claim.quantifiers

    def violation(tape: Tape) -> tuple[Sample, Outcome] | None:
        try:
            again = redraw(domain, tape, rational)
            if claim.failing(again.instance, but=dropped):
                return None
            outcomes = claim.check(again.instance)
        except Exception:  # what crashes is no counterexample
            return None
        if not all(o.defined for o in outcomes):
            return None
        bad = [o for o in outcomes if not o.holds and (o.exact or not rational)]
        return (again, bad[0]) if bad else None

    if violation(sample.tape) is None:
        return None
    tape = shrink(sample.tape, lambda t: violation(t) is not None, seconds)
    found = violation(tape)
    return None if found is None else Counterexample(claim, *found, dropped, domain)
