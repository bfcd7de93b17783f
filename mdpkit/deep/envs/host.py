"""Any Gymnasium environment in a compiled loop: one call to the host a step, for all lanes.

It costs about a tenth of a millisecond a step on top of the environment's own time, and cannot
be mapped over seeds: run them one after the other. What the host knows stays there; the lanes
carry a ticket. Random numbers are the environment's own, seeded lane by lane from the key of
`begin`, so the same key plays the same. A reward that is not finite is handed on as it is.

Checked in tests/deep/envs/test_host.py. Source: as for mdpkit/envs/gymnasium.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jax.experimental import io_callback

from mdpkit.deep.envs.environment import Step
from mdpkit.deep.envs.vector import Lanes, tally
from mdpkit.envs.gymnasium import HostLanes, recipe
from mdpkit.envs.spaces import Box, Discrete

KEPT = 4
"""So many sets of lanes are alive; the one not used for longest is closed for a new one."""


class Host:
    """A Gymnasium environment in n lanes.

    source, arguments : as for `mdpkit.envs.gymnasium.recipe`: an id, a function that makes one
    environment, or a vector environment, which has as many lanes as it has.
    """

    vectorizes: ClassVar[bool] = False
    """It has one outside world, which no map over seeds can copy."""

    def __init__(self, source: Any, arguments: dict[str, Any] | None = None):
        self.recipe = recipe(source, arguments)
        self._alive: dict[int, HostLanes] = {}

    @property
    def name(self) -> str:
        """The environment's id, where it has one."""
        return self.recipe.name

    @property
    def observation_space(self) -> Discrete | Box:
        """Of one lane."""
        return self.recipe.observation_space

    @property
    def action_space(self) -> Discrete | Box:
        """Of one lane."""
        return self.recipe.action_space

    @property
    def limit(self) -> int | None:
        """Steps of an episode, where the environment says so."""
        return self.recipe.limit

    def begin(self, key: Any, n: int) -> tuple[Lanes, Any]:
        """n episodes, and the (n, …) observations they begin with.

        Raises TypeError when mapped over seeds, ValueError where a vector has other lanes.
        """
        if self.recipe.n not in (None, n):
            raise ValueError(f"{self.name} has {self.recipe.n} lanes, not {n}.")
        shapes = jax.ShapeDtypeStruct((), np.int32), self._observed(n)
        seeds = jax.random.bits(key, (n,), np.uint32)
        ticket, observation = _on_host(self._begin, shapes)(seeds)
        return Lanes.begun(ticket, n), observation

    def advance(self, key: Any, lanes: Lanes, action: Any) -> tuple[Lanes, Step]:
        """Play one action (n, …) in each lane; begin again where an episode is over."""
        n = lanes.episode_length.shape[0]
        seen = self._observed(n)
        reward, flag = (jax.ShapeDtypeStruct((n,), kind) for kind in (_real(), np.bool_))
        shapes = seen, reward, flag, flag, seen
        played = _on_host(self._advance, shapes)(lanes.state, action)
        observation, reward, terminated, truncated, reached = played
        return tally(
            lanes, lanes.state, reward, (terminated, truncated), (observation, reached)
        )

    def close(self) -> None:
        """Close all environments."""
        while self._alive:
            self._alive.pop(next(iter(self._alive))).close()

    def _observed(self, n: int) -> jax.ShapeDtypeStruct:
        space = self.observation_space
        kind = jnp.zeros((), int).dtype if isinstance(space, Discrete) else _real()
        return jax.ShapeDtypeStruct((n, *space.shape), kind)

    def _begin(self, seeds: Any) -> tuple[Any, ...]:
        if self.recipe.n is not None:
            self._alive.clear()  # the one vector there is begins anew
        elif len(self._alive) >= KEPT:
            self._alive.pop(next(iter(self._alive))).close()
        lanes = HostLanes(self.recipe, len(seeds), finite=False)
        # Not counted: a ticket kept in a file must not open the lanes of another process.
        ticket = secrets.randbits(31)
        self._alive[ticket] = lanes
        return np.int32(ticket), lanes.begin(np.asarray(seeds))

    def _advance(self, ticket: Any, action: Any) -> tuple[Any, ...]:
        lanes = self._alive.pop(int(ticket), None)
        if lanes is None:
            raise RuntimeError(
                f"these lanes of {self.name} are gone: they live in the process that began "
                f"them, the {KEPT} last used. A training in them cannot be taken up again."
            )
        self._alive[int(ticket)] = lanes  # the last used stands last
        return lanes.advance(np.asarray(action))


def _real() -> Any:
    """The float type JAX computes in."""
    return jnp.zeros(()).dtype


def _on_host(function: Callable, shapes: Any) -> Callable:
    """`function` called on the host, in order, with its results cast to `shapes`."""

    def cast(*arguments: Any) -> Any:
        found = function(*arguments)
        pairs = zip(found, shapes, strict=True)
        return tuple(np.asarray(x, shape.dtype) for x, shape in pairs)

    @custom_vmap
    def call(*arguments: Any) -> Any:
        return io_callback(cast, shapes, *arguments, ordered=True)

    @call.def_vmap
    def refuse(size: int, batched: Any, *arguments: Any) -> Any:
        raise TypeError(
            "a Gymnasium environment cannot be mapped over seeds by jax.vmap (its worlds have "
            "vectorizes = False): run one seed after the other."
        )

    return call
