"""`mdpkit converge`: each method's error, step by step, beside its theorem's bound."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mdpkit.cli import _console as console
from mdpkit.cli import _files as files
from mdpkit.cli import _source as given

if TYPE_CHECKING:
    from mdpkit.cli._curves import Curve
    from mdpkit.mdp import MDP


def converge(
    source: given.Source,
    gamma: given.Gamma = None,
    methods: Annotated[
        str,
        typer.Option(
            "--methods",
            help="Keys of methods: vi,q,gs,pi,mpi,lp,ps,md-vi; ppg,npg,eqa ….",
        ),
    ] = "vi,gs,pi,mpi",
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps at most.")] = 100,
    plot: given.Plot = None,
    as_json: given.Json = False,
    normalize: given.Normalize = False,
) -> int:
    """Print the error of each method beside its theoretical bound, step by step."""
    from mdpkit.cli import NOT_CERTIFIED

    files.check_writable(plot, files.FIGURES, "--plot")
    chosen = given.methods(methods)
    mdp = given.read_model(source, gamma, normalize)
    curves, slack = _measure(mdp, chosen, steps)
    broken = {key: wrong for key, curve in curves.items() if (wrong := curve.broken(slack))}
    body = {key: as_lists(curve) for key, curve in curves.items()}
    if as_json:
        console.print_json({"model": given.model_json(mdp), "methods": body, "rounding": slack})
    else:
        _print(source, mdp, curves, slack)
    if plot is not None:
        import mdpkit as mk

        mk.plot.convergence(body, path=plot)
        console.note(f"wrote {plot}")
    for key, wrong in broken.items():
        console.complain(
            f"{key}: the error exceeds its bound at step {wrong[0]} ({len(wrong)} such steps).",
            NOT_CERTIFIED,
        )
    return NOT_CERTIFIED if broken else 0


def as_lists(curve: Curve) -> dict[str, Any]:
    """Return a curve as JSON has it; a gap that is not known yet is null."""
    gaps = [console.finite(gap) for gap in curve.gaps]
    return {
        "quantity": curve.quantity,
        "errors": curve.errors,
        "bounds": curve.bounds,
        "gaps": gaps,
    }


def _measure(mdp: MDP, methods: dict[str, Any], steps: int) -> tuple[dict[str, Curve], float]:
    """Return the curves and the slack, with a bar on standard error."""
    from rich.console import Console
    from rich.progress import Progress

    from mdpkit.cli._curves import measure, pessimistic, truth

    if mdp.gamma >= 1:
        raise ValueError(
            "γ = 1: the rates of these theorems need a discount. Pass --gamma G < 1."
        )
    start = pessimistic(mdp)
    taus = {getattr(method, "tau", 0.0) for method in methods.values()}
    truths = {tau: truth(mdp, start, tau) for tau in taus}
    shown = sys.stderr is not None and sys.stderr.isatty()
    curves = {}
    with Progress(console=Console(stderr=True), transient=True, disable=not shown) as bar:
        for key, method in methods.items():
            task = bar.add_task(key, total=steps + 1)
            v = truths[getattr(method, "tau", 0.0)].v
            curves[key] = measure(mdp, method, v, start, steps, lambda t=task: bar.advance(t))
    return curves, max(found.slack for found in truths.values())


def _print(source: str, mdp: MDP, curves: dict[str, Curve], slack: float) -> None:
    out = console.output()
    out.print(given.model_line(source, mdp) + "\n")
    out.print(_table(curves))
    out.print()
    bounded = {key: curve for key, curve in curves.items() if curve.bounds is not None}
    broken = [key for key, curve in bounded.items() if curve.broken(slack)]
    if not bounded:
        out.print("None of these methods has a theorem that bounds its error at each step.")
    elif broken:
        out.print(f"Out of bounds, beyond a rounding of {slack:.1e}: {', '.join(broken)}.")
    else:
        found = [(*best, key) for key, c in bounded.items() if (best := c.tightest(slack))]
        ratio, k, key = max(found, default=(0.0, 0, ""))
        nearest = f" The nearest, {key} at step {k}, reaches {ratio:.4f} of it." if key else ""
        out.print(
            f"Every measured error lies within its bound, rounding of {slack:.1e} included."
            + nearest
        )


def _table(curves: dict[str, Curve]) -> Any:
    table = console.table("method", "step", "error", "bound", "error/bound", "certified gap")
    for key, curve in curves.items():
        last = len(curve.errors) - 1
        for k in shown_steps(last):
            error, bound = curve.errors[k], curve.bounds[k] if curve.bounds else None
            table.add_row(
                key if k == 0 else curve.quantity if k == 1 else "",
                str(k),
                f"{error:.3e}",
                "none" if bound is None else f"{bound:.3e}",
                f"{error / bound:.4f}" if bound else "",
                f"{curve.gaps[k]:.1e}" if math.isfinite(curve.gaps[k]) else "∞",
                end_section=k == last,
            )
    return table


def shown_steps(last: int) -> list[int]:
    """Return 0, 1, 2, 3, 5, 10, 20, 50, 100, … and the last step."""
    steps, decade = {0, 1, 2, 3, 5}, 10
    while decade <= last:
        steps |= {decade, 2 * decade, 5 * decade}
        decade *= 10
    return sorted({k for k in steps if k < last} | {last})
