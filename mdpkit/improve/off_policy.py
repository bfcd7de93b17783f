"""Policy gradients from another policy's trajectories, by importance sampling.

With ρ_t = π(a_t|s_t)/b(a_t|s_t), trajectories of b, and ∇ log π_t the scores of π:

    full            (Π_t ρ_t) (Σ_t ∇ log π_t) R
    per decision    Σ_t γᵗ ∇ log π_t (Π_{u≤t} ρ_u) W_t,   W_t = r_t + γ ρ_{t+1} W_{t+1}
    past only       Σ_t γᵗ ∇ log π_t (Π_{u≤t} ρ_u) G_t    biased: b's future
    first order     Σ_t γᵗ ∇ log π_t ω(s_t) ρ_t ψ_t       biased if ω = 1; exact if
                                                          ω = d^π/d^b and E ψ = q^π

The first two have the mean ∇J. In the second every ratio stands once: Π_{u≤t} ρ_u weighs how
a_t was reached and taken, and a later reward r_k only what follows it, Π_{t<u≤k} ρ_u. Starting
that product at t counts ρ_t twice. The last is right to first order in π − b.
Checked in tests/improve/test_off_policy.py.
Source: Precup, Sutton & Singh (2000); Degris, White & Sutton (2012); Liu et al. (2018).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit.batch import Trajectories
from mdpkit.errors import ModelError
from mdpkit.improve.estimators import monte_carlo, path_weight, score_gradient
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import check_shape
from mdpkit.operators.importance import pair_ratios
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.returns import lambda_return
from mdpkit.operators.scores import Scores
from mdpkit.policy import probabilities


def action_ratios(mdp: MDP, batch: Trajectories, target: Any, behavior: Any) -> np.ndarray:
    """ρ_t = π(a_t|s_t)/b(a_t|s_t), (T, n); 1 after the end. target, behavior : pair layout.

    Raises ModelError naming the pair where, in a state of the batch, π may take an action that
    b never takes: no weight makes up for what is never seen.
    """
    pi, b = (probabilities(mdp, p).reshape(-1) for p in (target, behavior))
    seen = np.zeros(mdp.n_states, dtype=bool)
    seen[batch.states[:-1][batch.pairs >= 0]] = True
    own = seen[mdp.pair_states]
    ratio = pair_ratios(np.where(own, pi, 0 * pi), np.where(own, b, 0 * b), mdp.place)
    return np.where(batch.pairs >= 0, ratio[np.maximum(batch.pairs, 0)], 0 * ratio[0] + 1)


def state_ratios(mdp: MDP, target: Any, behavior: Any, start: Any = None) -> np.ndarray:
    """ω(s) = d_μ^π(s) / d_μ^b(s), (S,), exact; 0 where neither comes.

    Raises ModelError naming a state that the target visits and the behavior does not.
    """
    d, seen = occupancy(mdp, target, start), occupancy(mdp, behavior, start)
    bad = np.flatnonzero((seen == 0) & (d != 0))
    if bad.size:
        s = int(bad[0])
        raise ModelError(f"the behavior never visits state {s}; the target does.", s=s)
    return np.where(seen != 0, d, 0 * d) / np.where(seen != 0, seen, 0 * d + 1)


def full_trajectory(
    batch: Trajectories, ratios: Any, scores: Scores, baseline: Any = 0
) -> np.ndarray:
    """(Π_t ρ_t) (Σ_t ∇ log π_t) (R − b), (n, K); baseline as for `reinforce`."""
    path = scores.on_paths(batch.pairs, path_weight(batch))
    R = monte_carlo(batch)[0][:, None]
    return np.prod(ratios, axis=0)[:, None] * path * (R - baseline)


def per_decision(
    batch: Trajectories,
    ratios: Any,
    scores: Scores,
    baseline: Any = 0,
    *,
    discount_states: bool = True,
) -> np.ndarray:
    """Σ_t γᵗ ∇ log π_t (Π_{u≤t} ρ_u) (W_t − b_t), (n, K); baseline as for `reward_to_go`."""
    gain = np.cumprod(ratios, axis=0) * (per_decision_return(batch, ratios) - baseline)
    return score_gradient(batch, scores, gain, discount_states=discount_states)


def per_decision_return(batch: Trajectories, ratios: Any, values: Any = None) -> np.ndarray:
    """W_t = r_t + d_t ((1 − ρ_{t+1}) V_{t+1} + ρ_{t+1} W_{t+1}), (T, n): mean q^π(s_t, a_t).

    values : V, (S,), a control variate that leaves the mean as it is; None is 0. Paths that
    were cut bootstrap from it.
    """
    ratios = np.asarray(ratios)
    following = np.concatenate([ratios[1:], 0 * ratios[:1] + 1])
    after = 0 if values is None else np.asarray(values)[batch.states[1:]]
    return lambda_return(batch.rewards, batch.discounts, batch.boundary, after, following)


def past_only(
    batch: Trajectories, ratios: Any, scores: Scores, *, discount_states: bool = True
) -> np.ndarray:
    """Σ_t γᵗ ∇ log π_t (Π_{u≤t} ρ_u) G_t, (n, K): what follows is b's, hence the bias."""
    gain = np.cumprod(ratios, axis=0) * monte_carlo(batch)
    return score_gradient(batch, scores, gain, discount_states=discount_states)


def first_order(
    batch: Trajectories,
    ratios: Any,
    scores: Scores,
    weight: Any = None,
    *,
    states: Any = None,
    discount_states: bool = True,
) -> np.ndarray:
    """Σ_t γᵗ ∇ log π_t ω(s_t) ρ_t ψ_t, (n, K).

    weight : ψ, (T, n); None is G_t. states : ω, (S,), or (T, n); None is 1. It is exact with
    ω = `state_ratios` and ψ of mean q^π: `per_decision_return`, or `at_pairs(batch, q^π)`.

    Raises ValueError for a weight of another shape.
    """
    weight = monte_carlo(batch) if weight is None else weight
    check_shape(weight, batch.pairs.shape, "weight")
    gain = np.asarray(ratios) * weight
    if states is not None:
        states = np.asarray(states)
        gain = gain * (states if states.ndim > 1 else states[batch.states[:-1]])
    return score_gradient(batch, scores, gain, discount_states=discount_states)
