"""`mdpkit solve`: v*, an optimal policy, and bounds on v* that are proven."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mdpkit.cli import _checkpoint as kept
from mdpkit.cli import _console as console
from mdpkit.cli import _files as files
from mdpkit.cli import _source as given

if TYPE_CHECKING:
    from mdpkit.mdp import MDP
    from mdpkit.solve import Solution

FEW_STATES = 20
"""Up to which each state has its line in the table."""


Method = Annotated[
    str | None,
    typer.Option(
        "--method",
        metavar="KEY",
        help="vi, q, gs, pi, mpi, lp, ps or md-vi; for average reward rvi or multichain; "
        "with a temperature soft-vi, soft-pi, munchausen-vi or reg-npg; policy "
        "optimization: ppg, softmax-pg, npg, pqa, eqa, pma, cpi, trpo, ppo-clip or ppo-kl.",
    ),
]
Tau = Annotated[
    float | None,
    typer.Option("--tau", help="Temperature of a soft method, in units of reward; else 1."),
]
Tolerance = Annotated[
    float | None, typer.Option("--tol", help="How far the bounds on v* may lie apart.")
]
Horizon = Annotated[
    int | None, typer.Option("--horizon", metavar="T", help="Solve for T steps, then the end.")
]
MaxSteps = Annotated[int | None, typer.Option("--max-steps", help="Steps at most.")]
Deadline = Annotated[float | None, typer.Option("--deadline", help="Seconds at most.")]
Save = Annotated[
    str | None,
    typer.Option(
        "--save",
        metavar="FILE",
        help="Write the answer (.npz), or with --exact its proof (.json).",
    ),
]


Exact = Annotated[bool, typer.Option("--exact", help="Solve in fractions; every value is p/q.")]
Question = Annotated[
    str | None,
    typer.Option(
        "--property",
        metavar="P",
        help='A total instead, as Pmax=? [F "label"], of a file with labels.',
    ),
]
Labels = Annotated[
    str | None, typer.Option("--labels", metavar="FILE", help="Labels that lie elsewhere.")
]
Rewards = Annotated[
    str | None, typer.Option("--rewards", metavar="FILE", help="Rewards that lie elsewhere.")
]
Explain = Annotated[
    bool, typer.Option("--explain", help="Say what the model's graph is like, in words.")
]


def solve(
    source: given.Source,
    gamma: given.Gamma = None,
    method: Method = None,
    tau: Tau = None,
    horizon: Horizon = None,
    tol: Tolerance = None,
    max_steps: MaxSteps = None,
    deadline: Deadline = None,
    exact: Exact = False,
    asked: Question = None,
    labels: Labels = None,
    rewards: Rewards = None,
    explain: Explain = False,
    save: Save = None,
    checkpoint: kept.Keep = None,
    resume: kept.Resume = False,
    plot: given.Plot = None,
    as_json: given.Json = False,
    normalize: given.Normalize = False,
) -> int:
    """Solve SOURCE, and bound its optimal values from both sides."""
    import mdpkit as mk
    from mdpkit.plan import AVERAGE_METHODS

    files.check_writable(save, (".json",) if exact else (".npz",), "--save")
    files.check_writable(plot, files.FIGURES, "--plot")
    chosen = _method(method, horizon, exact, tau)
    if method in AVERAGE_METHODS and gamma is None:
        gamma = 1.0  # it plays no part
    beside = {"labels": labels, "rewards": rewards}
    _check_question(asked, horizon, method)
    what = (source, gamma, method, tau, horizon, asked, labels, rewards, normalize)
    at = kept.place(checkpoint, save, resume, exact, what)
    mdp, question = given.read(source, asked, gamma, beside, normalize, exact=exact)
    if explain and not as_json:
        _explain(mdp)
    solved = mk.solve(
        mdp,
        chosen,
        tol=tol,
        max_steps=max_steps,
        deadline=deadline,
        progress=sys.stderr is not None and sys.stderr.isatty(),
        throw=False,
        checkpoint=at.checkpoint,
        resume=resume,
    )
    solution = solved if question is None else question.answer(solved)
    body = _json(solution.mdp, solution)
    if as_json:
        console.print_json(body)
    else:
        _print(source, solution.mdp, solution)
    if save is not None:
        _save(source, solution, solved, save)
    if plot is not None:
        _draw(source, solution, _goal(solution.mdp, solution, tol), plot)
    kept.report(at, resume, finished=solved.status is mk.Status.SOLVED)
    return _verdict(solution)


def _method(key: str | None, horizon: int | None, exact: bool, tau: float | None) -> Any:
    """Return the method asked for, or None; ValueError where options conflict."""
    from mdpkit.improve import SOFT_IMPROVE_METHODS, SoftmaxPolicyGradient
    from mdpkit.plan import SOFT_METHODS, BackwardInduction

    made = SOFT_METHODS | SOFT_IMPROVE_METHODS | {"softmax-pg": SoftmaxPolicyGradient}
    if tau is not None and key not in made:
        raise ValueError(f"--tau is for --method {' or '.join(made)}.")
    if horizon is not None:
        if key is not None:
            raise ValueError("--horizon has a method of its own: leave --method out.")
        return BackwardInduction(horizon)
    if exact and key not in (None, "multichain"):
        raise ValueError("--exact has a method of its own: leave --method out.")
    if key is not None and tau is not None:
        return made[key](tau=tau)
    return None if key is None else given.method(key, average=True)


def _check_question(asked: str | None, horizon: int | None, method: str | None) -> None:
    from mdpkit.improve import IMPROVE_METHODS, SOFT_IMPROVE_METHODS
    from mdpkit.plan import AVERAGE_METHODS, SOFT_METHODS

    other = {*AVERAGE_METHODS, *SOFT_METHODS, *IMPROVE_METHODS, *SOFT_IMPROVE_METHODS}
    if asked is not None and (horizon is not None or method in other):
        raise ValueError("--property asks for a total: leave out --horizon and --method.")


def _explain(mdp: MDP) -> None:
    """Print the model's structure, a sentence a line."""
    from mdpkit.structure import describe

    out = console.output()
    for line in describe(mdp):
        out.print(console.plain(line, 400))
    out.print()


