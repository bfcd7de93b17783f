"""Fitted iteration: the projected backup each round, any regressor, and the proximal term."""

from itertools import pairwise

import numpy as np
import pytest

from mdpkit import enumerate as every
from mdpkit import gallery
from mdpkit.errors import NonFiniteError, SingularError
from mdpkit.learn import fitted_q_iteration, fitted_value_iteration
from mdpkit.operators import linear
from mdpkit.operators.bellman import action_values, backup_q
from mdpkit.operators.stationary import stationary
from mdpkit.operators.traces import n_step_operator
from mdpkit.policy import expected_under
from tests.prediction_oracle import looping_mdp, some_policy

NEAR = {"rtol": 0, "atol": 1e-12}


def problem(seed):
    mdp = looping_mdp(seed, n_states=4)
    rng = np.random.default_rng([seed, 4])
    return mdp, rng.normal(size=(8, 3)), rng.random(8) + 0.1, rng.normal(size=8)


# ---- Q ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_one_weight_a_pair_is_q_iteration_round_by_round(seed, policy):
    mdp, _, rho, q = problem(seed)
    pi = some_policy(mdp, seed)
    found = fitted_q_iteration(
        every.transitions(mdp, rho),
        np.eye(8),
        action_ptr=mdp.action_ptr,
        policy=pi if policy else None,
        steps=20,
        initial=q,
    )
    assert found.shape == (21, 8)
    for old, new in pairwise(found):
        old = old.reshape(4, 2)
        wanted = (
            action_values(mdp, expected_under(mdp, pi, old)) if policy else backup_q(mdp, old)
        )
        np.testing.assert_allclose(new, wanted.reshape(-1), **NEAR)


@pytest.mark.parametrize("seed", range(3))
def test_linear_regression_is_the_projected_backup(seed):
    mdp, phi, rho, _ = problem(seed)
    steps = {"action_ptr": mdp.action_ptr, "steps": 5, "initial": phi @ np.ones(3)}
    found = fitted_q_iteration(every.transitions(mdp, rho), phi, **steps)
    Pi = linear.projection(phi, rho)
    for old, new in pairwise(found):
        image = backup_q(mdp, old.reshape(4, 2)).reshape(-1)
        np.testing.assert_allclose(new, Pi @ image, rtol=0, atol=1e-11)
    flat = linear.projection(phi, np.ones(8))
    assert abs(found[1] - flat @ backup_q(mdp, found[0].reshape(4, 2)).reshape(-1)).max() > 1e-3


class Nearest:
    """A regressor as scikit-learn has them: fitted in place, it predicts by averages."""

    def fit(self, X, y, sample_weight):
        self.X, self.y, self.weight = X, y, sample_weight
        return self

    def predict(self, X):
        near = np.exp(-((X[:, None] - self.X) ** 2).sum(axis=2)) * self.weight
        return near @ self.y / near.sum(axis=1)


def test_averagers_converge():
    """Gordon (1995): predictions that are averages contract by γ, whatever the data."""
    mdp, phi, rho, q = problem(1)
    given = {"action_ptr": mdp.action_ptr, "regressor": Nearest(), "steps": 300}
    batch = every.transitions(mdp, rho)
    one = fitted_q_iteration(batch, phi, initial=q, **given)
    other = fitted_q_iteration(batch, phi, initial=-q, **given)
    apart = abs(one - other).max(axis=1)
    assert (apart[1:] <= mdp.gamma * apart[:-1] + 1e-12).all()
    assert apart[-1] < 1e-10


class Descent:
    """Least squares on one-hot pairs by gradient descent: a fit of many small steps."""

    def __init__(self, targets=None):
        self.targets = targets

    def fit(self, X, y, sample_weight):
        w = np.zeros(X.shape[1])
        for _ in range(400):
            if self.targets is not None:
                y = self.targets(w)
            w = w + X.T @ (sample_weight * (y - X @ w))
        self.w = w
        return self

    def predict(self, X):
        return X @ self.w


