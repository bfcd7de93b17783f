"""Messages: what the past and the future say of a step, if every reward is an observation.

With p(O_t = 1|s,a) = e^{r/τ} and a prior p(a|s), over T steps (γ = 1, τ log 0 = −∞):

    β_t(s,a) = e^{r(s,a)/τ} Σ_u P(u|s,a) β_{t+1}(u)    β_t(s) = Σ_a p(a|s) β_t(s,a)    β_T = 1
    α_{t+1}(u) = Σ_{s,a} α_t(s) p(a|s) e^{r(s,a)/τ} P(u|s,a)                           α_0 = μ
    p(a_t|s_t, O) = p(a|s) β_t(s,a)/β_t(s)     p(u|s_t, a_t, O) = P β_{t+1}(u) e^{r/τ}/β_t(s,a)
    p(s_t|O) = α_t(s) β_t(s)/p(O),             an episode that has stopped is observed no more

are kept as q = τ log β_t(s,a), v = τ log β_t(s). Inference moves the dynamics too: its backup
is τ log E e^{v/τ}, optimistic. The variational one keeps them, q = r + γ E v, and is
soft-optimal control; the two agree exactly where P is deterministic.
Checked in tests/operators/test_messages.py. Source: Levine (2018), §2 and §3; Ziebart (2010).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._cuda import download, upload
from mdpkit._device import require_cpu
from mdpkit._rows import CSR, unsigned
from mdpkit.mdp import MDP
from mdpkit.operators._message_kernels import backward_csr, flow_csr, forward_csr, stages
from mdpkit.operators.aggregate import soft
from mdpkit.operators.bellman import NONE, aggregate_reference, check_shape
from mdpkit.operators.expect import log_mean_exp, mean
from mdpkit.operators.occupancy import device_flow, inflow

INFERENCE, VARIATIONAL = "inference", "variational"


class Messages(NamedTuple):
    """What T − t steps to come are worth, in units of reward."""

    q: np.ndarray  # (T, *pair layout)  τ log β_t(s,a)
    v: np.ndarray  # (T + 1, S)         τ log β_t(s), 0 after the last step


class Past(NamedTuple):
    """What is observed before step t, together with where one is then."""

    alpha: np.ndarray  # (T + 1, S)  τ log p(s_t = s, O_{0:t−1})
    ended: np.ndarray  # (T + 1,)    τ log p(the episode has stopped before t, O_{0:t−1})


def backward(
    mdp: MDP,
    horizon: int,
    how: str = INFERENCE,
    *,
    tau: float = 1.0,
    prior: Any = None,
    discount: float = 1.0,
) -> Messages:
    """Backward messages over `horizon` steps; `how` is "inference" or "variational".

    tau > 0, in units of reward; prior, pair layout, p ≡ 1 if None; discount, variational only.
    """
    _check(horizon, how, tau, prior, discount, mdp)
    if mdp.device == "gpu":
        q, v = device_flow().backward(mdp, horizon, how == INFERENCE, tau, prior, discount)
        return Messages(q.reshape(horizon, *mdp.pair_shape), v)
    v = np.zeros((horizon + 1, mdp.n_states))
    q = np.empty((horizon, mdp.n_pairs))
    run_backward(mdp, flat_rows(mdp), mdp._r, how, tau, prior, discount, q, v, NONE2)
    return Messages(q.reshape(horizon, *mdp.pair_shape), v)


def backward_reference(
    mdp: MDP,
    horizon: int,
    how: str = INFERENCE,
    *,
    tau: float = 1.0,
    prior: Any = None,
    discount: float = 1.0,
) -> Messages:
    """`backward` as it is defined."""
    _check(horizon, how, tau, prior, discount, mdp)
    over, step = soft(tau, prior), log_mean_exp(tau) if how == INFERENCE else mean
    v, q = [np.zeros(mdp.n_states)], []
    for _ in range(horizon):
        q.append(mdp.r + discount * step(mdp, v[-1]))
        v.append(aggregate_reference(mdp, q[-1], over))
    return Messages(np.array(q[::-1]), np.array(v[::-1]))


def forward(mdp: MDP, horizon: int, *, tau: float = 1.0, prior: Any = None) -> Past:
    """Forward messages of inference from the model's start; arguments as for `backward`."""
    _check(horizon, INFERENCE, tau, prior, 1.0, mdp)
    alpha, ended = np.full((horizon + 1, mdp.n_states), -np.inf), np.full(horizon + 1, -np.inf)
    alpha[0] = tau * _log(mdp.start)
    if mdp.device == "gpu":
        more = 0.0 if prior is None else upload(tau * _log(np.asarray(prior))).reshape(-1)
        return Past(*device_flow().forward(mdp, alpha, mdp._r + more, tau))
    values, columns, ptr = flat_rows(mdp)
    stop, own = NONE if mdp._stop is None else mdp._stop, _step_weights(mdp, tau, prior)
    for first, last in stages(0, horizon, 4 * values.size):
        forward_csr(
            values, columns, ptr, mdp.action_ptr, own, stop, tau, alpha, ended, first, last
        )
    return Past(alpha, ended)


