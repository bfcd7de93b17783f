"""A model as explicit files hold it: rows, labels of states, and reward structures.

Neither format knows a probability to stop. A model that stops is written with one state more,
which is labeled STOP and stays; where the last state is such a one it is read as the end again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mdpkit._exact import rational
from mdpkit._rows import CSR, read_csr
from mdpkit.errors import FormatError, ModelError
from mdpkit.io._memory import require
from mdpkit.io._parts import assemble
from mdpkit.mdp import MDP

STOP = "_mdpkit_stop"
INIT = "init"
DENSE = 200_000
"""Up to this S·A·S, a model with the same actions everywhere is stored dense; q is (S, A)."""


class Labeled(NamedTuple):
    """A model without its discount.

    rows          CSR, each next state of a pair once, in order
    action_ptr    (S + 1,) each state's first pair
    pair_actions  (pairs,) int, increasing in each state, or None for 0, 1, …
    labels        name → (S,) bool
    rewards       name → (pairs,) expected reward
    stop          (pairs,) probability to end, or None
    actions       names of actions, or None
    line_of       pair → line of the file, for messages
    limit         bytes of memory
    """

    rows: CSR
    action_ptr: np.ndarray
    pair_actions: np.ndarray | None
    labels: dict[str, np.ndarray]
    rewards: dict[str, np.ndarray]
    stop: np.ndarray | None
    actions: tuple | None
    line_of: Callable[[int], int]
    limit: int

    @property
    def n_states(self) -> int:
        """S."""
        return self.action_ptr.size - 1

    def reward(self, name: str | None) -> np.ndarray:
        """The reward structure of that name; None: the only one there is, zeros if none is."""
        if name in self.rewards:
            return self.rewards[name]
        known = ", ".join(repr(key) for key in self.rewards) or "none"
        if name is not None:
            raise FormatError(f"there is no reward structure {name!r}; there is {known}.")
        if len(self.rewards) > 1 and "" not in self.rewards:
            raise FormatError(f"which rewards? Name one by reward=: there is {known}.")
        for key in ("", *self.rewards):
            if key in self.rewards:
                return self.rewards[key]
        return self.zeros()

    @property
    def is_exact(self) -> bool:
        """Whether the numbers are rationals."""
        return self.rows.values.dtype == np.dtype(object)

    def zeros(self) -> np.ndarray:
        """(pairs,) zeros of the model's kind of number."""
        return constant(self.rows.shape[0], 0, self.is_exact)

    def start(self) -> np.ndarray | None:
        """Uniform over the states labeled init; state 0 where there is no such label."""
        first = self.labels.get(INIT)
        if first is None or not first.any():
            first = np.arange(self.n_states) == 0
        if first.all():
            return None
        if self.is_exact:
            share, none = rational(1) / int(first.sum()), rational(0)
            return np.array([share if here else none for here in first], dtype=object)
        return first / first.sum()

    def model(self, gamma: Any, reward: str | None = None, *, normalize: bool = False) -> MDP:
        """The MDP with this discount and these rewards; FormatError(line) if it is none."""
        named = self._replace(rewards={"": self.reward(reward)})
        try:
            return named.unlocated(gamma, start=self.start(), normalize=normalize)
        except ModelError as error:
            raise self.with_line(error) from error

    def unlocated(self, gamma: Any, *, start: np.ndarray | None, normalize: bool) -> MDP:
        """The MDP; ModelError if it is none."""
        r, counts = self.reward(None), np.diff(self.action_ptr)
        options = {"gamma": gamma, "start": start, "limit": self.limit, "states": None}
        options |= {"actions": self.actions, "normalize": normalize}
        rows, n_actions = read_csr(self.rows), int(counts.max())
        small = counts.size * n_actions * counts.size <= DENSE
        if small and (counts == n_actions).all() and self.pair_actions is None:
            return _dense(rows, r, self.stop, (counts.size, n_actions), options)
        return assemble(
            rows,
            r,
            action_ptr=self.action_ptr,
            pair_actions=self.pair_actions,
            stop=self.stop,
            **options,
        )

    def with_line(self, error: ModelError) -> Exception:
        """The error with the line of the state and action that it names, if it names one."""
        s, a = error.witness.get("s"), error.witness.get("a")
        if s is None:
            return error
        first = int(self.action_ptr[s])
        own = slice(first, int(self.action_ptr[s + 1]))
        place = 0 if a is None else a
        if self.pair_actions is not None and a is not None:
            place = int(np.searchsorted(self.pair_actions[own], a))
        return FormatError(str(error), line=self.line_of(first + place))


def constant(n: int, value: int, exact: bool) -> np.ndarray:
    """(n,) of one number, as floats or as rationals."""
    return np.full(n, rational(value), dtype=object) if exact else np.full(n, float(value))


def _dense(
    rows: CSR, r: np.ndarray, stop: Any, shape: tuple[int, int], options: dict[str, Any]
) -> MDP:
    P = constant(rows.shape[0] * shape[0], 0, rows.values.dtype == np.dtype(object))
    P = P.reshape(rows.shape)
    P[np.repeat(np.arange(rows.shape[0]), np.diff(rows.row_ptr)), rows.columns] = rows.values
    return assemble(
        P.reshape(*shape, shape[0]),
        r.reshape(shape),
        action_ptr=None,
        pair_actions=None,
        stop=None if stop is None else stop.reshape(shape),
        **options,
    )


