"""Group M, first part: the maximum entropy of whole paths (M1, M2).

    L(w) = w·f̂ − log Z(w),  Z = Σ_paths p_0 e^{w·f}            ∇L = f̂ − E_{p(path|O)} f
    max {−KL(q‖p_0) : E_q f = f̂} = min_w log Z(w) − w·f̂       p_0 = μ Π P, the dynamics alone

Source: Ziebart, Maas, Bagnell & Dey (2008); Jaynes (1957); Dudík, Phillips & Schapire (2007).
"""

from typing import Annotated, Any

import numpy as np

from mdpkit.claim import (
    MDP,
    All,
    Eq,
    Leq,
    Policy,
    State,
    claim,
    integers,
    models,
    numbers,
)
from mdpkit.infer import MaxCausalEntropy, MaxEntropyPaths, fit
from mdpkit.policy import uniform
from proofs_checks.inference_vocabulary import (
    Certain,
    Horizon,
    Observed,
    Reward,
    Temperature,
    certain_pay,
    from_state,
    half_lucky,
    likelihood,
    log_tolerance,
    observed,
    paths,
    product,
    staged,
    total,
    visits,
)

# ---- M1 --------------------------------------------------------------------------------------


def path_gradient(mdp, own, horizon, tau):
    """The package's: (own − visits of the posterior)/τ."""
    return MaxEntropyPaths(horizon, tau).log_likelihood(mdp, mdp.r, own)[1]


def rolled_out(mdp, own, horizon, tau):
    """(own − visits of the soft-optimal policy under P)/τ: the gradient of causal entropy."""
    return (own - MaxCausalEntropy(horizon, tau, discount=1.0).behave(mdp, mdp.r).visits) / tau


def without_past(mdp, own, horizon, tau):
    """(own − visits of the posterior policy under P)/τ: the luck is not weighed."""
    policy = MaxEntropyPaths(horizon, tau).behave(mdp, mdp.r).policy
    found = paths(mdp, horizon)
    rolled = found.chance * staged(found.pairs, policy)
    return (own - visits(found.pairs, rolled, own.size)) / tau


def shown(mdp, pi, horizon):
    """Expected visits of a policy, (pairs,), path by path."""
    found = paths(mdp, horizon)
    return visits(found.pairs, found.chance * product(found.pairs, pi), mdp.n_pairs)


def log_likelihood(mdp, own, r, horizon, tau):
    """own·r/τ − log Σ p_0 e^{Σr/τ}."""
    _, weight = observed(mdp, horizon, np.exp(r / tau))
    return own @ r.reshape(-1) / tau - np.log(weight.sum())


@claim(id="M1", source="Ziebart, Maas, Bagnell & Dey (2008), equation 6", exact="B")
def path_likelihood_ascends_to_the_data(
    mdp: Observed,
    expert: Policy,
    other: Reward,
    horizon: Horizon,
    tau: Temperature,
    *,
    gradient=path_gradient,
):
    """L(r) = E_data Σr/τ − log Z, ∇L = (E_data − E_{p(path|O)}) visits/τ, and L is concave."""
    own = shown(mdp, expert, horizon)
    found, weight = observed(mdp, horizon, likelihood(mdp, tau))
    posterior = visits(found.pairs, weight / weight.sum(), mdp.n_pairs)
    value, _, _ = MaxEntropyPaths(horizon, tau).log_likelihood(mdp, mdp.r, own)
    slope = gradient(mdp, own, horizon, tau)
    rise = slope @ (other - mdp.r).reshape(-1)
    near = log_tolerance(mdp, horizon, tau) / tau
    return All(
        Leq(-value - rise, -log_likelihood(mdp, own, other, horizon, tau), 16 * near / tau),
        Eq(slope, (own - posterior) / tau, near / tau),
        Eq(value, log_likelihood(mdp, own, mdp.r, horizon, tau), near),
    )


path_likelihood_ascends_to_the_data.rejects(
    "rolls out the soft-optimal policy", gradient=rolled_out
)
path_likelihood_ascends_to_the_data.rejects(
    "rolls out the posterior policy", gradient=without_past
)


@path_likelihood_ascends_to_the_data.attained_by
def a_constant_more():
    """r + 1 makes the same paths as likely."""
    mdp, pi, tau, horizon = certain_pay()
    return mdp, pi, mdp.r + 1, horizon, tau


def second_moment(mdp, along, horizon, tau):
    """E[visits · Σ along] under p(path|O), (pairs,)."""
    found, weight = observed(mdp, horizon, likelihood(mdp, tau))
    p = weight / weight.sum()
    return visits(found.pairs, p * total(found.pairs, along), mdp.n_pairs)


def covariance(mdp, along, horizon, tau):
    """Cov(visits, Σ along) under p(path|O), (pairs,)."""
    found, weight = observed(mdp, horizon, likelihood(mdp, tau))
    p = weight / weight.sum()
    mean = visits(found.pairs, p, mdp.n_pairs)
    centre = mean * (p @ total(found.pairs, along))
    return second_moment(mdp, along, horizon, tau) - centre


