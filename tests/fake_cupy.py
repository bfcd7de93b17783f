"""A CuPy without a device: its arrays hold NumPy's, its kernels run on the CPU shim.

As strict as CuPy where it matters: an array never turns into NumPy's but by `get`, and the two
never mix. What crosses to the CPU is counted. Only what mdpkit uses is here.
"""

import types

import numpy as np

from tests import cuda_shim


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of the device."""

    __module__ = "cupy"
    __hash__ = object.__hash__

    def __init__(self, x):
        self.x = np.asarray(x)

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Use .get().")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        with np.errstate(all="ignore"):  # a device warns of nothing
            inputs = [inside(x) for x in inputs]
            return outside(getattr(ufunc, method)(*inputs, **options))

    def __array_function__(self, function, _, given, options):
        return outside(function(*[inside(x) for x in given], **options))

    def __getattr__(self, name):
        if name in ("shape", "size", "dtype", "ndim", "nbytes", "flags"):
            return getattr(self.x, name)
        if name == "T":
            return ndarray(self.x.T)
        if name in ("min", "max", "sum", "any", "all", "reshape", "astype", "copy"):
            return lambda *a, **k: outside(getattr(self.x, name)(*a, **k))
        raise AttributeError(name)

    def __getitem__(self, where):
        return ndarray(self.x[inside(where)])

    def __setitem__(self, where, value):
        self.x[inside(where)] = inside(value)

    def __len__(self):
        return len(self.x)

    def get(self):
        """A copy on the CPU."""
        traffic.append(self.x.nbytes)
        return self.x.copy()

    def __float__(self):
        return float(self.get())

    def __int__(self):
        return int(self.get())

    def __bool__(self):
        return bool(self.get())


traffic: list[int] = []
"""Bytes of each copy to the CPU."""

launched: set[tuple[str, str]] = set()
"""Sources' texts and kernels that were run."""


def inside(x):
    """The NumPy array of one of ours; one of NumPy's own is refused, as CuPy does."""
    if isinstance(x, ndarray):
        return x.x
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, tuple | list):
        return type(x)(inside(part) for part in x)
    return x


def outside(x):
    """What NumPy returned, as one of ours."""
    return ndarray(x) if isinstance(x, np.ndarray | np.generic) else x


class RawModule:
    """A source; kernels are found by name."""

    def __init__(self, *, code, options=(), backend="nvrtc"):
        assert backend == "nvrtc"
        assert "--fmad=false" in options
        self.code = code

    def get_function(self, name):
        """The kernel of that name."""

        def launch(grid, block, given, *, shared_mem=0):
            launched.add((self.code, name))
            given = [x.x if isinstance(x, ndarray) else x for x in given]
            cuda_shim.run(self.code, name, grid[0], block[0], given, shared_mem)

        return launch


def asarray(x, dtype=None):
    """On the device, a copy of what is NumPy's."""
    if isinstance(x, ndarray):
        return ndarray(x.x.astype(dtype or x.dtype, copy=False))
    return ndarray(np.array(x, dtype=dtype))


def ascontiguousarray(x):
    """The same, contiguous."""
    return ndarray(np.ascontiguousarray(x.x))


def empty(shape, dtype=float):
    """Room, full of what no kernel should read."""
    dtype = np.dtype(dtype)
    return ndarray(np.full(shape, np.nan if dtype.kind == "f" else 77, dtype=dtype))


def module(**runtime):
    """The module; `runtime` replaces functions of cupy.cuda.runtime."""
    made = types.ModuleType("cupy")
    names = (ndarray, RawModule, asarray, ascontiguousarray, empty)
    made.__dict__.update({x.__name__: x for x in names})
    made.zeros = lambda shape, dtype=float: ndarray(np.zeros(shape, dtype))
    made.concatenate = lambda parts: ndarray(np.concatenate([x.x for x in parts]))
    made.linalg = types.SimpleNamespace(
        solve=lambda A, b: ndarray(np.linalg.solve(inside(A), inside(b)))
    )
    found = {"getDeviceCount": lambda: 1, "driverGetVersion": lambda: 13000} | runtime
    made.cuda = types.SimpleNamespace(
        runtime=types.SimpleNamespace(**found),
        Device=lambda: types.SimpleNamespace(id=0, synchronize=lambda: None),
    )
    return made
