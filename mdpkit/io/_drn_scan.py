"""The compiled twin of the `.drn` reader: transitions into arrays, other lines as marks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdpkit._jit import njit
from mdpkit.io._scan import (
    AT,
    BLOCK,
    COUNT,
    HARD,
    LINE,
    MARKS,
    N_HARD,
    NONE,
    ONE,
    UNDECIDED,
    WRONG,
    after_blanks,
    after_line,
    after_word,
    decimal,
    ends,
    new_state,
    settle,
    whole,
)

COLON, SLASH, NEWLINE = ord(":"), ord("/"), ord("\n")
STATE = np.frombuffer(b"state", dtype=np.uint8)
ACTION = np.frombuffer(b"action", dtype=np.uint8)


class Scan(NamedTuple):
    """What `Body` holds, its texts as they stand; and the wrong line, b"" if there is none."""

    marks: np.ndarray
    rests: np.ndarray
    texts: list[bytes]
    targets: np.ndarray
    values: np.ndarray
    last_line: int
    wrong: bytes


@njit
def begins(text, at, word):
    """Whether a word stands at a byte."""
    for c in word:
        if text[at] != c:
            return False
        at += ONE
    return ends(text[at])


@njit
def transition(text, at):
    """`next : number` from a byte on: both, where the number stands and ends, and its doubt."""
    target, at, right = whole(text, at)
    at = after_blanks(text, at)
    if not right or text[at] != COLON:
        return 0, 0.0, at, at, NONE
    at = after_blanks(text, at + ONE)
    value, end, doubt = decimal(text, at)
    if text[after_blanks(text, end)] != NEWLINE:
        doubt = NONE
    return target, value, at, end, doubt


@njit
def fingerprint(text, at):
    """The end of a line, and a number that by all odds only equal lines share (FNV-1a)."""
    h = np.uint64(14695981039346656037)
    while text[at] != NEWLINE:
        h = (h ^ np.uint64(text[at])) * np.uint64(1099511628211)
        at += ONE
    return at, np.int64(h >> np.uint64(1))


@njit
def differs(text, rests, first):
    """The first rest that is not the text of its representative, −1 if there is none."""
    for i in range(rests.shape[0]):
        a, b = np.uint64(rests[i, 0]), np.uint64(rests[first[i], 0])
        end = np.uint64(rests[i, 1])
        if end - a != np.uint64(rests[first[i], 1]) - b:
            return i
        while a < end:
            if text[a] != text[b]:
                return i
            a, b = a + ONE, b + ONE
    return -1


@njit
def body_kernel(text, stop, state, targets, values, marks, rests, hard):
    """Read lines until `stop`; the text ends with a line's end."""
    at, line, n, n_hard = np.uint64(state[AT]), state[LINE], state[COUNT], state[HARD]
    n_marks = state[MARKS]
    while at < stop and n_hard < hard.shape[0]:
        begin = at
        at = after_blanks(text, at)
        c = text[at]
        if 48 <= c <= 57:
            targets[n], values[n], start, end, doubt = transition(text, at)
            if doubt == UNDECIDED:
                hard[n_hard, 0], hard[n_hard, 1], hard[n_hard, 2] = n, start, end
                hard[n_hard, 3] = line
                n_hard += 1
            right, at, n = doubt != NONE, end, n + 1
        elif c in (SLASH, NEWLINE):
            right = c == NEWLINE or text[at + ONE] == SLASH
        else:
            is_state, number = begins(text, at, STATE), 0
            right = is_state or begins(text, at, ACTION)
            at = after_blanks(text, after_word(text, at))
            if is_state:
                number, at, good = whole(text, at)
                right = right and good and ends(text[at])
            marks[n_marks, 0], marks[n_marks, 1] = 1 if is_state else 0, number
            marks[n_marks, 2], marks[n_marks, 3], rests[n_marks, 0] = n, line, at
            rests[n_marks, 1], rests[n_marks, 2] = fingerprint(text, at)
            n_marks += 1
        if not right:
            state[WRONG], at = 1, begin
            break
        at, line = after_line(text, at), line + 1
    state[AT], state[LINE], state[COUNT], state[HARD] = at, line, n, n_hard
    state[MARKS] = n_marks


def scan(text: bytes, begin: int, line: int, n_lines: int) -> Scan:
    """Read everything from a byte on."""
    text = text if text.endswith(b"\n") else text + b"\n"
    data = np.frombuffer(text, dtype=np.uint8)
    targets, values = np.empty(n_lines, dtype=np.int64), np.empty(n_lines)
    marks = np.empty((n_lines, 4), dtype=np.int64)
    rests = np.empty((n_lines, 3), dtype=np.int64)
    hard = np.empty((N_HARD, 4), dtype=np.int64)
    state = new_state(begin, line)
    while state[AT] < len(text) and not state[WRONG]:
        stop = np.uint64(min(state[AT] + BLOCK, len(text)))
        body_kernel(data, stop, state, targets, values, marks, rests, hard)
        settle(text, state, values, hard)
    at, n, n_marks = int(state[AT]), int(state[COUNT]), int(state[MARKS])
    wrong = text[at : text.index(b"\n", at)] if state[WRONG] else b""
    index, texts = _distinct(text, data, rests[:n_marks])
    last = int(state[LINE]) - (0 if wrong else 1)
    return Scan(marks[:n_marks].copy(), index, texts, targets[:n], values[:n], last, wrong)


def _distinct(
    text: bytes, data: np.ndarray, rests: np.ndarray
) -> tuple[np.ndarray, list[bytes]]:
    """Which text each rest is, and the texts."""
    _, first, index = np.unique(rests[:, 2], return_index=True, return_inverse=True)
    if rests.size and differs(data, rests, first[index]) >= 0:  # two texts, one fingerprint
        spans = [text[a:b] for a, b, _ in rests.tolist()]
        known = {span: i for i, span in enumerate(dict.fromkeys(spans))}
        return np.array([known[span] for span in spans]), list(known)
    return index, [text[a:b] for a, b, _ in rests[first].tolist()]
