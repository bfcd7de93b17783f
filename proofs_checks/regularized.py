"""Group X, regularized dynamic programming: any Ω for entropy, and divergences that average.

    T_Ω v = max_π T^π v − Ω(π)                 L ≤ Ω ≤ U in every state
    v_{k+1}, π_{k+1} = max, argmax_π ⟨π, q_k⟩ − λ KL(π‖π_k)      q_k = r + γPv_k + ε_k

Source: Geist, Scherrer & Pietquin (2019); Vieillard et al. (2020).
"""

import math
from fractions import Fraction
from typing import Annotated, Any, NamedTuple

import numpy as np

from mdpkit.claim import MDP, All, Leq, Value, claim, integers, models, numbers
from mdpkit.operators.aggregate import boltzmann, mellowmax, soft, sparsemax
from mdpkit.operators.bellman import action_values, aggregate, backup
from mdpkit.plan import MirrorDescentValueIteration, RegularizedModifiedPolicyIteration
from mdpkit.policy import probabilities
from mdpkit.solve import solve
from proofs_checks.soft_vocabulary import Temperature, soft_policy
from proofs_checks.vocabulary import (
    greedy_in,
    horizon,
    q_pi,
    q_star,
    span,
    sup,
    v_pi,
    v_star,
)

Moderate = models(discount=(0, Fraction(19, 20)))
Weights = Annotated[Any, numbers("sa", low=Fraction(1, 10), high=2)]
Which = Annotated[Any, integers(0, 3)]


# ---- X22 -------------------------------------------------------------------------------------


class Regularizer(NamedTuple):
    """⊕ = max_π ⟨π, q⟩ − Ω(π), and L ≤ Ω ≤ U."""

    over: Any
    least: float
    most: float


def regularizer(mdp, which, tau, weights):
    """Shannon's entropy, Tsallis's, the divergence to the uniform policy or to another one."""
    A = np.diff(mdp.action_ptr).max()
    if which == 0:
        return Regularizer(soft(tau), -tau * math.log(A), 0.0)
    if which == 1:
        return Regularizer(sparsemax(tau), -tau / 2 * (1 - 1 / A), 0.0)
    if which == 2:
        return Regularizer(mellowmax(1 / tau), 0.0, tau * math.log(A))
    w = weights[mdp.pair_states, mdp.pair_actions]
    sums = np.add.reduceat(w, mdp.action_ptr[:-1])
    prior = (w / sums[mdp.pair_states]).reshape(mdp.pair_shape)
    return Regularizer(soft(tau, prior), 0.0, -tau * math.log(prior.min()))


def exchanged(mdp, which, tau, weights):
    """U and L in each other's place, with the wrong sign."""
    over, least, most = regularizer(mdp, which, tau, weights)
    return Regularizer(over, -most, -least)


@claim(
    id="X22", source="Geist, Scherrer & Pietquin (2019), Proposition 2", exact="B",
    substochastic=True,
)  # fmt: skip
def regularized_backup_contracts(
    mdp: MDP, v: Value, w: Value, which: Which, tau: Temperature, weights: Weights,
    *, choose=regularizer
):  # fmt: skip
    """‖T_Ω v − T_Ω w‖∞ ≤ γ ‖v − w‖∞ for strongly convex Ω; T_Ω is monotone."""
    over = choose(mdp, which, tau, weights).over
    change = backup(mdp, v, over) - backup(mdp, w, over)
    rise = backup(mdp, v + abs(w), over) - backup(mdp, v, over)
    return All(Leq(sup(change), mdp.gamma * sup(v - w)), Leq(0, rise, ratio=False))


@regularized_backup_contracts.attained_by
def shifted_values():
    """w = v + 1, with Tsallis's entropy."""
    mdp, *rest = equal_actions()
    v = np.array([1.0, -2.0])
    return mdp, v, v + 1, 1, *rest[1:]


def equal_actions(n=3):
    """Every action is as good as every other, at Shannon's entropy."""
    P = [[[0.5, 0.5]] * n, [[0, 1]] * n]
    mdp = MDP(P, np.repeat([[1.0], [-1.0]], n, axis=1), 0.9)
    return mdp, 0, 0.7, np.ones((2, n))


def steep():
    """Two states worth 0 and 5, or −1/10 and 51/10, to choose between at τ = 1."""
    P = [[[1, 0], [0, 1]]] * 2
    mdp = MDP(P, np.zeros((2, 2)), 0.999)
    return mdp, np.array([0, 5.0]), np.array([-0.1, 5.1]), 0, 1.0, np.ones((2, 2))


regularized_backup_contracts.rejects(
    "Boltzmann's average, which is no such maximum",
    choose=lambda mdp, which, tau, weights: Regularizer(boltzmann(tau), 0.0, 0.0),
    at=steep,
)


@claim(
    id="X22-loss", source="Geist, Scherrer & Pietquin (2019), Proposition 3 and Theorem 2",
    exact="B",
)  # fmt: skip
def regularizing_costs_at_most_its_range(
    mdp: Annotated[MDP, Moderate], which: Which, tau: Temperature, weights: Weights,
    *, choose=regularizer, factor=horizon
):  # fmt: skip
    """v* − HU ≤ v*_Ω ≤ v* − HL, and v* − v^{π*_Ω} ≤ H(U − L), where L ≤ Ω ≤ U."""
    over, least, most = choose(mdp, which, tau, weights)
    found = solve(mdp, RegularizedModifiedPolicyIteration(over), throw=False)
    hard, H = v_star(mdp), factor(mdp)
    tol = found.gap * (1 + 2 * horizon(mdp))
    return All(
        Leq(found.v - hard, -H * least, tol),
        Leq(hard - found.v, H * most, tol),
        Leq(hard - v_pi(mdp, found.probabilities), H * (most - least), tol),
    )


