"""One-step targets: a reward, and what the action values of the next state are worth.

    OneStep(⊕)          r + d ⊕_a q̄(s',a)                        expects B_⊕ q̄ = r + γP(⊕ q̄)
    Double(⊕)           r + d (Σ_a π(a) q̄(s',a) − Ω(π))          B^π q̄ less γP Ω(π)
    Expected(π, τ)      r + d Σ_a π(a)(q̄(s',a) − τ log π(a))     B^π_τ q̄
    Sampled(log π, τ)   r + d (q̄(s',ã) − τ log π(ã|s')),  ã ~ π  B^π_τ q̄
    Twin(target)        that target of min_i q̄_i, or of mean_i q̄_i − c · deviation_i q̄_i

d = γ(1 − terminated), or its product over a window of n steps, is all that tells an end from a
cut: a truncated row bootstraps as any other. In Double, π attains ⊕ of other action values q,
those of the network that learns, and Ω(π) = Σ_a π(a) q(s',a) − ⊕ q is what ⊕ charges for it:
0 for the maximum, −τ · entropy for soft(τ). So Double is OneStep where q = q̄. Expected with
π ∝ e^{q̄/τ} is OneStep(soft(τ)); without τ it is expected SARSA, and Sampled is SARSA. Twin
takes the minimum of each action by itself, before any ⊕.

All share one slot, target(reward, discount, q_next, q_next_online); they run on NumPy, CuPy or
JAX arrays (jit, grad, vmap) and, where they are rational, on exact ones. No gradient is stopped
here: losses do that.
Checked in tests/targets/test_one_step.py, tests/deep/test_targets.py and proofs_checks (F9,
F12, K13). Source: Watkins (1989); van Seijen et al. (2009); van Hasselt, Guez & Silver (2016);
Fujimoto, van Hoof & Meger (2018); Haarnoja et al. (2018).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from mdpkit._array import kind, namespace
from mdpkit.operators.aggregate import Reduction, expected, maximum


class Target(Protocol):
    """The slot: y of each row, (n,); any axes may stand in the place of n, or none."""

    def __call__(
        self, reward: Any, discount: Any, q_next: Any, q_next_online: Any = None,
        *, mask: Any = None,
    ) -> Any:  # fmt: skip
        """The targets of n rows.

        reward          (n,), in units of reward
        discount        (n,), γ(1 − terminated)
        q_next          q̄(s',·) of the state truly reached, (n, A), of a network held still
        q_next_online   the same of the network that learns, for those that compare
        mask            (n, A) bool, which actions s' allows; None is all. The others may hold
                        anything. Of a row whose discount is 0 it is not asked.

        Raises ValueError for shapes that do not agree, (n, 1) beside (n,) among them, and for a
        state that allows no action.
        """
        ...


@dataclass(frozen=True)
class OneStep:
    """r + d ⊕_a q̄(s',a), for any reduction ⊕. Lifts `bellman.backup_q` with the same ⊕.

    A prior or a policy that ⊕ carries is that of the next states, (n, A).
    """

    over: Reduction = maximum

    def __post_init__(self):
        _check_reduction(self.over)

    def __call__(
        self, reward: Any, discount: Any, q_next: Any, q_next_online: Any = None,
        *, mask: Any = None,
    ) -> Any:  # fmt: skip
        """y, (n,); see `Target`. q_next_online is not used."""
        _check_rows(reward, discount, q_next, q_next.shape[:-1])
        q, allowed = _allowed(q_next, discount, mask)
        return reward + discount * self.over(q, allowed)[0]


@dataclass(frozen=True)
class Double:
    """r + d (Σ_a π(a) q̄(s',a) − Ω(π)), π attaining ⊕ of q_next_online. Lifts B^π q̄ − γP Ω(π).

    With the maximum: chosen by the one network, evaluated by the other. It never lies above
    OneStep where ⊕ is a maximum, regularized or not, and is equal if both networks are.
    """

    over: Reduction = maximum

    def __post_init__(self):
        _check_reduction(self.over)

    def __call__(
        self, reward: Any, discount: Any, q_next: Any, q_next_online: Any = None,
        *, mask: Any = None,
    ) -> Any:  # fmt: skip
        """y, (n,); see `Target`. Raises ValueError without q_next_online."""
        if q_next_online is None:
            raise ValueError("Double chooses by q_next_online, which is missing.")
        _check_rows(reward, discount, q_next, q_next.shape[:-1])
        _check_shape(q_next_online, q_next, "q_next_online")
        q, allowed = _allowed(q_next_online, discount, mask)
        evaluated, _ = _allowed(q_next, discount, mask)
        value, policy = self.over(q, allowed)
        charge = _average(policy, q) - value
        return reward + discount * (_average(policy, evaluated) - charge)


@dataclass(frozen=True, eq=False)
class Expected:
    """r + d Σ_a π(a) (q̄(s',a) − τ log π(a)). Lifts B^π, and at τ > 0 the soft B^π_τ.

    probabilities   π(·|s') of the next states, (n, A); 0 where the mask is False
    tau             τ ≥ 0, in units of reward: entropy is worth so much
    """

    probabilities: Any
    tau: Any = 0

    def __post_init__(self):
        _check_temperature(self.tau)

    def __call__(
        self, reward: Any, discount: Any, q_next: Any, q_next_online: Any = None,
        *, mask: Any = None,
    ) -> Any:  # fmt: skip
        """y, (n,); see `Target`. q_next_online is not used. Exact at τ = 0."""
        _check_rows(reward, discount, q_next, q_next.shape[:-1])
        _check_shape(self.probabilities, q_next, "probabilities")
        q, allowed = _allowed(q_next, discount, mask)
        if allowed is not None:
            self._check_support(allowed)
        return reward + discount * _average(self.probabilities, q - self._charge())

    def _check_support(self, allowed: Any) -> None:
        stray = ~allowed & (self.probabilities != 0)
        if kind(stray) != "jax" and stray.any():  # the values of traced arrays are not known
            where = [int(i) for i in namespace(stray).argwhere(stray)[0]]
            raise ValueError(f"probabilities{where} is not 0 where the mask forbids it.")

    def _charge(self) -> Any:
        """τ log π, and 0 where π is 0."""
        p = self.probabilities
        if kind(p) != "exact":
            xp = namespace(p)
            return self.tau * xp.log(xp.where(p > 0, p, 1))
        if self.tau != 0:
            raise TypeError("entropy is not rational: it has no exact form. Use tau=0.")
        return 0


@dataclass(frozen=True, eq=False)
class Sampled:
    """r + d (q̄(s',ã) − τ log π(ã|s')), ã ~ π(·|s'). Lifts B^π_τ, in expectation over ã too.

    Here q_next is q̄(s',ã), (n,): the actions are drawn before, from what s' allows.

    log_probability   log π(ã|s'), (n,); None, with τ = 0, makes it SARSA's target
    tau               τ ≥ 0, in units of reward
    """

    log_probability: Any = None
    tau: Any = 0

    def __post_init__(self):
        _check_temperature(self.tau)
        free = isinstance(self.tau, int | float) and self.tau == 0
        if self.log_probability is None and not free:
            raise ValueError("log_probability is missing; without it tau must be 0.")

    def __call__(
        self, reward: Any, discount: Any, q_next: Any, q_next_online: Any = None,
        *, mask: Any = None,
    ) -> Any:  # fmt: skip
        """y, (n,); see `Target`. Neither q_next_online nor the mask is used."""
        _check_rows(reward, discount, q_next, q_next.shape)
        if self.log_probability is None:
            return reward + discount * q_next
        _check_shape(self.log_probability, q_next, "log_probability")
        return reward + discount * (q_next - self.tau * self.log_probability)


@dataclass(frozen=True)
class Twin:
    """Another target of an ensemble, (k, n, A) or (k, n): of its minimum, action by action.

    Lifts B(min_i q̄_i) ≤ min_i B q̄_i. With `width` c it is the lower confidence bound
    mean_i − c · deviation_i, which for two and c = 1 is the minimum.

    target   of the slot, given what the ensemble agrees on; q_next_online, if any, likewise
    width    c ≥ 0, in standard deviations (those of the k values, divided by k); None: minimum
    """

    target: Target = field(default_factory=OneStep)
    width: float | None = None

    def __post_init__(self):
        if self.width is not None and not self.width >= 0:
            raise ValueError(f"width must be ≥ 0, or None; it is {self.width}.")

    def __call__(
        self, reward: Any, discount: Any, q_next: Any, q_next_online: Any = None,
        *, mask: Any = None,
    ) -> Any:  # fmt: skip
        """y, (n,); see `Target`. The first axis of the action values is the ensemble's."""
        q = self._agreed(q_next, mask)
        online = None if q_next_online is None else self._agreed(q_next_online, mask)
        return self.target(reward, discount, q, online, mask=mask)

    def _agreed(self, q: Any, mask: Any) -> Any:
        """(…) of (k, …)."""
        if mask is not None and np.ndim(mask) + 1 == q.ndim:
            q = _cleared(q, mask)
        if self.width is None:
            return _least(q)
        if kind(q) == "exact":
            raise TypeError(
                "a deviation is not rational: it has no exact form. Use width=None."
            )
        mean = q.mean(axis=0)
        return mean - self.width * _root(((q - mean) ** 2).mean(axis=0))


def _least(q: Any) -> Any:
    """min_i q_i over the first axis, and the gradient of the one that is least.

    That of a reduction goes to the entries equal to the minimum: where a compiler computes them
    a second time and rounds otherwise, there are none, and the gradient is lost.
    """
    xp, least = namespace(q), q[0]
    for i in range(1, q.shape[0]):
        least = xp.where(q[i] < least, q[i], least)
    return least


def _root(x: Any) -> Any:
    """√x, whose derivative at 0 is taken as 0: there the ensemble is of one mind."""
    xp = namespace(x)
    return xp.where(x > 0, xp.sqrt(xp.where(x > 0, x, 1)), 0)


def _average(policy: Any, q: Any) -> Any:
    """Σ_a π(a) q(a), whatever q is where π is 0."""
    return expected(policy)(q, policy != 0)[0]


def _allowed(q: Any, discount: Any, mask: Any) -> tuple[Any, Any]:
    """q with 0 where mask forbids, and the mask; where d is 0 everything is allowed."""
    if mask is None:
        return q, None
    _check_shape(mask, q, "mask")
    xp = namespace(q, mask)
    allowed = xp.asarray(mask) | xp.asarray(discount == 0)[..., None]
    stuck = ~allowed.any(axis=-1)
    if kind(allowed) != "jax" and stuck.any():  # the values of traced arrays are not known
        raise ValueError(
            f"mask{[int(i) for i in xp.argwhere(stuck)[0]]} allows no action, and the episode "
            "goes on there. A state has an action, or the discount is 0."
        )
    return _cleared(q, mask), allowed


def _cleared(q: Any, mask: Any) -> Any:
    """q with 0 where mask forbids: NaN would spread through a product with 0."""
    xp = namespace(q, mask)
    return xp.where(xp.asarray(mask), q, 0)


# ---- what is refused -------------------------------------------------------------------------


def _check_rows(reward: Any, discount: Any, q_next: Any, rows: tuple[int, ...]) -> None:
    """Raise ValueError unless reward and discount have one number for every row of q_next."""
    for name, x in (("reward", reward), ("discount", discount)):
        if np.shape(x) != rows:
            raise ValueError(
                f"{name} has shape {np.shape(x)} beside q_next {q_next.shape}; {rows} is "
                "needed, one number for each row."
            )


def _check_shape(x: Any, q: Any, name: str) -> None:
    if np.shape(x) != q.shape:
        raise ValueError(
            f"{name} has shape {np.shape(x)} beside q_next {q.shape}; they must be the same."
        )


def _check_reduction(over: Any) -> None:
    if not isinstance(over, Reduction):
        raise TypeError(
            f"over is {over!r}; a reduction is needed, such as maximum or soft(0.1) of "
            "mdpkit.operators.aggregate."
        )


def _check_temperature(tau: Any) -> None:
    if isinstance(tau, int | float) and not tau >= 0:
        raise ValueError(f"tau must be ≥ 0, in units of reward; it is {tau}.")
