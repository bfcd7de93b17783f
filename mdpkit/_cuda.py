"""One door to the device: CUDA sources beside their operators, compiled and run through CuPy.

A kernel is `extern "C" __global__ void name(…)` in a `.cu` file; what a launch must be given is
read from that line, so that a wrong type is an error here and no garbage there. Everything that
can fail because of the machine fails as a DeviceError that says what to install or to do.

    launch("operators/bellman.cu", "row_values", n_threads, values, columns, …)

The sources are compiled on first use and kept on disk by CuPy; without fused multiply-adds, so
that they round as their CPU twins do. Checked in tests/operators/test_cuda_kernels.py, on a
device by `pytest -m gpu`, and where it fails in tests/model/test_device.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import kind
from mdpkit.errors import DeviceError

HERE = Path(__file__).parent
OPTIONS = ("--std=c++17", "--fmad=false")
THREADS = 256
"""Threads of a block; the sources' own constant of that name."""

LEAST_VERSION = 13
"""CUDA's version that the extra `gpu` is built for."""

INSTALL = "Install it with: pip install 'mdpkit[gpu]'; or stay on the CPU, mdp.to(\"cpu\")."


class Parameter(NamedTuple):
    """One parameter of a kernel: an array of a dtype, or a number of it."""

    name: str
    dtype: Any
    is_array: bool


TYPES = {
    "double": np.dtype(np.float64),
    "int": np.dtype(np.int32),
    "long long": np.dtype(np.int64),
    "unsigned long long": np.dtype(np.uint64),
    "bool": np.dtype(np.bool_),
}
KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')
INCLUDE = re.compile(r'^#include "([^"]+)"$', re.MULTILINE)


def library() -> Any:
    """CuPy, with a device to use. Raises DeviceError: "missing", "driver" or "version"."""
    try:
        cupy = import_module("cupy")
    except ImportError as reason:
        said = f"CuPy cannot be imported ({reason}). {INSTALL}"
        raise DeviceError(said, reason="missing") from reason
    with failures("looking for a device"):
        version = cupy.cuda.runtime.driverGetVersion() // 1000  # 0 without a driver
    if version < LEAST_VERSION and version > 0:
        said = f"the driver speaks CUDA {version}; CUDA {LEAST_VERSION} is needed. Update it."
        raise DeviceError(f"{said} {_STAY}", reason="version")
    with failures("looking for a device"):
        count = cupy.cuda.runtime.getDeviceCount() if version else 0
    if count == 0:
        said = "no NVIDIA driver is installed" if version == 0 else "no device is visible"
        raise DeviceError(f"{said}. {_STAY}", reason="driver")
    return cupy


_STAY = 'Without a device stay on the CPU: mdp.to("cpu").'


@contextmanager
def failures(what: str) -> Iterator[None]:
    """Turn what CuPy raises because of the machine into a DeviceError."""
    try:
        yield
    except Exception as error:
        if isinstance(error, DeviceError):
            raise
        reason = _reason(error)
        if reason is None:
            raise
        remedy = {
            "memory": "The model and some vectors must fit at once. "
            'Free what holds the memory, use a larger device, or mdp.to("cpu").',
            "missing": f"A library of CUDA is missing. {INSTALL}",
            "version": f"CUDA {LEAST_VERSION} is needed, by the driver and by CuPy. {INSTALL}",
            "driver": f"Is an NVIDIA driver installed and a device visible? {_STAY}",
        }
        said = f"{what}: {type(error).__name__}: {str(error)[:300]} {remedy[reason]}"
        raise DeviceError(said, reason=reason) from error


def _reason(error: Exception) -> str | None:
    """Which failure of the machine this is, if any; by name, since CuPy may be missing."""
    names = {kind.__name__ for kind in type(error).__mro__}
    said = f"{type(error).__name__} {error}".replace("_", "").lower()
    if "ImportError" in names or "DynamicLibNotFoundError" in names:
        return "missing"
    if "OutOfMemoryError" in names or "memoryallocation" in said or "outofmemory" in said:
        return "memory"
    if "CompileException" in names or "NVRTCError" in names or "insufficientdriver" in said:
        return "version"
    if "unsupportedptx" in said or "nobinaryforgpu" in said:
        return "version"
    if names & {"CUDARuntimeError", "CUDADriverError", "CUBLASError", "CUSOLVERError"}:
        return "driver"
    return None


