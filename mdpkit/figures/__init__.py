"""Figures of the textbook and of theorems, recomputed, and held against known numbers.

A module a figure, each with `draw(rng) → Drawn`: panels, data, landmarks. `mdpkit figure NAME`
writes it as SVG and exits 1 where a landmark is missed. Checked in tests/figures.
"""

from __future__ import annotations

from importlib import import_module

from mdpkit.figures._drawn import Drawn, Landmark

MODULES = {
    "sb-2.2": "testbed",
    "sb-4.1": "gridworld",
    "sb-4.3": "gambler",
    "sb-6.2": "random_walk",
    "sb-6.4": "cliff",
    "sb-6.5": "maximization_bias",
    "sb-7.2": "n_step",
    "sb-12.3": "lambda_return",
    "lottery": "lottery",
    "softmax-plateau": "plateau",
    "npg-commitment": "commitment",
    "trust-region": "trust_region",
}
"""The name of each figure and its module; sb: Sutton & Barto (2018)."""


def check(name: str) -> None:
    """Raise ValueError, naming the figures there are, if this is none."""
    if name not in MODULES:
        raise ValueError(f"there is no figure {name!r}; there are: {', '.join(MODULES)}.")


def draw(name: str, rng: int = 0) -> Drawn:
    """Recompute a figure. Raises ValueError if there is none of that name."""
    check(name)
    return import_module(f"mdpkit.figures.{MODULES[name]}").draw(rng)


__all__ = ["MODULES", "Drawn", "Landmark", "check", "draw"]
