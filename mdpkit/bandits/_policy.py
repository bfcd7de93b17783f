"""How algorithms choose, as their definitions say it: one state of knowledge at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit.bandits.bandit import Bandit


def greedy(index: Any) -> np.ndarray:
    """(K,) all on the largest index, the lowest arm among ties."""
    out = np.zeros(len(index))
    out[np.argmax(index)] = 1.0
    return out


def untried(counts: Any) -> np.ndarray:
    """(K,) all on the first arm not yet pulled."""
    return greedy(np.asarray(counts) == 0)


def check_first_pulls(bandit: Bandit, horizon: int) -> None:
    """Raise ValueError if the horizon is too short for one pull of each arm."""
    if horizon < bandit.n_arms:
        raise ValueError(
            f"each of {bandit.n_arms} arms is pulled once first; the horizon is {horizon}."
        )
