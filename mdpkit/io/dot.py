"""Graphviz' DOT, in and out: what is drawn is the model.

    digraph mdp { gamma="0.9"; 0 -> 1 [action="go", probability="1/2", reward="1"]; … }

Attributes are those of `graph.py`, numbers decimals or fractions. Names are quoted, with
backslashes, quotes and control characters escaped, so that no name can be read as more than a
name. Subgraphs, ports and HTML labels are refused.

Checked in tests/io/test_dot.py. Source: Graphviz, "DOT Language".
"""

from __future__ import annotations

import json
import os
import re
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

from mdpkit.errors import FormatError
from mdpkit.io._atomic import atomic_write
from mdpkit.io._drn_body import number
from mdpkit.io._edges import PROBABILITY, REWARD, Edge, Graph, from_graph, to_edges
from mdpkit.io._json import EXPANSION
from mdpkit.io._lines import read_text
from mdpkit.io._memory import memory_limit, require
from mdpkit.io._numbers import text_of
from mdpkit.io._parts import needed_gamma
from mdpkit.mdp import MDP

TOKEN = re.compile(
    r'"((?:[^"\\]|\\.)*)"|(->|--|[{}\[\];,=:])|'
    r"([A-Za-z_\u0080-\U0010ffff][\w]*|-?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?))|(.)",
    re.DOTALL,
)
SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/|(?<![^\n])#[^\n]*)+", re.DOTALL)
DEFAULTS = ("node", "edge")
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


# ---- writing ---------------------------------------------------------------------------------


def write(mdp: MDP, path: str | os.PathLike) -> None:
    """Write a model as a directed graph, atomically; rationals as fractions."""
    text = text_of if mdp.is_exact else (lambda x: repr(float(x)))
    graph, _ = to_edges(mdp)
    with atomic_write(path, "w") as file:
        file.write(f"digraph mdp {{\n  gamma={quoted(text(mdp.gamma))};\n")
        if mdp.actions is not None:
            names = json.dumps([str(name) for name in mdp.actions], ensure_ascii=False)
            file.write(f"  actions={quoted(names)};\n")
        for i, name in enumerate(graph.names):
            about = {"stop": "true", "shape": "point"} if i in graph.stops else {}
            about |= {"start": text(graph.start[i])} if i in graph.start else {}
            label = {} if mdp.states is None or about.get("stop") else {"label": str(name)}
            file.write(f"  {i}{_attributes(label | about)};\n")
        for s, a, t, p, r in graph.edges:
            about = {"label": f"{a}: {float_text(p)}", "action": str(a)}
            about |= {"probability": text(p), "reward": text(r)}
            file.write(f"  {s} -> {t}{_attributes(about)};\n")
        file.write("}\n")


def float_text(x: Any) -> str:
    """A number as a label shows it."""
    return str(x) if hasattr(x, "q") else f"{x:.4g}"


def _attributes(about: dict[str, str]) -> str:
    inside = ", ".join(f"{key}={quoted(value)}" for key, value in about.items())
    return f" [{inside}]" if inside else ""


def quoted(text: str) -> str:
    """Text in DOT's quotes, none of it special."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return '"' + "".join(c if len(c) == 1 else "\\" + c for c in shown) + '"'


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), text, flags=re.DOTALL)


# ---- reading ---------------------------------------------------------------------------------


def read(
    path: str | os.PathLike,
    gamma: Any = None,
    *,
    normalize: bool = False,
    max_bytes: int | None = None,
) -> MDP:
    """Load a model; `gamma` replaces the file's own. FormatError(line) where it is wrong."""
    limit = memory_limit(max_bytes)
    raw, begin = read_text(path, limit)
    require(EXPANSION * len(raw), limit, "reading the text")
    try:
        text = raw[begin:].decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise FormatError("not UTF-8 text.", line=line) from None
    file = _Reader(text).whole()
    graph = file.graph()
    own = file.attributes.get("gamma")
    if gamma is None and own is not None:
        gamma = file.number(own, 1)
    return from_graph(graph, needed_gamma(gamma, "the graph"), normalize=normalize)


class _Token(NamedTuple):
    kind: str  # "id", "symbol" or "end"
    text: str
    at: int
    is_quoted: bool = False


