"""Group X: what a model of samples is worth (THEOREMS.md §3, X14, X15).

    ‖q* − q̂*‖∞ ≤ γH ‖(P̂ − P)v*‖∞ ≤ γH² √(log(2m/δ)/(2N))     N samples of each of m pairs
    |v^π_M − v^π_M'| ≤ E_M[γ^τ] H R_span ≤ P_M(τ < ∞) H R_span     τ: first state not known

Source: Kearns & Singh (1999); Azar, Munos & Kappen (2013); Strehl, Li & Littman (2009).
"""

from fractions import Fraction
from typing import Annotated, Any

import numpy as np

from mdpkit import gallery
from mdpkit.claim import (
    MDP,
    All,
    Eq,
    Leq,
    Policy,
    claim,
    discounts,
    integers,
    models,
    solve,
)
from mdpkit.claim.statement import FALSE_ALARM
from mdpkit.operators.resolvent import solve_chain
from proofs_checks.models import misread
from proofs_checks.vocabulary import (
    chain,
    horizon,
    identity,
    optimality,
    q_star,
    span,
    sup,
    tol_v,
    v_pi,
    v_star,
    with_rows,
)

# ---- X14 -------------------------------------------------------------------------------------


def estimated(draw, earlier):
    """The model drawn before with other transitions and the same rewards."""
    mdp = earlier["mdp"]
    return with_rows(mdp, misread(draw, earlier).rows, mdp.r.reshape(-1))


Estimated = Annotated[MDP, estimated]


def at_optimum(mdp):
    """v*."""
    return v_star(mdp)


@claim(
    id="X14", source="Kearns & Singh (1999); Azar, Munos & Kappen (2013), Lemma 1", exact="Q"
)
def optimum_survives_estimated_transitions(
    mdp: MDP, other: Estimated, *, values=at_optimum, size=horizon
):
    """‖q* − q̂*‖∞ ≤ γH ‖(P̂ − P)v*‖∞: only the errors seen by v* count."""
    missed = sup(other.expect(values(mdp)) - mdp.expect(values(mdp)))
    return Leq(
        sup(q_star(mdp) - q_star(other)), mdp.gamma * size(mdp) * missed, tol_v(mdp, powers=3)
    )


optimum_survives_estimated_transitions.rejects(
    "the errors seen by r", values=lambda mdp: optimality(mdp, 0 * v_star(mdp))
)
optimum_survives_estimated_transitions.rejects("without H", size=lambda mdp: 1)


@optimum_survives_estimated_transitions.attained_by
def leak():
    """A state that pays 1 and leaks, estimated as one that does not."""
    mdp = gallery.make("leak").exact()
    return mdp, with_rows(mdp, gallery.make("leak", delta=0).exact().rows, mdp.r.reshape(-1))


def failures(mdp, N, seed, repeats, radius):
    """In how many of some estimates from N samples a pair q̂* errs by more than the radius."""
    rng, truth, count = np.random.default_rng(seed), q_star(mdp), 0
    for _ in range(repeats):
        rows = rng.multinomial(N, np.minimum(mdp.rows, 1.0)) / N
        count += sup(q_star(with_rows(mdp, rows, mdp.r.reshape(-1))) - truth) > radius
    return count


def least_rate(k, n):
    """Clopper and Pearson's lower limit of a chance seen k times in n, error 10⁻¹⁰."""
    from scipy.special import betaincinv

    return 0.0 if k == 0 else float(betaincinv(k, n - k + 1, FALSE_ALARM))


DELTA, REPEATS = 0.1, 20


@claim(
    id="X14-coverage", source="Hoeffding (1963); Azar, Munos & Kappen (2013)", exact="B",
    effort=0.3,
)  # fmt: skip
def hoeffding_covers_the_estimated_optimum(
    mdp: Annotated[MDP, models(reward=(0, 1), discount=(0, Fraction(99, 100)))],
    N: Annotated[int, integers(1, 30)],
    seed: Annotated[int, integers(0, 10**6)],
    *,
    power=2,
):
    """r in [0, 1], N samples a pair: P(‖q* − q̂*‖∞ > γH² √(log(2m/δ)/(2N))) ≤ δ = 1/10.

    Of 20 estimates so many fail that Clopper and Pearson's lower limit at 10⁻¹⁰ exceeds δ with
    probability 10⁻¹⁰ at most.
    """
    radius = mdp.gamma * horizon(mdp) ** power
    radius = radius * np.sqrt(np.log(2 * mdp.n_pairs / DELTA) / (2 * N))
    return Leq(least_rate(failures(mdp, N, seed, REPEATS, radius), REPEATS), DELTA, 0.0)


def hardly_leaving():
    """The reward 1 is kept with probability (4γ−1)/(3γ), γ = .999, seen 2000 times."""
    g = 0.999
    p = (4 * g - 1) / (3 * g)
    return MDP(np.array([[[p, 1 - p]], [[0, 1]]]), np.array([[1.0], [0.0]]), g), 2000, 0


