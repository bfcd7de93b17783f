"""Estimators of the policy gradient, by enumeration: exact means, exact variances, known slips.

In fractions nothing is near: an estimator is unbiased or it is not.
"""

import numpy as np
import pytest

import mdpkit as mk
from mdpkit import enumerate as every
from mdpkit.improve.estimators import (
    advantages,
    at_pairs,
    monte_carlo,
    n_step_advantages,
    path_weight,
    reinforce,
    reward_to_go,
    score_gradient,
)
from mdpkit.improve.moments import (
    bias,
    covariance,
    gae_bias,
    mean,
    n_step_bias,
    variance,
)
from mdpkit.operators.occupancy import pair_occupancy
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import softmax_gradient, visits
from mdpkit.operators.rollout import rollout
from mdpkit.operators.scores import softmax_scores
from tests.gradient_oracle import (
    FINITE,
    complex_gradient,
    drawn_policy,
    floats,
    fractions,
    horizon,
    layered,
    performance,
    softmax,
    whole,
)
from tests.oracles import random_mdp, rational

pytestmark = pytest.mark.filterwarnings("ignore:.*taken at their word")
SEEDS = range(10)
HALF = rational(1) / 2


def exactly(seed, **options):
    """A model whose paths end within 3 steps, a policy, its scores and all its paths."""
    mdp = layered(seed, **options).exact()
    pi = fractions(mdp, seed)
    return mdp, pi, softmax_scores(mdp, pi), every.trajectories(mdp, pi, 3)


def chain(first, second, gamma=1.0):
    """Two states in a row, then the end; each pays by its two actions. Even chances."""
    P = np.zeros((2, 2, 2))
    P[0, :, 1] = 1
    mdp = mk.MDP(P, [first, second], gamma, stop=[[0, 0], [1, 1]], start=[1, 0]).exact()
    pi = np.full((2, 2), HALF, dtype=object)
    return mdp, pi, softmax_scores(mdp, pi), every.trajectories(mdp, pi, 2)


