"""Group M, second part: maximum causal entropy (M3).

    max_π {E Σ γᵗ H(π(·|s_t)) : f(π) = f̂} = min_w V_soft(μ; w·φ) − w·f̂,     f(π) = Σ x^π φ

x^π = H d π counts visits and is not normalized; the causal entropy Σ −x log(x/Σ_a x) is concave
in it, which makes the left side a convex program over occupancies.
Source: Ziebart, Bagnell & Dey (2010); Ziebart (2010), chapter 5; Ho & Ermon (2016).
"""

from fractions import Fraction
from typing import Annotated

import numpy as np

from mdpkit.claim import MDP, All, Eq, Leq, Policy, claim, models
from mdpkit.infer import MaxCausalEntropy, fit
from proofs_checks.inference_vocabulary import Reward, certain_pay
from proofs_checks.maximum_entropy import ROUGH, Phi, half_uniform, least
from proofs_checks.vocabulary import (
    horizon,
    occupancy,
    over_actions,
    over_states,
    repeated,
    soft_optimality,
)

Discounted = Annotated[MDP, models((1, 3), (2, 3), discount=(0, Fraction(3, 4)), **ROUGH)]


def negative_causal_entropy(mdp):
    """x ↦ Σ x log(x/Σ_a x), with its derivatives."""

    def parts(x):
        pi = x / over_states(mdp, over_actions(mdp, x)).reshape(-1)
        same = mdp.pair_states[:, None] == mdp.pair_states
        bend = np.diag(1 / x) - same / over_states(mdp, over_actions(mdp, x)).reshape(-1)
        return x @ np.log(pi), np.log(pi), bend

    return parts


def flows(mdp, phi):
    """What every x^π satisfies, and what the features ask: the rows of both."""
    own = mdp.pair_states == np.arange(mdp.n_states)[:, None]
    return np.vstack([own - mdp.gamma * mdp.rows.T, phi.reshape(mdp.n_pairs, -1).T])


def most_causal_entropy(mdp, phi, expert):
    """max {−Σ x log(x/Σ_a x) : x an occupancy, Σ x φ = Σ expert φ}."""
    return -least(negative_causal_entropy(mdp), expert, flows(mdp, phi))


def soft_value(mdp, r):
    """V_soft at τ = 1 by its backup alone: γ^130 ≤ 1e-16."""
    return repeated(soft_optimality(1.0), mdp.replace(r=r), np.zeros(mdp.n_states), 130)


def visited(mdp, pi):
    """x^π = H d π, (pairs,): counts of visits, which sum to H."""
    d = horizon(mdp) * occupancy(mdp, pi, mdp.start)
    return (over_states(mdp, d) * pi).reshape(-1)


def soft_policy(mdp, r):
    """π ∝ e^{r + γPv}."""
    v = soft_value(mdp, r)
    return np.exp(r + mdp.gamma * mdp.expect(v) - over_states(mdp, v))


@claim(id="M3", source="Ziebart, Bagnell & Dey (2010), Theorems 1 and 2", exact="B")
def most_causal_entropy_is_soft_optimal(
    mdp: Discounted, phi: Phi, pi: Policy, *, primal=most_causal_entropy
):
    """max_π {E Σ γᵗ H(π(·|s_t)) : f(π) = f̂} = min_w V_soft(μ; w·φ) − w·f̂, π soft-optimal."""
    expert = visited(mdp, half_uniform(mdp, pi))
    aim = expert @ phi.reshape(mdp.n_pairs, -1)
    fitted = fit(mdp, MaxCausalEntropy(None), aim, phi, tol=1e-9)
    x = visited(mdp, soft_policy(mdp, fitted.r))
    near = 1e-8 * horizon(mdp)
    return All(
        Eq(primal(mdp, phi, expert), -fitted.value, near),
        Eq(mdp.start @ soft_value(mdp, fitted.r) - fitted.weights @ aim, -fitted.value, near),
        Eq(x @ phi.reshape(mdp.n_pairs, -1), aim, 10 * near),
    )


most_causal_entropy_is_soft_optimal.rejects(
    "max over w of the entropy of its policy: w = 0",
    primal=lambda mdp, phi, expert: mdp.start @ soft_value(mdp, 0 * mdp.r),
)


def soft_visits(mdp):
    """The package's: un-normalized visits of the soft-optimal policy."""
    return MaxCausalEntropy(None).behave(mdp, mdp.r).visits


@claim(id="M3-gradient", source="Ziebart, Bagnell & Dey (2010)", exact="B")
def soft_value_grows_by_its_visits(
    mdp: Discounted, pi: Policy, other: Reward, *, gradient=soft_visits
):
    """∇_r V_soft(μ) = x^π: V_soft(μ; r') ≥ V_soft(μ; r) + x^π·(r' − r), and ∇ log π = x̂ − x^π.

    Of data that visits the pairs as a policy does, x̂ = x^E.
    """
    found, expert = MaxCausalEntropy(None), visited(mdp, pi)
    x, now = gradient(mdp), mdp.start @ soft_value(mdp, mdp.r)
    _, slope, _ = found.log_likelihood(mdp, mdp.r, expert)
    near = 1e-11 * horizon(mdp) ** 2
    return All(
        Leq(now + x @ (other - mdp.r).reshape(-1), mdp.start @ soft_value(mdp, other), near),
        Eq(slope, expert - x, near),
        Eq(x, visited(mdp, soft_policy(mdp, mdp.r)), near),
    )


soft_value_grows_by_its_visits.rejects(
    "normalized visits", gradient=lambda mdp: soft_visits(mdp) / horizon(mdp)
)


@soft_value_grows_by_its_visits.attained_by
def one_more_a_step():
    """r + 1 is worth H more to every policy."""
    mdp, pi, _, _ = certain_pay()
    return mdp.replace(gamma=0.5), pi, mdp.r + 1
