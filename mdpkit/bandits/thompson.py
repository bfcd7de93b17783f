"""Thompson sampling: play each arm as often as it is the best, given what was seen.

    draw μ̃ from the posterior, pull argmax_a μ̃_a      ⇔     P(A_t = a | data) = P(A* = a | data)
    Bayesian regret  E R_T ≤ √(½ K H(A*) T)            rewards in [0, 1], H(A*) in nats ≤ ln K

Coins have beta posteriors, Gaussian rewards normal ones; a finite prior is updated exactly. The
lowest index among ties.

Of beta posteriors only the leader's number is always drawn. Where ln f is concave an arm
exceeds x with a chance below f(x)/|(ln f)'(x)|, and a byte of luck mostly says that it does
not: the numbers are others, the law of the arm pulled is the same.

Checked in tests/bandits/test_thompson.py, as U6 and U7.
Source: Thompson (1933); Russo & Van Roy (2016), Proposition 3; Agrawal & Goyal (2012).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import betaln

from mdpkit._jit import njit
from mdpkit._random import short_unit, unit
from mdpkit.bandits._draws import beta_number, normals, words_of
from mdpkit.bandits._game import Learner, pay
from mdpkit.bandits.bandit import Bandit
from mdpkit.bandits.noise import Bernoulli, Gaussian
from mdpkit.bandits.priors import BetaPrior, FinitePrior, NormalPrior, Prior, entropy

BYTE = 1.0 / 256.0

UNKNOWN = 2.0
"""No number reaches it, and no logarithm of one: nothing is skipped, or not computed yet."""


@dataclass(frozen=True, eq=False)
class Thompson:
    """prior: of the algorithm; None: the bandit's own, and Beta(1, 1) where coins have none."""

    prior: Prior | None = None

    def prepare(self, bandit: Bandit, horizon: int) -> Learner:
        """Its kernel; ValueError where prior and bandit do not fit."""
        prior = self.prior_for(bandit)
        if isinstance(prior, BetaPrior):
            return _beta_learner(prior)
        if isinstance(prior, NormalPrior):
            return _normal_learner(prior, bandit)
        return _finite_learner(prior, bandit)

    def policy(self, bandit: Bandit, horizon: int, counts: Any, sums: Any) -> np.ndarray:
        """(K,) P(the next arm | pulls and sums of rewards) = P(A* = a | the same)."""
        posterior = self.prior_for(bandit).posterior(counts, sums, bandit.noise)
        return posterior.best().probabilities

    def bound(self, bandit: Bandit, pulls: Any) -> np.ndarray:
        """E R_T ≤ √(½ K H(A*) T), the regret on average over the prior; T = pulls, any shape.

        Raises ValueError unless the bandit is drawn from the algorithm's prior.
        """
        if bandit.prior is None or self.prior not in (None, bandit.prior):
            raise ValueError(
                "the bound is on average over the prior: play Bandit(prior) by Thompson()."
            )
        bandit.require_unit_rewards("This bound", "Scale the rewards.")
        information = entropy(bandit.prior.best().probabilities)
        return np.sqrt(0.5 * bandit.n_arms * information * np.asarray(pulls, dtype=float))

    def prior_for(self, bandit: Bandit) -> Prior:
        """The prior that is played; ValueError where it does not fit the bandit."""
        prior = bandit.prior if self.prior is None else self.prior
        if prior is None and isinstance(bandit.noise, Bernoulli):
            prior = BetaPrior(1.0, 1.0, bandit.n_arms)
        if prior is None:
            raise ValueError(f"for {bandit.noise} a prior is needed: Thompson(NormalPrior(…)).")
        if prior.n_arms != bandit.n_arms:
            raise ValueError(
                f"the prior is for {prior.n_arms} arms; the bandit has {bandit.n_arms}."
            )
        fits = {BetaPrior: Bernoulli, NormalPrior: Gaussian, FinitePrior: Bernoulli | Gaussian}
        if not isinstance(bandit.noise, fits[type(prior)]):
            raise ValueError(f"{type(prior).__name__} has no posterior for {bandit.noise}.")
        if isinstance(prior, FinitePrior) and isinstance(bandit.noise, Bernoulli):
            Bandit(prior)  # raises where its means are no probabilities
        return prior


