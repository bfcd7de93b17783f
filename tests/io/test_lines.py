"""Lines of numbers: nearest floats, the compiled twin and its reference, lines of errors."""

import numpy as np
import pytest

from mdpkit.errors import FormatError
from mdpkit.io import _lines, _scan
from mdpkit.io._lines import read_lines

LIMIT = 1 << 34
COUNTS = [400, pytest.param(50_000, marks=pytest.mark.slow)]


def compiled(text, begin, k):
    return _scan.scan_lines(text, begin, 1, k, text.count(b"\n", begin) + 1)


def outcome(read, *arguments):
    try:
        found = read(*arguments)
    except FormatError as error:
        return str(error)
    return found.ints.tolist(), found.values.view(np.int64).tolist()


def tokens(rng, count):
    """Decimals of every length, from easy ones to those that lie beside a midpoint."""
    for i in range(count):
        x, e = float(rng.random()), int(rng.integers(-25, 25))
        yield [
            repr(x),
            repr(x * 10.0**e),
            f"{rng.integers(10**17, 10**18)}e-{rng.integers(0, 22)}",
            "0." + "".join(map(str, rng.integers(0, 10, rng.integers(1, 25)))),
            f"{rng.integers(0, 10**6)}.{rng.integers(0, 10**6)}e{rng.integers(-9, 9)}",
            f"{x:.15g}",
            f"{np.nextafter(x, 1) / 2 + x / 2:.30f}",
            f"-{x}",
        ][i % 8]


def test_decimals_become_the_nearest_floats():
    """Against Python's own reading, which is correctly rounded."""
    words = [
        *tokens(np.random.default_rng(0), 40_000),
        "0",
        "-0.0",
        "1e-400",
        ".5",
        "5.",
        "1E3",
    ]
    text = "\n".join(f"{i} {word}" for i, word in enumerate(words)).encode()
    expected = np.array([float(word) for word in words])
    found = compiled(text, 0, 1).values
    np.testing.assert_array_equal(found.view(np.int64), expected.view(np.int64))


def test_a_quotient_that_is_not_certain_says_so():
    """10¹⁷ + 1 halves and their like: the tie lies exactly between two floats."""
    value, sure = _scan.quotient((1 << 53) + 1, 0)
    assert not sure
    assert value in (2.0**53, 2.0**53 + 2)  # its two neighbors
    assert _scan.quotient(1 << 53, 0) == (2.0**53, True)
    assert _scan.quotient(1, 1) == (0.1, True)


VALID = b"0 0 1 0.5\n\n  0\t1 2 .25 go\r\n# a comment\n7 0 0 1e-3\n1 2 3 123456789012345678901"


def test_both_readers_agree_on_what_is_right():
    assert outcome(compiled, VALID, 0, 3) == outcome(read_lines, VALID, 0, 1, 3, LIMIT)
    found = read_lines(VALID, 0, 1, 3, LIMIT)
    assert found.ints.T.tolist() == [[0, 0, 1], [0, 1, 2], [7, 0, 0], [1, 2, 3]]
    assert found.values.tolist() == [0.5, 0.25, 0.001, 123456789012345678901.0]
    assert [found.line_of(i) for i in range(4)] == [1, 3, 5, 6]


@pytest.mark.parametrize("count", COUNTS)
def test_both_readers_agree_on_what_is_wrong(count):
    rng, refused = np.random.default_rng(3), 0
    alphabet = np.frombuffer(b"0123456789 .e-+#\t\r\nax\x00\xff\x0b", dtype=np.uint8)
    for _ in range(count):
        text = bytearray(VALID)
        for _ in range(int(rng.integers(1, 5))):
            at = int(rng.integers(len(text)))
            text[at : at + int(rng.integers(0, 3))] = bytes(rng.choice(alphabet, 2))
        text = bytes(text)
        reference = outcome(read_lines, text, 0, 1, 3, LIMIT)
        assert outcome(compiled, text, 0, 3) == reference, text
        refused += isinstance(reference, str)
    assert 0.2 * count < refused < 0.99 * count


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"0 0 x 1", 'a whole number is needed, not "x"'),
        (b"0 0 -1 1", 'not "-1"'),
        (b"0 0 1_0 1", 'not "1_0"'),
        (b"0 0 " + b"9" * 19 + b" 1", "a whole number is needed"),
        (b"0 0 1", "4 words"),
        (b"0 0 1 0.5 a b", "4 words"),
        (b"0 0 1 nan", 'a number is needed, not "nan"'),
        (b"0 0 1 inf", "a number is needed"),
        (b"0 0 1 1_0.0", "a number is needed"),
        (b"0 0 1 1e400", "no finite number"),
        (b"0 0 1 1e99999", "a number is needed"),
        (b"0 0 1 " + b"1" * 2000, "a number has 2000 characters"),
        (b"0 0 1 0.5\x00", "a number is needed"),
        (b"0 0 1 0,5", "a number is needed"),
        (b"0 0 1 1e901+", "a number is needed"),
        (b"0 0 1 1/6", "a number is needed"),
        ("0 0 ١ 0.5".encode(), "a whole number is needed"),
    ],
)
@pytest.mark.parametrize("size", [0, _lines.COMPILED])
def test_a_wrong_line_is_named(line, message, size):
    text = b"0 0 0 1\n" * (size // 8 + 1) + b"\n" + line + b"\n0 0 0 1\n"
    with pytest.raises(FormatError, match=message) as caught:
        read_lines(text, 0, 1, 3, LIMIT)
    assert caught.value.line == size // 8 + 3


def test_control_characters_do_not_reach_the_message():
    with pytest.raises(FormatError) as caught:
        read_lines(b"0 0 0 \x1b[31mred", 0, 1, 3, LIMIT)
    assert str(caught.value).isprintable()


def test_memory_is_asked_for_before_it_is_taken():
    with pytest.raises(FormatError, match="lines needs"):
        read_lines(b"\n" * 10**6, 0, 1, 3, 10**7)
