"""Models on which something plausible is false."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

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
    source="Baird (1995); Sutton & Barto (2018), Example 11.1",
    known=[Known(dict.fromkeys(range(7), 0)), Known({6: 0}, policy=always(1, "solid"))],
)
def baird(gamma: float = 0.99) -> MDP:
    """Seven states; "dashed" leads to any of the first six, "solid" to the last. Nothing pays.

    With v_i = 2w_i + w_8 for the first six and v_7 = w_7 + 2w_8, semi-gradient TD of "solid"
    from data of "dashed" with probability 6/7 diverges: its expected update w ← (I − αA)w has
    the eigenvalue 1 + .2393α at γ = .99. The value 0 is representable.
    """
    sixth = Fraction(1, 6)
    dashed = [(sixth, t, 0) for t in range(6)]
    return tabulate(
        lambda s, a: [(1, 6, 0)] if a else dashed, [2] * 7, gamma, actions=["dashed", "solid"]
    )


@model(
    source="Tsitsiklis & Van Roy (1996); Sutton & Barto (2018), Example 11.2",
    known=[Known({0: 0, 1: 0})],
)
def tsitsiklis_van_roy(epsilon: float = 0.1, gamma: float = 0.9) -> MDP:
    """From s1 to s2, which stays with probability 1 − ε, else it ends. Nothing pays.

    With v = (w, 2w) fitted by least squares, one round of dynamic programming makes
    γ(6 − 4ε)/5 · w of w: it diverges for γ > 5/(6 − 4ε).

    epsilon   probability that s2 ends the episode
    """
    end = number(epsilon, "epsilon", 0, 1)
    return tabulate(
        lambda s, a: [(1 - end, 1, 0), (end, None, 0)] if s else [(1, 1, 0)], [1, 1], gamma
    )


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


@model(
    source="Chung et al. (2021); Mei et al. (2021), §3: a step that never looks back",
    known=[Known({0: 1}), Known({0: Fraction(4, 5)}, policy=always(1, "less"))],
)
def npg_committal(gamma: float = 1.0) -> MDP:
    """A bandit with rewards 1 and .8, pulled once.

    The natural gradient estimated from one arm pulled, θ(a) ← θ(a) + ηr(a)/π(a), begins even
    and pulls the second arm for ever with probability .00055, .1823, .3645 and .4758 for
    η = .1, .5, 1 and 2. With the exact gradient it converges to the first.
    """
    pay = [1, Fraction(4, 5)]
    return tabulate(lambda s, a: [(1, None, pay[a])], [2], gamma, actions=["more", "less"])


@model(
    source="Sutton & Barto (2018), Example 6.7",
    known=[
        Known({0: 0, 1: Fraction(-1, 10)}),
        Known({0: Fraction(-1, 10)}, policy=always(0, "left")),
        Known({1: Fraction(-1, 5)}, given={"actions": 3, "mean": -0.2}),
    ],
)
def max_bias(actions: int = 10, mean: float = -0.1, gamma: float = 1.0) -> MDP:
    """From A right to the end, or left to B, whose many actions lead to the end and cost .1.

    With normal noise on what B pays, `learn(…, reward_noise=max_bias_noise())`, the largest of
    many estimates is positive for long, and who trusts it goes left. The book does not say
    how many actions B has.

    actions   of B          mean   what each of them pays on average
    """
    k, pay = whole(actions, "actions", 1, 100_000), number(mean, "mean")

    def rule(s: int, a: int) -> list:
        if s == 1:
            return [(1, None, pay)]
        return [(1, None, 0)] if a else [(1, 1, 0)]

    return tabulate(rule, [2, k], gamma, start=0, states=["A", "B"])


def max_bias_noise(actions: int = 10, deviation: float = 1.0) -> np.ndarray:
    """(2 + actions,) standard deviations of the rewards of `max_bias`: none in A."""
    return np.repeat([0.0, deviation], [2, actions])
