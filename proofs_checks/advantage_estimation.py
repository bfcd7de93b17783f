"""Group H, fifth part: advantages estimated from values (THEOREMS.md §2.H, H10, H11).

    Â⁽ᵏ⁾ = Σ_{l<k} γˡ δ_{t+l} = −V(s_t) + Σ_{l<k} γˡ r_{t+l} + γᵏ V(s_{t+k})
    GAE(λ) = (1−λ) Σ_{k≥1} λᵏ⁻¹ Â⁽ᵏ⁾ = Σ_l (γλ)ˡ δ_{t+l}
    E[GAE | s,a] − A^π(s,a) = −e(s) + γ(1−λ) (P (I − γλP_π)⁻¹ e)(s,a),      e = V − v^π

Source: Schulman, Moritz, Levine, Jordan & Abbeel (2016).
"""

from fractions import Fraction
from typing import Annotated, Any

from mdpkit.claim import (
    MDP,
    All,
    Distribution,
    Eq,
    FullDistribution,
    FullPolicy,
    Probability,
    Value,
    claim,
    numbers,
)
from mdpkit.improve.estimators import advantages, n_step_advantages, path_weight
from mdpkit.improve.moments import gae_bias
from mdpkit.operators.bellman import action_values
from mdpkit.operators.performance import policy_values
from mdpkit.policy import expected_under
from proofs_checks.gradient_vocabulary import Ending, near, paths
from proofs_checks.vocabulary import chain, identity, over_states, solve, tol_v

Decay = Annotated[Any, numbers(low=0, high=Fraction(9, 10))]


def ahead(batch, x, k, factor=1):
    """Σ_{l<k} (Π_{i<l} d_{t+i} · factor) x_{t+l}, (T, n)."""
    total, weight = 0 * batch.rewards, path_weight(batch)
    for step in range(min(k, len(weight))):
        last = len(weight) - step
        total[:last] += weight[:last] * x[step:]
        weight[:last] = weight[:last] * factor * batch.discounts[step:]
    return total


def differences(batch, values):
    """δ_t = r_t + d_t V(s_{t+1}) − V(s_t), (T, n)."""
    return (
        batch.rewards + batch.discounts * values[batch.states[1:]] - values[batch.states[:-1]]
    )


def averaged(parts, lam):
    """(1−λ) Σ_{k≥1} λᵏ⁻¹ Â⁽ᵏ⁾, of which all from the last one on are the same."""
    finite = sum(((1 - lam) * lam**k * part for k, part in enumerate(parts[:-1])), 0 * parts[0])
    return finite + lam ** (len(parts) - 1) * parts[-1]


@claim(id="H10", source="Schulman et al. (2016), (11)–(16)", exact="Q")
def advantage_estimates_are_sums_of_differences(
    mdp: Ending, mu: Distribution, pi: FullPolicy, values: Value, lam: Decay,
    *, n_step=n_step_advantages, general=advantages, over=averaged
):  # fmt: skip
    """Â⁽ᵏ⁾ = Σ_{l<k} γˡ δ_{t+l}, GAE = (1−λ) Σ_{k≥1} λᵏ⁻¹ Â⁽ᵏ⁾ = Σ (γλ)ˡ δ_{t+l}, on paths."""
    batch, T = paths(mdp, pi, mu), mdp.n_states
    taken, delta, tol = path_weight(batch), differences(batch, values), near(mdp, values)
    parts = [taken * n_step(batch, values, k) for k in range(1, T + 1)]
    gae = taken * general(batch, values, lam)
    return All(
        *(Eq(part, taken * ahead(batch, delta, k + 1), tol) for k, part in enumerate(parts)),
        Eq(gae, taken * ahead(batch, delta, T, lam), tol),
        Eq(gae, over(parts, lam), tol),
    )


