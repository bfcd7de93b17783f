"""What a claim must refuse: wrong subjects, and its own statement damaged."""

from __future__ import annotations

import math

from mdpkit.claim.declare import Impostor
from mdpkit.hunt import mutants
from mdpkit.hunt.pool import Sample, redraw, small_sample
from mdpkit.hunt.run import CLEARLY, Run
from mdpkit.hunt.search import hunt


def catch_impostors(run: Run) -> None:
    """Every wrong subject and every damaged statement must fail somewhere."""
    for impostor in run.claim.impostors:
        run.results[impostor.words] = catches(run, impostor)
    for control in mutants.controls(run.claim, run.relations):
        damage(run, control)
    if "=" in run.relations and not run.one_sided and run.claim.mutations is None:
        damage(run, "m6")


def catches(run: Run, impostor: Impostor) -> bool:
    """Whether an impostor is refuted on an instance; one that crashes is not."""
    first = [] if impostor.at is None else [run.made(impostor.at)]
    nearest, start = -math.inf, ()
    for sample in (*first, *run.named, *run.kept):
        push = _push(run, sample, impostor)
        if push > 0:
            return True
        if push > nearest and sample.tape:
            nearest, start = push, (sample.tape,)
    if not run.domain:
        return False
    found = hunt(
        lambda tape: run.push(tape, None, **impostor.subject),
        lambda: small_sample(run.domain, run.rng).tape,
        run.rng,
        starts=start,
        seconds=run.profile.impostor,
        enough=CLEARLY,
    )
    return _push(run, redraw(run.domain, found.tape, False), impostor) > 0


def _push(run: Run, sample: Sample, impostor: Impostor) -> float:
    """> 0 where the impostor fails beyond rounding, else how near it comes to that."""
    try:
        if run.claim.failing(sample.instance):
            return -math.inf
        outcomes = run.claim.check(sample.instance, **impostor.subject)
    except Exception:  # a crash is no failure of the statement
        return -math.inf
    kept = [o for o in outcomes if o.defined]
    if any(not o.holds and (o.exact or o.push > CLEARLY) for o in kept):
        return 1.0
    return max((min(o.push, 0.0) for o in kept), default=-math.inf)


def damage(run: Run, control: str) -> None:
    """Record whether a generic control fails on an instance; m1, m2 only if they apply."""
    words = mutants.WORDS[control]
    if control in ("m4", "m5"):
        strict = all(run.strict.values())
        run.results[words] = strict if control == "m5" else run.at_named > 0.5
        return
    moved = control == "m6" or run.claim.mutations is not None
    for sample in (*run.named, *run.kept):
        try:
            seen = mutants.effect(run.claim, control, sample, run.rng)
        except Exception:  # the damaged model may have no value at all
            continue
        moved |= seen.moved
        if seen.caught:
            run.results[words] = run.one_sided = True
            return
    if moved:
        run.results[words], run.one_sided = False, True
