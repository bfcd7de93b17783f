"""Group X, off the policy: Retrace and V-trace (THEOREMS.md §3).

    (P^{cb} x)(s,a) = Σ P(t|s,a) b(a'|t) c(t,a') x(t,a')    R q = q + (I − γP^{cb})⁻¹(B^π q − q)

Source: Munos et al. (2016); Espeholt et al. (2018).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit.claim import (
    MDP,
    ActionValue,
    All,
    Eq,
    FullPolicy,
    Leq,
    Policy,
    Probability,
    Value,
    claim,
    numbers,
    solve,
)
from mdpkit.operators.linear import (
    pair_chain,
)
from mdpkit.policy import probabilities
from proofs_checks.instances import exactly, model
from proofs_checks.linear_vocabulary import diagonal
from proofs_checks.vocabulary import (
    identity,
    over_actions,
    over_states,
    q_evaluation,
    q_pi,
    sup,
    v_pi,
)

# ---- Retrace ---------------------------------------------------------------------------------


def clipped(pi, b, lam):
    """c = λ min(1, π/b)."""
    ratio = pi / b
    return lam * np.where(ratio > 1, 0 * ratio + 1, ratio)


def unclipped(pi, b, lam):
    """c = λ, of Q^π(λ)."""
    return 0 * pi + lam


def lifted(mdp, pi, b, q, c):
    """R q, in pair layout."""
    weighted = pair_chain(mdp, b).P * c.reshape(-1)
    unit = diagonal(0 * q.reshape(-1) + 1)
    residual = (q_evaluation(pi)(mdp, q) - q).reshape(-1)
    return q + solve(unit - mdp.gamma * weighted, residual).reshape(mdp.pair_shape)


@claim(
    id="X26",
    source="Munos, Stepleton, Harutyunyan & Bellemare (2016), Theorem 1",
    exact="Q",
    effort=0.5,
)
def retrace_contracts_whatever_the_behavior(
    mdp: MDP,
    pi: Policy,
    b: FullPolicy,
    lam: Probability,
    q: ActionValue,
    other: ActionValue,
    *,
    trace=clipped,
):
    """‖Rq − Rq'‖∞ ≤ γ ‖q − q'‖∞ and R q^π = q^π for every b > 0, with 0 ≤ c ≤ π/b.

    Here c = λ min(1, π/b), and tree backup's λπ as well.
    """
    taken = probabilities(mdp, pi)
    c, fixed = trace(taken, b, lam), q_pi(mdp, pi)
    apart = lifted(mdp, pi, b, q, c) - lifted(mdp, pi, b, other, c)
    tree = lifted(mdp, pi, b, q, lam * taken) - lifted(mdp, pi, b, other, lam * taken)
    bound = mdp.gamma * sup(q - other)
    return All(
        Leq(sup(apart), bound),
        Leq(sup(tree), bound),
        Eq(lifted(mdp, pi, b, fixed, c), fixed),
    )


def far_behavior():
    """b hardly ever does what π does: with c = 1 the traces go on along the wrong actions."""
    mdp = model([[[0, 1], [0, 1]], [[1, 0], [0, 1]]], [[0, 0], [0, 0]], "19/20")
    pi, b = exactly([[1, 0], [1, 0]]), exactly([["1/50", "49/50"]] * 2)
    return mdp, pi, b, exactly(1)[()], exactly([[0, 0], [0, 1]]), exactly([[0, 0], [0, 0]])


retrace_contracts_whatever_the_behavior.rejects("c = λ", trace=unclipped, at=far_behavior)


@retrace_contracts_whatever_the_behavior.attained_by
def one_step():
    """λ = 0, q' = q + 1."""
    mdp, pi, b, one, q, _ = far_behavior()
    return mdp, pi, b, one * 0, q, q + 1


# ---- V-trace ---------------------------------------------------------------------------------


def at_most(x, largest):
    """min(x, largest)."""
    return np.where(x > largest, 0 * x + largest, x)


def vtrace(mdp, pi, b, v, level, *, weigh=True):
    """V + (I − γP_{cb})⁻¹ ρb(r + γPV − V), ρ = min(ρ̄, π/b), c = min(1, ρ̄) ∧ π/b."""
    ratio = probabilities(mdp, pi) / b
    rho = at_most(ratio, level)
    c = at_most(ratio, min(level, level * 0 + 1))
    rows = (b * c).reshape(-1, 1) * mdp.rows
    P = np.add.reduceat(rows, mdp.action_ptr[:-1], axis=0)
    ahead = q_evaluation(pi)(mdp, over_states(mdp, v)) - over_states(mdp, v)
    delta = over_actions(mdp, b * (rho if weigh else 0 * rho + 1) * ahead)
    return v + solve(identity(mdp) - mdp.gamma * P, delta)


def capped(mdp, pi, b, level):
    """π_ρ̄ ∝ min(ρ̄ b, π)."""
    kept = np.where(level * b < probabilities(mdp, pi), level * b, probabilities(mdp, pi))
    return kept / over_states(mdp, over_actions(mdp, kept))


def aimed_at(mdp, pi, b, level):
    """π itself."""
    return pi


Level = Annotated[Any, numbers("", Fraction(1, 5), 3)]
"""ρ̄."""


@claim(id="X26-vtrace", source="Espeholt et al. (2018), Theorem 1", exact="Q", effort=0.5)
def vtrace_rests_at_the_capped_policy(
    mdp: MDP,
    pi: FullPolicy,
    b: FullPolicy,
    level: Level,
    v: Value,
    w: Value,
    *,
    goal=capped,
    operator=vtrace,
):
    """V-trace's fixed point is the value of π_ρ̄ ∝ min(ρ̄ b, π), ρ̄ > 0; it contracts.

    ‖Rv − Rw‖∞ ≤ (1 − (1 − γ) min_s E_b ρ) ‖v − w‖∞, where c = min(1, ρ̄, π/b) ≤ ρ.
    """
    fixed = v_pi(mdp, goal(mdp, pi, b, level))
    share = over_actions(mdp, b * at_most(probabilities(mdp, pi) / b, level)).min()
    apart = operator(mdp, pi, b, v, level) - operator(mdp, pi, b, w, level)
    return All(
        Leq(sup(apart), (1 - (1 - mdp.gamma) * share) * sup(v - w)),
        Eq(operator(mdp, pi, b, fixed, level), fixed),
    )


vtrace_rests_at_the_capped_policy.rejects("at π itself", goal=aimed_at)
vtrace_rests_at_the_capped_policy.rejects(
    "without ρ on the difference",
    operator=lambda mdp, pi, b, v, level: vtrace(mdp, pi, b, v, level, weigh=False),
)
