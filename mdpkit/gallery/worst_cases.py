"""Models on which a bound is attained, or a method is at its slowest.

H = 1/(1−γ) throughout. Where an instance lives from a tie, the tempting action has index 0,
because the rule of this package takes the lowest index among ties.
"""

from __future__ import annotations

from fractions import Fraction

from mdpkit.errors import ModelError
from mdpkit.gallery._build import always, discount, number, tabulate, whole
from mdpkit.gallery._registry import Known, model
from mdpkit.mdp import MDP


@model(
    source="Singh & Yee (1994); Bertsekas & Tsitsiklis (1996), Proposition 6.1",
    known=[Known({0: 0, 1: 0}), Known({0: -18, 1: 0}, policy=always(0, "stay"))],
)
def singh_yee(epsilon: float = 1.0, eta: float = 0.0, gamma: float = 0.9) -> MDP:
    """Stay for −2γε, or go to rest for nothing; under V = (ε, −ε) the two are tied.

    A greedy policy that stays loses 2γεH, twice the error of V over H: the bound is attained.

    epsilon   ≥ 0, ‖V − v*‖∞              eta   added to the reward of staying, to break the tie
    """
    g, e, bonus = discount(gamma), number(epsilon, "epsilon", 0), number(eta, "eta")
    rows = {(0, 0): [(1, 0, bonus - 2 * g * e)], (0, 1): [(1, 1, 0)]}
    states, actions = ["work", "rest"], ["stay", "go"]
    return tabulate(
        lambda s, a: rows.get((s, a), [(1, 1, 0)]),
        [2, 1],
        gamma,
        start=0,
        states=states,
        actions=actions,
    )


@model(
    source="Scherrer & Lesner (2012), Figure 1",
    known=[
        Known(dict.fromkeys(range(40), 0)),
        Known({0: 0, 1: -18}, policy=always(0, "stay")),
        Known({4: -61.902, 19: -155.6847, 39: -177.0438}, policy=always(0, "stay"), tol=5e-5),
    ],
)
def scherrer_lesner(n: int = 40, epsilon: float = 1.0, gamma: float = 0.9) -> MDP:
    """Go left for nothing, or stay in state i = 1 … n (index i − 1) for −2(γ − γⁱ)Hε.

    Value iteration from 0 with noise −ε on state k and +ε on state k + 1 in its k-th step
    is tied in state k; staying there loses 2(γ − γᵏ)H²ε, which is all that errors of ε can
    cost. The rewards are floats, so that the tie is one but for a rounding.

    n         states, ≥ 2        epsilon   ε ≥ 0, the error of each step, in units of reward
    """
    n, g, e = whole(n, "n", 2, 10_000), discount(gamma), number(epsilon, "epsilon", 0)

    def rule(s: int, a: int) -> list:
        if a == 1:
            return [(1, max(s - 1, 0), 0)]
        return [(1, s, -2 * (g - g ** (s + 1)) / (1 - g) * e)]

    return tabulate(rule, [2] * n, gamma, start=n - 1, actions=["stay", "left"])


@model(
    source="folklore; the rate of value iteration, Puterman (1994), Theorem 6.3.3",
    known=[Known({0: 10, 1: 20, 2: 30})],
)
def identity(n: int = 3, gamma: float = 0.9) -> MDP:
    """Nothing ever moves, P = I, and state s pays s + 1.

    The error of value iteration from v* + c1 is exactly γᵏ|c|, its bound.

    n   states
    """
    n = whole(n, "n", 1, 100_000)
    return tabulate(lambda s, a: [(1, s, s + 1)], [1] * n, gamma)


