"""Off-policy gradients by enumerating the behavior's paths, in fractions."""

from itertools import pairwise

import numpy as np
import pytest

import mdpkit as mk
from mdpkit import enumerate as every
from mdpkit.errors import ModelError
from mdpkit.improve.estimators import (
    at_pairs,
    monte_carlo,
    reward_to_go,
    score_gradient,
)
from mdpkit.improve.moments import bias, mean, variance
from mdpkit.improve.off_policy import (
    action_ratios,
    first_order,
    full_trajectory,
    past_only,
    per_decision,
    per_decision_return,
    state_ratios,
)
from mdpkit.operators.occupancy import pair_occupancy
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import softmax_gradient
from mdpkit.operators.scores import softmax_scores
from tests.gradient_oracle import fractions, layered, whole
from tests.oracles import rational

SEEDS = range(10)
HALF = rational(1) / 2


def exactly(seed, **options):
    """A model, target and behavior, the target's scores, the behavior's paths, and ρ."""
    mdp = layered(seed, **options).exact()
    target, behavior = fractions(mdp, seed), fractions(mdp, 100 + seed)
    batch = every.trajectories(mdp, behavior, 3)
    ratios = action_ratios(mdp, batch, target, behavior)
    return mdp, target, behavior, softmax_scores(mdp, target), batch, ratios


@pytest.mark.parametrize("seed", SEEDS)
def test_full_and_per_decision_sampling_are_unbiased(seed):
    mdp, target, _, scores, batch, ratios = exactly(seed)
    true = softmax_gradient(mdp, target)
    b = whole(np.random.default_rng(seed), mdp.n_states)[batch.states[:-1]]
    for samples in (
        full_trajectory(batch, ratios, scores),
        full_trajectory(batch, ratios, scores, rational(3)),
        per_decision(batch, ratios, scores),
        per_decision(batch, ratios, scores, b),
    ):
        assert (bias(samples, batch.weight, true) == 0).all()
    assert batch.weight @ np.prod(ratios, axis=0) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_on_its_own_paths_nothing_is_weighed(seed):
    mdp, target, _, scores, _, _ = exactly(seed)
    batch = every.trajectories(mdp, target, 3)
    ratios = action_ratios(mdp, batch, target, target)
    assert (ratios == 1).all()
    plain = reward_to_go(batch, scores)
    for form in (per_decision, past_only, first_order):
        assert (form(batch, ratios, scores) == plain).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_per_decision_returns_are_the_written_sums(seed):
    """W_t = Σ_{k≥t} γᵏ⁻ᵗ r_k Π_{t<u≤k} ρ_u: ρ_t is not in it."""
    mdp, target, behavior, _, batch, ratios = exactly(seed)
    found = per_decision_return(batch, ratios)
    for t in range(3):
        total, factor = 0 * found[0], 0 * found[0] + 1
        for k in range(t, 3):
            total = total + factor * batch.rewards[k]
            factor = factor * batch.discounts[k] * (ratios[k + 1] if k < 2 else 1)
        assert (found[t] == total).all()
    # Of mean q^π, given the pair; values as a control variate leave that as it is.
    q, V = policy_values(mdp, target).q, whole(np.random.default_rng(seed), mdp.n_states)
    for returns in (found, per_decision_return(batch, ratios, V)):
        for pair in np.unique(batch.pairs[0]):
            own = batch.pairs[0] == pair
            average = (batch.weight[own] @ returns[0, own]) / batch.weight[own].sum()
            assert average == q.reshape(-1)[pair]
    exact = per_decision_return(batch, ratios, policy_values(mdp, target).v)
    assert (behavior == target).all() or (exact != found).any()


# ---- the slips of the textbooks --------------------------------------------------------------


def doubled(batch, ratios, scores):
    """Π_{u≤t} ρ_u and then Π_{t≤u≤k} ρ_u: ρ_t stands twice."""
    gain = np.cumprod(ratios, axis=0) * ratios * per_decision_return(batch, ratios)
    return score_gradient(batch, scores, gain)


def test_the_doubled_ratio_by_hand():
    """π even, b = (¼, ¾), pay (1, 0): ∂J = ¼; with ρ_0² = 4 on the first action it is ½."""
    mdp = mk.MDP(np.zeros((1, 2, 1)), [[1, 0]], 0.5, stop=np.ones((1, 2))).exact()
    target = np.array([[HALF, HALF]])
    behavior = np.array([[HALF / 2, HALF * 3 / 2]])
    batch = every.trajectories(mdp, behavior, 1)
    ratios, scores = (
        action_ratios(mdp, batch, target, behavior),
        softmax_scores(mdp, target),
    )
    assert mean(per_decision(batch, ratios, scores), batch.weight)[0] == HALF / 2
    assert mean(doubled(batch, ratios, scores), batch.weight)[0] == HALF


@pytest.mark.parametrize("seed", SEEDS)
def test_the_doubled_ratio_weighs_by_the_square(seed):
    """Its mean is Σ γᵗ E_π[ρ_t q^π ∇ log π]: the exact difference, in fractions."""
    mdp, target, behavior, scores, batch, ratios = exactly(seed)
    found = mean(doubled(batch, ratios, scores), batch.weight)
    own = every.trajectories(mdp, target, 3)
    q = at_pairs(own, policy_values(mdp, target).q)
    again = action_ratios(mdp, own, target, behavior)
    assert (found == mean(score_gradient(own, scores, again * q), own.weight)).all()
    assert (found != softmax_gradient(mdp, target).reshape(-1)).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_dropping_future_ratios_takes_the_future_of_the_behavior(seed):
    """Its mean is Σ γᵗ E_π[q^b ∇ log π]: the exact difference, and biased."""
    mdp, target, behavior, scores, batch, ratios = exactly(seed)
    found = mean(past_only(batch, ratios, scores), batch.weight)
    own = every.trajectories(mdp, target, 3)
    q = at_pairs(own, policy_values(mdp, behavior).q)
    assert (found == mean(score_gradient(own, scores, q), own.weight)).all()
    assert (found != softmax_gradient(mdp, target).reshape(-1)).any()


