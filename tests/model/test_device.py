"""A model on a device and back, and every way in which the machine can fail to have one.

CuPy is stood in for: these tests need no device and see what is said without one.
"""

import pickle
import sys
import types

import numpy as np
import pytest

from mdpkit import _cuda
from mdpkit._rows import CSR
from mdpkit.errors import DeviceError
from mdpkit.gallery import make
from tests import fake_cupy
from tests.oracles import random_mdp


@pytest.fixture
def cupy(monkeypatch):
    made = fake_cupy.module()
    monkeypatch.setitem(sys.modules, "cupy", made)
    return made


@pytest.mark.parametrize("seed", range(8))
def test_a_model_that_went_to_a_device_and_back_is_the_same(seed, cupy):
    mdp = random_mdp(seed)
    there = mdp.to("gpu")
    back = there.to("cpu")
    assert (mdp.device, there.device, back.device) == ("cpu", "gpu", "cpu")
    parts = [(mdp._r, back._r), (mdp.stop, back.stop), (mdp.start, back.start)]
    rows = (mdp.rows, back.rows)
    parts += list(zip(*rows, strict=True)) if isinstance(mdp.rows, CSR) else [rows]
    for one, other in parts:
        assert np.array_equal(one, other)
    assert repr(there) == repr(mdp)
    assert (there.widest_row, there.n_transitions) == (mdp.widest_row, mdp.n_transitions)
    assert there.to("gpu")._r is there._r
    assert back.to("cpu")._r is back._r


def test_a_device_model_keeps_12_bytes_an_entry_there(cupy):
    there = make("garnet", S=20, A=2, b=3, gamma=0.9).to("gpu")
    assert (there.rows.values.dtype, there.rows.columns.dtype) == (np.float64, np.int32)
    assert all(type(x).__module__ == "cupy" for x in (*there.rows[:3], there._r))
    assert isinstance(there.action_ptr, np.ndarray)


def test_only_what_has_a_kernel_is_taken_to_a_device(cupy):
    mdp = random_mdp(0)
    with pytest.raises(DeviceError, match="rounded") as caught:
        mdp.exact(dyadic=True).to("gpu")
    assert caught.value.reason == "kernel"
    with pytest.raises(ValueError, match="one of"):
        mdp.to("cuda:0")


def broken(name, *mro, message=""):
    """An exception of CuPy by its name: here CuPy itself may be missing."""
    return type(name, mro or (Exception,), {})(message)


class Raises:
    """A function that fails."""

    def __init__(self, error):
        self.error = error

    def __call__(self, *_, **__):
        raise self.error


DRIVER = broken("CUDARuntimeError", RuntimeError, message="cudaErrorNoDevice: none")
OLD = broken("CUDARuntimeError", RuntimeError, message="cudaErrorInsufficientDriver: too old")
FAILURES = {
    "missing": (None, "missing", r"pip install 'mdpkit\[gpu\]'"),
    "no driver": ({"driverGetVersion": lambda: 0}, "driver", "no NVIDIA driver"),
    "old driver": ({"driverGetVersion": lambda: 12040}, "version", "CUDA 12; CUDA 13"),
    "no device": ({"getDeviceCount": lambda: 0}, "driver", "no device is visible"),
    "device fails": ({"getDeviceCount": Raises(DRIVER)}, "driver", "cudaErrorNoDevice"),
    "insufficient": ({"getDeviceCount": Raises(OLD)}, "version", "InsufficientDriver"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_without_a_device_the_error_says_what_to_do(name, monkeypatch):
    runtime, reason, words = FAILURES[name]
    made = None if runtime is None else fake_cupy.module(**runtime)
    monkeypatch.setitem(sys.modules, "cupy", made)  # None: the import fails
    mdp = random_mdp(0)
    with pytest.raises(DeviceError, match=words) as caught:
        mdp.to("gpu")
    assert caught.value.reason == reason
    assert 'mdp.to("cpu")' in str(caught.value)
    assert mdp.device == "cpu"
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args


MEMORY = broken("OutOfMemoryError", MemoryError, message="Out of memory allocating 8 bytes")
LATER = {
    "memory": (MEMORY, "memory", "larger device"),
    "driver runs out": (
        broken("CUDARuntimeError", RuntimeError, message="cudaErrorMemoryAllocation: out"),
        "memory",
        "at once",
    ),
    "compiler": (broken("CompileException", message="nvrtc: error"), "version", "CUDA 13"),
    "cuBLAS": (ImportError("libcublas.so.13 not found"), "missing", "library of CUDA"),
}


@pytest.mark.parametrize("name", LATER)
@pytest.mark.parametrize("where", ["empty", "asarray", "get_function"])
def test_a_failure_under_way_is_named_too(name, where, cupy, monkeypatch):
    error, reason, words = LATER[name]
    mdp = random_mdp(2)
    there = mdp.to("gpu")
    if where == "get_function":
        monkeypatch.setattr(fake_cupy.RawModule, where, Raises(error))
    else:
        monkeypatch.setattr(cupy, where, Raises(error))
    from mdpkit.operators.bellman import sweep

    with pytest.raises(DeviceError, match=words) as caught:
        sweep(there, cupy.zeros(mdp.n_states))
    assert caught.value.reason == reason
    assert caught.value.__cause__ is error


def test_a_mistake_of_ours_is_not_taken_for_the_machines():
    with pytest.raises(TypeError, match="ours"), _cuda.failures("work"):
        raise TypeError("ours")


def test_headers_are_written_out_once(tmp_path, monkeypatch):
    (tmp_path / "a.cuh").write_text('#include "b.cuh"\nint a;\n')
    (tmp_path / "b.cuh").write_text("int b;\n")
    (tmp_path / "k.cu").write_text('#include "a.cuh"\n#include "b.cuh"\n')
    monkeypatch.setattr(_cuda, "HERE", tmp_path)
    whole = _cuda.text.__wrapped__("k.cu")
    assert (whole.count("int a;"), whole.count("int b;"), "#include" in whole) == (1, 1, False)


def test_the_stand_in_is_as_strict_as_cupy(cupy):
    x = cupy.asarray([1.0, 2.0])
    assert isinstance(cupy, types.ModuleType)
    for mix in (lambda: x + np.ones(2), lambda: np.ones(2) @ x, lambda: np.asarray(x)):
        with pytest.raises(TypeError):
            mix()
    fake_cupy.traffic.clear()
    assert float((x + 1.0).max()) == 3.0
    assert fake_cupy.traffic == [8]
