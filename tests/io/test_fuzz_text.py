"""Damaged text files: a typed error or a model whose bounds hold; nothing else, no hang."""

import signal
import warnings

import networkx as nx
import numpy as np
import pytest

import mdpkit as mk
from mdpkit.errors import ModelWarning
from mdpkit.io import _drn_body, _lines, explicit, load_property
from mdpkit.io.graph import to_graph

KINDS = ["dense", "masked", "gaps", "stop", "ragged"]
COUNTS = [150, pytest.param(20_000, marks=pytest.mark.slow)]
MIB = 1 << 20
WORDS = [b"0", b"-1", b"1e308", b"1e-308", b"nan", b"999999999999", b"1/3", b"1/0", b"0.5"]
WORDS += [b"\n", b" ", b"\t", b"\r", b"\x00", b"#", b"//", b"[", b"]", b"init", b"action", b"@"]
WORDS += [
    b"state",
    b"mdp",
    b"dtmc",
    b'"',
    b"\\",
    b";",
    b"{",
    b"}",
    b"->",
    b"=",
    b"\xef\xbb\xbf",
]


@pytest.fixture(autouse=True)
def _no_alarm_left():
    yield
    signal.alarm(0)


def damaged(rng, data):
    """Flip, cut, insert, repeat, or put a word of the formats somewhere."""
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at, n = int(rng.integers(len(data) + 1)), int(rng.integers(1, 30))
        match int(rng.integers(6)):
            case 0 if at < len(data):
                data[at] ^= 1 << int(rng.integers(8))
            case 1:
                del data[at : at + n]
            case 2:
                data[at:at] = data[at : at + n] if rng.random() < 0.5 else rng.bytes(n % 4)
            case 3:
                line = data.rfind(b"\n", 0, at) + 1
                data[line:line] = data[line : data.find(b"\n", at) + 1]
            case _:
                data[at : at + int(rng.integers(3))] = WORDS[int(rng.integers(len(WORDS)))]
    return bytes(data)


def attempt(read, outcomes):
    signal.alarm(20)  # without a handler it ends the process: 20 s for one file is a hang
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ModelWarning)
            mdp = read()
    except ValueError as error:
        outcomes.append(type(error).__name__)
        if not str(error).isprintable():
            pytest.fail(repr(str(error)))
        return
    outcomes.append("MDP")
    bounds = mk.certify(mdp, np.full(mdp.n_states, mdp.gamma * 0))
    assert (bounds.lower <= bounds.upper).all()
    assert all(np.isfinite([float(bounds.lower[0].p if mdp.is_exact else bounds.lower[0])]))


def originals(tmp_path, model, suffix):
    path = tmp_path / f"m{suffix}"
    for seed, kind in enumerate(KINDS):
        mdp = model(seed + 1, kind)
        if suffix == ".tra" and seed % 2:
            explicit.write(mdp, path, dialect="prism")
        else:
            exact = suffix != ".tra" and seed % 3 == 2
            mk.save(mdp.exact() if exact else mdp, path)
        yield {p.name: p.read_bytes() for p in tmp_path.iterdir()}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(
    ("suffix", "size"),
    [(".tra", 0), (".tra", 1 << 60), (".drn", 0), (".drn", 1 << 60), (".dot", 1 << 60)],
    ids=["tra-compiled", "tra", "drn-compiled", "drn", "dot"],
)
def test_damaged_files(tmp_path, model, monkeypatch, suffix, size, count):
    monkeypatch.setattr(_lines, "COMPILED", size)
    monkeypatch.setattr(_drn_body, "COMPILED", size)
    rng, outcomes = np.random.default_rng(17), []
    files = list(originals(tmp_path, model, suffix))
    for i in range(count):
        whole = files[i % len(files)]
        for name, data in whole.items():
            (tmp_path / name).write_bytes(data)
        name = str(rng.choice(sorted(whole)))
        (tmp_path / name).write_bytes(damaged(rng, whole[name]))
        path = tmp_path / f"m{suffix}"
        attempt(lambda path=path: mk.load(path, gamma=0.9, max_bytes=64 * MIB), outcomes)
    assert {"FormatError", "MDP"} <= set(outcomes)
    assert len(outcomes) == count


@pytest.mark.parametrize("count", COUNTS)
def test_damaged_properties(tmp_path, model, count):
    rng, outcomes, path = np.random.default_rng(19), [], tmp_path / "m.drn"
    mdp = model(3, "ragged")
    mk.save(mdp.replace(start=np.arange(mdp.n_states) == 0), path)
    for _ in range(count):
        text = damaged(rng, b'R{"reward"}max=? [F "init" & !("a" | true)]')
        words = text.decode("latin-1")
        signal.alarm(20)
        try:
            load_property(path, words)
        except ValueError as error:
            outcomes.append(type(error).__name__)
    assert "FormatError" in outcomes


HOSTILE = [None, "1", float("nan"), float("inf"), -1.0, 2.0, 1e308, True, 5e-324, 1j, [1], b"1"]


@pytest.mark.parametrize("count", COUNTS)
def test_hostile_graphs(model, count):
    rng, outcomes = np.random.default_rng(23), []
    for i in range(count):
        graph = to_graph(model(i % 20, KINDS[i % len(KINDS)]))
        edges = list(graph.edges(keys=True))
        edge = edges[int(rng.integers(len(edges)))]
        value = HOSTILE[int(rng.integers(len(HOSTILE)))]
        match int(rng.integers(5)):
            case 0:
                graph.edges[edge]["probability"] = value
            case 1:
                graph.edges[edge]["reward"] = value
            case 2:
                graph.remove_edge(*edge)
            case 3:
                graph.graph["gamma"] = value
            case _:
                graph = nx.MultiDiGraph(graph)
                graph.add_edge(edge[0], "new", **graph.edges[edge])
        try:
            attempt(lambda graph=graph: mk.load(graph), outcomes)
        except TypeError as error:
            outcomes.append(type(error).__name__)
    assert {"ModelError", "MDP"} <= set(outcomes)
