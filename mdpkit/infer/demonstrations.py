"""Demonstrations: trajectories s_0 a_0 s_1 a_1 …, and how often they visit each pair.

A trajectory of T steps has T pairs; the state it ends in has no action, is in no sum below, and
is not stored. Checked in tests/infer/test_demonstrations.py.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdpkit._rows import CSR
from mdpkit.errors import FormatError, ModelError
from mdpkit.io._atomic import atomic_write
from mdpkit.mdp import MDP
from mdpkit.operators.messages import compressed
from mdpkit.policy import is_deterministic, probabilities

FORMAT, VERSION = "mdpkit-demonstrations", 1


@dataclass(frozen=True, eq=False)
class Demonstrations:
    """N trajectories of at most T steps.

    states, actions   (N, T) int, −1 from where a trajectory has ended
    """

    states: np.ndarray
    actions: np.ndarray

    @classmethod
    def of(cls, trajectories: Iterable[Sequence]) -> Demonstrations:
        """From lists of pairs, [[(s, a), …], …]; they may differ in length."""
        listed = [np.asarray(steps, dtype=np.int64).reshape(-1, 2) for steps in trajectories]
        if not listed or not max(map(len, listed)):
            raise ValueError(
                "there is no demonstration: at least one (state, action) is needed."
            )
        table = np.full((2, len(listed), max(map(len, listed))), -1, dtype=np.int64)
        for i, steps in enumerate(listed):
            table[:, i, : len(steps)] = steps.T
        return cls(table[0], table[1])

    @property
    def length(self) -> int:
        """T, the steps of the longest."""
        return self.states.shape[1]

    def __len__(self) -> int:
        return self.states.shape[0]

    def pairs(self, mdp: MDP) -> np.ndarray:
        """(N, T) the pair of each step, −1 after the end; ModelError names one that is none."""
        table = np.full((mdp.n_states + 1, mdp.n_actions + 1), -1, dtype=np.int64)
        table[mdp.pair_states, mdp.pair_actions] = np.arange(mdp.n_pairs)
        s, a = self.states, self.actions
        ended = (s == -1) & (a == -1)
        inside = (s >= 0) & (s < mdp.n_states) & (a >= 0) & (a < mdp.n_actions)
        found = np.where(inside, table[np.where(inside, s, -1), np.where(inside, a, -1)], -1)
        wrong = (found < 0) & ~ended
        wrong[:, 1:] |= ended[:, :-1] & ~ended[:, 1:]
        if wrong.any():
            i, t = (int(x) for x in np.argwhere(wrong)[0])
            raise ModelError(
                f"trajectory {i}, step {t}: state {s[i, t]} with action {a[i, t]} is no pair "
                f"of this model ({mdp.n_states} states), or comes after an end "
                f"({int(wrong.sum())} such steps).",
                trajectory=i,
                step=t,
            )
        return found

    def check_moves(self, mdp: MDP) -> None:
        """Raise ModelError at the first transition whose probability is 0."""
        pairs, following = self.pairs(mdp)[:, :-1], self.states[:, 1:]
        i, t = np.nonzero((pairs >= 0) & (following >= 0))
        P = mdp.rows.to_scipy() if isinstance(mdp.rows, CSR) else mdp.rows
        p = np.asarray(P[pairs[i, t], following[i, t]]).reshape(-1)
        if (p <= 0).any():
            k = int(np.argmax(p <= 0))
            s, a, u = (
                int(x[i[k], j])
                for x, j in zip(
                    (self.states, self.actions, self.states),
                    (t[k], t[k], t[k] + 1),
                    strict=True,
                )
            )
            raise ModelError(
                f"trajectory {i[k]}, step {t[k]}: from state {s} action {a} never leads to "
                f"state {u} in this model.",
                trajectory=int(i[k]),
                step=int(t[k]),
            )

    def stage_visits(self, mdp: MDP, horizon: int | None = None) -> np.ndarray:
        """The share of trajectories in each pair at each step, (T, pairs)."""
        pairs = self.pairs(mdp)
        horizon = self.length if horizon is None else horizon
        if self.length > horizon:
            raise ValueError(
                f"a demonstration has {self.length} steps; the horizon is {horizon}."
            )
        i, t = np.nonzero(pairs >= 0)
        place = t * mdp.n_pairs + pairs[i, t]
        count = np.bincount(place, minlength=horizon * mdp.n_pairs)
        return count.reshape(horizon, mdp.n_pairs) / len(self)

    def visits(self, mdp: MDP, discount: float = 1.0) -> np.ndarray:
        """x̂(s,a) = mean of Σ_{t<T} γᵗ 1{s_t = s, a_t = a}, in pair layout."""
        pairs = self.pairs(mdp)
        i, t = np.nonzero(pairs >= 0)
        weight = discount ** t.astype(float) / len(self)
        total = np.bincount(pairs[i, t], weight, minlength=mdp.n_pairs)
        return total.reshape(mdp.pair_shape)

    # ---- making and keeping them -------------------------------------------------------------

    @classmethod
    def sample(
        cls, mdp: MDP, policy: Any, horizon: int, *, n: int, rng: Any = None
    ) -> Demonstrations:
        """n rollouts of at most `horizon` steps; policy of one stage or (T, *pair layout)."""
        rng = np.random.default_rng(rng)
        stages = _stages(mdp, policy, horizon)
        s = rng.choice(mdp.n_states, size=n, p=mdp.start / mdp.start.sum())
        table = np.full((2, n, horizon), -1, dtype=np.int64)
        step = _stepper(mdp)
        alive = np.arange(n)
        for t in range(horizon):
            pair = _draw_pairs(mdp, stages[min(t, len(stages) - 1)], s, rng)
            table[0, alive, t], table[1, alive, t] = s, mdp.pair_actions[pair]
            following = step(pair, rng)
            alive, s = alive[following >= 0], following[following >= 0]
            if not alive.size:
                break
        return cls(table[0], table[1])

    @classmethod
    def read(cls, path: Any) -> Demonstrations:
        """From .json, a list of lists of [state, action], or .npz, `states` and `actions`."""
        path = Path(path)
        if path.suffix.lower() == ".npz":
            try:
                with np.load(path, allow_pickle=False) as file:
                    tables = [np.asarray(file[name]) for name in ("states", "actions")]
            except (KeyError, ValueError, zipfile.BadZipFile) as reason:
                raise FormatError(f"{path}: not an .npz of `states` and `actions`.") from reason
            return _checked(cls, tables, path)
        if path.suffix.lower() != ".json":
            raise FormatError(f"{path}: demonstrations are .json or .npz.")
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as reason:
            raise FormatError(f"{path}: not JSON ({reason}).") from reason
        listed: Any = body.get("trajectories") if isinstance(body, dict) else body
        try:
            whole = all(
                type(x) is int for steps in listed for step in steps for x in step
            )  # True and 1.0 are no states
            if not whole or any(len(step) != 2 for steps in listed for step in steps):
                raise ValueError
            return cls.of(listed)
        except (TypeError, ValueError, OverflowError) as reason:
            raise FormatError(
                f"{path}: a list of trajectories is needed, each a list of [state, action], "
                "whole numbers."
            ) from reason

    def write(self, path: Any) -> None:
        """Write .json or .npz, as `read` reads them."""
        path = Path(path)
        if path.suffix.lower() == ".npz":
            with atomic_write(path) as file:
                np.savez(file, states=self.states, actions=self.actions)
            return
        trajectories = [
            [[int(s), int(a)] for s, a in zip(*row, strict=True) if s >= 0]
            for row in zip(self.states, self.actions, strict=True)
        ]
        body = {"format": FORMAT, "version": VERSION, "trajectories": trajectories}
        with atomic_write(path, "w") as file:
            json.dump(body, file)


def _checked(cls: type[Demonstrations], tables: list[np.ndarray], path: Path) -> Demonstrations:
    states, actions = tables
    kinds = {states.dtype.kind, actions.dtype.kind} <= set("iu")
    if not kinds or states.shape != actions.shape or states.ndim != 2 or not states.size:
        raise FormatError(
            f"{path}: states {states.dtype} {states.shape} and actions {actions.dtype} "
            f"{actions.shape} must be whole numbers of one shape (N, T)."
        )
    return cls(states.astype(np.int64), actions.astype(np.int64))


def _stages(mdp: MDP, policy: Any, horizon: int) -> list[np.ndarray]:
    if np.ndim(policy) == 1 + len(mdp.pair_shape) and not is_deterministic(policy):
        if len(policy) < horizon:
            raise ValueError(f"the policy has {len(policy)} stages; the horizon is {horizon}.")
        return [probabilities(mdp, stage).reshape(-1) for stage in policy[:horizon]]
    return [probabilities(mdp, policy).reshape(-1)]


def _draw_pairs(mdp: MDP, pi: np.ndarray, s: np.ndarray, rng: np.random.Generator) -> Any:
    """One pair for each state, by inversion of the running sum of all probabilities."""
    reached = np.concatenate([[0.0], np.cumsum(pi)])
    first, last = mdp.action_ptr[s], mdp.action_ptr[s + 1]
    aim = reached[first] + rng.random(s.size) * (reached[last] - reached[first])
    return np.clip(np.searchsorted(reached, aim, side="right") - 1, first, last - 1)


def _stepper(mdp: MDP) -> Any:
    """step(pairs, rng) → next states, −1 where the episode stops."""
    values, columns, ptr, _ = compressed(mdp).rows
    reached = np.concatenate([[0.0], np.cumsum(values)])
    stop = np.asarray(mdp.stop).reshape(-1)
    ptr = ptr.astype(np.int64)

    def step(pairs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        first, last = ptr[pairs], ptr[pairs + 1]
        aim = rng.random(pairs.size)
        ended = aim < stop[pairs]
        left = np.where(ended, 0.0, (aim - stop[pairs]) / np.where(ended, 1.0, 1 - stop[pairs]))
        aim = reached[first] + left * (reached[last] - reached[first])
        entry = np.clip(np.searchsorted(reached, aim, side="right") - 1, first, last - 1)
        return np.where(
            ended | (first == last), -1, columns[np.minimum(entry, columns.size - 1)]
        )

    return step
