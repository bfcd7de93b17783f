"""The examples every course begins with, on a handful of states."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from mdpkit.errors import ModelError
from mdpkit.gallery._build import always, number, tabulate, uniform, whole
from mdpkit.gallery._registry import Known, model
from mdpkit.mdp import MDP


@model(
    source="Puterman (1994), §3.1 and Example 6.1.1",
    known=[
        Known({0: Fraction(-60, 7), 1: -20}),
        Known({0: 0, 1: -11}, given={"gamma": 10 / 11}),  # both actions of s1 are optimal
        Known({0: 9, 1: -2}, given={"gamma": 0.5}),
    ],
)
def puterman(gamma: float = 0.95) -> MDP:
    """In s1 stay half the time for 5, or leave for 10 to s2, which costs 1 for ever.

        v(s2) = −1/(1−γ),   v(s1) = max{ (5 + ½γ v(s2))/(1 − ½γ), 10 + γ v(s2) }

    The first action is optimal for γ ≥ 10/11, the second for γ ≤ 10/11.
    """
    half = Fraction(1, 2)
    rows = {(0, 0): [(half, 0, 5), (half, 1, 5)], (0, 1): [(1, 1, 10)], (1, 0): [(1, 1, -1)]}
    states, actions = ["s1", "s2"], ["stay", "leave"]
    return tabulate(
        lambda s, a: rows[s, a], [2, 1], gamma, start=0, states=states, actions=actions
    )


@model(
    source="Sutton & Barto (2018), Example 4.3; bold play: Dubins & Savage (1965)",
    known=[
        Known({25: Fraction(4, 25), 50: Fraction(2, 5), 75: Fraction(16, 25), 0: 0, 100: 0}),
        Known({1: 0.00206562, 99: 0.964333}, tol=5e-7),
        Known({1: Fraction(1, 4), 2: Fraction(1, 2)}, given={"goal": 4, "p_heads": 0.5}),
    ],
)
def gambler(goal: int = 100, p_heads: float = 0.4, gamma: float = 1.0) -> MDP:
    """Stake part of your capital on a coin: heads doubles the stake; reaching the goal pays 1.

    State s is the capital; action i stakes i + 1 ≤ min(s, goal − s). The episode ends at 0
    and at the goal, so v(s) is the probability to reach it. For p_heads < ½ bold play is
    one of many optima.

    goal     capital to reach, ≥ 2        p_heads  probability of heads
    """
    goal, p = whole(goal, "goal", 2, 5000), number(p_heads, "p_heads", 0, 1)

    def rule(s: int, a: int) -> list:
        up, down = s + a + 1, s - a - 1
        if s in (0, goal):
            return [(1, None, 0)]
        won = (p, None, 1) if up == goal else (p, up, 0)
        return [won, (1 - p, down if down else None, 0)]

    counts = [max(min(s, goal - s), 1) for s in range(goal + 1)]
    capital = [str(s) for s in range(goal + 1)]
    return tabulate(rule, counts, gamma, states=capital, actions=capital[1 : max(counts) + 1])


@model(
    source="pymdptoolbox, example.forest",
    known=[
        Known({0: Fraction(6561, 250), 1: Fraction(7371, 250), 2: Fraction(8371, 250)}),
        Known({0: 0, 1: 1, 2: 2}, policy=always(1, "cut"), given={"gamma": 0}),
    ],
)
def forest(
    n: int = 3,
    wait_reward: float = 4,
    cut_reward: float = 2,
    p_fire: float = 0.1,
    gamma: float = 0.9,
) -> MDP:
    """A forest ages until it is cut or burns; waiting pays at the last age, cutting once.

    n             ages, ≥ 2
    wait_reward   for waiting at the last age
    cut_reward    for cutting there; cutting pays 1 at the ages between and 0 at age 0
    p_fire        probability of a fire while waiting
    """
    n, p = whole(n, "n", 2, 100_000), number(p_fire, "p_fire", 0, 1)
    wait, cut = number(wait_reward, "wait_reward"), number(cut_reward, "cut_reward")

    def rule(s: int, a: int) -> list:
        old = s == n - 1
        if a == 1:
            return [(1, 0, cut if old else int(s > 0))]
        gain = wait if old else 0
        return [(p, 0, gain), (1 - p, min(s + 1, n - 1), gain)]

    return tabulate(rule, [2] * n, gamma, actions=["wait", "cut"])


@model(
    source="Sutton & Barto (2018), Examples 6.2 (n = 5, left = 0) and 7.1 (n = 19)",
    known=[
        Known({s: Fraction(s - 9, 10) for s in range(19)}),
        Known({s: Fraction(s + 1, 6) for s in range(5)}, given={"n": 5, "left": 0}),
    ],
)
def random_walk(n: int = 19, left: float = -1, right: float = 1, gamma: float = 1.0) -> MDP:
    """A fair walk on n states from the middle; stepping off an end pays and ends the episode.

        v(s) = left + (right − left)·(s + 1)/(n + 1)      at γ = 1, s from 0

    left, right   rewards at the two exits
    """
    n = whole(n, "n", 1, 100_000)
    exits = {-1: number(left, "left"), n: number(right, "right")}
    half = Fraction(1, 2)

    def rule(s: int, a: int) -> list:
        del a  # the only one
        return [(half, None if t in exits else t, exits.get(t, 0)) for t in (s - 1, s + 1)]

    return tabulate(rule, [1] * n, gamma, start=(n - 1) // 2)


@model(
    source="Sutton & Barto (2018), Examples 6.2 (n = 5, left = 0) and 7.1 (n = 19)",
    known=[
        Known(dict.fromkeys(range(19), 1)),
        Known({s: Fraction(s - 9, 10) for s in range(19)}, policy=uniform),
        Known({s: Fraction(s + 1, 6) for s in range(5)}, uniform, {"n": 5, "left": 0}),
    ],
)
def steered_walk(n: int = 19, left: float = -1, right: float = 1, gamma: float = 1.0) -> MDP:
    """The random walk whose steps are actions: left, right; nothing is left to chance.

    A model keeps the mean reward of a pair. There it is ½ where a step may end the walk, here
    it is what was earned: under the uniform policy the returns vary as in the book.

    n             states
    left, right   rewards at the two exits
    """
    n = whole(n, "n", 1, 100_000)
    exits = {-1: number(left, "left"), n: number(right, "right")}

    def rule(s: int, a: int) -> list:
        t = s + 2 * a - 1
        return [(1, None if t in exits else t, exits.get(t, 0))]

    actions = ["left", "right"]
    return tabulate(rule, [2] * n, gamma, start=(n - 1) // 2, actions=actions)


@model(
    source="Sutton & Barto (2018), Example 9.1 (n = 1000, reach = 100)",
    known=[
        Known({0: Fraction(-1, 2), 1: 0, 2: Fraction(1, 2)}, given={"n": 3, "reach": 1}),
        Known({0: Fraction(-1, 3), 1: Fraction(1, 3)}, given={"n": 2, "reach": 1}),
        Known({0: 0}, given={"n": 1, "reach": 7}),
    ],
)
def jumping_walk(n: int = 1000, reach: int = 100, gamma: float = 1.0) -> MDP:
    """From the middle of n states jump to any of the `reach` next on either side, all alike.

    What would lie beyond an end ends the episode there: −1 on the left, +1 on the right.
    With aggregation in 10 groups the best approximation has the root mean square error .0544
    under the states' frequencies, and the fixed point of TD(0) .1167.

    n   states        reach   of a jump, to either side
    """
    n, k = whole(n, "n", 1, 20_000), whole(reach, "reach", 1, 5_000)
    each = Fraction(1, 2 * k)

    def rule(s: int, a: int) -> list:
        del a  # the only one
        near = [(each, t, 0) for t in range(max(s - k, 0), min(s + k, n - 1) + 1) if t != s]
        lost, won = max(k - s, 0), max(s + k - n + 1, 0)
        return [*near, (lost * each, None, -1), (won * each, None, 1)]

    return tabulate(rule, [1] * n, gamma, start=(n - 1) // 2)


@model(
    source="Boyan (2002), §4",
    known=[Known({s: -2 * s for s in range(13)}), Known({3: -6}, given={"n": 4})],
)
def boyan_chain(n: int = 13, gamma: float = 1.0) -> MDP:
    """Hop from state n − 1 down to 0, one or two states at a time, for −3; 1 → 0 costs 2.

        v(s) = −2s      at γ = 1

    With hat functions at 12, 8, 4 and 0 the values are linear, w* = (−24, −16, −8, 0).

    n   states, ≥ 2; state 0 ends the episode for nothing
    """
    n, half = whole(n, "n", 2, 100_000), Fraction(1, 2)

    def rule(s: int, a: int) -> list:
        del a  # the only one
        if s < 2:
            return [(1, 0, -2)] if s else [(1, None, 0)]
        return [(half, s - 1, -3), (half, s - 2, -3)]

    return tabulate(rule, [1] * n, gamma, start=n - 1)


@model(
    source="Osband, Russo & Van Roy (2013), after Strehl & Littman (2008)",
    known=[Known({0: 4.66930}, tol=5e-6)],
)
def river_swim(n: int = 6, gamma: float = 0.95) -> MDP:
    """Swim right against the current to the large reward, or drift left to the small one.

    Left always succeeds and pays .005 in the first state. Right moves on with probability
    .6 from the first state (else stays), .35 from the middle (stay .6, back .05), and stays
    with .6 in the last (back .4), where it pays 1. Right everywhere is optimal for γ ≥
    .6144; its gain is .428622 (n = 6).

    n   states, ≥ 2
    """
    n = whole(n, "n", 2, 100_000)
    small, back, stay, on, bank, slip = (Fraction(k, 1000) for k in (5, 50, 600, 350, 600, 400))

    def rule(s: int, a: int) -> list:
        if a == 0:
            return [(1, max(s - 1, 0), small if s == 0 else 0)]
        if s == 0:
            return [(slip, 0, 0), (bank, 1, 0)]
        if s == n - 1:
            return [(slip, s - 1, 1), (bank, s, 1)]
        return [(back, s - 1, 0), (stay, s, 0), (on, s + 1, 0)]

    return tabulate(rule, [2] * n, gamma, start=0, actions=["left", "right"])


@model(
    source="Lagoudakis & Parr (2003), §9.1, after Koller & Parr (2000)",
    known=[Known(dict(enumerate(Fraction(k, 10) for k in (81, 91, 91, 81))))],
)
def lspi_chain(
    n: int = 4, rewarded: Sequence[int] = (1, 2), success: float = 0.9, gamma: float = 0.9
) -> MDP:
    """Walk left or right on a chain; the move is the opposite one with probability 1 − success.

    Being in a rewarded state pays 1, whatever is done; at the ends a step off the chain
    stays. The optimum of the default chain is right, right, left, left.

    n         states, ≥ 2       rewarded   states that pay, counted from 0: (0, 19) of n = 20,
    success   probability                  (9, 40) of n = 50 are the paper's longer chains
    """
    n, p = whole(n, "n", 2, 100_000), number(success, "success", 0, 1)
    if isinstance(rewarded, str) or not np.iterable(rewarded):
        raise ModelError(f"rewarded must list states, not {rewarded!r}.", parameter="rewarded")
    paid = {whole(s, "rewarded", 0, n - 1) for s in rewarded}

    def rule(s: int, a: int) -> list:
        lower, upper = max(s - 1, 0), min(s + 1, n - 1)
        meant, other = (upper, lower) if a else (lower, upper)
        return [(p, meant, int(s in paid)), (1 - p, other, int(s in paid))]

    return tabulate(rule, [2] * n, gamma, actions=["left", "right"])


def _toward_the_end(p_right: float):
    def policy(mdp: MDP) -> np.ndarray:
        return np.where(mdp.pair_actions == 1, p_right, 1.0 - p_right)

    policy.__name__ = f"right_with_probability_{p_right:g}"
    return policy


@model(
    source="Sutton & Barto (2018), Example 13.1",
    known=[
        Known({0: -3, 1: -2, 2: -1}),
        Known({0: -12, 1: -10, 2: -6}, policy=uniform),
        Known({0: Fraction(-840, 19)}, policy=_toward_the_end(0.95)),  # −44.21
        Known({0: Fraction(-1560, 19)}, policy=_toward_the_end(0.05)),  # −82.11
        Known({0: -11.65685425}, policy=_toward_the_end(2 - 2**0.5), tol=5e-9),
    ],
)
def short_corridor(gamma: float = 1.0) -> MDP:
    """Three states to the goal at −1 a step; in the middle one, left and right are exchanged.

    In the book the three look alike. A policy that goes right with probability p in all of
    them has v(s0) = (2p − 4)/(p(1 − p)), best at p = 2 − √2. Who can tell them apart needs
    three steps.
    """
    targets = {(0, 0): 0, (0, 1): 1, (1, 0): 2, (1, 1): 0, (2, 0): 1, (2, 1): None}
    states, actions = ["start", "reversed", "last"], ["left", "right"]
    return tabulate(
        lambda s, a: [(1, targets[s, a], -1)],
        [2] * 3,
        gamma,
        start=0,
        states=states,
        actions=actions,
    )
