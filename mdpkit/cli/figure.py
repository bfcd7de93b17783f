"""`mdpkit figure`: a textbook's figure recomputed, its landmarks checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mdpkit.cli import _console as console
from mdpkit.cli import _files as files
from mdpkit.cli import _source as given

if TYPE_CHECKING:
    from mdpkit.figures import Drawn

Names = Annotated[list[str], typer.Argument(metavar="NAME …", help="Which; `all` for all.")]
Out = Annotated[str, typer.Option("--out", metavar="DIR", help="The folder to write to.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of what is simulated.")]


def figure(names: Names, out: Out = ".", seed: Seed = 0, as_json: given.Json = False) -> int:
    """Draw figures, and hold them against numbers known from elsewhere."""
    from mdpkit import figures, plot
    from mdpkit.cli import NOT_CERTIFIED

    names = list(figures.MODULES) if names == ["all"] else names
    for name in names:
        figures.check(name)
        files.check_writable(_path(out, name), files.FIGURES, "--out")
    body, missed = {}, []
    for name in names:
        drawn = figures.draw(name, seed)
        plot.panels(drawn.panels, path=_path(out, name), title=drawn.title)
        console.note(f"wrote {_path(out, name)}")
        body[name] = {"path": _path(out, name), "landmarks": _landmarks(drawn), **drawn.data}
        missed += [f"{name}: {mark.name}" for mark in drawn.landmarks if not mark.met]
        if not as_json:
            _print(name, drawn)
    if as_json:
        console.print_json(body)
    for words in missed:
        console.complain(f"{words}: the landmark is missed.", NOT_CERTIFIED)
    return NOT_CERTIFIED if missed else 0


def _path(out: str, name: str) -> str:
    return str(Path(out) / f"{name}.svg")


def _landmarks(drawn: Drawn) -> list[dict[str, Any]]:
    return [{**mark._asdict(), "met": mark.met} for mark in drawn.landmarks]


def _print(name: str, drawn: Drawn) -> None:
    table = console.table("landmark", "here", "known", "within", "the known one was", "met")
    for mark in drawn.landmarks:
        table.add_row(
            mark.name,
            f"{mark.found:.6g}",
            f"{mark.wanted:.6g}",
            f"{mark.within:.1g}",
            mark.source,
            "yes" if mark.met else "NO",
        )
    out = console.output()
    out.print(f"{name}  {drawn.title}")
    out.print(table)
