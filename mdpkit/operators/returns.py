"""Returns along trajectories: one recursion, of which all the others are cases.

    G_t = r_t + d_t ((1 − λ_t) V_{t+1} + λ_t G_{t+1}),      λ_t = λ (1 − boundary_t)

d_t = γ(1 − terminated) is 0 where the episode ended; the boundary, an end or a cut, only stops
the recursion: a truncated step bootstraps from the value of the state it truly reached.

    λ = 0               one-step target r + dV               δ = target − V
    λ = 1               return, bootstrapped where the data were cut; with V = 0 Monte Carlo
    G_t − V_t           generalized advantage, Σ_k (Π_{i<k} d λ) δ_{t+k} = (1−λ) Σ_n λⁿ⁻¹ A⁽ⁿ⁾
    λ_t = λ c_{t+1}     off-policy: returns per decision for V = 0 and c = π/b; traces cut at c
    n-step              λ = 1 for n − 1 steps, then 0

Arrays are (T, n) or (T, …), time first, of any array library; exact on exact arrays. Beyond the
last row nothing is known, so it bootstraps, whether marked as a boundary or not.
Checked in tests/operators/test_returns.py.
Source: Sutton & Barto (2018), (12.24); Schulman et al. (2016), (16); Precup et al. (2000).
"""

from __future__ import annotations

from typing import Any

from mdpkit._array import backward, kind, namespace


def lambda_return(
    rewards: Any, discounts: Any, boundary: Any, next_values: Any, lam: Any = 1
) -> Any:
    """G_t of every step, (T, …).

    rewards      (T, …), in units of reward
    discounts    (T, …), γ(1 − terminated)
    boundary     (T, …) bool, terminated or truncated after this step
    next_values  V(s_{t+1}), (T, …), of the state truly reached; or one number for all
    lam          λ, one number or (T, …); by itself it need not lie in [0, 1]
    """
    if kind(rewards) == "cupy":
        from mdpkit.operators._device_flow import lambda_returns

        return lambda_returns(rewards, discounts, boundary, next_values, lam)
    after = _full(next_values, rewards)
    kept = _full(lam, rewards) * (1 - 1 * _full(boundary, rewards))
    first = rewards + discounts * ((1 - kept) * after)
    return backward(first, discounts * kept, after[-1])


def n_step_return(rewards: Any, discounts: Any, boundary: Any, next_values: Any, n: int) -> Any:
    """Σ_{k<n} (Π d) r_{t+k} + (Π d) V(s_{t+n}), (T, …), cut short at a boundary; n ≥ 1."""
    if n < 1:
        raise ValueError(f"n must be ≥ 1; it is {n}.")
    xp, after = namespace(rewards), _full(next_values, rewards)
    cut, G = _full(boundary, rewards), rewards + discounts * after
    for _ in range(min(n, rewards.shape[0]) - 1):
        later = xp.concat([G[1:], after[-1:]])
        G = rewards + discounts * xp.where(cut, after, later)
    return G


def temporal_differences(rewards: Any, discounts: Any, values: Any, next_values: Any) -> Any:
    """δ_t = r_t + d_t V(s_{t+1}) − V(s_t), (T, …)."""
    return rewards + discounts * _full(next_values, rewards) - values


def generalized_advantage(
    rewards: Any, discounts: Any, boundary: Any, values: Any, next_values: Any, lam: Any = 0.95
) -> Any:
    """G_t − V(s_t), (T, …): A_t = δ_t + d_t λ_t A_{t+1}. values : V(s_t); the rest as there.

    The target of the values is the return itself, this plus `values`.
    """
    return lambda_return(rewards, discounts, boundary, next_values, lam) - values


def discount_so_far(discounts: Any) -> Any:
    """Π_{i<t} d_i, (T, …): γᵗ while the episode lasts, and 0 after its end."""
    xp = namespace(discounts)
    return xp.concat([0 * discounts[:1] + 1, xp.cumprod(discounts, axis=0)[:-1]])


def _full(x: Any, like: Any) -> Any:
    """One number, or an array of lower rank, in the shape of another."""
    return namespace(like).broadcast_to(namespace(like).asarray(x), like.shape)