@model(
    source="the chain on which policy iteration is slow; cf. Hansen & Zwick (2010)",
    known=[Known(dict(enumerate(10 * Fraction(9, 10) ** (4 - s) for s in range(5))))],
)
def pi_chain(n: int = 5, gamma: float = 0.9) -> MDP:
    """Stay, or move right; only moving right in the last state, which stays there, pays 1.

    From "stay everywhere" policy iteration switches one state at a time: n + 1 policies.

    n   states
    """
    n = whole(n, "n", 1, 10_000)

    def rule(s: int, a: int) -> list:
        last = s == n - 1
        return [(1, min(s + 1, n - 1) if a else s, int(last and a == 1))]

    return tabulate(rule, [2] * n, gamma, start=0, actions=["stay", "right"])


@model(
    source="Feinberg & Huang (2014)",
    known=[
        Known({0: 9, 1: 10, 2: 0}),
        Known({0: Fraction(899, 100)}, policy=always(1, "grab")),
    ],
)
def feinberg_huang(delta: float = 0.01, gamma: float = 0.9) -> MDP:
    """Wait one step for 1 a step for ever, or grab γH − δ at once, which is δ too little.

    Value iteration takes the right action only when γᵏ⁺¹H < δ: after 65, 152, 284 steps for
    δ = 1e-2, 1e-6, 1e-12 at γ = .9. Policy iteration needs two.

    delta   > 0
    """
    g, d = discount(gamma), number(delta, "delta", 0)
    if d == 0:
        raise ModelError("delta must be above 0; it is 0.", parameter="delta")
    rows = [[(1, 1, 0)], [(1, 2, g / (1 - g) - d)], [(1, 1, 1)], [(1, 2, 0)]]
    states, actions = ["start", "paid", "rest"], ["wait", "grab"]
    return tabulate(
        lambda s, a: rows[a if s == 0 else s + 1],
        [2, 1, 1],
        gamma,
        start=0,
        states=states,
        actions=actions,
    )


@model(
    source="Azar, Munos & Kappen (2013), §6",
    known=[
        Known({0: Fraction(60, 7), 1: Fraction(15, 2)}),
        Known({1: 75}, given={"gamma": 0.99}),
        Known({0: Fraction(15, 2)}, given={"alpha": 0}),
    ],
)
def azar(S: int = 5, A: int = 2, alpha: float | None = None, gamma: float = 0.9) -> MDP:
    """Live on with probability p = (4γ − 1)/(3γ) for 1 a step; one action has p + α.

    v = 1/(1 − γp) = ¾H, and 1/(1 − γ(p + α)) in state 0, whose last action is the special
    one; it takes SA·H³/ε² samples to find it out. Without an alpha it is half of what is
    left, v(0) = 6/7·H.

    S, A    states and actions        alpha   in [0, 1 − p]        gamma   ≥ 1/4
    """
    S, A, g = whole(S, "S", 1, 100_000), whole(A, "A", 1, 10_000), discount(gamma)
    if 4 * g < 1:
        raise ModelError(f"gamma must be at least 1/4; it is {gamma}.", parameter="gamma")
    p = (4 * g - 1) / (3 * g)
    more = (1 - p) / 2 if alpha is None else number(alpha, "alpha", 0, 1 - p)

    def rule(s: int, a: int) -> list:
        survive = p + more if (s, a) == (0, A - 1) else p
        return [(survive, s, 1), (1 - survive, None, 1)]

    return tabulate(rule, [A] * S, gamma)


@model(
    source="Goyal & Grand-Clément (2023)",
    known=[
        Known({0: 1 / (1 - Fraction(99, 100) ** 12)}),
        Known({0: Fraction(4, 3), 1: Fraction(2, 3)}, given={"n": 2, "gamma": 0.5}),
    ],
)
def cycle(n: int = 12, gamma: float = 0.99) -> MDP:
    """A ring of n states walked one way; leaving state 0 pays 1.

        v(s) = γ^((n − s) mod n)/(1 − γⁿ)

    At n = 12, γ = .99 Nesterov's acceleration diverges: its companion matrix has radius 1.3103.
    Undiscounted value iteration never settles: the chain is periodic.

    n   states
    """
    n = whole(n, "n", 1, 100_000)
    return tabulate(lambda s, a: [(1, (s + 1) % n, int(s == 0))], [1] * n, gamma)


