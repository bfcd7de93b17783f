"""Total reward at γ = 1 by brute force: every deterministic policy, in exact rationals.

A policy earns −∞ where it can end up in a class whose gain is negative. A class that pays and
whose gain is 0 has no total reward; one whose gain is positive has none that is finite.
"""

from itertools import product

import flint

from tests.oracles import pair_rows, rational

LOSES, UNDEFINED = "loses for ever", "undefined"


def total_optimum(mdp):
    """v* of an exact model (None for −∞), or UNDEFINED if some class pays without losing."""
    choices = [range(mdp.action_ptr[s], mdp.action_ptr[s + 1]) for s in range(mdp.n_states)]
    best = [None] * mdp.n_states
    for pairs in product(*choices):
        value = total_value(mdp, pairs)
        if value is UNDEFINED:
            return UNDEFINED
        for s, x in enumerate(value):
            if x is not None and (best[s] is None or x > best[s]):
                best[s] = x
    return best


def total_value(mdp, pairs):
    """A deterministic policy's total reward from every state, None for −∞; or UNDEFINED."""
    n, rows = mdp.n_states, pair_rows(mdp)
    after = [{t for t, _ in rows[pair]} for pair in pairs]
    reach = _closure(after)
    ends = [mdp.stop.reshape(-1)[pair] > 0 for pair in pairs]
    lost = set()
    settled = set()
    for s in range(n):
        recurrent = s in reach[s] and all(s in reach[t] for t in reach[s])
        if not recurrent or any(ends[t] for t in reach[s]):
            continue
        if all(mdp._r[pairs[t]] == 0 for t in reach[s]):
            settled.add(s)
        elif _gain(mdp, pairs, rows, sorted(reach[s])) < 0:
            lost.add(s)
        else:
            return UNDEFINED
    finite = [s for s in range(n) if not (reach[s] | {s}) & lost and s not in settled]
    value = [None if (reach[s] | {s}) & lost else rational(0) for s in range(n)]
    for s, x in zip(finite, _solve(mdp, pairs, rows, finite), strict=True):
        value[s] = x
    return value


def _closure(after):
    reach = [set(x) for x in after]
    changed = True
    while changed:
        changed = False
        for s in range(len(reach)):
            more = set().union(reach[s], *(reach[t] for t in reach[s]))
            changed, reach[s] = changed or more != reach[s], more
    return reach


def _gain(mdp, pairs, rows, states):
    """Σ μ r with μ the stationary distribution of a recurrent class."""
    k = len(states)
    matrix, right = flint.fmpq_mat(k, k), flint.fmpq_mat(k, 1)
    for j, s in enumerate(states):
        matrix[j, j] = matrix[j, j] - 1
        for t, p in rows[pairs[s]]:
            matrix[states.index(t), j] = matrix[states.index(t), j] + p
    for j in range(k):
        matrix[k - 1, j] = 1
    right[k - 1, 0] = 1
    mu = matrix.solve(right)
    return sum((mu[j, 0] * mdp._r[pairs[s]] for j, s in enumerate(states)), rational(0))


def _solve(mdp, pairs, rows, states):
    k = len(states)
    if k == 0:
        return []
    matrix, right = flint.fmpq_mat(k, k), flint.fmpq_mat(k, 1)
    for i, s in enumerate(states):
        matrix[i, i] = matrix[i, i] + 1
        right[i, 0] = rational(mdp._r[pairs[s]])
        for t, p in rows[pairs[s]]:
            if t in states:
                matrix[i, states.index(t)] = matrix[i, states.index(t)] - p
    x = matrix.solve(right)
    return [x[i, 0] for i in range(k)]
