"""Tile coding: several shifted grids over a box; of each the one tile that holds the point.

    tile j of grid i  =  ⌊ x_j · tiles_j + i (2j + 1)/n mod 1 ⌋,      x scaled to [0, 1]^d

The shifts (1, 3, 5, …)/n of a tile are asymmetric, so that generalization has no diagonals.
Every grid has one tile more in each dimension, for its shift; nothing is hashed, so that two
tiles never share a weight. Features are sparse and binary: n of them are 1.
Checked in tests/operators/test_features.py.
Source: Albus (1981); Miller & Glanz (1996); Sutton & Barto (2018), §9.5.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from mdpkit._jit import njit
from mdpkit.operators.features import in_unit_box


@dataclass(frozen=True)
class TileCoding:
    """Grids of tiles over a box.

    low, high   d numbers each: the box; points beyond it count as on its border
    tiles       how many cover the box in each dimension: d numbers, or one for all
    tilings     n, how many grids
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    tiles: int | tuple[int, ...] = 8
    tilings: int = 8

    def __post_init__(self):
        if self.tilings < 1 or min(self.counts) < 1 or len(self.counts) != len(self.low):
            raise ValueError(
                f"tilings must be ≥ 1, and tiles one number ≥ 1, or one for each of "
                f"{len(self.low)} dimensions; they are {self.tilings} and {self.tiles}."
            )
        in_unit_box(np.array([self.low], dtype=float), self.low, self.high)

    @property
    def counts(self) -> tuple[int, ...]:
        """Tiles in each dimension."""
        return self.tiles if isinstance(self.tiles, tuple) else (self.tiles,) * len(self.low)

    @property
    def size(self) -> int:
        """K."""
        return self.tilings * prod(n + 1 for n in self.counts)

    @property
    def shifts(self) -> np.ndarray:
        """(tilings, d) in parts of a tile."""
        grid, odd = np.arange(self.tilings), 2 * np.arange(len(self.low)) + 1
        return grid[:, None] * odd % self.tilings / self.tilings

    def active(self, x: Any) -> np.ndarray:
        """(n, tilings) int: the features that are 1, one of each grid. x : (n, d) points."""
        x = in_unit_box(x, self.low, self.high)
        out = np.empty((len(x), self.tilings), dtype=np.int64)
        tiles(x, np.array(self.counts), self.shifts, out)
        return out

    def __call__(self, x: Any) -> np.ndarray:
        """Φ (n, K). x : (n, d) points."""
        active = self.active(x)
        out = np.zeros((len(active), self.size))
        np.put_along_axis(out, active, 1.0, axis=1)
        return out


@njit
def tiles(x, counts, shifts, out):
    """Write the active features of points (n, d) in the unit box into out (n, tilings)."""
    each = 1
    for j in range(counts.size):
        each *= counts[j] + 1
    for i in range(x.shape[0]):
        for grid in range(shifts.shape[0]):
            tile = 0
            for j in range(counts.size):
                place = min(max(x[i, j], 0.0), 1.0) * counts[j]
                # A point on the far border belongs to the last tile, as its neighbors do.
                place = min(place, counts[j] - 1e-9)
                tile = tile * (counts[j] + 1) + int(place + shifts[grid, j])
            out[i, grid] = grid * each + tile
