"""Regularized optima in ball arithmetic, by plain iteration: what floats are held against."""

from contextlib import contextmanager

import flint
import numpy as np

from tests.oracles import pair_rows, rational

BITS = 400


@contextmanager
def precise():
    """Work with BITS bits."""
    before, flint.ctx.prec = flint.ctx.prec, BITS
    try:
        yield
    finally:
        flint.ctx.prec = before


def ball(x):
    """A float or a rational as a ball."""
    return flint.arb(rational(x))


def soft(q, tau, weight):
    """τ log Σ w e^{q/τ}, from the best action on."""
    top = max((x for x, w in zip(q, weight, strict=True) if w > 0), key=float)
    return (
        top
        + tau
        * sum(
            (w * ((x - top) / tau).exp() for x, w in zip(q, weight, strict=True) if w > 0),
            flint.arb(0),
        ).log()
    )


def sparsemax(q, tau, _):
    """max_π Σ πq + (τ/2)(1 − Σπ²): by all sizes of its support, the best actions."""
    ranked = sorted(q, key=float, reverse=True)
    best = None
    for k in range(1, len(ranked) + 1):
        level = (sum(ranked[:k], flint.arb(0)) - tau) / k
        pi = [(x - level) / tau for x in ranked[:k]]
        if float(pi[-1]) < 0:
            break
        square = sum((p * p for p in pi), flint.arb(0))
        best = sum((p * x for p, x in zip(pi, ranked, strict=False)), flint.arb(0))
        best = best + tau / 2 * (1 - square)
    return best


def fixed_point(mdp, over, tau, weight=None, digits=22):
    """The fixed point of v ← ⊕_a [r + γPv], for an exact model with γ ≤ .9, as rationals.

    over : soft or sparsemax. The last change bounds the error: it is below 10^−digits of ‖v‖.
    """
    with precise():
        rows, gamma, tau = pair_rows(mdp), ball(mdp.gamma), ball(tau)
        rows = [[(t, ball(p)) for t, p in row] for row in rows]
        r = [ball(x) for x in mdp._r]
        w = [ball(x) for x in (np.ones(mdp.n_pairs) if weight is None else weight.reshape(-1))]
        v = [flint.arb(0)] * mdp.n_states
        while True:
            q = [
                x + gamma * sum((p * v[t] for t, p in row), flint.arb(0))
                for x, row in zip(r, rows, strict=True)
            ]
            new = []
            for s in range(mdp.n_states):
                own = slice(int(mdp.action_ptr[s]), int(mdp.action_ptr[s + 1]))
                new.append(over(q[own], tau, w[own]).mid())
            far = max(abs(float(a - b)) for a, b in zip(new, v, strict=True))
            v = new
            if far <= 10.0**-digits * (max(abs(float(x)) for x in v) + 1e-300):
                return [x.fmpq() if hasattr(x, "fmpq") else _fraction(x) for x in v]


def _fraction(x):
    mantissa, exponent = x.mid().man_exp()
    return flint.fmpq(mantissa) * flint.fmpq(2) ** int(exponent)
