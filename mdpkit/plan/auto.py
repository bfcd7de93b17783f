"""Which method for which model? The choice when none is named, and the reason in words.

    exact                       exact policy iteration
    few states                  policy iteration, dense LU
    a policy's band is narrow   policy iteration, LU of the band
    sweeps contract fast        modified policy iteration that chooses its sweeps
    several components          topological value iteration
    otherwise                   inexact policy iteration, in a Krylov space

Where a walk takes many steps to reach some state, sweeps are slow. Else how fast they contract
is measured on the first policy's own, of which TRIAL cost as much as a few greedy ones:
Δ_k = max δ_k − min δ_k, ρ³ = Δ_k/Δ_{k−3}. They are not lost, for the method begins where they
ended. Where sweeps are slow two in place, one up and one down the states, carry the rewards
across the model first.
Checked in tests/plan/test_auto.py and, beside every method and the peers, by
`python -m benchmarks plan`.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np

from mdpkit._rows import CSR
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import Sweep, greedy_pairs
from mdpkit.operators.reach import Walk, walk
from mdpkit.operators.resolvent import DENSE_STATES, band, stays_sparse
from mdpkit.operators.sweep import chain_change, gathered, in_place_sweep, policy_rows
from mdpkit.plan.exact_policy_iteration import ExactPolicyIteration
from mdpkit.plan.inexact_policy_iteration import InexactPolicyIteration
from mdpkit.plan.modified_policy_iteration import ModifiedPolicyIteration
from mdpkit.plan.policy_iteration import PolicyIteration
from mdpkit.plan.topological_value_iteration import TopologicalValueIteration
from mdpkit.solve import Method
from mdpkit.structure import component_order

TRIAL, ENOUGH = 12, 0.01
"""Sweeps of a policy, and the share of the first span at which fewer of them tell enough."""

SHALLOW = 30
"""Steps by which every state is reached in a model that may mix fast."""

FAST = 0.7
"""A contraction of the span below which sweeps are the quickest evaluation of a policy."""

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
    trial = _of_zero(mdp)
    walked, narrow = None, False
    if isinstance(mdp.rows, CSR):
        narrow = _is_banded(mdp.rows, trial.best)
        if not narrow:
            walked = walk(mdp.rows, mdp.action_ptr)
            narrow = _may_be_banded(mdp.rows, trial.best, walked)
    if narrow:
        why = "a policy's chain is narrow: policy iteration by LU of a band"
        return Choice(PolicyIteration(), why, trial.v if mdp.gamma < 1 else None)
    if mdp.gamma >= 1:
        why = "γ = 1 and wide factors: a few policy sweeps for each greedy one"
        return Choice(ModifiedPolicyIteration(), why)
    if walked is None or walked.steps <= SHALLOW:
        v, rho = _contraction(mdp, trial)
        slow = f"sweeps contract the span by {rho:.2f} only"
        if rho < FAST:
            why = f"sweeps contract the span by {rho:.2f} each: few of each policy are needed"
            return Choice(ModifiedPolicyIteration(sweeps=None), why, v)
    else:
        v = trial.v
        slow = f"some states are {walked.steps} steps apart, so sweeps contract slowly"
    for order in (np.arange(mdp.n_states)[::-1], np.arange(mdp.n_states)):
        v, _ = in_place_sweep(mdp, v, order)
    _, ends = component_order(mdp)
    if np.diff(ends, prepend=0).max() <= LARGEST_PART * mdp.n_states:
        why = f"{ends.size} strongly connected components, solved one after another"
        return Choice(TopologicalValueIteration(), why, v)
    return Choice(InexactPolicyIteration(), f"{slow}: policies are solved by BiCGSTAB", v)


def _of_zero(mdp: MDP) -> Sweep:
    """The greedy sweep of v = 0, which needs the rewards only."""
    best = greedy_pairs(mdp, mdp.r)
    v = mdp._r[best]
    return Sweep(v, float(v.min()), float(v.max()), best)


def _is_banded(rows: CSR, pairs: np.ndarray) -> bool:
    """Whether a policy's chain has a narrow band as it stands; a few rows may deny it."""
    n = pairs.size
    few = np.linspace(0, n - 1, 64).astype(np.int64)
    part = cast(CSR, gathered(rows, pairs[few]))
    far = np.abs(part.columns - np.repeat(few, np.diff(part.row_ptr))).max(initial=0)
    if far * few.size >= 20 * max(part.values.size, few.size):
        return False
    chain = cast(CSR, gathered(rows, pairs))
    return max(band(chain)) * n < 20 * max(chain.values.size, n)


def _may_be_banded(rows: CSR, pairs: np.ndarray, walked: Walk) -> bool:
    """Whether some order makes the chain's band narrow, if one may by all actions' walk."""
    mean = max(1.0, rows.values.size / rows.shape[0])
    return walked.band < 20 * mean and stays_sparse(cast(CSR, gathered(rows, pairs)))


def _contraction(mdp: MDP, first: Sweep) -> tuple[np.ndarray, float]:
    """The values after TRIAL sweeps of a policy, and the mean contraction of the last three."""
    rows, r, v = policy_rows(mdp, first.best), mdp._r[first.best], first.v
    spans = [first.high - first.low]
    while len(spans) < TRIAL and spans[-1] > ENOUGH * spans[0]:
        v, low, high = chain_change(rows, r, mdp.gamma, v)
        spans.append(high - low)
    before = spans[-4:][0]
    return v, float((spans[-1] / before) ** (1 / len(spans[-4:][1:]))) if before > 0 else 0.0
