"""What an update says of itself, to the loop and to the replay."""

from __future__ import annotations

from typing import Any, NamedTuple


class Report(NamedTuple):
    """loss : a number; error : (n,) of each row, for priorities; None where there are none."""

    loss: Any
    error: Any = None
