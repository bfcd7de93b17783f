"""Which method for which model? The choice when none is named, and the reason in words.

    exact                       exact policy iteration
    few states                  policy iteration, dense LU
    a policy's band is narrow   policy iteration, sparse LU
    sweeps contract fast        value iteration with action elimination
    several components          topological value iteration
    otherwise                   modified policy iteration that chooses its sweeps

How fast sweeps contract is measured on the last three of TRIAL, the first ones promising more
than they keep: Δ_k = max δ_k − min δ_k, ρ³ = Δ_k/Δ_{k−3}. They are not lost, for the method
begins where they ended. Checked in tests/plan/test_auto.py and, beside every method and the
peers, by `python -m benchmarks plan`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdpkit._rows import CSR
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import Sweep, sweep
from mdpkit.operators.resolvent import DENSE_STATES, stays_sparse
from mdpkit.operators.sweep import gathered
from mdpkit.plan.action_elimination import ActionElimination
from mdpkit.plan.exact_policy_iteration import ExactPolicyIteration
from mdpkit.plan.modified_policy_iteration import ModifiedPolicyIteration
from mdpkit.plan.policy_iteration import PolicyIteration
from mdpkit.plan.topological_value_iteration import TopologicalValueIteration
from mdpkit.solve import Method
from mdpkit.structure import component_order

TRIAL = 10
FAST = 0.7
"""A contraction of the span below which sweeps of T alone are the quickest way."""

LARGEST_PART = 0.5
"""Share of the states in one component up to which the order of components is worth finding."""


class Choice(NamedTuple):
    """A method, why it was chosen, and the values to begin from (None: its own)."""

    method: Method
    why: str
    start: np.ndarray | None = None


def auto(mdp: MDP) -> Choice:
    """Choose a method for the model."""
    if mdp.is_exact:
        return Choice(ExactPolicyIteration(), "an exact model: its answer can be exact too")
    if mdp.n_states <= DENSE_STATES // 3:
        why = f"{mdp.n_states} states: dense policy iteration ends in a few exact solves"
        return Choice(PolicyIteration(), why)
    trial = sweep(mdp, np.zeros(mdp.n_states))
    if isinstance(mdp.rows, CSR) and mdp.gamma > 0.9:
        chain = gathered(mdp.rows, trial.best)
        if isinstance(chain, CSR) and stays_sparse(chain):
            why = "a policy's chain is narrow, so its sparse LU stays sparse"
            return Choice(PolicyIteration(), why, trial.v if mdp.gamma < 1 else None)
    if mdp.gamma >= 1:
        why = "γ = 1 and wide factors: a few policy sweeps for each greedy one"
        return Choice(ModifiedPolicyIteration(), why)
    trial, rho = _contraction(mdp, trial)
    if rho < FAST:
        why = f"sweeps contract the span by {rho:.2f} each: few more are needed"
        return Choice(ActionElimination(), why, trial.v)
    _, ends = component_order(mdp)
    if np.diff(ends, prepend=0).max() <= LARGEST_PART * mdp.n_states:
        why = f"{ends.size} strongly connected components, solved one after another"
        return Choice(TopologicalValueIteration(), why, trial.v)
    why = f"sweeps contract the span by {rho:.2f} only: policy sweeps are cheaper"
    return Choice(ModifiedPolicyIteration(sweeps=None), why, trial.v)


def _contraction(mdp: MDP, first: Sweep) -> tuple[Sweep, float]:
    """The last of TRIAL sweeps, and the mean contraction of the span in the last three."""
    new, spans = first, [first.high - first.low]
    for _ in range(TRIAL - 1):
        new = sweep(mdp, new.v)
        spans.append(new.high - new.low)
    return new, float((spans[-1] / spans[-4]) ** (1 / 3)) if spans[-4] > 0 else 0.0
