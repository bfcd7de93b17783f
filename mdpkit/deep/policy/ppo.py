"""Proximal policy optimization: several steps on one window, none that moves a ratio too far.

    ρ = π_θ(a|s) / π_old(a|s)                  π_old's log-probabilities are those of the play
    L = −Σ w min(ρA, clip(ρ, 1−ε, 1+ε) A) + c Σ w ½(G − V)² − h Σ w H(π_θ)
    A = Σ_k (Π d λ) δ_{t+k},  G = A + V        V(s_{t+1}) of the state truly reached

The gradient at θ_old is the policy gradient; it vanishes exactly where A > 0, ρ > 1+ε or A < 0,
ρ < 1−ε. With ε = ∞, one epoch and one minibatch it is A2C.

Tabular limit: with every trajectory and its probability, weights γᵗ, and V = V^π, the gradient
is ∇J (proofs_checks/lifting). Source: Schulman et al. (2016, 2017); Mnih et al. (2016).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mdpkit.deep import nets
from mdpkit.deep.actors import unbounded
from mdpkit.deep.batch import Batch
from mdpkit.deep.explore import Linear
from mdpkit.deep.loops.on_policy import OnPolicy
from mdpkit.deep.losses import regression
from mdpkit.deep.optim import Optimizer, Schedule, adam, rmsprop
from mdpkit.deep.report import Report
from mdpkit.envs.spaces import Discrete
from mdpkit.operators.returns import lambda_return
from mdpkit.operators.surrogate import clipped_gain


class Params(NamedTuple):
    """actor : π, observations to a distribution; critic : V."""

    actor: Any
    critic: Any


class State(NamedTuple):
    """The networks and the optimizer's state."""

    params: Params
    optimizer: Any


class Rows(NamedTuple):
    """What the loss needs of each row, fixed for all epochs."""

    observation: Any
    action: Any
    log_prob: Any
    advantage: Any
    target: Any
    weight: Any


