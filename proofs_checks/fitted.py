"""Group G, last part: regression on bootstrapped targets (THEOREMS.md §2.G).

    B q = r + γP max q          Π = Φ(ΦᵀDΦ)⁻¹ΦᵀD          an averager: rows are distributions

Source: Baird (1995); Antos, Szepesvári & Munos (2008); Gordon (1995).
"""

from typing import Annotated, Any

import numpy as np

from mdpkit import enumerate as every
from mdpkit.claim import MDP, ActionValue, All, Eq, Leq, Value, claim, models
from mdpkit.learn import fitted_q_iteration
from mdpkit.operators.linear import (
    best_weights,
    projection,
    residual_system,
    solution,
    state_chain,
)
from mdpkit.policy import probabilities
from proofs_checks.instances import exactly, half_stopping, model
from proofs_checks.linear_vocabulary import (
    Features,
    PairFeatures,
    Seen,
    lost,
    squares,
    two_weights,
    uniformly,
    well_posed,
)
from proofs_checks.vocabulary import best, optimality, q_optimality, sup

# ---- one sample and two ----------------------------------------------------------------------


def spread(mdp, rho, q):
    """E_D Var(r + γ max q' | s, a)."""
    after = mdp.gamma * best(mdp, q)
    mean = mdp.rows @ after
    return (rho * (mdp.rows @ (after * after) - mean * mean)).sum()


@claim(id="G6", source="Baird (1995); Antos, Szepesvári & Munos (2008), §3.1", exact="Q")
def sampled_residual_adds_the_variance(mdp: MDP, rho: Seen, q: ActionValue, *, variance=spread):
    """E (q − r − γ max q')² = ‖q − Bq‖_D² + E_D Var(γ max q' | s,a)."""
    batch, rho = every.transitions(mdp, rho), rho.reshape(-1)
    target = batch.reward + batch.discount * best(mdp, q)[batch.next_state]
    missed = q.reshape(-1)[batch.pair] - target
    residual = (q - q_optimality(mdp, q)).reshape(-1)
    left, right = squares(missed, batch.weight), squares(residual, rho)
    return Eq(left, right + variance(mdp, rho, q), lost(mdp, np.array([left])))


def none(mdp, rho, q):
    """No variance."""
    return 0 * mdp.gamma


sampled_residual_adds_the_variance.rejects("without the variance", variance=none)


def by_one_sample(mdp, pi, phi, d):
    """argmin E (v(s) − r − γv(s'))² over v = Φw: one sample in both places."""
    rho = np.repeat(d, np.diff(mdp.action_ptr)) * probabilities(mdp, pi).reshape(-1)
    batch = every.transitions(mdp, rho)
    seen = batch.weight > 0
    state, after = mdp.pair_states[batch.pair][seen], batch.next_state[seen]
    moved = phi[state] - batch.discount[seen][:, None] * phi[after]
    return best_weights(moved, batch.weight[seen], batch.reward[seen])


def regular(mdp, phi):
    """Whether floats can tell the residual's equations from singular, for every policy."""
    pi = mdp.action_ptr[:-1] * 0
    d = uniformly(mdp, pi)
    return well_posed(residual_system(state_chain(mdp, pi), phi, d, mdp.gamma))


@claim(
    id="G6-deterministic",
    source="Baird (1995), §5",
    exact="Q",
    applies={"the residual's equations are not nearly singular": regular},
)
def one_sample_is_enough_of_deterministic_transitions(
    mdp: Annotated[MDP, models(deterministic=True, ragged=False)],
    phi: Features,
    *,
    where=lambda mdp: mdp,
):
    """P ∈ {0, 1} ⇒ the minimizer of E (v − r − γv')² is that of ‖v − T^πv‖_D.

    With two next states it is another: the first prefers values that vary little.
    """
    mdp = where(mdp)
    pi = np.zeros(mdp.n_states, dtype=int)
    d = uniformly(mdp, pi)
    two = solution(residual_system(state_chain(mdp, pi), phi, d, mdp.gamma))
    return Eq(by_one_sample(mdp, pi, phi, d), two, lost(mdp, two))


def pays_one():
    """One state, one feature."""
    return model([[[1]]], [[1]], "9/10"), exactly([[1]])


one_sample_is_enough_of_deterministic_transitions.rejects(
    "where half of all steps end", where=half_stopping, at=pays_one
)

# ---- fitted iteration ------------------------------------------------------------------------


