"""The errors of the house: each says what, where, found, expected, and what to do.

Every one is a ``ValueError`` or an ``ArithmeticError``, so callers need not know this file.
"""

from __future__ import annotations

from typing import Any


class ModelError(ValueError):
    """A model that is not a Markov decision process; ``witness`` says where it fails.

    witness : dict of the message's indices and numbers, e.g. ``{"s": 1, "a": 0, "sum": .9}``
    """

    def __init__(self, message: str, **witness: Any):
        super().__init__(message)
        self.witness = witness


class FormatError(ValueError):
    """A file that cannot be read; ``line`` (from 1) where the format has lines, else None."""

    def __init__(self, message: str, *, line: int | None = None):
        super().__init__(message if line is None else f"line {line}: {message}")
        self.line = line


class SourceError(ValueError):
    """A source string or path that names no model; the message lists what would."""


class UnboundedError(ModelError, ArithmeticError):
    """The value is infinite or undefined; ``witness["states"]`` is the offending class."""


class NotDifferentiableError(ModelError, ArithmeticError):
    """A maximum is attained more than once, so its derivatives are one-sided; ``witness``."""


class NotSolvedError(ArithmeticError):
    """The gap asked for is not certified; ``solution`` holds what is."""

    # A pickle calls with the message alone and then restores the attributes.
    def __init__(self, message: str, solution: Any = None):
        super().__init__(message)
        self.solution = solution


class NonFiniteError(ArithmeticError):
    """An iterate left the finite numbers; ``step`` and ``state`` say when and where."""

    def __init__(self, message: str, *, step: int = 0, state: int = 0):
        super().__init__(message)
        self.step, self.state = step, state


class SingularError(ArithmeticError):
    """A linear system is singular in floating point; ``rank`` of its matrix, None if unknown.

    For I − γP_π that is no statement about the model, which may be well posed.
    """

    def __init__(self, message: str, *, rank: int | None = None):
        super().__init__(message)
        self.rank = rank


class DeviceError(ValueError):
    """No device can do it; ``reason`` is "missing", "version", "driver", "memory" or "kernel".

    CuPy or a library of CUDA is missing, CUDA is too old, there is no driver or no device, the
    device is full, or what is asked for runs on the CPU only.
    """

    def __init__(self, message: str, *, reason: str = "kernel"):
        super().__init__(message)
        self.reason = reason


class ModelWarning(UserWarning):
    """The model was accepted, and something about it was changed or is worth knowing."""


class PrecisionWarning(UserWarning):
    """The answer is right, but floating point leaves it wider than one might hope."""


class CacheWarning(UserWarning):
    """Compiled kernels cannot be kept on disk, so every process compiles them again."""


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; the solve goes on without."""
