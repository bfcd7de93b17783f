"""Group X, robust models: the worst row near the one given, nature's choices state by state.

    rectangular: nature chooses each row on its own        ball: ‖p − P‖₁ ≤ b, or KL(p‖P) ≤ b

Source: Iyengar (2005); Nilim & El Ghaoui (2005).
"""

from typing import Annotated, Any

import numpy as np

from mdpkit.claim import (
    MDP,
    All,
    DetPolicy,
    Distribution,
    Eq,
    Leq,
    Probability,
    Value,
    claim,
    models,
    numbers,
)
from mdpkit.mdp import MDP as Model
from mdpkit.operators.bellman import backup
from mdpkit.operators.expect import worst_case
from proofs_checks.instances import exactly, model
from proofs_checks.span_norm import undiscounted
from proofs_checks.vocabulary import chain, every_policy, span, sup, v_pi, v_star

Radius = Annotated[Any, numbers("", 0, 2)]


def robust(mdp, v, radius):
    """max_a r + γ min { pv : ‖p − P_a‖₁ ≤ b }."""
    return backup(mdp, v, expect=worst_case(radius))


def worst_rows(mdp, v, radius):
    """min { pv : ‖p − P‖₁ ≤ b }: b/2 moves from the highest v to the lowest, (pairs,)."""
    return worst_case(radius)(mdp, v).reshape(-1)


def from_the_lowest(mdp, v, radius):
    """b/2 moves from the lowest v to the highest."""
    return -worst_rows(mdp, -v, radius)


def at_most_one_level(mdp, v, radius):
    """max over levels η of E min(v, η) − b/2 (η − min v): the dual of the ball."""
    capped = [
        mdp.expect(np.minimum(v, eta)).reshape(-1) - radius / 2 * (eta - v.min()) for eta in v
    ]
    return np.max(capped, axis=0)


@claim(id="X31", source="Iyengar (2005), Theorem 3.2; Strehl & Littman (2008)", exact="Q")
def robust_backup_contracts(
    mdp: MDP,
    v: Value,
    w: Value,
    radius: Radius,
    toward: Distribution,
    *,
    operator=robust,
    worst=worst_rows,
):
    """‖Tv − Tw‖∞ ≤ γ ‖v − w‖∞, Tv = max_a r + γ min {pv : ‖p − P_a‖₁ ≤ b}.

    b/2 leaves the highest v for the lowest, and this is max_η E min(v, η) − b/2 (η − min v),
    its dual; ((1 − b/2)P + b/2 q) v is never less.
    """
    lowest = worst(mdp, v, radius)
    mixed = (1 - radius / 2) * mdp.expect(v).reshape(-1) + radius / 2 * (toward @ v)
    return All(
        Leq(sup(operator(mdp, v, radius) - operator(mdp, w, radius)), mdp.gamma * sup(v - w)),
        Eq(lowest, at_most_one_level(mdp, v, radius)),
        Leq(lowest, mixed, ratio=False),
    )


robust_backup_contracts.rejects(
    "forgets the discount",
    operator=lambda mdp, v, radius: robust(undiscounted(mdp), v, radius),
)
robust_backup_contracts.rejects("moves from the lowest", worst=from_the_lowest)
robust_backup_contracts.rejects(
    "moves b", worst=lambda mdp, v, radius: worst_rows(mdp, v, min(2 * radius, 2))
)


@robust_backup_contracts.attained_by
def shifted_values():
    """w = v + 1."""
    mdp = model([[["1/2", "1/2"], [1, 0]], [[0, 1], [1, 0]]], [[1, 0], [0, 2]], "9/10")
    half = exactly(["1/2", "1/2"])
    return mdp, exactly([0, 1]), exactly([1, 2]), half[0], half


# ---- KL balls --------------------------------------------------------------------------------


def tilted(rows, v, temperature):
    """p ∝ P e^{−v/λ}, (pairs, S), and log E e^{−v/λ}, (pairs,)."""
    e = rows * np.exp(-(v - v.min()) / temperature)
    total = e.sum(axis=1)
    return e / total[:, None], np.log(total) - v.min() / temperature


def dual(rows, v, temperature, radius):
    """−λ log E e^{−v/λ} − λb."""
    return -temperature * (tilted(rows, v, temperature)[1] + radius)


def divergence(p, rows):
    """KL(p‖P), row by row."""
    held = p > 0
    return np.where(held, p * np.log(np.where(held, p / np.where(held, rows, 1), 1)), 0).sum(1)


@claim(id="X31-kl", source="Nilim & El Ghaoui (2005), §4", exact="B")
def tilted_rows_are_the_worst_of_kl_balls(
    mdp: MDP, v: Value, hot: Probability, other: Probability, *, sign=1
):
    """p ∝ P e^{−v/λ}, b = KL(p‖P) ⇒ pv = −λ log E e^{−v/λ} − λb = max over λ' of the same."""
    scale = 1 + span(v)
    at, elsewhere = (0.05 + hot) * scale, (0.05 + other) * scale
    p, _ = tilted(mdp.rows, sign * v, at)
    radius = divergence(p, mdp.rows)
    near = 1e-12 * (1 + sup(v)) * 100
    return All(
        Eq(p @ v, dual(mdp.rows, v, at, radius), near),
        Leq(dual(mdp.rows, v, elsewhere, radius), p @ v, near, ratio=False),
    )


tilted_rows_are_the_worst_of_kl_balls.rejects("tilts towards high v", sign=-1)


# ---- rectangles ------------------------------------------------------------------------------


def natures_model(mdp, pi, other):
    """In each state nature takes P_π or P_π' and is paid −r_π."""
    (P, r), (P_other, _) = chain(mdp, pi), chain(mdp, other)
    return Model(np.stack([P, P_other], axis=1), np.stack([-r, -r], axis=1), mdp.gamma)


def row_by_row(game):
    """The least value over all 2^S choices, state by state."""
    return np.min([-v_pi(game, choice) for choice in every_policy(game)], axis=0)


def once_for_all(game):
    """The least value over the two choices that are the same in every state."""
    same = [np.full(game.n_states, a) for a in range(2)]
    return np.min([-v_pi(game, choice) for choice in same], axis=0)


@claim(id="X31-rectangular", source="Iyengar (2005), Theorem 2.2", exact="Q")
def one_choice_is_worst_from_everywhere_of_rectangles(
    mdp: Annotated[MDP, models(actions=(2, 3))],
    pi: DetPolicy,
    other: DetPolicy,
    *,
    worst=row_by_row,
):
    """The fixed point of min over rows is min over fixed choices of rows: dynamic = static."""
    game = natures_model(mdp, pi, other)
    return Eq(-v_star(game), worst(game))


one_choice_is_worst_from_everywhere_of_rectangles.rejects(
    "one choice for all states: not rectangular", worst=once_for_all
)
