"""What a claim must refuse: wrong subjects, and its own statement damaged."""

from __future__ import annotations

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
    if any(_caught(run, sample, impostor) for sample in (*first, *run.named, *run.kept)):
        return True
    if not run.domain:
        return False
    found = hunt(
        lambda tape: run.push(tape, None, **impostor.subject),
        lambda: small_sample(run.domain, run.rng).tape,
        run.rng,
        seconds=run.profile.impostor,
        enough=CLEARLY,
    )
    return _caught(run, redraw(run.domain, found.tape, False), impostor)


def _caught(run: Run, sample: Sample, impostor: Impostor) -> bool:
    try:
        if run.claim.failing(sample.instance):
            return False
        outcomes = run.claim.check(sample.instance, **impostor.subject)
    except Exception:
        return False
    return any(not o.holds and (o.exact or o.push > CLEARLY) for o in outcomes if o.defined)


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
