"""`mdpkit verify`: theorems checked on many models, by an adversary, and by their impostors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mdpkit.cli import _console as console
from mdpkit.cli import _files as files
from mdpkit.cli._source import Json

if TYPE_CHECKING:
    from mdpkit.claim import Claim
    from mdpkit.hunt import Verdict

MANY = 12
"""From so many claims on, two processes share the work."""

COLORS = {"holds": "green", "refuted": "bold red", "vacuous": "yellow"}


def verify(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[PATTERN | FILE.py]",
            help="Claims by id, group or name; or a file of them.",
        ),
    ] = None,
    profile: Annotated[str, typer.Option("--profile", help="quick, ci or deep.")] = "quick",
    experimental: Annotated[
        bool, typer.Option("--experimental", help="Also the claims that never gate.")
    ] = False,
    certificate: Annotated[
        str | None,
        typer.Option(
            "--certificate", metavar="FILE", help="Check a saved counterexample again."
        ),
    ] = None,
    report: Annotated[
        str | None, typer.Option("--report", metavar="FILE.html", help="Write a page.")
    ] = None,
    as_json: Json = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the instances.")] = 0,
) -> int:
    """Check claims: each holds, is refuted by a small model, or is vacuous."""
    if certificate is not None:
        return _check_certificate(certificate, as_json)
    from mdpkit.cli._claims import claims
    from mdpkit.hunt import PROFILES

    if profile not in PROFILES:
        raise ValueError(f"--profile is {profile!r}; it must be one of {', '.join(PROFILES)}.")
    files.check_writable(report, (".html", ".htm"), "--report")
    chosen = claims(target)
    if not experimental:
        chosen = [claim for claim in chosen if not claim.is_experimental]
    if not chosen:
        raise ValueError("only experimental claims match; add --experimental.")
    verdicts = _run(chosen, target, profile, seed)
    if as_json:
        body: Any = [verdict.to_json() for verdict in verdicts]
        console.print_json(body)
    else:
        _print(verdicts)
    if report is not None:
        from mdpkit.cli._report import page
        from mdpkit.io._atomic import atomic_write

        with atomic_write(report, "w") as file:
            file.write(page(verdicts, profile))
        console.note(f"wrote {report}")
    return _code(verdicts)


def _code(verdicts: list[Verdict]) -> int:
    from mdpkit.cli import NOT_CERTIFIED

    failed = [v for v in verdicts if not v.passed and not v.experimental]
    if not failed:
        return 0
    names = ", ".join(v.id for v in failed)
    return console.complain(f"{len(failed)} of {len(verdicts)} failed: {names}.", NOT_CERTIFIED)


# ---- running ---------------------------------------------------------------------------------


def _run(claims: list[Claim], target: str | None, profile: str, seed: int) -> list[Verdict]:
    """Check the claims, many of them in two processes; results in the order given."""
    if len(claims) < MANY:
        with _bar(len(claims)) as tick:
            return [tick(_one(claim, profile, seed)) for claim in claims]
    import multiprocessing

    places = [claim.id + "/" + claim.name for claim in claims]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context, _arm, (target,)) as pool, _bar(len(claims)) as tick:
        try:
            n = len(places)
            # Small chunks in order, so that both processes end at about the same time.
            results = pool.map(_remote, places, [profile] * n, [seed] * n, chunksize=1)
            return [tick(verdict) for verdict in results]
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_HERE: dict[str, Any] = {}
"""The claims of a worker process, by id and name."""


def _arm(target: str | None) -> None:
    from mdpkit.cli._claims import claims

    _HERE.update((claim.id + "/" + claim.name, claim) for claim in claims(target))


def _remote(place: str, profile: str, seed: int) -> Verdict:
    return _one(_HERE[place], profile, seed)


def _one(claim: Claim, profile: str, seed: int) -> Verdict:
    import warnings

    from mdpkit.hunt import check
    from mdpkit.hunt.counterexample import FOLDER

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # float overflow in a search is no news
        return check(claim, profile, seed=seed, folder=FOLDER)


@contextmanager
def _bar(n: int) -> Iterator[Any]:
    """Yield tick(verdict), which moves a bar on standard error and hands the verdict back."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda verdict: verdict
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    shown = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=shown, transient=True) as bar:
        task = bar.add_task("claims", total=n)

        def tick(verdict: Verdict) -> Verdict:
            bar.update(task, advance=1, description=f"{verdict.id} {verdict.verdict}")
            return verdict

        yield tick


