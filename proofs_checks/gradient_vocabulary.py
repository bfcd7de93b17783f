"""The words of claims about policy gradients: derivatives of J, and models whose paths end.

    J(π) = μᵀ (I − γP_π)⁻¹ r_π,     d/dε J(π + εu) = μᵀ (I − γP_π)⁻¹ (r_u + γ P_u v^π)

slope(mdp, pi, u, mu)      that derivative, from the product rule alone
gradient(mdp, scores, mu)  of J in the parameters whose scores are given, (K,)
Ending                     models in which a step leads to a later state or ends the episode
Features, Slant            φ(s,a), (pairs, K); a direction of tables within [−1, 1]
weights(mdp, pi, x)        x(s) π(a|s), (pairs,)
paths(mdp, pi, mu)         every trajectory with its probability
onto(mdp, x)               x(s) on every pair, (pairs,)
near(mdp, …)               what floats may lose in sums over paths; exact models: 0
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from mdpkit.batch import Trajectories
from mdpkit.claim import MDP, Draw, action_values, models
from mdpkit.enumerate import trajectories
from mdpkit.operators.scores import Scores
from mdpkit.policy import probabilities
from proofs_checks.instances import ending
from proofs_checks.sampling_vocabulary import rounding
from proofs_checks.vocabulary import chain, identity, over_actions, solve


@dataclass(frozen=True)
class ending_models:
    """Models in which every path is over after S steps; γ = 1 for one in four of them."""

    of: models = field(default_factory=lambda: models((1, 3), (1, 2), stops="some"))

    def __call__(self, draw: Draw, earlier: Mapping[str, Any]) -> MDP:
        """Draw a model, and let its step to t from s lead to s + 1 + t, or beyond the last."""
        mdp = self.of(draw, earlier)
        given, n = np.asarray(mdp.rows), mdp.n_states
        rows = 0 * given
        for pair, s in enumerate(mdp.pair_states):
            rows[pair, s + 1 :] = given[pair, : n - s - 1]
        one = mdp.gamma * 0 + 1
        gamma = one if draw.integer(0, 3) == 3 else mdp.gamma
        if len(mdp.pair_shape) == 1:
            return ending(mdp, rows, gamma)
        stop = np.maximum(1 - rows.sum(axis=1), 0 * rows[:, 0]).reshape(mdp.pair_shape)
        return MDP(rows.reshape(*mdp.pair_shape, n), mdp.r, gamma, stop=stop)


def features(draw: Draw, earlier: Mapping[str, Any]) -> np.ndarray:
    """Numbers φ(s,a) in [−1, 1], (pairs, K), of the model drawn before; K is 1 or 2."""
    draw.size("k", 1, 2)
    mdp = next(x for x in earlier.values() if isinstance(x, MDP))
    return draw.numbers("sak", -1, 1)[mdp.pair_states, mdp.pair_actions]


Ending = Annotated[MDP, ending_models()]
Features = Annotated[Any, features]
Slant = Annotated[Any, action_values(-1, 1)]


def slope(mdp: MDP, pi: Any, u: Any, mu: Any) -> Any:
    """d/dε J(π + εu) at ε = 0. u : (pairs,) or pair layout, any direction."""
    P, r = chain(mdp, pi)
    u, system = np.asarray(u).reshape(-1), identity(mdp) - mdp.gamma * P
    along = np.add.reduceat(u[:, None] * np.asarray(mdp.rows), mdp.action_ptr[:-1], axis=0)
    earned = over_actions(mdp, u * mdp.r.reshape(-1))
    return mu @ solve(system, earned + mdp.gamma * (along @ solve(system, r)))


def gradient(mdp: MDP, scores: Scores, mu: Any) -> np.ndarray:
    """∇J, (K,): the policy moves along π ∇ log π."""
    pi = scores.pi.reshape(mdp.pair_shape)
    return np.array([slope(mdp, pi, scores.pi * x, mu) for x in scores.table().T])


def paths(mdp: MDP, pi: Any, mu: Any) -> Trajectories:
    """Every trajectory of a model of `ending_models`."""
    return trajectories(mdp, pi, mdp.n_states, start=mu)


def onto(mdp: MDP, x: Any) -> np.ndarray:
    """x(s) on every pair of s, (pairs,)."""
    return np.asarray(x)[mdp.pair_states]


def weights(mdp: MDP, pi: Any, x: Any) -> np.ndarray:
    """x(s) π(a|s), (pairs,)."""
    return onto(mdp, x) * probabilities(mdp, pi).reshape(-1)


def near(mdp: MDP, *inputs: Any, power: int = 2) -> float:
    """What floats may lose in products of `power` such numbers; exact models: 0."""
    return 0 if mdp.is_exact else rounding(mdp.r, *inputs, power=power)
