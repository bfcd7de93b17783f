"""Every CUDA source: compiled for two architectures, and run against its references.

Without a device the sources run on the CPU shim; `pytest -m gpu` runs the same cases on one.
The shim cannot see races: that is the device's part.
"""

import re
import sys

import pytest

from mdpkit import _cuda
from mdpkit.errors import DeviceError, NotSolvedError
from mdpkit.operators import _device
from tests import cuda_shim, fake_cupy, nvrtc
from tests.cuda import cases

SOURCES = sorted(str(p.relative_to(_cuda.HERE)) for p in _cuda.HERE.rglob("*.cu"))
HEADERS = sorted(str(p.relative_to(_cuda.HERE)) for p in _cuda.HERE.rglob("*.cuh"))
KERNELS = {
    f"{source} {name}" for source in SOURCES for name in _cuda.kernels(_cuda.text(source))
}


@pytest.fixture
def shim(monkeypatch):
    """CuPy's stand-in, its kernels on the CPU."""
    made = fake_cupy.module()
    monkeypatch.setitem(sys.modules, "cupy", made)
    return made


@pytest.fixture
def device():
    """The real one."""
    try:
        return _cuda.library()
    except DeviceError as reason:
        pytest.skip(str(reason))


@pytest.mark.skipif(nvrtc.library() is None, reason="nvidia-cuda-nvrtc is not installed")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("source", SOURCES)
def test_cuda_source_compiles_without_a_warning(source, architecture):
    code, log = nvrtc.compiled(_cuda.text(source), architecture, _cuda.OPTIONS)
    assert (len(code) > 1000, log) == (True, "")


@pytest.mark.skipif(nvrtc.library() is None, reason="nvidia-cuda-nvrtc is not installed")
def test_cuda_compiler_refuses_what_is_wrong():
    code, log = nvrtc.compiled('extern "C" __global__ void f() { g(); }', "sm_80")
    assert code == b""
    assert "undefined" in log


@pytest.mark.parametrize("name", cases.CASES)
def test_cuda_kernels_agree_with_their_references(name, shim):
    fake_cupy.launched.clear()
    assert cases.check(name, shim, full=False) > 1
    ran = {kernel for _, kernel in fake_cupy.launched}
    assert {kernel.split()[1] for kernel in cases.CASES[name].kernels} <= ran


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.CASES)
def test_cuda_kernels_agree_with_their_references_on_every_model(name, shim):
    assert cases.check(name, shim) > 1


@pytest.mark.gpu
@pytest.mark.parametrize("name", cases.CASES)
def test_cuda_kernels_agree_with_their_references_on_a_device(name, device):
    assert cases.check(name, device) > 1


def test_every_cuda_kernel_has_a_case():
    covered = {kernel for one in cases.CASES.values() for kernel in one.kernels}
    assert covered == KERNELS


IMPOSTORS = [
    ("best_pairs", "operators/bellman.cu", "q[i] > q[top]", "q[i] >= q[top]"),
    ("sweeps", "operators/bellman.cu", "r[pair + i] + gamma * total", "r[pair + i] + total"),
    ("sweeps", "operators/bellman.cu", "__syncthreads();\n        for (int i", "for (int i"),
    ("sweeps", "operators/bellman.cu", "weight[i] * q[i]", "q[i]"),
    ("sweeps", "operators/bellman.cu", "if (i < half) {", "if (i + 1 < half) {"),
    ("sizes", "operators/bellman.cu", "y > x || y != y ? y : x", "y > x ? y : x"),
    ("long_rows", "operators/bellman.cu", "row_ptr[pair] + lane", "row_ptr[pair] + 2 * lane"),
    ("chains", "operators/sweep.cu", "pairs ? pairs[s] : s", "s"),
    ("multi_step_operators", "operators/sweep.cu", "r ? r[", "false ? r["),
    ("colored", "operators/sweep.cu", "v[s] = top;", ""),
    ("flows", "operators/occupancy.cu", "* d[pair_states[from[j]]]", "* d[from[j]]"),
    ("all_messages", "operators/messages.cu", "stop[pair] * exp(", "exp("),
    ("all_messages", "operators/messages.cu", "total *= discount;", "total *= 0.5 * discount;"),
    ("rollouts", "operators/rollout.cu", "short_unit(words.c)", "short_unit(words.a)"),
    ("along_trajectories", "operators/traces.cu", "discounts[here] * lam;", "lam;"),
    ("along_trajectories", "operators/traces.cu", "group_wait(width);  // and", "// and"),
    ("along_trajectories", "operators/returns.cu", "kept[here] * later", "later"),
    ("normal_equations", "operators/linear.cu", "total += weight[k] * phi", "total += phi"),
    ("many_models", "plan/batch.cu", "matrix[s * S + s] += 1.0;", "matrix[s * S + s] += 1.1;"),
    (
        "many_models",
        "plan/batch.cu",
        "        __syncthreads();\n    }\n    for",
        "    }\n    for",
    ),
    ("upper_confidence", "bandits/ucb.cu", "index > top", "index >= top"),
    ("thompson", "bandits/thompson.cu", "byte * BYTE >= t.mass", "byte * BYTE < t.mass"),
    ("thompson", "bandits/thompson.cu", "x > top", "x < top"),
]


