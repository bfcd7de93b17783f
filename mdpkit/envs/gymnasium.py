"""Gymnasium environments side by side, played on the host: where an episode ended is not lost.

A vector environment resets a lane by itself, in one of three ways:

    SAME_STEP   the step returns the new episode's observation; info["final_obs"] the true one
    NEXT_STEP   the step returns the true one; the *next* is no step at all, but the reset
    DISABLED    the step returns the true one; whoever steps must reset the lane

Here all three are one: `advance` returns both observations, every row is a step that was
played, and a lane that both terminated and ran out of time has terminated.

Checked in tests/envs/test_gymnasium.py. Source: Gymnasium 1.4, `vector.AutoresetMode`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mdpkit.envs.spaces import Box, Discrete, space_of
from mdpkit.errors import ModelWarning, NonFiniteError, SourceError

try:
    import gymnasium
    from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
except ImportError as reason:
    raise ImportError(
        'these environments need Gymnasium: pip install "mdpkit[gym]"'
    ) from reason


class HostStep(NamedTuple):
    """One step of n lanes, in NumPy; as `mdpkit.deep.envs.environment.Step`, without sums.

    observation (n, …) what to act on next; next_observation (n, …) what was truly reached;
    reward (n,); terminated and truncated (n,) bool, never both
    """

    observation: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    next_observation: np.ndarray


class Recipe(NamedTuple):
    """How to make n environments side by side, and what is known of them.

    n     how many there must be; None where any number can be made
    limit steps of an episode, None where that is unknown
    first the number of the first observation and action, where they are numbered
    """

    name: str
    build: Callable[[int], VectorEnv]
    observation_space: Discrete | Box
    action_space: Discrete | Box
    limit: int | None
    n: int | None
    first: tuple[int, int]


def recipe(source: Any, arguments: dict[str, Any] | None = None) -> Recipe:
    """How to make environments from what the user has.

    source    an id, with `arguments` for `gymnasium.make`; a function without arguments that
              returns an environment; or a `gymnasium.vector.VectorEnv`, which stays as it is

    Raises SourceError if Gymnasium cannot make it, TypeError for other kinds and for spaces
    that are neither Discrete nor a Box. Warns of images: bytes from 0 to 255, unnormalized.
    """
    if isinstance(source, VectorEnv):
        _require_mode(source)
        spaces = source.single_observation_space, source.single_action_space
        bare, spec = source.unwrapped, source.spec
        if isinstance(bare, SyncVectorEnv | AsyncVectorEnv):
            spec = bare.get_attr("spec")[0]
        return _recipe(repr(source), lambda n: source, spaces, spec, source.num_envs)
    if isinstance(source, str):
        make: Callable[[], Any] = partial(gymnasium.make, source, **(arguments or {}))
    elif callable(source):
        make = source
    else:
        raise TypeError(
            f"pass an id, a function that returns an environment, or a vector of them; not "
            f"{type(source)}. One environment cannot be in several lanes: pass how to make it."
        )
    env = _made(source, make)
    try:
        spaces, spec = (env.observation_space, env.action_space), env.spec
        name = type(env.unwrapped).__name__ if spec is None else spec.id
        return _recipe(name, lambda n: _side_by_side(make, n), spaces, spec, None)
    finally:
        env.close()


def _recipe(
    name: str, build: Callable[[int], VectorEnv], spaces: Any, spec: Any, n: int | None
) -> Recipe:
    seen, done = space_of(spaces[0], "observations"), space_of(spaces[1], "actions")
    if getattr(spaces[0], "dtype", None) == np.uint8:
        warnings.warn(
            f"{name} observes bytes from 0 to 255, which networks learn badly from. Divide "
            "them first: gymnasium.wrappers.RescaleObservation(env, 0, 1).",
            ModelWarning,
            stacklevel=3,
        )
    limit = getattr(spec, "max_episode_steps", None)
    first = tuple(int(getattr(space, "start", 0)) for space in spaces)
    return Recipe(name, build, seen, done, limit, n, (first[0], first[1]))


def _made(source: Any, make: Callable[[], Any]) -> Any:
    try:
        env = make()
    except Exception as error:  # an environment's constructor may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise SourceError(f"Gymnasium cannot make {source!r}: {reason}") from error
    if not isinstance(env, gymnasium.Env):
        raise TypeError(f"{source!r} returned {type(env)}, which is no Gymnasium environment.")
    return env


def _side_by_side(make: Callable[[], Any], n: int) -> VectorEnv:
    return SyncVectorEnv([make] * n, autoreset_mode=AutoresetMode.SAME_STEP)


def _require_mode(env: VectorEnv) -> AutoresetMode:
    """How it resets. TypeError if that is unknown, or cannot be made up for."""
    mode = env.metadata.get("autoreset_mode")
    remedy = "Make it with autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP."
    if mode is None:
        raise TypeError(f"{env} does not say how it resets itself. {remedy}")
    mode = AutoresetMode(mode)
    if mode is AutoresetMode.NEXT_STEP:
        # The reset must be asked for before the next step, and lane by lane. Others than these
        # may ignore the mask and reset all lanes; without shared memory the reset comes twice.
        bare = env.unwrapped
        shared = isinstance(bare, AsyncVectorEnv) and bare.shared_memory
        if not isinstance(bare, SyncVectorEnv) and not shared:
            raise TypeError(f"{env} resets at the next step, not lane by lane. {remedy}")
    return mode


class HostLanes:
    """n environments that are played from Python; `begin`, then `advance` as often as you like.

    source  as for `recipe`, or a recipe; n : how many, None for as many as a vector has
    finite  whether a reward that is not finite raises NonFiniteError

    Observations are int64 (n,) counted from 0, or floats (n, …), float64 where the environment
    has that; actions likewise.
    """

    def __init__(self, source: Any, n: int | None = None, *, finite: bool = True):
        self.recipe = source if isinstance(source, Recipe) else recipe(source)
        lanes = n if self.recipe.n is None else self.recipe.n
        if lanes is None or lanes < 1 or n not in (None, lanes):
            has = self.recipe.n or "1 or more"
            raise ValueError(f"{self.recipe.name} has {has} lanes; n is {n}.")
        self.n, self.finite = lanes, finite
        self.env = self.recipe.build(self.n)
        self.mode = _require_mode(self.env)
        self.seeds: list[int] = []
        self.steps = 0

    def begin(self, seeds: Any) -> np.ndarray:
        """n episodes; returns their first observations.

        seeds : n ints, a seed for each lane; or one, from which they are derived, so that no
        two lanes of any two seeds are alike. Some vector environments take one alone.
        """
        if np.ndim(seeds) == 0:
            seeds = np.random.SeedSequence(int(seeds)).generate_state(self.n)
        if np.shape(seeds) != (self.n,):
            raise ValueError(f"{np.shape(seeds)} seeds for {self.n} lanes.")
        self.seeds, self.steps = [int(seed) for seed in seeds], 0
        many = isinstance(self.env.unwrapped, SyncVectorEnv | AsyncVectorEnv)
        seed: Any = self.seeds if many else self.seeds[0]
        return self._read(self.env.reset(seed=seed)[0])

    def advance(self, action: Any) -> HostStep:
        """Play an action (n, …) in each lane, in the units of the environment.

        Raises NonFiniteError naming step (from 0), lane and seed.
        """
        if not self.seeds:
            raise RuntimeError("no episode has begun: call begin(seeds).")
        observed, rewards, ended, late, info = self.env.step(self._action(action))
        reward, terminated = np.asarray(rewards, np.float64), np.array(ended, bool)
        if self.finite and not np.isfinite(reward).all():
            self._refuse(reward)
        self.steps += 1
        truncated = np.asarray(late, bool) & ~terminated
        reached = self._read(observed)
        observation, over = reached, terminated | truncated
        if over.any():
            observation = reached.copy()
            if self.mode is AutoresetMode.SAME_STEP:
                reached[over] = self._final(info, over)
            else:
                fresh, _ = self.env.reset(options={"reset_mask": over.copy()})
                observation[over] = self._read(fresh)[over]
        return HostStep(observation, reward, terminated, truncated, reached)

    def close(self) -> None:
        """Close the environments."""
        self.env.close()

    def _final(self, info: dict[str, Any], over: np.ndarray) -> np.ndarray:
        """The true last observations of the lanes that are over."""
        if "final_obs" not in info:
            raise ValueError(f'{self.recipe.name} resets itself without info["final_obs"].')
        return self._read(np.stack([info["final_obs"][i] for i in np.flatnonzero(over)]))

    def _read(self, observation: Any) -> np.ndarray:
        """A copy, for some environments write into what they returned."""
        space = self.recipe.observation_space
        if isinstance(space, Discrete):
            return np.array(observation, np.int64) - self.recipe.first[0]
        wide = np.asarray(observation).dtype == np.float64
        return np.array(observation, np.float64 if wide else np.float32)

    def _action(self, action: Any) -> np.ndarray:
        space, action = self.recipe.action_space, np.asarray(action)
        if action.shape != (self.n, *space.shape):
            wanted = (self.n, *space.shape)
            raise ValueError(f"actions have shape {action.shape}, not {wanted}.")
        if isinstance(space, Discrete):
            return action.astype(np.int64) + self.recipe.first[1]
        return action.astype(self.env.single_action_space.dtype)

    def _refuse(self, reward: np.ndarray) -> None:
        lane = int(np.argmin(np.isfinite(reward)))
        raise NonFiniteError(
            f"{self.recipe.name} paid {reward[lane]} at step {self.steps} in lane {lane}, "
            f"begun with seed {self.seeds[lane]}.",
            step=self.steps,
            state=lane,
        )
