"""Approximate value and policy iteration: what errors in every step cost in the end.

    AVI  v_k = T v_{k−1} + ε_k,  ‖ε_k‖∞ ≤ ε,  π_k greedy in v_{k−1},  k = 1, 2, …
         ‖v* − v_k‖∞    ≤ γᵏ D + (1 − γᵏ) H ε                         D = ‖v* − v_0‖∞
         ‖v* − v^{π_k}‖∞ ≤ 2(γ − γᵏ) H² ε + 2 γᵏ H D                   H = 1/(1−γ)

    API  ‖v_k − v^{π_k}‖∞ ≤ δ,  ‖T^{π_{k+1}} v_k − T v_k‖∞ ≤ ε,  k = 0, 1, …
         ‖v* − v^{π_{k+1}}‖∞ ≤ γ ‖v* − v^{π_k}‖∞ + (ε + 2γδ) H
         limsup_k ‖v* − v^{π_k}‖∞ ≤ (ε + 2γδ) H²

Both are attained on the gallery's `scherrer-lesner`: errors of ε cost 2γεH², not 2γεH.
Checked in tests/plan/test_approximate.py and proofs_checks (C5, C6).
Source: Bertsekas & Tsitsiklis (1996), §6.2; Scherrer & Lesner (2012).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import number, sup
from mdpkit.certify import interval, tails
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import (
    action_values,
    backup,
    check_shape,
    greedy,
    greedy_pairs,
    rounding,
)
from mdpkit.operators.resolvent import policy_value

Noise = Callable[[int, np.ndarray], np.ndarray] | tuple[float, int]
"""noise(k, v) → (S,), or (size, seed) for numbers drawn uniformly from [−size, size]."""


# ---- the bounds ------------------------------------------------------------------------------


def avi_value_bound(gamma: Any, epsilon: Any, k: Any, distance: Any) -> Any:
    """Bound ‖v* − v_k‖∞ of approximate value iteration: γᵏ D + (1 − γᵏ) H ε.

    epsilon ≥ ‖ε_i‖∞; distance: D = ‖v* − v_0‖∞; k ≥ 0, math.inf for the limsup. Exact numbers
    give an exact bound. Source: Bertsekas & Tsitsiklis (1996), §6.5.3.
    """
    _require_discount(gamma)
    power = gamma**k
    return power * distance + (1 - power) / (1 - gamma) * epsilon


def avi_bound(gamma: Any, epsilon: Any, k: Any, distance: Any) -> Any:
    """Bound ‖v* − v^{π_k}‖∞, π_k ∈ G(v_{k−1}): 2(γ − γᵏ) H² ε + 2 γᵏ H D.

    Arguments as for `avi_value_bound`, but k ≥ 1. Source: Scherrer & Lesner (2012), Theorem 1.
    """
    _require_discount(gamma)
    if k < 1:
        raise ValueError(f"k must be ≥ 1, for π_k is greedy in v_(k−1); it is {k}.")
    horizon, power = 1 / (1 - gamma), gamma**k
    return 2 * (gamma - power) * horizon**2 * epsilon + 2 * power * horizon * distance


def api_step_bound(gamma: Any, loss: Any, delta: Any, epsilon: Any) -> Any:
    """Bound ‖v* − v^{π_{k+1}}‖∞ by loss = ‖v* − v^{π_k}‖∞: γ loss + (ε + 2γδ) H.

    delta ≥ ‖v_k − v^{π_k}‖∞; epsilon ≥ ‖T^{π_{k+1}} v_k − T v_k‖∞.
    Source: Bertsekas & Tsitsiklis (1996), Lemma 6.1 and Proposition 6.2.
    """
    _require_discount(gamma)
    return gamma * loss + (epsilon + 2 * gamma * delta) / (1 - gamma)


def api_bound(gamma: Any, delta: Any, epsilon: Any) -> Any:
    """Bound limsup_k ‖v* − v^{π_k}‖∞ of approximate policy iteration: (ε + 2γδ) H².

    Arguments as for `api_step_bound`. Source: Bertsekas & Tsitsiklis (1996), Proposition 6.2.
    """
    _require_discount(gamma)
    return (epsilon + 2 * gamma * delta) / (1 - gamma) ** 2


def _require_discount(gamma: Any) -> None:
    if not 0 <= gamma < 1:
        raise ValueError(f"gamma must lie in [0, 1); it is {gamma}.")


# ---- value iteration -------------------------------------------------------------------------


class ValueState(NamedTuple):
    """The k-th iterate.

    v        (S,) v_k = T v_{k−1} + ε_k
    policy   (S,) int, π_k, greedy in v_{k−1}; at k = 0 greedy in v_0
    noise    (S,) ε_k, as injected; 0 at k = 0
    step     k
    """

    v: np.ndarray
    policy: np.ndarray
    noise: np.ndarray
    step: int

    @property
    def noise_size(self) -> Any:
        """‖ε_k‖∞."""
        return sup(self.noise)

    def true_value(self, mdp: MDP) -> np.ndarray:
        """(S,) v^{π_k}."""
        return policy_value(mdp, self.policy)


@dataclass(frozen=True)
class ApproximateValueIteration:
    """v_k = T v_{k−1} + ε_k, on float and on exact models.

    noise     ε_k = noise(k, T v_{k−1}) for k = 1, 2, …; or (size, seed), uniform in ±size
    epsilon   the bound claimed of ‖ε_k‖∞; ValueError names the step that exceeds it.
              None claims nothing of a callable, and `size` of numbers that are drawn
    """

    noise: Noise
    epsilon: Any = None
    key = "avi"

    def __post_init__(self):
        _check_noise(self.noise, self.epsilon, "noise")

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> ValueState:
        """Values 0, or those given, without noise."""
        v = _zeros(mdp) if start is None else start
        return ValueState(v, greedy(mdp, v), _zeros(mdp), 0)

    def step(self, mdp: MDP, state: ValueState) -> ValueState:
        """One sweep, and its error."""
        k, q = state.step + 1, action_values(mdp, state.v)
        image = np.maximum.reduceat(q.reshape(-1), mdp.action_ptr[:-1])
        noise = injected(mdp, self.noise, self.epsilon, k, image)
        best = greedy_pairs(mdp, q, 2 * rounding(mdp, state.v))
        return ValueState(image + noise, mdp.actions_of(best), noise, k)

    def gap(self, mdp: MDP, state: ValueState) -> float:
        """Width of the interval that T v − v proves: errors keep it from shrinking to 0."""
        return _width(mdp, state.v)


# ---- policy iteration ------------------------------------------------------------------------


class PolicyState(NamedTuple):
    """The k-th policy and its evaluation.

    v        (S,) v_k = v^{π_k} + noise
    policy   (S,) int, π_k
    noise    (S,) v_k − v^{π_k}, as injected
    loss     (S,) T v_{k−1} − T^{π_k} v_{k−1} ≥ 0, what the improvement missed; 0 at k = 0
    step     k
    """

    v: np.ndarray
    policy: np.ndarray
    noise: np.ndarray
    loss: np.ndarray
    step: int

    @property
    def noise_size(self) -> Any:
        """‖v_k − v^{π_k}‖∞, to be ≤ δ."""
        return sup(self.noise)

    @property
    def loss_size(self) -> Any:
        """‖T^{π_k} v_{k−1} − T v_{k−1}‖∞, to be ≤ ε."""
        return sup(self.loss)

    def true_value(self, mdp: MDP) -> np.ndarray:
        """(S,) v^{π_k}, solved anew."""
        return policy_value(mdp, self.policy)


@dataclass(frozen=True)
class ApproximatePolicyIteration:
    """Policy iteration with errors of both kinds, on float and on exact models.

    evaluation_noise    v_k = v^{π_k} + noise(k, v^{π_k}) for k = 0, 1, …
    improvement_noise   π_{k+1} takes the worst action within |noise(k, v_k)| of the best;
                        None is greedy, the lowest index among ties
    delta, epsilon      the bounds claimed of their sizes; ValueError names the step beyond

    Either noise may be (size, seed): uniform in ±size, and size is claimed.
    """

    evaluation_noise: Noise
    improvement_noise: Noise | None = None
    delta: Any = None
    epsilon: Any = None
    key = "api"

    def __post_init__(self):
        _check_noise(self.evaluation_noise, self.delta, "evaluation_noise")
        if self.improvement_noise is not None:
            _check_noise(self.improvement_noise, self.epsilon, "improvement_noise")

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> PolicyState:
        """The policy greedy in the values given, or in the rewards alone, evaluated."""
        v = _zeros(mdp) if start is None else start
        return self._evaluated(mdp, greedy(mdp, v), _zeros(mdp), 0)

    def step(self, mdp: MDP, state: PolicyState) -> PolicyState:
        """Improve on what is thought of the policy, nearly; evaluate the next one, nearly."""
        q = action_values(mdp, state.v).reshape(-1)
        slack = 2 * rounding(mdp, state.v)
        top = greedy_pairs(mdp, q, 0)
        if self.improvement_noise is None:
            chosen = greedy_pairs(mdp, q, slack)
        else:
            given = injected(mdp, self.improvement_noise, self.epsilon, state.step, state.v)
            chosen = _worst_within(mdp, q, np.maximum(abs(given), slack), slack)
        return self._evaluated(mdp, mdp.actions_of(chosen), q[top] - q[chosen], state.step + 1)

    def gap(self, mdp: MDP, state: PolicyState) -> float:
        """Width of the interval that T v − v proves: errors keep it from shrinking to 0."""
        return _width(mdp, state.v)

    def _evaluated(self, mdp: MDP, policy: np.ndarray, loss: np.ndarray, k: int) -> PolicyState:
        v = policy_value(mdp, policy)
        noise = injected(mdp, self.evaluation_noise, self.delta, k, v)
        return PolicyState(v + noise, policy, noise, loss, k)


def _worst_within(mdp: MDP, q: np.ndarray, loss: np.ndarray, slack: Any) -> np.ndarray:
    """(S,) the first pair, up to slack, of least q among those with q ≥ max q − loss."""
    top = np.maximum.reduceat(q, mdp.action_ptr[:-1])
    near = q >= np.repeat(top - loss, np.diff(mdp.action_ptr))
    return greedy_pairs(mdp, np.where(near, -q, -(2 * sup(q) + 1 + slack)), slack)


# ---- errors ----------------------------------------------------------------------------------


def injected(mdp: MDP, noise: Noise, bound: Any, k: int, v: np.ndarray) -> np.ndarray:
    """The error of step k at values v, (S,), held against the bound that is claimed of it.

    Raises ValueError if it has another shape, is not finite, or exceeds the bound.
    """
    if isinstance(noise, tuple):
        bound, seed = noise if bound is None else (bound, noise[1])
        error = np.random.default_rng([seed, k]).uniform(-1, 1, mdp.n_states) * noise[0]
    else:
        error = np.asarray(noise(k, v))
    check_shape(error, (mdp.n_states,), f"the noise of step {k}")
    if not (error.dtype == object or np.isfinite(error).all()):
        raise ValueError(f"the noise of step {k} is not finite.")
    error = _exact(error) if mdp.is_exact else error.astype(float)
    limit = _exact([bound])[0] if mdp.is_exact and bound is not None else bound
    if limit is not None and sup(error) > limit:
        s = int(np.argmax(abs(error)))
        raise ValueError(
            f"the noise of step {k} is {error[s]} at state {s}; at most {bound} was claimed."
        )
    return error


def _check_noise(noise: Any, bound: Any, name: str) -> None:
    if bound is not None and not bound >= 0:
        raise ValueError(f"the bound of {name} must be ≥ 0; it is {bound}.")
    if callable(noise):
        return
    if not (isinstance(noise, tuple) and len(noise) == 2):
        raise TypeError(f"{name} must be noise(k, v) → (S,) or (size, seed), not {noise!r}.")
    size, seed = noise
    if not 0 <= size < np.inf or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"{name} must be (size ≥ 0, whole seed ≥ 0); it is {noise!r}.")


def _exact(x: Any) -> np.ndarray:
    from mdpkit._exact import rational

    return np.array([rational(y) for y in x], dtype=object)


def _zeros(mdp: MDP) -> np.ndarray:
    return np.full(mdp.n_states, mdp.gamma * 0, dtype=mdp.r.dtype)


def _width(mdp: MDP, v: np.ndarray) -> float:
    """The width of the interval around v* that T v − v proves; infinite at γ = 1."""
    if mdp.gamma >= 1:
        return np.inf
    change = backup(mdp, v) - v
    if not mdp.is_exact:
        return interval(mdp, float(change.min()), float(change.max()), float(sup(v)))
    below, above = tails(mdp, change.min(), change.max())
    return number(above - below)
