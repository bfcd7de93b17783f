"""Trust regions: the best policy for the surrogate among those near the one at hand.

    π_{k+1} ≈ argmax E_{d,π'} A^π   subject to  E_d KL(π‖π') ≤ δ        d = d_μ^π, π = π_k

    natural     θ + √(2δ/(xᵀFx)) x, x = F†∇J, then shrunk by .8 until the true surrogate grows
                and the true divergence is ≤ δ
    lagrangian  the exact maximizer, π' = βπ/(λ_s − A), β by bisection of E_d KL(π‖π') = δ

x is the advantage, and xᵀFx its variance E_{d,π} A². Without the constraint the step is greedy,
with a Euclidean ball it is the gradient. J(π_{k+1}) ≥ L − 2ε'γH² E_d TV, which may be less than
J(π_k): growth is likely, not certain. Checked in tests/improve/test_trust_region.py.
Source: Schulman et al. (2015); Achiam et al. (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit.improve import _iterates as shared
from mdpkit.improve import mirror_ascent, rates
from mdpkit.improve._iterates import State
from mdpkit.improve._roots import decreasing_root
from mdpkit.improve.divergences import NegativeEntropy, sums
from mdpkit.improve.proximal import forward_step
from mdpkit.improve.step_sizes import positive
from mdpkit.mdp import MDP
from mdpkit.operators.occupancy import occupancy

SOLVERS = ("natural", "lagrangian")


@dataclass(frozen=True, eq=False)
class TrustRegion:
    """TRPO on exact quantities.

    radius     δ > 0, in nats: the bound on E_d KL(π_k‖π_{k+1})
    solver     "natural" (a direction and a line search) or "lagrangian" (the exact maximizer)
    backtrack  in (0, 1), the factor of the line search; tries: how often at most
    start      (S,) distribution μ; every state alike if None
    policy     the first one, which takes every action; uniform if None
    """

    radius: float = 0.01
    solver: str = "natural"
    backtrack: float = 0.8
    tries: int = 100
    start: Any = None
    policy: Any = None
    key = "trpo"
    gap, certify, floor = shared.gap, shared.certify, shared.floor
    verdict = shared.verdict

    def __post_init__(self):
        positive(self.radius, "radius")
        if self.solver not in SOLVERS:
            raise ValueError(f"solver must be one of {SOLVERS}; it is {self.solver!r}.")
        if not 0 < self.backtrack < 1:
            raise ValueError(f"backtrack must lie in (0, 1); it is {self.backtrack}.")

    def init(self, mdp: MDP, start: Any = None) -> State:
        """The first policy. Raises ModelError at γ = 1, ValueError if `start` is given."""
        return mirror_ascent.begun(mdp, NegativeEntropy(), self.policy, start)

    def step(self, mdp: MDP, state: State) -> State:
        """One maximization within the region, and the new policy's evaluation."""
        d = occupancy(mdp, state.policy, shared.covering(mdp, self.start))
        advantage = shared.advantages(mdp, state)
        if self.solver == "natural":
            policy, at, size = self._searched(mdp, state, advantage, d)
        else:
            policy, at, size = self._maximized(mdp, state, advantage, d)
        return shared.advanced(mdp, state, policy, at, step_size=size)

    def _searched(self, mdp: MDP, state: State, x: np.ndarray, d: np.ndarray) -> Any:
        """The natural step, shrunk until it does what its quadratic model promised."""
        kept = (state.policy, state.coordinates, 0.0)
        square = float(d @ sums(mdp, state.policy * x**2))
        if not square > 0:
            return kept
        size = np.sqrt(2 * self.radius / square)
        for _ in range(self.tries):
            policy, at = NegativeEntropy().ascend(mdp, state.coordinates, size * x)
            gain = d @ sums(mdp, policy * x)
            if gain > 0 and _divergence(mdp, state, at, d) <= self.radius:
                return policy, at, float(size)
            size *= self.backtrack
        return kept

    def _maximized(self, mdp: MDP, state: State, x: np.ndarray, d: np.ndarray) -> Any:
        """The maximizer of the surrogate in the ball, by its multiplier β."""
        spread = float(np.max(x) - np.min(x))
        if not spread > 0:
            return state.policy, state.coordinates, 0.0

        def excess(beta: np.ndarray) -> np.ndarray:
            _, at = forward_step(mdp, state.coordinates, x, float(beta[0]))
            return np.array([_divergence(mdp, state, at, d) - self.radius])

        low, high = np.array([spread * 1e-12]), np.array([spread])
        while excess(high)[0] > 0:
            high = 2 * high
        beta = low if excess(low)[0] <= 0 else decreasing_root(excess, low, high)
        policy, at = forward_step(mdp, state.coordinates, x, float(beta[0]))
        return policy, at, float(1 / beta[0])

    def bounds(self, mdp: MDP, states: Sequence[State], v: np.ndarray) -> rates.Bounded | None:
        """None: no theorem bounds the error of each iterate."""
        return None


def _divergence(mdp: MDP, state: State, at: np.ndarray, d: np.ndarray) -> float:
    """E_d KL(π‖π'), π' by its logarithm: it is finite where floats of π' are 0."""
    return float(d @ NegativeEntropy().between(mdp, state.policy, at))