def _verdict(solution: Solution) -> int:
    """Return the exit code, after a line on standard error if the gap is not the one asked."""
    from mdpkit import Status
    from mdpkit._array import number
    from mdpkit.cli import INTERRUPTED, NOT_CERTIFIED

    if solution.status is Status.SOLVED:
        return 0
    if solution.status is Status.INTERRUPTED:
        return INTERRUPTED
    return console.complain(
        f"{solution.status.value} Certified: gap {number(solution.gap):.3g}, "
        f"{solution.steps} steps.",
        NOT_CERTIFIED,
    )


def _goal(mdp: MDP, solution: Solution, tol: float | None) -> float:
    from mdpkit._array import number, sup
    from mdpkit.certify import tolerance

    return number(tolerance(mdp, number(sup(solution.v)), tol))


def _save(source: str, solution: Solution, solved: Solution, path: str) -> None:
    """Write the answer, or of an exact one the proof, which is about the model solved."""
    from mdpkit.io import optimum

    if solved.mdp.is_exact:
        optimum.write(solved.mdp, solved.v, solved.policy, path)
    else:
        body = _json(solution.mdp, solution)
        told = {key: body[key] for key in ("model", "method", "why", "status")}
        files.save_solution(solution, path, {"source": source, **told})
    console.note(f"wrote {path}")


def _draw(source: str, solution: Solution, goal: float, path: str) -> None:
    """Draw the values on the grid, or the graph, beside the gap."""
    import mdpkit as mk
    from mdpkit.cli._grid import cells_of, moves_of

    mdp = solution.mdp
    cells, moves = cells_of(source, mdp), moves_of(source, mdp)
    mk.plot.overview(solution, tol=goal, cells=cells, moves=moves, path=path, title=source)
    console.note(f"wrote {path}")


def _json(mdp: MDP, solution: Solution) -> dict[str, Any]:
    """Return what INTERFACE promises."""
    return {
        "model": given.model_json(mdp),
        "method": solution.method.key,
        "why": solution.why or "asked for",
        "status": solution.status.name,
        "value_at_start": console.finite(solution.value_at_start),
        "lower_at_start": console.finite(solution.lower_at_start),
        "upper_at_start": console.finite(solution.upper_at_start),
        "gap": console.finite(solution.gap),
        "steps": solution.steps,
        "seconds": solution.seconds,
        "policy": solution.policy.tolist(),
    }


def _print(source: str, mdp: MDP, solution: Solution) -> None:
    from mdpkit._array import number
    from mdpkit.cli._grid import arrows

    places = console.decimals(solution.gap)
    value = console.fixed(solution.value_at_start, places)
    low = console.below(solution.lower_at_start, places + 2)
    high = console.above(solution.upper_at_start, places + 2)
    why = f": {solution.why}" if solution.why else ""
    name = _name(solution)
    rows = {
        "model": given.model_line(source, mdp),
        "method": f"{solution.method.key}, {type(solution.method).__name__}{why}",
        "status": f"{solution.status.name}: {solution.status.value}",
        f"{name}(start)": value,
        "certified": f"{low} ≤ {name}(start) ≤ {high}",
        "gap": f"{number(solution.gap):.2g} at most, between the bounds of any state",
        "policy": f"loses {number(solution.loss):.2g} at most",
        "steps": f"{solution.steps} in {solution.seconds:.3g} s",
    }
    out = console.output()
    out.print(console.facts(rows))
    if mdp.n_states <= FEW_STATES:
        out.print()
        out.print(_states(mdp, solution, places))
    if grid := arrows(source, mdp, solution.policy):
        out.print(f"\n{grid}")


def _name(solution: Solution) -> str:
    """Return what the values are: a gain where there is a bias, soft at a temperature."""
    if getattr(solution.method, "tau", 0) > 0:
        return "V*_τ"
    return "V*" if solution.bias is None else "gain"


def _states(mdp: MDP, solution: Solution, places: int) -> Any:
    """Return a table with one line a state."""
    table = console.table("state", "action", _name(solution), "at least", "at most", text=2)
    for s in range(mdp.n_states):
        a = int(solution.policy[s])
        table.add_row(
            console.plain(s if mdp.states is None else mdp.states[s], 30),
            console.plain(a if mdp.actions is None else mdp.actions[a], 20),
            console.fixed(solution.v[s], places),
            console.below(solution.lower[s], places),
            console.above(solution.upper[s], places),
        )
    return table
