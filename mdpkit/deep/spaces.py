"""Whether an algorithm fits an environment, asked before any work.

Checked in tests/deep/test_spaces.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit.envs.spaces import Box, Discrete

FOR_DISCRETE = "DQN, SoftQ, SAC or PPO"
FOR_BOX = "SAC or PPO"


def discrete(worlds: Any, algorithm: str) -> Discrete:
    """The actions, if they are numbered. TypeError otherwise."""
    if not isinstance(worlds.action_space, Discrete):
        raise TypeError(
            f"{algorithm} needs numbered actions; {worlds.name} has real ones, "
            f"{worlds.action_space.low.shape}. Use {FOR_BOX}."
        )
    return worlds.action_space


def bounded(worlds: Any, algorithm: str) -> Box:
    """The box of actions, if it is one with finite sides. TypeError or ValueError otherwise."""
    space = worlds.action_space
    if not isinstance(space, Box):
        raise TypeError(
            f"{algorithm} needs real actions; {worlds.name} has {space.n} numbered ones. "
            f"Use {FOR_DISCRETE}."
        )
    check_vectors(space)
    if not (np.isfinite(space.low).all() and np.isfinite(space.high).all()):
        raise ValueError(
            f"{algorithm} squashes its actions by tanh; those of {worlds.name} have no finite "
            "bounds. Rescale them, or use PPO."
        )
    return space


def check_vectors(space: Box) -> None:
    """Raise TypeError unless actions are vectors (m,)."""
    if space.low.ndim != 1:
        raise TypeError(
            f"actions have shape {space.low.shape}; vectors (m,) are needed. Flatten them."
        )
