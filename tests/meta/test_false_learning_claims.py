"""What is said of learning and is false: the checker finds where it fails."""

from fractions import Fraction
from itertools import product
from typing import Annotated, Any

import numpy as np
import pytest

from mdpkit.claim import Constant, Eq, FullPolicy, Leq, claim, integers, numbers
from mdpkit.hunt import check
from mdpkit.learn.stochastic_approximation import mean_squares
from mdpkit.operators.returns import lambda_return
from mdpkit.operators.traces import n_step_operator
from proofs_checks.estimators import Arms
from proofs_checks.off_policy import per_decision, policy_ratios, spread, whole_paths
from proofs_checks.sampling_vocabulary import FullLaw, Tiny, along, paths

STEPS = 60


@claim(source="false: the rate is lost from ρ = ½ on", exact="Q")
def steps_one_over_k_have_the_rate_one_over_k(
    rho: Annotated[Any, numbers(low=0, high=Fraction(9, 10))],
    start: Constant,
    sigma: Constant,
):
    """α_k = 1/k: k E z_k² ≤ 2 (σ² + z_0²) at every modulus ρ."""
    alphas = [(0 * rho + 1) / k for k in range(1, STEPS + 1)]
    found = mean_squares(alphas, modulus=rho, variance=sigma**2, initial=start**2)[1:]
    return Leq(found * np.arange(1, STEPS + 1), 2 * (sigma**2 + start**2), 1e-6)


@claim(source="false: it is biased down", exact="Q")
def double_estimator_is_unbiased(p: FullLaw, X: Arms):
    """E B(argmax A) = max_a E X_a."""
    n = len(p)
    found = sum(p[i] * p[j] * X[j, np.argmax(X[i])] for i, j in product(range(n), repeat=2))
    return Eq(found, (p @ X).max(), 1e-9)


@claim(source="false: of one path it knows the behavior only", exact="Q")
def weighted_importance_sampling_is_unbiased(mdp: Tiny, pi: FullPolicy, b: FullPolicy):
    """E_b[Σ W G/Σ W] = v^π for one path of two steps."""
    batch = paths(mdp, b, 2)
    W = np.prod(along(batch, policy_ratios(mdp, pi, b), 1), axis=0)
    G = lambda_return(batch.rewards, batch.discounts, batch.boundary, 0)[0]
    value = mdp.start @ n_step_operator(mdp, pi, 0 * mdp.start, 2)
    return Eq((batch.weight * (W * G / W)).sum(), value)


@claim(source="false: where rewards cancel it varies more", exact="Q")
def per_decision_varies_less(
    mdp: Tiny, pi: FullPolicy, b: FullPolicy, T: Annotated[int, integers(2, 3)]
):
    """Var_b(Σ_t ρ_{0:t} γᵗ r_t) ≤ Var_b(ρ_{0:T−1} Σ_t γᵗ r_t)."""
    batch = paths(mdp, b, T)
    rho = along(batch, policy_ratios(mdp, pi, b), 1)
    r = np.array([mdp.gamma**t * x for t, x in enumerate(batch.rewards)])
    one, other = (spread(batch.weight, f(rho, r)) for f in (per_decision, whole_paths))
    return Leq(one, other, 1e-6)


FALSE = [
    steps_one_over_k_have_the_rate_one_over_k,
    double_estimator_is_unbiased,
    weighted_importance_sampling_is_unbiased,
    per_decision_varies_less,
]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("false", FALSE, ids=[c.name for c in FALSE])
def test_a_false_claim_about_learning_is_refuted_exactly(false, seed, tmp_path):
    verdict = check(false, seed=seed, folder=tmp_path)
    assert verdict.verdict == "refuted"
    assert verdict.counterexample.sample.exact
    assert verdict.states <= 3
