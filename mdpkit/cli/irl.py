"""`mdpkit irl`: the reward that explains demonstrations, held against the true one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mdpkit.cli import _console as console
from mdpkit.cli import _files as files
from mdpkit.cli import _source as given

if TYPE_CHECKING:
    from mdpkit.infer import Demonstrations, RewardFit
    from mdpkit.mdp import MDP

CAUSAL, PATHS = "causal", "paths"
SMALL = 4_000_000
"""Pairs times states up to which it is worth telling what can be identified."""

Demos = Annotated[
    str,
    typer.Option(
        "--demos", metavar="FILE", help="Trajectories of [state, action]: .json, .npz."
    ),
]
Model = Annotated[
    str, typer.Option("--method", help="causal (Ziebart 2010) or paths (Ziebart 2008).")
]
Horizon = Annotated[
    int | None, typer.Option("--horizon", min=1, help="Steps; else the longest trajectory's.")
]
Forever = Annotated[
    bool, typer.Option("--discounted", help="No horizon: discounted for ever (causal).")
]
Tau = Annotated[float, typer.Option("--tau", help="Temperature, in units of reward.")]
Kind = Annotated[str, typer.Option("--features", help="A weight for each state, or pair.")]
Penalty = Annotated[
    float | None, typer.Option("--penalty", help="λ of −λ/2 ‖w‖²; else 1 / trajectories.")
]
Steps = Annotated[int, typer.Option("--max-steps", min=1, help="Steps of L-BFGS at most.")]


def irl(
    source: given.Source,
    demos: Demos,
    gamma: given.Gamma = None,
    method: Model = CAUSAL,
    horizon: Horizon = None,
    discounted: Forever = False,
    tau: Tau = 1.0,
    features: Kind = "state",
    penalty: Penalty = None,
    max_steps: Steps = 2000,
    plot: given.Plot = None,
    as_json: given.Json = False,
    normalize: given.Normalize = False,
) -> int:
    """Recover a reward from demonstrations in SOURCE, whose own reward is the true one."""
    from mdpkit.cli import NOT_CERTIFIED
    from mdpkit.infer import Demonstrations, fit

    files.check_writable(plot, files.FIGURES, "--plot")
    if features not in ("state", "pair"):
        raise ValueError(f"--features is state or pair, not {features!r}.")
    shown = Demonstrations.read(demos)
    mdp = given.read_model(source, gamma, normalize)
    shown.check_moves(mdp)
    model = _model(method, None if discounted else horizon or shown.length, tau, discounted)
    weight = 1 / len(shown) if penalty is None else penalty
    with console.working("fitting a reward"):
        found = fit(mdp, model, shown, features, penalty=weight, max_steps=max_steps)
        body = _measure(mdp, model, shown, found, features)
    body = {"model": given.model_json(mdp), "method": method, **body}
    if as_json:
        console.print_json(body)
    else:
        _print(source, mdp, body)
    if plot is not None:
        _draw(mdp, source, found, features, plot)
        console.note(f"wrote {plot}")
    if found.converged:
        return 0
    return console.complain(
        f"the fit stopped at a gradient of {found.gradient:.3g}. "
        "Raise --max-steps or --penalty.",
        NOT_CERTIFIED,
    )


def _model(method: str, horizon: int | None, tau: float, discounted: bool) -> Any:
    from mdpkit.infer import MaxCausalEntropy, MaxEntropyPaths

    if method == CAUSAL:
        return MaxCausalEntropy(horizon, tau)
    if method != PATHS:
        raise ValueError(f"--method is {CAUSAL} or {PATHS}, not {method!r}.")
    if discounted or horizon is None:
        raise ValueError("--discounted is for --method causal: whole paths have a horizon.")
    return MaxEntropyPaths(horizon, tau)


def _measure(
    mdp: MDP, model: Any, shown: Demonstrations, found: RewardFit, features: str
) -> dict[str, Any]:
    """How near the recovered reward, and what it makes one do, are to the true ones."""
    from mdpkit import infer
    from mdpkit.infer.compare import value_range

    at = {"horizon": model.horizon, "discount": model.gamma(mdp)}
    own = shown.visits(mdp, model.gamma(mdp))
    small = mdp.n_pairs * mdp.n_states <= SMALL and mdp.gamma < 1
    return {
        "horizon": model.horizon,
        "tau": model.tau,
        "features": features,
        "demonstrations": len(shown),
        "expected_value_difference": infer.expected_value_difference(mdp, found.r, **at),
        "value_range": value_range(mdp, **at),
        "reward_correlation": console.finite(
            infer.reward_correlation(mdp, found.r, mdp.r, discount=float(mdp.gamma))
        ),
        "occupancy_error": infer.occupancy_error(found.behavior.visits, own),
        "weights": len(found.weights),
        "identifiable": infer.identifiable_dimension(mdp, features) if small else None,
        "objective": found.value,
        "gradient": found.gradient,
        "converged": found.converged,
        "steps": found.steps,
        "seconds": found.seconds,
        "reward": found.r.reshape(-1).tolist(),
    }


def _print(source: str, mdp: MDP, body: dict[str, Any]) -> None:
    span, evd = body["value_range"], body["expected_value_difference"]
    share = f", {evd / span:.2%} of the range of values" if span > 0 else ""
    rho, seen = body["reward_correlation"], body["identifiable"]
    horizon = "discounted" if body["horizon"] is None else f"{body['horizon']} steps"
    rows = {
        "model": given.model_line(source, mdp),
        "method": f"{body['method']}, {horizon}, τ = {body['tau']:g}",
        "demonstrations": str(body["demonstrations"]),
        "EVD": f"{evd:.4g} lost by the best policy for the recovered reward{share}",
        "reward correlation": ("undefined" if rho is None else f"{rho:.4f}")
        + " with the true reward, both less shaping and constants",
        "occupancy error": f"{body['occupancy_error']:.2e} from the demonstrations",
        "identifiable": f"{'?' if seen is None else seen} of {body['weights']} weights, "
        "up to shaping",
        "fit": f"|gradient| {body['gradient']:.1e} after {body['steps']} steps, "
        f"{body['seconds']:.3g} s",
    }
    console.output().print(console.facts(rows))


def _draw(mdp: MDP, source: str, found: RewardFit, features: str, path: str) -> None:
    import numpy as np

    import mdpkit as mk
    from mdpkit.cli._grid import cells_of

    if features == "pair":
        mk.plot.rewards(mdp.r.reshape(-1), found.r.reshape(-1), path=path)
        return
    first = mdp.action_ptr[:-1]
    true = np.add.reduceat(mdp.r.reshape(-1), first) / np.diff(mdp.action_ptr)
    mk.plot.rewards(true, found.weights, cells=cells_of(source, mdp), path=path)
