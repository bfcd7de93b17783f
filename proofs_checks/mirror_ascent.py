"""Group I: a step of mirror ascent (THEOREMS.md §2.I, I1–I4).

    π⁺ = argmax_p α⟨q^π, p⟩ − D(p, π)    PQA: Proj(π + αq), D = ½‖·‖²; EQA: ∝ π e^{αq}, D = KL

Source: Xiao (2022); Lan (2023); Agarwal et al. (2021).
"""

from typing import Annotated, Any

import numpy as np

from mdpkit.claim import (
    MDP,
    ActionValue,
    All,
    Eq,
    FullDistribution,
    FullPolicy,
    Leq,
    Policy,
    action_values,
    claim,
)
from mdpkit.improve import Euclidean, NegativeEntropy, Tsallis
from mdpkit.improve.divergences import each
from mdpkit.improve.mirror_ascent import ascended, begun
from mdpkit.operators.aggregate import soft
from mdpkit.operators.bellman import aggregate
from mdpkit.operators.policy_gradient import policy_gradient, visits
from mdpkit.policy import probabilities
from proofs_checks.ascent_vocabulary import Modest, StepSize, mirror, total
from proofs_checks.instances import model
from proofs_checks.vocabulary import tol_v, vector

EUCLIDEAN, ENTROPY, TSALLIS = Euclidean(), NegativeEntropy(), Tsallis(1.5)


EXPONENTIATED = mirror(ENTROPY)
SmallValue = Annotated[Any, action_values(low=-3, high=3)]


def two_actions():
    """One state that pays 1 or 0, at γ = ½."""
    return model([[[1], [1]]], [[1, 0]], "1/2")


# ---- I1: the visits cancel -------------------------------------------------------------------


def weighted_with_visits(mdp, pi, alpha, mu):
    """A projected gradient step, its α at each state divided by H d(s)."""
    return mirror(EUCLIDEAN)(mdp, pi, alpha)


def unweighted(mdp, pi, alpha, mu):
    """A projected gradient step."""
    old, _ = mirror(EUCLIDEAN)(mdp, pi, alpha)
    return old, ascended(mdp, EUCLIDEAN, old, alpha * visits(mdp, pi, mu))


def ones(mdp, pi, mu):
    """D(p, π) summed over the states, whatever their visits are."""
    return 0 * mu + 1


@claim(id="I1", source="Xiao (2022), §4; Lan (2023)", exact="Q", substochastic=True)
def visits_cancel_in_the_ascent(
    mdp: Modest, mu: FullDistribution, pi: Policy, p: Policy, alpha: StepSize,
    *, step=weighted_with_visits, weights=visits
):  # fmt: skip
    """PQA's π⁺ = argmax_p F(p), F(p) = α⟨∇J_μ(π), p⟩ − Σ_s H d(s) D(p, π)(s), whatever μ > 0.

    For F(p) = Σ_s H d(s) [α⟨q, p⟩ − D(p, π)](s), state by state; F(p) + Σ H d D(p, π⁺) ≤ F(π⁺).
    """
    old, new = step(mdp, pi, alpha, mu)
    w, slope = weights(mdp, pi, mu), policy_gradient(mdp, pi, mu)

    def F(x):
        return alpha * (slope * x).sum() - w @ EUCLIDEAN.between(mdp, x, old.policy)

    alone = alpha * total(mdp, old.q * p) - EUCLIDEAN.between(mdp, p, old.policy)
    behind = w @ EUCLIDEAN.between(mdp, p, new.policy)
    tol = tol_v(mdp, powers=3) * (1 + alpha)
    return All(
        Leq(F(p) + behind, F(new.policy), tol, ratio=False),
        Eq(F(p), visits(mdp, pi, mu) @ alone, tol),
    )


visits_cancel_in_the_ascent.rejects("an unweighted divergence", weights=ones)
visits_cancel_in_the_ascent.rejects("the projected policy gradient", step=unweighted)


# ---- I2: the signs of log Z ------------------------------------------------------------------


def from_the_new(mdp, new, old):
    """KL(π⁺‖π) and KL(π‖π⁺)."""
    one = ENTROPY.between(mdp, new.policy, old.coordinates)
    return one, ENTROPY.between(mdp, old.policy, new.coordinates)


