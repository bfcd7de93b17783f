"""Group X, average reward: gain and bias, Laurent's series, Odoni's bounds, Kemeny's constant.

    P* = lim Cesàro Pᵏ      g = P* r      D = (I − P + P*)⁻¹ (I − P*)      h = D r

Source: Puterman (1994), §8.2, §8.5 and App. A; Kemeny & Snell (1960).
"""

from typing import Annotated

import numpy as np

from mdpkit import gallery
from mdpkit._array import EPS, number
from mdpkit.claim import MDP, All, DetPolicy, Eq, Leq, Policy, Probability, Value, claim, models
from mdpkit.mdp import MDP as Model
from mdpkit.plan.average_reward import gain_and_bias
from mdpkit.policy import as_pairs
from mdpkit.policy import chain as chain_model
from mdpkit.structure import recurrent_classes
from proofs_checks.instances import exactly
from proofs_checks.span_norm import delta, undiscounted
from proofs_checks.vocabulary import (
    chain,
    every_policy,
    greedy,
    horizon,
    identity,
    optimality,
    reward_size,
    solve,
    sup,
    v_pi,
)


def long_run(mdp, pi):
    """P*: column j is the gain of a reward of 1 in state j."""
    one, P = undiscounted(mdp), chain(mdp, pi)[0]
    single = Model(P[:, None, :], one.gamma * 0 + P[:, :1], one.gamma)
    first = np.arange(mdp.n_states)
    columns = [gain_and_bias(single.replace(r=e[:, None]), first).gain for e in identity(mdp)]
    return np.stack(columns, axis=1)


def deviation(mdp, pi, P_star):
    """D = (I − P + P*)⁻¹ (I − P*)."""
    P, _ = chain(mdp, pi)
    return solve(identity(mdp) - P + P_star, identity(mdp) - P_star)


def lost(mdp, *matrices):
    """64·u·S·‖D‖²·R: what a solve next to a reducible chain loses; exact: 0."""
    if mdp.is_exact:
        return 0
    size = max(1.0, *(number(sup(m)) * mdp.n_states for m in matrices))
    return 64 * EPS * mdp.n_states * size**2 * max(1.0, float(reward_size(mdp)))


def bias(mdp, pi, P_star):
    """h = D r."""
    return deviation(mdp, pi, P_star) @ chain(mdp, pi)[1]


def uncentered_bias(mdp, pi, P_star):
    """(I − P + P*)⁻¹ r."""
    P, r = chain(mdp, pi)
    return solve(identity(mdp) - P + P_star, r)


@claim(id="X17", source="Puterman (1994), Theorems 8.2.6 and 8.2.8, App. A.5", exact="Q")
def gain_and_bias_solve_their_equations(mdp: MDP, pi: Policy, *, relative=bias):
    """P*P = PP* = P*P* = P*, and g = P*r, h = (I−P+P*)⁻¹(I−P*)r: g + h = r + Ph, P*h = 0."""
    P, r = chain(mdp, pi)
    P_star = long_run(mdp, pi)
    g, h = P_star @ r, relative(mdp, pi, P_star)
    near = lost(mdp, deviation(mdp, pi, P_star))
    return All(
        Eq(g + h, r + P @ h, near),
        Eq(P_star @ h, 0 * h, near),
        *(Eq(X, P_star, near) for X in (P @ P_star, P_star @ P, P_star @ P_star)),
    )


gain_and_bias_solve_their_equations.rejects("h = (I−P+P*)⁻¹ r", relative=uncentered_bias)


@claim(id="X17-laurent", source="Puterman (1994), Theorem 8.2.3", exact="Q")
def discounted_values_have_a_laurent_series(mdp: MDP, pi: Policy, *, relative=bias):
    """(γI + (1−γ)D)(v_γ − gH) = h, so that v_γ = gH + h + O(1 − γ)."""
    P_star = long_run(mdp, pi)
    D, near = deviation(mdp, pi, P_star), mdp.gamma * identity(mdp)
    rest = v_pi(mdp, pi) - horizon(mdp) * (P_star @ chain(mdp, pi)[1])
    left = (near + (1 - mdp.gamma) * D) @ rest
    return Eq(left, relative(mdp, pi, P_star), lost(mdp, D) * number(horizon(mdp)) ** 2)


discounted_values_have_a_laurent_series.rejects("h = (I−P+P*)⁻¹ r", relative=uncentered_bias)


# ---- bounds on the gain ----------------------------------------------------------------------


def gain(mdp, pi):
    """g^π, (S,)."""
    return gain_and_bias(undiscounted(mdp), as_pairs(mdp, pi)).gain


def best_gain(mdp):
    """g*, (S,): the largest gain of any deterministic policy, state by state."""
    return np.max([gain(mdp, pi) for pi in every_policy(mdp)], axis=0)


def all_of_it(mdp):
    """T at γ = 1."""
    return undiscounted(mdp)


