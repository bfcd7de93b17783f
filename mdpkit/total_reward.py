"""γ = 1: the model whose total reward is the question, and proof that it has an answer.

An end component without rewards is worth 0 to whoever stays; it is collapsed to one state, with
the actions that leave it and one more that ends there. What remains is a stochastic shortest
path problem: v* is finite and the only solution of v = Tv if

    from every state some policy ends with probability 1, and
    every way to stay for ever costs: the best gain of every end component is below 0.

Otherwise some value is infinite or undefined, and `UnboundedError` names the class.
Checked in tests/certify/test_total_reward.py.
Source: Bertsekas & Tsitsiklis (1991); de Alfaro (1997).
"""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from mdpkit._array import EPS
from mdpkit._rows import CSR
from mdpkit.errors import UnboundedError
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values, rounding
from mdpkit.structure import (
    EndComponent,
    edges,
    end_components,
    graph,
    listed,
    proper_pairs,
)

GAIN_SWEEPS = 10_000


class Quotient(NamedTuple):
    """The collapsed model, where each state went, and what each pair was (−1: to end here)."""

    mdp: MDP
    label: np.ndarray
    pair: np.ndarray
    components: list[EndComponent]


_KNOWN: WeakKeyDictionary[MDP, Quotient] = WeakKeyDictionary()


def quotient(mdp: MDP) -> Quotient:
    """The shortest path problem that a model is at γ = 1; kept, as every certificate needs it.

    Raises UnboundedError naming the class whose total reward is infinite or undefined.
    """
    if mdp not in _KNOWN:
        idle = np.asarray(mdp._r == 0, dtype=bool)
        components = end_components(mdp, idle)
        collapsed = _collapse(mdp, components) if components else _whole(mdp)
        _require_ends(mdp, collapsed)
        _require_costs(mdp, collapsed)
        _KNOWN[mdp] = collapsed
    return _KNOWN[mdp]


def _whole(mdp: MDP) -> Quotient:
    return Quotient(mdp, np.arange(mdp.n_states), np.arange(mdp.n_pairs), [])


def _collapse(mdp: MDP, components: list[EndComponent]) -> Quotient:
    """Merge each component's states; drop the pairs that stay, add one that ends, worth 0."""
    label = np.arange(mdp.n_states)
    inner = np.zeros(mdp.n_pairs, dtype=bool)
    for component in components:
        label[component.states] = component.states[0]
        inner[component.pairs] = True
    heads = np.unique(label)
    label = np.searchsorted(heads, label)
    merged = label[[component.states[0] for component in components]]
    outer = np.flatnonzero(~inner)
    state = np.concatenate([label[mdp.pair_states[outer]], merged])
    pair = np.concatenate([outer, np.full(merged.size, -1)])
    order = np.argsort(state, kind="stable")
    state, pair = state[order], pair[order]
    return Quotient(_merged_model(mdp, label, heads.size, state, pair), label, pair, components)


def _merged_model(
    mdp: MDP, label: np.ndarray, n_states: int, state: np.ndarray, pair: np.ndarray
) -> MDP:
    """The rows of `pair` (−1: end at once) over merged states, as CSR."""
    ends = pair < 0
    source, target = edges(mdp)
    values = mdp.rows.values if isinstance(mdp.rows, CSR) else mdp.rows[source, target]
    ptr = np.searchsorted(source, np.arange(mdp.n_pairs + 1))
    counts = np.where(ends, 0, np.diff(ptr)[pair])
    row_ptr = np.concatenate([[0], np.cumsum(counts)])
    entry = np.arange(row_ptr[-1]) - np.repeat(row_ptr[:-1] - ptr[:-1][pair], counts)
    r = np.where(ends, 0 * mdp._r[pair], mdp._r[pair])
    stop = np.where(ends, 1 + 0 * mdp._r[pair], mdp.stop.reshape(-1)[pair])
    action_ptr = np.concatenate([[0], np.cumsum(np.bincount(state, minlength=n_states))])
    rows = (values[entry], label[target[entry]], row_ptr)
    start = np.zeros(n_states, dtype=mdp.start.dtype)
    np.add.at(start, label, mdp.start)
    merged = MDP(rows, r, mdp.gamma, action_ptr=action_ptr, stop=stop, start=start)
    # Entries were added up: bounds on rounding must count the entries there were.
    merged = merged._with(defect=max(merged.defect, mdp.defect), reward_error=mdp.reward_error)
    merged.__dict__["widest_row"] = mdp.widest_row
    return merged


def _require_ends(mdp: MDP, collapsed: Quotient) -> None:
    """Raise unless some policy ends with probability 1 from every state."""
    _, inside = proper_pairs(collapsed.mdp)
    if inside.all():
        return
    trapped = ~inside[collapsed.label]
    for component in end_components(mdp):
        if trapped[component.states].all():
            _refuse(
                mdp, component, "and no policy ends with probability 1 from them: the rewards"
            )
    states = np.flatnonzero(trapped)
    raise UnboundedError(
        f"γ = 1: from states {listed(mdp, states)} no policy ends with probability 1.",
        states=states.tolist(),
    )


