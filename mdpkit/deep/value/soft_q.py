"""Soft Q-learning: deep Q-learning whose backup is the log-sum-exp, and which plays its policy.

    y = r + d τ log Σ_a' exp(Q̄(s', a')/τ)         behavior π(a|s) ∝ exp(Q(s, a)/τ)

Another ⊕ in the same slot, so the file of deep Q-learning is all there is to it. The entropy is
in ⊕ alone: adding it to the reward as well would count it twice.

Tabular limit: as deep Q-learning's, soft value iteration (proofs_checks/lifting).
Source: Haarnoja et al. (2017); Fox, Pakman & Tishby (2016).
"""

from __future__ import annotations

from mdpkit.deep.explore import Softmax
from mdpkit.deep.value.dqn import DQN
from mdpkit.operators.aggregate import soft
from mdpkit.targets import OneStep


def soft_q(tau: float = 0.1) -> DQN:
    """Soft Q-learning at temperature tau > 0, in units of reward.

    Other settings by `dataclasses.replace`.
    """
    return DQN(target=OneStep(soft(tau)), behavior=Softmax(tau), key="soft-q")
