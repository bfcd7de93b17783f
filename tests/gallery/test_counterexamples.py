"""What is plausible fails on the counterexamples as they say, in exact rationals."""

from fractions import Fraction

import numpy as np
import pytest

from mdpkit._exact import fraction
from mdpkit.gallery import (
    blackwell,
    gordon_chatter,
    is_infinite_variance,
    melekopoglou_condon,
)


def switches(solver, n, rule):
    """How many policies policy iteration visits from "walk", switching by `rule`."""
    mdp = melekopoglou_condon(n).exact()
    P, r, _, _ = solver.dense(mdp)
    policy, seen = np.zeros(n, dtype=int), set()
    while True:
        seen.add(tuple(policy))
        one_hot = np.ones(mdp.n_pairs, dtype=int)
        for s, a in enumerate(policy):
            one_hot[2 * s + 1 - a] = 0
        v = np.array([type(mdp.gamma)(x) for x in solver.evaluate(mdp, one_hot)])
        gain = (r + P @ v)[: 2 * n].reshape(n, 2)[np.arange(n), 1 - policy] - v[:n]
        better = [s for s in range(n) if gain[s] > 0]
        if not better:
            return len(seen)
        for s in rule(better):
            policy[s] ^= 1


@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_switching_one_state_at_a_time_visits_every_policy(solver, n):
    assert switches(solver, n, lambda better: better[:1]) == 2**n


@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_switching_all_states_takes_n_improvements(solver, n):
    assert switches(solver, n, lambda better: better) == n + 1
    assert switches(solver, n, lambda better: better[-1:]) == 2  # the last that gains


def test_the_second_moment_of_importance_sampling_grows_without_bound():
    # The estimate is 2ᵏ⁺¹ for the k+1 steps left that end with 1, and 0 once right is taken.
    P, stop = is_infinite_variance().P[0], is_infinite_variance().stop[0]
    stay, end = Fraction("0.9"), Fraction("0.1")
    assert (float(stay), float(end)) == (P[0, 0], stop[0])
    mean = [(stay / 2) ** k * end / 2 * 2 ** (k + 1) for k in range(60)]
    second = [(stay / 2) ** k * end / 2 * 4 ** (k + 1) for k in range(60)]
    assert sum(mean) == 1 - stay**60
    assert sum(second) == Fraction("0.2") * sum(Fraction("1.8") ** k for k in range(60)) > 1e14


@pytest.mark.parametrize("greedy", [0, 1])
def test_one_value_for_both_states_prefers_the_other_action(greedy):
    mdp, g = gordon_chatter(), Fraction(9, 10)
    P = np.vectorize(Fraction, otypes=[object])(mdp.P)
    r = np.vectorize(Fraction, otypes=[object])(mdp.r)
    pi = np.full(2, Fraction(1, 20))
    pi[greedy] = Fraction(19, 20)
    # Stationary d of the 2-state chain: d(0)·P(0→1) = d(1)·P(1→0).
    leave = [sum(pi[a] * P[s, a, 1 - s] for a in (0, 1)) for s in (0, 1)]
    d = np.array([leave[1], leave[0]]) / (leave[0] + leave[1])
    assert d[greedy] == Fraction(1, 20)
    reward = d @ r  # of each action, where both states are one
    q = reward + g * (pi @ reward) / (1 - g)
    assert [round(float(x), 2) for x in q] == (
        [-8.19, -6.39] if greedy == 0 else [-6.39, -8.19]
    )
    assert q[1 - greedy] - q[greedy] == Fraction(18, 10)


@pytest.mark.parametrize("eta", [0.25, 1e-3])
def test_patience_pays_from_its_discount_on(solver, eta):
    threshold = 1 / (1 + Fraction(str(eta)))
    for gamma, tied in [(threshold - Fraction(1, 10**6), False), (threshold, True)]:
        mdp = blackwell(eta, gamma=float(gamma)).exact(dyadic=True)
        wait = fraction(mdp.gamma) * fraction(mdp.r[2])
        assert (abs(wait - 1) < Fraction(1, 10**12)) == tied
        assert fraction(solver.answers(mdp)[0]) == max(1, wait)
