"""The deadly triad: what must diverge does, at the rate it should; what must not does not."""

import numpy as np
import pytest

from mdpkit.learn import GTD2, TDC, EmphaticTD, ResidualGradient, SemiGradientTD, learn
from mdpkit.learn.linear import triad
from mdpkit.operators import linear
from mdpkit.operators.stationary import stationary


@pytest.fixture(scope="module")
def curves():
    return triad.mean_curves(triad.baird(), steps=8000)


def test_semi_gradient_td_diverges_on_bairds_star_as_its_eigenvalue_says(curves):
    problem = triad.baird()
    A, b = linear.projected_system(
        problem.mdp, problem.policy, problem.features, weights=np.full(7, 1 / 7)
    )
    values = np.sort(np.linalg.eigvals(A).real)
    np.testing.assert_allclose(values[:3], [-0.239250, -0.0222, 0.0], atol=5e-5)
    np.testing.assert_allclose(values[3:], 4 / 7, rtol=1e-12)
    assert not b.any()
    w = curves["semi-gradient-td"]
    wanted = [114.43] * 6 + [6.85, 335.00]
    np.testing.assert_allclose(w[1000], wanted, atol=5e-3)
    size = np.linalg.norm(w, axis=1)
    growth = (size[8000] / size[7000]) ** (1 / 1000)  # the next eigenvalue is 3e-7 of it
    assert growth == pytest.approx(1 + 0.01 * 0.239250, abs=1e-6)


def test_the_data_are_uniform_and_the_features_dependent():
    problem = triad.baird()
    np.testing.assert_allclose(stationary(problem.mdp, problem.behavior), 1 / 7, rtol=1e-13)
    assert np.linalg.matrix_rank(problem.features) == 7


@pytest.mark.parametrize("name", ["gtd2", "tdc", "emphatic-td", "on-policy"])
def test_the_others_stay(curves, name):
    size = abs(curves[name] @ triad.baird().features.T).max(axis=1)
    assert size[-1] < size[0] / 5
    assert size[2000:].max() <= size[:2000].max()


@pytest.mark.parametrize("corrected", [False, True])
def test_gradient_td_has_no_eigenvalue_that_grows(corrected):
    problem = triad.baird()
    d = np.full(7, 1 / 7)
    system = linear.projected_system(problem.mdp, problem.policy, problem.features, weights=d)
    G = linear.gradient_td(system, linear.gram(problem.features, d), 5.0, corrected=corrected).G
    assert np.linalg.eigvals(G).real.min() > -1e-12  # 0 of the dependent feature, twice


def test_sampled_updates_do_as_their_means():
    """One call each; 2500 steps, three runs. E‖v‖ of TD grows by e^{.0024·2500} = 390 fold."""
    problem = triad.baird()
    mdp, policy, behavior, phi, initial = problem
    given = {"behavior": behavior, "initial": initial}
    errors = {}
    for method in (
        SemiGradientTD(policy, phi, step_size=0.01, **given),
        GTD2(policy, phi, 0.01, 0.05, **given),
        TDC(policy, phi, 0.01, 0.05, **given),
        EmphaticTD(policy, phi, step_size=1e-4, **given),
        ResidualGradient(policy, phi, 0.01, **given),
    ):
        found = learn(mdp, method, episodes=25, runs=3, rng=0, max_steps=100, truth=np.zeros(7))
        errors[method.key] = found.errors.values[:, -1]
    first = np.sqrt(((phi @ initial) ** 2).mean())
    assert (errors["semi-gradient-td"] > 20 * first).all()
    assert (errors["gtd2"] < first).all()
    assert (errors["tdc"] < 3 * first).all()
    assert (errors["residual-gradient"] < first).all()
    assert (errors["emphatic-td"] < 20 * first).all()


def test_on_its_own_data_td_does_not_diverge():
    """Take the policy's own frequencies and the same features, model and step size."""
    mdp, policy, _, phi, initial = triad.baird()
    found = learn(
        mdp,
        SemiGradientTD(policy, phi, step_size=0.01, initial=initial),
        episodes=25,
        runs=3,
        rng=0,
        max_steps=100,
    )
    assert abs(found.tables.w).max() <= 12


@pytest.mark.parametrize(
    ("gamma", "epsilon"), [(0.9, 0.1), (0.99, 0.0), (0.8, 0.0), (0.9, 0.5)]
)
def test_w_to_2w_grows_by_its_factor(gamma, epsilon):
    w = triad.doubled_weights(gamma, epsilon, steps=40)
    factor = gamma * (6 - 4 * epsilon) / 5
    np.testing.assert_allclose(w[1:] / w[:-1], factor, rtol=1e-12)
    assert (w[-1] > w[0]) == (gamma > 5 / (6 - 4 * epsilon))
    # Least squares by hand: targets γ·2w and γ(1−ε)·2w at features 1 and 2.
    by_hand = (2 * gamma + 2 * gamma * (1 - epsilon) * 2) / 5
    assert by_hand == pytest.approx(factor)


def test_evaluation_chatters_between_two_policies():
    found = triad.chatter(steps=6)
    assert list(found.policies) == [0, 1, 0, 1, 0, 1, 0]
    np.testing.assert_allclose(found.q[0], [-8.19, -6.39], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.q[1], [-6.39, -8.19], rtol=0, atol=1e-10)
    other = triad.chatter(steps=3, policy=1)
    assert list(other.policies) == [1, 0, 1, 0]
