"""Group O, planning with a learned model: Dyna is value iteration on what was counted.

    P̂(t|s,a) = N(s,a,t) / N(s,a)        r̂(s,a) = Σ rewards / N(s,a)        M̂ = (P̂, r̂, γ)

Source: Sutton (1990).
"""

from typing import Annotated, Any, NamedTuple

import numpy as np

from mdpkit.claim import MDP, ActionValue, All, Eq, Leq, claim
from proofs_checks.vocabulary import best, q_optimality, q_star, scalar, sup, tol_v, with_rows


class Seen(NamedTuple):
    """A buffer of transitions: how often each came, and what it paid; (pairs, S) both."""

    counts: np.ndarray
    rewards: np.ndarray


def transitions(draw, earlier):
    """Every pair was tried; each outcome came up to three times."""
    mdp = earlier["mdp"]
    at = mdp.pair_states, mdp.pair_actions
    counts = draw.integers("sat", 0, 3)[at]
    counts[:, 0] += counts.sum(axis=1) == 0
    return Seen(counts, draw.numbers("sat")[at])


Buffer = Annotated[Any, transitions]


def counted(mdp, seen):
    """M̂: frequencies, and mean rewards."""
    total = seen.counts.sum(axis=1) + 0 * mdp._r
    mean = (seen.counts * seen.rewards).sum(axis=1) / total
    return with_rows(mdp, seen.counts / total[:, None], mean)


def planned(mdp, seen, q, alpha):
    """q + α E[r + γ max q(s',·) − q], over the transitions of each pair, all equally likely."""
    v, flat, change = best(mdp, q), q.reshape(-1), []
    for pair, (counts, rewards) in enumerate(zip(*seen, strict=True)):
        errors = rewards + mdp.gamma * v - flat[pair]
        change.append((counts * errors).sum() / int(counts.sum()))
    return q + alpha * np.array(change).reshape(mdp.pair_shape)


def each_outcome_once(mdp, seen, q, alpha):
    """As if every outcome had come equally often."""
    return planned(mdp, Seen((seen.counts > 0) * 1, seen.rewards), q, alpha)


@claim(id="O9", source="Sutton (1990); Puterman (1994), §6.3", exact="Q")
def dyna_is_value_iteration_on_the_counts(
    mdp: MDP, seen: Buffer, q: ActionValue, *, update=planned
):
    """E Dyna-Q update = q + α (B̂q − q), B̂ of the counted model; at α = 1 it is value iteration.

    So ‖q_k − q*(M̂)‖∞ ≤ γᵏ ‖q_0 − q*(M̂)‖∞, and at any α the distance falls by 1 − α(1−γ).
    """
    model = counted(mdp, seen)
    half, star, tol = scalar(mdp, "1/2"), q_star(model), tol_v(model, q)
    whole, gentle = update(mdp, seen, q, 1), update(mdp, seen, q, half)
    twice = update(mdp, seen, whole, 1)
    start = sup(q - star)
    return All(
        Leq(sup(twice - star), mdp.gamma**2 * start, tol),
        Leq(sup(gentle - star), (1 - half * (1 - mdp.gamma)) * start, tol),
        Eq(whole, q_optimality(model, q), tol),
        Eq(gentle, q + half * (q_optimality(model, q) - q), tol),
    )


dyna_is_value_iteration_on_the_counts.rejects("each outcome once", update=each_outcome_once)
dyna_is_value_iteration_on_the_counts.rejects(
    "without the discount",
    update=lambda mdp, seen, q, alpha: planned(
        mdp.replace(gamma=mdp.gamma * 0 + 1), seen, q, alpha
    ),
)
