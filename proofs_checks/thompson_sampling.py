"""Group U, Thompson sampling: it matches the posterior, and pays regret with information.

Exactly, on finite priors over coins: posteriors along a history in fractions, regret over all
(pulls, successes), information by enumeration.

Source: Thompson (1933); Russo & Van Roy (2016).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit.bandits import Bandit, FinitePrior, Thompson, entropy, expected_reward
from mdpkit.claim import All, Eq, Leq, claim, distributions, integers, numbers

TENTH = Fraction(1, 10)


def pasts(draw, _):
    """Up to six pulls: arms (as numbers to be taken modulo K) and rewards."""
    n = draw.integer(0, 6)
    return tuple((draw.integer(0, 11), draw.integer(0, 1)) for _ in range(n))


def of_the_likeliest(prior, counts, sums):
    """All on the best arm of the likeliest bandit."""
    weights = prior.posterior(counts, sums, Bandit(prior).noise).weights
    return np.arange(prior.n_arms) == prior.best_arms[weights.argmax()]


def of_the_largest_mean(prior, counts, sums):
    """All on the arm that is best on average: the maximum of the means."""
    return (
        np.arange(prior.n_arms)
        == prior.posterior(counts, sums, Bandit(prior).noise).mean.argmax()
    )


def thompson(prior, counts, sums):
    """Thompson sampling's next pull."""
    return Thompson().policy(Bandit(prior), 1, counts, sums)


@claim(id="U6", source="Thompson (1933); Russo & Van Roy (2016), §3", exact="Q")
def thompson_plays_an_arm_as_often_as_it_is_the_best(
    weights: Annotated[Any, distributions("m")],
    means: Annotated[Any, numbers("mk", TENTH, 9 * TENTH)],
    past: Annotated[Any, pasts],
    *,
    policy=thompson,
):
    """P(A_t = a | H) = P(A* = a | H) = P(A* = a, H)/P(H), for a finite prior."""
    k = means.shape[1]
    joint = []
    for w, row in zip(weights, means, strict=True):
        for arm, r in past:
            w = w * (row[arm % k] if r else 1 - row[arm % k])
        joint.append(w)
    best = [max(range(k), key=lambda a, row=row: (row[a], -a)) for row in means]
    wanted = [
        sum((w for w, b in zip(joint, best, strict=True) if b == a), start=0 * joint[0])
        / sum(joint)
        for a in range(k)
    ]
    counts = np.array([sum(arm % k == a for arm, _ in past) for a in range(k)])
    sums = np.array([sum(r for arm, r in past if arm % k == a) for a in range(k)])
    return Eq(policy(FinitePrior(means, weights), counts, sums), np.array(wanted))


thompson_plays_an_arm_as_often_as_it_is_the_best.rejects(
    "the best arm of the likeliest bandit", policy=of_the_likeliest
)
thompson_plays_an_arm_as_often_as_it_is_the_best.rejects(
    "the arm of the largest mean", policy=of_the_largest_mean
)
thompson_plays_an_arm_as_often_as_it_is_the_best.rejects(
    "without the data", policy=lambda prior, counts, sums: thompson(prior, 0 * counts, 0 * sums)
)


def gained(prior, played):
    """I(A*; reward), in nats, where arm a is played with probability played_a."""
    best, out = prior.best_arms, 0.0
    for a in range(prior.n_arms):
        before, given = prior.mean[a], 0.0
        for arm in set(best.tolist()):
            own = prior.weights * (best == arm)
            if own.sum() > 0:
                p = own @ prior.means[:, a] / own.sum()
                given += own.sum() * entropy([p, 1 - p])
        out += played[a] * (entropy([before, 1 - before]) - given)
    return out


def blindly(prior, counts, sums):
    """Every arm alike."""
    return np.full(prior.n_arms, 1 / prior.n_arms)


class By:
    """An algorithm of its policy."""

    def __init__(self, policy):
        self.chosen = policy

    def policy(self, bandit, horizon, counts, sums):
        """(K,) P(the next arm | pulls and successes)."""
        return self.chosen(bandit.prior, counts, sums)


@claim(id="U7", source="Russo & Van Roy (2016), Propositions 1 and 3", exact="B", effort=0.5)
def thompson_pays_its_regret_with_information(
    weights: Annotated[Any, distributions("m")],
    means: Annotated[Any, numbers("mk", 0, 1)],
    horizon: Annotated[int, integers(1, 3)],
    *,
    policy=thompson,
    constant=0.5,
):
    """(E Δ_A)² ≤ ½ K I(A*; A, r), so that E R_T ≤ √(½ K H(A*) T), H in nats; coins."""
    prior = FinitePrior(means, weights)
    bandit, k, best = Bandit(prior), prior.n_arms, prior.best()
    none = np.zeros(k, dtype=int)
    played = policy(prior, none, none)
    lost = best.value - prior.mean @ played
    reward = expected_reward(bandit, By(policy), horizon)[-1]
    information = constant * k * entropy(best.probabilities) * horizon
    return All(
        Leq(lost**2, constant * k * gained(prior, played), rounding=1e-12),
        Leq((horizon * best.value - reward) ** 2, information, rounding=1e-12),
    )


thompson_pays_its_regret_with_information.rejects("blindly", policy=blindly)
thompson_pays_its_regret_with_information.rejects("a quarter of it", constant=0.125)
