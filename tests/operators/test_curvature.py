"""Second derivatives against dual numbers in fractions, and complex steps in floats."""

import numpy as np
import pytest

from mdpkit import MDP
from mdpkit.errors import UnboundedError
from mdpkit.gallery import short_corridor
from mdpkit.operators.curvature import (
    hessian_product,
    softmax_hessian_product,
    value_derivative,
    visits_derivative,
)
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import policy_gradient, softmax_gradient, visits
from tests.gradient_oracle import (
    STEP,
    dense_rows,
    drawn_policy,
    exact_solve,
    fractions,
    horizon,
    layered,
    softmax,
    state_sum,
    value,
    whole,
)
from tests.oracles import pair_rows, random_mdp, rational

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")
SEEDS = range(12)


def exactly(seed):
    """A model with loops on even seeds, one whose paths end on odd ones; π > 0; a direction."""
    small = random_mdp(seed, gammas=(0.5, 0.9)) if seed % 2 == 0 else layered(seed)
    mdp, rng = small.exact(), np.random.default_rng([seed, 3])
    return mdp, fractions(mdp, seed), whole(rng, mdp.pair_shape), rng


def rational_rows(mdp):
    out = np.full((mdp.n_pairs, mdp.n_states), rational(0), dtype=object)
    for pair, row in enumerate(pair_rows(mdp)):
        for t, p in row:
            out[pair, t] = p
    return out


def tangent(mdp, u):
    """u less its sum over actions on the first one, so that π + εu stays a policy."""
    u = u.reshape(-1).copy()
    u[mdp.action_ptr[:-1]] -= state_sum(mdp, u)
    return u.reshape(mdp.pair_shape)


# ---- in fractions ----------------------------------------------------------------------------


def dual_resolvent(mdp, pi, u):
    """I − γP_{π+εu} of dual numbers a + εb, as blocks ((a, b), (0, a))."""
    rows, n = rational_rows(mdp), mdp.n_states
    eye = np.eye(n, dtype=int)
    a = eye - mdp.gamma * state_sum(mdp, pi.reshape(-1, 1) * rows)
    b = -mdp.gamma * state_sum(mdp, u.reshape(-1, 1) * rows)
    return np.block([[a, b], [0 * a, a]])


