"""PPO on a table: its gradient at the old policy is the policy gradient, and where it vanishes.

    Σ w = H d^π(s) π(a|s) P(t|s,a),  V = V^π:   −∇_θ L at θ_old = ∇_θ J(θ)         P16, P14
    ∂/∂ρ min(ρA, clip(ρ)A) = 0 exactly on {A > 0, ρ > 1+ε} ∪ {A < 0, ρ < 1−ε}      P16
    ε = ∞, one epoch, one part:  a step up the surrogate, and A2C's                P12

Source: Schulman et al. (2015, 2017); Mnih et al. (2016).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Annotated, Any

import numpy as np

from mdpkit.claim import MDP, ActionValue, Eq, claim, numbers
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import softmax_gradient, visits
from mdpkit.operators.projection import softmax_policy
from proofs_checks.lifting.vocabulary import Square, every_transition, float64, table

EPSILON = 0.2


@cache
def learner() -> Any:
    """PPO with nothing but the clipped surrogate."""
    from mdpkit.deep import PPO
    from mdpkit.deep.loops import OnPolicy

    return PPO(lam=0.0, clip=EPSILON, minibatches=1, normalize=False, loop=OnPolicy(1, 1))


@cache
def _slope(algorithm: Any) -> Any:
    """∇ of the loss with respect to the logits, compiled."""
    import jax

    def run(params: Any, batch: Any) -> Any:
        rows = algorithm.rows(params, batch)
        return jax.grad(algorithm.loss)(params, rows, algorithm.clip).actor.net.values

    return jax.jit(run)


def ascent(mdp: MDP, theta: Any, change: Any = None, algorithm: Any = None) -> np.ndarray:
    """−∇_θ L at θ_old = θ, every transition as often as π makes it; (S, A)."""
    from mdpkit.deep.actors import Logits
    from mdpkit.deep.policy.ppo import Params

    pi = softmax_policy(mdp, theta)
    often = visits(mdp, pi)[:, None] * pi
    with float64():
        batch = every_transition(mdp, often)
        log_pi = np.log(pi)[np.asarray(batch.observation), np.asarray(batch.action)]
        batch = batch._replace(extras=log_pi)
        batch = batch if change is None else change(batch)
        batch = type(batch)(*(np.asarray(x)[None] for x in batch))  # a window of one step
        critic = table(policy_values(mdp, pi).v[:, None])
        params = Params(Logits(table(np.array(theta))), critic)
        return -np.asarray(_slope(algorithm or learner())(params, batch))


@claim(
    id="lift-P16", source="Schulman et al. (2017); Sutton et al. (2000)", exact="B", effort=0.3
)
def ppo_begins_with_the_policy_gradient(mdp: Square, theta: ActionValue, *, ascent=ascent):
    """At the old policy ∇L = −∇J: softmax actor, exact critic, visits H d^π."""
    bounded = theta / (1 + abs(theta).max())
    gradient = softmax_gradient(mdp, softmax_policy(mdp, bounded))
    return Eq(ascent(mdp, bounded), gradient)


rejects = ppo_begins_with_the_policy_gradient.rejects
rejects(
    "an end is taken for a cut, and bootstrapped",
    ascent=lambda mdp, theta: ascent(
        mdp, theta, lambda b: b._replace(discount=0 * b.discount + b.discount.max())
    ),
)
rejects(
    "old probabilities are not those of the play",
    ascent=lambda mdp, theta: ascent(mdp, theta, lambda b: b._replace(extras=b.extras - 0.1)),
)
rejects("it descends", ascent=lambda mdp, theta: -ascent(mdp, theta))
rejects(
    "entropy has a weight",
    ascent=lambda mdp, theta: ascent(mdp, theta, None, _with_entropy()),
)


@cache
def _with_entropy() -> Any:
    return replace(learner(), entropy_weight=0.1)


# ---- the clip --------------------------------------------------------------------------------

Ratio = Annotated[Any, numbers(low=0, high=3)]
Gain = Annotated[Any, numbers(low=-2, high=2)]


def slope(ratio: float, advantage: float) -> float:
    """∂/∂ρ of what one row adds to the objective, by the code that trains."""
    import jax
    import jax.numpy as jnp

    from mdpkit.operators.surrogate import clipped_gain

    with float64():
        return float(
            jax.grad(lambda rho: clipped_gain(rho, jnp.asarray(advantage), EPSILON))(ratio)
        )


def clipped_on_one_side(ratio: float, advantage: float) -> float:
    """Clipped without the minimum: it stops pulling back what went too far the wrong way."""
    return advantage if abs(ratio - 1) <= EPSILON else 0.0


@claim(id="lift-P16-clip", source="Schulman et al. (2017), (7)", exact="B", effort=0.5)
def the_clip_stops_what_went_far_enough(ratio: Ratio, advantage: Gain, *, slope=slope):
    """∂/∂ρ is 0 where A > 0, ρ > 1+ε or A < 0, ρ < 1−ε, and A everywhere else."""
    ratio, advantage = float(ratio), float(advantage)
    far = (advantage > 0 and ratio > 1 + EPSILON) or (advantage < 0 and ratio < 1 - EPSILON)
    return Eq(slope(ratio, advantage), 0.0 if far else advantage)


the_clip_stops_what_went_far_enough.rejects(
    "it lets go of what went too far the wrong way",
    slope=clipped_on_one_side,
    at=lambda: (2.0, -1.0),
)
