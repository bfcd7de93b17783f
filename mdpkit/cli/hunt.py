"""`mdpkit hunt`: an adversary looks for a counterexample, or the tightest instance there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mdpkit.cli import _console as console
from mdpkit.cli._source import Json

if TYPE_CHECKING:
    from mdpkit.hunt.duel import Duel


def hunt(
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="Its id or name, or FILE.py.")],
    budget: Annotated[
        int, typer.Option("--budget", help="Instances to evaluate.", min=1)
    ] = 10_000,
    as_json: Json = False,
    seed: Annotated[int, typer.Option("--seed", help="Of both searches.")] = 0,
) -> int:
    """Maximize CLAIM's left side over its right, beside random search with the same budget."""
    from mdpkit.cli import NOT_CERTIFIED
    from mdpkit.cli._claims import claims
    from mdpkit.hunt.duel import duel

    found = claims(claim)
    if len(found) > 1:
        names = ", ".join(each.id for each in found)
        raise ValueError(f"{claim!r} names {len(found)} claims, hunt one of them: {names}.")
    with console.working(f"hunting {found[0].name}"):
        result = duel(found[0], budget, seed)
    if as_json:
        console.print_json(result.to_json())
    else:
        _print(result)
    if result.counterexample:
        return console.complain(f"{found[0].id} is refuted.", NOT_CERTIFIED)
    return 0


def _print(result: Duel) -> None:
    out = console.output()
    out.print(console.plain(result.statement))
    table = console.table("search", "left / right", "evaluations", "seconds")
    for row in result.rows:
        ratio = "–" if row.ratio is None else f"{row.ratio:.9f}"
        table.add_row(row.name, ratio, str(row.evaluations or "–"), f"{row.seconds:.1f}")
    out.print(table)
    title = "a counterexample:" if result.counterexample else "tightest found, made simple:"
    out.print(title)
    for line in result.lines:
        out.print(f"  {console.plain(line)}")
    if result.file:
        out.print(f"saved as {result.file}")
