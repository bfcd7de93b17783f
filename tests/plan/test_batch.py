"""The batched solver against exact rationals, `solve`, and itself on several threads."""

from fractions import Fraction

import numpy as np
import pytest

import mdpkit as mk
from mdpkit import MDP
from mdpkit.errors import ModelError, NotSolvedError
from mdpkit.plan import solve_batch
from tests.oracles import exact_optimum, inside

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")


def drawn(n, S=4, A=3, seed=0, stopping=False):
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.full(S, 0.5), (n, S, A))
    stop = np.zeros((n, S, A))
    if stopping:
        stop = rng.random((n, S, A)) * (rng.random((n, S, A)) < 0.3)
        P = P * (1 - stop)[..., None]
    return P, rng.normal(size=(n, S, A)), rng.choice([0.0, 0.5, 0.95, 0.999], n), stop


@pytest.mark.parametrize("stopping", [False, True])
def test_bounds_contain_the_exact_optimum_of_every_model(stopping):
    P, r, gamma, stop = drawn(60, stopping=stopping)
    found = solve_batch(P, r, gamma, stop=stop)
    for i in range(60):
        mdp = MDP(P[i], r[i], gamma[i], stop=stop[i])
        for reading in (mdp.exact(), mdp.exact(dyadic=True)):
            v = exact_optimum(reading)[0]
            assert inside(v, found.lower[i], found.upper[i])
    assert (found.gap <= 1e-5).all()
    assert (found.gap > 0).all()


def test_bounds_of_a_worse_policy_would_not_hold():
    """v* moved by a millionth lies outside: the bounds are as narrow as they say."""
    P, r, gamma, _ = drawn(5, seed=3)
    found = solve_batch(P, r, gamma)
    mdp = MDP(P[0], r[0], gamma[0])
    off = [x + Fraction(1, 10**6) for x in map(Fraction, found.v[0].tolist())]
    assert not all(x <= Fraction(u) for x, u in zip(off, found.upper[0].tolist(), strict=True))
    assert np.abs(mk.solve(mdp).v - found.v[0]).max() < 1e-8
    assert np.array_equal(mk.solve(mdp).policy, found.policy[0])


def test_threads_and_company_change_nothing():
    P, r, gamma, stop = drawn(3000, S=3, A=2, stopping=True)
    one = solve_batch(P, r, gamma, stop=stop)
    for threads in (2, 4):
        other = solve_batch(P, r, gamma, stop=stop, threads=threads)
        assert np.array_equal(one.v, other.v)
        assert np.array_equal(one.upper, other.upper)
    alone = solve_batch(P[7:8], r[7:8], gamma[7:8], stop=stop[7:8])
    assert np.abs(alone.v - one.v[7]).max() < 1e-12


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda P, r, g: (P * 0.9, r, g), "sums to"),
        (lambda P, r, g: (P, r * np.nan, g), "not finite"),
        (lambda P, r, g: (P, r / np.abs(r).max() * 1.7e308, g), "overflows"),
        (lambda P, r, g: (P, r, g + 1), "discount"),
        (lambda P, r, g: (P[0], r, g), "shape"),
        (lambda P, r, g: (P, r[:, :2], g), "shape"),
    ],
)
def test_bad_models_are_refused(change, words):
    P, r, gamma, _ = drawn(4, seed=1)
    with pytest.raises(ModelError, match=words):
        solve_batch(*change(P, r, gamma))


def test_a_tolerance_below_rounding_is_not_promised():
    P, r, gamma, _ = drawn(4, seed=1)
    with pytest.raises(NotSolvedError, match="model") as caught:
        solve_batch(P, r, gamma, tol=0.0)
    assert len(caught.value.solution) == 4
