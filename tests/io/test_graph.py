"""networkx graphs in and out, and DOT."""

import json

import networkx as nx
import numpy as np
import pytest

import mdpkit as mk
from mdpkit.errors import FormatError, ModelError, SourceError
from mdpkit.io.graph import to_graph
from tests.io.text_models import assert_same_numbers

HOSTILE = [
    '"];}\n',
    "\\",
    'a"b',
    "</script><script>alert(1)</script>",
    "\\input{x}",
    'a\\"b',
    "é\x1b[31m",
]


def small():
    graph = nx.MultiDiGraph(gamma=0.5)
    graph.add_edge("a", "b", action="go", probability=0.5, reward=2)
    graph.add_edge("a", "a", action="go", p=0.25, r=4.0)
    graph.add_edge("a", "a", action="go", p=0.25)
    graph.add_edge("b", "over", action="end", p=1, r=1)
    graph.add_node("over", stop=True)
    return graph


def test_edges_of_one_action_are_added_up():
    mdp = mk.load(small())
    assert mdp.states == ("a", "b")
    assert mdp.actions == ("go", "end")
    assert mdp.P.toarray().tolist() == [[0.5, 0.5], [0, 0]]
    assert mdp.r.tolist() == [0.5 * 2 + 0.25 * 4, 1]
    assert mdp.stop.tolist() == [0, 1]
    assert (mdp.gamma, mdp.pair_actions.tolist()) == (0.5, [0, 1])
    assert mk.load(small(), gamma=0.9).gamma == 0.9


def test_a_plain_digraph_has_one_action():
    graph = nx.DiGraph()
    graph.add_edge(1, 0, p=1.0)
    graph.add_edge(0, 1, p=1.0, r=1)
    mdp = mk.load(graph, gamma=0.5)
    assert mdp.states is None
    assert mdp.P.tolist() == [[[0, 1]], [[1, 0]]]
    assert mdp.r.tolist() == [[1], [0]]


def changed(**attributes):
    graph = small()
    graph.add_edge("b", "a", **({"action": "x", "p": 1.0} | attributes))
    return graph


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (changed(p=None), "probability is None"),
        (changed(p="1"), "probability is '1'"),
        (changed(p=float("nan")), "probability is nan"),
        (changed(p=True), "probability is True"),
        (changed(r=float("inf")), "reward is inf"),
        (changed(p=0.5), "sums to 0.5"),
        (changed(p=-1.0), "negative"),
        (changed(p=1e308, r=1e308), "sums to"),
        (nx.MultiDiGraph(gamma=0.5), "no state"),
        (nx.Graph(gamma=0.5), "not directed"),
    ],
)
def test_a_graph_that_is_no_model(graph, message):
    with pytest.raises(ModelError, match=message):
        mk.load(graph)


def test_nodes_without_a_way_out_are_named():
    graph = small()
    graph.add_edge("a", "lost", action="x", p=1.0)
    with pytest.raises(ModelError, match="node 'lost' has no action"):
        mk.load(graph)
    graph.add_edge("over", "a", action="x", p=1.0)
    graph.add_edge("lost", "a", action="x", p=1.0)
    with pytest.raises(ModelError, match="node 'over' stops, and yet"):
        mk.load(graph)


def test_a_graph_without_a_discount_needs_one():
    graph = small()
    del graph.graph["gamma"]
    with pytest.raises(SourceError, match="pass gamma="):
        mk.load(graph)


@pytest.mark.parametrize("exact", [False, True])
def test_round_trips_through_networkx_are_the_identity(model, kind, exact):
    for seed in range(63):
        mdp = model(seed, kind)
        mdp = mdp.exact() if exact else mdp
        found = mk.load(to_graph(mdp))
        assert_same_numbers(mdp, found)
        assert found.states == mdp.states
        assert found.actions == mdp.actions


@pytest.mark.parametrize("exact", [False, True])
def test_round_trips_through_dot_are_the_identity(tmp_path, model, kind, exact):
    for seed in range(63):
        mdp = model(seed, kind)
        mdp = mdp.exact() if exact else mdp
        mk.save(mdp, tmp_path / "m.dot")
        assert_same_numbers(mdp, mk.load(tmp_path / "m.dot"))


