"""Maximum-entropy IRL of whole paths from samples: Z by importance weights.

    log Z ≈ log (1/n) Σ_i e^{w·f_i/τ}/q_i,    ∇ log-likelihood ≈ f̂ − Σ_i w̃_i f_i
    w̃_i ∝ e^{Σ_t r(s_t,a_t)/τ} / Π_t q(a_t|s_t),  Σ_i w̃_i = 1,      ESS = 1/Σ_i w̃_i² ∈ [1, n]

q(path) has the same dynamics and first state as p (`MaxEntropyPaths`), so they cancel. The
whole Σ_t ∇r of a path is weighed by its one weight. Self-normalized weights are consistent and
biased; where the samples are all paths, each once with its probability, nothing is left to err.
A fused sampler, q = Σ_j q_j/m, keeps each weight within m times what its own part gives it.
Checked in tests/infer/test_sampled.py. Source: Finn, Levine & Abbeel (2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit.infer.behavior import MaxCausalEntropy
from mdpkit.infer.demonstrations import Demonstrations
from mdpkit.infer.features import Features, read_features
from mdpkit.mdp import MDP
from mdpkit.operators.importance import effective_sample_size, importance_weights
from mdpkit.policy import probabilities


def path_features(mdp: MDP, paths: Demonstrations, features: Any = "pair") -> np.ndarray:
    """Σ_t φ(s_t, a_t) of each path, (n, K)."""
    phi: Features = read_features(mdp, features)
    pairs = paths.pairs(mdp)
    i, t = np.nonzero(pairs >= 0)
    counts = np.zeros((len(paths), mdp.n_pairs))
    np.add.at(counts, (i, pairs[i, t]), 1.0)
    return np.array([phi.expectations(row) for row in counts])


def log_density(mdp: MDP, paths: Demonstrations, policies: Any) -> np.ndarray:
    """log (1/m) Σ_j Π_t π_j(a_t|s_t) of each path, (n,): the fused sampler, less its dynamics.

    policies : a list of m, each of one stage or (T, *pair layout).
    """
    pairs = paths.pairs(mdp)
    total = []
    for policy in policies:
        staged = np.ndim(policy) == 1 + len(mdp.pair_shape)
        tables = policy if staged else [probabilities(mdp, policy)] * paths.length
        flat = np.array([np.asarray(table).reshape(-1) for table in tables])
        with np.errstate(divide="ignore"):
            steps = np.log(flat[np.arange(paths.length), np.maximum(pairs, 0)])
        total.append(np.where(pairs >= 0, steps, 0.0).sum(axis=1))
    return np.logaddexp.reduce(np.array(total), axis=0) - np.log(len(total))


@dataclass(frozen=True, eq=False)
class SampledFit:
    """A reward from samples. sizes : the effective sample size of each round, of n paths."""

    weights: np.ndarray
    r: np.ndarray
    sizes: np.ndarray
    gradient: np.ndarray


def fit_sampled(
    mdp: MDP,
    demonstrations: Demonstrations,
    features: Any = "pair",
    *,
    tau: float = 1.0,
    n: int = 500,
    rounds: int = 30,
    rate: float = 0.5,
    smoothing: float = 1.0,
    rng: Any = None,
) -> SampledFit:
    """Guided cost learning on a table: alternate sampling with steps on the reward.

    Each round draws n paths, half from the demonstrators' own action frequencies (`smoothing`
    added to each), half from the policy soft-optimal for the reward so far, weighs them by the
    fused density, and takes one normalized gradient step of `rate`/√round.
    """
    rng = np.random.default_rng(rng)
    phi, horizon = read_features(mdp, features), demonstrations.length
    aim = phi.expectations(demonstrations.visits(mdp))
    cloned = action_frequencies(mdp, demonstrations, smoothing)
    model, w, sizes = MaxCausalEntropy(horizon, tau, discount=1.0), np.zeros(phi.size), []
    gradient = np.zeros(phi.size)
    for k in range(1, rounds + 1):
        guided = model.behave(mdp, phi.reward(w)).policy.reshape(horizon, *mdp.pair_shape)
        paths = _joined(
            Demonstrations.sample(mdp, cloned, horizon, n=n - n // 2, rng=rng),
            Demonstrations.sample(mdp, guided, horizon, n=n // 2, rng=rng),
        )
        f = path_features(mdp, paths, phi)
        shares = importance_weights(f @ w, log_density(mdp, paths, [cloned, guided]), tau=tau)
        sizes.append(effective_sample_size(shares))
        gradient = (aim - shares @ f) / tau
        w = w + rate / np.sqrt(k) * tau * gradient / max(1.0, float(np.linalg.norm(gradient)))
    return SampledFit(w, phi.reward(w), np.array(sizes), gradient)


def action_frequencies(
    mdp: MDP, demonstrations: Demonstrations, smoothing: float = 1.0
) -> np.ndarray:
    """π(a|s) ∝ count(s,a) + smoothing, in pair layout: behavioral cloning on a table."""
    counts = demonstrations.visits(mdp).reshape(-1) * len(demonstrations) + smoothing
    total = np.add.reduceat(counts, mdp.action_ptr[:-1])
    return (counts / np.repeat(total, np.diff(mdp.action_ptr))).reshape(mdp.pair_shape)


def _joined(one: Demonstrations, other: Demonstrations) -> Demonstrations:
    return Demonstrations(
        np.vstack([one.states, other.states]), np.vstack([one.actions, other.actions])
    )
