"""Which sources `load` takes, and what it says about the others."""

import os
import subprocess
import sys
import types

import gymnasium
import pytest

import mdpkit
from mdpkit.errors import FormatError, SourceError
from mdpkit.io import FORMATS, _parse, load, save

LAKE = "gym:FrozenLake-v1"
WITHOUT_DISCOUNT = {".tra", ".drn"}


def test_a_model_is_returned_as_it_is(model):
    mdp = model(0, "dense")
    assert load(mdp) is mdp
    assert load(mdp, gamma=0.25).gamma == 0.25
    assert load(mdp, gamma=0.25).rows is mdp.rows


def test_a_discount_replaces_that_of_a_file(tmp_path, model):
    for suffix in FORMATS:
        path = tmp_path / f"m{suffix}"
        save(model(0, "dense"), path)
        assert load(path, gamma=0.25).gamma == 0.25
        if suffix in WITHOUT_DISCOUNT:
            with pytest.raises(SourceError, match="pass gamma="):
                load(path)
            continue
        assert load(str(path)).gamma == model(0, "dense").gamma


@pytest.mark.parametrize("source", [LAKE, gymnasium.make("FrozenLake-v1")], ids=["text", "env"])
def test_gymnasium_needs_a_discount(source):
    with pytest.raises(SourceError, match=r"pass gamma= \(on the command line --gamma\)"):
        load(source)


@pytest.mark.parametrize("gamma", [1.5, float("nan"), "0.9", True])
def test_the_discount_is_checked_before_work(gamma):
    with pytest.raises((ValueError, TypeError), match="gamma"):
        load("gym:NoSuch-v1", gamma=gamma)


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        ("gym:X", {}),
        ("gym:X?", {}),
        ("gym:X?a=1&b=true&c=null", {"a": 1, "b": True, "c": None}),
        ("gym:X?a=4x4&b=[1,2]&c=NaN", {"a": "4x4", "b": [1, 2], "c": "NaN"}),
        ('gym:X?a="1"&b=&c=x=y', {"a": "1", "b": "", "c": "x=y"}),
        ("gym:X?a=" + "9" * 5000, {"a": "9" * 5000}),
        ("gym:X?a=" + "[" * 10**5, {"a": "[" * 10**5}),
    ],
)
def test_values_are_json_or_else_text(source, arguments):
    assert _parse(source) == ("X", arguments)


@pytest.mark.parametrize("source", ["gym:X?a", "gym:X?a=1&a=2", "gym:X?=1", "gym:X?a=1&&b=2"])
def test_a_query_is_key_value_with_each_key_once(source):
    with pytest.raises(SourceError, match="key=value"):
        load(source, gamma=0.9)


@pytest.mark.parametrize("source", ["gym:", "gallery:", "gym:?a=1"])
def test_a_name_is_needed(source):
    with pytest.raises(SourceError, match="names nothing"):
        load(source, gamma=0.9)


def test_a_gallery_name_is_made_with_its_arguments(monkeypatch, model):
    def make(name, **arguments):
        assert (name, arguments) == ("lake", {"size": 4, "wind": "north"})
        return model(0, "dense")

    monkeypatch.setitem(sys.modules, "mdpkit.gallery", types.SimpleNamespace(make=make))
    monkeypatch.setattr(mdpkit, "gallery", sys.modules["mdpkit.gallery"], raising=False)
    assert load("gallery:lake?size=4&wind=north", gamma=0.25).gamma == 0.25
    with pytest.raises(TypeError, match="takes no normalize"):
        load("gallery:lake", normalize=True)


@pytest.mark.parametrize("source", ["model", "model.txt", "model.npz.gz", "foo:bar", "", "."])
def test_an_unknown_suffix_lists_what_is_known(source):
    with pytest.raises(SourceError, match=r"gym:ID.*gallery:NAME.*\*\.json, \*\.npz"):
        load(source)
    with pytest.raises(SourceError, match="names no model"):
        save(load(LAKE, gamma=0.5), source)


def test_a_missing_file_is_named():
    with pytest.raises(SourceError, match=r"no file 'nowhere\.npz'"):
        load("nowhere.npz")


def test_what_is_no_regular_file_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "folder.json").mkdir()
    for name in ("pipe.npz", "folder.json"):
        with pytest.raises(SourceError, match="not a regular file"):
            load(tmp_path / name)


def test_messages_name_the_file(tmp_path):
    path = tmp_path / "m.json"
    path.write_text("{\n\n1}")
    with pytest.raises(FormatError, match=r"m\.json: line 3: not JSON") as caught:
        load(path)
    assert caught.value.line == 3


def test_options_that_a_format_does_not_have_are_refused(tmp_path, model):
    path = tmp_path / "m.npz"
    save(model(0, "dense"), path)
    with pytest.raises(TypeError, match=r"\.npz takes no labels"):
        load(path, labels="m.lab")
    with pytest.raises(TypeError, match="takes no max_bytes"):
        load(LAKE, gamma=0.9, max_bytes=1)
    with pytest.raises(ValueError, match="max_bytes must be"):
        load(path, max_bytes=-1)


@pytest.mark.parametrize("source", [None, 5, object(), [1, 2], b"m.npz"])
def test_other_kinds_are_type_errors(source):
    with pytest.raises(TypeError, match="load\\(\\) takes gym:ID"):
        load(source, gamma=0.9)


def test_only_models_are_saved(tmp_path):
    with pytest.raises(TypeError, match="takes an MDP"):
        save({"P": 1}, tmp_path / "m.npz")


def test_a_file_format_loads_no_heavy_library(tmp_path, model):
    for suffix in FORMATS:
        save(model(0, "csr"), tmp_path / f"m{suffix}")
    code = (
        "import sys, mdpkit.io\n"
        "heavy = {'gymnasium', 'networkx', 'scipy.sparse', 'numba', 'jax', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules)\n"
        "for path in sys.argv[1:]: mdpkit.io.load(path, gamma=0.9)\n"
        "assert not heavy & set(sys.modules)"
    )
    paths = [str(tmp_path / f"m{suffix}") for suffix in FORMATS]
    subprocess.run([sys.executable, "-c", code, *paths], check=True)