@claim(id="M1-hessian", source="Ziebart, Maas, Bagnell & Dey (2008)", exact="B")
def curvature_is_the_covariance_of_visits(
    mdp: Observed, along: Reward, horizon: Horizon, tau: Temperature, *, spread=covariance
):
    """∇²L d = −Cov(visits, Σd)/τ², by central differences of the gradient."""
    along, h = along / 4, 1e-4 * tau
    up, down = (
        path_gradient(
            mdp.replace(r=mdp.r + sign * h * along), np.zeros(mdp.n_pairs), horizon, tau
        )
        for sign in (1, -1)
    )
    # The fourth cumulant of numbers in [−T, T] is below 8T⁴; a gradient errs by near/τ².
    rounding = (2 * horizon**4 * 1e-8 + log_tolerance(mdp, horizon, tau) / h) / tau**2
    return Eq((up - down) / (2 * h), -spread(mdp, along, horizon, tau) / tau**2, rounding)


curvature_is_the_covariance_of_visits.rejects("the second moment", spread=second_moment)


@claim(id="M1-certain", source="Ziebart (2010), §5.2", exact="B")
def path_and_causal_entropy_agree_without_luck(
    mdp: Certain,
    s: State,
    horizon: Horizon,
    tau: Temperature,
    *,
    begun=from_state,
    dynamics=lambda mdp: mdp,
):
    """P and s_0 certain ⇒ both models of behavior have one policy and the same visits."""
    mdp = begun(dynamics(mdp), s)
    path = MaxEntropyPaths(horizon, tau).behave(mdp, mdp.r)
    sober = MaxCausalEntropy(horizon, tau, discount=1.0).behave(mdp, mdp.r)
    near = log_tolerance(mdp, horizon, tau) / tau
    return All(
        Eq(path.visits, sober.visits, horizon * near), Eq(path.policy, sober.policy, near)
    )


path_and_causal_entropy_agree_without_luck.rejects("begun anywhere", begun=lambda mdp, s: mdp)
path_and_causal_entropy_agree_without_luck.rejects("half of it is luck", dynamics=half_lucky)


# ---- duality ---------------------------------------------------------------------------------

ROUGH: dict[str, Any] = {"ragged": False, "ergodic": True}
"""With `half_uniform`, f̂ lies well inside what can be expected: the solvers need it."""

Mixing = Annotated[MDP, models((1, 2), (2, 2), discount=(1, 1), **ROUGH)]
Phi = Annotated[np.ndarray, numbers("sak", low=-1, high=1, longest=2)]
"""One or two features of every pair, (S, A, K)."""


def least(convex, x, rows):
    """The least value of a convex function on {y > 0 : rows·y = rows·x}, by Newton's method.

    convex(x) returns the value, its gradient and its Hessian. Each step is relative to where it
    begins, so that it sees entries of every size, and goes at most nine tenths of the way out.
    """
    from scipy.linalg import null_space

    value, slope, bend = convex(x)
    for _ in range(100):
        along = x[:, None] * null_space(rows * x)
        step = along @ np.linalg.solve(along.T @ bend @ along, -along.T @ slope)
        if slope @ step > -1e-15:
            return value
        t = min(1.0, 0.9 / max((-step / x).max(), 1e-300))
        while (found := convex(x + t * step))[0] > value + t / 4 * (slope @ step):
            t = t / 2
        x, (value, slope, bend) = x + t * step, found
    return value


def half_uniform(mdp, pi):
    """½π + ½ uniform."""
    return (pi + uniform(mdp)) / 2


def path_divergence(chance):
    """q ↦ Σ q log(q/p_0), with its derivatives."""
    return lambda q: (q @ np.log(q / chance), np.log(q / chance) + 1, np.diag(1 / q))


def most_path_entropy(chance, f, expert):
    """max {−KL(q‖p_0) : E_q f = E_expert f}."""
    return -least(path_divergence(chance), expert, np.column_stack([f, np.ones(len(f))]).T)


@claim(id="M2", source="Jaynes (1957); Dudík, Phillips & Schapire (2007), Theorem 1", exact="B")
def most_entropy_of_paths_is_a_likelihood(
    mdp: Mixing,
    phi: Phi,
    pi: Policy,
    horizon: Annotated[int, integers(1, 2)],
    *,
    primal=most_path_entropy,
):
    """max_q {−KL(q‖p_0) : E_q f = f̂} = min_w log Z(w) − w·f̂, at q ∝ p_0 e^{w·f}."""
    found = paths(mdp, horizon)
    f = np.stack([total(found.pairs, phi[..., k]) for k in range(phi.shape[-1])], axis=1)
    expert = found.chance * product(found.pairs, half_uniform(mdp, pi))
    aim, weight = expert @ f, found.chance
    fitted = fit(mdp, MaxEntropyPaths(horizon), aim, phi, tol=1e-9)
    scores = f @ fitted.weights
    q = weight * np.exp(scores - scores.max())
    own = -path_divergence(weight)(expert)[0]
    return All(
        Eq(primal(weight, f, expert), -fitted.value, 1e-8),
        Eq(q @ f / q.sum(), aim, 1e-7),
        Leq(own, -fitted.value, 1e-8, ratio=False),
    )


most_entropy_of_paths_is_a_likelihood.rejects(
    "max over w of the entropy of its paths: w = 0",
    primal=lambda chance, f, expert: np.log(chance.sum()),
)
