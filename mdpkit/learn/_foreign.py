"""A Gymnasium environment as a world: the same kernels, stepped from outside.

Observations must be discrete, or tuples of discrete ones, which are numbered in mixed radix;
a method on features (`linear.control`) also sees continuous ones.
The environment's `terminated` ends the episode; its `truncated` only cuts it, and the kernel
bootstraps from the true last observation. Checked in tests/learn/test_environment.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mdpkit._jit import compiled
from mdpkit.learn._world import EPISODE, NOWHERE, PAIR, STATE, Log, World
from mdpkit.operators.rollout import ENDED, Sampler


def is_environment(x: Any) -> bool:
    """Whether x has the Gymnasium interface."""
    return all(hasattr(x, name) for name in ("reset", "step", "observation_space"))


class Foreign:
    """An environment with numbered states and actions, every action allowed everywhere."""

    def __init__(self, env: Any, method: Any, max_steps: int, gamma: float):
        if hasattr(env, "num_envs"):
            raise TypeError("a vector of environments steps all at once; pass one of them.")
        self.env = env
        observe = getattr(method, "observe", None)  # features of continuous observations
        self.observed = None if observe is None else observe(env)
        self.parts = [(2, 0)] if self.observed else _parts(env.observation_space)
        self.sizes = tuple(size for size, _ in self.parts)
        self.n_states = int(np.prod(self.sizes))
        if type(env.action_space).__name__ != "Discrete":
            raise TypeError(f"actions are {env.action_space}; they must be Discrete.")
        self.n_actions = int(env.action_space.n)
        self.n_pairs = self.n_states * self.n_actions
        self.first_action = int(env.action_space.start)
        self.outcome = np.zeros(3)
        ptr = np.arange(self.n_states + 1) * self.n_actions
        none, nothing = np.empty(0, dtype=np.int64), np.empty(0)
        model = Sampler(ptr, none, none, nothing, nothing, nothing, nothing)
        self.world = World(model, gamma, nothing, max_steps, self.outcome)

    @property
    def action_ptr(self) -> np.ndarray:
        """Each state's first pair."""
        return self.world.model.action_ptr

    def number(self, observation: Any) -> int:
        """An observation as a state. Raises ValueError if it lies outside its space."""
        if self.observed:
            return self.observed.number(observation)
        given = observation if isinstance(observation, tuple) else (observation,)
        s = 0
        for x, (size, start) in zip(np.hstack(given).tolist(), self.parts, strict=True):
            if not 0 <= x - start < size:
                raise ValueError(
                    f"the environment observed {observation!r}, which is not in "
                    f"{self.env.observation_space}."
                )
            s = s * size + int(x) - start
        return s

    def run(self, method: Any, book: Log, tables: Any, show: Any) -> None:
        """Every run, one after the other; the environment is seeded from the run's key."""
        runs, episodes = book.returns.shape
        given = self.world, book, method.rule(), tables
        kernel = compiled(method.family.kernel, *given, 0, 0, 1)
        for run in range(runs):
            seed: int | None = int(book.keys[run] >> np.uint64(33))
            while book.clock[run, EPISODE] < episodes:
                show(run * episodes + int(book.clock[run, EPISODE]))
                observation, _ = self.env.reset(seed=seed)
                seed = None
                self._tell(0.0, self.number(observation), False)
                kernel(*given, run, run + 1, 1)
                while book.clock[run, STATE] != NOWHERE:
                    self._step(int(book.clock[run, PAIR]))
                    kernel(*given, run, run + 1, 1)

    def _step(self, pair: int) -> None:
        action = pair % self.n_actions + self.first_action
        observation, reward, terminated, truncated, _ = self.env.step(action)
        if not math.isfinite(reward):
            raise ValueError(f"the environment paid {reward} for action {action}.")
        self._tell(float(reward), ENDED if terminated else self.number(observation), truncated)

    def _tell(self, reward: float, state: int, truncated: bool) -> None:
        self.outcome[:] = reward, state, truncated


def _parts(space: Any) -> list[tuple[int, int]]:
    """Size and first number of each part of a discrete space."""
    kind = type(space).__name__
    if kind == "Discrete":
        return [(int(space.n), int(space.start))]
    if kind == "MultiDiscrete":
        return list(zip(space.nvec.ravel().tolist(), space.start.ravel().tolist(), strict=True))
    if kind == "Tuple":
        return [part for own in space.spaces for part in _parts(own)]
    raise TypeError(
        f"observations are {space}; a table needs discrete ones. For others use features."
    )
