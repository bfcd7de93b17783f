"""Exact models written down for claims, and models made from other models.

exactly([[1, "1/2"]])        an array of exact rationals
model(P, r, gamma)           an exact model; P (S, A, S) or rows that need not sum to 1
half_stopping(mdp)           every step ends the episode with probability ½
stopping(mdp)                γ as a probability to go on, at discount 1
proper_models()              models at γ = 1 in which every policy ends
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit._exact import rational
from mdpkit.claim import Draw, models
from mdpkit.mdp import MDP


def exactly(x: Any) -> np.ndarray:
    """An array of exact rationals from ints, Fractions and "p/q"."""
    return np.vectorize(rational, otypes=[object])(np.array(x, dtype=object))


def model(P: Any, r: Any, gamma: Any, *, stops: bool = False) -> MDP:
    """An exact model; with `stops`, what a row lacks to 1 ends the episode."""
    P, r = exactly(P), exactly(r)
    stop = 1 - P.sum(axis=-1) if stops else None
    return MDP(P, r, rational(gamma), stop=stop)


def ending(mdp: MDP, rows: Any, gamma: Any) -> MDP:
    """The model with other rows, (pairs, S), and discount; what a row lacks to 1 is stop."""
    stop = np.maximum(1 - rows.sum(axis=1), 0 * rows[:, 0])
    ptr = np.array(mdp.action_ptr)
    return MDP(rows, mdp.r.reshape(-1), gamma, action_ptr=ptr, stop=stop)


def half_stopping(mdp: MDP) -> MDP:
    """The same model, in which every step ends the episode with probability ½."""
    return ending(mdp, np.asarray(mdp.rows) / 2, mdp.gamma)


def stopping(mdp: MDP) -> MDP:
    """The model at γ = 1 whose every step goes on with probability γ."""
    return ending(mdp, mdp.gamma * mdp.rows, mdp.gamma * 0 + 1)


@dataclass(frozen=True)
class proper_models:
    """Models at γ = 1 in which every policy ends: a pair either stops or leads down a state."""

    states: tuple[int, int] = (1, 4)
    actions: tuple[int, int] = (1, 3)

    def __call__(self, draw: Draw, earlier: Mapping[str, Any]) -> MDP:
        """Draw a model."""
        always = models(self.states, self.actions, stops="always", discount=(1, 1))
        mdp = always(draw, earlier)
        down = draw.integers("s", 0, 1)[mdp.pair_states] * (mdp.pair_states > 0)
        rows = np.array(mdp.rows)
        chosen = np.flatnonzero(down)
        rows[chosen, mdp.pair_states[chosen] - 1] += mdp.stop.reshape(-1)[chosen]
        return ending(mdp, rows, mdp.gamma)


def with_numbers(P: Any, r: Any, gamma: Any) -> MDP:
    """A model whose P is 0 and 1, in the numbers that γ is of."""
    one = gamma * 0 + 1
    return MDP(P * one, r * one, gamma)
