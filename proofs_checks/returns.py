"""Group F, first part: returns along a path (THEOREMS.md §2.F, F1, F2, F4, F5).

    (T^π)ⁿ v = E[Σ_{k<n} γᵏ r_k + γⁿ v(s_n)]         δ_k = r_k + γ v(s_{k+1}) − v(s_k)
    G^λ = (1−λ) Σ_n λⁿ⁻¹ G⁽ⁿ⁾ = v(s_0) + Σ_k (γλ)ᵏ δ_k

A path is any sequence of states and rewards; its discounts are γ, and 0 where it ends.
Source: Sutton (1988); Watkins (1989); Sutton & Barto (2018), chapters 7 and 12.
"""

from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    All,
    Eq,
    Gamma,
    Leq,
    Policy,
    Probability,
    Value,
    claim,
    integers,
)
from mdpkit.operators.returns import lambda_return, n_step_return, temporal_differences
from mdpkit.operators.traces import n_step_operator
from proofs_checks.sampling_vocabulary import Horizon, Tiny, paths, rounding
from proofs_checks.vocabulary import (
    sup,
    tol_v,
    v_pi,
)

# ---- F1 --------------------------------------------------------------------------------------


def from_each_state(mdp, pi, n, returns):
    """E of a return of the first step, by every path of n steps from each state; (S,)."""
    found = []
    for s in range(mdp.n_states):
        batch = paths(mdp, pi, n, s)
        found.append((batch.weight * returns(batch)).sum())
    return np.array(found)


@claim(id="F1", source="Watkins (1989), §7.1", exact="Q", effort=0.1)
def n_step_return_expects_the_power_of_the_backup(
    mdp: Tiny, v: Value, pi: Policy, n: Horizon, *, steps=n_step_return
):
    """E[Σ_{k<n} γᵏ r_k + γⁿ v(s_n)] = (T^π)ⁿ v, and ‖(T^π)ⁿ v − v^π‖∞ ≤ γⁿ ‖v − v^π‖∞."""

    def first(batch):
        after = v[batch.states[1:]]
        return steps(batch.rewards, batch.discounts, batch.boundary, after, n)[0]

    image, truth = n_step_operator(mdp, pi, v, n), v_pi(mdp, pi)
    return All(
        Leq(sup(image - truth), mdp.gamma**n * sup(v - truth)),
        Eq(from_each_state(mdp, pi, n, first), image, tol_v(mdp, v, powers=3)),
    )


n_step_return_expects_the_power_of_the_backup.rejects(
    "forgets what comes after", steps=lambda r, d, cut, v, n: n_step_return(r, d, cut, 0 * v, n)
)
n_step_return_expects_the_power_of_the_backup.rejects(
    "bootstraps at once", steps=lambda r, d, cut, v, n: r + d * v
)


@n_step_return_expects_the_power_of_the_backup.attained_by
def shifted_values():
    """v = v^π + 1."""
    mdp = gallery.make("puterman").exact()
    pi = np.array([0, 0])
    return mdp, v_pi(mdp, pi) + 1, pi, 2


# ---- F2, F4, F5: along one path --------------------------------------------------------------


def rewards(draw, _):
    """Rewards of a path of 1 to 5 steps."""
    draw.size("k", 1, 5)
    return draw.numbers("k")


def states_met(draw, _):
    """The states of the path, of which there are three."""
    return draw.integers("k", 0, 2)


Rewards = Annotated[Any, rewards]
States = Annotated[Any, states_met]
ThreeValues = Annotated[Any, lambda draw, _: (draw.size("s", 3, 3), draw.numbers("s"))[1]]
Last = Annotated[int, integers(0, 3)]


def path(r, gamma, states, last, v):
    """Discounts, boundary, v(s_k) and v(s_{k+1}); `last` = 3 is the end of the episode."""
    n, ends = len(r), last == 3
    discounts = np.array([gamma * (0 if ends and k == n - 1 else 1) for k in range(n)])
    after = np.append(states[1:], 0 if ends else last)
    return discounts, np.arange(n) == n - 1, v[states], v[after]


def mixture(r, d, cut, after, lam):
    """(1−λ) Σ λⁿ⁻¹ G⁽ⁿ⁾ + λ^{T−1} G⁽ᵀ⁾, each n-step return by itself."""
    T = len(r)
    steps = [n_step_return(r, d, cut, after, n)[0] for n in range(1, T + 1)]
    return (
        sum((1 - lam) * lam**n * G for n, G in enumerate(steps[:-1]))
        + lam ** (T - 1) * steps[-1]
    )


