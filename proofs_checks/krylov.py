"""Anderson's mixing and GMRES for v = T^π v, on floats and in rationals.

    Anderson   v_{k+1} = Σ α_i g(v_i), α minimizing ‖Σ α_i f_i‖₂, Σ α_i = 1, f_i = g(v_i) − v_i
    GMRES      x_k minimizes ‖f(x)‖₂ over v_0 + span{f_0, Pf_0, …, P^{k−1}f_0}

Both keep every iterate. Source: Walker & Ni (2011).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mdpkit._array import sup
from mdpkit.mdp import MDP
from proofs_checks.vocabulary import chain, evaluation, solve

SMALL = 1e-9
"""Relative, on floats: a residual of this size is 0, a decrease of less is none."""


def least_squares(columns: list[Any], target: Any) -> Any:
    """c minimizing ‖target − Σ c_i columns_i‖₂; ZeroDivisionError if they are dependent."""
    A = np.stack(columns, axis=1)
    if target.dtype != np.dtype(object):
        return np.linalg.lstsq(A, target, rcond=None)[0]
    return solve(A.T @ A, A.T @ target)


def anderson(g: Callable[[Any], Any], v: Any, steps: int) -> list[Any]:
    """v_0, v_1 = g(v_0), …, after 1 + `steps` evaluations; a fixed point is repeated."""
    values, images = [v], [g(v)]
    for _ in range(steps):
        values.append(_mixed(values, images))
        images.append(g(values[-1]))
    return [*values, _mixed(values, images)]


def _mixed(values: list[Any], images: list[Any]) -> Any:
    f = [image - value for image, value in zip(images, values, strict=True)]
    if len(values) == 1 or is_zero(f[-1], f[0]):
        return images[-1]
    weight = least_squares([f[-1] - x for x in f[:-1]], f[-1])
    moved = zip(weight, images[:-1], strict=True)
    return images[-1] - sum(c * (images[-1] - x) for c, x in moved)


def gmres(mdp: MDP, pi: Any, v: Any, steps: int) -> list[Any]:
    """x_0 = v, x_1, …; an exact solution is repeated."""
    P, _ = chain(mdp, pi)
    first = evaluation(pi)(mdp, v) - v
    basis, out = [first], [v]
    for _ in range(steps):
        if is_zero(_residual(mdp, pi, out[-1]), first):
            out.append(out[-1])
            continue
        moved = least_squares([b - mdp.gamma * (P @ b) for b in basis], first)
        out.append(v + sum(c * b for c, b in zip(moved, basis, strict=True)))
        basis.append(P @ basis[-1])
    return out


def _residual(mdp: MDP, pi: Any, v: Any) -> Any:
    return evaluation(pi)(mdp, v) - v


def is_zero(x: Any, first: Any) -> bool:
    """Whether a residual is 0: on floats, next to the first one."""
    exact = x.dtype == np.dtype(object)
    return bool(sup(x) == 0 if exact else sup(x) <= SMALL * (1 + sup(first)))


def never_stagnates(mdp: MDP, v: Any, pi: Any) -> bool:
    """Whether ‖f(x_k)‖₂ falls in each step until it is 0."""
    try:
        found = gmres(mdp, pi, v, mdp.n_states)
    except (ZeroDivisionError, np.linalg.LinAlgError):
        return False
    f = [_residual(mdp, pi, x) for x in found]
    keep = 1 if mdp.is_exact else 1 - SMALL
    squares = [(x * x).sum() for x in f]
    return all(
        b < a * keep or is_zero(x, f[0])
        for a, b, x in zip(squares, squares[1:], f, strict=False)
    )
