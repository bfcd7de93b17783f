"""JSON as a file format must have it: one meaning for every text, bounded in depth and digits.

Python's reader takes NaN, a key given twice (the last wins), 5000-digit integers, and nesting
until the stack ends. None of that passes here. Floats do not pass either: 0.1 is not a tenth,
so numbers are whole or written as text. Checked in tests/io/test_exact_json.py.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import numpy as np

from mdpkit.errors import FormatError

MAX_DIGITS = 4000
"""Digits of one whole number; Python itself stops at 4300."""

MAX_DEPTH = 8
"""Levels of brackets; the formats here need four, the rest is for names that are tuples."""

EXPANSION = 32
"""Bytes of memory one byte of JSON may take once read: `{},` becomes a dict of 64 bytes."""


def parse(data: bytes) -> dict:
    """Return the object that UTF-8 JSON spells, or raise FormatError."""
    if _too_deep(data):
        raise FormatError(f"brackets do not match, or nest deeper than {MAX_DEPTH}.")
    try:
        body = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_whole,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except UnicodeDecodeError as error:
        raise FormatError(f"not UTF-8 text at byte {error.start}.") from None
    except json.JSONDecodeError as error:
        raise FormatError(f"not JSON: {error.msg}.", line=error.lineno) from None
    if not isinstance(body, dict):
        raise FormatError("the file must hold one JSON object.")
    return body


def _too_deep(data: bytes) -> bool:
    """Whether brackets outside strings nest too deeply; decided without recursion."""
    data = re.sub(rb"\\.", b"", data, flags=re.DOTALL)
    data = data.translate(None, bytes(set(range(256)) - set(b'[]{}"'))).replace(b'""', b"")
    data = re.sub(rb'"[^"]*"', b"", data)
    for _ in range(MAX_DEPTH):
        data = data.replace(b"[]", b"").replace(b"{}", b"")
    return bool(data)


def _unique(pairs: list[tuple[str, Any]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise FormatError(f"the key {twice!r} is given twice.")
    return found


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise FormatError(f"a number of {len(text)} digits; at most {MAX_DIGITS} are allowed.")
    return int(text)


def _no_number(text: str) -> Any:
    raise FormatError(f'{text[:40]} is not allowed; write numbers as text, "1/3" say.')


def fields(body: Any, required: set[str], optional: set[str]) -> None:
    """Raise FormatError unless `body` has the required keys, and else only optional ones."""
    if not isinstance(body, dict):
        raise FormatError(f"{str(body)[:40]} is no object with keys {sorted(required)}.")
    if missing := required - body.keys():
        raise FormatError(f"{', '.join(sorted(missing))} missing.")
    if unknown := body.keys() - required - optional:
        raise FormatError(
            f"unknown key {sorted(unknown)[0]!r}; known are {sorted(required | optional)}."
        )


def listed(x: Any, what: str, kind: type, size: int | None = None) -> list:
    """Return x after checking that it is a list (of `size`) of values of exactly this kind."""
    if not isinstance(x, list) or (size is not None and len(x) != size):
        count = "" if size is None else f" of {size}"
        raise FormatError(f"{what} must be a list{count}, one {kind.__name__} each.")
    for i, item in enumerate(x):
        if type(item) is not kind:  # True is an int to isinstance
            raise FormatError(f"{what}[{i}] is {str(item)[:40]!r}; {kind.__name__} is needed.")
    return x


# ---- signature: a file that was damaged is never read as another one -------------------------


def canonical(body: dict) -> bytes:
    """Return the one byte string that stands for a JSON object."""
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def digest(body: dict) -> str:
    """Return the SHA-256 of everything in the object but its own "sha256"."""
    return hashlib.sha256(
        canonical({k: v for k, v in body.items() if k != "sha256"})
    ).hexdigest()


def check_digest(body: dict) -> None:
    """Raise FormatError if the object carries a "sha256" that is not its own."""
    if "sha256" in body and body["sha256"] != digest(body):
        raise FormatError(
            "sha256 does not match: the file is damaged, or was edited without it."
        )


# ---- names: text, whole numbers, None and tuples of them -------------------------------------


def encode_names(names: tuple | None) -> list | None:
    """Return names as JSON that reads back as equal names; TypeError where it would not."""
    return None if names is None else [_encode(name) for name in names]


def _encode(name: Any, depth: int = 3) -> Any:
    if isinstance(name, np.generic):
        name = name.item()
    if name is None or type(name) in (str, bool) or (type(name) is int and _short(name)):
        return name
    if isinstance(name, tuple) and depth < MAX_DEPTH:
        return [_encode(part, depth + 1) for part in name]
    raise TypeError(
        f"the name {str(name)[:40]!r} is a {type(name).__name__}; names that can be saved are "
        "text, whole numbers, None and tuples of these. See mdp.replace(states=, actions=)."
    )


def _short(n: int) -> bool:
    return abs(n) < 10**MAX_DIGITS


def decode_names(names: Any, what: str) -> tuple | None:
    """Return names from JSON."""
    if names is None:
        return None
    if not isinstance(names, list):
        raise FormatError(f"{what} must be a list of names.")
    return tuple(_decode(name, what) for name in names)


def _decode(name: Any, what: str) -> Any:
    if isinstance(name, dict):
        raise FormatError(
            f"{what} holds an object; names are text, whole numbers or lists of them."
        )
    return tuple(_decode(part, what) for part in name) if isinstance(name, list) else name
