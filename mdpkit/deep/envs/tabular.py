"""Any MDP as an environment in JAX; observations are its states.

Checked in tests/deep/envs/test_tabular.py. Source: as for mdpkit/envs/tabular.py, of which this
draws the uniform numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax

from mdpkit.deep.envs.environment import Moment
from mdpkit.envs.spaces import Discrete
from mdpkit.envs.tabular import Table, reset, step, table
from mdpkit.errors import ModelError
from mdpkit.mdp import MDP

LACKING = ("refuse", "repeat", "mask")


@dataclass(frozen=True, eq=False)
class Tabular:
    """An MDP to act in: observation and state are the state's number.

    lacking   what an action does that the state lacks.
              "refuse": a model with such an action raises ModelError here
              "repeat": it plays action (a mod |A(s)|) of the state's own, which changes no
                        optimal value
              "mask":   whoever acts keeps to `mask`; if not, the reward is NaN
    limit     steps after which an episode is truncated; None for never
    """

    mdp: MDP
    limit: int | None = None
    lacking: str = "refuse"
    name: str = "MDP"

    def __post_init__(self):
        if not isinstance(self.mdp, MDP):
            raise TypeError(f"Tabular takes an MDP, not {type(self.mdp)}.")
        if self.lacking not in LACKING:
            raise ValueError(f"lacking is {self.lacking!r}; it is one of {LACKING}.")
        if self.lacking == "refuse" and not self.table.mask.all():
            s, a = divmod(int(self.table.mask.argmin()), self.mdp.n_actions)
            raise ModelError(
                f"state {s} has no action {a}, and algorithms act with all "
                f'{self.mdp.n_actions}. Pass lacking="repeat", where it plays one of the '
                'state\'s own, or lacking="mask" to keep to env.mask yourself.',
                s=s,
                a=a,
            )

    @cached_property
    def table(self) -> Table:
        """What steps are looked up in."""
        return table(self.mdp, repeat=self.lacking == "repeat")

    @property
    def mask(self) -> Any:
        """(S, A) bool, the actions that may be played."""
        return self.table.mask

    @property
    def observation_space(self) -> Discrete:
        """The states."""
        return Discrete(self.mdp.n_states)

    @property
    def action_space(self) -> Discrete:
        """The actions, of all states."""
        return Discrete(self.mdp.n_actions)

    def reset(self, key: Any) -> tuple[Any, Any]:
        """A state drawn from the model's start."""
        state = reset(self.table, jax.random.uniform(key))
        return state, state

    def step(self, key: Any, state: Any, action: Any) -> Moment:
        """A next state drawn from the row; it terminates with probability stop(s,a)."""
        after, reward, terminated = step(self.table, state, action, jax.random.uniform(key))
        return Moment(after, after, reward, terminated)
