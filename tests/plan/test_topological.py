"""Components in order, and what a pass over them saves."""

import networkx as nx
import numpy as np
import pytest

import mdpkit as mk
from mdpkit import MDP
from mdpkit.operators.component_sweep import component_sweeps
from mdpkit.plan import TopologicalValueIteration, ValueIteration
from mdpkit.structure import _sorted_labels, component_order, edges
from tests.oracles import random_mdp


@pytest.mark.parametrize("seed", range(30))
def test_every_class_comes_after_all_that_it_reaches(seed):
    mdp = random_mdp(seed)
    order, ends = component_order(mdp)
    assert sorted(order) == list(range(mdp.n_states))
    rank = np.empty(mdp.n_states, dtype=int)
    rank[order] = np.searchsorted(ends, np.arange(mdp.n_states), side="right")
    pair, target = edges(mdp)
    assert (rank[mdp.pair_states[pair]] >= rank[target]).all()
    graph = nx.DiGraph(list(zip(mdp.pair_states[pair], target, strict=True)))
    graph.add_nodes_from(range(mdp.n_states))
    wanted = {frozenset(c) for c in nx.strongly_connected_components(graph)}
    assert {frozenset(part) for part in np.split(order, ends[:-1])} == {
        frozenset(int(s) for s in c) for c in wanted
    }


def test_labels_in_no_order_are_sorted():
    """Classes 0 → 2 → 1: what is reached comes first."""
    labels = np.array([0, 2, 1])
    found = _sorted_labels(labels, np.array([0, 2]), np.array([2, 1]))
    assert found.tolist() == [2, 1, 0]


def corridor(n, gamma=0.99):
    """State s leads to s − 1 for certain; 0 pays and stays."""
    P = np.zeros((n, 1, n))
    P[np.arange(n), 0, np.maximum(np.arange(n) - 1, 0)] = 1
    return MDP(P, (np.arange(n) == 0).astype(float)[:, None], gamma)


def test_an_acyclic_model_is_solved_by_one_pass():
    P = np.zeros((50, 1, 50))
    P[np.arange(1, 50), 0, np.arange(49)] = 1
    stop = (np.arange(50) == 0).astype(float)[:, None]
    mdp = MDP(P, np.ones((50, 1)), 0.99, stop=stop)
    order, ends = component_order(mdp)
    v = component_sweeps(mdp, np.zeros(50), order, ends, 0.0, 1)
    wanted = (1 - 0.99 ** np.arange(1, 51)) / 0.01
    assert np.abs(v - wanted).max() < 1e-12
    wrong = component_sweeps(mdp, np.zeros(50), order[::-1].copy(), ends, 0.0, 1)
    assert np.abs(wrong - wanted).max() > 1


def test_passes_are_few_where_sweeps_are_many():
    mdp = corridor(60)
    few = mk.solve(mdp, TopologicalValueIteration(), tol=1e-6)
    many = mk.solve(mdp, ValueIteration(), tol=1e-6)
    assert few.steps <= 5
    assert many.steps >= 59  # news travels one state a sweep
    assert np.abs(few.v - 0.99 ** np.arange(60) * 100).max() < 1e-6
