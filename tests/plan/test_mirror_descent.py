"""Mirror descent value iteration: the papers' recursions, and the limits of both forms."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit._array import sup
from mdpkit.errors import ModelError
from mdpkit.operators.aggregate import soft
from mdpkit.operators.bellman import action_values
from mdpkit.operators.projection import attaining
from mdpkit.plan import (
    MirrorDescentValueIteration,
    MunchausenValueIteration,
    PolicyIteration,
    SoftPolicyIteration,
)
from mdpkit.policy import expected_under, uniform
from tests import soft_oracle
from tests.oracles import exact_optimum, inside, random_mdp

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word", "ignore:γ = ")
GAMMAS = (0.0, 0.5, 0.9)


def scaled(seed):
    """A model of `tests.oracles`, its rewards at most 1."""
    mdp = random_mdp(seed, gammas=GAMMAS)
    return mdp.replace(r=mdp.r / max(mdp.reward_size, 1e-9))


def log(x):
    """log x, 0 at 0: every use is multiplied by an x."""
    return np.log(np.where(x > 0, x, 1))


def worth(mdp, q, pi, old, lambda_, tau):
    """Σ π q − λ KL(π‖old) + τ ent(π), (S,)."""
    return expected_under(mdp, pi, q - lambda_ * (log(pi) - log(old)) - tau * log(pi))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("tau", [0.0, 0.3])
def test_each_policy_maximizes_what_the_recursion_says(seed, tau):
    mdp, lambda_ = scaled(seed), 0.4
    rng, over = np.random.default_rng(seed), soft(lambda_ + tau)
    method = (
        MunchausenValueIteration(tau, lambda_) if tau else MirrorDescentValueIteration(lambda_)
    )
    state, old = method.init(mdp), uniform(mdp)
    for _ in range(6):
        q = action_values(mdp, state.v)
        pi = attaining(mdp, state.preferences, over)
        state = method.step(mdp, state)
        assert state.v == pytest.approx(worth(mdp, q, pi, old, lambda_, tau), abs=1e-12)
        others = rng.random((5, *mdp.pair_shape)) * (pi > 0)
        for other in others:
            sums = np.add.reduceat(other.reshape(-1), mdp.action_ptr[:-1])
            other /= np.repeat(sums, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
            assert (worth(mdp, q, other, old, lambda_, tau) <= state.v + 1e-12).all()
        old = pi


@pytest.mark.parametrize("seed", range(6))
def test_munchausen_adds_its_logarithm_to_the_reward(seed):
    # x ← r + α T log π + γP⟨π, x − T log π⟩, π = softmax(x/T), with T = λ + τ, α = λ/T.
    mdp, tau, lambda_ = scaled(seed), 0.2, 0.6
    both = tau + lambda_
    method = MunchausenValueIteration(tau, lambda_)
    state = method.init(mdp)
    for _ in range(5):
        x = state.preferences
        pi = attaining(mdp, x, soft(both))
        after = expected_under(mdp, pi, x - both * log(pi))
        state = method.step(mdp, state)
        bonus = lambda_ * np.log(pi)
        expected = action_values(mdp.replace(r=mdp.r + bonus), after)
        assert state.preferences == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("share", [1e-3, 1.0])
def test_bounds_contain_the_optimum_at_any_weight_of_the_divergence(seed, share):
    mdp = random_mdp(seed, gammas=GAMMAS)
    method = MirrorDescentValueIteration(share * max(mdp.reward_size, 1e-9))
    found, other = mk.solve(mdp, method), mk.solve(mdp, PolicyIteration())
    for exact in (mdp.exact(), mdp.exact(dyadic=True)):
        assert inside(exact_optimum(exact)[0], found.lower, found.upper)
    assert found.v == pytest.approx(other.v, abs=found.gap + other.gap)
    lost = other.upper - mk.certify(mdp, policy=found.policy).lower
    assert (lost <= found.loss + other.gap + 1e-9 * (1 + sup(other.v))).all()


@pytest.mark.parametrize("seed", range(12))
def test_with_entropy_the_limit_is_the_soft_optimum(seed):
    mdp = random_mdp(seed, gammas=GAMMAS)
    scale = max(mdp.reward_size, 1e-9)
    tau, lambda_ = 0.3 * scale, 0.5 * scale
    found = mk.solve(mdp, MunchausenValueIteration(tau, lambda_))
    for exact in (mdp.exact(), mdp.exact(dyadic=True)):
        true = soft_oracle.fixed_point(exact, soft_oracle.soft, tau)
        assert inside(true, found.lower, found.upper)
    other = mk.solve(mdp, SoftPolicyIteration(tau))
    assert found.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    if mdp.n_actions > 1 and np.diff(mdp.action_ptr).min() > 1:
        wrong = mk.solve(mdp, SoftPolicyIteration(tau + lambda_))
        assert not inside(true, wrong.lower, wrong.upper)


def test_a_warm_start_stays_where_it_is_and_total_reward_is_solved_too():
    P, r = np.full((2, 2, 2), 0.25), np.array([[1.0, 0.5], [-1.0, 0.0]])
    mdp = mk.MDP(P, r, 0.9, stop=np.full((2, 2), 0.5))
    true = mk.solve(mdp, PolicyIteration())
    method = MirrorDescentValueIteration(1e-3)
    assert mk.solve(mdp, method, start=true.v).steps < mk.solve(mdp, method).steps
    total = mdp.replace(gamma=1.0)
    found, true = mk.solve(total, method), mk.solve(total, PolicyIteration())
    assert found.v == pytest.approx(true.v, abs=found.gap + true.gap)


@pytest.mark.parametrize("wrong", [0, -1.0, float("inf"), float("nan")])
def test_a_weight_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match=r"lambda_ must be finite and > 0.*ValueIteration"):
        MirrorDescentValueIteration(wrong)
    with pytest.raises(ValueError, match=r"lambda_ must be finite and > 0"):
        MunchausenValueIteration(1.0, wrong)
    with pytest.raises(ValueError, match=r"tau must be finite and > 0"):
        MunchausenValueIteration(wrong, 1.0)


def test_entropy_needs_a_discount():
    mdp = mk.MDP(np.full((2, 2, 2), 0.5), np.ones((2, 2)), 1.0)
    with pytest.raises(ModelError, match="γ = 1"):
        mk.solve(mdp, MunchausenValueIteration())
