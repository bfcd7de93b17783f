"""Bandits on a device, a thread a run: where the games stand there, and how they are played on.

The luck of a pull and the algorithm's own numbers come from the same counters as on the CPU.
Checked in tests/operators/test_cuda_kernels.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._cuda import download, empty, launch, library, upload
from mdpkit.bandits._game import Learner
from mdpkit.bandits.bandit import Bandit
from mdpkit.errors import DeviceError


class Table:
    """The books of every run, (…, runs) on the device: `mdpkit.bandits.play` reads them.

    means, counts (runs, K) and paid (runs,) are those of the CPU, as of the last play.
    """

    def __init__(self, bandit: Bandit, learner: Learner, means: Any, luck: Any, own: Any):
        library()
        if not learner.twin:
            raise DeviceError("this algorithm plays on the CPU: leave device out.")
        self.source, self.kernel = learner.twin.split()
        runs, n_arms = means.shape
        width = np.broadcast_to(np.asarray(bandit.width, dtype=float), (n_arms,))
        self.means, self.done = means, 0
        self.counts, self.paid = np.zeros((runs, n_arms), dtype=np.int64), np.zeros(runs)
        self.books = upload(np.zeros((n_arms, runs)), np.int64), upload(np.zeros(runs))
        first = np.asarray(learner.state, dtype=float)[:, None]
        self.state = empty((first.size, runs))
        self.state[:] = upload(first)
        self.game = upload(means.T), upload(width), bandit.noise.kind, luck, own, runs, n_arms
        self.rest = tuple(upload(p) if np.ndim(p) else p for p in learner.parameters)

    def play(self, start: int, end: int, _: int, show: Any) -> None:
        """Pulls start … end of every run."""
        runs, pulls = len(self.paid), end - start
        given = *self.game, start, pulls, *self.books, self.state, *self.rest
        launch(self.source, self.kernel, runs, *given)
        counts, paid = (download(x) for x in self.books)
        self.counts, self.paid = counts.T, paid
        self.done += runs * pulls
        show(self.done)