def _beta_learner(prior: BetaPrior) -> Learner:
    alpha, beta = prior.alpha, prior.beta
    concave = bool((alpha >= 1).all() and (beta >= 1).all())
    state = np.concatenate([alpha - 1, beta - 1, betaln(alpha, beta), prior.mean])
    state = np.append(state, np.full(prior.mean.size, UNKNOWN))
    return Learner(_play_beta, (concave,), state, "bandits/thompson.cu play_beta")


def _normal_learner(prior: NormalPrior, bandit: Bandit) -> Learner:
    own = 1 / prior.scale**2
    state = np.concatenate([prior.mean * own, own, prior.mean, prior.scale])
    precision = np.broadcast_to(1 / np.square(bandit.width), (bandit.n_arms,)).copy()
    return Learner(_play_normal, (precision,), state, "bandits/thompson.cu play_normal")


def _finite_learner(prior: FinitePrior, bandit: Bandit) -> Learner:
    means = prior.means.astype(float)
    half_precision = np.zeros(bandit.n_arms)  # 0 for coins
    if isinstance(bandit.noise, Gaussian):
        half_precision = 0.5 / np.square(bandit.width) + np.zeros(bandit.n_arms)
    with np.errstate(divide="ignore"):
        state = np.log(prior.weights.astype(float))
    parameters = means, prior.best_arms.astype(np.int64), half_precision
    return Learner(_play_finite, parameters, state)


# ---- beta posteriors -------------------------------------------------------------------------


@njit
def _play_beta(game, state, concave):
    """state: α − 1, β − 1, ln B(α, β), α/(α + β) and where to skip, of each arm."""
    k = game.means.shape[1]
    for i in range(game.means.shape[0]):
        wins, losses = state[i, :k], state[i, k : 2 * k]
        log_beta, mean, skip = (
            state[i, 2 * k : 3 * k],
            state[i, 3 * k : 4 * k],
            state[i, 4 * k :],
        )
        for j in range(game.pulls):
            t = game.start + j
            arms = wins, losses, log_beta, mean, skip
            arm = _largest(arms, concave, game.key, game.run + i, t)
            count = wins[arm] + losses[arm] + 2.0
            reward = pay(game, i, j, arm)
            shape = reward * wins[arm] + (1.0 - reward) * losses[arm] + 1.0
            log_beta[arm] += math.log(shape / count)
            wins[arm] += reward
            losses[arm] += 1.0 - reward
            mean[arm] = (wins[arm] + 1.0) / (count + 1.0)
            skip[arm] = UNKNOWN


@njit
def _largest(arms, concave, key, run, t):
    """argmax of one number ~ Beta(α_a, β_a) an arm."""
    wins, losses, log_beta, mean, skip = arms
    best = np.argmax(mean)
    leader, x = best, beta_number(wins[best] + 1.0, losses[best] + 1.0, key, run, t, 0)
    logs = UNKNOWN, UNKNOWN
    low = high = np.uint64(0)
    for a in range(mean.size):
        if a & 15 == 0:  # sixteen bytes for as many arms
            words = words_of(key, run, t, 256 * a + 254)
            low = words[0] | words[1] << np.uint64(32)
            high = words[2] | words[3] << np.uint64(32)
        byte = low & np.uint64(255)
        low = high if a & 7 == 7 else low >> np.uint64(8)
        if a == leader or (x >= skip[a] and byte > 0):
            continue
        posterior = wins[a], losses[a], log_beta[a]
        y = -1.0
        if concave and 0.0 < x < 1.0:
            if skip[a] == UNKNOWN:
                skip[a] = _skip_from(posterior, mean[a])
            if logs[0] == UNKNOWN:
                logs = math.log(x), math.log(1.0 - x)
            mass, slope = _tail(x, logs, posterior)
            if byte * BYTE >= mass:
                continue
            if mass < 1.0:
                y = _beyond(x, mass, slope, posterior, byte, key, run, t, a)
        if y < 0.0:
            y = beta_number(wins[a] + 1.0, losses[a] + 1.0, key, run, t, a + 1)
        if y > x:
            best, x, logs = a, y, (UNKNOWN, UNKNOWN)
    return best


