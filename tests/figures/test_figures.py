"""Figures pass their landmarks, and a curve that is wrong does not."""

import numpy as np
import pytest

from mdpkit import figures
from mdpkit.figures import _drawn, cliff

QUICK = ("lottery", "sb-4.1", "sb-4.3", "npg-commitment", "trust-region")
LONG = [name for name in figures.MODULES if name not in QUICK]


@pytest.mark.parametrize("name", QUICK)
def test_exact_figures_meet_their_landmarks(name):
    drawn = figures.draw(name)
    assert drawn.landmarks
    assert drawn.panels
    assert all(mark.met for mark in drawn.landmarks)


@pytest.mark.slow
@pytest.mark.stat
@pytest.mark.parametrize("name", LONG)
def test_every_figure_meets_its_landmarks(name):
    """At most ten simulated landmarks a figure at 5 standard errors: false alarm < 1e-5."""
    drawn = figures.draw(name)
    assert drawn.landmarks
    assert all(mark.met for mark in drawn.landmarks), drawn.landmarks


@pytest.mark.stat
def test_a_walk_that_pays_its_mean_reward_misses_the_figure(monkeypatch):
    """In the book only the last step pays: ½ for either way out of the last state is another
    process with the same values. False alarm < 1e-6."""
    from mdpkit.figures import n_step
    from mdpkit.gallery import make
    from mdpkit.learn import NStepTD
    from mdpkit.policy import uniform

    mdp = make("random-walk")
    pi = uniform(mdp)

    def mark():
        runs = n_step.errors(mdp, lambda a: NStepTD(pi, 4, a), [0.4], 0)[0]
        return _drawn.simulated("n = 4", runs, 0.263, reference_runs=100, digit=0.001)

    assert mark().met
    monkeypatch.setattr(n_step, "exits", lambda mdp: None)
    assert not mark().met


def test_the_gamblers_policy_is_bold_play_where_that_alone_is_best():
    """At 25, 50 and 75 to stake all that may be staked is the only optimal action."""
    stake = figures.draw("sb-4.3").data["stake"]
    assert [stake[s - 1] for s in (25, 50, 75)] == [25, 50, 25]


@pytest.mark.stat
def test_the_cliff_meets_its_landmarks_and_the_methods_swapped_do_not():
    """Two simulated landmarks at 5 standard errors each: false alarm < 2e-6."""
    drawn = figures.draw("sb-6.4")
    assert all(mark.met for mark in drawn.landmarks)
    sarsa, q, _ = drawn.landmarks
    assert not sarsa._replace(found=q.found).met
    assert not q._replace(found=sarsa.found).met


def test_a_simulated_landmark_widens_with_the_noise_of_both_sides():
    runs = np.random.default_rng(0).normal(1.0, 2.0, 400)
    mark = _drawn.simulated("mean", runs, 1.0, reference_runs=100, digit=0.1)
    assert mark.within == pytest.approx(5 * runs.std(ddof=1) * np.sqrt(0.0125) + 0.05)
    assert mark.met
    assert not mark._replace(wanted=3.0).met


def test_an_unknown_figure_names_those_there_are():
    with pytest.raises(ValueError, match=r"sb-6\.4"):
        figures.draw("sb-99")


def test_best_soft_is_above_the_soft_optimal_policy_of_the_book():
    """Q-learning's greedy path with ε = .1 is worth −50.80; the best soft policy is better."""
    from mdpkit.gallery import make

    assert cliff.best_soft(make("cliff")) == pytest.approx(-20.71, abs=0.005)