def test_names_of_dot_are_kept_whatever_they_are(tmp_path):
    n = len(HOSTILE)
    mdp = mk.MDP(np.eye(n)[:, None], np.zeros((n, 1)), 0.5, states=HOSTILE, actions=['"];x'])
    mk.save(mdp, tmp_path / "m.gv")
    text = (tmp_path / "m.gv").read_text()
    assert "\x1b" not in text
    assert len(text.splitlines()) == 4 + 2 * n  # no name opens a line of its own
    found = mk.load(tmp_path / "m.gv")
    assert found.states == (*HOSTILE[:-1], "é\\x1b[31m")
    assert found.actions == ('"];x',)


def test_dot_as_people_write_it(tmp_path):
    text = """
    /* two states */ strict digraph "a graph" {
      gamma = 0.5; node [shape=circle]; edge [color="red"]
# a line for the preprocessor
      x -> y -> x [p=1.0, r="1/2", action=go];  // and back
      x [start=1, label="the first"] ; y [label="the second"]
    }"""
    (tmp_path / "m.dot").write_text(text)
    mdp = mk.load(tmp_path / "m.dot")
    assert mdp.states == ("the first", "the second")
    assert mdp.actions == ("go",)
    assert mdp.is_exact
    assert [str(x) for x in mdp.r.reshape(-1)] == ["1/2", "1/2"]
    assert [str(x) for x in mdp.start] == ["1", "0"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "a digraph is needed"),
        ("graph { a -- a }", 1, "a digraph is needed"),
        ("digraph { a -- a }", 1, "a name is needed|'--'"),
        ("digraph {\n a -> a [p=1]\n", 3, "a name is needed"),
        ("digraph {\n subgraph { a -> a [p=1] } }", 2, "subgraphs are not read"),
        ("digraph {\n a -> a [label=<b>] }", 2, "not understood"),
        ("digraph {\n a -> a:n [p=1] }", 2, "a name is needed"),
        ("digraph {\n a -> a [p=] }", 2, "a name is needed"),
        ("digraph {\n\n a -> a }", 3, "no probability="),
        ("digraph {\n a -> a [p=x] }", 2, "a number is needed"),
        ('digraph {\n a -> a [p="1/0"] }', 2, "division by zero"),
        ('digraph {\n a -> a [p="' + "9" * 5000 + '"] }', 2, "5000 characters"),
        ("digraph { a -> a [p=1] } }", 1, "has ended"),
        ("digraph { actions=x; a -> a [p=1] }", 1, "JSON list"),
        ('digraph { "a -> a', 1, "not understood"),
    ],
)
def test_wrong_dot_is_refused_with_the_line(tmp_path, text, line, message):
    (tmp_path / "m.dot").write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        mk.load(tmp_path / "m.dot", gamma=0.5)
    assert caught.value.line == line


def test_dot_that_is_no_model(tmp_path):
    (tmp_path / "m.dot").write_text("digraph { a -> b [p=1] }")
    with pytest.raises(ModelError, match="node 'b' has no action"):
        mk.load(tmp_path / "m.dot", gamma=0.5)
    (tmp_path / "m.dot").write_bytes(b"digraph {\n \xff }")
    with pytest.raises(FormatError, match="line 2: not UTF-8"):
        mk.load(tmp_path / "m.dot", gamma=0.5)
    (tmp_path / "m.dot").write_text("digraph { a -> a [p=1] }")
    with pytest.raises(SourceError, match="pass gamma="):
        mk.load(tmp_path / "m.dot")


def test_actions_are_listed_as_json(tmp_path):
    mdp = mk.load("gallery:puterman")
    mk.save(mdp, tmp_path / "m.dot")
    line = next(x for x in (tmp_path / "m.dot").read_text().splitlines() if "actions=" in x)
    quoted = line.split("=", 1)[1].rstrip(";")
    assert json.loads(json.loads(quoted)) == list(mdp.actions)
