"""Exhaustive weighted batches: every transition, every trajectory, every deterministic policy.

    transitions    all (s, a, s') with weight ρ(s,a) P(s'|s,a), and ρ(s,a) stop(s,a) for the end
    trajectories   all paths of a policy with their probabilities

Fed to code that learns from samples, they give its exact expectation; on exact models in
fractions. Checked in tests/test_enumerate.py.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np

from mdpkit._device import require_cpu
from mdpkit._rows import CSR
from mdpkit.batch import Trajectories, Transitions
from mdpkit.errors import ModelError
from mdpkit.mdp import MDP
from mdpkit.policy import probabilities

MOST = 200_000
"""Trajectories or policies an enumeration may hold, unless the caller allows more."""


def transitions(mdp: MDP, rho: Any = None) -> Transitions:
    """Every transition of the model with its weight; rows that end stand behind the others.

    rho : weight of each pair, pair layout; None is 1 for each. The discount is γ, and 0 where
    the episode terminates; such a row's next state is its own state.
    """
    pair, after, p = _entries(mdp)
    rho = np.ones_like(mdp._r) if rho is None else np.asarray(rho).reshape(-1)
    if rho.size != mdp.n_pairs:
        raise ModelError(f"rho has {rho.size} weights; the model has {mdp.n_pairs} pairs.")
    zero = mdp.gamma * 0
    ends = np.flatnonzero(mdp.stop.reshape(-1) != 0)
    pairs = np.concatenate([pair, ends])
    weight = np.concatenate([rho[pair] * p, rho[ends] * mdp.stop.reshape(-1)[ends]])
    discount = np.full(pairs.size, mdp.gamma + zero)
    discount[pair.size :] = zero
    states = np.concatenate([after, mdp.pair_states[ends]])
    return Transitions(pairs, mdp._r[pairs], discount, states, weight)


def trajectories(
    mdp: MDP, policy: Any, horizon: int, *, start: Any = None, most: int = MOST
) -> Trajectories:
    """Every trajectory of at most `horizon` steps that the policy can make, with probability.

    policy : (S,) int or pair layout; start : (S,) distribution, the model's own if None.
    Those still running at the horizon are truncated there. Raises ModelError beyond `most`.
    """
    if horizon < 1:
        raise ValueError(f"horizon must be ≥ 1; it is {horizon}.")
    pi = probabilities(mdp, policy).reshape(-1)
    mu = mdp.start if start is None else np.asarray(start)
    first = np.flatnonzero(mu != 0)
    tree = _Tree(mdp, first, mu[first])
    for t in range(horizon):
        tree.grow(pi, t, most)
    return tree.gathered(horizon)


def policies(mdp: MDP, *, most: int = MOST) -> list[np.ndarray]:
    """All deterministic policies, each (S,) int; Π_s |A(s)| of them."""
    counts = [int(n) for n in np.diff(mdp.action_ptr)]
    if prod(counts) > most:
        raise ModelError(f"the model has {prod(counts)} deterministic policies, above {most}.")
    choices = np.split(mdp.pair_actions, mdp.action_ptr[1:-1])
    return [np.array(pi) for pi in product(*choices)]


def _entries(mdp: MDP) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pair, next state and probability of each positive entry."""
    require_cpu(mdp, "enumeration")
    if isinstance(mdp.rows, CSR):
        values, columns, row_ptr, _ = mdp.rows
        return np.repeat(np.arange(mdp.n_pairs), np.diff(row_ptr)), columns, values
    pair, after = np.nonzero(mdp.rows)
    return pair, after, mdp.rows[pair, after]


class _Tree:
    """Trajectories grown one step at a time; `parent` leads back from each node to its path."""

    def __init__(self, mdp: MDP, first: np.ndarray, weight: np.ndarray):
        self.mdp = mdp
        self.outcomes = _outcomes(mdp)
        self.levels: list[tuple] = []
        self.state, self.weight = first, weight
        self.running = np.ones(first.size, dtype=bool)
        self.first = first

    def grow(self, pi: np.ndarray, t: int, most: int) -> None:
        """Replace every running path by its continuations; ended ones stay as they are."""
        pair, after, ends, p, row_ptr = self.outcomes
        ptr = self.mdp.action_ptr
        stay = np.flatnonzero(~self.running)
        live = np.flatnonzero(self.running)
        path, taken = _expand(live, ptr[self.state[live]], ptr[self.state[live] + 1])
        keep = pi[taken] != 0
        path, taken = path[keep], taken[keep]
        path, out = _expand(path, row_ptr[taken], row_ptr[taken + 1])
        total = stay.size + out.size
        if total > most:
            raise ModelError(
                f"step {t + 1} makes {total} trajectories, above {most}. Shorten the horizon, "
                "or pass most=."
            )
        parent = np.concatenate([stay, path])
        none = np.full(stay.size, -1)
        step = np.concatenate([none, pair[out]])
        weight = np.concatenate([self.weight[stay], self.weight[path] * pi[pair[out]] * p[out]])
        state = np.concatenate([self.state[stay], after[out]])
        ended = np.concatenate([np.ones(stay.size, dtype=bool), ends[out]])
        self.levels.append((parent, step, state, ended))
        self.state, self.weight, self.running = state, weight, ~ended

    def gathered(self, horizon: int) -> Trajectories:
        """Walk back from the leaves."""
        n, mdp = self.weight.size, self.mdp
        zero = mdp.gamma * 0
        node = np.arange(n)
        states = np.empty((horizon + 1, n), dtype=np.int64)
        pairs = np.empty((horizon, n), dtype=np.int64)
        over = np.empty((horizon, n), dtype=bool)
        for t in reversed(range(horizon)):
            parent, step, state, ended = self.levels[t]
            states[t + 1], pairs[t], over[t] = state[node], step[node], ended[node]
            node = parent[node]
        states[0] = self.first[node]
        taken = pairs >= 0
        rewards = np.where(taken, mdp._r[np.maximum(pairs, 0)], zero)
        discounts = np.where(taken & ~over, mdp.gamma + zero, zero)
        over[-1] = True
        return Trajectories(states, pairs, rewards, discounts, over, self.weight)


def _outcomes(mdp: MDP) -> tuple[np.ndarray, ...]:
    """What may follow each pair, grouped by pair: next state, whether it ends, probability."""
    pair, after, p = _entries(mdp)
    ends = np.flatnonzero(mdp.stop.reshape(-1) != 0)
    pairs = np.concatenate([pair, ends])
    order = np.argsort(pairs, kind="stable")
    states = np.concatenate([after, mdp.pair_states[ends]])
    weight = np.concatenate([p, mdp.stop.reshape(-1)[ends]])
    flag = np.arange(pairs.size) >= pair.size
    row_ptr = np.searchsorted(pairs[order], np.arange(mdp.n_pairs + 1))
    return pairs[order], states[order], flag[order], weight[order], row_ptr


def _expand(
    owner: np.ndarray, begin: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Each owner once for every number of its range begin … end, and those numbers."""
    counts = end - begin
    before = np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(owner, counts), np.arange(counts.sum()) - before + np.repeat(begin, counts)
