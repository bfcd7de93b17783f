"""Questions about reaching a label, as models whose total reward is the answer.

    Pmax=? [F "done"]     a state in the goal pays 1 and ends; reaching it is all that pays
    Rmin=? [F "done"]     a state in the goal ends; before it the rewards are paid
    Rmax=? [C]            the rewards, for ever

γ = 1. For a minimum rewards are negated, since an MDP maximizes; `Property.answer` gives the
sign back. As Storm and PRISM have it, a path that misses the goal costs ∞: so Rmax is infinite
where some policy may miss it, Rmin where every policy may, and those states are left out. What
Rmin may not do is wait for free: states among which one can stay without reward move to one of
them, which has the ways out.

Source: de Alfaro (1997), §3; Forejt et al. (2011), §4–5. Checked in tests/io/test_property.py.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mdpkit._rows import CSR
from mdpkit.errors import FormatError, ModelWarning, UnboundedError
from mdpkit.io._formula import HELP, LONGEST, Formula
from mdpkit.io._labeled import INIT, Labeled, constant
from mdpkit.io._parts import assemble
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values
from mdpkit.policy import as_pairs
from mdpkit.structure import edges, end_components, graph, listed, proper_pairs
from mdpkit.total_reward import Quotient, expand

if TYPE_CHECKING:
    from mdpkit.solution import Solution

QUESTION = re.compile(
    r'\s*(P|R)\s*(?:\{\s*"?([^"{}]*)"?\s*\})?\s*(max|min)?\s*=\s*\?\s*'
    r"\[\s*(?:(C)|(?:F|◇)\s*(.*?))\s*\]\s*;?\s*",
    re.DOTALL,
)


@dataclass(frozen=True)
class Property:
    """A question, the model whose total reward answers it, and the sign of the answer.

    mdp    what to solve, γ = 1; its total reward is sign · answer
    base   the model of the file as far as the answer is finite, and its own actions
    """

    text: str
    mdp: MDP
    sign: int
    base: MDP
    merged: Quotient | None = None

    def in_numbers(self, *, exact: bool) -> Property:
        """The same question in fractions, or in floats."""
        same = self.base is self.mdp
        mdp = self.mdp.exact() if exact else self.mdp.rounded()
        base = self.base.exact() if exact else self.base.rounded()
        return replace(self, mdp=mdp, base=mdp if same else base)

    def answer(self, solution: Solution) -> Solution:
        """The solution of `mdp` as the answer: the sign asked for, a policy of `base`."""
        policy = solution.policy
        if self.merged is not None:
            pairs = as_pairs(self.mdp, policy)
            policy = self.base.actions_of(expand(self.base, self.merged, pairs))
        v, q = solution.v, solution.q
        q = action_values(self.base, v) if self.merged is not None else q
        if self.sign > 0:
            return replace(solution, q=q, policy=policy, mdp=self.base)
        low, high = -solution.upper, -solution.lower
        return replace(
            solution, v=-v, q=-q, lower=low, upper=high, policy=policy, mdp=self.base
        )


def ask(model: Labeled, text: str, *, normalize: bool = False) -> Property:
    """Return the question; FormatError if not understood, UnboundedError if infinite."""
    found = QUESTION.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        raise FormatError(f"{text[:80]!r} is no property; {HELP}.")
    kind, name, best, total, goal = found.groups()
    if best is None and (np.diff(model.action_ptr) > 1).any():
        raise FormatError(f"the model has choices: {kind}max or {kind}min is needed.")
    sign = -1 if best == "min" else 1
    if kind == "P" and (name is not None or total is not None):
        raise FormatError(f"P asks for [F …], and takes no rewards; {HELP}.")
    _warn_of_starts(model)
    reward = model.zeros() if kind == "P" else model.reward(name or None)
    plain = model._replace(rewards={"": reward}).model(1, normalize=normalize)
    if total is not None:
        signed = plain if sign > 0 else plain.replace(r=-plain.r)
        return Property(text, signed, sign, signed)
    target = Formula(goal, model).states()
    if kind == "P":
        mdp = _ending(plain, target, sign)
        return Property(text, mdp, sign, mdp)
    return _reward_until(text, _ending(plain, target, 0), target, sign)


def _warn_of_starts(model: Labeled) -> None:
    first = model.labels.get(INIT)
    if first is not None and first.sum() > 1:
        message = f"{int(first.sum())} states are initial; the start is uniform over them."
        warnings.warn(message, ModelWarning, stacklevel=2)


# ---- models ----------------------------------------------------------------------------------


def _rebuilt(
    mdp: MDP, pairs: np.ndarray, states: np.ndarray, r: np.ndarray, stop: np.ndarray
) -> MDP:
    """The model with these pairs and states only; no pair that is kept leads outside."""
    place = np.full(mdp.n_states, -1)
    place[states] = np.arange(states.size)
    pair, target = edges(mdp)
    values = mdp.rows.values if isinstance(mdp.rows, CSR) else mdp.rows[pair, target]
    alive = np.zeros(mdp.n_pairs, dtype=bool)
    alive[pairs] = stop[pairs] != 1
    kept = alive[pair]
    counts = np.bincount(pair[kept], minlength=mdp.n_pairs)[pairs]
    ptr = np.concatenate([[0], np.cumsum(counts)])
    own = np.bincount(place[mdp.pair_states[pairs]], minlength=states.size)
    names = states.tolist() if mdp.states is None else [mdp.states[s] for s in states]
    return assemble(
        CSR(values[kept], place[target[kept]], ptr, states.size),
        r[pairs],
        mdp.gamma,
        action_ptr=np.concatenate([[0], np.cumsum(own)]),
        pair_actions=mdp.pair_actions[pairs],
        limit=1 << 62,
        states=None if states.size == mdp.n_states and mdp.states is None else tuple(names),
        actions=mdp.actions,
        stop=stop[pairs],
        start=mdp.start[states],
    )


def _ending(mdp: MDP, target: np.ndarray, pay: int) -> MDP:
    """The model in which the goal's states end, and pay that much."""
    here = target[mdp.pair_states]
    r = np.where(here, constant(1, pay, mdp.is_exact), mdp._r)
    stop = np.where(here, constant(1, 1, mdp.is_exact), mdp.stop.reshape(-1))
    return _rebuilt(mdp, np.arange(mdp.n_pairs), np.arange(mdp.n_states), r, stop)