# ---- printing --------------------------------------------------------------------------------


def _print(verdicts: list[Verdict]) -> None:
    from rich.text import Text

    columns = ("random", "hunted", "named", "caught", "instances", "seconds")
    table = console.table("id", "claim", "verdict", *columns, text=3)
    for v in verdicts:
        mark = "" if v.passed else " !"
        ratios = [_ratio(v.tightness[name]) for name in ("random", "hunted", "named")]
        table.add_row(
            console.plain(v.id if v.id != v.claim else "", 8),
            console.plain(v.claim.replace("_", " ")),
            Text(v.verdict + mark, style=COLORS[v.verdict]),
            *ratios,
            f"{v.impostors_caught}/{v.impostors}",
            str(v.instances),
            f"{v.seconds:.1f}",
        )
    out = console.output()
    out.print(table)
    for v in verdicts:
        if v.remark:
            out.print(f"{v.id}: {console.plain(v.remark)}")
        if v.complaint:
            out.print(f"{v.id}: {console.plain(v.statement)}")
            out.print(f"  {console.plain(v.complaint)}")
            for line in v.said:
                out.print(f"    {console.plain(line)}")
            if v.file:
                out.print(f"  saved as {v.file}")
        for words, lines in v.ablation.items():
            verdict = "not broken by search" if lines is None else "necessary"
            out.print(f"{v.id} without “{console.plain(words)}”: {verdict}")
    passed = sum(v.passed for v in verdicts)
    seconds = sum(v.seconds for v in verdicts)
    out.print(f"{passed} of {len(verdicts)} pass; {seconds:.0f} s of work.")


def _ratio(x: float | None) -> str:
    if x is None:
        return "–"
    return f"{x:.3g}" if x < 0.01 or x > 10 else console.fixed(x, 4)


# ---- certificates ----------------------------------------------------------------------------


def _check_certificate(path: str, as_json: bool) -> int:
    """Do a saved counterexample's or a proof's arithmetic again, from the instance alone."""
    import json
    from pathlib import Path

    if (found := _check_optimum(path, as_json)) is not None:
        return found

    from mdpkit.cli import NOT_CERTIFIED
    from mdpkit.hunt.checker import check

    try:
        body = json.loads(Path(path).read_text(encoding="utf-8"))
        statement, words = str(body["statement"]), [str(line) for line in body["words"]]
        body["certificate"]["claimed"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no saved counterexample: {error!r}.") from error
    try:
        if body["certificate"]["program"] is None:
            raise ValueError(body["certificate"].get("why", "it holds no computation"))
        left, right = check(body)
        reason = ""
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        left = right = None
        reason = str(error) or type(error).__name__
    if as_json:
        sides = {"left": None if reason else str(left), "right": None if reason else str(right)}
        console.print_json({"confirmed": not reason, "reason": reason, **sides})
    else:
        out = console.output()
        out.print(console.plain(statement))
        for line in words:
            out.print(f"  {console.plain(line)}")
        if not reason:
            out.print(f"confirmed by fractions alone: {left} against {right}")
    if reason:
        return console.complain(f"{path}: not confirmed: {reason}.", NOT_CERTIFIED)
    return 0


def _check_optimum(path: str, as_json: bool) -> int | None:
    """Check a proof that `solve --exact` saved; None where the file is of another kind."""
    import json
    from pathlib import Path

    from mdpkit.cli import NOT_CERTIFIED
    from mdpkit.io.optimum_checker import check

    try:
        body = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}.") from error
    if not isinstance(body, dict) or body.get("format") != "mdpkit-optimum":
        return None
    try:
        states, reason = len(check(body)), ""
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        states, reason = 0, str(error) or type(error).__name__
    if as_json:
        console.print_json({"confirmed": not reason, "reason": reason, "states": states})
    elif not reason:
        console.output().print(f"confirmed by fractions alone: v is optimal in {states} states")
    if reason:
        return console.complain(f"{path}: not confirmed: {reason}.", NOT_CERTIFIED)
    return 0
