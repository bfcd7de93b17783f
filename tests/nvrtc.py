"""NVIDIA's compiler by ctypes: from a source's text to the machine code of an architecture.

No driver is needed. The library comes with the wheel nvidia-cuda-nvrtc.
"""

import ctypes
from functools import cache
from importlib import metadata


@cache
def library():
    """libnvrtc, or None where its wheel is not installed."""
    try:
        files = metadata.files("nvidia-cuda-nvrtc") or []
    except metadata.PackageNotFoundError:
        return None
    names = [f for f in files if f.name.startswith(("libnvrtc.so", "libnvrtc.alt"))]
    builtins = [f for f in files if f.name.startswith("libnvrtc-builtins")]
    for name in builtins:
        ctypes.CDLL(str(name.locate()), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(str(names[0].locate())) if names else None


def compiled(text, architecture, options=()):
    """(machine code, log): empty code where the source is refused; warnings are in the log."""
    lib, program = library(), ctypes.c_void_p()
    lib.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"mdpkit.cu", 0, None, None)
    flags = [f"--gpu-architecture={architecture}".encode(), *(o.encode() for o in options)]
    status = lib.nvrtcCompileProgram(
        program, len(flags), (ctypes.c_char_p * len(flags))(*flags)
    )
    log = _read(program, lib.nvrtcGetProgramLogSize, lib.nvrtcGetProgramLog)
    code = b""
    if status == 0:
        code = _read(program, lib.nvrtcGetCUBINSize, lib.nvrtcGetCUBIN)
    lib.nvrtcDestroyProgram(ctypes.byref(program))
    return code, log.rstrip(b"\0").decode()


def _read(program, size_of, read):
    size = ctypes.c_size_t()
    size_of(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    read(program, buffer)
    return buffer.raw
