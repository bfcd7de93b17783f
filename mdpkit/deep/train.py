"""Train an algorithm in an environment, several seeds at once, and report every one of them.

    begin → (round, round, …) → evaluate → …          one compiled program for all seeds

A seed is `jax.random.key(seed)`: mapped over seeds or run alone, it meets the same luck. On a
table the same bits come out; a network's sums are added in another order, and a policy that
learns from its own play may, after a while, go another way.
All is compiled before the first step is played, so that what does not fit is refused first.
Python is entered about a hundred times a run, for the bar, checkpoints and Ctrl-C.
Checked in tests/deep/test_train.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mdpkit._identity import model_digests
from mdpkit._progress import count_bar
from mdpkit.deep import checkpoint as keeping
from mdpkit.deep.envs import worlds_of
from mdpkit.deep.loops.evaluate import evaluated
from mdpkit.deep.result import Result, joined
from mdpkit.errors import NonFiniteError

CHUNKS = 100
"""How often a run returns to Python, about."""


def train(
    algorithm: Any,
    env: Any,
    *,
    steps: int,
    seeds: int | Sequence[int] = 1,
    evaluations: int = 10,
    episodes: int = 20,
    progress: bool = False,
    checkpoint: Any = None,
    resume: bool = False,
) -> Result:
    """Play `steps` steps with each seed, evaluating on the way and behind.

    algorithm   DQN(), PPO(), SAC(), … of `mdpkit.deep`
    env         "CartPole-v1", "gym:ID", "gallery:NAME", an MDP, or an environment
    steps       over all lanes, for each seed; rounded up to whole rounds of the loop
    seeds       how many, from 0; or which, each in 0 … 2³² − 1
    evaluations how many points the curve has, at most about a hundred; each is `episodes`
                episodes of the greedy policy
    checkpoint  a path (.npz) where the run is kept about every 30 s and on Ctrl-C;
                resume=True goes on from there, to the same result

    Raises TypeError or ValueError where algorithm and environment do not fit, NonFiniteError
    where the environment pays a reward that is not finite. A seed whose parameters leave the
    finite numbers is reported in `result.finite`, not dropped.
    """
    worlds = worlds_of(env)
    plan = _plan(algorithm, worlds, steps, seeds, evaluations, episodes)
    runner = _Runner(algorithm, worlds, plan)
    if worlds.vectorizes:
        keeper = keeping.Keeper(checkpoint, resume, runner.identity)
        return runner.run(plan.seeds, keeper, progress)
    if checkpoint is not None:
        raise TypeError(f"{worlds.name} lives outside: its training cannot be taken up again.")
    nothing = keeping.Keeper(None, False, "")
    return joined([runner.run((seed,), nothing, progress) for seed in plan.seeds])


class Plan(NamedTuple):
    """The lengths of a run. chunks · rounds rounds of the loop, behind the warm-up."""

    seeds: tuple[int, ...]
    chunks: int
    rounds: int
    evaluations: int
    episodes: int
    steps: int

    def is_judged(self, done: int) -> bool:
        """Whether there is an evaluation behind so many chunks: they are spread evenly."""
        n = min(self.evaluations, self.chunks)
        return done * n // self.chunks > (done - 1) * n // self.chunks


def _plan(
    algorithm: Any, worlds: Any, steps: int, seeds: Any, evaluations: int, episodes: int
) -> Plan:
    _check_fit(algorithm, worlds)
    loop, named = algorithm.loop, _named(seeds)
    for name, n in (
        ("steps", steps),
        ("seeds", len(named)),
        ("evaluations", evaluations),
        ("episodes", episodes),
    ):
        if not isinstance(n, int | np.integer):
            raise TypeError(f"{name} must be an int; it is {n!r}.")
        if n < 1:
            raise ValueError(f"{name} must be ≥ 1; it is {n}.")
    if steps < loop.warm_up + loop.round:
        raise ValueError(
            f"steps = {steps} is less than the warm-up and one round, "
            f"{loop.warm_up} + {loop.round}."
        )
    total = -(-(steps - loop.warm_up) // loop.round)
    chunks = min(CHUNKS, total)
    rounds = -(-total // chunks)
    chunks = -(-total // rounds)
    played = loop.warm_up + chunks * rounds * loop.round
    return Plan(named, chunks, rounds, evaluations, episodes, played)


def _check_fit(algorithm: Any, worlds: Any) -> None:
    """Raise unless this can be trained at all, and there: TypeError or ValueError."""
    if isinstance(algorithm, type) or not hasattr(algorithm, "loop"):
        raise TypeError(f"an algorithm is needed, such as PPO(); not {algorithm!r}.")
    if not 0 <= algorithm.gamma <= 1:
        raise ValueError(f"gamma must lie in [0, 1]; it is {algorithm.gamma}.")
    if worlds.limit is not None:
        return
    unknown = "how good a policy is could not be measured"
    if algorithm.gamma == 1:
        unknown = f"at gamma = 1 values may be infinite, and {unknown}"
    raise ValueError(
        f"{worlds.name} has no time limit: {unknown}. Pass one: "
        "mk.deep.make(…, limit=100), or gym:ID?max_episode_steps=100."
    )


def _named(seeds: Any) -> tuple[int, ...]:
    """Which seeds. Beyond 2³² two of them would be the same key."""
    named = tuple(range(seeds) if isinstance(seeds, int | np.integer) else seeds)
    for seed in named:
        if not isinstance(seed, int | np.integer):
            raise TypeError(f"a seed is an int; got {seed!r}.")
        if not 0 <= seed < 2**32:
            raise ValueError(f"a seed lies in 0 … 2**32 - 1; it is {seed}.")
    return tuple(map(int, named))


class _Runner:
    """The compiled pieces of one training, and the Python loop around them."""

    def __init__(self, algorithm: Any, worlds: Any, plan: Plan):
        self.algorithm, self.worlds, self.plan = algorithm, worlds, plan
        self.identity = repr((algorithm, _world(worlds), plan))
        self.programs: tuple[Callable, ...] = ()
        self.compile_seconds = self.run_seconds = 0.0

    def run(self, seeds: tuple[int, ...], keeper: Any, progress: bool) -> Result:
        """Train these seeds; compiled the first time, so always give as many."""
        plan = self.plan
        keys = jnp.stack([jax.random.key(seed) for seed in seeds])
        self.compile_seconds = self.run_seconds = 0.0
        self.programs = self.programs or self._compiled(keys)
        begin, advance, judge = self.programs
        kept = keeping.Kept(0, self._timed(begin, keys), (), 0.0)
        if keeper.resumes:
            kept = keeper.read(kept.state)
            self.run_seconds = kept.seconds
        try:
            with count_bar(progress, "training", plan.steps) as show:
                while kept.done < plan.chunks:
                    # Replaced as a whole: Ctrl-C at any place finds what belongs together.
                    kept = self._chunk(kept, keys, advance, judge)
                    self._check(seeds, kept.state)
                    show(self._steps(kept.done))
                    keeper.write_if_due(kept)
        except KeyboardInterrupt:
            keeper.write(kept)
            raise
        return self._result(seeds, kept.state, kept.curve)

    def _chunk(self, kept: Any, keys: Any, advance: Callable, judge: Callable) -> keeping.Kept:
        """What is kept after one more chunk, and its evaluation if there is one."""
        state = self._timed(advance, jnp.asarray(kept.done), kept.state)
        done, curve = kept.done + 1, kept.curve
        if self.plan.is_judged(done):
            curve = (*curve, (self._steps(done), np.asarray(judge(keys, state), float)))
        return keeping.Kept(done, state, curve, self.run_seconds)

    def _begin(self, key: Any) -> Any:
        return self.algorithm.loop.begin(self.algorithm, self.worlds, key)[0]

    def _advance(self, chunk: Any, state: Any) -> Any:
        loop, rounds = self.algorithm.loop, self.plan.rounds

        def one(state: Any, i: Any) -> tuple[Any, Any]:
            n = chunk * rounds + i
            t = (loop.warm_up + n * loop.round) // loop.lanes
            done = (loop.warm_up + n * loop.round) / self.plan.steps
            return loop.advance(self.algorithm, self.worlds, state, t, done)

        return jax.lax.scan(one, state, jnp.arange(rounds))[0]

    def _judge(self, key: Any, state: Any) -> Any:
        key = jax.random.fold_in(key, 1)
        return evaluated(self.algorithm, self.worlds, state.learner, key, self.plan.episodes)

    def _steps(self, done: int) -> int:
        loop = self.algorithm.loop
        return loop.warm_up + done * self.plan.rounds * loop.round

    def _compiled(self, keys: Any) -> tuple[Callable, ...]:
        """begin, advance and judge for all seeds; all traced first, since that may raise."""
        start = time.perf_counter()
        begin = self._mapped(self._begin, (0,)).trace(keys)
        state = begin.out_info
        advance = self._mapped(self._advance, (None, 0)).trace(jnp.asarray(0), state)
        judge = self._mapped(self._judge, (0, 0)).trace(keys, state)
        ready = tuple(traced.lower().compile() for traced in (begin, advance, judge))
        self.compile_seconds = time.perf_counter() - start
        return ready

    def _mapped(self, function: Callable, axes: tuple[int | None, ...]) -> Any:
        """`function` for all seeds; axes : of the seeds in each argument, None where shared."""
        if self.worlds.vectorizes:
            return jax.jit(jax.vmap(function, in_axes=axes))
        return jax.jit(_alone(function, axes))

    def _timed(self, function: Callable, *arguments: Any) -> Any:
        start = time.perf_counter()
        result = jax.block_until_ready(function(*arguments))
        self.run_seconds += time.perf_counter() - start
        return result

    def _check(self, seeds: tuple[int, ...], state: Any) -> None:
        """Raise NonFiniteError for a reward that is not finite."""
        bad = np.asarray(state.play.bad)
        for seed, row in zip(seeds, bad, strict=True):
            if row >= 0:
                step = int(row) * self.algorithm.loop.lanes
                raise NonFiniteError(
                    f"{self.worlds.name} paid a reward that is not finite at step {step} "
                    f"of seed {seed}.",
                    step=step,
                )

    def _result(self, seeds: tuple[int, ...], state: Any, curve: tuple) -> Result:
        steps, returns = zip(*curve, strict=True)
        leaves = jax.tree.leaves(state.learner)
        axes = [tuple(range(1, x.ndim)) for x in leaves]
        real = [
            jnp.isfinite(x).all(axis=a)
            for x, a in zip(leaves, axes, strict=True)
            if jnp.issubdtype(x.dtype, jnp.floating)
        ]
        return Result(
            self.algorithm,
            self.worlds,
            seeds,
            np.asarray(steps),
            np.asarray(returns).T,
            np.asarray(jnp.stack(real).all(axis=0)),
            state.learner,
            self.compile_seconds,
            self.run_seconds,
        )


def _alone(function: Callable, axes: tuple[int | None, ...]) -> Callable:
    """`function` for one seed, with the axis of seeds that a map would give it."""

    def run(*arguments: Any) -> Any:
        given = zip(arguments, axes, strict=True)
        one = [x if axis is None else jax.tree.map(lambda x: x[0], x) for x, axis in given]
        return jax.tree.map(lambda x: jnp.asarray(x)[None], function(*one))

    return run


def _world(worlds: Any) -> Any:
    """What a checkpoint knows the environment by: a model by its numbers, others by name."""
    env = getattr(worlds, "env", worlds)
    return (worlds.name, worlds.limit, model_digests(env.mdp) if hasattr(env, "mdp") else env)
