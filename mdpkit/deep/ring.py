"""A ring of rows, and the windows of n steps that begin in it.

    place of row t    t mod rows: row t is written over row t − rows
    window of row t   rows t … t + n − 1, cut behind its first boundary:
                      Σ_k (Π_{i<k} d_i) r_k,  Π d_k  and the next observation of its last row

A row is one step of `lanes` environments side by side; t counts the rows written before it and
is the same for all seeds, so that writing is a slice and not a scatter. A window may be asked
for only when all its rows are there: then none runs over the newest row into the oldest.

Checked in tests/deep/test_replay.py. Source: Lin (1992); Mnih et al. (2015).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mdpkit.deep.batch import Batch
from mdpkit.operators.returns import lambda_return


class Index(NamedTuple):
    """Where a row was written, (n,) int32 each.

    row   how many rows had been written before it; not its place in the ring, which another
          row may have taken since
    lane  which environment
    """

    row: Array
    lane: Array


def empty(row: Batch, capacity: int, n_step: int) -> Batch:
    """Rows of zeros for `capacity` steps like this row's, (capacity // lanes, lanes, …).

    row : (lanes, …), only its shapes and dtypes are looked at; its weight is not kept.

    Raises ValueError unless rewards, discounts and boundaries are (lanes,) and the capacity is
    n_step or more rows; TypeError unless rewards are floats.
    """
    lanes = row.reward.shape[0] if row.reward.shape else 0
    for name in ("reward", "discount", "boundary"):
        shape = getattr(row, name).shape
        if shape != (lanes,) or lanes == 0:
            raise ValueError(f"{name} of a row has shape {shape}; (lanes,) is needed.")
    if not jnp.issubdtype(row.reward.dtype, jnp.floating):
        raise TypeError(f"rewards have dtype {row.reward.dtype}; floats are needed.")
    rows, rest = divmod(capacity, lanes)
    if rest or rows < n_step:
        raise ValueError(
            f"capacity = {capacity} is not {n_step} or more whole rows of {lanes} lanes; "
            f"{lanes * max(n_step, rows)} is."
        )
    return jax.tree.map(
        lambda x: jnp.zeros((rows, *x.shape), x.dtype), row._replace(weight=None)
    )


def written(rows: Batch, t: Any, row: Batch) -> Batch:
    """With this row as row t, in place under jit."""
    place = t % rows.reward.shape[0]
    return jax.tree.map(
        lambda ring, x: jax.lax.dynamic_update_index_in_dim(
            ring, x.astype(ring.dtype), place, 0
        ),
        rows,
        row._replace(weight=None),
    )


def windows(rows: Batch, n_step: int, index: Index, *, weight: Array) -> Batch:
    """The windows that begin at `index`, whose n rows all are written; weight : (n,).

    Observation, action and extras are of the first step, the next observation of the last.
    """
    places = (index.row + jnp.arange(n_step)[:, None]) % rows.reward.shape[0]

    def at(x: Array, place: Array) -> Array:
        return x.at[place, index.lane].get(mode="promise_in_bounds")

    reward, discount, boundary = (
        at(x, places) for x in (rows.reward, rows.discount, rows.boundary)
    )
    length = jnp.cumprod(~boundary[:-1], axis=0).sum(axis=0, dtype=jnp.int32)
    last = (index.row + length) % rows.reward.shape[0]
    observation, action, extras = jax.tree.map(
        lambda x: at(x, places[0]), (rows.observation, rows.action, rows.extras)
    )
    return Batch(
        observation,
        action,
        lambda_return(reward, discount, boundary, 0)[0],
        lambda_return(jnp.zeros_like(reward), discount, boundary, 1)[0],
        at(rows.boundary, last),
        jax.tree.map(lambda x: at(x, last), rows.next_observation),
        weight,
        extras,
    )
