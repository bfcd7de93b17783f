"""`.json`: an exact optimum with its proof, for a reader who trusts nothing but fractions.

    {"format": "mdpkit-optimum", "version": 1, "model": {…}, "v": ["14/17", …], "pairs": [0, …],
     "steps": ["3", …], "components": [[0, 1], …]}

model         as in `exact_json`; pairs   the policy's state-action pairs
steps         γ = 1: the longest expected number of steps by actions tied for best
components    γ = 1: sets of states in which one can stay for ever, for nothing

`optimum_checker.py`, which needs only Python, says what these prove and checks it.
Checked in tests/io/test_optimum.py.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from mdpkit.io._atomic import atomic_write
from mdpkit.io.exact_json import body_of
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values
from mdpkit.policy import as_pairs
from mdpkit.shortest_path import longest_way
from mdpkit.total_reward import lift, quotient


def write(mdp: MDP, v: np.ndarray, policy: np.ndarray, path: str | os.PathLike) -> None:
    """Save an exact model's v* and an optimal policy with what proves them, atomically.

    v : (S,) exact; policy : (S,) int. Raises TypeError where the model or v is not exact.
    """
    if not mdp.is_exact or v.dtype != np.dtype(object):
        raise TypeError("a proof needs an exact model and exact values: solve mdp.exact().")
    with atomic_write(path, "w") as file:
        json.dump(proof(mdp, v, policy), file, indent=None, separators=(",", ":"))


def proof(mdp: MDP, v: np.ndarray, policy: np.ndarray) -> dict[str, Any]:
    """What `write` saves."""
    body = {
        "format": "mdpkit-optimum",
        "version": 1,
        "model": body_of(mdp),
        "v": [str(x) for x in v],
        "pairs": as_pairs(mdp, policy).tolist(),
    }
    return body if mdp.gamma < 1 else body | _undiscounted(mdp, v)


def _undiscounted(mdp: MDP, v: np.ndarray) -> dict[str, Any]:
    collapsed = quotient(mdp)
    small = collapsed.mdp
    there = lift(collapsed, v)
    lost = there[small.pair_states] - action_values(small, there).reshape(-1)
    steps = longest_way(small, np.asarray(lost == 0, dtype=bool))
    return {
        "steps": [str(x) for x in steps[collapsed.label]],
        "components": [component.states.tolist() for component in collapsed.components],
    }
