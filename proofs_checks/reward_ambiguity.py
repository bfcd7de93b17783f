"""Group M, last part: up to what a reward can be known (M9).

    r' = c r + γPΦ − Φ + k, c > 0        the same optimal policies, c times their advantages
    r = τ log π + Φ − γPΦ                π is soft-optimal and Φ its value, whatever Φ is

Shaping itself is X9. Source: Ng, Harada & Russell (1999); Cao, Cohen & Szpruch (2021); Kim et
al. (2021).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit.claim import MDP, All, Constant, Eq, FullPolicy, Value, claim, models, numbers
from mdpkit.infer import MaxCausalEntropy, canonical, identifiable_dimension, reward_distance
from mdpkit.policy import uniform
from proofs_checks.vocabulary import advantage, horizon, over_states, q_star, sup, v_star

Scale = Annotated[Any, numbers(low=Fraction(1, 2), high=3)]


def remade(mdp, phi, scale, constant):
    """c r + γPΦ − Φ + k."""
    r = scale * mdp.r + mdp.gamma * mdp.expect(phi) - over_states(mdp, phi)
    return mdp.replace(r=r + constant)


def remade_without_discount(mdp, phi, scale, constant):
    """c r + PΦ − Φ + k."""
    return mdp.replace(r=scale * mdp.r + mdp.expect(phi) - over_states(mdp, phi) + constant)


def paid_in_one_pair(mdp, phi, scale, constant):
    """c r + γPΦ − Φ + k, and 1 more in one pair: no difference of a potential."""
    other = remade(mdp, phi, scale, constant)
    bonus = np.array([int(i == 0) for i in range(mdp.n_pairs)]).reshape(mdp.pair_shape)
    return other.replace(r=other.r + bonus)


@claim(id="M9", source="Ng, Harada & Russell (1999); Skalse et al. (2024)", exact="Q")
def rewards_are_known_up_to_shaping_and_scale(
    mdp: MDP, phi: Value, scale: Scale, constant: Constant, *, remake=remade
):
    """r' = cr + γPΦ − Φ + k ⇒ C(r') = c C(r), C = A^u; and q'* − v'* = c (q* − v*)."""
    other = remake(mdp, phi, scale, constant)
    ahead, ahead_of_other = (q_star(m) - over_states(m, v_star(m)) for m in (mdp, other))
    return All(
        Eq(canonical(other), scale * advantage(mdp, uniform(mdp))),
        Eq(ahead_of_other, scale * ahead),
    )


rewards_are_known_up_to_shaping_and_scale.rejects(
    "without the discount", remake=remade_without_discount
)
rewards_are_known_up_to_shaping_and_scale.rejects("paid in one pair", remake=paid_in_one_pair)


def explaining(mdp, pi, phi, tau):
    """r = τ log π + Φ − γPΦ."""
    return tau * np.log(pi) + over_states(mdp, phi) - mdp.gamma * mdp.expect(phi)


@claim(id="M9-soft", source="Cao, Cohen & Szpruch (2021), Theorem 1", exact="B")
def every_potential_explains_a_policy(
    mdp: Annotated[MDP, models(discount=(0, 0.9))],
    pi: FullPolicy,
    phi: Value,
    tau: Annotated[Any, numbers(low=Fraction(1, 4), high=4)],
    *,
    reward=explaining,
):
    """r = τ log π + Φ − γPΦ ⇒ π is soft-optimal and Φ its value, whatever Φ is."""
    found = MaxCausalEntropy(None, tau).behave(mdp, reward(mdp, pi, phi, tau))
    near = 1e-12 * horizon(mdp) ** 2 * (8 * tau + sup(phi))
    return All(
        Eq(found.policy.reshape(mdp.pair_shape), pi, near / tau),
        Eq(found.v, phi, near),
    )


every_potential_explains_a_policy.rejects(
    "without the discount",
    reward=lambda mdp, pi, phi, tau: tau * np.log(pi) + over_states(mdp, phi) - mdp.expect(phi),
)
every_potential_explains_a_policy.rejects(
    "twice the reward: the same optimum, another soft one",
    reward=lambda mdp, pi, phi, tau: 2 * explaining(mdp, pi, phi, tau),
)


@claim(id="M9-dimension", source="Kim et al. (2021); Cao, Cohen & Szpruch (2021)", mutations=())
def behavior_identifies_all_but_the_potentials(mdp: MDP, *, unknown=lambda mdp: mdp.n_states):
    """Of rewards of pairs, behavior identifies pairs − S numbers: v ↦ v − γPv has rank S."""
    return Eq(identifiable_dimension(mdp.rounded(), "pair"), mdp.n_pairs - unknown(mdp))


behavior_identifies_all_but_the_potentials.rejects("constants only", unknown=lambda mdp: 1)


@claim(
    id="M9-distance",
    source="Gleave et al. (2021); Skalse et al. (2024)",
    exact="B",
    mutations=(),
)
def shaped_rewards_are_at_no_distance(
    mdp: Annotated[MDP, models((2, 4), (2, 3), ragged=False, discount=(0, 0.9))],
    phi: Value,
    scale: Scale,
    constant: Constant,
    *,
    remake=remade,
):
    """r' = cr + γPΦ − Φ + k, c > 0 ⇒ √((1−ρ)/2) = 0, of −r' 1; undefined where C(r) = 0."""
    other = remake(mdp, phi, scale, constant).r
    size = sup(mdp.r) + sup(phi) + abs(constant)
    shown = sup(advantage(mdp, uniform(mdp)))
    # 1 − ρ errs by u, and by the square of what canonical forms err by, relative to them.
    near = 1e-7 + 1e-13 * horizon(mdp) ** 2 * size / max(shown, 1e-300)
    return All(
        Eq(reward_distance(mdp, mdp.r, other), 0.0, near),
        Eq(reward_distance(mdp, mdp.r, -other), 1.0, near),
    )


shaped_rewards_are_at_no_distance.rejects(
    "without the discount", remake=remade_without_discount
)
