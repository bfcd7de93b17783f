"""A finite Markov decision process: P, r, γ, where it starts, and where it may stop.

State-action pairs are numbered 0 … pairs−1, state by state; state s owns the pairs
action_ptr[s] … action_ptr[s+1]−1. An array over pairs is in *pair layout*: (S, A) for a dense
model, (pairs,) for CSR rows or a masked model. Rows satisfy Σ_t P[s,a,t] + stop[s,a] = 1, where
stop is the probability that the episode ends on (s,a), after its reward is paid.

Source: Puterman (1994), §2.1. Checked in tests/model.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from mdpkit._array import kind, read_only, sup
from mdpkit._check import check_rows
from mdpkit._counts import Estimate, count_transitions, radii
from mdpkit._device import moved, require_cpu
from mdpkit._exact import exact_fields, float_fields, rational
from mdpkit._forms import named_axes, sort_pairs
from mdpkit._read import (
    check_probabilities,
    clean_rewards,
    pair_rewards,
    read_distribution,
    read_gamma,
    read_names,
    read_pairs,
    transition_rewards,
)
from mdpkit._rows import CSR, LARGE, Rows, multiply
from mdpkit.errors import ModelWarning


@dataclass(frozen=True, init=False, eq=False, repr=False)
class MDP:
    """A finite MDP, checked once and never changed.

    P          (S, A, S) dense; or any CSR of shape (pairs, S): a SciPy sparse array or a plain
               (values, columns, row_ptr), with `action_ptr`. CSR in float32 is kept in
               float32; bounds then hold for every model that rounds to it
    r          (S, A) or (pairs,), expected reward of one step; with reward_on="state" (S,),
               with reward_on="transition" (S, A, S) or entry by entry as P is stored
    gamma      discount in [0, 1]; at 1 only methods for total or average reward apply
    action_ptr (S + 1,) int, each state's first pair; CSR rows with r of shape (S, A) need none
    mask       (S, A) bool, the actions that exist; what stands under False is ignored
    start      (S,) distribution of the first state; None is uniform
    stop       as r, the probability that the episode ends on the pair; None is 0 everywhere
    normalize  accept rows off by ≤ 1e-5, divide them by their sum, and warn
    states, actions   names, S of them and at least max_s |A(s)|

    Raises ModelError (a ValueError with `.witness`) if it is no MDP, TypeError on other kinds.
    """

    rows: Rows
    _r: np.ndarray
    _stop: np.ndarray | None
    gamma: Any
    action_ptr: np.ndarray
    _pair_actions: np.ndarray | None
    _start: np.ndarray | None
    defect: float
    normalized: float
    reward_error: float
    states: tuple | None
    actions: tuple | None
    pair_shape: tuple[int, ...]

    def __init__(
        self,
        P: Any,
        r: Any,
        gamma: Any,
        *,
        action_ptr: Any = None,
        mask: Any = None,
        start: Any = None,
        stop: Any = None,
        reward_on: str = "pair",
        normalize: bool = False,
        states: Sequence | None = None,
        actions: Sequence | None = None,
    ):
        rows, ptr, pair_actions, shape = read_pairs(P, r, action_ptr, mask)
        exact = (rows.values if isinstance(rows, CSR) else rows).dtype == np.dtype(object)
        gamma = read_gamma(gamma, exact=exact)
        self.__dict__.update(
            rows=rows, action_ptr=ptr, _pair_actions=pair_actions, pair_shape=shape, gamma=gamma
        )
        ends = None
        if stop is not None:
            ends = pair_rewards(rows, stop, "pair", ptr, mask, shape, "stop")
            check_probabilities(ends, self.place, "stop")
        rows, ends, defect, repaired = check_rows(rows, ends, self.place, normalize=normalize)
        error = 0.0
        if reward_on == "transition":
            rewards, error = transition_rewards(P, rows, r, mask)
        else:
            rewards = pair_rewards(rows, r, reward_on, ptr, mask, shape)
        self.__dict__.update(
            rows=rows if isinstance(rows, CSR) else read_only(rows),
            defect=defect,
            normalized=repaired,
            reward_error=error,
            _r=clean_rewards(rewards, gamma, self.place),
            _stop=ends if ends is None or (ends != 0).any() else None,
            _start=None if start is None else read_distribution(start, self.n_states, "start"),
            states=read_names(states, self.n_states, "states", exact=True),
            actions=read_names(actions, self.n_actions, "actions", exact=False),
        )

    # ---- sizes -------------------------------------------------------------------------------

    @property
    def n_states(self) -> int:
        """S."""
        return self.action_ptr.size - 1

    @property
    def n_pairs(self) -> int:
        """Number of state-action pairs, Σ_s |A(s)|."""
        return self.rows.shape[0]

    @cached_property
    def n_actions(self) -> int:
        """max_s |A(s)|, counting the columns of a masked model."""
        if self._pair_actions is not None:
            return int(self._pair_actions.max()) + 1
        return int(np.diff(self.action_ptr).max())

    @cached_property
    def n_transitions(self) -> int:
        """Number of positive probabilities."""
        if isinstance(self.rows, CSR):
            return self.rows.values.size
        return int(np.count_nonzero(self.rows))

    @cached_property
    def widest_row(self) -> int:
        """The largest number of next states of one pair; for a large full table, S."""
        if isinstance(self.rows, CSR):
            return int(np.diff(self.rows.row_ptr).max())
        if self.rows.size >= LARGE and 2 * np.count_nonzero(self.rows[0]) >= self.n_states:
            return self.n_states  # at most twice too many, and no pass over the model
        return int(np.count_nonzero(self.rows, axis=1).max())

    @cached_property
    def reward_size(self) -> Any:
        """max |r|."""
        return sup(self._r)

    @property
    def is_sparse(self) -> bool:
        """Whether rows are stored as CSR."""
        return isinstance(self.rows, CSR)

    @property
    def is_exact(self) -> bool:
        """Whether the numbers are exact rationals."""
        return self._r.dtype == np.dtype(object)

    @property
    def device(self) -> str:
        """Where the rows and rewards live, "cpu" or "gpu"; what is computed follows them."""
        return "gpu" if kind(self._r) == "cupy" else "cpu"

    # ---- arrays in pair layout ---------------------------------------------------------------

    @property
    def P(self) -> Any:
        """Transition probabilities: (S, A, S), or (pairs, S) dense or as a SciPy CSR array."""
        require_cpu(self, "mdp.P")
        if isinstance(self.rows, CSR):
            return self.rows.to_scipy().astype(self.rows.values.dtype, copy=False)
        return self.rows.reshape(*self.pair_shape, self.n_states)

    @property
    def r(self) -> np.ndarray:
        """Expected reward of one step, in pair layout; units: reward."""
        return self._r.reshape(self.pair_shape)

    @property
    def stop(self) -> np.ndarray:
        """Probability that the episode ends on the pair, in pair layout."""
        if self._stop is None:
            zero = np.array(rational(0) if self.is_exact else 0.0)
            return np.broadcast_to(zero, self.pair_shape)
        return self._stop.reshape(self.pair_shape)

    @property
    def stops(self) -> bool:
        """Whether any pair may end the episode."""
        return self._stop is not None

    @property
    def start(self) -> np.ndarray:
        """(S,) distribution of the first state."""
        if self._start is None and self.is_exact:
            return np.full(self.n_states, rational(1) / self.n_states, dtype=object)
        if self._start is None:
            return np.broadcast_to(np.float64(1.0 / self.n_states), (self.n_states,))
        return self._start

    @cached_property
    def pair_states(self) -> np.ndarray:
        """(pairs,) the state of each pair."""
        return np.repeat(np.arange(self.n_states), np.diff(self.action_ptr))

    @cached_property
    def pair_actions(self) -> np.ndarray:
        """(pairs,) the action of each pair."""
        if self._pair_actions is not None:
            return self._pair_actions
        first = np.repeat(self.action_ptr[:-1], np.diff(self.action_ptr))
        return np.arange(self.n_pairs) - first

    def actions_of(self, pairs: np.ndarray) -> np.ndarray:
        """(S,) the action of one pair of each state."""
        if self._pair_actions is not None:
            return self._pair_actions[pairs]
        return pairs - self.action_ptr[:-1]

    def expect(self, v: Any) -> Any:
        """Σ_t P[s,a,t] v[t], in pair layout; on NumPy, JAX, CuPy or exact arrays."""
        return multiply(self.rows, v).reshape(self.pair_shape)

    def table(self, q: Any, fill: float = -math.inf) -> np.ndarray:
        """An array in pair layout as (S, A), with `fill` where an action does not exist."""
        q = np.asarray(q)
        if self.pair_shape == (self.n_states, self.n_actions):
            return q.reshape(self.pair_shape)
        out = np.full((self.n_states, self.n_actions), fill, dtype=q.dtype)
        out[self.pair_states, self.pair_actions] = q.reshape(-1)
        return out

    # ---- other models from this one ----------------------------------------------------------

    def replace(self, **changes: Any) -> MDP:
        """This model with `r`, `gamma`, `start` or names changed; P is shared, not copied."""
        if unknown := sorted(set(changes) - {"r", "gamma", "start", "states", "actions"}):
            raise TypeError(f"replace() takes r, gamma, start, states, actions; not {unknown}.")
        require_cpu(self, "replace()")
        gamma = read_gamma(changes.get("gamma", self.gamma), exact=self.is_exact)
        r = self._r
        if "r" in changes:
            r = pair_rewards(
                self.rows, changes["r"], "pair", self.action_ptr, None, self.pair_shape
            )
        start = changes.get("start", self._start)
        states = changes.get("states", self.states)
        actions = changes.get("actions", self.actions)
        return self._with(
            reward_error=0.0 if "r" in changes else self.reward_error,
            gamma=gamma,
            _r=clean_rewards(r, gamma, self.place),
            _start=None if start is None else read_distribution(start, self.n_states, "start"),
            states=read_names(states, self.n_states, "states", exact=True),
            actions=read_names(actions, self.n_actions, "actions", exact=False),
        )

    def _with(self, **changes: Any) -> MDP:
        """The same model with some fields replaced, unchecked."""
        other = object.__new__(MDP)
        names = {field.name for field in fields(self)}
        other.__dict__.update({k: v for k, v in self.__dict__.items() if k in names} | changes)
        return other

    def exact(self, dyadic: bool = False) -> MDP:
        """The same model in exact rationals (arrays of flint's `fmpq`; extra `exact`).

        A float is read as the simplest fraction within 2⁻⁵² of it. A row whose fractions do not
        sum to 1 is taken at its word, its defect put on its largest entry, with a warning;
        `dyadic=True` takes every float at its word.
        """
        if self.is_exact:
            return self
        require_cpu(self, "exact()")
        changes, at_word = exact_fields(self, dyadic=dyadic)
        if at_word:
            s, a = self.place(at_word[0])
            warnings.warn(
                f"{len(at_word)} rows, first P[{s}, {a}], do not sum to 1 as simple fractions; "
                "they were taken at their word, the defect on the largest entry.",
                ModelWarning,
                stacklevel=2,
            )
        return self._with(**changes)

    def to(self, device: str) -> MDP:
        """The same model with its rows and rewards on "gpu" (extra `gpu`), or on the "cpu".

        Raises DeviceError, whose `reason` says what is missing; nothing falls back by itself.
        """
        return self._with(**moved(self, device))

    def rounded(self) -> MDP:
        """The same model in floats, each number rounded to the nearest."""
        return self._with(**float_fields(self)) if self.is_exact else self

    @classmethod
    def from_pairs(cls, s: Any, a: Any, P: Any, r: Any, gamma: Any, **options: Any) -> MDP:
        """An MDP from rows in any order, row i belonging to state s[i] and action a[i].

        This is QuantEcon's state-action-pair form. s, a : (pairs,) int; P : (pairs, S) dense or
        sparse; r : (pairs,). Rows are sorted; a pair twice or out of range raises ModelError.
        """
        P, r, stop, ptr, numbers = sort_pairs(s, a, P, r, options.pop("stop", None))
        names = options.pop("actions", None)
        mdp = cls(P, r, gamma, action_ptr=ptr, stop=stop, **options)
        return mdp._with(_pair_actions=numbers).replace(actions=names)

    @classmethod
    def from_arrays(cls, P: Any, r: Any, gamma: Any, *, axes: str, **options: Any) -> MDP:
        """An MDP from arrays whose axes are named, so that A == S can never swap them silently.

        axes : P's and r's in letters s, a, t (next state): "ast,sa" is P[a, s, t] and r[s, a];
        r may be any of s, sa, as, sat, ast …. P may be a list of A sparse matrices (axes ast).
        """
        P, r, reward_on, more = named_axes(P, r, axes)
        return cls(P, r, gamma, reward_on=reward_on, **(more | options))

    @classmethod
    def from_transitions(
        cls,
        s: Any,
        a: Any,
        r: Any,
        next_s: Any,
        terminated: Any,
        *,
        gamma: Any,
        n_states: int | None = None,
        n_actions: int | None = None,
        delta: float = 0.05,
        deadlock: str = "raise",
        **options: Any,
    ) -> Estimate:
        """An MDP estimated from n observed transitions, with counts and confidence radii.

        s, a, next_s : (n,) int; r : (n,); terminated : (n,) bool, after which next_s is moot.
        The radii hold for all pairs at once with probability ≥ 1 − delta. A state that was
        never left raises ModelError; with deadlock="selfloop" it stays for ever, without
        reward.
        """
        if deadlock not in ("raise", "selfloop"):
            raise ValueError(f'deadlock must be "raise" or "selfloop", not {deadlock!r}.')
        stay = deadlock == "selfloop"
        data = count_transitions(s, a, r, next_s, terminated, n_states, n_actions, stay)
        rows = CSR(*data.rows, data.counts.shape[0])
        mdp = cls.from_pairs(data.s, data.a, rows, data.r, gamma, stop=data.stop, **options)
        n_outcomes = mdp.n_states + 1
        return Estimate(mdp, data.counts, radii(data.counts, n_outcomes, delta))

    def __reduce__(self) -> tuple:
        # Between processes only the fields travel; what is derived from them is derived anew.
        return _restored, ({field.name: self.__dict__[field.name] for field in fields(self)},)

    # ---- words -------------------------------------------------------------------------------

    def place(self, pair: int) -> tuple[int, int]:
        """Return the state and the action of a pair."""
        s = int(np.searchsorted(self.action_ptr, pair, side="right")) - 1
        if self._pair_actions is not None:
            return s, int(self._pair_actions[pair])
        return s, pair - int(self.action_ptr[s])

    def __repr__(self) -> str:
        storage = "exact" if self.is_exact else "CSR" if self.is_sparse else "dense"
        size = self.rows.values.size if isinstance(self.rows, CSR) else self.rows.size
        gamma = self.gamma if self.is_exact else f"{self.gamma:.12g}"
        sizes = f"{self.n_states} states, {self.n_pairs} pairs, {size} {storage} entries"
        return f"MDP({sizes}, γ={gamma})"


def _restored(given: dict[str, Any]) -> MDP:
    """The model of these fields; a pickle forgets which arrays are read-only."""
    mdp = object.__new__(MDP)
    for name, x in given.items():
        if isinstance(x, CSR):
            values, columns, row_ptr, n_columns = x
            x = CSR(read_only(values), read_only(columns), read_only(row_ptr), n_columns)
        mdp.__dict__[name] = read_only(x) if isinstance(x, np.ndarray) else x
    return mdp
