"""What a claim says: two sides, and how far rounding may push them; judged on one instance.

    Leq(lhs, rhs)            lhs ≤ rhs, every component; ratio=False: an order, not a bound
    Eq(lhs, rhs)             lhs = rhs, every component
    Rate(measured, bound)    measured[k] ≤ bound[k] for every k, until the bound meets rounding
    InExpectation(x, …)      Σ p x = claimed exactly; or a sample mean within Hoeffding's radius
    Exists(witness)          the witness was found (is not None)
    All(first, second, …)    each of them

rounding is how far floats may err (absolute; None: the engine's bound, see `judge`). On exact
numbers it is 0, whatever is said. Checked in tests/claim.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import number

CLEAR = 1e3
"""A ratio is read only where the right side is this many times the rounding."""

FALSE_ALARM = 1e-10
"""Of one sampled check. A claim is checked on at most 10⁴ instances: 10⁻⁶ a claim."""


@dataclass(frozen=True, eq=False)
class Leq:
    """lhs ≤ rhs in every component; ratio=False where lhs/rhs measures no tightness."""

    lhs: Any
    rhs: Any
    rounding: Any = None
    ratio: bool = True


@dataclass(frozen=True, eq=False)
class Eq:
    """lhs = rhs in every component."""

    lhs: Any
    rhs: Any
    rounding: Any = None


@dataclass(frozen=True, eq=False)
class Rate:
    """measured[k] ≤ bound[k] for every k, until the bound falls below 10³ × rounding."""

    measured: Any
    bound: Any
    rounding: Any = None


@dataclass(frozen=True, eq=False)
class InExpectation:
    """Σ p x = claimed, where every outcome x is given with its probability p.

    Or, with `bounds` instead of `probabilities`, x are independent samples within the bounds
    and the mean must lie within Hoeffding's radius of `claimed`, which a true claim misses with
    probability FALSE_ALARM at most. `at_most` claims Σ p x ≤ claimed only.
    """

    outcomes: Any
    claimed: Any
    probabilities: Any = None
    bounds: tuple[float, float] | None = None
    at_most: bool = False
    rounding: Any = None


@dataclass(frozen=True, eq=False)
class Exists:
    """The object was found; None says that it was not."""

    witness: Any


@dataclass(frozen=True, eq=False, init=False)
class All:
    """Every one of the statements."""

    parts: tuple[Any, ...]

    def __init__(self, *parts: Any):
        object.__setattr__(self, "parts", parts)


Statement = Leq | Eq | Rate | InExpectation | Exists | All


class Outcome(NamedTuple):
    """How a statement fared on one instance.

    ratio   the largest lhs/rhs where rhs stands clear of rounding; nan where none does
    push    (lhs − rhs)/(|lhs| + |rhs|) at its largest: what the hunt climbs; > 0 is a violation
    strict  whether lhs < rhs somewhere, beyond rounding: reversed, the statement would fail
    exact   whether the numbers compared were exact
    worst   (lhs, rhs) where the statement fares worst
    bound   whether it is an inequality whose tightness is of interest
    defined whether both sides are numbers (floats overflow: then nothing is said)
    """

    holds: bool
    relation: str
    ratio: float
    push: float
    strict: bool
    exact: bool
    worst: tuple[Any, Any]
    bound: bool = False
    defined: bool = True


def flat(statement: Statement) -> list[Any]:
    """The statements that a conjunction consists of, with expectations spelled out."""
    if isinstance(statement, All):
        return [leaf for part in statement.parts for leaf in flat(part)]
    if isinstance(statement, InExpectation):
        return [_expected(statement)]
    if not isinstance(statement, Leq | Eq | Rate | Exists):
        raise TypeError(
            f"a claim returns Leq, Eq, Rate, InExpectation, Exists or All; "
            f"this one returned {type(statement).__name__}."
        )
    return [statement]


def _expected(s: InExpectation) -> Leq | Eq:
    x = np.asarray(s.outcomes)
    if s.bounds is not None:
        low, high = s.bounds
        radius = (high - low) * math.sqrt(math.log(2 / FALSE_ALARM) / (2 * len(x)))
        mean = x.mean(axis=0)
        far = mean - s.claimed if s.at_most else abs(mean - s.claimed)
        return Leq(far, radius + 0 * far, rounding=1e-12 * (abs(low) + abs(high)))
    mean = (np.asarray(s.probabilities) * x.T).T.sum(axis=0)
    return (Leq if s.at_most else Eq)(mean, s.claimed, s.rounding)


def judge(statement: Statement, default: float) -> list[Outcome]:
    """One outcome for each part of the statement. default: the rounding where none is given."""
    return [_judge(part, default) for part in flat(statement)]


def _judge(part: Any, default: float) -> Outcome:
    if isinstance(part, Exists):
        found = part.witness is not None
        push = -1.0 if found else 1.0
        return Outcome(found, "∃", math.nan, push, False, True, (None, None))
    left, right, exact = sides(part)
    slack = 0 if exact else np.asarray(default if part.rounding is None else part.rounding)
    if isinstance(part, Rate) and not exact:
        left, right, slack = _above_floor(left, right, slack)
    outcome = _compare(left, right, slack, "=" if isinstance(part, Eq) else "≤", exact)
    silent = isinstance(part, Leq) and not part.ratio
    if silent:
        return outcome._replace(ratio=math.nan)
    return outcome._replace(bound=outcome.relation == "≤")


def sides(part: Leq | Eq | Rate) -> tuple[np.ndarray, np.ndarray, bool]:
    """Both sides as arrays of one shape, and whether all numbers are exact."""
    pair = (part.measured, part.bound) if isinstance(part, Rate) else (part.lhs, part.rhs)
    left, right = (np.asarray(x) for x in pair)
    exact = _is_exact(left) and _is_exact(right)
    if not exact:
        left, right = _floats(left), _floats(right)
    left, right = np.broadcast_arrays(left, right)
    return left, right, exact


def _is_exact(x: np.ndarray) -> bool:
    if x.dtype.kind in "iub":
        return True
    return x.dtype == np.dtype(object) and not any(isinstance(y, float) for y in x.flat)


def _floats(x: np.ndarray) -> np.ndarray:
    if x.dtype != np.dtype(object):
        return x.astype(float)
    return np.array([number(y) for y in x.flat], dtype=float).reshape(x.shape)


def _above_floor(left: np.ndarray, right: np.ndarray, slack: Any) -> tuple[Any, Any, Any]:
    slack = np.broadcast_to(slack, right.shape)
    low = right <= CLEAR * slack
    if right.ndim > 1:
        low = low.any(axis=tuple(range(1, right.ndim)))
    end = int(np.argmax(low)) if low.any() else len(right)
    return left[:end], right[:end], slack[:end]


def _compare(
    left: np.ndarray, right: np.ndarray, slack: Any, relation: str, exact: bool
) -> Outcome:
    if left.size == 0:
        return Outcome(True, relation, math.nan, -1.0, False, exact, (None, None))
    if relation == "=":
        fine, strict = abs(left - right) <= slack, False
    else:
        fine, strict = left <= right + slack, left + slack < right
    # Comparing scalars of exact numbers gives Python's bool, of which ~ is an integer.
    bad, strict = ~np.asarray(fine, dtype=bool), np.asarray(strict, dtype=bool)
    lf, rf = _floats(left), _floats(right)
    tol = np.asarray(slack, dtype=float)
    gap = abs(lf - rf) if relation == "=" else lf - rf
    clear = np.maximum(abs(lf), abs(rf)) > CLEAR * tol
    push = np.where(clear, gap / (abs(lf) + abs(rf) + 1e-300), np.where(bad, 0.0, -1.0))
    undefined = np.isnan(lf) | np.isnan(rf)
    push = np.where(np.isnan(push), -1.0, push)
    if exact:  # floats may round a true violation away, or invent one
        push = np.where(bad, np.maximum(push, 1e-17), np.minimum(push, 0.0))
    where = int(np.argmax(np.where(bad.reshape(-1), 2.0, 0.0) + push.reshape(-1)))
    readable = rf > CLEAR * tol
    ratio = float((lf[readable] / rf[readable]).max()) if readable.any() else math.nan
    worst = (left.reshape(-1)[where], right.reshape(-1)[where])
    return Outcome(
        not bad.any(),
        relation,
        ratio if relation == "≤" else math.nan,
        float(push.max()),
        bool(strict.any()),
        exact,
        worst,
        defined=not undefined.any(),
    )