def by_regression(mdp, rho, phi, q):
    """One round of fitted Q-iteration on every transition."""
    batch = every.transitions(mdp, rho)
    start = q.reshape(-1)
    return fitted_q_iteration(batch, phi, action_ptr=mdp.action_ptr, steps=1, initial=start)[1]


def within(mdp, rho, phi):
    """Whether floats can tell ΦᵀDΦ from singular."""
    return mdp.is_exact or np.linalg.cond(phi) < 1e6


@claim(
    id="G7",
    source="Antos, Szepesvári & Munos (2008); Ernst, Geurts & Wehenkel (2005)",
    exact="Q",
    substochastic=True,
    applies={"Φ is not nearly singular": within},
)
def fitted_iteration_is_the_projected_backup(
    mdp: MDP, rho: Seen, phi: PairFeatures, q: ActionValue, *, image=q_optimality
):
    """argmin_w E (Φw − r − d max q')² = ΠBq: the variance of the target moves nothing."""
    wanted = projection(phi, rho.reshape(-1)) @ image(mdp, q).reshape(-1)
    return Eq(by_regression(mdp, rho, phi, q), wanted, lost(mdp, wanted))


def through_ends(mdp, q):
    """r + γ max q' wherever a step leads, and where it ends to the state that it left."""
    ends = np.asarray(mdp.stop).reshape(-1) * best(mdp, q)[mdp.pair_states]
    return q_optimality(mdp, q) + mdp.gamma * ends.reshape(mdp.pair_shape)


def stays_or_ends():
    """One state that ends half the time."""
    mdp = model([[["1/2"]]], [[1]], "9/10", stops=True)
    return mdp, exactly([[1]]), exactly([[1]]), exactly([[2]])


fitted_iteration_is_the_projected_backup.rejects(
    "bootstrapping through ends", image=through_ends, at=stays_or_ends
)


def averaged(mdp, M, v):
    """M v."""
    return M @ v


def least_squares_of_one(mdp, M, v):
    """Unweighted least squares with φ = (1, 2, …, S): no averager."""
    phi = np.array([[mdp.gamma * 0 + s + 1] for s in range(mdp.n_states)])
    return projection(phi, 0 * v + 1) @ v


Averager = Annotated[Any, lambda draw, earlier: draw.distribution("st")]
"""Rows are distributions: k nearest neighbors, interpolation, aggregation, kernels."""


@claim(id="G7-averager", source="Gordon (1995), Theorem 3.2", exact="Q")
def averagers_keep_the_contraction(mdp: MDP, v: Value, w: Value, M: Averager, *, fit=averaged):
    """‖MTv − MTw‖∞ ≤ γ ‖v − w‖∞ where M averages."""
    apart = fit(mdp, M, optimality(mdp, v)) - fit(mdp, M, optimality(mdp, w))
    return All(Leq(sup(apart), mdp.gamma * sup(v - w)))


def doubled():
    """w → 2w: the fit of (2γw, 2γw) at (1, 2) is 6γ/5 · w."""
    mdp, _ = two_weights()
    return mdp, exactly([1, 2]), exactly([0, 0]), exactly([[1, 0], [0, 1]])


averagers_keep_the_contraction.rejects(
    "least squares in its place", fit=least_squares_of_one, at=doubled
)


@averagers_keep_the_contraction.attained_by
def shifted():
    """v + 1, and anything that averages."""
    mdp, _ = two_weights()
    return mdp, exactly([1, 2]), exactly([2, 3]), exactly([["1/2", "1/2"], [0, 1]])


@claim(id="G7-w2w", source="Tsitsiklis & Van Roy (1996)", exact="Q", mutations=("m2",))
def least_squares_grow_by_their_factor(
    mdp: MDP,
    w: Annotated[Any, lambda draw, earlier: draw.number()],
    *,
    factor=lambda g: g * 6 / 5,
):
    """v = (w, 2w), both states lead to the second: one fit of Tv makes 6γ/5 · w of w.

    So it diverges for γ > 5/6, whatever the contraction of T.
    """
    other = model_like(two_weights()[0], mdp)
    phi = np.array([[x * (mdp.gamma * 0 + 1)] for x in (1, 2)])
    v = phi[:, 0] * w
    fitted = projection(phi, 0 * v + 1) @ optimality(other, v)
    return Eq(fitted, factor(mdp.gamma) * v)


def model_like(mdp, like):
    """The model in the numbers, and with the discount, of another."""
    return (mdp if like.is_exact else mdp.rounded()).replace(gamma=like.gamma)


least_squares_grow_by_their_factor.rejects("by γ", factor=lambda g: g)
