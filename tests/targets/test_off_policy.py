"""Off-policy targets: every trajectory with its probability gives the operator they lift."""

import numpy as np
import pytest

from mdpkit import MDP, targets
from mdpkit import enumerate as every
from mdpkit._array import backward
from mdpkit.operators import returns
from mdpkit.operators.bellman import action_values
from mdpkit.operators.linear import pair_chain, state_chain
from mdpkit.operators.performance import policy_values
from mdpkit.policy import expected_under
from tests.prediction_oracle import descending_mdp, looping_mdp, some_policy

NEAR = {"rtol": 0, "atol": 1e-12}


def problem(seed, gamma=0.9, descending=True):
    """A model, π and b, V and Q."""
    make = descending_mdp if descending else looping_mdp
    mdp = make(seed, n_states=4, gamma=gamma)
    rng = np.random.default_rng([seed, 2])
    pi, b = some_policy(mdp, seed), some_policy(mdp, seed + 70)
    return mdp, pi, b, rng.normal(size=4), rng.normal(size=(4, 2))


def arrays(mdp, pi, b, batch):
    """Of each step: π/b and π at the action taken; 1 behind an end."""
    taken = np.maximum(batch.pairs, 0)
    ratio, p = (pi / b).reshape(-1)[taken], pi.reshape(-1)[taken]
    behind = batch.pairs < 0
    return np.where(behind, 1.0, ratio), np.where(behind, 1.0, p)


def told(batch):
    return batch.rewards, batch.discounts, batch.boundary


# ---- Retrace and its family ------------------------------------------------------------------


def lifted(mdp, pi, b, q, c):
    """R Q = Q + (I − γP^{cb})⁻¹ (B^π Q − Q), (P^{cb} x)(s,a) = Σ P b c x, written out."""
    P = np.zeros((mdp.n_pairs, mdp.n_pairs))
    for i in range(mdp.n_pairs):
        for j in range(mdp.n_pairs):
            t = mdp.pair_states[j]
            P[i, j] = mdp.rows[i, t] * b.reshape(-1)[j] * c.reshape(-1)[j]
    residual = (action_values(mdp, expected_under(mdp, pi, q)) - q).reshape(-1)
    ahead = np.linalg.solve(np.eye(mdp.n_pairs) - mdp.gamma * P, residual)
    return q + ahead.reshape(q.shape)


def first_returns(mdp, pi, b, q, target):
    """E_b[G_0 | s_0 = s, a_0 = a] by enumeration, in pair layout."""
    out = np.zeros(mdp.n_pairs)
    batch = every.trajectories(mdp, b, mdp.n_states, start=np.full(mdp.n_states, 0.25))
    ratio, p = arrays(mdp, pi, b, batch)
    own = q.reshape(-1)[np.maximum(batch.pairs, 0)]
    after = expected_under(mdp, pi, q)[batch.states[1:]]
    G = target(*told(batch), own, after, ratio, p)[0]
    for i in range(mdp.n_pairs):
        here = batch.pairs[0] == i
        out[i] = batch.weight[here] @ G[here] / batch.weight[here].sum()
    return out.reshape(mdp.pair_shape)


def retrace(r, d, e, own, after, ratio, p, lam=0.8):
    return targets.retrace(r, d, e, own, after, ratio, lam=lam)


def tree(r, d, e, own, after, ratio, p, lam=0.8):
    return targets.tree_backup(r, d, e, own, after, p, lam=lam)


def per_decision(r, d, e, own, after, ratio, p, lam=0.8):
    return targets.off_policy_return(r, d, e, own, after, lam * ratio)


def plain(r, d, e, own, after, ratio, p, lam=0.8):
    return targets.off_policy_return(r, d, e, own, after, lam + 0 * ratio)


FAMILY = [
    (retrace, lambda pi, b, lam: lam * np.minimum(1, pi / b)),
    (tree, lambda pi, b, lam: lam * pi),
    (per_decision, lambda pi, b, lam: lam * pi / b),
    (plain, lambda pi, b, lam: lam + 0 * pi),
]


