"""A training as a file: what every seed learned, in plain arrays that NumPy opens.

    mk.deep.save(result, "ppo.npz")
    result = mk.deep.load("ppo.npz", mk.deep.PPO(), "CartPole-v1")

`numpy.load` finds the arrays by their place in the algorithm's state, seeds first, such as
"learner/params/critic/weights/0": floats are widened to float64, which loses nothing. Read
back, they fill the state of an algorithm whose arrays have those names and shapes; nothing is
unpickled, and no code is in the file. Checked in tests/deep/test_saved.py.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdpkit._flat import read_float
from mdpkit.deep.envs import worlds_of
from mdpkit.deep.result import Result
from mdpkit.errors import FormatError
from mdpkit.io import _zip
from mdpkit.io._json import fields
from mdpkit.io._memory import memory_limit
from mdpkit.io._npy import read_array

FORMAT, VERSION = "mdpkit-trained", 1
KEYS = {"algorithm", "settings", "env", "seconds", "versions"}
SHAPES: dict[str, tuple[str, int]] = {
    "seeds": ("i", 1),
    "steps": ("i", 1),
    "curve": ("f", 2),
    "finite": ("i", 1),
}
"""What there is besides the learner: the kind of number, and how many axes."""

MOST_AXES = 8
"""Of an array, the seeds' included."""


def save(result: Result, path: Any) -> None:
    """Write a training, atomically. Raises OSError where that fails."""
    from mdpkit import __version__

    arrays = {name: np.asarray(getattr(result, name)) for name in SHAPES}
    leaves, _ = jax.tree.flatten_with_path(result.learners)
    arrays |= {_name(place): np.asarray(x) for place, x in leaves}
    seconds = {"compile": result.compile_seconds, "run": result.run_seconds}
    about = {
        "format": FORMAT,
        "version": VERSION,
        "algorithm": result.algorithm.key,
        "settings": repr(result.algorithm),
        "env": result.worlds.name,
        "seconds": {name: float(x).hex() for name, x in seconds.items()},
        "versions": {"mdpkit": __version__, "jax": jax.__version__},
    }
    _zip.write(path, {name: _wide(x) for name, x in arrays.items()}, about)


def load(path: Any, algorithm: Any, env: Any) -> Result:
    """What `save` wrote. algorithm, env : as they were given to `train`.

    Raises FormatError for damage, for another algorithm or environment, and where an array is
    missing or has another shape: settings such as widths= must be those of the training.
    """
    worlds = worlds_of(env)
    try:
        return _load(path, algorithm, worlds)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error


def _load(path: Any, algorithm: Any, worlds: Any) -> Result:
    limit = memory_limit(None)
    with _zip.opened(path, None, limit, "a training") as archive:
        manifest = _zip.read_manifest(archive, KEYS, (FORMAT, VERSION), limit)
        for name, ours in (("algorithm", algorithm.key), ("env", worlds.name)):
            if manifest[name] != ours:
                raise FormatError(f"its {name} is {manifest[name]!r}, not {ours!r}.")
        _zip.check_members(archive, manifest)
        arrays = {
            name: read_array(archive, name, claim, "fi", set(range(MOST_AXES + 1)))
            for name, claim in manifest["arrays"].items()
        }
    fields(manifest["seconds"], {"compile", "run"}, set())
    found = _checked(arrays)
    return Result(
        algorithm,
        worlds,
        tuple(found["seeds"].tolist()),
        found["steps"],
        found["curve"],
        found["finite"] != 0,
        _filled(arrays, algorithm, worlds, len(found["seeds"])),
        read_float(manifest["seconds"]["compile"], "seconds"),
        read_float(manifest["seconds"]["run"], "seconds"),
    )


def _checked(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays besides the learner, after a look at their shapes."""
    for name, (kind, axes) in SHAPES.items():
        if name not in arrays:
            raise FormatError(f"{name} is missing.")
        x = arrays[name]
        if x.dtype.kind != kind or x.ndim != axes:
            raise FormatError(f"{name} is {x.dtype} with {x.ndim} axes.")
    seeds, steps = len(arrays["seeds"]), len(arrays["steps"])
    if arrays["curve"].shape != (seeds, steps) or arrays["finite"].shape != (seeds,):
        raise FormatError("seeds, steps, curve and finite are of different lengths.")
    return {name: arrays[name] for name in SHAPES}


def _filled(arrays: dict[str, np.ndarray], algorithm: Any, worlds: Any, seeds: int) -> Any:
    """A learner with these arrays for leaves."""
    like = jax.eval_shape(lambda key: algorithm.init(worlds, key), jax.random.key(0))
    places, structure = jax.tree.flatten_with_path(like)
    names = [_name(place) for place, _ in places]
    fields(arrays, {*SHAPES, *names}, set())
    for name, (_, x) in zip(names, places, strict=True):
        if arrays[name].shape != (seeds, *x.shape):
            wanted = (seeds, *x.shape)
            raise FormatError(f"{name} is {arrays[name].shape}, and {wanted} is needed here.")
    leaves = [
        jnp.asarray(arrays[name], x.dtype) for name, (_, x) in zip(names, places, strict=True)
    ]
    return jax.tree.unflatten(structure, leaves)


def _name(place: Any) -> str:
    return f"learner/{jax.tree_util.keystr(place, simple=True, separator='/')}"


def _wide(x: np.ndarray) -> np.ndarray:
    """As float64 or int64, in which every number of a network is itself."""
    return x.astype("<f8" if jnp.issubdtype(x.dtype, jnp.floating) else "<i8")
