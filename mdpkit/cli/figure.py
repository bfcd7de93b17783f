"""`mdpkit figure`: a figure that shows a theorem or its failure, drawn from the gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mdpkit.cli import _console as console
from mdpkit.cli import _files as files
from mdpkit.cli import _source as given

Names = Annotated[list[str], typer.Argument(metavar="NAME …", help="Which: lottery.")]
Out = Annotated[str, typer.Option("--out", metavar="DIR", help="The folder to write to.")]


def figure(names: Names, out: Out = ".", as_json: given.Json = False) -> int:
    """Draw figures, and print what they show."""
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        raise ValueError(f"there is no figure {unknown[0]!r}; there are: {', '.join(FIGURES)}.")
    body = {}
    for name in names:
        path = str(Path(out) / f"{name}.svg")
        files.check_writable(path, files.FIGURES, "--out")
        body[name] = {"path": path, **FIGURES[name](path)}
        console.note(f"wrote {path}")
    if as_json:
        console.print_json(body)
        return 0
    for shown in body.values():
        _print(shown)
    return 0


def _print(shown: dict[str, Any]) -> None:
    columns = {name: x for name, x in shown.items() if isinstance(x, list)}
    table = console.table(*columns, text=0)
    n = len(next(iter(columns.values())))
    for i in sorted({*range(0, n, max(1, n // 8)), n - 1}):
        table.add_row(*(f"{column[i]:.4f}" for column in columns.values()))
    console.output().print(table)


def lottery(path: str) -> dict[str, Any]:
    """With more at stake inference takes the gamble more surely, causal entropy less."""
    import numpy as np

    import mdpkit as mk
    from mdpkit.operators import messages

    mdp = mk.load("gallery:lottery")
    levels = np.linspace(0.0, 3.0, 61)
    curves: dict[str, list[float]] = {"inference": [], "causal": []}
    kinds = {"inference": messages.INFERENCE, "causal": messages.VARIATIONAL}
    for level in levels:
        staked = mdp.replace(r=level * mdp.r)
        for name, kind in kinds.items():
            found = messages.backward(staked, 2, kind)
            gamble = messages.posterior_policy(staked, found).reshape(2, -1)[0, 1]
            curves[name].append(float(gamble))
    title = "Pay 1 for sure, or draw from {0, 10} to pay"
    mk.plot.stakes(levels, curves, path=path, title=title)
    return {"stakes": levels.tolist(), **curves}


FIGURES = {"lottery": lottery}
