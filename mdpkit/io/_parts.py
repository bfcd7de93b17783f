"""A model put together from stored arrays, each believed only after MDP's own checks."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._array import read_only
from mdpkit._read import read_gamma
from mdpkit.errors import FormatError, SourceError
from mdpkit.io._memory import require
from mdpkit.mdp import MDP

STORAGES = ("dense", "pairs", "csr")
"""How rows are kept: (S, A, S); dense rows (pairs, S) of a masked model; compressed rows."""


def storage(mdp: MDP) -> str:
    """Return which of STORAGES the model uses."""
    return "csr" if mdp.is_sparse else "dense" if len(mdp.pair_shape) == 2 else "pairs"


def needed_gamma(gamma: Any, what: str) -> Any:
    """Return the discount, checked; SourceError if none was given."""
    if gamma is None:
        raise SourceError(f"{what} has no discount: pass gamma= (on the command line --gamma).")
    read_gamma(gamma)
    return gamma  # a rational stays one


def assemble(
    P: Any,
    r: Any,
    gamma: Any,
    *,
    action_ptr: np.ndarray | None,
    pair_actions: np.ndarray | None,
    limit: int,
    states: tuple | None,
    actions: tuple | None,
    **options: Any,
) -> MDP:
    """An MDP whose pairs may be any actions of their state, not only its first.

    pair_actions   (pairs,) int, increasing within each state; None is 0, 1, … in each state
    limit          bytes; action numbers that would make a (S, A) table larger are refused
    """
    with np.errstate(over="ignore"):  # a row of 1e308s sums to inf, and is refused for that
        mdp = MDP(P, r, gamma, action_ptr=action_ptr, states=states, **options)
    if pair_actions is not None:
        _check_actions(mdp, pair_actions)
        n_actions = int(pair_actions.max()) + 1
        require(
            8 * mdp.n_states * n_actions,
            limit,
            f"a table of {mdp.n_states} states × {n_actions} actions",
        )
        actions_of_pairs = read_only(pair_actions.astype(np.int64, copy=False))
        object.__setattr__(mdp, "_pair_actions", actions_of_pairs)
        mdp.__dict__.pop("n_actions", None)
    return mdp.replace(actions=actions)


def _check_actions(mdp: MDP, pair_actions: np.ndarray) -> None:
    if pair_actions.shape != (mdp.n_pairs,):
        raise FormatError(
            f"pair_actions has shape {pair_actions.shape}; ({mdp.n_pairs},) is needed."
        )
    within = mdp.pair_states[1:] == mdp.pair_states[:-1]
    wrong = pair_actions < 0
    wrong[1:] |= within & (pair_actions[1:] <= pair_actions[:-1])
    if wrong.any():
        i = int(np.argmax(wrong))
        raise FormatError(
            f"pair_actions[{i}] is {pair_actions[i]}; a state's actions are ≥ 0 and increase."
        )
