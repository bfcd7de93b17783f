"""Grids on which inverse reinforcement learning is measured; each has its published features.

Cells are numbered row by row from the top left. A move is replaced, with probability `noise`,
by one drawn uniformly from all of them; a move off the edge stays.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from mdpkit.errors import ModelError
from mdpkit.gallery._build import number, tabulate, whole
from mdpkit.gallery._registry import Known, model, require_memory
from mdpkit.mdp import MDP

MOVES = ((-1, 0), (1, 0), (0, 1), (0, -1), (0, 0))
NAMES = ["up", "down", "right", "left", "stay"]
INNER, OUTER = 0, 1


@model(
    source="Ng & Russell (2000), §6: the 5 × 5 grid of the first IRL experiments",
    known=[Known({"start": Fraction(9, 10) ** 8, 4: 1}, given={"noise": 0})],
)
def corner_goal(size: int = 5, noise: float = 0.3, gamma: float = 0.9) -> MDP:
    """Walk from the bottom left to the top right corner, which pays 1 and ends the episode.

    size    cells along a side, ≥ 2
    noise   probability that a move goes in a random one of the four directions instead
    """
    n, p = whole(size, "size", 2, 300), number(noise, "noise", 0, 1)

    def rule(s: int, a: int) -> list:
        if s == n - 1:
            return [(1, None, 1)]
        row, column = divmod(s, n)
        cells = [
            min(max(row + i, 0), n - 1) * n + min(max(column + j, 0), n - 1)
            for i, j in MOVES[:4]
        ]
        return [(1 - p, cells[a], 0), *((p / 4, t, 0) for t in cells)]

    states = [f"{row},{column}" for row in range(n) for column in range(n)]
    return tabulate(
        rule, [4] * n * n, gamma, start=(n - 1) * n, states=states, actions=NAMES[:4]
    )


@model(
    source="Levine, Popović & Koltun (2011), §6: objectworld",
    # One object of the only color is less than 3 cells from all of a 3 × 3 grid: −1 for ever.
    known=[
        Known(dict.fromkeys(range(9), -10), given={"size": 3, "objects": 1, "colors": 1}),
        Known({0: 0, 24: 0}, given={"size": 5, "objects": 0}),
    ],
)
def objectworld(
    size: int = 32,
    objects: int | None = None,
    colors: int = 2,
    *,
    seed: int = 0,
    noise: float = 0.3,
    gamma: float = 0.9,
) -> MDP:
    """Objects with an inner and an outer color lie on a grid; only the outer ones pay.

    +1 where both outer color 1 is less than 3 cells away and outer color 2 less than 2, −1
    where only outer color 1 is, 0 elsewhere; the rest distracts. See `object_features`.

    size      cells along a side      objects   how many; None is one in 20 cells
    colors    C ≥ 1 of each kind      seed      whole number ≥ 0
    noise     probability of a random move
    """
    n = whole(size, "size", 1, 10_000)
    p = float(number(noise, "noise", 0, 1))
    require_memory(n * n * 5 * 6 * 24 + 8 * n * n * _count(n, objects), f"a grid of {n} × {n}")
    far = object_features(n, objects, colors, seed=seed, continuous=True)
    one = far[:, OUTER] < 3
    two = far[:, 2 + OUTER] < 2 if far.shape[1] > 2 else np.zeros(n * n, dtype=bool)
    return _walk(n, np.where(one, np.where(two, 1.0, -1.0), 0.0), 5, p, gamma)


def object_features(
    size: int = 32,
    objects: int | None = None,
    colors: int = 2,
    *,
    seed: int = 0,
    continuous: bool = False,
) -> np.ndarray:
    """Distances to the nearest object of each inner and outer color, (S, 2C), inner first.

    By default as binary features (S, 2C·N), 1 where the distance is less than d = 1, …, N; the
    reward is not linear in them. A color that no object has is 2N away.
    """
    n, C = whole(size, "size", 1, 10_000), whole(colors, "colors", 1, 1000)
    rng = np.random.default_rng(whole(seed, "seed"))
    count = _count(n, objects)
    places = rng.choice(n * n, size=count, replace=False)
    colored = rng.integers(C, size=(count, 2))
    here = np.stack(np.divmod(np.arange(n * n), n), axis=1)
    far = np.full((n * n, 2 * C), 2.0 * n)
    for place, pair in zip(places, colored, strict=True):
        distance = np.hypot(*(here - divmod(int(place), n)).T)
        for kind in (INNER, OUTER):
            column = 2 * pair[kind] + kind
            far[:, column] = np.minimum(far[:, column], distance)
    if continuous:
        return far
    return (far[:, :, None] < np.arange(1, n + 1)).reshape(n * n, -1).astype(float)


def _count(n: int, objects: int | None) -> int:
    return round(n * n / 20) if objects is None else whole(objects, "objects", 0, n * n)


@model(
    source="Abbeel & Ng (2004), §5.1: gridworld with sparse rewards on macrocells",
    known=[Known({0: 100, 3: 100}, given={"size": 2, "cell": 2})],
)
def macrocells(
    size: int = 128, cell: int = 16, *, seed: int = 0, noise: float = 0.3, gamma: float = 0.99
) -> MDP:
    """Rewards are the same all over a macrocell, and 0 in nine of ten.

    The weight of a macrocell is 0 with probability .9, else uniform on [0, 1]; at least two are
    positive (if there are two), and they sum to 1. `macrocell_features` returns the indicators.

    size   cells along a side, a multiple of cell      cell   cells along a macrocell's
    seed   whole number ≥ 0                            noise  probability of a random move
    """
    n, c = whole(size, "size", 1, 10_000), whole(cell, "cell", 1)
    p = float(number(noise, "noise", 0, 1))
    if n % c:
        raise ModelError(f"size {n} must be a multiple of cell {c}.", parameter="size")
    require_memory(n * n * 4 * 5 * 24, f"a grid of {n} × {n}")
    rng, many = np.random.default_rng(whole(seed, "seed")), (n // c) ** 2
    while True:
        w = np.where(rng.random(many) < 0.1, rng.random(many), 0.0)
        if np.count_nonzero(w) >= min(2, many):
            break
    row, column = np.divmod(np.arange(n * n), n)
    return _walk(n, (w / w.sum())[row // c * (n // c) + column // c], 4, p, gamma)


def macrocell_features(size: int = 128, cell: int = 16) -> np.ndarray:
    """Which macrocell a cell lies in, (S, K) of zeros and ones."""
    row, column = np.divmod(np.arange(size * size), size)
    own = row // cell * (size // cell) + column // cell
    return (own[:, None] == np.arange((size // cell) ** 2)).astype(float)


def _walk(n: int, reward: np.ndarray, n_moves: int, noise: float, gamma: Any) -> MDP:
    """The grid with a reward for being in each cell; entries of a row are added up by `MDP`."""
    row, column = np.divmod(np.arange(n * n), n)
    after = np.stack(
        [
            np.clip(row + i, 0, n - 1) * n + np.clip(column + j, 0, n - 1)
            for i, j in MOVES[:n_moves]
        ],
        axis=1,
    )
    columns = np.concatenate(
        [after[:, :, None], np.repeat(after[:, None, :], n_moves, axis=1)], axis=2
    )
    values = np.broadcast_to(np.array([1 - noise] + [noise / n_moves] * n_moves), columns.shape)
    ptr = np.arange(0, columns.size + 1, n_moves + 1)
    rows = (values.reshape(-1), columns.reshape(-1), ptr)
    states = [f"{i},{j}" for i, j in zip(row, column, strict=True)]
    return MDP(
        rows,
        np.repeat(reward, n_moves),
        gamma,
        action_ptr=np.arange(0, n_moves * n * n + 1, n_moves),
        states=states,
        actions=NAMES[:n_moves],
    )
