"""Maximum-entropy inverse reinforcement learning: the reward that makes the expert most likely.

    from expectations f̂    maximize (w·f̂ − v_0(μ; w))/τ − λ/2 ‖w‖²,  ∇ = (f̂ − f(π_w))/τ − λw
    from demonstrations    maximize the log-likelihood of their actions (causal) or paths

The first is the dual of "most entropy subject to E f = f̂" and concave for every model. The
second is the same for paths; for causal entropy it weighs the states that were seen, not those
expected, so that the luck of the dynamics cannot send w to infinity, but it is concave only
where P is deterministic. Rewards are identified up to what leaves the behavior as it is: see
`identifiable_dimension`, and compare rewards by `reward_distance`.
Checked in tests/infer. Source: Ziebart et al. (2008); Ziebart, Bagnell & Dey (2010).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mdpkit._array import sup
from mdpkit.infer.behavior import Behavior, MaxCausalEntropy, MaxEntropyPaths
from mdpkit.infer.demonstrations import Demonstrations
from mdpkit.infer.features import Features, read_features
from mdpkit.mdp import MDP
from mdpkit.operators.messages import compressed

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]
OPTIMIZERS = ("lbfgs", "gradient")


@dataclass(frozen=True, eq=False)
class RewardFit:
    """A reward that explains the expert, and how well.

    weights, r      (K,) and Φw in pair layout, in units of reward
    value           the objective reached
    gradient        max |∇|, in discounted visits of a feature per unit of temperature
    feature_error   max |f̂ − f(π)|, in discounted visits of a feature
    behavior        policy, visits and values under r
    converged       whether `gradient` ≤ the tolerance asked for
    values          (steps,) the objective after each step
    """

    weights: np.ndarray
    r: np.ndarray
    value: float
    gradient: float
    feature_error: float
    behavior: Behavior
    converged: bool
    values: np.ndarray
    seconds: float

    @property
    def steps(self) -> int:
        """Steps of the optimizer."""
        return len(self.values)

    def __repr__(self) -> str:
        return (
            f"RewardFit(value {self.value:.8g}, |gradient| {self.gradient:.2g}, feature error "
            f"{self.feature_error:.2g}, {self.steps} steps, {self.seconds:.3g} s)"
        )


def fit(
    mdp: MDP,
    model: MaxCausalEntropy | MaxEntropyPaths,
    expert: Any,
    features: Any = "pair",
    *,
    penalty: float = 0.0,
    optimizer: str = "lbfgs",
    tol: float = 1e-6,
    max_steps: int = 1000,
    start: Any = None,
) -> RewardFit:
    """Fit the weights of a reward linear in `features` to an expert. The model's r is not read.

    expert      Demonstrations, or feature expectations (K,): Σ_t γᵗ E φ(s_t, a_t), t < T
    features    "pair", "state", or an array; see `read_features`
    penalty     λ ≥ 0 of −λ/2 ‖w‖²
    optimizer   "lbfgs", or "gradient": ascent with backtracking
    tol         on max |∇|
    start       (K,) first weights, 0 if None
    """
    if optimizer not in OPTIMIZERS or not penalty >= 0:
        raise ValueError(
            f"optimizer must be one of {OPTIMIZERS} and penalty ≥ 0; "
            f"they are {optimizer!r} and {penalty}."
        )
    phi = read_features(mdp, features)
    own = _expectations(mdp, model, expert, phi)
    counts = model.counts(mdp, expert) if isinstance(expert, Demonstrations) else None
    run = _Run(mdp, model, counts, own, phi, penalty)
    w = np.zeros(phi.size) if start is None else np.array(start, dtype=float)
    clock = time.perf_counter()
    climb = _lbfgs if optimizer == "lbfgs" else _ascend
    with threadpool_limits(limits=1, user_api="blas"):  # beside our kernels they spin in vain
        w, values = climb(run, w, tol, max_steps)
        value, gradient = run(w)
        behavior = (
            run.behavior if run.behavior is not None else model.behave(mdp, phi.reward(w))
        )
    return RewardFit(
        weights=w,
        r=phi.reward(w),
        value=value,
        gradient=float(sup(gradient)),
        feature_error=float(sup(own - phi.expectations(behavior.visits))),
        behavior=behavior,
        converged=float(sup(gradient)) <= tol,
        values=np.array(values),
        seconds=time.perf_counter() - clock,
    )


def _expectations(mdp: MDP, model: Any, expert: Any, phi: Features) -> np.ndarray:
    if isinstance(expert, Demonstrations):
        return phi.expectations(expert.visits(mdp, model.gamma(mdp)))
    own = np.asarray(expert, dtype=float).reshape(-1)
    if own.size != phi.size or not np.isfinite(own).all():
        raise ValueError(f"feature expectations must be {phi.size} finite numbers.")
    return own


class _Run:
    """The objective of one fit; it remembers the last behavior, to begin the next from."""

    def __init__(
        self, mdp: MDP, model: Any, counts: Any, own: np.ndarray, phi: Features, penalty: float
    ):
        self.mdp, self.model, self.counts = compressed(mdp), model, counts
        self.own, self.phi, self.penalty = own, phi, penalty
        self.behavior: Behavior | None = None

    def __call__(self, w: np.ndarray) -> tuple[float, np.ndarray]:
        """The objective at w, and its gradient."""
        r = self.phi.reward(w)
        if self.counts is not None:
            value, by_pair, self.behavior = self.model.log_likelihood(
                self.mdp, r, self.counts, near=self.behavior
            )
            gradient = self.phi.expectations(by_pair)
        else:
            self.behavior = now = self.model.behave(self.mdp, r, near=self.behavior)
            tau = self.model.tau
            value = (self.own @ w - now.partition) / tau
            gradient = (self.own - self.phi.expectations(now.visits)) / tau
        return value - self.penalty / 2 * float(w @ w), gradient - self.penalty * w


def _lbfgs(run: Objective, w: np.ndarray, tol: float, max_steps: int) -> tuple[Any, list]:
    from scipy.optimize import minimize

    values: list[float] = []

    def flipped(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = run(x)
        return -value, -gradient

    def keep(intermediate_result: Any) -> None:
        values.append(-float(intermediate_result.fun))

    options = {"maxiter": max_steps, "maxfun": 20 * max_steps, "gtol": tol, "ftol": 0.0}
    found = minimize(
        flipped, w, jac=True, method="L-BFGS-B", callback=keep, options=options | {"maxcor": 20}
    )
    return found.x, values


def _ascend(run: Objective, w: np.ndarray, tol: float, max_steps: int) -> tuple[Any, list]:
    """w ← w + η∇; η is Barzilai & Borwein's, halved until a quarter of its promise is kept."""
    value, gradient = run(w)
    rate, values = 1.0, []
    for _ in range(max_steps):
        if float(sup(gradient)) <= tol:
            break
        while True:
            new = w + rate * gradient
            found, slope = run(new)
            if found >= value + rate / 4 * float(gradient @ gradient):
                break
            rate /= 2
            if rate * float(sup(gradient)) <= 1e-16 * max(1.0, float(sup(w))):
                return w, values
        moved, turned = new - w, gradient - slope
        w, value, gradient = new, found, slope
        values.append(value)
        bend = float(moved @ turned)
        rate = float(moved @ moved) / bend if bend > 0 else 2 * rate
    return w, values
