"""A Gymnasium toy-text environment's transition table, read as the model that `step` plays.

    P[s][a] → [(p, s', r, done), …]     P(s'|s,a) = Σ p over entries with done false
                                        stop(s,a) = Σ p over entries with done true
                                        r(s,a)    = Σ p·r over all entries

A successor may be listed more than once and is summed. The end of an episode belongs to the
transition: Taxi enters the same state with and without `done`. After it the next state is moot.

Source: Gymnasium 1.4, envs/toy_text. Checked in tests/io/test_gymnasium.py.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import EPS
from mdpkit._rows import CSR
from mdpkit.errors import ModelError, ModelWarning, SourceError
from mdpkit.io._memory import memory_limit
from mdpkit.io._parts import assemble
from mdpkit.mdp import MDP

DENSE = 200_000
"""Up to this S·A·S, a model with the same actions everywhere is stored dense; q is (S, A)."""

ROUNDING = 1e-12
"""Three thirds may sum to 1 + 2⁻⁵²; a stop is still a probability."""


def make(name: str, gamma: Any, arguments: dict[str, Any], *, normalize: bool = False) -> MDP:
    """Return the model of `gymnasium.make(name, **arguments)`; the environment is closed."""
    try:
        import gymnasium
    except ImportError:
        raise ImportError('gym: sources need Gymnasium: pip install "mdpkit[gym]"') from None
    try:
        env = gymnasium.make(name, **arguments)
    except Exception as error:  # an environment's constructor may raise anything
        reason = f"{type(error).__name__}: {error}"
        message = f"Gymnasium cannot make {name!r} with {arguments}: {reason}"
        raise SourceError(message) from error
    try:
        return read(env, gamma, normalize=normalize)
    finally:
        env.close()


def read(env: Any, gamma: Any, *, normalize: bool = False) -> MDP:
    """Return the model of an environment, wrapped or not, from its table `P`."""
    env = env.unwrapped
    name = type(env).__name__
    table: Any = getattr(env, "P", None)
    if not _is_table(table):
        hint = " gallery:blackjack is this game in closed form." if "Blackjack" in name else ""
        message = f"{name} has no transition table: env.unwrapped.P is missing.{hint}"
        raise ModelError(message, env=name)
    if getattr(env, "fickle_passenger", False):
        raise ModelError(
            f"{name} with fickle_passenger=True changes the destination outside its table P, "
            "which then describes another model. Pass fickle_passenger=False.",
            env=name,
        )
    start = getattr(env, "initial_state_distrib", None)
    if start is None:
        message = f"{name} has no initial_state_distrib; the start is taken to be uniform."
        warnings.warn(message, ModelWarning, stacklevel=3)
    return _model(_read_table(table), gamma, start=start, normalize=normalize)


class _Table(NamedTuple):
    """What P says, pair by pair; `actions_of[i]` are indices into `actions`."""

    rows: CSR
    r: np.ndarray
    stop: np.ndarray
    actions_of: list[np.ndarray]
    states: list[int]
    actions: list[int]
    reward_error: float


def _read_table(table: Any) -> _Table:
    states = _keys(table, "P")
    sets = [_keys(table[s], f"P[{s}]") for s in states]
    actions = sorted(set().union(*sets))
    index = {state: i for i, state in enumerate(states)}
    columns: list[int] = []
    values: list[float] = []
    row_ptr, rewards, stops = [0], [], []
    largest = 0.0
    for s, own in zip(states, sets, strict=True):
        for a in own:
            row, reward, stop, error = _read_pair(table[s][a], s, a, index)
            largest = max(largest, error)
            columns += row.keys()
            values += row.values()
            row_ptr.append(len(columns))
            rewards.append(reward)
            stops.append(stop)
    where, pointer = (np.array(x, dtype=np.int32) for x in (columns, row_ptr))
    rows = CSR(np.array(values, dtype=np.float64), where, pointer, len(states))
    places = [np.searchsorted(actions, own) for own in sets]
    return _Table(rows, np.array(rewards), np.array(stops), places, states, actions, largest)


def _read_pair(
    entries: Any, s: int, a: int, index: dict[int, int]
) -> tuple[dict[int, float], float, float, float]:
    """Return {next state: probability} in order, mean reward, stop, the mean's rounding."""
    row: dict[int, float] = {}
    reward = stop = size = 0.0
    count = 0
    for p, t, r, done in _entries(entries, s, a):
        reward += p * r
        size, count = size + abs(r), count + (p < 1)
        if done:
            stop += p
        elif _is_whole(t) and t in index:
            row[index[t]] = row.get(index[t], 0.0) + p
        else:
            what = "a state of the table" if _is_whole(t) else "an int"
            raise ModelError(f"P[{s}][{a}] leads to {t!r}, which is not {what}.", s=s, a=a, t=t)
    stop = min(stop, 1.0) if stop < 1 + ROUNDING else stop
    error = (count + 3) * EPS * size if count else 0.0  # what is certain is not averaged
    return dict(sorted(row.items())), reward, stop, error


