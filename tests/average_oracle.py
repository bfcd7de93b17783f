"""Slow, exact gains: stationary laws and absorption of one policy, all policies in turn."""

from itertools import product

import flint
import numpy as np

import mdpkit as mk
from tests.oracles import pair_rows, rational


def reachable(rows):
    """For each state the states its chain may come to, itself included."""
    out = []
    for s in range(len(rows)):
        seen, todo = {s}, [s]
        while todo:
            for t, _ in rows[todo.pop()]:
                if t not in seen:
                    seen.add(t)
                    todo.append(t)
        out.append(seen)
    return out


def exact_gain(mdp, pairs):
    """g^π in exact rationals: Σ_C P(absorbed in C) Σ_{t∈C} μ_C(t) r(t)."""
    rows = [pair_rows(mdp)[pair] for pair in pairs]
    r = [rational(mdp._r[pair]) for pair in pairs]
    n, reach = len(rows), reachable(rows)
    gain = [None] * n
    for s in range(n):
        if gain[s] is None and all(s in reach[t] for t in reach[s]):
            states = sorted(reach[s])
            law = stationary(rows, states)
            for t in states:
                gain[t] = sum((p * r[u] for p, u in zip(law, states, strict=True)), 0)
    return absorbed(rows, gain)


def stationary(rows, states):
    """The law μ with μP = μ and Σμ = 1 of one recurrent class."""
    n, place = len(states), {s: i for i, s in enumerate(states)}
    matrix, right = flint.fmpq_mat(n, n), flint.fmpq_mat(n, 1)
    for s in states:
        for t, p in rows[s]:
            matrix[place[t], place[s]] = matrix[place[t], place[s]] + p
        matrix[place[s], place[s]] = matrix[place[s], place[s]] - 1
    for i in range(n):
        matrix[0, i] = 1
    right[0, 0] = 1
    law = matrix.solve(right)
    return [law[i, 0] for i in range(n)]


def absorbed(rows, gain):
    """Gains of the transient states, those of the others being known."""
    open_ = [s for s, known in enumerate(gain) if known is None]
    if not open_:
        return gain
    place = {s: i for i, s in enumerate(open_)}
    matrix = flint.fmpq_mat(len(open_), len(open_))
    right = flint.fmpq_mat(len(open_), 1)
    for s, i in place.items():
        matrix[i, i] = matrix[i, i] + 1
        for t, p in rows[s]:
            if t in place:
                matrix[i, place[t]] = matrix[i, place[t]] - p
            else:
                right[i, 0] = right[i, 0] + p * gain[t]
    x = matrix.solve(right)
    return [x[place[s], 0] if s in place else gain[s] for s in range(len(gain))]


def best_gain(mdp):
    """max over all deterministic policies, state by state, in exact rationals."""
    choices = [range(mdp.action_ptr[s], mdp.action_ptr[s + 1]) for s in range(mdp.n_states)]
    gains = [exact_gain(mdp, pairs) for pairs in product(*choices)]
    return [max(column) for column in zip(*gains, strict=True)]


def small_model(seed, kind="multichain", most_states=4):
    """A small random model without stops: rows of halves and thirds, loops; three storages.

    "unichain": every row also leads to state 0, so that all classes meet there.
    """
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(1, most_states + 1)), int(rng.integers(1, 4))
    P, stays = np.zeros((n, k, n)), rng.choice([0, 0.3, 0.6])
    for s, a in np.ndindex(n, k):
        targets = rng.choice(n, size=min(n, int(rng.integers(1, 4))))
        targets = np.array([s]) if rng.random() < stays else targets
        np.add.at(P[s, a], targets, 1 / targets.size)
    if kind == "unichain":
        P = 0.75 * P
        P[:, :, 0] += 0.25
    r = rng.integers(-3, 4, size=(n, k)) * 10.0 ** rng.integers(-2, 4)
    mask = rng.random((n, k)) < 0.7
    mask[:, 0] = True
    storage = rng.choice(["dense", "masked", "csr"])
    if storage == "csr":
        from scipy.sparse import csr_array

        ptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
        return mk.MDP(csr_array(P[mask]), r[mask], 0.9, action_ptr=ptr)
    return mk.MDP(P, r, 0.9, mask=mask if storage == "masked" else None)
