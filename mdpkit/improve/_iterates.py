"""What the methods of policy optimization share: an iterate, its proof, and its start.

An iterate is a stochastic policy with its own value, so the interval that is certified is

    v^{π_k}(s)  ≤  v*(s)  ≤  v^{π_k}(s) + gap        the lower end bounds the policy's own value

and a solve ends when the *policy* is as good as asked, not when v* happens to be known. At
temperature τ v* is v*_τ and v^π is V_τ^π throughout.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import number, sup
from mdpkit.certify import (
    Certificate,
    bounds_from_image,
    rounding_floor,
    warn_if_ill_conditioned,
)
from mdpkit.certify import (
    certify as certify_values,
)
from mdpkit.errors import ModelError
from mdpkit.improve.divergences import each, sums
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values, greedy_pairs, rounding
from mdpkit.operators.policy_gradient import soft_policy_values
from mdpkit.plan import SoftValueIteration
from mdpkit.policy import mixing_error, probabilities, uniform
from mdpkit.solution import Status

TIES = 1e-12
"""Actions whose probabilities differ by less count as equally likely."""


class State(NamedTuple):
    """The k-th iterate.

    v, q         (S,) and pair layout: values of π_k (with entropy V_τ and Q_τ); units: reward
    policy       pair layout, π_k
    coordinates  pair layout: π_k as the method keeps it (log π_k, θ_k, or π_k itself)
    step         k
    step_size    of the step that led here; nan at k = 0
    still        whether that step moved nothing
    """

    v: np.ndarray
    q: np.ndarray
    policy: np.ndarray
    coordinates: np.ndarray
    step: int = 0
    step_size: Any = np.nan
    still: bool = False


def ready(mdp: MDP, start: Any, *, exact: bool = False) -> None:
    """Raise unless the model has a discount and numbers this method works on."""
    if mdp.is_exact and not exact:
        raise TypeError(
            "this method takes logarithms or roots, which are not rational: pass "
            "mdp.rounded(), or use ProjectedQAscent, which is exact."
        )
    if mdp.gamma >= 1:
        raise ModelError(
            "γ = 1: policy optimization needs a discount, since a policy on the way may never "
            "end. Use mdpkit.plan, or a model with γ < 1."
        )
    if start is not None:
        raise ValueError(
            "start holds values; policy optimization begins from a policy. Give it to the "
            "method: ProjectedQAscent(policy=…)."
        )
    warn_if_ill_conditioned(mdp)


def first_policy(mdp: MDP, policy: Any) -> np.ndarray:
    """The policy given, in pair layout; the uniform one if None."""
    return uniform(mdp) if policy is None else probabilities(mdp, policy)


def covering(mdp: MDP, start: Any) -> np.ndarray:
    """μ, (S,): where the gradient's episodes begin; every state equally often if None."""
    if start is not None:
        return np.asarray(start)
    if mdp.is_exact:
        from mdpkit._exact import rational

        return np.full(mdp.n_states, rational(1) / mdp.n_states, dtype=object)
    return np.full(mdp.n_states, 1 / mdp.n_states)


def begun(mdp: MDP, policy: np.ndarray, coordinates: np.ndarray, tau: float = 0.0) -> State:
    """The first iterate."""
    v, q, _ = soft_policy_values(mdp, policy, tau)
    return State(v, q, policy, coordinates)


def advanced(
    mdp: MDP,
    old: State,
    policy: np.ndarray,
    coordinates: np.ndarray,
    *,
    step_size: Any,
    tau: float = 0.0,
) -> State:
    """The next iterate; where nothing moved, the old one, known to stand still."""
    k = old.step + 1
    if np.array_equal(policy, old.policy) and np.array_equal(coordinates, old.coordinates):
        return old._replace(step=k, step_size=step_size, still=True)
    v, q, _ = soft_policy_values(mdp, policy, tau)
    return State(v, q, policy, coordinates, k, step_size)


def advantages(mdp: MDP, state: State) -> np.ndarray:
    """q − Σ_a π q in pair layout.

    From the best action on, so that near a vertex a small advantage is known to many digits.
    """
    top = np.maximum.reduceat(state.q.reshape(-1), mdp.action_ptr[:-1])
    short = state.q - each(mdp, top)
    return short - each(mdp, sums(mdp, state.policy * short))


# ---- methods of several classes --------------------------------------------------------------


def certify(method: Any, mdp: MDP, state: State) -> Certificate:
    """lower ≤ v^{π_k} ≤ v* ≤ upper; `loss` and `gap` are the policy's, rounding included."""
    tau = getattr(method, "tau", 0)
    if tau == 0:
        own = certify_values(mdp, state.v, policy=state.policy)
        best = certify_values(mdp, state.v)
    else:
        own = _soft_certificate(mdp, state, tau)
        best = SoftValueIteration(tau).certify(mdp, state)  # type: ignore[arg-type]
    likeliest = mdp.actions_of(greedy_pairs(mdp, state.policy, 0 if mdp.is_exact else TIES))
    loss = (best.upper - own.lower).max()
    return Certificate(own.lower, best.upper, likeliest, loss, own.q, stochastic=state.policy)


def _soft_certificate(mdp: MDP, state: State, tau: float) -> Certificate:
    """Bounds on V_τ^π from T_τ^π v: Σ_a π (q − τ log π)."""
    q, pi = action_values(mdp, state.v), state.policy
    paid = q - tau * np.log(pi, where=pi > 0, out=np.zeros(mdp.pair_shape))
    own = sums(mdp, np.where(pi > 0, pi * paid, 0.0))
    error = rounding(mdp, state.v) + 2 * mixing_error(mdp, pi, paid)
    lower, upper = bounds_from_image(mdp, state.v, own, error)
    return Certificate(lower, upper, pi, 0.0, q)


def gap(method: Any, mdp: MDP, state: State) -> float:
    """How far above v^{π_k} the certified bound on v* lies, at the worst state."""
    return number(certify(method, mdp, state).gap)


def floor(method: Any, mdp: MDP, state: State) -> float:
    """The gap that rounding leaves, of the values and of their average over actions."""
    if mdp.is_exact:
        return 0.0
    mixing = mixing_error(mdp, state.policy, state.q) / (1 - mdp.gamma)
    return rounding_floor(mdp, float(sup(state.v))) + 2 * float(mixing)


def verdict(method: Any, mdp: MDP, state: State) -> Status | None:
    """It ends short of its goal at the rounding floor, or where a step moves nothing.

    A plateau is not the end: there the gap stays for thousands of steps, and then falls.
    """
    if not mdp.is_exact and gap(method, mdp, state) <= 2 * floor(method, mdp, state):
        return Status.ROUNDING_FLOOR
    return Status.STAGNATED if state.still else None
