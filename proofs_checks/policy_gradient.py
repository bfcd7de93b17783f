"""Group H, second part: the policy gradient in all its forms (THEOREMS.md §2.H, H4, H5, H23).

    ∇J = H E_{s~d, a~π} [q^π ∇ log π] = E Σ_t γᵗ ∇ log π_t q^π(s_t, a_t) = E [R Σ_t ∇ log π_t]
    ∂J/∂π(a|s) = H d(s) q^π(s,a)            ∂J/∂θ(s,a) = H d(s) π(a|s) A^π(s,a)       (softmax)

Source: Williams (1992); Sutton, McAllester, Singh & Mansour (2000); Agarwal et al. (2021).
"""

from typing import Annotated

import numpy as np

from mdpkit.claim import (
    MDP,
    All,
    Distribution,
    Eq,
    FullPolicy,
    Policy,
    Rate,
    action_values,
    claim,
    models,
)
from mdpkit.enumerate import trajectories
from mdpkit.improve.estimators import at_pairs, reinforce, score_gradient
from mdpkit.improve.moments import bias, mean
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import policy_gradient, softmax_gradient, visits
from mdpkit.operators.projection import softmax_policy
from mdpkit.operators.returns import discount_so_far
from mdpkit.operators.scores import softmax_scores
from proofs_checks.gradient_vocabulary import (
    Ending,
    Features,
    gradient,
    near,
    onto,
    paths,
    slope,
    weights,
)
from proofs_checks.vocabulary import horizon, over_actions, q_pi, sup, tol_v

Theta = Annotated[np.ndarray, action_values(-3, 3)]
Stochastic = Annotated[MDP, models((1, 2), (1, 2))]

# ---- H4, H5: the theorem ---------------------------------------------------------------------


def without_discount(batch, scores, weight):
    """Σ_t ∇ log π_t ψ_t, as most codes have it."""
    return score_gradient(batch, scores, weight, discount_states=False)


@claim(id="H4", source="Sutton et al. (2000), Theorem 1; Williams (1992)", exact="Q")
def gradient_is_the_mean_of_scores_times_values(
    mdp: Ending, mu: Distribution, pi: FullPolicy, phi: Features,
    *, visited=visits, valued=policy_values, sampled=score_gradient, whole=reinforce
):  # fmt: skip
    """∇J = H E[q ∇ log π] = H E[A ∇ log π] = E Σ γᵗ ∇ log π_t q_t = E R Σ ∇ log π_t.

    The first two over d and π, the others over paths. For π ∝ exp φ(s,a)·θ, against the
    derivative of μᵀ(I − γP_π)⁻¹r_π.
    """
    scores, batch = softmax_scores(mdp, pi, phi), paths(mdp, pi, mu)
    true, tol = gradient(mdp, scores, mu), near(mdp)
    _, q, A = valued(mdp, pi)
    x = weights(mdp, pi, visited(mdp, pi, mu))
    forms = [scores.gathered(x * q.reshape(-1)), scores.gathered(x * A.reshape(-1))]
    samples = [sampled(batch, scores, at_pairs(batch, q)), whole(batch, scores)]
    forms += [mean(each, batch.weight) for each in samples]
    return All(*(Eq(form, true, tol) for form in forms))


gradient_is_the_mean_of_scores_times_values.rejects("without γᵗ", sampled=without_discount)
gradient_is_the_mean_of_scores_times_values.rejects("without H", visited=occupancy)
gradient_is_the_mean_of_scores_times_values.rejects(
    "r for q", valued=lambda mdp, pi: policy_values(mdp.replace(gamma=0), pi)
)
gradient_is_the_mean_of_scores_times_values.rejects(
    "the first reward for the whole return",
    whole=lambda batch, scores: reinforce(
        batch._replace(discounts=0 * batch.discounts), scores
    ),
)


@claim(
    id="H5", source="Agarwal, Kakade, Lee & Mahajan (2021), (7) and (10)", exact="Q",
    substochastic=True,
)  # fmt: skip
def gradients_of_tables_have_a_closed_form(
    mdp: MDP, mu: Distribution, pi: Policy, other: Policy,
    *, direct=policy_gradient, softmax=softmax_gradient
):  # fmt: skip
    """∂J/∂π(a|s) = H d(s) q(s,a); ∂J/∂θ(s,a) = H d(s) π(a|s) A(s,a), of sum 0 in each state.

    J is continued to all π ≥ 0; between policies A may stand for q.
    """
    tol, flat = tol_v(mdp, powers=3), pi.reshape(-1)
    units = np.eye(mdp.n_pairs, dtype=int)
    same = mdp.pair_states[:, None] == mdp.pair_states
    found, logits = direct(mdp, pi, mu), softmax(mdp, pi, mu)
    A, toward = policy_values(mdp, pi).advantage, other - pi
    gain = onto(mdp, visits(mdp, pi, mu)) * (A * toward).reshape(-1)
    return All(
        Eq(found.reshape(-1), [slope(mdp, pi, e, mu) for e in units], tol),
        Eq(
            logits.reshape(-1),
            [slope(mdp, pi, flat * (e - flat[k] * same[k]), mu) for k, e in enumerate(units)],
            tol,
        ),
        Eq(over_actions(mdp, logits), 0, tol),
        Eq(gain.sum(), slope(mdp, pi, toward, mu), tol),
    )


