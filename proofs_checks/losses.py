"""Group X, what is lost: pointwise, by periodic policies, by merging states.

Source: Munos (2003); Scherrer & Lesner (2012); Abel, Hershkowitz & Littman (2016).
"""

from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    MDP,
    All,
    Distribution,
    FullDistribution,
    Leq,
    Value,
    claim,
    integers,
    models,
    sequences,
    values,
)
from mdpkit.mdp import MDP as Model
from proofs_checks.instances import exactly, model
from proofs_checks.vocabulary import (
    chain,
    greedy,
    horizon,
    identity,
    optimality,
    pi_star,
    q_star,
    resolvent,
    solve,
    sup,
    v_pi,
    v_star,
)


@claim(id="X7", source="Munos (2003), Lemma 1; Munos (2007)", exact="Q")
def greedy_loss_is_bounded_state_by_state(
    mdp: MDP,
    v: Value,
    start: Distribution,
    weight: FullDistribution,
    *,
    ahead=lambda mdp, pi, best: resolvent(mdp, pi),
    constant=2,
):
    """π ∈ G(v) ⇒ v* − v^π ≤ (I − γP_π)⁻¹ γ(P_{π*} − P_π)(v* − v).

    Hence ρ(v* − v^π) ≤ 2γH C ν|v* − v|, where ½(1−γ) ρ(I − γP_π)⁻¹(P_{π*} + P_π) ≤ C ν.
    """
    pi, best = greedy(mdp, v), pi_star(mdp)
    P, _ = chain(mdp, pi)
    P_best, _ = chain(mdp, best)
    loss, error = v_star(mdp) - v_pi(mdp, pi), v_star(mdp) - v
    visits = (1 - mdp.gamma) * (start @ resolvent(mdp, pi)) @ (P_best + P) / 2
    concentration = (visits / weight).max()
    whole = constant * mdp.gamma * horizon(mdp) * concentration * (weight @ abs(error))
    return All(
        Leq(loss, ahead(mdp, pi, best) @ (mdp.gamma * ((P_best - P) @ error))),
        Leq(start @ loss, whole),
    )


greedy_loss_is_bounded_state_by_state.rejects(
    "the optimal policy's resolvent", ahead=lambda mdp, pi, best: resolvent(mdp, best)
)
greedy_loss_is_bounded_state_by_state.rejects("without the 2", constant=1)


@greedy_loss_is_bounded_state_by_state.attained_by
def singh_and_yee():
    """The tie of C1: both bounds are 2γεH."""
    mdp = gallery.make("singh-yee").exact()
    return mdp, exactly([1, -1]), exactly([1, 0]), exactly(["1/2", "1/2"])


# ---- periodic policies -----------------------------------------------------------------------


def latest_first(policies):
    """The order in which the period's policies are taken."""
    return policies[::-1]


def periodic_value(mdp, policies):
    """v = T_{π_1} … T_{π_m} v: the policies in turn, for ever."""
    shift, product = 0 * mdp.r.reshape(-1)[: mdp.n_states], identity(mdp)
    for pi in policies:
        P, r = chain(mdp, pi)
        shift = shift + product @ r
        product = mdp.gamma * (product @ P)
    return solve(identity(mdp) - product, shift)


@claim(id="X6", source="Scherrer & Lesner (2012), non-stationary value iteration", exact="Q")
def periodic_loss_is_bounded(
    mdp: MDP,
    v: Value,
    errors: Annotated[Any, sequences(values(), 1, 5)],
    m: Annotated[int, integers(1, 5)],
    *,
    order=latest_first,
    period=lambda m: m,
):
    """‖v* − u‖ ≤ 2(γ−γᵏ)Hε/(1−γᵐ) + 2γᵏ/(1−γᵐ) ‖v* − v_0‖, u = T_{π_k} … T_{π_{k−m+1}} u.

    v_k = Tv_{k−1} + ε_k, ‖ε_k‖ ≤ ε, π_k ∈ G(v_{k−1}): the last m greedy policies in turn, the
    latest first. m = 1 is C6; m → ∞ has H for H².
    """
    gamma, k, policies, x = mdp.gamma, len(errors), [], v
    for error in errors:
        policies.append(greedy(mdp, x))
        x = optimality(mdp, x) + error
    m = min(m, k)
    loss = sup(v_star(mdp) - periodic_value(mdp, order(policies[-m:])))
    # ε_k moves only v_k, in which no policy here is greedy.
    largest = max(sup(error) for error in errors)
    top = 2 * (gamma - gamma**k) * horizon(mdp) * largest + 2 * gamma**k * sup(v_star(mdp) - v)
    return Leq(loss, top / (1 - gamma ** period(m)))


