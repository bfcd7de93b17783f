"""Group K, third part: the soft optimum, and what a temperature costs (§2.K, K6, K8; X33).

    v*_τ(s) = q*_τ(s,a) − τ log(π*_τ(a|s)/p(a|s)) for every a:     the advantage A*_τ is 0
    v* ≤ v*_τ ≤ v* + τH log A

Source: Nachum et al. (2017); Geist, Scherrer & Pietquin (2019).
"""

import math
from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    MDP,
    All,
    Eq,
    FullPolicy,
    Leq,
    Value,
    claim,
    deterministic_policies,
    numbers,
    sequences,
)
from mdpkit.operators.aggregate import soft
from mdpkit.operators.bellman import action_values
from mdpkit.policy import expected_under, uniform
from proofs_checks.soft_vocabulary import (
    Gentle,
    Prior,
    Temperature,
    log_ratio,
    near,
    soft_optimum,
    soft_policy,
    soft_value,
)
from proofs_checks.vocabulary import (
    best_pairs,
    horizon,
    over_actions,
    over_states,
    q_star,
    scalar,
    sup,
    tol_v,
    v_pi,
    v_star,
)

# ---- K6: consistency -------------------------------------------------------------------------

Path = Annotated[Any, sequences(deterministic_policies())]
"""What is done in the first few steps, in each state."""


def suboptimal(mdp, tau, prior):
    """The value of the uniform policy, which is consistent on average."""
    return soft_value(mdp, uniform(mdp), tau, prior), uniform(mdp)


@claim(id="K6", source="Nachum et al. (2017), Theorem 1 and Corollary 2", exact="B")
def soft_optimum_is_consistent_on_every_path(
    mdp: Gentle, path: Path, prior: Prior, tau: Temperature, *, optimum=soft_optimum
):
    """v*_τ(s) = q*_τ(s,a) − τ log(π*_τ/p) for every a; and along any sequence of actions.

    v*_τ(s_0) = E[Σ_{t<d} γᵗ(r − τ log(π*/p)) + γᵈ v*_τ(s_d)], whatever is done on the way.
    """
    v, pi = optimum(mdp, tau, prior)
    price = tau * log_ratio(pi, prior)
    along = v
    for actions in reversed(path):
        along = expected_under(mdp, actions, action_values(mdp, along) - price)
    tol = near(mdp, tau)
    return All(Eq(over_states(mdp, v), action_values(mdp, v) - price, tol), Eq(v, along, tol))


soft_optimum_is_consistent_on_every_path.rejects(
    "the optimum at twice the temperature",
    optimum=lambda mdp, tau, prior: soft_optimum(mdp, 2 * tau, prior),
)
soft_optimum_is_consistent_on_every_path.rejects("another policy's value", optimum=suboptimal)


@claim(
    id="K6-converse", source="Nachum et al. (2017), Theorem 3", exact="B", substochastic=True
)
def consistency_characterizes_the_soft_optimum(
    mdp: MDP, v: Value, pi: FullPolicy, prior: Prior, tau: Temperature,
    *, factor=horizon, cost=log_ratio
):  # fmt: skip
    """‖v − v*_τ‖∞ ≤ H ‖v(s) − q_v(s,a) + τ log(π/p)‖∞ for any v, π > 0: 0 at one pair only."""
    top, _ = soft_optimum(mdp, tau, prior)
    error = over_states(mdp, v) - action_values(mdp, v) + tau * cost(pi, prior)
    return Leq(sup(v - top), factor(mdp) * sup(error), near(mdp, tau, v))


@consistency_characterizes_the_soft_optimum.attained_by
def shifted_optimum():
    """v = v*_τ + 1, π = π*_τ."""
    mdp = gallery.make("puterman")
    v, pi = soft_optimum(mdp, 0.5)
    return mdp, v + 1, pi, 0 * pi + 1, 0.5


consistency_characterizes_the_soft_optimum.rejects("without H", factor=lambda mdp: 1.0)
consistency_characterizes_the_soft_optimum.rejects(
    "without the prior", cost=lambda pi, prior: log_ratio(pi)
)


# ---- K8: temperatures ------------------------------------------------------------------------


def most_actions(mdp):
    """max_s |A(s)|."""
    return int(np.diff(mdp.action_ptr).max())


@claim(
    id="K8", source="Geist, Scherrer & Pietquin (2019), Proposition 3 and Theorem 2",
    exact="B", substochastic=True,
)  # fmt: skip
def entropy_is_worth_at_most_its_maximum(
    mdp: MDP, tau: Temperature, *, constant="1", factor=horizon
):
    """v* ≤ v*_τ ≤ v* + τH log A; v* − v^π ≤ τH log A of π*_τ and of softmax(q*/τ).

    With the uniform distribution for the counting measure, v* − τH log A ≤ v*_τ ≤ v*.
    """
    hard, tol = v_star(mdp), near(mdp, tau)
    (top, best), (low, _) = soft_optimum(mdp, tau), soft_optimum(mdp, tau, uniform(mdp))
    room = scalar(mdp, constant) * tau * factor(mdp) * math.log(most_actions(mdp))
    losses = [hard - v_pi(mdp, pi) for pi in (best, soft_policy(mdp, q_star(mdp), tau))]
    return All(
        Leq(top - hard, room, tol),
        *(Leq(lost, room, tol) for lost in losses),
        Leq(hard - low, room, tol),
        Leq(hard, top, tol, ratio=False),
        Leq(low, hard, tol, ratio=False),
    )


