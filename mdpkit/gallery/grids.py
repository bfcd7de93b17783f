"""Grids: cells are numbered row by row from the top left, a move off the edge stays."""

from __future__ import annotations

from fractions import Fraction

from mdpkit.gallery._build import always, number, tabulate, uniform, whole
from mdpkit.gallery._registry import Known, model
from mdpkit.mdp import MDP

UP, DOWN, RIGHT, LEFT = (-1, 0), (1, 0), (0, 1), (0, -1)
NAMES = {UP: "up", DOWN: "down", RIGHT: "right", LEFT: "left"}

CORNER_VALUES = (0, -14, -20, -22, -14, -18, -20, -20, -20, -20, -18, -14, -22, -20, -14, 0)

TELEPORT_RANDOM = (3.3, 8.8, 4.4, 5.3, 1.5), (-1.9, -1.3, -1.2, -1.4, -2.0)
TELEPORT_BEST = (22.0, 24.4, 22.0, 19.4, 17.5), (14.4, 16.0, 14.4, 13.0, 11.7)
"""First and last row, as printed in the book's Figures 3.2 and 3.5."""


def _clip(
    cell: tuple[int, int], move: tuple[int, int], height: int, width: int
) -> tuple[int, int]:
    row, column = cell[0] + move[0], cell[1] + move[1]
    return min(max(row, 0), height - 1), min(max(column, 0), width - 1)


def _names(height: int, width: int) -> list[str]:
    return [f"{row},{column}" for row in range(height) for column in range(width)]


def _edges(rows: tuple) -> dict[int | str, float]:
    return {20 * i + column: v for i in (0, 1) for column, v in enumerate(rows[i])}


@model(
    source="Sutton & Barto (2018), Example 4.1",
    known=[
        Known(dict(enumerate(CORNER_VALUES)), policy=uniform),
        Known({0: 0, 1: -1, 2: -2, 3: -3, 6: -3, 9: -3, 15: 0}),
    ],
)
def grid4x4(size: int = 4, gamma: float = 1.0) -> MDP:
    """Walk to the top left or the bottom right corner at −1 a step; the episode ends there.

    size   cells along a side, ≥ 2; the book's is 4
    """
    n = whole(size, "size", 2, 300)
    moves = (UP, DOWN, RIGHT, LEFT)
    corners = {(0, 0), (n - 1, n - 1)}

    def rule(s: int, a: int) -> list:
        cell = divmod(s, n)
        if cell in corners:
            return [(1, None, 0)]
        row, column = after = _clip(cell, moves[a], n, n)
        return [(1, None if after in corners else row * n + column, -1)]

    states, actions = _names(n, n), [NAMES[move] for move in moves]
    return tabulate(rule, [4] * n * n, gamma, states=states, actions=actions)


@model(
    source="Sutton & Barto (2018), Examples 3.5 and 3.8",
    known=[
        Known(_edges(TELEPORT_RANDOM), policy=uniform, tol=0.05),
        Known(_edges(TELEPORT_BEST), tol=0.05),
        # A → A′ and four steps back: v = 10 + γ⁵ v, and its neighbors are γ times that.
        Known({1: 10 / (1 - Fraction(9, 10) ** 5), 0: 9 / (1 - Fraction(9, 10) ** 5)}),
    ],
)
def grid5x5(gamma: float = 0.9) -> MDP:
    """Every move from A = (0,1) leads to (4,1) and pays 10, from B = (0,3) to (2,3) and pays 5.

    A move off the grid stays and pays −1; every other move pays 0. It never ends.
    """
    moves = (UP, DOWN, RIGHT, LEFT)
    jumps = {1: (21, 10), 3: (13, 5)}

    def rule(s: int, a: int) -> list:
        if s in jumps:
            return [(1, *jumps[s])]
        row, column = _clip(divmod(s, 5), moves[a], 5, 5)
        t = row * 5 + column
        return [(1, t, -1 if t == s else 0)]

    states, actions = _names(5, 5), ["north", "south", "east", "west"]
    return tabulate(rule, [4] * 25, gamma, states=states, actions=actions)


