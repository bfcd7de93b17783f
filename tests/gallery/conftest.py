"""Answers by a method that is not ours: policy iteration on exact rationals, with flint."""

from collections import deque

import flint
import numpy as np
import pytest

from mdpkit._exact import fraction, rational, simplest

EXACT_UP_TO = 110
"""States; beyond, NumPy's dense solve, good to about 1e-10 of the values met here."""


def dense(mdp):
    """P (pairs, S), r and stop (pairs,), γ, of float or exact numbers."""
    P = np.zeros((mdp.n_pairs, mdp.n_states), dtype=mdp.r.dtype)
    if mdp.is_sparse:
        rows = mdp.rows
        pairs = np.repeat(np.arange(mdp.n_pairs), np.diff(rows.row_ptr))
        P[pairs, rows.columns] = rows.values
    else:
        P[:] = mdp.rows
    return P, mdp.r.reshape(-1), np.asarray(mdp.stop).reshape(-1), mdp.gamma


def evaluate(mdp, probabilities):
    """v of a policy (pairs,), as Fractions where the model is exact."""
    P, r, _, gamma = dense(mdp)
    S = mdp.n_states
    P_pi, r_pi = np.zeros((S, S), dtype=P.dtype), np.zeros(S, dtype=r.dtype)
    for pair, s in enumerate(mdp.pair_states):
        if probabilities[pair]:
            P_pi[s] += probabilities[pair] * P[pair]
            r_pi[s] += probabilities[pair] * r[pair]
    system = np.eye(S, dtype=P.dtype) - gamma * P_pi
    if P.dtype != object:
        return np.linalg.solve(system, r_pi)
    A = flint.fmpq_mat(S, S, [flint.fmpq(x) for x in system.reshape(-1)])
    b = flint.fmpq_mat(S, 1, [flint.fmpq(x) for x in r_pi])
    return np.array([x for (x,) in A.solve(b).tolist()], dtype=object)


def toward_the_end(mdp):
    """A policy that ends every episode that can be ended, by the fewest steps."""
    P, _, stop, _ = dense(mdp)
    choice, queue = {}, deque([stop])
    while queue:
        for pair in np.flatnonzero(queue.popleft()):
            s = mdp.pair_states[pair]
            if s not in choice:
                choice[s] = pair
                queue.append(P[:, s])
    return np.array([choice.get(s, mdp.action_ptr[s]) for s in range(mdp.n_states)])


def improve(mdp, v, policy, slack=0):
    """The policy that changes wherever an action is better by more than the slack."""
    P, r, _, gamma = dense(mdp)
    q = r + gamma * (P @ v)
    better = policy.copy()
    for s in range(mdp.n_states):
        pairs = np.arange(mdp.action_ptr[s], mdp.action_ptr[s + 1])
        best = pairs[max(range(len(pairs)), key=lambda i, pairs=pairs: (q[pairs[i]], -i))]
        if q[best] > q[policy[s]] + slack:
            better[s] = best
    return better


def optimum(mdp, policy=None, slack=0, seen=None):
    """v*, by policy iteration; `seen` collects the policies on the way."""
    policy = toward_the_end(mdp) if policy is None else policy
    while True:
        if seen is not None:
            seen.append(policy)
        chosen = np.zeros(mdp.n_pairs, dtype=int)
        chosen[policy] = 1
        v = evaluate(mdp, chosen)
        better = improve(mdp, v, policy, slack)
        if (better == policy).all():
            return v
        policy = better


def answers(mdp, policy=None):
    """v* or the value of a policy: exact where the model is small, else in floats."""
    if mdp.n_states > EXACT_UP_TO:
        return optimum(mdp, slack=1e-9) if policy is None else evaluate(mdp, policy(mdp))
    exact = mdp.exact()
    if policy is None:
        return optimum(exact)
    return evaluate(exact, [rational(simplest(float(x))) for x in policy(mdp)])


def disagreements(mdp, known):
    """The states where a model's answers are not those known, with both."""
    v = answers(mdp, known.policy)
    if v.dtype == object:
        v = np.array([fraction(x) for x in v], dtype=object)
        start = np.array([fraction(rational(simplest(float(x)))) for x in mdp.start])
    else:
        start = mdp.start
    found = {s: v @ start if s == "start" else v[s] for s in known.values}
    return {
        s: (float(found[s]), float(x))
        for s, x in known.values.items()
        if not abs(found[s] - x) <= known.tol
    }


class Solver:
    """The functions of this file, for tests to ask for by name."""

    answers = staticmethod(answers)
    dense = staticmethod(dense)
    disagreements = staticmethod(disagreements)
    evaluate = staticmethod(evaluate)
    improve = staticmethod(improve)
    optimum = staticmethod(optimum)


@pytest.fixture(scope="session")
def solver():
    return Solver
