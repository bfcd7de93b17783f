"""Rigorous bounds on v*, v^π and a policy's loss, whoever computed them, rounding included.

With δ = Tv − v, and with δ clipped to contain 0 where an episode may stop,

    Tv + γ/(1−γ)·min δ  ≤  v*  ≤  Tv + γ/(1−γ)·max δ                (MacQueen; Porteus)

and the same with T^π for v^π. One sweep gives them all. Each computed number is widened by a
bound on its rounding error, so the bounds hold for the model as written: for every model whose
probabilities and discount lie within 2⁻⁵² of the floats given, and whose rows sum to 1.

Source: MacQueen (1966); Porteus (1971); Puterman (1994), §6.6. Checked in tests/certify.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit._array import EPS, as_float, sup
from mdpkit._cuda import download, upload
from mdpkit._exact import exact_array
from mdpkit.errors import PrecisionWarning, SingularError
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import (
    action_values,
    check_shape,
    greedy_pairs,
    rounding,
    sweep_values,
)
from mdpkit.operators.resolvent import policy_value
from mdpkit.policy import chain, expected_under, mixing_error
from mdpkit.shortest_path import bounds as shortest_path_bounds
from mdpkit.total_reward import expand, lift, quotient

DEFAULT_TOLERANCE = 1e-8
"""Relative to max(1, ‖v‖∞): the gap asked for where none is given."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """Two-sided bounds, and what one sweep says besides.

    lower, upper   (S,) bounds on v*, or on v^π where a policy was given
    policy         (S,) int, the greedy policy of v, or the policy given
    loss           v* − v^policy ≤ loss at every state
    q              action values of v, in pair layout
    stages, bias   what finite horizon and average reward have besides
    stochastic     pair layout, where the optimum is not deterministic
    """

    lower: np.ndarray
    upper: np.ndarray
    policy: np.ndarray
    loss: float
    q: np.ndarray
    stages: Any = None
    bias: Any = None
    stochastic: Any = None

    @property
    def gap(self) -> float:
        """max(upper − lower)."""
        return (self.upper - self.lower).max()

    @property
    def v(self) -> np.ndarray:
        """The midpoint of the bounds: within gap/2 of the truth."""
        return (self.lower + self.upper) / 2


def certify(mdp: MDP, v: Any = None, *, policy: Any = None) -> Certificate:
    """Bound v* by any v, or v^π and the loss of π by a policy, in one sweep.

    v : (S,) any values; policy : (S,) int or pair layout. Given both, v is an estimate of v^π.
    At γ = 1 it takes a linear solve or two besides. Raises ValueError on a wrong shape or a
    number that is not finite, UnboundedError where a value at γ = 1 is infinite or undefined.
    A device model's sweep is made there, and its bounds are the CPU's; with a policy, or at
    γ = 1, the model itself is first moved to the CPU.
    """
    if v is None and policy is None:
        raise TypeError("certify needs v= or policy=.")
    v = download(v)
    if mdp.device == "gpu" and (policy is not None or mdp.gamma >= 1):
        return certify(mdp.to("cpu"), v, policy=download(policy))
    if mdp.gamma >= 1 and policy is not None:
        return _certify_proper(mdp, policy)
    warn_if_ill_conditioned(mdp)
    if v is None:
        v = policy_value(mdp, policy)
    check_shape(v, (mdp.n_states,), "v")
    v = as_float(v, "v") if np.asarray(v).dtype != np.dtype(object) else np.asarray(v)
    v = exact_array(v, dyadic=True) if mdp.is_exact else v.astype(float)
    if not mdp.is_exact and not np.isfinite(v).all():
        s = int(np.argmin(np.isfinite(v)))
        raise ValueError(f"v[{s}] is {v[s]}; finite numbers are needed.")
    if mdp.gamma >= 1:
        return _certify_total(mdp, v)
    if mdp.device == "gpu":
        return _certify_swept(mdp, v)
    top, q = sweep_values(mdp, v)
    error = rounding(mdp, v)
    lower, upper = bounds_from_image(mdp, v, top, error)
    if policy is None:
        chosen = greedy_pairs(mdp, q, 2 * error)
        below, _ = bounds_from_image(mdp, v, q.reshape(-1)[chosen], error)
        return Certificate(lower, upper, mdp.actions_of(chosen), (upper - below).max(), q)
    own = expected_under(mdp, policy, q)
    below, above = bounds_from_image(mdp, v, own, error + mixing_error(mdp, policy, q))
    return Certificate(below, above, np.asarray(policy), (upper - below).max(), q)


def _certify_swept(mdp: MDP, v: np.ndarray) -> Certificate:
    """Bounds on v* from a sweep of a device, whose results are moved once."""
    top, q = sweep_values(mdp, upload(v))
    error = rounding(mdp, v)
    chosen = greedy_pairs(mdp, q, 2 * error)
    own = q.reshape(-1)[chosen]
    top, q, chosen, own = (download(x) for x in (top, q, chosen, own))
    lower, upper = bounds_from_image(mdp, v, top, error)
    below, _ = bounds_from_image(mdp, v, own, error)
    return Certificate(lower, upper, mdp.actions_of(chosen), (upper - below).max(), q)


def _certify_total(mdp: MDP, v: np.ndarray) -> Certificate:
    """Bounds at γ = 1, proven on the model with its idle end components collapsed."""
    collapsed = quotient(mdp)
    small = collapsed.mdp
    there = lift(collapsed, v)
    proof = shortest_path_bounds(small, there, action_values(small, there))
    lower, upper = proof.lower[collapsed.label], proof.upper[collapsed.label]
    policy = mdp.actions_of(expand(mdp, collapsed, proof.pairs))
    return Certificate(lower, upper, policy, (upper - lower).max(), action_values(mdp, v))


def _certify_proper(mdp: MDP, policy: Any) -> Certificate:
    """Bounds on v^π at γ = 1, and on what the policy loses."""
    alone = quotient(chain(mdp, policy))
    try:
        v = policy_value(alone.mdp, np.zeros(alone.mdp.n_states, dtype=np.int64))
    except SingularError:
        v = np.zeros(alone.mdp.n_states)  # of which nothing can be proven: infinite bounds
    own = shortest_path_bounds(alone.mdp, v, action_values(alone.mdp, v))
    v, lower, upper = (x[alone.label] for x in (v, own.lower, own.upper))
    best = _certify_total(mdp, v)
    return Certificate(lower, upper, np.asarray(policy), (best.upper - lower).max(), best.q)


def warn_if_ill_conditioned(mdp: MDP) -> None:
    """Warn where 1 − γ is so small that floating point can say little of v*."""
    if not mdp.is_exact and 1 > mdp.gamma > 1 - 1e-9:
        condition = (1 + mdp.gamma) / (1 - mdp.gamma)
        floor = rounding_floor(mdp, mdp.reward_size / (1 - mdp.gamma))
        warnings.warn(
            f"γ = {mdp.gamma!r}: condition number (1+γ)/(1−γ) = {condition:.2g}; "
            f"in floating point v* can be bounded to about {floor:.2g} at worst. "
            "Use mdp.exact() for more.",
            PrecisionWarning,
            stacklevel=3,
        )


def bounds_from_image(mdp: MDP, v: Any, image: Any, error: Any) -> tuple[Any, Any]:
    """Bound the fixed point of F by image = F v, known to within `error`.

    F is T, T^π, or T with any ⊕ that is monotone and moves with constants.
    """
    change = image - v
    extremes = change.min(), change.max()
    if mdp.is_exact:
        low, high = tails(mdp, *extremes)
        return image + low, image + high
    low, high = offsets(mdp.gamma, mdp.stops, *extremes, sup(image), sup(v), error)
    return image + low, image + high


def offsets(
    gamma: Any, stops: Any, low: Any, high: Any, image: Any, v: Any, error: Any
) -> tuple[Any, Any]:
    """How far v* may lie from F v on either side, rounding included; elementwise.

    low, high : extremes of F v − v as computed; image, v : ‖F v‖∞ and ‖v‖∞; error : of F v.
    """
    slack = error + EPS * (image + v)
    low, high = float_tails(gamma, stops, low - slack, high + slack)
    widen = error + 4 * EPS * (image + np.maximum(abs(low), abs(high)))
    return low - widen, high + widen


def tails(mdp: MDP, low: Any, high: Any) -> tuple[Any, Any]:
    """γ/(1−γ)·δ for the extremes of δ = Tv − v: how far v* may lie from Tv on either side.

    A stop takes no part in the sum to come, so it moves either extreme to 0 at least.
    """
    if not mdp.is_exact:
        return float_tails(mdp.gamma, mdp.stops, low, high)
    if mdp.stops:
        low, high = min(low, 0), max(high, 0)
    horizon = mdp.gamma / (1 - mdp.gamma)
    return low * horizon, high * horizon


def float_tails(gamma: Any, stops: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """`tails` of floats, elementwise.

    The discount may be read up to 2⁻⁵² away, which matters once 1 − γ is small.
    """
    if isinstance(gamma, float) and isinstance(low, float) and isinstance(high, float):
        return _tails_of_numbers(gamma, bool(stops), low, high)
    low = np.where(stops, np.minimum(low, 0.0), low)
    high = np.where(stops, np.maximum(high, 0.0), high)
    least, most = _horizon(gamma - EPS), _horizon(gamma + EPS)
    return low * np.where(low < 0, most, least), high * np.where(high > 0, most, least)


def _tails_of_numbers(
    gamma: float, stops: bool, low: float, high: float
) -> tuple[float, float]:
    """The same of single numbers, without NumPy's overhead: methods ask once a step."""
    low, high = (min(low, 0.0), max(high, 0.0)) if stops else (low, high)
    least, most = (
        max(x, 0.0) / (1 - x) if x < 1 else np.inf for x in (gamma - EPS, gamma + EPS)
    )
    return low * (most if low < 0 else least), high * (most if high > 0 else least)