@model(
    source="Sutton & Barto (2018), Example 6.6; numbered as Gymnasium's CliffWalking",
    known=[
        Known({"start": -13, 36: -13, 24: -12, 35: -1, 47: 0}),
        Known({"start": -1000}, policy=always(1, "right"), given={"gamma": 0.9}),
    ],
)
def cliff(height: int = 4, width: int = 12, gamma: float = 1.0) -> MDP:
    """From the bottom left to the bottom right at −1 a step; the cells between are a cliff.

    Stepping onto the cliff costs 100 and leads back to the start; the goal ends the
    episode. The shortest way takes width + 1 steps, the safe one along the top row 17 in
    the book's 4 × 12. The cliff's own cells are never entered; in them the same moves
    apply.

    height, width   cells, at least 2 and 3
    """
    height, width = whole(height, "height", 2, 1000), whole(width, "width", 3, 1000)
    moves = (UP, RIGHT, DOWN, LEFT)
    start, goal = (height - 1) * width, height * width - 1

    def rule(s: int, a: int) -> list:
        if s == goal:
            return [(1, None, 0)]
        row, column = _clip(divmod(s, width), moves[a], height, width)
        t = row * width + column
        if start < t < goal:
            return [(1, start, -100)]
        return [(1, None if t == goal else t, -1)]

    states, actions = _names(height, width), [NAMES[move] for move in moves]
    return tabulate(rule, [4] * (goal + 1), gamma, start=start, states=states, actions=actions)


WIND = (0, 0, 0, 1, 1, 1, 2, 2, 1, 0)


@model(
    source="Sutton & Barto (2018), Example 6.5, Exercises 6.9 (kings) and 6.10 (gusts)",
    known=[Known({"start": -15, 37: 0}), Known({"start": -7}, given={"kings": True})],
)
def windy(kings: bool = False, gusts: bool = False, gamma: float = 1.0) -> MDP:
    """Cross a 7 × 10 grid at −1 a step while the wind of the column you leave pushes you up.

    kings   whether diagonal moves are allowed too
    gusts   whether the wind, where there is any, may be one cell weaker or stronger, 1/3 each
    """
    moves: tuple[tuple[int, int], ...] = (UP, DOWN, RIGHT, LEFT)
    named = [NAMES[move] for move in moves]
    if _flag(kings, "kings"):
        moves += ((-1, -1), (-1, 1), (1, -1), (1, 1))
        named += ["up left", "up right", "down left", "down right"]
    changes = (-1, 0, 1) if _flag(gusts, "gusts") else (0,)
    goal = 37

    def rule(s: int, a: int) -> list:
        row, column = divmod(s, 10)
        if s == goal:
            return [(1, None, 0)]
        winds = [WIND[column] + change for change in (changes if WIND[column] else (0,))]
        cells = [_clip((row - wind, column), moves[a], 7, 10) for wind in winds]
        after = [i * 10 + j for i, j in cells]
        return [(Fraction(1, len(winds)), None if t == goal else t, -1) for t in after]

    return tabulate(
        rule, [len(moves)] * 70, gamma, start=30, states=_names(7, 10), actions=named
    )


def _flag(x: bool | int, name: str) -> bool:
    return bool(x) if isinstance(x, bool) else bool(whole(x, name, 0, 1))


WALLS = {(1, 2), (2, 2), (3, 2), (4, 5), (0, 7), (1, 7), (2, 7)}


@model(
    source="Sutton & Barto (2018), Example 8.1",
    known=[
        Known({"start": Fraction(19, 20) ** 13, 17: 1, 26: Fraction(19, 20)}),
        Known({"start": -14, 17: -1}, given={"gamma": 1.0, "goal": 0, "step": -1}),
    ],
)
def dyna_maze(goal: float = 1, step: float = 0, gamma: float = 0.95) -> MDP:
    """Through a 6 × 9 maze with three walls, from (2,0) to (0,8), 14 steps by the shortest way.

    A move into a wall or off the grid stays. The walls' own cells are never entered; in them
    the same moves apply.

    goal, step   reward for reaching the goal, which ends the episode, beside that of any step
    """
    gain, cost = number(goal, "goal"), number(step, "step")
    moves, last = (UP, DOWN, RIGHT, LEFT), 8

    def rule(s: int, a: int) -> list:
        if s == last:
            return [(1, None, 0)]
        cell = divmod(s, 9)
        after = _clip(cell, moves[a], 6, 9)
        row, column = cell if after in WALLS else after
        t = row * 9 + column
        return [(1, None, gain + cost) if t == last else (1, t, cost)]

    states, actions = _names(6, 9), [NAMES[move] for move in moves]
    return tabulate(rule, [4] * 54, gamma, start=18, states=states, actions=actions)
