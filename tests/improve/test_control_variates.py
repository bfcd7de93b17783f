"""Action-dependent baselines by enumeration: one mean, and whose variance."""

import numpy as np
import pytest

from mdpkit import enumerate as every
from mdpkit.improve.control_variates import (
    adaptive_eta,
    conservative_eta,
    control_variate,
)
from mdpkit.improve.estimators import at_pairs, monte_carlo, reward_to_go, score_gradient
from mdpkit.improve.moments import bias, mean, variance
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import softmax_gradient, visits
from mdpkit.operators.scores import softmax_scores
from tests.gradient_oracle import fractions, layered, whole
from tests.oracles import rational

SEEDS = range(8)


def exactly(seed):
    mdp = layered(seed).exact()
    pi, rng = fractions(mdp, seed), np.random.default_rng(seed)
    batch = every.trajectories(mdp, pi, 3)
    f, phi = whole(rng, mdp.pair_shape), whole(rng, (mdp.n_pairs, 2))
    return mdp, pi, batch, f, phi


@pytest.mark.parametrize("seed", SEEDS)
def test_no_critic_moves_the_mean(seed):
    mdp, pi, batch, f, phi = exactly(seed)
    gains = monte_carlo(batch)
    q = policy_values(mdp, pi).q
    true = softmax_gradient(mdp, pi).reshape(-1)
    for scores, gradient in (
        (softmax_scores(mdp, pi), true),
        (softmax_scores(mdp, pi, phi), phi.T @ true),
    ):
        for eta in (
            1,
            rational(1) / 3,
            adaptive_eta(mdp, pi, q, f),
            conservative_eta(mdp, pi, q, f),
        ):
            samples = control_variate(batch, scores, gains, f, eta=eta)
            assert (bias(samples, batch.weight, gradient) == 0).all()
        plain = control_variate(batch, scores, gains, f, discount_states=False)
        other = reward_to_go(batch, scores, discount_states=False)
        assert (mean(plain, batch.weight) == mean(other, batch.weight)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_critic_of_zero_is_no_critic(seed):
    mdp, pi, batch, f, _ = exactly(seed)
    scores = softmax_scores(mdp, pi)
    plain = reward_to_go(batch, scores)
    assert (control_variate(batch, scores, monte_carlo(batch), 0 * f) == plain).all()
    assert (control_variate(batch, scores, monte_carlo(batch), f, eta=0) == plain).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_true_critic_leaves_no_variance_given_the_states(seed):
    """ψ = f = q: the sample is Σ_t γᵗ Σ_a ∇π q, a function of the states alone."""
    mdp, pi, batch, _, _ = exactly(seed)
    scores, q = softmax_scores(mdp, pi), policy_values(mdp, pi).q
    samples = control_variate(batch, scores, at_pairs(batch, q), q)
    seen = {}
    for i, g in enumerate(samples):
        steps = int((batch.pairs[:, i] >= 0).sum())
        states = tuple(batch.states[:steps, i])
        assert (seen.setdefault(states, g) == g).all()
    assert len(seen) < batch.weight.size


@pytest.mark.parametrize("seed", SEEDS)
def test_estimating_the_second_term_by_the_same_action_gains_nothing(seed):
    """∇ log π (ψ − f) + ∇ log π f is ∇ log π ψ, path by path: the variance is the same."""
    mdp, pi, batch, f, _ = exactly(seed)
    scores, gains = softmax_scores(mdp, pi), monte_carlo(batch)
    own = at_pairs(batch, f)
    same = score_gradient(batch, scores, gains - own) + score_gradient(batch, scores, own)
    assert (same == reward_to_go(batch, scores)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_critic_that_is_not_restored_biases_by_its_own_gradient(seed):
    """E ∇ log π (q − f) = ∇J − H Σ d π f ∇ log π: the exact difference."""
    mdp, pi, batch, f, _ = exactly(seed)
    scores = softmax_scores(mdp, pi)
    samples = score_gradient(batch, scores, monte_carlo(batch) - at_pairs(batch, f))
    x = np.repeat(visits(mdp, pi), np.diff(mdp.action_ptr)) * pi.reshape(-1)
    off = bias(samples, batch.weight, softmax_gradient(mdp, pi))
    assert (off == -scores.gathered(x * f.reshape(-1))).all()
    assert (off != 0).any()


def test_a_good_critic_lowers_the_variance_and_a_bad_one_raises_it():
    """Numbers, not a theorem: f = q, and f = −5q."""
    lower = higher = 0
    for seed in SEEDS:
        mdp, pi, batch, _, _ = exactly(seed)
        scores, q = softmax_scores(mdp, pi), policy_values(mdp, pi).q
        plain, good, bad = (
            variance(samples, batch.weight).sum()
            for samples in (
                reward_to_go(batch, scores),
                control_variate(batch, scores, monte_carlo(batch), q),
                control_variate(batch, scores, monte_carlo(batch), -5 * q),
            )
        )
        lower, higher = lower + (good < plain), higher + (bad > plain)
    assert lower == higher == len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_eta_is_the_regression_of_the_values_on_the_critic(seed):
    """Var_a(q − ηf) is a parabola in η with its vertex there."""
    mdp, pi, _, f, _ = exactly(seed)
    q = policy_values(mdp, pi).q
    eta = adaptive_eta(mdp, pi, q, f)

    def spread(eta):
        x = (q - np.repeat(eta, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape) * f).reshape(
            -1
        )
        first = np.add.reduceat(pi.reshape(-1) * x, mdp.action_ptr[:-1])
        return np.add.reduceat(pi.reshape(-1) * x**2, mdp.action_ptr[:-1]) - first**2

    step = rational(1) / 7
    assert (spread(eta + step) == spread(eta - step)).all()
    assert (spread(eta) <= spread(eta + step)).all()
    along = conservative_eta(mdp, pi, q, f)
    assert ((along == 1) == (eta > 0)).all()
    assert set(along.tolist()) <= {0, 1}
