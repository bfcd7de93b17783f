"""One figure of a solution: the model as one sees it, beside the gap that closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mdpkit.plot._curves import draw_gaps
from mdpkit.plot._graph import draw_graph, size, too_large
from mdpkit.plot._grid import draw_values, grid_of
from mdpkit.plot._page import check, drawn, new_figure, plain, tidy, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mdpkit.solution import Solution


@drawn
def overview(
    solution: Solution,
    *,
    tol: float | None = None,
    cells: Any = None,
    moves: Sequence[str] | None = None,
    path: Any = None,
    title: str = "",
) -> Figure:
    """Values on the grid, or the graph of a small model, or neither; and the certified gap.

    tol, cells, moves, path   as for `gaps` and `values`
    """
    check(path)
    found = grid_of(solution.mdp, None, cells)
    if found is None and too_large(solution.mdp):
        figure = new_figure()
        last = figure.subplots()
    else:
        width, height = (6.6, 4.8) if found is not None else size(solution.mdp)
        figure = new_figure(width + 4.4, height)
        first, last = figure.subplots(1, 2, width_ratios=(width, 4.4))
        if found is not None:
            draw_values(figure, first, solution, found, moves)
        else:
            draw_graph(first, solution.mdp, solution)
    tidy(last)
    draw_gaps(last, [solution], tol)
    figure.suptitle(plain(title, 90), fontsize=10)
    return write(figure, path, title or "Solution")
