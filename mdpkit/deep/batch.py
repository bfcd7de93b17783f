"""A weighted batch: the one currency between environments, replay, enumeration and losses.

    discount = γ (1 − terminated)         multiplies the value of what comes next
    boundary = terminated or truncated    only cuts what runs along a trajectory

A loss is Σ weight · ℓ, never a mean: sampled rows weigh 1/n, exhaustive ones ρ(s,a) P(t|s,a),
and the same code then computes an estimate or its exact expectation.
Checked in proofs_checks/lifting. Source: as for mdpkit/batch.py, of which this is the lift.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from mdpkit.batch import Transitions
from mdpkit.mdp import MDP


class Batch(NamedTuple):
    """n rows (n, …) in any order, or T steps of n lanes (T, n, …), time first.

    observation       what was acted on; an int where observations are states of a table
    action            int (n,), or float (n, m) in the units of the environment
    reward            (n,), in units of reward
    discount          (n,), γ(1 − terminated), or its product over a window of steps
    boundary          (n,) bool, terminated or truncated behind this row
    next_observation  what was truly reached, before any reset
    weight            (n,) ≥ 0, how often the row counts
    extras            what the behavior knew: log-probabilities, values; None if nothing
    """

    observation: Any
    action: Any
    reward: Any
    discount: Any
    boundary: Any
    next_observation: Any
    weight: Any
    extras: Any = None


def lifted(mdp: MDP, rows: Transitions, dtype: Any = None) -> Batch:
    """Transitions of a model as a batch: observations are states, actions their numbers.

    rows : of `mdpkit.enumerate.transitions`, or sampled; dtype : of the floats, JAX's own if
    None. A row whose discount is 0 is a boundary.
    """
    pair = rows.pair
    return Batch(
        jnp.asarray(mdp.pair_states[pair]),
        jnp.asarray(mdp.pair_actions[pair]),
        jnp.asarray(rows.reward, dtype),
        jnp.asarray(rows.discount, dtype),
        jnp.asarray(rows.discount == 0),
        jnp.asarray(rows.next_state),
        jnp.asarray(rows.weight, dtype),
    )