hoeffding_covers_the_estimated_optimum.rejects("without H²", power=0, at=hardly_leaving)


def cubed(mdp):
    """H³."""
    return horizon(mdp) ** 3


@claim(id="X14-azar", source="Azar, Munos & Kappen (2013), Theorem 3", exact="Q", mutations=())
def hard_models_err_by_the_cube_of_the_horizon(
    gamma: Annotated[Any, discounts(Fraction(1, 2), Fraction(999, 1000))], *, order=cubed
):
    """On `azar` N Var q̂(s,a) → (27/256) γp H³, p = (4γ−1)/(3γ): deviations grow as H^{3/2}.

    The error of q̂ is γ(1 − γp)⁻¹ (p̂ − p)v to first order, of variance γ² p(1−p)v²/(1−γp)²/N.
    """
    p = (4 * gamma - 1) / (3 * gamma)
    one = gamma * 0 + 1
    mdp = MDP(np.array([[[p]]]), np.array([[one]]), gamma, stop=np.array([[1 - p]]))
    v = v_star(mdp)[0]
    ahead = solve_chain(mdp.rows, np.array([one]), gamma)[0]  # (1 − γp)⁻¹
    second = p * v * v - (p * v) ** 2
    found, wanted = (gamma * ahead) ** 2 * second, 27 * gamma * p * order(mdp) / 256
    return Eq(found, wanted, tol_v(mdp, powers=4) * 100)


hard_models_err_by_the_cube_of_the_horizon.rejects(
    "H⁴, as Hoeffding's bound has it", order=lambda mdp: horizon(mdp) ** 4
)
hard_models_err_by_the_cube_of_the_horizon.rejects("H²", order=lambda mdp: horizon(mdp) ** 2)


# ---- X15 -------------------------------------------------------------------------------------


def elsewhere(draw, earlier):
    """The model drawn before, with other rewards and transitions in the states not known."""
    mdp, known = earlier["mdp"], earlier["known"][earlier["mdp"].pair_states] == 1
    s, a = mdp.pair_states, mdp.pair_actions
    rows = np.where(known[:, None], mdp.rows, draw.distribution("sat")[s, a])
    return with_rows(mdp, rows, np.where(known, mdp.r.reshape(-1), draw.numbers("sa")[s, a]))


Known = Annotated[Any, lambda draw, _: draw.integers("s", 0, 1)]
Elsewhere = Annotated[MDP, elsewhere]


def escape(mdp, pi, known, gamma):
    """E γ^τ, τ the first time in a state that is not known; at γ = 1 P(τ < ∞)."""
    P, _ = chain(mdp, pi)
    can = ~known
    for _ in range(mdp.n_states):
        can = can | ((P != 0) & can).any(axis=1)
    inside = known & can  # from elsewhere it is 0, and at γ = 1 the system singular
    e = np.where(known, 0 * mdp.gamma, 0 * mdp.gamma + 1)
    rows = np.where(inside[:, None], P, 0 * P)
    return solve(
        identity(mdp) - gamma * np.where(inside, rows, 0 * rows),
        np.where(inside, gamma * (P @ e), e),
    )


@claim(id="X15", source="Strehl, Li & Littman (2009), Lemma 8", exact="Q")
def unknown_states_cost_what_escaping_to_them_costs(
    mdp: MDP, known: Known, other: Elsewhere, pi: Policy, *, discounted=True, size=horizon
):
    """M = M' on the known states: |v^π_M − v^π_M'| ≤ E_M[γ^τ] H R_span ≤ P_M(τ < ∞) H R_span.

    τ is the first time in a state that is not known; R_span is over the rewards of both.
    """
    rewards = np.concatenate([mdp.r.reshape(-1), other.r.reshape(-1)])
    cost = size(mdp) * span(rewards)
    late, ever = (escape(mdp, pi, known == 1, g) for g in (mdp.gamma, mdp.gamma * 0 + 1))
    late = late if discounted else mdp.gamma * late
    tol = tol_v(mdp, rewards, powers=3)
    change = abs(v_pi(mdp, pi) - v_pi(other, pi))
    return All(
        Leq(change, late * cost, tol),
        Leq(late, ever, 1e-9, ratio=False),
        Leq(change, ever * cost, tol, ratio=False),
    )


unknown_states_cost_what_escaping_to_them_costs.rejects(
    "one step later", discounted=False, at=lambda: unknown_from_the_start()
)
unknown_states_cost_what_escaping_to_them_costs.rejects(
    "without H", size=lambda mdp: 1, at=lambda: unknown_from_the_start()
)


@unknown_states_cost_what_escaping_to_them_costs.attained_by
def unknown_from_the_start():
    """One state, not known: it pays 1 for ever, or 0."""
    mdp = gallery.make("pi-chain", n=2).exact()
    pays = [mdp.replace(r=mdp.r * 0 + x) for x in (0, 1)]
    return pays[0], np.array([0, 0]), pays[1], np.array([0, 0])
