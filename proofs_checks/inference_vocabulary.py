"""Every path of a small model, one by one, and what is summed over paths.

    p(path) = μ(s_0) Π_t p(a_t|s_t) P(s_{t+1}|s_t, a_t)     p(path, O) = p(path) Π_t e^{r/τ}

paths(mdp, T)                every way that T steps can go; a stop ends one before
product(pairs, x)            Π_t x(s_t, a_t) of each path; total: Σ_t x(s_t, a_t)
staged(pairs, policies)      Π_t π_t(a_t|s_t)
met(pairs, weight, t, n)     Σ of the weights of the paths that take each of n pairs at step t
visits(pairs, weight, n)     the same, summed over steps
ahead(mdp, T, x, prior)      Σ over what T steps can do from each pair of Π_t x Π_{t>0} p
causal(mdp, T, …)            the messages of soft-optimal control
from_state(mdp, s)           the model begun in s; half_lucky: half of every row spread out
certain_pay()                every step pays 1, p uniform: mdp, p, τ = 1, T = 3
log_tolerance(mdp, T, τ)     64·u·T²·(R + 8τ), how far log-messages may err

They know no recursion over time: that is what they check. Rewards lie in [−4, 4] and τ in
[¼, 4]: messages depend on r/τ alone.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, NamedTuple

import numpy as np

from mdpkit import gallery
from mdpkit._array import EPS
from mdpkit.claim import MDP, action_values, integers, models, numbers, policies, sequences
from mdpkit.operators.messages import VARIATIONAL, Messages, backward, dense_rows
from mdpkit.policy import uniform
from proofs_checks.vocabulary import reward_size, with_rows

Horizon = Annotated[int, integers(1, 3)]
Temperature = Annotated[Any, numbers(low=Fraction(1, 4), high=4)]
Likelihood = Annotated[Any, action_values(low=Fraction(1, 10), high=2)]
"""e^r of every pair, as a number of its own: rational where the model is."""

Reward = Annotated[Any, action_values(low=-4, high=4)]
Stages = Annotated[Any, sequences(policies(), 1, 3)]
"""A policy for each step; how many there are is the horizon."""

_SIZE: dict[str, Any] = {"states": (1, 3), "actions": (1, 2), "discount": (1, 1)}
Whole = Annotated[MDP, models(**_SIZE, stops="some", start="any")]
Observed = Annotated[MDP, models(**_SIZE, stops="some", start="any", reward=(-4, 4))]
Endless = Annotated[MDP, models(**_SIZE, start="any", reward=(-4, 4))]
Certain = Annotated[MDP, models(**_SIZE, deterministic=True, start="any", reward=(-4, 4))]


class Paths(NamedTuple):
    """What T steps can do.

    pairs    (n, T) int, what is taken at each step; −1 after the end
    chance   (n,) > 0, μ(s_0) Π_t P(s_{t+1}|s_t, a_t), and the stop where there was one
    """

    pairs: np.ndarray
    chance: np.ndarray


def paths(mdp: MDP, horizon: int, start: Any = None) -> Paths:
    """Every path; start : (S,) weights of the first state, the model's own if None."""
    mu = np.asarray(mdp.start if start is None else start)
    rows, stop = dense_rows(mdp), np.asarray(mdp.stop).reshape(-1)
    states, found = np.flatnonzero(_positive(mu)), []
    taken, chance = np.zeros((states.size, 0), dtype=int), mu[states]
    for left in range(horizon - 1, -1, -1):
        own = [(i, x) for i, s in enumerate(states) for x in range(*mdp.action_ptr[s : s + 2])]
        each, pair = np.array(own, dtype=int).reshape(-1, 2).T
        taken, chance = np.hstack([taken[each], pair[:, None]]), chance[each]
        if left == 0:
            break
        over = np.flatnonzero(_positive(stop[pair]))
        found.append(_ended(taken[over], chance[over] * stop[pair[over]], left))
        each, states = np.nonzero(_positive(rows[pair]))
        taken, chance = taken[each], chance[each] * rows[pair[each], states]
    found.append(Paths(taken, chance))
    return Paths(*(np.concatenate(part) for part in zip(*found, strict=True)))


