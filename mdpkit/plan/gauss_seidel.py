"""Gauss–Seidel and asynchronous value iteration: one vector, in place, in any fair order.

    v(s) ← max_a r(s,a) + γ Σ_t P(t|s,a) v(t)   for s in order, each reading the newest values

A sweep G over all states is a γ-contraction with fixed point v*, so
‖v' − v*‖ ≤ γ/(1−γ) ‖v' − v‖. On an acyclic model a sweep in reverse topological order is exact.
Checked in proofs_checks (B5, B6).
Source: Bertsekas & Tsitsiklis (1989), §2.6; Puterman (1994), §6.3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit.certify import interval
from mdpkit.errors import DeviceError
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import size_of
from mdpkit.operators.coloring import Coloring
from mdpkit.operators.sweep import in_place_sweep


class State(NamedTuple):
    """v, the largest change of the last sweep, and how many sweeps there were."""

    v: np.ndarray
    change: float
    sweeps: int


@dataclass(frozen=True, eq=False)
class GaussSeidel:
    """In-place sweeps.

    order : "natural" (0 … S−1), "reverse", "alternating" (forth and back), "random" (a new
    permutation each sweep, from `rng`), a permutation of the states as an array, or a
    `coloring(mdp)`, which a device needs.
    """

    order: Any = "natural"
    rng: int = 0
    key = "gs"
    on_device = True

    def __post_init__(self):
        names = ("natural", "reverse", "alternating", "random")
        if isinstance(self.order, str) and self.order not in names:
            raise ValueError(f"order must be one of {names} or an array; it is {self.order!r}.")

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given."""
        return State(np.zeros(mdp.n_states) if start is None else start, np.inf, 0)

    def step(self, mdp: MDP, state: State) -> State:
        """One sweep over all states."""
        if mdp.device == "gpu":
            v, change = self._colored(mdp, state.v)
        else:
            order = self._order(mdp.n_states, state.sweeps)
            v, change = in_place_sweep(mdp, state.v, order)
        return State(v, change, state.sweeps + 1)

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of v ± γ/(1−γ)·‖v − v_before‖, rounding included."""
        return interval(mdp, -state.change, state.change, size_of(mdp, state.v))

    def rate(self, mdp: MDP) -> float:
        """γ a step."""
        return mdp.gamma

    def _colored(self, mdp: MDP, v: Any) -> tuple[Any, float]:
        """A sweep of a device, a color at once."""
        if not isinstance(self.order, Coloring):
            raise DeviceError("on a device states are swept by colors: order=coloring(mdp).")
        from mdpkit.operators._device_chain import color_sweep

        return color_sweep(mdp, v, self.order)

    def _order(self, n: int, sweep: int) -> np.ndarray:
        if not isinstance(self.order, str):
            colored = isinstance(self.order, Coloring)
            order = np.asarray(self.order.order if colored else self.order)
            if order.shape != (n,) or not np.array_equal(np.sort(order), np.arange(n)):
                raise ValueError(f"order must be a permutation of the {n} states.")
            return order
        if self.order == "random":
            return np.random.default_rng([self.rng, sweep]).permutation(n)
        backward = self.order == "reverse" or (self.order == "alternating" and sweep % 2 == 1)
        return np.arange(n)[::-1] if backward else np.arange(n)
