"""What the regularized methods share: T_Ω v = ⊕_a [r + γPv], its policy, and its certificate.

For every ⊕ that is monotone and moves with constants, T_Ω is a γ-contraction that commutes
with shifts as T does, so the interval that T_Ω v − v proves is MacQueen's (`certify.tails`);
only the rounding of ⊕ itself is added.

The functions of `method` are methods: a class takes them by name, `gap = shared.gap`, and has
`over`, the ⊕ of its limit.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

import numpy as np

from mdpkit._array import EPS, sup
from mdpkit._cuda import download, upload
from mdpkit.certify import Certificate, bounds_from_image, interval, warn_if_ill_conditioned
from mdpkit.errors import ModelError
from mdpkit.mdp import MDP
from mdpkit.operators.aggregate import BOLTZMANN, EXPECTED, EXPECTILE, Reduction
from mdpkit.operators.bellman import (
    action_values,
    aggregate,
    check_shape,
    greedy_pairs,
    rounding,
    size_of,
    sweep,
)
from mdpkit.operators.projection import attaining
from mdpkit.policy import probabilities

TIES = 1e-12
"""Actions whose probabilities differ by less count as equally likely."""


class State(NamedTuple):
    """v, its image T_Ω v, and the extremes of T_Ω v − v (for VI of the sweep to v)."""

    v: np.ndarray
    image: np.ndarray
    low: float
    high: float


class Regularized(Protocol):
    """A method whose limit is the fixed point of T_Ω."""

    @property
    def over(self) -> Reduction:
        """Its ⊕."""
        ...


def temperature(tau: float, name: str = "tau") -> float:
    """τ as a float. Raises ValueError unless it is finite and > 0, naming the hard method."""
    if not 0 < tau < math.inf:
        raise ValueError(
            f"{name} must be finite and > 0; it is {tau}. At temperature 0 nothing is soft: "
            "use ValueIteration(), PolicyIteration() or `maximum`."
        )
    return float(tau)


def readied(mdp: MDP, over: Reduction) -> None:
    """Raise unless T_Ω of this model has one fixed point that floats can bound."""
    if over.code == BOLTZMANN:
        raise ValueError(
            "boltzmann is not a non-expansion: its backup may have several fixed points, and "
            "no bound holds. Use soft(tau), whose policy has the same form."
        )
    if mdp.is_exact:
        raise ModelError(f"{over.name} has no exact form; pass mdp.rounded().")
    if mdp.gamma >= 1:
        raise ModelError(
            "γ = 1: a regularized value needs γ < 1, since what the regularizer pays may never "
            "end. For a finite horizon see mdpkit.operators.messages."
        )
    if over.weight is not None:
        check_shape(over.weight, mdp.pair_shape, "the prior or policy")
        probabilities(mdp, over.weight)
    warn_if_ill_conditioned(mdp)


def start_values(mdp: MDP, start: np.ndarray | None) -> np.ndarray:
    """Values 0, or those given."""
    return np.zeros(mdp.n_states) if start is None else start


def swept(mdp: MDP, v: np.ndarray, over: Reduction) -> State:
    """v with its image and the extremes of T_Ω v − v."""
    new = sweep(mdp, v, over)
    return State(v, new.v, new.low, new.high)


# ---- methods of several classes --------------------------------------------------------------


def init(method: Regularized, mdp: MDP, start: np.ndarray | None = None) -> State:
    """Values 0, or those given. Raises ModelError at γ = 1 and on exact models."""
    readied(mdp, method.over)
    v = start_values(mdp, start)
    return State(v, v, -np.inf, np.inf)


def step(method: Regularized, mdp: MDP, state: State) -> State:
    """One sweep."""
    new = swept(mdp, state.v, method.over)
    return new._replace(v=new.image)


def gap(method: Regularized, mdp: MDP, state: Any) -> float:
    """Width of the interval that T_Ω v − v proves, rounding included."""
    size = max(size_of(mdp, state.v), size_of(mdp, state.image))
    # The rounding of ⊕, where ‖v‖∞ and ‖T_Ω v‖∞ are at most `size`.
    more = method.over.rounding(mdp.n_actions, mdp.reward_size + size, size)
    return interval(mdp, state.low, state.high, size, more)


def floor(method: Regularized, mdp: MDP, state: Any) -> float:
    """The gap that rounding leaves at the fixed point."""
    return gap(method, mdp, state._replace(low=0.0, high=0.0))


def rate(method: Regularized, mdp: MDP) -> float:
    """γ a step, toward the fixed point of T_Ω."""
    return mdp.gamma


def certify(method: Regularized, mdp: MDP, state: Any) -> Certificate:
    """Bounds on the fixed point of T_Ω from v; policy and q belong to the midpoint.

    The policy that attains T_Ω v is worth at least the lower bound that v proves: its own
    T_Ω^π v is T_Ω v, and the rounding of its probabilities counts in the second order only.
    """
    over = method.over
    lower, upper, _ = _bounds(mdp, state.v, over)
    middle = (lower + upper) / 2
    below, _, q = _bounds(mdp, middle, over)
    pi = attaining(mdp, q := download(q), over)
    likeliest = mdp.actions_of(greedy_pairs(mdp, pi, TIES))
    loss = (upper - below).max()
    return Certificate(lower, upper, likeliest, loss, q, stochastic=pi)


def _bounds(mdp: MDP, v: np.ndarray, over: Reduction) -> tuple[Any, Any, Any]:
    q = action_values(mdp, upload(v) if mdp.device == "gpu" else v)
    image = aggregate(mdp, q, over)
    error = rounding(mdp, v) + over.rounding(mdp.n_actions, float(sup(q)), float(sup(image)))
    if over.code in (EXPECTED, EXPECTILE) and over.weight is not None:
        error += _defect(mdp, over.weight) * float(sup(q))
    return *bounds_from_image(mdp, download(v), download(image), error), q


def _defect(mdp: MDP, weight: Any) -> float:
    """How far the weights of a state, meant to sum to 1, are from it."""
    sums = np.add.reduceat(np.asarray(weight).reshape(-1), mdp.action_ptr[:-1])
    return float(np.abs(sums - 1).max()) + mdp.n_actions * EPS
