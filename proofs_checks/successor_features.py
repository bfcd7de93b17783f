"""Group O, successor features: what transfers from old policies to a new reward.

    ψ = (1−γ) φ + γ P ψ^π        r = Φw        ε = max_i ‖q̃_i − q^{π_i}‖∞        δ = ‖r − r_i‖∞

Source: Dayan (1993); Barreto et al. (2017).
"""

from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit.claim import MDP, ActionValue, All, Eq, Leq, Policy, claim
from mdpkit.operators import successor
from mdpkit.operators.successor import best_of, feature_values, gpi, successor_features
from proofs_checks.instances import exactly, model
from proofs_checks.vocabulary import (
    chain,
    horizon,
    identity,
    pi_star,
    q_pi,
    q_star,
    resolvent,
    scalar,
    sup,
    tol_v,
    v_pi,
    v_star,
)


def features(draw, earlier):
    """φ(s,a), (pairs, K), of one to three features."""
    mdp = earlier["mdp"]
    draw.size("k", 1, 3)
    return draw.numbers("sak")[mdp.pair_states, mdp.pair_actions]


def weights(draw, earlier):
    """(K,) weights for the features drawn before."""
    del earlier
    return draw.numbers("k")


Features = Annotated[Any, features]
Weights = Annotated[Any, weights]


def paying(mdp, phi, w):
    """The model with r = Φw."""
    return mdp.replace(r=(phi @ w).reshape(mdp.pair_shape))


def followed(mdp, pi, psi):
    """Σ_a π(a|s) ψ(s,a), (S, K)."""
    from mdpkit.policy import probabilities

    weighted = probabilities(mdp, pi).reshape(-1, 1) * psi
    return np.add.reduceat(weighted, mdp.action_ptr[:-1], axis=0)


def later(mdp, seen):
    """Σ_t P(t|s,a) x(t), (pairs, K), column by column."""
    return np.stack([mdp.expect(x.copy()).reshape(-1) for x in seen.T], axis=1)


# ---- the recursion ---------------------------------------------------------------------------


def one_step_late(mdp, pi, phi):
    """ψ of the features of the next step: (1−γ) Σ γᵏ φ_{k+1}."""
    return later(mdp, followed(mdp, pi, successor_features(mdp, pi, phi)))


@claim(id="O12", source="Dayan (1993); Barreto et al. (2017)", exact="Q", substochastic=True)
def values_are_linear_in_the_weights(
    mdp: MDP, pi: Policy, phi: Features, w: Weights, *, psi=successor_features
):
    """ψ = (1−γ)φ + γPψ^π ⇒ q^π = Hψw for r = Φw; and ψ^π = M φ_π, M = (1−γ)(I − γP_π)⁻¹."""
    found, task = psi(mdp, pi, phi), paying(mdp, phi, w)
    seen, rest = followed(mdp, pi, found), 1 - mdp.gamma
    tol = tol_v(task, phi, w)
    return All(
        Eq(horizon(mdp) * (found @ w).reshape(mdp.pair_shape), q_pi(task, pi), tol),
        Eq(found, rest * phi + mdp.gamma * later(mdp, seen), tol),
        Eq(seen, rest * resolvent(mdp, pi) @ followed(mdp, pi, phi), tol),
        Eq(feature_values(mdp, found, w), q_pi(task, pi), tol),
    )


values_are_linear_in_the_weights.rejects("counts the next features", psi=one_step_late)
values_are_linear_in_the_weights.rejects(
    "without 1 − γ", psi=lambda mdp, pi, phi: successor_features(mdp, pi, phi, normalized=False)
)


# ---- generalized policy improvement ----------------------------------------------------------


def of_the_average(mdp, values):
    """argmax_a Σ_i q_i(s,a)."""
    return best_of(mdp, [sum(values)])


def worst_of(mdp, values):
    """argmax_a min_i q_i(s,a)."""
    return best_of(mdp, [np.min(np.stack(values), axis=0)])


@claim(
    id="O13",
    source="Barreto et al. (2017), Theorem 1, with the sharp constant",
    exact="Q",
    substochastic=True,
)
def improvement_on_many_policies(
    mdp: MDP,
    first: Policy,
    second: Policy,
    wrong: ActionValue,
    wrong_too: ActionValue,
    *,
    improve=best_of,
    constant=2,
):
    """π ∈ argmax_a max_i q̃_i, |q̃_i − q^{π_i}| ≤ ε ⇒ q^π ≥ max_i q^{π_i} − 2γεH.

    With ε = 0 the new policy dominates all of the old ones. In the paper 2εH.
    """
    old = [q_pi(mdp, first), q_pi(mdp, second)]
    best = np.maximum(*old)
    epsilon = max(sup(wrong), sup(wrong_too))
    found = q_pi(mdp, improve(mdp, [old[0] + wrong, old[1] + wrong_too]))
    tol = tol_v(mdp, wrong, wrong_too)
    return All(
        Leq(sup(np.maximum(best - found, 0)), constant * mdp.gamma * epsilon * horizon(mdp)),
        Leq(best, q_pi(mdp, improve(mdp, old)), tol, ratio=False),
    )


@improvement_on_many_policies.attained_by
def errors_that_tie():
    """Errors of ±ε make what costs 2ε look as good as what is free; it is the lower index."""
    mdp = gallery.make("gpi-tie").exact()
    free = np.array([1])
    half = -mdp.r[0, 0] / 2
    wrong = half * exactly([[1, -1]])
    return mdp, free, free, wrong, wrong


