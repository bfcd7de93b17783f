"""`mdpkit demo`: FrozenLake solved five ways, three theorems checked, and a figure."""

from __future__ import annotations

import os
import re
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdpkit.cli import _console as console
from mdpkit.cli._source import Json

if TYPE_CHECKING:
    from mdpkit.cli._theorems import Check
    from mdpkit.mdp import MDP
    from mdpkit.solve import Solution

SOURCE, GAMMA = "gym:FrozenLake-v1", 0.99
KEYS = "vi,gs,pi,mpi,lp"
TOLERANCE = 1e-11
WIDEST = 1e-9
"""No certified interval may be wider."""

FIGURE = "mdpkit-demo.png"
PLACES = 12


def demo(as_json: Json = False) -> int:
    """Solve FrozenLake by five methods, check three theorems, and draw a figure."""
    import mdpkit as mk
    from mdpkit.cli import NOT_CERTIFIED
    from mdpkit.cli._source import methods
    from mdpkit.cli._theorems import checks

    _require_extras()
    mdp, chosen = mk.load(SOURCE, gamma=GAMMA), methods(KEYS)
    with console.working("compiling the kernels, which are kept for the next time"):
        for method in chosen.values():
            mk.solve(mdp, method, max_steps=1, throw=False)
    solutions = {key: mk.solve(mdp, chosen[key], tol=TOLERANCE) for key in chosen}
    low = max(solution.lower_at_start for solution in solutions.values())
    high = min(solution.upper_at_start for solution in solutions.values())
    agree = low <= high and all(solution.gap < WIDEST for solution in solutions.values())
    found = checks()
    figure = _draw(mdp)
    if as_json:
        console.print_json(_json(solutions, (low, high), found, figure))
    else:
        _print(mdp, solutions, (low, high), found, figure)
    if not agree:
        return console.complain("the certified bounds do not agree.", NOT_CERTIFIED)
    if wrong := [check.name for check in found if not check.holds]:
        return console.complain(f"out of bounds: {', '.join(wrong)}.", NOT_CERTIFIED)
    return 0


def _require_extras() -> None:
    for module, extra in {"gymnasium": "gym", "matplotlib": "plot"}.items():
        if find_spec(module) is None:
            raise ImportError(f'the demo needs {module}: pip install "mdpkit[{extra}]"')


def _draw(mdp: MDP) -> Path:
    """Draw errors beside bounds, in this folder or, where it is read-only, a temporary one."""
    import mdpkit as mk
    from mdpkit.cli._curves import measure, pessimistic, truth
    from mdpkit.cli._source import methods
    from mdpkit.cli.converge import as_lists

    start = pessimistic(mdp)
    v, _ = truth(mdp, start)
    curves = {
        spaced(type(method).__name__): as_lists(measure(mdp, method, v, start, steps=500))
        for method in methods("vi,gs,mpi,pi").values()
    }
    folder = Path.cwd()
    if not os.access(folder, os.W_OK):
        folder = Path(tempfile.mkdtemp(prefix="mdpkit-"))
    title = f"FrozenLake-v1, γ = {GAMMA}"
    mk.plot.convergence(curves, path=folder / FIGURE, title=title)
    return folder / FIGURE


def _json(
    solutions: dict[str, Solution],
    bounds: tuple[float, float],
    found: list[Check],
    figure: Path,
) -> dict[str, Any]:
    low, high = bounds
    return {
        "source": SOURCE,
        "gamma": GAMMA,
        "value_at_start": float(low + high) / 2,
        "lower_at_start": float(low),
        "upper_at_start": float(high),
        "methods": {
            key: {
                "status": solution.status.name,
                "lower_at_start": float(solution.lower_at_start),
                "upper_at_start": float(solution.upper_at_start),
                "gap": float(solution.gap),
                "steps": solution.steps,
                "seconds": solution.seconds,
            }
            for key, solution in solutions.items()
        },
        "theorems": [check._asdict() | {"holds": check.holds} for check in found],
        "figure": str(figure),
    }


def _print(
    mdp: MDP,
    solutions: dict[str, Solution],
    bounds: tuple[float, float],
    found: list[Check],
    figure: Path,
) -> None:
    from mdpkit.cli._grid import arrows
    from mdpkit.cli._source import model_line

    out = console.output()
    out.print(model_line(SOURCE, mdp) + "\n")
    out.print(_methods_table(solutions))
    low, high = console.below(bounds[0], PLACES), console.above(bounds[1], PLACES)
    out.print(f"\nV*(start) = {console.fixed(sum(bounds) / 2, 10)}", style="bold")
    out.print(f"By all methods together, {low} ≤ V*(start) ≤ {high}.")
    policy = next(iter(solutions.values())).policy
    out.print(f"\nAn optimal policy:\n\n{arrows(SOURCE, mdp, policy)}\n")
    for i, check in enumerate(found, start=1):
        out.print(f"Theorem {i}, {check.name}:  {check.statement}", style="bold")
        rows = {
            "  random": f"{check.worst:.6f} of the bound at most, {check.instances} instances",
            "  tight": f"{check.tight:.12g} of the bound at {check.at}",
            "  verdict": "holds, and is attained" if check.holds else "OUT OF BOUNDS",
        }
        out.print(console.facts(rows))
    out.print(f"\nThe figure lies in {console.plain(figure)}", soft_wrap=True)


def spaced(name: str) -> str:
    """Return "PolicyIteration" as "Policy iteration"."""
    first, *rest = re.findall("[A-Z][a-z]*", name)
    return " ".join([first, *(word.lower() for word in rest)]).replace("Gauss s", "Gauss–S")


def _methods_table(solutions: dict[str, Solution]) -> Any:
    table = console.table("method", "V*(start) ≥", "V*(start) ≤", "widest", "steps", "ms")
    for solution in solutions.values():
        table.add_row(
            spaced(type(solution.method).__name__),
            console.below(solution.lower_at_start, PLACES),
            console.above(solution.upper_at_start, PLACES),
            f"{solution.gap:.1e}",
            str(solution.steps),
            f"{1000 * solution.seconds:.1f}",
        )
    return table
