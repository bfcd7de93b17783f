"""Soft actor–critic on a table: critic, actor and temperature are three exact statements.

    critic       Q_i − ∇L_Q/ρ = r + γP (min Q̄ − τ log π)^π         = B_τ^π min Q̄      S09
    actor        L_π(θ) ≥ −Σ w τ log Σ exp(min Q/τ), attained by π ∝ exp(min Q/τ)      S09
    alternated   50 critic updates, each with its best actor = 50 sweeps Q ← T_τ Q     S09, S04
    temperature  ∂L_τ/∂τ = H(π) − H̄                                                    S10

Source: Haarnoja et al. (2018a, 2018b); Christodoulou (2019).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Annotated, Any

import numpy as np

from mdpkit.claim import MDP, ActionValue, Eq, Leq, claim, numbers
from mdpkit.operators.aggregate import soft
from mdpkit.operators.bellman import action_values
from mdpkit.operators.projection import softmax_policy
from proofs_checks.lifting.vocabulary import (
    A,
    S,
    Square,
    every_transition,
    float64,
    swept,
    table,
    world,
)

TAU = 0.5
UPDATES = 50


@cache
def learner(**settings: Any) -> Any:
    """SAC at a fixed temperature, the gradient itself at rate 1, the target copied at once."""
    from mdpkit.deep import SAC
    from mdpkit.deep.optim import sgd

    return replace(SAC(tau=TAU, polyak=1.0, optimizer=sgd(1.0)), **settings)


@cache
def _updated(algorithm: Any, least: Any) -> Any:
    """One update of the critics, compiled. least : what stands for the minimum over them."""
    import jax

    from mdpkit.deep.nets import Ensemble

    def run(batch: Any, theta: Any, q: Any, targets: Any) -> Any:
        state = algorithm.init(world(), jax.random.key(0))
        params = state.params._replace(
            actor=type(state.params.actor)(table(theta)), critic=Ensemble(table(q))
        )
        state = state._replace(params=params, target=Ensemble(table(targets)))
        return algorithm.update(state, batch, jax.random.key(0))[0].params.critic.members.values

    return jax.jit(run)


def critics(
    mdp: MDP, theta: Any, q: Any, targets: Any, algorithm: Any = None, change: Any = None
) -> np.ndarray:
    """The two critics after one update from q, (2, S, A)."""
    with float64():
        batch = every_transition(mdp)
        batch = batch if change is None else change(batch)
        run = _updated(algorithm or learner(), None)
        return np.asarray(run(batch, np.array(theta), np.array(q), np.array(targets)))


def _bounded(x: Any) -> np.ndarray:
    return np.asarray(x, dtype=float) / (1 + abs(np.asarray(x, dtype=float)).max())


@claim(id="lift-S09", source="Haarnoja et al. (2018a)", exact="B", effort=0.3)
def the_critic_follows_the_soft_operator(
    mdp: Square, theta: ActionValue, q: ActionValue, w: ActionValue, *, critics=critics
):
    """Each critic moves to r + γP Σ π (min_i Q̄_i − τ log π), whatever it was."""
    pi = softmax_policy(mdp, _bounded(theta))
    pair = np.stack([np.asarray(q), np.asarray(w)])
    v = (pi * (pair.min(axis=0) - TAU * np.log(pi))).sum(axis=1)
    wanted = np.broadcast_to(action_values(mdp, v), pair.shape)
    return Eq(critics(mdp, np.log(pi), 0 * pair, pair), wanted)


rejects = the_critic_follows_the_soft_operator.rejects
rejects(
    "entropy is a cost",
    critics=lambda mdp, theta, q, w: critics(mdp, theta, q, -w) * -1,
)
rejects(
    "the critics' mean, not the least",
    critics=lambda mdp, theta, q, w: critics(mdp, theta, q, 0 * w + w.mean(axis=0)),
)
rejects(
    "a terminated episode goes on",
    critics=lambda mdp, theta, q, w: critics(
        mdp, theta, q, w, None, lambda b: b._replace(discount=0 * b.discount + b.discount.max())
    ),
)
rejects(
    "another temperature in the target",
    critics=lambda mdp, theta, q, w: critics(mdp, theta, q, w, learner(tau=2 * TAU)),
)


# ---- the actor -------------------------------------------------------------------------------


@cache
def _actor(algorithm: Any) -> Any:
    """The actor's loss, compiled."""
    import jax

    from mdpkit.deep.nets import Ensemble

    def run(batch: Any, theta: Any, q: Any) -> Any:
        params = algorithm.init(world(), jax.random.key(0)).params
        params = params._replace(
            actor=type(params.actor)(table(theta)), critic=Ensemble(table(q))
        )
        return algorithm.actor_loss(params, batch, jax.random.key(0))[0]

    return jax.jit(run)


