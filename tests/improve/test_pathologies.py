"""The pathologies' numbers, each by another count."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.improve import NaturalPolicyGradient, pathologies
from mdpkit.operators.performance import performance
from tests.improve.runs import drawn, run


def test_the_plateau_grows_as_the_first_probability_shrinks():
    found = pathologies.plateau()
    assert found.softmax.tolist() == [390, 4569, 45876, 458435]
    assert found.natural.tolist() == [52, 115, 173, 231]
    growth = found.softmax[1:] / found.softmax[:-1]
    assert (growth > 9).all()
    assert found.gaps.shape == (4, found.at.size)
    # The gap at the start: 1 − (e + .9(1 − 2e) + .1e) = .1 + .7e
    np.testing.assert_allclose(found.gaps[:, 0], 0.1 + 0.7 * found.mass, rtol=1e-12)
    reached = found.at[None, :] > found.softmax[:, None]
    assert (np.isnan(found.gaps) == reached).all()
    assert np.nanmin(found.gaps) >= 0.04  # the last step that is looked at may be below .05


def test_the_kernel_counts_as_the_method_does():
    assert pathologies.plateau_reference(0.1) == 390
    short = pathologies.plateau((0.3, 0.2), step_size=1.0, goal=0.02)
    for mass, steps in zip(short.mass, short.softmax, strict=True):
        assert pathologies.plateau_reference(mass, 1.0, goal=0.02) == steps


def test_a_limit_ends_the_plateau():
    found = pathologies.plateau((0.01,), limit=1000)
    assert found.softmax.tolist() == [1000]
    with pytest.raises(ValueError, match="mass"):
        pathologies.plateau((0.5,))


def test_the_sampled_natural_gradient_commits():
    found = pathologies.commitment()
    assert found.probability == pytest.approx([0.00055, 0.1823, 0.3645, 0.4758], abs=5e-5)
    assert (np.diff(found.survival, axis=1) <= 0).all()
    assert found.survival[:, 0].tolist() == [1, 1, 1, 1]
    assert found.survival[:, 1].tolist() == [0.5, 0.5, 0.5, 0.5]
    # The whole tree of the first three pulls, with η = ½: only the branch 2, 2, 2 survives.
    chance, theta = 1.0, np.zeros(2)
    for _ in range(3):
        pi = np.exp(theta) / np.exp(theta).sum()
        chance *= pi[1]
        theta[1] += 0.5 * 0.8 / pi[1]
    assert found.survival[1, 3] == pytest.approx(chance, rel=1e-12)


def test_the_exact_natural_gradient_does_not_commit():
    mdp = mk.load("gallery:npg-committal", gamma=0.0)
    last = run(mdp, NaturalPolicyGradient(2.0, policy=np.array([[1e-6, 1 - 1e-6]])), 100)[-1]
    assert last.policy[0, 0] == pytest.approx(1, abs=1e-6)


def test_along_the_path_the_bounds_are_below_the_truth():
    mdp = drawn(0)
    path = pathologies.trust_region_path(mdp)
    assert path.size.shape == (101,)
    for below in (path.average, path.largest):
        assert below[0] == pytest.approx(path.truth[0], rel=1e-13)
        assert (below <= path.truth + 1e-12).all()
        assert below[-1] < path.truth[0] < path.truth[-1]  # it grows, and nothing promises it
    assert (np.diff(path.divergence) > 0).all()
    slope = np.diff(path.surrogate)[0] / np.diff(path.truth)[0]
    assert slope == pytest.approx(1, abs=0.01)
    uniform = np.full((4, 3), 1 / 3)
    assert path.truth[0] == pytest.approx(performance(mdp, uniform), rel=1e-13)
