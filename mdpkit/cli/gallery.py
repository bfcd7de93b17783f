"""`mdpkit gallery`: the small models whose answers are known."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mdpkit.cli import _console as console
from mdpkit.cli._source import Json, model_json

if TYPE_CHECKING:
    from mdpkit.gallery import Entry, Known

ANSWERS = 8
"""Values of one known answer that are printed; --json has them all."""


def gallery(
    name: Annotated[str | None, typer.Argument(help="A model; all of them if none.")] = None,
    as_json: Json = False,
) -> int:
    """List the gallery's models, or say what is known about one."""
    from mdpkit.gallery import get, names

    entries = [get(name)] if name is not None else [get(each) for each in names()]
    if as_json:
        body = [_json(entry) for entry in entries]
        console.print_json(body[0] if name is not None else {"models": body})
    elif name is not None:
        _print_one(entries[0])
    else:
        _print_all(entries)
    return 0


def _print_all(entries: list[Entry]) -> None:
    table = console.table("name", "states", "pairs", "γ", "source")
    for column, justify in zip(table.columns, "lrrrl", strict=True):
        column.justify = "right" if justify == "r" else "left"
    table.columns[-1].no_wrap = False
    for entry in entries:
        mdp = entry.function()
        table.add_row(
            entry.name,
            str(mdp.n_states),
            str(mdp.n_pairs),
            f"{float(mdp.gamma):g}",
            entry.source,
        )
    out = console.output()
    out.print(table)
    out.print("\nmdpkit gallery NAME says more; mdpkit solve gallery:NAME solves it.")


def _print_one(entry: Entry) -> None:
    mdp = entry.function()
    rows = {
        "source": entry.source,
        "model": f"{mdp.n_states} states, {mdp.n_pairs} pairs, {mdp.n_transitions} transitions",
        "parameters": ", ".join(
            f"{key} = {value!r}" for key, value in entry.parameters.items()
        ),
        "example": f"mdpkit solve '{example(entry)}'",
    }
    out = console.output()
    out.print(f"{entry.name}\n\n{entry.description}\n", soft_wrap=True)
    out.print(console.facts(rows))
    if not entry.known:
        return
    out.print()
    table = console.table("known answer", "policy", "with", "state", "value", text=3)
    for known in entry.known:
        given = ", ".join(f"{key}={value}" for key, value in known.given.items())
        for i, (state, value) in enumerate(known.values.items()):
            if i == ANSWERS:
                table.add_row("", "", "", "…", f"{len(known.values)} in all")
                break
            head = ("", "", "") if i else (_digits(known), known.whose, given)
            table.add_row(*head, str(state), _number(value))
    out.print(table)


def example(entry: Entry) -> str:
    """Return a source that `mdpkit solve` takes: discounted where the default is not."""
    discounted = float(entry.parameters.get("gamma", 0)) < 1
    return f"gallery:{entry.name}" + ("" if discounted else "?gamma=0.99")


def _digits(known: Known) -> str:
    return "exact" if known.tol == 0 else f"within {known.tol:.2g}"


def _number(value: Fraction | float) -> str:
    if isinstance(value, Fraction) and value.denominator > 1:
        short = len(str(value)) <= 16
        return f"{value} = {float(value):.10g}" if short else f"{float(value):.10g}"
    return f"{float(value):.10g}"


def _json(entry: Entry) -> dict[str, Any]:
    mdp = entry.function()
    return {
        "name": entry.name,
        "summary": entry.summary,
        "description": entry.description,
        "source": entry.source,
        "parameters": dict(entry.parameters),
        "model": model_json(mdp),
        "known": [_known(known) for known in entry.known],
        "example": f"mdpkit solve '{example(entry)}'",
    }


def _known(known: Known) -> dict[str, Any]:
    return {
        "values": {str(state): float(value) for state, value in known.values.items()},
        "exact": {
            str(state): str(value)
            for state, value in known.values.items()
            if known.tol == 0 and isinstance(value, int | Fraction)
        },
        "policy": known.whose,
        "given": dict(known.given),
        "tol": known.tol,
    }
