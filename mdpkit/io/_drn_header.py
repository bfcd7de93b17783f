"""The lines of a `.drn` up to @model: what the file is, and how much it claims to hold."""

from __future__ import annotations

from typing import NamedTuple

from mdpkit.errors import FormatError
from mdpkit.io._lines import as_whole, decoded, spelled

TYPES = {b"MDP": "mdp", b"DTMC": "dtmc", b"POMDP": "pomdp"}
STATE_BYTES = 8
"""Bytes that a state's line takes at least: "state 0\\n"."""

HEADER_LINES = 10_000


class Header(NamedTuple):
    """What stands before @model, and where and on which line the rest begins."""

    kind: str
    exact: bool
    rewards: list[str]
    n_states: int
    n_choices: int | None
    begin: int
    line: int


def read_header(text: bytes, begin: int) -> Header:
    """Read up to @model."""
    sections: dict[bytes, tuple[int, bytes]] = {}
    at, line, open_ = begin, 0, b""
    while True:
        end = text.find(b"\n", at)
        raw = text[at : end if end >= 0 else len(text)].strip(b" \t\r")
        at, line = (end + 1 if end >= 0 else len(text)), line + 1
        if raw == b"@model":
            break
        if end < 0 or line > HEADER_LINES:
            raise FormatError("@model is missing.", line=line)
        if raw.startswith(b"@"):
            open_, _, value = raw.partition(b":")
            if open_ in sections:
                raise FormatError(f"{spelled(open_)} is given twice.", line=line)
            sections[open_] = (line, value.strip())
        elif raw and not raw.startswith(b"//"):
            if open_ not in (b"@parameters", b"@reward_models", b"@nr_states", b"@nr_choices"):
                raise FormatError(f"{spelled(raw)} belongs to no section.", line=line)
            sections[open_] = (line, raw)
            open_ = b""
    return _understood(sections, text, at, line + 1)


def _understood(
    sections: dict[bytes, tuple[int, bytes]], text: bytes, begin: int, line: int
) -> Header:
    known = {b"@type", b"@value_type", b"@parameters", b"@reward_models"}
    known |= {b"@nr_states", b"@nr_choices"}
    for name, (at, value) in sections.items():
        if name not in known:
            raise FormatError(f"{spelled(name)} is no section that is read.", line=at)
        if name == b"@parameters" and value:
            raise FormatError(f"the parameters {spelled(value)} have no values.", line=at)
    at, kind = sections.get(b"@type", (line - 1, b""))
    if kind.upper() not in TYPES:
        message = f"@type must be MDP, DTMC or POMDP, not {spelled(kind)}."
        raise FormatError(message, line=at)
    value_at, value = sections.get(b"@value_type", (0, b""))
    if value not in (b"", b"double", b"rational"):
        message = f"@value_type must be double or rational, not {spelled(value)}."
        raise FormatError(message, line=value_at)
    counts = {}
    for name in (b"@nr_states", b"@nr_choices"):
        if name in sections:
            where, word = sections[name]
            counts[name] = as_whole(word, where)
            room = (len(text) - begin) // STATE_BYTES + 1
            if counts[name] > room:
                message = f"{counts[name]} are claimed; {len(text)} bytes hold {room} at most."
                raise FormatError(message, line=where)
    if b"@nr_states" not in counts:
        raise FormatError("@nr_states is missing.", line=line - 1)
    at, names = sections.get(b"@reward_models", (0, b""))
    rewards = [decoded(word, at) for word in names.split()]
    if len(set(rewards)) < len(rewards):
        raise FormatError("a reward model is named twice.", line=at)
    n_states, n_choices = counts[b"@nr_states"], counts.get(b"@nr_choices")
    exact = value == b"rational"
    return Header(TYPES[kind.upper()], exact, rewards, n_states, n_choices, begin, line)
