"""What lies beside a `.tra`: labels of states, and rewards of states and transitions.

    Storm   #DECLARATION / init done / #END, then "7 done"         "3 1.5"     "3 0 4 1.5"
    PRISM   0="init" 1="deadlock", then "7: 1"       the same, after a line of counts

A state has at most one line, a transition too, and states come in order.
Checked in tests/io/test_explicit.py. Source: the manuals of Storm 1.9 and PRISM 4.8.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mdpkit.errors import FormatError, SourceError
from mdpkit.io._labeled import pair_reward
from mdpkit.io._lines import (
    Lines,
    as_whole,
    decoded,
    first_line,
    read_lines,
    read_text,
    spelled,
)

SUFFIXES = {
    ".srew": "state",
    ".state.rew": "state",
    ".trew": "transition",
    ".trans.rew": "transition",
}
DECLARED = re.compile(rb'([0-9]{1,9})="([^"\s]+)"')
QUOTED = re.compile(rb'[0-9]+="')


def beside(path: Path) -> tuple[Path | None, list[Path]]:
    """The labels and the rewards that lie beside a `.tra` of the same name."""
    stem = path.name[: -len(path.suffix)]
    labels = path.with_name(f"{stem}.lab")
    rewards = [path.with_name(stem + suffix) for suffix in SUFFIXES]
    named = sorted(path.parent.glob(f"{_literal(stem)}.*.rew"))
    found = [p for p in dict.fromkeys([*rewards, *named]) if p.is_file() and _kind(p)]
    return (labels if labels.is_file() else None), found


def _literal(stem: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", stem)


def _kind(path: Path) -> str | None:
    return next((kind for end, kind in SUFFIXES.items() if path.name.endswith(end)), None)


def structure_of(path: Path, stem: str) -> str:
    """The name of a reward file's structure: "flip" for two_dice.flip.trans.rew, else ""."""
    end = next(end for end in SUFFIXES if path.name.endswith(end))
    return path.name[: -len(end)].removeprefix(stem).removeprefix(".")


def existing(path: str | os.PathLike) -> Path:
    """A companion's path; SourceError if there is no such regular file."""
    path = Path(path)
    if not path.is_file():
        raise SourceError(f"no file {str(path)!r}.")
    return path


# ---- labels ----------------------------------------------------------------------------------


def read_labels(path: Path, n_states: int, limit: int) -> dict[str, np.ndarray]:
    """Name → (S,) bool; FormatError with a line if the file is wrong."""
    text, begin = read_text(path, limit)
    lines = _stripped(text[begin:])
    first = next(lines, (1, b""))
    read = _prism_labels if QUOTED.match(first[1]) else _storm_labels
    try:
        return read(*first, lines, n_states)
    except FormatError as error:
        error.args = (f"{path.name}: {error}",)
        raise


def _stripped(text: bytes) -> Iterator[tuple[int, bytes]]:
    for line, raw in enumerate(text.split(b"\n"), 1):
        if raw := raw.strip(b" \t\r"):
            yield line, raw


def _storm_labels(
    line: int, raw: bytes, lines: Iterator[tuple[int, bytes]], n_states: int
) -> dict[str, np.ndarray]:
    if raw != b"#DECLARATION":
        raise FormatError(f"#DECLARATION is needed, not {spelled(raw)}.", line=line)
    labels: dict[str, np.ndarray] = {}
    for line, raw in lines:
        if raw == b"#END":
            break
        for word in raw.split():
            labels[_name(word, line)] = np.zeros(n_states, dtype=bool)
    else:
        raise FormatError("#END is missing.", line=line)
    known = {name.encode(): flags for name, flags in labels.items()}
    for line, s, words in _states(lines, n_states, b""):
        for word in words:
            if word not in known:
                message = f"label {spelled(word)} is not declared."
                raise FormatError(message, line=line)
            known[word][s] = True
    return labels


def _prism_labels(
    line: int, raw: bytes, lines: Iterator[tuple[int, bytes]], n_states: int
) -> dict[str, np.ndarray]:
    numbers: dict[bytes, np.ndarray] = {}
    labels: dict[str, np.ndarray] = {}
    for word in raw.split():
        found = DECLARED.fullmatch(word)
        if not found or found[1] in numbers or _name(found[2], line) in labels:
            raise FormatError(f'{spelled(word)} must be number="name", once.', line=line)
        flags = np.zeros(n_states, dtype=bool)
        numbers[found[1]] = labels[_name(found[2], line)] = flags
    for line, s, words in _states(lines, n_states, b":"):
        for word in words:
            if word not in numbers:
                raise FormatError(f"label {spelled(word)} is not declared.", line=line)
            numbers[word][s] = True
    return labels