@claim(id="X17-odoni", source="Odoni (1969); Puterman (1994), Theorem 8.5.5", exact="Q")
def change_bounds_gain(
    mdp: Annotated[MDP, models(states=(1, 3), actions=(1, 2))], w: Value, *, of=all_of_it
):
    """At γ = 1, π ∈ G(w): min(Tw − w) ≤ g^π ≤ g* ≤ max(Tw − w); also of several chains."""
    model_of = of(mdp)
    change, own = optimality(model_of, w) - w, gain(mdp, greedy(model_of, w))
    top = best_gain(mdp)
    near = lost(mdp, w)
    return All(
        Leq(top - own, change.max() - change.min(), near),
        Leq(change.min() + 0 * own, own, near, ratio=False),
        Leq(own, top, near, ratio=False),
        Leq(top, change.max() + 0 * own, near, ratio=False),
    )


change_bounds_gain.rejects("with a discount", of=lambda mdp: mdp.replace(gamma=mdp.gamma / 2))


# ---- periods ---------------------------------------------------------------------------------


def lazy(P, part):
    """τP + (1−τ)I."""
    return part * P + (1 - part) * np.where(np.eye(len(P), dtype=bool), part * 0 + 1, part * 0)


def untouched(P, part):
    """P as it is."""
    return P


def of_one_class(mdp, pi):
    """Whether the chain has one recurrent class."""
    return len(recurrent_classes(mdp, pi)) == 1


def scaled(r, part):
    """τr."""
    return part * r


@claim(
    id="X17-periods",
    source="Puterman (1994), §8.5.4; Schweitzer (1971)",
    exact="Q",
    applies={"one recurrent class": of_one_class},
)
def laziness_keeps_gain_and_ends_periods(
    mdp: MDP, pi: Policy, part: Probability, *, mix=lazy, pay=scaled
):
    """P̃ = τP + (1−τ)I, 0 < τ < 1, r̃ = τr: gain τg and bias h; with r kept: gain g, bias h/τ.

    P̃^{S−1} contracts the span by 1 − p^{S−1} at least, p the least positive entry of P̃.
    """
    tau = (1 + 8 * part) / 10
    one = undiscounted(mdp)
    plain = chain_model(one, pi)
    P, r, first = plain.P[:, 0], plain.r[:, 0], np.arange(mdp.n_states)
    P_lazy = mix(P, tau)
    slow = Model(P_lazy[:, None], pay(r, tau)[:, None], one.gamma)
    old = gain_and_bias(plain, first)
    new, kept = gain_and_bias(slow, first), gain_and_bias(slow.replace(r=r[:, None]), first)
    near = lost(mdp, old.bias, new.bias, kept.bias)
    steps = max(mdp.n_states - 1, 1)
    power = np.linalg.matrix_power(P_lazy, steps)
    least = np.where(P_lazy > 0, P_lazy, 1).min()
    apart = delta(Model(power[:, None], slow.r, one.gamma))
    return All(
        Eq(new.gain, tau * old.gain, near),
        Eq(new.bias, old.bias, near),
        Eq(kept.gain, old.gain, near),
        Eq(tau * kept.bias, old.bias, near),
        Leq(apart, 1 - least**steps, 1e-12, ratio=False),
    )


def ring():
    """A ring of three states: without laziness the span stays."""
    mdp = gallery.make("cycle", n=3).exact()
    return mdp, exactly([[1]] * 3), exactly("1/2")[()]


laziness_keeps_gain_and_ends_periods.rejects("keeps the period", mix=untouched, at=ring)
laziness_keeps_gain_and_ends_periods.rejects("keeps the reward", pay=lambda r, part: r)


# ---- Kemeny ----------------------------------------------------------------------------------


def passage_times(P, unit):
    """m_ij, the expected steps from i until j is reached; m_jj = 0."""
    n, out = len(P), 0 * P
    for j in range(n):
        others = np.flatnonzero(np.arange(n) != j)
        if others.size:
            stay = unit[np.ix_(others, others)] - P[np.ix_(others, others)]
            out[others, j] = solve(stay, unit[others].sum(axis=1))
    return out


def return_times(P, unit):
    """The same with m_jj the expected time of the first return."""
    m = passage_times(P, unit)
    return m + unit * (1 + P @ m)


def visited(P_star):
    """d, the stationary distribution."""
    return P_star[0]


@claim(id="X35", source="Kemeny & Snell (1960), Theorem 4.4.10", exact="Q")
def mean_way_is_the_same_from_everywhere(
    mdp: Annotated[MDP, models(ergodic=True)],
    pi: DetPolicy,
    *,
    times=passage_times,
    weights=visited,
):
    """Irreducible chain: Σ_j d_j m_ij = tr (I−P+P*)⁻¹ − 1 for every i, with m_jj = 0."""
    P, unit, P_star = chain(mdp, pi)[0], identity(mdp), long_run(mdp, pi)
    fundamental = solve(unit - P + P_star, unit)
    left = times(P, unit) @ weights(P_star)
    near = lost(mdp, fundamental)
    return Eq(left, 0 * left + fundamental.trace() - 1, near)


mean_way_is_the_same_from_everywhere.rejects("m_jj the time of return", times=return_times)
mean_way_is_the_same_from_everywhere.rejects(
    "every state counts the same", weights=lambda P_star: (0 * P_star[0] + 1) / len(P_star)
)


@mean_way_is_the_same_from_everywhere.example
def around_a_ring():
    """A periodic chain: (n − 1)/2."""
    return gallery.make("cycle", n=4).exact(), np.zeros(4, dtype=int)