improvement_on_many_policies.rejects("of the average", improve=of_the_average)
improvement_on_many_policies.rejects("of the worst", improve=worst_of)
improvement_on_many_policies.rejects("constant 1", constant=1, at=errors_that_tie)


# ---- transfer --------------------------------------------------------------------------------


def task_weights(w, own):
    """The weights that a policy is judged by are the task's."""
    del own
    return w


@claim(id="O14", source="after Barreto et al. (2017), Theorem 2", exact="Q")
def optima_of_near_tasks_transfer(
    mdp: MDP,
    phi: Features,
    w: Weights,
    near: Weights,
    far: Weights,
    *,
    judged_by=task_weights,
    power=2,
):
    """π_i optimal for w_i ⇒ q*_w − q^{GPI} ≤ 2γ²H δ, δ = min_i ‖Φ(w − w_i)‖∞ ≤ φ_max ‖w − w_i‖.

    In the paper 2H φ_max ‖w − w_i‖. But v*_w − v^{π_i} ≤ 2Hδ, GPI is at least one step of
    policy improvement on each π_i, which leaves γ of that, and its first reward is q's own.
    """
    task, tasks = paying(mdp, phi, w), [paying(mdp, phi, x) for x in (near, far)]
    psis = [successor_features(mdp, pi_star(x), phi) for x in tasks]
    values = [
        feature_values(mdp, psi, judged_by(w, own))
        for psi, own in zip(psis, (near, far), strict=True)
    ]
    found = best_of(mdp, values)
    delta = min(sup(task.r - x.r) for x in tasks)
    reach = min(sup(w - x) for x in (near, far)) * abs(phi).sum(axis=1).max()
    tol = tol_v(task, w, phi, *(x.r for x in tasks), powers=3)
    return All(
        Leq(
            sup(q_star(task) - q_pi(task, found)),
            2 * mdp.gamma**power * horizon(mdp) * delta,
            tol,
        ),
        Leq(sup(v_star(task) - v_pi(task, found)), 2 * mdp.gamma * horizon(mdp) * delta, tol),
        Leq(delta, reach, tol, ratio=False),
        Eq(gpi(mdp, psis, w), best_of(mdp, [feature_values(mdp, psi, w) for psi in psis])),
    )


@optima_of_near_tasks_transfer.attained_by
def two_steps_before_the_loops():
    """From 0 to 1, to 3 or 2. Task: loops pay −2 in 3, and −2 or 0 in 2; near: −1 all of them.

    Its optimum, a tie, takes −2 in 2; so from 1 the ways to 3 and to 2 look alike, and the
    lower index goes to 3, where nothing can be mended.
    """
    P = [
        [[0, 1, 0, 0]] * 2,
        [[0, 0, 0, 1], [0, 0, 1, 0]],
        [[0, 0, 1, 0]] * 2,
        [[0, 0, 0, 1]] * 2,
    ]
    mdp = model(P, np.zeros((4, 2), dtype=int), "9/10")
    rows = [[0, 0, 0]] * 4 + [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]
    near = exactly([-1, -1, -1])
    return mdp, exactly(rows), exactly([-2, 0, -2]), near, near


optima_of_near_tasks_transfer.rejects("γ³", power=3, at=two_steps_before_the_loops)
optima_of_near_tasks_transfer.rejects(
    "each policy judged by its own weights", judged_by=lambda w, own: own
)


# ---- the spectrum ----------------------------------------------------------------------------


def determinant(A):
    """det A by expansion along the first row."""
    if len(A) == 0:
        return 1
    minors = [np.delete(A[1:], j, axis=1) for j in range(len(A))]
    return sum((-1) ** j * A[0, j] * determinant(minors[j]) for j in range(len(A)))


def unnormalized(mdp, pi):
    """(I − γP_π)⁻¹."""
    return successor.successor_representation(mdp, pi, normalized=False)


@claim(
    id="O15",
    source="Machado et al. (2018), after Mahadevan (2005)",
    exact="Q",
    substochastic=True,
)
def spectra_of_chain_and_representation(mdp: MDP, pi: Policy, *, M=unnormalized):
    """λ an eigenvalue of P_π ⇔ 1/(1−γλ) one of M = (I − γP_π)⁻¹, of the same multiplicity.

    That is det(xI − M) det(I − γP_π) = det(x(I − γP_π) − I) for all x, so for S + 1 of them.
    """
    P, _ = chain(mdp, pi)
    one, found = identity(mdp), M(mdp, pi)
    A = one - mdp.gamma * P
    points = [scalar(mdp, k) / 2 for k in range(mdp.n_states + 1)]
    left = [determinant(x * one - found) * determinant(A) for x in points]
    right = [determinant(x * A - one) for x in points]
    size = max(1.0, float(abs(found).max())) ** mdp.n_states if not mdp.is_exact else 0
    return Eq(np.array(left), np.array(right), 1e-12 * size if not mdp.is_exact else 0)


spectra_of_chain_and_representation.rejects(
    "with the factor 1 − γ", M=successor.successor_representation
)
spectra_of_chain_and_representation.rejects(
    "I + γP", M=lambda mdp, pi: identity(mdp) + mdp.gamma * chain(mdp, pi)[0]
)