@entropy_is_worth_at_most_its_maximum.attained_by
def identical_actions(n=3):
    """Every action is as good as every other: v*_τ = v* + τH log A."""
    P = [[[0.5, 0.5]] * n, [[0, 1]] * n]
    return MDP(P, np.repeat([[1.0], [-1.0]], n, axis=1), 0.9), 0.7


entropy_is_worth_at_most_its_maximum.rejects("half the entropy", constant="1/2")
entropy_is_worth_at_most_its_maximum.rejects("without H", factor=lambda mdp: 1.0)


@claim(id="K8-gap", source="a line from K8", exact="B", substochastic=True)
def temperature_costs_exponentially_little_of_a_gap(mdp: MDP, tau: Temperature, *, share=1.0):
    """v*_τ − v* ≤ τH max_s log(n + (A − n) e^{−Δ/τ}), n optimal actions, the others Δ worse.

    So v*_τ − v* = O(τ e^{−Δ/τ}) as τ → 0 where the optimal policy is unique.
    """
    top, _ = soft_optimum(mdp, tau)
    q, slack = q_star(mdp), tol_v(mdp)
    optimal = best_pairs(mdp, q, slack)
    lost = (over_states(mdp, v_star(mdp)) - q).reshape(-1)
    gap = np.minimum.reduceat(np.where(optimal, np.inf, lost), mdp.action_ptr[:-1])
    n, rest = over_actions(mdp, 1.0 * optimal), over_actions(mdp, 1.0 * ~optimal)
    bound = np.log(n + rest * np.exp(-share * gap / tau)).max()
    return Leq(sup(top - v_star(mdp)), horizon(mdp) * tau * bound, near(mdp, tau))


@temperature_costs_exponentially_little_of_a_gap.attained_by
def one_state_of_two_gaps():
    """One state: v*_τ = Hτ log(2 + e^{−Δ/τ}), with two of three actions optimal."""
    return MDP(np.ones((1, 3, 1)), [[1.0, 0.0, 1.0]], 0.9), 0.3


temperature_costs_exponentially_little_of_a_gap.rejects("twice the gap", share=2.0)


# ---- X33: one softmax ------------------------------------------------------------------------


def lambert(n):
    """W((n−1)/e), where W e^W = (n−1)/e."""
    from scipy.special import lambertw

    return float(lambertw((n - 1) / math.e).real)


@claim(id="X33", source="Corless et al. (1996) for W; two lines of calculus", exact="B")
def softmax_regret_is_at_most_lambert(
    x: Annotated[Any, numbers("a", longest=8)], tau: Temperature, *, bound=lambert
):
    """Σ_a π_a (max x − x_a) ≤ τ W((A−1)/e) ≤ τ log A for π ∝ e^{x/τ}, W e^W = (A−1)/e.

    Each gap adds e^{−g/τ}(g − regret) to a balance of 0, at most τ e^{−1 − regret/τ}.
    """
    _, pi = soft(tau)(x)
    return All(
        Leq(pi @ (x.max() - x), tau * bound(len(x))),
        Leq(bound(len(x)), math.log(len(x)), ratio=False),
    )


def equal_gaps(n=5, tau=0.5):
    """One best action; the others are τ(1 + W) below it."""
    gap = tau * (1 + lambert(n))
    return -gap * (np.arange(n) > 0), tau


softmax_regret_is_at_most_lambert.attained_by(equal_gaps)
softmax_regret_is_at_most_lambert.rejects("W((A−2)/e)", bound=lambda n: lambert(n - 1))


@claim(
    id="X33-policy", source="Corless et al. (1996) for W; two lines of calculus", exact="B",
    substochastic=True,
)  # fmt: skip
def softmax_of_optimal_values_loses_at_most_lambert(
    mdp: MDP, tau: Temperature, *, factor=horizon
):
    """V* − V^π ≤ τ H W((A−1)/e) for π ∝ e^{q*/τ}, A the most actions that a state has."""
    pi = soft_policy(mdp, q_star(mdp), tau)
    lost = v_star(mdp) - v_pi(mdp, pi)
    return Leq(sup(lost), tau * factor(mdp) * lambert(np.diff(mdp.action_ptr).max()))


@softmax_of_optimal_values_loses_at_most_lambert.attained_by
def one_state_of_equal_gaps():
    """One state, which loses as much in every step."""
    x, tau = equal_gaps()
    return MDP(np.ones((1, x.size, 1)), x[None], 0.9), tau


softmax_of_optimal_values_loses_at_most_lambert.rejects("once", factor=lambda mdp: 1.0)
