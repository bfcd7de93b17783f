"""Backward induction: finitely many steps, solved from the last one back.

    v_T = terminal,   v_t(s) = max_a r(s,a) + γ Σ_u P(u|s,a) v_{t+1}(u),   t = T−1, …, 0

Stage by stage it is exact, at γ = 1 too; the best policy depends on the stage. In floats the
error of a stage is at most γ times that of the next plus the rounding of one backup, so the
bounds grow by one rounding a stage, and the policy loses at most four times as much.
Checked in tests/plan/test_finite_horizon.py. Source: Bellman (1957); Puterman (1994), §4.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import EPS, number, sup
from mdpkit.certify import Certificate
from mdpkit.errors import ModelError
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values, check_shape, greedy_pairs, rounding
from mdpkit.solution import Status

MAX_BYTES = 4 * 2**30
"""What the tables of all stages may take."""

EXACT_BYTES = 64
"""A small rational, with the pointer to it."""


class Stages(NamedTuple):
    """What is optimal with T − t steps to go: stage 0 is the first, v[T] the terminal values.

    v         (T + 1, S); units: reward
    error     (T + 1,) how far v may be from the truth in any state, rounding included
    policy    (T, S), in the smallest unsigned integers that hold an action
    """

    v: np.ndarray
    error: np.ndarray
    policy: np.ndarray


class State(NamedTuple):
    """v of the stage reached, how many stages are left, and the tables.

    Each stage writes a row of its own, always the same numbers, so that states share tables.
    """

    v: np.ndarray
    left: int
    stages: Stages

    @property
    def error(self) -> float:
        """How far v may be from the truth."""
        return float(self.stages.error[self.left])


@dataclass(frozen=True, eq=False)
class BackwardInduction:
    """The best policy over `horizon` ≥ 1 steps; one step of the method is one stage.

    terminal : (S,) values after the last step; None is 0.
    The solution's v and policy belong to the first stage, `sol.stages` to all of them;
    `sol.loss` bounds what the policy of all stages loses.
    """

    horizon: int
    terminal: Any = None
    key = "backward"

    def __post_init__(self):
        whole = isinstance(self.horizon, int | np.integer) and not isinstance(
            self.horizon, bool
        )
        if not whole or self.horizon < 1:
            raise ValueError(
                f"horizon must be a whole number of steps, at least 1; it is {self.horizon!r}."
            )

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """The terminal values; `start` stands in for them where it is given."""
        v = _terminal(mdp, self.terminal if start is None else start)
        smallest = np.min_scalar_type(mdp.n_actions - 1)
        n_bytes = _bytes(self.horizon, mdp, smallest.itemsize)
        if n_bytes > MAX_BYTES:
            raise ModelError(
                f"{self.horizon} stages of {mdp.n_states} states take {n_bytes / 2**30:.3g} "
                f"GiB; the limit is {MAX_BYTES / 2**30:.3g} GiB. Solve a shorter horizon, and "
                "pass its v as the terminal values of the steps before it.",
                horizon=self.horizon,
                n_states=mdp.n_states,
                bytes=n_bytes,
            )
        table = np.zeros((self.horizon + 1, mdp.n_states), dtype=v.dtype)
        table[-1] = v
        policy = np.zeros((self.horizon, mdp.n_states), dtype=smallest)
        return State(v, int(self.horizon), Stages(table, np.zeros(len(table)), policy))

    def step(self, mdp: MDP, state: State) -> State:
        """One stage back; past the first there is nothing to do."""
        if state.left == 0:
            return state
        q = action_values(mdp, state.v)
        v = np.maximum.reduceat(q.reshape(-1), mdp.action_ptr[:-1])
        once = rounding(mdp, state.v)
        stage = state.left - 1
        state.stages.v[stage] = v
        state.stages.policy[stage] = mdp.actions_of(greedy_pairs(mdp, q, 2 * once))
        # The discount is read to 2⁻⁵², and this sum is rounded too.
        before = min(1.0, number(mdp.gamma) + EPS) * state.error
        state.stages.error[stage] = (before + once) * (1 + 8 * EPS)
        return State(v, stage, state.stages)

    def gap(self, mdp: MDP, state: State) -> float:
        """Twice the rounding gathered; ∞ before the first stage is reached."""
        return np.inf if state.left else 2 * number(_widened(mdp, state))

    def floor(self, mdp: MDP, state: State) -> float:
        """What rounding leaves: all of the gap."""
        return 2 * number(_widened(mdp, state))

    def verdict(self, mdp: MDP, state: State) -> Status | None:
        """The first stage is the end, however narrow a gap was asked for."""
        return None if state.left else Status.ROUNDING_FLOOR

    def certify(self, mdp: MDP, state: State) -> Certificate:
        """Bounds on v_0; before the first stage is reached they are crude."""
        v = state.stages.v[min(state.left + 1, self.horizon)]
        q = action_values(mdp, v)
        actions = mdp.actions_of(greedy_pairs(mdp, q, 2 * rounding(mdp, v)))
        if state.left:
            size = _reach(mdp, state)
            far = np.full(mdp.n_states, size)
            return Certificate(-far, far, actions, 2 * size, q)
        error = _widened(mdp, state)
        lower, upper = state.v - error, state.v + error
        return Certificate(lower, upper, actions, 4 * error, q, stages=state.stages)


def _reach(mdp: MDP, state: State) -> Any:
    """How large v_0 can be: the values reached, and the largest reward at each stage left."""
    size = state.left * mdp.reward_size + sup(state.v)
    return size if mdp.is_exact else (size + state.error) * (1 + 8 * EPS)


def _widened(mdp: MDP, state: State) -> Any:
    """The error of v, and the rounding of v ± error."""
    return 0 if mdp.is_exact else state.error + 2 * EPS * sup(state.v)


def _terminal(mdp: MDP, terminal: Any) -> np.ndarray:
    if terminal is None:
        return np.zeros(mdp.n_states) if not mdp.is_exact else 0 * mdp._r[mdp.action_ptr[:-1]]
    check_shape(terminal, (mdp.n_states,), "terminal")
    if mdp.is_exact:
        from mdpkit._exact import exact_array

        return exact_array(np.array(terminal))
    v = np.array(terminal, dtype=float)
    if not np.isfinite(v).all():
        s = int(np.argmin(np.isfinite(v)))
        raise ValueError(f"terminal[{s}] is {v[s]}; finite numbers are needed.")
    return v


def _bytes(horizon: int, mdp: MDP, action: int) -> int:
    number_size = EXACT_BYTES if mdp.is_exact else 8
    return int(mdp.n_states) * ((int(horizon) + 1) * number_size + int(horizon) * action)
