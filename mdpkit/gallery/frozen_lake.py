"""A slippery lake of any size, cell for cell the model of Gymnasium's FrozenLake."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from mdpkit.errors import ModelError
from mdpkit.gallery._build import number, pointer, whole
from mdpkit.gallery._registry import Known, model, require_memory
from mdpkit.mdp import MDP

BOARDS = {
    4: "SFFF/FHFH/FFFH/HFFG",
    8: "SFFFFFFF/FFFFFFFF/FFFHFFFF/FFFFFHFF/FFFHFFFF/FHHFFFHF/FHFFHFHF/FFFHFFFG",
}
TRIES = 1000
NAMED_UP_TO = 1024
"""Cells of a lake whose states are named "row,column"; more names would outweigh the rows."""
BYTES_A_CELL = 4 * 3 * (8 + 4 + 4 + 3) + 4 * 40
"""Twelve outcomes a cell, in the model and on the way to it; four pairs."""


@model(
    source="Gymnasium, FrozenLake-v1 (toy text)",
    known=[
        Known({0: 0.5420259320}, tol=5e-11),
        Known({0: Fraction(14, 17), 15: 0}, given={"gamma": 1.0}),
        Known({0: 0.4146403618}, given={"size": 8}, tol=5e-11),
        Known({0: Fraction(99, 100) ** 5}, given={"success": 1.0}),  # six dry steps
    ],
)
def lake(
    size: int = 4,
    *,
    board: str | Sequence[str] | None = None,
    seed: int | None = None,
    frozen: float = 0.8,
    success: float = 1 / 3,
    gamma: float = 0.99,
) -> MDP:
    """Cross the ice from S to G, which pays 1; a hole H or the goal ends the episode.

    A move goes where it should with probability `success`, else to either side with equal
    chance; off the lake it stays. Sizes 4 and 8 without a seed are Gymnasium's maps, every
    other lake is random with a way across, from seed 0 unless another is given.

    size      cells along a side
    board     a map instead: rows of S, F, H and G, as a list or with "/" between them
    seed      of Gymnasium's generate_random_map(size, frozen)
    frozen    probability that a cell of a random map is ice
    success   probability that a move goes where it should
    """
    success_ = number(success, "success", 0, 1)
    cells = _read(board) if board is not None else _cells(size, seed, frozen)
    height, width = cells.shape
    require_memory(BYTES_A_CELL * cells.size, f"a lake of {height} × {width} cells")
    ends = np.isin(cells, ("G", "H")).reshape(-1)
    values, columns, row_ptr, r, stop = _rows(cells, ends, success_)
    start = (cells == "S").reshape(-1).astype(np.float64)
    named = cells.size <= NAMED_UP_TO
    return MDP(
        (values, columns, row_ptr),
        r.reshape(-1, 4),
        gamma,
        stop=stop.reshape(-1, 4),
        start=start / start.sum(),
        states=[f"{i},{j}" for i in range(height) for j in range(width)] if named else None,
        actions=["left", "down", "right", "up"],
    )


def _rows(cells: np.ndarray, ends: np.ndarray, success: Fraction) -> tuple[np.ndarray, ...]:
    """Return values, columns and row pointer of the pairs, their rewards and their stops.

    A pair has three outcomes, the move meant (weight 1) and its two sides (weight 2 each).
    Weights of outcomes that agree are added, and each sum 0 … 5 stands for one correctly
    rounded probability.
    """
    side = (1 - success) / 2
    mass = [0, success, side, side + success, 2 * side, 1]
    probability = np.array([float(p) for p in mass])
    target = _targets(*cells.shape)[:, np.arange(4)[:, None] + np.array([-1, 0, 1])[None] & 3]
    weight = np.broadcast_to(np.array([2, 1, 2], dtype=np.uint8), target.shape)
    order = np.argsort(target, axis=2, kind="stable")
    target = np.take_along_axis(target, order, axis=2)
    weight = np.take_along_axis(weight, order, axis=2)
    weight[ends] = 0
    over = ends[target]
    r = np.where(cells.reshape(-1)[target] == "G", weight, 0).sum(axis=2, dtype=np.uint8)
    stop = np.where(over, weight, 0).sum(axis=2, dtype=np.uint8)
    stop[ends] = 5
    weight[over] = 0
    for k in (1, 2):
        same = target[:, :, k] == target[:, :, k - 1]
        weight[:, :, k] += np.where(same, weight[:, :, k - 1], 0)
        weight[:, :, k - 1][same] = 0
    keep = probability[weight] > 0
    row_ptr = pointer(keep.sum(axis=2).reshape(-1))
    return probability[weight[keep]], target[keep], row_ptr, probability[r], probability[stop]


def _targets(height: int, width: int) -> np.ndarray:
    """(S, 4) the cell one step left, down, right and up of each cell."""
    row, column = np.divmod(np.arange(height * width, dtype=np.int32), np.int32(width))
    left, right = np.maximum(column - 1, 0), np.minimum(column + 1, width - 1)
    up, down = np.maximum(row - 1, 0), np.minimum(row + 1, height - 1)
    return np.stack(
        [row * width + left, down * width + column, row * width + right, up * width + column],
        axis=1,
    ).astype(np.int32, copy=False)


def _read(board: str | Sequence[str]) -> np.ndarray:
    lines = board.split("/") if isinstance(board, str) else board
    even = isinstance(lines, list | tuple) and all(
        isinstance(line, str) and len(line) == len(lines[0]) for line in lines
    )
    if not even or not lines:
        raise ModelError("board must be rows of equal length, like 'SF/FG'.", parameter="board")
    wrong = sorted(set("".join(lines)) - set("SFHG"))
    if wrong or "S" not in "".join(lines):
        what = f"it holds {wrong[0]!r}" if wrong else "it has no S"
        raise ModelError(
            f"board is made of S, F, H and G, and starts at S; {what}.", parameter="board"
        )
    return np.array([list(line) for line in lines])


def _cells(size: int, seed: int | None, frozen: float) -> np.ndarray:
    """Return a map: the fixed ones of sizes 4 and 8, else the first random one with a way."""
    n, p = whole(size, "size", 2), float(number(frozen, "frozen", 0, 1))
    if seed is None and n in BOARDS:
        return _read(BOARDS[n])
    require_memory(BYTES_A_CELL * n * n, f"a lake of {n} × {n} cells")
    rng = np.random.default_rng(whole(0 if seed is None else seed, "seed"))
    for _ in range(TRIES):
        cells = np.where(rng.random((n, n)) < p, "F", "H")
        cells[0, 0], cells[-1, -1] = "S", "G"
        if _connected(cells != "H"):
            return cells
    raise ModelError(
        f"no way across in {TRIES} random maps of size {n}: frozen={p} is too small.",
        parameter="frozen",
    )


def _connected(ice: np.ndarray) -> bool:
    """Whether the first cell and the last are joined by ice."""
    from scipy.ndimage import label

    patches = np.empty(ice.shape, dtype=np.int32)
    label(ice, output=patches)
    return bool(patches[0, 0] == patches[-1, -1])