def from_the_old(mdp, new, old):
    """The same with their arguments swapped."""
    return from_the_new(mdp, old, new)


@claim(id="I2", source="Agarwal et al. (2021), Lemma 16; Khodadadian et al. (2021)", exact="B")
def log_partition_is_a_divergence(
    mdp: Modest, pi: FullPolicy, alpha: StepSize,
    *, step=EXPONENTIATED, divergences=from_the_new
):  # fmt: skip
    """log Z = α⟨q, π⟩ + KL(π‖π⁺) = α⟨q, π⁺⟩ − KL(π⁺‖π), π⁺ = π e^{αq}/Z; with A: KL(π‖π⁺) ≥ 0.

    So α⟨q, π⁺ − π⟩ = KL(π⁺‖π) + KL(π‖π⁺) ≥ 0.
    """
    old, new = step(mdp, pi, alpha)
    forth, back = divergences(mdp, new, old)
    logits = old.coordinates + alpha * old.q
    log_z = aggregate(mdp, logits, soft(1.0))
    before, after = (alpha * total(mdp, old.q * x) for x in (old.policy, new.policy))
    of_advantages = aggregate(mdp, logits - each(mdp, alpha * old.v), soft(1.0))
    tol = tol_v(mdp) * (1 + alpha)
    return All(
        Eq(log_z, before + back, tol),
        Eq(log_z, after - forth, tol),
        Eq(of_advantages, back, tol),
        Eq(after - before, forth + back, tol),
        Leq(0, of_advantages, tol, ratio=False),
    )


log_partition_is_a_divergence.rejects("the arguments swapped", divergences=from_the_old)
log_partition_is_a_divergence.rejects(
    "a projected step", step=lambda mdp, pi, alpha: _projected_with_logarithms(mdp, pi, alpha)
)


def _projected_with_logarithms(mdp, pi, alpha):
    old, _ = mirror(ENTROPY)(mdp, pi, alpha)
    _, new = mirror(EUCLIDEAN)(mdp, pi, alpha)
    return old, new._replace(coordinates=np.log(np.maximum(new.policy, 1e-12)))


# ---- I3: three points ------------------------------------------------------------------------


def left_behind(mdp, kind, p, old, new):
    """D(p, π) − D(p, π⁺) − D(π⁺, π), (S,); old, new: coordinates of π, π⁺."""
    moved, there = new
    far = kind.between(mdp, p, old) - kind.between(mdp, p, there)
    return far - kind.between(mdp, moved, old)


def without_the_step(mdp, kind, p, old, new):
    """D(p, π) − D(p, π⁺) + D(π⁺, π)."""
    return left_behind(mdp, kind, p, old, new) + 2 * kind.between(mdp, new[0], old)


def twice_the_step(mdp, kind, p, old, new):
    """D(p, π) − D(p, π⁺) − 2D(π⁺, π)."""
    return left_behind(mdp, kind, p, old, new) - kind.between(mdp, new[0], old)


def unit(x):
    """x, of which rounding is compared with at least 1."""
    return 1 + float(abs(np.asarray(x, dtype=float)).max())


@claim(id="I3", source="Chen & Teboulle (1993), Lemma 3.1; Xiao (2022), Lemma 6", exact="Q")
def three_points_of_a_projection(
    mdp: MDP, x: ActionValue, pi: Policy, p: Policy, *, kind=EUCLIDEAN, room=left_behind
):
    """⟨x, p − π⁺⟩ ≤ D(p, π) − D(p, π⁺) − D(π⁺, π) for every p, π⁺ = Proj(π + x), D = ½‖·‖²."""
    at = kind.coordinates(mdp, probabilities(mdp, pi))
    new = kind.ascend(mdp, at, x)
    tol = None if mdp.is_exact else 1e-14 * unit(x) ** 2
    return Leq(total(mdp, x * (p - new[0])), room(mdp, kind, p, at, new), tol)


@three_points_of_a_projection.attained_by
def inside_the_simplex():
    """Nothing is cut off, so it is the identity of the parallelogram."""
    mdp = two_actions()
    return mdp, *(np.array([vector(mdp, *row)]) for row in (["1/4", 0], ["1/2"] * 2, [1, 0]))


