"""The loop of algorithms that learn from what they just did: play a window, update, forget it.

    repeat   play `steps` steps in each of `lanes` lanes;  update on the (T, n) rows

Everything is scanned; `t` and `progress` are the same for every seed, all else may be mapped.
Checked in tests/deep/test_loops.py. Source: Mnih et al. (2016); Schulman et al. (2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mdpkit.deep.loops.play import Log, Play, played


class Run(NamedTuple):
    """Where a run stands. learner : the algorithm's own state."""

    learner: Any
    play: Play


@dataclass(frozen=True)
class OnPolicy:
    """Windows of `steps` steps in each of `lanes` environments side by side."""

    lanes: int = 8
    steps: int = 32

    def __post_init__(self):
        for name in ("lanes", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be ≥ 1; it is {getattr(self, name)}.")

    warm_up = 0

    @property
    def round(self) -> int:
        """Steps, over all lanes, of one round."""
        return self.lanes * self.steps

    def begin(self, algorithm: Any, worlds: Any, key: Any) -> tuple[Run, Log]:
        """A run that has played nothing yet."""
        first, second = jax.random.split(key)
        learner = algorithm.init(worlds, first)
        return Run(learner, Play.begin(worlds, second, self.lanes)), Log.none()

    def advance(
        self, algorithm: Any, worlds: Any, run: Run, t: Any, progress: Any
    ) -> tuple[Run, Log]:
        """One round. t : rows played before it; progress : in [0, 1] of the training."""

        def step(play: Play, i: Any) -> tuple[Play, Any]:
            play, row, log = played(algorithm, worlds, run.learner, play, t + i, progress)
            return play, (row, log)

        play, (rows, logs) = jax.lax.scan(step, run.play, jnp.arange(self.steps))
        rows = rows._replace(weight=rows.weight / self.steps)
        key, own = jax.random.split(play.key)
        learner, report = algorithm.update(run.learner, rows, own, progress)
        return Run(learner, play._replace(key=key)), Log.total(logs)._replace(loss=report.loss)