def _ended(taken: np.ndarray, chance: np.ndarray, left: int) -> Paths:
    return Paths(np.pad(taken, ((0, 0), (0, left)), constant_values=-1), chance)


def _positive(x: Any) -> np.ndarray:
    return np.asarray(x > 0, dtype=bool)


def product(pairs: np.ndarray, x: Any) -> Any:
    """Π_t x(s_t, a_t) of each path, (n,)."""
    return np.append(x, 1)[pairs].prod(axis=1)


def total(pairs: np.ndarray, x: Any) -> Any:
    """Σ_t x(s_t, a_t) of each path, (n,)."""
    return np.append(x, 0)[pairs].sum(axis=1)


def staged(pairs: np.ndarray, policies: Any) -> Any:
    """Π_t π_t(a_t|s_t) of each path, (n,); one policy a step, in pair layout."""
    steps = [np.append(pi, 1)[pairs[:, t]] for t, pi in enumerate(policies)]
    return np.prod(np.array(steps), axis=0)


def met(pairs: np.ndarray, weight: Any, t: int, n: int) -> Any:
    """Σ weight of the paths that take each pair at step t, (n,)."""
    out = np.zeros(n + 1, dtype=weight.dtype)
    np.add.at(out, pairs[:, t], weight)
    return out[:-1]


def visits(pairs: np.ndarray, weight: Any, n: int) -> Any:
    """Σ_t of `met`, (n,)."""
    return sum(met(pairs, weight, t, n) for t in range(pairs.shape[1]))


def likelihood(mdp: MDP, tau: float = 1.0) -> Any:
    """e^{r/τ}, pair layout."""
    return np.exp(mdp.r / tau)


def observed(mdp: MDP, horizon: int, x: Any, prior: Any = 1) -> tuple[Paths, Any]:
    """The paths and their weights p(path, O); x : e^{r/τ}, pair layout."""
    found = paths(mdp, horizon)
    return found, found.chance * product(found.pairs, np.asarray(x) * prior)


def ahead(mdp: MDP, horizon: int, x: Any, prior: Any) -> Any:
    """p(O|s,a) over the steps that begin with each pair, pair layout."""
    found = paths(mdp, horizon, start=np.ones(mdp.n_states, dtype=int))
    weight = found.chance * product(found.pairs, x) * product(found.pairs[:, 1:], prior)
    return met(found.pairs, weight, 0, mdp.n_pairs).reshape(mdp.pair_shape)


def log_tolerance(mdp: MDP, horizon: int, tau: float = 1.0) -> float:
    """64·u·T²·(R + 8τ): T stages, each a log-sum-exp of numbers of size T(R + τ log 3).

    As a relative error of probabilities it is divided by τ.
    """
    return 64 * EPS * horizon**2 * (float(reward_size(mdp)) + 8 * tau)


def causal(mdp: MDP, horizon: int, *, tau: float, prior: Any = None) -> Messages:
    """The messages of soft-optimal control."""
    return backward(mdp, horizon, VARIATIONAL, tau=tau, prior=prior)


def certain_pay() -> tuple[MDP, Any, float, int]:
    """A model whose certain steps all pay 1, the uniform prior, τ = 1 and T = 3."""
    mdp = gallery.make("pi-chain", n=2).replace(r=np.ones((2, 2)), gamma=1.0)
    return mdp, uniform(mdp), 1.0, 3


def from_state(mdp: MDP, s: int) -> MDP:
    """The model, begun in one state."""
    start = np.array([mdp.gamma * 0 + int(s == u) for u in range(mdp.n_states)])
    return mdp.replace(start=start)


def half_lucky(mdp: MDP) -> MDP:
    """A model that never stops, with half of every row spread over all states."""
    return with_rows(
        mdp, (mdp.rows + mdp.stop.reshape(-1, 1) * 0 + 1 / mdp.n_states) / 2, mdp.r
    )


__all__ = [
    "Certain",
    "Endless",
    "Horizon",
    "Likelihood",
    "Observed",
    "Paths",
    "Reward",
    "Stages",
    "Temperature",
    "Whole",
    "ahead",
    "causal",
    "certain_pay",
    "from_state",
    "half_lucky",
    "likelihood",
    "log_tolerance",
    "met",
    "observed",
    "paths",
    "product",
    "staged",
    "total",
    "visits",
]
