"""The Fisher matrix against its definition, the divergence, and trajectories."""

import numpy as np
import pytest

from mdpkit import enumerate as every
from mdpkit.errors import ModelError
from mdpkit.improve.estimators import path_weight
from mdpkit.operators.fisher import (
    compatible_weights,
    divergence,
    divergence_gradient,
    divergence_product,
    fisher_matrix,
    fisher_product,
)
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import softmax_gradient, visits
from mdpkit.operators.returns import discount_so_far
from mdpkit.operators.scores import softmax_scores
from tests.gradient_oracle import (
    FINITE,
    STEP,
    complex_gradient,
    drawn_policy,
    floats,
    fractions,
    layered,
    softmax,
    whole,
)
from tests.oracles import rational

SEEDS = range(8)
NEAR = 1e-13  # sums of a dozen products of numbers ≤ 10


def exactly(seed, gammas=FINITE, low=1):
    mdp = layered(seed, gammas=gammas).exact()
    return mdp, fractions(mdp, seed, low)


def in_floats(seed):
    mdp = layered(seed, gammas=FINITE, n_actions=3)
    rng = np.random.default_rng(seed)
    theta, pi = drawn_policy(mdp, rng)
    return mdp, theta, pi, occupancy(mdp, pi), rng


# ---- the matrix ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_matrix_is_its_definition(seed):
    mdp, pi = exactly(seed, low=0)
    d, rng = occupancy(mdp, pi), np.random.default_rng(seed)
    for features in (None, whole(rng, (mdp.n_pairs, 3))):
        scores = softmax_scores(mdp, pi, features)
        rows, F = scores.table(), fisher_matrix(scores, d)
        true = 0 * F
        for pair, s in enumerate(mdp.pair_states):
            true = true + d[s] * pi.reshape(-1)[pair] * np.multiply.outer(
                rows[pair], rows[pair]
            )
        x = whole(rng, scores.size)
        assert (true == F).all()
        assert (F == F.T).all()
        assert (fisher_product(scores, d, x) == F @ x).all()
        assert x @ F @ x >= 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_constant_a_state_is_in_the_kernel_of_a_table(seed):
    mdp, pi = exactly(seed)
    shift = whole(np.random.default_rng(seed), mdp.n_states)[mdp.pair_states]
    assert (fisher_product(softmax_scores(mdp, pi), occupancy(mdp, pi), shift) == 0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_trajectories_have_the_same_information(seed):
    """E Σ γᵗ ∇∇ᵀ = H F, and E (Σ∇)(Σ∇)ᵀ = E Σ ∇∇ᵀ: cross terms vanish. In fractions."""
    mdp, pi = exactly(seed)
    scores, batch = softmax_scores(mdp, pi), every.trajectories(mdp, pi, 3)
    rows, factor = scores.table(), discount_so_far(batch.discounts)
    once = 0 * fisher_matrix(scores, visits(mdp, pi))
    plain = once
    for t in range(3):
        taken = np.flatnonzero(batch.pairs[t] >= 0)
        own, w = rows[batch.pairs[t, taken]], batch.weight[taken]
        once = once + own.T @ ((w * factor[t, taken])[:, None] * own)
        plain = plain + own.T @ (w[:, None] * own)
    assert (once == fisher_matrix(scores, visits(mdp, pi))).all()
    path = scores.on_paths(batch.pairs, path_weight(batch))
    assert (path.T @ (batch.weight[:, None] * path) == plain).all()


# ---- the compatible critic -------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_gradient_is_the_fisher_matrix_times_the_compatible_weights(seed):
    """∇J = H F w* in fractions; without the states in F it is not."""
    mdp, pi = exactly(seed, low=0)
    scores, d = softmax_scores(mdp, pi), occupancy(mdp, pi)
    w = compatible_weights(scores, d, policy_values(mdp, pi).advantage)
    true = softmax_gradient(mdp, pi).reshape(-1)
    assert (fisher_product(scores, visits(mdp, pi), w) == true).all()
    even = 0 * d + rational(1) / mdp.n_states
    wrong = fisher_product(scores, even, w) / (1 - mdp.gamma)
    assert (true == 0).all() or (wrong != true).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_natural_gradient_is_the_compatible_weights(seed):
    mdp, _, pi, d, rng = in_floats(seed)
    A = policy_values(mdp, pi).advantage
    for features in (None, rng.normal(size=(mdp.n_pairs, 3))):
        scores = softmax_scores(mdp, pi, features)
        gradient = scores.gathered(softmax_gradient(mdp, pi).reshape(-1))
        if features is None:
            gradient = softmax_gradient(mdp, pi).reshape(-1)
        w = compatible_weights(scores, d, A)
        F = fisher_matrix(scores, d)
        natural = np.linalg.pinv(F, rcond=1e-9) @ gradient
        H = 1 / (1 - mdp.gamma)
        # F's smallest eigenvalue that is not 0 is above 1e-4 on these models.
        assert np.abs(natural - H * w).max() <= 1e-9 * H * (1 + np.abs(w).max())
        critic = scores.along(w)
        kept = scores.gathered(np.repeat(d * H, np.diff(mdp.action_ptr)) * scores.pi * critic)
        assert np.abs(kept - gradient).max() <= NEAR * H**2


def test_least_squares_are_what_numpy_finds():
    mdp, _, pi, d, rng = in_floats(3)
    A = rng.normal(size=mdp.pair_shape)  # not an advantage: its mean is not 0
    scores = softmax_scores(mdp, pi)
    root = np.sqrt(np.repeat(d, np.diff(mdp.action_ptr)) * pi.reshape(-1))
    true = np.linalg.lstsq(root[:, None] * scores.table(), root * A.reshape(-1))[0]
    assert np.abs(compatible_weights(scores, d, A) - true).max() <= 1e-10


# ---- the divergence --------------------------------------------------------------------------


def kl(mdp, d, p, q):
    """E_d KL(p‖q), of complex p or q."""
    p, q = p.reshape(-1), q.reshape(-1)
    return np.repeat(d, np.diff(mdp.action_ptr)) @ (p * (np.log(p) - np.log(q)))


@pytest.mark.parametrize("seed", SEEDS)
def test_derivatives_of_the_divergence_are_complex_steps_of_it(seed):
    mdp, theta, pi, d, rng = in_floats(seed)
    old = drawn_policy(mdp, rng)[1]
    x = rng.normal(size=mdp.n_pairs)
    assert divergence(mdp, old, pi, d) == pytest.approx(kl(mdp, d, old, pi), abs=NEAR)

    def forward(y):
        return kl(mdp, d, old, softmax(mdp, y))

    def backward(y):
        return kl(mdp, d, softmax(mdp, y), old)

    for reverse, f in ((False, forward), (True, backward)):
        own = divergence_gradient(mdp, old, pi, d, reverse=reverse).reshape(-1)
        assert np.abs(own - complex_gradient(f, theta)).max() <= NEAR
        product = divergence_product(
            mdp, old, pi, d, x.reshape(mdp.pair_shape), reverse=reverse
        )
        # Central differences of the gradient: h² times a third derivative ≤ 10, and rounding/h.
        h = 1e-4
        sides = [complex_gradient(f, theta + sign * h * x) for sign in (1, -1)]
        slope = (sides[0] - sides[1]) / (2 * h)
        assert np.abs(product.reshape(-1) - slope).max() <= 1e-6


def moved_softmax(mdp, theta, x):
    return np.imag(softmax(mdp, theta + 1j * STEP * x)) / STEP


@pytest.mark.parametrize("seed", SEEDS)
def test_its_hessian_is_the_fisher_matrix_in_either_direction(seed):
    mdp, theta, pi, d, rng = in_floats(seed)
    x = rng.normal(size=mdp.pair_shape)
    true = fisher_product(softmax_scores(mdp, pi), d, x.reshape(-1)).reshape(mdp.pair_shape)
    for reverse in (False, True):
        found = divergence_product(mdp, pi, pi, d, x, reverse=reverse)
        assert np.abs(found - true).max() <= NEAR
    # Away from the old policy: d π̇, the derivative of d (π − π_old) by a complex step.
    each = np.repeat(d, np.diff(mdp.action_ptr))
    old = drawn_policy(mdp, rng)[1]
    found = divergence_product(mdp, old, pi, d, x).reshape(-1)
    assert np.abs(found - each * moved_softmax(mdp, theta, x.reshape(-1))).max() <= NEAR


@pytest.mark.parametrize("seed", SEEDS)
def test_the_divergence_is_half_the_quadratic_form(seed):
    """|KL(π_θ‖π_{θ+δ}) − ½ δᵀFδ| ≤ Σ_s d(s) R_s³/(36√3), R_s the range of δ in s.

    KL is the cumulant generating function of δ less its mean, and the third cumulant of a
    variable of range R is at most R³/(6√3). Without the ½ the bound fails.
    """
    mdp, theta, pi, d, rng = in_floats(seed)
    x = rng.normal(size=mdp.n_pairs)
    F, ptr = fisher_matrix(softmax_scores(mdp, pi), d), mdp.action_ptr[:-1]
    for size in (1e-1, 1e-2, 1e-3):
        delta = size * x
        span = np.maximum.reduceat(delta, ptr) - np.minimum.reduceat(delta, ptr)
        bound = d @ span**3 / (36 * np.sqrt(3)) + 1e-16
        new = softmax(mdp, theta + delta).reshape(mdp.pair_shape)
        found = divergence(mdp, pi, new, d)
        assert abs(found - delta @ F @ delta / 2) <= bound
        if size < 1e-1:
            assert abs(found - delta @ F @ delta) > bound


def test_with_the_sign_turned_it_is_no_divergence():
    """E_{π'}[log π − log π'] is −KL(π'‖π): negative."""
    mdp, _, pi, d, rng = in_floats(0)
    new = drawn_policy(mdp, rng)[1]
    turned = kl(mdp, d, new, new) - kl(mdp, d, new, pi)
    assert turned == pytest.approx(-divergence(mdp, new, pi, d), abs=NEAR)
    assert turned < -1e-3 < 0 < divergence(mdp, new, pi, d)


def test_what_has_no_divergence_is_told():
    mdp, _, pi, d, _ = in_floats(1)
    one = np.zeros(mdp.n_pairs)
    one[mdp.action_ptr[:-1]] = 1
    one = one.reshape(mdp.pair_shape)
    assert divergence(mdp, pi, one, d) == np.inf
    assert divergence(mdp, one, pi, d) > 0
    assert divergence(mdp, pi, pi, d) == 0
    assert divergence(mdp, pi, one, 0 * d) == 0
    with pytest.raises(ModelError, match="log-ratio"):
        divergence_gradient(mdp, one, pi, d, reverse=True)
    with pytest.raises(ValueError, match="d has shape"):
        fisher_product(softmax_scores(mdp, pi), d[:-1], one)
    exact = mdp.exact()
    with pytest.raises(TypeError, match="not rational"):
        divergence(exact, fractions(exact, 0), fractions(exact, 0), d)
    phi = whole(np.random.default_rng(0), (mdp.n_pairs, 2))
    scores = softmax_scores(exact, fractions(exact, 0), phi)
    with pytest.raises(TypeError, match="pass floats"):
        compatible_weights(scores, occupancy(exact, fractions(exact, 0)), exact.r)


def test_floats_agree_with_fractions():
    mdp, pi = exactly(4)
    F = fisher_matrix(softmax_scores(mdp, pi), occupancy(mdp, pi))
    near = mdp.rounded()
    other = fisher_matrix(softmax_scores(near, floats(pi)), occupancy(near, floats(pi)))
    assert np.abs(floats(F) - other).max() <= NEAR
