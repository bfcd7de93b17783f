"""Group M, third part: rewards from matched features and from margins (M4, M5).

    f(π) = Σ_t γᵗ E φ(s_t, a_t) = H Σ x^π φ            J_w(π) = w·f(π) for the reward r = w·φ
    min ½‖w‖² + ½Cξ²   s.t.   w·f_E ≥ max_π [w·f_π + D(π, π_E)] − ξ,   D = Σ_t γᵗ Pr(a_t ≠ π_E)

Source: Abbeel & Ng (2004); Ratliff, Bagnell & Zinkevich (2006).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit.claim import (
    MDP,
    All,
    DetPolicy,
    Eq,
    Leq,
    Policy,
    Rate,
    claim,
    integers,
    models,
    numbers,
)
from mdpkit.infer import apprentice, max_margin
from mdpkit.infer.apprenticeship import RULES
from mdpkit.operators.occupancy import pair_occupancy
from mdpkit.policy import probabilities
from proofs_checks.instances import exactly, model
from proofs_checks.vocabulary import every_policy, horizon, sup, tol_v, v_pi

Tables = Annotated[MDP, models((1, 3), (1, 2), ragged=False)]
Near = Annotated[MDP, models((1, 3), (2, 3), ragged=False, discount=(0, Fraction(9, 10)))]
Phi = Annotated[np.ndarray, numbers("sak", low=0, high=1, longest=3)]
Weights = Annotated[np.ndarray, numbers("k")]


def performance(mdp, pi, r):
    """Σ μ v^π of a reward."""
    return mdp.start @ v_pi(mdp.replace(r=r), pi)


def valued(mdp, pi, phi):
    """f(π), (K,): each feature's value as a reward."""
    return np.array([performance(mdp, pi, phi[..., k]) for k in range(phi.shape[-1])])


# ---- M4 --------------------------------------------------------------------------------------


def expected_features(mdp, pi, phi):
    """H Σ x^π φ, (K,)."""
    return horizon(mdp) * (pair_occupancy(mdp, pi).reshape(-1) @ phi.reshape(mdp.n_pairs, -1))


def squared(x):
    """‖x‖₂²."""
    return (x * x).sum()


@claim(id="M4", source="Abbeel & Ng (2004), §3", exact="Q2")
def matched_features_match_performance(
    mdp: Tables,
    phi: Phi,
    w: Weights,
    pi: Policy,
    expert: Policy,
    *,
    features=expected_features,
    norm=squared,
):
    """|J_w(π) − J_w(π_E)| ≤ ‖w‖₂ ‖f(π) − f(π_E)‖₂, and J_w(π) = w·f(π)."""
    far = features(mdp, pi, phi) - features(mdp, expert, phi)
    lost = performance(mdp, pi, phi @ w) - performance(mdp, expert, phi @ w)
    tol = tol_v(mdp, w, powers=3)
    rounding = tol and tol * (1 + float(sup(far)) * float(sup(w)))
    return All(
        Leq(lost * lost, norm(w) * squared(far), rounding),
        Eq(lost, w @ far, tol),
    )


matched_features_match_performance.rejects(
    "normalized visits",
    features=lambda mdp, pi, phi: expected_features(mdp, pi, phi) / horizon(mdp),
)
matched_features_match_performance.rejects("‖w‖∞", norm=lambda w: sup(w) ** 2)


@matched_features_match_performance.attained_by
def one_feature():
    """It pays for staying: w and f are numbers."""
    mdp = model([[[1, 0], [0, 1]], [[0, 1]] * 2], [[0, 0]] * 2, "1/2")
    phi = exactly([[[1], [0]], [[0], [0]]])
    return mdp, phi, exactly([2]), np.array([0, 0]), np.array([1, 0])


def mixture(found):
    """What the package says: draw one of the policies before the first step."""
    return found.mixture


