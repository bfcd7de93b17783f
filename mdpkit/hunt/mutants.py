"""Controls that every claim must fail: its own statement, damaged on one side.

    m1  one row of P has mass 0.1 moved, on one side only        (identities)
    m2  γ² for γ, on one side only                                (identities)
    m4  half the constant, where a tight instance is named        (inequalities)
    m5  the inequality reversed                                   (inequalities)
    m6  one input number changed by 1 %, on one side only         (without P and γ)

m1 and m2 that move neither side do not apply; if neither does, m6 takes their place.
A claim whose controls all pass says nothing on these instances: it is vacuous.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import read_only
from mdpkit.claim.declare import Claim, default_rounding
from mdpkit.claim.statement import Eq, flat, judge
from mdpkit.hunt.pool import Sample
from mdpkit.mdp import MDP

WORDS = {
    "m1": "a row of P perturbed on one side",
    "m2": "γ² on one side",
    "m4": "half the constant",
    "m5": "the inequality reversed",
    "m6": "an input changed by 1 % on one side",
}
BEYOND_ROUNDING = 1e-6
"""Relative difference from which a float control counts as failing."""


def controls(claim: Claim, relations: Iterable[str]) -> tuple[str, ...]:
    """The generic controls that fit a claim with these relations ("=", "≤")."""
    if claim.mutations is not None:
        return tuple(claim.mutations)
    kinds, fitting = set(relations), []
    if "=" in kinds:
        has_model = any(_is_model(q) for q in claim.quantifiers.values())
        fitting += ["m1", "m2"] if has_model else ["m6"]
    if "≤" in kinds:
        fitting += ["m4", "m5"] if any(named.equality for named in claim.tight) else ["m5"]
    return tuple(fitting)


def _is_model(quantifier: Any) -> bool:
    return hasattr(quantifier, "stops") and hasattr(quantifier, "discount")


class Effect(NamedTuple):
    """What damaging one side did: whether the statement failed, whether a side moved at all."""

    caught: bool
    moved: bool


def effect(claim: Claim, control: str, sample: Sample, rng: np.random.Generator) -> Effect:
    """Pair the sides of an instance with those of a damaged copy (m1, m2, m6)."""
    damaged = _damaged(control, sample.instance, rng)
    if damaged is None:
        return Effect(False, False)
    with np.errstate(all="ignore"):
        one = flat(claim.function(*sample.instance))
        other = flat(claim.function(*damaged))
    default = default_rounding(sample.instance)
    moved = False
    for a, b in zip(one, other, strict=True):
        if not isinstance(a, Eq) or not isinstance(b, Eq):
            continue
        crossed = [Eq(a.lhs, b.rhs, a.rounding), Eq(b.lhs, a.rhs, a.rounding)]
        if any(_differs(pair, default) for pair in crossed):
            return Effect(True, True)
        sides = [Eq(a.lhs, b.lhs, a.rounding), Eq(a.rhs, b.rhs, a.rounding)]
        moved |= any(_differs(pair, default) for pair in sides)
    return Effect(False, moved)


def _differs(pair: Eq, default: float) -> bool:
    """Whether two sides differ, on floats beyond doubt."""
    if np.ndim(pair.rhs) and np.shape(pair.lhs) != np.shape(pair.rhs):
        return False
    (outcome,) = judge(pair, default)
    return not outcome.holds and (outcome.exact or outcome.push > BEYOND_ROUNDING)


def _damaged(control: str, instance: tuple, rng: np.random.Generator) -> tuple | None:
    """A copy of the instance with one thing changed, or None where that cannot be done."""
    change = {"m1": _other_row, "m2": _squared_discount, "m6": _other_number}[control]
    order = range(len(instance)) if control != "m6" else rng.permutation(len(instance))
    for i in order:
        changed = change(instance[i], rng)
        if changed is not None:
            return (*instance[:i], changed, *instance[i + 1 :])
    return None


def _squared_discount(thing: Any, _: np.random.Generator) -> MDP | None:
    if not isinstance(thing, MDP) or thing.gamma * thing.gamma == thing.gamma:
        return None
    return thing.replace(gamma=thing.gamma * thing.gamma)


def _other_row(thing: Any, rng: np.random.Generator) -> MDP | None:
    if not isinstance(thing, MDP) or thing.is_sparse or thing.n_states < 2:
        return None
    rows = np.array(thing.rows)
    pair = int(rng.integers(thing.n_pairs))
    source = int(rng.choice(np.flatnonzero(rows[pair] > 0))) if (rows[pair] > 0).any() else None
    if source is None:
        return None
    target = (source + 1 + int(rng.integers(thing.n_states - 1))) % thing.n_states
    mass = (
        rows[pair, source]
        if rows[pair, source] * 10 < 1
        else rows[pair, source] * 0 + _tenth(thing)
    )
    rows[pair, source] -= mass
    rows[pair, target] += mass
    return thing._with(rows=read_only(rows))


def _tenth(mdp: MDP) -> Any:
    if not mdp.is_exact:
        return 0.1
    from mdpkit._exact import rational

    return rational("1/10")


def _other_number(thing: Any, rng: np.random.Generator) -> Any:
    if isinstance(thing, MDP):
        return thing.replace(r=_other_number(thing.r, rng))
    if isinstance(thing, np.ndarray) and thing.size and thing.dtype.kind in "fO":
        out = thing.copy()
        place = int(rng.integers(out.size))
        x = out.reshape(-1)[place]
        out.reshape(-1)[place] = x + max(abs(x), x * 0 + 1) / 100
        return out
    if isinstance(thing, float) or hasattr(thing, "p"):
        return thing + max(abs(thing), thing * 0 + 1) / 100
    return None
