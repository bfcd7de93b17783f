"""A model estimated from transitions that were seen, and how far it may be from the truth.

    P̂(t|s,a) = n(s,a,t) / n(s,a)        r̂(s,a) = the mean reward seen on (s,a)

With probability ≥ 1 − δ, for all pairs of the S·A at once, if the counts n(s,a) were fixed
beforehand,

    ‖P̂(·|s,a) − P(·|s,a)‖₁ ≤ √( 2 (ln(2ᵐ − 2) + ln(S·A/δ)) / n(s,a) )

where m counts the outcomes: S next states, and the end of the episode.
Source: Weissman et al. (2003), Theorem 2.1. Checked in tests/model/test_from_transitions.py.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from mdpkit.errors import ModelError


class Estimate(NamedTuple):
    """A model from data.

    mdp      its pairs are those that were seen
    counts   (S, A) how often; 0 where the pair is not in the model
    radius   (S, A) ‖P̂ − P‖₁ is at most this; 2, which says nothing, where the pair was not seen
    """

    mdp: Any
    counts: np.ndarray
    radius: np.ndarray


class Counted(NamedTuple):
    """What a model is made of: pairs in order, their rows, and the counts."""

    s: np.ndarray
    a: np.ndarray
    rows: tuple[np.ndarray, np.ndarray, np.ndarray]  # values, columns, row_ptr
    r: np.ndarray
    stop: np.ndarray
    counts: np.ndarray


def count_transitions(
    s: Any, a: Any, r: Any, t: Any, terminated: Any, n_states: Any, n_actions: Any, stay: bool
) -> Counted:
    """Count transitions; ModelError naming the first that cannot be, or a state never left."""
    s, a, t = (_whole(x, name) for x, name in ((s, "s"), (a, "a"), (t, "next_s")))
    r, ended = np.asarray(r, dtype=float), np.asarray(terminated)
    if ended.dtype != np.dtype(bool):
        raise TypeError(f"terminated must be bool, not {ended.dtype}.")
    if len({x.shape for x in (s, a, r, t, ended)}) > 1 or s.size == 0:
        shapes = [x.shape for x in (s, a, r, t, ended)]
        raise ModelError(f"s, a, r, next_s, terminated need one length ≥ 1, not {shapes}.")
    if not np.isfinite(r).all():
        i = int(np.argmin(np.isfinite(r)))
        raise ModelError(f"r[{i}] is {r[i]}; rewards must be finite.", i=i)
    states = np.where(ended, s, t)  # where the episode ended, the next state is moot
    S = _size(n_states, max(s.max(), states.max()) + 1, "n_states")
    A = _size(n_actions, a.max() + 1, "n_actions")
    for x, n, name in ((s, S, "s"), (a, A, "a"), (states, S, "next_s")):
        wrong = np.flatnonzero((x < 0) | (x >= n))
        if wrong.size:
            i = int(wrong[0])
            raise ModelError(f"{name}[{i}] is {x[i]}; it is in 0 … {n - 1}.", i=i)
    table = np.bincount(s * A + a, minlength=S * A).reshape(S, A)
    s, a, r, t, ended = _with_stays(s, a, r, states, ended, S, stay)
    pair, inverse, n = np.unique(s * A + a, return_inverse=True, return_counts=True)
    stop = np.bincount(inverse, weights=ended, minlength=pair.size) / n
    mean = np.bincount(inverse, weights=r, minlength=pair.size) / n
    key, seen = np.unique((inverse * S + t)[~ended], return_counts=True)
    row, column = np.divmod(key, S)
    ptr = np.searchsorted(row, np.arange(pair.size + 1))
    return Counted(pair // A, pair % A, (seen / n[row], column, ptr), mean, stop, table)


def _with_stays(
    s: np.ndarray,
    a: np.ndarray,
    r: np.ndarray,
    t: np.ndarray,
    ended: np.ndarray,
    S: int,
    stay: bool,
) -> tuple[np.ndarray, ...]:
    """Give states that were never left an action that stays, if that is asked for."""
    unseen = np.flatnonzero(np.bincount(s, minlength=S) == 0)
    if unseen.size == 0:
        return s, a, r, t, ended
    if not stay:
        message = f"state {unseen[0]} was never left ({unseen.size} such states), so it has no "
        message += 'action. deadlock="selfloop" lets it stay for ever, without reward.'
        raise ModelError(message, s=int(unseen[0]))
    zero = np.zeros(unseen.size)
    more = (unseen, zero.astype(np.int64), zero, unseen, zero.astype(bool))
    joined = zip((s, a, r, t, ended), more, strict=True)
    return tuple(np.concatenate(both) for both in joined)


def _whole(x: Any, name: str) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype.kind not in "iu" or x.ndim != 1:
        raise ModelError(f"{name} must be a one-dimensional integer array, not {x.dtype}.")
    return x.astype(np.int64)


def _size(given: Any, least: int, name: str) -> int:
    if given is None:
        return int(least)
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < 1:
        raise ModelError(f"{name} must be a whole number ≥ 1, not {given!r}.")
    return int(given)


def radii(counts: np.ndarray, n_outcomes: int, delta: float) -> np.ndarray:
    """(S, A) the bound of the header, at most 2."""
    if not 0 < delta < 1:
        raise ValueError(f"delta must lie in (0, 1); it is {delta}.")
    # ln(2ᵐ − 2), which for large m no float holds as 2ᵐ
    spread = n_outcomes * math.log(2) + math.log1p(-(2.0 ** (1 - n_outcomes)))
    weight = 2 * (spread + math.log(counts.size / delta))
    return np.minimum(2.0, np.sqrt(weight / np.maximum(counts, 1e-300)))