def _reward_until(text: str, mdp: MDP, target: np.ndarray, sign: int) -> Property:
    """Rewards until the goal, where that is finite."""
    lost = np.asarray(mdp.stop.reshape(-1) > 0, dtype=bool) & ~target[mdp.pair_states]
    if sign > 0:
        inside = ~_may_miss(mdp, lost)
        kept = inside[mdp.pair_states]
    else:
        _, inside = proper_pairs(mdp, ~lost)
        pair, state = edges(mdp)
        kept = inside[mdp.pair_states] & ~lost
        kept[pair[~inside[state]]] = False
    outside = np.flatnonzero(~inside)
    if outside.size:
        _say_infinite(text, mdp, outside, "some policy" if sign > 0 else "every policy")
    r = sign * mdp._r
    base = _rebuilt(mdp, np.flatnonzero(kept), np.flatnonzero(inside), r, mdp.stop.reshape(-1))
    idle = end_components(base, np.asarray(base._r == 0, dtype=bool))
    if not idle:
        return Property(text, base, sign, base)
    merged = _without_waiting(base, idle)
    return Property(text, merged.mdp, sign, base, merged)


def _may_miss(mdp: MDP, lost: np.ndarray) -> np.ndarray:
    """(S,) whether some policy fails to reach the goal with probability 1."""
    from scipy.sparse.csgraph import breadth_first_order

    bad = np.zeros(mdp.n_states, dtype=bool)
    for component in end_components(mdp):
        bad[component.states] = True
    bad[mdp.pair_states[lost]] = True
    if bad.any():
        links = graph(mdp, None, extra=1).tolil()
        links[np.flatnonzero(bad), mdp.n_states] = 1
        order = breadth_first_order(links.T.tocsr(), mdp.n_states, return_predecessors=False)
        bad[order[order < mdp.n_states]] = True
    return bad


def _say_infinite(text: str, mdp: MDP, outside: np.ndarray, who: str) -> None:
    where = (
        f"{text.strip()} is infinite in states {listed(mdp, outside)}: {who} misses the goal"
    )
    if (mdp.start[outside] != 0).any():
        raise UnboundedError(f"{where} from the start.", states=outside.tolist())
    warnings.warn(f"{where}; they are left out.", ModelWarning, stacklevel=2)


def _without_waiting(mdp: MDP, idle: list) -> Quotient:
    """The model in which states that could wait move to one that has all their ways out."""
    head, inner = np.arange(mdp.n_states), np.zeros(mdp.n_pairs, dtype=bool)
    for component in idle:
        head[component.states] = component.states[0]
        inner[component.pairs] = True
    moved = np.flatnonzero(head != np.arange(mdp.n_states))
    outer = np.flatnonzero(~inner)
    state = np.concatenate([head[mdp.pair_states[outer]], moved])
    pair = np.concatenate([outer, np.full(moved.size, -1)])
    order = np.argsort(state, kind="stable")
    state, pair = state[order], pair[order]
    free = pair < 0
    source, target = edges(mdp)
    values = mdp.rows.values if isinstance(mdp.rows, CSR) else mdp.rows[source, target]
    ptr = np.searchsorted(source, np.arange(mdp.n_pairs + 1))
    counts = np.where(free, 1, np.diff(ptr)[pair])
    row_ptr = np.concatenate([[0], np.cumsum(counts)])
    entry = np.arange(row_ptr[-1]) - np.repeat(row_ptr[:-1] - ptr[:-1][pair], counts)
    entry[row_ptr[:-1][free]] = 0
    values, target = values[entry], target[entry]
    values[row_ptr[:-1][free]] = constant(1, 1, mdp.is_exact)[0]
    target[row_ptr[:-1][free]] = head[state[free]]
    zero = constant(1, 0, mdp.is_exact)
    n_pairs = np.bincount(state, minlength=mdp.n_states)
    model = MDP(
        (values, target, row_ptr),
        np.where(free, zero, mdp._r[pair]),
        mdp.gamma,
        action_ptr=np.concatenate([[0], np.cumsum(n_pairs)]),
        stop=np.where(free, zero, mdp.stop.reshape(-1)[pair]),
        start=mdp.start,
        states=mdp.states,
    )
    return Quotient(model, head, pair, idle)
