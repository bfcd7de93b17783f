"""Where policy gradients go wrong, in numbers: plateaus, commitment, bounds that are too loose.

    plateau             softmax gradient:   steps to a gap < .05 grow as 1/π_0(best arm)
    commitment          sampled natural gradient: it pulls one arm for ever, P = Π_t π_t(arm)
    trust_region_path   J and its two lower bounds along π_t ∝ π e^{tA}

The first two are one-state models of the gallery, `softmax-plateau` and `npg-committal`; the
exact natural gradient suffers from neither. Checked in tests/improve/test_pathologies.py.
Source: Mei et al. (2020); Chung et al. (2021); Schulman et al. (2015); Achiam et al. (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import njit
from mdpkit.gallery import make
from mdpkit.improve.divergences import NegativeEntropy
from mdpkit.improve.natural_policy_gradient import NaturalPolicyGradient
from mdpkit.improve.softmax_policy_gradient import SoftmaxPolicyGradient
from mdpkit.mdp import MDP
from mdpkit.operators.fisher import divergence
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.performance import performance, policy_values
from mdpkit.operators.surrogate import lower_bound, surrogate
from mdpkit.policy import probabilities, uniform

BLOCK = 200_000
"""Steps a kernel takes before it returns to Python: about 20 ms."""


class Plateau(NamedTuple):
    """Steps to the goal, from π_0 = (e, 1 − 2e, e), and how the gap falls.

    mass      (n,) e
    softmax   (n,) int, steps of the softmax gradient
    natural   (n,) int, steps of the natural gradient of the same size
    at        (m,) int, steps at which the gap was looked at
    gaps      (n, m) best reward − J of the softmax gradient there; NaN once the goal is met
    """

    mass: np.ndarray
    softmax: np.ndarray
    natural: np.ndarray
    at: np.ndarray
    gaps: np.ndarray


class Commitment(NamedTuple):
    """How likely the sampled natural gradient never pulls the better arm.

    step_size    (n,) η
    survival     (n, T + 1) probability that the first t pulls all were of the worse arm
    probability  (n,) its limit
    """

    step_size: np.ndarray
    survival: np.ndarray
    probability: np.ndarray


class Path(NamedTuple):
    """Along π_t ∝ π e^{tA}: what J is, and what is promised of it; all (n,).

    size        t, in 1/reward
    divergence  E_d KL(π‖π_t), in nats
    truth       J(π_t)
    surrogate   L_π(π_t)
    average     surrogate − 2ε'γH² E_d TV
    largest     surrogate − 4εγH² max_s TV²
    """

    size: np.ndarray
    divergence: np.ndarray
    truth: np.ndarray
    surrogate: np.ndarray
    average: np.ndarray
    largest: np.ndarray


def plateau(
    masses: Sequence[float] = (0.1, 0.01, 0.001, 0.0001),
    step_size: float = 0.4,
    *,
    goal: float = 0.05,
    limit: int = 10_000_000,
) -> Plateau:
    """Steps until the gap is below `goal` on `softmax-plateau`; `limit` where it never is."""
    r = make("softmax-plateau", gamma=0.0).r.reshape(-1)
    at = np.unique(np.geomspace(1, limit, 200).astype(int)) - 1
    steps, gaps = [], []
    for mass in masses:
        found, seen = plateau_run(r, _logits(mass), step_size, goal=goal, limit=limit, at=at)
        steps.append(found)
        gaps.append(seen)
    used = at <= max(steps)
    natural = [plateau_reference(mass, step_size, goal=goal, natural=True) for mass in masses]
    return Plateau(
        np.array(masses), np.array(steps), np.array(natural), at[used], np.array(gaps)[:, used]
    )


def plateau_run(
    r: np.ndarray,
    theta: np.ndarray,
    step_size: float,
    *,
    goal: float,
    limit: int,
    at: np.ndarray,
) -> tuple[int, np.ndarray]:
    """Steps of the softmax gradient until max r − J < goal, and the gaps at the steps `at`."""
    theta, gaps, done = theta.copy(), np.full(at.size, np.nan), 0
    while done < limit:
        more = min(BLOCK, limit - done)
        taken = _ascend(r, theta, step_size, goal, done, more, at, gaps)
        done += taken
        if taken < more:
            break
    return done, gaps


@njit
def _ascend(r, theta, step_size, goal, first, count, at, gaps):
    """Take up to `count` steps in place; return how many until the gap was below the goal."""
    n, seen = theta.size, 0
    pi, best = np.empty(n), r[0]
    for i in range(n):
        best = max(best, r[i])
    while seen < at.size and at[seen] < first:
        seen += 1
    for k in range(count):
        top, total, value = theta[0], 0.0, 0.0
        for i in range(n):
            top = max(top, theta[i])
        for i in range(n):
            pi[i] = np.exp(theta[i] - top)
            total += pi[i]
        for i in range(n):
            pi[i] /= total
            value += pi[i] * r[i]
        if seen < at.size and at[seen] == first + k:
            gaps[seen] = best - value
            seen += 1
        if best - value < goal:
            return k
        for i in range(n):
            theta[i] += step_size * pi[i] * (r[i] - value)
    return count


def plateau_reference(
    mass: float, step_size: float = 0.4, *, goal: float = 0.05, natural: bool = False
) -> int:
    """The same count by the methods themselves, step by step; also of the natural gradient."""
    mdp = make("softmax-plateau", gamma=0.0)
    first = probabilities(mdp, np.array([[mass, 1 - 2 * mass, mass]]))
    kind = NaturalPolicyGradient if natural else SoftmaxPolicyGradient
    method = kind(step_size, policy=first)
    state, steps = method.init(mdp), 0
    while float(mdp.r.max() - state.v[0]) >= goal:
        state, steps = method.step(mdp, state), steps + 1
    return steps


def commitment(
    step_sizes: Sequence[float] = (0.1, 0.5, 1.0, 2.0), steps: int = 1000
) -> Commitment:
    """Π_{u<t} π_u(worse) on `npg-committal`, where each pull adds ηr/π(worse) to its logit.

    Given that only the worse arm was pulled, the run is deterministic, so the product is exact.
    """
    _, pay = make("npg-committal").r.reshape(-1)
    eta, lead = np.array(step_sizes, dtype=float), np.zeros(len(step_sizes))
    log = [np.zeros(eta.size)]
    for _ in range(steps):
        chance = -np.log1p(np.exp(-lead))
        log.append(log[-1] + chance)
        lead = lead + eta * pay / np.exp(chance)
    survival = np.exp(np.array(log)).T
    return Commitment(eta, survival, survival[:, -1])


def trust_region_path(
    mdp: MDP, sizes: Any = None, *, policy: Any = None, start: Any = None
) -> Path:
    """J, the surrogate and both lower bounds along the natural direction.

    sizes : (n,) t ≥ 0, in 1/reward; 0 … 1/max|A| if None. policy : π, uniform if None.
    """
    pi = uniform(mdp) if policy is None else probabilities(mdp, policy)
    advantage = policy_values(mdp, pi).advantage
    if sizes is None:
        sizes = np.linspace(0, 1, 101) / max(float(np.abs(advantage).max()), 1e-300)
    d, at = occupancy(mdp, pi, start), NegativeEntropy().coordinates(mdp, pi)
    rows = []
    for t in np.asarray(sizes, dtype=float):
        new, _ = NegativeEntropy().ascend(mdp, at, t * advantage)
        rows.append(
            (
                t,
                divergence(mdp, pi, new, d),
                performance(mdp, new, start),
                surrogate(mdp, pi, new, start),
                lower_bound(mdp, pi, new, start=start, form="average"),
                lower_bound(mdp, pi, new, start=start, form="largest"),
            )
        )
    return Path(*np.array(rows, dtype=float).T)


def _logits(mass: float) -> np.ndarray:
    if not 0 < mass < 0.5:
        raise ValueError(f"mass must lie in (0, ½); it is {mass}.")
    return np.log([mass, 1 - 2 * mass, mass])