periodic_loss_is_bounded.rejects("as if m = 5", period=lambda m: 5)
periodic_loss_is_bounded.rejects(
    "the oldest first", order=lambda policies: policies, at=lambda: tie_of_two_states()
)


def tie_of_two_states():
    """At γ = ½, without errors, the first greedy policy loses 2γ‖v* − v_0‖ at once."""
    mdp = gallery.make("singh-yee", gamma=0.5).exact()
    return mdp, exactly([1, -1]), (exactly([0, 0]),) * 2, 2


@periodic_loss_is_bounded.attained_by
def stationary_policy():
    """m = 1 on Scherrer & Lesner's chain: 2(γ − γᵏ)H²ε."""
    n = 4
    mdp = gallery.make("scherrer-lesner", n=n).exact()
    errors = [exactly([-int(s == k - 1) + int(s == k) for s in range(n)]) for k in (1, 2, 3)]
    return mdp, exactly([0] * n), (*errors, exactly([0] * n)), 1


# ---- merged states ---------------------------------------------------------------------------


def weights_within(draw, earlier):
    """A weight for each state; where a block's are all 0, every member counts the same."""
    block = earlier["block"] % earlier["mdp"].n_states
    raw, same = draw.weights("s"), block[:, None] == block[None, :]
    total = np.where(same, raw, 0 * raw).sum(axis=1)
    even = (total * 0 + 1) / same.sum(axis=1)
    return np.where(total == 0, even, raw / np.where(total == 0, total + 1, total))


def merged(mdp, block, weight):
    """The model of blocks, each state in it with its weight; an empty block never moves."""
    n, one = mdp.n_states, mdp.gamma * 0 + 1
    into = np.array([[one * int(b == j) for j in range(n)] for b in block])
    share = (weight[:, None] * into).T
    P = np.stack([share @ (mdp.P[:, a] @ into) for a in range(mdp.n_actions)], axis=1)
    empty = np.setdiff1d(np.arange(n), block)
    P[empty, :, 0] = one
    return Model(P, share @ mdp.r, mdp.gamma)


def spread(block, x):
    """max |x(s, ·) − x(t, ·)| over s, t of one block."""
    apart = abs(x[:, None] - x[None, :]).max(axis=2)
    return (apart * (block[:, None] == block[None, :])).max()


def spread_of_q(mdp, block):
    """ε = max |q*(s,a) − q*(t,a)| over s, t of one block."""
    return spread(block, q_star(mdp))


def spread_of_v(mdp, block):
    """The same of v*."""
    return spread(block, v_star(mdp)[:, None])


@claim(id="X12", source="Abel, Hershkowitz & Littman (2016)", exact="Q")
def merging_loss_is_bounded(
    mdp: Annotated[MDP, models(ragged=False)],
    block: Annotated[Any, integers(0, 3, "s")],
    weight: Annotated[np.ndarray, weights_within],
    *,
    epsilon=spread_of_q,
    power=2,
):
    """If |q*(s,a) − q*(t,a)| ≤ ε in each block, the merged model's policy loses ≤ 2εH²."""
    block = block % mdp.n_states
    pi = pi_star(merged(mdp, block, weight))[block]
    loss = sup(v_star(mdp) - v_pi(mdp, pi))
    return Leq(loss, 2 * epsilon(mdp, block) * horizon(mdp) ** power)


merging_loss_is_bounded.rejects("states of similar v*", epsilon=spread_of_v)


@merging_loss_is_bounded.attained_by
def one_step():
    """γ = 0, ε = 1: what pays −1 in the second state is tied in the first."""
    mdp = model([[[1, 0], [0, 1]]] * 2, [[0, 0], [-1, 1]], 0)
    return mdp, np.array([0, 0]), exactly([1, 0])


merging_loss_is_bounded.rejects("one power of H less", power=1, at=lambda: wrong_for_ever())


def wrong_for_ever():
    """ε = 1, and the second state takes an action that costs (2 + γ)ε for ever."""
    mdp = model([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[-1, -1], ["-29/10", 0]], "9/10")
    return mdp, np.array([0, 0]), exactly([1, 0])
