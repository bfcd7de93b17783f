"""The random walks of Sutton & Barto: errors of prediction methods where they are known.

The landmarks were simulated with other code; each check is two-sided: 5 standard errors of our
mean, 5 of theirs if from 100 runs, and the digit left open. False alarm < 1e-5 in all.
"""

import numpy as np
import pytest

from mdpkit import gallery
from mdpkit.learn import (
    TD0,
    LambdaReturn,
    MonteCarlo,
    NStepTD,
    TDLambda,
    TrueOnlineTDLambda,
    learn,
)
from mdpkit.policy import uniform

RUNS = 400

FIVE = gallery.make("steered-walk", n=5, left=0)
NINETEEN = gallery.make("steered-walk")
TRUTH = {5: np.arange(1, 6) / 6, 19: np.arange(-9, 10) / 10}


def curve(mdp, method, episodes, seed=0):
    found = learn(
        mdp, method, episodes=episodes, runs=RUNS, rng=seed, truth=TRUTH[mdp.n_states]
    )
    return found.errors


def near(values, landmark):
    """Within 5 standard errors of either mean, and half a unit of the third decimal."""
    spread = values.std(ddof=1)
    slack = 5 * spread * np.sqrt(1 / RUNS + 1 / 100) + 5e-4
    return abs(values.mean() - landmark) < slack


@pytest.mark.stat
@pytest.mark.parametrize(("alpha", "landmark"), [(0.05, 0.035), (0.1, 0.055), (0.15, 0.070)])
def test_td_on_five_states_at_one_hundred_episodes(alpha, landmark):
    errors = curve(FIVE, TD0(uniform(FIVE), alpha, 0.5), 100)
    assert near(errors.values[:, -1], landmark)
    assert not near(errors.values[:, 2], landmark)  # nor is it so after three


@pytest.mark.stat
@pytest.mark.parametrize(
    ("alpha", "landmark"), [(0.01, 0.097), (0.02, 0.082), (0.03, 0.094), (0.04, 0.108)]
)
def test_monte_carlo_on_five_states_at_one_hundred_episodes(alpha, landmark):
    errors = curve(FIVE, MonteCarlo(uniform(FIVE), False, alpha, 0.5), 100)
    assert near(errors.values[:, -1], landmark)
    assert not near(errors.values[:, 2], landmark)


@pytest.mark.stat
@pytest.mark.parametrize(
    ("method", "landmark", "other"),
    [
        (NStepTD(uniform(NINETEEN), 4, 0.4), 0.263, 0.34),
        (NStepTD(uniform(NINETEEN), 1, 0.8), 0.34, 0.263),
        (TDLambda(uniform(NINETEEN), 0.8, 0.3), 0.262, 0.34),
        (LambdaReturn(uniform(NINETEEN), 0.8, 0.4), 0.262, 0.34),
        (TrueOnlineTDLambda(uniform(NINETEEN), 0.8, 0.4), 0.254, 0.34),
    ],
    ids=["n=4", "n=1", "td-lambda", "lambda-return", "true-online"],
)
def test_nineteen_states_over_the_first_ten_episodes(method, landmark, other):
    """The mean over episodes; λ = .8 at the best α of a grid of tenths."""
    errors = curve(NINETEEN, method, 10).values.mean(axis=1)
    assert near(errors, landmark)
    assert not near(errors, other)


@pytest.mark.stat
@pytest.mark.slow
def test_intermediate_steps_are_best():
    """S&B Figure 7.2: over a grid of α the best n is 4; and every neighbor is worse."""
    pi, best = uniform(NINETEEN), {}
    for n in (1, 2, 4, 8, 16, 32):
        errors = [
            curve(NINETEEN, NStepTD(pi, n, alpha), 10).values.mean()
            for alpha in np.arange(0.1, 1.01, 0.1)
        ]
        best[n] = min(errors)
    assert min(best, key=best.get) == 4
    assert best[1] > best[2] > best[4] < best[8] < best[16] < best[32]
