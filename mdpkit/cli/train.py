"""`mdpkit train`: a deep algorithm in an environment, every seed reported."""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mdpkit.cli import _checkpoint as kept
from mdpkit.cli import _console as console
from mdpkit.cli import _files as files
from mdpkit.cli import _source as given

if TYPE_CHECKING:
    from mdpkit.deep.result import Result

Algorithm = Annotated[
    str, typer.Argument(metavar="ALGORITHM", help="ppo, a2c, dqn, soft-q or sac.")
]
Env = Annotated[
    str,
    typer.Argument(
        metavar="ENV",
        help="CartPole-v1, Pendulum-v1, MountainCar-v0, Acrobot-v1, gym:ID, or gallery:NAME.",
    ),
]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="How many seeds, from 0.")]
Steps = Annotated[
    int | None, typer.Option("--steps", min=1, help="Steps of each seed; else the preset's.")
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting: gamma=0.9, widths=[64,64], target=double, loop.replay=prioritized, "
        "optimizer.rate=linear(1e-3,0). Repeat it for more.",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit", min=1, metavar="T", help="Steps of an episode at most; gallery: needs it."
    ),
]
Save = Annotated[
    str | None,
    typer.Option(
        "--save", metavar="FILE", help="Write what was learned, and the curve (.npz)."
    ),
]
Evaluations = Annotated[
    int, typer.Option("--evaluations", min=1, help="Points of the curve, the last at the end.")
]
Episodes = Annotated[
    int, typer.Option("--episodes", min=1, help="Episodes of each evaluation.")
]


class Length(NamedTuple):
    """How much is trained and evaluated."""

    steps: int
    seeds: int
    evaluations: int
    episodes: int


def train(
    algorithm: Algorithm,
    env: Env,
    seeds: Seeds = 1,
    steps: Steps = None,
    settings: Sets = None,
    limit: Limit = None,
    save: Save = None,
    plot: given.Plot = None,
    checkpoint: kept.Keep = None,
    resume: kept.Resume = False,
    evaluations: Evaluations = 10,
    episodes: Episodes = 20,
    as_json: given.Json = False,
) -> int:
    """Train ALGORITHM in ENV, several seeds side by side, and report every one of them."""
    from mdpkit import deep
    from mdpkit.deep.compiled import keep

    files.check_writable(save, (".npz",), "--save")
    files.check_writable(plot, files.FIGURES, "--plot")
    pictures = None if plot is None else _pictures()
    learner, usual = _algorithm(algorithm, env, settings or [])
    worlds = _worlds(env, limit)
    length = Length(steps or usual, seeds, evaluations, episodes)
    question = (env, repr(learner), limit, length)
    at = _place(worlds, checkpoint, save, resume, question)
    keep()
    result = _trained(learner, worlds, length, at, resume)
    if as_json:
        console.print_json(_json(algorithm, result))
    else:
        _print(result)
    if save is not None:
        deep.save(result, save)
        console.note(f"wrote {save}")
    if pictures is not None:
        pictures.training(result, path=plot)
        console.note(f"wrote {plot}")
    return _verdict(result)


def _pictures() -> Any:
    """The room of pictures, asked for before the work: it may not be installed."""
    from mdpkit import plot

    return plot


def _algorithm(key: str, env: str, settings: list[str]) -> tuple[Any, int]:
    """The algorithm with the settings of this environment and those given, and its steps."""
    from mdpkit.deep.presets import ALGORITHMS, preset
    from mdpkit.deep.settings import changed

    if key not in ALGORITHMS and (near := difflib.get_close_matches(key, ALGORITHMS, n=1)):
        raise ValueError(f"there is no algorithm {key!r}. Did you mean {near[0]}?")
    made, steps = preset(key, env)
    try:
        return changed(made, settings), steps
    except ValueError as error:
        raise ValueError(f"--set: {error}") from None


def _worlds(env: str, limit: int | None) -> Any:
    from mdpkit.deep.envs import make, worlds_of

    try:
        return worlds_of(env if limit is None else make(env, limit=limit))
    except TypeError as error:  # an option that this environment does not take
        raise ValueError(str(error)) from error


def _place(
    worlds: Any, named: str | None, save: str | None, resume: bool, question: tuple
) -> kept.Place:
    """Where the training is kept; nowhere if its environment lives in another library."""
    if worlds.vectorizes:
        return kept.place(named, save, resume, False, question)
    if named is not None or resume:
        raise ValueError(
            f"{worlds.name} keeps its state to itself, so its training cannot be taken up "
            "again: leave --checkpoint and --resume out."
        )
    return kept.Place(None, False, None)


def _trained(learner: Any, worlds: Any, length: Length, at: kept.Place, resume: bool) -> Result:
    """Train, with a bar on a terminal; say on Ctrl-C where it can go on."""
    from mdpkit import deep

    try:
        result = deep.train(
            learner,
            worlds,
            **length._asdict(),
            progress=sys.stderr is not None and sys.stderr.isatty(),
            checkpoint=at.checkpoint,
            resume=resume,
        )
    except KeyboardInterrupt:
        kept.report(at, resume, finished=False)
        raise
    except TypeError as error:  # the algorithm is not for such actions, or such a replay
        raise ValueError(str(error)) from error
    kept.report(at, resume, finished=True)
    return result


def _json(algorithm: str, result: Result) -> dict[str, Any]:
    """What INTERFACE promises: one return for each seed, null where it is not finite."""
    return {
        "algorithm": algorithm,
        "env": result.worlds.name,
        "seeds": len(result.seeds),
        "steps": int(result.steps[-1]),
        "returns": [console.finite(x) for x in result.returns],
        "compile_seconds": result.compile_seconds,
        "run_seconds": result.run_seconds,
        "env_steps_per_second": result.env_steps_per_second,
    }


def _print(result: Result) -> None:
    curves, seeds = result.curves, len(result.seeds)
    mean = f"{curves.interquartile_mean[-1]:.6g}"
    if seeds > 1:
        low, high = curves.bootstrap()
        mean += f"; 95 % of its bootstrap resamples in {low[-1]:.6g} … {high[-1]:.6g}"
    rows = {
        "training": console.plain(curves.name, 80),
        "steps": f"{int(result.steps[-1])} of each of {seeds} seed{'s' * (seeds > 1)}",
        "interquartile mean": mean,
        "seconds": f"{result.compile_seconds:.3g} compiling, {result.run_seconds:.3g} running",
        "steps a second": f"{result.env_steps_per_second:.3g}, of all seeds",
    }
    table = console.table("seed", "return", "parameters")
    for seed, found, finite in zip(result.seeds, result.returns, result.finite, strict=True):
        table.add_row(str(seed), f"{found:.6g}", "finite" if finite else "NOT FINITE: failed")
    out = console.output()
    out.print(console.facts(rows))
    out.print()
    out.print(table)


def _verdict(result: Result) -> int:
    """The exit code, after a line on standard error if a seed failed."""
    from mdpkit.cli import NOT_CERTIFIED

    failed = [str(s) for s, fine in zip(result.seeds, result.finite, strict=True) if not fine]
    if not failed:
        return 0
    return console.complain(
        f"{len(failed)} of {len(result.seeds)} seeds failed, their parameters left the finite "
        f"numbers: {', '.join(failed)}.",
        NOT_CERTIFIED,
    )
