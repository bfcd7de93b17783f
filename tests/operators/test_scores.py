"""Scores against complex steps of log π, and the Gaussian score against quadrature."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.operators.scores import gaussian_scores, read_scores, softmax_scores
from tests.gradient_oracle import complex_gradient, floats, fractions, layered, softmax, whole

SEEDS = range(6)
NEAR = 1e-14  # both sides are sums of at most four numbers ≤ 1


def drawn(seed):
    mdp = layered(seed)
    theta = np.random.default_rng(seed).normal(size=mdp.n_pairs)
    return mdp, theta, softmax(mdp, theta).reshape(mdp.pair_shape)


@pytest.mark.parametrize("seed", SEEDS)
def test_table_scores_are_the_derivatives_of_log_softmax(seed):
    mdp, theta, pi = drawn(seed)
    rows = softmax_scores(mdp, pi).table()
    for pair in range(mdp.n_pairs):
        found = complex_gradient(lambda x, i=pair: np.log(softmax(mdp, x)[i]), theta)
        assert np.abs(rows[pair] - found).max() <= NEAR
    garbled = rows / pi.reshape(-1, 1)  # "(1/π)(1{a=b} − π)"
    assert np.abs(garbled - rows).max() > 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_linear_scores_are_the_derivatives_of_log_softmax(seed):
    mdp, _, _ = drawn(seed)
    rng = np.random.default_rng([seed, 1])
    phi, w = rng.normal(size=(mdp.n_pairs, 3)), rng.normal(size=3)
    pi = softmax(mdp, phi @ w).reshape(mdp.pair_shape)
    rows = softmax_scores(mdp, pi, phi).table()
    for pair in range(mdp.n_pairs):
        found = complex_gradient(lambda x, i=pair: np.log(softmax(mdp, phi @ x)[i]), w)
        assert np.abs(rows[pair] - found).max() <= 10 * NEAR


@pytest.mark.parametrize("seed", SEEDS)
def test_products_with_a_table_are_those_of_its_rows(seed):
    mdp, rng = layered(seed).exact(), np.random.default_rng(seed)
    pi = fractions(mdp, seed, low=0)
    linear = softmax_scores(mdp, pi, whole(rng, (mdp.n_pairs, 3)))
    for scores in (softmax_scores(mdp, pi), linear):
        rows = scores.table()
        x, weight = whole(rng, scores.size), whole(rng, (2, mdp.n_pairs))
        assert (scores.along(x) == rows @ x).all()
        assert (scores.gathered(weight) == weight @ rows).all()
        mean = np.add.reduceat(pi.reshape(-1, 1) * rows, mdp.action_ptr[:-1], axis=0)
        assert (mean == 0).all()
        pairs = rng.integers(-1, mdp.n_pairs, size=(4, 5))
        w = whole(rng, (4, 5))
        for i, found in enumerate(scores.on_paths(pairs, w)):
            steps = [(t, p) for t, p in enumerate(pairs[:, i]) if p >= 0]
            assert (found == sum((w[t, i] * rows[p] for t, p in steps), 0 * x)).all()


def test_other_parameters_are_read_and_direct_ones_refused():
    mdp, _, pi = drawn(1)

    def squared(x):  # π(a|s) ∝ x², a policy of other parameters
        return x**2 / np.repeat(
            np.add.reduceat(x**2, mdp.action_ptr[:-1]), np.diff(mdp.action_ptr)
        )

    x = np.random.default_rng(0).uniform(0.5, 1.5, mdp.n_pairs)
    rows = np.array(
        [complex_gradient(lambda y, i=i: np.log(squared(y)[i]), x) for i in range(mdp.n_pairs)]
    )
    policy = squared(x).reshape(mdp.pair_shape)
    assert (read_scores(mdp, policy, rows).table() == rows).all()
    with pytest.raises(ValueError, match="the scores of state 0 have mean"):
        read_scores(mdp, pi, np.diag(1 / pi.reshape(-1)))  # π itself as the parameter
    with pytest.raises(ValueError, match=r"scores have shape \(2, 2\)"):
        read_scores(mdp, pi, np.eye(2))
    with pytest.raises(ValueError, match="x has shape"):
        softmax_scores(mdp, pi).along(np.ones(3))


def test_features_come_in_pair_layout_too():
    mdp = mk.MDP(np.full((2, 3, 2), 0.5), np.zeros((2, 3)), 0.5)
    phi = np.arange(12.0).reshape(2, 3, 2)
    pi = np.full((2, 3), 1 / 3)
    one, other = softmax_scores(mdp, pi, phi), softmax_scores(mdp, pi, phi.reshape(6, 2))
    assert (one.table() == other.table()).all()
    assert one.size == 2


# ---- Gaussian policies -----------------------------------------------------------------------

SIGMA = np.array([[2.0, 0.5], [0.5, 1.0]])


def mean_action(w):
    return np.array([w[0] + 0.5 * w[1] ** 2, w[0] * w[1]])


def test_the_gaussian_score_has_no_half():
    """log N = −½ (a − f)ᵀ Σ⁻¹ (a − f) + const: the ½ goes with the square."""
    w, a = np.array([0.3, -0.7]), np.array([[0.5, 1.0], [-2.0, 0.1]])
    jacobian = np.array([[1.0, w[1]], [w[1], w[0]]])
    found = gaussian_scores(a, mean_action(w), SIGMA, jacobian)
    for row, one in zip(found, a, strict=True):

        def log_density(x, one=one):
            apart = one - mean_action(x)
            return -0.5 * apart @ np.linalg.solve(SIGMA, apart)

        true = complex_gradient(log_density, w)
        assert np.abs(row - true).max() <= 1e-14
        assert np.abs(0.5 * row - true).max() > 0.1  # −½ Σ⁻¹ (f − a) df/dθ


def test_score_and_path_derivatives_have_one_mean_and_either_may_vary_less():
    """∇_μ E r(a), a = μ + σε, by Gauss–Hermite quadrature, exact for polynomials.

    r = a: the path derivative is the constant 1. r = a⁴ − 11a² + 13 = He₄ − 5He₂ + 5 at μ = 0,
    σ = 1: both have mean 0. r' = 4He₃ − 10He₁ has the square 96 + 100 = 196 in the mean,
    εr = He₅ − He₃ − 5He₁ has 120 + 6 + 25 = 151.
    """
    nodes, weight = np.polynomial.hermite_e.hermegauss(12)
    weight = weight / weight.sum()
    for r, true in (([0, 1], None), ([13, 0, -11, 0, 1], (151, 196))):
        r = np.polynomial.Polynomial(r)
        mu, sigma = (0.0, 1.0) if true else (0.4, 0.5)
        a = mu + sigma * nodes
        score = gaussian_scores(a[:, None], [mu], [[sigma**2]], [[1.0]])[:, 0] * r(a)
        path = r.deriv()(a)
        size = weight @ np.abs(score) + weight @ np.abs(path)
        assert abs(weight @ score - weight @ path) <= 1e-13 * size
        found = [weight @ (x - weight @ x) ** 2 for x in (score, path)]
        if true:
            assert np.abs(np.subtract(found, true)).max() <= 1e-10
        else:
            assert found[0] > 1 > 1e-20 > found[1]


def test_the_gradient_of_a_quadratic_bandit_is_known():
    """E (a − c)² = (μ − c)² + σ²: the derivative in μ is 2(μ − c); with the ½, half of it."""
    nodes, weight = np.polynomial.hermite_e.hermegauss(6)
    mu, sigma, c = 0.3, 0.8, 1.5
    a = mu + sigma * nodes
    score = gaussian_scores(a[:, None], [mu], [[sigma**2]], [[1.0]])[:, 0]
    found = weight @ (score * (a - c) ** 2) / weight.sum()
    assert abs(found - 2 * (mu - c)) <= 1e-13
    assert abs(found / 2 - 2 * (mu - c)) > 1


def test_fractions_stay_fractions():
    mdp = layered(2).exact()
    pi = fractions(mdp, 2)
    found = softmax_scores(mdp, pi).table()
    assert (
        np.abs(floats(found) - softmax_scores(mdp.rounded(), floats(pi)).table()).max() < NEAR
    )
