"""Random numbers by counting: the k-th number of a stream is a function of (key, k).

Philox4x32-10 turns a 64-bit key and a 128-bit counter into four 32-bit words. A kernel that
draws by (run, step) has the same numbers however many threads it runs on, in whatever order;
a CUDA twin of ten lines draws the same.

Checked in tests/test_random.py against the published vectors.
Source: Salmon, Moraes, Dror & Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._jit import inlined

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


def keys(rng: Any, n: int = 1) -> np.ndarray:
    """(n,) uint64, one key a run. rng : a seed, SeedSequence or Generator; None is fresh.

    Key i is the same for every n > i, so that more runs are the old ones and some new.
    """
    if isinstance(rng, np.random.Generator):
        rng = np.random.SeedSequence(rng.integers(0, 2**63, 4).tolist())
    if not isinstance(rng, np.random.SeedSequence):
        rng = np.random.SeedSequence(rng)
    return rng.generate_state(n, np.uint64)


@inlined
def philox(key: Any, high: Any, low: Any) -> tuple[Any, Any, Any, Any]:
    """Four words of 32 bits, each in a uint64, for the counter (low, high), 64 bits each."""
    k0, k1 = key & _LOW, key >> _SHIFT
    c0, c1, c2, c3 = low & _LOW, low >> _SHIFT, high & _LOW, high >> _SHIFT
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (
            (p1 >> _SHIFT) ^ c1 ^ k0,
            p1 & _LOW,
            (p0 >> _SHIFT) ^ c3 ^ k1,
            p0 & _LOW,
        )
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@inlined
def unit(a: Any, b: Any) -> float:
    """A number in [0, 1) with 53 bits, from two words."""
    return ((a >> np.uint64(5)) * 67108864.0 + (b >> np.uint64(6))) * (1.0 / 9007199254740992.0)


@inlined
def short_unit(a: Any) -> float:
    """A number in [0, 1) with 32 bits, from one word."""
    return a * (1.0 / 4294967296.0)


@inlined
def normal(words: Any) -> float:
    """A standard normal number from four words, by Box and Muller."""
    radius = np.sqrt(-2.0 * np.log(1.0 - unit(words[0], words[1])))
    return radius * np.cos(2.0 * np.pi * unit(words[2], words[3]))
