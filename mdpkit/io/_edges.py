"""A model as a graph: an edge is a transition, with its action, probability and reward.

Edges that share source, action and target are added up: P(t|s,a) = Σ p and r(s,a) = Σ p·r. A
node with `stop` is no state: to go there is to end. Numbers are floats, or all of them
rationals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mdpkit._exact import rational
from mdpkit._rows import CSR, read_csr
from mdpkit.errors import ModelError
from mdpkit.io._labeled import Labeled, constant, pair_reward
from mdpkit.io._memory import memory_limit
from mdpkit.mdp import MDP

PROBABILITY = ("probability", "p", "prob")
REWARD = ("reward", "r")
"""Names under which an edge may hold them."""


class Edge(NamedTuple):
    """A transition; `source` and `target` are numbers of nodes."""

    source: int
    action: Any
    target: int
    probability: Any
    reward: Any


class Graph(NamedTuple):
    """Nodes by number; the actions in order, or None: numbers, else in order of appearance."""

    names: Sequence[Any]
    stops: set[int]
    start: dict[int, Any]
    edges: list[Edge]
    actions: Sequence[Any] | None


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused as not finite
def from_graph(graph: Graph, gamma: Any, *, normalize: bool = False) -> MDP:
    """The model of a graph; ModelError naming the node or edge that is wrong."""
    place, names = _states(graph)
    number, actions = _numbers(graph)
    numbers = [x for e in graph.edges for x in (e.probability, e.reward)]
    exact = any(hasattr(x, "q") for x in [*numbers, *graph.start.values()])
    edges = sorted(graph.edges, key=lambda e: (place[e.source], number[e.action]))
    heads = [(place[e.source], number[e.action]) for e in edges]
    pairs = list(dict.fromkeys(heads))
    of = {pair: i for i, pair in enumerate(pairs)}
    index = np.array([of[head] for head in heads], dtype=np.int64)
    entry_ptr = np.searchsorted(index, np.arange(len(pairs) + 1))
    p, paid = (_array([e[k] for e in edges], exact) for k in (3, 4))
    r = pair_reward(p, entry_ptr, paid)
    ends = np.array([e.target in graph.stops for e in edges])
    stop = constant(len(pairs), 0, exact)
    np.add.at(stop, index[ends], p[ends])
    target = np.array([place.get(e.target, 0) for e in edges], dtype=np.int64)[~ends]
    ptr = np.searchsorted(index[~ends], np.arange(len(pairs) + 1))
    state = np.array([s for s, _ in pairs])
    action_ptr = np.searchsorted(state, np.arange(len(names) + 1))
    own = np.array([a for _, a in pairs], dtype=np.int64)
    local = np.arange(own.size) - action_ptr[state]
    model = Labeled(
        rows=read_csr(CSR(p[~ends], target, ptr, len(names))),
        action_ptr=action_ptr,
        pair_actions=None if (own == local).all() else own,
        labels={},
        rewards={"": r},
        stop=stop if ends.any() else None,
        actions=actions,
        line_of=lambda pair: 0,
        limit=memory_limit(None),
    )
    plain = names == list(range(len(names)))
    mdp = model.unlocated(gamma, start=_start(graph, place, exact), normalize=normalize)
    return mdp if plain else mdp.replace(states=names)


def _array(numbers: list, exact: bool) -> np.ndarray:
    out = np.empty(len(numbers), dtype=object if exact else np.float64)
    out[:] = [rational(x) for x in numbers] if exact else numbers
    return out


def _states(graph: Graph) -> tuple[dict[int, int], list[Any]]:
    """Number of the state of each node, and the states' names; 0 … S−1 are numbers already."""
    kept = [i for i in range(len(graph.names)) if i not in graph.stops]
    names = [graph.names[i] for i in kept]
    whole = all(isinstance(x, int) and not isinstance(x, bool) for x in names)
    if whole and sorted(names) == list(range(len(names))):
        kept, names = [kept[k] for k in np.argsort(names)], sorted(names)
    sources = {e.source for e in graph.edges}
    for i in range(len(graph.names)):
        if (i in graph.stops) == (i in sources):
            name = graph.names[i]
            if i in graph.stops:
                raise ModelError(f"node {name!r} stops, and yet has an edge.", state=name)
            message = f"node {name!r} has no action: no edge leaves it. Mark it with stop=True."
            raise ModelError(message, state=name)
    if not names:
        raise ModelError("the graph has no state.")
    return {node: s for s, node in enumerate(kept)}, names


def _numbers(graph: Graph) -> tuple[dict[Any, int], tuple | None]:
    """Number of each action, and the actions' names if they are not numbers."""
    found = list(dict.fromkeys(e.action for e in graph.edges))
    if graph.actions is None and all(
        isinstance(a, int | np.integer) and not isinstance(a, bool) and a >= 0 for a in found
    ):
        return {a: int(a) for a in found}, None
    listed = found if graph.actions is None else list(graph.actions)
    if missing := [a for a in found if a not in listed]:
        raise ModelError(f"action {missing[0]!r} is not among the actions of the graph.")
    if len(set(listed)) < len(listed):
        raise ModelError("an action is listed twice.")
    return {a: i for i, a in enumerate(listed)}, tuple(listed)


def _start(graph: Graph, place: dict[int, int], exact: bool) -> np.ndarray | None:
    if not graph.start:
        return None
    start = constant(len(place), 0, exact)
    for node, p in graph.start.items():
        if node not in place:
            raise ModelError(f"node {graph.names[node]!r} stops; it cannot be the start.")
        start[place[node]] = rational(p) if exact else p
    return start


def to_edges(mdp: MDP) -> tuple[Graph, str]:
    """A model as a graph, and the name of its last node, where episodes end."""
    rows = mdp.rows
    names = list(range(mdp.n_states)) if mdp.states is None else list(mdp.states)
    actions = list(range(mdp.n_actions)) if mdp.actions is None else list(mdp.actions)
    end, edges = "stop", []
    while end in names:
        end += "_"
    for i in range(mdp.n_pairs):
        s, a = mdp.place(i)
        if isinstance(rows, CSR):
            part = slice(rows.row_ptr[i], rows.row_ptr[i + 1])
            entries = zip(rows.columns[part].tolist(), rows.values[part].tolist(), strict=True)
        else:
            columns = np.flatnonzero(rows[i])
            entries = zip(columns.tolist(), rows[i][columns].tolist(), strict=True)
        r = mdp._r[i] if mdp.is_exact else float(mdp._r[i])
        edges += [Edge(s, actions[a], t, p, r) for t, p in entries]
        p = mdp.stop.reshape(-1)[i]
        if p > 0:
            edges.append(Edge(s, actions[a], mdp.n_states, p if mdp.is_exact else float(p), r))
    start = {} if mdp._start is None else dict(enumerate(mdp.start.tolist()))
    stops = {mdp.n_states} if mdp.stops else set()
    if stops:
        names = [*names, end]
    return Graph(names, stops, start, edges, None if mdp.actions is None else actions), end