regularizing_costs_at_most_its_range.attained_by(equal_actions)
regularizing_costs_at_most_its_range.rejects("U for L", choose=exchanged)
regularizing_costs_at_most_its_range.rejects("without H", factor=lambda mdp: 1.0)


# ---- X8 --------------------------------------------------------------------------------------

Errors = Annotated[Any, numbers("ksa", longest=12)]
Rewarding = models(reward=(0, 1), discount=(0, Fraction(9, 10)))


class Step(NamedTuple):
    """What k errors led to."""

    policy: Any  # π_k
    q: Any  # q_k, without an error of its own
    total: Any  # Σ_{j<k} ε_j


def mirror_descent(mdp, lambda_, errors):
    """MD-VI from v_0 = 0, with ε_j added to q_j."""
    method, total, out = MirrorDescentValueIteration(lambda_), 0.0, []
    state = method.init(mdp)
    for error in errors:
        state = state._replace(preferences=state.preferences + error)
        total = total + error
        pi = soft_policy(mdp, state.preferences, lambda_)
        state = method.step(mdp, state)
        out.append(Step(pi, action_values(mdp, state.v), total))
    return out


def value_iteration(mdp, lambda_, errors):
    """q ← r + γP max q + ε: approximate value iteration, which forgets what it averaged."""
    q, total, out = mdp.r, 0.0, []
    for error in errors:
        q, total = q + error, total + error
        pi = probabilities(mdp, greedy_in(mdp, q))
        q = action_values(mdp, aggregate(mdp, q))
        out.append(Step(pi, q, total))
    return out


def values_at_most(mdp, lambda_):
    """H(1 + λ log A), which the values exceed by their errors only."""
    return horizon(mdp) * (1 + lambda_ * math.log(mdp.n_actions))


def largest(mdp, lambda_, q):
    """max(H(1 + λ log A), ‖q_k‖∞)."""
    return max(values_at_most(mdp, lambda_), sup(q))


@claim(
    id="X8", source="Vieillard et al. (2020), Leverage the average, Theorem 1", exact="B",
    effort=0.5,
)  # fmt: skip
def divergence_averages_errors(
    mdp: Annotated[MDP, Rewarding], noise: Errors, lambda_: Temperature,
    *, method=mirror_descent, size=largest
):  # fmt: skip
    """‖q* − q^{π_k}‖ ≤ 2H ‖(1/k) Σ_{j<k} ε_j‖ + 4H/k max(H(1 + λ log A), ‖q_k‖), 0 ≤ r ≤ 1.

    Sharper: ≤ H (sp(γPv_k − Σ_{j<k} ε_j) + γλ log A)/k. For π_k is the softmax of the average h
    of the q_j, at temperature λ/k, and k(Bh − h) = γPv_k − Σ ε_j for the soft backup B there;
    q* and q^π lie on both sides of it. Without ‖q_k‖ large errors that cancel are a refutation.
    """
    cycles = max(1, 24 // len(noise))
    errors = np.concatenate([noise] * cycles)[:, mdp.pair_states, mdp.pair_actions]
    steps = method(mdp, lambda_, errors.reshape(-1, *mdp.pair_shape))
    H, logs = horizon(mdp), lambda_ * math.log(mdp.n_actions)
    k = np.arange(1, len(steps) + 1)
    losses = np.array([sup(q_star(mdp) - q_pi(mdp, step.policy)) for step in steps])
    spans = np.array([span(step.q - mdp.r - step.total) for step in steps])
    mean = np.array([sup(step.total) for step in steps]) / k
    far = np.array([size(mdp, lambda_, step.q) for step in steps])
    return All(
        Leq(losses, H * (spans + mdp.gamma * logs) / k),
        Leq(losses, 2 * H * mean + 4 * H * far / k),
    )


@divergence_averages_errors.attained_by(exact_equality=False)
def a_deceptive_error(gamma=0.9999, lambda_=1e-4):
    """The worse arm looks better by 20λ: the sharper bound is attained as γ → 1 and λ → 0."""
    mdp = MDP(np.ones((1, 2, 1)), [[1.0, 0.0]], gamma)
    return mdp, np.array([[[0.0, 1 + 20 * lambda_]]]), lambda_


def coins(steps=200, seed=0):
    """One state, and errors of ±½ by which an arm may look better that pays .9 less."""
    signs = np.random.default_rng(seed).choice([-0.5, 0.5], size=(steps, 1, 2))
    return MDP(np.ones((1, 2, 1)), [[1.0, 0.1]], 0.9), signs, 0.1


def shock(steps=200, size=2000.0):
    """The last two errors cancel in state 2, but not what state 0 has seen of the first one."""
    to = [[0, 1, 2], [1, 1, 1], [2, 2, 2]]
    errors = np.zeros((steps, 3, 3))
    errors[-2:, 2] = size * np.array([[1.0], [-1.0]])
    return MDP(np.eye(3)[to], [[0.0] * 3, [0.5] * 3, [0.0] * 3], 0.9), errors, 0.1


divergence_averages_errors.rejects(
    "plain approximate value iteration", method=value_iteration, at=coins
)
divergence_averages_errors.rejects(
    "errors of any size", size=lambda mdp, lambda_, q: values_at_most(mdp, lambda_), at=shock
)
