"""`.drn`: Storm's own text format, with labels, reward models, and fractions where it says so.

    @type: MDP              state 0 [1.5] init done      rewards of the state, its labels
    @reward_models              action left [0, 2]       rewards of the pair
    cost time                       1 : 0.5              next state, probability
    @nr_states …                    2 : 1/2

A file with a fraction, or of @value_type rational, is read exactly. Actions named 0, 2, … have
those numbers; names that come in one order in every state name the actions. Observations are
ignored: what is read is the MDP underneath. Intervals, parameters and rates are refused.

Checked in tests/io/test_drn.py. Source: Storm 1.9, DirectEncodingParser.
"""

from __future__ import annotations

import os
import re
import warnings
from typing import Any

import numpy as np

from mdpkit._rows import CSR
from mdpkit.errors import FormatError, ModelWarning
from mdpkit.io._atomic import atomic_write
from mdpkit.io._drn_body import Body, FractionError, number, read_body
from mdpkit.io._drn_header import Header, read_header
from mdpkit.io._drn_names import action_names
from mdpkit.io._labeled import (
    Labeled,
    check_actions_fit,
    constant,
    with_stop_state,
    without_stop_state,
)
from mdpkit.io._lines import decoded, read_text, spelled
from mdpkit.io._memory import memory_limit
from mdpkit.io._numbers import text_of
from mdpkit.io._parts import needed_gamma
from mdpkit.mdp import MDP

LABEL = re.compile(rb'"([^"]+)"(?=\s|$|")|([^\s"]+)(?=\s|$)|(\S)')


def read(
    path: str | os.PathLike,
    gamma: Any,
    *,
    reward: str | None = None,
    normalize: bool = False,
    max_bytes: int | None = None,
) -> MDP:
    """Load a model with discount `gamma`; FormatError with the line where it is wrong.

    reward   which reward model, where there are several
    """
    gamma = needed_gamma(gamma, "a .drn file")
    model = read_labeled(path, max_bytes=max_bytes)
    return model.model(gamma, reward, normalize=normalize)


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused as not finite
def read_labeled(path: str | os.PathLike, *, max_bytes: int | None = None) -> Labeled:
    """The model with all its labels and reward models, without a discount."""
    limit = memory_limit(max_bytes)
    text, begin = read_text(path, limit)
    header = read_header(text, begin)
    try:
        model = _model(header, text, limit, exact=header.exact)
    except FractionError:  # one fraction makes the whole file exact
        model = _model(header, text, limit, exact=True)
    if header.kind == "pomdp":
        message = "the observations of a POMDP are ignored: this is the MDP underneath."
        warnings.warn(message, ModelWarning, stacklevel=2)
    return without_stop_state(model)


# ---- from marks and entries to a model -------------------------------------------------------


def _model(header: Header, text: bytes, limit: int, *, exact: bool) -> Labeled:
    body = read_body(text, header.begin, header.line, limit, exact=exact)
    pair, row_ptr, choices = _structure(header, body)
    n, n_pairs = pair.size - 1, row_ptr.size - 1
    entry_pair = np.repeat(np.arange(n_pairs), np.diff(row_ptr))
    values, targets = body.values, body.targets
    if not (inside := targets < n).all():
        i = int(np.argmin(inside))
        message = f"next state {targets[i]}: states are 0 … {n - 1}."
        raise FormatError(message, line=body.line_of(i))
    same = entry_pair[1:] == entry_pair[:-1]
    if (same & (targets[1:] <= targets[:-1])).any():
        order = np.lexsort((targets, entry_pair))
        values, targets = values[order], targets[order]
        twice = same & (targets[1:] == targets[:-1])
        if twice.any():
            i = int(order[1:][twice].min())
            raise FormatError("this transition has two lines.", line=body.line_of(i))
    labels, rewards = _facts(header, body, pair, choices)
    words = [text.partition(b" ")[0] for text in body.texts]
    numbers, names = action_names(words, body.rests[choices], pair)
    if numbers is not None:
        check_actions_fit(numbers, n, limit)
    return Labeled(
        rows=CSR(values, targets, row_ptr, n),
        action_ptr=pair,
        pair_actions=numbers,
        labels=labels,
        rewards=rewards,
        stop=None,
        actions=names,
        line_of=lambda i: int(body.marks[choices[i], 3]),
        limit=limit,
    )


