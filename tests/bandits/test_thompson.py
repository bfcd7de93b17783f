"""Thompson sampling matches P(A* = a | data); its shortcuts change no law; its bound."""

import math

import numpy as np
import pytest
from scipy.stats import chisquare

from mdpkit.bandits import (
    UCB1,
    Bandit,
    BetaPrior,
    EpsilonGreedy,
    FinitePrior,
    Gaussian,
    NormalPrior,
    Thompson,
    Uniform,
    expected_pulls,
    play,
)
from mdpkit.bandits import thompson as room
from mdpkit.errors import ModelError

RUNS = 60_000
POSTERIORS = {
    "flat": BetaPrior(1.0, 1.0, 3),
    "close": BetaPrior([30, 25, 28], [70, 60, 75]),
    "far": BetaPrior([900, 5, 12, 3], [1100, 60, 30, 8]),
    "certain": BetaPrior([400, 3], [100, 300]),
    "convex": BetaPrior([0.5, 0.7, 2.0], [0.5, 3.0, 2.0]),
    "linear": BetaPrior([1.0, 6.0, 2.0], [4.0, 1.0, 1.0]),
    "many": BetaPrior(np.arange(1.0, 21), 40.0),
    "thousands": BetaPrior([5200, 2000, 60], [4800, 1900, 90]),
}


def first_arms(bandit, algorithm=None, rng=0):
    """How often each arm is pulled first."""
    return play(bandit, algorithm or Thompson(), 1, runs=RUNS, rng=rng).counts.sum(axis=0)


def fits(seen, p):
    """χ² over arms expected five times or more, the others together."""
    p = np.asarray(p) / np.sum(p)
    small = RUNS * p < 5
    if small.any():
        seen = np.append(seen[~small], seen[small].sum())
        p = np.append(p[~small], p[small].sum())
        if RUNS * p[-1] < 1:
            return seen[-1] < 10 and fits_all(seen[:-1], p[:-1])
    return fits_all(seen, p)


def fits_all(seen, p):
    return len(p) < 2 or chisquare(seen, seen.sum() * p / p.sum()).pvalue > 1e-6


@pytest.mark.stat
@pytest.mark.parametrize("name", POSTERIORS)
def test_beta_posteriors_are_matched(name):
    """P(A_1 = a) by quadrature against the kernel; χ², false alarm 1e-6 each."""
    prior = POSTERIORS[name]
    wanted = prior.best().probabilities
    assert fits(first_arms(Bandit(prior)), wanted)
    if 1 - wanted.max() > 1e-3 and len(set(prior.mean)) > 1:  # the largest mean is refused
        assert not fits(RUNS * np.eye(prior.n_arms)[prior.mean.argmax()], wanted)


@pytest.mark.stat
def test_without_shortcuts_the_law_is_the_same(monkeypatch):
    """Every number drawn: two samples of arms, χ² at 1e-6; the arms do differ run by run."""
    prior = POSTERIORS["far"]
    lazy = play(Bandit(prior), Thompson(), 1, runs=RUNS, rng=0)
    drawn = prior.draw(np.uint64(7), RUNS).argmax(axis=1)
    counts = np.bincount(drawn, minlength=4)
    assert fits(counts, prior.best().probabilities)
    assert fits(lazy.counts.sum(axis=0), prior.best().probabilities)
    assert (lazy.counts.argmax(axis=1) != drawn).any()


@pytest.mark.parametrize("shapes", [(5, 60), (900, 1100), (2, 2), (1, 9), (40, 1)])
def test_the_bound_of_the_tail_is_one(shapes):
    """∫_x^1 f ≤ f(x)/|s| for x beyond the mode, and ≤ 1/256 from where arms are skipped."""
    from scipy.special import betaln
    from scipy.stats import beta

    a, b = shapes
    posterior = a - 1.0, b - 1.0, betaln(a, b)
    for x in np.linspace(0.001, 0.999, 300):
        mass, slope = room._tail(x, (math.log(x), math.log(1 - x)), posterior)
        if slope < 0:
            assert beta.sf(x, a, b) <= mass * (1 + 1e-9)
    skip = room._skip_from(posterior, a / (a + b))
    assert beta.sf(skip, a, b) <= 1 / 256
    if skip < 1:
        logs = math.log(skip), math.log(1 - skip)
        assert room._tail(skip, logs, posterior)[0] <= 1 / 256 * (1 + 1e-12)
        assert beta.sf(skip, a, b) > 1e-5  # not far beyond what is needed


@pytest.mark.stat
def test_normal_posteriors_are_matched():
    """χ², false alarm 1e-6."""
    prior = NormalPrior([0.0, 0.5, -1.0, 0.4, 0.1], [1.0, 0.2, 2.0, 0.3, 0.1])
    bandit = Bandit([0.0] * 5, Gaussian(1.0))
    assert fits(first_arms(bandit, Thompson(prior)), prior.best().probabilities)


