"""Bandits as their definitions say, one pull at a time: what kernels are held against.

The luck of pull t of run i is read from the same counters; choices are made in plain Python,
indices from scratch, roots by bisection.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np

from mdpkit._random import keys, philox, unit
from mdpkit.bandits import Gaussian, Uniform


def words(key, run, pull, slot=0):
    return philox(key, np.uint64(run), np.uint64(pull + (slot << 40)))


def normal_pair(w):
    radius, angle = math.sqrt(-2 * math.log1p(-unit(*w[:2]))), 2 * math.pi * unit(*w[2:])
    return radius * math.cos(angle), radius * math.sin(angle)


def reward(bandit, mean, arm, key, run, t):
    """What pull t pays."""
    w = philox(key, np.uint64(run), np.uint64(t // 2))
    u = unit(*w[2:]) if t % 2 else unit(*w[:2])
    width = np.broadcast_to(bandit.width, (bandit.n_arms,))[arm]
    if isinstance(bandit.noise, Gaussian):
        return mean + width * normal_pair(w)[t % 2]
    if isinstance(bandit.noise, Uniform):
        return mean + width * (2 * u - 1)
    return float(u < mean)


def game(bandit, choose, horizon, rng, run, means):
    """Arms and rewards of one run; choose(arms, rewards, t, words) → arm."""
    _, luck, own = keys(rng, 3)
    arms, rewards = [], []
    for t in range(horizon):
        arm = choose(arms, rewards, t, lambda slot, t=t: words(own, run, t, slot))
        arms.append(arm)
        rewards.append(reward(bandit, means[arm], arm, luck, run, t))
    return np.array(arms), np.array(rewards)


def seen(arms, rewards, k):
    """Pulls and sums of rewards of each arm."""
    n = np.bincount(arms, minlength=k) if arms else np.zeros(k, dtype=int)
    return n, np.bincount(arms, weights=rewards, minlength=k) if arms else np.zeros(k)


def first_largest(x):
    return max(range(len(x)), key=lambda a: (x[a], -a))


def by_index(k, index):
    """Each arm once, then the largest index(mean, n, t)."""

    def choose(arms, rewards, t, _):
        if t < k:
            return t
        n, s = seen(arms, rewards, k)
        return first_largest([index(s[a] / n[a], n[a], t) for a in range(k)])

    return choose


def kl(p, q):
    terms = ((p, q), (1 - p, 1 - q))
    return sum(a * math.log(a / b) if b > 0 else math.inf for a, b in terms if a > 0)


def kl_bisected(mean, n, bound):
    """max {q ≥ mean: n kl(mean, q) ≤ bound}, by halving."""
    low, high = mean, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if n * kl(mean, middle) <= bound:
            low = middle
        else:
            high = middle
    return low


def histories(means, policy, horizon):
    """Every history of coins with its probability: (arms, rewards, p), in exact fractions.

    policy(counts, sums) → (K,) probabilities
    """
    k = len(means)
    for arms in product(range(k), repeat=horizon):
        for rewards in product((0, 1), repeat=horizon):
            p = Fraction(1)
            counts, sums = np.zeros(k, dtype=int), np.zeros(k, dtype=int)
            for arm, r in zip(arms, rewards, strict=True):
                p *= Fraction(float(policy(counts, sums)[arm]))
                p *= means[arm] if r else 1 - means[arm]
                if p == 0:
                    break
                counts[arm] += 1
                sums[arm] += r
            if p > 0:
                yield arms, rewards, p


def bayes_optimal(alpha, beta, horizon):
    """The largest expected reward of coins with beta priors, by dynamic programming."""
    k = len(alpha)
    known = {}

    def value(state, left):
        if left == 0:
            return 0.0
        if (state, left) not in known:
            best = 0.0
            for a in range(k):
                x, y = state[2 * a], state[2 * a + 1]
                won = (*state[: 2 * a], x + 1, *state[2 * a + 1 :])
                lost = (*state[: 2 * a + 1], y + 1, *state[2 * a + 2 :])
                p = x / (x + y)
                after = p * (1 + value(won, left - 1)) + (1 - p) * value(lost, left - 1)
                best = max(best, after)
            known[state, left] = best
        return known[state, left]

    start = tuple(x for pair in zip(alpha, beta, strict=True) for x in pair)
    return value(start, horizon)
