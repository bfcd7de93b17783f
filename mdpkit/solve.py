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
from typing import Any, Protocol

import numpy as np

from mdpkit._array import number, sup
from mdpkit._progress import gap_bar
from mdpkit.certify import Certificate, certify, require_discount, rounding_floor, tolerance
from mdpkit.errors import NonFiniteError, NotSolvedError
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import check_shape
from mdpkit.solution import Solution, Status

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
    # the Certificate of its own quantity. A method whose theorem gives it a rate has
    # `rate(mdp)`: from a pessimistic start, one with v_0 ≤ T v_0,
    # ‖v_k − v*‖∞ ≤ rateᵏ ‖v_0 − v*‖∞. `mdpkit converge` draws it.


def iterate(mdp: MDP, method: Method, *, start: Any = None) -> Iterator[tuple[Any, float]]:
    """Yield (state, gap) without end, from values `start` (S,) or the method's own if None."""
    state = begin(mdp, method, start)
    while True:
        yield state, method.gap(mdp, state)
        state = method.step(mdp, state)


def begin(mdp: MDP, method: Method, start: Any = None) -> Any:
    """The first state of a method, from the values given or its own choice."""
    if start is None:
        return method.init(mdp)
    check_shape(start, (mdp.n_states,), "start")
    start = np.array(start, dtype=float)
    if not np.isfinite(start).all():
        s = int(np.argmin(np.isfinite(start)))
        raise ValueError(f"start[{s}] is {start[s]}; finite numbers are needed.")
    return method.init(mdp, start)  # type: ignore[call-arg]


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
) -> Solution:
    """Run a method until v* is known to within `tol`, and certify the answer independently.

    tol        bound on max(upper − lower); None: max(10⁻⁸·max(1, ‖v‖∞), 4 × the rounding floor)
    deadline   seconds from now; the step under way is finished
    progress   draw a bar with the certified gap on standard error
    throw      False returns the solution with its status where True raises
    start      (S,) values to begin from (never written to)

    Raises UnboundedError at γ = 1, NonFiniteError if an iterate overflows, NotSolvedError (with
    `.solution`) if the gap is not certified. On Ctrl-C KeyboardInterrupt carries `.solution`.
    """
    if not hasattr(method, "certify"):
        require_discount(mdp)
    run = _Run(mdp, method, tol, max_steps, deadline)
    interrupted = None
    try:
        with gap_bar(progress) as show:
            status = run.loop(begin(mdp, method, start), show)
    except KeyboardInterrupt as interrupt:
        if run.state is None:
            raise
        status, interrupted = Status.INTERRUPTED, interrupt
    solution = run.finish(status, why)
    if interrupted is not None and throw:
        interrupted.solution = solution  # type: ignore[attr-defined]
        raise interrupted
    if solution.status is not Status.SOLVED and throw:
        raise NotSolvedError(_shortfall(solution, run.goal()), solution)
    return solution


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

    def loop(self, state: Any, show: Any) -> Status:
        """Step until the goal is certified or something else ends it."""
        self.state = state
        best, since = np.inf, 0
        while True:
            previous, self.state = self.state, self.method.step(self.mdp, self.state)
            self.certificate = None
            size = number(sup(self.state.v))
            if not size < np.inf:
                self._refuse_nonfinite()
            gap = self.method.gap(self.mdp, self.state)
            self.gaps.append(gap)
            goal = tolerance(self.mdp, size, self.tol)
            show(gap, goal)
            if gap <= goal and self._certified().gap <= goal:
                return Status.SOLVED
            since = 0 if gap < best else since + 1
            best = min(best, gap)
            if gap <= 2 * rounding_floor(self.mdp, size):
                return Status.ROUNDING_FLOOR
            if since > PATIENCE or (since and np.array_equal(previous.v, self.state.v)):
                return Status.STAGNATED
            if len(self.gaps) >= self.max_steps:
                return Status.MAX_STEPS
            if self.until is not None and time.monotonic() >= self.until:
                return Status.DEADLINE

    def goal(self) -> float:
        """The gap asked for, at the present iterate."""
        return number(tolerance(self.mdp, number(sup(self.state.v)), self.tol))

    def finish(self, status: Status, why: str) -> Solution:
        """Bound v* from the last iterate; the solution's v is the midpoint of the bounds."""
        seconds = time.monotonic() - self.clock
        proof = replace(
            self._certified(), q=None
        )  # as large as the pairs, and not needed twice
        self.certificate = None
        if status is not Status.INTERRUPTED and proof.gap <= self.goal():
            status = Status.SOLVED
        v = proof.v
        # q, policy and loss belong to the v returned
        answer = self._certified() if hasattr(self.method, "certify") else certify(self.mdp, v)
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
        )

    def _certified(self) -> Certificate:
        proof = self.certificate
        if proof is None:
            own = getattr(self.method, "certify", None)
            proof = own(self.mdp, self.state) if own else certify(self.mdp, self.state.v)
            self.certificate = proof
        return proof

    def _refuse_nonfinite(self) -> None:
        wrong = ~np.isfinite(self.state.v)
        s, step = int(np.argmax(wrong)), len(self.gaps) + 1
        raise NonFiniteError(
            f"after step {step}, v[{s}] = {self.state.v[s]} ({int(wrong.sum())} such states). "
            "The model's numbers were finite: the method diverged or overflowed. "
            "Scale the rewards.",
            step=step,
            state=s,
        )
