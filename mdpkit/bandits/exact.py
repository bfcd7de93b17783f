"""Short games on coins, enumerated: every (pulls, successes) with its probability.

    P_{t+1}(n + e_a, s + r e_a) += P_t(n, s) π(a | n, s) P(r | a, n, s)

Where an algorithm chooses by pulls and sums of rewards alone, these are its states: (t choose
2K) of them, not K^t 2^t histories. With a prior P(r | …) is the predictive probability, which
makes the game a Bayesian one. Exact means give exact numbers, if the policy does.

Checked in tests/bandits/test_exact.py against all histories, and against play.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mdpkit._exact import rational
from mdpkit.bandits.bandit import Bandit
from mdpkit.bandits.noise import Bernoulli


class Node(NamedTuple):
    """A state of knowledge: pulls and successes, (K,) each; how likely; what is played."""

    counts: np.ndarray
    sums: np.ndarray
    probability: Any
    policy: np.ndarray


def levels(bandit: Bandit, algorithm: Any, horizon: int) -> Iterator[list[Node]]:
    """The states before pull t = 1 … horizon, with positive probability.

    Raises TypeError where the noise is not Bernoulli or the algorithm has no `policy`.
    """
    if not isinstance(bandit.noise, Bernoulli):
        raise TypeError(f"only coins are enumerated, not {bandit.noise}.")
    if horizon < 1:
        raise ValueError(f"horizon must be ≥ 1; it is {horizon}.")
    start = (0,) * bandit.n_arms
    reached: dict[Any, Any] = {(start, start): 1}
    for _ in range(horizon):
        nodes = []
        for (counts, sums), p in reached.items():
            n, s = np.array(counts), np.array(sums)
            policy = algorithm.policy(bandit, horizon, n, s)
            nodes.append(Node(n, s, p, _exactly(policy) if bandit.is_exact else policy))
        yield nodes
        reached = {}
        for node in nodes:
            for key, p in _after(bandit, node):
                reached[key] = reached.get(key, 0) + p


def expected_pulls(bandit: Bandit, algorithm: Any, horizon: int) -> np.ndarray:
    """(horizon, K) E N_a(t) after t = 1 … horizon pulls."""
    each = [
        sum(x.probability * x.policy for x in nodes)
        for nodes in levels(bandit, algorithm, horizon)
    ]
    return np.cumsum(each, axis=0)


def expected_regret(bandit: Bandit, algorithm: Any, horizon: int) -> np.ndarray:
    """(horizon,) E R_t = Σ_a Δ_a E N_a(t), after t = 1 … horizon pulls; means are fixed."""
    return expected_pulls(bandit, algorithm, horizon) @ bandit.gaps


def expected_reward(bandit: Bandit, algorithm: Any, horizon: int) -> np.ndarray:
    """(horizon,) E of the rewards up to pull t = 1 … horizon, on average over the prior."""
    each = [
        sum(
            x.probability * (x.policy @ success_chance(bandit, x.counts, x.sums)) for x in nodes
        )
        for nodes in levels(bandit, algorithm, horizon)
    ]
    return np.cumsum(each)


def success_chance(bandit: Bandit, counts: Any, sums: Any) -> np.ndarray:
    """(K,) P(the next pull of arm a pays 1 | what was seen)."""
    if bandit.prior is None:
        return bandit.means
    return bandit.prior.posterior(counts, sums, bandit.noise).mean


def _exactly(policy: np.ndarray) -> np.ndarray:
    """Floats at their word, so that they go with exact means."""
    return policy if policy.dtype == object else np.array([rational(x) for x in policy])


def _after(bandit: Bandit, node: Node) -> Iterator[tuple[Any, Any]]:
    """The states after one more pull, with their probabilities."""
    chance = success_chance(bandit, node.counts, node.sums)
    for a in np.flatnonzero(node.policy):
        unit = np.eye(len(node.policy), dtype=int)[a]
        counts = tuple((node.counts + unit).tolist())
        for reward, p in ((1, chance[a]), (0, 1 - chance[a])):
            if p > 0:
                sums = tuple((node.sums + reward * unit).tolist())
                yield (counts, sums), node.probability * node.policy[a] * p