@pytest.mark.stat
def test_finite_priors_are_matched():
    """χ², false alarm 1e-6; ties go to the lowest index."""
    prior = FinitePrior([[0.2, 0.9], [0.5, 0.5], [0.7, 0.1]], [0.6, 0.3, 0.1])
    assert fits(first_arms(Bandit(prior)), [0.4, 0.6])
    shifted = FinitePrior([[-2.0, 3.0], [5.0, 0.0]], [0.25, 0.75])
    assert fits(first_arms(Bandit(shifted, Gaussian(1.0))), [0.75, 0.25])


@pytest.mark.stat
@pytest.mark.parametrize(
    "prior",
    [BetaPrior([2.0, 1.0], [1.0, 1.0]), FinitePrior([[0.8, 0.3], [0.2, 0.6]], [0.4, 0.6])],
    ids=["beta", "finite"],
)
def test_posteriors_are_followed(prior):
    """E N_a(T) over T = 5 pulls, enumerated with P(A* = a | data); Hoeffding at 1e-6."""
    coins, horizon, runs = Bandit([0.7, 0.4]), 5, 40_000
    found = play(coins, Thompson(prior), horizon, runs=runs, rng=2)
    wanted = expected_pulls(coins, Thompson(prior), horizon)[-1]
    radius = horizon * math.sqrt(math.log(2e6) / (2 * runs))
    assert (abs(found.counts.mean(axis=0) - wanted) < radius).all()
    forgets = horizon * Thompson(prior).policy(coins, 1, [0, 0], [0, 0])
    assert (abs(found.counts.mean(axis=0) - forgets) > radius).all()


def test_impossible_models_are_ruled_out():
    """A coin that pays once is not the one that never does."""
    prior = FinitePrior([[0.0, 0.9], [1.0, 0.5]], [0.999, 0.001])
    found = play(Bandit([1.0, 0.5]), Thompson(prior), 300, runs=50, rng=0)
    assert (found.counts[:, 0] > 0).any()
    late = play(Bandit([1.0, 0.0]), Thompson(prior), 200, runs=50, rng=0)
    assert (late.counts[:, 0] > 150).all()


# ---- bound -----------------------------------------------------------------------------------


@pytest.mark.stat
def test_bayesian_regret_is_below_russo_and_van_roys_bound():
    """√(½ K H(A*) T): 2000 runs, the mean far below (5 s.e.); H in nats, at most ln K."""
    bandit = Bandit(BetaPrior(1.0, 1.0, 5))
    found = play(bandit, Thompson(), 500, runs=2000, rng=0)
    bound = Thompson().bound(bandit, found.pulls)
    np.testing.assert_allclose(bound, np.sqrt(0.5 * 5 * math.log(5) * found.pulls), rtol=1e-9)
    assert (found.regret.mean + 5 * found.regret.standard_error <= bound)[3:].all()
    wrong = play(bandit, EpsilonGreedy(1.0), 500, runs=200, rng=0)  # pulls blindly
    assert wrong.regret.mean[-1] > bound[-1]


def test_the_bound_needs_the_prior_that_is_played():
    with pytest.raises(ValueError, match="average over the prior"):
        Thompson().bound(Bandit([0.1, 0.2]), 10)
    with pytest.raises(ValueError, match="average over the prior"):
        Thompson(BetaPrior(2.0, 1.0, 2)).bound(Bandit(BetaPrior(1.0, 1.0, 2)), 10)
    with pytest.raises(ModelError, match=r"\[0, 1\]"):
        Thompson().bound(Bandit(NormalPrior(0.0, 1.0, 2), Gaussian(1.0)), 10)


# ---- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bandit", "prior", "words"),
    [
        (Bandit([0.0], Gaussian(1.0)), None, "a prior is needed"),
        (Bandit([0.1, 0.2]), BetaPrior(1.0, 1.0, 3), "3 arms"),
        (Bandit([0.1]), NormalPrior(0.0, 1.0), "no posterior"),
        (Bandit([0.5], Gaussian(1.0)), BetaPrior(1.0, 1.0), "no posterior"),
        (Bandit([0.5], Uniform(0.1)), FinitePrior([[0.5]], [1.0]), "no posterior"),
        (Bandit([0.5], Uniform(0.1)), None, "a prior is needed"),
        (Bandit([0.5]), FinitePrior([[1.5]], [1.0]), "probability"),
    ],
)
def test_priors_that_do_not_fit(bandit, prior, words):
    with pytest.raises(ValueError, match=words):
        play(bandit, Thompson(prior), 10)


def test_the_prior_is_the_bandits_own_unless_given():
    bandit = Bandit(BetaPrior([5.0, 1.0], [1.0, 5.0]))
    assert Thompson().prior_for(bandit) is bandit.prior
    assert Thompson().prior_for(Bandit([0.5, 0.1])).alpha.tolist() == [1, 1]


@pytest.mark.stat
def test_thompson_regrets_less_than_ucb1():
    """Paired runs, 20 s.e."""
    coins = Bandit([0.3, 0.5, 0.45])
    one = play(coins, UCB1(), 3000, runs=200, rng=0).regret.values[:, -1]
    two = play(coins, Thompson(), 3000, runs=200, rng=0).regret.values[:, -1]
    assert (one - two).mean() > 20 * (one - two).std() / math.sqrt(200)