def forward_reference(mdp: MDP, horizon: int, *, tau: float = 1.0, prior: Any = None) -> Past:
    """`forward` as it is defined."""
    _check(horizon, INFERENCE, tau, prior, 1.0, mdp)
    alpha, ended = [tau * _log(mdp.start)], [np.float64(-np.inf)]
    log_P, log_stop = _log(dense_rows(mdp)), _log(np.asarray(mdp.stop).reshape(-1))
    own = _step_weights(mdp, tau, prior)
    for _ in range(horizon):
        x = (np.repeat(alpha[-1], np.diff(mdp.action_ptr)) + own) / tau
        alpha.append(tau * np.logaddexp.reduce(x[:, None] + log_P, axis=0))
        gone = np.logaddexp.reduce(x + log_stop)
        ended.append(tau * np.logaddexp(ended[-1] / tau, gone))
    return Past(np.array(alpha), np.array(ended))


def flow(mdp: MDP, policies: Any, discount: float = 1.0) -> np.ndarray:
    """γᵗ Pr(s_t = s) under the policies of T stages, (T + 1, S); the true dynamics carry it.

    policies : (T, *pair layout).
    """
    policies = _flat_stages(mdp, download(policies))
    if mdp.device == "gpu":
        return device_flow().flow(mdp, upload(policies), discount)
    d = np.zeros((policies.shape[0] + 1, mdp.n_states))
    d[0] = mdp.start
    run_flow(mdp, flat_rows(mdp), policies, discount, d, NONE2, NONE2)
    return d


def flow_reference(mdp: MDP, policies: Any, discount: float = 1.0) -> np.ndarray:
    """`flow` as it is defined."""
    d = [mdp.start]
    for pi in _flat_stages(mdp, policies):
        x = np.repeat(d[-1], np.diff(mdp.action_ptr)) * pi
        d.append(discount * inflow(mdp, x.reshape(mdp.pair_shape)))
    return np.array(d)


# ---- what the messages say -------------------------------------------------------------------


def posterior_policy(
    mdp: MDP, messages: Messages, *, tau: float = 1.0, prior: Any = None
) -> np.ndarray:
    """p(a_t|s_t, O) = p(a|s) e^{(q−v)/τ}, (T, *pair layout)."""
    q = messages.q.reshape(len(messages.q), -1)
    weight = np.ones(mdp.n_pairs) if prior is None else np.asarray(prior).reshape(-1)
    v = np.repeat(messages.v[:-1], np.diff(mdp.action_ptr), axis=1)
    return (weight * np.exp((q - v) / tau)).reshape(messages.q.shape)


