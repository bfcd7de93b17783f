"""networkx graphs, in and out: an edge is a transition.

    graph.add_edge("a", "b", action="go", probability=0.5, reward=1.0)

`action` may be left out where there is one, `reward` is 0 if left out. Nodes 0 … S−1 are the
states' numbers, others their names in order. A node with stop=True ends the episode, `start` is
a node's probability to be first, and graph.graph may hold gamma and the list of actions.

Checked in tests/io/test_graph.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._array import number
from mdpkit.errors import ModelError
from mdpkit.io._edges import PROBABILITY, REWARD, Edge, Graph, from_graph, to_edges
from mdpkit.io._parts import needed_gamma
from mdpkit.mdp import MDP


def read_graph(graph: Any, gamma: Any = None, *, normalize: bool = False) -> MDP:
    """The model of a networkx DiGraph or MultiDiGraph; `gamma` replaces the graph's own."""
    if not graph.is_directed():
        raise ModelError("the graph is not directed; a transition has a direction.")
    gamma = needed_gamma(graph.graph.get("gamma") if gamma is None else gamma, "the graph")
    names = list(graph.nodes)
    place = {name: i for i, name in enumerate(names)}
    edges = [_edge(s, t, place, attributes) for s, t, attributes in graph.edges(data=True)]
    start = {place[s]: p for s, p in graph.nodes(data="start") if p is not None}
    stops = {place[s] for s, ends in graph.nodes(data="stop") if ends}
    found = Graph(names, stops, start, edges, graph.graph.get("actions"))
    return from_graph(found, gamma, normalize=normalize)


def _edge(s: Any, t: Any, place: dict, attributes: dict[str, Any]) -> Edge:
    p = next((attributes[key] for key in PROBABILITY if key in attributes), None)
    r = next((attributes[key] for key in REWARD if key in attributes), 0)
    for what, x in (("probability", p), ("reward", r)):
        if x is None or isinstance(x, str | bytes | bool) or not _is_finite(x):
            message = f"edge {s!r} → {t!r}: {what} is {x!r}, not a finite number."
            raise ModelError(message, source=s, target=t)
    return Edge(place[s], attributes.get("action", 0), place[t], p, r)


def _is_finite(x: Any) -> bool:
    try:
        return bool(np.isfinite(number(x)))
    except (TypeError, ValueError, OverflowError):
        return False


def to_graph(mdp: MDP) -> Any:
    """The model as a networkx MultiDiGraph, which `mk.load` reads back."""
    import networkx as nx

    found, _ = to_edges(mdp)
    graph = nx.MultiDiGraph(gamma=mdp.gamma)
    if found.actions is not None:
        graph.graph["actions"] = list(found.actions)
    for i, name in enumerate(found.names):
        more = {"stop": True} if i in found.stops else {}
        graph.add_node(name, **more | ({"start": found.start[i]} if i in found.start else {}))
    for s, a, t, p, r in found.edges:
        ends = (found.names[s], found.names[t])
        graph.add_edge(*ends, action=a, probability=p, reward=r)
    return graph
