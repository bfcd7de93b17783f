"""Derivatives of values in the model: dual numbers, duality, complex steps, and ties."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.errors import ModelError, NotDifferentiableError, UnboundedError
from mdpkit.gallery import short_corridor
from mdpkit.operators.implicit import (
    Change,
    optimal_change,
    optimal_gradient,
    tied_model,
    value_change,
    value_gradient,
)
from mdpkit.operators.policy_gradient import visits
from tests.gradient_oracle import (
    STEP,
    dense_rows,
    drawn_policy,
    exact_solve,
    fractions,
    horizon,
    layered,
    state_sum,
    value,
    whole,
)
from tests.operators.test_curvature import rational_rows
from tests.oracles import exact_optimum, random_mdp, rational

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")
SEEDS = range(12)


def stored_shape(mdp):
    return mdp.rows.values.shape if mdp.is_sparse else mdp.P.shape


def exactly(seed):
    small = random_mdp(seed, gammas=(0.5, 0.9)) if seed % 2 == 0 else layered(seed)
    mdp, rng = small.exact(), np.random.default_rng([seed, 4])
    change = Change(whole(rng, mdp.pair_shape), whole(rng, stored_shape(mdp)), rational(2) / 3)
    return mdp, fractions(mdp, seed), change, rng


def as_rows(mdp, entries):
    """Numbers laid out as the model's rows, as (pairs, S)."""
    if not mdp.is_sparse:
        return entries.reshape(mdp.n_pairs, mdp.n_states)
    out = np.full((mdp.n_pairs, mdp.n_states), rational(0), dtype=object)
    pair = np.repeat(np.arange(mdp.n_pairs), np.diff(mdp.rows.row_ptr))
    out[pair, mdp.rows.columns] = entries
    return out


