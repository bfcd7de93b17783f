"""A world and a learner of which everything is known, and the same steps played by hand.

The learner writes down what it is shown. By hand, lanes are played one after the other in
Python, with the keys that the loops split off; arithmetic is Python's own.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mdpkit.deep.batch import Batch
from mdpkit.deep.envs import Moment
from mdpkit.deep.loops import OffPolicy
from mdpkit.deep.report import Report
from mdpkit.envs.spaces import Box, Discrete

GAMMA, ENDS, LIMIT = 0.5, 3, 7


@dataclass(frozen=True, eq=False)
class Journal:
    """Observes (tag, t). Episodes with tag < ½ end behind ENDS steps; the others are cut.

    Pays t + a/4 for the step to t; or NaN for the one to `spoils`, in episodes that do not end.
    """

    spoils: Any = -1
    limit: int | None = LIMIT
    name: str = "journal"
    observation_space = Box(np.zeros(2), np.full(2, np.inf))
    action_space = Discrete(2)

    def reset(self, key):
        state = jnp.stack([jax.random.uniform(key), 0.0])
        return state, state

    def step(self, key, state, action):
        tag, t = state[0], state[1] + 1
        after = jnp.stack([tag, t])
        reward = jnp.where((t == self.spoils) & (tag >= 0.5), jnp.nan, t + action / 4)
        return Moment(after, after, reward, (t == ENDS) & (tag < 0.5))


class Seen(NamedTuple):
    """What the learner was shown, update by update; batches have that axis first."""

    updates: Any
    batches: Any


@dataclass(frozen=True)
class Recorder:
    """Acts at random, and keeps the first `keeps` batches. Its error is the reward."""

    loop: Any
    keeps: int = 1
    gamma: float = GAMMA
    key: str = "recorder"

    def init(self, worlds, key):
        loop = self.loop
        rows = (loop.batch,) if isinstance(loop, OffPolicy) else (loop.steps, loop.lanes)
        shape = (self.keeps, *rows)
        x, pair = jnp.zeros(shape), jnp.zeros((*shape, 2))
        no = jnp.zeros(shape, bool)
        batches = Batch(pair, jnp.zeros(shape, int), x, x, no, pair, x, pair)
        return Seen(jnp.asarray(0), batches)

    def act(self, state, observation, key, progress):
        n = observation.shape[0]
        known = jnp.stack([jnp.asarray(progress, float), jnp.asarray(state.updates, float)])
        return jax.random.randint(key, (n,), 0, 2), jnp.broadcast_to(known, (n, 2))

    def greedy(self, state, observation):
        return jnp.zeros(observation.shape[0], int)

    def update(self, state, batch, key, progress):
        at = state.updates
        batches = jax.tree.map(lambda kept, x: kept.at[at].set(x), state.batches, batch)
        error = batch.reward if batch.reward.ndim == 1 else None
        return Seen(at + 1, batches), Report(at.astype(float), error)


class Row(NamedTuple):
    """One step of one lane, as a person would write it down."""

    observation: tuple[float, int]
    action: int
    reward: float
    discount: float
    boundary: bool
    next_observation: tuple[float, int]
    extras: tuple[float, int]


class ByHand:
    """n lanes of a journal. episodes : the returns of those that are over."""

    def __init__(self, key, n):
        self.tags = [float(jax.random.uniform(k)) for k in jax.random.split(key, n)]
        self.times, self.earned = [0] * n, [0.0] * n
        self.episodes: list[float] = []

    def step(self, key, actions, extras=(0.0, 0)) -> list[Row]:
        fresh = jax.random.split(key, (2, len(self.tags)))[1]
        return [self._lane(i, fresh[i], int(a), extras) for i, a in enumerate(actions)]

    def _lane(self, i, key, action, extras) -> Row:
        tag, t = self.tags[i], self.times[i] + 1
        reward = t + action / 4
        ended = t == ENDS and tag < 0.5
        over = ended or t == LIMIT
        self.times[i], self.earned[i] = t, self.earned[i] + reward
        if over:
            self.episodes.append(self.earned[i])
            self.tags[i], self.times[i], self.earned[i] = float(jax.random.uniform(key)), 0, 0.0
        discount = 0.0 if ended else GAMMA
        return Row((tag, t - 1), action, reward, discount, over, (tag, t), extras)


def columns(rows: list[list[Row]]) -> Row:
    """Rows of all lanes, step by step, as arrays (T, n, …), one a field."""
    fields = zip(*(zip(*row, strict=True) for row in rows), strict=True)
    return Row(*(np.asarray(field) for field in fields))


def differences(found: Any, wanted: Row) -> list[str]:
    """The fields of a batch (T, n, …) that are not what was written down."""
    return [
        name
        for name in Row._fields
        if not np.array_equal(
            np.asarray(getattr(found, name)),
            np.asarray(getattr(wanted, name)).astype(np.asarray(getattr(found, name)).dtype),
        )
    ]
