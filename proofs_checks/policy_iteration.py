"""Group B, third part: how many steps policy iteration takes (THEOREMS.md §2.B, B8, B11–B13).

    v* − v^{π_k} ≤ (γP_{π*})ᵏ (v* − v^{π_0})        at most (m − S)⌈H log H⌉ improvements

Source: Howard (1960); Puterman (1994), §6.4; Ye (2011); Scherrer (2016).
"""

import math

import numpy as np

from mdpkit import gallery
from mdpkit._array import number
from mdpkit.claim import MDP, All, DetPolicy, Eq, Leq, Policy, Rate, claim
from mdpkit.policy import as_pairs
from proofs_checks.instances import model
from proofs_checks.vocabulary import (
    best,
    best_pairs,
    chain,
    evaluation,
    greedy,
    greedy_in,
    horizon,
    optimality,
    q_pi,
    scalar,
    sup,
    tol_v,
    v_pi,
    v_star,
)

STEPS = 6


def greedy_policies(mdp, pi, k):
    """π_0 = π, …, π_k, each greedy in the value of the last."""
    out = [pi]
    for _ in range(k):
        out.append(greedy(mdp, v_pi(mdp, out[-1])))
    return out


def carried(mdp, x):
    """γP_{π*} x."""
    P, _ = chain(mdp, greedy(mdp, v_star(mdp)))
    return mdp.gamma * (P @ x)


@claim(id="B8", source="Puterman (1994), Theorem 6.4.6", exact="Q", substochastic=True)
def policy_iteration_has_rate_gamma(mdp: MDP, pi: Policy, *, push=carried):
    """0 ≤ v* − v^{π_k} ≤ (γP_{π*})ᵏ (v* − v^{π_0}), hence ‖·‖∞ ≤ γᵏ; v^{π_{k+1}} ≥ Tv^{π_k}."""
    values = [v_pi(mdp, p) for p in greedy_policies(mdp, pi, STEPS)]
    gaps = [v_star(mdp) - v for v in values]
    pushed = [gaps[0]]
    for _ in range(STEPS):
        pushed.append(push(mdp, pushed[-1]))
    norms = [sup(x) for x in gaps]
    backups = [optimality(mdp, v) for v in values[:-1]]
    return All(
        Leq(np.array(gaps[1:]), np.array(pushed[1:])),
        Rate(norms[1:], [mdp.gamma**k * norms[0] for k in range(1, STEPS + 1)]),
        Leq(0, np.array(gaps), ratio=False),
        Leq(np.array(backups), np.array(values[1:]), ratio=False),
    )


@policy_iteration_has_rate_gamma.attained_by
def one_switch_a_step():
    """On `pi-chain`, from "stay everywhere", one state more is right after every step."""
    mdp = gallery.make("pi-chain", n=STEPS + 1).exact()
    return mdp, np.zeros(mdp.n_states, dtype=int)


policy_iteration_has_rate_gamma.rejects(
    "twice as fast", push=lambda mdp, x: carried(mdp, carried(mdp, x))
)
policy_iteration_has_rate_gamma.rejects(
    "Tᵏ (v* − v^{π_0}) as a lecture has it", push=optimality
)


def improved(mdp, pi):
    """Howard's step: a better action where there is one, else the same."""
    q, pairs = q_pi(mdp, pi), as_pairs(mdp, pi)
    better = best(mdp, q) > q.reshape(-1)[pairs] + scalar(mdp, tol_v(mdp))
    return np.where(better.astype(bool), greedy_in(mdp, q), pi)


def improved_in_one_state(mdp, pi):
    """The simplex method's step: the largest advantage only."""
    gain = best(mdp, q_pi(mdp, pi)) - q_pi(mdp, pi).reshape(-1)[as_pairs(mdp, pi)]
    s = int(np.argmax(gain))
    return np.where(np.arange(mdp.n_states) == s, improved(mdp, pi), pi)


def switching_among_ties(mdp, pi):
    """A best action, but another than the last one where it can."""
    q = q_pi(mdp, pi)
    tied = best_pairs(mdp, q, tol_v(mdp))
    rest = tied & (mdp.pair_actions != pi[mdp.pair_states])
    return greedy_in(mdp, np.where(rest.reshape(q.shape), q + 1, q))


def visited(mdp, pi, rule, most):
    """π_0, π_1, … until the rule changes nothing, or more than `most` of them."""
    out = [pi]
    while len(out) <= most:
        out.append(rule(mdp, out[-1]))
        if (out[-1] == out[-2]).all():
            return out[:-1]
    return out