# ---- what files cannot say: the end of an episode, rewards of pairs --------------------------


def pair_reward(values: np.ndarray, row_ptr: np.ndarray, on_entry: np.ndarray) -> np.ndarray:
    """r(s,a) = Σ_t p(t) r(s,a,t); where all r(s,a,t) agree it is that number, unrounded."""
    first = row_ptr[:-1]
    low, high = (f.reduceat(on_entry, first) for f in (np.minimum, np.maximum))
    return np.where(low == high, on_entry[first], np.add.reduceat(values * on_entry, first))


def without_stop_state(model: Labeled) -> Labeled:
    """Read the last state as the end, where it is labeled so and only stays, without reward."""
    last, first = model.n_states - 1, int(model.action_ptr[-2])
    flag = model.labels.get(STOP)
    n_pairs, begin = model.rows.shape[0], int(model.rows.row_ptr[first])
    if flag is None or flag.nonzero()[0].tolist() != [last] or last == 0 or first + 1 < n_pairs:
        return model
    stays = model.rows.columns[begin:].tolist() == [last] and model.rows.values[begin] == 1
    if not stays or any(r[first] != 0 for r in model.rewards.values()):
        return model
    values, columns, row_ptr, _ = model.rows
    values, columns, row_ptr = values[:begin], columns[:begin], row_ptr[:-1]
    row = np.repeat(np.arange(first), np.diff(row_ptr))
    ending = columns == last
    stop = constant(first, 0, model.is_exact)
    stop[row[ending]] = values[ending]
    counts = np.bincount(row[~ending], minlength=first)
    kept = np.concatenate([[0], np.cumsum(counts)]).astype(row_ptr.dtype)
    labels = {key: x[:-1] for key, x in model.labels.items() if key != STOP}
    return model._replace(
        rows=CSR(values[~ending], columns[~ending], kept, last),
        action_ptr=model.action_ptr[:-1],
        pair_actions=None if model.pair_actions is None else model.pair_actions[:-1],
        labels=labels,
        rewards={key: r[:-1] for key, r in model.rewards.items()},
        stop=stop if ending.any() else None,
    )


class Written(NamedTuple):
    """A model as it is written: with its end as a state, and each state's labels."""

    rows: CSR
    action_ptr: np.ndarray
    pair_actions: np.ndarray
    r: np.ndarray
    labels: list[list[str]]


def with_stop_state(mdp: MDP) -> Written:
    """The rows of a model, and one state more if episodes may end."""
    start = mdp.start
    if any(p not in (0, start.max()) for p in start):
        raise FormatError(
            "the start is not uniform over some states; this format only marks states as "
            "initial. Use .npz or .json, or replace(start=)."
        )
    labels = [[INIT] if p > 0 else [] for p in start]
    rows, s, actions, r = with_end(mdp)
    action_ptr = np.searchsorted(s, np.arange(rows.n_columns + 1))
    return Written(rows, action_ptr, actions, r, [*labels, [STOP]] if mdp.stops else labels)


def with_end(mdp: MDP, copies: int = 1) -> tuple[CSR, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, states, actions and rewards; where episodes end, the end as a state that stays.

    copies   how many actions it has
    """
    rows = mdp.rows if isinstance(mdp.rows, CSR) else _compressed(mdp.rows)
    s, a, r = mdp.pair_states, mdp.pair_actions, mdp._r
    if not mdp.stops:
        return rows, s, a, r
    stop, end = mdp.stop.reshape(-1), mdp.n_states
    ending = np.flatnonzero(stop > 0)
    at = rows.row_ptr[ending + 1]
    more = np.concatenate([[0], np.cumsum(stop > 0)])
    last = rows.row_ptr[-1] + ending.size + np.arange(1, copies + 1)
    ones, zeros = (constant(copies, x, mdp.is_exact) for x in (1, 0))
    columns = np.insert(rows.columns.astype(np.int64), at, end)
    grown = CSR(
        np.append(np.insert(rows.values, at, stop[ending]), ones),
        np.append(columns, np.full(copies, end)),
        np.append(rows.row_ptr + more, last),
        end + 1,
    )
    return (
        grown,
        np.append(s, np.full(copies, end)),
        np.append(a, np.arange(copies)),
        np.append(r, zeros),
    )


def _compressed(rows: np.ndarray) -> CSR:
    row, column = np.nonzero(rows)
    ptr = np.searchsorted(row, np.arange(rows.shape[0] + 1))
    return CSR(rows[row, column], column, ptr, rows.shape[1])


def check_actions_fit(pair_actions: np.ndarray, n_states: int, limit: int) -> None:
    """Refuse action numbers that would make a (S, A) table larger than the limit."""
    n = int(pair_actions.max(initial=0)) + 1
    require(8 * n_states * n, limit, f"a table of {n_states} states × {n} actions")