@pytest.mark.parametrize(("target", "trace"), FAMILY)
@pytest.mark.parametrize("seed", range(2))
def test_its_expectation_is_the_operator(seed, target, trace):
    mdp, pi, b, _, q = problem(seed)
    found = first_returns(mdp, pi, b, q, target)
    np.testing.assert_allclose(found, lifted(mdp, pi, b, q, trace(pi, b, 0.8)), **NEAR)
    at_rest = first_returns(mdp, pi, b, policy_values(mdp, pi).q, target)
    np.testing.assert_allclose(at_rest, policy_values(mdp, pi).q, **NEAR)


def test_on_policy_they_are_what_they_were():
    """π = b: at λ = 0 expected SARSA, at λ = 1 per decision the return itself."""
    mdp, pi, _, _, q = problem(1)
    batch = every.trajectories(mdp, pi, 4)
    ratio, p = arrays(mdp, pi, pi, batch)
    own = q.reshape(-1)[np.maximum(batch.pairs, 0)]
    after = expected_under(mdp, pi, q)[batch.states[1:]]
    none = retrace(*told(batch), own, after, ratio, p, lam=0.0)
    np.testing.assert_allclose(none, batch.rewards + batch.discounts * after, **NEAR)
    # Q(s,a) in place of E_π Q telescopes: that is the difference of Monte Carlo and V.
    constant = np.repeat(q.mean(axis=1), 2)[np.maximum(batch.pairs, 0)]
    full = targets.retrace(*told(batch), constant, q.mean(axis=1)[batch.states[1:]], ratio)
    wanted = returns.lambda_return(*told(batch), 0.0)
    taken = batch.pairs >= 0
    np.testing.assert_allclose(full[taken], wanted[taken], rtol=0, atol=1e-12)


def test_trace_at_its_own_step_in_place_of_the_next_is_caught():
    mdp, pi, b, _, q = problem(0)

    def early(r, d, e, own, after, ratio, p):
        c = 0.8 * np.minimum(ratio, 1)
        moved = np.concatenate([c[:1], c[:-1]])  # so that what is used of t+1 is that of t
        return targets.off_policy_return(r, d, e, own, after, moved)

    wanted = lifted(mdp, pi, b, q, 0.8 * np.minimum(1, pi / b))
    assert abs(first_returns(mdp, pi, b, q, early) - wanted).max() > 1e-3

    def one_value(r, d, e, own, after, ratio, p):  # a λ-return with a clipped λ
        c = np.concatenate([0.8 * np.minimum(ratio, 1)[1:], 0 * ratio[:1]])
        return returns.lambda_return(r, d, e, after, c)

    assert abs(first_returns(mdp, pi, b, q, one_value) - wanted).max() > 1e-3


def test_values_of_the_wrong_step_and_a_discount_in_the_traces_alone_are_caught():
    """E_π Q of s_t where that of s_{t+1} belongs; and d nowhere but in the traces."""
    mdp, pi, b, _, q = problem(0)
    wanted = lifted(mdp, pi, b, q, 0.8 * np.minimum(1, pi / b))

    def same_step(r, d, e, own, after, ratio, p):
        now = np.concatenate([after[:1], after[:-1]])
        return targets.retrace(r, d, e, own, now, ratio, lam=0.8)

    def undiscounted(r, d, e, own, after, ratio, p):
        c = np.concatenate([0.8 * np.minimum(ratio, 1)[1:], 0 * ratio[:1]])
        delta = r + (d > 0) * after - own
        return own + backward(delta, (1 - e) * d * c)

    for wrong in (same_step, undiscounted):
        assert abs(first_returns(mdp, pi, b, q, wrong) - wanted).max() > 1e-3


# ---- V-trace ---------------------------------------------------------------------------------


