"""Group O, first part: what errors in the model cost (THEOREMS.md §2.O).

    ε_r = max |r̂ − r|      ε_P = max_{s,a} ‖P̂(·|s,a) − P(·|s,a)‖₁      R_span = max r − min r

Source: Kearns & Singh (2002); Strehl & Littman (2008).
"""

from typing import Annotated

import numpy as np

from mdpkit import gallery
from mdpkit.claim import MDP, All, Eq, Leq, Policy, claim
from mdpkit.operators.bellman import action_values
from mdpkit.policy import expected_under
from proofs_checks.vocabulary import (
    horizon,
    pi_star,
    resolvent,
    span,
    sup,
    tol_v,
    v_pi,
    v_star,
    vector,
    with_rows,
)


def misread(draw, earlier):
    """The model drawn before with other rewards, and some weight on other transitions."""
    mdp = earlier["mdp"]
    s, a = mdp.pair_states, mdp.pair_actions
    weight = draw.number(0, 1)
    rows = (1 - weight) * mdp.rows + weight * draw.distribution("sat")[s, a]
    return with_rows(mdp, rows, mdp.r.reshape(-1) + draw.numbers("sa")[s, a])


Misread = Annotated[MDP, misread]


def errors(mdp, other):
    """ε_r and ε_P."""
    return sup(other.r - mdp.r), abs(other.rows - mdp.rows).sum(axis=1).max()


def bound(mdp, other, spread):
    """ε_r H + γ ε_P H sp/2."""
    rewards, rows = errors(mdp, other)
    return horizon(mdp) * (rewards + mdp.gamma * rows * spread / 2)


def spread_of_value(mdp, pi):
    """sp(v^π)."""
    return span(v_pi(mdp, pi))


@claim(id="O7", source="Kearns & Singh (2002), the simulation lemma", exact="Q")
def value_survives_a_wrong_model(
    mdp: MDP, other: Misread, pi: Policy, *, spread=spread_of_value
):
    """v̂^π − v^π = (I − γP̂_π)⁻¹ (r̂ − r + γ(P̂ − P)v^π)_π, at most ε_r H + γ ε_P H sp(v^π)/2.

    And sp(v^π) ≤ H R_span.
    """
    v = v_pi(mdp, pi)
    change = v_pi(other, pi) - v
    tol = tol_v(mdp, other.r, powers=3)
    missing = action_values(other, v) - action_values(mdp, v)
    return All(
        Leq(sup(change), bound(mdp, other, spread(mdp, pi))),
        Leq(sup(change), bound(mdp, other, horizon(mdp) * span(mdp.r))),
        Eq(change, resolvent(other, pi) @ expected_under(mdp, pi, missing), tol),
    )


value_survives_a_wrong_model.rejects("one H, with R_span", spread=lambda mdp, pi: span(mdp.r))


@value_survives_a_wrong_model.attained_by
def leak():
    """A state that pays 1 and leaks, read as one that does not: an equality for every δ."""
    mdp = gallery.make("leak").exact()
    return mdp, gallery.make("leak", delta=0).exact(), np.array([0, 0])


@value_survives_a_wrong_model.attained_by(exact_equality=False)
def small_leak():
    """As δ → 0 the bound in R_span is attained too."""
    mdp = gallery.make("leak", delta=1e-4).exact()
    return mdp, gallery.make("leak", delta=0).exact(), np.array([0, 0])


@claim(id="O8", source="Kearns & Singh (2002); Strehl & Littman (2008)", exact="Q")
def optimum_survives_a_wrong_model(mdp: MDP, other: Misread, *, constant=2):
    """π̂ optimal for (P̂, r̂) ⇒ v* − v^π̂ ≤ 2ε_r H + γ ε_P H² R_span; ‖v̂* − v*‖∞ ≤ half of it."""
    top, single = v_star(mdp), bound(mdp, other, horizon(mdp) * span(mdp.r))
    return All(
        Leq(sup(top - v_pi(mdp, pi_star(other))), constant * single),
        Leq(sup(v_star(other) - top), single),
    )


optimum_survives_a_wrong_model.rejects("without the 2", constant=1)


@optimum_survives_a_wrong_model.attained_by
def tied_rewards():
    """Loops that pay −2 and 0, each read as −1: a tie, and the first loses 2H."""
    mdp = gallery.make("gpi-tie").exact()
    pays = [vector(mdp, *r).reshape(mdp.pair_shape) for r in ((-2, 0), (-1, -1))]
    return mdp.replace(r=pays[0]), mdp.replace(r=pays[1])
