"""Normal, gamma and beta numbers by counting: words of (run, pull) and of nothing else.

    z₁, z₂ = √(−2 ln u) (cos 2πv, sin 2πv)                                  Box & Muller
    X = d (1 + z/√(9d))³, d = shape − 1/3, kept where ln U < z²/2 + d(1 − w + ln w), w = X/d
    X/(X + Y) ~ Beta(α, β)  for  X ~ Gamma(α), Y ~ Gamma(β)                 Marsaglia & Tsang

The two gammas of a beta number are kept or refused together, by one uniform number: a beta
number takes one counter nearly always.

Checked in tests/bandits/test_draws.py. Source: Marsaglia & Tsang (2000).
"""

from __future__ import annotations

import math

import numpy as np

from mdpkit._jit import njit
from mdpkit._random import philox, short_unit, unit
from mdpkit.operators.rollout import above

BERNOULLI, NORMAL, UNIFORM = 0, 1, 2
"""Kinds of noise: what `fill` draws and `mdpkit.bandits._game.pay` makes of it."""

TURN = 2 * math.pi

_SLOT = np.uint64(40)
"""Counters are pull + slot·2⁴⁰: so many pulls a run, and 2²⁴ draws a pull."""


@njit
def fill(kind, key, run, start, out):
    """Noise of the pulls start … of runs run …, one row a run; start even, columns even.

    out (n, m): uniform on [0, 1), or standard normal if kind is NORMAL
    """
    pairs = out.shape[1] // 2
    first = start // 2
    for i in range(out.shape[0]):
        if kind == NORMAL:
            for k in range(pairs):
                words = philox(key, np.uint64(run + i), np.uint64(first + k))
                out[i, 2 * k], out[i, 2 * k + 1] = normals(words)
        else:
            for k in range(pairs):
                a, b, c, d = philox(key, np.uint64(run + i), np.uint64(first + k))
                out[i, 2 * k] = unit(a, b)
                out[i, 2 * k + 1] = unit(c, d)


@njit
def words_of(key, run, pull, slot):
    """Four words of the slot-th draw that a run makes for a pull."""
    low = np.uint64(pull) + (np.uint64(slot) << _SLOT)
    return philox(key, np.uint64(run), low)


@njit
def normals(words):
    """Two independent standard normal numbers, of 53 bits."""
    radius = math.sqrt(-2.0 * math.log(1.0 - unit(words[0], words[1])))
    angle = TURN * unit(words[2], words[3])
    return radius * math.cos(angle), radius * math.sin(angle)


@njit(inline="always")
def _cubed(shape, z):
    """d and w of Marsaglia and Tsang's X = d·w, for shape ≥ 1."""
    d = shape - 1.0 / 3.0
    root = 1.0 + z / math.sqrt(9.0 * d)
    return d, root * root * root


@njit
def beta_number(alpha, beta, key, run, pull, slot):
    """A number ~ Beta(α, β), α, β > 0, by the slots 256·slot … of a pull."""
    a = alpha if alpha >= 1.0 else alpha + 1.0
    b = beta if beta >= 1.0 else beta + 1.0
    low = 256 * slot
    while True:
        words = words_of(key, run, pull, low)
        low += 1
        radius = math.sqrt(-2.0 * math.log(1.0 - unit(words[0], words[1])))
        angle = TURN * short_unit(words[2])
        y, z = radius * math.cos(angle), radius * math.sin(angle)
        (d, v), (e, w) = _cubed(a, y), _cubed(b, z)
        if v <= 0.0 or w <= 0.0:
            continue
        u = short_unit(words[3])
        y, z = y * y, z * z
        # Below 1 − 0.0331 z⁴ a number is kept for sure: the logarithms are seldom needed.
        if 0.0331 * (y * y + z * z) > 1.0 - u and u > 0.0:
            sure = 0.5 * (y + z) + d * (1.0 - v + math.log(v)) + e * (1.0 - w + math.log(w))
            if math.log(u) >= sure:
                continue
        if alpha >= 1.0 and beta >= 1.0:
            return d * v / (d * v + e * w)
        words = words_of(key, run, pull, low)
        return _lowered(math.log(e * w) - math.log(d * v), alpha, beta, words)


@njit
def _lowered(difference, alpha, beta, words):
    """X/(X + Y), by ln Y − ln X, after X·U^(1/α) for α < 1 and the same for Y."""
    if alpha < 1.0:
        difference -= math.log(1.0 - unit(words[0], words[1])) / alpha
    if beta < 1.0:
        difference += math.log(1.0 - unit(words[2], words[3])) / beta
    return 1.0 / (1.0 + math.exp(difference))


# ---- means of many runs ----------------------------------------------------------------------


@njit
def beta_means(key, alpha, beta, out):
    """out (runs, K) ~ Beta(alpha_a, beta_a)."""
    for i in range(out.shape[0]):
        for a in range(alpha.size):
            out[i, a] = beta_number(alpha[a], beta[a], key, i, 0, a)


@njit
def normal_means(key, mean, scale, out):
    """out (runs, K) ~ N(mean_a, scale_a²)."""
    for i in range(out.shape[0]):
        for a in range(mean.size):
            z, _ = normals(words_of(key, i, 0, a))
            out[i, a] = mean[a] + scale[a] * z


@njit
def chosen(key, upper, out):
    """out (runs,) the index i with probability upper_i − upper_{i−1}."""
    for i in range(out.size):
        words = words_of(key, i, 0, 0)
        out[i] = above(upper, 0, upper.size, unit(words[0], words[1]))
