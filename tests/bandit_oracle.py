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


def explore_first(k, n):
    def choose(arms, rewards, t, _):
        if t < n * k:
            return t % k
        return first_largest(seen(arms[: n * k], rewards[: n * k], k)[1])

    return choose


def epsilon_greedy(k, rate, estimate):
    def choose(arms, rewards, t, words):
        a, b, c, _ = words(0)
        if ((int(a) >> 5) * 2**26 + (int(b) >> 6)) / 2**53 < rate(t + 1):
            return (int(c) * k) >> 32
        return first_largest([estimate(arms, rewards, arm) for arm in range(k)])

    return choose


def mean_of(arms, rewards, arm):
    own = [r for a, r in zip(arms, rewards, strict=True) if a == arm]
    return sum(own) / len(own) if own else 0.0


def weighted(alpha, initial):
    """Σ_j α(1−α)^j r_j from the last reward back, and (1−α)^n of the initial value."""

    def estimate(arms, rewards, arm):
        own = [r for a, r in zip(arms, rewards, strict=True) if a == arm][::-1]
        recent = sum(alpha * (1 - alpha) ** j * r for j, r in enumerate(own))
        return recent + (1 - alpha) ** len(own) * initial

    return estimate


def gradient(k, alpha, baseline):
    def choose(arms, rewards, t, words):
        h = np.zeros(k)
        for i, (arm, r) in enumerate(zip(arms, rewards, strict=True)):
            pi = np.exp(h) / np.exp(h).sum()
            base = (np.mean(rewards[:i]) if i else r) if baseline else 0.0
            h += alpha * (r - base) * ((np.arange(k) == arm) - pi)
        pi = np.exp(h) / np.exp(h).sum()
        a, b, _, _ = words(0)
        u = ((int(a) >> 5) * 2**26 + (int(b) >> 6)) / 2**53
        return int(np.searchsorted(np.cumsum(pi)[:-1], u, side="right"))

    return choose


def normal_thompson(k, sigma, mean, scale):
    def choose(arms, rewards, t, words):
        n, s = seen(arms, rewards, k)
        v = 1 / (1 / scale**2 + n / sigma**2)
        m = v * (mean / scale**2 + s / sigma**2)
        z = [normal_pair(words(a - a % 2))[a % 2] for a in range(k)]
        return first_largest(m + np.sqrt(v) * z)

    return choose


def finite_thompson(prior):
    def choose(arms, rewards, t, words):
        w = np.array(prior.weights)
        for arm, r in zip(arms, rewards, strict=True):
            p = prior.means[:, arm]
            w = w * (p if r else 1 - p)
        a, b, _, _ = words(0)
        u = ((int(a) >> 5) * 2**26 + (int(b) >> 6)) / 2**53
        m = np.searchsorted(np.cumsum(w / w.sum())[:-1], u, side="right")
        return first_largest(prior.means[m])

    return choose


def ucb(k, level):
    return by_index(k, lambda mean, n, t: mean + math.sqrt(level(t) / n))


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
