"""Learning from samples: run a method in a model or an environment, many runs in one call.

    from mdpkit.learn import QLearning, learn
    cliff = mk.load("gym:CliffWalking-v1", gamma=1.0)
    found = learn(cliff, QLearning(step_size=0.5), episodes=500, runs=100)
    found.returns.mean, found.returns.band(), found.values, found.operator

Each run has its own stream of counted random numbers, so run i is the same whatever the number
of runs or threads. Checked in tests/learn.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit._progress import count_bar
from mdpkit._threads import over_runs
from mdpkit.curves import Curves
from mdpkit.learn._foreign import Foreign, is_environment
from mdpkit.learn._world import EPISODE, Log, log, world
from mdpkit.mdp import MDP

SHARE = 50_000
"""Steps of one run a kernel takes before it goes to the next."""


@dataclass(frozen=True, eq=False)
class Learned:
    """What came of learning.

    values    (runs, *pair layout) action values, or (runs, S) for a prediction method
    returns   Curves over episodes: Σ_t γ^t r_t of each, as it was acted
    lengths   Curves over episodes: steps of each
    tables    everything the method holds, first axis the run
    """

    values: np.ndarray
    returns: Curves
    lengths: Curves
    tables: Any
    method: Any
    steps: int
    seconds: float

    @property
    def operator(self) -> str:
        """The operator that the expected update applies."""
        return self.method.operator


def learn(
    source: Any,
    method: Any,
    *,
    episodes: int,
    runs: int = 1,
    rng: Any = None,
    max_steps: int = 10_000,
    threads: int = 1,
    progress: bool = False,
    reward_noise: Any = None,
    start: Any = None,
) -> Learned:
    """Run `method` for `episodes` episodes, `runs` times over.

    source        an MDP, or a Gymnasium environment whose spaces are discrete
    max_steps     an episode still running then is truncated: it bootstraps, and begins anew
    reward_noise  standard deviations in pair layout, or a number: normal noise on the rewards
    start         (S,) distribution of first states, the model's own if None

    Raises TypeError for another source. On Ctrl-C KeyboardInterrupt carries `.learned`.
    """
    if isinstance(source, MDP):
        here = world(source, max_steps=max_steps, reward_noise=reward_noise, start=start)
        place: Any = source
    elif is_environment(source):
        place = Foreign(source, max_steps, method)
        here = place.world
    else:
        raise TypeError(f"learn() takes an MDP or a Gymnasium environment, not {source!r}.")
    book = log(rng, runs, episodes)
    tables = method.family.begin(method, place, runs)
    clock, interrupted = time.monotonic(), None
    try:
        with count_bar(progress, method.key, runs * episodes) as show:
            if isinstance(place, Foreign):
                place.run(method, book, tables, show)
            else:
                _drive(method, here, book, tables, threads, show)
    except KeyboardInterrupt as interrupt:
        interrupted = interrupt
    found = _result(method, place, book, tables, time.monotonic() - clock)
    if interrupted is not None:
        interrupted.learned = found  # type: ignore[attr-defined]
        raise interrupted
    return found


def _drive(method: Any, here: Any, book: Log, tables: Any, threads: int, show: Any) -> None:
    """Call the kernel on a few runs at a time until every run has all its episodes."""
    runs, episodes = book.returns.shape
    rule = method.rule()

    def work(first: int, last: int) -> None:
        method.family.kernel(here, book, rule, tables, first, last, SHARE)

    while (done := int(book.clock[:, EPISODE].sum())) < runs * episodes:
        show(done)
        over_runs(work, runs, cost=SHARE, threads=threads)


def _result(method: Any, place: Any, book: Log, tables: Any, seconds: float) -> Learned:
    """Collect what all runs have finished."""
    done = int(book.clock[:, EPISODE].min())
    values = method.family.values(tables)
    if isinstance(place, MDP) and values.shape[1:] == (place.n_pairs,):
        values = values.reshape(-1, *place.pair_shape)
    elif isinstance(place, Foreign) and values.shape[1] == place.n_states * place.n_actions:
        values = values.reshape(-1, place.n_states, place.n_actions)
    returns = Curves(book.returns[:, :done], method.key, "return")
    lengths = Curves(book.lengths[:, :done].astype(float), method.key, "steps")
    steps = int(book.lengths.sum())
    return Learned(values, returns, lengths, tables, method, steps, seconds)
