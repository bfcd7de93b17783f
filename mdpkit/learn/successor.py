"""Successor features from samples: temporal differences of what is seen, not of what is paid.

    ψ(s,a) ← ψ(s,a) + α ((1−γ) φ(s,a) + γ ψ(s',a') − ψ(s,a))        a' ~ π, γ = 0 at the end
    M(s,·) ← M(s,·) + α ((1−γ) 1_s   + γ M(s',·)   − M(s,·))

The rewards are not looked at: they are fitted by themselves (`operators/successor.py`, where
the exact ψ and M are). The factor 1−γ is left out with normalized=False.
Checked in tests/learn/test_successor.py. Source: Dayan (1993); Barreto et al. (2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import njit
from mdpkit._random import short_unit
from mdpkit.learn._act import rate
from mdpkit.learn._family import Family
from mdpkit.learn._following import bounds, given_policy
from mdpkit.learn._world import (
    EPISODE,
    NOWHERE,
    PAIR,
    STATE,
    begin_episode,
    end_episode,
    take_step,
)
from mdpkit.mdp import MDP
from mdpkit.operators.rollout import ENDED, above
from mdpkit.operators.step_size import Schedule, at


class Rule(NamedTuple):
    """What the kernel knows of a method.

    of_pairs    whether the entries are pairs; states otherwise
    normalized  whether φ counts 1 − γ
    step_size   by visits of the entry
    """

    of_pairs: bool
    normalized: bool
    step_size: Schedule


class Tables(NamedTuple):
    """psi (runs, n, K) and visits (runs, n) of each entry; features (n, K); policy (pairs,)."""

    psi: np.ndarray
    visits: np.ndarray
    features: np.ndarray
    policy: np.ndarray


@njit(allocates=False)
def _advance(world, log, rule, tables, first, last, budget):
    ptr, episodes, pi = world.model.action_ptr, log.returns.shape[1], tables.policy
    scale = 1.0 - world.gamma if rule.normalized else 1.0
    for run in range(first, last):
        psi, visits, pair = tables.psi[run], tables.visits[run], log.clock[run, PAIR]
        for _ in range(budget):
            if log.clock[run, EPISODE] == episodes:
                break
            if log.clock[run, STATE] == NOWHERE:
                s, a, _ = begin_episode(world, log, run)
                pair = above(pi, ptr[s], ptr[s + 1], short_unit(a))
                continue
            i = pair if rule.of_pairs else log.clock[run, STATE]
            _, after, over, a, _ = take_step(world, log, run, pair)
            j, discount = i, 0.0
            if after != ENDED:
                pair = above(pi, ptr[after], ptr[after + 1], short_unit(a))
                j, discount = pair if rule.of_pairs else after, world.gamma
            alpha = at(rule.step_size, visits[i])
            visits[i] += 1
            for k in range(psi.shape[1]):
                target = scale * tables.features[i, k] + discount * psi[j, k]
                psi[i, k] += alpha * (target - psi[i, k])
            if over:
                end_episode(log, run)
                continue
            log.clock[run, STATE] = after
        log.clock[run, PAIR] = pair


def _begin(method: Any, place: Any, runs: int) -> Tables:
    """Nothing seen: ψ = 0. Raises ValueError where there are no such features, or γ = 1."""
    if (
        method.normalized
        and (place.gamma if isinstance(place, MDP) else place.world.gamma) == 1
    ):
        raise ValueError("at γ = 1 the factor 1 − γ is 0: pass normalized=False.")
    n = place.n_pairs if method.rule().of_pairs else place.n_states
    phi = np.eye(n)
    if method.rule().of_pairs:
        phi = np.ascontiguousarray(method.features, dtype=float).reshape(-1, _last(method))
    if phi.shape != (n, phi.shape[1]) or not np.isfinite(phi).all():
        raise ValueError(f"features must be finite, ({n}, K); they are {phi.shape}.")
    policy = bounds(place, given_policy(place, method.policy))
    shape = runs, *phi.shape
    return Tables(np.zeros(shape), np.zeros(shape[:2], dtype=np.int64), phi, policy)


def _last(method: Any) -> int:
    shape = np.shape(method.features)
    if len(shape) < 2 or shape[-1] < 1:
        raise ValueError(f"features must be (pairs, K); they are {shape}.")
    return shape[-1]


def _values(tables: Tables) -> np.ndarray:
    return tables.psi


FAMILY = Family(_begin, _advance, _values)


@dataclass(frozen=True, eq=False)
class SuccessorFeatures:
    """ψ of a policy; the values learned are (runs, pairs, K).

    policy      (S,) int or pair layout: what is followed and evaluated
    features    φ(s,a), (pairs, K) or pair layout × K
    normalized  whether ψ carries 1 − γ
    step_size   number or Schedule, by visits of the pair
    """

    policy: Any
    features: Any
    normalized: bool = True
    step_size: Any = 0.1
    key = "successor-features"
    operator = "(1−γ) φ + γ P^π ψ"
    family = FAMILY

    def rule(self) -> Rule:
        """Of pairs."""
        return Rule(True, bool(self.normalized), rate(self.step_size, "step_size"))


@dataclass(frozen=True, eq=False)
class SuccessorRepresentation:
    """M of a policy; the values learned are (runs, S, S).

    policy, normalized   as for SuccessorFeatures; step_size by visits of the state
    """

    policy: Any
    normalized: bool = True
    step_size: Any = 0.1
    key = "successor-representation"
    operator = "(1−γ) I + γ P_π M"
    family = FAMILY

    def rule(self) -> Rule:
        """Of states, each its own feature."""
        return Rule(False, bool(self.normalized), rate(self.step_size, "step_size"))
