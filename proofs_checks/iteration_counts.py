"""Group X, how many steps: value iteration on Feinberg & Huang's gadget, Howard's policies.

Source: Feinberg & Huang (2014); Hollanders, Gerencsér, Delvenne & Jungers (2016).
"""

from fractions import Fraction
from math import ceil, log
from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit._exact import rational
from mdpkit.claim import (
    MDP,
    All,
    DetPolicy,
    Eq,
    Leq,
    claim,
    discounts,
    integers,
    models,
    numbers,
)
from mdpkit.operators.bellman import greedy_pairs
from mdpkit.policy import as_pairs
from proofs_checks.instances import model, with_numbers
from proofs_checks.vocabulary import greedy, optimality, q_pi, tol_v

TENTH = Fraction(1, 10)

MANY = 1000
"""No count here comes near it."""


def waiting(gamma, short):
    """Feinberg & Huang's gadget: wait for H, worth γH, or grab γH − `short`; then rest."""
    zero = 0 * gamma
    P = np.array([[[0, 1, 0], [0, 0, 1]], [[0, 1, 0]] * 2, [[0, 0, 1]] * 2])
    r = np.array([[zero, gamma / (1 - gamma) - short], [1, 1], [0, 0]])
    return with_numbers(P, r, gamma)


def sweeps_until_waiting(mdp):
    """k, the first with G(T^k 0) waiting."""
    v = 0 * mdp.r[:, 0]
    for k in range(MANY):
        if greedy(mdp, v)[0] == 0:
            return k
        v = optimality(mdp, v)
    return MANY


def gaining(mdp, pairs):
    """The best pair of each state that gains by it, else its own."""
    q = q_pi(mdp, mdp.actions_of(pairs)).reshape(-1)
    best = greedy_pairs(mdp, q)
    slack = 0 if mdp.is_exact else tol_v(mdp, q)
    return np.where(q[best] > q[pairs] + slack, best, pairs)


def howard(mdp, pi):
    """The policies' pairs, from pi on: every state that gains switches to its best action."""
    visited = [as_pairs(mdp, pi)]
    while len(visited) < MANY:
        new = gaining(mdp, visited[-1])
        if (new == visited[-1]).all():
            break
        visited.append(new)
    return visited


def one_at_a_time(mdp, pi):
    """The same, but only the first state that gains switches."""
    visited = [as_pairs(mdp, pi)]
    while len(visited) < MANY:
        gains = gaining(mdp, visited[-1]) != visited[-1]
        if not gains.any():
            break
        first = np.arange(mdp.n_states) == np.argmax(gains)
        visited.append(np.where(first, gaining(mdp, visited[-1]), visited[-1]))
    return visited


@claim(
    id="X32",
    source="Feinberg & Huang (2014)",
    exact="Q",
    mutations=(),
)
def value_iteration_needs_as_many_sweeps_as_one_likes(
    gamma: Annotated[Any, discounts(TENTH, 9 * TENTH)],
    part: Annotated[Any, numbers("", TENTH, 9 * TENTH)],
    n: Annotated[int, integers(0, 30)],
    *,
    sweeps=lambda n: n,
    policies=howard,
):
    """γⁿ⁺¹H < δ < γⁿH ⇒ VI from 0 waits after n sweeps, not before; PI sees two policies."""
    short = gamma**n / (1 - gamma) * (gamma + (1 - gamma) * part)
    mdp = waiting(gamma, short)
    seen = policies(mdp, np.array([1, 0, 0]))
    return Eq([sweeps_until_waiting(mdp), len(seen)], [sweeps(n), 2])


value_iteration_needs_as_many_sweeps_as_one_likes.rejects("one more", sweeps=lambda n: n + 1)
value_iteration_needs_as_many_sweeps_as_one_likes.rejects(
    "at most 20", sweeps=lambda n: min(n, 20)
)


@claim(id="X32-numbers", source="Feinberg & Huang (2014)", exact="Q", mutations=(), effort=0.2)
def value_iteration_needs_these_sweeps(
    i: Annotated[int, integers(0, 2)], *, numbers=(65, 152, 284)
):
    """δ = 10⁻², 10⁻⁶, 10⁻¹² at γ = .9: ⌈log(δ(1−γ))/log γ − 1⌉ = 65, 152, 284 sweeps."""
    digits = (2, 6, 12)[i]
    mdp = waiting(rational("9/10"), rational(Fraction(1, 10**digits)))
    counted = sweeps_until_waiting(mdp)
    formula = ceil(log(10.0 ** -(digits + 1)) / log(0.9) - 1)
    return Eq([counted, formula], [numbers[i]] * 2)


value_iteration_needs_these_sweeps.rejects("one less", numbers=(64, 151, 283))


# ---- Howard's policies -----------------------------------------------------------------------


def fibonacci(n):
    """F_{n+2}: 2, 3, 5, 8, 13, 21 for n = 1 … 6; 33 for n = 7."""
    return (1, 2, 3, 5, 8, 13, 21, 33)[n]


def choices(mdp):
    """How many states have a choice."""
    return int((np.diff(mdp.action_ptr) == 2).sum())


@claim(
    id="X5",
    source="Hollanders, Gerencsér, Delvenne & Jungers (2016); Mansour & Singh (1999)",
    exact="Q",
)
def howard_visits_few_policies(
    mdp: Annotated[MDP, models(actions=(2, 2))],
    pi: DetPolicy,
    *,
    bound=fibonacci,
    visited=howard,
):
    """Of n states with two actions: at most F_{n+2} policies (n ≤ 6), at most 13·2ⁿ/n."""
    n = choices(mdp)
    count = len(visited(mdp, pi))
    return All(Leq(count, bound(n)), Leq(n * count, 13 * 2**n, ratio=False))


howard_visits_few_policies.rejects("n + 1", bound=lambda n: n + 1)
howard_visits_few_policies.rejects(
    "switches one state at a time", visited=one_at_a_time, at=lambda: (walk(), first_actions())
)


def walk():
    """Melekopoglou & Condon's walk: one state at a time visits all 2³ policies."""
    return gallery.make("melekopoglou-condon", n=3, gamma=0.9).exact()


def first_actions():
    """The first action everywhere."""
    return np.zeros(walk().n_states, dtype=int)


@howard_visits_few_policies.attained_by
def five_of_eight():
    """Three states, five policies."""
    to = [[1, 0], [0, 2], [2, 1]]
    P = [[[int(s == t) for s in range(3)] for t in row] for row in to]
    return model(P, [[12, -21], [68, -74], [-4, -11]], "99/100"), np.array([0, 1, 1])
