"""What each kernel must agree with: the same cases run on the CPU shim and on a device."""

from tests.cuda import backups, bandits, flows
from tests.cuda.case import CASES, check

ROOMS = (backups, flows, bandits)
"""Imported, so that their cases are entered."""

__all__ = ["CASES", "ROOMS", "check"]
