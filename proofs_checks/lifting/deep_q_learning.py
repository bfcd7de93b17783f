"""Deep Q-learning on a table is value iteration on Q.

    50 updates at rate 1 = 50 sweeps Q ← TQ                  D01
    Huber:   Q − ∇L/ρ = Q + E clip(y − Q, ±κ)                D01
    double:  Q − ∇L/ρ = r + γP Q̄(·, argmax Q)                D02
    dueling: V and A find Q*, and V = mean Q                 D03

Source: Mnih et al. (2015); van Hasselt, Guez & Silver (2016); Wang et al. (2016).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from mdpkit.claim import MDP, ActionValue, All, Eq, claim
from mdpkit.operators.aggregate import expected, maximum, soft
from mdpkit.operators.bellman import backup_q
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

UPDATES = 50
KAPPA = 0.25


@cache
def learner(**settings: Any) -> Any:
    """DQN with ½x², the target copied at every update, the gradient itself at rate 1."""
    from mdpkit.deep import DQN
    from mdpkit.deep.optim import sgd

    return replace(DQN(kappa=None, refresh=1, optimizer=sgd(1.0)), **settings)


@cache
def trained(algorithm: Any, updates: int) -> Any:
    """Return the compiled q and target after so many updates on one batch."""
    import jax

    def run(batch: Any, q: Any, target: Any) -> Any:
        state = algorithm.init(world(), jax.random.key(0))
        if q is not None:
            state = state._replace(params=table(q), target=table(target))

        def one(state: Any, _: Any) -> tuple[Any, None]:
            return algorithm.update(state, batch)[0], None

        state, _ = jax.lax.scan(one, state, None, length=updates)
        return state.params(np.arange(S)), state.params

    return jax.jit(run)


def learned(mdp: MDP, algorithm: Any = None, change: Any = None) -> np.ndarray:
    """Q after UPDATES updates from 0 on every transition, (S, A)."""
    with float64():
        batch = every_transition(mdp)
        batch = batch if change is None else change(batch)
        return np.asarray(trained(algorithm or learner(), UPDATES)(batch, None, None)[0])


def updated(mdp: MDP, q: Any, target: Any, algorithm: Any = None) -> np.ndarray:
    """Q after one update from q with the target network held at `target`, (S, A)."""
    with float64():
        run = trained(algorithm or learner(), 1)
        return np.asarray(run(every_transition(mdp), np.array(q), np.array(target))[0])


# ---- wrong ones ------------------------------------------------------------------------------


def goes_on_behind_an_end(batch: Any) -> Any:
    """Every row bootstraps, the ends too."""
    return batch._replace(discount=batch.discount.max() + 0 * batch.discount)


def weighs_rows_alike(batch: Any) -> Any:
    """Likely transitions count no more than unlikely ones."""
    return batch._replace(weight=(batch.weight > 0) / (S + 1.0))


@cache
def softened() -> Any:
    """The log-sum-exp in place of the maximum."""
    from mdpkit.targets import OneStep

    return OneStep(soft(0.5))


@cache
def residual(algorithm: Any) -> Any:
    """The gradient goes through the target as well."""
    from mdpkit.deep.losses import taken

    class Residual(type(algorithm)):
        def loss(self, params: Any, target: Any, batch: Any) -> Any:
            y = self.target(batch.reward, batch.discount, params(batch.next_observation))
            error = y - taken(params(batch.observation), batch.action)
            return (batch.weight * error**2).sum() / 2, error

    return Residual(**{f: getattr(algorithm, f) for f in algorithm.__dataclass_fields__})


# ---- D01 ------------------------------------------------------------------------------------


@claim(id="lift-D01", source="Mnih et al. (2015); Bellman (1957)", exact="B", effort=0.3)
def deep_q_learning_on_a_table_is_value_iteration(mdp: Square, *, learned=learned):
    """50 updates of deep Q-learning on every transition are 50 sweeps Q ← TQ."""
    return Eq(learned(mdp), swept(mdp, maximum, UPDATES))


rejects = deep_q_learning_on_a_table_is_value_iteration.rejects
rejects(
    "a terminated episode goes on",
    learned=lambda mdp: learned(mdp, change=goes_on_behind_an_end),
)
rejects("weights are dropped", learned=lambda mdp: learned(mdp, change=weighs_rows_alike))
rejects("the target has a gradient", learned=lambda mdp: learned(mdp, residual(learner())))
rejects("errors are clipped", learned=lambda mdp: learned(mdp, learner(kappa=KAPPA)))
rejects("the target is never copied", learned=lambda mdp: learned(mdp, learner(refresh=99)))
rejects("the backup is soft", learned=lambda mdp: learned(mdp, learner(target=softened())))


@claim(id="lift-D01-huber", source="Mnih et al. (2015)", exact="B", effort=0.3)
def hubers_penalty_clips_each_error(
    mdp: Square,
    q: ActionValue,
    w: ActionValue,
    *,
    updated=lambda mdp, q, w: updated(mdp, q, w, learner(kappa=KAPPA)),
):
    """Q − ∇L/ρ = Q + E clip(y − Q, ±κ), y = r + γ max Q̄(s', ·)."""
    v = np.asarray(w).max(axis=1)
    step = np.zeros((S, A))
    for t in range(S):
        y = mdp.r + mdp.gamma * v[t]
        step += np.asarray(mdp.rows).reshape(S, A, S)[..., t] * np.clip(y - q, -KAPPA, KAPPA)
    step += mdp.stop * np.clip(mdp.r - q, -KAPPA, KAPPA)
    return Eq(updated(mdp, q, w), q + step)


hubers_penalty_clips_each_error.rejects("errors are not clipped", updated=updated)
hubers_penalty_clips_each_error.rejects(
    "the mean error is clipped",
    updated=lambda mdp, q, w: q + np.clip(backup_q(mdp, w) - q, -KAPPA, KAPPA),
)


# ---- D02, D03 --------------------------------------------------------------------------------


@cache
def double() -> Any:
    """Double deep Q-learning."""
    from mdpkit.targets import Double

    return learner(target=Double())


@cache
def swapped() -> Any:
    """The target network chooses and the other evaluates."""
    from mdpkit.targets import Double

    def target(reward: Any, discount: Any, q_next: Any, q_next_online: Any) -> Any:
        return Double()(reward, discount, q_next_online, q_next)

    return learner(target=target)


@claim(id="lift-D02", source="van Hasselt, Guez & Silver (2016)", exact="B", effort=0.3)
def double_q_chooses_with_one_and_evaluates_with_the_other(
    mdp: Square,
    q: ActionValue,
    w: ActionValue,
    *,
    updated=lambda mdp, q, w: updated(mdp, q, w, double()),
):
    """Q − ∇L/ρ = r + γP Q̄(·, argmax Q)."""
    greedy = np.eye(A)[np.argmax(q, axis=1)]
    return Eq(updated(mdp, q, w), backup_q(mdp, w, expected(greedy)))


rejects = double_q_chooses_with_one_and_evaluates_with_the_other.rejects
rejects("it is the plain maximum", updated=updated)
rejects("the two are swapped", updated=lambda mdp, q, w: updated(mdp, q, w, swapped()))


SWEEPS, FITTING = 10, 60
"""Targets, and updates towards each: V and A halve their distance to it with every one."""


@cache
def dueling() -> Any:
    """Dueling on a table; the target is copied when it has been fitted."""
    from mdpkit.deep.optim import sgd

    return learner(dueling=True, optimizer=sgd(0.5), refresh=FITTING)


@claim(id="lift-D03", source="Wang et al. (2016)", exact="B", effort=0.1)
def dueling_parts_fit_each_target_and_are_identified(mdp: Square, *, over_actions=np.mean):
    """Fitted to each target, V + A − mean A is a sweep Q ← TQ, and V is the mean of Q."""
    with float64():
        q, net = trained(dueling(), SWEEPS * FITTING)(every_transition(mdp), None, None)
        q, value = np.asarray(q), np.asarray(net.trunk.values)[:, 0]
    swept_q = swept(mdp, maximum, SWEEPS)
    return All(Eq(q, swept_q), Eq(value, over_actions(swept_q, axis=1)))


dueling_parts_fit_each_target_and_are_identified.rejects(
    "V is the largest action value", over_actions=np.max
)
