"""Control variates: what is known of one quantity takes variance out of another.

    E[f + c (g − E g)] = E f  for every c,      Var = Var f + 2c Cov(f,g) + c² Var g
    c* = −Cov(f,g)/Var g,                       least variance  Var f · (1 − ρ²)

ρ is the correlation of f and g. With c estimated on the samples it is used on, the mean is
biased by O(1/n): half of the samples then serve the other half (`controlled_mean`).
Checked in tests/operators/test_importance.py. Source: Owen (2013), §8.9.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit.operators.importance import Estimate


def optimal_coefficient(f: Any, g: Any, weight: Any = None) -> Any:
    """c* = −Cov(f, g)/Var g; exact on exact numbers. f, g : (n,) outcomes.

    weight : (n,) their probabilities; None is 1/n each. Raises ValueError if g is constant:
    then it says nothing of f.
    """
    f, g = np.asarray(f), np.asarray(g)
    weight = np.full(f.size, 0 * f[0] + 1) / f.size if weight is None else np.asarray(weight)
    apart = g - weight @ g
    variance = weight @ apart**2
    if variance == 0:
        raise ValueError("the control variate is constant: it says nothing of the other.")
    return -(weight @ (f * apart)) / variance


def controlled_mean(f: Any, g: Any, mean: float) -> Estimate:
    """E f from n ≥ 4 independent samples of (f, g) with E g = mean known; unbiased.

    f, g : (n,). Each half of the samples is corrected with the c* of the other half.
    """
    f, g = np.asarray(f, dtype=float), np.asarray(g, dtype=float)
    n = f.size
    if n < 4:
        raise ValueError(f"{n} samples cannot be halved; pass at least 4.")
    one, other, c = slice(None, n // 2), slice(n // 2, None), np.zeros(n)
    for own, rest in ((one, other), (other, one)):
        if np.ptp(g[rest]) > 0:  # otherwise they say nothing of c, and it stays 0
            c[own] = optimal_coefficient(f[rest], g[rest])
    terms = f + c * (g - mean)
    return Estimate(terms.mean(), float(terms.std(ddof=1) / np.sqrt(n)), float(n))
