"""A model's arrays on a device and back: what is large moves, what is said of it stays.

Rows, rewards and stops live on the device, 12 bytes an entry (float64 and 32-bit columns); the
action pointer, the start and the names stay on the CPU. Checked in tests/model/test_device.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._array import number, sup
from mdpkit._cuda import download, library, upload
from mdpkit._rows import CSR
from mdpkit.errors import DeviceError

DEVICES = ("cpu", "gpu")
MOST = 2**31 - 1
"""States and pairs are counted in 32 bits there."""


def require_cpu(mdp: Any, asked: str) -> None:
    """Raise DeviceError where a device model is asked for what the CPU does."""
    if mdp.device != "cpu":
        raise DeviceError(f'{asked} runs on the CPU: pass mdp.to("cpu").')


def moved(mdp: Any, device: str) -> dict[str, Any]:
    """The fields of the model on the device named: "cpu" or "gpu"."""
    if device not in DEVICES:
        raise ValueError(f"device must be one of {DEVICES}; it is {device!r}.")
    if device == mdp.device:
        return {}
    if device == "cpu":
        return _fields(mdp, download, download, download)
    library()
    if mdp.is_exact:
        raise DeviceError("exact models are solved on the CPU: pass mdp.rounded().")
    if mdp.n_pairs > MOST:
        raise DeviceError(f"{mdp.n_pairs} pairs; a device takes {MOST}. Stay on the CPU.")
    known = {
        "widest_row": mdp.widest_row,
        "n_transitions": mdp.n_transitions,
        "reward_size": number(sup(mdp._r)),
    }
    return known | _fields(
        mdp, upload, lambda x: upload(x, np.int32), lambda x: upload(x, np.int64)
    )


def _fields(mdp: Any, floats: Any, columns: Any, pointers: Any) -> dict[str, Any]:
    rows = mdp.rows
    if isinstance(rows, CSR):
        parts = floats(rows.values), columns(rows.columns), pointers(rows.row_ptr)
        rows = CSR(*parts, rows.n_columns)
    else:
        rows = floats(rows)
    stop = None if mdp._stop is None else floats(mdp._stop)
    return {"rows": rows, "_r": floats(mdp._r), "_stop": stop}
