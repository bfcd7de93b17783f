"""The loop of algorithms that learn from what anybody did: play a while, then update a while.

    repeat   play `collect` steps into the replay;  `updates` times: sample a batch, update

Before it a warm-up fills the replay with the behavior at progress 0. Everything is scanned, so
that a run is one compiled program; `t` and `progress` are the same for every seed, all else may
be mapped over seeds. The length of a round is fixed when it is compiled.

Checked in tests/deep/test_loops.py. Source: Mnih et al. (2015), algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mdpkit.deep.batch import Batch
from mdpkit.deep.loops.play import Log, Play, played
from mdpkit.deep.replay import Prioritized, Uniform


class Run(NamedTuple):
    """Where a run stands. learner : the algorithm's own state."""

    learner: Any
    play: Play
    replay: Any


@dataclass(frozen=True)
class OffPolicy:
    """Play, store, sample, update.

    replay    Uniform(capacity, n_step) or Prioritized(…)
    lanes     environments side by side
    warm_up   steps, over all lanes, before the first update
    collect   steps, over all lanes, between two rounds of updates
    updates   in a round; batch : rows in each
    """

    replay: Uniform | Prioritized = field(default_factory=lambda: Uniform(100_000))
    lanes: int = 1
    warm_up: int = 1_000
    collect: int = 1
    updates: int = 1
    batch: int = 64

    def __post_init__(self):
        for name in ("lanes", "collect", "updates", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be ≥ 1; it is {getattr(self, name)}.")
        for name in ("collect", "warm_up"):
            steps = getattr(self, name)
            if steps % self.lanes:
                near = max(self.lanes, round(steps / self.lanes) * self.lanes)
                raise ValueError(
                    f"{name} = {steps} is no multiple of the {self.lanes} lanes; {near} is."
                )
        least = self.lanes * self.replay.n_step
        if self.warm_up < least:
            raise ValueError(
                f"warm_up = {self.warm_up} leaves nothing to sample; it takes {least} or more."
            )

    @property
    def round(self) -> int:
        """Steps, over all lanes, of one round."""
        return self.collect

    def begin(self, algorithm: Any, worlds: Any, key: Any) -> tuple[Run, Log]:
        """The run after its warm-up of `warm_up` steps."""
        first, second, third = jax.random.split(key, 3)
        learner = algorithm.init(worlds, first)
        play = Play.begin(worlds, second, self.lanes)
        row = _stored(
            jax.eval_shape(lambda p: played(algorithm, worlds, learner, p, 0, 0.0), play)
        )
        empty = self.replay.init(jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), row))
        run = Run(learner, play._replace(key=third), empty)
        return self._collected(algorithm, worlds, run, 0, 0.0, self.warm_up // self.lanes)

    def advance(
        self, algorithm: Any, worlds: Any, run: Run, t: Any, progress: Any
    ) -> tuple[Run, Log]:
        """One round. t : rows played before it; progress : in [0, 1] of the training."""
        rows = self.collect // self.lanes
        run, log = self._collected(algorithm, worlds, run, t, progress, rows)

        def update(run: Run, key: Any) -> tuple[Run, Any]:
            first, second = jax.random.split(key)
            batch, index = self.replay.sample(run.replay, t + rows, first, self.batch, progress)
            learner, report = algorithm.update(run.learner, batch, second, progress)
            replay = self.replay.update(run.replay, index, report.error)
            return run._replace(learner=learner, replay=replay), report.loss

        key, own = jax.random.split(run.play.key)
        run = run._replace(play=run.play._replace(key=key))
        run, losses = jax.lax.scan(update, run, jax.random.split(own, self.updates))
        return run, log._replace(loss=losses.mean())

    def _collected(
        self, algorithm: Any, worlds: Any, run: Run, t: Any, progress: Any, rows: int
    ) -> tuple[Run, Log]:
        """Play `rows` rows into the replay."""

        def step(t: Any, so_far: tuple[Run, Log]) -> tuple[Run, Log]:
            run, log = so_far
            play, row, more = played(algorithm, worlds, run.learner, run.play, t, progress)
            replay = self.replay.add(run.replay, t, row)
            return run._replace(play=play, replay=replay), log.plus(more)

        # Not a scan: known to be one row, it would be merged with the reads that come after,
        # and the whole replay be copied for their sake.
        return jax.lax.fori_loop(t, t + rows, step, (run, Log.none()))


def _stored(result: Any) -> Batch:
    return result[1]
