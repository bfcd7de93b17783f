"""The surrogate of J near a policy, and how much it may promise too much.

    L_π(π') = J(π) + H Σ_s d^π_μ(s) Σ_a π'(a|s) A^π(s,a)        L_π(π) = J(π), ∇L_π = ∇J at π
    J(π') ≥ L_π(π') − 4εγH² max_s TV²                  ε = max |A^π|          "largest"
    |J(π') − L_π(π')| ≤ 2ε'γH² E_{d^π} TV              ε' = max_s |E_{π'} A^π|  "average"
    TV(s) = ½ Σ_a |π'(a|s) − π(a|s)| ≤ √(½ KL(π‖π'))

With a bound on the *average* divergence only the second may be used. The clipped surrogate

    L^CLIP = J(π) + H E_{d^π,π} min(ρA, clip(ρ, 1−ε, 1+ε)A),   ρ = π'/π

bounds L_π from below, not J. Exact on exact models.
Checked in tests/operators/test_surrogate.py and proofs_checks (J1–J5).
Source: Kakade & Langford (2002); Schulman et al. (2015, 2017); Achiam et al. (2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._array import namespace, sup
from mdpkit.mdp import MDP
from mdpkit.operators.occupancy import initial
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import visits
from mdpkit.policy import expected_under, probabilities

FORMS = ("average", "largest")


def surrogate(mdp: MDP, old: Any, new: Any, start: Any = None) -> Any:
    """L_π(π') = J(π) + H Σ_s d^π(s) Σ_a π'(a|s) A^π(s,a), π old, π' new.

    old, new : (S,) int or pair layout; start : (S,) distribution μ, the model's own if None.
    """
    v, _, advantage = policy_values(mdp, old)
    gain = expected_under(mdp, new, advantage)
    return initial(mdp, start) @ v + visits(mdp, old, start) @ gain


def clipped_surrogate(mdp: MDP, old: Any, new: Any, epsilon: Any, *, start: Any = None) -> Any:
    """J(π) + H E_{d^π,π} min(ρA, clip(ρ, 1−ε, 1+ε)A), ρ = π'/π; arguments as `surrogate`.

    What π never does plays no part, so that π' may do it unseen.
    """
    v, _, advantage = policy_values(mdp, old)
    pi, other = probabilities(mdp, old), probabilities(mdp, new)
    ratio = other / np.where(pi > 0, pi, 0 * pi + 1)
    taken = pi * clipped_gain(ratio, advantage, epsilon)
    gain = np.add.reduceat(taken.reshape(-1), mdp.action_ptr[:-1])
    return initial(mdp, start) @ v + visits(mdp, old, start) @ gain


def clipped_gain(ratio: Any, advantage: Any, epsilon: Any) -> Any:
    """min(ρA, clip(ρ, 1−ε, 1+ε) A), elementwise: what one action taken adds to L^CLIP.

    ratio : ρ ≥ 0; epsilon : > 0, inf for none. Arrays of any library, exact on exact ones.
    """
    xp = namespace(ratio, advantage)
    low, high = 1 - epsilon + 0 * ratio, 1 + epsilon + 0 * ratio
    kept = xp.where(ratio < low, low, xp.where(ratio > high, high, ratio))
    whole, cut = ratio * advantage, kept * advantage
    return xp.where(whole < cut, whole, cut)


def lower_bound(
    mdp: MDP, old: Any, new: Any, *, start: Any = None, form: str = "average"
) -> Any:
    """What J(π') is at least: the surrogate less its largest possible error.

    form : "average" (2ε'γH² E_d TV) or "largest" (4εγH² max_s TV²). Arguments as `surrogate`.
    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {FORMS}; it is {form!r}.")
    if not mdp.gamma < 1:
        raise ValueError("γ = 1: these bounds need a discount.")
    advantage = policy_values(mdp, old).advantage
    apart, H = total_variation(mdp, old, new), 1 / (1 - mdp.gamma)
    if form == "largest":
        error = 4 * sup(advantage) * mdp.gamma * H**2 * apart.max() ** 2
    else:
        size = sup(expected_under(mdp, new, advantage))
        error = 2 * size * mdp.gamma * H * (visits(mdp, old, start) @ apart)
    return surrogate(mdp, old, new, start) - error


def total_variation(mdp: MDP, p: Any, q: Any) -> np.ndarray:
    """½ Σ_a |p(a|s) − q(a|s)|, (S,). p, q : (S,) int or pair layout."""
    apart = abs(probabilities(mdp, p) - probabilities(mdp, q)).reshape(-1)
    half = (0 * mdp.gamma + 1) / 2  # one of the model's numbers
    return np.add.reduceat(apart, mdp.action_ptr[:-1]) * half