@dataclass(frozen=True)
class PPO:
    """Proximal policy optimization with clipped ratios.

    gamma, lam     discount, and λ of the advantages
    clip           ε: a number, inf for none, or a function of the progress
    epochs         over each window, each in `minibatches` parts
    value_weight   c, on ½(G − V)²; entropy_weight : h
    normalize      advantages to mean 0 and deviation 1 within a minibatch, behind the targets
    """

    gamma: float = 0.99
    lam: float = 0.95
    clip: float | Schedule = 0.2
    epochs: int = 10
    minibatches: int = 4
    value_weight: float = 1.0
    entropy_weight: float = 0.0
    normalize: bool = True
    widths: tuple[int, ...] = (64, 64)
    optimizer: Optimizer = field(
        default_factory=lambda: adam(Linear(1e-3, 0.0, 1.0), clip=0.5, epsilon=1e-5)
    )
    loop: OnPolicy = field(default_factory=lambda: OnPolicy(8, 128))
    dtype: Any = None
    key: str = "ppo"

    def __post_init__(self):
        if not 0 <= self.lam <= 1:
            raise ValueError(f"lam must lie in [0, 1]; it is {self.lam}.")
        if not callable(self.clip) and not self.clip > 0:
            raise ValueError(f"clip must be > 0, inf for none; it is {self.clip}.")
        if self.epochs < 1:
            raise ValueError(f"epochs must be ≥ 1; it is {self.epochs}.")
        rows = self.loop.round
        if self.minibatches < 1 or rows % self.minibatches:
            parts = (n for n in range(1, rows + 1) if rows % n == 0)
            near = min(parts, key=lambda n: abs(n - self.minibatches))
            raise ValueError(
                f"{rows} rows do not part into {self.minibatches} minibatches; {near} would do."
            )
        if self.normalize and rows == self.minibatches:
            raise ValueError("one row has no deviation: normalize=False, or fewer minibatches.")

    def init(self, worlds: Any, key: Any) -> State:
        """Networks for the spaces of `worlds`."""
        first, second = jax.random.split(key)
        seen, actions = worlds.observation_space, worlds.action_space
        outputs = actions.n if isinstance(actions, Discrete) else actions.low.size
        actor, critic = (
            nets.network(
                k, seen, n, widths=self.widths, activation=jnp.tanh, last=c, dtype=self.dtype
            )
            for k, n, c in ((first, outputs, 0.01), (second, 1, 1.0))
        )
        params = Params(unbounded(actor, actions, self.dtype), critic)
        return State(params, self.optimizer.init(params))

    def act(self, state: State, observation: Any, key: Any, progress: Any) -> tuple[Any, Any]:
        """Actions of the present policy, and their log-probabilities, (n,)."""
        head = state.params.actor(observation)
        action = head.sample(key)
        return action, head.log_prob(action)

    def greedy(self, state: State, observation: Any) -> Any:
        """The most probable actions."""
        return state.params.actor(observation).mode()

    def loss(self, params: Params, rows: Rows, clip: Any) -> Any:
        """−Σ w min(ρA, clip(ρ)A) + c Σ w ½(G − V)² − h Σ w H."""
        head = params.actor(rows.observation)
        ratio = jnp.exp(head.log_prob(rows.action) - rows.log_prob)
        gain = clipped_gain(ratio, rows.advantage, clip)
        off = regression(values(params, rows.observation), rows.target, rows.weight)
        entropy = (rows.weight * head.entropy()).sum()
        return (
            -(rows.weight * gain).sum()
            + self.value_weight * off
            - self.entropy_weight * entropy
        )

    def rows(self, params: Params, batch: Batch) -> Rows:
        """Advantages and targets of a window (T, n), laid out row by row, (T·n, …)."""
        now, after = values(params, batch.observation), values(params, batch.next_observation)
        target = lambda_return(batch.reward, batch.discount, batch.boundary, after, self.lam)
        rows = Rows(
            batch.observation,
            batch.action,
            batch.extras,
            target - now,
            target,
            jnp.broadcast_to(batch.weight, target.shape),
        )
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows)
        return jax.lax.stop_gradient(flat)

    def update(
        self, state: State, batch: Batch, key: Any, progress: Any = 0.0
    ) -> tuple[State, Report]:
        """All epochs on one window."""
        rows = self.rows(state.params, batch)
        clip = self.clip(progress) if callable(self.clip) else self.clip
        n = rows.weight.size

        def part(state: State, index: Any) -> tuple[State, Any]:
            chosen = jax.tree.map(lambda x: x[index], rows)
            chosen = chosen._replace(weight=chosen.weight * self.minibatches)
            if self.normalize:
                chosen = chosen._replace(advantage=_normalized(chosen))
            loss, gradient = jax.value_and_grad(self.loss)(state.params, chosen, clip)
            params, optimizer = self.optimizer.step(
                gradient, state.optimizer, state.params, progress
            )
            return State(params, optimizer), loss

        def epoch(state: State, key: Any) -> tuple[State, Any]:
            whole = (
                self.minibatches == 1
            )  # the order is nothing to a sum, and a sort takes time
            order = jnp.arange(n) if whole else jax.random.permutation(key, n)
            return jax.lax.scan(part, state, order.reshape(self.minibatches, -1))

        state, losses = jax.lax.scan(epoch, state, jax.random.split(key, self.epochs))
        return state, Report(losses.mean())


def a2c() -> PPO:
    """Advantage actor–critic, synchronous: one unclipped step on windows of five, as published.

    Other settings by `dataclasses.replace`.
    """
    return PPO(
        clip=inf,
        epochs=1,
        minibatches=1,
        lam=1.0,
        normalize=False,
        optimizer=rmsprop(7e-4, clip=0.5),
        loop=OnPolicy(8, 5),
        key="a2c",
    )


def values(params: Params, observation: Any) -> Any:
    """V(s), (…)."""
    return params.critic(observation)[..., 0]


def _normalized(rows: Rows) -> Any:
    """(A − mean) / deviation, each row counted by its weight."""
    share = rows.weight / rows.weight.sum()
    centered = rows.advantage - (share * rows.advantage).sum()
    return centered / (jnp.sqrt((share * centered**2).sum()) + 1e-8)
