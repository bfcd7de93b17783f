"""The compiled twin of the line readers: bytes in, whole numbers and floats out.

A kernel goes on from where `state` says and returns at a line's end after about BLOCK bytes, or
when it has found as many numbers that it cannot decide as `hard` holds; Python reads those. A
wrong line sets `state[WRONG]`; what is wrong with it, the reference says.
"""

from __future__ import annotations

import numpy as np

from mdpkit._jit import njit
from mdpkit.io._lines import LONGEST, Lines, as_number, refuse_line

AT, LINE, COUNT, HARD, WRONG, MARKS = range(6)
"""Places in `state`: next byte, its line, entries and hard numbers so far, wrong, marks."""

BLOCK = 4_000_000
N_HARD = 4096
POWERS = 10.0 ** np.arange(23)
EXACT = 1 << 53
SPLIT = 134217729.0
"""2²⁷ + 1, which cuts a float64 into two halves whose products are exact (Dekker)."""

UNDECIDED, NONE = 1, 2
ONE = np.uint64(1)  # a signed index would be checked for wrapping round


@njit
def quotient(w, k):
    """w / 10ᵏ correctly rounded, and whether that is certain."""
    d = POWERS[k]
    high = np.float64(w)
    q = high / d
    if w <= EXACT:
        return q, True
    low = np.float64(w - np.int64(high))
    p = q * d
    a = SPLIT * q
    a = a - (a - q)
    b = SPLIT * d
    b = b - (b - d)
    lost = ((a * b - p) + a * (d - b) + (q - a) * b) + (q - a) * (d - b)
    rest = (((high - p) - lost) + low) / d
    s = q + rest
    beyond = rest - (s - q)
    return s, s + beyond * (1.0 + 2.0**-20) == s


@njit
def digits(text, at, w, most):
    """Digits from a byte on, after those that w holds: w, where they end, how many count."""
    count = 0
    c = np.int64(text[at]) - 48
    while 0 <= c <= 9:
        if count < most:
            w = 10 * w + c
        if w > 0:
            count += 1
        at += ONE
        c = np.int64(text[at]) - 48
    return w, at, count


@njit
def exponent(text, at):
    """The exponent that begins at a byte, where it ends, and whether it is right."""
    at += ONE
    negative = text[at] == 45
    if text[at] == 45 or text[at] == 43:
        at += ONE
    begin = at
    power, at, _ = digits(text, at, 0, 4)
    return -power if negative else power, at, ONE <= at - begin <= np.uint64(4)


@njit
def decimal(text, at):
    """The number that begins at a byte: value, where it ends, and 0, UNDECIDED or NONE."""
    begin = at
    negative = text[at] == 45
    if text[at] == 45 or text[at] == 43:
        at += ONE
    start = at
    w, at, count = digits(text, at, 0, 18)
    power, seen = 0, at - start
    if text[at] == 46:
        at += ONE
        start = at
        w, at, more = digits(text, at, w, 18 - count)
        power -= np.int64(at - start)
        count, seen = count + more, seen + (at - start)
    right = seen > 0
    if text[at] == 101 or text[at] == 69:
        more, at, good = exponent(text, at)
        power, right = power + more, right and good
    if not right or at - begin > np.uint64(LONGEST):
        return 0.0, at, NONE
    if w == 0:
        return -0.0 if negative else 0.0, at, 0
    if count > 18 or power < -22 or power > 22 or (power > 0 and w > EXACT):
        return 0.0, at, UNDECIDED
    if power > 0:
        value, sure = w * POWERS[power], True
    else:
        value, sure = quotient(w, -power)
    return -value if negative else value, at, 0 if sure else UNDECIDED


@njit
def whole(text, at):
    """The whole number that begins at a byte, where it ends, and whether it is right."""
    begin = at
    w, c = 0, np.int64(text[at]) - 48
    while 0 <= c <= 9:
        w = 10 * w + c
        at += ONE
        c = np.int64(text[at]) - 48
    return w, at, ONE <= at - begin <= np.uint64(18)


@njit
def after_blanks(text, at):
    """The next byte that is no space, tabulator or carriage return."""
    while text[at] == 32 or text[at] == 9 or text[at] == 13:
        at += ONE
    return at


@njit
def ends(c):
    """Whether a byte ends a word."""
    return c == 32 or c == 10 or c == 9 or c == 13


@njit
def after_word(text, at):
    """Where a word of printing characters ends."""
    while text[at] > 32 and text[at] != 127:
        at += ONE
    return at


@njit
def after_line(text, at):
    """Where the next line begins."""
    while text[at] != 10:
        at += ONE
    return at + ONE


@njit
def line_kernel(text, stop, k, state, ints, values, hard):
    """Read lines `int … int number [word]` until `stop`; the text ends with a line's end."""
    at, line, n, n_hard = np.uint64(state[AT]), state[LINE], state[COUNT], state[HARD]
    begin = at
    while at < stop and n_hard < hard.shape[0]:
        begin = at
        at = after_blanks(text, at)
        if text[at] == 10:
            at, line = at + ONE, line + 1
            continue
        if text[at] == 35:
            at, line = after_line(text, at), line + 1
            continue
        right = True
        for j in range(k):
            w, at, good = whole(text, at)
            right = right and good and ends(text[at])
            if not right:
                break
            ints[j, n] = w
            at = after_blanks(text, at)
        if right:
            value, end, doubt = decimal(text, at)
            right = doubt != NONE and ends(text[end])
            values[n] = value
            start = at
            at = after_blanks(text, after_word(text, after_blanks(text, end)))
            right = right and text[at] == 10
            if right and doubt == UNDECIDED:
                hard[n_hard, 0], hard[n_hard, 1], hard[n_hard, 2] = n, start, end
                hard[n_hard, 3] = line
                n_hard += 1
        if not right:
            state[WRONG], at = 1, begin
            break
        at, line, n = at + ONE, line + 1, n + 1
    state[AT], state[LINE], state[COUNT], state[HARD] = at, line, n, n_hard


def new_state(begin: int, line: int) -> np.ndarray:
    """Where a kernel begins."""
    return np.array([begin, line, 0, 0, 0, 0], dtype=np.int64)


def settle(text: bytes, state: np.ndarray, values: np.ndarray, hard: np.ndarray) -> None:
    """Read the numbers that a kernel left open."""
    for entry, begin, end, line in hard[: state[HARD]].tolist():
        values[entry] = as_number(text[begin:end], line)
    state[HARD] = 0


def scan_lines(text: bytes, begin: int, line: int, k: int, n_lines: int) -> Lines:
    """What the reference says of a text, from the kernel."""
    text = text if text.endswith(b"\n") else text + b"\n"
    data = np.frombuffer(text, dtype=np.uint8)
    ints = np.empty((k, n_lines), dtype=np.int64)
    values = np.empty(n_lines)
    hard = np.empty((N_HARD, 4), dtype=np.int64)
    state = new_state(begin, line)
    while state[AT] < len(text) and not state[WRONG]:
        stop = np.uint64(min(state[AT] + BLOCK, len(text)))
        line_kernel(data, stop, k, state, ints, values, hard)
        settle(text, state, values, hard)
    if state[WRONG]:
        refuse_line(text, int(state[AT]), int(state[LINE]), k)
    n = int(state[COUNT])
    return Lines(ints[:, :n], values[:n], text, begin, line)
