"""Features as kernels take them: the nonzero entries of a state's or a pair's row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import inlined
from mdpkit.learn._following import bounds, given_policy
from mdpkit.operators.features import active, state_features
from mdpkit.operators.importance import pair_ratios
from mdpkit.operators.tile_coding import TileCoding, tiles


class Followed(NamedTuple):
    """What a prediction kernel is given.

    row_ptr (S + 1,), columns, values (nnz,)   the rows of Φ
    behavior, target (pairs,)   accumulated: what is done, what is evaluated
    ratio (pairs,)              π/b of each pair
    interest (S,) ≥ 0
    """

    row_ptr: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    behavior: np.ndarray
    target: np.ndarray
    ratio: np.ndarray
    interest: np.ndarray


class Blocks(NamedTuple):
    """What a control kernel is given: a pair's features, row `row` moved right by `shift`.

    row, shift (pairs,); row_ptr (n + 1,), columns, values (nnz,)
    blocks     of how many actions the weights consist, where a state's features serve all
    observed   whether rows are those of two observations, now and next
    """

    row: np.ndarray
    shift: np.ndarray
    row_ptr: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    blocks: int
    observed: bool


def followed(place: Any, method: Any) -> tuple[Followed, int]:
    """What a prediction method asks for, and K; ModelError where b lacks what π takes."""
    table = state_features(method.features, place.n_states).astype(float)
    behavior = getattr(method, "behavior", None)
    pi = given_policy(place, method.policy)
    b = pi if behavior is None else given_policy(place, behavior, "behavior")
    where = getattr(place, "place", lambda i: divmod(i, place.n_actions))
    ratio = pair_ratios(pi, b, where)
    interest = np.broadcast_to(np.asarray(getattr(method, "interest", 1.0)), place.n_states)
    parts = bounds(place, b), bounds(place, pi), ratio, np.array(interest, dtype=float)
    return Followed(*active(table), *parts), table.shape[1]


def blocks(place: Any, features: Any) -> tuple[Blocks, int]:
    """Features for control, and K: of pairs as given, (pairs, K); else of states, by blocks."""
    observed = getattr(place, "observed", None)
    if observed is not None:
        return observed.given, observed.size * place.n_actions
    shape = np.shape(features)
    if not callable(features) and shape[:1] == (place.n_pairs,) != (place.n_states,):
        table = state_features(features, place.n_pairs).astype(float)
        pairs = np.arange(place.n_pairs)
        return Blocks(pairs, 0 * pairs, *active(table), 1, False), table.shape[1]
    table = state_features(features, place.n_states).astype(float)
    ptr, K = np.asarray(place.action_ptr), table.shape[1]
    counts = np.diff(ptr)
    state = np.repeat(np.arange(place.n_states), counts)
    action = getattr(place, "pair_actions", None)
    action = np.arange(state.size) - np.repeat(ptr[:-1], counts) if action is None else action
    shift = np.asarray(action) * K
    return Blocks(state, shift, *active(table), place.n_actions, False), K * place.n_actions


class Observed:
    """A continuous environment as two states, now and next, whose features are rewritten.

    So the kernels of tables serve it: what they know of a state is its row of features.
    """

    n_states = 2

    def __init__(self, features: Any, n_actions: int):
        self.features, self.size, self.now = features, int(features.size), 0
        self.tiles = isinstance(features, TileCoding)
        each = features.tilings if self.tiles else self.size
        row = np.repeat(np.arange(2), n_actions)
        shift = np.tile(np.arange(n_actions) * self.size, 2)
        columns = np.tile(np.arange(each), 2)
        row_ptr = np.arange(3) * each
        self.given = Blocks(row, shift, row_ptr, columns, np.ones(2 * each), n_actions, True)
        if self.tiles:
            self.low = np.array(features.low, dtype=float)
            self.width = np.array(features.high, dtype=float) - self.low
            self.counts, self.shifts = np.array(features.counts), features.shifts

    def number(self, observation: Any) -> int:
        """Write down the features of an observation; which of the two states it is."""
        x = np.asarray(observation, dtype=float).reshape(1, -1)
        self.now = 1 - self.now
        own = slice(*self.given.row_ptr[self.now : self.now + 2])
        if self.tiles:
            if x.shape[1] != self.low.size or not np.isfinite(x).all():
                raise ValueError(f"observation {observation} is no point of the tiled box.")
            found = self.given.columns[own].reshape(1, -1)
            tiles((x - self.low) / self.width, self.counts, self.shifts, found)
        else:
            self.given.values[own] = self.features(x)[0]
        return self.now


@inlined
def dot(given, row, shift, w):
    """Σ_k φ_k w_k of a row."""
    total = 0.0
    for j in range(given.row_ptr[row], given.row_ptr[row + 1]):
        total += given.values[j] * w[given.columns[j] + shift]
    return total


@inlined
def add(given, row, shift, factor, w):
    """w += factor · φ, for a row."""
    for j in range(given.row_ptr[row], given.row_ptr[row + 1]):
        w[given.columns[j] + shift] += factor * given.values[j]