def _name(word: bytes, line: int) -> str:
    if re.search(rb"[\x00-\x20\x7f]", word) or word.startswith(b"#"):
        raise FormatError(f"{spelled(word)} is no name of a label.", line=line)
    return decoded(word, line)


def _states(
    lines: Iterator[tuple[int, bytes]], n_states: int, colon: bytes
) -> Iterator[tuple[int, int, list[bytes]]]:
    """Line, state and words of each line; states increase."""
    last = -1
    for line, raw in lines:
        head, *words = raw.replace(colon, colon + b" ", 1).split() if colon else raw.split()
        if colon and not head.endswith(colon):
            raise FormatError(f'{spelled(raw)} must begin with "state:".', line=line)
        s = as_whole(head.removesuffix(colon), line, "the number of a state")
        if not last < s < n_states:
            known = f"states come in order, once, and are 0 … {n_states - 1}"
            raise FormatError(f"state {s} after {last}: {known}.", line=line)
        last = s
        yield line, s, words


# ---- rewards ---------------------------------------------------------------------------------


def read_state_rewards(path: Path, n_states: int, limit: int) -> np.ndarray:
    """(S,) reward for each step begun in a state."""
    text, begin = read_text(path, limit)
    words, after, line = first_line(text, begin)
    counts = None
    if len(words) == 2 and words[0] == b"%d" % n_states:  # no state has this number
        counts = (n_states, as_whole(words[1], line - 1))
        begin = after
    else:
        line = 1
    rows = read_lines(text, begin, line, 1, limit)
    _check_counts(rows, counts, line)
    s = rows.ints[0]
    _require(rows, s < n_states, "state {}: states are 0 … " + str(n_states - 1), s)
    wrong = np.concatenate([[False], s[1:] <= s[:-1]])
    _require(rows, ~wrong, "state {} is out of order, or has two lines", s)
    r = np.zeros(n_states)
    r[s] = rows.values
    return r


def _check_counts(rows: Lines, counts: tuple | None, line: int) -> None:
    n = rows.values.size
    if counts is not None and counts[-1] != n:
        message = f"the header claims {counts[-1]} lines; there are {n}."
        raise FormatError(message, line=line - 1)


def _require(rows: Lines, right: np.ndarray, message: str, number: np.ndarray) -> None:
    if not right.all():
        entry = int(np.argmin(right))
        rows.refuse(entry, message.format(number[entry]) + ".")


def read_transition_rewards(
    path: Path, rows: np.ndarray, entry_ptr: np.ndarray, values: np.ndarray, limit: int
) -> np.ndarray:
    """(pairs,) expected reward, from rewards of transitions `s [choice] t r`.

    rows : (k, nnz) state, choice if there are any, and next state of every entry, in order
    """
    k, counts = rows.shape[0], None
    text, begin = read_text(path, limit)
    words, after, line = first_line(text, begin)
    if len(words) == k:
        counts = [as_whole(word, line - 1) for word in words]
        begin = after
    else:
        line = 1
    given = read_lines(text, begin, line, k, limit)
    _check_counts(given, None if counts is None else tuple(counts), line)
    entry = _entries(given, rows)
    on_entry = np.zeros(values.size)
    on_entry[entry] = given.values
    return pair_reward(values, entry_ptr, on_entry)


def _entries(given: Lines, rows: np.ndarray) -> np.ndarray:
    """Which entry each line speaks of; FormatError if none, twice, or out of order."""
    head, n = given.ints, given.values.size
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    falls = np.zeros(n, dtype=bool)
    level = np.ones(n - 1, dtype=bool)
    for part in head[:-1]:
        falls[1:] |= level & (part[1:] < part[:-1])
        level &= part[1:] == part[:-1]
    _require(given, ~falls, "state {} is out of order", head[0])
    both = np.concatenate([rows, head], axis=1)
    order = np.lexsort(both[::-1])
    same = (both[:, order[1:]] == both[:, order[:-1]]).all(axis=0)
    n_entries = rows.shape[1]
    twice = np.sort(order[1:][same & (order[:-1] >= n_entries)]) - n_entries
    if twice.size:
        given.refuse(twice[0], "this transition has two lines.")
    entry = np.full(n, -1)
    known = same & (order[:-1] < n_entries)
    entry[order[1:][known] - n_entries] = order[:-1][known]
    _require(given, entry >= 0, "state {} has no such transition", head[0])
    return entry
