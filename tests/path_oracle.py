"""Every path of a small model, one by one: the slow truth for messages and their gradients."""

from itertools import pairwise
from math import exp, prod

import numpy as np

from tests.oracles import pair_rows


def paths(mdp, horizon, start=None):
    """(pairs, chance): what is taken at each step, and how likely the dynamics let it be.

    A path ends after `horizon` steps or where the episode stops; `chance` is μ(s_0) times the
    transitions taken, and the stop if there is one.
    """
    rows, stop = pair_rows(mdp), np.asarray(mdp.stop).reshape(-1)
    found = []

    def grow(taken, chance, s):
        for pair in range(mdp.action_ptr[s], mdp.action_ptr[s + 1]):
            now = (*taken, int(pair))
            if len(now) == horizon:
                found.append((now, chance))
                continue
            if stop[pair] != 0:
                found.append((now, chance * stop[pair]))
            for t, p in rows[pair]:
                if p != 0:
                    grow(now, chance * p, t)

    for s, p in enumerate(mdp.start if start is None else start):
        if p != 0:
            grow((), p, s)
    return found


def tiny(seed, scale=1.0, stops=True):
    """A random model of at most 3 states and 2 actions, rewards of the size of `scale`."""
    rng = np.random.default_rng(seed)
    S, A = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    P = rng.dirichlet(np.ones(S), size=(S, A))
    if rng.random() < 0.25:
        P = np.eye(S)[rng.integers(S, size=(S, A))]
    if rng.random() < 0.5:
        P = np.where(rng.random(P.shape) < 0.4, 0.0, P)
        P = np.where(P.sum(-1, keepdims=True) > 0, P, np.eye(S)[0])
        P = P / P.sum(-1, keepdims=True)
    stop = np.zeros((S, A))
    if stops and rng.random() < 0.5:
        stop = np.where(rng.random((S, A)) < 0.5, rng.random((S, A)), 0.0)
    from mdpkit.mdp import MDP

    return MDP(
        P * (1 - stop)[..., None],
        scale * rng.normal(size=(S, A)),
        0.9,
        stop=stop,
        start=rng.dirichlet(np.ones(S)),
    )


def weighed(mdp, horizon, tau=1.0, prior=None):
    """(pairs, chance · prior · e^{Σr/τ}) of every path."""
    r = mdp.r.reshape(-1)
    p = np.ones(mdp.n_pairs) if prior is None else np.asarray(prior).reshape(-1)
    return [
        (taken, chance * prod(p[i] for i in taken) * exp(sum(r[i] for i in taken) / tau))
        for taken, chance in paths(mdp, horizon)
    ]


def likelihood_to_go(mdp, horizon, pair, tau=1.0, prior=None):
    """p(O|s,a) over `horizon` steps that begin with one pair, by enumeration."""
    s = int(mdp.pair_states[pair])
    p = 1.0 if prior is None else np.asarray(prior).reshape(-1)[pair]
    start = np.eye(mdp.n_states)[s]
    r, prior = mdp.r.reshape(-1), None if prior is None else np.asarray(prior).reshape(-1)
    total = 0.0
    for taken, chance in paths(mdp, horizon, start):
        if taken[0] == pair:
            own = 1.0 if prior is None else prod(prior[i] for i in taken)
            total += chance * own * exp(sum(r[i] for i in taken) / tau)
    return total / p


def moves(taken):
    """Consecutive pairs of a path."""
    return list(pairwise(taken))
