"""The natural policy gradient of a softmax table: in logits, the advantage is the direction.

    θ_{k+1} = θ_k + η F(θ_k)†∇J,   F†∇J = H (A + c_s)  ⇒  π_{k+1} ∝ π_k e^{ηHA}

    closed      by that formula: exponentiated Q-ascent with α = ηH
    fisher      F x = ∇J by conjugate gradients, F = E_{d,π} ∇ log π ∇ log πᵀ
    compatible  x = H w*, w* the least-squares fit of A by ⟨∇ log π, w⟩

The three agree where every state is visited. No d and no |A| is left in the rate:
v* − v_k ≤ (log|A|/η + RH²)/(k + 1) at every state.
Checked in tests/improve/test_natural.py and proofs_checks (H21, H22, I5).
Source: Kakade (2001); Agarwal et al. (2021), Lemma 15 and Theorem 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit.improve import _iterates as shared
from mdpkit.improve import mirror_ascent, rates
from mdpkit.improve._iterates import State
from mdpkit.improve.divergences import NegativeEntropy
from mdpkit.improve.step_sizes import rule
from mdpkit.mdp import MDP
from mdpkit.operators.fisher import compatible_weights, fisher_product
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.policy_gradient import softmax_gradient
from mdpkit.operators.scores import softmax_scores

SOLVERS = ("closed", "fisher", "compatible")


@dataclass(frozen=True, eq=False)
class NaturalPolicyGradient:
    """Gradient ascent on logits in the geometry of the Fisher information.

    step_size  η > 0, or a rule (Constant, Geometric, Adaptive); α = ηH is in 1/reward
    solver     "closed", "fisher" or "compatible"
    damping    ≥ 0, added to F's diagonal by "fisher"
    start      (S,) distribution μ of "fisher" and "compatible"; every state alike if None
    policy     the first one, which takes every action; uniform if None
    """

    step_size: Any = 1.0
    solver: str = "closed"
    damping: float = 0.0
    start: Any = None
    policy: Any = None
    key = "npg"
    gap, certify, floor = shared.gap, shared.certify, shared.floor
    verdict = shared.verdict

    def __post_init__(self):
        rule(self.step_size)
        if self.solver not in SOLVERS:
            raise ValueError(f"solver must be one of {SOLVERS}; it is {self.solver!r}.")
        if not 0 <= self.damping < np.inf or (self.damping and self.solver != "fisher"):
            raise ValueError(
                f'damping must be ≥ 0, and is for solver="fisher"; it is {self.damping}.'
            )

    def init(self, mdp: MDP, start: Any = None) -> State:
        """The first policy. Raises ModelError at γ = 1, ValueError if `start` is given."""
        return mirror_ascent.begun(mdp, NegativeEntropy(), self.policy, start)

    def step(self, mdp: MDP, state: State) -> State:
        """One step of size η, and its evaluation."""
        horizon = 1 / (1 - mdp.gamma)
        eta = mirror_ascent.asked(mdp, self.step_size, NegativeEntropy(), state, horizon)
        if self.solver == "closed":
            return mirror_ascent.ascended(
                mdp, NegativeEntropy(), state, eta * horizon, step_size=eta
            )
        x = eta * self.direction(mdp, state)
        policy, at = NegativeEntropy().ascend(mdp, state.coordinates, x)
        return shared.advanced(mdp, state, policy, at, step_size=eta)

    def direction(self, mdp: MDP, state: State) -> np.ndarray:
        """F†∇J in pair layout, up to a constant in each state; by the solver chosen."""
        advantage, horizon = shared.advantages(mdp, state), 1 / (1 - mdp.gamma)
        if self.solver == "closed":
            return horizon * advantage
        mu = shared.covering(mdp, self.start)
        scores, d = softmax_scores(mdp, state.policy), occupancy(mdp, state.policy, mu)
        if self.solver == "compatible":
            x = horizon * compatible_weights(scores, d, advantage)
        else:
            gradient = softmax_gradient(mdp, state.policy, mu).reshape(-1)
            x = conjugate_gradients(
                lambda y: fisher_product(scores, d, y) + self.damping * y, gradient
            )
        return x.reshape(mdp.pair_shape)

    def bounds(self, mdp: MDP, states: Sequence[State], v: np.ndarray) -> rates.Bounded | None:
        """A run's errors beside their theorem's bounds; v : (S,) v*. None with damping."""
        if self.damping:
            return None
        unit = 1 / (1 - mdp.gamma)
        return mirror_ascent.theorem(
            mdp, self.step_size, NegativeEntropy(), states, v, float(unit)
        )


def conjugate_gradients(product: Any, b: np.ndarray, rtol: float = 1e-13) -> np.ndarray:
    """The shortest x with F x = b, for b in the range of F ≥ 0, singular or not.

    product : x → F x. It ends at a residual of rtol ‖b‖, or where rounding makes it grow: then
    the null space has come in, and the iterate of the least residual is returned.
    """
    x, r, p = np.zeros(b.size), b.copy(), b.copy()
    square = least = float(r @ r)
    best = x
    for _ in range(4 * b.size):
        if least <= rtol**2 * float(b @ b) or square > 1e8 * least:
            break
        image = product(p)
        curvature = float(p @ image)
        if not curvature > 0:
            break
        x = x + square / curvature * p
        r = r - square / curvature * image
        square, before = float(r @ r), square
        if square < least:
            least, best = square, x
        p = r + square / before * p
    return best
