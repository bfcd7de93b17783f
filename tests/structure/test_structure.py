"""Classes, end components and periods, against networkx and against enumeration."""

from itertools import combinations, product

import networkx as nx
import numpy as np
import pytest

import mdpkit as mk
from mdpkit.policy import uniform
from mdpkit.structure import (
    absorbing_states,
    communicating_classes,
    end_components,
    is_proper,
    period,
    proper_pairs,
    recurrent_classes,
    steps_to_stop,
)
from tests.oracles import pair_rows, random_mdp


def successors(mdp):
    return [{int(t) for t, _ in row} for row in pair_rows(mdp)]


def graph(mdp, pairs=None):
    """The model's graph in networkx, by the pairs given."""
    g = nx.DiGraph()
    g.add_nodes_from(range(mdp.n_states))
    for pair, targets in enumerate(successors(mdp)):
        if pairs is None or pair in pairs:
            g.add_edges_from((int(mdp.pair_states[pair]), t) for t in targets)
    return g


def sparse_random(seed):
    """Few successors, so that there are several classes."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    P = np.zeros((n, m, n))
    for s in range(n):
        for a in range(m):
            P[s, a, rng.integers(n)] += 0.5
            P[s, a, rng.integers(n)] += 0.5
    stop = np.where(rng.random((n, m)) < 0.2, 0.5, 0.0)
    return mk.MDP(P * (1 - stop)[..., None], np.zeros((n, m)), 1, stop=stop)


@pytest.mark.parametrize("seed", range(40))
def test_communicating_classes_are_strong_components(seed):
    for mdp in (sparse_random(seed), random_mdp(seed)):
        expected = sorted(sorted(c) for c in nx.strongly_connected_components(graph(mdp)))
        assert [states.tolist() for states in communicating_classes(mdp)] == expected


def brute_end_components(mdp):
    """The maximal sets of states that some pairs keep and connect."""
    after, stop = successors(mdp), mdp.stop.reshape(-1)
    found = []
    for size in range(mdp.n_states, 0, -1):
        for states in combinations(range(mdp.n_states), size):
            inside = set(states)
            pairs = [
                i
                for i, targets in enumerate(after)
                if mdp.pair_states[i] in inside and targets <= inside and stop[i] == 0
            ]
            if {int(mdp.pair_states[i]) for i in pairs} != inside:
                continue
            if not nx.is_strongly_connected(graph(mdp, set(pairs)).subgraph(states)):
                continue
            if not any(inside <= set(other) for other, _ in found):
                found.append((list(states), pairs))
    return sorted(found)


@pytest.mark.parametrize("seed", range(60))
def test_end_components_are_those_of_enumeration(seed):
    mdp = sparse_random(seed)
    ours = [(c.states.tolist(), c.pairs.tolist()) for c in end_components(mdp)]
    assert ours == brute_end_components(mdp)


@pytest.mark.parametrize("seed", range(60))
def test_proper_policies_are_found_where_there_are_any(seed):
    mdp = sparse_random(seed)
    pairs, inside = proper_pairs(mdp)
    choices = [range(mdp.action_ptr[s], mdp.action_ptr[s + 1]) for s in range(mdp.n_states)]
    best = set()
    for chosen in product(*choices):
        stuck = set().union(*recurrent(mdp, chosen), set())
        best |= {s for s in range(mdp.n_states) if not reach(mdp, chosen, s) & stuck}
    assert set(np.flatnonzero(inside)) == best
    if inside.all():
        assert is_proper(mdp, mdp.actions_of(pairs))


def reach(mdp, chosen, s):
    return nx.descendants(graph(mdp, set(chosen)), s) | {s}


def recurrent(mdp, chosen):
    """Classes that a policy's chain never leaves, by reachability."""
    stop = mdp.stop.reshape(-1)
    classes = []
    for s in range(mdp.n_states):
        ahead = reach(mdp, chosen, s)
        if all(s in reach(mdp, chosen, t) for t in ahead) and not any(
            stop[chosen[t]] > 0 for t in ahead
        ):
            classes.append(ahead)
    return classes


@pytest.mark.parametrize("seed", range(40))
def test_recurrent_classes_are_those_of_reachability(seed):
    mdp = sparse_random(seed)
    policy = np.zeros(mdp.n_states, dtype=int)
    expected = {frozenset(c) for c in recurrent(mdp, mdp.action_ptr[:-1].tolist())}
    assert {frozenset(c.tolist()) for c in recurrent_classes(mdp, policy)} == expected


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_a_cycle_has_its_length_as_period(n):
    P = np.eye(n)[:, None, [(i - 1) % n for i in range(n)]]
    mdp = mk.MDP(P, np.zeros((n, 1)), 0.9)
    policy = np.zeros(n, dtype=int)
    [states] = recurrent_classes(mdp, policy)
    assert period(mdp, policy, states) == n


def test_a_chord_makes_a_cycle_aperiodic():
    P = np.zeros((3, 1, 3))
    P[0, 0, [1, 2]] = 0.5
    P[1, 0, 2] = P[2, 0, 0] = 1
    mdp = mk.MDP(P, np.zeros((3, 1)), 0.9)
    assert period(mdp, uniform(mdp), np.arange(3)) == 1


def test_absorbing_states_and_steps_to_stop():
    P = np.zeros((3, 2, 3))
    P[0, :, 1] = 1
    P[1, 0, 0] = P[2, :, 2] = 1
    mdp = mk.MDP(P, np.zeros((3, 2)), 1, stop=[[0, 0], [0, 1], [0, 0]])
    assert absorbing_states(mdp).tolist() == [2]
    assert steps_to_stop(mdp).tolist() == [2, 1, np.inf]


def test_an_end_component_that_may_stop_is_none():
    P = np.full((2, 1, 2), 0.5)
    stops = mk.MDP(P * 0.9, np.zeros((2, 1)), 1, stop=np.full((2, 1), 0.1))
    assert end_components(stops) == []
    assert len(end_components(mk.MDP(P, np.zeros((2, 1)), 1))) == 1
