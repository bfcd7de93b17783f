"""A Gymnasium environment as a world: the same kernels, stepped from outside.

Spaces must be discrete, or tuples of discrete ones, which are numbered in mixed radix. The
environment's `terminated` ends the episode; its `truncated` only cuts it, and the kernel
bootstraps from the true last observation. Checked in tests/learn/test_environment.py.
"""

from __future__ import annotations

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

    def __init__(self, env: Any, max_steps: int, method: Any):
        self.env = env
        self.sizes = _sizes(env.observation_space, "observations")
        self.n_states = int(np.prod(self.sizes))
        self.n_actions = int(np.prod(_sizes(env.action_space, "actions")))
        self.n_pairs = self.n_states * self.n_actions
        self.first_action = int(getattr(env.action_space, "start", 0))
        self.outcome = np.zeros(3)
        ptr = np.arange(self.n_states + 1) * self.n_actions
        none, nothing = np.empty(0, dtype=np.int64), np.empty(0)
        model = Sampler(ptr, none, none, nothing, nothing, nothing)
        gamma = float(getattr(method, "gamma", 1.0))
        self.world = World(model, gamma, nothing, max_steps, self.outcome)

    @property
    def action_ptr(self) -> np.ndarray:
        """Each state's first pair."""
        return self.world.model.action_ptr

    def number(self, observation: Any) -> int:
        """An observation as a state."""
        parts = np.atleast_1d(np.asarray(observation, dtype=np.int64))
        return int(np.ravel_multi_index(tuple(parts), self.sizes))

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
        self._tell(float(reward), ENDED if terminated else self.number(observation), truncated)

    def _tell(self, reward: float, state: int, truncated: bool) -> None:
        self.outcome[:] = reward, state, truncated


def _sizes(space: Any, name: str) -> tuple[int, ...]:
    """The radix of each part of a discrete space."""
    parts = getattr(space, "spaces", None) or [space]
    sizes = tuple(int(getattr(part, "n", 0)) for part in parts)
    if not all(sizes):
        raise TypeError(
            f"{name} are {space}; a table needs discrete ones. For others use features."
        )
    return sizes
