"""A policy that is given, as kernels take it: for prediction, and for behavior."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit.errors import ModelError
from mdpkit.mdp import MDP
from mdpkit.operators.rollout import accumulated
from mdpkit.policy import is_deterministic, probabilities


def given_policy(place: Any, policy: Any, name: str = "policy") -> np.ndarray:
    """π(a|s) of every pair, (pairs,), in a model or an environment.

    policy : (S,) int, or pair layout, which in an environment is (S, A). Raises ModelError
    naming the state where it is no distribution.
    """
    if isinstance(place, MDP):
        return np.ascontiguousarray(probabilities(place, policy).reshape(-1), dtype=float)
    shape = place.n_states, place.n_actions
    if is_deterministic(policy):
        policy = (np.arange(place.n_actions) == np.asarray(policy)[:, None]) * 1.0
    pi = np.ascontiguousarray(policy, dtype=float)
    if pi.shape != shape:
        raise ModelError(f"{name} has shape {pi.shape}; {shape} or ({shape[0]},) is needed.")
    bad = np.flatnonzero(~((pi >= 0).all(axis=1) & (abs(pi.sum(axis=1) - 1) <= 1e-9)))
    if bad.size:
        raise ModelError(f"{name}[{bad[0]}] is {pi[bad[0]]}, no distribution.", s=int(bad[0]))
    return pi.reshape(-1)


def bounds(place: Any, pi: np.ndarray) -> np.ndarray:
    """π accumulated over the actions of each state, (pairs,), for `above` to search in."""
    return accumulated(pi, np.asarray(place.action_ptr), np.zeros(place.n_states))


def first_values(initial: Any, runs: int, size: int) -> np.ndarray:
    """(runs, size) initial values: one number, or (size,), finite, or ValueError."""
    one = np.asarray(initial, dtype=float).reshape(-1)
    if one.size not in (1, size) or not np.isfinite(one).all():
        raise ValueError(f"initial is one finite number or ({size},) of them; not {initial!r}.")
    return np.array(np.broadcast_to(one, (runs, size)), order="C")
