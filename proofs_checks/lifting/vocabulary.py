"""Words of the tabular limits: models of one shape, all their transitions, tables.

One shape, so that each algorithm is compiled once for all instances.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Annotated, Any, NamedTuple

import numpy as np

from mdpkit.claim import MDP, models
from mdpkit.enumerate import transitions
from mdpkit.operators.aggregate import Reduction
from mdpkit.operators.bellman import backup_q

S, A = 3, 2

Square = Annotated[
    MDP, models(states=(S, S), actions=(A, A), ragged=False, stops="some", discount=(0, 0.9))
]
"""A model with three states, two actions in each, and ends."""


def float64() -> AbstractContextManager:
    """JAX computes in float64 inside."""
    import jax

    return jax.enable_x64(True)


def every_transition(mdp: MDP, rho: Any = None) -> Any:
    """All transitions as a batch of S·A·(S + 1) rows; those that cannot happen weigh 0.

    rho : (S, A), how often each pair is seen; once if None.
    """
    import jax.numpy as jnp

    from mdpkit.deep.batch import lifted

    rows = transitions(mdp, rho)
    missing = S * A * (S + 1) - rows.pair.size
    padded = [np.concatenate([x, np.zeros(missing, x.dtype)]) for x in rows]
    return lifted(mdp, type(rows)(*padded), jnp.float64)


class World(NamedTuple):
    """What `init` asks of an environment."""

    observation_space: Any
    action_space: Any
    name: str = "table"


@cache
def world() -> World:
    """S states, A actions."""
    from mdpkit.envs.spaces import Discrete

    return World(Discrete(S), Discrete(A))


def swept(mdp: MDP, over: Reduction, sweeps: int) -> np.ndarray:
    """Q ← r + γP ⊕Q, so many times from 0, by the exact kit's own operator, (S, A)."""
    q = np.zeros((S, A))
    for _ in range(sweeps):
        q = backup_q(mdp, q, over)
    return q


def table(values: Any) -> Any:
    """A network that is these values, (S, K)."""
    from mdpkit.deep.nets import Table

    return Table(values)
