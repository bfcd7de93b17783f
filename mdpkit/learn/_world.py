"""What every learner's kernel shares: the world it acts in, and where each run has come to.

A kernel is called again and again for some steps of a range of runs, and goes on from where
the log says that a run stands. A step of it does one of two things: between episodes it begins
one and chooses the first pair; otherwise it takes the pair chosen, learns, and chooses the
next. So a foreign environment can stand in for the model: it is stepped with the pair the log
shows, what came of it is laid into `outcome`, and the same kernel is called for one step.

Block k of a run's random words serves its k-th step: the first two draw the next state, the
last two the action taken there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import njit
from mdpkit._random import keys, normal, philox, unit
from mdpkit.mdp import MDP
from mdpkit.operators.rollout import ENDED, Sampler, draw, first_state, sampler

COUNT, STATE, PAIR, TIME, EPISODE = range(5)
"""Columns of a log's clock: words used, state, pair about to be taken, step, episode."""

NOWHERE = -1
"""The state of a run between two episodes."""


class World(NamedTuple):
    """A model to learn in.

    gamma      its discount
    noise      (pairs,) standard deviations of normal noise on the rewards, or (0,) for none
    max_steps  an episode still running then is truncated
    outcome    (3,) reward, next state or ENDED, whether truncated, where the world is foreign,
               the first state in place of the next where an episode begins; (0,) for a model
    """

    model: Sampler
    gamma: float
    noise: np.ndarray
    max_steps: int
    outcome: np.ndarray


class Log(NamedTuple):
    """Where each run stands, and what it has seen; first axis: runs.

    keys (runs,), clock (runs, 5), gathered (runs, 2): return and discount of the episode so far
    returns, lengths (runs, episodes): Σ γ^t r_t, and steps
    """

    keys: np.ndarray
    clock: np.ndarray
    gathered: np.ndarray
    returns: np.ndarray
    lengths: np.ndarray


def world(mdp: MDP, *, max_steps: int, reward_noise: Any = None, start: Any = None) -> World:
    """A model to learn in. reward_noise : standard deviations in pair layout, or one number."""
    if max_steps < 1:
        raise ValueError(f"max_steps must be ≥ 1; it is {max_steps}.")
    noise = np.empty(0)
    if reward_noise is not None:
        noise = np.ascontiguousarray(np.broadcast_to(reward_noise, mdp.pair_shape), dtype=float)
        noise = noise.reshape(-1)
        if not (np.isfinite(noise) & (noise >= 0)).all():
            raise ValueError("reward_noise must be finite standard deviations ≥ 0.")
    return World(sampler(mdp, start), float(mdp.gamma), noise, max_steps, np.empty(0))


def log(rng: Any, runs: int, episodes: int) -> Log:
    """Nothing seen yet."""
    if runs < 1 or episodes < 1:
        raise ValueError(f"runs and episodes must be ≥ 1; they are {runs} and {episodes}.")
    clock = np.zeros((runs, 5), dtype=np.int64)
    clock[:, STATE] = NOWHERE
    shape = runs, episodes
    return Log(
        keys(rng, runs),
        clock,
        np.zeros((runs, 2)),
        np.full(shape, np.nan),
        np.zeros(shape, dtype=np.int64),
    )


@njit(inline="always")
def next_words(log, run):
    """The run's next block of random words."""
    count = log.clock[run, COUNT]
    log.clock[run, COUNT] = count + 1
    return philox(log.keys[run], np.uint64(0), np.uint64(count))


@njit(inline="always")
def more_words(log, run):
    """Four words more for the step under way, beside its own block."""
    return philox(log.keys[run], np.uint64(2), np.uint64(log.clock[run, COUNT]))


@njit(inline="always")
def begin_episode(world, log, run):
    """Draw the first state. Returns it and the two words left for the first action."""
    words = next_words(log, run)
    if world.outcome.size > 0:
        s = int(world.outcome[1])
    else:
        s = first_state(world.model, unit(words[0], words[1]))
    log.clock[run, STATE] = s
    log.clock[run, TIME] = 0
    log.gathered[run, 0], log.gathered[run, 1] = 0.0, 1.0
    return s, words[2], words[3]


@njit(inline="always")
def take_step(world, log, run, pair):
    """Take a pair.

    Returns reward, next state or ENDED, whether the episode is over (terminated or truncated),
    and the two words left for the next action.
    """
    words = next_words(log, run)
    log.clock[run, TIME] += 1
    over = log.clock[run, TIME] >= world.max_steps
    if world.outcome.size > 0:
        reward, after = world.outcome[0], int(world.outcome[1])
        over = over or world.outcome[2] > 0
    else:
        reward = world.model.reward[pair]
        if world.noise.size > 0 and world.noise[pair] > 0:
            count = np.uint64(log.clock[run, COUNT])
            reward += world.noise[pair] * normal(philox(log.keys[run], np.uint64(1), count))
        after = draw(world.model, pair, unit(words[0], words[1]))
    log.gathered[run, 0] += log.gathered[run, 1] * reward
    log.gathered[run, 1] *= world.gamma
    return reward, after, over or after == ENDED, words[2], words[3]


@njit(inline="always")
def end_episode(log, run):
    """Write the episode down."""
    episode = log.clock[run, EPISODE]
    log.returns[run, episode] = log.gathered[run, 0]
    log.lengths[run, episode] = log.clock[run, TIME]
    log.clock[run, EPISODE] = episode + 1
    log.clock[run, STATE] = NOWHERE