@pytest.mark.parametrize("seed", SEEDS)
def test_first_derivatives_are_those_of_dual_numbers(seed):
    mdp, pi, u, _ = exactly(seed)
    n, block = mdp.n_states, dual_resolvent(mdp, pi, u)
    pays = [state_sum(mdp, (x * mdp.r).reshape(-1)) for x in (u, pi)]
    assert (value_derivative(mdp, pi, u) == exact_solve(block, np.hstack(pays))[:n]).all()
    start = np.hstack([mdp.start, 0 * mdp.start])
    assert (visits_derivative(mdp, pi, u) == exact_solve(block.T, start)[n:]).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_hessian_is_the_slope_of_the_gradient_and_symmetric(seed):
    """Central differences in fractions with ε = 10⁻²⁰ err by ε² times a third derivative.

    That is at most 6 H⁴ (‖u‖₁ per state)³ ‖r‖ n, far below 10¹⁰ here.
    """
    mdp, pi, u, rng = exactly(seed)
    u, step = tangent(mdp, u), rational(10) ** -20
    sides = [policy_gradient(mdp, pi + sign * step * u) for sign in (1, -1)]
    slope = (sides[0] - sides[1]) / (2 * step)
    found = hessian_product(mdp, pi, u)
    size = (1 + abs(mdp.r).max()) * rational(10) ** -30
    assert abs(found - slope).max() <= size
    w = whole(rng, mdp.pair_shape)
    assert (w * found).sum() == (u * hessian_product(mdp, pi, w)).sum()
    if mdp.n_transitions and mdp.n_actions > 1 and (found != 0).any():
        frozen = np.repeat(visits(mdp, pi), np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
        frozen = frozen * mdp.gamma * mdp.expect(value_derivative(mdp, pi, u))
        moving = (visits_derivative(mdp, pi, u) != 0).any()
        assert not moving or abs(frozen - slope).max() > size  # the visits held fixed


@pytest.mark.parametrize("seed", SEEDS)
def test_the_softmax_hessian_is_symmetric_and_blind_to_constants(seed):
    mdp, pi, x, rng = exactly(seed)
    y = whole(rng, mdp.pair_shape)
    one, other = softmax_hessian_product(mdp, pi, x), softmax_hessian_product(mdp, pi, y)
    assert (x * other).sum() == (y * one).sum()
    assert (state_sum(mdp, one.reshape(-1)) == 0).all()
    shift = whole(rng, mdp.n_states)[mdp.pair_states].reshape(mdp.pair_shape)
    assert (softmax_hessian_product(mdp, pi, shift) == 0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_chain_rule_joins_both_parametrizations(seed):
    """xᵀ∇²_θJ x = π̇ᵀ∇²J π̇ + ⟨∇J, π̈⟩, π̇ = π(x − x̄), π̈ = π((x − x̄)² − Var x). In fractions."""
    mdp, pi, x, _ = exactly(seed)
    each = np.diff(mdp.action_ptr)

    def mean(y):
        return np.repeat(state_sum(mdp, (pi * y).reshape(-1)), each).reshape(mdp.pair_shape)

    apart = x - mean(x)
    first, second = pi * apart, pi * (apart**2 - mean(apart**2))
    direct = (first * hessian_product(mdp, pi, first)).sum()
    bent = (policy_gradient(mdp, pi) * second).sum()
    assert (x * softmax_hessian_product(mdp, pi, x)).sum() == direct + bent


# ---- in floats -------------------------------------------------------------------------------


def complex_softmax_gradient(mdp, theta, tau):
    """n π A_τ, of complex θ, from dense solves."""
    pi, each = softmax(mdp, theta), np.diff(mdp.action_ptr)
    v, rows = value(mdp, pi, tau), dense_rows(mdp)
    A = mdp.r.reshape(-1) - tau * np.log(pi) + mdp.gamma * rows @ v - np.repeat(v, each)
    P = state_sum(mdp, pi[:, None] * rows)
    n = np.linalg.solve(np.eye(mdp.n_states) - mdp.gamma * P.T, mdp.start.astype(complex))
    return np.repeat(n, each) * pi * A


@pytest.mark.parametrize("tau", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(20))
def test_the_softmax_hessian_is_the_complex_step_of_the_gradient(seed, tau):
    mdp = random_mdp(seed, gammas=(0.0, 0.5, 0.9, 0.99)) if seed % 2 else layered(seed)
    scale = max(1.0, mdp.reward_size)
    theta, pi = drawn_policy(mdp, np.random.default_rng(seed))
    x = np.random.default_rng([seed, 1]).normal(size=mdp.n_pairs)
    tau = tau * scale
    true = np.imag(complex_softmax_gradient(mdp, theta + 1j * STEP * x, tau)) / STEP
    found = softmax_hessian_product(mdp, pi, x.reshape(mdp.pair_shape), tau=tau)
    allowed = 1e-13 * horizon(mdp) ** 3 * scale
    assert np.abs(found.reshape(-1) - true).max() <= allowed
    if tau and mdp.n_actions > 1:
        assert np.abs(softmax_hessian_product(mdp, pi, 0 * pi, tau=tau)).max() == 0
    gradient = softmax_gradient(mdp, pi, tau=tau).reshape(-1)
    assert (
        np.abs(gradient - np.real(complex_softmax_gradient(mdp, theta, tau))).max() <= allowed
    )


def test_entropy_bends_the_objective():
    """One state, γ = 0, r = 0: J = τ H(π), along (1, −1) from π = ½ with H'' = −1, by hand."""
    mdp = MDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.0)
    half, x = np.full((1, 2), 0.5), np.array([[1.0, -1.0]])
    found = softmax_hessian_product(mdp, half, x, tau=0.7)
    assert abs((x * found).sum() + 0.7) <= 1e-15
    assert (softmax_hessian_product(mdp, half, x) == 0).all()


def test_visits_without_end_are_refused():
    mdp = short_corridor()  # γ = 1
    half = np.full(mdp.pair_shape, 0.5)
    u = np.ones(mdp.pair_shape) * [1.0, -1.0]
    assert np.isfinite(hessian_product(mdp, half, u)).all()
    caught = np.array([0, 1, 1])
    for f in (value_derivative, visits_derivative, hessian_product):
        with pytest.raises(UnboundedError):
            f(mdp, caught, u)
    with pytest.raises(ValueError, match="u has shape"):
        value_derivative(mdp, half, u[:1])
    with pytest.raises(ValueError, match="x has shape"):
        softmax_hessian_product(mdp, half, u[0])


def test_derivatives_along_a_policy_difference_begin_the_performance_difference():
    """J(π + εu) − J(π) = ε ⟨∇J, u⟩ + ½ ε² uᵀ∇²Ju + O(ε³), in fractions."""
    mdp, pi, _, _ = exactly(4)
    other = fractions(mdp, 99)
    u, step = other - pi, rational(10) ** -12
    J = [mdp.start @ policy_values(mdp, pi + k * step * u).v for k in (0, 1)]
    slope = (policy_gradient(mdp, pi) * u).sum()
    bend = (u * hessian_product(mdp, pi, u)).sum()
    rest = J[1] - J[0] - step * slope - step**2 * bend / 2
    assert abs(rest) <= step**3 * 10**6 * (1 + mdp.reward_size)
    assert abs(rest + step**2 * bend / 2) > step**3 * 10**6 or bend == 0
