"""Models on which something plausible is false."""

from __future__ import annotations

from fractions import Fraction

from mdpkit.gallery._build import always, number, tabulate, uniform, whole
from mdpkit.gallery._registry import Known, model
from mdpkit.mdp import MDP


@model(
    source="Melekopoglou & Condon (1994)",
    known=[
        Known({**dict.fromkeys(range(6), Fraction(1, 2)), 6: 0, 7: Fraction(31, 64)}),
        Known(dict.fromkeys(range(7), 0), policy=always(0, "walk")),
        Known({0: Fraction(21, 64), 3: Fraction(3, 8)}, policy=always(1, "toss")),
    ],
)
def melekopoglou_condon(n: int = 6, gamma: float = 1.0) -> MDP:
    """Walk from n down to 0, or toss coins on the way; reaching the prize, 0′, pays 1.

    In i = n … 1 (index n − i) walk to i − 1, or go to the coin i′ (index 2n + 1 − i), which
    leads to i − 2 or to (i − 1)′, half each; 0, and −1, pay nothing. Policy iteration that
    starts from walking, and switches in one state at a time, the first that gains, visits
    all 2ⁿ policies. Switching in all of them takes n improvements.

    n   states with a choice
    """
    n, half = whole(n, "n", 1, 10_000), Fraction(1, 2)

    def rule(s: int, a: int) -> list:
        if s == n:
            return [(1, None, 0)]
        if s < n:
            return [(1, n + 1 + s if a else s + 1, 0)]
        i = 2 * n + 1 - s
        lost = (half, n - i + 2 if i > 1 else None, 0)
        return [lost, (half, s + 1, 0) if i > 1 else (half, None, 1)]

    states = [*(str(n - s) for s in range(n + 1)), *(f"{n - s}′" for s in range(n))]
    counts = [2] * n + [1] * (n + 1)
    return tabulate(rule, counts, gamma, start=0, states=states, actions=["walk", "toss"])


@model(
    source="Sutton & Barto (2018), Example 5.5",
    known=[
        Known({0: 1}),
        Known({0: 0}, policy=always(1, "right")),
        Known({0: Fraction(1, 11)}, policy=uniform),
    ],
)
def is_infinite_variance(gamma: float = 1.0) -> MDP:
    """Left stays with probability .9, else pays 1 and ends the episode; right ends it for 0.

    Seen from the uniform policy, the importance-sampling estimate of "left" has the mean 1
    and the second moment .2·Σ_k 1.8ᵏ = ∞.
    """
    tenth = Fraction(1, 10)
    rows = [[(1 - tenth, 0, 0), (tenth, None, 1)], [(1, None, 0)]]
    return tabulate(lambda s, a: rows[a], [2], gamma, actions=["left", "right"])


@model(
    source="after Gordon (1996), chattering SARSA; this instance is of this package",
    known=[
        Known({0: 10, 1: 10}),
        Known({0: Fraction(-70, 11), 1: -10}, policy=always(0, "first")),
        Known({0: -10, 1: Fraction(-70, 11)}, policy=always(1, "second")),
    ],
)
def gordon_chatter(gamma: float = 0.9) -> MDP:
    """Two states that look alike to who aggregates them; each pays ±1 for opposite actions.

    The first action leads from s0 to either state, from s1 to s1; the second is its mirror
    image. With one q for both states, the .1-greedy policy that prefers the first action
    visits (.05, .95) and finds q = (−8.19, −6.39), so it turns to the second, which finds
    the reverse: a cycle of period 2 and no fixed point. Who can tell them apart earns 10.
    """
    half = Fraction(1, 2)
    either = [(half, 0, 1), (half, 1, 1)]
    rows = {(0, 0): either, (0, 1): [(1, 0, -1)], (1, 0): [(1, 1, -1)], (1, 1): either}
    return tabulate(lambda s, a: rows[s, a], [2, 2], gamma, actions=["first", "second"])


@model(
    source="Blackwell (1962): the discount above which nothing changes may be near 1",
    known=[
        Known({0: Fraction(9, 8)}),
        Known({0: 1}, policy=always(0, "now")),
        Known({0: 1}, given={"gamma": 0.8}),  # a tie
        Known({0: 1}, given={"gamma": 0.5}),
    ],
)
def blackwell(eta: float = 0.25, gamma: float = 0.9) -> MDP:
    """Take 1 now, or 1 + η one step later; then nothing.

    Waiting is optimal iff γ ≥ 1/(1 + η), and Blackwell optimal for every η > 0.

    eta   what patience pays, in units of reward
    """
    gain = number(eta, "eta")
    rows = [[(1, None, 1)], [(1, 1, 0)], [(1, None, 1 + gain)]]
    return tabulate(
        lambda s, a: rows[s + a if s == 0 else 2],
        [2, 1],
        gamma,
        start=0,
        states=["choose", "paid"],
        actions=["now", "later"],
    )
