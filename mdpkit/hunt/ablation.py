"""Which hypotheses does a claim need? Drop one at a time, and look for a counterexample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from mdpkit.claim.declare import Claim
from mdpkit.claim.quantify import Quantifier, hypotheses
from mdpkit.hunt.counterexample import Counterexample
from mdpkit.hunt.pool import Sample, exact_pool, float_pool, redraw, signature, small_sample
from mdpkit.hunt.refute import counterexample
from mdpkit.hunt.search import hunt
from mdpkit.hunt.verdict import Profile


def weakenings(
    claim: Claim,
) -> Iterator[tuple[str, str | None, Mapping[str, Quantifier]]]:
    """Each hypothesis: in words, its key in `applies` if any, and what is drawn without it."""
    for words in claim.applies:
        yield words, words, claim.quantifiers
    for name, quantifier in claim.quantifiers.items():
        for words, weaker in hypotheses(quantifier).items():
            yield f"{name}: {words}", None, {**claim.quantifiers, name: weaker}


def ablate(claim: Claim, profile: Profile, seed: int = 0) -> dict[str, Counterexample | None]:
    """For each hypothesis a counterexample without it; None: search could not break it."""
    return {
        words: _without(claim, key, quantifiers, profile, seed)
        for words, key, quantifiers in weakenings(claim)
    }


def _without(
    claim: Claim,
    key: str | None,
    quantifiers: Mapping[str, Quantifier],
    profile: Profile,
    seed: int,
) -> Counterexample | None:
    rational = claim.exact != "B"
    pools = [float_pool(signature(quantifiers), profile.floats, seed)]
    if rational:
        pools.insert(0, exact_pool(signature(quantifiers), profile.exact, seed))
    for sample in (sample for pool in pools for sample in pool):
        if _push(claim, key, sample) > 0:
            found = _shrunk(claim, key, quantifiers, sample, rational)
            if found is not None:
                return found
    rng = np.random.default_rng([seed, 11])
    best = hunt(
        lambda tape: _push(claim, key, redraw(quantifiers, tape, False)),
        lambda: small_sample(quantifiers, rng).tape,
        rng,
        seconds=profile.ablate,
    )
    if best.score <= 0:
        return None
    sample = redraw(quantifiers, best.tape, False)
    return _shrunk(claim, key, quantifiers, sample, rational)


def _shrunk(
    claim: Claim,
    key: str | None,
    quantifiers: Mapping[str, Quantifier],
    sample: Sample,
    rational: bool,
) -> Counterexample | None:
    return counterexample(claim, sample, rational, dropped=key, quantifiers=quantifiers)


def _push(claim: Claim, key: str | None, sample: Sample) -> float:
    """> 0 where the claim fails although every other hypothesis is satisfied."""
    try:
        if claim.failing(sample.instance, but=key):
            return -2.0
        outcomes = claim.check(sample.instance)
    except Exception:  # without its hypotheses a claim may make no sense at all
        return -2.0
    bad = [o for o in outcomes if not o.holds]
    return max((max(o.push, 1e-17) for o in bad), default=max(o.push for o in outcomes) - 1e-12)
