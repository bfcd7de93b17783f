"""Regularized dynamic programming: any ⊕ that is a non-expansion in the place of max.

    v ← T_Ω v,   (T_Ω v)(s) = ⊕_a q(s,a) = max_π Σ_a π(a) q(s,a) − Ω(π),   q = r + γPv
    ‖v_k − v*_Ω‖∞ ≤ γᵏ ‖v_0 − v*_Ω‖∞,    v* − HU ≤ v*_Ω ≤ v* − HL   if L ≤ Ω ≤ U

`sweeps` > 1 is modified policy iteration: the policy π that attains T_Ω v has the reward
r_π − Ω(π) = T_Ω v − γP_π v, and v ← (T_Ω^π)ᵐ v. The bounds are those of the hard methods.
Checked in proofs_checks (X22) and tests/plan/test_soft.py.
Source: Geist, Scherrer & Pietquin (2019); Scherrer et al. (2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdpkit.mdp import MDP
from mdpkit.operators.aggregate import Reduction
from mdpkit.operators.bellman import action_values
from mdpkit.operators.projection import attaining
from mdpkit.operators.sweep import chain_sweep
from mdpkit.plan import _regularized as shared
from mdpkit.plan._regularized import State
from mdpkit.policy import under


@dataclass(frozen=True, eq=False)
class RegularizedValueIteration:
    """v ← T_Ω v from v = 0.

    over : soft(τ, prior), mellowmax(ω), sparsemax(τ), expectile(κ, π), expected(π) or maximum.
    Priors and policies are distributions in pair layout. `sol.v` is the regularized optimum,
    `sol.probabilities` the policy that attains it, `sol.policy` its likeliest action.
    """

    over: Reduction
    key = "regularized-vi"
    init, step = shared.init, shared.step
    gap, floor, rate, certify = shared.gap, shared.floor, shared.rate, shared.certify


@dataclass(frozen=True, eq=False)
class RegularizedModifiedPolicyIteration:
    """A regularized sweep, then `sweeps` − 1 of the policy that attains it; `over` as above."""

    over: Reduction
    sweeps: int = 20
    key = "regularized-mpi"
    gap, floor, certify = shared.gap, shared.floor, shared.certify

    def __post_init__(self):
        if self.sweeps < 1:
            raise ValueError(f"sweeps must be ≥ 1; it is {self.sweeps}.")

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given, and their sweep."""
        shared.readied(mdp, self.over)
        return shared.swept(mdp, shared.start_values(mdp, start), self.over)

    def step(self, mdp: MDP, state: State) -> State:
        """The other m − 1 sweeps of the policy, and the next regularized sweep."""
        v = state.image
        if self.sweeps > 1:
            pi = attaining(mdp, action_values(mdp, state.v), self.over)
            rows, _, _ = under(mdp, pi)
            r = state.image - chain_sweep(rows, np.zeros(mdp.n_states), mdp.gamma, state.v)
            for _ in range(1, self.sweeps):
                v = chain_sweep(rows, r, mdp.gamma, v)
        return shared.swept(mdp, v, self.over)
