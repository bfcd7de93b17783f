"""Checkpoints of another model or method, damaged ones, and what cannot be one.

Numbers are those of spec/BAD_INPUTS.md.
"""

import json
import os
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._identity import model_digests
from mdpkit.checkpoint import Checkpoint
from mdpkit.errors import FormatError, ModelError
from mdpkit.io._json import canonical, digest
from mdpkit.plan import (
    ApproximateValueIteration,
    BackwardInduction,
    GaussSeidel,
    ModifiedPolicyIteration,
    ValueIteration,
)
from tests.plan.long_runs import model, same, two_generations


def changed(part):
    mdp = model()
    P, r, stop = mdp.P.copy(), mdp.r.copy(), np.zeros((7, 3))
    start, gamma = np.full(7, 1 / 7), mdp.gamma
    if part == "P":
        P[2, 1] = P[2, 1][::-1]
    elif part == "r":
        r[6, 2] = np.nextafter(r[6, 2], 9)
    elif part == "stop":
        P[0, 0], stop[0, 0] = P[0, 0] * 0.5, 0.5
    elif part == "start":
        start = np.eye(7)[3]
    else:
        gamma = np.nextafter(gamma, 0)
    return mk.MDP(P, r, gamma, stop=stop, start=start)


@pytest.mark.parametrize(
    ("part", "differs"),
    [
        ("P", ["P"]),
        ("r", ["r"]),
        ("gamma", ["gamma"]),
        ("start", ["start"]),
        ("stop", ["P", "stop"]),
    ],
)
def test_bad_input_68_another_model_is_refused_by_what_differs(tmp_path, part, differs):
    path = tmp_path / "c.npz"
    mk.solve(model(), ValueIteration(), max_steps=3, checkpoint=path, throw=False)
    before = path.read_bytes()
    with pytest.raises(
        ModelError, match=f"sha256 of {' and '.join(differs)} differs"
    ) as caught:
        mk.solve(changed(part), ValueIteration(), checkpoint=path, resume=True)
    assert caught.value.witness == {"differs": differs}
    assert path.read_bytes() == before


def test_bad_input_68_other_actions_or_another_storage_are_another_model():
    a = mk.MDP(np.full((3, 2), 0.5), np.zeros(3), 0.5, action_ptr=[0, 1, 3])
    b = mk.MDP(np.full((3, 2), 0.5), np.zeros(3), 0.5, action_ptr=[0, 2, 3])
    ours, theirs = model_digests(a), model_digests(b)
    assert [part for part in ours if ours[part] != theirs[part]] == ["actions"]
    named = a.replace(states=["x", "y"])
    assert model_digests(named) == ours  # names are no part of a state
    dense, sparse = model(), model(sparse=True)
    assert model_digests(dense)["P"] != model_digests(sparse)["P"]
    rows = sparse.P
    rows.indices, rows.indptr = rows.indices.astype(np.int64), rows.indptr.astype(np.int64)
    wide = mk.MDP(rows, sparse.r.reshape(7, 3), 0.97)
    assert wide.rows.columns.dtype != sparse.rows.columns.dtype
    assert model_digests(wide) == model_digests(sparse)


LONG = np.linspace(0, 1, 7)
FAR = np.where(np.arange(7) == 3, np.nextafter(LONG, 9), LONG)


@pytest.mark.parametrize(
    ("written", "resumed"),
    [
        (ValueIteration(), GaussSeidel()),
        (ModifiedPolicyIteration(sweeps=3), ModifiedPolicyIteration(sweeps=4)),
        (ModifiedPolicyIteration(lambda_=0.5), ModifiedPolicyIteration(lambda_=0.5 + 2**-53)),
        (BackwardInduction(20, LONG), BackwardInduction(20, FAR)),
        (GaussSeidel("random", 1), GaussSeidel("random", 2)),
    ],
    ids=lambda method: type(method).__name__,
)
def test_bad_input_68_another_method_is_refused(tmp_path, written, resumed):
    path = tmp_path / "c.npz"
    mk.solve(model(), written, max_steps=3, tol=0, checkpoint=path, throw=False)
    with pytest.raises(FormatError, match="it is of another method") as caught:
        mk.solve(model(), resumed, checkpoint=path, resume=True)
    assert type(written).__name__ in str(caught.value)
    assert type(resumed).__name__ in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "empty", "data", "manifest"])
