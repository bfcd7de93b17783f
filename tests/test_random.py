"""The counter-based stream against the vectors its authors published, and plain Python."""

import numpy as np
import pytest

from mdpkit import _random

VECTORS = [  # counter, key, words: kat_vectors of the Random123 distribution
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def drawn(counter, key):
    c0, c1, c2, c3 = counter
    words = _random.philox(
        np.uint64(key[0] | key[1] << 32), np.uint64(c2 | c3 << 32), np.uint64(c0 | c1 << 32)
    )
    return tuple(int(word) for word in words)


def plain(counter, key, rounds=10):
    c, k = list(counter), list(key)
    for _ in range(rounds):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k[0], p1 % 2**32, p0 >> 32 ^ c[3] ^ k[1], p0 % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return tuple(c)


@pytest.mark.parametrize(("counter", "key", "words"), VECTORS)
def test_words_are_the_published_ones(counter, key, words):
    assert drawn(counter, key) == words
    assert plain(counter, key, rounds=9) != words


def test_words_are_those_of_plain_integers():
    rng = np.random.default_rng(0)
    for _ in range(200):
        words = [int(word) for word in rng.integers(0, 2**32, 6)]
        assert drawn(words[:4], words[4:]) == plain(words[:4], words[4:])


def test_units_lie_below_one():
    top = np.uint64(2**32 - 1)
    assert _random.unit(top, top) == 1 - 2.0**-53
    assert _random.unit(np.uint64(0), np.uint64(0)) == 0
    assert _random.short_unit(top) == 1 - 2.0**-32


def test_more_runs_are_the_old_ones_and_some_new():
    assert np.array_equal(_random.keys(7, 3), _random.keys(7, 9)[:3])
    assert len(set(_random.keys(7, 10_000))) == 10_000
    assert not np.array_equal(_random.keys(7, 3), _random.keys(8, 3))
    assert _random.keys(np.random.default_rng(1), 4).dtype == np.uint64


@pytest.mark.stat
def test_normal_numbers_are_normal():
    """Kolmogorov and Smirnov on 20,000; false alarm < 1e-6. Uniform ones are caught."""
    from scipy.stats import kstest

    key = _random.keys(3)[0]
    drawn = [_random.philox(key, np.uint64(0), np.uint64(k)) for k in range(20_000)]
    assert kstest([_random.normal(words) for words in drawn], "norm").pvalue > 1e-6
    flat = [3.46 * (_random.unit(*words[:2]) - 0.5) for words in drawn]
    assert kstest(flat, "norm").pvalue < 1e-6
