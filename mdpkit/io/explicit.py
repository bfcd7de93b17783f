"""`.tra` with its labels and rewards: the explicit files of Storm and PRISM, both dialects.

    Storm   mdp             0 0 1 0.5    state choice next p          dtmc    0 1 0.5
    PRISM   4 5 9           0 0 1 0.5 a  after S, choices, lines      4 9     0 1 0.5

States come in order and none is missing, choices in order within a state, next states in any
order, each once. A number of a choice is the number of the action. The start is uniform over
the states labeled init, state 0 where none is. What is written is Storm's dialect with `.lab`
and `.trew`.

Checked in tests/io/test_explicit.py. Source: the manuals of Storm 1.9 and PRISM 4.8.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mdpkit._rows import CSR
from mdpkit.errors import FormatError
from mdpkit.io import _companions as companions
from mdpkit.io._atomic import atomic_write
from mdpkit.io._labeled import (
    INIT,
    STOP,
    Labeled,
    Written,
    check_actions_fit,
    with_stop_state,
    without_stop_state,
)
from mdpkit.io._lines import Lines, as_whole, first_line, read_lines, read_text, spelled
from mdpkit.io._memory import memory_limit
from mdpkit.io._parts import needed_gamma
from mdpkit.mdp import MDP

KINDS = {b"mdp": 3, b"dtmc": 2}
REFUSED = {
    b"ctmc": "a continuous-time chain",
    b"ctmdp": "a continuous-time model",
    b"ma": "a Markov automaton",
}
SHORTEST = 4
"""Bytes that a line of the file takes at least: a claim of more lines is refused unread."""


def read(
    path: str | os.PathLike,
    gamma: Any,
    *,
    labels: str | os.PathLike | None = None,
    rewards: str | os.PathLike | Iterable[str | os.PathLike] | None = None,
    reward: str | None = None,
    normalize: bool = False,
    max_bytes: int | None = None,
) -> MDP:
    """Load a model with discount `gamma`; FormatError with the line where it is wrong.

    labels, rewards   companions that lie elsewhere; else those beside, of the same name
    reward            which reward structure, where there are several
    """
    gamma = needed_gamma(gamma, "a .tra file")
    model = read_labeled(path, labels=labels, rewards=rewards, max_bytes=max_bytes)
    return model.model(gamma, reward, normalize=normalize)


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused as not finite
def read_labeled(
    path: str | os.PathLike,
    *,
    labels: str | os.PathLike | None = None,
    rewards: str | os.PathLike | Iterable[str | os.PathLike] | None = None,
    max_bytes: int | None = None,
) -> Labeled:
    """The model with all its labels and reward structures, without a discount."""
    path, limit = Path(path), memory_limit(max_bytes)
    near, found = companions.beside(path)
    near = near if labels is None else companions.existing(labels)
    if rewards is not None:
        one = isinstance(rewards, str | os.PathLike)
        listed: Sequence[Any] = [rewards] if one else list(rewards)  # type: ignore[list-item]
        found = [companions.existing(part) for part in listed]
    table = _read_transitions(path, limit)
    n = table.action_ptr.size - 1
    model = Labeled(
        rows=CSR(table.values, table.rows[-1], table.entry_ptr, n),
        action_ptr=table.action_ptr,
        pair_actions=table.pair_actions,
        labels={} if near is None else companions.read_labels(near, n, limit),
        rewards=_read_rewards(found, path, table, limit),
        stop=None,
        actions=None,
        line_of=lambda pair: table.lines.line_of(int(table.entry_ptr[pair])),
        limit=limit,
    )
    return without_stop_state(model)


class _Table(NamedTuple):
    rows: np.ndarray  # (k, nnz) state, choice if any, next state; each pair's in order
    values: np.ndarray
    entry_ptr: np.ndarray
    action_ptr: np.ndarray
    pair_actions: np.ndarray | None
    lines: Lines


def _read_transitions(path: Path, limit: int) -> _Table:
    text, begin = read_text(path, limit)
    k, counts, begin, line = _read_header(text, begin)
    lines = read_lines(text, begin, line, k, limit)
    n = lines.values.size
    if n == 0:
        raise FormatError("there is no transition.", line=line)
    if counts and counts[-1] != n:
        message = f"the header claims {counts[-1]} transitions; there are {n}."
        raise FormatError(message, line=line - 1)
    _check_order(lines)
    s, t = lines.ints[0], lines.ints[-1]
    n_states = int(s[-1]) + 1
    if counts and counts[0] != n_states:
        message = f"the header claims {counts[0]} states; {n_states} have a transition."
        raise FormatError(message, line=line - 1)
    if not (inside := t < n_states).all():
        bad = int(np.argmin(inside))
        lines.refuse(bad, f"next state {t[bad]}: states are 0 … {n_states - 1}.")
    table = _paired(lines, n_states, limit)
    if len(counts) == 3 and counts[1] != table.entry_ptr.size - 1:
        found = f"there are {table.entry_ptr.size - 1}"
        raise FormatError(f"the header claims {counts[1]} choices; {found}.", line=line - 1)
    return table


def _read_header(text: bytes, begin: int) -> tuple[int, list[int], int, int]:
    """Whole numbers a line, the counts claimed, and where the transitions begin."""
    words, after, line = first_line(text, begin)
    head = words[0].lower() if words else b""
    if len(words) == 1 and head in KINDS:
        return KINDS[head], [], after, line
    if len(words) == 1 and head in REFUSED:
        raise FormatError(f"{REFUSED[head]} is no MDP.", line=line - 1)
    if len(words) not in (2, 3):
        found = spelled(b" ".join(words[:8]))
        message = f'"mdp", "dtmc" or counts of states, choices and transitions; not {found}.'
        raise FormatError(f"a header is needed: {message}", line=max(line - 1, 1))
    counts = [as_whole(word, line - 1, "a header of counts") for word in words]
    room = (len(text) - after) // SHORTEST + 1
    if max(counts) > room or min(counts) < 1:
        message = f"the header claims {counts}; {len(text)} bytes hold at most {room} lines."
        raise FormatError(message, line=line - 1)
    return len(words), counts, after, line


def _check_order(lines: Lines) -> None:
    """States from 0 without gaps, choices in order."""
    s = lines.ints[0]
    step = np.diff(s, prepend=-1)
    wrong = (step < 0) | (step > 1)
    wrong[0] = s[0] != 0
    if wrong.any():
        i = int(np.argmax(wrong))
        before = f"after state {s[i - 1]}" if i else "first"
        lines.refuse(i, f"state {s[i]} {before}: states come in order, none is missing.")
    if lines.ints.shape[0] == 3:
        c = lines.ints[1]
        back = np.concatenate([[False], (step[1:] == 0) & (c[1:] < c[:-1])])
        if back.any():
            i = int(np.argmax(back))
            lines.refuse(i, f"choice {c[i]} after choice {c[i - 1]}: they come in order.")


def _paired(lines: Lines, n_states: int, limit: int) -> _Table:
    """Cut the lines into pairs, each pair's next states in order and once."""
    ints, values = lines.ints, lines.values
    new = np.ones(values.size, dtype=bool)
    new[1:] = (ints[:-1, 1:] != ints[:-1, :-1]).any(axis=0)
    t = ints[-1]
    if (~new[1:] & (t[1:] <= t[:-1])).any():
        order = np.lexsort((t, np.cumsum(new)))
        ints, values = ints[:, order], values[order]
        twice = ~new[1:] & (ints[-1, 1:] == ints[-1, :-1])
        if twice.any():
            lines.refuse(order[1:][twice].min(), "this transition has two lines.")
    first = np.flatnonzero(new)
    state = ints[0, first]
    ptr = np.searchsorted(state, np.arange(n_states + 1))
    actions = None
    if ints.shape[0] == 3:
        choice = ints[1, first]
        if (choice != np.arange(first.size) - ptr[state]).any():
            check_actions_fit(choice, n_states, limit)
            actions = choice
    return _Table(ints, values, np.append(first, values.size), ptr, actions, lines)


