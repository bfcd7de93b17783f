"""The Bellman backup: (T v)(s) = ⊕_a [ r(s,a) + γ ⊗_t v(t) ].

With ⊕ = maximum, ⊗ = mean it is optimality; with ⊕ = expected(π) it is policy evaluation. T is
monotone and, for every ⊕ but boltzmann, ‖Tv − Tw‖∞ ≤ γ‖v − w‖∞.

The definitions below read like the book and run on NumPy, JAX, CuPy and exact rationals. On
float64 NumPy models their numba twins, one for each storage, do the same in one fused pass.
Source: Puterman (1994), §6.2. Checked in tests/operators (twins) and proofs_checks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import EPS, TINY, kind, number, row_rounding, scatter, sup
from mdpkit._jit import blocks
from mdpkit._rows import CSR, arrays_of, unsigned
from mdpkit._threads import WORTH, extremes, over_states
from mdpkit.mdp import MDP
from mdpkit.operators import _bellman_kernels as kernels
from mdpkit.operators.aggregate import MAXIMUM, Reduction, maximum
from mdpkit.operators.expect import MEAN, SAMPLED, Expectation, mean

EQUAL = 16
"""Entries of equal rows up to which compiled code that knows their number is quicker."""

NONE, INDEX = np.empty(0), np.empty(0, dtype=np.int64)


class Sweep(NamedTuple):
    """What one pass over the model gives."""

    v: np.ndarray  # (S,)      T v
    low: float  #               min_s (T v − v)(s)
    high: float  #              max_s (T v − v)(s)
    best: np.ndarray  # (S,)    the first pair of largest action value in each state


# ---- definitions -----------------------------------------------------------------------------


def action_values(mdp: MDP, v: Any, expect: Expectation = mean) -> Any:
    """q = r(s,a) + γ ⊗_t v(t), in pair layout. v : (S,). Raises ValueError on another shape."""
    check_shape(v, (mdp.n_states,), "v")
    if mdp.device == "gpu":
        return _device().action_values(mdp, v, expect)
    if not _has_twin(mdp, v):
        return action_values_reference(mdp, v, expect)
    q, out = np.empty(mdp.n_pairs), np.empty(mdp.n_states)
    _run(mdp, v, maximum, expect, out, np.empty(mdp.n_states, dtype=np.int64), q)
    return q.reshape(mdp.pair_shape)


def backup(mdp: MDP, v: Any, over: Reduction = maximum, expect: Expectation = mean) -> Any:
    """T v, (S,): ⊕_a [ r(s,a) + γ ⊗_t v(t) ]. v : (S,). Raises ValueError on another shape."""
    check_shape(v, (mdp.n_states,), "v")
    if _has_twin(mdp, v) or mdp.device == "gpu":
        return sweep(mdp, v, over, expect).v
    return backup_reference(mdp, v, over, expect)


def backup_q(mdp: MDP, q: Any, over: Reduction = maximum, expect: Expectation = mean) -> Any:
    """(B q)(s,a) = r(s,a) + γ ⊗_t ⊕_b q(t,b), in pair layout. q : pair layout."""
    return action_values(mdp, aggregate(mdp, q, over), expect)


def aggregate(mdp: MDP, q: Any, over: Reduction = maximum) -> Any:
    """⊕_a q(s,a), (S,). q : pair layout."""
    check_shape(q, mdp.pair_shape, "q")
    if kind(q) == "cupy":
        return _device().aggregate(mdp, q, over)
    if _has_twin(mdp, q):
        out = np.empty(mdp.n_states)
        flat = np.ascontiguousarray(q).reshape(-1)
        kernels.aggregate_states(
            flat, mdp.action_ptr, over.code, over.parameter, _weight(over), out
        )
        return out
    return aggregate_reference(mdp, q, over)


def greedy(mdp: MDP, v: Any, slack: float | None = None) -> np.ndarray:
    """The first action within `slack` of the best one, (S,) int; see `greedy_pairs`."""
    if slack is None:
        slack = 2 * rounding(mdp, v)
    return mdp.actions_of(greedy_pairs(mdp, action_values(mdp, v), slack))


def greedy_pairs(mdp: MDP, q: Any, slack: float = 0) -> np.ndarray:
    """The first pair of each state with q ≥ max q − slack, (S,) int.

    A slack of twice the rounding of q makes ties of the model ties of the floats: the lowest
    index wins on every machine. The action's value is within `slack` of the best.
    """
    if kind(q) == "cupy":
        return _device().greedy_pairs(mdp, q, slack)
    if not _has_twin(mdp, q):
        return greedy_pairs_reference(mdp, q, slack)
    out = np.empty(mdp.n_states, dtype=np.int64)
    kernels.greedy_states(np.ascontiguousarray(q).reshape(-1), mdp.action_ptr, slack, out)
    return out


def greedy_pairs_reference(mdp: MDP, q: Any, slack: float = 0) -> np.ndarray:
    """`greedy_pairs` as it is defined."""
    flat = np.asarray(q).reshape(-1)
    top = np.maximum.reduceat(flat, mdp.action_ptr[:-1])
    near = np.flatnonzero(flat >= np.repeat(top - slack, np.diff(mdp.action_ptr)))
    return near[np.searchsorted(near, mdp.action_ptr[:-1])]


def action_values_reference(mdp: MDP, v: Any, expect: Expectation = mean) -> Any:
    """`action_values` as it is defined."""
    return mdp.r + mdp.gamma * expect(mdp, v)


def aggregate_reference(mdp: MDP, q: Any, over: Reduction = maximum) -> Any:
    """`aggregate` as it is defined: ragged action sets become a table with a mask."""
    if mdp.pair_shape == (mdp.n_states, mdp.n_actions):
        return over(q)[0]
    where = (mdp.pair_states, mdp.pair_actions)
    mask = np.zeros((mdp.n_states, mdp.n_actions), dtype=bool)
    mask[where] = True
    weight = None if over.weight is None else scatter(mask.shape, where, over.weight)
    return over(scatter(mask.shape, where, q), mask, weight)[0]


def backup_reference(
    mdp: MDP, v: Any, over: Reduction = maximum, expect: Expectation = mean
) -> Any:
    """`backup` as it is defined."""
    return aggregate_reference(mdp, action_values_reference(mdp, v, expect), over)


# ---- rounding --------------------------------------------------------------------------------


def rounding(mdp: MDP, v: Any, bound: float | None = None) -> float:
    """Bound |computed − true| of v's action values, hence of T v (⊗ = mean, ⊕ a non-expansion).

    True means: of every model whose probabilities and discount lie within 2⁻⁵² of the floats
    given, whose rewards within a relative 2⁻⁵², and whose rows sum to 1 (`MDP.exact`). 0 on
    exact models. `bound` replaces ‖v‖∞ where it is known.
    """
    if mdp.is_exact:
        return 0
    size = float(sup(v)) if bound is None else bound
    rewards = mdp.reward_size, mdp.reward_error
    return action_value_rounding(mdp.widest_row, mdp.defect, size, *rewards)


def action_value_rounding(
    widest: Any, defect: Any, size: Any, reward_size: Any, reward_error: Any = 0.0
) -> Any:
    """`rounding` by its ingredients, elementwise; see `MDP` for what they are."""
    per_row = row_rounding(widest, size) + (defect + 3 * EPS) * size
    return per_row + 2 * EPS * reward_size + reward_error + TINY


# ---- the numba twins -------------------------------------------------------------------------


def sweep(
    mdp: MDP, v: np.ndarray, over: Reduction = maximum, expect: Expectation = mean
) -> Sweep:
    """T v, the extremes of T v − v, and the best pairs, in one pass over a model of floats."""
    if mdp.device == "gpu":
        return Sweep(*_device().sweep(mdp, v, over, expect))
    out, best = np.empty(mdp.n_states), np.empty(mdp.n_states, dtype=np.int64)
    low, high = _run(mdp, v, over, expect, out, best, NONE)
    return Sweep(out, low, high, best)


def sweep_values(mdp: MDP, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """T v, (S,), and the action values of v, in pair layout, in one pass."""
    if mdp.device == "gpu":
        q = action_values(mdp, v)
        return aggregate(mdp, q), q
    if not _has_twin(mdp, v):
        q = action_values(mdp, v)
        return np.maximum.reduceat(q.reshape(-1), mdp.action_ptr[:-1]), q
    q, out = np.empty(mdp.n_pairs), np.empty(mdp.n_states)
    _run(mdp, v, maximum, mean, out, np.empty(mdp.n_states, dtype=np.int64), q)
    return out, q.reshape(mdp.pair_shape)


def size_of(mdp: MDP, v: Any) -> float:
    """‖v‖∞, or what the last sweep of a device knows of it without being asked again."""
    return _device().size_of(mdp, v) if mdp.device == "gpu" else number(sup(v))


def _device() -> Any:
    """The kernels' launchers, and numba with them, only where there is a device."""
    from mdpkit.operators import _device

    return _device


