"""Slow, exact answers, written without mdpkit's solvers: what tests hold everything against."""

from fractions import Fraction
from itertools import product

import flint
import numpy as np

from mdpkit.mdp import MDP


def rational(x):
    """A float, int, Fraction or fmpq as an fmpq, at its word."""
    if isinstance(x, flint.fmpq):
        return x
    x = Fraction(x) if not isinstance(x, np.generic) else Fraction(x.item())
    return flint.fmpq(x.numerator, x.denominator)


def pair_rows(mdp):
    """For each pair a list of (t, probability), whatever the storage."""
    if mdp.is_sparse:
        values, columns, ptr, _ = mdp.rows
        return [
            [(int(columns[j]), values[j]) for j in range(ptr[i], ptr[i + 1])]
            for i in range(mdp.n_pairs)
        ]
    return [[(t, row[t]) for t in np.flatnonzero(row)] for row in mdp.rows]


def exact_policy_value(mdp, pairs):
    """v^π in exact rationals, for an exact model and one pair a state."""
    rows, n = pair_rows(mdp), mdp.n_states
    matrix = flint.fmpq_mat(n, n)
    for s, pair in enumerate(pairs):
        matrix[s, s] = 1
        for t, p in rows[pair]:
            matrix[s, t] = matrix[s, t] - mdp.gamma * p
    right = flint.fmpq_mat(n, 1, [rational(mdp._r[pair]) for pair in pairs])
    x = matrix.solve(right)
    return [x[s, 0] for s in range(n)]


def exact_optimum(mdp):
    """v* and q* in exact rationals by policy iteration, for an exact model with γ < 1."""
    rows, ptr = pair_rows(mdp), mdp.action_ptr
    pairs = [int(ptr[s]) for s in range(mdp.n_states)]
    while True:
        v = exact_policy_value(mdp, pairs)
        q = [
            mdp._r[i] + mdp.gamma * sum((p * v[t] for t, p in rows[i]), 0)
            for i in range(mdp.n_pairs)
        ]
        better = [
            max(range(ptr[s], ptr[s + 1]), key=lambda i: q[i]) for s in range(mdp.n_states)
        ]
        new = [
            b if q[b] > v[s] else old
            for s, (b, old) in enumerate(zip(better, pairs, strict=True))
        ]
        if new == pairs:
            return v, q
        pairs = new


def brute_force(mdp):
    """max over all deterministic policies, in exact rationals."""
    choices = [range(mdp.action_ptr[s], mdp.action_ptr[s + 1]) for s in range(mdp.n_states)]
    values = [exact_policy_value(mdp, pairs) for pairs in product(*choices)]
    return [max(column) for column in zip(*values, strict=True)]


def inside(x, lower, upper):
    """Whether exact numbers lie between float bounds, compared exactly."""
    return all(
        rational(low) <= value <= rational(high)
        for value, low, high in zip(x, lower, upper, strict=True)
    )


def random_mdp(seed, gammas=(0.0, 0.5, 0.9, 0.99)):
    """A small random model: dense, masked or CSR; ragged, tied, stopping, deterministic …."""
    rng = np.random.default_rng(seed)
    n_states, n_actions = int(rng.integers(1, 8)), int(rng.integers(1, 5))
    P = rng.dirichlet(
        np.full(n_states, rng.choice([0.1, 1.0, 5.0])), size=(n_states, n_actions)
    )
    kind = rng.choice(["any", "deterministic", "rational"])
    if kind == "deterministic":
        P = np.eye(n_states)[rng.integers(n_states, size=(n_states, n_actions))]
    elif kind == "rational":
        P = rng.multinomial(6, np.full(n_states, 1 / n_states), size=(n_states, n_actions)) / 6
    stop = np.zeros((n_states, n_actions))
    if rng.random() < 0.5:
        stop = np.where(rng.random((n_states, n_actions)) < 0.5, 0.25, 0.0)
        P = P * (1 - stop[..., None])
    scale = 10.0 ** rng.integers(-3, 7)
    tied = rng.random() < 0.5
    r = (rng.integers(-3, 4, size=stop.shape) if tied else rng.normal(size=stop.shape)) * scale
    if tied and n_actions > 1:
        P[:, 1], r[:, 1], stop[:, 1] = P[:, 0], r[:, 0], stop[:, 0]
    gamma = float(rng.choice(gammas))
    mask = rng.random(stop.shape) < 0.6
    mask[:, 0] = True
    return _stored(rng.choice(["dense", "masked", "csr"]), P, r, stop, mask, gamma)


def _stored(storage, P, r, stop, mask, gamma):
    if storage == "dense":
        return MDP(P, r, gamma, stop=stop)
    if storage == "masked":
        return MDP(P, r, gamma, stop=stop, mask=mask)
    from scipy.sparse import csr_array

    ptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
    return MDP(csr_array(P[mask]), r[mask], gamma, stop=stop[mask], action_ptr=ptr)
