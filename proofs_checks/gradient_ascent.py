"""Group H, ninth part: projected gradient ascent, and Gaussian policies (H18, H14, H24).

    π_{k+1} = Proj(π_k + ∇J_μ/L), L = 2γ|A|H³:     J*−J_k ≤ max(64γS|A|H⁵ ‖d*_μ/μ‖²∞, H)/k
    ∇_f log N(a; f, Σ) = Σ⁻¹(a − f)                ∇_φ E r(m + σε) = E r ∇_φ log N(·; m, σ²)

Source: Agarwal, Kakade, Lee & Mahajan (2021), Theorem 5; Xiao (2022); Williams (1992).
"""

from itertools import pairwise
from typing import Annotated, Any

import numpy as np

from mdpkit.claim import (
    MDP,
    All,
    Eq,
    Exists,
    FullDistribution,
    Leq,
    Policy,
    Rate,
    claim,
    models,
    numbers,
)
from mdpkit.improve import ProjectedPolicyGradient
from mdpkit.operators.occupancy import occupancy
from mdpkit.operators.scores import gaussian_scores
from proofs_checks.vocabulary import horizon, pi_star, tol_v, v_star

# ---- H18 -------------------------------------------------------------------------------------

Unit = Annotated[MDP, models((1, 3), (1, 3), reward=(0, 1), discount=(0, 0.9))]
STEPS = 12


def smoothness(mdp):
    """L = 2γ|A|H³."""
    return 2 * mdp.gamma * mdp.n_actions * horizon(mdp) ** 3


def over_l(mdp):
    """1/L, or 1 at γ = 0, where J is linear."""
    return 1 / smoothness(mdp) if mdp.gamma > 0 else 1.0


@claim(
    id="H18", source="Agarwal et al. (2021), Theorem 5; Xiao (2022), Theorem 3", exact="B",
    effort=0.5,
)  # fmt: skip
def projected_gradient_ascends_at_a_rate(
    mdp: Unit, mu: FullDistribution, pi: Policy, *, start=lambda mu: mu, step_size=over_l
):
    """π ← Proj(π + ∇J_μ/L), r ∈ [0, 1], μ > 0: J*−J_k ≤ max(64γS|A|H⁵‖d*/μ‖²∞, H)/k.

    And J_{k+1} − J_k ≥ (L/2) ‖π_{k+1} − π_k‖₂².
    """
    size = step_size(mdp)
    method = ProjectedPolicyGradient(size, start=start(mu), policy=pi)
    states = [method.init(mdp)]
    for _ in range(STEPS):
        states.append(method.step(mdp, states[-1]))
    J, H = np.array([mu @ state.v for state in states]), horizon(mdp)
    squares = [((b.policy - a.policy) ** 2).sum() for a, b in pairwise(states)]
    uneven = (occupancy(mdp, pi_star(mdp), mu) / mu).max()
    constant = 64 * mdp.gamma * mdp.n_states * mdp.n_actions * H**5 * uneven**2
    bound = max(constant, H) / np.arange(1, STEPS + 1)
    tol = tol_v(mdp, powers=3)
    return All(
        Rate(mu @ v_star(mdp) - J[1:], bound, tol),
        Leq(smoothness(mdp) / 2 * np.array(squares), np.diff(J), tol),
    )


def unaware():
    """From 0 one stays, and does not learn of a better action in 1; γ = 1/100."""
    P = np.zeros((2, 2, 2))
    P[0, :, 0] = P[1, :, 1] = 1
    mdp = MDP(P, [[0.0, 0.0], [0.0, 1.0]], 0.01)
    return mdp, np.array([0.1, 0.9]), np.array([[1.0, 0.0], [1.0, 0.0]])


def first_state_only(mu):
    """All weight on state 0."""
    return np.eye(mu.size)[0]


projected_gradient_ascends_at_a_rate.rejects(
    "μ without full support", start=first_state_only, at=unaware
)
projected_gradient_ascends_at_a_rate.rejects(
    "a step of 10⁻⁶/L", step_size=lambda mdp: 1e-6 * over_l(mdp), at=unaware
)
projected_gradient_ascends_at_a_rate.rejects(
    "the growth of steps of 1000/L", step_size=lambda mdp: 1e3 * over_l(mdp)
)


@projected_gradient_ascends_at_a_rate.attained_by(exact_equality=False)
def smooth_bandit():
    """One state: J is linear and grows by L‖Δ‖², twice what is proven."""
    return MDP(np.ones((1, 2, 1)), [[1.0, 0.0]], 0.9), np.ones(1), np.array([[0.5, 0.5]])


# ---- H14: Gaussian scores --------------------------------------------------------------------

Action = Annotated[Any, numbers("m", -2, 2)]
Parameters = Annotated[Any, numbers("k", -2, 2)]
Slopes = Annotated[Any, numbers("mk", -1, 1)]
Root = Annotated[Any, numbers("m", 1, 2)]
Skew = Annotated[Any, numbers("m", -1, 1)]


