"""What the names of actions in a `.drn` say: numbers, names, or nothing."""

from __future__ import annotations

import re

import numpy as np

NOTHING = b"__NOLABEL__"


def action_names(
    words: list[bytes], index: np.ndarray, ptr: np.ndarray
) -> tuple[np.ndarray | None, tuple | None]:
    """(pairs,) numbers of actions, None for 0, 1, … in each state; and the actions' names.

    words[index[i]] is the name of pair i. Numbers that increase in each state are the actions'
    own. Words are, if their first appearances are in an order that every state keeps. Otherwise
    they say nothing.
    """
    known, first = np.unique(index, return_index=True)
    known = known[np.argsort(first)]
    distinct = {word: i for i, word in enumerate(dict.fromkeys(words[k] for k in known))}
    number = np.zeros(len(words), dtype=np.int64)
    if all(re.fullmatch(rb"[0-9]{1,9}", word) for word in distinct):
        number[known] = [int(words[k]) for k in known]
        numbers = number[index]
        return (_unless_plain(numbers, ptr) if _increase(numbers, ptr) else None), None
    number[known] = [distinct[words[k]] for k in known]
    order = number[index]
    try:
        names = tuple(word.decode() for word in distinct)
    except UnicodeDecodeError:
        return None, None
    if NOTHING in distinct or not _increase(order, ptr):
        return None, None
    return _unless_plain(order, ptr), names


def _increase(numbers: np.ndarray, ptr: np.ndarray) -> bool:
    falls = np.flatnonzero(numbers[1:] <= numbers[:-1]) + 1
    return bool(np.isin(falls, ptr).all())


def _unless_plain(numbers: np.ndarray, ptr: np.ndarray) -> np.ndarray | None:
    local = np.arange(numbers.size) - np.repeat(ptr[:-1], np.diff(ptr))
    return None if (numbers == local).all() else numbers
