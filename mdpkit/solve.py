"""The one loop: a method steps, its gap is watched, the result is certified by someone else.

A method is a frozen dataclass with three functions. It knows no loops, tolerances or clocks:

    init(mdp) → state        state.v is an (S,) estimate of v*
    step(mdp, state) → state
    gap(mdp, state) → float  ≥ the width of v*'s interval that `certify` will find at state.v

`iterate` yields every state, for teaching; `solve` stops when the gap is reached and certifies.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol, cast

import numpy as np

from mdpkit._array import number, sup
from mdpkit._cuda import download, upload
from mdpkit._device import require_cpu
from mdpkit._progress import gap_bar
from mdpkit.certify import (
    DEFAULT_TOLERANCE,
    Certificate,
    certify,
    rounding_floor,
    tolerance,
    warn_if_ill_conditioned,
)
from mdpkit.checkpoint import Keeper, Progress
from mdpkit.errors import NonFiniteError, NotSolvedError
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import NONE, action_values, check_shape, size_of
from mdpkit.policy import as_pairs
from mdpkit.solution import Solution, Status
from mdpkit.total_reward import Quotient, expand, lift, quotient

MAX_STEPS = 1_000_000
PATIENCE = 1000
"""Steps without a smaller gap after which nothing more is expected of a method."""


class Method(Protocol):
    """What `solve` asks of a method; see the module's header."""

    def init(self, mdp: MDP) -> Any:
        """Return the first state."""
        ...

    def step(self, mdp: MDP, state: Any) -> Any:
        """Return the next state; the old one stays as it was."""
        ...

    def gap(self, mdp: MDP, state: Any) -> float:
        """Bound the width of the interval around v* that `state.v` proves."""
        ...

    # A method for another criterion than discounted or total reward has `certify(mdp, state)`,
    # the Certificate of its own quantity, `floor(mdp, state)`, the gap that rounding leaves,
    # and `verdict(mdp, state)`, a Status that ends it short of the goal, or None. A method
    # whose theorem gives it a rate has `rate(mdp)`: from a pessimistic start, one with v_0 ≤ T
    # v_0, ‖v_k − v*‖∞ ≤ rateᵏ ‖v_0 − v*‖∞. `mdpkit converge` draws it. One
    # whose theorem is about a run has `bounds(mdp, states, v*)`: its errors beside the bounds.
    # One that can say better than state.v what v* is near has `estimate(mdp, state)`.


def iterate(mdp: MDP, method: Method, *, start: Any = None) -> Iterator[tuple[Any, float]]:
    """Yield (state, gap) without end, from values `start` (S,) or the method's own if None."""
    state = begin(mdp, method, start)
    while True:
        yield state, method.gap(mdp, state)
        state = method.step(mdp, state)


def begin(mdp: MDP, method: Method, start: Any = None) -> Any:
    """The first state of a method, from the values given or its own choice."""
    start = _first_values(mdp, start)
    if mdp.device == "gpu":
        start = upload(np.zeros(mdp.n_states) if start is None else start)
    return method.init(mdp) if start is None else method.init(mdp, start)  # type: ignore[call-arg]


def _first_values(mdp: MDP, start: Any) -> np.ndarray | None:
    if start is None:
        return None
    check_shape(start, (mdp.n_states,), "start")
    start = np.array(download(start), dtype=float)
    if not np.isfinite(start).all():
        s = int(np.argmin(np.isfinite(start)))
        raise ValueError(f"start[{s}] is {start[s]}; finite numbers are needed.")
    return start


