"""Soft actor–critic: a critic of the soft return, a policy that follows it, a temperature.

    y = r + d E_ã [min_i Q̄_i(s', ã) − τ log π(ã|s')]      L_Q = Σ_i Σ w ½(y − Q_i(s, a))²
    L_π = Σ w E_ã [τ log π(ã|s) − min_i Q_i(s, ã)]         minimized by π ∝ exp(min Q / τ)
    L_τ = Σ w τ (H(π(·|s)) − H̄)                           without slope where the entropy is H̄
    Q̄ ← Q̄ + ρ (Q − Q̄)

Numbered actions: the expectations are sums, and with τ fixed the critic's target is the soft
operator T_π. Real actions: ã = tanh of a Gaussian, reparameterized, so that the gradient of L_π
passes through Q's action, but never into Q's parameters.

Tabular limit: alternating both to the end is soft value iteration (proofs_checks/lifting).
Source: Haarnoja et al. (2018a, 2018b); Christodoulou (2019).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mdpkit.deep import nets
from mdpkit.deep.actors import Logits, squashed
from mdpkit.deep.batch import Batch
from mdpkit.deep.heads import Categorical
from mdpkit.deep.loops.off_policy import OffPolicy
from mdpkit.deep.losses import regression, taken
from mdpkit.deep.optim import Optimizer, adam, polyak
from mdpkit.deep.replay import Uniform
from mdpkit.deep.report import Report
from mdpkit.deep.spaces import bounded
from mdpkit.envs.spaces import Discrete
from mdpkit.targets import Expected, Sampled, Twin


class Params(NamedTuple):
    """actor : π; critic : the ensemble of Q_i; log_tau, a number."""

    actor: Any
    critic: Any
    log_tau: Any


class State(NamedTuple):
    """The networks, the target critic Q̄, the entropy H̄ that τ is learned for."""

    params: Params
    target: Any
    entropy: Any
    optimizer: Any


@dataclass(frozen=True)
class SAC:
    """Soft actor–critic, for numbered or real actions.

    gamma     discount; critics : how many Q_i the minimum is over
    tau       the temperature, in units of reward; None: learned, from 1
    entropy   H̄, that it is learned for; None: .98 log A, or −m for m real actions
    polyak    ρ in (0, 1]
    """

    gamma: float = 0.99
    critics: int = 2
    tau: float | None = None
    entropy: float | None = None
    polyak: float = 0.005
    widths: tuple[int, ...] = (64, 64)
    optimizer: Optimizer = field(default_factory=lambda: adam(1e-3))
    loop: OffPolicy = field(
        default_factory=lambda: OffPolicy(Uniform(100_000), warm_up=1_000, batch=256)
    )
    dtype: Any = None

    key = "sac"

    def __post_init__(self):
        if self.tau is not None and not self.tau > 0:
            raise ValueError(f"tau must be > 0; it is {self.tau}. At temperature 0 use DQN.")
        if self.entropy is not None and self.entropy != self.entropy:
            raise ValueError("entropy is NaN; None takes the usual one.")
        if not 0 < self.polyak <= 1:
            raise ValueError(f"polyak must lie in (0, 1]; it is {self.polyak}.")

    def init(self, worlds: Any, key: Any) -> State:
        """Networks for the spaces of `worlds`; real actions must be bounded."""
        first, second = jax.random.split(key)
        seen, actions = worlds.observation_space, worlds.action_space
        shape = {"widths": self.widths, "dtype": self.dtype}
        if isinstance(actions, Discrete):
            actor = Logits(nets.network(first, seen, actions.n, last=0.01, **shape))
            entropy = 0.98 * log(actions.n)

            def critic(key: Any) -> Any:
                return nets.network(key, seen, actions.n, **shape)

        else:
            m = bounded(worlds, "SAC").low.size
            actor = squashed(nets.network(first, seen, 2 * m, last=0.01, **shape), actions)
            entropy = -float(m)
            sizes = (nets.features(seen) + m, *self.widths, 1)

            def critic(key: Any) -> Any:
                return nets.ActionValue(nets.mlp(key, sizes, dtype=self.dtype))

        critics = nets.ensemble(critic, second, self.critics)
        params = Params(actor, critics, jnp.asarray(log(self.tau or 1.0), self.dtype))
        goal = jnp.asarray(entropy if self.entropy is None else self.entropy, self.dtype)
        return State(params, critics, goal, self.optimizer.init(params))

    def act(self, state: State, observation: Any, key: Any, progress: Any) -> tuple[Any, None]:
        """Actions of the present policy, (n, …)."""
        return state.params.actor(observation).sample(key), None

    def greedy(self, state: State, observation: Any) -> Any:
        """The mode of the policy."""
        return state.params.actor(observation).mode()

    def critic_loss(self, params: Params, target: Any, batch: Batch, key: Any) -> Any:
        """Σ_i Σ w ½(y − Q_i)²."""
        tau = jnp.exp(params.log_tau)
        y, _ = soft_target(params.actor, target, batch, batch.next_observation, tau, key)
        if jnp.issubdtype(jnp.asarray(batch.action).dtype, jnp.integer):
            q = taken(params.critic(batch.observation), batch.action)
        else:
            q = params.critic(batch.observation, batch.action)
        y, weight = jnp.broadcast_to(y, q.shape), jnp.broadcast_to(batch.weight, q.shape)
        return regression(q, y, weight)

    def actor_loss(self, params: Params, batch: Batch, key: Any) -> Any:
        """Σ w E [τ log π − min Q]; and the entropy at each row."""
        here = batch._replace(reward=0 * batch.weight, discount=0 * batch.weight + 1)
        tau = jnp.exp(params.log_tau)
        value, entropy = soft_target(
            params.actor, params.critic, here, batch.observation, tau, key
        )
        return -(batch.weight * value).sum(), entropy

    def temperature_loss(self, params: Params, goal: Any, batch: Batch, entropy: Any) -> Any:
        """Σ w τ (H − H̄): ∂/∂τ is how far the entropy is above its goal."""
        above = jax.lax.stop_gradient(entropy - goal)
        return (batch.weight * jnp.exp(params.log_tau) * above).sum()

    def loss(self, params: Params, state: State, batch: Batch, key: Any) -> Any:
        """L_Q + L_π + L_τ, each with a gradient to its own parameters alone."""
        first, second = jax.random.split(key)
        fixed = jax.lax.stop_gradient(params)
        off = self.critic_loss(fixed._replace(critic=params.critic), state.target, batch, first)
        actor, entropy = self.actor_loss(fixed._replace(actor=params.actor), batch, second)
        if self.tau is not None:
            return off + actor
        return off + actor + self.temperature_loss(params, state.entropy, batch, entropy)

    def update(
        self, state: State, batch: Batch, key: Any, progress: Any = 0.0
    ) -> tuple[State, Report]:
        """One step on all three losses, and the target's."""
        loss, gradient = jax.value_and_grad(self.loss)(state.params, state, batch, key)
        params, optimizer = self.optimizer.step(
            gradient, state.optimizer, state.params, progress
        )
        target = polyak(state.target, params.critic, self.polyak)
        return State(params, target, state.entropy, optimizer), Report(loss)


def soft_target(
    actor: Any, critic: Any, batch: Batch, observation: Any, tau: Any, key: Any
) -> tuple[Any, Any]:
    """r + d E_ã [min_i Q_i(s, ã) − τ log π(ã|s)] of each row, and the entropy −E log π(ã|s).

    Exact for numbered actions; for real ones from one reparameterized ã a row, drawn by `key`.
    """
    head = actor(observation)
    if isinstance(head, Categorical):
        entropy = head.entropy()
        target, q = Expected(head.probabilities(), tau), critic(observation)
    else:
        action, log_prob = head.sample_and_log_prob(key)
        target, q, entropy = Sampled(log_prob, tau), critic(observation, action), -log_prob
    return Twin(target)(batch.reward, batch.discount, q), entropy
