"""The words of claims about sampled targets: what they expect, by every transition or path.

expectation(mdp, rows, y)     Σ weight · y of each pair, in pair layout
at_next(mdp, rows, x)         x(s',·), (n, A), of pair layout; 0 where there is no action
allowed(mdp, rows)            which actions s' has, (n, A) bool
each_action(mdp, rows, pi)    the rows once for every action of s', with its weight; its pairs
windows(mdp, b, T)            every path of T steps of b, from every state alike
of_pairs, of_states           E[x_0; s_0, a_0] of windows, and the probability to begin there
"""

from typing import Any

import numpy as np

from mdpkit.batch import Trajectories, Transitions
from mdpkit.claim import MDP
from mdpkit.enumerate import trajectories
from mdpkit.policy import probabilities


def expectation(mdp: MDP, rows: Transitions, y: Any) -> Any:
    """E[y | s, a], in pair layout. rows : of `transitions(mdp)`, or of `each_action`."""
    total = 0 * mdp.r.reshape(-1)
    np.add.at(total, rows.pair, rows.weight * y)
    return total.reshape(mdp.pair_shape)


def at_next(mdp: MDP, rows: Transitions, x: Any) -> Any:
    """x(s',·), (n, A)."""
    return mdp.table(x, 0 * mdp.gamma)[rows.next_state]


def allowed(mdp: MDP, rows: Transitions) -> Any:
    """Which actions the next states have, (n, A) bool."""
    return mdp.table(np.ones(mdp.pair_shape), 0)[rows.next_state] == 1


def each_action(mdp: MDP, rows: Transitions, pi: Any) -> tuple[Transitions, Any]:
    """The rows once for each action of the next state, with its probability; (s', ã), (m,)."""
    counts = np.diff(mdp.action_ptr)[rows.next_state]
    row = np.repeat(np.arange(counts.size), counts)
    before = np.repeat(np.cumsum(counts) - counts, counts)
    pair = np.arange(row.size) - before + mdp.action_ptr[rows.next_state][row]
    twice = Transitions(*(x[row] for x in rows))
    share = probabilities(mdp, pi).reshape(-1)[pair]
    return twice._replace(weight=twice.weight * share), pair


def windows(mdp: MDP, b: Any, steps: int) -> Trajectories:
    """Every path of so many steps; the last step is a boundary, and an end only if it ended."""
    one = mdp.gamma * 0 + 1
    start = np.array([one / mdp.n_states] * mdp.n_states)
    return trajectories(mdp, b, steps, start=start)


def of_pairs(mdp: MDP, batch: Trajectories, x: Any) -> tuple[Any, Any]:
    """Σ weight · x_0 of each first pair, and Σ weight; (pairs,). x : (T, n)."""
    total, met = 0 * mdp.r.reshape(-1), 0 * mdp.r.reshape(-1)
    np.add.at(total, batch.pairs[0], batch.weight * x[0])
    np.add.at(met, batch.pairs[0], batch.weight)
    return total, met


def of_states(mdp: MDP, batch: Trajectories, x: Any) -> tuple[Any, Any]:
    """Σ weight · x_0 of each first state, and Σ weight; (S,). x : (T, n)."""
    total, met = of_pairs(mdp, batch, x)
    first = mdp.action_ptr[:-1]
    return np.add.reduceat(total, first), np.add.reduceat(met, first)
