"""Soft Q-learning on a table is soft value iteration.

    50 updates at rate 1 = 50 sweeps Q ← T_τ Q               S06

Source: Haarnoja et al. (2017); Fox, Pakman & Tishby (2016).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from mdpkit.claim import Eq, claim
from mdpkit.operators.aggregate import soft
from proofs_checks.lifting.deep_q_learning import UPDATES, learned, learner
from proofs_checks.lifting.vocabulary import A, Square, swept

TAU = 0.5


@cache
def softly() -> Any:
    """Soft Q-learning with the settings of `learner`."""
    from mdpkit.deep import soft_q

    return learner(target=soft_q(TAU).target)


@claim(id="lift-S06", source="Haarnoja et al. (2017)", exact="B", effort=0.3)
def soft_q_learning_on_a_table_is_soft_value_iteration(
    mdp: Square, *, learned=lambda mdp: learned(mdp, softly())
):
    """50 updates of soft Q-learning on every transition are 50 sweeps Q ← T_τ Q."""
    return Eq(learned(mdp), swept(mdp, soft(TAU), UPDATES))


def entropy_twice(batch: Any) -> Any:
    """A bonus for entropy in the reward, besides the one in the backup."""
    return batch._replace(reward=batch.reward + TAU * np.log(A))


rejects = soft_q_learning_on_a_table_is_soft_value_iteration.rejects
rejects("entropy counts twice", learned=lambda mdp: learned(mdp, softly(), entropy_twice))
rejects("the backup is hard", learned=learned)
