"""Lines of whole numbers and a number, as explicit files have them: `s choice t p [word]`.

A small file is read by the reference below, line by line; a large one by its compiled twin,
which knows only whether a line is right and leaves the words about a wrong one to the
reference. A decimal becomes the nearest float64: w/10ᵏ with w < 2⁵³ and k ≤ 22 is one correctly
rounded division; larger w take a remainder besides, and what that cannot decide is read by
Python.

Checked in tests/io/test_lines.py. Source: Clinger (1990); Dekker (1971).
"""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mdpkit.errors import FormatError
from mdpkit.io._memory import require

COMPILED = 100_000
"""Bytes from which a file is worth the compiler's fixed cost."""

LONGEST = 1000
"""Characters of one number at most."""

BLANK = rb"[ \t\r]"
NUMBER = rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?"
WORD = rb"[!-~\x80-\xff]+"


class Lines(NamedTuple):
    """What n lines say: (k, n) whole numbers, (n,) numbers; and where the lines lie."""

    ints: np.ndarray
    values: np.ndarray
    text: bytes
    begin: int  # the first byte and the first line of the text that was read
    line: int

    def line_of(self, entry: int) -> int:
        """The line, from 1, on which an entry stands."""
        kept = (n for n, _ in _written(self.text, self.begin, self.line))
        return next(n for i, n in enumerate(kept) if i == entry)

    def refuse(self, entry: int, message: str) -> None:
        """Raise FormatError with the entry's line."""
        raise FormatError(message, line=self.line_of(int(entry)))


def read_text(path: str | os.PathLike, limit: int) -> tuple[bytes, int]:
    """A file's bytes, and where they begin after a byte-order mark."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        require(size, limit, "the text")
        text = file.read(size + 1)
    return text, 3 if text.startswith(b"\xef\xbb\xbf") else 0


def spelled(raw: bytes) -> str:
    """A piece of a file as it may stand in a message."""
    cut = raw[:40] + (b"..." if len(raw) > 40 else b"")
    return '"' + cut.decode("utf-8", "backslashreplace").encode("unicode_escape").decode() + '"'


def decoded(raw: bytes, line: int) -> str:
    """A word of a file; FormatError if it is not UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError(f"{spelled(raw)} is not UTF-8 text.", line=line) from None


def first_line(text: bytes, begin: int, line: int = 1) -> tuple[list[bytes], int, int]:
    """The words of the first line that is not blank, where the next begins, and its number."""
    for number, raw in _written(text, begin, line):
        end = begin
        for _ in range(number - line + 1):
            end = text.find(b"\n", end) + 1 or len(text)
        return raw.split(), end, number + 1
    return [], len(text), line


def _written(text: bytes, begin: int, line: int) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of the lines that are neither blank nor a comment."""
    stream = io.BytesIO(text)
    stream.seek(begin)
    for number, raw in enumerate(stream, line):
        raw = raw.strip(b" \t\r\n")
        if raw and not raw.startswith(b"#"):
            yield number, raw


def read_lines(text: bytes, begin: int, line: int, k: int, limit: int) -> Lines:
    """Read lines of k whole numbers, a number, and perhaps a word, to the end of the text."""
    n_lines = text.count(b"\n", begin) + 1
    require(len(text) + 5 * 8 * (k + 1) * n_lines, limit, f"{n_lines} lines")
    if len(text) - begin >= COMPILED:
        from mdpkit.io._scan import scan_lines

        return scan_lines(text, begin, line, k, n_lines)
    rows, values = [], []
    pattern = _pattern(k)
    for number, raw in _written(text, begin, line):
        found = pattern.fullmatch(raw)
        if found is None:
            _refuse_line(raw, number, k)
            continue
        rows.append([int(word) for word in found.groups()[:k]])
        values.append(as_number(found[k + 1], number))
    ints = np.array(rows, dtype=np.int64).reshape(-1, k).T
    return Lines(np.ascontiguousarray(ints), np.array(values, dtype=float), text, begin, line)


def _pattern(k: int) -> re.Pattern[bytes]:
    whole = rb"([0-9]{1,18})" + BLANK + b"+"
    return re.compile(whole * k + b"(" + NUMBER + b")(?:" + BLANK + b"+" + WORD + b")?")


def as_number(word: bytes, line: int) -> float:
    """The float64 nearest to a decimal."""
    if len(word) > LONGEST:
        raise FormatError(f"a number has {len(word)} characters.", line=line)
    if not re.fullmatch(NUMBER, word):
        raise FormatError(f"a number is needed, not {spelled(word)}.", line=line)
    x = float(word)
    if math.isinf(x):
        raise FormatError(f"{spelled(word)} is no finite number.", line=line)
    return x


def as_whole(word: bytes, line: int, what: str = "a whole number") -> int:
    """A whole number of at most 18 digits."""
    if not re.fullmatch(rb"[0-9]{1,18}", word):
        raise FormatError(f"{what} is needed, not {spelled(word)}.", line=line)
    return int(word)


def _refuse_line(raw: bytes, line: int, k: int) -> None:
    """Say what is wrong with a line."""
    words = re.split(BLANK + b"+", raw)
    for word in words[:k]:
        as_whole(word, line)
    if len(words) > k:
        as_number(words[k], line)
    need = f"{k} whole numbers and a number"
    raise FormatError(f"{spelled(raw)} must be {need}, {k + 1} words.", line=line)


def refuse_line(text: bytes, at: int, line: int, k: int) -> Any:
    """Raise what the reference says about the line in which a byte stands."""
    begin = text.rfind(b"\n", 0, at) + 1
    end = text.find(b"\n", at)
    raw = text[begin : end if end >= 0 else len(text)].strip(b" \t\r\n")
    _refuse_line(raw[: 4 * LONGEST], line, k)
