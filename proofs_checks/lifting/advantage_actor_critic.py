"""A2C on a table: one update is a step up J, and a critic that is right stays where it is.

    Σ w = H d^π(s) π(a|s) P(t|s,a), V = V^π, rate 1:   θ ← θ + ∇_θ J,   V ← V        P12

Source: Mnih et al. (2016); Sutton et al. (2000).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from mdpkit.claim import MDP, ActionValue, All, Eq, claim
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import softmax_gradient, visits
from mdpkit.operators.projection import softmax_policy
from proofs_checks.lifting.vocabulary import Square, every_transition, float64, table


@cache
def learner(**settings: Any) -> Any:
    """A2C with the gradient itself at rate 1."""
    from mdpkit.deep import a2c
    from mdpkit.deep.optim import sgd

    return replace(a2c(), optimizer=sgd(1.0), **settings)


@cache
def _update(algorithm: Any) -> Any:
    """One update, compiled: logits and values of the critic."""
    import jax

    def run(params: Any, batch: Any) -> Any:
        from mdpkit.deep.policy.ppo import State

        state = State(params, algorithm.optimizer.init(params))
        after = algorithm.update(state, batch, jax.random.key(0))[0].params
        return after.actor.net.values, after.critic.values[:, 0]

    return jax.jit(run)


def updated(mdp: MDP, theta: Any, algorithm: Any = None, off: float = 0.0) -> Any:
    """θ and V after one update from θ and V^π, every transition as often as π makes it."""
    from mdpkit.deep.actors import Logits
    from mdpkit.deep.policy.ppo import Params

    pi = softmax_policy(mdp, theta)
    with float64():
        batch = every_transition(mdp, visits(mdp, pi)[:, None] * pi)
        played = np.log(pi)[np.asarray(batch.observation), np.asarray(batch.action)]
        batch = batch._replace(extras=played)
        batch = type(batch)(*(np.asarray(x)[None] for x in batch))  # a window of one step
        values = policy_values(mdp, pi).v[:, None] + off
        params = Params(Logits(table(np.array(theta))), table(values))
        return tuple(map(np.asarray, _update(algorithm or learner())(params, batch)))


@claim(id="lift-P12", source="Mnih et al. (2016)", exact="B", effort=0.3)
def a2c_steps_up_the_policy_gradient(mdp: Square, theta: ActionValue, *, updated=updated):
    """θ' = θ + ∇_θ J(θ) and V' = V^π: softmax actor, exact critic, visits H d^π."""
    bounded = theta / (1 + abs(theta).max())
    pi = softmax_policy(mdp, bounded)
    logits, v = updated(mdp, bounded)
    return All(Eq(logits, bounded + softmax_gradient(mdp, pi)), Eq(v, policy_values(mdp, pi).v))


rejects = a2c_steps_up_the_policy_gradient.rejects
rejects(
    "two epochs",
    updated=lambda mdp, theta: updated(mdp, theta, learner(epochs=2)),
)
rejects(
    "advantages are normalized",
    updated=lambda mdp, theta: updated(mdp, theta, learner(normalize=True)),
)
rejects(
    "the critic is off by one half",
    updated=lambda mdp, theta: updated(mdp, theta, None, 0.5),
)
