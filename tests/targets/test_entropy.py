"""Targets that are paid for entropy: of every action, or of one that was drawn."""

import numpy as np
import pytest

from mdpkit import enumerate as every
from mdpkit.operators import aggregate
from mdpkit.operators.bellman import action_values, backup_q
from mdpkit.policy import expected_under
from mdpkit.targets import Expected, OneStep, Sampled, Twin
from tests.gradient_oracle import drawn_policy
from tests.target_oracle import SEEDS, TAU, expectation, far, near, next_actions, problem, table

# ---- entropy ---------------------------------------------------------------------------------


def soft_evaluation(mdp, pi, q, tau):
    """r + γP Σ_a π (q − τ log π), written down."""
    return action_values(mdp, expected_under(mdp, pi, q - tau * np.log(pi)))


def over_next_actions(mdp, pi, target):
    """E over t and ã of a target of `Sampled`; target(r, d, q̄(t,ã), log π(ã|t))."""
    rows, out = every.transitions(mdp), np.zeros(mdp.n_pairs)
    log_pi = np.log(pi).reshape(-1)
    for i in range(rows.pair.size):
        t = rows.next_state[i]
        own = np.arange(mdp.action_ptr[t], mdp.action_ptr[t + 1])
        same = [np.full(own.size, x) for x in (rows.reward[i], rows.discount[i])]
        y = target(*same, own, log_pi[own])
        out[rows.pair[i]] += rows.weight[i] * (pi.reshape(-1)[own] @ y)
    return out.reshape(mdp.pair_shape)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("tau", [0.0, TAU])
def test_the_sampled_and_the_expected_target_expect_the_soft_evaluation(seed, tau):
    mdp, q, other, _ = problem(seed)
    _, pi = drawn_policy(mdp, np.random.default_rng([seed, 6]))
    wanted = soft_evaluation(mdp, pi, q, tau)
    behind = next_actions(mdp, pi)
    near(expectation(mdp, Expected(behind, tau), q), wanted)
    flat, second = q.reshape(-1), other.reshape(-1)

    def sampled(r, d, own, log_pi):
        return Sampled(log_pi, tau)(r, d, flat[own])

    def clipped(r, d, own, log_pi):
        return Twin(Sampled(log_pi, tau))(r, d, np.stack([flat[own], second[own]]))

    near(over_next_actions(mdp, pi, sampled), wanted)
    least = soft_evaluation(mdp, pi, np.minimum(q, other), tau)
    near(over_next_actions(mdp, pi, clipped), least)
    near(expectation(mdp, Twin(Expected(behind, tau)), np.stack([q, other])), least)


@pytest.mark.parametrize("seed", SEEDS)
def test_under_the_soft_greedy_policy_it_is_the_soft_maximum(seed):
    mdp, q, *_ = problem(seed)
    e = np.exp(table(mdp, q, -np.inf) / TAU)
    pi = (e / e.sum(axis=1, keepdims=True))[every.transitions(mdp).next_state]
    soft = aggregate.soft(TAU)
    near(expectation(mdp, Expected(pi, TAU), q), backup_q(mdp, q, soft))
    other = aggregate.expected(pi)  # Boltzmann's average has no entropy
    if mdp.gamma > 0 and mdp.n_actions > 1:
        assert (expectation(mdp, OneStep(other), q) <= backup_q(mdp, q, soft)).all()


def test_entropy_twice_and_with_the_other_sign_is_caught():
    """The reward has it already; and + τ log π in place of −."""
    mdp, q, *_ = problem(
        next(k for k in SEEDS if problem(k)[0].gamma * problem(k)[0].n_actions > 1)
    )
    _, pi = drawn_policy(mdp, np.random.default_rng(6))
    flat, wanted = q.reshape(-1), soft_evaluation(mdp, pi, q, TAU)

    def twice(r, d, own, log_pi):
        return Sampled(log_pi, TAU)(r, d, flat[own] - TAU * log_pi)

    def added(r, d, own, log_pi):
        return Sampled(-log_pi, TAU)(r, d, flat[own])

    def undiscounted(r, d, own, log_pi):
        return Sampled()(r, d, flat[own]) - TAU * log_pi

    for wrong in (twice, added, undiscounted):
        assert far(over_next_actions(mdp, pi, wrong), wanted)


def test_without_entropy_the_sampled_target_is_that_of_sarsa():
    r, d, q = np.array([1.0, 2.0]), np.array([0.5, 0.0]), np.array([4.0, 8.0])
    assert Sampled()(r, d, q).tolist() == [3.0, 2.0]