@njit
def _tail(x, logs, posterior):
    """m and s < 0, ∫_x^1 f ≤ m = f(x)/|s|, s = (ln f)'(x), for x beyond the mode; else 1 and 0.

    ln f is concave, so f(y) ≤ f(x) e^{s(y−x)}. logs: ln x and ln(1 − x)
    """
    wins, losses, log_beta = posterior
    slope = wins / x - losses / (1.0 - x)
    if not slope < 0.0:
        return 1.0, 0.0
    return -math.exp(wins * logs[0] + losses * logs[1] - log_beta) / slope, slope


@njit
def _skip_from(posterior, mean):
    """A point from which on m ≤ 1/256: m falls with x, at least by the factor e^s a unit."""
    wins, losses, _ = posterior
    x = mean + 2.7 * math.sqrt(mean * (1.0 - mean) / (wins + losses + 3.0))
    if x >= 1.0:
        return 1.0
    mass, slope = _tail(x, (math.log(x), math.log(1.0 - x)), posterior)
    if slope == 0.0:
        return 1.0
    return x if mass <= BYTE else min(1.0, x - math.log(mass / BYTE) / slope)


@njit
def _beyond(x, mass, slope, posterior, byte, key, run, t, a):
    """The number of an arm, if it is above x; else x, whatever it is.

    With chance m a y is drawn from the bound of the tail, and kept with chance f(y) over it.
    """
    words = words_of(key, run, t, 256 * a + 511)
    if (byte + short_unit(words[0])) * BYTE >= mass:
        return x
    y = x + math.log(1.0 - short_unit(words[1])) / slope
    if y >= 1.0:
        return x
    wins, losses, _ = posterior
    fall = wins * math.log(y / x) + losses * math.log((1.0 - y) / (1.0 - x))
    return y if unit(words[2], words[3]) < math.exp(fall - slope * (y - x)) else x


# ---- normal and finite posteriors ------------------------------------------------------------


@njit
def _play_normal(game, state, precision):
    """state: m/v, 1/v, m and √v of each arm."""
    k = game.means.shape[1]
    for i in range(game.means.shape[0]):
        weighted, known = state[i, :k], state[i, k : 2 * k]
        mean, deviation = state[i, 2 * k : 3 * k], state[i, 3 * k :]
        for j in range(game.pulls):
            t = game.start + j
            arm, top, z, spare = 0, -math.inf, 0.0, 0.0
            for a in range(k):
                if a & 1 == 0:
                    z, spare = normals(words_of(game.key, game.run + i, t, a))
                else:
                    z = spare
                x = mean[a] + deviation[a] * z
                if x > top:
                    arm, top = a, x
            weighted[arm] += pay(game, i, j, arm) * precision[arm]
            known[arm] += precision[arm]
            mean[arm] = weighted[arm] / known[arm]
            deviation[arm] = 1.0 / math.sqrt(known[arm])


@njit
def _play_finite(game, state, means, best_arms, half_precision):
    """state: ln of the weights, not normalized."""
    n = best_arms.size
    for i in range(game.means.shape[0]):
        log = state[i]
        for j in range(game.pulls):
            top, total = np.max(log), 0.0
            for m in range(n):
                total += math.exp(log[m] - top)
            words = words_of(game.key, game.run + i, game.start + j, 0)
            left, chosen = unit(words[0], words[1]) * total, np.argmax(log)
            for m in range(n):
                left -= math.exp(log[m] - top)
                if left < 0.0:
                    chosen = m
                    break
            arm = best_arms[chosen]
            reward = pay(game, i, j, arm)
            for m in range(n):
                mean = means[m, arm]
                if half_precision[arm] > 0.0:
                    log[m] -= half_precision[arm] * (reward - mean) ** 2
                else:
                    log[m] += math.log(mean if reward == 1.0 else 1.0 - mean)