def test_bad_input_69_a_damaged_checkpoint_is_refused_and_the_one_before_named(
    tmp_path, damage
):
    path, previous = two_generations(tmp_path)
    raw, kept = bytearray(path.read_bytes()), previous.read_bytes()
    if damage == "cut":
        del raw[-100:]
    elif damage == "empty":
        raw.clear()
    else:
        mark = b"NUMPY" if damage == "data" else b'"mdpkit-checkpoint"'
        raw[raw.index(mark) + 130] ^= 0x10
    path.write_bytes(raw)
    with pytest.raises(FormatError, match=r"c\.npz: .*before it is .*c\.previous\.npz"):
        mk.solve(model(), ValueIteration(), checkpoint=path, resume=True)
    assert previous.read_bytes() == kept
    assert path.read_bytes() == raw
    os.replace(previous, path)
    rest = mk.solve(model(), ValueIteration(), checkpoint=path, resume=True)
    assert same(rest, mk.solve(model(), ValueIteration()))


def test_bad_input_69_one_bit_anywhere_is_refused_or_changes_nothing(tmp_path):
    """A zip says some things twice, so a bit may be one that nobody reads."""
    path, _ = two_generations(tmp_path)
    raw, refused = path.read_bytes(), 0
    whole = mk.solve(model(), ValueIteration())
    for bit in np.linspace(0, 8 * len(raw) - 1, 60).astype(int):
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        try:
            rest = mk.solve(model(), ValueIteration(), checkpoint=path, resume=True)
        except FormatError:
            refused += 1
        else:
            assert same(rest, whole)
    assert refused >= 30


def rewritten(path, change):
    """Change the manifest and sign it as the writer would."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members["manifest.json"] = canonical(manifest | {"sha256": digest(manifest)})
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(version=9), "reads 'mdpkit-checkpoint' version 1"),
        (lambda m: m.update(leaves=[]), "is no object"),
        (lambda m: m.update(run={}), "missing"),
        (lambda m: m["run"].update(since=3), "hexadecimal"),
        (lambda m: m["leaves"].pop("state.low"), r"state\.low is missing"),
        (lambda m: m["leaves"].update({"state.low": ["float", 1]}), "hexadecimal"),
        (lambda m: m["leaves"].update({"state.low": ["int", True]}), "no field of a state"),
        (lambda m: m["leaves"].update({"state.low": ["part", "r.__class__"]}), "no field"),
        (lambda m: m["leaves"].update({"state.low": ["array", "<f8"]}), "no field"),
        (lambda m: m["leaves"].update({"state.v": ["array", "|O"]}), "no field"),
        (lambda m: m["leaves"].update({"state.secret": ["none"]}), "unknown key"),
        (lambda m: m["arrays"]["state.v"].update(dtype="|O"), "the header says"),
        (lambda m: m["arrays"].pop("gaps"), "not those the manifest lists"),
        (lambda m: m.update(model={}), "missing"),
    ],
)
def test_what_is_signed_and_yet_no_checkpoint_is_a_typed_error(tmp_path, change, message):
    path, _ = two_generations(tmp_path)
    rewritten(path, change)
    with pytest.raises(FormatError, match=message):
        mk.solve(model(), ValueIteration(), checkpoint=path, resume=True)


def test_what_is_no_checkpoint_is_never_replaced(tmp_path):
    path = tmp_path / "model.npz"
    mk.save(model(), path)
    before = path.read_bytes()
    with pytest.raises(FormatError, match=r"is no checkpoint .* it will not be replaced"):
        mk.solve(model(), ValueIteration(), checkpoint=path)
    assert path.read_bytes() == before


@dataclass(frozen=True)
class Untyped(ValueIteration):
    """A method that does not say what its state is."""

    def init(self, mdp, start=None):
        return super().init(mdp, start)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"resume": True}, ValueError, "resume=True needs checkpoint="),
        (
            {"resume": True, "checkpoint": "no.npz"},
            FileNotFoundError,
            "no checkpoint to resume",
        ),
        ({"checkpoint": "none/c.npz"}, FileNotFoundError, "no such folder"),
        ({"checkpoint": Checkpoint("c.npz", every=-1)}, ValueError, "every must be ≥ 0"),
        ({"checkpoint": "c.npz", "method": Untyped()}, TypeError, "must be annotated"),
        (
            {"checkpoint": "c.npz", "method": ApproximateValueIteration(lambda k, v: 0 * v)},
            TypeError,
            "cannot be told from others",
        ),
        (
            {"checkpoint": "c.npz", "start": np.zeros(7), "resume": True},
            ValueError,
            "start out",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_any_step(
    monkeypatch, tmp_path, options, error, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ValueIteration, "step", lambda *_: pytest.fail("a step was taken"))
    with pytest.raises(error, match=message):
        mk.solve(model(), **({"method": ValueIteration()} | options))
    assert not list(tmp_path.iterdir())


def test_an_exact_solve_has_no_checkpoint(tmp_path):
    with pytest.raises(TypeError, match="this model is exact"):
        mk.solve(model().exact(dyadic=True), checkpoint=tmp_path / "c.npz")
