"""Step-size rules: their formulas, and what they ask of a method."""

import math

import pytest

from mdpkit.improve import (
    Adaptive,
    Armijo,
    Constant,
    ExponentiatedQAscent,
    Geometric,
    Normalized,
    ProjectedPolicyGradient,
    ProjectedQAscent,
    Smoothness,
    SoftmaxPolicyGradient,
)
from mdpkit.improve.step_sizes import LARGEST, Situation, rule
from tests.improve.runs import drawn, run

FIRST = Situation(0, 0.9)


def at(step, **facts):
    return FIRST._replace(step=step, **facts)


def test_each_rule_is_its_formula():
    assert Constant(0.3)(at(7)) == 0.3
    assert Smoothness()(at(7, smoothness=8.0)) == 0.125
    assert Geometric(2.0)(at(3)) == pytest.approx(2 / 0.9**3, rel=1e-15)
    assert Geometric(2.0, ratio=3.0)(at(3)) == pytest.approx(54, rel=1e-15)
    assert Adaptive(0.5)(at(3, distance=lambda: 0.2)) == pytest.approx(0.4 / 0.9**8)
    assert Adaptive(0.5)(at(3, distance=lambda: 0.2, unit=10.0)) == pytest.approx(0.04 / 0.9**8)
    assert Normalized(0.5)(at(3, slope=0.1)) == pytest.approx(5)


def test_where_there_is_nothing_to_do_a_size_is_given_all_the_same():
    assert Adaptive()(at(3, distance=lambda: 0.0)) > 0
    assert Normalized()(at(3, slope=0.0)) == 0
    assert Geometric()(at(10**6)) == pytest.approx(LARGEST)
    assert Geometric()(Situation(2, 0.0)) == pytest.approx(LARGEST)
    assert Adaptive()(at(10**6, distance=lambda: 1.0)) == LARGEST
    assert Adaptive()(at(0, distance=lambda: math.inf)) == LARGEST


def test_armijo_takes_the_first_size_that_gains_its_share():
    # J rises as α − α²: of the slope's α half is gained up to α = ½.
    trial = lambda size: (size - size**2, size)  # noqa: E731
    assert Armijo(first=1.0)(at(0, trial=trial)) == 0.5
    assert Armijo(first=0.3)(at(0, trial=trial)) == 0.3
    assert Armijo()(at(4, last=0.2, trial=trial)) == 0.4  # twice the last
    assert Armijo(share=0.9)(at(0, trial=trial)) == 0.0625
    assert Armijo(tries=5)(at(0, trial=lambda size: (-size, size))) == 0
    assert Armijo(tries=5)(at(0, trial=lambda size: (0.0, 0.0))) == 0


def test_a_number_is_a_constant_rule():
    assert rule(0.5) == Constant(0.5)
    assert rule(Smoothness()) == Smoothness()


@pytest.mark.parametrize("bad", [0, -1.0, math.nan, math.inf, True, "1"])
def test_a_size_is_above_zero(bad):
    for made in (Constant, Geometric, Adaptive, Armijo, Normalized):
        with pytest.raises(ValueError, match="> 0"):
            made(bad)
    with pytest.raises(ValueError, match="> 0"):
        ProjectedQAscent(bad)


@pytest.mark.parametrize("bad", [{"ratio": 1.0}, {"ratio": math.nan}])
def test_a_growth_is_above_one(bad):
    with pytest.raises(ValueError, match="ratio"):
        Geometric(**bad)


@pytest.mark.parametrize("bad", [{"shrink": 1.0}, {"shrink": 0.0}, {"share": 1.5}])
def test_shares_lie_between_zero_and_one(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Armijo(**bad)


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        (ProjectedQAscent(Smoothness()), "smoothness"),
        (ExponentiatedQAscent(Armijo()), "gradient step"),
        (ExponentiatedQAscent(Normalized()), "a gradient"),
        (ProjectedPolicyGradient(Adaptive()), "divergence"),
        (SoftmaxPolicyGradient(Adaptive()), "divergence"),
    ],
)
def test_a_rule_says_what_it_misses(method, missing):
    with pytest.raises(ValueError, match=f"needs .*{missing}"):
        run(drawn(0), method, 1)
