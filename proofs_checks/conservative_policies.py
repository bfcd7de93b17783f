"""Group J, third part: mixtures of policies, which cannot fail (THEOREMS.md §2.J, J4).

    J((1−α)π + απ') ≥ J(π) + αH𝔸 − 2α²γε'H/(1 − γ(1−α)),    𝔸 = E_{d^π,π'} A^π

The bound is attained. Source: Kakade & Langford (2002).
"""

from mdpkit.claim import (
    Distribution,
    FullDistribution,
    Leq,
    Policy,
    Probability,
    claim,
)
from mdpkit.improve import ConservativePolicyIteration
from mdpkit.operators.performance import performance
from mdpkit.policy import expected_under, probabilities
from proofs_checks.ascent_vocabulary import Modest
from proofs_checks.trust_regions import better_here_worse_there
from proofs_checks.vocabulary import (
    advantage,
    greedy,
    horizon,
    occupancy,
    scalar,
    sup,
    tol_v,
    v_pi,
)


def of_kakade(gamma, alpha, size):
    """2α²γε'H/(1 − γ(1−α))."""
    return 2 * alpha**2 * gamma * size / ((1 - gamma) * (1 - gamma * (1 - alpha)))


@claim(id="J4", source="Kakade & Langford (2002), Theorem 4.1", exact="Q")
def mixtures_gain_to_first_order(
    mdp: Modest, pi: Policy, other: Policy, alpha: Probability, mu: Distribution,
    *, loss=of_kakade
):  # fmt: skip
    """J((1−α)π + απ') ≥ J(π) + αH𝔸 − 2α²γε'H/(1 − γ(1−α)), 𝔸 = E_{d^π,π'} A^π.

    ε' = max_s |E_{π'} A^π|.
    """
    f = expected_under(mdp, other, advantage(mdp, pi))
    old = probabilities(mdp, pi)
    mixed = old + alpha * (probabilities(mdp, other) - old)
    gained = performance(mdp, mixed, mu) - performance(mdp, pi, mu)
    hoped = alpha * horizon(mdp) * (occupancy(mdp, pi, mu) @ f)
    return Leq(hoped - gained, loss(mdp.gamma, alpha, sup(f)), tol_v(mdp, powers=4))


mixtures_gain_to_first_order.attained_by(better_here_worse_there)
mixtures_gain_to_first_order.rejects(
    "nothing is lost", loss=lambda gamma, alpha, size: 0 * size
)
mixtures_gain_to_first_order.rejects(
    "α³ for α²", loss=lambda gamma, alpha, size: alpha * of_kakade(gamma, alpha, size)
)


def its_own(mdp, pi, mu):
    """The mixture that conservative policy iteration takes."""
    return ConservativePolicyIteration(start=mu, policy=pi)


@claim(id="J4-step", source="Kakade & Langford (2002), Corollary 4.2", exact="Q")
def conservative_steps_gain_a_square(
    mdp: Modest, pi: Policy, mu: FullDistribution, *, ascent=its_own, share="1/8"
):
    """α = (1−γ)𝔸/(4ε') ⇒ J(π_α) ≥ J(π) + 𝔸²/(8ε'), π' greedy."""
    method = ascent(mdp, pi, mu)
    old = method.init(mdp)
    new = method.step(mdp, old)
    f = expected_under(mdp, greedy(mdp, v_pi(mdp, pi)), advantage(mdp, pi))
    A, size = occupancy(mdp, pi, mu) @ f, sup(f)
    least = scalar(mdp, share) * A * A / size if size > 0 else 0 * A
    return Leq(least, mu @ (new.v - old.v), tol_v(mdp, powers=3))


conservative_steps_gain_a_square.rejects(
    "a tenth of that step",
    ascent=lambda mdp, pi, mu: ConservativePolicyIteration(scalar(mdp, "1/100"), mu, pi),
)
conservative_steps_gain_a_square.rejects("𝔸²/(3ε')", share="1/3")
