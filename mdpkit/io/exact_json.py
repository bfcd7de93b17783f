"""`.json`: a model without rounding, every number a fraction; for certificates and by hand.

    {"format": "mdpkit-exact", "version": 1, "numbers": "exact", "storage": "csr",
     "gamma": "9/10", "actions_per_state": [1, 2],
     "rows": [[[0, "1/3"], [1, "2/3"]], [[1, "1"]], []],
     "r": ["0", "-1/2", "7"], "stop": ["0", "0", "1"]}

rows      one a state-action pair, state by state: [next state, probability], states increasing
numbers   "exact": rationals; "float64": each is a double at its word, a dyadic fraction
storage   how rows lie in memory: "dense" (S, A, S), "pairs" (pairs, S), "csr"
optional  stop, start, pair_actions (which actions the pairs are), states, actions, sha256

A float model comes back bit for bit, column indices as int32 where they fit.
Checked in tests/io/test_exact_json.py.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from mdpkit._rows import CSR
from mdpkit.errors import FormatError
from mdpkit.io._atomic import atomic_write
from mdpkit.io._json import (
    EXPANSION,
    check_digest,
    decode_names,
    digest,
    encode_names,
    fields,
    listed,
    parse,
)
from mdpkit.io._memory import memory_limit, require
from mdpkit.io._numbers import (
    Reader,
    check_common,
    pack,
    read_array,
    read_double,
    read_rational,
    text_of,
    texts_of,
)
from mdpkit.io._parts import STORAGES, assemble, storage
from mdpkit.mdp import MDP

FORMAT, VERSION = "mdpkit-exact", 1
REQUIRED = {
    "format",
    "version",
    "numbers",
    "storage",
    "gamma",
    "actions_per_state",
    "rows",
    "r",
}
OPTIONAL = {"stop", "start", "pair_actions", "states", "actions", "sha256"}
READERS: dict[str, Reader] = {"exact": read_rational, "float64": read_double}


def write(mdp: MDP, path: str | os.PathLike) -> None:
    """Save a model exactly, atomically, one row of P a line."""
    body = body_of(mdp)
    if mdp.is_exact:
        _check_sums(body)
    with atomic_write(path, "w") as file:
        file.write(_layout(body | {"sha256": digest(body)}))


def body_of(mdp: MDP) -> dict[str, Any]:
    """The model as this format has it, without its digest."""
    actions = mdp._pair_actions
    body = {
        "format": FORMAT,
        "version": VERSION,
        "numbers": "exact" if mdp.is_exact else "float64",
        "storage": storage(mdp),
        "gamma": text_of(mdp.gamma if mdp.is_exact else float(mdp.gamma)),
        "actions_per_state": np.diff(mdp.action_ptr).tolist(),
        "rows": [_row(mdp.rows, i) for i in range(mdp.n_pairs)],
        "r": texts_of(mdp._r),
        "stop": texts_of(mdp._stop),
        "start": texts_of(mdp._start),
        "pair_actions": None if actions is None else actions.tolist(),
        "states": encode_names(mdp.states),
        "actions": encode_names(mdp.actions),
    }
    return {key: value for key, value in body.items() if value is not None}


def _row(rows: np.ndarray | CSR, i: int) -> list[list]:
    if isinstance(rows, CSR):
        entries = slice(rows.row_ptr[i], rows.row_ptr[i + 1])
        columns, values = rows.columns[entries], rows.values[entries]
    else:
        row = rows[i]
        kept = row != 0
        if row.dtype == np.float64:
            kept |= np.signbit(row)  # −0.0 comes back as −0.0
        columns = np.flatnonzero(kept)
        values = row[columns]
    pairs = zip(columns.tolist(), values.tolist(), strict=True)
    return [[t, text_of(p)] for t, p in pairs]


def _layout(body: dict[str, Any]) -> str:
    rows = ",\n  ".join(json.dumps(row) for row in body["rows"])
    texts = {key: json.dumps(value) for key, value in body.items() if key != "rows"}
    texts["rows"] = f"[\n  {rows}\n]"
    return "{\n" + ",\n".join(f'"{key}": {texts[key]}' for key in body) + "\n}\n"


def read(
    path: str | os.PathLike, *, normalize: bool = False, max_bytes: int | None = None
) -> MDP:
    """Load a model; FormatError where the text is not this format, ModelError if it is no MDP.

    max_bytes   the most memory the file may ask for; None is 60 % of the physical memory
    """
    limit = memory_limit(max_bytes)
    with open(path, "rb") as file:
        require(EXPANSION * os.fstat(file.fileno()).st_size, limit, "reading the text")
        body = parse(file.read(limit // EXPANSION + 1))
    fields(body, REQUIRED, OPTIONAL)
    check_digest(body)
    if (body["format"], body["version"]) != (FORMAT, VERSION):
        found = f"{body['format']!r} version {body['version']!r}"
        raise FormatError(f"format {found}; this mdpkit reads {FORMAT!r} version {VERSION}.")
    for key, allowed in [("numbers", tuple(READERS)), ("storage", STORAGES)]:
        if body[key] not in allowed:
            raise FormatError(f"{key} is {str(body[key])[:40]!r}; it must be one of {allowed}.")
    return _build(body, READERS[body["numbers"]], normalize=normalize, limit=limit)


def _build(body: dict[str, Any], number: Reader, *, normalize: bool, limit: int) -> MDP:
    counts = listed(body["actions_per_state"], "actions_per_state", int)
    if not counts or any(n < 1 for n in counts):
        raise FormatError("actions_per_state must have a state, and each an action.")
    n_states, n_pairs = len(counts), sum(counts)
    shape = _dense_shape(body, counts, limit)
    rows = _read_rows(listed(body["rows"], "rows", list, n_pairs), n_states, number)
    sizes = {"r": n_pairs, "stop": n_pairs, "start": n_states}
    read = {
        key: read_array(body[key], key, number, n) for key, n in sizes.items() if key in body
    }
    if number is read_rational:
        _check_sums(body)
    dense = len(shape) == 3
    ptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return assemble(
        _dense(rows, number).reshape(shape) if shape else rows,
        read["r"].reshape(shape[:2]) if dense else read["r"],
        number(body["gamma"], "gamma"),
        action_ptr=None if dense else ptr,
        pair_actions=_whole(body["pair_actions"], n_pairs) if "pair_actions" in body else None,
        limit=limit,
        states=decode_names(body.get("states"), "states"),
        actions=decode_names(body.get("actions"), "actions"),
        stop=read.get("stop"),
        start=read.get("start"),
        normalize=normalize,
    )


def _check_sums(body: dict[str, Any]) -> None:
    for i, row in enumerate(body["rows"]):
        stop = body["stop"][i : i + 1] if "stop" in body else []
        check_common([p for _, p in row] + stop, f"rows[{i}]")
    check_common(body.get("start", []), "start")


def _whole(x: Any, size: int) -> np.ndarray:
    numbers = listed(x, "pair_actions", int, size)
    if any(not 0 <= n < 1 << 62 for n in numbers):
        raise FormatError("pair_actions must be numbers of actions, from 0.")
    return np.array(numbers, dtype=np.int64)


def _read_rows(rows: list[list], n_states: int, number: Reader) -> CSR:
    """Read rows of [t, "p/q"]; next states must increase, so that none is given twice."""
    columns: list[int] = []
    values: list[Any] = []
    row_ptr = [0]
    for i, row in enumerate(rows):
        last = -1
        for k, entry in enumerate(row):
            where = f"rows[{i}][{k}]"
            if not (isinstance(entry, list) and len(entry) == 2 and type(entry[0]) is int):
                raise FormatError(f'{where} must be [next state, "p/q"].')
            if not last < entry[0] < n_states:
                raise FormatError(
                    f"{where} goes to {str(entry[0])[:20]}; next states must increase within a "
                    f"row and lie in 0 … {n_states - 1}."
                )
            last = entry[0]
            columns.append(last)
            values.append(number(entry[1], where))
        row_ptr.append(len(columns))
    index = np.int32 if max(n_states, len(columns)) < 1 << 31 else np.int64
    pointer = np.array(row_ptr, dtype=index)
    return CSR(pack(values, number), np.array(columns, dtype=index), pointer, n_states)


def _dense_shape(body: dict[str, Any], counts: list[int], limit: int) -> tuple[int, ...]:
    """The shape P is to have in memory, () for CSR; a short text can claim a large one."""
    kind, n_states, n_pairs = body["storage"], len(counts), sum(counts)
    if kind == "csr":
        return ()
    require(8 * n_pairs * n_states, limit, f"dense P, {n_pairs} pairs × {n_states} states,")
    if kind == "pairs":
        return n_pairs, n_states
    if len(set(counts)) > 1 or "pair_actions" in body:
        raise FormatError('dense storage has equal actions everywhere; else "pairs" or "csr".')
    return n_states, counts[0], n_states


def _dense(rows: CSR, number: Reader) -> np.ndarray:
    P = np.full(rows.shape, number("0", "P"), dtype=rows.values.dtype)
    P[np.repeat(np.arange(rows.shape[0]), np.diff(rows.row_ptr)), rows.columns] = rows.values
    return P
