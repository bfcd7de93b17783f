"""Importance weights by hand, their effective sample size, and a reward fitted from samples."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.infer import (
    Demonstrations,
    MaxCausalEntropy,
    MaxEntropyPaths,
    effective_sample_size,
    fit_sampled,
    importance_weights,
    occupancy_error,
)
from mdpkit.infer.sampled import action_frequencies, log_density, path_features


def test_weights_by_hand():
    w = importance_weights(np.log([2.0, 6.0]), np.log([0.5, 0.5]))
    assert w == pytest.approx([0.25, 0.75])
    assert effective_sample_size(w) == pytest.approx(1.6)
    assert effective_sample_size(np.full(7, 1 / 7)) == pytest.approx(7)
    assert effective_sample_size([1, 0, 0]) == 1


def test_weights_neither_overflow_nor_vanish():
    w = importance_weights([1e5, 1e5 - 1], [0.0, 0.0])
    assert w == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.e)])
    with pytest.raises(ValueError, match="density 0"):
        importance_weights([0.0, 0.0], [0.0, -np.inf])


def test_a_fused_density_is_the_mean_of_its_parts():
    mdp = mk.load("gallery:grid5x5")
    rng = np.random.default_rng(0)
    one = rng.dirichlet(np.ones(4), size=25)
    other = rng.dirichlet(np.ones(4), size=(3, 25))
    shown = Demonstrations.sample(mdp, one, 3, n=5, rng=0)
    parts = [log_density(mdp, shown, [p]) for p in (one, other)]
    s, a = shown.states[0], shown.actions[0]
    assert parts[0][0] == pytest.approx(np.log(one[s, a]).sum())
    assert parts[1][0] == pytest.approx(np.log(other[np.arange(3), s, a]).sum())
    both = log_density(mdp, shown, [one, other])
    assert np.exp(both) == pytest.approx(np.exp(parts).mean(axis=0))


def test_features_of_a_path_are_summed_over_its_steps():
    mdp = mk.load("gallery:grid5x5")
    shown = Demonstrations.of([[(0, 0), (0, 0), (1, 2)], [(3, 1)]])
    f = path_features(mdp, shown, "state")
    assert f[0, :2].tolist() == [2, 1]
    assert f.sum(axis=1).tolist() == [3, 1]
    clone = action_frequencies(mdp, shown, smoothing=1.0)
    assert clone[0] == pytest.approx([3 / 6, 1 / 6, 1 / 6, 1 / 6])


def test_a_sampled_gradient_is_right_on_the_mean():
    """Fails by chance less often than 1e-6: 6 standard errors over 40 batches, 16 numbers."""
    mdp = mk.load("gallery:macrocells?size=4&cell=1&noise=0", gamma=0.9)
    r = np.repeat(np.linspace(-1, 1, 16), 4)
    exact = MaxEntropyPaths(4, 1.0).behave(mdp, r).visits.reshape(16, 4).sum(axis=1)
    uniform, found = np.full(mdp.n_pairs, 0.25), []
    for batch in range(40):
        shown = Demonstrations.sample(mdp, uniform, 4, n=2000, rng=batch)
        f = path_features(mdp, shown, "state")
        w = importance_weights(f @ r[::4], log_density(mdp, shown, [uniform]))
        found.append(w @ f)
        assert 1 < effective_sample_size(w) < 2000
    error = np.std(found, axis=0) / np.sqrt(40)
    # Self-normalized weights are biased by about Var(w)/n, a tenth of an error here.
    assert (np.abs(np.mean(found, axis=0) - exact) <= 6 * error + 1e-3).all()
    # Unweighted samples are those of another reward.
    assert np.abs(np.mean([f.mean(axis=0) for f in [f]], axis=0) - exact).max() > 0.05


def test_a_reward_is_fitted_from_samples():
    # From one cell, without slips: with luck, whole paths and causal entropy are not one.
    mdp = mk.load("gallery:macrocells?size=4&cell=1&noise=0", gamma=0.9)
    mdp = mdp.replace(start=np.eye(16)[0])
    truth = np.zeros(16)
    truth[5] = 1.0
    model = MaxCausalEntropy(6, 0.5, 1.0)
    true = model.behave(mdp, np.repeat(truth, 4))
    shown = Demonstrations.sample(mdp, true.policy.reshape(6, -1), 6, n=2000, rng=0)
    found = fit_sampled(mdp, shown, "state", tau=0.5, n=600, rounds=60, rate=2.0, rng=1)
    now = model.behave(mdp, found.r)
    start = model.behave(mdp, 0 * found.r)
    error = occupancy_error(now.visits, true.visits)
    assert error < 0.12
    assert error < occupancy_error(start.visits, true.visits) / 2
    assert found.sizes.shape == (60,)
    assert ((found.sizes >= 1) & (found.sizes <= 600)).all()