def upload(x: Any, dtype: Any = float) -> Any:
    """The array on the device, of that dtype, contiguous. Raises DeviceError if it is full."""
    cupy = library()
    with failures("copying to the device"):
        if kind(x) != "cupy":
            x = np.ascontiguousarray(x, dtype=dtype)  # cast here: half the bytes to move
        return cupy.ascontiguousarray(cupy.asarray(x, dtype=dtype))


def download(x: Any) -> Any:
    """The array as NumPy's, wherever it is; what is no array of the device stays as it is."""
    if kind(x) != "cupy":
        return x
    with failures("copying from the device"):
        return x.get()


def empty(shape: Any, dtype: Any = float) -> Any:
    """Room on the device. Raises DeviceError if there is none."""
    with failures("making room on the device"):
        return import_module("cupy").empty(shape, dtype=dtype)


def launch(
    source: str,
    name: str,
    n_threads: int,
    *given: Any,
    threads: int = THREADS,
    shared: int = 0,
) -> None:
    """Run a kernel of a source of this package in blocks of `threads`, `n_threads` in all.

    given  : what the kernel's own line declares; None is an array that is not there
    shared : bytes of a block's BLOCK_MEMORY
    Raises TypeError where an array has another dtype, layout or home than declared.
    """
    if n_threads < 1:
        return
    cupy = import_module("cupy")
    parameters = kernels(text(source))[name]
    if len(parameters) != len(given):
        raise TypeError(f"{name} takes {len(parameters)} arguments; {len(given)} were given.")
    read = [_argument(name, p, x) for p, x in zip(parameters, given, strict=True)]
    with failures(f"{source}, {name}"):
        run = _module(cupy, source).get_function(name)
        run((-(-int(n_threads) // threads),), (threads,), tuple(read), shared_mem=shared)


def _argument(kernel: str, parameter: Parameter, x: Any) -> Any:
    if not parameter.is_array:
        return parameter.dtype.type(x)
    if x is None:
        return np.uint64(0)  # a null pointer
    contiguous = kind(x) == "cupy" and x.flags.c_contiguous
    if not contiguous or x.dtype != parameter.dtype:
        raise TypeError(
            f"{kernel}: {parameter.name} must be a contiguous {parameter.dtype} array of the "
            f"device; it is {type(x).__name__} {getattr(x, 'dtype', '')}."
        )
    return x


@cache
def kernels(source: str) -> dict[str, list[Parameter]]:
    """The kernels of a source and their parameters, as its text declares them."""
    bare = re.sub(r"//[^\n]*|__launch_bounds__\(\w+\)|__restrict__", "", source)
    found = KERNEL.findall(re.sub(r"\s+", " ", bare))
    return {name: [_parameter(p) for p in body.split(",")] for name, body in found}


def _parameter(declared: str) -> Parameter:
    words, is_array = declared.replace("const ", ""), "*" in declared
    kind_of, _, name = words.replace("*", " ").strip().rpartition(" ")
    return Parameter(name, TYPES[kind_of.strip()], is_array)


@cache
def text(source: str) -> str:
    """A source with its headers written out, each once: CuPy's cache does not read headers."""
    return _written_out(source, set())


def _written_out(source: str, seen: set[str]) -> str:
    def header(found: re.Match) -> str:
        name = found.group(1)
        if name in seen:
            return ""
        seen.add(name)
        return _written_out(name, seen)

    return INCLUDE.sub(header, (HERE / source).read_text(encoding="utf-8"))


@cache
def _module(cupy: Any, source: str) -> Any:
    return cupy.RawModule(code=text(source), options=OPTIONS, backend="nvrtc")
