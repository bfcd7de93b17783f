"""Damaged and hostile files: a typed error or a model, no other exception, no hang."""

import hashlib
import io
import json
import signal
import zipfile

import numpy as np
import pytest

from mdpkit import MDP
from mdpkit.io import load, save
from mdpkit.io._json import canonical, digest

KINDS = ["dense", "masked", "gaps", "stop", "names"]
COUNTS = [200, pytest.param(20_000, marks=pytest.mark.slow)]
MIB = 1 << 20


@pytest.fixture(autouse=True)
def _no_alarm_left():
    yield
    signal.alarm(0)


def attempt(path, outcomes):
    signal.alarm(20)  # without a handler it ends the process: a file that takes 20 s is a hang
    try:
        mdp = load(path, max_bytes=64 * MIB)
    except (ValueError, TypeError) as error:
        outcomes.append(type(error).__name__)
        return None
    assert isinstance(mdp, MDP)
    outcomes.append("MDP")
    return mdp


def damaged(rng, data):
    """Flip, cut, insert, repeat or remove."""
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        if not data:
            break
        at, n = int(rng.integers(len(data))), int(rng.integers(1, 40))
        match int(rng.integers(6)):
            case 0 | 1:
                data[at] ^= 1 << int(rng.integers(8))
            case 2:
                data[at] = int(rng.integers(256))
            case 3:
                del data[at : at + n]
            case 4:
                data[at:at] = data[at : at + n] if rng.random() < 0.5 else rng.bytes(n)
            case _:
                del data[at:]
    return bytes(data)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_damaged_files_are_typed_errors_or_unharmed(tmp_path, model, same, suffix, count):
    rng, path, outcomes = np.random.default_rng(7), tmp_path / f"m{suffix}", []
    originals = []
    for seed, kind in enumerate(KINDS):
        mdp = model(seed + 1, kind)
        save(mdp, path)
        originals.append((mdp, path.read_bytes()))
    for i in range(count):
        mdp, data = originals[i % len(originals)]
        path.write_bytes(damaged(rng, data))
        found = attempt(path, outcomes)
        if found is not None:  # the damage hit what carries no meaning, a date say
            same(found, mdp)
    assert outcomes.count("FormatError") > 0.8 * count


def spoiled(rng, array):
    """A few entries replaced by numbers that break things, or another shape or type."""
    array = np.array(array)
    hostile = {
        "f": [np.nan, np.inf, -1.0, 0.0, 1e308, 5e-324, 2.0, 1.7e308],
        "i": [-1, 0, 1, 2**31 - 1, -(2**31), 7],
        "u": [0, 1, 2**31, 2**32 - 1],
    }[array.dtype.kind]
    match int(rng.integers(5)):
        case 0:
            return array.reshape(-1)[: int(rng.integers(array.size + 1))]
        case 1:
            return array.astype(rng.choice(["<f8", ">f8", "<i4", "<i8", "<u8", ">u4", "<f4"]))
        case 2:
            return array.reshape(1, -1) if rng.random() < 0.5 else array.T
        case _:
            for at in rng.integers(max(array.size, 1), size=int(rng.integers(1, 4))):
                array.reshape(-1)[at : at + 1] = rng.choice(hostile)
            return array


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_hostile_arrays_with_a_good_signature_are_typed_errors(tmp_path, model, count):
    rng, path, outcomes = np.random.default_rng(11), tmp_path / "m.npz", []
    originals = []
    for seed, kind in enumerate(KINDS):
        save(model(seed + 1, kind), path)
        with zipfile.ZipFile(path) as archive:
            originals.append({info.filename: archive.read(info) for info in archive.infolist()})
    for i in range(count):
        members = dict(originals[i % len(originals)])
        manifest = json.loads(members["manifest.json"])
        name = str(rng.choice(sorted(manifest["arrays"])))
        file, array = io.BytesIO(), spoiled(rng, np.load(io.BytesIO(members[f"{name}.npy"])))
        array = np.ascontiguousarray(array)
        np.save(file, array)
        members[f"{name}.npy"] = file.getvalue()
        claim = {"dtype": array.dtype.str, "shape": list(array.shape)}
        claim["sha256"] = hashlib.sha256(array.tobytes()).hexdigest()
        manifest["arrays"][name] = claim
        members["manifest.json"] = canonical(manifest | {"sha256": digest(manifest)})
        with zipfile.ZipFile(path, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        attempt(path, outcomes)
    assert {"FormatError", "ModelError"} <= set(outcomes)


@pytest.mark.parametrize("count", COUNTS)
def test_hostile_json_without_a_signature_is_a_typed_error(tmp_path, model, count):
    """The signature is left out, so that damage reaches the checks behind it."""
    rng, path, outcomes = np.random.default_rng(13), tmp_path / "m.json", []
    originals = []
    for seed, kind in enumerate(KINDS):
        mdp = model(seed + 1, kind)
        save(mdp.exact() if seed % 2 else mdp, path)
        body = json.loads(path.read_text())
        del body["sha256"]
        originals.append(json.dumps(body).encode())
    for i in range(count):
        path.write_bytes(damaged(rng, originals[i % len(originals)]))
        attempt(path, outcomes)
    assert {"FormatError", "ModelError", "MDP"} <= set(outcomes)
