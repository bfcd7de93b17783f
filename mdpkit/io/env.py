"""A model as a Gymnasium environment: `step` plays what the arrays say.

The reward is the expected reward of the pair, for nothing else is kept in a model. With
probability stop(s,a) the episode ends: `terminated` is True and the observation is s again.
States and actions are numbers from 0; `info["action_mask"]` has 1 for the actions that the
state has.

Checked in tests/io/test_env.py. Source: Gymnasium 1.4, `gymnasium.Env`.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from mdpkit._device import require_cpu
from mdpkit._rows import CSR
from mdpkit.mdp import MDP

try:
    import gymnasium
    from gymnasium.envs.registration import EnvSpec
    from gymnasium.spaces import Discrete
except ImportError as reason:
    raise ImportError('environments need Gymnasium: pip install "mdpkit[gym]"') from reason


class ModelActions(Discrete):
    """The actions where not every state has all: `sample` draws from the present state's."""

    def __init__(self, env: ModelEnv):
        super().__init__(env.mdp.n_actions)
        self._env = env

    def sample(self, mask: Any = None, probability: Any = None) -> np.int64:
        """Draw an action of the present state, or from `mask` or `probability` where given."""
        if mask is None and probability is None:
            mask = self._env.action_mask()
        return super().sample(mask, probability)


class ModelEnv(gymnasium.Env):
    """An environment that plays an MDP; `mk.to_env` makes it."""

    metadata = {"render_modes": []}  # noqa: RUF012 Gymnasium's name, and its type

    def __init__(self, mdp: MDP):
        self.mdp = mdp = mdp.rounded()
        self.spec = EnvSpec(
            "mdpkit/Model-v0", entry_point="mdpkit.io.env:ModelEnv", kwargs={"mdp": mdp}
        )
        self.observation_space = Discrete(mdp.n_states)
        full = mdp.n_pairs == mdp.n_states * mdp.n_actions
        self.action_space = Discrete(mdp.n_actions) if full else ModelActions(self)
        self._first = np.cumsum(mdp.start)
        self._stop = mdp.stop.reshape(-1)
        self._r = mdp.r.reshape(-1)
        self._s: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Begin an episode; options={"state": s} begins it in s."""
        super().reset(seed=seed)
        chosen = (options or {}).get("state")
        if chosen is None:
            self._s = _draw(self._first, self.np_random.random())
        elif not self.observation_space.contains(chosen):
            raise ValueError(f"state {chosen!r} is not in 0 … {self.mdp.n_states - 1}.")
        else:
            self._s = int(chosen)
        return self._s, {"action_mask": self.action_mask()}

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Play one action; ValueError if the present state does not have it."""
        pair = self._pair(action)
        u, reward = self.np_random.random(), float(self._r[pair])
        terminated = bool(u < self._stop[pair])
        if not terminated:
            columns, row = self._row(pair)
            self._s = int(columns[_draw(np.cumsum(row), u - self._stop[pair])])
        s, info = cast(int, self._s), {"action_mask": self.action_mask()}
        self._s = None if terminated else s
        return s, reward, terminated, False, info

    def action_mask(self) -> np.ndarray:
        """(A,) int8: 1 for the actions of the present state, as Gymnasium's masks are."""
        mask = np.zeros(self.mdp.n_actions, dtype=np.int8)
        s = self._s
        if s is None:
            return mask + 1
        mask[self.mdp.pair_actions[self.mdp.action_ptr[s] : self.mdp.action_ptr[s + 1]]] = 1
        return mask

    def _pair(self, action: Any) -> int:
        """The pair of the present state and an action that it has."""
        if self._s is None:
            raise RuntimeError("the episode is over, or has not begun: call reset().")
        own = slice(*self.mdp.action_ptr[self._s : self._s + 2].tolist())
        found = np.flatnonzero(self.mdp.pair_actions[own] == action)
        if found.size != 1:
            known = self.mdp.pair_actions[own].tolist()
            raise ValueError(f"state {self._s} has no action {action!r}; it has {known}.")
        return own.start + int(found[0])

    def _row(self, pair: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.mdp.rows
        if isinstance(rows, CSR):
            part = slice(rows.row_ptr[pair], rows.row_ptr[pair + 1])
            return rows.columns[part], rows.values[part]
        columns = np.flatnonzero(rows[pair])
        return columns, rows[pair][columns]


def _draw(cumulated: np.ndarray, u: float) -> int:
    """The index whose share of [0, 1] holds u; what rounding leaves goes to the last share."""
    return int(min(np.searchsorted(cumulated, u, side="right"), _last(cumulated)))


def _last(cumulated: np.ndarray) -> int:
    return int(np.searchsorted(cumulated, cumulated[-1], side="left"))


def to_env(mdp: MDP) -> ModelEnv:
    """A Gymnasium environment that plays the model; `reset(seed=)` makes it reproducible."""
    if not isinstance(mdp, MDP):
        raise TypeError(f"to_env() takes an MDP, not {type(mdp)}.")
    require_cpu(mdp, "an environment")
    return ModelEnv(mdp)
