"""Play a bandit: many runs of one algorithm, and the regret of each at some of its pulls.

    regret_t = Σ_a (max μ − μ_a) N_a(t)         pseudo-regret: what the choices cost on average

Runs are independent and numbered; run i is the same for every number of runs and of threads,
and meets the same luck whatever the algorithm. Only the checkpoints are kept, so memory does
not grow with the horizon.

Checked in tests/bandits/test_play.py. Source: Bubeck & Cesa-Bianchi (2012), §1.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

import numpy as np

from mdpkit._device import DEVICES
from mdpkit._progress import count_bar
from mdpkit._random import keys
from mdpkit._threads import BUDGET, over_runs
from mdpkit.bandits._draws import fill
from mdpkit.bandits._game import Game, Learner
from mdpkit.bandits.bandit import Bandit
from mdpkit.curves import Curves

CHECKPOINTS = 64
"""So many at most, evenly spaced in the logarithm of the pulls, where none are given."""

LUCK = 32_768
"""Pulls whose noise is drawn ahead, so that it stays in a core's own cache."""


class Algorithm(Protocol):
    """What `play` asks of an algorithm."""

    def prepare(self, bandit: Bandit, horizon: int) -> Learner:
        """Its kernel, ready to play; raises ValueError where it cannot play that."""
        ...


@dataclass(frozen=True, eq=False)
class Played:
    """What many runs came to: Curves at the checkpoints, which are numbers of pulls.

    regret         pseudo-regret up to there, in units of reward
    reward         reward a pull, on average since the checkpoint before
    optimal_share  of optimal arms among the pulls since the checkpoint before
    counts         (runs, K) pulls of each arm at the last checkpoint
    means          (runs, K) the means that were played
    """

    bandit: Bandit
    algorithm: Any
    regret: Curves
    reward: Curves
    optimal_share: Curves
    counts: np.ndarray
    means: np.ndarray
    seconds: float

    @property
    def pulls(self) -> np.ndarray:
        """(n,) the checkpoints."""
        return self.regret.x

    def __repr__(self) -> str:
        mean, error = self.regret.mean[-1], self.regret.standard_error[-1]
        return (
            f"Played({self.algorithm}, {len(self.regret)} runs of {self.pulls[-1]} pulls, "
            f"regret {mean:.5g} ± {error:.2g}, {self.seconds:.3g} s)"
        )


def play(
    bandit: Bandit,
    algorithm: Algorithm,
    horizon: int,
    *,
    runs: int = 1000,
    rng: Any = None,
    threads: int = 1,
    checkpoints: Any = None,
    progress: bool = False,
    device: str = "cpu",
) -> Played:
    """Play `runs` independent games of `horizon` pulls each.

    rng           a seed, SeedSequence or Generator; the same for any number of threads
    checkpoints   increasing numbers of pulls, 1 … horizon; by default 64, logarithmically
    progress      a bar on standard error
    device        "gpu" plays UCB and Thompson sampling there, a thread a run; the same luck

    Raises ValueError (ModelError where the bandit is at fault) before any work. On Ctrl-C
    KeyboardInterrupt carries `.played`, up to the last checkpoint reached.
    """
    if horizon < 1 or runs < 1:
        raise ValueError(f"horizon and runs must be ≥ 1; they are {horizon} and {runs}.")
    marks = _checkpoints(horizon, checkpoints)
    learner = algorithm.prepare(bandit, horizon)
    nature, luck, own = keys(rng, 3)
    made = _table_of(device)
    table = made(bandit, learner, bandit.draw(nature, runs), luck, own)
    book = _Book(table, marks)
    try:
        with count_bar(progress, "pulls", runs * int(marks[-1])) as show:
            for before, mark in itertools.pairwise([0, *marks.tolist()]):
                for start, end in _blocks(before, mark):
                    table.play(start, end, threads, show)
                book.enter()
    except KeyboardInterrupt as interrupt:
        interrupt.played = book.read(bandit, algorithm)  # type: ignore[attr-defined]
        raise
    return book.read(bandit, algorithm)


