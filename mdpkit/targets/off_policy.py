"""Targets from the data of another policy b: the temporal differences ahead, weighted.

    x_t = e_t + d̃_t c x_{t+1},      d̃_t = (1 − boundary_t) d_t,    x_T = 0

    V-trace     v_t − V_t = ρ_t δ_t + d̃_t c_t (v_{t+1} − V_{t+1}),    δ_t = r_t + d_t V' − V_t
                ρ = min(ρ̄, π/b), c = λ min(c̄, π/b)
                lifts V + (I − γP_{cb})⁻¹ ρb (r + γPV − V), whose fixed point is the value of
                the policy π_ρ̄ ∝ min(ρ̄ b, π)
    off-policy  G_t = r_t + d_t E_π Q(s_{t+1},·) + d̃_t c_{t+1} (G_{t+1} − Q(s_{t+1},a_{t+1}))
                lifts R Q = Q + (I − γP^{cb})⁻¹ (B^π Q − Q), whose fixed point is q^π
    with c      Retrace: λ min(1, π/b)      tree backup: λ π
                Q^π(λ): λ                   per decision: λ π/b

(P^{cb} x)(s,a) = Σ P(t|s,a) b(a'|t) c(t,a') x(t,a'). R contracts by γ where c ≤ π/b, for any b.
Replacing λ in a λ-return by a clipped ratio is not the same: V-trace has ρ_t on δ_t too, and
Retrace two different values at s_{t+1}. A truncated step keeps d_t V(s_{t+1}) in its difference
and only ends the recursion.

Arrays are (T, n) or (T, …), time first, of any array library; exact on exact arrays.
Checked in tests/targets/test_off_policy.py and proofs_checks (X26).
Source: Munos et al. (2016); Espeholt et al. (2018); Precup, Sutton & Singh (2000); Harutyunyan
et al. (2016).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mdpkit._array import backward, namespace
from mdpkit.operators.returns import temporal_differences


class VTrace(NamedTuple):
    """values: targets of V, (T, …); advantages: ρ_t (r_t + d_t v_{t+1} − V_t), the gradient's.

    Behind a boundary v_{t+1} is V(s_{t+1}) itself.
    """

    values: Any
    advantages: Any


def vtrace(
    rewards: Any,
    discounts: Any,
    boundary: Any,
    values: Any,
    next_values: Any,
    ratios: Any,
    *,
    lam: Any = 1,
    rho_max: Any = 1,
    c_max: Any = 1,
) -> VTrace:
    """V-trace. Lifts V + (I − γP_{cb})⁻¹ ρb (r + γPV − V), towards the value of π_ρ̄.

    rewards, discounts, boundary   (T, …), as for `returns.lambda_return`
    values, next_values            V(s_t) and V(s_{t+1}), (T, …)
    ratios                         π(a_t|s_t) / b(a_t|s_t), (T, …)
    rho_max, c_max                 ρ̄ ≥ c̄ > 0: the first sets the fixed point, the second the
                                   length of the traces
    """
    xp = namespace(rewards, values, ratios)
    rho, c = _at_most(xp, ratios, rho_max), lam * _at_most(xp, ratios, c_max)
    delta = temporal_differences(rewards, discounts, values, next_values)
    ahead = backward(rho * delta, _cut(boundary) * discounts * c)
    later = xp.concat([ahead[1:], 0 * ahead[-1:]])
    after = next_values + _cut(boundary) * later
    return VTrace(values + ahead, rho * (rewards + discounts * after - values))


def off_policy_return(
    rewards: Any,
    discounts: Any,
    boundary: Any,
    action_values: Any,
    next_values: Any,
    traces: Any,
) -> Any:
    """G_t of every step, (T, …). Lifts R Q = Q + (I − γP^{cb})⁻¹ (B^π Q − Q).

    rewards, discounts, boundary   (T, …), as for `returns.lambda_return`
    action_values                  Q(s_t, a_t), (T, …)
    next_values                    Σ_a π(a|s_{t+1}) Q(s_{t+1}, a), (T, …), of the state reached
    traces                         c_t = c(s_t, a_t), (T, …); c_0 is never used
    """
    xp = namespace(rewards, action_values, traces)
    following = xp.concat([traces[1:], 0 * traces[-1:]])  # at (s_{t+1}, a_{t+1}), never at t
    delta = temporal_differences(rewards, discounts, action_values, next_values)
    return action_values + backward(delta, _cut(boundary) * discounts * following)


def retrace(
    rewards: Any,
    discounts: Any,
    boundary: Any,
    action_values: Any,
    next_values: Any,
    ratios: Any,
    *,
    lam: Any = 1,
) -> Any:
    """Retrace(λ), (T, …): c = λ min(1, π/b). Lifts R; contracts by γ towards q^π for every b.

    ratios : π/b at (s_t, a_t), (T, …); the rest as for `off_policy_return`.
    """
    c = lam * _at_most(namespace(rewards, ratios), ratios, 1)
    return off_policy_return(rewards, discounts, boundary, action_values, next_values, c)


def tree_backup(
    rewards: Any,
    discounts: Any,
    boundary: Any,
    action_values: Any,
    next_values: Any,
    probabilities: Any,
    *,
    lam: Any = 1,
) -> Any:
    """Tree backup(λ), (T, …): c = λ π, so that b need not be known. Lifts R with that c.

    probabilities : π(a_t|s_t), (T, …); the rest as for `off_policy_return`.
    """
    c = lam * probabilities
    return off_policy_return(rewards, discounts, boundary, action_values, next_values, c)


def _cut(boundary: Any) -> Any:
    return 1 - 1 * boundary


def _at_most(xp: Any, x: Any, largest: Any) -> Any:
    """min(x, largest); on exact arrays too."""
    return xp.where(x > largest, largest + 0 * x, x)