@claim(id="M4-apprentice", source="Abbeel & Ng (2004), Lemma 3 and Theorem 1", exact="B")
def apprentice_matches_its_expert(
    mdp: Near,
    phi: Phi,
    w: Weights,
    expert: Policy,
    rule: Annotated[int, integers(0, 1)],
    steps: Annotated[int, integers(1, 5)],
    *,
    mixed=mixture,
    reach=horizon,
):
    """φ ∈ [0,1]^K ⇒ t_i ≤ H√(K/(i+1)), as 1/t_{i+1}² ≥ 1/t_i² + 1/(KH²); |ΔJ_w| ≤ ‖w‖t_i.

    t_i = ‖f_E − f̄_i‖₂, ΔJ_w what the mixture loses. The next policy's features lie at least t_i
    ahead along f_E − f̄_i and at most H√K to the side: the line to them passes f_E that near.
    So KH²/ε² steps are enough.
    """
    aim = valued(mdp, expert, phi)
    found = apprentice(mdp, aim, phi, rule=RULES[rule], max_steps=steps)
    t, K = found.margins, phi.shape[-1]
    reached = np.array([valued(mdp, pi, phi) for pi in found.policies])
    lost = [performance(mdp, pi, phi @ w) for pi in found.policies]
    away = mixed(found) @ np.array(lost) - w @ aim
    near = 1e-11 * horizon(mdp) ** 2 * (1 + sup(w))
    size = np.sqrt(squared(w))
    steps_taken = np.arange(1, t.size + 1)
    return All(
        Rate(t, reach(mdp) * np.sqrt(K / steps_taken), near),
        Leq(t[1:], (t / np.sqrt(1 + (t / reach(mdp)) ** 2 / K))[:-1], near),
        Leq(abs(away), size * found.distance, near),
        Eq(found.features, reached, near),
        Eq(found.distance, np.sqrt(squared(found.mixture @ reached - aim)), near),
    )


apprentice_matches_its_expert.rejects(
    "the last policy alone", mixed=lambda found: np.eye(len(found.mixture))[-1]
)
apprentice_matches_its_expert.rejects("without H", reach=lambda mdp: 1)


@apprentice_matches_its_expert.attained_by
def all_or_nothing():
    """One state: the expert is always paid, the first policy never."""
    mdp = model([[[1], [1]]], [[0, 0]], "9/10").rounded()
    phi = np.array([[[0.0], [1.0]]])
    return mdp, phi, np.ones(1), np.array([[0.0, 1.0]]), 0, 1


# ---- M5 --------------------------------------------------------------------------------------


def most_broken(values, losses):
    """max_π [w·f_π + D(π, π_E)]."""
    return (values + losses).max()


def loss_outside(values, losses):
    """max_π [w·f_π] + D(π̂, π_E), the other reading: π̂ is where the maximum is."""
    return values.max() + losses[int(values.argmax())]


@claim(
    id="M5",
    source="Ratliff, Bagnell & Zinkevich (2006); Boyd & Vandenberghe (2004), §5.5",
    exact="B",
)
def margin_program_meets_its_conditions(
    mdp: Near,
    phi: Phi,
    expert: DetPolicy,
    cost: Annotated[Any, numbers(low=Fraction(1, 2), high=4)],
    *,
    constraint=most_broken,
):
    """ξ = max_π [w·f_π + D(π, π_E)] − w·f_E; w = Σ λ_i (f_E − f_i), Σ λ = Cξ, λ ≥ 0, no gap.

    π runs over all deterministic policies, π_E with D = 0 among them.
    """
    every, others = every_policy(mdp), 1 - probabilities(mdp, expert)
    aim = valued(mdp, expert, phi)
    points = np.array([valued(mdp, pi, phi) for pi in every])
    losses = np.array([performance(mdp, pi, others) for pi in every])
    found = max_margin(mdp, expert, phi, cost=cost)
    w, slack, lam = found.weights, found.slack, found.multipliers
    used = np.hstack([found.rows, found.losses[:, None]])
    all_rows = np.hstack([aim - points, losses[:, None]])
    unknown = abs(used[:, None] - all_rows).max(axis=2).min(axis=1)
    dual = lam @ found.losses - squared(lam @ found.rows) / 2 - lam.sum() ** 2 / (2 * cost)
    near = 1e-7 * horizon(mdp) ** 2
    return All(
        Eq(constraint(points @ w, losses) - w @ aim, slack, near),
        Eq(w, lam @ found.rows, near),
        Eq(cost * slack, lam.sum(), near),
        Eq(squared(w) / 2 + cost * slack**2 / 2, dual, near),
        Eq(unknown, 0 * unknown, near),
        Leq(-lam, 0, 0, ratio=False),
    )


margin_program_meets_its_conditions.rejects("D outside the maximum", constraint=loss_outside)
margin_program_meets_its_conditions.rejects(
    "without a margin", constraint=lambda values, losses: values.max()
)