def actor_loss(mdp: MDP, theta: Any, q: Any, sign: int = 1) -> float:
    """L_π of logits θ, each state weighing as much as it has transitions."""
    with float64():
        run = _actor(learner())
        return float(run(every_transition(mdp), sign * np.array(theta), np.array(q)))


@claim(id="lift-S09-actor", source="Haarnoja et al. (2018a), (12)", exact="B", effort=0.3)
def the_actor_is_best_at_the_softmax_of_its_critic(
    mdp: Square, theta: ActionValue, q: ActionValue, w: ActionValue, *, loss=actor_loss
):
    """−L_π(θ) ≤ Σ_{s,a} τ log Σ_b exp(min Q(s, b)/τ), and the softmax of min Q/τ attains it."""
    pair = np.stack([np.asarray(q), np.asarray(w)])
    value, _ = soft(TAU)(pair.min(axis=0))
    return Leq(-loss(mdp, theta, pair), A * value.sum())


@the_actor_is_best_at_the_softmax_of_its_critic.attained_by
def the_softmax():
    """π ∝ exp(min Q/τ)."""
    q = np.array([[1.0, 0.0], [0.25, -0.5], [2.0, 2.5]])
    w = q + np.array([[0.5, 0.0], [0.0, 0.75], [0.0, 0.0]])
    P, r = np.full((S, A, S), 1 / S), np.zeros((S, A))
    return MDP(P, r, 0.5), q / TAU, q, w


the_actor_is_best_at_the_softmax_of_its_critic.rejects(
    "the largest of the critics",
    loss=lambda mdp, theta, q: actor_loss(mdp, theta, 0 * q + q.max(axis=0)),
)


# ---- alternated, and the temperature ---------------------------------------------------------


def alternated(mdp: MDP, best: Any = lambda q: q / TAU) -> np.ndarray:
    """Q after UPDATES updates of the critics, each with the best actor for the one before."""
    q = np.zeros((2, S, A))
    for _ in range(UPDATES):
        q = critics(mdp, best(q.min(axis=0)), q, q)
    return q.min(axis=0)


@claim(
    id="lift-S09-alternated", source="Haarnoja et al. (2018a), theorem 1", exact="B", effort=0.2
)
def alternated_it_is_soft_value_iteration(mdp: Square, *, alternated=alternated):
    """50 updates of the critics, each with π ∝ exp(Q/τ) before, are 50 sweeps Q ← T_τ Q."""
    return Eq(alternated(mdp), swept(mdp, soft(TAU), UPDATES))


alternated_it_is_soft_value_iteration.rejects(
    "π ∝ exp(−Q/τ), as one of the notes has it",
    alternated=lambda mdp: alternated(mdp, lambda q: -q / TAU),
)
alternated_it_is_soft_value_iteration.rejects(
    "π ∝ exp(τQ)", alternated=lambda mdp: alternated(mdp, lambda q: q * TAU)
)

Temperature = Annotated[Any, numbers(low=0.125, high=4)]
Goal = Annotated[Any, numbers(low=-1, high=1)]


def temperature_slope(mdp: MDP, theta: Any, tau: float, goal: float, sign: int = 1) -> float:
    """∂L_τ/∂τ, from the gradient to log τ, each of the S·A pairs weighing alike."""
    import jax
    import jax.numpy as jnp

    with float64():
        batch = every_transition(mdp, np.full((S, A), 1 / (S * A)))
        state = learner().init(world(), jax.random.key(0))
        actor = type(state.params.actor)(table(jnp.asarray(theta)))
        params = state.params._replace(actor=actor, log_tau=jnp.log(tau))
        entropy = actor(batch.observation).entropy()

        def loss(log_tau: Any) -> Any:
            moved = params._replace(log_tau=log_tau)
            return learner().temperature_loss(moved, goal, batch, sign * entropy)

        return float(jax.grad(loss)(params.log_tau) / tau)


@claim(id="lift-S10", source="Haarnoja et al. (2018b), (18)", exact="B", effort=0.2)
def the_temperature_rises_where_entropy_is_short(
    mdp: Square, theta: ActionValue, tau: Temperature, goal: Goal, *, slope=temperature_slope
):
    """∂L_τ/∂τ = H(π) − H̄, so descent raises τ exactly where the entropy is below its goal."""
    theta = _bounded(theta)
    pi = softmax_policy(mdp, theta)
    entropy = -(pi * np.log(pi)).sum(axis=1).mean()
    return Eq(slope(mdp, theta, float(tau), float(goal)), entropy - float(goal))


the_temperature_rises_where_entropy_is_short.rejects(
    "the sign of the entropy", slope=lambda *given: temperature_slope(*given, sign=-1)
)