def solve(
    mdp: MDP,
    method: Method,
    *,
    tol: float | None = None,
    max_steps: int | None = None,
    deadline: float | None = None,
    progress: bool = False,
    throw: bool = True,
    start: Any = None,
    why: str = "",
    checkpoint: Any = None,
    resume: bool = False,
) -> Solution:
    """Run a method until v* is known to within `tol`, and certify the answer independently.

    tol        bound on max(upper − lower); None: max(10⁻⁸·max(1, ‖v‖∞), 4 × the rounding floor)
    deadline   seconds from now; the step under way is finished
    progress   draw a bar with the certified gap on standard error
    throw      False returns the solution with its status where True raises
    start      (S,) values to begin from (never written to)
    checkpoint where the state is kept, every 30 s and at an end short of the goal: a path, or a
               `mdpkit.checkpoint.Checkpoint`; resume=True goes on from it, in place of start

    Raises UnboundedError at γ = 1, NonFiniteError if an iterate overflows, NotSolvedError (with
    `.solution`) if the gap is not certified. On Ctrl-C KeyboardInterrupt carries `.solution`.
    """
    _check_method(mdp, method)
    _check_device(mdp, method, kept=checkpoint is not None or resume)
    work, collapsed = mdp, None
    if not hasattr(method, "certify"):
        warn_if_ill_conditioned(mdp)
        if mdp.gamma >= 1:
            collapsed = quotient(mdp)
            work = collapsed.mdp
    start = _first_values(mdp, start)
    if start is not None and collapsed is not None:
        start = lift(collapsed, start)
    run = _Run(work, method, tol, max_steps, deadline)
    if checkpoint is not None or resume:
        run.keeper = Keeper(checkpoint, work, method, resume=resume)
    interrupted = None
    try:
        with gap_bar(progress) as show:
            status = run.loop(run.resumed() if resume else begin(work, method, start), show)
    except KeyboardInterrupt as interrupt:
        if run.state is None:
            raise
        status, interrupted = Status.INTERRUPTED, interrupt
    run.keep(status)
    solution = run.finish(status, why)
    if collapsed is not None:
        solution = _expanded(mdp, collapsed, solution)
    if interrupted is not None and throw:
        interrupted.solution = solution  # type: ignore[attr-defined]
        raise interrupted
    if solution.status is not Status.SOLVED and throw:
        raise NotSolvedError(_shortfall(solution, run.goal()), solution)
    return solution


def _expanded(mdp: MDP, collapsed: Quotient, small: Solution) -> Solution:
    """The solution of a model from that of its collapsed form."""
    v = small.v[collapsed.label]
    pairs = expand(mdp, collapsed, as_pairs(collapsed.mdp, small.policy))
    return replace(
        small,
        v=v,
        lower=small.lower[collapsed.label],
        upper=small.upper[collapsed.label],
        q=action_values(mdp, v),
        policy=mdp.actions_of(pairs),
        mdp=mdp,
    )


def _check_method(mdp: MDP, method: Any) -> None:
    if isinstance(method, type | str) or not hasattr(method, "step"):
        raise TypeError(
            f"a method is an object, like mdpkit.plan.PolicyIteration(); this is {method!r}."
        )
    own_words = hasattr(method, "certify")  # such a method says itself what it cannot do
    if mdp.is_exact and not own_words and not getattr(method, "exact", False):
        raise TypeError(
            f"{type(method).__name__} works on floats: pass mdp.rounded(), or leave the method "
            "out to solve exactly."
        )


def _check_device(mdp: MDP, method: Any, *, kept: bool) -> None:
    """Raise DeviceError where a device model is asked for what the CPU does."""
    if mdp.device == "cpu":
        return
    asked = "γ = 1" if mdp.gamma >= 1 else "checkpoint=" if kept else ""
    if not getattr(method, "on_device", False):
        asked = type(method).__name__
    if asked:
        require_cpu(mdp, asked)


def _shortfall(solution: Solution, goal: float) -> str:
    return (
        f"{solution.status.value} Certified: gap {number(solution.gap):.3g} after "
        f"{solution.steps} steps; asked: {goal:.3g}. Pass throw=False to have the solution."
    )