@claim(id="H14", source="Williams (1992), §6", exact="B")
def gaussian_score_has_no_half(
    a: Action, theta: Parameters, B: Slopes, root: Root, skew: Skew, *, score=gaussian_scores
):
    """∇_θ log N(a; f_θ, Σ) = (∂f/∂θ)ᵀ Σ⁻¹ (a − f_θ), for f_θ = Bθ + (Bθ)²; complex steps.

    The ½ of the exponent cancels against the 2 of the square.
    """
    covariance, h = np.diag(root**2) + np.outer(skew, skew), 1e-30

    def log_density(x):
        far = a - (B @ x + (B @ x) ** 2)
        return -(far @ np.linalg.solve(covariance, far)) / 2

    steps = theta + 1j * h * np.eye(theta.size)
    true = [np.imag(log_density(x)) / h for x in steps]
    mean, jacobian = B @ theta + (B @ theta) ** 2, (1 + 2 * (B @ theta))[:, None] * B
    return Eq(score(a[None], mean, covariance, jacobian)[0], true, 1e-9)


gaussian_score_has_no_half.rejects("with a ½", score=lambda *x: gaussian_scores(*x) / 2)
gaussian_score_has_no_half.rejects("f − a for a − f", score=lambda *x: -gaussian_scores(*x))
gaussian_score_has_no_half.rejects(
    "Σ for Σ⁻¹", score=lambda a, f, S, J: gaussian_scores(a, f, np.linalg.inv(S), J)
)


# ---- H24: two gradients of a Gaussian mean ---------------------------------------------------

NOISE = np.arange(-12, 12.01, 1 / 16)
CHANCE = np.exp(-(NOISE**2) / 2) / 16 / np.sqrt(2 * np.pi)
"""Trapezoids: of entire functions that fall as fast as this they err by less than rounding."""


def by_path(r, slope, m, s):
    """r'(m + sε) (1, ε), (n, 2): the derivative of the reward itself."""
    return slope(m + s * NOISE)[:, None] * np.stack([np.ones_like(NOISE), NOISE], axis=1)


def by_score(r, slope, m, s):
    """r ∂ log N/∂(m, s), (n, 2)."""
    x = (m + s * NOISE)[:, None]
    of_mean = gaussian_scores(x, np.array([m]), np.array([[s * s]]), np.eye(1))
    return r(x) * np.concatenate([of_mean, (NOISE[:, None] ** 2 - 1) / s], axis=1)


Coefficients = Annotated[Any, numbers("k", -2, 2, longest=5)]
Center = Annotated[float, numbers(low=-1, high=1)]
Width = Annotated[float, numbers(low=0.25, high=2)]


@claim(id="H24", source="Kingma & Welling (2014), §2.4; Haarnoja et al. (2018)", exact="B")
def both_gradients_of_a_gaussian_have_one_mean(
    c: Coefficients, m: Center, s: Width, *, score=by_score, path=by_path
):
    """∇_φ E r(m + sε) = E r'(m + sε) (1, ε) = E r ∇_φ log N(·; m, s²), φ = (m, s), smooth r.

    For polynomials r, of degree 4 at most, against the exact derivative of their moments.
    """
    r = np.polynomial.Polynomial(c)
    # E (m + sε)ᵏ as a polynomial: E r(x) = Σ_j r⁽²ʲ⁾(m) s²ʲ/(2ʲ j!).
    true = np.array(
        [
            sum(r.deriv(2 * j + 1)(m) * s ** (2 * j) / x for j, x in ((0, 1), (1, 2))),
            sum(r.deriv(2 * j)(m) * 2 * j * s ** (2 * j - 1) / x for j, x in ((1, 2), (2, 8))),
        ]
    )
    found = [CHANCE @ form(r, r.deriv(), m, s) for form in (score, path)]
    return All(*(Eq(mean, true, 1e-10) for mean in found))


both_gradients_of_a_gaussian_have_one_mean.rejects(
    "half the score", score=lambda r, slope, m, s: by_score(r, slope, m, s) / 2
)
both_gradients_of_a_gaussian_have_one_mean.rejects(
    "r' at the mean", path=lambda r, slope, m, s: by_path(r, lambda x: slope(0 * x + m), m, s)
)


def bump(width):
    """r = e^{−x²/2w²} and its derivative."""
    return (
        lambda x: np.exp(-(x**2) / (2 * width**2)),
        lambda x: -x / width**2 * np.exp(-(x**2) / (2 * width**2)),
    )


def both_orders(path, score, widths=(2.0, 0.5)):
    """Widths of r for which the path's gradient of the mean varies less, and more."""
    ratios = []
    for width in widths:
        spread = [CHANCE @ form(*bump(width), 0.0, 1.0)[:, 0] ** 2 for form in (path, score)]
        ratios.append(spread[0] / spread[1])
    exact = [width**-4 for width in widths]
    found = np.allclose(ratios, exact, rtol=1e-9) and min(ratios) < 1 < max(ratios)
    return widths if found else None


@claim(id="H24-variance", source="a line: x r/w² against x r", exact="B")
def either_gradient_of_a_gaussian_may_vary_more(*, path=by_path, score=by_score):
    """∃ r: Var r'(ε) < Var r(ε)ε, and ∃ r: >. For r = e^{−x²/2w²} the ratio is w⁻⁴ exactly."""
    return Exists(both_orders(path, score))


either_gradient_of_a_gaussian_may_vary_more.rejects("the two are one", path=by_score)
either_gradient_of_a_gaussian_may_vary_more.rejects(
    "the path's never varies more",
    path=lambda r, slope, m, s: np.minimum(
        abs(by_path(r, slope, m, s)), abs(by_score(r, slope, m, s))
    ),
)