three_points_of_a_projection.rejects("2D(π⁺, π)", room=twice_the_step, at=inside_the_simplex)
three_points_of_a_projection.rejects("one point, D(p, π) − 2D(p, π⁺)", room=lambda *given: (
    left_behind(*given) - given[1].between(given[0], given[2], given[4][1])
))  # fmt: skip


@claim(id="I3-any", source="Chen & Teboulle (1993), Lemma 3.1; Xiao (2022), Lemma 6", exact="B")
def three_points_of_a_step(
    mdp: Modest, x: SmallValue, pi: FullPolicy, p: Policy, *, room=left_behind
):
    """⟨x, p − π⁺⟩ ≤ D(p, π) − D(p, π⁺) − D(π⁺, π) of any Bregman D; of KL they are equal."""
    sides = []
    for kind in (ENTROPY, TSALLIS):
        at = kind.coordinates(mdp, pi)
        new = kind.ascend(mdp, at, x)
        sides.append((total(mdp, x * (p - new[0])), room(mdp, kind, p, at, new)))
    (left, right), (less, more) = sides
    return All(Eq(left, right, 1e-12), Leq(less, more, 1e-9, ratio=False))


three_points_of_a_step.rejects("with +D(π⁺, π)", room=without_the_step)


# ---- I4: it grows everywhere -----------------------------------------------------------------


def exactly(mdp, q):
    """q^π itself."""
    return q


def misread(mdp, q):
    """q^π less 1 at every other pair."""
    flat = np.array(q).reshape(-1)
    flat[::2] = flat[::2] - 1
    return flat.reshape(mdp.pair_shape)


def critical(kind, critic):
    """One step of mirror ascent on a critic's word."""

    def step(mdp, pi, alpha):
        old = begun(mdp, kind, pi, None)
        return old, ascended(mdp, kind, old._replace(q=critic(mdp, old.q)), alpha)

    return step


@claim(id="I4", source="Xiao (2022), Lemma 7; Lan (2023), Lemma 2", exact="Q")
def projected_ascent_grows_everywhere(
    mdp: Modest, pi: Policy, alpha: StepSize, *, critic=exactly
):
    """V⁺(s) − V(s) ≥ ⟨q^π(s), π⁺(s) − π(s)⟩ ≥ 0 in every state, for every α > 0: PQA."""
    old, new = critical(EUCLIDEAN, critic)(mdp, pi, alpha)
    gain = total(mdp, old.q * (new.policy - old.policy))
    tol = tol_v(mdp, powers=3)
    return All(Leq(gain, new.v - old.v, tol), Leq(0, gain, tol, ratio=False))


@projected_ascent_grows_everywhere.attained_by
def gain_met_once():
    """State 0 pays 1 or 0 and is left for good: it gains what it gains in one step."""
    mdp = model([[[0, 1], [0, 1]], [[0, 1], [0, 1]]], [[1, 0], [0, 0]], "1/2")
    return mdp, np.array([vector(mdp, "1/2", "1/2")] * 2), vector(mdp, "1/4")[0]


projected_ascent_grows_everywhere.rejects("a critic that errs by 1", critic=misread)
projected_ascent_grows_everywhere.rejects("the critic's sign", critic=lambda mdp, q: -q)


@claim(id="I4-any", source="Xiao (2022), Lemma 7; Lan (2023), Lemma 2", exact="B")
def ascent_grows_everywhere(mdp: Modest, pi: FullPolicy, alpha: StepSize, *, critic=exactly):
    """V⁺(s) − V(s) ≥ ⟨q^π(s), π⁺(s) − π(s)⟩ ≥ 0 for every α > 0 and any D: KL, Tsallis."""
    tol, said = tol_v(mdp, powers=3) + 1e-11, []
    for kind in (ENTROPY, TSALLIS):
        old, new = critical(kind, critic)(mdp, pi, alpha)
        gain = total(mdp, old.q * (new.policy - old.policy))
        said += [Leq(gain, new.v - old.v, tol), Leq(0, gain, tol, ratio=False)]
    return All(*said)


ascent_grows_everywhere.rejects("a critic that errs by 1", critic=misread)
