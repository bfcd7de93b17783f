"""Prioritized sweeping: back up the state whose value is most wrong, and tell its predecessors.

    e(s) ≥ |(Tv − v)(s)|                               the priority of s
    v(s) ← (Tv)(s), changed by Δ;   e(s) ← 0           for the s of largest e
    e(p) ← e(p) + γ Δ max_a P(s|p,a)                   for every predecessor p of s, s included

Priorities add up, so they bound the Bellman errors at every moment and no state is forgotten;
after each batch one full sweep replaces them by the errors themselves, and certifies the gap.
Checked in tests/plan/test_prioritized_sweeping.py.
Source: Moore & Atkeson (1993); bounds as in Li & Littman (2008).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdpkit._array import EPS, sup
from mdpkit._jit import blocks, njit
from mdpkit._rows import CSR, arrays_of, unsigned
from mdpkit.certify import interval
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import sweep

WORK = 2_000_000
"""Entries of the model and of the lists, and levels of the heap, that a batch may touch: about
50 ms, because they lie scattered."""


class Links(NamedTuple):
    """The rows of the model, and who leads to a state: p leads to t with weight max_a P(t|p,a).

    The predecessors of t are predecessors[pointer[t] … pointer[t+1]−1], in order.
    """

    rows: CSR
    pointer: np.ndarray  # (S + 1,)
    predecessors: np.ndarray
    weights: np.ndarray


class State(NamedTuple):
    """One batch's end.

    v          (S,)
    error      (S,) |Tv − v|, the priorities of the next batch
    low, high  extremes of Tv − v
    backups    of single states until now, the S of each full sweep included
    links      predecessor lists, made once
    """

    v: np.ndarray
    error: np.ndarray
    low: float
    high: float
    backups: int
    links: Links


@dataclass(frozen=True)
class PrioritizedSweeping:
    """Largest Bellman error first. One step is a batch of backups and one full sweep.

    shrink : in (0, 1); a batch ends when no priority exceeds shrink times the largest it began
    with, or after about 50 ms
    """

    shrink: float = 0.1
    key = "ps"

    def __post_init__(self):
        if not 0 < self.shrink < 1:
            raise ValueError(f"shrink must lie in (0, 1); it is {self.shrink}.")

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given; their Bellman errors, and the predecessor lists."""
        v = np.zeros(mdp.n_states) if start is None else start
        return _swept(mdp, v, 0, linked(mdp))

    def step(self, mdp: MDP, state: State) -> State:
        """One batch from the largest error down, then the errors that are left."""
        v, error = state.v.astype(float), state.error.copy()
        goal = max(self.shrink * float(sup(error)), EPS * float(sup(v)))
        count = run_batch(mdp, state.links, v, error, goal)
        return _swept(mdp, v, state.backups + count, state.links)

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the interval that T v − v proves, rounding included."""
        return interval(mdp, state.low, state.high, float(sup(state.v)))


def linked(mdp: MDP) -> Links:
    """The predecessor lists of a model, in two passes over its transitions."""
    rows = _csr(mdp)
    model = (*arrays_of(rows), mdp.action_ptr)
    counts = np.zeros(mdp.n_states, dtype=np.int64)
    last = np.full(mdp.n_states, -1, dtype=np.int64)
    for begin, end in blocks(mdp.n_states, rows.values.size):
        _count_predecessors(*model, begin, end, last, counts)
    pointer = np.concatenate([[0], np.cumsum(counts)])
    predecessors = np.empty(pointer[-1], dtype=np.int32)
    weights = np.empty(pointer[-1])
    place = pointer[:-1].copy()
    for begin, end in blocks(mdp.n_states, rows.values.size):
        _list_predecessors(*model, begin, end, pointer, place, predecessors, weights)
    return Links(rows, pointer, predecessors, weights)


def _csr(mdp: MDP) -> CSR:
    if isinstance(mdp.rows, CSR):
        return mdp.rows
    pair, column = np.nonzero(mdp.rows)
    ptr = np.concatenate([[0], np.cumsum(np.bincount(pair, minlength=mdp.n_pairs))])
    return CSR(mdp.rows[pair, column], column, ptr, mdp.n_states)


def _swept(mdp: MDP, v: np.ndarray, backups: int, links: Links) -> State:
    new = sweep(mdp, v)
    return State(v, np.abs(new.v - v), new.low, new.high, backups + mdp.n_states, links)


def run_batch(mdp: MDP, links: Links, v: np.ndarray, error: np.ndarray, goal: float) -> int:
    """Back up v in place until no error exceeds the goal or WORK is done; return how many."""
    model = (*arrays_of(links.rows), mdp.action_ptr, mdp._r, mdp.gamma)
    lists = (links.pointer, unsigned(links.predecessors), links.weights)
    return int(_batch(*model, *lists, v, error, goal, WORK))


# ---- kernels ---------------------------------------------------------------------------------


@njit
def _count_predecessors(values, columns, row_ptr, action_ptr, begin, end, last, counts):
    for s in range(begin, end):
        for j in range(row_ptr[action_ptr[s]], row_ptr[action_ptr[s + 1]]):
            t = columns[j]
            if last[t] != s:
                last[t] = s
                counts[t] += 1


@njit
def _list_predecessors(
    values, columns, row_ptr, action_ptr, begin, end, pointer, place, predecessors, weights
):
    # States come in order, so the entries of one predecessor in a list follow each other.
    for s in range(begin, end):
        for j in range(row_ptr[action_ptr[s]], row_ptr[action_ptr[s + 1]]):
            t = columns[j]
            i = place[t]
            if i > pointer[t] and predecessors[i - 1] == s:
                weights[i - 1] = max(weights[i - 1], values[j])
            else:
                predecessors[i], weights[i] = s, values[j]
                place[t] = i + 1


@njit
def _batch(
    values, columns, row_ptr, action_ptr, r, gamma, pointer, predecessors, weights, v, error,
    goal, work,
):  # fmt: skip
    heap, place = np.arange(v.size), np.arange(v.size)
    for i in range(v.size // 2 - 1, -1, -1):
        _sift_down(heap, place, error, i)
    count = 0
    while work > 0 and error[heap[0]] > goal:
        s = heap[0]
        top = -np.inf
        for pair in range(action_ptr[s], action_ptr[s + 1]):
            total = 0.0
            for j in range(row_ptr[pair], row_ptr[pair + 1]):
                total += values[j] * v[columns[j]]
            top = max(top, r[pair] + gamma * total)
        change = abs(top - v[s])
        v[s], error[s] = top, 0.0
        _sift_down(heap, place, error, 0)
        count += 1
        work -= 1 + row_ptr[action_ptr[s + 1]] - row_ptr[action_ptr[s]]
        if change > 0:
            for i in range(pointer[s], pointer[s + 1]):
                error[predecessors[i]] += gamma * weights[i] * change
                work -= 1 + _sift_up(heap, place, error, place[predecessors[i]])
    return count


@njit
def _sift_down(heap, place, error, i):
    """Move the state at position i of the heap down to where none below it errs more."""
    s = heap[i]
    while True:
        child = 2 * i + 1
        if child >= heap.size:
            break
        if child + 1 < heap.size and error[heap[child + 1]] > error[heap[child]]:
            child += 1
        if error[heap[child]] <= error[s]:
            break
        heap[i] = heap[child]
        place[heap[i]] = i
        i = child
    heap[i] = s
    place[s] = i


@njit
def _sift_up(heap, place, error, i):
    """Move the state at position i of the heap up as far as it errs more; return the levels."""
    s, levels = heap[i], 0
    while i > 0:
        parent = (i - 1) // 2
        if error[heap[parent]] >= error[s]:
            break
        heap[i] = heap[parent]
        place[heap[i]] = i
        i = parent
        levels += 1
    heap[i] = s
    place[s] = i
    return levels