def first_values(mdp, pi, b, v, **options):
    """E_b[v_0 | s_0 = s], (S,), by enumeration; of `values`, and of ρ-weighted advantages."""
    batch = every.trajectories(mdp, b, mdp.n_states, start=np.full(mdp.n_states, 0.25))
    ratio, _ = arrays(mdp, pi, b, batch)
    now, after = v[batch.states[:-1]], v[batch.states[1:]]
    found = targets.vtrace(*told(batch), now, after, ratio, **options)
    out = [
        batch.weight[batch.states[0] == s] @ found.values[0, batch.states[0] == s]
        for s in range(4)
    ]
    return np.array(out) / 0.25


@pytest.mark.parametrize(
    ("rho_max", "c_max", "lam"), [(1, 1, 1), (1.3, 0.7, 0.9), (0.8, 0.5, 1)]
)
@pytest.mark.parametrize("seed", range(2))
def test_vtrace_expects_its_operator_and_rests_at_the_clipped_policy(seed, rho_max, c_max, lam):
    mdp, pi, b, v, _ = problem(seed)
    options = {"rho_max": rho_max, "c_max": c_max, "lam": lam}
    rho, c = np.minimum(rho_max, pi / b), lam * np.minimum(c_max, pi / b)
    P = np.einsum("sa,sat->st", b * c, mdp.P)
    residual = (b * rho * (action_values(mdp, v) - v[:, None])).sum(axis=1)
    wanted = v + np.linalg.solve(np.eye(4) - mdp.gamma * P, residual)
    np.testing.assert_allclose(first_values(mdp, pi, b, v, **options), wanted, **NEAR)
    clipped = np.minimum(rho_max * b, pi)
    clipped /= clipped.sum(axis=1, keepdims=True)
    fixed = policy_values(mdp, clipped).v
    np.testing.assert_allclose(first_values(mdp, pi, b, fixed, **options), fixed, **NEAR)


def test_vtrace_on_policy_is_the_lambda_return():
    mdp, pi, _, v, _ = problem(3, descending=False)
    batch = every.trajectories(mdp, pi, 4)
    now, after = v[batch.states[:-1]], v[batch.states[1:]]
    for lam in (0.0, 0.6, 1.0):
        found = targets.vtrace(*told(batch), now, after, np.ones(now.shape), lam=lam)
        taken = batch.pairs >= 0
        wanted = returns.lambda_return(*told(batch), after, lam)
        np.testing.assert_allclose(found.values[taken], wanted[taken], **NEAR)
        advantage = returns.generalized_advantage(*told(batch), now, after, lam)
        if lam == 1:  # the advantage of the policy gradient bootstraps from v_{t+1} in full
            np.testing.assert_allclose(found.advantages[taken], advantage[taken], **NEAR)


def test_vtrace_with_values_that_are_right_has_the_advantages():
    """At the fixed point ρ (r + d v' − V) has the mean ρ A, A that of the clipped policy."""
    mdp, pi, b, _, _ = problem(2)
    clipped = np.minimum(b, pi)
    clipped /= clipped.sum(axis=1, keepdims=True)
    values = policy_values(mdp, clipped)
    batch = every.trajectories(mdp, b, 4, start=np.full(4, 0.25))
    ratio, _ = arrays(mdp, pi, b, batch)
    v = values.v
    found = targets.vtrace(*told(batch), v[batch.states[:-1]], v[batch.states[1:]], ratio)
    for i in range(mdp.n_pairs):
        here = batch.pairs[0] == i
        mean = batch.weight[here] @ found.advantages[0, here] / batch.weight[here].sum()
        wanted = min(1.0, (pi / b).reshape(-1)[i]) * values.advantage.reshape(-1)[i]
        assert mean == pytest.approx(wanted, abs=1e-12)


def test_the_ratio_missing_on_the_difference_is_caught():
    mdp, pi, b, v, _ = problem(0)
    batch = every.trajectories(mdp, b, 4, start=np.full(4, 0.25))
    ratio, _ = arrays(mdp, pi, b, batch)
    now, after = v[batch.states[:-1]], v[batch.states[1:]]
    right = targets.vtrace(*told(batch), now, after, ratio).values
    c = np.minimum(ratio, 1)
    delta = returns.temporal_differences(batch.rewards, batch.discounts, now, after)
    wrong = now + backward(delta, (1 - batch.boundary) * batch.discounts * c)
    assert abs(batch.weight @ (right - wrong)[0]) > 1e-3
    with_clipped_lambda = returns.lambda_return(*told(batch), after, c)
    assert abs(batch.weight @ (right - with_clipped_lambda)[0]) > 1e-3


