"""The linear program whose optimum is v*: primal over values, dual over occupancies.

    primal  min Σ_s μ(s) v(s)          s.t. v(s) ≥ r(s,a) + γ Σ_t P(t|s,a) v(t)   for every pair
    dual    max Σ_{s,a} x(s,a) r(s,a)  s.t. Σ_a x(s,a) = μ(s) + γ Σ x(t,b) P(s|t,b),  x ≥ 0

HiGHS solves either to its own tolerance of about 1e-7; the policy it means is then evaluated
and, where needed, improved by policy iteration, so the answer can be certified like any other.
Checked in proofs_checks (D1–D5). Source: d'Epenoux (1963); Puterman (1994), §6.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit._device import require_cpu
from mdpkit._rows import CSR
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values, greedy_pairs
from mdpkit.plan.policy_iteration import PolicyIteration, evaluated
from mdpkit.plan.policy_iteration import State as PolicyState


class Optimum(NamedTuple):
    """What HiGHS found: values (S,), occupancies in pair layout, and both objectives."""

    v: np.ndarray
    x: np.ndarray
    primal: float
    dual: float


class State(NamedTuple):
    """Policy iteration's state, and whether the program has been solved."""

    policy: PolicyState
    solved: bool

    @property
    def v(self) -> np.ndarray:
        """(S,) the value of the policy."""
        return self.policy.v


@dataclass(frozen=True)
class LinearProgram:
    """The linear program, solved by HiGHS. form : "primal" or "dual"."""

    form: str = "primal"
    key = "lp"

    def __post_init__(self):
        if self.form not in ("primal", "dual"):
            raise ValueError(f'form must be "primal" or "dual"; it is {self.form!r}.')

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """The policy greedy in the values given, or in the rewards, to start from."""
        return State(PolicyIteration().init(mdp, start), solved=False)

    def step(self, mdp: MDP, state: State) -> State:
        """Solve the program and evaluate its policy; after that, policy iteration's step."""
        if state.solved:
            return State(PolicyIteration().step(mdp, state.policy), solved=True)
        try:
            optimum = optimize(mdp, self.form)
        except ArithmeticError:  # HiGHS gives up where 1 − γ is tiny: policy iteration goes on
            return State(PolicyIteration().step(mdp, state.policy), True)
        if self.form == "dual":
            pairs = greedy_pairs(mdp, optimum.x)
        else:
            pairs = greedy_pairs(mdp, action_values(mdp, optimum.v))
        return State(evaluated(mdp, pairs), solved=True)

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the interval that T v − v proves, rounding included."""
        return PolicyIteration().gap(mdp, state.policy)


def optimize(mdp: MDP, form: str = "primal") -> Optimum:
    """Solve the program, μ uniform. Raises ArithmeticError in HiGHS's words if it gives up."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    require_cpu(mdp, "the linear program")
    mu = np.full(mdp.n_states, 1 / mdp.n_states)
    member = csr_array(
        (np.ones(mdp.n_pairs), mdp.pair_states, np.arange(mdp.n_pairs + 1)),
        (mdp.n_pairs, mdp.n_states),
    )
    rows = mdp.rows.to_scipy() if isinstance(mdp.rows, CSR) else csr_array(mdp.rows)
    constraint = member - mdp.gamma * rows  # (pairs, S): v(s) − γ Σ P v ≥ r
    scale = max(1.0, float(mdp.reward_size))  # HiGHS's tolerances are absolute
    r = mdp._r / scale
    if form == "primal":
        answer = linprog(mu, A_ub=-constraint, b_ub=-r, bounds=(None, None), method="highs")
    else:
        answer = linprog(-r, A_eq=constraint.T, b_eq=mu, bounds=(0, None), method="highs")
    if answer.status != 0:
        raise ArithmeticError(f"HiGHS did not solve the {form} program: {answer.message}")
    v, x = _read(answer, form)
    x = x.reshape(mdp.pair_shape)
    return Optimum(
        v * scale, x, float(mu @ v) * scale, float((x.reshape(-1) * r).sum()) * scale
    )


def _read(answer: Any, form: str) -> tuple[np.ndarray, np.ndarray]:
    """Values and occupancies: one is the solution, the other its multipliers."""
    if form == "primal":
        return answer.x, -answer.ineqlin.marginals
    return -answer.eqlin.marginals, answer.x
