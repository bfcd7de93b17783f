"""Three theorems, each on random models and on the instance that attains its bound.

A ratio is the left side over the right: at most 1 if the theorem holds, 1 where it is tight.

Source: Puterman (1994), Proposition 6.2.4 and Theorem 6.3.3; Singh & Yee (1994).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from mdpkit.mdp import MDP

MODELS = 50
DRAWS = 10
"""Random values tried on each of the random models."""

ROUNDING = 1e-9
"""Relative, far above the rounding of a few hundred operations on numbers near 1."""


class Check(NamedTuple):
    """One theorem's numbers."""

    name: str
    statement: str
    instances: int
    worst: float  # the largest ratio on random models
    tight: float  # the ratio at the named instance
    at: str

    @property
    def holds(self) -> bool:
        """Whether no ratio exceeds 1, and the named instance attains it."""
        return self.worst <= 1 + ROUNDING and abs(self.tight - 1) <= ROUNDING


def checks() -> list[Check]:
    """Return the three theorems, checked on the same random models each time."""
    rng = np.random.default_rng(0)
    models = [_random_model(rng) for _ in range(MODELS)]
    return [contraction(models, rng), rate(models, rng), greedy_loss(models, rng)]


def _random_model(rng: np.random.Generator) -> MDP:
    from mdpkit import MDP

    n_states, n_actions = int(rng.integers(2, 8)), int(rng.integers(1, 4))
    P = rng.dirichlet(np.full(n_states, 0.5), size=(n_states, n_actions))
    return MDP(P, rng.uniform(-1, 1, (n_states, n_actions)), rng.uniform(0.5, 0.95))


def contraction(models: list[MDP], rng: np.random.Generator) -> Check:
    """‖Tv − Tw‖∞ ≤ γ‖v − w‖∞, attained by w = v + c wherever no episode stops."""
    from mdpkit import gallery

    worst = 0.0
    for mdp in models:
        for _ in range(DRAWS):
            v, w = rng.normal(size=(2, mdp.n_states))
            worst = max(worst, _contracted(mdp, v, w))
    swim = gallery.make("river-swim")
    v = rng.normal(size=swim.n_states)
    return Check(
        "T is a contraction",
        "‖Tv − Tw‖∞ ≤ γ ‖v − w‖∞",
        MODELS * DRAWS,
        worst,
        _contracted(swim, v, v + 1),
        "river-swim, w = v + 1",
    )


def _contracted(mdp: MDP, v: np.ndarray, w: np.ndarray) -> float:
    from mdpkit.operators.bellman import backup

    change = abs(backup(mdp, v) - backup(mdp, w)).max()
    return float(change / (mdp.gamma * abs(v - w).max()))


def rate(models: list[MDP], rng: np.random.Generator) -> Check:
    """‖v_k − v*‖∞ ≤ γᵏ‖v_0 − v*‖∞ of value iteration, attained where nothing ever moves."""
    from mdpkit import gallery

    worst = max(_slowest(mdp, rng.normal(size=mdp.n_states)) for mdp in models)
    still = gallery.make("identity")
    return Check(
        "rate of value iteration",
        "‖v_k − v*‖∞ ≤ γᵏ ‖v_0 − v*‖∞",
        MODELS,
        worst,
        _slowest(still, np.zeros(still.n_states)),
        "identity, v_0 = 0",
    )


def _slowest(mdp: MDP, start: np.ndarray) -> float:
    """The largest ratio over 50 steps, of those whose bound stands clear of rounding."""
    from mdpkit.cli._curves import measure, truth
    from mdpkit.plan import ValueIteration

    v, slack = truth(mdp, start)
    curve = measure(mdp, ValueIteration(), v, start, steps=50)
    if found := curve.broken(slack):
        return curve.errors[found[0]] / (curve.bounds or [])[found[0]]
    best = curve.tightest(slack)
    return 0.0 if best is None else best[0]


def greedy_loss(models: list[MDP], rng: np.random.Generator) -> Check:
    """‖v* − v^π‖∞ ≤ 2γ/(1−γ)·‖v − v*‖∞ for π greedy in v, attained by Singh and Yee."""
    import mdpkit as mk
    from mdpkit import gallery

    worst = 0.0
    for mdp in models:
        best = mk.solve(mdp, tol=1e-11).v
        for _ in range(DRAWS):
            size = 10 ** rng.uniform(-3, 1)
            noise = size * rng.uniform(-1, 1, mdp.n_states)
            worst = max(worst, _loss(mdp, best, best + noise)[1])
    two = gallery.make("singh-yee")
    # The same model in dense rows: for two states no other kernel need be compiled.
    two = mk.MDP.from_pairs(
        two.pair_states, two.pair_actions, two.P.toarray(), two.r, two.gamma
    )
    loss, ratio = _loss(two, np.zeros(2), np.array([1.0, -1.0]))
    return Check(
        "loss of a greedy policy",
        "‖v* − v^π‖∞ ≤ 2γ/(1−γ) · ‖v − v*‖∞",
        MODELS * DRAWS,
        worst,
        ratio,
        f"singh-yee, v = (1, −1): loss {loss:.10g}",
    )


def _loss(mdp: MDP, best: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    """The loss of the policy greedy in v, and its ratio to the bound."""
    from mdpkit.operators.bellman import greedy
    from mdpkit.operators.resolvent import policy_value

    loss = float(abs(best - policy_value(mdp, greedy(mdp, v))).max())
    return loss, loss / float(2 * mdp.gamma / (1 - mdp.gamma) * abs(v - best).max())
