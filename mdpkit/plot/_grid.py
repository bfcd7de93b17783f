"""Values, policies and occupancy where the states are the cells of a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mdpkit._array import number
from mdpkit.plot._page import check, drawn, new_figure, plain, tidy, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mdpkit.mdp import MDP
    from mdpkit.solution import Solution

NUMBERED = 150
"""Cells up to which each has its number."""

LARGEST = 1000
"""Rows or columns of a grid."""

BARS = 60
"""States up to which those of a model that is no grid have a bar each."""

STEPS = {
    **{"←": (0, -1), "→": (0, 1), "↑": (-1, 0), "↓": (1, 0)},
    **{"↖": (-1, -1), "↗": (-1, 1), "↙": (1, -1), "↘": (1, 1)},
}


@drawn
def values(
    solution: Solution,
    *,
    shape: tuple[int, int] | None = None,
    cells: Any = None,
    moves: Sequence[str] | None = None,
    path: Any = None,
) -> Figure:
    """v* as a heat map, with an arrow for the move that the policy makes in each cell.

    shape   (rows, columns), states row by row; cells (S, 2) says each state's row and column;
            neither is needed where the states are named (row, column) or "row,column"
    moves   an arrow of ←→↑↓↖↗↙↘ for each action, where the actions are not named left, up …
    path    file to write

    Raises ValueError where the states are not seen to be the cells of a grid.
    """
    check(path)
    found = grid_of(solution.mdp, shape, cells)
    if found is None:
        raise ValueError(
            "the states are no cells: pass shape=(rows, columns) or cells= (S, 2)."
        )
    figure = new_figure(*_size(found))
    draw_values(figure, figure.subplots(), solution, found, moves)
    return write(figure, path, "Optimal values")


def draw_values(
    figure: Figure, axes: Axes, solution: Solution, cells: np.ndarray, moves: Any
) -> None:
    """The same on axes that are there."""
    mdp, v = solution.mdp, _floats(solution.v)
    v = np.where(np.abs(v) <= number(solution.gap), 0.0, v)  # it is not known to be anything
    _heat_map(figure, axes, cells, v, "v*" if solution.bias is None else "gain")
    steps = _steps(mdp, moves)
    if steps is None:
        return
    over = np.asarray(np.minimum.reduceat(mdp.stop.reshape(-1), mdp.action_ptr[:-1]) >= 1)
    move = steps[np.asarray(solution.policy)]
    going = ~np.asarray(over, dtype=bool) & np.isfinite(move).all(axis=1)
    (row, column), (down, right) = cells[going].T, 0.3 * move[going].T
    numbered = v.size <= NUMBERED
    axes.quiver(
        *(column - right / 2, row - down / 2 + (0.14 if numbered else 0)),
        *(right, down),
        angles="xy",
        scale_units="xy",
        scale=1,
        color="white",
        edgecolor="black",
        linewidth=0.4,
        width=0.05 / (1 + cells[:, 1].max()),
        headwidth=3.5,
    )


@drawn
def occupancy(
    mdp: MDP,
    policy: Any,
    *,
    shape: tuple[int, int] | None = None,
    cells: Any = None,
    path: Any = None,
) -> Figure:
    """Where a policy spends its time: d^π as a heat map of the grid, or else a bar a state.

    policy : (S,) int or pair layout; shape, cells, path as for `values`. Raises UnboundedError
    at γ = 1 if the episode may never end, ValueError for bars of more than 60 states.
    """
    from mdpkit.operators.occupancy import occupancy as occupied

    check(path)
    d, found = _floats(occupied(mdp, policy)), grid_of(mdp, shape, cells)
    label = "expected visits" if mdp.gamma >= 1 else "occupancy  d"
    if found is not None:
        figure = new_figure(*_size(found))
        _heat_map(figure, figure.subplots(), found, d, label, "magma")
        return write(figure, path, "Occupancy")
    if mdp.n_states > BARS:
        raise ValueError(
            f"{mdp.n_states} bars are too many: pass shape=(rows, columns) or cells= (S, 2)."
        )
    figure = new_figure()
    axes = figure.subplots()
    tidy(axes)
    names = range(mdp.n_states) if mdp.states is None else mdp.states
    axes.bar(np.arange(mdp.n_states), d, color="#0072B2", width=0.8)
    texts = [plain(name, 14) for name in names]
    steep = 60 if max(map(len, texts)) * len(texts) > 70 else 0
    axes.set_xticks(np.arange(mdp.n_states), texts, rotation=steep)
    axes.set_xlabel("state")
    axes.set_ylabel(label)
    return write(figure, path, "Occupancy")


# ---- parts -----------------------------------------------------------------------------------


def grid_of(mdp: MDP, shape: Any = None, cells: Any = None) -> np.ndarray | None:
    """(S, 2) row and column of each state, None where nothing says so."""
    if cells is None and shape is None:
        cells = _named_cells(mdp)
    elif cells is None:
        rows, columns = (int(n) for n in shape)
        if rows * columns != mdp.n_states or min(rows, columns) < 1:
            raise ValueError(
                f"shape {shape} has {rows * columns} cells for {mdp.n_states} states."
            )
        cells = np.stack(np.divmod(np.arange(mdp.n_states), columns), axis=1)
    if cells is None:
        return None
    cells = np.asarray(cells)
    if cells.shape != (mdp.n_states, 2) or cells.dtype.kind not in "iu":
        raise ValueError(
            f"cells must be int ({mdp.n_states}, 2), not {cells.dtype} {cells.shape}."
        )
    if cells.min() < 0 or cells.max() >= LARGEST:
        raise ValueError(f"rows and columns are 0 … {LARGEST - 1}; cells has {cells.max()}.")
    distinct, index = np.unique(cells, axis=0, return_inverse=True)
    if len(distinct) < len(cells):
        s = int(np.argmax(np.bincount(index.reshape(-1))[index.reshape(-1)] > 1))
        raise ValueError(f"several states are in the cell {tuple(cells[s].tolist())}.")
    return cells


def _named_cells(mdp: MDP) -> np.ndarray | None:
    from mdpkit.cli._grid import CELL

    found = [CELL.fullmatch(str(name)) for name in mdp.states or ()]
    if not found or not all(found):
        return None
    return np.array([[int(match[1]), int(match[2])] for match in found if match])


def _steps(mdp: MDP, moves: Sequence[str] | None) -> np.ndarray | None:
    """(A, 2) down and right for each action; NaN for one that does not move."""
    from mdpkit.cli._grid import ARROWS

    if moves is None:
        moves = [ARROWS.get(str(name), "") for name in mdp.actions or ()]
        if not any(moves):
            return None
    if len(moves) < mdp.n_actions:
        raise ValueError(f"{len(moves)} moves for {mdp.n_actions} actions.")
    return np.array([STEPS.get(move, (np.nan, np.nan)) for move in moves], dtype=float)


def _floats(x: np.ndarray) -> np.ndarray:
    return np.array([number(value) for value in x], dtype=float)


def _size(cells: np.ndarray) -> tuple[float, float]:
    rows, columns = cells.max(axis=0) + 1
    scale = min(0.75, 9 / max(rows, columns))
    return max(3.5, scale * columns + 1.6), max(2.2, scale * rows + 0.6)


def _heat_map(
    figure: Figure,
    axes: Axes,
    cells: np.ndarray,
    x: np.ndarray,
    label: str,
    colors: str = "viridis",
) -> None:
    page = np.full(cells.max(axis=0) + 1, np.nan)
    page[cells[:, 0], cells[:, 1]] = x
    axes.set_facecolor("#BBBBBB")  # where there is no state
    image = axes.imshow(page, cmap=colors, interpolation="nearest")
    figure.colorbar(image, ax=axes, label=label, shrink=0.9)
    axes.set_xticks([])
    axes.set_yticks([])
    if x.size > NUMBERED:
        return
    low, high = np.nanmin(page), np.nanmax(page)
    dark = low + 0.6 * (high - low)
    noise = 1e-9 * max(abs(low), abs(high))
    for (row, column), value in zip(cells, x, strict=True):
        axes.text(
            *(column, row - 0.22),
            _short(value if abs(value) > noise else 0.0),
            ha="center",
            va="center",
            fontsize=7,
            color="black" if value > dark else "white",
        )


def _short(x: float) -> str:
    """A number in at most six characters or so."""
    if not math.isfinite(x):
        return "∞" if x > 0 else "−∞"
    text = f"{x:.3g}" if abs(x) < 1000 else f"{x:.2g}"
    return text.replace("-", "−")
