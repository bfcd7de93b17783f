"""Action-dependent baselines: what is subtracted by sample is added back in closed form.

    Σ_t γᵗ ∇ log π_t (ψ_t − η(s_t) f(s_t, a_t))
        + Σ_t γᵗ η(s_t) Σ_a π(a|s_t) f(s_t, a) ∇ log π(a|s_t)

The mean is that of Σ_t γᵗ ∇ log π_t ψ_t whatever f and η are. The second term must be the sum
over all actions: estimated from the same action it cancels the first, and nothing is gained;
left out, f biases the gradient. With f = ψ = Q and η = 1 no variance is left given the states.
Checked in tests/improve/test_control_variates.py. Source: Gu et al. (2017), Q-Prop; Tucker et
al. (2018).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit.batch import Trajectories
from mdpkit.improve.estimators import at_pairs, score_gradient, step_weight
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import check_shape
from mdpkit.operators.scores import Scores
from mdpkit.policy import expected_under


def control_variate(
    batch: Trajectories,
    scores: Scores,
    weight: Any,
    f: Any,
    *,
    eta: Any = 1,
    discount_states: bool = True,
) -> np.ndarray:
    """Samples of the gradient with f subtracted and its expectation restored, (n, K).

    weight : ψ, (T, n), e.g. returns or advantages; f : pair layout, any critic, in the same
    units; eta : one number or (S,), how much of it.
    """
    states = batch.states[:-1]
    share = eta if np.ndim(eta) == 0 else np.asarray(eta)[states]
    rest = weight - share * at_pairs(batch, f)
    sampled = score_gradient(batch, scores, rest, discount_states=discount_states)
    factor = step_weight(batch, discount_states) * share
    visits = np.zeros((states.shape[1], scores.action_ptr.size - 1), dtype=factor.dtype)
    for s, w in zip(states, factor, strict=True):
        visits[np.arange(s.size), s] += w
    spread = np.repeat(visits, np.diff(scores.action_ptr), axis=1)
    return sampled + scores.gathered(spread * scores.pi * np.asarray(f).reshape(-1))


def adaptive_eta(mdp: MDP, policy: Any, q: Any, f: Any) -> np.ndarray:
    """Cov_a(q, f)/Var_a(f) under π(·|s), (S,); 0 where f is constant.

    It minimizes Var_a(q − ηf), not the variance of the gradient. q, f : pair layout.
    """
    covariance, variance = _second_moments(mdp, policy, q, f)
    flat = variance == 0
    return np.where(flat, 0 * covariance, covariance) / np.where(flat, variance + 1, variance)


def conservative_eta(mdp: MDP, policy: Any, q: Any, f: Any) -> np.ndarray:
    """1 where Cov_a(q, f) > 0, else 0, (S,): f is used where it goes along with q."""
    return 1 * (_second_moments(mdp, policy, q, f)[0] > 0)


def _second_moments(mdp: MDP, policy: Any, q: Any, f: Any) -> tuple[np.ndarray, np.ndarray]:
    """Cov_a(q, f) and Var_a(f) under π(·|s), (S,) each."""
    check_shape(q, mdp.pair_shape, "q")
    check_shape(f, mdp.pair_shape, "f")
    mean = np.repeat(expected_under(mdp, policy, f), np.diff(mdp.action_ptr))
    apart = f - mean.reshape(mdp.pair_shape)
    return expected_under(mdp, policy, q * apart), expected_under(mdp, policy, apart * apart)
