"""The graph of a model: who can reach whom, where one can stay, whether one must end.

    communicating class   states that reach each other by some actions (strong components)
    end component         states and actions with which one can stay among the states for ever
    proper policy         one that ends with probability 1 from every state
    period                gcd of the lengths of a recurrent class's cycles

Only the signs of probabilities matter here, so every answer is exact.
Source: de Alfaro (1997), §3.2; Puterman (1994), App. A; Bertsekas & Tsitsiklis (1991).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._device import require_cpu
from mdpkit._rows import CSR
from mdpkit.mdp import MDP
from mdpkit.operators.reach import components
from mdpkit.policy import as_pairs, is_deterministic, probabilities

MOST_LISTED = 10
"""States or components that a sentence names."""


class EndComponent(NamedTuple):
    """States among which one can stay for ever, and the pairs that stay."""

    states: np.ndarray
    pairs: np.ndarray


def edges(mdp: MDP, kept: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(pair, next state) of every positive probability, for the pairs kept ((pairs,) bool)."""
    require_cpu(mdp, "a model's structure")
    if isinstance(mdp.rows, CSR):
        pair = np.repeat(np.arange(mdp.n_pairs), np.diff(mdp.rows.row_ptr))
        target = mdp.rows.columns
    else:
        pair, target = np.nonzero(mdp.rows)
    if kept is None:
        return pair, target
    chosen = kept[pair]
    return pair[chosen], target[chosen]


def graph(mdp: MDP, kept: np.ndarray | None, extra: int = 0) -> Any:
    """The states' adjacency by the pairs kept, and `extra` further nodes without edges."""
    from scipy.sparse import csr_array

    pair, target = edges(mdp, kept)
    n = mdp.n_states + extra
    return csr_array(
        (np.ones(pair.size, dtype=np.int8), (mdp.pair_states[pair], target)), (n, n)
    )


def communicating_classes(mdp: MDP, kept: np.ndarray | None = None) -> list[np.ndarray]:
    """The strong components by the pairs kept, each sorted, in order of first state."""
    labels = _labels(mdp, kept)
    return _members(labels)


def component_order(mdp: MDP) -> tuple[np.ndarray, np.ndarray]:
    """The states class by class, each class after all that it can reach; and where they end.

    Class i is order[ends[i−1]:ends[i]].
    """
    require_cpu(mdp, "a model's structure")
    if isinstance(mdp.rows, CSR):
        return components(mdp.rows, mdp.action_ptr)
    labels = _labels(mdp)
    pair, target = edges(mdp)
    before, after = labels[mdp.pair_states[pair]], labels[target]
    if (before < after).any():  # SciPy numbers classes one way or the other, and does not say
        if (before > after).any():
            labels = _sorted_labels(labels, before, after)
        else:
            labels = labels.max() - labels
    order = np.argsort(labels, kind="stable")
    return order, np.cumsum(np.bincount(labels))