def test_targets_recomputed_within_a_fit_are_caught():
    mdp, _, _, q = problem(0)
    batch = every.transitions(mdp, np.full(8, 0.3))
    given = {"action_ptr": mdp.action_ptr, "steps": 2, "initial": q}

    def moving(w):
        return batch.reward + batch.discount * w.reshape(4, 2).max(axis=1)[batch.next_state]

    wanted = backup_q(mdp, q.reshape(4, 2)).reshape(-1)
    good = fitted_q_iteration(batch, np.eye(8), regressor=Descent(), **given)
    bad = fitted_q_iteration(batch, np.eye(8), regressor=Descent(moving), **given)
    np.testing.assert_allclose(good[1], wanted, rtol=0, atol=1e-10)
    assert abs(bad[1] - wanted).max() > 1e-2


def test_divergence_is_said():
    """w → 2w as fitted Q, at γ = 1 and ε = 0: 6/5 a round."""
    mdp = gallery.make("tsitsiklis-van-roy", epsilon=0.0, gamma=1.0)
    phi = np.array([[1.0], [2.0]])
    batch = every.transitions(mdp)
    found = fitted_q_iteration(
        batch, phi, action_ptr=mdp.action_ptr, steps=30, initial=phi[:, 0]
    )
    np.testing.assert_allclose(found[1:, 0] / found[:-1, 0], 6 / 5, rtol=1e-12)
    with pytest.raises(NonFiniteError, match="diverged") as caught:
        fitted_q_iteration(batch, phi, action_ptr=mdp.action_ptr, steps=5000, initial=phi[:, 0])
    assert 3800 < caught.value.step < 4000  # log(1.8e308)/log(1.2) = 3893


def test_features_that_depend_are_refused():
    mdp, phi, rho, _ = problem(0)
    twice = np.hstack([phi, phi[:, :1]])
    with pytest.raises(SingularError, match="rank 3"):
        fitted_q_iteration(every.transitions(mdp, rho), twice, action_ptr=mdp.action_ptr)


# ---- V ---------------------------------------------------------------------------------------


def values(seed, proximal, steps=3, phi=None, initial=None):
    mdp = looping_mdp(seed, n_states=4)
    pi = some_policy(mdp, seed)
    d = stationary(mdp, pi)
    phi = np.eye(4) if phi is None else phi
    batch = every.transitions(mdp, d[:, None] * pi)
    found = fitted_value_iteration(
        batch,
        phi,
        pair_states=mdp.pair_states,
        steps=steps,
        proximal=proximal,
        initial=np.arange(1.0, phi.shape[1] + 1) if initial is None else initial,
    )
    return mdp, pi, d, phi, found


@pytest.mark.parametrize("seed", range(3))
def test_without_a_proximal_term_it_is_the_backup(seed):
    mdp, pi, _, _, w = values(seed, 0.0)
    for old, new in pairwise(w):
        np.testing.assert_allclose(new, n_step_operator(mdp, pi, old, 1), **NEAR)
    without_discount = mdp.replace(gamma=1.0)
    forgot = n_step_operator(without_discount, pi, w[0], 1)
    assert abs(w[1] - forgot).max() > 1e-3


@pytest.mark.parametrize("proximal", [0.5, 3.0])
def test_the_proximal_term_is_minimized_too(proximal):
    phi = np.random.default_rng(2).normal(size=(4, 2))
    mdp, pi, d, phi, w = values(1, proximal, phi=phi)

    def loss(x, old):
        y = n_step_operator(mdp, pi, phi @ old, 1)
        return d @ ((phi @ x - y) ** 2 + proximal * (phi @ (x - old)) ** 2)

    for old, new in pairwise(w):
        for step in np.random.default_rng(3).normal(size=(30, 2)) * 0.05:
            assert loss(new + step, old) > loss(new, old)


def test_a_large_proximal_term_stands_still_and_any_has_the_same_fixed_point():
    phi = np.random.default_rng(2).normal(size=(4, 2))
    *_, w = values(1, 1e12, phi=phi)
    np.testing.assert_allclose(w, np.tile(w[0], (4, 1)), rtol=0, atol=1e-10)
    mdp, pi, _, phi, w = values(1, 0.7, steps=600, phi=phi)
    fixed = linear.solution(linear.projected_system(mdp, pi, phi))
    np.testing.assert_allclose(w[-1], fixed, rtol=0, atol=1e-9)
    with pytest.raises(ValueError, match="proximal"):
        values(1, -1.0)
