"""Mirror steps maximize what they claim to; divergences are what their formulas say."""

import numpy as np
import pytest

from mdpkit.improve.divergences import Euclidean, NegativeEntropy, Tsallis, sums
from mdpkit.operators.fisher import divergence
from tests.improve.runs import drawn, policy_of
from tests.oracles import random_mdp

EVERY = [Euclidean(), NegativeEntropy(), *(Tsallis(q) for q in (0, 0.5, 1.5, 2, 3))]
SEEDS = range(8)


def directions(mdp, seed):
    rng = np.random.default_rng([seed, 5])
    return rng.normal(size=mdp.pair_shape) * rng.choice([0.1, 1.0, 10.0])


def others(mdp, seed, n=40):
    """Random policies, and every vertex of each simplex."""
    yield from (policy_of(mdp, 100 * seed + i) for i in range(n))
    for a in range(mdp.n_actions):
        yield np.tile(np.eye(mdp.n_actions)[a], (mdp.n_states, 1))


@pytest.mark.parametrize("kind", EVERY, ids=str)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_step_maximizes_and_three_points_hold(kind, seed):
    mdp = drawn(seed)
    pi, x = policy_of(mdp, seed), directions(mdp, seed)
    at = kind.coordinates(mdp, pi)
    new, there = kind.ascend(mdp, at, x)
    np.testing.assert_allclose(sums(mdp, new), 1, atol=1e-13)
    cost = kind.between(mdp, new, at)
    for p in others(mdp, seed):
        left = sums(mdp, x * (p - new))
        far, beyond = kind.between(mdp, p, at), kind.between(mdp, p, there)
        use = np.isfinite(far) & np.isfinite(beyond)  # the barrier is infinite at vertices
        right = far[use] - beyond[use] - cost[use]
        # Hence x·p − D(p, π) is largest at π⁺, where D(p, π⁺) = 0.
        assert (left[use] <= right + 1e-9 * (1 + np.abs(left[use]) + far[use])).all()
        if isinstance(kind, NegativeEntropy):
            np.testing.assert_allclose(left, right, atol=1e-9)


def test_a_step_with_the_arguments_swapped_is_caught():
    # argmax ⟨x, p⟩ − KL(π‖p) is another policy: the forward step of a penalty.
    from mdpkit.improve.proximal import forward_step

    mdp, kind = drawn(1), NegativeEntropy()
    pi, x = policy_of(mdp, 1), directions(mdp, 1)
    at = kind.coordinates(mdp, pi)
    new, _ = kind.ascend(mdp, at, x)
    impostor, _ = forward_step(mdp, at, x, 1.0)
    value = sums(mdp, x * new) - kind.between(mdp, new, at)
    other = sums(mdp, x * impostor) - kind.between(mdp, impostor, at)
    assert (other < value - 1e-3).any()
    assert (other <= value + 1e-12).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_of_order_two_it_is_euclidean_and_near_one_the_entropy(seed):
    mdp = drawn(seed)
    pi, x = policy_of(mdp, seed), directions(mdp, seed)
    euclid, _ = Euclidean().ascend(mdp, pi, x)
    np.testing.assert_allclose(Tsallis(2).ascend(mdp, pi, x)[0], euclid, atol=1e-13)
    apart = Euclidean().between(mdp, euclid, pi)
    np.testing.assert_allclose(Tsallis(2).between(mdp, euclid, pi), apart, atol=1e-13)
    entropy, _ = NegativeEntropy().ascend(mdp, np.log(pi), x)
    for q in (1 - 1e-6, 1 + 1e-6):  # log-probabilities of size ≤ 100 enter with 1e-6
        np.testing.assert_allclose(Tsallis(q).ascend(mdp, pi, x)[0], entropy, atol=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_the_entropys_divergence_is_kl_on_any_storage(seed):
    mdp, rng = random_mdp(seed), np.random.default_rng(seed)
    both = []
    for _ in range(2):
        e = rng.random(mdp.n_pairs) + 0.01
        total = np.repeat(np.add.reduceat(e, mdp.action_ptr[:-1]), np.diff(mdp.action_ptr))
        both.append((e / total).reshape(mdp.pair_shape))
    p, pi = both
    ours = NegativeEntropy().between(mdp, p, np.log(pi)).sum()
    assert ours == pytest.approx(divergence(mdp, p, pi, np.ones(mdp.n_states)), abs=1e-12)


@pytest.mark.parametrize("kind", EVERY, ids=str)
def test_a_policy_is_at_no_distance_from_itself(kind):
    mdp = drawn(0)
    pi = policy_of(mdp, 0)
    at = kind.coordinates(mdp, pi)
    np.testing.assert_allclose(kind.between(mdp, pi, at), 0, atol=1e-15)
    stay, _ = kind.ascend(mdp, at, np.zeros(mdp.pair_shape))
    np.testing.assert_allclose(stay, pi, atol=1e-14)
    shifted, _ = kind.ascend(mdp, at, np.repeat([[1.0], [5.0], [-3.0], [0.0]], 3, axis=1))
    np.testing.assert_allclose(shifted, pi, atol=1e-13)


def test_the_entropy_remembers_what_floats_forget():
    mdp, kind = drawn(0), NegativeEntropy()
    x = np.zeros(mdp.pair_shape)
    x[:, 0] = 4000.0
    pi, at = kind.ascend(mdp, np.log(policy_of(mdp, 0)), x)
    assert (pi[:, 1:] == 0).all()
    back, _ = kind.ascend(mdp, at, -x)
    np.testing.assert_allclose(back, policy_of(mdp, 0), rtol=1e-11)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_log_partition_of_advantages_is_a_divergence_and_not_the_reverse_one(seed):
    # log Σ π e^A = KL(π‖π⁺) where Σ πA = 0; with the arguments exchanged it is false.
    mdp, kind = drawn(seed), NegativeEntropy()
    pi, x = policy_of(mdp, seed), directions(mdp, seed)
    A = x - sums(mdp, pi * x)[:, None]
    new, there = kind.ascend(mdp, np.log(pi), A)
    partition = np.log(sums(mdp, pi * np.exp(A)))
    np.testing.assert_allclose(kind.between(mdp, pi, there), partition, atol=1e-11)
    assert np.abs(kind.between(mdp, new, np.log(pi)) - partition).max() > 1e-5


def test_refusals():
    mdp = drawn(0)
    vertex = np.tile([1.0, 0.0, 0.0], (4, 1))
    for kind in (NegativeEntropy(), Tsallis(0.5), Tsallis(0)):
        with pytest.raises(ValueError, match=r"policy\[0, 1\] is 0"):
            kind.coordinates(mdp, vertex)
    assert Tsallis(1.5).coordinates(mdp, vertex) is vertex
    for order in (1, -0.5, np.inf, np.nan):
        with pytest.raises(ValueError, match="order"):
            Tsallis(order)
