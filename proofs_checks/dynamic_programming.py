"""Group B, first part: value iteration, in place and asynchronous (THEOREMS.md §2.B, B1–B6).

    v_{k+1} = Tv_k        ‖v_k − v*‖∞ ≤ γᵏ ‖v_0 − v*‖∞

Source: Puterman (1994), chapter 6; Bertsekas & Tsitsiklis (1989).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    MDP,
    AboveImage,
    All,
    BelowImage,
    Eq,
    Leq,
    Order,
    Rate,
    State,
    Value,
    claim,
    integers,
    orders,
    sequences,
)
from proofs_checks.instances import model
from proofs_checks.operators import at_discount
from proofs_checks.vocabulary import (
    best,
    evaluation,
    greedy,
    horizon,
    identity,
    iterates,
    optimality,
    over_states,
    q_star,
    scalar,
    sup,
    swept,
    tol_v,
    v_pi,
    v_star,
    vector,
)

STEPS = 12
Few = Annotated[int, integers(0, 4)]
Blocks = Annotated[Any, sequences(orders(), 1, 3)]
Ages = Annotated[Any, integers(0, 3, axes="st")]


def singh_yee(gamma="9/10"):
    """HARD-2state: stay for −2γ, or go to rest; v = (1, −1) ties the two, and is off by 1."""
    mdp = gallery.make("singh-yee", gamma=float(Fraction(gamma))).exact()
    return mdp, vector(mdp, 1, -1)


def errors(mdp, some):
    """‖v − v*‖∞ of each v."""
    return [sup(v - v_star(mdp)) for v in some]


def loss(mdp, pi):
    """‖v* − v^π‖∞."""
    return sup(v_star(mdp) - v_pi(mdp, pi))


# ---- value iteration: B1 – B4 ----------------------------------------------------------------


@claim(id="B1", source="Puterman (1994), Theorem 6.3.3", exact="Q", substochastic=True)
def value_iteration_has_rate_gamma(mdp: MDP, v: Value, *, T=optimality, power=1):
    """‖v_k − v*‖∞ ≤ γᵏ ‖v_0 − v*‖∞ for every k."""
    measured = errors(mdp, iterates(T, mdp, v, STEPS))
    return Rate(measured, [mdp.gamma ** (power * k) * measured[0] for k in range(STEPS + 1)])


@value_iteration_has_rate_gamma.attained_by
def nothing_moves():
    """P = I and v_0 = v* + 1: the error is exactly γᵏ."""
    mdp = gallery.make("identity").exact()
    return mdp, v_star(mdp) + 1


value_iteration_has_rate_gamma.rejects("twice as fast", power=2)
value_iteration_has_rate_gamma.rejects(
    "at γ = 1, where it grows for ever", T=at_discount(1), at=nothing_moves
)


@claim(id="B2", source="Puterman (1994), Proposition 6.3.1", exact="Q")
def value_iteration_is_monotone(mdp: MDP, v: BelowImage, w: AboveImage, *, T=optimality):
    """v_0 ≤ Tv_0 ⇒ v_k ↑ v*, v_0 ≥ Tv_0 ⇒ v_k ↓ v*; min r·H1 and max r·H1 are such starts."""
    low, high = (x + 0 * v for x in (mdp.r.min() * horizon(mdp), mdp.r.max() * horizon(mdp)))
    rising = [np.array(iterates(T, mdp, x, 6)) for x in (v, low)]
    falling = [np.array(iterates(T, mdp, x, 6)) for x in (w, high)]
    up = [Leq(x[:-1], x[1:], ratio=False) for x in rising]
    down = [Leq(x[1:], x[:-1], ratio=False) for x in falling]
    below = [Leq(x, v_star(mdp), ratio=False) for x in rising]
    above = [Leq(v_star(mdp), x, ratio=False) for x in falling]
    return All(*up, *below, *down, *above)


value_iteration_is_monotone.rejects(
    "for the values turned around", T=lambda mdp, v: optimality(mdp, -v)
)


@claim(id="B3", source="Puterman (1994), Theorem 6.3.1", exact="Q", substochastic=True)
def stopping_rule_bounds_error(
    mdp: MDP, v: Value, k: Few, *, factor=lambda mdp: mdp.gamma * horizon(mdp)
):
    """‖v_{k+1} − v*‖∞ ≤ γH ‖v_{k+1} − v_k‖∞, and a policy greedy in v_{k+1} loses ≤ twice that.

    So ‖v_{k+1} − v_k‖∞ ≤ ε(1−γ)/(2γ) makes it ε-optimal.
    """
    *_, before, after = iterates(optimality, mdp, v, k + 1)
    bound = factor(mdp) * sup(after - before)
    return All(
        Leq(sup(after - v_star(mdp)), bound), Leq(loss(mdp, greedy(mdp, after)), 2 * bound)
    )


stopping_rule_bounds_error.rejects("with 1 for γH", factor=lambda mdp: 1)


@stopping_rule_bounds_error.attained_by
def nothing_moves_in_the_last_step():
    """P = I and v_0 = v* + 1: v_k changes by γᵏ(1−γ) and is off by γᵏ."""
    return *nothing_moves(), 2


@claim(id="B4", source="after Puterman (1994), §6.7", exact="Q")
def greedy_policy_is_optimal_after_finitely_many_steps(mdp: MDP, v: Value, *, constant=2):
    """Greedy(v_k) is optimal once 2γᵏ⁺¹‖v_0 − v*‖∞ < Δ, the least q*-gap of a bad action.

    That is, Δ·1{greedy(v_k) is not optimal} ≤ 2γᵏ⁺¹‖v_0 − v*‖∞ for every k.
    """
    q, slack = q_star(mdp), scalar(mdp, 1000 * tol_v(mdp))
    gaps = (over_states(mdp, best(mdp, q)) - q).reshape(-1)
    delta = min(gaps[(gaps > slack).astype(bool)], default=0 * mdp.gamma)
    found = [greedy(mdp, x) for x in iterates(optimality, mdp, v, STEPS)]
    missed = [sup(v_star(mdp) - evaluation(pi)(mdp, v_star(mdp))) > slack for pi in found]
    size = constant * sup(v - v_star(mdp))
    bound = [mdp.gamma ** (k + 1) * size for k in range(STEPS + 1)]
    return Rate([delta * int(bad) for bad in missed], bound)


@greedy_policy_is_optimal_after_finitely_many_steps.attained_by
def a_tie_at_the_start():
    """HARD-2state: Δ = 2γ, and v_0 = (1, −1) still ties the two actions."""
    return singh_yee()


greedy_policy_is_optimal_after_finitely_many_steps.rejects(
    "without the 2", constant=1, at=a_tie_at_the_start
)


# ---- in place and asynchronous: B5, B6 -------------------------------------------------------


def sweeping(order):
    """G: the states backed up one after another, each seeing the last."""
    return lambda mdp, v: swept(mdp, v, order)


@claim(id="B5", source="Puterman (1994), Theorem 6.3.4", exact="Q", substochastic=True)
def gauss_seidel_contracts(
    mdp: MDP, v: Value, w: Value, order: Order, *, sweep=sweeping, power=1
):
    """‖Gᵏv − v*‖∞ ≤ γᵏ‖v − v*‖∞, ‖Gv − Gw‖∞ ≤ γ‖v − w‖∞ and Gv* = v*, in any order."""
    G = sweep(order)
    measured = errors(mdp, iterates(G, mdp, v, 6))
    rate = [mdp.gamma ** (power * k) * measured[0] for k in range(7)]
    return All(
        Rate(measured, rate),
        Leq(sup(G(mdp, v) - G(mdp, w)), mdp.gamma * sup(v - w)),
        Eq(G(mdp, v_star(mdp)), v_star(mdp)),
    )


gauss_seidel_contracts.rejects("twice as fast", power=2)
gauss_seidel_contracts.rejects("leaves a state out", sweep=lambda order: sweeping(order[1:]))


@gauss_seidel_contracts.attained_by
def nothing_moves_in_place():
    """P = I, where a sweep is a backup."""
    mdp, v = nothing_moves()
    return mdp, v, v + 1, np.arange(mdp.n_states)


@claim(id="B5-order", source="Puterman (1994), Theorem 6.3.7", exact="Q", substochastic=True)
def gauss_seidel_is_ahead_of_value_iteration(
    mdp: MDP, v: BelowImage, w: AboveImage, order: Order, *, start=lambda mdp, v: v
):
    """v ≤ Tv ⇒ Tᵏv ≤ Gᵏv ≤ v*; w ≥ Tw ⇒ Tᵏw ≥ Gᵏw ≥ v*; from other starts it need not be."""
    v, G = start(mdp, v), sweeping(order)
    Gv, Gw = (np.array(iterates(G, mdp, x, 4)) for x in (v, w))
    Tv, Tw = (np.array(iterates(optimality, mdp, x, 4)) for x in (v, w))
    pairs = (Tv, Gv), (Gv, v_star(mdp)), (Gw, Tw), (v_star(mdp), Gw)
    return All(*[Leq(x, y, ratio=False) for x, y in pairs])


def a_loss_passed_on():
    """State 1 moves to 0, which falls from 1 to γ: a sweep puts γ² in state 1, T puts γ."""
    mdp = model([[[1, 0]], [[1, 0]]], [[0], [0]], "9/10")
    return mdp, vector(mdp, 0, 0), vector(mdp, 0, 0), np.arange(2)


gauss_seidel_is_ahead_of_value_iteration.rejects(
    "from any start",
    start=lambda mdp, v: v + (1 + sup(v_star(mdp) - v)) * identity(mdp)[0],
    at=a_loss_passed_on,
)


def asynchronous(mdp, v, blocks, ages, back):
    """v after each block, when s reads the value t had ages[s, t] writings ago.

    But none that was out of date when block n − back began, for the reads of block n.
    """
    written, began, out = [[x] for x in v], [], [v]
    for block in blocks:
        began.append([len(x) - 1 for x in written])
        oldest = began[max(0, len(began) - 1 - back)]
        for s in block:
            newest = [len(x) - 1 for x in written]
            read = [max(o, n - age) for o, n, age in zip(oldest, newest, ages[s], strict=True)]
            seen = np.array([written[t][i] for t, i in enumerate(read)])
            written[s].append(optimality(mdp, seen)[s])
        out.append(np.array([x[-1] for x in written]))
    return out


@claim(
    id="B6", source="Bertsekas & Tsitsiklis (1989), §6.2", exact="Q", substochastic=True
)  # fmt: skip
def asynchronous_iteration_has_rate_gamma(
    mdp: MDP, v: Value, blocks: Blocks, extra: State, ages: Ages,
    back: Annotated[int, integers(0, 1)], *, older=0, schedule=lambda block: block
):  # fmt: skip
    """After n blocks, in each of which every state is backed up, the error is ≤ γⁿ‖v_0 − v*‖∞.

    Reads may be stale, as long as they do not reach behind the block's start; if they reach d
    blocks further back, it is ≤ γ^⌈n/(d+1)⌉ ‖v_0 − v*‖∞.
    """
    plan = [schedule([*block, extra]) for block in blocks]
    measured = errors(mdp, asynchronous(mdp, v, plan, ages, back + older))
    steps = [-(-n // (back + 1)) for n in range(len(measured))]
    return Rate(measured, [mdp.gamma**n * measured[0] for n in steps])


@asynchronous_iteration_has_rate_gamma.attained_by
def nothing_moves_in_blocks():
    """P = I, fresh reads, and every state once a block."""
    mdp, v = nothing_moves()
    n = mdp.n_states
    return mdp, v, (np.arange(n),), 0, stale(n, 0), 0


def stale(n, age):
    """Every read of this age."""
    return np.full((n, n), age)


def a_ring_read_late():
    """Two states that lead to each other, each reading what the other was two blocks ago."""
    mdp = model([[[0, 1]], [[1, 0]]], [[0], [0]], "9/10")
    order = np.arange(2)
    return mdp, vector(mdp, 1, 1), (order, order), 0, stale(2, 3), 0


asynchronous_iteration_has_rate_gamma.rejects(
    "with reads from before the block", older=1, at=a_ring_read_late
)
asynchronous_iteration_has_rate_gamma.rejects(
    "when a state is never updated",
    schedule=lambda block: [s for s in block if s > 0],
    at=nothing_moves_in_blocks,
)
