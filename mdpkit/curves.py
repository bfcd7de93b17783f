"""Learning curves: one row a run, and what may be said of their mean.

A curve of averages without its spread says little: `band` is Student's interval for the mean at
each point by itself, `quantile` the spread of the runs. Checked in tests/test_curves.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Curves:
    """Runs of one quantity.

    values  (runs, n), row i from run i; in the units of `label`
    x       (n,) where each column was taken; 1, 2, … if None
    name    whose curve it is; label, x_label: the axes
    """

    values: np.ndarray
    name: str = ""
    label: str = ""
    x: Any = None
    x_label: str = "episode"

    def __post_init__(self):
        if np.ndim(self.values) != 2:
            raise ValueError(f"curves are (runs, n); these are {np.shape(self.values)}.")
        if self.x is None:
            object.__setattr__(self, "x", np.arange(1, self.values.shape[1] + 1))

    def __len__(self) -> int:
        return self.values.shape[0]

    @property
    def mean(self) -> np.ndarray:
        """(n,) the average over runs."""
        return self.values.mean(axis=0)

    @property
    def standard_error(self) -> np.ndarray:
        """(n,) of the mean; infinite for a single run."""
        runs = len(self)
        if runs < 2:
            return np.full(self.values.shape[1], np.inf)
        return self.values.std(axis=0, ddof=1) / np.sqrt(runs)

    def band(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Student's interval for the mean, pointwise: lower and upper, (n,) each."""
        from scipy.special import stdtrit

        if not 0 < level < 1:
            raise ValueError(f"level must lie in (0, 1); it is {level}.")
        if len(self) < 2:
            wide = np.full(self.values.shape[1], np.inf)
            return -wide, wide
        half = stdtrit(len(self) - 1, (1 + level) / 2) * self.standard_error
        return self.mean - half, self.mean + half

    def quantile(self, q: float) -> np.ndarray:
        """(n,) the q-quantile of the runs."""
        return np.quantile(self.values, q, axis=0)

    def averaged(self, window: int) -> Curves:
        """Means of `window` neighboring columns; the last few are dropped if too few."""
        n = self.values.shape[1] // window
        if window < 1 or n < 1:
            raise ValueError(f"window must lie in 1 … {self.values.shape[1]}; it is {window}.")
        values = self.values[:, : n * window].reshape(len(self), n, window).mean(axis=2)
        x = np.asarray(self.x)[window - 1 : n * window : window]
        return Curves(values, self.name, self.label, x, self.x_label)
