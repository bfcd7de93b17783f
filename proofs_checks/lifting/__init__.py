"""Tabular limits: every deep algorithm, on a table and every transition, is its exact operator.

    batch    all (s, a, t) with weight P(t|s,a), and where an episode ends a row of discount 0
    network  a table;  optimizer  the gradient itself, at rate 1

The production code of the algorithm then computes its own expectation, and what that must be
is known. Nothing is compiled before a claim is checked, and without JAX there are no claims.
"""

from importlib.util import find_spec

if find_spec("jax") is None or find_spec("equinox") is None or find_spec("optax") is None:
    __path__ = []  # nothing to walk: the rest of `mdpkit verify` goes on