def _read_rewards(
    found: list[Path], path: Path, table: _Table, limit: int
) -> dict[str, np.ndarray]:
    """Each structure's rewards of states and of transitions, added up."""
    counts = np.diff(table.action_ptr)
    rewards: dict[str, np.ndarray] = {}
    seen: set[tuple] = set()
    for part in found:
        kind = companions._kind(part)
        if kind is None:
            ends = ", ".join(companions.SUFFIXES)
            raise FormatError(f"{part.name} must end in {ends}, which say what is rewarded.")
        name = companions.structure_of(part, path.stem)
        if (name, kind) in seen:
            raise FormatError(f"{part.name} is the second file of {kind} rewards {name!r}.")
        seen.add((name, kind))
        try:
            if kind == "state":
                own = companions.read_state_rewards(part, counts.size, limit)
                r = np.repeat(own, counts)
            else:
                r = companions.read_transition_rewards(
                    part, table.rows, table.entry_ptr, table.values, limit
                )
        except FormatError as error:
            error.args = (f"{part.name}: {error}",)
            raise
        rewards[name] = rewards[name] + r if name in rewards else r
    return rewards


# ---- writing ---------------------------------------------------------------------------------


def write(mdp: MDP, path: str | os.PathLike, *, dialect: str = "storm") -> None:
    """Write `.tra`, `.lab` and `.trew`, each atomically; "storm" or "prism" dialect.

    FormatError if the model is exact, its start is not uniform over some states, or other
    rewards lie beside that `load` would read too. Names and the discount are not written.
    """
    if mdp.is_exact:
        raise FormatError(".tra holds decimals; .drn and .json keep fractions.")
    if dialect not in ("storm", "prism"):
        raise ValueError(f'dialect must be "storm" or "prism", not {dialect!r}.')
    path = Path(path)
    own = {end: path.with_suffix(end) for end in (".lab", ".trew")}
    if others := [p.name for p in companions.beside(path)[1] if p != own[".trew"]]:
        raise FormatError(f"{', '.join(others)} would be read as well; remove or rename it.")
    model = with_stop_state(mdp)
    prism = dialect == "prism"
    with atomic_write(own[".lab"], "w") as file:
        file.write(_labels_text(model, prism))
    pair = np.repeat(np.arange(model.rows.shape[0]), np.diff(model.rows.row_ptr))
    s = np.repeat(np.arange(model.action_ptr.size - 1), np.diff(model.action_ptr))
    heads = [f"{i} {a}" for i, a in zip(s.tolist(), model.pair_actions.tolist(), strict=True)]
    sizes = f"{model.action_ptr.size - 1} {model.rows.shape[0]}"
    paid = (model.r != 0) | np.signbit(model.r)
    for target, numbers, kept in (
        (own[".trew"], model.r[pair], paid[pair]),
        (path, model.rows.values, np.ones(pair.size, dtype=bool)),
    ):
        with atomic_write(target, "w") as file:
            if prism:
                file.write(f"{sizes} {int(kept.sum())}\n")
            elif target == path:
                file.write("mdp\n")
            entries = (x[kept].tolist() for x in (pair, model.rows.columns, numbers))
            for i, t, x in zip(*entries, strict=True):
                file.write(f"{heads[i]} {t} {x!r}\n")


def _labels_text(model: Written, prism: bool) -> str:
    names = [INIT, STOP] if [STOP] in model.labels else [INIT]
    states = [(s, own) for s, own in enumerate(model.labels) if own]
    if prism:
        head = " ".join(f'{i}="{name}"' for i, name in enumerate(names))
        return head + "\n" + "".join(f"{s}: {names.index(own[0])}\n" for s, own in states)
    head = f"#DECLARATION\n{' '.join(names)}\n#END\n"
    return head + "".join(f"{s} {' '.join(own)}\n" for s, own in states)
