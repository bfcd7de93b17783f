"""Group X, models that are the same or nearly so: shaped rewards, lumped states, bisimulation.

Source: Ng, Harada & Russell (1999); Dean & Givan (1997); Ravindran & Barto (2001); Ferns,
Panangaden & Precup (2004).
"""

from typing import Annotated

import numpy as np

from mdpkit.claim import (
    MDP,
    All,
    Constant,
    Eq,
    Gamma,
    Leq,
    Policy,
    Value,
    claim,
    integers,
    models,
)
from mdpkit.mdp import MDP as Model
from mdpkit.policy import chain as chain_model
from proofs_checks.instances import exactly, model, with_numbers
from proofs_checks.vocabulary import (
    advantage,
    horizon,
    iterates,
    optimality,
    over_states,
    q_star,
    repeated,
    soft_optimality,
    sup,
    v_pi,
    v_star,
)

STEPS = 3


# ---- shaped rewards --------------------------------------------------------------------------


def shaped(mdp, phi):
    """r' = r + γPΦ − Φ; what stops has Φ = 0."""
    return mdp.replace(r=mdp.r + mdp.gamma * mdp.expect(phi) - over_states(mdp, phi))


def shaped_without_discount(mdp, phi):
    """r' = r + PΦ − Φ."""
    return mdp.replace(r=mdp.r + mdp.expect(phi) - over_states(mdp, phi))


def paid_for_circling(mdp, phi):
    """Each way around a cycle earns 1 besides: F is no difference of a potential."""
    bonus = 0 * mdp.r.reshape(-1)
    bonus[0] = bonus[0] + 1
    other = shaped(mdp, phi)
    return other.replace(r=other.r + bonus.reshape(mdp.pair_shape))


@claim(id="X9", source="Ng, Harada & Russell (1999), Theorem 1", exact="Q", substochastic=True)
def shaping_keeps_preferences(
    mdp: MDP, phi: Value, pi: Policy, *, shape=shaped, at_the_end=lambda v, phi: v - phi
):
    """r' = r + γPΦ − Φ ⇒ q'* = q* − Φ, v'^π = v^π − Φ, A'^π = A^π and q'* − v'* = q* − v*.

    Over k steps T'ᵏ(v − Φ) = Tᵏv − Φ: what is paid at the end is shaped as well.
    """
    other, here = shape(mdp, phi), over_states(mdp, phi)
    last = 0 * phi
    return All(
        Eq(q_star(other), q_star(mdp) - here),
        Eq(v_pi(other, pi), v_pi(mdp, pi) - phi),
        Eq(advantage(other, pi), advantage(mdp, pi)),
        Eq(
            q_star(other) - over_states(mdp, v_star(other)),
            q_star(mdp) - over_states(mdp, v_star(mdp)),
        ),
        Eq(
            repeated(optimality, other, at_the_end(last, phi), STEPS),
            repeated(optimality, mdp, last, STEPS) - phi,
        ),
    )


shaping_keeps_preferences.rejects("without the discount", shape=shaped_without_discount)
shaping_keeps_preferences.rejects("pays for circling", shape=paid_for_circling)
shaping_keeps_preferences.rejects("a potential that ends above 0", at_the_end=lambda v, phi: v)


@claim(id="X9-soft", source="Ng, Harada & Russell (1999); Haarnoja et al. (2017)", exact="B")
def shaping_keeps_soft_optima(mdp: MDP, phi: Value, *, shape=shaped):
    """Over k soft sweeps at τ = 1 too: T'_τᵏ(v − Φ) = T_τᵏ v − Φ, hence π'_τ = π_τ."""
    T, other = soft_optimality(1.0), shape(mdp, phi)
    values = iterates(T, mdp, 0 * phi, STEPS)
    others = iterates(T, other, -phi, STEPS)
    return Eq(np.array(others), np.array(values) - phi)


shaping_keeps_soft_optima.rejects("without the discount", shape=shaped_without_discount)


def potential_gain(first, second, direct, gamma):
    """Δ = F(s,a,t) + γF(t,·,z) − F(s,b,z): 0 for all s, t exactly if F comes from a Φ."""
    return first + gamma * second - direct


@claim(id="X9-converse", source="Ng, Harada & Russell (1999), Theorem 1, necessity", exact="Q")
def other_bonuses_change_some_optimum(
    gamma: Gamma, first: Constant, second: Constant, direct: Constant, *, gain=potential_gain
):
    """F not of the form γΦ' − Φ, so Δ ≠ 0: where the way by t costs Δ/2, F turns −Δ/2 to Δ/2.

    s goes to t (a) or to the end z (b), t goes to z; Δ = F(s,a,t) + γF(t,·,z) − F(s,b,z).
    """
    change, zero = gain(first, second, direct, gamma), gamma * 0
    P = np.array([[[0, 1, 0], [0, 0, 1]], [[0, 0, 1]] * 2, [[0, 0, 1]] * 2])
    cost = np.array([[-change / 2, zero], [zero, zero], [zero, zero]])
    bonus = np.array([[first, direct], [second, second], [zero, zero]])
    mdp = with_numbers(P, cost, gamma)
    plain, paid = q_star(mdp), q_star(mdp.replace(r=cost + bonus))
    apart = (plain[0, 0] - plain[0, 1], paid[0, 0] - paid[0, 1])
    return Eq(np.array(apart), np.array([-change / 2, change / 2]))


