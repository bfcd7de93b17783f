"""Replay: learning again from what happened before, drawn evenly or by how wrong one was.

    Uniform       every complete window as likely as any other                 weight 1/n
    Prioritized   P(i) = p_i / Σ_j p_j,  p_i = (|δ_i| + ε)^α                   weight w_i / n
                  w_i = (N P(i))^{−β} / max_j (N P(j))^{−β} = (min_j p_j / p_i)^β

The maximum is over all N windows, not over those drawn: at β = 1, E_P[w ∇L] is the uniform mean
of ∇L up to one factor, the same for every batch. A new window has the largest p there has been.

Windows of n steps are put together when drawn, from rows kept one by one, and only when their n
rows are there (`mdpkit.deep.ring`); `t`, the number of rows written, is the caller's counter.

Checked in tests/deep/test_replay.py and test_prioritized.py.
Source: Lin (1992); Schaul et al. (2016), algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.core import Tracer

from mdpkit.deep import priority_tree, ring
from mdpkit.deep.batch import Batch
from mdpkit.deep.priority_tree import Tree
from mdpkit.deep.ring import Index


class UniformState(NamedTuple):
    """rows : Batch of (capacity // lanes, lanes, …), row t at place t mod its length."""

    rows: Batch


class PrioritizedState(NamedTuple):
    """Rows as of UniformState, and what they are drawn by.

    tree     p of each step, row by row; 0 where its window is not complete
    largest  p, the largest there has been; written : rows so far
    """

    rows: Batch
    tree: Tree
    largest: Array
    written: Array


@dataclass(frozen=True)
class Uniform:
    """Every complete window is as likely as any other; drawn with replacement.

    capacity  steps kept, over all lanes; n_step : rows of a window
    debug     check under jit, too, that there is something to draw

    Raises ValueError where capacity < n_step or n_step < 1.
    """

    capacity: int
    n_step: int = 1
    debug: bool = False

    def __post_init__(self):
        _check_sizes(self)

    def init(self, row: Batch) -> UniformState:
        """An empty ring for rows like this one, (n, …); only shapes and dtypes are looked at.

        Raises ValueError unless rewards, discounts and boundaries are (n,) and the capacity is
        rows enough for a window; TypeError unless rewards are floats.
        """
        return UniformState(ring.empty(row, self.capacity, self.n_step))

    def add(self, state: UniformState, t: Any, row: Batch) -> UniformState:
        """With row t (n, …) written over row t − capacity/n; its weight is not kept."""
        return UniformState(ring.written(state.rows, t, row))

    def sample(
        self, state: UniformState, t: Any, key: Array, n: int, progress: Any
    ) -> tuple[Batch, Index]:
        """n windows of the t rows written so far, weighing 1/n each, and where they came from.

        Observation, action and extras are of the window's first step. Raises ValueError if no
        window is complete and t is known; under jit such rows weigh 0.
        """
        t = _known_complete(self, t)
        rows, lanes = state.rows.reward.shape
        live = jnp.minimum(t, rows)
        complete = live - self.n_step + 1
        which = jax.random.randint(
            key, (n,), 0, jnp.maximum(complete, 1) * lanes, dtype=jnp.int32
        )
        index = Index(t - live + which // lanes, which % lanes)
        weight = jnp.full(n, 1 / n, state.rows.reward.dtype) * (complete > 0)
        return ring.windows(state.rows, self.n_step, index, weight=weight), index

    def update(self, state: UniformState, index: Index, error: Any) -> UniformState:
        """Unchanged: errors are nothing to it."""
        return state


@dataclass(frozen=True)
class Prioritized:
    """The larger the error, the more likely; weights take back what that distorts.

    capacity  steps kept, over all lanes; n_step : rows of a window
    alpha     in [0, 1], how much the error counts; 0 is uniform
    beta      in [0, 1], at the begin and the end of the training: 1 takes all of it back
    epsilon   > 0, in units of the error: what is learned is still drawn
    debug     check under jit, too, that there is something to draw

    Raises ValueError outside these ranges, and as of Uniform. Source: Schaul et al. (2016).
    """

    capacity: int
    n_step: int = 1
    alpha: float = 0.6
    beta: tuple[float, float] = (0.4, 1.0)
    epsilon: float = 1e-6
    debug: bool = False

    def __post_init__(self):
        _check_sizes(self)
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1]; it is {self.alpha}.")
        pair = isinstance(self.beta, tuple) and len(self.beta) == 2
        if not pair or not all(0 <= b <= 1 for b in self.beta):
            raise ValueError(
                f"beta must be two numbers in [0, 1], at the begin and at the end; "
                f"it is {self.beta}."
            )
        if not 0 < self.epsilon < float("inf"):
            raise ValueError(
                f"epsilon must be finite and > 0; it is {self.epsilon}. A row without error "
                "would never be drawn again, and its weight be infinite."
            )

    def init(self, row: Batch) -> PrioritizedState:
        """An empty ring, as of Uniform; the first priority is 1."""
        rows = ring.empty(row, self.capacity, self.n_step)
        dtype = rows.reward.dtype
        tree = priority_tree.empty(rows.reward.size, dtype)
        return PrioritizedState(rows, tree, jnp.ones((), dtype), jnp.zeros((), jnp.int32))

    def add(self, state: PrioritizedState, t: Any, row: Batch) -> PrioritizedState:
        """With row t written: what it covers cannot be drawn, what it completes can."""
        rows, lanes = state.rows.reward.shape
        completed = t - self.n_step + 1
        places = jnp.stack([jnp.asarray(t), jnp.asarray(completed)]) % rows
        index = (places[:, None] * lanes + jnp.arange(lanes)).astype(jnp.int32)
        p = jnp.stack([0 * state.largest, jnp.where(completed >= 0, state.largest, 0)])
        tree = priority_tree.changed(state.tree, index.reshape(-1), jnp.repeat(p, lanes))
        written = jnp.asarray(t + 1, jnp.int32)
        return PrioritizedState(ring.written(state.rows, t, row), tree, state.largest, written)

    def sample(
        self, state: PrioritizedState, t: Any, key: Array, n: int, progress: Any
    ) -> tuple[Batch, Index]:
        """n windows of the t rows written so far, and where they came from; as of Uniform.

        progress : in [0, 1], how much of the training is over, for β. The draws are stratified,
        in the order of the ring: shuffle them before parting them.
        """
        t = _known_complete(self, t)
        rows, lanes = state.rows.reward.shape
        leaf, p = priority_tree.drawn(state.tree, key, n)
        index = Index(t - 1 - (t - 1 - leaf // lanes) % rows, leaf % lanes)
        weight = jnp.where(t >= self.n_step, self.weights(state, p, progress) / n, 0)
        weight = weight.astype(p.dtype)
        return ring.windows(state.rows, self.n_step, index, weight=weight), index

    def weights(self, state: PrioritizedState, p: Array, progress: Any) -> Array:
        """w = (min_j p_j / p)^β in (0, 1], of any p in the tree, with β at this progress."""
        beta = self.beta[0] + progress * (self.beta[1] - self.beta[0])
        return (priority_tree.smallest(state.tree) / p) ** beta

    def update(self, state: PrioritizedState, index: Index, error: Any) -> PrioritizedState:
        """With p = (|error| + ε)^α for the rows that were drawn; error : (n,).

        Rows that have been written over since are left alone; of one drawn twice the larger
        error counts. Raises TypeError if the algorithm has no errors to report.
        """
        if error is None:
            raise TypeError("this algorithm reports no errors to rank rows by. Use Uniform.")
        if error.shape != index.row.shape:
            raise ValueError(
                f"error has shape {error.shape}; {index.row.shape}, one a row, is needed."
            )
        tiny = jnp.finfo(state.largest.dtype).tiny  # p = 0 would mean that there is no row
        p = jnp.maximum((jnp.abs(error) + self.epsilon) ** self.alpha, tiny)
        p = p.astype(state.largest.dtype)
        rows, lanes = state.rows.reward.shape
        meant = index.row >= state.written - rows
        meant &= index.row <= state.written - self.n_step
        leaf = index.row % rows * lanes + index.lane
        tree = priority_tree.changed(state.tree, leaf, p, meant=meant)
        largest = jnp.maximum(state.largest, jnp.where(meant, p, 0).max())
        return state._replace(tree=tree, largest=largest)


def _check_sizes(replay: Uniform | Prioritized) -> None:
    for name in ("capacity", "n_step"):
        value = getattr(replay, name)
        if not isinstance(value, int):
            raise TypeError(f"{name} must be an int; it is {value!r}.")
        if value < 1:
            raise ValueError(f"{name} must be ≥ 1; it is {value}.")
    if replay.capacity < replay.n_step:
        raise ValueError(
            f"capacity = {replay.capacity} cannot hold a window of n_step = {replay.n_step}."
        )


def _known_complete(replay: Uniform | Prioritized, t: Any) -> Array:
    """t as int32. Raises ValueError if it is known that no window is complete."""
    empty = f"no window of {replay.n_step} rows is complete: add before you sample."
    if not isinstance(t, Tracer) and t < replay.n_step:
        raise ValueError(f"{t} rows are written, {empty}")
    t = jnp.asarray(t, jnp.int32)
    return eqx.error_if(t, t < replay.n_step, empty) if replay.debug else t