@claim(
    id="B11",
    source="Howard (1960); Puterman (1994), Theorem 6.4.2",
    exact="Q",
    substochastic=True,
)
def policy_iteration_repeats_no_policy(mdp: MDP, pi: DetPolicy, *, rule=improved):
    """Policy iteration visits at most Π_s |A(s)| policies, none twice, and ends at v*."""
    most = math.prod(np.diff(mdp.action_ptr).tolist())
    policies = visited(mdp, pi, rule, most)
    distinct = {tuple(p.tolist()) for p in policies}
    return All(
        Leq(len(policies), most),
        Eq(len(distinct), len(policies)),
        Eq(v_pi(mdp, policies[-1]), v_star(mdp)),
    )


def two_equal_actions():
    """One state, two actions, one of them as good as the other."""
    return model([[[1], [1]]], [[1, 1]], "1/2"), np.array([0])


policy_iteration_repeats_no_policy.rejects(
    "switches among ties", rule=switching_among_ties, at=two_equal_actions
)
policy_iteration_repeats_no_policy.example(two_equal_actions)


@claim(
    id="B12",
    source="Scherrer (2016), proof of Theorem 3; Ye (2011)",
    exact="Q",
    substochastic=True,
)
def a_bad_action_is_given_up_for_good(
    mdp: MDP, pi: DetPolicy, *, excuse=lambda mdp, k: mdp.gamma**k
):
    """π_0 not optimal, s_0 = argmax (v* − T^{π_0}v*) ⇒ π_k(s_0) ≠ π_0(s_0) once γᵏ < 1 − γ.

    That is, (1 − γ)·1{π_k(s_0) = π_0(s_0)} ≤ γᵏ for every k ≥ 1.
    """
    shortfall = v_star(mdp) - evaluation(pi)(mdp, v_star(mdp))
    s = int(np.argmax(shortfall))
    bad = bool(shortfall[s] > scalar(mdp, 1000 * tol_v(mdp)))
    later = greedy_policies(mdp, pi, STEPS)[1:]
    kept = [(1 - mdp.gamma) * int(bad and p[s] == pi[s]) for p in later]
    return Rate(kept, [excuse(mdp, k) for k in range(1, STEPS + 1)])


@a_bad_action_is_given_up_for_good.example
def one_step_is_not_enough():
    """v* = (30, 28, 29.2), v* − T^{π_0}v* = (2, 2.72, 0): s_0 = 1 switches second."""
    P = np.eye(3, dtype=int)[[[0, 0], [0, 2], [0, 1]]]
    return model(P, [[1, 3], [1, -1], [0, 4]], "9/10"), np.array([0, 1, 1])


a_bad_action_is_given_up_for_good.rejects(
    "at the first step", excuse=lambda mdp, k: 0 * mdp.gamma, at=one_step_is_not_enough
)


def patience(mdp):
    """⌈H log H⌉, which is ≥ 1 for γ > 0, however H is rounded."""
    H = number(horizon(mdp))
    return max(math.ceil(H * math.log(H)), int(mdp.gamma > 0))


positive_discount = {"γ > 0": lambda mdp: mdp.gamma > 0}


@claim(id="B13", source="Scherrer (2016), Theorem 3", exact="Q", applies=positive_discount)
def policy_iteration_is_strongly_polynomial(mdp: MDP, pi: DetPolicy, *, each=patience):
    """Policy iteration improves at most (m − S)⌈H log H⌉ times, m = Σ_s |A(s)|, for γ > 0."""
    bound = (mdp.n_pairs - mdp.n_states) * each(mdp)
    return Leq(len(visited(mdp, pi, improved, bound + 1)) - 1, bound)


@policy_iteration_is_strongly_polynomial.attained_by
def one_choice():
    """One state, two actions, γ = 1/10: one improvement."""
    return model([[[1], [1]]], [[0, 1]], "1/10"), np.array([0])


policy_iteration_is_strongly_polynomial.rejects(
    "⌊H log H⌋",
    each=lambda mdp: math.floor(number(horizon(mdp)) * math.log(number(horizon(mdp)))),
    at=one_choice,
)


@policy_iteration_is_strongly_polynomial.example
def one_switch_a_step_of_twelve():
    """`pi-chain`: S improvements."""
    mdp = gallery.make("pi-chain", n=12).exact()
    return mdp, np.zeros(mdp.n_states, dtype=int)


@claim(
    id="B13-one",
    source="Ye (2011); Scherrer (2016), Theorem 4",
    exact="Q",
    applies=positive_discount,
)
def simplex_policy_iteration_is_strongly_polynomial(
    mdp: MDP, pi: DetPolicy, *, rule=improved_in_one_state
):
    """Switching the largest advantage only, it improves ≤ S(m − S)⌈H log H⌉ times, γ > 0."""
    bound = mdp.n_states * (mdp.n_pairs - mdp.n_states) * patience(mdp)
    return Leq(len(visited(mdp, pi, rule, bound + 1)) - 1, bound)


simplex_policy_iteration_is_strongly_polynomial.experimental("the constant is not settled")
simplex_policy_iteration_is_strongly_polynomial.rejects(
    "switching among ties", rule=switching_among_ties, at=two_equal_actions
)
