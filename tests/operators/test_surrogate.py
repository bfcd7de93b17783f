"""The surrogate of J and its bounds, in fractions; what is no bound at all."""

import numpy as np
import pytest

from mdpkit._array import sup
from mdpkit.mdp import MDP
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.performance import advantage, performance
from mdpkit.operators.policy_gradient import policy_gradient, visits
from mdpkit.operators.surrogate import (
    clipped_surrogate,
    lower_bound,
    surrogate,
    total_variation,
)
from mdpkit.policy import expected_under
from tests.gradient_oracle import FINITE, fractions, layered
from tests.oracles import rational

SEEDS = range(15)


def drawn(seed, share=2):
    """An exact model, a policy, and another between it and a third."""
    mdp = layered(seed, n_actions=3, gammas=FINITE).exact()
    old, other = fractions(mdp, seed, low=0), fractions(mdp, seed + 1000, low=0)
    return mdp, old, old + (other - old) / share


@pytest.mark.parametrize("seed", SEEDS)
def test_at_the_old_policy_the_surrogate_is_j_with_its_slope(seed):
    mdp, old, new = drawn(seed)
    assert surrogate(mdp, old, old) == performance(mdp, old)
    # L is affine in π', and ⟨∇J, π' − π⟩ is its slope.
    slope = (policy_gradient(mdp, old) * (new - old)).sum()
    assert surrogate(mdp, old, new) - surrogate(mdp, old, old) == slope
    tiny = rational(1) / 10**12
    error = performance(mdp, old + tiny * (new - old)) - performance(mdp, old) - tiny * slope
    assert abs(error) <= tiny**2 * 10**6


@pytest.mark.parametrize("share", [1, 2, 20])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_bounds_are_below_j(seed, share):
    mdp, old, new = drawn(seed, share)
    truth, promised = performance(mdp, new), surrogate(mdp, old, new)
    for form in ("average", "largest"):
        below = lower_bound(mdp, old, new, form=form)
        assert below <= truth
        assert (form == "largest") or abs(truth - promised) <= promised - below
        assert lower_bound(mdp, old, old, form=form) == performance(mdp, old)


def rare(p=0.05, gamma=0.9):
    """Right leads by luck p to where a bad turn costs 1; π goes straight and turns well."""
    P = np.zeros((2, 2, 2))
    P[0, 0, 0], P[0, 1] = 1, [1 - p, p]
    stop = np.array([[0.0, 0.0], [1.0, 1.0]])
    r = np.array([[0.0, 0.0], [0.0, -1.0]])
    return MDP(P, r, gamma, stop=stop, start=np.array([1.0, 0.0])).exact()


def test_the_average_divergence_in_the_bound_for_the_largest_is_caught():
    mdp = rare()
    old, new = np.array([0, 0]), np.array([1, 1])
    apart = occupancy(mdp, old) @ total_variation(mdp, old, np.array([0, 1]))
    assert apart == 0  # the turn is never come to
    size = 4 * sup(advantage(mdp, old)) * mdp.gamma / (1 - mdp.gamma) ** 2
    step = rational(1) / 10_000
    cautious = np.array([[1 - step, step], [0 * step, 1 + 0 * step]], dtype=object)
    mean = occupancy(mdp, old) @ total_variation(mdp, old, cautious)
    impostor = surrogate(mdp, old, cautious) - size * mean**2
    assert performance(mdp, cautious) < impostor
    assert performance(mdp, cautious) >= lower_bound(mdp, old, cautious, form="largest")
    assert performance(mdp, new) >= lower_bound(mdp, old, new, form="average")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_clipped_surrogate_is_below_the_surrogate(seed):
    mdp, old, new = drawn(seed)
    epsilon = rational(1) / 5
    clipped = clipped_surrogate(mdp, old, new, epsilon)
    reached = advantage(mdp, old) * (old > 0)  # what π never does is not seen
    seen = performance(mdp, old) + visits(mdp, old) @ expected_under(mdp, new, reached)
    assert clipped <= seen
    assert clipped_surrogate(mdp, old, old, epsilon) == performance(mdp, old)
    near = old + (new - old) / 1000  # ratios within 1 ± ε wherever old > 0
    if ((old > 0) | (near == old)).all():
        assert clipped_surrogate(mdp, old, near, epsilon) == surrogate(mdp, old, near)


def test_the_clipped_surrogate_does_not_bound_j():
    above = 0
    for seed in range(60):
        mdp, old, new = drawn(seed)
        clipped = clipped_surrogate(mdp, old, new, rational(1) / 5)
        above += clipped > performance(mdp, new)
    assert above >= 3


def test_clipping_the_ratio_before_the_advantage_is_caught():
    caught = 0
    for seed in SEEDS:
        mdp, old, new = drawn(seed)
        A, e = advantage(mdp, old), rational(1) / 5
        clipped = np.minimum(np.maximum(new, (1 - e) * old), (1 + e) * old)
        impostor = np.minimum(new, clipped * A)  # min(ρ, clip(ρ)A), the factor misplaced
        total = performance(mdp, old) + visits(mdp, old) @ np.add.reduceat(
            np.where(old > 0, impostor, 0 * old).reshape(-1), mdp.action_ptr[:-1]
        )
        caught += total != clipped_surrogate(mdp, old, new, e)
    assert caught == len(SEEDS)


def test_refusals():
    mdp, old, new = drawn(0)
    with pytest.raises(ValueError, match="form"):
        lower_bound(mdp, old, new, form="mean")
    last = layered(3, gammas=(1.0,))
    policy = np.zeros(last.n_states, dtype=int)
    with pytest.raises(ValueError, match="discount"):
        lower_bound(last, policy, policy)
