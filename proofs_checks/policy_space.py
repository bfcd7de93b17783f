"""Group X, the values of policies as a set: policies that differ in one state.

Source: Dadashi, Taïga, Le Roux, Schuurmans & Bellemare (2019).
"""

import numpy as np

from mdpkit.claim import MDP, All, Eq, Leq, Policy, Probability, State, claim
from mdpkit.policy import probabilities
from proofs_checks.vocabulary import chain, resolvent, v_pi


def in_one_state(mdp, pi, other, s):
    """π, but in state s as the other."""
    here = (mdp.pair_states == s).reshape(mdp.pair_shape)
    return np.where(here, probabilities(mdp, other), probabilities(mdp, pi))


def in_all_states(mdp, pi, other, s):
    """The other policy."""
    return probabilities(mdp, other)


def curvature(mdp, pi, other, s):
    """κ = γ (P_π'(s,·) − P_π(s,·)) (I − γP_π)⁻¹ e_s < 1."""
    P, _ = chain(mdp, pi)
    P_other, _ = chain(mdp, other)
    return mdp.gamma * ((P_other - P)[s] @ resolvent(mdp, pi)[:, s])


@claim(id="X34", source="Dadashi et al. (2019), Theorem 1 (the line theorem)", exact="Q")
def values_of_policies_lie_on_a_segment_of_one_state(
    mdp: MDP,
    pi: Policy,
    other: Policy,
    s: State,
    t: Probability,
    *,
    change=in_one_state,
    bend=curvature,
):
    """π' = π but in s, π_t = (1−t)π + tπ': (1 − tκ)(v_t − v^π) = t(1−κ)(v^{π'} − v^π).

    So v_t runs along the segment, and v^π, v^{π'} are ordered in every state.
    """
    new = change(mdp, pi, other, s)
    old = probabilities(mdp, pi)
    kappa = bend(mdp, pi, new, s)
    first, last = v_pi(mdp, pi), v_pi(mdp, new)
    middle = v_pi(mdp, (1 - t) * old + t * new)
    step = last - first
    return All(
        Eq((1 - t * kappa) * (middle - first), t * (1 - kappa) * step),
        Eq(abs(step.sum()), abs(step).sum()),
        Leq(np.minimum(first, last), middle, ratio=False),
        Leq(middle, np.maximum(first, last), ratio=False),
    )


values_of_policies_lie_on_a_segment_of_one_state.rejects("in all states", change=in_all_states)
values_of_policies_lie_on_a_segment_of_one_state.rejects(
    "at constant speed", bend=lambda mdp, pi, other, s: 0 * mdp.gamma
)