class _Book:
    """What is kept of the games: regret, rewards and optimal pulls, at the checkpoints."""

    def __init__(self, table: _Table, marks: np.ndarray):
        self.table, self.marks, self.entered = table, marks, 0
        self.gaps = table.means.max(axis=1, keepdims=True) - table.means
        self.counts, self.began = table.counts.copy(), time.monotonic()
        self.totals = np.zeros((3, table.paid.size, marks.size))

    def enter(self) -> None:
        """Read the table at the next checkpoint."""
        self.counts = counts = self.table.counts.copy()
        self.totals[0, :, self.entered] = (counts * self.gaps).sum(axis=1)
        self.totals[1, :, self.entered] = self.table.paid
        self.totals[2, :, self.entered] = (counts * (self.gaps == 0)).sum(axis=1)
        self.entered += 1

    def read(self, bandit: Bandit, algorithm: Any) -> Played:
        """All that was entered."""
        name, x = type(algorithm).__name__, self.marks[: self.entered]
        regret, paid, optimal = self.totals[:, :, : self.entered]
        steps = np.diff(x, prepend=0)
        paid, optimal = (np.diff(y, axis=1, prepend=0) / steps for y in (paid, optimal))
        return Played(
            bandit,
            algorithm,
            regret=Curves(regret, name, "cumulated regret", x, "pull"),
            reward=Curves(paid, name, "reward a pull", x, "pull"),
            optimal_share=Curves(optimal, name, "optimal arms pulled", x, "pull"),
            counts=self.counts,
            means=self.table.means,
            seconds=time.monotonic() - self.began,
        )


class _Table:
    """Where the games stand: the books of every run, and what its algorithm remembers."""

    def __init__(self, bandit: Bandit, learner: Learner, means: Any, luck: Any, own: Any):
        runs, n_arms = means.shape
        self.learner, self.means, self.keys = learner, means, (luck, own)
        self.kind = bandit.noise.kind
        self.width = np.broadcast_to(np.asarray(bandit.width, float), (n_arms,)).copy()
        self.counts = np.zeros((runs, n_arms), dtype=np.int64)
        self.paid = np.zeros(runs)
        self.state = np.tile(np.asarray(learner.state, dtype=float), (runs, 1))
        self.done, self.lock = 0, Lock()

    def play(self, start: int, end: int, threads: int, show: Any) -> None:
        """Pulls start … end of every run."""

        def work(first: int, last: int) -> None:
            pulls = min(end - start, max(2, LUCK // (last - first)))
            luck = np.empty((last - first, pulls + pulls % 2 + 2))
            for begin in range(start, end, pulls):
                self._part(first, last, begin, min(pulls, end - begin), luck)
            with self.lock:
                self.done += (last - first) * (end - start)
                show(self.done)

        over_runs(work, self.paid.size, cost=end - start, threads=threads)

    def _part(self, first: int, last: int, start: int, pulls: int, luck: Any) -> None:
        luck_key, own_key = self.keys
        rows, skip = slice(first, last), start % 2
        fill(self.kind, luck_key, first, start - skip, luck)
        game = Game(
            means=self.means[rows],
            width=self.width,
            kind=self.kind,
            luck=luck,
            skip=skip,
            start=start,
            pulls=pulls,
            run=first,
            key=own_key,
            counts=self.counts[rows],
            paid=self.paid[rows],
        )
        self.learner.kernel(game, self.state[rows], *self.learner.parameters)


def _table_of(device: str) -> Any:
    """Where the games are played."""
    if device not in DEVICES:
        raise ValueError(f"device must be one of {DEVICES}; it is {device!r}.")
    if device == "cpu":
        return _Table
    from mdpkit.bandits._device import Table

    return Table


def _blocks(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a long stretch, so that a kernel called for one run returns soon."""
    return ((at, min(at + BUDGET, end)) for at in range(start, end, BUDGET))


def _checkpoints(horizon: int, given: Any) -> np.ndarray:
    """(n,) int, strictly increasing, within 1 … horizon."""
    if given is None:
        return np.unique(np.geomspace(1, horizon, CHECKPOINTS).round().astype(np.int64))
    marks = np.atleast_1d(np.asarray(given))
    whole = marks.ndim == 1 and marks.size > 0 and np.issubdtype(marks.dtype, np.integer)
    if not whole or marks[0] < 1 or marks[-1] > horizon or (np.diff(marks) < 1).any():
        raise ValueError(
            f"checkpoints must be increasing integers from 1 to {horizon}; they are {given}."
        )
    return marks.astype(np.int64)