def _sorted_labels(labels: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Labels that grow from what is reached to what reaches it."""
    import networkx as nx

    inner = nx.DiGraph()
    inner.add_nodes_from(range(int(labels.max()) + 1))
    leave = before != after
    inner.add_edges_from(zip(after[leave].tolist(), before[leave].tolist(), strict=True))
    rank = np.empty(inner.number_of_nodes(), dtype=np.int64)
    rank[list(nx.topological_sort(inner))] = np.arange(rank.size)
    return rank[labels]


def _labels(mdp: MDP, kept: np.ndarray | None = None) -> np.ndarray:
    from scipy.sparse.csgraph import connected_components

    return connected_components(graph(mdp, kept), connection="strong")[1]


def _members(labels: np.ndarray) -> list[np.ndarray]:
    states = np.arange(labels.size)
    return sorted(_grouped(states, labels, np.unique(labels)), key=lambda group: int(group[0]))


def end_components(mdp: MDP, kept: np.ndarray | None = None) -> list[EndComponent]:
    """The maximal end components made of the pairs kept ((pairs,) bool; None: all)."""
    require_cpu(mdp, "a model's structure")
    alive = np.ones(mdp.n_pairs, dtype=bool) if kept is None else kept.copy()
    if mdp.stops:
        alive &= np.asarray(mdp.stop.reshape(-1) == 0, dtype=bool)
    while True:
        labels = _labels(mdp, alive)
        pair, target = edges(mdp, alive)
        leaves = pair[labels[mdp.pair_states[pair]] != labels[target]]
        if leaves.size == 0:
            break
        alive[leaves] = False
    pairs = np.flatnonzero(alive)
    name = labels[mdp.pair_states[pairs]]
    found = [
        EndComponent(states, of_class)
        for states, of_class in zip(
            _grouped(np.arange(mdp.n_states), labels, np.unique(name)),
            _grouped(pairs, name, np.unique(name)),
            strict=True,
        )
    ]
    return sorted(found, key=lambda component: int(component.states[0]))


def _grouped(items: np.ndarray, labels: np.ndarray, names: np.ndarray) -> list[np.ndarray]:
    """The items of each label in names, in order."""
    order = np.argsort(labels, kind="stable")
    begin, end = (
        np.searchsorted(labels[order], names, side=side) for side in ("left", "right")
    )
    return [items[order[i:j]] for i, j in zip(begin, end, strict=True)]


def chain_pairs(mdp: MDP, policy: Any) -> np.ndarray:
    """The pairs that a policy takes with positive probability, (pairs,) bool."""
    taken = np.zeros(mdp.n_pairs, dtype=bool)
    if is_deterministic(policy):
        taken[as_pairs(mdp, policy)] = True
        return taken
    return np.asarray(probabilities(mdp, policy).reshape(-1) > 0, dtype=bool)


def recurrent_classes(mdp: MDP, policy: Any) -> list[np.ndarray]:
    """The classes in which a policy's chain stays for ever once it is there."""
    taken = chain_pairs(mdp, policy)
    labels = _labels(mdp, taken)
    pair, target = edges(mdp, taken)
    state = mdp.pair_states[pair]
    open_ = np.zeros(labels.max() + 1, dtype=bool)
    open_[labels[state[labels[state] != labels[target]]]] = True
    if mdp.stops:
        ending = taken & np.asarray(mdp.stop.reshape(-1) > 0, dtype=bool)
        open_[labels[mdp.pair_states[ending]]] = True
    return [states for states in _members(labels) if not open_[labels[states[0]]]]


def is_proper(mdp: MDP, policy: Any) -> bool:
    """Whether a policy ends with probability 1 from every state."""
    return not recurrent_classes(mdp, policy)


def steps_to_stop(mdp: MDP, kept: np.ndarray | None = None) -> np.ndarray:
    """The least number of steps after which an episode may have ended, (S,); ∞ where never."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    require_cpu(mdp, "a model's structure")
    end = mdp.n_states
    stopping = np.asarray(mdp.stop.reshape(-1) > 0, dtype=bool)
    stopping = np.flatnonzero(stopping if kept is None else stopping & kept)
    links = graph(mdp, kept, extra=1)
    last = np.unique(mdp.pair_states[stopping])
    ends = csr_array((np.ones(last.size), (last, np.full(last.size, end))), links.shape)
    return dijkstra((links + ends).T.tocsr(), unweighted=True, indices=end)[:end]


def proper_pairs(mdp: MDP, allowed: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A policy's pairs (S,) int that ends from wherever one can, and where one can, (S,) bool.

    allowed : (pairs,) bool, the pairs to choose from; None: all.
    Where no policy ends with probability 1 the pair is the state's first.
    """
    inside = np.ones(mdp.n_states, dtype=bool)
    while True:
        kept = _staying(mdp, inside)
        kept = kept if allowed is None else kept & allowed
        distance = steps_to_stop(mdp, kept)
        reached = inside & np.isfinite(distance)
        if (reached == inside).all():
            break
        inside = reached
    pair, target = edges(mdp, kept)
    ahead = np.full(mdp.n_pairs, np.inf)
    np.minimum.at(ahead, pair, distance[target])
    ahead[kept & np.asarray(mdp.stop.reshape(-1) > 0, dtype=bool)] = 0
    ahead[~kept] = np.inf
    least = np.minimum.reduceat(ahead, mdp.action_ptr[:-1])
    near = np.flatnonzero(ahead == np.repeat(least, np.diff(mdp.action_ptr)))
    return near[np.searchsorted(near, mdp.action_ptr[:-1])], inside


def _staying(mdp: MDP, inside: np.ndarray) -> np.ndarray:
    """The pairs of the states inside that lead nowhere else, (pairs,) bool."""
    kept = inside[mdp.pair_states].copy()
    pair, target = edges(mdp, kept)
    kept[pair[~inside[target]]] = False
    return kept


def period(mdp: MDP, policy: Any, states: np.ndarray) -> int:
    """The period of a recurrent class of a policy's chain."""
    from scipy.sparse.csgraph import dijkstra

    links = graph(mdp, chain_pairs(mdp, policy))
    level = dijkstra(links, unweighted=True, indices=int(states[0]))
    source, target = links.nonzero()
    inside = np.isin(source, states)
    turns = level[source[inside]] + 1 - level[target[inside]]
    return int(np.gcd.reduce(turns.astype(np.int64)))


def absorbing_states(mdp: MDP) -> np.ndarray:
    """The states that no action leaves and in which no episode ends."""
    pair, target = edges(mdp)
    stuck = np.ones(mdp.n_states, dtype=bool)
    state = mdp.pair_states[pair]
    stuck[state[state != target]] = False
    if mdp.stops:
        stuck[mdp.pair_states[np.asarray(mdp.stop.reshape(-1) > 0, dtype=bool)]] = False
    return np.flatnonzero(stuck)


def describe(mdp: MDP) -> list[str]:
    """The structure of a model in sentences, for people."""
    lines = [_classes(mdp), _ends(mdp)]
    stuck = absorbing_states(mdp)
    if stuck.size:
        lines.append(f"Absorbing, whatever one does: {listed(mdp, stuck)}.")
    idle = end_components(mdp, np.asarray(mdp.r.reshape(-1) == 0, dtype=bool))
    for component in end_components(mdp)[:MOST_LISTED]:
        inside = set(component.states.tolist())
        still = any(set(other.states.tolist()) == inside for other in idle)
        what = "without reward" if still else "with rewards"
        lines.append(f"One can stay for ever among {listed(mdp, component.states)}, {what}.")
    return lines


def _classes(mdp: MDP) -> str:
    classes = communicating_classes(mdp)
    if len(classes) == 1:
        return "Every state can reach every other: the model is communicating."
    largest = max(classes, key=len)
    return (
        f"There are {len(classes)} communicating classes, the largest of {largest.size} states."
    )


def _ends(mdp: MDP) -> str:
    if not mdp.stops:
        return "No action ends an episode."
    _, inside = proper_pairs(mdp)
    if not end_components(mdp):
        return "Every policy ends with probability 1."
    if inside.all():
        return "From every state some policy ends with probability 1; not every policy does."
    outside = np.flatnonzero(~inside)
    return f"No policy ends with probability 1 from {listed(mdp, outside)}."


def listed(mdp: MDP, states: np.ndarray) -> str:
    """Some states by name, for a message: "{0, 1, 2} … (40 in all)"."""
    shown = [
        str(s) if mdp.states is None else repr(mdp.states[s]) for s in states[:MOST_LISTED]
    ]
    more = f" … ({states.size} in all)" if states.size > MOST_LISTED else ""
    return "{" + ", ".join(shown) + "}" + more
