"""Group B, fourth part: between value and policy iteration (THEOREMS.md §2.B, B14, B15).

    v_{k+1} = (T^{π_{k+1}})^{m_k} v_k, π_{k+1} greedy in v_k        m = 1: VI, m → ∞: PI

Source: Puterman (1994), §6.5; Scherrer, Ghavamzadeh, Gabillon, Lesner & Geist (2015).
"""

from typing import Annotated, Any

import numpy as np

from mdpkit.claim import MDP, All, BelowImage, Eq, Leq, Rate, Value, claim, integers, sequences
from proofs_checks.dynamic_programming import errors, loss, singh_yee
from proofs_checks.vocabulary import (
    evaluation,
    greedy,
    horizon,
    iterates,
    optimality,
    repeated,
    sup,
    v_pi,
    v_star,
)

Plan = Annotated[Any, sequences(integers(1, 4), 1, 4)]
Depth = Annotated[int, integers(1, 4)]


def modified(mdp, v, plan, improve=greedy):
    """v_0, …, v_n and π_1, …, π_n, where plan = (m_0, …, m_{n−1})."""
    values, policies = [v], []
    for m in plan:
        policies.append(improve(mdp, values[-1]))
        values.append(repeated(evaluation(policies[-1]), mdp, values[-1], m))
    return values, policies


@claim(id="B14", source="Puterman (1994), Theorem 6.5.5", exact="Q", substochastic=True)
def modified_policy_iteration_is_monotone(
    mdp: MDP, v: BelowImage, plan: Plan, *, improve=greedy
):
    """v_0 ≤ Tv_0 ⇒ Tᵏv_0 ≤ v_k ≤ v*, v_k ↑; m = 1 is VI; (T^π)ᵐv is γᵐ‖v − v^π‖∞ from v^π."""
    values, (pi, *_) = modified(mdp, v, plan, improve)
    x, own = np.array(values), v_pi(mdp, pi)
    return All(
        Leq(sup(x[1] - own), mdp.gamma ** plan[0] * sup(v - own)),
        Leq(np.array(iterates(optimality, mdp, v, len(plan))), x, ratio=False),
        Leq(x, v_star(mdp), ratio=False),
        Leq(x[:-1], x[1:], ratio=False),
        Eq(evaluation(pi)(mdp, v), optimality(mdp, v)),
    )


modified_policy_iteration_is_monotone.rejects(
    "improves on −v", improve=lambda mdp, v: greedy(mdp, -v)
)


def losses(mdp, v, plan):
    """‖v* − v^{π_k}‖∞, k ≥ 1, and 2γᵏH min(‖v* − v_0‖∞, ‖v_0 − Tv_0‖∞)."""
    _, policies = modified(mdp, v, plan)
    size = min(sup(v_star(mdp) - v), sup(v - optimality(mdp, v)))
    bound = [2 * mdp.gamma**k * horizon(mdp) * size for k in range(1, len(plan) + 1)]
    return [loss(mdp, pi) for pi in policies], bound


def contraction(mdp, v, plan):
    """‖v_k − v*‖∞ and γᵏ‖v_0 − v*‖∞: true of VI."""
    values, _ = modified(mdp, v, plan)
    measured = errors(mdp, values)
    return measured, [mdp.gamma**k * measured[0] for k in range(len(values))]


@claim(
    id="B14-loss", source="Scherrer et al. (2015), Theorem 7", exact="Q", substochastic=True
)  # fmt: skip
def modified_policy_iteration_has_rate_gamma(mdp: MDP, v: Value, plan: Plan, *, of=losses):
    """‖v* − v^{π_k}‖∞ ≤ 2γᵏH min(‖v* − v_0‖∞, ‖v_0 − Tv_0‖∞), k ≥ 1, from any v_0."""
    return Rate(*of(mdp, v, plan))


@modified_policy_iteration_has_rate_gamma.attained_by
def a_tie_to_start_with():
    """HARD-2state: the tie (1, −1) makes π_1 stay, which loses 2γH."""
    return *singh_yee(), (4,)


modified_policy_iteration_has_rate_gamma.rejects(
    "v_k contracts", of=contraction, at=a_tie_to_start_with
)
modified_policy_iteration_has_rate_gamma.rejects(
    "without the 2",
    of=lambda mdp, v, plan: (losses(mdp, v, plan)[0], [x / 2 for x in losses(mdp, v, plan)[1]]),
)


@claim(id="B15", source="Puterman (1994), §6.3", exact="Q", substochastic=True)
def lookahead_divides_the_loss(
    mdp: MDP, v: Value, d: Depth, *, bound=lambda mdp, d: 2 * mdp.gamma**d * horizon(mdp)
):
    """π greedy in T^{d−1}v loses ‖v* − v^π‖∞ ≤ 2γᵈH ‖v − v*‖∞."""
    pi = greedy(mdp, repeated(optimality, mdp, v, d - 1))
    return Leq(loss(mdp, pi), bound(mdp, d) * sup(v - v_star(mdp)))


@lookahead_divides_the_loss.attained_by
def one_step_ahead():
    """HARD-2state, d = 1."""
    return *singh_yee(), 1


@lookahead_divides_the_loss.attained_by
def one_step_ahead_at_half():
    """The same at γ = ½."""
    return *singh_yee("1/2"), 1


lookahead_divides_the_loss.rejects(
    "one step further", bound=lambda mdp, d: 2 * mdp.gamma ** (d + 1) * horizon(mdp)
)
lookahead_divides_the_loss.rejects("without H", bound=lambda mdp, d: 2 * mdp.gamma**d)
