"""Checking a claim: instances, the adversary, the named tight instance, the impostors.

    holds      on every exact and float instance, and the adversary found nothing either
    refuted    an instance violates it; shrunk, re-checked exactly where the claim is rational
    vacuous    its hypotheses filter more than half of what is drawn, or all its mutants pass

A float instance that seems to violate a rational claim counts only if the same numbers, read
as fractions, violate it too. Checked in tests/meta.
"""

from __future__ import annotations

import time
from pathlib import Path

from mdpkit._array import number
from mdpkit.claim.declare import Claim
from mdpkit.claim.statement import Rate, flat, sides
from mdpkit.hunt import mutants
from mdpkit.hunt.ablation import ablate
from mdpkit.hunt.counterexample import FOLDER, Counterexample, save
from mdpkit.hunt.impostors import catch_impostors
from mdpkit.hunt.run import Refuted, Run
from mdpkit.hunt.verdict import PROFILES, Profile, Verdict, finite


def check(
    claim: Claim,
    profile: str | Profile = "quick",
    *,
    seed: int = 0,
    folder: Path | str | None = None,
) -> Verdict:
    """Reach a verdict. A crash of the claim's code is a refutation that says so.

    folder   where counterexamples are saved and looked for; None: ./counterexamples, and only
             looked for
    """
    began = time.perf_counter()
    effort = PROFILES[profile] if isinstance(profile, str) else profile
    run, found, word, reason = Run(claim, effort, seed), None, "holds", ""
    try:
        run.regressions(folder or FOLDER)
        run.exact_instances()
        run.float_instances()
        run.named_instances()
        run.adversary()
        catch_impostors(run)
    except Refuted as refuted:
        found, word, reason = refuted.found, "refuted", "an instance violates it"
    except Exception as error:
        word, reason = "refuted", f"crashed with {type(error).__name__}: {error}"
    if word == "holds" and (why := vacuous(run)):
        word, reason = "vacuous", why
    file = str(save(found, folder)) if found is not None and folder is not None else None
    dropped = ablate(claim, effort, seed) if word == "holds" and effort.ablate > 0 else {}
    return _verdict(run, word, reason, found, file, dropped, began)


def vacuous(run: Run) -> str:
    """Why the claim says nothing, or the empty string."""
    if run.used * 2 < run.drawn:
        return f"its hypotheses keep {run.used} of {run.drawn} instances drawn"
    if run.results and not any(run.results.values()):
        return "all of its impostors pass"
    generic = [run.results[w] for w in mutants.WORDS.values() if w in run.results]
    if generic and not any(generic):
        return "all of its mutants pass"
    return ""


def _verdict(
    run: Run,
    word: str,
    reason: str,
    found: Counterexample | None,
    file: str | None,
    dropped: dict[str, Counterexample | None],
    began: float,
) -> Verdict:
    claim = run.claim
    tightness = {"random": run.random, "hunted": run.hunted, "named": run.at_named}
    return Verdict(
        claim=claim.name,
        id=claim.id,
        group=claim.group,
        source=claim.source,
        statement=claim.statement,
        verdict=word,
        reason=reason,
        instances=run.used,
        tightness={name: finite(x) for name, x in tightness.items()},
        impostors_caught=sum(run.results.values()),
        impostors=len(run.results) or _planned(run),
        missed=tuple(words for words, caught in run.results.items() if not caught),
        attained=run.attained,
        seconds=time.perf_counter() - began,
        experimental="; ".join(claim.reasons) or None,
        counterexample=found,
        tightest=_tightest(run),
        curves=_curves(run),
        ablation={
            words: None if without is None else tuple(without.lines())
            for words, without in dropped.items()
        },
        file=file,
        said=() if found is None else tuple(found.lines()),
        remark=run.remark,
        states=0 if found is None else found.n_states,
    )


def _planned(run: Run) -> int:
    """How many impostors there would have been, had the claim not failed before."""
    return len(run.claim.impostors) + len(mutants.controls(run.claim, run.relations))


def _tightest(run: Run) -> tuple[str, ...]:
    """The tightest instance seen, line by line."""
    if run.tightest is None:
        return ()
    outcomes = run.claim.check(run.tightest.instance)
    return tuple(Counterexample(run.claim, run.tightest, outcomes[0]).lines()[:-1])


def _curves(run: Run) -> tuple[list[float], list[float]] | None:
    """Both curves of the first Rate where it is tightest, until either vanishes."""
    if run.tightest is None:
        return None
    rates = [s for s in flat(run.claim(*run.tightest.instance)) if isinstance(s, Rate)]
    if not rates:
        return None
    left, right, _ = sides(rates[0])
    return [number(x) for x in left.flat], [number(x) for x in right.flat]
