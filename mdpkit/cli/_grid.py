"""A policy as arrows, where the states are the cells of a grid."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mdpkit.mdp import MDP

ARROWS = {
    **{"left": "←", "right": "→", "up": "↑", "down": "↓"},
    **{"west": "←", "east": "→", "north": "↑", "south": "↓"},
    **{"up left": "↖", "up right": "↗", "down left": "↙", "down right": "↘"},
}
OVER = "·"
"""A cell in which the episode is over whatever one does."""

WIDEST = 60
CELL = re.compile(r"\(?(\d{1,4}), ?(\d{1,4})\)?")

# Gymnasium's toy-text environments do not name their actions.
GYMNASIUM = {"gym:FrozenLake": "←↓→↑", "gym:CliffWalking": "↑→↓←"}


def arrows(source: str, mdp: MDP, policy: Any) -> str | None:
    """Return the grid with the policy's moves, None where the model is not seen to be one."""
    cells, moves = cells_of(source, mdp), moves_of(source, mdp)
    if cells is None or moves is None:
        return None
    height, width = cells.max(axis=0) + 1
    if width > WIDEST or height > WIDEST or mdp.n_states < 2:
        return None
    page = np.full((height, width), " ")
    over = np.minimum.reduceat(mdp.stop.reshape(-1), mdp.action_ptr[:-1]) >= 1
    for (row, column), a, ended in zip(cells, policy, over, strict=True):
        page[row, column] = OVER if ended else moves[a]
    return "\n".join(" ".join(line) for line in page)


def cells_of(source: str, mdp: MDP) -> np.ndarray | None:
    """(S, 2) row and column of each state: its name, as in "2,3", else by the kind of model."""
    if mdp.states is not None:
        found = [CELL.fullmatch(str(name)) for name in mdp.states]
        if not all(found):
            return None
        return np.array([[int(match[1]), int(match[2])] for match in found if match])
    name, _, query = source.partition("?")
    if "desc=" in query or "board=" in query:  # a board of any shape
        return None
    if name.startswith("gym:CliffWalking"):
        width = 12
    elif name.startswith("gym:FrozenLake") or name == "gallery:lake":
        width = math.isqrt(mdp.n_states)
    else:
        return None
    return np.stack(np.divmod(np.arange(mdp.n_states), width), axis=1)


def moves_of(source: str, mdp: MDP) -> str | None:
    """The arrow of each action."""
    for start, moves in GYMNASIUM.items():
        if source.startswith(start):
            return moves
    names = [ARROWS.get(str(name)) for name in mdp.actions or ()]
    return "".join(name for name in names if name) if names and all(names) else None
