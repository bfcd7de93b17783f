"""Schedules against partial sums and the integral test."""

import math

import numpy as np
import pytest

from mdpkit.operators import step_size
from mdpkit.operators.step_size import Schedule, at, constant, polynomial, rescaled_linear


@pytest.mark.parametrize("power", [0.0, 0.3, 0.5, 0.7, 1.0, 1.3])
def test_a_schedule_knows_its_sums(power):
    """From 10⁵ to 2·10⁵ terms Σ 1/k^p grows as its integral does, or hardly at all."""
    k = np.arange(100_000, 200_000)
    tail, squares = (k + 1.0) ** -power, (k + 1.0) ** (-2 * power)
    schedule = polynomial(1.0, power=power) if power else constant(1.0)
    grows = tail.sum() > math.log(2) - 1e-3  # what 1/k still adds; a convergent sum adds less
    squares_grow = squares.sum() > math.log(2) - 1e-3
    assert schedule.sum_diverges == grows
    assert schedule.squares_converge == (not squares_grow)
    assert schedule.converges == (0.5 < power <= 1)


def test_terms_are_those_of_the_formula():
    for schedule in (
        constant(0.3),
        polynomial(0.7, power=0.8, offset=2),
        Schedule(1, 1, 1, 0.05),
    ):
        scale, offset, power, least = schedule
        for k in (0, 1, 7, 1000):
            assert at(schedule, k) == pytest.approx(
                max(least, scale / (offset + k) ** power), rel=1e-15
            )
    assert at(rescaled_linear(0.9), 10) == pytest.approx(0.5, rel=1e-15)


def test_a_floor_keeps_exploring_and_never_settles():
    schedule = Schedule(1.0, 1.0, 1.0, 0.1)
    assert schedule.sum_diverges
    assert not schedule.squares_converge


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: constant(1.5),
        lambda: constant(-0.1),
        lambda: constant(math.nan),
        lambda: polynomial(2.0),
        lambda: rescaled_linear(1.0),
        lambda: polynomial(1.0, offset=0.0),
    ],
)
def test_what_is_no_schedule_is_refused(wrong):
    with pytest.raises(ValueError, match=r"α_0|finite|γ"):
        wrong()


def test_a_number_is_a_constant():
    assert step_size.as_schedule(0.2) == constant(0.2)