other_bonuses_change_some_optimum.rejects(
    "forgets the second step", gain=lambda first, second, direct, gamma: first - direct
)


# ---- lumped states ---------------------------------------------------------------------------


def blown_up(mdp, split, turn):
    """Copies of every state: (i, s) splits its way to t over t's copies, its actions turned.

    split : (copies, S, A, S, copies) distributions; turn : (copies, S) ints
    """
    c, n, A = split.shape[:3]
    action = (np.arange(A) + turn[..., None]) % A
    state = np.arange(n)[None, :, None]
    P = mdp.P[state, action][..., None] * split  # (i, s, a, t, j)
    P = P.transpose(0, 1, 2, 4, 3).reshape(c * n, A, c * n)
    return Model(P, mdp.r[state, action].reshape(c * n, A), mdp.gamma), action


def leaking(mdp, split, turn):
    """One row leads to the first state instead."""
    big, action = blown_up(mdp, split, turn)
    P = np.array(big.P)
    P[-1, -1] = 0 * P[-1, -1]
    P[-1, -1, 0] = P[-1, -1, 0] + 1
    return Model(P, big.r, big.gamma), action


def splits(draw, earlier):
    """How each row splits over the copies of a state."""
    draw.size("j", 1, 3)
    return draw.distribution("jsatj")


@claim(id="X10", source="Dean & Givan (1997); Ravindran & Barto (2001)", exact="Q")
def homomorphisms_lift_values(
    mdp: Annotated[MDP, models(states=(1, 3), actions=(1, 2), ragged=False)],
    split: Annotated[np.ndarray, splits],
    turn: Annotated[np.ndarray, integers(0, 1, "js")],
    *,
    copy=blown_up,
):
    """Equal rewards and block sums ⇒ q*(s,a) = q*_block(f(s), g_s(a)), v* = v*_block ∘ f."""
    big, action = copy(mdp, split, turn)
    lifted = q_star(mdp)[np.arange(mdp.n_states)[None, :, None], action]
    return All(
        Eq(q_star(big), lifted.reshape(big.pair_shape)),
        Eq(v_star(big), np.tile(v_star(mdp), len(split))),
    )


homomorphisms_lift_values.rejects("one row leads elsewhere", copy=leaking)


# ---- bisimulation ----------------------------------------------------------------------------


def transport(p, q, distance):
    """W₁: on three points every extreme 1-Lipschitz function is ± a distance from a point."""
    return abs((p - q) @ distance).max(axis=-1)


def largest(costs):
    """max over actions, costs (S, S, A)."""
    return costs.max(axis=2)


def refined(mdp, distance, over):
    """max_a |r(s,a) − r(t,a)| + γ W₁(d)(P(s,a), P(t,a)), (S, S)."""
    moved = transport(mdp.P[:, None], mdp.P[None, :], distance)
    return over(abs(mdp.r[:, None] - mdp.r[None, :]) + mdp.gamma * moved)


def distances(mdp, over, steps):
    """d_0 = 0, d_1, …, d_steps."""
    out = [0 * mdp.P[:, 0]]
    for _ in range(steps):
        out.append(refined(mdp, out[-1], over))
    return out


@claim(id="X11", source="Ferns, Panangaden & Precup (2004); Castro (2020)", exact="Q")
def bisimulation_bounds_values(
    mdp: Annotated[MDP, models(states=(1, 3), ragged=False)], pi: Policy, *, over=largest
):
    """|v_k(s) − v_k(t)| ≤ d_k(s,t), d_{k+1}(s,t) = max_a |r_sa − r_ta| + γW₁(d_k; P_sa, P_ta).

    v_k = Tᵏ0, d_0 = 0; so |v*(s) − v*(t)| ≤ d_k(s,t) + γᵏH ‖d_1‖, in the limit d(s,t).
    ‖d_{k+1} − d_k‖ ≤ γ ‖d_k − d_{k−1}‖. The same with P_π, r_π for T^π. S ≤ 3, see `transport`.
    """
    chain = chain_model(mdp, pi)
    parts, gamma = [], mdp.gamma
    for m in (mdp, Model(chain.P, chain.r, gamma)):
        d = distances(m, over, STEPS)
        values = iterates(optimality, m, 0 * m.r[:, 0], STEPS)
        for v, bound in zip(values[2:], d[2:], strict=True):  # v_1, d_1 say the same
            parts.append(Leq(abs(v[:, None] - v[None, :]), bound))
        far, best = d[-1] + gamma**STEPS * horizon(m) * sup(d[1]), v_star(m)
        parts.append(Leq(abs(best[:, None] - best[None, :]), far, ratio=False))
        parts.append(Leq(sup(d[3] - d[2]), gamma * sup(d[2] - d[1]), ratio=False))
    return All(*parts)


bisimulation_bounds_values.rejects("the first action alone", over=lambda costs: costs[..., 0])
bisimulation_bounds_values.rejects("half of it", over=lambda costs: costs.max(axis=2) / 2)


@bisimulation_bounds_values.attained_by
def two_lives():
    """Two absorbing states that pay 1 and 0: both sides are (1 − γᵏ)H."""
    return model([[[1, 0]], [[0, 1]]], [[1], [0]], "9/10"), exactly([[1], [1]])