@pytest.mark.parametrize(("name", "source", "true", "false"), IMPOSTORS)
def test_a_cuda_kernel_with_a_mistake_is_caught(name, source, true, false, shim, monkeypatch):
    text = _cuda.text(source)
    assert true in text
    wrong = text.replace(true, false)
    own = _cuda.text
    monkeypatch.setattr(_cuda, "text", lambda s: wrong if s == source else own(s))
    with pytest.raises((AssertionError, cuda_shim.KernelFault, NotSolvedError)):
        cases.check(name, shim)


SHORT = 'extern "C" __global__ void f(double* x) {{ {} }}'
FAULTS = {
    "if (threadIdx.x > 0) __syncthreads();": "a barrier that not every thread",
    "if (threadIdx.x > 0) x[0] = group_sum(1.0, 4);": "a lane that never comes",
    "__shared__ double y; if (threadIdx.x == 0) y = 1; x[threadIdx.x] += y;": "the order",
}


@pytest.mark.parametrize("body", FAULTS)
def test_the_cuda_shim_sees_a_fault_of_the_threads(body):
    import numpy as np

    text = _cuda.text("operators/returns.cu") + SHORT.format(body)
    with pytest.raises(cuda_shim.KernelFault, match=FAULTS[body]):
        cuda_shim.run(text, "f", 1, 8, [np.zeros(8)])


def raw_primitives(text):
    """Shuffles and atomics, which the shim has no stand-in for."""
    return re.findall(r"__shfl\w*|__syncwarp|atomic\w+\(|__activemask|__ballot\w*", text)


def test_cuda_kernels_use_helpers_and_never_a_raw_shuffle():
    files = [name for name in SOURCES + HEADERS if name != "_group.cuh"]
    found = {name: raw_primitives((_cuda.HERE / name).read_text()) for name in files}
    assert {name: raw for name, raw in found.items() if raw} == {}
    assert raw_primitives("x += __shfl_xor_sync(m, x, 1);")


def test_cuda_constants_are_those_of_the_launchers():
    group = (_cuda.HERE / "_group.cuh").read_text()
    bellman = (_cuda.HERE / "operators/bellman.cu").read_text()
    assert f"const int THREADS = {_cuda.THREADS};" in group
    assert f"ENTRIES = {_device.ENTRIES}, PAIRS = {_device.PAIRS};" in bellman


def test_a_cuda_launch_refuses_what_the_source_does_not_declare(shim):
    v = shim.asarray([1.0, 2.0])
    launch, source = _cuda.launch, "operators/returns.cu"
    for wrong in (shim.asarray([1, 2]), [1.0, 2.0], shim.asarray([[1.0, 2.0]] * 2).T):
        with pytest.raises(TypeError, match="rewards must be a contiguous float64 array"):
            launch(source, "lambda_returns", 2, wrong, v, v, v, 2, 1, v)
    with pytest.raises(TypeError, match="takes 7 arguments"):
        launch(source, "lambda_returns", 2, v)
