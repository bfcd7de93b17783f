"""Numbers as text without loss: "p" or "p/q", decimal digits, at most MAX_DIGITS of them.

No points, exponents, underscores, spaces or digits of other scripts, which `int` and `float`
would take. A float64 is written as the dyadic fraction it is; "-0" is −0.0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from mdpkit._exact import fraction, rational
from mdpkit.errors import FormatError
from mdpkit.io._json import MAX_DIGITS, listed

NUMBER = re.compile(r"(-?)([0-9]+)(?:/([0-9]+))?")
LARGEST = 10**MAX_DIGITS

Reader = Callable[[Any, str], Any]
"""Takes the text of a number and its place in the file, for the message."""


def text_of(x: Any) -> str:
    """Write a float at its word, or an exact rational."""
    if isinstance(x, float):
        if x == 0 and math.copysign(1.0, x) < 0:
            return "-0"
        p, q = x.as_integer_ratio()
    else:
        exact = fraction(x)
        p, q = exact.numerator, exact.denominator
    if abs(p) >= LARGEST or q >= LARGEST:
        raise FormatError(f"a fraction of more than {MAX_DIGITS} digits cannot be saved.")
    return str(p) if q == 1 else f"{p}/{q}"


def texts_of(x: np.ndarray | None) -> list[str] | None:
    """Write an array."""
    return None if x is None else [text_of(value) for value in x.tolist()]


def ratio(text: Any, where: str) -> tuple[int, int]:
    """Read "p/q" as two integers, q > 0, not reduced."""
    if not isinstance(text, str) or (found := NUMBER.fullmatch(text)) is None:
        raise FormatError(f'{where} is {str(text)[:40]!r}; numbers are text, "p" or "p/q".')
    sign, p, q = found[1], found[2], found[3] or "1"
    n_digits = max(len(p), len(q))
    if n_digits > MAX_DIGITS:
        raise FormatError(f"{where} has {n_digits} digits; at most {MAX_DIGITS} are allowed.")
    if int(q) == 0:
        raise FormatError(f"{where} is {text[:40]!r}, a division by zero.")
    return -int(p) if sign else int(p), int(q)


def read_rational(text: Any, where: str) -> Any:
    """Read a number as an exact `fmpq`."""
    p, q = ratio(text, where)
    return rational(p) if q == 1 else rational(p) / q


def read_double(text: Any, where: str) -> float:
    """Read a number that is a float64; one that is not is refused, never rounded."""
    p, q = ratio(text, where)
    try:
        x = p / q  # correctly rounded, so that x is p/q if any float is
    except OverflowError:
        x = math.inf
    n, d = (1, 0) if math.isinf(x) else x.as_integer_ratio()
    if n * q != p * d:
        raise FormatError(f'{where} is {text[:40]}, no float64; "numbers": "exact" keeps it.')
    return -0.0 if x == 0 and text[0] == "-" else x


def read_array(x: Any, what: str, number: Reader, size: int) -> np.ndarray:
    """Read a list of numbers."""
    texts = listed(x, what, str, size)
    return pack([number(text, f"{what}[{i}]") for i, text in enumerate(texts)], number)


def pack(values: list, number: Reader) -> np.ndarray:
    """Return numbers that `number` read as an array of their kind."""
    array = np.empty(len(values), dtype=np.float64 if number is read_double else object)
    array[:] = values
    return array


def check_common(texts: Iterable[str], where: str) -> None:
    """Numbers that must sum to 1 share a denominator; many small ones could make a giant."""
    common = 1
    for q in {text.partition("/")[2] for text in texts}:
        common = math.lcm(common, int(q or 1))
        if common >= LARGEST:
            raise FormatError(f"{where}: the common denominator has over {MAX_DIGITS} digits.")