def _structure(header: Header, body: Body) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each state's first pair, each pair's first transition, and the marks of the pairs."""
    is_state, number, entries, line = body.marks.T
    states, choices = np.flatnonzero(is_state), np.flatnonzero(is_state == 0)
    last, size = body.last_line, body.values.size
    if states.size == 0 or choices.size == 0 or size == 0:
        raise FormatError("states, actions and transitions are needed.", line=last)
    wrong = np.flatnonzero(number[states] != np.arange(states.size))
    if wrong.size:
        i = int(wrong[0])
        message = f"state {number[states[i]]} where state {i} is next."
        raise FormatError(message, line=int(line[states[i]]))
    if choices[0] < states[0] or entries[choices[0]] != 0:
        raise FormatError("something stands before the first state or action.", line=last)
    pair = np.append(np.searchsorted(choices, states), choices.size)
    row_ptr = np.append(entries[choices], size)
    for name, ptr, of in (("state", pair, states), ("action", row_ptr, choices)):
        empty = np.flatnonzero(np.diff(ptr) == 0)
        if empty.size:
            inside = "action" if name == "state" else "transition"
            at = int(line[of[empty[0]]])
            raise FormatError(f"this {name} has no {inside}.", line=at)
    astray = np.flatnonzero(entries[states[1:]] != row_ptr[pair[1:-1]])
    if astray.size:
        raise FormatError("a transition belongs to no action.", line=last)
    for what, found, claimed in (
        ("states", states.size, header.n_states),
        ("choices", choices.size, header.n_choices),
    ):
        if claimed is not None and claimed != found:
            message = f"{claimed} {what} are claimed; there are {found}."
            raise FormatError(message, line=last)
    return pair, row_ptr, choices


def _facts(
    header: Header, body: Body, pair: np.ndarray, choices: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Labels and rewards: what stands behind the numbers of states and the names of actions."""
    states = np.flatnonzero(body.marks[:, 0])
    labels: dict[str, np.ndarray] = {}
    paid = [constant(pair[-1], 0, body.exact) for _ in header.rewards]
    for marks, on_states in ((states, True), (choices, False)):
        rests = body.rests[marks]
        amounts = [constant(len(body.texts), 0, body.exact) for _ in header.rewards]
        of_label: dict[str, list[int]] = {}
        known, first = np.unique(rests, return_index=True)
        for k, i in zip(known.tolist(), first.tolist(), strict=True):
            text, line = body.texts[k], int(body.marks[marks[i], 3])
            text = text if on_states else text.partition(b" ")[2].strip()
            rewards, names = _rest(text, header, line, body.exact, on_states)
            for amount, x in zip(amounts, rewards, strict=False):
                amount[k] = x
            for name in names:
                of_label.setdefault(name, []).append(k)
        counts = np.diff(pair) if on_states else 1
        paid = [r + np.repeat(x[rests], counts) for r, x in zip(paid, amounts, strict=True)]
        labels |= {name: np.isin(rests, ks) for name, ks in of_label.items()}
    return labels, dict(zip(header.rewards, paid, strict=True))


def _rest(
    rest: bytes, header: Header, line: int, exact: bool, on_states: bool
) -> tuple[list[Any], list[str]]:
    """Rewards and labels of one line."""
    if not rest and header.kind != "pomdp":
        return [], []
    if on_states and header.kind == "pomdp":
        found = re.match(rb"\{[0-9]+\}\s*", rest)
        if found is None:
            raise FormatError("the observation is missing.", line=line)
        rest = rest[found.end() :]
    rewards: list[Any] = []
    if rest.startswith(b"["):
        inside, bracket, rest = rest[1:].partition(b"]")
        words = inside.split(b",")
        if not bracket or len(words) > len(header.rewards):
            message = f"{len(header.rewards)} rewards in brackets are needed."
            raise FormatError(message, line=line)
        rewards = [number(word.strip(), line, exact) for word in words]
    names = []
    for found in LABEL.finditer(rest):
        word = found[1] or found[2]
        if word is None or not on_states:
            raise FormatError(f"{spelled(rest)} is not understood.", line=line)
        names.append(decoded(word, line))
    return rewards, names


# ---- writing ---------------------------------------------------------------------------------


def write(mdp: MDP, path: str | os.PathLike) -> None:
    """Write a model, atomically; an exact one in fractions.

    FormatError if its start is not uniform over some states. States' names and the discount are
    not written; actions' names are where they are words, else their numbers.
    """
    model, exact = with_stop_state(mdp), mdp.is_exact
    text = text_of if exact else repr
    names = _words(mdp)
    n, n_pairs = model.action_ptr.size - 1, model.rows.shape[0]
    head = ["@type: MDP", f"@value_type: {'rational' if exact else 'double'}"]
    head += ["@parameters", "", "@reward_models", "reward"]
    head += ["@nr_states", str(n), "@nr_choices", str(n_pairs), "@model", ""]
    ptr, row_ptr = model.action_ptr.tolist(), model.rows.row_ptr.tolist()
    with atomic_write(path, "w") as file:
        file.write("\n".join(head))
        for s in range(n):
            file.write(f"state {s} {' '.join(model.labels[s])}".rstrip() + "\n")
            for i in range(ptr[s], ptr[s + 1]):
                a = int(model.pair_actions[i])
                name = names[a] if names else a
                reward = model.r[i] if exact else float(model.r[i])
                file.write(f"\taction {name} [{text(reward)}]\n")
                part = slice(row_ptr[i], row_ptr[i + 1])
                columns, values = model.rows.columns[part], model.rows.values[part]
                for t, p in zip(columns.tolist(), values.tolist(), strict=True):
                    file.write(f"\t\t{t} : {text(p)}\n")


def _words(mdp: MDP) -> list[str] | None:
    """The names of actions, if each is a word and reading will give them the same numbers."""
    names = [str(name) for name in mdp.actions or ()]
    words = all(re.fullmatch(r"[A-Za-z_][\w.-]{0,60}", name, re.ASCII) for name in names)
    seen = np.unique(mdp.pair_actions, return_index=True)[1]
    in_order = (np.diff(seen) > 0).all() and len(seen) == len(names) and not mdp.stops
    return names if names and words and in_order and len(set(names)) == len(names) else None
