"""What the tests of the text formats share."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest


def storm_files():
    """The example files that the stormpy wheel ships."""
    found = find_spec("stormpy")
    if found is None or found.origin is None:
        pytest.skip("stormpy is not installed", allow_module_level=True)
    return Path(found.origin).parent / "examples" / "files"


def entries(mdp):
    """Pair, next state and probability of every transition."""
    if mdp.is_sparse:
        pair = np.repeat(np.arange(mdp.n_pairs), np.diff(mdp.rows.row_ptr))
        return pair, mdp.rows.columns, mdp.rows.values
    pair, target = np.nonzero(mdp.rows)
    return pair, target, mdp.rows[pair, target]


def assert_same_numbers(a, b):
    """Equal in every number, whatever the storage; names apart."""
    assert (a.n_states, a.n_pairs, a.gamma) == (b.n_states, b.n_pairs, b.gamma)
    for x, y in zip(entries(a), entries(b), strict=True):
        np.testing.assert_array_equal(x, y)
    for name in ("action_ptr", "pair_actions", "start"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for name in ("r", "stop"):
        x, y = getattr(a, name).reshape(-1), getattr(b, name).reshape(-1)
        np.testing.assert_array_equal(x, y)
