"""Figure 12.3 and its kin: λ-return, TD(λ) and true online TD(λ) on a walk of 19 states.

The first is the forward view, the second its cheap backward view, the third the online λ-return
algorithm exactly. Error as in Figure 7.2, by step size.
Source: Sutton & Barto (2018), §12.1, §12.2 and §12.5; van Seijen et al. (2016).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit.figures._drawn import Drawn, finite, simulated
from mdpkit.figures.n_step import errors, panel_of
from mdpkit.gallery import make
from mdpkit.learn import LambdaReturn, TDLambda, TrueOnlineTDLambda
from mdpkit.policy import uniform

LAMBDAS = (0.0, 0.4, 0.8, 0.9, 0.95, 0.975)
ALPHAS = tuple(np.round(np.arange(0.05, 1.001, 0.05), 2))
WAYS = {"λ-return": LambdaReturn, "TD(λ)": TDLambda, "true online TD(λ)": TrueOnlineTDLambda}
BEST = {"λ-return": 0.262, "TD(λ)": 0.262, "true online TD(λ)": 0.254}
"""The lowest error at λ = 0.8 over step sizes, simulated elsewhere."""


def draw(rng: int) -> Drawn:
    """Three panels, a curve for each λ."""
    mdp = make("random-walk")
    pi = uniform(mdp)
    panels, landmarks = [], []
    data: dict[str, Any] = {"alpha": list(map(float, ALPHAS))}
    for way, make_method in WAYS.items():
        found = {}
        for lam in LAMBDAS:
            found[f"λ = {lam}"] = errors(
                mdp, lambda a, m=make_method, x=lam: m(pi, x, a), ALPHAS, rng
            )
        own = found["λ = 0.8"]
        least = own[int(np.nanargmin(own.mean(axis=1)))]
        landmarks.append(
            simulated(f"{way}, λ = 0.8", least, BEST[way], reference_runs=100, digit=0.001)
        )
        panels.append(panel_of(way, found, ALPHAS))
        data[way] = {name: finite(runs.mean(axis=1)) for name, runs in found.items()}
    return Drawn("Figure 12.3: forward, backward and true online", panels, data, landmarks)
