"""Walks and components against networkx on random graphs."""

import networkx as nx
import numpy as np
import pytest
from scipy.sparse import csr_array

from mdpkit._rows import read_csr
from mdpkit.operators.reach import components, walk


def graph(seed):
    """A random graph of n states with some actions each, as rows, pointers and a DiGraph."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 30))
    ptr = np.concatenate([[0], np.cumsum(rng.integers(1, 4, n))])
    dense = rng.random((ptr[-1], n)) < rng.choice([0.02, 0.06, 0.2])
    rows = read_csr(csr_array(dense.astype(float)), n)
    states = np.repeat(np.arange(n), np.diff(ptr))
    pair, target = np.nonzero(dense)
    found = nx.DiGraph()
    found.add_nodes_from(range(n))
    found.add_edges_from(zip(states[pair].tolist(), target.tolist(), strict=True))
    return rows, ptr, found


@pytest.mark.parametrize("seed", range(60))
def test_components_are_tarjans_and_each_follows_what_it_reaches(seed):
    rows, ptr, links = graph(seed)
    order, ends = components(rows, ptr)
    assert sorted(order.tolist()) == list(range(len(links)))
    groups = [set(x.tolist()) for x in np.split(order, ends[:-1])]
    assert sorted(map(sorted, groups)) == sorted(
        map(sorted, nx.strongly_connected_components(links))
    )
    place = {s: i for i, group in enumerate(groups) for s in group}
    assert all(place[t] <= place[s] for s, t in links.edges)


@pytest.mark.parametrize("seed", range(60))
def test_a_walk_is_no_shorter_than_the_way_from_the_first_state(seed):
    rows, ptr, links = graph(seed)
    steps = walk(rows, ptr).steps
    far = max(nx.single_source_shortest_path_length(links, 0).values())
    assert far <= steps <= len(links)


def test_a_long_way_is_seen_from_either_end():
    n = 50
    for target in (np.minimum(np.arange(n) + 1, n - 1), np.maximum(np.arange(n) - 1, 0)):
        rows = read_csr(csr_array((np.ones(n), target, np.arange(n + 1)), (n, n)))
        assert walk(rows, np.arange(n + 1)).steps >= n - 1


def test_a_deep_graph_needs_no_deep_recursion():
    n = 200_000
    target = (np.arange(n) + 1) % n
    rows = read_csr(csr_array((np.ones(n), target, np.arange(n + 1)), (n, n)))
    _, ends = components(rows, np.arange(n + 1))
    assert ends.tolist() == [n]
