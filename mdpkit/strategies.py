"""Hypothesis strategies for models, values and policies: exact, and they shrink.

    from hypothesis import given
    from mdpkit.strategies import mdps, values

    @given(st.data())
    def test(data):
        mdp = data.draw(mdps(states=(1, 3)))
        v = data.draw(values(mdp))

They are the generators that claims use, answered by Hypothesis: sizes first, then the
discount, rewards, rows and masks, so that examples shrink in the order S, A, γ, numbers, and
numbers are fractions of small integers. No NumPy randomness. Needs the extra [verify].
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning

from mdpkit.claim import quantify
from mdpkit.claim.declare import Claim, draw_instance
from mdpkit.claim.draw import Draw, Request, Tape
from mdpkit.mdp import MDP

DISCOUNTS = ["1/2", "9/10", "0", "1/3", "3/4", "99/100", "999/1000", "99999/100000"]


class HypothesisSource:
    """Answers a generator's requests by Hypothesis' choices."""

    def __init__(self, draw: st.DrawFn):
        self.draw = draw

    def __call__(self, request: Request, exact: bool) -> np.ndarray:
        """Answer one request."""
        n = int(np.prod(request.shape, dtype=int))
        if request.kind in ("size", "integer"):
            drawn = self._list(st.integers(request.low, max(request.low, request.high)), n)
            return np.array(drawn, dtype=np.int64).reshape(request.shape)
        if request.kind == "flag":
            return self._flags(request, n)
        drawn = self._numbers(request, n)
        out = np.empty(n, dtype=object)
        out[:] = drawn
        return out.reshape(request.shape)

    def _list(self, each: st.SearchStrategy, n: int) -> list:
        return self.draw(st.lists(each, min_size=n, max_size=n))

    def _flags(self, request: Request, n: int) -> np.ndarray:
        # Most models have no flag set; only then is there anything to draw.
        some = self.draw(st.booleans())
        drawn = self._list(st.booleans(), n) if some else [False] * n
        return np.array(drawn, dtype=np.int64).reshape(request.shape)

    def _numbers(self, request: Request, n: int) -> list[Fraction]:
        if request.kind == "discount":
            return [Fraction(x) for x in self._list(st.sampled_from(DISCOUNTS), n)]
        if request.kind == "weight":
            return [Fraction(x) for x in self._list(st.integers(0, 4), n)]
        below = self.draw(st.sampled_from([1, 2, 3, 10]))
        if request.low is not None and request.high is not None:
            low, high = Fraction(request.low), Fraction(request.high)
            parts = self._list(st.integers(0, below), n)
            return [low + (high - low) * Fraction(k, below) for k in parts]
        parts = [Fraction(k, below) for k in self._list(st.integers(-12, 12), n)]
        if request.low is not None:
            return [Fraction(request.low) + abs(x) for x in parts]
        return parts


@st.composite
def _drawn(draw: st.DrawFn, quantifier: Any, sizes: dict, earlier: dict) -> Any:
    source = Draw(HypothesisSource(draw), exact=True)
    source.sizes.update(sizes)
    return quantifier(source, earlier)


def _of(mdp: MDP, quantifier: Any) -> st.SearchStrategy:
    sizes = {"s": mdp.n_states, "t": mdp.n_states, "a": mdp.n_actions}
    return _drawn(quantifier, sizes, {"mdp": mdp})


# ---- models ----------------------------------------------------------------------------------


def mdps(**options: Any) -> st.SearchStrategy[MDP]:
    """Exact models; the options are those of `mdpkit.claim.models`."""
    return _drawn(quantify.models(**options), {}, {})


def ergodic_mdps(**options: Any) -> st.SearchStrategy[MDP]:
    """Models whose every row mixes in a tenth of the uniform distribution."""
    return mdps(ergodic=True, **options)


def deterministic_mdps(**options: Any) -> st.SearchStrategy[MDP]:
    """Models in which every pair has one next state."""
    return mdps(deterministic=True, **options)


def absorbing_mdps(**options: Any) -> st.SearchStrategy[MDP]:
    """Models whose episodes may end: rows are sub-stochastic."""
    return mdps(stops="some", **options)


def proper_mdps(**options: Any) -> st.SearchStrategy[MDP]:
    """Models whose episodes end with at least 1/20 in every step; γ = 1."""
    return mdps(**{"stops": "always", "discount": (1, 1)} | options)


def patient_mdps(**options: Any) -> st.SearchStrategy[MDP]:
    """Models with γ in [9/10, 1 − 10⁻⁵]."""
    return mdps(discount=(Fraction(9, 10), Fraction(99_999, 100_000)), **options)


@st.composite
def tied_mdps(draw: st.DrawFn, **options: Any) -> MDP:
    """Models with integer rewards whose last action is a copy of the first."""
    mdp = draw(mdps(**{"ragged": False, "actions": (2, 3)} | options))
    P, r = mdp.P.copy(), mdp.r.copy()
    P[:, -1], r[:, -1] = P[:, 0], r[:, 0]
    return MDP(P, r, mdp.gamma, stop=None)


@st.composite
def cyclic_mdps(draw: st.DrawFn, **options: Any) -> MDP:
    """Models whose actions are permutations of the states: periodic chains."""
    mdp = draw(mdps(**{"ragged": False} | options))
    one, n = mdp.gamma * 0 + 1, mdp.n_states
    identity = np.array([[one * int(s == t) for t in range(n)] for s in range(n)], dtype=object)
    orders = [draw(st.permutations(range(n))) for _ in range(mdp.n_actions)]
    P = np.stack([identity[list(order)] for order in orders], axis=1)
    return MDP(P, mdp.r, mdp.gamma)


@st.composite
def chains(draw: st.DrawFn, longest: int = 6) -> MDP:
    """Stay, or move right; rewards anywhere. Policy iteration is slow on some of them."""
    n = draw(st.integers(1, longest))
    mdp = draw(mdps(states=(n, n), actions=(2, 2), ragged=False))
    return MDP(_moves(n, [0, 1], mdp.gamma), mdp.r, mdp.gamma)


@st.composite
def grids(draw: st.DrawFn, longest: int = 3) -> MDP:
    """Grids with four moves; a move off the grid stays. Rewards anywhere."""
    height, width = draw(st.integers(1, longest)), draw(st.integers(1, longest))
    n = height * width
    mdp = draw(mdps(states=(n, n), actions=(4, 4), ragged=False))
    one = mdp.gamma * 0 + 1
    P = np.full((n, 4, n), 0 * one, dtype=object)
    for s in range(n):
        i, j = divmod(s, width)
        for a, (di, dj) in enumerate([(0, 1), (1, 0), (0, -1), (-1, 0)]):
            inside = 0 <= i + di < height and 0 <= j + dj < width
            P[s, a, s + di * width + dj if inside else s] = one
    return MDP(P, mdp.r, mdp.gamma)


def _moves(n: int, steps: list[int], like: Any) -> np.ndarray:
    P = np.full((n, len(steps), n), like * 0, dtype=object)
    for s in range(n):
        for a, step in enumerate(steps):
            P[s, a, min(s + step, n - 1)] = like * 0 + 1
    return P


# ---- what lives on a model -------------------------------------------------------------------


def values(mdp: MDP, **options: Any) -> st.SearchStrategy[np.ndarray]:
    """(S,) values, v* plus a pattern among them; options of `mdpkit.claim.values`."""
    return _of(mdp, quantify.values(**options))


def policies(mdp: MDP, **options: Any) -> st.SearchStrategy[np.ndarray]:
    """Stochastic policies in pair layout."""
    return _of(mdp, quantify.policies(**options))


def deterministic_policies(mdp: MDP) -> st.SearchStrategy[np.ndarray]:
    """(S,) int, one action a state."""
    return _of(mdp, quantify.deterministic_policies())


def action_values(mdp: MDP, **options: Any) -> st.SearchStrategy[np.ndarray]:
    """Numbers over state-action pairs, in pair layout."""
    return _of(mdp, quantify.action_values(**options))


def distributions(mdp: MDP, full: bool = False) -> st.SearchStrategy[np.ndarray]:
    """(S,) distributions of the first state."""
    return _of(mdp, quantify.distributions("s", full))


# ---- claims ----------------------------------------------------------------------------------


@st.composite
def _instances(draw: st.DrawFn, quantifiers: Mapping[str, Any]) -> tuple[tuple, Tape]:
    source = Draw(HypothesisSource(draw), exact=True)
    return draw_instance(quantifiers, source), source.tape


def instances(claim: Claim) -> st.SearchStrategy[tuple]:
    """Exact instances of a claim: its arguments as a tuple."""
    return _instances(claim.quantifiers).map(lambda found: found[0])


def collect(quantifiers: Mapping[str, Any], n: int, start: int) -> list[tuple[tuple, Tape]]:
    """n exact instances and their tapes, the same for the same `start`."""
    found: list[tuple[tuple, Tape]] = []

    @seed(start)
    @settings(
        max_examples=n,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=[*HealthCheck],  # pyright: ignore[reportArgumentType]
    )
    @given(_instances(quantifiers))
    def look(drawn: tuple[tuple, Tape]) -> None:
        found.append(drawn)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)
        look()
    return found