# ---- the value of a policy -------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_a_change_of_the_model_is_a_solve_in_dual_numbers(seed):
    mdp, pi, change, _ = exactly(seed)
    weigh, n = pi.reshape(-1, 1), mdp.n_states
    a = np.eye(n, dtype=int) - mdp.gamma * state_sum(mdp, weigh * rational_rows(mdp))
    moved = change.gamma * rational_rows(mdp) + mdp.gamma * as_rows(mdp, change.P)
    block = np.block([[a, -state_sum(mdp, weigh * moved)], [0 * a, a]])
    pays = [state_sum(mdp, (pi * x).reshape(-1)) for x in (change.r, mdp.r)]
    true = exact_solve(block, np.hstack(pays))[:n]
    assert (value_change(mdp, pi, change) == true).all()
    parts = [Change(r=change.r), Change(P=change.P), Change(gamma=change.gamma)]
    assert (sum(value_change(mdp, pi, part) for part in parts) == true).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_gradient_is_the_change_turned_around(seed):
    """w·v̇ = ⟨∇(w·v), change⟩, in fractions; ∂J/∂r is the visits of the pairs."""
    mdp, pi, change, rng = exactly(seed)
    w = whole(rng, mdp.n_states)
    g = value_gradient(mdp, pi, w)
    assert g.r.shape == mdp.pair_shape
    assert g.P.shape == stored_shape(mdp)
    inner = (g.r * change.r).sum() + (g.P * change.P).sum() + g.gamma * change.gamma
    assert w @ value_change(mdp, pi, change) == inner
    n = np.repeat(visits(mdp, pi), np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
    assert (value_gradient(mdp, pi).r == n * pi).all()


@pytest.mark.parametrize("tau", [0.0, 0.4])
@pytest.mark.parametrize("seed", range(16))
def test_gradients_are_complex_steps_of_the_value(seed, tau):
    mdp = random_mdp(seed, gammas=(0.0, 0.5, 0.9, 0.99)) if seed % 2 else layered(seed)
    rng = np.random.default_rng([seed, 5])
    pi, w = drawn_policy(mdp, rng)[1], rng.normal(size=mdp.n_states)
    tau = tau * max(1.0, mdp.reward_size)
    found = value_gradient(mdp, pi, w, tau=tau)
    flat, rows = pi.reshape(-1), dense_rows(mdp)

    def slope(dr, dP, dgamma):
        moved = {"r": mdp.r.reshape(-1) + 1j * STEP * dr, "rows": rows + 1j * STEP * dP}
        return np.imag(w @ value(mdp, flat, tau, gamma=mdp.gamma + 1j * STEP * dgamma, **moved))

    allowed = 1e-13 * horizon(mdp) ** 3 * max(1.0, mdp.reward_size) * mdp.n_states
    assert abs(found.gamma - slope(0, 0, 1) / STEP) <= allowed
    dr = rng.normal(size=mdp.n_pairs)
    assert abs(found.r.reshape(-1) @ dr - slope(dr, 0, 0) / STEP) <= allowed
    dP = rng.normal(size=rows.shape) * (rows != 0 if mdp.is_sparse else 1)
    entries = dP[rows != 0] if mdp.is_sparse else dP
    inner = found.P.reshape(-1) @ entries.reshape(-1)
    assert abs(inner - slope(0, dP, 0) / STEP) <= allowed


def test_one_state_by_hand():
    mdp = mk.MDP([[[1.0]]], [[1.0]], 0.5)
    g = value_gradient(mdp, np.array([0]))
    # v = r/(1 − γp): ∂r = 2, ∂γ = 4, ∂p = γ·4 by hand.
    assert (float(g.r[0, 0]), float(g.gamma), float(g.P[0, 0, 0])) == (2.0, 4.0, 2.0)


# ---- the optimal value -----------------------------------------------------------------------


def moved_model(mdp, change, t):
    """M + tṀ, exact; the change of P sums to 0 in each row."""
    r = mdp.r + t * change.r
    if change.P is None:
        return mdp.replace(r=r, gamma=mdp.gamma + t * change.gamma)
    rows = (rational_rows(mdp) + t * as_rows(mdp, change.P)).reshape(-1, mdp.n_states)
    made = mk.MDP(
        rows,
        r.reshape(-1),
        mdp.gamma + t * change.gamma,
        action_ptr=mdp.action_ptr,
        stop=None if not mdp.stops else mdp.stop.reshape(-1),
    )
    return made


def inner_change(mdp, rng):
    """A direction in which probabilities stay probabilities, for a while, both ways."""
    rows = rational_rows(mdp)
    moved = np.full(rows.shape, rational(0), dtype=object)
    for row, out in zip(rows, moved, strict=True):
        inside = np.flatnonzero(row)
        if inside.size > 1:
            out[inside[0]], out[inside[1]] = rational(1), -rational(1)
    entries = moved[rows != 0] if mdp.is_sparse else moved.reshape(mdp.P.shape)
    faster = rational(1) / 5 if mdp.gamma < 1 else rational(0)
    return Change(whole(rng, mdp.pair_shape), entries, faster)


@pytest.mark.parametrize("seed", range(40))
def test_one_sided_derivatives_are_the_optimum_of_the_tied_model(seed):
    """(v*(M + tṀ) − v*(M))/t → the optimum of `tied_model`, from either side, in fractions.

    With t = 10⁻¹⁸ the quotient errs by t H² times sizes below 10⁸. Where the policy is unique
    the two sides agree, `optimal_change` is the derivative, and where not, it says so.
    """
    small = random_mdp(seed, gammas=(0.5, 0.9)) if seed % 2 == 0 else layered(seed)
    mdp = small.exact()
    change, t = inner_change(mdp, np.random.default_rng([seed, 6])), rational(10) ** -18
    v, q = exact_optimum(mdp)
    policy = mdp.actions_of(
        np.array(
            [
                max(range(mdp.action_ptr[s], mdp.action_ptr[s + 1]), key=lambda i: q[i])
                for s in range(mdp.n_states)
            ]
        )
    )
    turned = Change(-change.r, -change.P, -change.gamma)
    near = (1 + mdp.reward_size) * rational(10) ** -8
    sides = []
    for sign, direction in ((1, change), (-1, turned)):
        moved = moved_model(mdp, change, sign * t)
        quotient = [(a - b) / t for a, b in zip(exact_optimum(moved)[0], v, strict=True)]
        slope = exact_optimum(tied_model(mdp, policy, direction))[0]
        assert max(abs(a - b) for a, b in zip(slope, quotient, strict=True)) <= near
        sides.append([sign * x for x in slope])
    ties = sum(q[i] == v[mdp.pair_states[i]] for i in range(mdp.n_pairs)) - mdp.n_states
    if ties:
        with pytest.raises(NotDifferentiableError, match="both optimal"):
            optimal_change(mdp, policy, change)
    else:
        assert list(optimal_change(mdp, policy, change)) == sides[0] == sides[1]
        g = optimal_gradient(mdp, policy)
        inner = (g.r * change.r).sum() + (g.P * change.P).sum() + g.gamma * change.gamma
        assert inner == mdp.start @ np.array(sides[0], dtype=object)


def tie():
    """Two actions that pay the same: v* = max(r_0, r_1)/(1 − γ)."""
    return mk.MDP([[[1.0], [1.0]]], [[1.0, 1.0]], 0.5)


def test_at_a_tie_the_error_says_where_and_the_sides_differ():
    mdp, up = tie(), Change(r=np.array([[0.0, 1.0]]))
    with pytest.raises(NotDifferentiableError, match="actions 0 and 1") as caught:
        optimal_gradient(mdp, np.array([0]))
    assert caught.value.witness == {"s": 0, "actions": [0, 1]}
    right = mk.solve(tied_model(mdp, np.array([0]), up)).v
    left = -mk.solve(tied_model(mdp, np.array([0]), Change(r=-up.r))).v
    assert abs(right - 2).max() <= 1e-8
    assert abs(left).max() <= 1e-8
    # The derivative of the policy itself exists, and is neither.
    half = np.full((1, 2), 0.5)
    assert value_change(mdp, half, up).tolist() == [1.0]


def test_near_ties_within_rounding_are_ties():
    mdp = mk.MDP([[[1.0], [1.0]]], [[1.0, 1.0 - 2.0**-52]], 0.5)
    with pytest.raises(NotDifferentiableError):
        optimal_gradient(mdp, np.array([0]))
    apart = mk.MDP([[[1.0], [1.0]]], [[1.0, 1.0 - 1e-9]], 0.5)
    assert optimal_gradient(apart, np.array([0])).r.tolist() == [[2.0, 0.0]]


@pytest.mark.parametrize("seed", range(1, 13))
def test_floats_of_solved_models_pass(seed):
    mdp = random_mdp(seed, gammas=(0.5, 0.9, 0.99))
    policy = mk.solve(mdp).policy
    try:
        found = optimal_gradient(mdp, policy)
    except NotDifferentiableError:
        assert tied_model(mdp, policy, Change(gamma=1.0)).n_pairs > mdp.n_states
    else:
        n = visits(mdp, policy)
        assert np.abs(state_sum(mdp, found.r.reshape(-1)) - n).max() <= 1e-10 * horizon(mdp)


def test_a_policy_that_is_not_optimal_is_refused():
    mdp = mk.MDP([[[1.0], [1.0]]], [[0.0, 1.0]], 0.5)
    for f in (optimal_gradient, lambda m, p: tied_model(m, p, Change(gamma=1.0))):
        with pytest.raises(ValueError, match="action 1 in state 0 gains 1"):
            f(mdp, np.array([0]))


def test_shapes_and_ends_are_checked():
    mdp, half = tie(), np.full((1, 2), 0.5)
    with pytest.raises(ValueError, match=r"change\.r has shape"):
        value_change(mdp, half, Change(r=np.ones(3)))
    with pytest.raises(ModelError, match=r"change\.P has shape"):
        value_change(mdp, half, Change(P=np.ones(3)))
    with pytest.raises(ValueError, match="weight has shape"):
        value_gradient(mdp, half, np.ones(2))
    corridor = short_corridor()
    with pytest.raises(UnboundedError):
        value_gradient(corridor, np.array([0, 1, 1]))
    assert np.isfinite(value_gradient(corridor, np.full(corridor.pair_shape, 0.5)).gamma)


def test_the_soft_optimum_has_the_derivative_of_its_policy():
    """Complex steps through 400 soft backups at γ = ½: what is left of the start is 2⁻⁴⁰⁰."""
    rng, tau = np.random.default_rng(0), 0.3
    P, r = rng.dirichlet(np.ones(3), size=(3, 2)), rng.normal(size=(3, 2))
    dr, dP = rng.normal(size=r.shape), rng.normal(size=P.shape)

    def soft_optimum(t):
        v = np.zeros(3, dtype=complex)
        for _ in range(400):
            q = r + t * dr + (0.5 + t) * ((P + t * dP) @ v)
            top = q.real.max(axis=1, keepdims=True)
            v = top[:, 0] + tau * np.log(np.exp((q - top) / tau).sum(axis=1))
        return v, np.exp((q - v[:, None]) / tau).real

    true = np.imag(soft_optimum(1j * STEP)[0]) / STEP
    mdp, pi = mk.MDP(P, r, 0.5), soft_optimum(0)[1]
    found = value_change(mdp, pi, Change(dr, dP, 1.0), tau=tau)
    assert np.abs(found - true).max() <= 1e-12
    assert np.abs(value_change(mdp, pi, Change(dr, dP, 1.0)) - true).max() > 0.1
