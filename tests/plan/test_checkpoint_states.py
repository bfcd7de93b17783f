"""States of methods as leaves and arrays, and back; methods told apart."""

import json
import zipfile
from typing import NamedTuple

import numpy as np
import pytest

import mdpkit as mk
from mdpkit import _flat
from mdpkit._identity import method_digest
from mdpkit.plan import (
    BackwardInduction,
    ModifiedPolicyIteration,
    PrioritizedSweeping,
)
from tests.plan.long_runs import model


class Inner(NamedTuple):
    """Arrays of every kind that is stored as it is or wider."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray | None


class Outer(NamedTuple):
    """A field of every kind."""

    v: np.ndarray
    inner: Inner | None
    other: Inner | None
    flag: bool
    count: int
    x: float
    y: float
    z: float
    model: mk.MDP
    model_at_1: mk.MDP
    part: np.ndarray


def test_every_kind_of_field_comes_back():
    mdp = model(sparse=True)
    for dtype in (*_flat.STORED, *_flat.NARROW):
        given = Outer(
            np.arange(6).astype(dtype).reshape(1, 2, 3),
            Inner(np.arange(6).astype(dtype)[::2], np.zeros((0, 4), dtype=dtype), None),
            None,
            True,
            -(10**30),
            np.nextafter(0.1, 1),
            np.float64(-0.0),
            float("nan"),
            mdp,
            mdp.replace(gamma=1),
            mdp.rows.columns,
        )
        leaves, arrays = {}, {}
        _flat.flatten(Outer, given, mdp, "state", leaves, arrays)
        found = _flat.unflatten(Outer, mdp, "state", json.loads(json.dumps(leaves)), arrays)
        assert set(arrays) <= _flat.paths(Outer, "state")
        for x, y in zip((found.v, *found.inner[:2]), (given.v, *given.inner[:2]), strict=True):
            assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())
        assert (found.inner.c, found.other, found.flag, found.count) == (
            None,
            None,
            True,
            -(10**30),
        )
        assert found.x == given.x
        assert type(found.y) is np.float64
        assert np.signbit(found.y)
        assert np.isnan(found.z)
        assert found.model is mdp
        assert (found.model_at_1.gamma, found.model_at_1.rows is mdp.rows) == (1, True)
        assert found.part is mdp.rows.columns


def test_the_models_own_arrays_are_not_written_again(tmp_path):
    mdp, path = model(sparse=True), tmp_path / "c.npz"
    mk.solve(mdp, PrioritizedSweeping(), max_steps=1, tol=0, checkpoint=path, throw=False)
    with zipfile.ZipFile(path) as archive:
        assert "state.links.weights.npy" in archive.namelist()
        assert "state.links.rows.values.npy" not in archive.namelist()


@pytest.mark.parametrize(
    "x", [np.array(1.0), np.array([1j]), np.array([None]), "text", {}, np.zeros((1, 1, 1, 1))]
)
def test_a_field_that_could_not_be_read_again_is_refused(x):
    class Bad(NamedTuple):
        """One field."""

        v: np.ndarray

    with pytest.raises(TypeError, match=r"state\.v is a"):
        _flat.flatten(Bad, Bad(x), model(), "state", {}, {})


def test_methods_are_told_apart_by_every_bit():
    many = np.zeros(5000)  # whose middle numpy does not print
    other = many.copy()
    other[2500] = 1
    a, b = BackwardInduction(3, many), BackwardInduction(3, other)
    assert repr(a) == repr(b)
    assert method_digest(a) != method_digest(b)
    assert method_digest(a) == method_digest(BackwardInduction(3, many.copy()))
    assert method_digest(ModifiedPolicyIteration(1)) != method_digest(
        ModifiedPolicyIteration(True)
    )