def _require_costs(mdp: MDP, collapsed: Quotient) -> None:
    """Raise unless the best gain of every end component is provably negative."""
    for component in end_components(collapsed.mdp):
        if (collapsed.mdp._r[component.pairs] <= 0).all():
            continue  # no end component is idle any more, so every way to stay pays something
        low, high = gain_bounds(collapsed.mdp, component)
        if high < 0:
            continue
        states = np.flatnonzero(np.isin(collapsed.label, component.states))
        pairs = collapsed.pair[component.pairs]
        if low > 0:
            why = "and the best way to stay earns: the total reward is +∞; its rewards"
        else:
            why = "and rewards cancel around a cycle, or nearly: no total is defined; they"
        _refuse(mdp, EndComponent(states, pairs), why)


def _refuse(mdp: MDP, component: EndComponent, why: str) -> None:
    r = mdp._r[component.pairs]
    raise UnboundedError(
        f"γ = 1: one can stay for ever among states {listed(mdp, component.states)}, {why} "
        f"are between {r.min()} and {r.max()} a step. Use γ < 1, stop=, or average reward.",
        states=component.states.tolist(),
    )


def gain_bounds(mdp: MDP, component: EndComponent) -> tuple[float, float]:
    """Bounds on the best average reward of staying in an end component, rounding included.

    For any h, min δ ≤ gain ≤ max δ with δ = max_a (r + P_a h) − h over the pairs that stay.
    Relative value iteration on ½(I + P) narrows them; it stops once the sign is certain.
    """
    place = np.full(mdp.n_states, -1)
    place[component.states] = np.arange(component.states.size)
    sub = _restricted(mdp, component, place)
    h = np.zeros(sub.n_states)
    low, high = -np.inf, np.inf
    for _ in range(GAIN_SWEEPS):
        q = action_values(sub, h)
        top = np.maximum.reduceat(q.reshape(-1), sub.action_ptr[:-1])
        error = rounding(sub, h) + 2 * EPS * (np.abs(h).max() + np.abs(top).max())
        low, high = float((top - h).min() - error), float((top - h).max() + error)
        if high < 0 or low > 0:
            break
        h = (h + top) / 2
        h = h - h.min()
    return low, high


def _restricted(mdp: MDP, component: EndComponent, place: np.ndarray) -> MDP:
    """The component as a model of its own, in floats."""
    kept = np.zeros(mdp.n_pairs, dtype=bool)
    kept[component.pairs] = True
    source, target = edges(mdp, kept)
    values = (
        mdp.rows.values[np.repeat(kept, np.diff(mdp.rows.row_ptr))]
        if isinstance(mdp.rows, CSR)
        else mdp.rows[source, target]
    )
    counts = np.bincount(source, minlength=mdp.n_pairs)[component.pairs]
    row_ptr = np.concatenate([[0], np.cumsum(counts)])
    state = place[mdp.pair_states[component.pairs]]
    ptr = np.concatenate([[0], np.cumsum(np.bincount(state, minlength=component.states.size))])
    r = mdp._r[component.pairs]
    if mdp.is_exact:
        from mdpkit._array import number

        values, r = (np.array([number(x) for x in array]) for array in (values, r))
    sub = MDP((values, place[target], row_ptr), r, 1.0, action_ptr=ptr)
    sub = sub._with(reward_error=mdp.reward_error)
    sub.__dict__["widest_row"] = mdp.widest_row
    return sub


def lift(collapsed: Quotient, v: np.ndarray) -> np.ndarray:
    """Values of the collapsed model from the model's: a component has its best state's."""
    first = np.unique(collapsed.label, return_index=True)[1]
    lifted = v[first]
    for component in collapsed.components:
        lifted[collapsed.label[component.states[0]]] = v[component.states].max()
    return lifted


def expand(mdp: MDP, collapsed: Quotient, pairs: np.ndarray) -> np.ndarray:
    """A pair of each state of the model, for a pair of each state of the collapsed one.

    In a component the state whose pair leaves takes it, and the others go there; where the
    choice is to stay for ever, each takes its first pair that stays. So no cycle passes for
    progress.
    """
    chosen = collapsed.pair[pairs[collapsed.label]]
    for component in collapsed.components:
        leaving = chosen[component.states[0]]
        goal = None if leaving < 0 else int(mdp.pair_states[leaving])
        chosen[component.states] = _towards(mdp, component, goal)
        if goal is not None:
            chosen[goal] = leaving
    return chosen


def _towards(mdp: MDP, component: EndComponent, goal: int | None) -> np.ndarray:
    """For each of the component's states, its first staying pair that comes nearer the goal."""
    kept = np.zeros(mdp.n_pairs, dtype=bool)
    kept[component.pairs] = True
    ahead = np.zeros(mdp.n_pairs)
    if goal is not None:
        from scipy.sparse.csgraph import dijkstra

        level = dijkstra(graph(mdp, kept).T.tocsr(), unweighted=True, indices=int(goal))
        pair, target = edges(mdp, kept)
        ahead[:] = np.inf
        np.minimum.at(ahead, pair, level[target])
    state = mdp.pair_states[component.pairs]
    begin = np.searchsorted(state, component.states)
    least = np.minimum.reduceat(ahead[component.pairs], begin)
    sizes = np.diff(np.append(begin, state.size))
    near = np.flatnonzero(ahead[component.pairs] == np.repeat(least, sizes))
    return component.pairs[near[np.searchsorted(near, begin)]]
