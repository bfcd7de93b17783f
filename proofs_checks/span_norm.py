"""Group X, the span seminorm: contraction, MacQueen's bounds, relative value iteration.

    sp(x) = max x − min x        δ = max over rows i, j of different states of ½ ‖P_i − P_j‖₁

Source: Puterman (1994), §6.6; MacQueen (1966).
"""

from itertools import pairwise

import numpy as np

from mdpkit.claim import MDP, All, Eq, Leq, Rate, Value, claim
from mdpkit.operators.bellman import action_values, greedy_pairs
from proofs_checks.instances import exactly, half_stopping, model
from proofs_checks.vocabulary import (
    best,
    greedy,
    horizon,
    iterates,
    optimality,
    over_states,
    q_star,
    span,
    v_pi,
    v_star,
)


def largest_distance(mdp, first, second):
    """max ½ ‖P_i − P_j‖₁ over i in `first`, j in `second` of different states; 0 if none."""
    apart = abs(mdp.rows[first][:, None, :] - mdp.rows[second][None, :, :]).sum(axis=2)
    other = mdp.pair_states[first][:, None] != mdp.pair_states[second][None, :]
    return (apart * other).max() / 2


def delta(mdp):
    """δ, over all pairs of different states."""
    every = np.arange(mdp.n_pairs)
    return largest_distance(mdp, every, every)


def greedy_rows(mdp, v, w):
    """The pairs greedy in v, and those greedy in w."""
    return tuple(greedy_pairs(mdp, action_values(mdp, x), 0) for x in (v, w))


def rows_of_one(mdp, v, w):
    """The pairs greedy in v, twice."""
    first, _ = greedy_rows(mdp, v, w)
    return first, first


def undiscounted(mdp):
    """The model at γ = 1."""
    return mdp.replace(gamma=mdp.gamma * 0 + 1)


@claim(id="X1", source="Puterman (1994), Theorem 6.6.2; Dobrushin (1956)", exact="Q")
def backup_contracts_span(mdp: MDP, v: Value, w: Value, *, rows=greedy_rows):
    """sp(Tv − Tw) ≤ γδ sp(v − w), also at γ = 1; δ over the rows greedy in v and in w."""
    parts = []
    for m in (mdp, undiscounted(mdp)):
        change = span(optimality(m, v) - optimality(m, w))
        parts.append(Leq(change, m.gamma * largest_distance(m, *rows(m, v, w)) * span(v - w)))
    fewer = largest_distance(mdp, *rows(mdp, v, w))
    return All(*parts, Leq(fewer, delta(mdp), ratio=False))


backup_contracts_span.rejects("δ of the policy greedy in v alone", rows=rows_of_one)


def two_states():
    """δ = 1/2, one action."""
    return model([[["3/4", "1/4"]], [["1/4", "3/4"]]], [[1], [0]], "9/10")


@backup_contracts_span.attained_by
def one_action():
    """P x = x(0)/2 + const: the span is halved."""
    return two_states(), exactly([1, 0]), exactly([0, 0])


def unchanged(mdp):
    """The model itself."""
    return mdp


def macqueen(mdp, v):
    """Tv + γH min(Tv − v), and Tv + γH max(Tv − v)."""
    image, tail = optimality(mdp, v), mdp.gamma * horizon(mdp)
    return image + tail * (image - v).min(), image + tail * (image - v).max()


@claim(id="X2", source="MacQueen (1966); Porteus (1971); Puterman (1994), §6.6", exact="Q")
def change_bounds_value(mdp: MDP, v: Value, *, of=unchanged, bounds=macqueen):
    """Tv + γH min(Tv−v) ≤ v* ≤ Tv + γH max(Tv−v), ever tighter; v^π ≥ v + H min(Tv−v).

    L, U the bounds: v*(s) − q*(s,a) ≥ L(s) − (r + γP_a U)(s), so that an action for which
    the right side is > 0 is never optimal.
    """
    mdp = of(mdp)
    image, H, best_v = optimality(mdp, v), horizon(mdp), v_star(mdp)
    low, high = bounds(mdp, v)
    tighter_low, tighter_high = bounds(mdp, image)
    gap = over_states(mdp, best_v) - q_star(mdp)
    return All(
        Leq(best_v - image, high - image),
        Leq(image - best_v, image - low),
        Leq(low, tighter_low, ratio=False),
        Leq(tighter_high, high, ratio=False),
        Leq(v + H * (image - v).min(), v_pi(mdp, greedy(mdp, v)), ratio=False),
        Leq(best_v, v + H * (image - v).max(), ratio=False),
        Leq(over_states(mdp, low) - action_values(mdp, high), gap, ratio=False),
    )


def reversed_bounds(mdp, v):
    """The bounds exchanged."""
    return macqueen(mdp, v)[::-1]


change_bounds_value.rejects("an episode may end", of=half_stopping)
change_bounds_value.rejects("exchanges the bounds", bounds=reversed_bounds)


@change_bounds_value.attained_by
def shifted_optimum():
    """v = v* + 1: both bounds are v*."""
    mdp = two_states()
    return mdp, v_star(mdp) + 1


STEPS = 6


def first_entry(v):
    """v(0)."""
    return v[0]


def relative(mdp, v, reference):
    """v, and then w ← Tw − reference(Tw), again and again."""
    return iterates(lambda m, w: optimality(m, w) - reference(optimality(m, w)), mdp, v, STEPS)


def lost(mdp, v):
    """max_b q(s, b) − q(s, a): 0 for the actions greedy in v."""
    q = action_values(mdp, v)
    return over_states(mdp, best(mdp, q)) - q


@claim(id="X3", source="Puterman (1994), §6.6.4 and §8.5.5; White (1963)", exact="Q")
def relative_iteration_is_value_iteration(
    mdp: MDP, v: Value, *, reference=first_entry, power=1
):
    """w_{k+1} = Tw_k − (Tw_k)(0)1: VI's greedy policies, and sp(w_k − v*) ≤ (γδ)ᵏ sp(v − v*).

    At γ = 1: sp(w_{k+1} − w_k) ≤ δᵏ sp(w_1 − w_0).
    """
    plain, shifted = iterates(optimality, mdp, v, STEPS), relative(mdp, v, reference)
    rate, best_v, at_one = delta(mdp) ** power, v_star(mdp), undiscounted(mdp)
    errors = [span(w - best_v) for w in shifted]
    w = relative(at_one, v, reference)
    changes = [span(b - a) for a, b in pairwise(w)]
    return All(
        Rate(errors, [(mdp.gamma * rate) ** k * errors[0] for k in range(STEPS + 1)]),
        Rate(changes, [rate**k * changes[0] for k in range(STEPS)]),
        Eq(
            np.array([lost(mdp, x) for x in shifted]),
            np.array([lost(mdp, x) for x in plain]),
        ),
    )


relative_iteration_is_value_iteration.rejects(
    "takes half of every value", reference=lambda v: v / 2
)
relative_iteration_is_value_iteration.rejects("twice as fast", power=2)


@relative_iteration_is_value_iteration.attained_by
def one_action_again():
    """Each step multiplies the span by γδ."""
    return two_states(), exactly([2, 0])
