"""Groups F and X, targets of a window of T steps (THEOREMS.md §2.F and §3; F1, F3, X26).

    n steps    E_b[Σ_{k<n} γᵏ r_k + γⁿ max_a q(s_n,a)] = (B^b)ⁿ⁻¹ B q
    λ-return   E_π G^λ = v + Σ_{k<T} (γλP_π)ᵏ (T^π v − v)
    Retrace    E_b G = q + Σ_{k<T} (γP^{cb})ᵏ (B^π q − q)
    V-trace    E_b v_0 = v + Σ_{k<T} (γP_{cb})ᵏ ρb(r + γPv − v)

by every path of b. A window that stops is no end: its last step bootstraps, so that what it
lacks of the whole operator is what T steps of traces leave over. Episodes may end within it.
Source: Sutton & Barto (2018), chapters 7 and 12; Munos et al. (2016); Espeholt et al. (2018).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit._array import backward
from mdpkit.batch import Trajectories
from mdpkit.claim import (
    ActionValue,
    All,
    Eq,
    FullPolicy,
    Leq,
    Policy,
    Probability,
    Value,
    claim,
    numbers,
)
from mdpkit.operators.bellman import aggregate, backup_q
from mdpkit.operators.linear import pair_chain
from mdpkit.operators.returns import lambda_return, n_step_return, temporal_differences
from mdpkit.operators.traces import lambda_operator
from mdpkit.policy import expected_under, probabilities
from mdpkit.targets import off_policy_return, retrace, tree_backup, vtrace
from proofs_checks.off_policy_operators import at_most, clipped
from proofs_checks.sampling_vocabulary import Horizon, Tiny, along
from proofs_checks.target_vocabulary import of_pairs, of_states, windows
from proofs_checks.vocabulary import (
    chain,
    evaluation,
    over_actions,
    over_states,
    q_evaluation,
    q_optimality,
    scalar,
    sup,
    tol_v,
    v_pi,
    vector,
)


def told(batch: Trajectories) -> tuple[Any, Any, Any]:
    """Rewards, discounts and the boundary."""
    return batch.rewards, batch.discounts, batch.boundary


def without_end(batch: Trajectories) -> tuple[Any, Any, Any]:
    """A cut that is taken for an end."""
    d = np.where(batch.boundary, 0 * batch.discounts, batch.discounts)
    return batch.rewards, d, batch.boundary


def summed(step, x, T):
    """Σ_{k<T} stepᵏ x."""
    total = x
    for _ in range(T - 1):
        x = step(x)
        total = total + x
    return total


# ---- F1: n steps of the behavior, then the maximum -------------------------------------------


def behaviors(mdp, b):
    """B^b."""
    return q_evaluation(b)


@claim(id="F1-behavior", source="Hernandez-Garcia & Sutton (2019), §2; a line", exact="Q",
    effort=0.3,
)  # fmt: skip
def n_step_maximum_follows_the_behavior(
    mdp: Tiny, q: ActionValue, b: FullPolicy, n: Horizon, *, before=behaviors, given=told
):
    """E_b[Σ_{k<n} γᵏ r_k + γⁿ max_a q(s_n,a) | s,a] = (B^b)ⁿ⁻¹ B q, and not Bⁿ q."""
    batch = windows(mdp, b, n)
    (r, d, cut), after = given(batch), aggregate(mdp, q)[batch.states[1:]]
    total, met = of_pairs(mdp, batch, n_step_return(r, d, cut, after, n))
    image = backup_q(mdp, q)
    for _ in range(n - 1):
        image = before(mdp, b)(mdp, image)
    return Eq(total, met * image.reshape(-1), tol_v(mdp, q))


n_step_maximum_follows_the_behavior.rejects("Bⁿ q", before=lambda mdp, b: q_optimality)
n_step_maximum_follows_the_behavior.rejects("the window's end is an end", given=without_end)


# ---- F3: λ-returns ---------------------------------------------------------------------------


def left_over(gamma, lam, T):
    """(γλ)ᵀ."""
    return (gamma * lam) ** T


@claim(id="F3-window", source="Sutton & Barto (2018), (12.9); a line", exact="Q", effort=0.3)
def lambda_return_of_a_window_lacks_what_its_traces_leave(
    mdp: Tiny, v: Value, pi: FullPolicy, lam: Probability, T: Horizon,
    *, rest=left_over, given=told
):  # fmt: skip
    """‖E G^λ − T^(λ)v‖∞ ≤ (γλ)ᵀ ‖T^(λ)v − v‖∞, E G^λ = v + Σ_{k<T} (γλP_π)ᵏ (T^π v − v)."""
    batch, (P, _) = windows(mdp, pi, T), chain(mdp, pi)
    r, d, cut = given(batch)
    G = lambda_return(r, d, cut, v[batch.states[1:]], lam)
    total, met = of_states(mdp, batch, G)
    whole, tol = lambda_operator(mdp, pi, v, lam), tol_v(mdp, v, powers=3)
    step, delta = mdp.gamma * lam * P, evaluation(pi)(mdp, v) - v
    return All(
        Leq(sup(total / met - whole), rest(mdp.gamma, lam, T) * sup(whole - v), tol),
        Eq(total, met * (v + summed(lambda x: step @ x, delta, T)), tol),
    )


lambda_return_of_a_window_lacks_what_its_traces_leave.rejects(
    "the window's end is an end", given=without_end
)
lambda_return_of_a_window_lacks_what_its_traces_leave.rejects(
    "(γλ)^{T+1}", rest=lambda gamma, lam, T: left_over(gamma, lam, T + 1)
)


@lambda_return_of_a_window_lacks_what_its_traces_leave.attained_by
def shifted_values():
    """v = v^π + 1."""
    mdp = gallery.make("puterman").exact()
    pi = np.array([vector(mdp, 1, 0), vector(mdp, 1, 0)])
    return mdp, v_pi(mdp, pi) + 1, pi, scalar(mdp, "1/2"), 2


# ---- X26: off the policy ---------------------------------------------------------------------


def ratios(mdp, pi, b, batch):
    """π/b along the paths, 1 behind an end."""
    return along(batch, probabilities(mdp, pi) / probabilities(mdp, b), 1)


def early(r, d, cut, own, after, c):
    """Traces of the step itself for those of the next."""
    moved = np.concatenate([c[:1], c[:-1]])
    return off_policy_return(r, d, cut, own, after, moved)


def same_step(r, d, cut, own, after, c):
    """E_π q of s_t for that of s_{t+1}."""
    return off_policy_return(r, d, cut, own, np.concatenate([after[:1], after[:-1]]), c)


def one_value(r, d, cut, own, after, c):
    """A λ-return with λ_t = c_{t+1}: it would need q(s,a) = E_π q."""
    return lambda_return(r, d, cut, after, np.concatenate([c[1:], 0 * c[:1]]))


@claim(id="X26-sampled", source="Munos et al. (2016), §2; Precup et al. (2000)", exact="Q",
    effort=0.3,
)  # fmt: skip
def off_policy_return_of_a_window_expects_its_operator(
    mdp: Tiny, q: ActionValue, pi: Policy, b: FullPolicy, lam: Probability, T: Horizon,
    *, target=off_policy_return, given=told
):  # fmt: skip
    """E_b[G | s,a] = q + Σ_{k<T} (γP^{cb})ᵏ (B^π q − q), c = λ min(1, π/b), or λπ.

    Retrace and tree backup are that target with these traces.
    """
    batch, taken = windows(mdp, b, T), probabilities(mdp, pi)
    own, rho, p = along(batch, q, 0), ratios(mdp, pi, b, batch), along(batch, taken, 1)
    after = expected_under(mdp, pi, q)[batch.states[1:]]
    r, d, cut = given(batch)
    data = (r, d, cut, own, after)
    residual = (q_evaluation(pi)(mdp, q) - q).reshape(-1)
    found = []
    for c in (clipped(taken, b, lam), lam * taken):
        step = mdp.gamma * pair_chain(mdp, b).P * c.reshape(-1)
        image = q.reshape(-1) + summed(lambda x, step=step: step @ x, residual, T)
        total, met = of_pairs(mdp, batch, target(*data, along(batch, c, lam)))
        found.append(Eq(total, met * image, tol_v(mdp, q)))
    traces = (retrace(*data, rho, lam=lam), tree_backup(*data, p, lam=lam))
    both = (along(batch, clipped(taken, b, lam), lam), along(batch, lam * taken, lam))
    return All(
        *found,
        *(
            Eq(x, off_policy_return(*data, c), tol_v(mdp, q))
            for x, c in zip(traces, both, strict=True)
        ),
    )


off_policy_return_of_a_window_expects_its_operator.rejects(
    "traces of the same step", target=early
)
off_policy_return_of_a_window_expects_its_operator.rejects(
    "values of the same step", target=same_step
)
off_policy_return_of_a_window_expects_its_operator.rejects(
    "one value for both", target=one_value
)
off_policy_return_of_a_window_expects_its_operator.rejects(
    "the window's end is an end", given=without_end
)


Level = Annotated[Any, numbers("", Fraction(1, 5), 3)]
"""ρ̄ and c̄."""


def unweighed(r, d, cut, now, after, rho, *, rho_max, c_max):
    """ρ in the traces and not on the difference."""
    found = vtrace(r, d, cut, now, after, rho, rho_max=rho_max, c_max=c_max)
    delta = temporal_differences(r, d, now, after)
    traces = (1 - 1 * cut) * d * at_most(rho, c_max)
    return found._replace(values=now + backward(delta, traces))


@claim(id="X26-vtrace-sampled", source="Espeholt et al. (2018), (1)", exact="Q", effort=0.3)
def vtrace_of_a_window_expects_its_operator(
    mdp: Tiny, v: Value, pi: FullPolicy, b: FullPolicy, level: Level, trace: Level, T: Horizon,
    *, target=vtrace, given=told
):  # fmt: skip
    """E_b[v_0 | s] = v + Σ_{k<T} (γP_{cb})ᵏ ρb(r + γPv − v), ρ = ρ̄ ∧ π/b, c = c̄ ∧ π/b."""
    batch, rho = windows(mdp, b, T), probabilities(mdp, pi) / b
    (r, d, cut), now, after = given(batch), v[batch.states[:-1]], v[batch.states[1:]]
    ratio = ratios(mdp, pi, b, batch)
    found = target(r, d, cut, now, after, ratio, rho_max=level, c_max=trace)
    total, met = of_states(mdp, batch, found.values)
    rows = (b * at_most(rho, trace)).reshape(-1, 1) * mdp.rows
    P = mdp.gamma * np.add.reduceat(rows, mdp.action_ptr[:-1], axis=0)
    ahead = q_evaluation(pi)(mdp, over_states(mdp, v)) - over_states(mdp, v)
    delta = over_actions(mdp, b * at_most(rho, level) * ahead)
    image = v + summed(lambda x: P @ x, delta, T)
    return Eq(total, met * image, 10 * tol_v(mdp, v))  # ratios reach 3


vtrace_of_a_window_expects_its_operator.rejects("without ρ on the difference", target=unweighed)
vtrace_of_a_window_expects_its_operator.rejects("the window's end is an end", given=without_end)