# ---- unbiased --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_every_form_has_the_gradient_for_its_mean(seed):
    mdp, pi, scores, batch = exactly(seed)
    true = softmax_gradient(mdp, pi)
    v, q, A = policy_values(mdp, pi)
    b = whole(np.random.default_rng(seed), mdp.n_states)[batch.states[:-1]]
    forms = [
        reinforce(batch, scores),
        reinforce(batch, scores, rational(7)),
        reward_to_go(batch, scores),
        reward_to_go(batch, scores, b),
        score_gradient(batch, scores, at_pairs(batch, q)),
        score_gradient(batch, scores, at_pairs(batch, A)),
        *(
            score_gradient(batch, scores, advantages(batch, v, rational(k) / 4))
            for k in range(5)
        ),
        *(score_gradient(batch, scores, n_step_advantages(batch, v, n)) for n in (1, 2, 5)),
    ]
    for samples in forms:
        assert samples.shape == (batch.weight.size, scores.size)
        assert (bias(samples, batch.weight, true) == 0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_linear_policies_have_the_same_forms(seed):
    mdp, pi, _, batch = exactly(seed)
    phi = whole(np.random.default_rng(seed), (mdp.n_pairs, 2))
    scores = softmax_scores(mdp, pi, phi)
    true = phi.T @ softmax_gradient(mdp, pi).reshape(-1)
    for form in (reinforce, reward_to_go):
        assert (bias(form(batch, scores), batch.weight, true) == 0).all()


def agree(seed):
    """The four forms of the theorem in floats, held against complex steps of J."""
    mdp = layered(seed, n_actions=2 + seed % 2, gammas=(*FINITE, 0.99, 1.0))
    theta, pi = drawn_policy(mdp, np.random.default_rng(seed))
    scores, batch = softmax_scores(mdp, pi), every.trajectories(mdp, pi, 3)
    _, q, A = policy_values(mdp, pi)
    scale = 1 / (1 - mdp.gamma) if mdp.gamma < 1 else 1.0
    x = scale * pair_occupancy(mdp, pi)
    forms = [
        scores.gathered((x * q).reshape(-1)),
        scores.gathered((x * A).reshape(-1)),
        mean(score_gradient(batch, scores, at_pairs(batch, q)), batch.weight),
        mean(reinforce(batch, scores), batch.weight),
        softmax_gradient(mdp, pi).reshape(-1),
    ]
    true = complex_gradient(lambda y: performance(mdp, softmax(mdp, y)), theta)
    return max(np.abs(form - true).max() for form in forms), 1e-10 * horizon(mdp) ** 3


@pytest.mark.parametrize("seed", range(60))
def test_the_four_forms_agree_with_the_closed_form(seed):
    found, allowed = agree(seed)
    assert found <= allowed


@pytest.mark.slow
def test_the_four_forms_agree_on_five_hundred_models():
    for seed in range(500):
        found, allowed = agree(1000 + seed)
        assert found <= allowed, seed


@pytest.mark.parametrize("seed", range(20))
def test_the_occupancy_forms_agree_on_models_with_loops(seed):
    mdp = random_mdp(seed, gammas=(0.5, 0.9, 0.99))
    theta, pi = drawn_policy(mdp, np.random.default_rng(seed))
    true = complex_gradient(lambda y: performance(mdp, softmax(mdp, y)), theta)
    scores, (_, q, A) = softmax_scores(mdp, pi), policy_values(mdp, pi)
    x = pair_occupancy(mdp, pi) / (1 - mdp.gamma)
    allowed = 1e-10 * horizon(mdp) ** 3 * max(1.0, mdp.reward_size)
    for weight in (x * q, x * A):
        assert np.abs(scores.gathered(weight.reshape(-1)) - true).max() <= allowed


# ---- wrong values ----------------------------------------------------------------------------


def from_state(mdp, pi, s, horizon=3):
    start = np.where(np.arange(mdp.n_states) == s, rational(1), rational(0))
    return every.trajectories(mdp, pi, horizon, start=start)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_bias_of_bootstrapping_is_what_the_formulas_say(seed):
    """E[A-hat | s,a] − A for any V, in fractions, at every pair; 0 for V = v^π."""
    mdp, pi, scores, batch = exactly(seed)
    v, _, A = policy_values(mdp, pi)
    V = v + whole(np.random.default_rng(seed), mdp.n_states)
    lam = rational(2) / 3
    kinds = [(lambda b, V: advantages(b, V, lam), lambda V: gae_bias(mdp, pi, V, lam))]
    kinds += [
        (
            lambda b, V, n=n: n_step_advantages(b, V, n),
            lambda V, n=n: n_step_bias(mdp, pi, V, n),
        )
        for n in (1, 2, 3)
    ]
    for estimate, formula in kinds:
        assert (formula(v) == 0).all()
        expected = formula(V).reshape(-1)
        for s in range(mdp.n_states):
            paths = from_state(mdp, pi, s)
            found = estimate(paths, V)[0]
            for pair in range(mdp.action_ptr[s], mdp.action_ptr[s + 1]):
                own = paths.pairs[0] == pair
                average = (paths.weight[own] @ found[own]) / paths.weight[own].sum()
                assert average - A.reshape(-1)[pair] == expected[pair]
        samples = score_gradient(batch, scores, estimate(batch, V))
        x = np.repeat(visits(mdp, pi), np.diff(mdp.action_ptr)) * pi.reshape(-1)
        off = bias(samples, batch.weight, softmax_gradient(mdp, pi))
        assert (off == scores.gathered(x * expected)).all()


def test_lambda_one_leaves_a_baseline_and_no_bias():
    mdp, pi, scores, batch = exactly(3)
    V = whole(np.random.default_rng(3), mdp.n_states)
    true = softmax_gradient(mdp, pi)
    off = [
        bias(score_gradient(batch, scores, advantages(batch, V, lam)), batch.weight, true)
        for lam in (rational(0), rational(1))
    ]
    assert (off[0] != 0).any()
    assert (off[1] == 0).all()


# ---- the slips of the textbooks --------------------------------------------------------------


def test_a_sum_without_one_minus_lambda_makes_every_gradient_five_times_as_large():
    """Σ λⁿ⁻¹ A⁽ⁿ⁾ = GAE/(1−λ): at λ = ⅘ the mean of the gradient is 5∇J."""
    mdp, pi, scores, batch = exactly(1)
    v, lam = policy_values(mdp, pi).v, rational(4) / 5
    # Every path is over after 3 steps, so A⁽ⁿ⁾ = A⁽³⁾ from 3 on: Σ_{n≥3} λⁿ⁻¹ = λ²/(1−λ).
    parts = [n_step_advantages(batch, v, n) for n in (1, 2, 3)]
    unweighted = parts[0] + lam * parts[1] + lam**2 / (1 - lam) * parts[2]
    found = mean(score_gradient(batch, scores, unweighted), batch.weight)
    true = softmax_gradient(mdp, pi).reshape(-1)
    assert (true != 0).any()
    assert (found == 5 * true).all()


def test_a_baseline_under_the_sum_is_biased():
    """Σ_{k≥t} (r_k − V(s_k)): V(s_k), k > t, knows what a_t did. By hand.

    From state 0 one action leads to state 1, worth 1, and the other to the end: v(0) = ½ and
    ∂J/∂θ = ±¼. Both actions have Σ (r − V) = −½, so the garbled gradient is 0.
    """
    P = np.zeros((2, 2, 2))
    P[0, 0, 1] = 1
    stop = [[0, 1], [1, 1]]
    mdp = mk.MDP(P, [[0, 0], [1, 1]], 1.0, stop=stop, start=[1, 0]).exact()
    pi = np.full((2, 2), HALF, dtype=object)
    scores, batch = softmax_scores(mdp, pi), every.trajectories(mdp, pi, 2)
    v = policy_values(mdp, pi).v[batch.states[:-1]]
    right = reward_to_go(batch, scores, v)
    assert mean(right, batch.weight).tolist() == [HALF / 2, -HALF / 2, 0, 0]
    under = batch._replace(rewards=batch.rewards - path_weight(batch) * v)
    assert mean(reward_to_go(under, scores), batch.weight).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_without_the_discount_the_states_are_weighted_by_undiscounted_visits(seed):
    """E Σ ∇ log π_t A_t = Σ_s n_1(s) π A_γ, n_1 undiscounted visits: the exact difference."""
    mdp, pi, scores, batch = exactly(seed, gammas=FINITE)
    A = policy_values(mdp, pi).advantage
    samples = score_gradient(batch, scores, at_pairs(batch, A), discount_states=False)
    n = [visits(mdp.replace(gamma=1), pi), visits(mdp, pi)]
    each = [np.repeat(x, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape) for x in n]
    off = bias(samples, batch.weight, softmax_gradient(mdp, pi))
    assert (off == ((each[0] - each[1]) * pi * A).reshape(-1)).all()
    inner = mean(samples, batch.weight) @ softmax_gradient(mdp, pi).reshape(-1)
    assert (off == 0).all() or inner > 0  # tables: the same blocks, with other weights ≥ 0
    plain = reward_to_go(batch, scores, discount_states=False)
    assert (mean(plain, batch.weight) == mean(samples, batch.weight)).all()


def test_without_the_discount_shared_parameters_may_go_straight_down():
    """Two states that look alike share a parameter: ∇J = ¼(3 − ½·4) = ¼, and −¼ without γᵗ."""
    mdp, pi, _, batch = chain([3, 0], [0, 4], gamma=0.5)
    shared = softmax_scores(mdp, pi, np.array([[1], [0], [1], [0]]) * rational(1))
    right = mean(reward_to_go(batch, shared), batch.weight)
    wrong = mean(reward_to_go(batch, shared, discount_states=False), batch.weight)
    assert right.tolist() == [HALF**2]
    assert wrong.tolist() == [-(HALF**2)]


def spread(form, case):
    _, _, scores, batch = case
    return variance(form(batch, scores), batch.weight).sum()


def test_dropping_past_rewards_may_raise_the_variance():
    """Found by search over whole rewards: (1, 2) and then −2 whatever is done.

    The past reward is a baseline for the step that follows: 3/8 with it, 17/8 without. With
    (1, 1) and then (−1, −1) every return is 0, and so is the variance, until it is dropped.
    """
    case = chain([1, 2], [-2, -2])
    assert spread(reinforce, case) == rational(3) / 8
    assert spread(reward_to_go, case) == rational(17) / 8
    null = chain([1, 1], [-1, -1])
    assert spread(reinforce, null) == 0
    assert spread(reward_to_go, null) == HALF
    usual = chain([-2, 2], [0, 0])
    assert spread(reinforce, usual) == 2
    assert spread(reward_to_go, usual) == 0


def test_neither_order_of_the_variances_is_a_rare_accident():
    higher = [
        spread(reward_to_go, exactly(seed, layers=2, width=1, gammas=(1.0,)))
        - spread(reinforce, exactly(seed, layers=2, width=1, gammas=(1.0,)))
        for seed in range(40)
    ]
    assert 1 <= sum(x > 0 for x in higher) < sum(x < 0 for x in higher)


@pytest.mark.parametrize("seed", SEEDS)
def test_past_rewards_have_no_part_in_the_mean(seed):
    """E[∇ log π_t r_k] = 0 for k < t, in fractions."""
    _, _, scores, batch = exactly(seed)
    for k in range(3):
        for t in range(3):
            weight = np.zeros((3, 1), dtype=object) * batch.rewards
            weight[t] = batch.rewards[k]
            found = mean(scores.on_paths(batch.pairs, weight), batch.weight)
            assert k >= t or (found == 0).all()


# ---- where paths do not end ------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_a_horizon_leaves_out_a_known_tail(seed):
    """‖Σ_{t<T} γᵗ Pr(s_t = ·) − H d‖₁ = γᵀH; times max|q| max|∇ log π| it bounds the bias."""
    rng = np.random.default_rng(seed)
    P = rng.multinomial(4, [1 / 2, 1 / 2], size=(2, 2)) / 4
    gamma = float(rng.choice(FINITE))
    mdp = mk.MDP(P, rng.integers(-3, 4, size=(2, 2)).astype(float), gamma).exact()
    pi = fractions(mdp, seed)
    scores, T = softmax_scores(mdp, pi), 4
    batch, factor, seen = every.trajectories(mdp, pi, T), rational(1), np.full(2, rational(0))
    for t in range(T):
        here = [batch.weight[batch.states[t] == s].sum() for s in range(2)]
        seen, factor = seen + factor * np.array(here, dtype=object), factor * mdp.gamma
    tail = factor / (1 - mdp.gamma)
    assert abs(seen - visits(mdp, pi)).sum() == tail
    q = policy_values(mdp, pi).q
    samples = score_gradient(batch, scores, at_pairs(batch, q))
    off = abs(bias(samples, batch.weight, softmax_gradient(mdp, pi))).max()
    assert off <= tail * abs(q).max() * abs(scores.table()).max()


def test_a_cut_path_bootstraps_from_values():
    """With V = v^π the returns of cut paths lose nothing: E G_0 is J, at any horizon."""
    mdp = mk.MDP([[[0.5, 0.5]], [[0.25, 0.75]]], [[1.0], [-2.0]], 0.9).exact()
    pi = np.zeros(2, dtype=int)
    v, batch = policy_values(mdp, pi).v, every.trajectories(mdp, pi, 3)
    assert batch.weight @ monte_carlo(batch, v)[0] == mdp.start @ v
    assert batch.weight @ monte_carlo(batch)[0] != mdp.start @ v


# ---- samples ---------------------------------------------------------------------------------


def test_moments_are_those_of_numpy():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(50, 3)), np.full(50, 1 / 50)
    assert np.abs(mean(x, w) - x.mean(axis=0)).max() <= 1e-15
    assert np.abs(covariance(x, w) - np.cov(x.T, bias=True)).max() <= 1e-14
    assert np.abs(variance(x, w) - x.var(axis=0)).max() <= 1e-14
    with pytest.raises(ValueError, match="weight has shape"):
        mean(x, w[:-1])


@pytest.mark.stat
@pytest.mark.parametrize("seed", range(3))
def test_samples_come_near_the_exact_mean(seed):
    """20000 sampled paths within 5 standard errors, which enumeration knows exactly.

    About 60 numbers are compared, so it fails by chance 60 · 6e-7 < 1e-4 of the time.
    """
    mdp = layered(seed)
    pi = floats(fractions(mdp, seed))
    scores, all_ = softmax_scores(mdp, pi), every.trajectories(mdp, pi, 3)
    drawn = rollout(mdp, pi, 3, n=20000, rng=seed)
    for form in (reinforce, reward_to_go):
        exact = form(all_, scores)
        error = np.sqrt(variance(exact, all_.weight) / 20000)
        off = mean(form(drawn, scores), drawn.weight) - mean(exact, all_.weight)
        assert (np.abs(off) <= 5 * error + 1e-12).all()