def _entries(entries: Any, s: int, a: int) -> Iterator[tuple[float, Any, float, bool]]:
    """The entries of a pair that can happen, their numbers checked."""
    try:
        for p, t, r, done in entries:
            p, r, done = float(p), float(r), bool(done)
            if not 0 <= p < math.inf or (p > 0 and not math.isfinite(r)):
                raise ModelError(f"P[{s}][{a}] has p = {p}, r = {r}.", s=s, a=a, p=p, r=r)
            if p > 0:
                yield p, t, r, done
    except ModelError:
        raise
    except (TypeError, ValueError) as error:
        message = f"P[{s}][{a}] is no list of (probability, next state, reward, done): {error}."
        raise ModelError(message, s=s, a=a) from error


def _is_table(x: Any) -> bool:
    return isinstance(x, Mapping | Sequence | np.ndarray) and not isinstance(x, str | bytes)


def _is_whole(x: Any) -> bool:
    return isinstance(x, int | np.integer) and not isinstance(x, bool)


def _keys(table: Any, where: str) -> list[int]:
    """The numbers of states or actions, sorted; a table that is a list is numbered from 0."""
    if not _is_table(table) or len(table) == 0:
        raise ModelError(f"{where} must be a table with an entry, not {str(table)[:40]!r}.")
    if not isinstance(table, Mapping):
        return list(range(len(table)))
    for key in table:
        if not _is_whole(key):
            message = f"{where} has the key {key!r}; states and actions must be int."
            raise ModelError(message, key=key)
    return sorted(int(key) for key in table)


def _names(numbers: list[int]) -> tuple[int, ...] | None:
    """Names are needed only where numbers do not run from 0, as in `Discrete(n, start=k)`."""
    return None if numbers == list(range(len(numbers))) else tuple(numbers)


def _model(table: _Table, gamma: Any, *, start: Any, normalize: bool) -> MDP:
    S, A = len(table.states), len(table.actions)
    counts = [own.size for own in table.actions_of]
    r, stop, rows = table.r, table.stop, table.rows
    options: dict[str, Any] = {
        "start": start,
        "normalize": normalize,
        "limit": memory_limit(None),
    }
    options |= {"states": _names(table.states), "actions": _names(table.actions)}
    if set(counts) == {A} and S * A * S <= DENSE:
        P = np.zeros((S * A, S))
        P[np.repeat(np.arange(S * A), np.diff(rows.row_ptr)), rows.columns] = rows.values
        r, stop = r.reshape(S, A), stop.reshape(S, A)
        options |= {"action_ptr": None, "pair_actions": None}
        mdp = assemble(P.reshape(S, A, S), r, gamma, stop=stop, **options)
        return mdp._with(reward_error=table.reward_error)
    ptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    gaps = any((own != np.arange(own.size)).any() for own in table.actions_of)
    options["pair_actions"] = np.concatenate(table.actions_of) if gaps else None
    mdp = assemble(rows, r, gamma, stop=stop, action_ptr=ptr, **options)
    return mdp._with(reward_error=table.reward_error)
