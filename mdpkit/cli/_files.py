"""Files that a verb writes: asked for before the work, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdpkit.solve import Solution

FORMAT, VERSION = "mdpkit-solution", 1
ARRAYS = ("v", "q", "policy", "lower", "upper", "gaps")
FIGURES = (".svg", ".png", ".pdf", ".html")


def check_writable(path: str | None, suffixes: tuple[str, ...], option: str) -> None:
    """Raise ValueError now rather than after an hour's work if a file could not be written."""
    if path is None:
        return
    file = Path(path)
    if file.suffix.lower() not in suffixes:
        raise ValueError(f"{option} {path!r} must end in {' or '.join(suffixes)}.")
    if not file.parent.is_dir():
        raise ValueError(f"{option} {path!r}: there is no folder {str(file.parent)!r}.")
    if file.is_dir() or not os.access(file.parent, os.W_OK):
        raise ValueError(f"{option} {path!r} cannot be written.")


def save_solution(solution: Solution, path: str, about: dict[str, Any]) -> None:
    """Write a solution's arrays as .npz, with a manifest; `numpy.load` opens it without pickle.

    about   what the manifest says besides: the model, the method, the status
    """
    import zipfile

    import numpy as np

    from mdpkit.io._atomic import atomic_write

    manifest: dict[str, Any] = {"format": FORMAT, "version": VERSION, **about, "sha256": {}}
    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name in ARRAYS:
            array = np.ascontiguousarray(getattr(solution, name))
            manifest["sha256"][name] = hashlib.sha256(array.view(np.uint8).data).hexdigest()
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        archive.writestr("manifest.json", json.dumps(manifest, sort_keys=True))
