"""Group H, third part: the policy gradient without γᵗ (THEOREMS.md §2.H, H6).

    ∇J = E Σ_t γᵗ ∇ log π_t A_t = Σ_s n_γ(s) Σ_a π A ∇ log π,     n_γ(s) = Σ_t γᵗ Pr(s_t = s)
         E Σ_t    ∇ log π_t A_t = Σ_s n_1(s) Σ_a π A ∇ log π

The second is what most codes follow, and the gradient of no objective. Of tables it never
points down; in shared parameters it may point straight down.
Source: Thomas (2014); Nota & Thomas (2020).
"""

from mdpkit.claim import All, Distribution, Eq, Exists, FullPolicy, Leq, claim
from mdpkit.improve.estimators import at_pairs, reward_to_go, score_gradient
from mdpkit.improve.moments import mean
from mdpkit.operators.performance import policy_values
from mdpkit.operators.policy_gradient import softmax_gradient, visits
from mdpkit.operators.scores import softmax_scores
from proofs_checks.gradient_vocabulary import Ending, Features, near, paths, weights
from proofs_checks.instances import exactly, model


def without_discount(batch, scores, weight):
    """Σ_t ∇ log π_t ψ_t, as most codes have it."""
    return score_gradient(batch, scores, weight, discount_states=False)


def undiscounted(mdp, pi, mu):
    """Σ_t Pr(s_t = s), (S,)."""
    return visits(mdp.replace(gamma=mdp.gamma * 0 + 1), pi, mu)


@claim(id="H6", source="Thomas (2014), §4; Nota & Thomas (2020)", exact="Q")
def without_its_discount_the_gradient_counts_undiscounted_visits(
    mdp: Ending, mu: Distribution, pi: FullPolicy, phi: Features,
    *, visited=undiscounted, valued=policy_values
):  # fmt: skip
    """E Σ_t ∇ log π_t A_t = Σ_s n_1(s) Σ_a π A_γ ∇ log π, n_1 undiscounted visits, not ∇J.

    Of tables its product with ∇J is ≥ 0: both have the blocks π A, with weights ≥ 0.
    """
    batch, tol = paths(mdp, pi, mu), near(mdp, power=4)
    scores, table = softmax_scores(mdp, pi, phi), softmax_scores(mdp, pi)
    A, known = valued(mdp, pi).advantage, policy_values(mdp, pi).advantage
    expected = scores.gathered(weights(mdp, pi, visited(mdp, pi, mu)) * A.reshape(-1))
    found = [
        without_discount(batch, scores, at_pairs(batch, known)),
        reward_to_go(batch, scores, discount_states=False),
    ]
    blocks = mean(without_discount(batch, table, at_pairs(batch, known)), batch.weight)
    product = (blocks * softmax_gradient(mdp, pi, mu).reshape(-1)).sum()
    return All(
        *(Eq(mean(samples, batch.weight), expected, tol) for samples in found),
        Leq(0, product, tol, ratio=False),
    )


without_its_discount_the_gradient_counts_undiscounted_visits.rejects("∇J", visited=visits)
without_its_discount_the_gradient_counts_undiscounted_visits.rejects(
    "the gradient of undiscounted rewards",
    valued=lambda mdp, pi: policy_values(mdp.replace(gamma=mdp.gamma * 0 + 1), pi),
)


def aliased(both_ways):
    """Two states in a row that look alike: (3, 0), then (0, 4); ∇J and the other vector."""
    mdp = model([[[0, 1]] * 2, [[0, 0]] * 2], [[3, 0], [0, 4]], "1/2", stops=True)
    pi, mu = exactly([["1/2", "1/2"]] * 2), exactly([1, 0])
    batch, shared = paths(mdp, pi, mu), softmax_scores(mdp, pi, both_ways)
    return [
        mean(reward_to_go(batch, shared, discount_states=kept), batch.weight)
        for kept in (True, False)
    ]


ALIKE = [[1], [0], [1], [0]]
APART = [[1, 0], [0, 0], [0, 1], [0, 0]]


def opposite(one, other):
    """The two vectors, if each is the other's negative multiple: their cosine is −1."""
    product, squares = (one * other).sum(), (one * one).sum() * (other * other).sum()
    return (one, other) if product < 0 and product * product == squares else None


@claim(id="H6-shared", source="Nota & Thomas (2020), §4", exact="Q")
def without_its_discount_shared_parameters_may_go_straight_down(
    *, phi=ALIKE, pair=lambda true, other: (true, other)
):
    """∃ a model: cos(E Σ_t ∇ log π_t G_t, ∇J) = −1, with one parameter for two states.

    ∇J = ¼(3 − ½·4) = ¼; without γᵗ it is ¼(3 − 4) = −¼.
    """
    return Exists(opposite(*pair(*aliased(exactly(phi)))))


without_its_discount_shared_parameters_may_go_straight_down.rejects(
    "a parameter for each state", phi=APART
)
without_its_discount_shared_parameters_may_go_straight_down.rejects(
    "with γᵗ", pair=lambda true, other: (true, true)
)
