"""⊗: what an action makes of the values it may lead to. ⊗_t v(t), for every state-action pair.

    mean             Σ_t P(t) v(t)
    log_mean_exp(τ)  τ log Σ_t P(t) exp(v(t)/τ)  the "optimistic" backup of control as inference
    worst_case(δ)    min { Σ_t p(t) v(t) : ‖p − P‖₁ ≤ δ }  over states; the stop is not moved
    sampled(t)       v(t_i), one sampled next state a pair; −1 where the episode ended

An episode that stops is worth 0 from there on.
Source: Levine (2018), §2.3; Strehl & Littman (2008), §4; Szepesvári & Littman (1996).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit._array import kind, namespace
from mdpkit._jit import njit
from mdpkit._rows import CSR, multiply, row_max, wide
from mdpkit.mdp import MDP

MEAN, LOG_MEAN_EXP, WORST_CASE, SAMPLED = range(4)


@dataclass(frozen=True, eq=False)
class Expectation:
    """One ⊗. Call it on a model and v (S,) for an array in pair layout."""

    name: str
    code: int
    parameter: Any = 0.0
    successors: Any = None

    def __call__(self, mdp: MDP, v: Any) -> Any:
        """⊗_t v(t) for every pair."""
        if self.code == LOG_MEAN_EXP and kind(v, mdp.r) == "exact":
            raise TypeError(f"{self.name} is not rational: it has no exact form.")
        return _REFERENCE[self.code](mdp, v, self).reshape(mdp.pair_shape)


mean = Expectation("mean", MEAN)


def log_mean_exp(tau: float) -> Expectation:
    """The optimistic expectation at temperature tau > 0 (units of reward)."""
    if not tau > 0:
        raise ValueError(f"tau must be > 0; it is {tau}.")
    return Expectation("log_mean_exp", LOG_MEAN_EXP, float(tau))


def worst_case(radius: float) -> Expectation:
    """The worst expectation over an L1 ball of the given radius, in [0, 2]."""
    if not 0 <= radius <= 2:
        raise ValueError(f"an L1 radius lies in [0, 2]; it is {radius}.")
    return Expectation("worst_case", WORST_CASE, radius)


def sampled(successors: Any) -> Expectation:
    """The value of one sampled next state a pair; (pairs,) int, −1 where the episode ended."""
    return Expectation(
        "sampled", SAMPLED, 0.0, np.asarray(successors, dtype=np.int64).reshape(-1)
    )


# ---- references ------------------------------------------------------------------------------


def _mean(mdp: MDP, v: Any, _: Expectation) -> Any:
    return mdp.expect(v)


def _log_mean_exp(mdp: MDP, v: Any, how: Expectation) -> Any:
    xp = namespace(v)
    top = row_max(mdp.rows, v)
    stop = mdp.stop.reshape(-1)
    top = xp.where(xp.asarray(stop > 0), xp.maximum(top, 0.0), top)
    if isinstance(mdp.rows, CSR):
        row = np.repeat(np.arange(mdp.n_pairs), np.diff(mdp.rows.row_ptr))
        e = mdp.rows.values * xp.exp((v[mdp.rows.columns] - top[row]) / how.parameter)
        total = CSR(e, np.zeros(e.size, dtype=np.int64), mdp.rows.row_ptr, 1)
        total = multiply(total, xp.ones(1))
    else:
        e = xp.where(mdp.rows > 0, (v - top[:, None]) / how.parameter, -xp.inf)
        total = (mdp.rows * xp.exp(e)).sum(axis=1)
    ended = xp.where(xp.asarray(stop > 0), -top / how.parameter, -xp.inf)
    return top + how.parameter * xp.log(total + xp.asarray(stop) * xp.exp(ended))


def _worst_case(mdp: MDP, v: Any, how: Expectation) -> Any:
    order = np.argsort(-np.asarray(v), kind="stable")
    out = np.empty(mdp.n_pairs, dtype=np.asarray(v).dtype)
    half = how.parameter / 2
    for i in range(mdp.n_pairs):
        p = _dense_row(mdp, i)[order]
        taken = np.minimum(p, np.maximum(half - (np.cumsum(p) - p), 0 * half))
        out[i] = ((p - taken) * v[order]).sum() + taken.sum() * v[order[-1]]
    return out


def _dense_row(mdp: MDP, i: int) -> np.ndarray:
    if not isinstance(mdp.rows, CSR):
        return mdp.rows[i]
    row = np.zeros(mdp.n_states, dtype=wide(mdp.rows.values[:0]).dtype)
    entries = slice(mdp.rows.row_ptr[i], mdp.rows.row_ptr[i + 1])
    row[mdp.rows.columns[entries]] = mdp.rows.values[entries]
    return row


def _sampled(mdp: MDP, v: Any, how: Expectation) -> Any:
    ended = how.successors < 0
    return namespace(v).where(ended, 0, v[np.where(ended, 0, how.successors)])


_REFERENCE: dict[int, Callable[[MDP, Any, Expectation], Any]] = {
    MEAN: _mean,
    LOG_MEAN_EXP: _log_mean_exp,
    WORST_CASE: _worst_case,
    SAMPLED: _sampled,
}


# ---- the numba twin: one row, its n entries p[i] with their values v[i] gathered -------------


@njit
def expect_row(
    code: int, p: np.ndarray, v: np.ndarray, n: int, stop: float, parameter: float, least: float
) -> float:
    """⊗ of one row, other than mean and sampled; p and v are scratch and may be reordered."""
    if code == LOG_MEAN_EXP:
        return _log_mean_exp_row(p, v, n, stop, parameter)
    return _worst_case_row(p, v, n, parameter / 2, least)


@njit
def _log_mean_exp_row(p: np.ndarray, v: np.ndarray, n: int, stop: float, tau: float) -> float:
    top = 0.0 if stop > 0 else -np.inf
    for i in range(n):
        if p[i] > 0:
            top = max(top, v[i])
    total = stop * np.exp(-top / tau) if stop > 0 else 0.0
    for i in range(n):
        if p[i] > 0:
            total += p[i] * np.exp((v[i] - top) / tau)
    return top + tau * np.log(total)


@njit
def _worst_case_row(p: np.ndarray, v: np.ndarray, n: int, left: float, least: float) -> float:
    """Move mass from the best next states to the worst; a row by falling v sorts in n steps."""
    for i in range(1, n):
        value, mass, j = v[i], p[i], i
        while j > 0 and v[j - 1] < value:
            v[j], p[j] = v[j - 1], p[j - 1]
            j -= 1
        v[j], p[j] = value, mass
    total = 0.0
    for i in range(n):
        taken = min(p[i], left)
        left -= taken
        total += (p[i] - taken) * v[i] + taken * least
    return total