def _has_twin(mdp: MDP, x: Any) -> bool:
    return kind(x, mdp._r) == "numpy" and not mdp.is_exact


def _weight(over: Reduction) -> np.ndarray:
    if over.weight is None:
        return NONE
    return np.ascontiguousarray(over.weight, dtype=float).reshape(-1)


def _run(
    mdp: MDP,
    v: Any,
    over: Reduction,
    expect: Expectation,
    out: np.ndarray,
    best: np.ndarray,
    q: np.ndarray,
) -> tuple[float, float]:
    """Run the twin of the model's storage block by block; Ctrl-C is heard between blocks."""
    v = np.ascontiguousarray(v, dtype=float)
    if expect.code == MEAN and not isinstance(mdp.rows, CSR):
        return _run_dense(mdp, v, over, out, best, q)
    if expect.code == MEAN and over.code == MAXIMUM and isinstance(mdp.rows, CSR):
        return _run_optimal(mdp, mdp.rows, v, out, best, q)
    stop = NONE if mdp._stop is None else mdp._stop
    chosen = INDEX if expect.successors is None else expect.successors
    order, room = INDEX, 0
    if expect.code not in (MEAN, SAMPLED):  # rows are gathered, dense ones by falling v
        order, room = np.argsort(-v, kind="stable"), mdp.n_states
    how = (over.code, float(over.parameter), _weight(over))
    how = (*how, expect.code, float(expect.parameter), chosen, order)
    kernel: Any = kernels.sweep_csr if isinstance(mdp.rows, CSR) else kernels.sweep_dense
    rows = arrays_of(mdp.rows) if isinstance(mdp.rows, CSR) else (mdp.rows,)
    given = (*rows, mdp.action_ptr, mdp._r, stop, mdp.gamma, v, float(v.min()), *how)

    def work(begin, end):
        return kernel(*given, np.empty(room), np.empty(room), begin, end, out, best, q)

    return extremes(over_states(work, mdp.n_states, rows[0].size))