def _horizon(gamma: Any) -> Any:
    with np.errstate(divide="ignore"):
        return np.where(np.less(gamma, 1), np.maximum(gamma, 0.0) / (1 - gamma), np.inf)


def interval(mdp: MDP, low: float, high: float, size: float, more: float = 0.0) -> float:
    """The gap that `certify` will find for a v of size ‖v‖∞ with low ≤ Tv − v ≤ high, or less.

    more : what the evaluation of ⊕ adds to the rounding of T v.
    This is the one stopping rule of the methods that know Tv − v.
    """
    if mdp.gamma >= 1:
        return np.inf  # a bound takes more than Tv − v: `solve` asks `certify` now and then
    error = rounding(mdp, None, bound=size) + 2 * EPS * size + more
    below, above = tails(mdp, low - error, high + error)
    return above - below + 2 * error


def middle(mdp: MDP, low: float, high: float) -> float:
    """How far the middle of v*'s interval lies from T v; 0 where a stop makes one end 0."""
    return (
        0.0 if mdp.gamma >= 1 or mdp.stops else mdp.gamma / (1 - mdp.gamma) * (low + high) / 2
    )


def rounding_floor(mdp: MDP, size: float) -> float:
    """The gap that remains at the fixed point itself, for values of size ‖v‖∞."""
    return 0.0 if mdp.is_exact or mdp.gamma >= 1 else interval(mdp, 0.0, 0.0, size)


def tolerance(mdp: MDP, size: float, tol: float | None = None) -> float:
    """The gap to reach: `tol`, or max(10⁻⁸·max(1, ‖v‖∞), 4 × the rounding floor)."""
    if tol is not None:
        return tol
    if mdp.is_exact:
        return 0
    return max(DEFAULT_TOLERANCE * max(1.0, size), 4 * rounding_floor(mdp, size))