def _check_limits(tol: float | None, max_steps: int | None, deadline: float | None) -> None:
    if tol is not None and not tol >= 0:
        raise ValueError(f"tol must be ≥ 0; it is {tol}.")
    if max_steps is not None and not max_steps >= 1:
        raise ValueError(f"max_steps must be ≥ 1; it is {max_steps}.")
    if deadline is not None and not deadline > 0:
        raise ValueError(f"deadline must be > 0 seconds; it is {deadline}.")


class _Run:
    """One solve under way: the loop's variables, so an interrupt can still be certified."""

    def __init__(
        self,
        mdp: MDP,
        method: Method,
        tol: float | None,
        max_steps: int | None,
        deadline: float | None,
    ):
        _check_limits(tol, max_steps, deadline)
        self.mdp, self.method, self.tol = mdp, method, tol
        self.max_steps = max_steps or MAX_STEPS
        self.clock = time.monotonic()
        self.until = None if deadline is None else self.clock + deadline
        self.state: Any = None
        self.gaps: list[float] = []
        self.certificate: Certificate | None = None
        self.keeper: Keeper | None = None
        self.stand: tuple[Any, int, float, int] = (None, 0, np.inf, 0)

    def loop(self, state: Any, show: Any) -> Status:
        """Step until the goal is certified or something else ends it."""
        _, count, best, since = self.stand
        self.state, self.stand = state, (state, count, best, since)
        if self.keeper is not None:
            self.keeper.check(state)
        while len(self.gaps) < self.max_steps:
            previous, self.state = self.state, self.method.step(self.mdp, self.state)
            self.certificate = None
            if not size_of(self.mdp, self.state.v) < np.inf:
                self._refuse_nonfinite()
            gap = self.method.gap(self.mdp, self.state)
            self.gaps.append(gap)
            goal = self.goal()
            show(gap, goal)
            since = 0 if gap < best else min(since, 0) + 1 if gap == np.inf else since + 1
            best = min(best, gap)
            still = since > 0 and np.array_equal(previous.v, self.state.v)
            if self._due(gap, goal, still) and self._reached(goal):
                return Status.SOLVED
            if (ending := self._verdict(gap, still or since > PATIENCE)) is not None:
                return ending
            # At once: no interrupt sees the state of one step beside the count of another.
            self.stand = (self.state, len(self.gaps), best, since)
            if self.keeper is not None and self.keeper.due():
                self.keeper.write(self._progress())
            if self.until is not None and time.monotonic() >= self.until:
                return Status.DEADLINE
        return Status.MAX_STEPS

    def resumed(self) -> Any:
        """The state in the checkpoint, after setting the counters to what they were."""
        kept = cast(Keeper, self.keeper).read()
        self.gaps, self.clock = kept.gaps.tolist(), self.clock - kept.seconds
        self.stand = (kept.state, len(self.gaps), kept.best, kept.since)
        return kept.state

    def keep(self, status: Status) -> None:
        """Write a checkpoint if the run ended where more time or steps would help."""
        early = (Status.INTERRUPTED, Status.DEADLINE, Status.MAX_STEPS)
        if self.keeper is not None and status in early[: 1 if self.keeper.every is None else 3]:
            self.keeper.write(self._progress())

    def _progress(self) -> Progress:
        state, count, best, since = self.stand
        gaps = np.array(self.gaps[:count], dtype=float)
        return Progress(state, gaps, best, since, time.monotonic() - self.clock)

    def _due(self, gap: float, goal: float, still: bool) -> bool:
        """Whether to certify now; after 1, 2, 4, … steps if the method cannot bound the gap."""
        count = len(self.gaps)
        return gap <= goal or (gap == np.inf and (still or count & (count - 1) == 0))

    def _verdict(self, gap: float, stagnant: bool) -> Status | None:
        """What ends the solve short of its goal, if anything; a method may know better."""
        if hasattr(self.method, "verdict"):
            return self.method.verdict(self.mdp, self.state)  # type: ignore[attr-defined]
        if hasattr(self.method, "floor"):
            floor = self.method.floor(self.mdp, self.state)  # type: ignore[attr-defined]
        else:
            floor = rounding_floor(self.mdp, size_of(self.mdp, self.state.v))
        if gap <= 2 * floor:
            return Status.ROUNDING_FLOOR
        return Status.STAGNATED if stagnant else None

    def _reached(self, goal: float) -> bool:
        proof = self._certified()
        gap = number(proof.gap)
        if not gap < np.inf:  # a goal of ∞ is no goal
            return False
        # The default is relative to the values returned, which the last iterate may exceed.
        return gap <= min(goal, self.goal(number(sup(proof.v))))

    def goal(self, size: float | None = None) -> float:
        """The gap asked for, for values of this size, the iterate's if None."""
        tol = self.tol
        size = size_of(self.mdp, self.state.v) if size is None else size
        if tol is None and hasattr(self.method, "floor"):
            floor = self.method.floor(self.mdp, self.state)  # type: ignore[attr-defined]
            tol = 0 if self.mdp.is_exact else max(DEFAULT_TOLERANCE * max(1, size), 4 * floor)
        return number(tolerance(self.mdp, size, tol))

    def finish(self, status: Status, why: str) -> Solution:
        """Bound v* from the last iterate; v is the method's estimate, or the midpoint."""
        seconds = time.monotonic() - self.clock
        proof = self._certified()
        if status is not Status.INTERRUPTED and self._reached(self.goal()):
            status = Status.SOLVED
        v = proof.v if number(proof.gap) < np.inf else download(self.state.v)
        hurry = status is Status.INTERRUPTED  # one sweep, not two
        if hurry or self.mdp.is_exact or hasattr(self.method, "certify"):
            answer = proof
        elif self._inside(proof):  # what was bounded is what is returned
            v, answer = self._point(), proof
        else:  # q, policy and loss belong to the v returned; q is as large as the pairs
            proof, self.certificate = replace(proof, q=NONE), None
            answer = certify(self.mdp, v)
        same = np.array_equal(answer.policy, proof.policy)
        return Solution(
            v=v,
            q=answer.q,
            policy=answer.policy,
            lower=proof.lower,
            upper=proof.upper,
            gap=proof.gap,
            loss=min(answer.loss, proof.loss) if same else answer.loss,
            gaps=np.array(self.gaps),
            mdp=self.mdp,
            status=status,
            steps=len(self.gaps),
            seconds=seconds,
            method=self.method,
            why=why,
            state=self.state,
            stages=proof.stages,
            bias=proof.bias,
            stochastic=proof.stochastic,
        )

    def _certified(self) -> Certificate:
        proof = self.certificate
        if proof is None:
            own = getattr(self.method, "certify", None)
            proof = own(self.mdp, self.state) if own else certify(self.mdp, self._point())
            self.certificate = proof
        return proof

    def _point(self) -> np.ndarray:
        """The values to bound: the method's estimate of v*, where it has one."""
        if self.mdp.is_exact or not hasattr(self.method, "estimate"):
            return self.state.v
        v = download(self.method.estimate(self.mdp, self.state))  # type: ignore[attr-defined]
        # Before its first step a method has no extremes, so nothing better than where it began.
        return v if np.isfinite(v).all() else self.state.v

    def _inside(self, proof: Certificate) -> bool:
        """Whether the method's estimate lies within the bounds that were proven from it."""
        if not hasattr(self.method, "estimate") or not number(proof.gap) < np.inf:
            return False
        v = self._point()
        return bool((proof.lower <= v).all() and (v <= proof.upper).all())

    def _refuse_nonfinite(self) -> None:
        v = download(self.state.v)
        wrong = ~np.isfinite(v)
        s, step = int(np.argmax(wrong)), len(self.gaps) + 1
        raise NonFiniteError(
            f"after step {step}, v[{s}] = {v[s]} ({int(wrong.sum())} such states). "
            "The model's numbers were finite: the method diverged or overflowed. "
            "Scale the rewards.",
            step=step,
            state=s,
        )