def _run_dense(
    mdp: MDP, v: np.ndarray, over: Reduction, out: np.ndarray, best: np.ndarray, q: np.ndarray
) -> tuple[float, float]:
    """`_run` for ⊗ = mean on dense rows: BLAS multiplies, the kernel reduces."""
    low, high, ptr, rows = np.inf, -np.inf, mdp.action_ptr, np.asarray(mdp.rows)
    how = (over.code, float(over.parameter), _weight(over), v)
    for begin, end in blocks(mdp.n_states, rows.size):
        pairs = slice(ptr[begin], ptr[end])
        values = mdp._r[pairs] + mdp.gamma * (rows[pairs] @ v)
        if q.size:
            q[pairs] = values
        twin = kernels.reduce_states(values, ptr, *how, begin, end, out, best)
        low, high = min(low, twin[0]), max(high, twin[1])
    return low, high


def _run_optimal(
    mdp: MDP, rows: CSR, v: np.ndarray, out: np.ndarray, best: np.ndarray, q: np.ndarray
) -> tuple[float, float]:
    """`_run` for ⊕ = max and ⊗ = mean on CSR rows."""
    width, model = equal_rows(mdp), (unsigned(mdp.action_ptr), mdp._r, mdp.gamma, v)
    kernel, given = kernels.optimal_csr, (*arrays_of(rows), *model)
    if width:
        kernel, given = kernels.optimal_equal, (*given[:2], (0,) * width, *model)
    elif rows.values.size >= kernels.LONG * mdp.n_pairs:
        kernel = kernels.optimal_csr_of_long_rows

    def work(begin, end):
        return kernel(*given, begin, end, out, best, q)

    return extremes(over_states(work, mdp.n_states, rows.values.size))


def equal_rows(mdp: MDP) -> int:
    """The entries of each row where all have the same few, of a large model; else 0.

    A kernel of its own, which knows their number, takes three quarters of the time.
    """
    width = mdp.widest_row
    if not isinstance(mdp.rows, CSR) or not 1 < width <= EQUAL:
        return 0
    size = mdp.rows.values.size
    return width if size == width * mdp.n_pairs and size >= WORTH else 0


def check_shape(x: Any, shape: tuple[int, ...], name: str) -> None:
    """Raise ValueError unless x has the shape."""
    if np.shape(x) != shape:
        raise ValueError(f"{name} has shape {np.shape(x)}; {shape} is needed.")
