"""Are two rewards the same? Up to shaping, constants and scale; and by what they make one do.

    r + γ E Φ(s') − Φ(s) and c·r, c > 0, make the same policies optimal; so compare
    C(r)(s,a) = r(s,a) + γ E v^u(s') − v^u(s),   u uniform     an advantage; C(shaping) = 0
    C(R)(s,a,t) = R + E[γR(t,A,T) − R(s,A,T) − γR(S,A,T)]      EPIC, which needs no dynamics
    distance = √((1 − ρ)/2),   ρ Pearson's correlation of the canonical forms
    EVD = V*(μ) − V^π̂(μ),   π̂ optimal for the recovered reward, both valued by the true one

Checked in tests/infer/test_compare.py. Source: Ng, Harada & Russell (1999); Gleave et al.
(2021); Skalse et al. (2024); Levine et al. (2011).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._array import EPS
from mdpkit._device import require_cpu
from mdpkit.infer.features import Features, read_features
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values, check_shape
from mdpkit.operators.messages import dense_rows
from mdpkit.operators.resolvent import policy_value
from mdpkit.plan import BackwardInduction, PolicyIteration
from mdpkit.policy import as_pairs, uniform
from mdpkit.solve import solve


def canonical(mdp: MDP, r: Any = None, *, discount: float | None = None) -> np.ndarray:
    """The advantage of the uniform policy under r, pair layout: 0 iff r is shaping or constant.

    γ < 1, else the mean of r alone is taken out: undiscounted horizons know no shaping.
    """
    model = _with(mdp, r, discount)
    if model.gamma >= 1:
        return model.r - model.r.mean()
    v = policy_value(model, uniform(model))
    q = action_values(model, v)
    return q - np.repeat(v, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)


def reward_correlation(mdp: MDP, r: Any, other: Any, *, discount: float | None = None) -> float:
    """Pearson's correlation of the canonical forms, each pair counted once; NaN if one is 0."""
    x, y = (canonical(mdp, each, discount=discount).reshape(-1) for each in (r, other))
    for each, own in ((x, r), (y, other)):
        if np.abs(each).max() <= 1e-12 * max(np.abs(own).max(), 1e-300):
            return float("nan")
    return _pearson(x, y)


def reward_distance(mdp: MDP, r: Any, other: Any, *, discount: float | None = None) -> float:
    """√((1 − ρ)/2) in [0, 1]: 0 for the same up to shaping and scale, 1 for the opposite."""
    rho = reward_correlation(mdp, r, other, discount=discount)
    return float(np.sqrt(max(0.0, (1 - rho) / 2))) if rho == rho else float("nan")


def epic_distance(
    R: Any, other: Any, gamma: float, *, states: Any = None, actions: Any = None
) -> float:
    """The EPIC pseudometric of two rewards R(s, a, t), (S, A, S), in [0, 1].

    states, actions : distributions (S,), (A,) that cover what is compared; None is uniform.
    """
    R, other = np.asarray(R, dtype=float), np.asarray(other, dtype=float)
    check_shape(other, R.shape, "the other reward")
    ds = np.full(R.shape[0], 1 / R.shape[0]) if states is None else np.asarray(states)
    da = np.full(R.shape[1], 1 / R.shape[1]) if actions is None else np.asarray(actions)
    weight = ds[:, None, None] * da[None, :, None] * ds
    x, y = (_epic_canonical(each, gamma, ds, da) for each in (R, other))
    rho = _pearson(x.reshape(-1), y.reshape(-1), weight.reshape(-1))
    return float(np.sqrt(max(0.0, (1 - rho) / 2)))


def _epic_canonical(R: np.ndarray, gamma: float, ds: np.ndarray, da: np.ndarray) -> np.ndarray:
    leaving = np.einsum("sat,a,t->s", R, da, ds)  # E R(s, A, T)
    return R + gamma * leaving[None, None, :] - leaving[:, None, None] - gamma * (ds @ leaving)


def _pearson(x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> float:
    weight = np.full(x.size, 1 / x.size) if weight is None else weight
    x, y = x - weight @ x, y - weight @ y
    size = np.sqrt((weight @ x**2) * (weight @ y**2))
    return float(np.clip(weight @ (x * y) / size, -1, 1)) if size > 0 else float("nan")


def expected_value_difference(
    mdp: MDP, recovered: Any, *, horizon: int | None = None, discount: float | None = None
) -> float:
    """V*(μ) − V^π̂(μ) ≥ 0, π̂ optimal for `recovered`; the model's r is the true reward.

    recovered : pair layout. A finite horizon has a policy for every stage.
    """
    true, learned = _with(mdp, None, discount), _with(mdp, recovered, discount)
    if horizon is None:
        best, policy = (solve(m, PolicyIteration(), throw=False) for m in (true, learned))
        lost = best.v - policy_value(true, policy.policy)
    else:
        best, policy = (
            solve(m, BackwardInduction(horizon), throw=False) for m in (true, learned)
        )
        v = np.zeros(mdp.n_states)
        for stage in policy.stages.policy[::-1]:
            v = action_values(true, v).reshape(-1)[as_pairs(true, stage.astype(np.int64))]
        lost = best.v - v
    return max(0.0, float(mdp.start @ lost))


def value_range(
    mdp: MDP, *, horizon: int | None = None, discount: float | None = None
) -> float:
    """V*(μ) less the worst value any policy has: what an EVD is to be measured by."""
    found = []
    for r in (mdp.r, -mdp.r):
        method = PolicyIteration() if horizon is None else BackwardInduction(horizon)
        found.append(solve(_with(mdp, r, discount), method, throw=False).value_at_start)
    return float(found[0] + found[1])


def occupancy_error(x: Any, y: Any) -> float:
    """½ Σ |x/Σx − y/Σy| in [0, 1]: the total variation between visits, of any scale."""
    x, y = (np.asarray(each, dtype=float).reshape(-1) for each in (x, y))
    return float(np.abs(x / x.sum() - y / y.sum()).sum() / 2)


def identifiable_dimension(
    mdp: MDP, features: Any = "pair", *, discount: float | None = None
) -> int:
    """How many of the K weights behavior can identify: rank of Φ modulo shaping, γ < 1.

    Soft-optimal policies of r and r' agree iff r' − r = v − γPv for some v; the rest is seen.
    Costs a singular value decomposition of (pairs, S + K).
    """
    phi: Features = read_features(mdp, features)
    gamma = float(mdp.gamma if discount is None else discount)
    if not gamma < 1:
        raise ValueError("identifiability up to shaping is a matter of γ < 1.")
    own = mdp.pair_states[:, None] == np.arange(mdp.n_states)
    shaping, _ = np.linalg.qr(own - gamma * dense_rows(mdp))
    left = phi.dense() - shaping @ (shaping.T @ phi.dense())
    size = np.linalg.svd(left, compute_uv=False)
    scale = np.linalg.norm(phi.dense(), 2) * (mdp.n_pairs + phi.size) * EPS
    return int((size > 16 * scale / (1 - gamma)).sum())


def _with(mdp: MDP, r: Any, discount: float | None) -> MDP:
    """The model with another reward, pair layout, or discount."""
    require_cpu(mdp, "inference of rewards")
    changes: dict[str, Any] = {} if discount is None else {"gamma": discount}
    if r is not None:
        changes["r"] = np.asarray(r, dtype=float).reshape(mdp.pair_shape)
    return mdp.replace(**changes) if changes else mdp
