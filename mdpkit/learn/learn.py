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
from mdpkit._read import read_gamma
from mdpkit._threads import BUDGET, over_runs
from mdpkit.curves import Curves
from mdpkit.learn._family import Family
from mdpkit.learn._foreign import Foreign, is_environment
from mdpkit.learn._world import EPISODE, Log, World, log, with_room, world
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import check_shape

LONG, SHORT = 50_000, 500
"""Steps of one run a kernel takes before it goes to the next: of few runs, of many."""

MEMORY = 64
"""Steps of an episode there is room for at first, for who remembers it."""


@dataclass(frozen=True, eq=False)
class Learned:
    """What came of learning.

    values    (runs, *pair layout) action values, or (runs, S) for a prediction method
    returns   Curves over episodes: Σ_t γ^t r_t of each, as it was acted
    lengths   Curves over episodes: steps of each
    errors    Curves over episodes: root-mean-square error of the values after each; without
              `truth` there are none, and it is (runs, 0)
    tables    everything the method holds, first axis the run
    """

    values: np.ndarray
    returns: Curves
    lengths: Curves
    errors: Curves
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
    gamma: float | None = None,
    reward_noise: Any = None,
    end_reward: Any = None,
    start: Any = None,
    truth: Any = None,
) -> Learned:
    """Run `method` for `episodes` episodes, `runs` times over.

    source        an MDP, or a Gymnasium environment whose spaces are discrete; that is stepped
                  by one thread, run after run
    rng           seed, SeedSequence or Generator; the same gives the same, on any `threads`
    max_steps     an episode still running then is truncated: it bootstraps, and begins anew
    gamma         an environment's discount, 1 if None; a model has its own
    reward_noise  standard deviations in pair layout, or a number: normal noise on a model's
                  rewards
    end_reward    pair layout, what a model's step pays that ends the episode; one that goes on
                  then pays what leaves the mean at r(s,a). None: either pays r(s,a)
    start         (S,) distribution of a model's first states, its own if None
    truth         (S,) true values, nan where they do not matter: how far a prediction method
                  is from them after each episode is in `errors`

    Raises TypeError for another source or method, and for what does not go with the source;
    ValueError for numbers out of range. On Ctrl-C KeyboardInterrupt carries `.learned`.
    """
    sizes = {"episodes": episodes, "runs": runs, "max_steps": max_steps, "threads": threads}
    _check(method, sizes)
    of_a_model = {"reward_noise": reward_noise, "end_reward": end_reward, "start": start}
    place, here = _entered(source, method, max_steps, gamma, of_a_model)
    room = max_steps if isinstance(place, Foreign) else min(MEMORY, max_steps)
    memory = room if method.family.remembers else 0
    book = log(rng, runs, episodes, memory=memory, truth=_truth(truth, method, place))
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


def _check(method: Any, sizes: dict[str, Any]) -> None:
    """Raise TypeError unless it is a method, ValueError unless the sizes are whole and ≥ 1."""
    if isinstance(method, type) or not isinstance(getattr(method, "family", None), Family):
        raise TypeError(f"method must be one of mdpkit.learn, as QLearning(); not {method!r}.")
    for name, x in sizes.items():
        if isinstance(x, bool) or not hasattr(x, "__index__") or x < 1:
            raise ValueError(f"{name} must be a whole number ≥ 1; it is {x!r}.")


def _entered(
    source: Any, method: Any, max_steps: int, gamma: Any, of_a_model: dict[str, Any]
) -> tuple[Any, World]:
    """The place to learn in, an MDP or a Foreign, and its world."""
    if isinstance(source, MDP):
        if gamma is not None:
            raise TypeError("a model has its own discount; pass model.replace(gamma=…).")
        return source, world(source, max_steps=max_steps, **of_a_model)
    if not is_environment(source):
        raise TypeError(f"learn() takes an MDP or a Gymnasium environment, not {source!r}.")
    if given := [name for name, x in of_a_model.items() if x is not None]:
        raise TypeError(f"{', '.join(given)} go with a model, not with an environment.")
    place = Foreign(source, method, max_steps, 1.0 if gamma is None else read_gamma(gamma))
    return place, place.world


def _truth(truth: Any, method: Any, place: Any) -> Any:
    if truth is None:
        return None
    if not method.family.predicts:
        raise TypeError(f"{method.key} predicts no values that truth= could be compared with.")
    check_shape(truth, (place.n_states,), "truth")
    return truth


def _drive(method: Any, here: Any, book: Log, tables: Any, threads: int, show: Any) -> None:
    """Call the kernel on a few runs at a time until every run has all its episodes."""
    runs, episodes = book.returns.shape
    rule, share = method.rule(), min(LONG, max(SHORT, BUDGET // runs))

    def work(first: int, last: int) -> None:
        method.family.kernel(here, book, rule, tables, first, last, share)

    while (done := int(book.clock[:, EPISODE].sum())) < runs * episodes:
        show(done)
        over_runs(work, runs, cost=share, threads=threads)
        book = with_room(book)


def _result(method: Any, place: Any, book: Log, tables: Any, seconds: float) -> Learned:
    """Collect the episodes that all runs have finished; in an environment the finished runs."""
    clock, rows = book.clock[:, EPISODE], slice(None)
    if isinstance(place, Foreign):  # one run after the other
        rows = slice(max(1, int((clock == book.returns.shape[1]).sum())))
    done = int(clock[rows].min())
    values = method.family.values(tables)[rows]
    if not method.family.predicts:
        values = _laid_out(values, place)
    returns = Curves(book.returns[rows, :done], method.key, "return")
    lengths = Curves(book.lengths[rows, :done].astype(float), method.key, "steps")
    errors = Curves(book.errors[rows, :done], method.key, "root-mean-square error")
    steps = int(book.lengths.sum())
    return Learned(values, returns, lengths, errors, tables, method, steps, seconds)


def _laid_out(values: np.ndarray, place: Any) -> np.ndarray:
    """(runs, pairs) in pair layout, (S, A) of an environment; others as they are."""
    if isinstance(place, MDP) and values.shape[1:] == (place.n_pairs,):
        return values.reshape(-1, *place.pair_shape)
    if isinstance(place, Foreign) and values.shape[1:] == (place.n_pairs,):
        return values.reshape(-1, place.n_states, place.n_actions)
    return values