advantage_estimates_are_sums_of_differences.rejects(
    "without (1 − λ)", over=lambda parts, lam: averaged(parts, lam) / (1 - lam)
)
advantage_estimates_are_sums_of_differences.rejects(
    "λᵏ for λᵏ⁻¹", over=lambda parts, lam: lam * averaged(parts, lam)
)
advantage_estimates_are_sums_of_differences.rejects(
    "returns less nothing",
    n_step=lambda batch, V, k: n_step_advantages(batch, V, k) + V[batch.states[:-1]],
)


# ---- H11 -------------------------------------------------------------------------------------


def of_the_start_only(mdp, pi, values, lam):
    """−e(s)."""
    return over_states(mdp, policy_values(mdp, pi).v - values)


def without_the_start(mdp, pi, values, lam):
    """γ(1−λ) P (I − γλP_π)⁻¹ e."""
    return gae_bias(mdp, pi, values, lam) - of_the_start_only(mdp, pi, values, lam)


def of_one_step(mdp, pi, values, lam):
    """−e(s) + γ(1−λ) P e: without the resolvent."""
    e = values - policy_values(mdp, pi).v
    return mdp.gamma * (1 - lam) * mdp.expect(e) - over_states(mdp, e)


@claim(id="H11", source="Schulman et al. (2016), §3; a line", exact="Q")
def bias_of_advantages_from_wrong_values_is_known(
    mdp: Ending, mu: FullDistribution, pi: FullPolicy, values: Value, lam: Probability,
    *, biased=gae_bias
):  # fmt: skip
    """E[GAE | s,a] − A^π = −e(s) + γ(1−λ) P (I − γλP_π)⁻¹ e, e = V − v^π; 0 for V = v^π.

    By listing every path from every pair. −e at λ = 1, γPe − e at λ = 0.
    """
    batch, (v, _, A), tol = paths(mdp, pi, mu), policy_values(mdp, pi), near(mdp, values)
    found, first, off = advantages(batch, values, lam)[0], batch.pairs[0], []
    for pair, expected in enumerate(A.reshape(-1)):
        own = first == pair
        off.append(batch.weight[own] @ found[own] / batch.weight[own].sum() - expected)
    e, zero, flat = values - v, 0 * lam, (mdp.n_pairs,)
    return All(
        Eq(off, biased(mdp, pi, values, lam).reshape(flat), tol),
        Eq(biased(mdp, pi, v, lam), 0, tol),
        Eq(biased(mdp, pi, values, zero + 1), -over_states(mdp, e), tol),
        Eq(biased(mdp, pi, values, zero), mdp.gamma * mdp.expect(e) - over_states(mdp, e), tol),
    )


@claim(
    id="H11-loops", source="Schulman et al. (2016), §3; a line", exact="Q", substochastic=True
)
def bias_of_advantages_without_end_is_known(
    mdp: MDP, pi: FullPolicy, values: Value, lam: Probability, *, biased=gae_bias
):
    """The same where paths never end: E Σ_l (γλ)ˡ δ_{t+l} = δ̄ + γλ P (I − γλP_π)⁻¹ δ̄_π."""
    P, _ = chain(mdp, pi)
    delta = action_values(mdp, values) - over_states(mdp, values)
    later = solve(identity(mdp) - mdp.gamma * lam * P, expected_under(mdp, pi, delta))
    total = delta + mdp.gamma * lam * mdp.expect(later)
    off = total - policy_values(mdp, pi).advantage
    return Eq(off, biased(mdp, pi, values, lam), tol_v(mdp, values, powers=3))


bias_of_advantages_from_wrong_values_is_known.rejects("−e only", biased=of_the_start_only)
bias_of_advantages_from_wrong_values_is_known.rejects("without −e", biased=without_the_start)
bias_of_advantages_from_wrong_values_is_known.rejects("P e for all", biased=of_one_step)
bias_of_advantages_without_end_is_known.rejects("−e only", biased=of_the_start_only)
bias_of_advantages_without_end_is_known.rejects("without −e", biased=without_the_start)
bias_of_advantages_without_end_is_known.rejects("P e for all", biased=of_one_step)
