""".npz: what comes back, and what is refused. Numbers are those of spec/BAD_INPUTS.md."""

import io
import json
import stat
import struct
import zipfile

import numpy as np
import pytest

from mdpkit import MDP
from mdpkit.errors import FormatError, ModelError
from mdpkit.io import load, save
from mdpkit.io._json import canonical, digest


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def write_zip(path, members, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in members:
            archive.writestr(name, data)


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def signed(manifest, **changes):
    manifest = manifest | changes
    return canonical(manifest | {"sha256": digest(manifest)})


@pytest.fixture
def saved(tmp_path, model):
    """A saved model: its path, its members and its manifest."""
    path = tmp_path / "m.npz"
    save(model(0, "csr"), path)
    members = members_of(path)
    return path, members, json.loads(members["manifest.json"])


@pytest.mark.parametrize("seed", range(8))
def test_a_model_comes_back_bit_for_bit(tmp_path, model, same, kind, seed):
    mdp, path = model(seed, kind), tmp_path / "m.npz"
    save(mdp, path)
    same(load(path), mdp)


def test_the_same_model_makes_the_same_bytes(tmp_path, model, kind):
    for name in ("a.npz", "b.npz"):
        save(model(3, kind), tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_numpy_opens_it_too(tmp_path, model):
    mdp, path = model(5, "stop"), tmp_path / "m.npz"
    save(mdp, path)
    with np.load(path) as arrays:
        assert (arrays["P"] == mdp.P).all()
        assert (arrays["stop"] == mdp.stop).all()


def test_arrays_larger_than_a_block_and_other_index_types(tmp_path, same):
    n, path = 300_000, tmp_path / "m.npz"
    columns, ptr = np.arange(n, dtype=np.int64), np.arange(n + 1, dtype=np.uint32)
    mdp = MDP((np.ones(n), columns, ptr), np.arange(n) / 7, 0.5, action_ptr=np.arange(n + 1))
    save(mdp, path)
    same(load(path), mdp)


def test_an_exact_model_goes_to_json(tmp_path, model):
    with pytest.raises(FormatError, match=r"save it as \.json"):
        save(model(0, "dense").exact(dyadic=True), tmp_path / "m.npz")
    assert not list(tmp_path.iterdir())


def test_names_that_would_not_come_back_are_refused(tmp_path):
    mdp = MDP(np.ones((1, 1, 1)), np.zeros((1, 1)), 0.5, states=[0.5])
    with pytest.raises(TypeError, match=r"the name '0.5' is a float"):
        save(mdp, tmp_path / "m.npz")


def test_bad_input_52_a_header_that_claims_1e12_states(saved):
    path, members, manifest = saved
    header = io.BytesIO()
    claim = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    np.lib.format.write_array_header_1_0(header, claim)
    members["r.npy"] = header.getvalue() + bytes(8)
    manifest["arrays"]["r"] |= {"shape": [10**12]}
    members["manifest.json"] = signed(manifest)
    write_zip(path, members.items())
    with pytest.raises(FormatError, match=r"r claims 8e\+12 bytes; 8 are there"):
        load(path)


def test_bad_input_53_a_bomb_is_refused_by_its_directory(saved):
    path, members, _ = saved
    members["r.npy"] = npy(np.zeros(10**7))
    write_zip(path, members.items(), compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**6
    with pytest.raises(FormatError, match="is compressed"):
        load(path)


def test_bad_input_53_a_directory_of_many_members_is_not_even_read(saved):
    path, _, _ = saved
    write_zip(path, ((f"{i:0200}", b"") for i in range(6000)))
    with pytest.raises(FormatError, match="zip directory claims"):
        load(path)


def test_bad_input_53_members_that_share_bytes_cannot_claim_more_than_the_file(saved):
    path, _, _ = saved
    raw = bytearray(path.read_bytes())
    for name, size in ((b"values.npy", 20), (b"values.npy", 24)):
        at = raw.rfind(b"PK\x01\x02", 0, raw.rfind(name))
        struct.pack_into("<I", raw, at + size, len(raw))
    path.write_bytes(raw)
    with pytest.raises(FormatError, match="members claim"):
        load(path)


def test_bad_input_53_the_cap_is_an_argument(saved):
    path, _, _ = saved
    with pytest.raises(FormatError, match=r"limit is 100\. max_bytes= raises it"):
        load(path, max_bytes=100)
    assert load(path, max_bytes=10**6).n_pairs > 0


def test_bad_input_54_objects_are_refused_and_never_unpickled(saved):
    path, members, manifest = saved

    class Trap:
        def __reduce__(self):
            return pytest.fail, ("unpickled",)

    members["r.npy"] = npy(np.array([Trap()], dtype=object), allow_pickle=True)
    manifest["arrays"]["r"] = {"dtype": "|O", "shape": [1], "sha256": ""}
    members["manifest.json"] = signed(manifest)
    write_zip(path, members.items())
    with pytest.raises(FormatError, match=r"r has dtype '\|O'"):
        load(path)


@pytest.mark.parametrize(
    "name",
    ["../../x.npy", "/etc/x.npy", "x.npy", "..\\x.npy", "r.npy\0.sh", "r.npy/", "P/../r.npy"],
)
def test_bad_input_55_names_that_are_no_member_of_a_model(saved, name):
    path, members, _ = saved
    info = zipfile.ZipInfo("placeholder")
    info.filename = name
    with zipfile.ZipFile(path, "w") as archive:
        for known, data in members.items():
            archive.writestr(known, data)
        archive.writestr(info, b"x")
    with pytest.raises(FormatError, match="unexpected member"):
        load(path)


def test_bad_input_55_a_member_that_is_a_link_is_only_bytes(saved):
    path, members, _ = saved
    link = zipfile.ZipInfo("r.npy")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    del members["r.npy"]
    write_zip(path, [*members.items(), (link, b"/etc/passwd")])
    with pytest.raises(FormatError, match=r"r: not an \.npy header"):
        load(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_bad_input_56_a_member_twice(saved):
    path, members, _ = saved
    write_zip(path, [*members.items(), ("r.npy", members["r.npy"])])
    with pytest.raises(FormatError, match=r"'r\.npy' is there twice"):
        load(path)


def test_bad_input_61_a_changed_array_is_seen_by_its_hash(saved):
    path, members, _ = saved
    changed = bytearray(members["r.npy"])
    changed[-1] ^= 1
    members["r.npy"] = bytes(changed)  # the zip's own checksum is right
    write_zip(path, members.items())
    with pytest.raises(FormatError, match="r: sha256 does not match"):
        load(path)


def test_bad_input_61_a_changed_manifest_is_seen_by_its_hash(saved):
    path, members, manifest = saved
    members["manifest.json"] = canonical(manifest | {"gamma": (0.5).hex()})
    write_zip(path, members.items())
    with pytest.raises(FormatError, match="sha256 does not match"):
        load(path)


def test_bad_input_64_claims_beyond_the_memory_are_refused_with_numbers(tmp_path):
    path = tmp_path / "m.npz"
    mdp = MDP.from_pairs([0, 0], [0, 10**7], np.ones((2, 1)), [0.0, 1.0], 0.5)
    save(mdp, path)
    with pytest.raises(FormatError, match=r"1 states × 10000001 actions needs 8e\+07 bytes"):
        load(path, max_bytes=10**6)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("columns", lambda x: x + 10**6, "next states are 0"),
        ("row_ptr", lambda x: x[::-1], "must run from 0"),
        ("action_ptr", lambda x: x * 2, "must run from 0"),
        ("values", lambda x: -x, "negative"),
        ("values", lambda x: x * np.nan, "not finite"),
        ("r", lambda x: x[:-1], "r has shape"),
        ("start", lambda x: x + 1, "start sums to"),
        ("pair_actions", lambda x: x[::-1], "are ≥ 0 and increase"),
        ("pair_actions", lambda x: x - 5, "are ≥ 0 and increase"),
        ("pair_actions", lambda x: x[1:], "pair_actions has shape"),
    ],
)
def test_arrays_that_are_well_signed_are_still_checked(tmp_path, name, values, message):
    P = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.25, 0.75]])
    from scipy.sparse import csr_array

    path, r = tmp_path / "m.npz", np.arange(4.0)
    mdp = MDP.from_pairs([0, 0, 1, 1], [1, 2, 0, 3], csr_array(P), r, 0.5, start=[0.5, 0.5])
    save(mdp, path)
    members = members_of(path)
    array = values(np.load(io.BytesIO(members[f"{name}.npy"])))
    members[f"{name}.npy"] = npy(np.ascontiguousarray(array))
    rewrite(path, members, name, array)
    with pytest.raises((FormatError, ModelError), match=message):
        load(path)


