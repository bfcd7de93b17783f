"""Any MDP as an environment: two pure functions of uniform numbers that are given.

    s_0 = min{s : u < Σ_{i≤s} μ(i)}            t = min{t : u < Σ_{i≤t} P(i|s,a)}, or the end

The next state is drawn by inversion, found by halving the row's accumulated probabilities: the
arrays are those of `operators.rollout`, nothing is padded, and a row of K entries costs log₂ K
looks. (Drawing from dense rows by `jax.random.categorical` was 240 times slower.) What is left
above the last entry is stop(s,a): there the step terminates, and the state it returns is s
again. The reward is the mean r(s,a).

The functions are array-API generic: on NumPy arrays they run in NumPy, on JAX arrays in JAX,
where they may be compiled and mapped. In float32 a probability is kept to about 1e-7.

Checked in tests/envs/test_tabular.py. Source: Devroye (1986), §III.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import namespace, scatter
from mdpkit.mdp import MDP
from mdpkit.operators.rollout import sampler


class Outcome(NamedTuple):
    """Of one step. Where `terminated`, the state is the one that was left."""

    state: Any
    reward: Any
    terminated: Any


@dataclass(frozen=True, eq=False)
class Table:
    """What `reset` and `step` look things up in; plain NumPy arrays.

    start   (S + 1,) accumulated
    upper   (nnz + 1,) the accumulated probabilities of each row
    columns (nnz + 1,) next states; of all three, the last belongs to none
    row_ptr (pairs + 1,)
    reward  (pairs,)
    pairs   (S, A) the number of each pair; −1 where the state lacks the action
    widest  entries of the longest row, at least 1
    """

    start: np.ndarray
    upper: np.ndarray
    columns: np.ndarray
    row_ptr: np.ndarray
    reward: np.ndarray
    pairs: np.ndarray
    widest: int

    @property
    def mask(self) -> np.ndarray:
        """(S, A) bool, the actions that exist."""
        return self.pairs >= 0


def table(mdp: MDP, *, repeat: bool = False) -> Table:
    """The table of a model; exact models are rounded, others fetched from a device.

    repeat : an action that the state lacks plays the one numbered (a mod |A(s)|) among those it
    has, so that every action exists everywhere and the optimal values stay what they were.
    Otherwise such an action is refused by `step`.
    """
    if not isinstance(mdp, MDP):
        raise TypeError(f"table() takes an MDP, not {type(mdp)}.")
    mdp = mdp.to("cpu").rounded()
    model = sampler(mdp)
    numbers = np.arange(1, mdp.n_pairs + 1)
    pairs = scatter((mdp.n_states, mdp.n_actions), (mdp.pair_states, mdp.pair_actions), numbers)
    pairs = pairs - 1
    if repeat:
        own = np.diff(mdp.action_ptr)[:, None]
        others = mdp.action_ptr[:-1, None] + np.arange(mdp.n_actions) % own
        pairs = np.where(pairs < 0, others, pairs)
    start, upper = np.append(model.start, 1.0), np.append(model.upper, 1.0)
    columns = np.append(model.columns, 0)
    widest = max(int(np.diff(model.row_ptr).max()), 1)
    return Table(start, upper, columns, model.row_ptr, model.reward, pairs, widest)


def reset(table: Table, u: Any) -> Any:
    """The state an episode begins in. u : (…) in [0, 1); returns ints (…)."""
    xp = namespace(u)
    begin, n_states = xp.zeros_like(u, dtype=int), table.start.size - 1
    return _above(xp, table.start, begin, begin + n_states, u, n_states)


def step(table: Table, state: Any, action: Any, u: Any) -> Outcome:
    """Play an action. state, action : ints (…); u : (…) in [0, 1).

    An action that the state lacks raises ValueError in NumPy. JAX cannot raise in compiled
    code: there the state stays and the reward is NaN, which no average forgets.
    """
    xp = namespace(state, action, u)
    if xp is np:
        _require_pairs(table, state, action)
    pair = xp.asarray(table.pairs)[state, action]
    known, pair = pair >= 0, xp.maximum(pair, 0)
    row_ptr = xp.asarray(table.row_ptr)
    begin, end = row_ptr[pair], row_ptr[pair + 1]
    found = _above(xp, table.upper, begin, end, u, table.widest)
    terminated = known & (found == end)
    after = xp.asarray(table.columns)[found]
    reward = xp.where(known, xp.asarray(table.reward)[pair], xp.nan)
    return Outcome(xp.where(known & ~terminated, after, state), reward, terminated)


def _above(xp: Any, upper: np.ndarray, begin: Any, end: Any, u: Any, widest: int) -> Any:
    """The first entry of upper[begin:end] that exceeds u; `end` if none does."""
    bounds = xp.asarray(upper)
    for _ in range(widest.bit_length()):
        middle = (begin + end) // 2  # where nothing is left, `end`: at most the last bound
        right = (begin < end) & (bounds[middle] <= u)
        begin, end = xp.where(right, middle + 1, begin), xp.where(right, end, middle)
    return begin


def _require_pairs(table: Table, state: Any, action: Any) -> None:
    n_states, n_actions = table.pairs.shape
    state, action = np.broadcast_arrays(state, action)
    inside = (state >= 0) & (state < n_states) & (action >= 0) & (action < n_actions)
    allowed = inside & (
        table.pairs[np.where(inside, state, 0), np.where(inside, action, 0)] >= 0
    )
    if allowed.all():
        return
    first = int(np.argmin(allowed.reshape(-1)))
    s, a = int(state.reshape(-1)[first]), int(action.reshape(-1)[first])
    if not 0 <= s < n_states:
        raise ValueError(f"state {s} is not in 0 … {n_states - 1}.")
    has = np.flatnonzero(table.mask[s]).tolist()
    raise ValueError(f"state {s} has no action {a}; it has {has}.")
