"""Deep Q-learning: regress q on its own backup, the target network held still for a while.

    y = r + d ⊕_a' Q̄(s', a')             d = γⁿ(1 − terminated), of a window of n steps
    L = Σ w φ(y − Q(s, a))               φ Huber, or ½x²
    Q̄ ← Q every `refresh` updates

⊕ is the maximum; `Double` chooses the action with Q and evaluates it with Q̄; soft(τ) makes it
soft Q-learning. Dueling is a part of the network, priorities and n-step windows of the replay.

Tabular limit: with a table, ½x², unit-rate SGD and every transition with weight P(t|s,a), one
update is Q ← TQ̄, so 50 of them are 50 sweeps of value iteration on Q (proofs_checks/lifting).
Source: Mnih et al. (2015); van Hasselt, Guez & Silver (2016); Wang et al. (2016); Schaul et al.
(2016).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mdpkit.deep import nets
from mdpkit.deep.batch import Batch
from mdpkit.deep.explore import EpsilonGreedy, Linear, Softmax
from mdpkit.deep.loops.off_policy import OffPolicy
from mdpkit.deep.losses import huber, regression, taken
from mdpkit.deep.optim import Optimizer, adam, refreshed
from mdpkit.deep.replay import Uniform
from mdpkit.deep.report import Report
from mdpkit.deep.spaces import discrete
from mdpkit.targets import Double, OneStep


class State(NamedTuple):
    """params, target : the networks of Q and Q̄; updates : how many were made."""

    params: Any
    target: Any
    optimizer: Any
    updates: Any


@dataclass(frozen=True)
class DQN:
    """Deep Q-learning.

    gamma      discount; target : OneStep(⊕) or Double(⊕)
    widths     units of the hidden layers; a table where observations are states
    dueling    q = V + A − mean A
    kappa      where Huber's penalty turns linear, in units of return; None: ½x²
    refresh    updates between two copies into the target network
    behavior   EpsilonGreedy(schedule) or Softmax(τ)
    """

    gamma: float = 0.99
    target: OneStep | Double = field(default_factory=OneStep)
    widths: tuple[int, ...] = (64, 64)
    dueling: bool = False
    kappa: float | None = 1.0
    refresh: int = 128
    behavior: EpsilonGreedy | Softmax = field(
        default_factory=lambda: EpsilonGreedy(Linear(1.0, 0.04, 0.16))
    )
    optimizer: Optimizer = field(default_factory=lambda: adam(2.3e-3, clip=10.0))
    loop: OffPolicy = field(
        default_factory=lambda: OffPolicy(Uniform(100_000), collect=256, updates=128)
    )
    dtype: Any = None
    key: str = "dqn"

    def __post_init__(self):
        if self.kappa is not None and not self.kappa > 0:
            raise ValueError(f"kappa must be > 0, None for ½x²; it is {self.kappa}.")
        if self.refresh < 1:
            raise ValueError(f"refresh must be ≥ 1 update; it is {self.refresh}.")

    def init(self, worlds: Any, key: Any) -> State:
        """Networks for the spaces of `worlds`. Raises TypeError unless actions are discrete."""
        outputs = discrete(worlds, "DQN").n + self.dueling
        net = nets.network(
            key, worlds.observation_space, outputs, widths=self.widths, dtype=self.dtype
        )
        params = nets.Dueling(net) if self.dueling else net
        return State(params, params, self.optimizer.init(params), jnp.asarray(0))

    def act(self, state: State, observation: Any, key: Any, progress: Any) -> tuple[Any, None]:
        """Actions of the behavior, (n,)."""
        return self.behavior(key, state.params(observation), progress), None

    def greedy(self, state: State, observation: Any) -> Any:
        """The best actions, (n,)."""
        return jnp.argmax(state.params(observation), axis=-1)

    def loss(self, params: Any, target: Any, batch: Batch) -> tuple[Any, Any]:
        """Σ w φ(y − Q), and y − Q of each row."""
        y = self.target(
            batch.reward,
            batch.discount,
            target(batch.next_observation),
            params(batch.next_observation),
        )
        q = taken(params(batch.observation), batch.action)
        penalty = None if self.kappa is None else huber(self.kappa)
        return regression(q, y, batch.weight, penalty), y - q

    def update(
        self, state: State, batch: Batch, key: Any = None, progress: Any = 0.0
    ) -> tuple[State, Report]:
        """One step of the optimizer, and the target network's copy where it is due."""
        (loss, error), gradient = jax.value_and_grad(self.loss, has_aux=True)(
            state.params, state.target, batch
        )
        params, optimizer = self.optimizer.step(
            gradient, state.optimizer, state.params, progress
        )
        updates = state.updates + 1
        target = refreshed(state.target, params, updates, self.refresh)
        return State(params, target, optimizer, updates), Report(loss, error)