def rewrite(path, members, name, array):
    """Sign a changed array as the writer would."""
    import hashlib

    manifest = json.loads(members["manifest.json"])
    claim = {"dtype": array.dtype.str, "shape": list(array.shape)}
    claim["sha256"] = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    manifest["arrays"][name] = claim
    members["manifest.json"] = signed(manifest)
    write_zip(path, members.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "reads 'mdpkit-archive' version 1"),
        ({"storage": "dense"}, "P missing"),
        ({"storage": ["csr"]}, "storage must be"),
        ({"gamma": "nan"}, "gamma must lie"),
        ({"gamma": "0x1p99999"}, "float in hexadecimal"),
        ({"gamma": 5}, "float in hexadecimal"),
        ({"arrays": []}, "arrays must be an object"),
        ({"arrays": {}}, "missing"),
        ({"extra": 1}, "unknown key 'extra'"),
        ({"states": [{}]}, "states holds an object"),
        ({"states": ["x"] * 99}, "99 names"),
        ({"states": "xy"}, "must be a list of names"),
    ],
)
def test_a_manifest_must_say_what_manifests_say(saved, changes, message):
    path, members, manifest = saved
    members["manifest.json"] = signed(manifest, **changes)
    write_zip(path, members.items())
    with pytest.raises(ValueError, match=message):
        load(path)


def test_foreign_archives_are_told_from_ours(tmp_path):
    path = tmp_path / "m.npz"
    np.savez(path, P=np.ones((1, 1, 1)), r=np.ones((1, 1)))
    with pytest.raises(FormatError, match=r"m\.npz: no manifest\.json"):
        load(path)
    path.write_bytes(b"not a zip")
    with pytest.raises(FormatError, match="not an archive that can be read"):
        load(path)
