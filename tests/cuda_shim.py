"""CUDA sources on a CPU: compiled by the machine's C++ compiler, run by tests/cuda_shim.hpp.

A source is compiled once and kept, by a hash of its text. Every launch runs twice, its threads
in order and in reverse; results that differ mean that a barrier is missing.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from mdpkit import _cuda

HEADER = Path(__file__).with_name("cuda_shim.hpp")
FLAGS = ("-std=c++17", "-O0", "-fPIC", "-shared", "-w", "-x", "c++", "-ffp-contract=off")
C_TYPES = {dtype: name for name, dtype in _cuda.TYPES.items()}


class KernelFault(Exception):
    """A kernel did what no device would forgive."""


@cache
def compiler():
    """The command of a C++ compiler: the system's, else zig's."""
    for name in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        if name and shutil.which(name):
            return (name,)
    return (sys.executable, "-m", "ziglang", "c++", "-nostdlib++", "-fno-exceptions")


def wrapper(name, parameters):
    """C++ that calls a kernel with pointers to its arguments, as a driver does."""
    arguments = ", ".join(
        f"*({C_TYPES[p.dtype]}{'*' if p.is_array else ''}*)a[{i}]"
        for i, p in enumerate(parameters)
    )
    return (
        f"static void call_{name}(void** a) {{ {name}({arguments}); }}\n"
        f'extern "C" const char* run_{name}(unsigned grid, unsigned block, unsigned shared, '
        f"int reverse, void** a) {{ return shim::run(grid, block, shared, reverse, "
        f"call_{name}, a); }}\n"
    )


@cache
def library(text):
    """The compiled source, from the cache where it is known."""
    wrappers = "".join(wrapper(name, p) for name, p in _cuda.kernels(text).items())
    code = f"{HEADER.read_text(encoding='utf-8')}\n{text}\n{wrappers}"
    digest = hashlib.sha256(repr((code, compiler(), FLAGS)).encode()).hexdigest()[:16]
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base) / "mdpkit" / "cuda-shim"
    path = folder / f"{digest}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as made:
            target = Path(made) / path.name
            command = [*compiler(), *FLAGS, "-", "-o", str(target)]
            done = subprocess.run(command, input=code, capture_output=True, text=True)
            if done.returncode:
                raise KernelFault(done.stderr[:2000])
            target.replace(path)
    return ctypes.CDLL(str(path))


def run(text, name, grid, block, arguments, shared=0):
    """Launch a kernel on NumPy arrays and numbers; arrays are written in place."""
    arrays = [x for x in arguments if isinstance(x, np.ndarray)]
    before = [x.copy() for x in arrays]
    _call(text, name, grid, block, arguments, shared, reverse=True)
    backward = [x.copy() for x in arrays]
    for x, old in zip(arrays, before, strict=True):
        x[...] = old
    _call(text, name, grid, block, arguments, shared, reverse=False)
    for x, other in zip(arrays, backward, strict=True):
        if not np.array_equal(x, other, equal_nan=x.dtype.kind == "f"):
            raise KernelFault(f"{name}: the result depends on the order of the threads")


def _call(text, name, grid, block, arguments, shared, *, reverse):
    places = [
        ctypes.c_void_p(x.ctypes.data)
        if isinstance(x, np.ndarray)
        else np.ctypeslib.as_ctypes_type(x.dtype)(x.item())
        for x in arguments
    ]
    pointers = (ctypes.c_void_p * len(places))(
        *(ctypes.cast(ctypes.pointer(place), ctypes.c_void_p).value for place in places)
    )
    function = getattr(library(text), f"run_{name}")
    function.restype = ctypes.c_char_p
    fault = function(grid, block, shared, int(reverse), pointers)
    if fault:
        raise KernelFault(f"{name}: {fault.decode()}")