# ---- boundaries, libraries, numbers ----------------------------------------------------------


def test_a_cut_bootstraps_and_only_ends_the_recursion():
    """Two pieces one after the other are as two arrays; δ keeps d V beyond a cut."""
    rng = np.random.default_rng(0)
    r, d, v, after, ratio = rng.random((5, 6, 2)) + 0.1
    cut = np.zeros((6, 2), dtype=bool)
    cut[2] = cut[5] = True
    both = targets.vtrace(r, d, cut, v, after, ratio)
    for part in (slice(0, 3), slice(3, 6)):
        one = targets.vtrace(r[part], d[part], cut[part], v[part], after[part], ratio[part])
        np.testing.assert_array_equal(both.values[part], one.values)
        np.testing.assert_array_equal(both.advantages[part], one.advantages)
    last = v[2] + np.minimum(1, ratio[2]) * (r[2] + d[2] * after[2] - v[2])
    np.testing.assert_allclose(both.values[2], last, rtol=1e-14)
    whole = targets.retrace(r, d, cut, v, after, ratio)
    half = targets.retrace(r[:3], d[:3], cut[:3], v[:3], after[:3], ratio[:3])
    np.testing.assert_array_equal(whole[:3], half)
    np.testing.assert_allclose(whole[2], r[2] + d[2] * after[2], rtol=1e-14)


def test_exact_arrays_stay_exact():
    """Quarters are exact floats, and so are a few of their products."""
    from mdpkit._exact import exact_array

    rng = np.random.default_rng(1)
    floats = [rng.integers(1, 5, (4, 2)) / 4 for _ in range(5)]
    cut = np.array([[0, 0], [1, 0], [0, 0], [1, 1]], dtype=bool)
    exact = [exact_array(x) for x in floats]
    for target in (lambda *x: targets.vtrace(*x).values, targets.retrace):
        found = target(*exact[:2], cut, *exact[2:])
        wanted = target(*floats[:2], cut, *floats[2:])
        assert list(found.flat) == list(exact_array(wanted, dyadic=True).flat)


@pytest.mark.slow
def test_jax_arrays_serve():
    jnp = pytest.importorskip("jax.numpy")
    rng = np.random.default_rng(1)
    floats = [rng.random((4, 2)) for _ in range(5)]
    cut = np.array([[0, 0], [1, 0], [0, 0], [1, 1]], dtype=bool)
    theirs = [jnp.asarray(x) for x in floats]
    found = targets.vtrace(theirs[0], theirs[1], jnp.asarray(cut), *theirs[2:])
    one = targets.vtrace(floats[0], floats[1], cut, *floats[2:])
    np.testing.assert_allclose(np.asarray(found.values), one.values, rtol=1e-5)


def test_clipping_sets_the_fixed_point_and_contraction_needs_it():
    """c > π/b is no contraction: Q^π(λ) from a far b expands; Retrace does not."""
    P = np.array([[[0.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])
    mdp = MDP(P, np.zeros((2, 2)), 0.95)
    pi, b = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.02, 0.98], [0.02, 0.98]])
    size = {}
    for name, c in {"plain": np.ones((2, 2)), "retrace": np.minimum(1, pi / b)}.items():
        images = [lifted(mdp, pi, b, x.reshape(2, 2), c) for x in np.eye(4)]
        size[name] = abs(np.array(images).reshape(4, 4)).sum(axis=0).max()
    assert size["retrace"] <= 0.95 + 1e-12
    assert size["plain"] > 1
    P_pi, _ = pair_chain(mdp, pi)
    assert P_pi.shape == (4, 4)
    assert state_chain(mdp, pi).P.sum() == pytest.approx(2)