class _Reader:
    """Statements from left to right: nodes and edges with their attributes and lines."""

    def __init__(self, text: str):
        self.text, self.at = text, 0
        self.nodes: dict[str, dict[str, str]] = {}
        self.edges: list[tuple[str, str, dict[str, str], int]] = []
        self.attributes: dict[str, str] = {}
        self.token = self._read()

    def _read(self) -> _Token:
        if space := SPACE.match(self.text, self.at):
            self.at = space.end()
        found = TOKEN.match(self.text, self.at)
        if found is None:
            return _Token("end", "", self.at)
        at, self.at = self.at, found.end()
        if found[1] is not None:
            return _Token("id", _unquoted(found[1]), at, True)
        if found[4]:
            self.refuse(f"{found[4]!r} is not understood", at)
        return _Token("symbol" if found[2] else "id", found[2] or found[3], at)

    def line(self, at: int) -> int:
        """The line of a character."""
        return self.text.count("\n", 0, at) + 1

    def refuse(self, message: str, at: int) -> None:
        """Raise FormatError."""
        raise FormatError(f"{message}.", line=self.line(at))

    def _next(self) -> _Token:
        token, self.token = self.token, self._read()
        return token

    def _take(self, *symbols: str) -> bool:
        found = self.token.kind == "symbol" and self.token.text in symbols
        if found:
            self._next()
        return found

    def _need(self, symbol: str) -> None:
        if not self._take(symbol):
            self.refuse(f"{symbol!r} is needed, not {self.token.text[:40]!r}", self.token.at)

    def _word(self, *words: str) -> bool:
        token = self.token
        found = token.kind == "id" and not token.is_quoted and token.text.lower() in words
        if found:
            self._next()
        return found

    def _id(self) -> str:
        if self.token.kind != "id":
            self.refuse(f"a name is needed, not {self.token.text[:40]!r}", self.token.at)
        return self._next().text

    def whole(self) -> _Reader:
        """Read the file."""
        self._word("strict")
        if not self._word("digraph"):
            self.refuse("a digraph is needed", self.token.at)
        if self.token.kind == "id":
            self._next()
        self._need("{")
        while not self._take("}"):
            self._statement()
            self._take(";", ",")
        if self.token.kind != "end":
            self.refuse("the graph has ended", self.token.at)
        return self

    def _statement(self) -> None:
        at = self.token.at
        if self._word(*DEFAULTS):
            self._lists()
            return
        if self._word("graph"):
            self.attributes |= self._lists()
            return
        if self._word("subgraph"):
            self.refuse("subgraphs are not read", at)
        name = self._id()
        if self._take("="):
            self.attributes[name] = self._id()
            return
        path = [name]
        while self._take("->"):
            path.append(self._id())
        about = self._lists()
        for node in path:
            self.nodes.setdefault(node, {})
        if len(path) == 1:
            self.nodes[name] |= about
        line = self.line(at) if len(path) > 1 else 0
        for s, t in pairwise(path):
            self.edges.append((s, t, about, line))

    def _lists(self) -> dict[str, str]:
        about: dict[str, str] = {}
        while self._take("["):
            while not self._take("]"):
                key = self._id()
                self._need("=")
                about[key] = self._id()
                self._take(";", ",")
        return about

    # ---- as a model --------------------------------------------------------------------------

    def number(self, text: str, line: int) -> Any:
        """A float, or a rational where the file has fractions."""
        return number(text.encode(), line, self.exact)

    @cached_property
    def exact(self) -> bool:
        """Whether any number is a fraction; then all are read exactly."""
        texts = [about.get("start", "") for about in self.nodes.values()]
        for _, _, about, _ in self.edges:
            texts += [about[key] for key in (*PROBABILITY, *REWARD) if key in about]
        return any("/" in text for text in [*texts, self.attributes.get("gamma", "")])

    def graph(self) -> Graph:
        """Nodes that are numbered 0 … n−1 are states by number, their labels the names."""
        ids = list(self.nodes)
        if sorted(ids) == sorted(str(i) for i in range(len(ids))):
            ids = [str(i) for i in range(len(ids))]
        place = {name: i for i, name in enumerate(ids)}
        stops = {place[i] for i in ids if self.nodes[i].get("stop", "").lower() == "true"}
        states = [i for i in ids if place[i] not in stops]
        whole = states == [str(i) for i in range(len(states))]
        labeled = all("label" in self.nodes[i] for i in states)
        names: list[Any] = [int(i) for i in ids] if whole else ids
        if labeled:
            names = [self.nodes[i].get("label", i) for i in ids]
        start = {
            place[i]: self.number(about["start"], 1)
            for i, about in self.nodes.items()
            if "start" in about
        }
        edges = [self._edge(place, *edge) for edge in self.edges]
        if "actions" in self.attributes:
            return Graph(names, stops, start, edges, self._actions())
        if edges and all(re.fullmatch("[0-9]{1,9}", e.action) for e in edges):
            edges = [e._replace(action=int(e.action)) for e in edges]
        return Graph(names, stops, start, edges, None)

    def _actions(self) -> list[str]:
        try:
            names = json.loads(self.attributes["actions"])
        except (ValueError, RecursionError):
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise FormatError("actions= must be a JSON list of names.", line=1)
        return names

    def _edge(
        self, place: dict[str, int], s: str, t: str, about: dict[str, str], line: int
    ) -> Edge:
        p = next((about[key] for key in PROBABILITY if key in about), None)
        if p is None:
            raise FormatError("the edge has no probability=.", line=line)
        r = self.number(next((about[key] for key in REWARD if key in about), "0"), line)
        return Edge(place[s], about.get("action", "0"), place[t], self.number(p, line), r)
