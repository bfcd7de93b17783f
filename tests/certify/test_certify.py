"""Bounds that contain the truth, whoever computed the values, checked in exact rationals."""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit.certify import certify, interval, rounding_floor
from mdpkit.errors import PrecisionWarning, UnboundedError
from mdpkit.operators.bellman import sweep
from mdpkit.policy import as_pairs
from tests.oracles import exact_optimum, exact_policy_value, inside, random_mdp, rational

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")


@pytest.mark.parametrize("seed", range(60))
def test_any_values_are_bounded(seed):
    mdp = random_mdp(seed, gammas=(0.0, 0.5, 0.9, 0.99, 0.9999))
    rng = np.random.default_rng(seed)
    exact = exact_optimum(mdp.exact())[0]
    dyadic = exact_optimum(mdp.exact(dyadic=True))[0]
    guess = np.array([int(x.p) / int(x.q) for x in exact])
    for v in (
        guess,
        guess + rng.normal(size=guess.size),
        np.zeros(guess.size),
        1e3 * rng.normal(size=guess.size),
    ):
        proof = certify(mdp, v)
        assert inside(exact, proof.lower, proof.upper)
        assert inside(dyadic, proof.lower, proof.upper)


@pytest.mark.parametrize("seed", range(60))
def test_a_policy_and_its_loss_are_bounded(seed):
    mdp = random_mdp(seed, gammas=(0.5, 0.9, 0.99))
    rng = np.random.default_rng(seed)
    pairs = np.array(
        [rng.integers(mdp.action_ptr[s], mdp.action_ptr[s + 1]) for s in range(mdp.n_states)]
    )
    exact = mdp.exact()
    value, best = exact_policy_value(exact, pairs), exact_optimum(exact)[0]
    proof = certify(mdp, policy=mdp.pair_actions[pairs])
    assert inside(value, proof.lower, proof.upper)
    assert max(b - a for a, b in zip(value, best, strict=True)) <= rational(proof.loss)


@pytest.mark.parametrize("seed", range(30))
def test_a_mixed_policy_is_bounded(seed):
    mdp = random_mdp(seed, gammas=(0.5, 0.9))
    weights = np.random.default_rng(seed).integers(1, 5, size=mdp.n_pairs)
    totals = np.repeat(np.add.reduceat(weights, mdp.action_ptr[:-1]), np.diff(mdp.action_ptr))
    exact = mdp.exact()
    pi = np.array([rational(int(w)) / int(n) for w, n in zip(weights, totals, strict=True)])
    truth = certify(exact, policy=pi.reshape(exact.pair_shape))
    assert (truth.lower == truth.upper).all()
    proof = certify(mdp, policy=(weights / totals).reshape(mdp.pair_shape))
    assert inside(truth.lower, proof.lower, proof.upper)


@pytest.mark.parametrize("seed", range(40))
def test_the_greedy_policy_loses_no_more_than_said(seed):
    mdp = random_mdp(seed, gammas=(0.5, 0.9))
    v = np.random.default_rng(seed).normal(size=mdp.n_states) * max(1, mdp.reward_size)
    proof = certify(mdp, v)
    exact = mdp.exact()
    pairs = as_pairs(mdp, proof.policy)
    loss = max(
        b - a
        for a, b in zip(exact_policy_value(exact, pairs), exact_optimum(exact)[0], strict=True)
    )
    assert loss <= rational(proof.loss)


def test_exact_models_have_exact_certificates():
    mdp = random_mdp(5, gammas=(0.9,)).exact()
    v, q = exact_optimum(mdp)
    v = np.array(v, dtype=object)
    proof = certify(mdp, v)
    assert (proof.lower == v).all()
    assert (proof.upper == v).all()
    assert proof.gap == 0
    assert proof.q.reshape(-1).tolist() == q


def test_plain_span_bounds_fail_where_episodes_stop():
    # The impostor: MacQueen's bounds without the clip at 0.
    broken = 0
    for seed in range(300):
        mdp = random_mdp(seed, gammas=(0.9,))
        if not mdp.stops:
            continue
        v = np.random.default_rng(seed).normal(size=mdp.n_states) * mdp.reward_size
        image, low, high, _ = sweep(mdp, v)
        truth = np.array([int(x.p) / int(x.q) for x in exact_optimum(mdp.exact())[0]])
        scale = 1e-9 * max(1, np.abs(truth).max())
        broken += (truth < image + 9 * low - scale).any() or (
            truth > image + 9 * high + scale
        ).any()
    assert broken > 0


def test_rounding_cannot_be_left_out():
    # The impostor: the same bounds computed as if floats were reals.
    found = False
    for seed in range(200):
        mdp = random_mdp(seed, gammas=(0.99,))
        v = mk.solve(mdp, throw=False).v
        image, low, high, _ = sweep(mdp, v)
        lower, upper = image + 99 * min(low, 0), image + 99 * max(high, 0)
        found = found or not inside(exact_optimum(mdp.exact(dyadic=True))[0], lower, upper)
    assert found


def test_the_floor_at_large_rewards_is_what_the_plan_says():
    mdp = mk.MDP(np.full((3, 2, 3), 1 / 3), np.full((3, 2), 1e6), 0.99)
    assert 1e-6 < rounding_floor(mdp, 1e8) < 1e-4


def test_interval_foresees_the_certified_gap():
    mdp = random_mdp(11, gammas=(0.9,))
    v = np.random.default_rng(0).normal(size=mdp.n_states)
    new = sweep(mdp, v)
    assert certify(mdp, v).gap <= interval(
        mdp, new.low, new.high, np.abs(new.v).max() + np.abs(v).max()
    )


def test_a_value_of_one_is_refused_without_discount():
    mdp = mk.MDP(np.ones((1, 1, 1)), np.ones((1, 1)), 1)
    with pytest.raises(UnboundedError, match="γ = 1"):
        certify(mdp, np.zeros(1))


def test_bad_input_17_discount_near_one_is_warned_about():
    mdp = mk.MDP(np.ones((1, 1, 1)), np.ones((1, 1)), 1 - 1e-12)
    with pytest.warns(PrecisionWarning, match=r"condition number .* = 2e\+12"):
        proof = certify(mdp, np.zeros(1))
    exact = exact_optimum(mdp.exact(dyadic=True))[0]
    assert inside(exact, proof.lower, proof.upper)


@pytest.mark.parametrize(
    ("v", "message"),
    [(np.zeros(2), "shape"), (np.array([np.nan]), "finite"), (np.array([[0.0]]), "shape")],
)
def test_bad_input_30_values_of_the_wrong_kind_are_refused(v, message):
    mdp = mk.MDP(np.ones((1, 1, 1)), np.ones((1, 1)), 0.9)
    with pytest.raises(ValueError, match=message):
        certify(mdp, v)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (np.array([0, 2]), r"policy\[1\] = 2"),
        (np.array([0, -1]), r"policy\[1\] = -1"),
        (np.array([[0.5, 0.5], [0.7, 0.2]]), r"policy\[1\] sums to"),
        (np.array([[0.5, 0.5], [1.5, -0.5]]), r"policy\[1, 1\] is -0.5"),
        (np.array([[np.nan, 0.5], [1, 0]]), r"policy\[0\] sums to nan"),
        (np.array([0, 1, 0]), "int"),
    ],
)
def test_bad_input_31_policies_of_the_wrong_kind_are_refused(policy, message):
    mdp = mk.MDP(np.full((2, 2, 2), 0.5), np.ones((2, 2)), 0.9)
    with pytest.raises(ValueError, match=message):
        certify(mdp, policy=policy)
