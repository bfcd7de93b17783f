"""The lines after @model of a `.drn`: marks of states and actions, transitions between.

A large file of decimals is read by the compiled kernel at the end; the reference reads small
ones and those with fractions, and says what is wrong with a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mdpkit._exact import rational
from mdpkit.errors import FormatError
from mdpkit.io._json import MAX_DIGITS
from mdpkit.io._lines import COMPILED, LONGEST, as_number, as_whole, spelled
from mdpkit.io._memory import require
from mdpkit.io._numbers import read_rational

DECIMAL = re.compile(rb"([+-]?)([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]{1,4}))?")


class Body(NamedTuple):
    """Marks, which are the lines `state 3 …` and `action name …`, and transitions.

    marks    (n, 4): 1 for a state, its number, transitions before it, line of the file
    rests    (n,) index into texts: what stands behind `state 3` or `action`
    """

    marks: np.ndarray
    rests: np.ndarray
    texts: list[bytes]
    targets: np.ndarray
    values: np.ndarray
    exact: bool
    text: bytes
    begin: int
    line: int
    last_line: int

    def line_of(self, entry: int) -> int:
        """The line on which a transition stands."""
        rows = (n for n, raw in lines(self.text, self.begin, self.line) if raw[:1].isdigit())
        return next(n for i, n in enumerate(rows) if i == entry)


class FractionError(Exception):
    """A fraction in a file that had been taken for one of floats."""


def lines(text: bytes, begin: int, line: int) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of the lines that are neither blank nor a comment."""
    while begin < len(text):
        end = text.find(b"\n", begin)
        end = len(text) if end < 0 else end
        raw = text[begin:end].strip(b" \t\r")
        if raw and not raw.startswith(b"//"):
            yield line, raw
        begin, line = end + 1, line + 1


def number(word: bytes, line: int, exact: bool) -> Any:
    """A decimal as a float; as a rational, a fraction too, where the file is exact."""
    if re.fullmatch(rb"[+-]?[0-9]+/[0-9]+", word):
        if not exact:
            raise FractionError
        try:
            return read_rational(word.decode().removeprefix("+"), "a number")
        except FormatError as error:
            raise FormatError(str(error), line=line) from None
    if word.startswith(b"["):
        raise FormatError(f"{spelled(word)} is an interval; numbers are needed.", line=line)
    x = as_number(word, line)
    return _exactly(word, line) if exact else x


def _exactly(word: bytes, line: int) -> Any:
    found = DECIMAL.fullmatch(word)
    if found is None:
        raise FormatError(f"{spelled(word)} is no number.", line=line)
    sign, whole, part, power = found.groups()
    shift = int(power or 0) - len(part)
    if abs(shift) > MAX_DIGITS:
        raise FormatError(f"a number has over {MAX_DIGITS} digits.", line=line)
    x = rational(int((whole + part) or b"0")) * rational(10) ** shift
    return -x if sign == b"-" else x


def read_body(text: bytes, begin: int, line: int, limit: int, *, exact: bool) -> Body:
    """Read everything after @model; FractionError if it turns out to be exact."""
    n_lines = text.count(b"\n", begin) + 1
    require(len(text) + 80 * n_lines, limit, f"{n_lines} lines")
    if not exact and len(text) - begin >= COMPILED:
        return _compiled(text, begin, line, n_lines)
    return _reference(text, begin, line, exact)


def _reference(text: bytes, begin: int, first: int, exact: bool) -> Body:
    marks: list[tuple[bool, int, int, int]] = []
    rests: list[int] = []
    texts: dict[bytes, int] = {}
    targets: list[int] = []
    values: list[Any] = []
    line = first
    for line, raw in lines(text, begin, first):
        word, _, rest = raw.replace(b"\t", b" ").partition(b" ")
        if word in (b"state", b"action"):
            s, rest = -1, rest.strip()
            if word == b"state":
                name, _, rest = rest.partition(b" ")
                s, rest = as_whole(name, line, "the number of a state"), rest.strip()
            elif not rest:
                raise FormatError("an action has no name.", line=line)
            marks.append((word == b"state", s, len(targets), line))
            rests.append(texts.setdefault(rest, len(texts)))
            continue
        target, colon, value = raw.partition(b":")
        if not colon:
            message = f'{spelled(raw)} must be state, action or "next : number".'
            raise FormatError(message, line=line)
        targets.append(as_whole(target.strip(b" \t"), line, "a next state"))
        values.append(number(value.strip(b" \t"), line, exact))
    array = np.empty(len(values), dtype=object if exact else np.float64)
    array[:] = values
    table = np.array(marks, dtype=np.int64).reshape(-1, 4)
    where, index = (np.array(x, dtype=np.int64) for x in (targets, rests))
    return Body(table, index, list(texts), where, array, exact, text, begin, first, line)


def _compiled(text: bytes, begin: int, line: int, n_lines: int) -> Body:
    from mdpkit.io._drn_scan import scan

    found = scan(text, begin, line, n_lines)
    if found.wrong:
        _reference(found.wrong, 0, found.last_line, False)  # it says what is wrong
        shown = spelled(found.wrong[:LONGEST])
        raise FormatError(f"{shown} is not understood.", line=found.last_line)
    texts = [x.replace(b"\t", b" ").strip(b" \r") for x in found.texts]
    nameless = np.array([not x for x in texts])[found.rests] & (found.marks[:, 0] == 0)
    if nameless.any():
        at = int(found.marks[np.argmax(nameless), 3])
        raise FormatError("an action has no name.", line=at)
    parts = (found.marks, found.rests, texts, found.targets, found.values)
    return Body(*parts, False, text, begin, line, found.last_line)