def decayed(lam, gamma, k):
    """(γλ)ᵏ."""
    return (gamma * lam) ** k


@claim(id="F2", source="Sutton (1988); Sutton & Barto (2018), (12.3)", exact="Q")
def lambda_return_is_a_mixture_and_a_sum_of_errors(
    r: Rewards,
    gamma: Gamma,
    lam: Probability,
    states: States,
    last: Last,
    v: ThreeValues,
    *,
    factor=decayed,
    mixed=mixture,
):
    """G^λ = (1−λ) Σ_{n<T} λⁿ⁻¹ G⁽ⁿ⁾ + λ^{T−1} G = v(s_0) + Σ_{k≥0} (γλ)ᵏ δ_k, on every path.

    λ = 0 is r + γv, λ = 1 the return.
    """
    d, cut, now, after = path(r, gamma, states, last, v)
    G = lambda_return(r, d, cut, after, lam)[0]
    delta = temporal_differences(r, d, now, after)
    summed = sum(factor(lam, gamma, k) * x for k, x in enumerate(delta))
    tol = rounding(r, v)
    return All(Eq(G, mixed(r, d, cut, after, lam), tol), Eq(G, now[0] + summed, tol))


lambda_return_is_a_mixture_and_a_sum_of_errors.rejects(
    "λᵏ, k from 1", factor=lambda lam, gamma, k: lam ** (k + 1)
)
lambda_return_is_a_mixture_and_a_sum_of_errors.rejects(
    "without the factor 1−λ",
    mixed=lambda r, d, cut, after, lam: sum(
        lam**n * n_step_return(r, d, cut, after, n + 1)[0] for n in range(len(r))
    ),
)


def backward(states, delta, gamma, lam, kind):
    """Σ_k δ_k z_k of every state, by accumulating traces."""
    z, total = np.array([0 * delta[0]] * 3), np.array([0 * delta[0]] * 3)
    for s, x in zip(states, delta, strict=True):
        z = gamma * lam * z
        z[s] = 1 + (0 if kind == "replacing" else z[s])
        if kind == "fades after the visit":
            z = gamma * lam * z
        total = total + x * z
    return total


@claim(id="F4", source="Sutton (1988), §4; Sutton & Barto (2018), exercise 12.3", exact="Q")
def forward_view_is_the_backward_view(
    r: Rewards,
    gamma: Gamma,
    lam: Probability,
    states: States,
    last: Last,
    v: ThreeValues,
    *,
    kind="accumulating",
):
    """Σ_k δ_k z_k(s) = Σ_t (G^λ_t − v(s_t)) 1{s_t = s}, on every path and for every state."""
    d, cut, now, after = path(r, gamma, states, last, v)
    errors = lambda_return(r, d, cut, after, lam) - now
    forward = np.array([sum(errors[states == s], 0 * gamma) for s in range(3)])
    delta = temporal_differences(r, d, now, after)
    return Eq(backward(states, delta, gamma, lam, kind), forward, rounding(r, v))


forward_view_is_the_backward_view.rejects("replacing traces", kind="replacing")
forward_view_is_the_backward_view.rejects("fades after the visit", kind="fades after the visit")


@claim(id="F5", source="Sutton & Barto (2018), (6.6)", exact="Q")
def errors_telescope(
    r: Rewards, gamma: Gamma, states: States, last: Last, v: ThreeValues, *, power=1
):
    """Σ_{k<n} γᵏ δ_k = Σ_{k<n} γᵏ r_k + γⁿ v(s_n) − v(s_0), v = 0 behind the end."""
    d, _, now, after = path(r, gamma, states, last, v)
    delta = temporal_differences(r, d, now, after)
    weight = [gamma ** (power * k) for k in range(len(r))]
    left = sum(w * x for w, x in zip(weight, delta, strict=True))
    earned = sum(gamma**k * x for k, x in enumerate(r))
    return Eq(left, earned + gamma ** (len(r) - 1) * d[-1] * after[-1] - now[0], rounding(r, v))


errors_telescope.rejects("γ²ᵏ", power=2)
errors_telescope.rejects("without discount", power=0)
