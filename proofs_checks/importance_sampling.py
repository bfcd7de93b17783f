"""Group E, second part: importance sampling (THEOREMS.md §2.E, E2, E3, E13).

    E_p f = E_q[f p/q]        q* = |f|p/E_p|f|        least variance (E|f|)² − (E f)²
    E_b[Π_{t<T} ρ_t²] = (M^T 1)(s),    ρ = π/b,    M(s,t) = Σ_a π²/b P(t|s,a)

Source: Owen (2013), chapter 9; Liu, Li, Tang & Zhou (2018).
"""

from typing import Annotated

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    MDP,
    All,
    Eq,
    FullPolicy,
    InExpectation,
    Leq,
    Policy,
    claim,
    integers,
    models,
    solve,
)
from mdpkit.operators.importance import (
    optimal_proposal,
    pair_ratios,
    proposal_variance,
    ratio_growth,
    ratio_second_moment,
    squared_ratio_rows,
)
from mdpkit.policy import uniform
from proofs_checks.instances import exactly
from proofs_checks.sampling_vocabulary import (
    FullLaw,
    Law,
    Outcomes,
    along,
    expectation,
    paths,
    ratio,
    rounding,
)
from proofs_checks.vocabulary import identity, over_actions, tol_v

# ---- E2, E3 ----------------------------------------------------------------------------------


def without_the_first(q):
    """q, given that the first outcome does not occur."""
    rest = q * (np.arange(q.size) > 0)
    return rest / rest.sum()


@claim(id="E2", source="Owen (2013), §9.1", exact="Q")
def weighted_samples_have_the_other_mean(
    p: Law, q: FullLaw, f: Outcomes, *, proposal=lambda q: q, weight=ratio
):
    """E_p f = E_q[f p/q], if q > 0 wherever f p ≠ 0; E_q[p/q] = 1."""
    q = proposal(q)
    w = weight(p, q)
    return All(
        InExpectation(f * w, expectation(p, f), q, rounding=rounding(f)),
        Eq(expectation(q, w), p.sum(), rounding(f)),
    )


weighted_samples_have_the_other_mean.rejects(
    "q is 0 where p is not", proposal=without_the_first
)
weighted_samples_have_the_other_mean.rejects("q/p", weight=lambda p, q: ratio(q, p))


@claim(id="E3", source="Owen (2013), Theorem 9.1", exact="Q")
def best_proposal_is_in_the_absolute_value(
    p: Law, q: FullLaw, f: Outcomes, *, best=optimal_proposal
):
    """Var_q(f p/q) ≥ (E_p|f|)² − (E_p f)², which q* = |f|p/E_p|f| attains."""
    least = expectation(p, abs(f)) ** 2 - expectation(p, f) ** 2
    own = best(p, f)
    return All(
        Leq(least, proposal_variance(p, f, q), rounding(f) * 100),
        Eq(proposal_variance(p, f, own), least, rounding(f) * 100),
        Leq(0, own, ratio=False),
    )


best_proposal_is_in_the_absolute_value.rejects(
    "f p / E|f|, whose sign is lost", best=lambda p, f: f * p / max(expectation(p, abs(f)), 1)
)
best_proposal_is_in_the_absolute_value.rejects("p itself", best=lambda p, f: p)
best_proposal_is_in_the_absolute_value.rejects(
    "in the square of f", best=lambda p, f: optimal_proposal(p, f * f)
)


@best_proposal_is_in_the_absolute_value.attained_by
def of_two_signs():
    """q = q*, f = (1, −2, 3)."""
    p, f = exactly(["1/2", "1/4", "1/4"]), exactly([1, -2, 3])
    return p, optimal_proposal(p, f), f


# ---- E13 -------------------------------------------------------------------------------------


@claim(
    id="E13", source="elementary; Liu, Li, Tang & Zhou (2018), §2", exact="Q", effort=0.5,
)  # fmt: skip
def second_moment_of_a_product_is_a_matrix_power(
    mdp: Annotated[MDP, models(states=(2, 3), actions=(2, 2), stops="some", start="full")],
    pi: Policy,
    b: FullPolicy,
    T: Annotated[int, integers(2, 3)],
    *,
    moment=ratio_second_moment,
):
    """E_b[Π_{t<T} ρ_t²] = μ M^T 1, M(s,t) = Σ_a π²/b P; E_b[Π ρ] = 1; ended paths count on."""
    batch = paths(mdp, b, T)
    rho = along(batch, pair_ratios(pi.reshape(-1), b.reshape(-1), mdp.place), 1)
    W = np.prod(rho, axis=0)
    tol = tol_v(mdp) * 10**3
    return All(
        Eq(moment(mdp, pi, b, T), (batch.weight * W * W).sum(), tol),
        Eq((batch.weight * W).sum(), batch.weight.sum(), tol),
    )


second_moment_of_a_product_is_a_matrix_power.rejects(
    "one step too few", moment=lambda mdp, pi, b, T: ratio_second_moment(mdp, pi, b, T - 1)
)
second_moment_of_a_product_is_a_matrix_power.rejects(
    "π and b exchanged",
    moment=lambda mdp, pi, b, T: ratio_second_moment(mdp, b, 0 * pi + uniform(mdp), T),
)


def rising_chain(mdp, pi, b):
    """P̃ ∝ M, row by row, with its stationary law; and χ² + 1 = Σ_a π²/b, the rows' sums."""
    weight = squared_ratio_rows(mdp, pi, b)
    rows = np.add.reduceat(weight[:, None] * mdp.rows, mdp.action_ptr[:-1], axis=0)
    sums = over_actions(mdp, weight)
    n = mdp.n_states
    law = solve((identity(mdp) - rows / sums[:, None]).T + np.ones((n, n)), np.ones(n))
    return law, sums


@claim(
    id="E13-growth", source="Donsker & Varadhan (1975); Horn & Johnson (2013), §8.4", exact="B",
)  # fmt: skip
def product_of_ratios_explodes(
    mdp: Annotated[MDP, models(ergodic=True)], pi: Policy, b: FullPolicy, *, growth=ratio_growth
):
    """log ρ(M) ≥ Σ_s μ̃(s) log(1 + χ²(π‖b)(s)) ≥ 0 in irreducible chains: 0 only if π = b.

    μ̃ > 0 is stationary for M with rows made to sum to 1; of one state it is an equality.
    """
    law, sums = rising_chain(mdp, pi, b)
    return All(
        Leq(law @ np.log(sums), growth(mdp, pi, b), 1e-9),
        Leq(1, sums, 1e-9, ratio=False),
    )


product_of_ratios_explodes.rejects(
    "the growth of the mean, log 1", growth=lambda mdp, pi, b: 0.0
)


@product_of_ratios_explodes.attained_by
def one_state():
    """A bandit: E ρ² = 1 + χ² in every pull."""
    mdp = gallery.make("gpi-tie")
    b = np.full(mdp.pair_shape, 1 / mdp.n_actions)
    pi = np.zeros(mdp.pair_shape) + (np.arange(mdp.n_actions) == 0)
    return mdp, pi, b
