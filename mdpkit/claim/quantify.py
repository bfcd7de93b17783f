"""What a claim may say "for all" about: models, values, policies, and the numbers beside them.

A quantifier is a frozen, callable description: quantifier(draw, earlier) draws one thing, and
may look at the things drawn before it. An annotation carries it:

    v: Value                                     any (S,) array
    v: Annotated[Any, values(below_image=True)]  one with v ≤ Tv
    mdp: Annotated[MDP, models(ergodic=True)]

Any function of (draw, earlier) is one too. Options that state a hypothesis can be dropped one
at a time by the ablation. Checked in tests/claim.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mdpkit._array import number, read_only
from mdpkit.claim._optimum import optimum
from mdpkit.claim.draw import LARGEST_DISCOUNT, Draw, normalized
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import backup

Quantifier = Callable[[Draw, Mapping[str, Any]], Any]


@dataclass(frozen=True)
class models:
    """Finite models: garnets, deterministic, ragged, tied, near γ = 1, sub-stochastic …

    states, actions   how many, from … to
    stops             "never"; "some" pairs may end the episode; "always" with at least 1/20
    ergodic           every row mixes in a tenth of the uniform distribution
    deterministic     every pair has one next state
    ragged            action sets may differ: then arrays over pairs are (pairs,), not (S, A)
    reward            rewards lie in [low, high], if given
    discount          γ lies in [low, high]; (1, 1) for total or average reward
    start             "uniform"; "any" distribution; "full" support
    """

    states: tuple[int, int] = (1, 4)
    actions: tuple[int, int] = (1, 3)
    stops: str = "never"
    ergodic: bool = False
    deterministic: bool = False
    ragged: bool = True
    reward: tuple[Any, Any] | None = None
    discount: tuple[Any, Any] = (0, LARGEST_DISCOUNT)
    start: str = "uniform"

    def __call__(self, draw: Draw, _: Mapping[str, Any]) -> MDP:
        """Draw a model."""
        draw.size("s", *self.states)
        draw.size("a", *self.actions)
        low, high = self.discount
        gamma = draw.discount(low, high) if low != high else _constant(draw, low)
        r = draw.numbers("sa", *(self.reward or (None, None)))
        P = self._rows(draw)
        stop = None
        if self.stops != "never":
            least = Fraction(1, 20) if self.stops == "always" else 0
            stop = draw.numbers("sa", least, 1)
            if self.stops == "some":
                stop = np.where(draw.flags("sa"), stop, 0 * stop)
            P = P * (1 - stop)[..., None]
        start = (
            None if self.start == "uniform" else draw.distribution("s", self.start == "full")
        )
        mask = None
        if self.ragged:
            missing = draw.flags("sa")
            missing[:, 0] &= ~missing.all(axis=1)
            mask = ~missing if missing.any() else None
        return MDP(P, r, gamma, mask=mask, stop=stop, start=start)

    def _rows(self, draw: Draw) -> np.ndarray:
        if not self.deterministic:
            return draw.distribution("sat", full=self.ergodic)
        n = draw.size("t")
        to = draw.integers("sa", 0, n - 1)
        table = np.array([[_constant(draw, int(s == t)) for t in range(n)] for s in range(n)])
        return table[to]


@dataclass(frozen=True)
class values:
    """(S,) values: random, extremal patterns of signs, or v* plus such a pattern.

    below_image, above_image   v ≤ Tv, or v ≥ Tv
    low, high                  bounds on every entry, if given
    """

    below_image: bool = False
    above_image: bool = False
    low: Any = None
    high: Any = None

    def __call__(self, draw: Draw, earlier: Mapping[str, Any]) -> np.ndarray:
        """Draw values for the model drawn before."""
        mdp = _model(earlier)
        if mdp is None:
            return draw.numbers("s", self.low, self.high)
        bounded = self.low is not None or self.high is not None
        v = draw.numbers("s", self.low, self.high, scale=_scale(mdp))
        if not bounded and mdp.gamma < 1 and draw.integer(0, 2) == 2:
            v = v + optimum(mdp).v
        if self.below_image or self.above_image:
            sign = 1 if self.below_image else -1
            excess = (sign * (v - backup(mdp, v))).max()
            # T(v − c) ≥ Tv − γc, so a constant of excess·H is enough.
            v = v - sign * max(excess, 0 * excess) / (1 - mdp.gamma)
        return read_only(v)


@dataclass(frozen=True)
class policies:
    """Stochastic policies in pair layout, deterministic ones among them.

    full   every action has at least a tenth of its uniform share
    """

    full: bool = False

    def __call__(self, draw: Draw, earlier: Mapping[str, Any]) -> np.ndarray:
        """Draw a policy of the model drawn before."""
        mdp = _model(earlier)
        weights = draw.weights("sa")
        if mdp is None or mdp.pair_shape == weights.shape:
            return read_only(normalized(weights, self.full))
        out = np.empty(mdp.n_pairs, dtype=weights.dtype)
        for s in range(mdp.n_states):
            own = slice(mdp.action_ptr[s], mdp.action_ptr[s + 1])
            out[own] = normalized(weights[s, mdp.pair_actions[own]], self.full)
        return read_only(out)


@dataclass(frozen=True)
class deterministic_policies:
    """(S,) int, one action a state."""

    def __call__(self, draw: Draw, earlier: Mapping[str, Any]) -> np.ndarray:
        """Draw a policy of the model drawn before."""
        mdp = _needed(earlier)
        chosen = draw.integers("s", 0, mdp.n_actions - 1) % np.diff(mdp.action_ptr)
        return read_only(mdp.pair_actions[mdp.action_ptr[:-1] + chosen])


@dataclass(frozen=True)
class action_values:
    """Numbers over state-action pairs, in pair layout; within [low, high] if given."""

    low: Any = None
    high: Any = None

    def __call__(self, draw: Draw, earlier: Mapping[str, Any]) -> np.ndarray:
        """Draw numbers for the model drawn before."""
        mdp = _needed(earlier)
        table = draw.numbers("sa", self.low, self.high, scale=_scale(mdp))
        if mdp.pair_shape == table.shape:
            return table
        return read_only(table[mdp.pair_states, mdp.pair_actions])


@dataclass(frozen=True)
class distributions:
    """Distributions over the last axis of `axes`; `full` support if asked."""

    axes: str = "s"
    full: bool = False

    def __call__(self, draw: Draw, _: Mapping[str, Any]) -> np.ndarray:
        """Draw distributions."""
        return read_only(draw.distribution(self.axes, self.full))


@dataclass(frozen=True)
class numbers:
    """Numbers over any axes ("" for one number), within [low, high] if given.

    A letter not yet sized by a model is sized here, 1 … longest.
    """

    axes: str = ""
    low: Any = None
    high: Any = None
    longest: int = 4

    def __call__(self, draw: Draw, _: Mapping[str, Any]) -> Any:
        """Draw numbers."""
        for axis in self.axes:
            draw.size(axis, 1, self.longest)
        drawn = draw.numbers(self.axes, self.low, self.high)
        return drawn if self.axes else drawn[()]


@dataclass(frozen=True)
class integers:
    """Integers low … high over any axes ("" for one)."""

    low: int
    high: int
    axes: str = ""
    longest: int = 4

    def __call__(self, draw: Draw, _: Mapping[str, Any]) -> Any:
        """Draw integers."""
        for axis in self.axes:
            draw.size(axis, 1, self.longest)
        drawn = draw.integers(self.axes, self.low, self.high)
        return drawn if self.axes else int(drawn)


@dataclass(frozen=True)
class states:
    """One state of the model, an index."""

    def __call__(self, draw: Draw, earlier: Mapping[str, Any]) -> int:
        """Draw a state of the model drawn before."""
        return draw.integer(0, _needed(earlier).n_states - 1)


@dataclass(frozen=True)
class orders:
    """An order of the states: a permutation, (S,) int."""

    def __call__(self, draw: Draw, earlier: Mapping[str, Any]) -> np.ndarray:
        """Draw a permutation of the states."""
        keys = draw.integers("s", 0, 9)
        return read_only(np.argsort(keys, kind="stable"))


@dataclass(frozen=True)
class sequences:
    """A tuple of things of one kind, least … most of them."""

    of: Quantifier
    least: int = 1
    most: int = 4

    def __call__(self, draw: Draw, earlier: Mapping[str, Any]) -> tuple:
        """Draw the things one after another."""
        return tuple(self.of(draw, earlier) for _ in range(draw.integer(self.least, self.most)))


@dataclass(frozen=True)
class discounts:
    """A discount factor of its own."""

    low: Any = 0
    high: Any = LARGEST_DISCOUNT

    def __call__(self, draw: Draw, _: Mapping[str, Any]) -> Any:
        """Draw a discount."""
        return draw.discount(self.low, self.high)


def hypotheses(quantifier: Quantifier) -> dict[str, Quantifier]:
    """Each hypothesis that a quantifier states by an option, and the quantifier without it."""
    stated = {"below_image": "v ≤ Tv", "above_image": "v ≥ Tv", "full": "full support"}
    stated |= {"ergodic": "ergodic", "deterministic": "deterministic transitions"}
    if not dataclasses.is_dataclass(quantifier):
        return {}
    return {
        words: dataclasses.replace(quantifier, **{name: False})  # pyright: ignore[reportArgumentType]
        for name, words in stated.items()
        if getattr(quantifier, name, False) is True
    }


def _constant(draw: Draw, x: Any) -> Any:
    if not draw.exact:
        return float(x)
    from mdpkit._exact import rational

    return rational(x)


def _scale(mdp: MDP) -> float:
    """The size of values: H·max |r|."""
    gamma, size = number(mdp.gamma), number(mdp.reward_size)
    return size / (1 - gamma) if gamma < 1 else size


def _model(earlier: Mapping[str, Any]) -> MDP | None:
    """The last model drawn, if any."""
    found = [x for x in earlier.values() if isinstance(x, MDP)]
    return found[-1] if found else None


def _needed(earlier: Mapping[str, Any]) -> MDP:
    mdp = _model(earlier)
    if mdp is None:
        raise TypeError("this quantifier needs a model (mdp: MDP) before it in the signature.")
    return mdp
