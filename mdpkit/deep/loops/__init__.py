"""Loops: who plays, what is kept, when it is learned from."""

from mdpkit.deep.loops.off_policy import OffPolicy
from mdpkit.deep.loops.on_policy import OnPolicy

__all__ = ["OffPolicy", "OnPolicy"]
