"""Two models of behavior that a reward explains: causal entropy, and entropy of whole paths.

    causal   π_t(a|s) = e^{(q_t − v_t)/τ},  q_t = r + γ E v_{t+1},  v_t = τ log Σ_a e^{q_t/τ}
             ∇_r v_0(μ) = x,  x(s,a) = Σ_{t<T} γᵗ Pr(s_t = s, a_t = a)       under P and π
    paths    p(path) ∝ μ Π_t P e^{r/τ},  Z = β_0(μ),  ∇_r τ log Z = Σ_t p(s_t, a_t|O)

They are one where P and the first state are certain. Where they are not, the second also
chooses the luck it has, and where it begins.
The same γ discounts the values that make the policy and the visits; T steps make T pairs.
Checked in tests/infer/test_gradients.py. Source: Ziebart et al. (2008); Ziebart (2010).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit.infer.demonstrations import Demonstrations
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values
from mdpkit.operators.messages import (
    NONE2,
    VARIATIONAL,
    backward,
    flat_rows,
    forward,
    log_evidence,
    posterior_policy,
    run_backward,
    run_flow,
)
from mdpkit.operators.occupancy import inflow, pair_occupancy, transposed
from mdpkit.operators.resolvent import solve_chain
from mdpkit.plan import SoftPolicyIteration
from mdpkit.plan._regularized import temperature
from mdpkit.policy import under

LEAST = 5e-324
"""The smallest positive float."""


class Behavior(NamedTuple):
    """What a reward makes the model of behavior do.

    partition   v_0(μ) or τ log Z: the convex function whose gradient is `visits`
    visits      (pairs,) discounted expected visits, not normalized
    policy      (T, pairs), or (pairs,) where the horizon is infinite
    v           (T + 1, S) or (S,)
    """

    partition: float
    visits: np.ndarray
    policy: np.ndarray
    v: np.ndarray


@dataclass(frozen=True)
class MaxCausalEntropy:
    """Soft-optimal behavior under the true dynamics.

    horizon    steps T; None is the infinite horizon, where γ < 1 is needed
    tau        temperature > 0, in units of reward
    discount   γ; None is the model's
    """

    horizon: int | None = None
    tau: float = 1.0
    discount: float | None = None

    def __post_init__(self):
        _check(self.horizon, self.tau)
        if self.discount is not None and not 0 <= self.discount <= 1:
            raise ValueError(f"discount must lie in [0, 1]; it is {self.discount}.")

    def gamma(self, mdp: MDP) -> float:
        """The discount that is used."""
        return float(mdp.gamma if self.discount is None else self.discount)

    def behave(self, mdp: MDP, r: Any, *, near: Behavior | None = None) -> Behavior:
        """Behavior under reward r, pair layout; `near` is where to begin from."""
        r = np.ascontiguousarray(r, dtype=float).reshape(-1)
        if self.horizon is None:
            return self._forever(mdp, r, None if near is None else near.v)
        rows, T = flat_rows(mdp), self.horizon
        v, policy = np.zeros((T + 1, mdp.n_states)), np.empty((T, mdp.n_pairs))
        d = np.zeros((T + 1, mdp.n_states))
        d[0] = mdp.start
        gamma = self.gamma(mdp)
        run_backward(mdp, rows, r, VARIATIONAL, self.tau, None, gamma, NONE2, v, policy)
        visits = run_flow(mdp, rows, policy, gamma, d, NONE2, NONE2)
        return Behavior(float(mdp.start @ v[0]), visits, policy, v)

    def _forever(self, mdp: MDP, r: np.ndarray, v: np.ndarray | None) -> Behavior:
        model = mdp.replace(r=r.reshape(mdp.pair_shape), gamma=self.gamma(mdp))
        method = SoftPolicyIteration(self.tau)
        state = method.init(model, v)
        # Steps end where rounding does: the values grow until they cannot.
        while (new := method.step(model, state)) is not state:
            state = new
        q = action_values(model, state.v).reshape(-1)
        top = np.maximum.reduceat(q, mdp.action_ptr[:-1])
        counts = np.diff(mdp.action_ptr)
        e = np.exp((q - np.repeat(top, counts)) / self.tau)
        policy = e / np.repeat(np.add.reduceat(e, mdp.action_ptr[:-1]), counts)
        x = pair_occupancy(model, policy.reshape(mdp.pair_shape)).reshape(-1)
        return Behavior(float(mdp.start @ state.v), x / (1 - model.gamma), policy, state.v)

    def counts(self, mdp: MDP, demonstrations: Demonstrations) -> np.ndarray:
        """What the likelihood needs of demonstrations: visits, (T, pairs) or (pairs,)."""
        if self.horizon is None:
            return demonstrations.visits(mdp).reshape(-1)
        return demonstrations.stage_visits(mdp, self.horizon)

    def log_likelihood(
        self, mdp: MDP, r: Any, own: np.ndarray, *, near: Behavior | None = None
    ) -> tuple[float, np.ndarray, Behavior]:
        """Mean of Σ_t log π_t(a_t|s_t), its exact gradient in r (pairs,), and the behavior.

        own : `counts` of the demonstrations.
        """
        now = self.behave(mdp, r, near=near)
        counts = np.diff(mdp.action_ptr)
        if self.horizon is None:
            leaving = np.add.reduceat(own, mdp.action_ptr[:-1])
            gamma = self.gamma(mdp)
            ahead = gamma * inflow(mdp, own.reshape(mdp.pair_shape)) - leaving
            rows, _, _ = under(mdp, now.policy.reshape(mdp.pair_shape))
            mass = solve_chain(transposed(rows), ahead, gamma)
            gradient = own + np.repeat(mass, counts) * now.policy
        else:
            sinks = np.zeros((self.horizon + 1, mdp.n_states))
            sinks[:-1] = np.add.reduceat(own, mdp.action_ptr[:-1], axis=1)
            mass = -sinks
            gradient = run_flow(
                mdp, flat_rows(mdp), now.policy, self.gamma(mdp), mass, own, sinks
            )
        seen = own > 0  # what underflows is unlikely enough for any line search to turn back
        value = float(own[seen] @ np.log(np.maximum(now.policy[seen], LEAST)))
        return value, gradient / self.tau, now


@dataclass(frozen=True)
class MaxEntropyPaths:
    """Paths of T steps with probability ∝ μ Π P e^{r/τ}, undiscounted; Ziebart (2008)."""

    horizon: int
    tau: float = 1.0

    def __post_init__(self):
        _check(self.horizon, self.tau)
        if self.horizon is None:
            raise ValueError("whole paths have a horizon: give it in steps.")

    def gamma(self, mdp: MDP) -> float:
        """1: paths are weighed whole."""
        return 1.0

    def behave(self, mdp: MDP, r: Any, *, near: Behavior | None = None) -> Behavior:
        """Behavior under reward r, pair layout; the posterior also bends the dynamics."""
        model = mdp.replace(r=np.asarray(r, dtype=float).reshape(mdp.pair_shape))
        messages = backward(model, self.horizon, tau=self.tau)
        past = forward(model, self.horizon, tau=self.tau)
        evidence = log_evidence(model, messages, tau=self.tau)
        q = messages.q.reshape(self.horizon, -1)
        here = np.repeat(past.alpha[:-1], np.diff(mdp.action_ptr), axis=1)
        visits = np.exp((here + q - evidence) / self.tau).sum(axis=0)
        policy = posterior_policy(model, messages, tau=self.tau).reshape(self.horizon, -1)
        return Behavior(evidence, visits, policy, messages.v)

    def counts(self, mdp: MDP, demonstrations: Demonstrations) -> np.ndarray:
        """What the likelihood needs of demonstrations: visits, (pairs,)."""
        return demonstrations.stage_visits(mdp, self.horizon).sum(axis=0)

    def log_likelihood(
        self, mdp: MDP, r: Any, own: np.ndarray, *, near: Behavior | None = None
    ) -> tuple[float, np.ndarray, Behavior]:
        """Mean of Σ_t r/τ − log Z, log p(path|r) less its dynamics; gradient, behavior.

        own : `counts` of the demonstrations.
        """
        now = self.behave(mdp, r)
        value = (own @ np.asarray(r, dtype=float).reshape(-1) - now.partition) / self.tau
        return float(value), (own - now.visits) / self.tau, now


def _check(horizon: int | None, tau: float) -> None:
    temperature(tau)
    whole = isinstance(horizon, int | np.integer) and not isinstance(horizon, bool)
    if horizon is not None and not (whole and horizon >= 1):
        raise ValueError(f"horizon must be a whole number of steps ≥ 1; it is {horizon!r}.")
