"""Models with rewards in [0, 1], runs of methods on them, and what is known of both."""

import numpy as np

import mdpkit as mk
from mdpkit.plan import PolicyIteration, SoftPolicyIteration

EPSILON = 2.0**-52


def drawn(seed, gammas=(0.5, 0.8, 0.9), n_states=4, n_actions=3):
    """A dense model with rewards in [0, 1] that are spread over it."""
    rng = np.random.default_rng([seed, 11])
    P = rng.dirichlet(np.full(n_states, 0.3), size=(n_states, n_actions))
    r = rng.random((n_states, n_actions))
    r = (r - r.min()) / (r.max() - r.min())
    return mk.MDP(P, r, float(rng.choice(gammas)))


def whole_numbers(seed, n_states=3, n_actions=3):
    """The same with probabilities and rewards that are small fractions, exactly."""
    rng = np.random.default_rng([seed, 12])
    P = rng.multinomial(6, np.full(n_states, 1 / n_states), size=(n_states, n_actions)) / 6
    r = rng.integers(0, 7, size=(n_states, n_actions)) / 6
    return mk.MDP(P, r, float(rng.choice((0.5, 0.75, 0.9)))).exact()


def policy_of(mdp, seed):
    """A random policy that takes every action."""
    rng = np.random.default_rng([seed, 13])
    return rng.dirichlet(np.ones(mdp.n_actions), size=mdp.n_states)


def run(mdp, method, steps):
    """The states of a run, from step 0 to `steps`."""
    states = [method.init(mdp)]
    for _ in range(steps):
        states.append(method.step(mdp, states[-1]))
    return states


def optimum(mdp, tau=0.0):
    """(S,) v*, or v*_τ, to rounding."""
    method = SoftPolicyIteration(tau) if tau else PolicyIteration()
    return mk.solve(mdp, method, tol=0.0, throw=False).v


def near(mdp, factor=100):
    """What rounding may do to a value: `factor` ulps of H², for rewards in [0, 1]."""
    return factor * EPSILON / (1 - float(mdp.gamma)) ** 2


def within(bounded, slack):
    """Whether every error of a run is at most its bound."""
    return bool((bounded.errors <= bounded.bounds + slack).all())