@model(
    source="Kearns & Singh (2002); the simulation lemma attained",
    known=[Known({0: 0, 1: Fraction(1000, 109)}), Known({1: 10}, given={"delta": 0})],
)
def leak(delta: float = 0.01, gamma: float = 0.9) -> MDP:
    """A state that pays 1 and leaks with probability δ into one that pays nothing for ever.

    v(1) = 1/(1 − γ(1 − δ)). Against the model with δ = 0 the simulation lemma, in the span
    of this one's v, is an equality.

    delta   probability of a leak
    """
    d = number(delta, "delta", 0, 1)
    return tabulate(lambda s, a: [(d, 0, s), (1 - d, s, s)], [1, 1], gamma, start=1)


@model(
    source="Barreto et al. (2017), Theorem 1, with the sharp constant",
    known=[Known({0: 0}), Known({0: -18}, policy=always(0, "lose"))],
)
def gpi_tie(epsilon: float = 1.0, gamma: float = 0.9) -> MDP:
    """One state, an action that costs 2γε and one that is free.

    Errors of ε on q tie the two; staying with the first loses 2γεH.

    epsilon   ≥ 0
    """
    cost = 2 * discount(gamma) * number(epsilon, "epsilon", 0)
    return tabulate(lambda s, a: [(1, 0, 0 if a else -cost)], [2], gamma)


@model(
    source="Levine (2018), §3.2: optimism of control as inference",
    known=[Known({"start": -1}), Known({"start": -5}, policy=always(1, "gamble"))],
)
def lottery(gamma: float = 1.0) -> MDP:
    """Pay 1 for sure, or draw one of two tickets, that cost 0 and 10.

    The mean of the draw is −5; its log-mean-exp, log ½(1 + e⁻¹⁰) = −.693, beats −1, so that
    inference takes the gamble.
    """
    half = Fraction(1, 2)
    rows = [[(1, None, -1)], [(half, 1, 0), (half, 2, 0)], [(1, None, 0)], [(1, None, -10)]]
    states, actions = ["start", "good", "bad"], ["pay", "gamble"]
    return tabulate(
        lambda s, a: rows[s + a if s == 0 else s + 1],
        [2, 1, 1],
        gamma,
        start=0,
        states=states,
        actions=actions,
    )


@model(
    source="Ross & Bagnell (2010), Theorem 2.1",
    known=[Known({"start": 0}), Known({"start": -10}, policy=always(1, "deviate"))],
)
def bc_cliff(horizon: int = 10, gamma: float = 1.0) -> MDP:
    """Follow the expert for T steps at no cost; after one deviation every step costs 1.

    State t < T is on the path at time t, state T + t − 1 has fallen before it. An imitator
    wrong with probability Tε at the first step only loses T²ε.

    horizon   T ≥ 1, steps
    """
    T = whole(horizon, "horizon", 1, 10_000)

    def rule(s: int, a: int) -> list:
        time = s if s < T else s - T + 1
        fallen = s >= T or a == 1
        after = time + 1 if not fallen else T + time
        return [(1, None if time == T - 1 else after, -int(fallen))]

    return tabulate(rule, [2] * (2 * T - 1), gamma, start=0, actions=["follow", "deviate"])


@model(
    source="Mei, Xiao, Szepesvári & Schuurmans (2020); Li, Wei, Chi, Gu & Chen (2021)",
    known=[Known({0: 1}), Known({0: Fraction(1, 10)}, policy=always(2, "the worst"))],
)
def softmax_plateau(gamma: float = 1.0) -> MDP:
    """A bandit with rewards 1, .9 and .1, pulled once.

    From π₀ = (e, 1 − 2e, e) with η = .4, softmax policy gradient needs 390, 4569, 45876, 458435
    iterations to a gap of .05 for e = .1, .01, .001, .0001.
    """
    rewards = [Fraction(k, 10) for k in (10, 9, 1)]
    return tabulate(lambda s, a: [(1, None, rewards[a])], [3], gamma)