def posterior_dynamics(
    mdp: MDP, messages: Messages, t: int, *, tau: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """p(s_{t+1}|s_t, a_t, O), dense (pairs, S), and the posterior stop, (pairs,).

    For the messages of inference; it is P itself where P is deterministic.
    """
    ahead = (messages.q[t] - mdp.r).reshape(-1)  # τ log Σ_u P β(u)
    P = dense_rows(mdp)
    tilt = np.where(P > 0, (messages.v[t + 1] - ahead[:, None]) / tau, -np.inf)
    return P * np.exp(tilt), np.asarray(mdp.stop).reshape(-1) * np.exp(-ahead / tau)


def log_evidence(mdp: MDP, messages: Messages, *, tau: float = 1.0) -> float:
    """τ log p(O) = τ log Σ_s μ(s) β_0(s), for the messages of inference."""
    started = mdp.start > 0
    x = messages.v[0][started]
    top = x.max()
    return float(top + tau * np.log(mdp.start[started] @ np.exp((x - top) / tau)))


def smoothed_marginals(mdp: MDP, messages: Messages, past: Past, *, tau: float = 1.0) -> Any:
    """p(s_t|O), (T + 1, S). A row sums to 1 less the probability of having stopped before t."""
    joint = past.alpha + messages.v - log_evidence(mdp, messages, tau=tau)
    return np.exp(joint / tau)


def linear_messages(mdp: MDP, horizon: int, likelihood: Any, prior: Any = None) -> tuple:
    """β_t(s,a), β_t(s) and α_t(s) as plain numbers; exact on exact models.

    likelihood : e^{r/τ} in pair layout, rational where the answer is to be exact.
    Returns lists of T, T + 1 and T + 1 arrays.
    """
    weight = np.asarray(likelihood).reshape(-1)
    share = 1 if prior is None else np.asarray(prior).reshape(-1)
    one = weight[0] * 0 + 1
    beta, pairs = [np.array([one] * mdp.n_states)], []
    for _ in range(horizon):
        going_on = mdp.expect(beta[-1]).reshape(-1) + np.asarray(mdp.stop).reshape(-1)
        pairs.append(weight * going_on)
        beta.append(np.add.reduceat(share * pairs[-1], mdp.action_ptr[:-1]))
    alpha = [mdp.start * one]
    for _ in range(horizon):
        x = np.repeat(alpha[-1], np.diff(mdp.action_ptr)) * share * weight
        alpha.append(inflow(mdp, x.reshape(mdp.pair_shape)))
    return [b.reshape(mdp.pair_shape) for b in pairs[::-1]], beta[::-1], alpha


# ---- running the kernels ---------------------------------------------------------------------

NONE2 = np.empty((0, 0))


def compressed(mdp: MDP) -> MDP:
    """The same model with compressed rows, for those who need them again and again."""
    if isinstance(mdp.rows, CSR):
        return mdp
    pair, columns = np.nonzero(mdp.rows)
    ptr = np.concatenate([[0], np.cumsum(np.bincount(pair, minlength=mdp.n_pairs))])
    return mdp._with(rows=CSR(mdp.rows[pair, columns], columns, ptr, mdp.n_states))


def flat_rows(mdp: MDP) -> Any:
    """Values, unsigned columns and row pointer of the rows, whatever their storage."""
    values, columns, ptr, _ = compressed(mdp).rows
    return values, unsigned(columns), unsigned(ptr)


def run_backward(
    mdp: MDP, rows: Any, r: Any, how: str, tau: float, prior: Any, discount: float, q: Any,
    v: Any, policy: Any,
) -> None:  # fmt: skip
    """Fill v (T + 1, S), and q and policy (T, pairs) where they are not empty, from v[T] on."""
    weight = NONE if prior is None else np.ascontiguousarray(prior, dtype=float).reshape(-1)
    stop = NONE if mdp._stop is None else mdp._stop
    values, columns, ptr = rows
    optimistic, work = how == INFERENCE, values.size + 4 * mdp.n_pairs
    for first, last in reversed(list(stages(0, len(v) - 1, work))):
        backward_csr(
            values, columns, ptr, mdp.action_ptr, r, stop, weight, optimistic, tau, discount,
            q, v, policy, first, last,
        )  # fmt: skip


def run_flow(
    mdp: MDP, rows: Any, policies: Any, discount: float, d: Any, sources: Any, sinks: Any
) -> np.ndarray:
    """Fill d (T + 1, S) from d[0] on: d_{t+1} = γ Pᵀ(d_t π_t + sources_t) − sinks_{t+1}.

    Returns Σ_t (d_t π_t + sources_t), (pairs,); sources (T, pairs), sinks (T + 1, S) or empty.
    """
    total = np.zeros(mdp.n_pairs)
    values, columns, ptr = rows
    for first, last in stages(0, len(policies), values.size + mdp.n_pairs):
        flow_csr(
            values, columns, ptr, mdp.action_ptr, policies, discount, d, sources, sinks, total,
            first, last,
        )  # fmt: skip
    return total


def _step_weights(mdp: MDP, tau: float, prior: Any) -> np.ndarray:
    """r + τ log p(a|s), (pairs,)."""
    return mdp._r if prior is None else mdp._r + tau * _log(np.asarray(prior).reshape(-1))


def dense_rows(mdp: MDP) -> np.ndarray:
    """P, (pairs, S)."""
    require_cpu(mdp, "a dense copy of P")
    return mdp.rows.to_scipy().toarray() if isinstance(mdp.rows, CSR) else mdp.rows


def _log(x: Any) -> Any:
    with np.errstate(divide="ignore"):
        return np.log(x)


def _flat_stages(mdp: MDP, policies: Any) -> np.ndarray:
    policies = np.ascontiguousarray(policies, dtype=float)
    check_shape(policies, (len(policies), *mdp.pair_shape), "policies")
    return policies.reshape(len(policies), -1)


def _check(horizon: Any, how: str, tau: float, prior: Any, discount: float, mdp: MDP) -> None:
    if isinstance(horizon, bool) or not isinstance(horizon, int | np.integer) or horizon < 1:
        raise ValueError(f"horizon must be a whole number of steps ≥ 1; it is {horizon!r}.")
    if how not in (INFERENCE, VARIATIONAL):
        raise ValueError(f'how must be "{INFERENCE}" or "{VARIATIONAL}"; it is {how!r}.')
    soft(tau, prior)
    if prior is not None:
        check_shape(prior, mdp.pair_shape, "prior")
        likely = np.asarray(prior).reshape(-1)
        if not (likely >= 0).all() or not np.add.reduceat(likely, mdp.action_ptr[:-1]).all():
            raise ValueError("prior must be ≥ 0, with a positive entry in every state.")
    if how == INFERENCE and discount != 1:
        raise ValueError(
            "the messages of inference multiply probabilities and know no discount; give the "
            'model a stop of 1 − γ, or use how="variational".'
        )
    if mdp.is_exact:
        raise TypeError("log-messages are not rational; see linear_messages, or mdp.rounded().")
