"""A violation that a person can read, saved so that it is never forgotten.

A file counterexamples/<claim>-<hash>.json holds the statement, the instance and both sides in
fractions, the tape from which the engine draws the instance again, and the certificate's
program (see `trace`). Found again in the working directory, it is a regression example.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mdpkit._array import number
from mdpkit._exact import fraction
from mdpkit._rows import CSR
from mdpkit.claim.declare import Claim
from mdpkit.claim.draw import Block, Request, Tape
from mdpkit.claim.quantify import Quantifier
from mdpkit.claim.statement import Outcome
from mdpkit.hunt.pool import Sample
from mdpkit.mdp import MDP

FORMAT = "mdpkit-counterexample"
FOLDER = "counterexamples"


@dataclass(frozen=True, eq=False)
class Counterexample:
    """An instance on which a claim fails.

    sample    the instance, exact where the claim is rational
    outcome   how the statement fares there: `outcome.worst` are the two sides
    dropped   the hypothesis that it does not satisfy, in an ablation
    domain    the quantifiers it was drawn from, if not the claim's
    """

    claim: Claim
    sample: Sample
    outcome: Outcome
    dropped: str | None = None
    domain: Mapping[str, Quantifier] | None = None

    @property
    def things(self) -> dict[str, Any]:
        """The instance by name."""
        return dict(zip(self.claim.quantifiers, self.sample.instance, strict=True))

    @property
    def n_states(self) -> int:
        """States of its largest model; 0 without one."""
        found = [x.n_states for x in self.sample.instance if isinstance(x, MDP)]
        return max(found, default=0)

    def lines(self) -> list[str]:
        """The instance and both sides, line by line."""
        left, right = self.outcome.worst
        said = [line for name, x in self.things.items() for line in _described(name, x)]
        if left is None:
            return [*said, "no witness exists"]
        not_ = {"≤": ">", "=": "≠"}[self.outcome.relation]
        near = f"   ({number(left):.6g} {not_} {number(right):.6g})"
        return [*said, f"left = {text(left)}  {not_}  right = {text(right)}{near}"]


def text(x: Any) -> str:
    """A number as a fraction, floats at their word if they are simple."""
    if isinstance(x, float | np.floating):
        if not np.isfinite(x):
            return str(float(x))
        near = Fraction(float(x)).limit_denominator(1000)
        return str(near) if float(near) == float(x) else repr(float(x))
    return str(fraction(x))


def _described(name: str, x: Any) -> list[str]:
    if isinstance(x, MDP):
        head = f"{name}: {x.n_states} states, γ = {text(x.gamma)}"
        return [head, *(_pair_line(x, i) for i in range(x.n_pairs))]
    if isinstance(x, tuple):
        return [line for i, part in enumerate(x) for line in _described(f"{name}[{i}]", part)]
    if isinstance(x, np.ndarray):
        return [f"{name} = {_nested(x)}"]
    return [f"{name} = {text(x)}"]


def in_rows(mdp: MDP) -> MDP:
    """The same model with dense rows, which can be printed and recorded."""
    if not isinstance(mdp.rows, CSR):
        return mdp
    values, columns, row_ptr, n = mdp.rows
    rows = np.zeros((mdp.n_pairs, n), dtype=values.dtype)
    rows[np.repeat(np.arange(mdp.n_pairs), np.diff(row_ptr)), columns] = values
    return mdp._with(rows=rows)


def _pair_line(mdp: MDP, i: int) -> str:
    s, a = mdp.place(i)
    row = np.asarray(in_rows(mdp).rows)[i]
    to = [f"{t} ({text(p)})" for t, p in enumerate(row) if p != 0]
    stop = mdp.stop.reshape(-1)[i]
    to += [f"end ({text(stop)})"] if stop != 0 else []
    return f"  state {s}, action {a}: r = {text(mdp.r.reshape(-1)[i])}, to {', '.join(to)}"


def _nested(x: np.ndarray) -> str:
    if x.ndim == 0:
        return text(x[()])
    return "[" + ", ".join(_nested(np.asarray(part, dtype=x.dtype)) for part in x) + "]"


# ---- files -----------------------------------------------------------------------------------


def save(found: Counterexample, folder: Path | str = FOLDER) -> Path:
    """Write the counterexample and return its path; the same one goes to the same file."""
    from mdpkit.hunt.trace import certificate

    body = {
        "format": FORMAT,
        "version": 1,
        "claim": found.claim.name,
        "id": found.claim.id,
        "statement": found.claim.statement,
        "source": found.claim.source,
        "exact": found.sample.exact,
        "certificate": certificate(found),
        "tape": [_block_json(block) for block in found.sample.tape],
        "words": found.lines(),
    }
    digest = hashlib.sha256(json.dumps(body["tape"]).encode()).hexdigest()[:10]
    path = Path(folder) / f"{found.claim.name}-{digest}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_layout(body) + "\n", encoding="utf-8")
    return path


def _layout(body: dict[str, Any]) -> str:
    """JSON that a person can read: one step, one block, one line of words a line."""
    certificate = body["certificate"]
    listed = {"tape": body["tape"], "words": body["words"], "program": certificate["program"]}
    text = json.dumps(
        body
        | {"tape": "@tape", "words": "@words"}
        | {"certificate": certificate | {"program": "@program"}},
        ensure_ascii=False,
        indent=1,
    )
    for key, items in listed.items():
        lines = [json.dumps(item, ensure_ascii=False) for item in items or []]
        several = "null" if items is None else "[\n   " + ",\n   ".join(lines) + "\n  ]"
        text = text.replace(f'"@{key}"', several)
    return text


def saved_tapes(claim: Claim, folder: Path | str = FOLDER) -> list[tuple[Tape, bool]]:
    """The tapes saved for a claim, and whether they are exact; other files are left out."""
    tapes = []
    for path in sorted(Path(folder).glob(f"{claim.name}-*.json")):
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            if body["format"] == FORMAT and body["claim"] == claim.name and body["tape"]:
                tape = tuple(_read_block(block) for block in body["tape"])
                tapes.append((tape, bool(body["exact"])))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return tapes


def _block_json(block: Block) -> dict[str, Any]:
    request = block.request
    return {
        "kind": request.kind,
        "axes": request.axes,
        "shape": list(block.data.shape),
        "low": None if request.low is None else str(Fraction(request.low)),
        "data": [str(Fraction(x)) for x in block.data.reshape(-1).tolist()],
    }


def _read_block(body: dict[str, Any]) -> Block:
    data = np.empty(len(body["data"]), dtype=object)
    data[:] = [Fraction(x) for x in body["data"]]
    shape = tuple(int(n) for n in body["shape"])
    if body["kind"] in ("size", "integer", "flag"):
        data = data.astype(np.int64)
    low = None if body["low"] is None else Fraction(body["low"])
    request = Request(str(body["kind"]), str(body["axes"]), shape, low, None, 1.0)
    return Block(request, data.reshape(shape))
