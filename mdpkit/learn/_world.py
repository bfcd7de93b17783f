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

from mdpkit._jit import inlined
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
    path, rewards (runs, m): the episode so far, for who remembers; else (runs, 0). While it is
    `full`, its kernel waits for more (`with_room`)
    truth (S,), errors (runs, episodes): true values to compare with, nan where they do not
    matter, and the root-mean-square error after each episode; else (0,) and (runs, 0)
    """

    keys: np.ndarray
    clock: np.ndarray
    gathered: np.ndarray
    returns: np.ndarray
    lengths: np.ndarray
    path: np.ndarray
    rewards: np.ndarray
    truth: np.ndarray
    errors: np.ndarray


def world(
    mdp: MDP,
    *,
    max_steps: int,
    reward_noise: Any = None,
    end_reward: Any = None,
    start: Any = None,
) -> World:
    """A model to learn in. reward_noise : standard deviations in pair layout, or one number."""
    if max_steps < 1:
        raise ValueError(f"max_steps must be ≥ 1; it is {max_steps}.")
    noise = np.empty(0)
    if reward_noise is not None:
        noise = np.asarray(reward_noise, dtype=float)
        if (
            noise.shape not in ((), mdp.pair_shape)
            or not (np.isfinite(noise) & (noise >= 0)).all()
        ):
            raise ValueError(
                f"reward_noise must be finite standard deviations ≥ 0, one number or "
                f"{mdp.pair_shape}; it is {reward_noise!r}."
            )
        noise = np.array(np.broadcast_to(noise, mdp.pair_shape)).reshape(-1)
    return World(
        sampler(mdp, start, end_reward), float(mdp.gamma), noise, max_steps, np.empty(0)
    )


def log(rng: Any, runs: int, episodes: int, *, memory: int = 0, truth: Any = None) -> Log:
    """Nothing seen yet. memory : steps of an episode to keep; truth : (S,), or None."""
    if runs < 1 or episodes < 1:
        raise ValueError(f"runs and episodes must be ≥ 1; they are {runs} and {episodes}.")
    clock = np.zeros((runs, 5), dtype=np.int64)
    clock[:, STATE] = NOWHERE
    shape = runs, episodes
    true = np.empty(0) if truth is None else np.array(truth, dtype=float)
    return Log(
        keys(rng, runs),
        clock,
        np.zeros((runs, 2)),
        np.full(shape, np.nan),
        np.zeros(shape, dtype=np.int64),
        np.zeros((runs, memory), dtype=np.int64),
        np.zeros((runs, memory)),
        true,
        np.full(shape if true.size else (runs, 0), np.nan),
    )


@inlined
def next_words(log, run):
    """The run's next block of random words."""
    count = log.clock[run, COUNT]
    log.clock[run, COUNT] = count + 1
    return philox(log.keys[run], np.uint64(0), np.uint64(count))


@inlined
def more_words(log, run):
    """Four words more for the step under way, beside its own block."""
    return philox(log.keys[run], np.uint64(2), np.uint64(log.clock[run, COUNT]))


@inlined
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


@inlined
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
        after = draw(world.model, pair, unit(words[0], words[1]))
        reward = world.model.reward[pair]
        if after == ENDED:
            reward = world.model.end_reward[pair]
        if world.noise.size > 0 and world.noise[pair] > 0:
            count = np.uint64(log.clock[run, COUNT])
            reward += world.noise[pair] * normal(philox(log.keys[run], np.uint64(1), count))
    log.gathered[run, 0] += log.gathered[run, 1] * reward
    log.gathered[run, 1] *= world.gamma
    return reward, after, over or after == ENDED, words[2], words[3]


@inlined
def end_episode(log, run):
    """Write the episode down."""
    episode = log.clock[run, EPISODE]
    log.returns[run, episode] = log.gathered[run, 0]
    log.lengths[run, episode] = log.clock[run, TIME]
    log.clock[run, EPISODE] = episode + 1
    log.clock[run, STATE] = NOWHERE


def with_room(book: Log) -> Log:
    """The log, with twice the memory if an episode has filled it."""
    memory = book.path.shape[1]
    running = book.clock[:, STATE] != NOWHERE
    if memory == 0 or not (running & (book.clock[:, TIME] == memory)).any():
        return book
    path, rewards = (
        np.concatenate([x, np.zeros_like(x)], axis=1) for x in (book.path, book.rewards)
    )
    return book._replace(path=path, rewards=rewards)


@inlined
def full(log, run):
    """Whether the next step of the episode could not be remembered."""
    return log.clock[run, STATE] != NOWHERE and log.clock[run, TIME] == log.path.shape[1]


@inlined
def remember(log, run, pair, reward):
    """Keep the step just taken; it is step TIME − 1 of the episode."""
    t = log.clock[run, TIME] - 1
    log.path[run, t] = pair
    log.rewards[run, t] = reward


@inlined
def compare(log, run, values):
    """Write down how far (S,) values are from the truth, after an episode that has ended."""
    if log.truth.size == 0:
        return
    total, n = 0.0, 0
    for s in range(log.truth.size):
        if log.truth[s] == log.truth[s]:
            total += (values[s] - log.truth[s]) ** 2
            n += 1
    log.errors[run, log.clock[run, EPISODE] - 1] = np.sqrt(total / max(n, 1))