# ---- marginal ratios -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_marginal_ratios_are_exact_with_the_visits_of_the_states(seed):
    """ω = d^π/d^b, or step by step Pr_π(s_t)/Pr_b(s_t), and ψ of mean q^π; not with ω = 1."""
    mdp, target, behavior, scores, batch, ratios = exactly(seed)
    true = softmax_gradient(mdp, target)
    omega, q = state_ratios(mdp, target, behavior), policy_values(mdp, target).q
    W = per_decision_return(batch, ratios)
    own = every.trajectories(mdp, target, 3)
    each = np.zeros((3, mdp.n_states), dtype=object)
    for t in range(3):
        chances = []
        for paths in (own, batch):
            here = np.full(mdp.n_states, rational(0))
            run = paths.pairs[t] >= 0
            np.add.at(here, paths.states[t][run], paths.weight[run])
            chances.append(here)
        met = chances[1] != 0
        each[t, met] = chances[0][met] / chances[1][met]
    steps = np.array([each[t][batch.states[t]] for t in range(3)])
    for samples in (
        first_order(batch, ratios, scores, at_pairs(batch, q), states=omega),
        first_order(batch, ratios, scores, at_pairs(batch, q), states=steps),
        first_order(batch, ratios, scores, W, states=steps),
    ):
        assert (bias(samples, batch.weight, true) == 0).all()
    assert (
        bias(first_order(batch, ratios, scores, at_pairs(batch, q)), batch.weight, true) != 0
    ).any()
    biased = first_order(batch, ratios, scores, states=steps)  # b's returns
    assert (bias(biased, batch.weight, true) != 0).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_state_marginal_form_is_a_sum_over_the_visits_of_the_behavior(seed):
    """H E_{s~d^b, a~b}[(d^π/d^b)(π/b) q^π ∇ log π] = ∇J, in fractions."""
    mdp, target, behavior, scores, _, _ = exactly(seed, gammas=(0.5, 0.9))
    omega = np.repeat(state_ratios(mdp, target, behavior), np.diff(mdp.action_ptr))
    x = pair_occupancy(mdp, behavior).reshape(-1) / (1 - mdp.gamma)
    rho, q = (target / behavior).reshape(-1), policy_values(mdp, target).q.reshape(-1)
    found = scores.gathered(x * omega * rho * q)
    assert (found == softmax_gradient(mdp, target).reshape(-1)).all()


def test_first_order_is_right_to_first_order():
    """With b = π + ε(other − π) the error at ω = 1 falls with ε; of `per_decision` it is 0."""
    mdp, target, other, scores, _, _ = exactly(2)
    true, errors = softmax_gradient(mdp, target), []
    for power in (1, 2, 3):
        behavior = target + (other - target) / rational(10) ** power
        batch = every.trajectories(mdp, behavior, 3)
        ratios = action_ratios(mdp, batch, target, behavior)
        off = bias(first_order(batch, ratios, scores), batch.weight, true)
        errors.append(abs(off).max())
        assert (bias(per_decision(batch, ratios, scores), batch.weight, true) == 0).all()
    for large, small in pairwise(errors):
        assert 8 <= large / small <= 12  # linear in ε


def test_either_form_may_vary_less():
    """Whether ratios per decision lower the variance is a matter of the model."""
    order = []
    for seed in range(30):
        _, _, _, scores, batch, ratios = exactly(seed, layers=2, width=1)
        spread = [
            variance(form(batch, ratios, scores), batch.weight).sum()
            for form in (full_trajectory, per_decision)
        ]
        order.append(spread[0] > spread[1])
    assert 1 <= sum(order) < len(order)


# ---- refusals --------------------------------------------------------------------------------


def test_an_action_the_behavior_never_takes_is_named():
    mdp = mk.MDP(np.zeros((1, 2, 1)), [[1, 0]], 0.5, stop=np.ones((1, 2)))
    never, half = np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    batch = every.trajectories(mdp, never, 1)
    with pytest.raises(ModelError, match=r"behavior\[0, 1\] is 0") as caught:
        action_ratios(mdp, batch, half, never)
    assert caught.value.witness == {"s": 0, "a": 1}
    both = every.trajectories(mdp, half, 1)
    assert action_ratios(mdp, both, never, half).tolist() == [[2.0, 0.0]]
    assert (full_trajectory(both, [[2.0, 0.0]], softmax_scores(mdp, half))[1] == 0).all()


def test_a_state_the_behavior_never_visits_is_named():
    P = np.zeros((2, 2, 2))
    P[0, 0, 1] = 1
    mdp = mk.MDP(P, np.zeros((2, 2)), 0.5, stop=[[0, 1], [1, 1]], start=[1, 0])
    away, there = np.array([1, 0]), np.array([0, 0])
    with pytest.raises(ModelError, match="never visits state 1"):
        state_ratios(mdp, there, away)
    assert state_ratios(mdp, away, there).tolist() == [1.0, 0.0]
    batch = every.trajectories(mdp, there, 2)
    assert monte_carlo(batch).shape == (2, 1)
