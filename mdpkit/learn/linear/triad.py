"""The deadly triad: bootstrapping, off the policy, with features may diverge; so it is shown.

    Baird     w ← w + α (b − A w) with A = ΦᵀD(I − γP)Φ, D of the data: A has the eigenvalue
              −.2393, so that ‖w‖ → ∞ although v = 0 is representable. The gradient methods
              and the emphatic weighting stay
    w → 2w    least squares on exact targets: w_{k+1} = γ(6 − 4ε)/5 · w_k
    chatter   one q for two states under ε-greedy: evaluating either policy prefers the other

Take any one away and it ends: the policy's own data (D stationary), no bootstrap (λ = 1), or a
table. Curves are of expectations, hence exact; the same methods diverge in `learn`.
Checked in tests/learn/test_triad.py.
Source: Baird (1995); Tsitsiklis & Van Roy (1996); Gordon (1996); Sutton & Barto (2018), §11.2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit import gallery
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import backup
from mdpkit.operators.features import pair_features
from mdpkit.operators.linear import (
    bellman_system,
    best_weights,
    emphasis,
    gradient_td,
    gram,
    projected_pair_system,
    solution,
    state_chain,
)
from mdpkit.operators.stationary import stationary


class OffPolicy(NamedTuple):
    """A model, what is evaluated, what acts, Φ (S, K), and w_0 (K,)."""

    mdp: MDP
    policy: np.ndarray
    behavior: np.ndarray
    features: np.ndarray
    initial: np.ndarray


def baird(gamma: float = 0.99) -> OffPolicy:
    """Baird's star: v_i = 2w_i + w_8, v_7 = w_7 + 2w_8; evaluates "solid" from other data."""
    phi = np.zeros((7, 8))
    phi[np.arange(6), np.arange(6)], phi[:6, 7], phi[6, 6:] = 2.0, 1.0, (1.0, 2.0)
    behavior = np.tile([6 / 7, 1 / 7], (7, 1))
    initial = np.array([1.0, 1, 1, 1, 1, 1, 10, 1])
    return OffPolicy(
        gallery.make("baird", gamma=gamma), np.ones(7, int), behavior, phi, initial
    )


def mean_curves(
    problem: OffPolicy, *, steps: int = 1000, step_size: float = 0.01, ratio: float = 5.0
) -> dict[str, np.ndarray]:
    """w_k of the expected updates from the behavior's data, (steps + 1, K) for each method.

    Keys are the methods' own; "on-policy" is semi-gradient TD with the policy's frequencies.
    step_size : α; ratio : β/α of GTD2 and TDC.
    """
    mdp, policy, behavior, phi, initial = problem
    chain, d = state_chain(mdp, policy), stationary(mdp, behavior)
    system = bellman_system(chain, phi, d, mdp.gamma)
    weights = {
        "semi-gradient-td": d,
        "on-policy": stationary(mdp, policy),
        "emphatic-td": emphasis(chain, d, mdp.gamma),
    }
    out = {}
    for name, m in weights.items():
        A, b = bellman_system(chain, phi, m, mdp.gamma)
        out[name] = _iterated(A, b, initial, step_size, steps)
    for name in ("gtd2", "tdc"):
        G, g = gradient_td(system, gram(phi, d), ratio, corrected=name == "tdc")
        both = np.concatenate([0 * initial, initial])
        out[name] = _iterated(G, g, both, step_size, steps)[:, initial.size :]
    return out


def _iterated(A: np.ndarray, b: np.ndarray, w: np.ndarray, alpha: float, n: int) -> np.ndarray:
    """w_{k+1} = w_k + α (b − A w_k)."""
    out = [w]
    for _ in range(n):
        out.append(out[-1] + alpha * (b - A @ out[-1]))
    return np.array(out)


def doubled_weights(
    gamma: float = 0.9, epsilon: float = 0.1, *, steps: int = 50, initial: float = 1.0
) -> np.ndarray:
    """w_0, …, w_steps of v = (w, 2w) fitted by least squares to T v; every ratio γ(6−4ε)/5."""
    mdp = gallery.make("tsitsiklis-van-roy", epsilon=epsilon, gamma=gamma)
    phi, d = np.array([[1.0], [2.0]]), np.ones(2)
    out = [initial]
    for _ in range(steps):
        out.append(float(best_weights(phi, d, backup(mdp, phi[:, 0] * out[-1]))[0]))
    return np.array(out)


class Chatter(NamedTuple):
    """Policies (steps + 1,) int, the action preferred; q (steps, 2) of the evaluations."""

    policies: np.ndarray
    q: np.ndarray


def chatter(*, epsilon: float = 0.1, steps: int = 8, policy: int = 0) -> Chatter:
    """Approximate policy iteration where both states are one: SARSA's fixed points in turn.

    Each policy, ε-greedy in one action, is evaluated as SARSA would, on its own frequencies;
    then the better action is preferred. The period is 2, the margin 1.8 at ε = .1.
    """
    mdp = gallery.make("gordon-chatter")
    phi: Any = pair_features(mdp, np.ones((2, 1)))
    chosen, values = [policy], []
    for _ in range(steps):
        pi = np.full((2, 2), epsilon / 2)
        pi[:, chosen[-1]] += 1 - epsilon
        values.append(solution(projected_pair_system(mdp, pi, phi)))
        chosen.append(int(np.argmax(values[-1])))
    return Chatter(np.array(chosen), np.array(values))