def weighted_advantage(mdp, pi, mu):
    """H d(s) A(s,a)."""
    x = onto(mdp, visits(mdp, pi, mu)).reshape(mdp.pair_shape)
    return x * policy_values(mdp, pi).advantage


gradients_of_tables_have_a_closed_form.rejects(
    "A for q beyond the simplex", direct=weighted_advantage
)
gradients_of_tables_have_a_closed_form.rejects(
    "the logits without π", softmax=weighted_advantage
)
gradients_of_tables_have_a_closed_form.rejects(
    "q for A in the logits",
    softmax=lambda mdp, pi, mu: pi * policy_gradient(mdp, pi, mu),
)


def written(pi, same):
    """1{a = b} − π(b|s) in the same state, (pairs, pairs)."""
    return np.eye(pi.size) - same * pi


@claim(id="H5-log", source="Sutton & Barto (2018), Exercise 13.3", exact="B")
def scores_of_tables_are_what_was_done_less_what_was_likely(
    mdp: MDP, theta: Theta, *, score=lambda mdp, pi: softmax_scores(mdp, pi).table()
):
    """∂ log π(a|s)/∂θ(s,b) = 1{a = b} − π(b|s), and π is the gradient of log Σ e^θ.

    Against complex steps: f(x + ih) has the imaginary part h f'(x), to the last bits.
    """
    pi, h, first = softmax_policy(mdp, theta), 1e-30, mdp.action_ptr[:-1]
    moved = theta.reshape(-1) + 1j * h * np.eye(mdp.n_pairs)
    total = np.log(np.add.reduceat(np.exp(moved), first, axis=1))
    log = moved - total[:, mdp.pair_states]
    same = mdp.pair_states[:, None] == mdp.pair_states
    tables = [written(pi.reshape(-1), same), np.imag(log).T / h]
    partition = np.imag(total[np.arange(mdp.n_pairs), mdp.pair_states]) / h
    return All(
        *(Eq(score(mdp, pi), table, 1e-12) for table in tables),
        Eq(partition, pi.reshape(-1), 1e-12),
    )


scores_of_tables_are_what_was_done_less_what_was_likely.rejects(
    "(1/π)(1 − π) for what was done",
    score=lambda mdp, pi: (
        softmax_scores(mdp, pi).table() + np.diag(((1 - pi) ** 2 / pi).reshape(-1))
    ),
)


# ---- H23: a horizon --------------------------------------------------------------------------


def seen(batch, n_states):
    """Σ_{t<T} γᵗ Pr(s_t = s), (S,)."""
    out = 0 * batch.weight[:1].repeat(n_states)
    for states, factor in zip(batch.states, discount_so_far(batch.discounts), strict=False):
        np.add.at(out, states, batch.weight * factor)
    return out


@claim(id="H23", source="Kakade (2003), §2.3", exact="Q")
def a_horizon_leaves_out_a_known_tail(
    mdp: Stochastic, mu: Distribution, pi: FullPolicy, *, tail=lambda gamma, T: gamma**T
):
    """‖Σ_{t<T} γᵗ Pr(s_t = ·) − H d‖₁ = γᵀH, so the gradient misses ≤ γᵀH² ‖r‖ ‖∇ log π‖.

    In sup norms, for the sum of scores times q over T steps; stochastic P.
    """
    scores, q, H = softmax_scores(mdp, pi), q_pi(mdp, pi), horizon(mdp)
    true, n = softmax_gradient(mdp, pi, mu), visits(mdp, pi, mu)
    tol, missed, off = tol_v(mdp, powers=3), [], []
    for T in (1, 2, 3):
        batch = trajectories(mdp, pi, T, start=mu)
        missed.append(abs(seen(batch, mdp.n_states) - n).sum())
        samples = score_gradient(batch, scores, at_pairs(batch, q))
        off.append(sup(bias(samples, batch.weight, true)))
    left = [tail(mdp.gamma, T) * H for T in (1, 2, 3)]
    largest = H * sup(mdp.r) * sup(scores.table())
    return All(
        Eq(missed, left, tol),
        Rate(off, [x * largest for x in left], tol),
    )


a_horizon_leaves_out_a_known_tail.rejects("γᵀ⁺¹", tail=lambda gamma, T: gamma ** (T + 1))
a_horizon_leaves_out_a_known_tail.rejects("T steps of 1", tail=lambda gamma, T: 1 - gamma**T)
