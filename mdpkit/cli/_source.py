"""The model and the method that a command line names."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mdpkit.cli._console import plain

if TYPE_CHECKING:
    from mdpkit.io.property import Property
    from mdpkit.mdp import MDP

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE", help="gym:ID?key=value, gallery:NAME?key=value, or a file."
    ),
]
Gamma = Annotated[
    float | None, typer.Option("--gamma", help="Discount; needed where SOURCE has none.")
]
Normalize = Annotated[
    bool, typer.Option("--normalize", help="Accept rows whose sum is off by at most 1e-5.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Plot = Annotated[
    str | None,
    typer.Option("--plot", metavar="FILE", help="Draw a figure (.svg, .png, .pdf or .html)."),
]


def read_model(
    source: str,
    gamma: float | None,
    normalize: bool = False,
    *,
    exact: bool = False,
    companions: dict[str, Any] | None = None,
) -> MDP:
    """Load a model, in floating point or in fractions."""
    import mdpkit as mk

    try:
        mdp = mk.load(source, gamma=gamma, normalize=normalize, **(companions or {}))
    except TypeError as error:  # an option that this kind of source does not take
        raise ValueError(str(error)) from error
    # Each number of an exact model rounded: bounds on this one hold for the exact one too.
    return mdp.exact() if exact else mdp.rounded()


def read(
    source: str,
    asked: str | None,
    gamma: float | None,
    companions: dict[str, Any],
    normalize: bool,
    *,
    exact: bool,
) -> tuple[MDP, Property | None]:
    """Return what is to be solved, and the question if one was asked."""
    if asked is None:
        return read_model(source, gamma, normalize, exact=exact, companions=companions), None
    question = read_question(source, asked, gamma, companions, normalize, exact=exact)
    return question.mdp, question


def read_question(
    source: str,
    text: str,
    gamma: float | None,
    companions: dict[str, Any],
    normalize: bool = False,
    *,
    exact: bool = False,
) -> Property:
    """A property of a file with labels, in floating point or in fractions."""
    from mdpkit.io import load_property

    if gamma is not None and gamma != 1:
        raise ValueError(f"--property asks for a total: --gamma is 1, not {gamma}.")
    given = {name: path for name, path in companions.items() if path is not None}
    given = given | ({"normalize": True} if normalize else {})
    try:
        question = load_property(source, text, **given)
    except TypeError as error:
        raise ValueError(str(error)) from error
    return question.in_numbers(exact=exact)


def methods(keys: str) -> dict[str, Any]:
    """Return the methods of a list "vi,pi", each with its defaults, under their keys."""
    return {key: method(key) for key in dict.fromkeys(k.strip() for k in keys.split(","))}


def method(key: str, *, average: bool = False) -> Any:
    """Return the method of that key; ValueError with those there are.

    average   whether methods for the average reward, and soft ones, are among them
    """
    from mdpkit.improve import IMPROVE_METHODS, SOFT_IMPROVE_METHODS
    from mdpkit.plan import AVERAGE_METHODS, METHODS, SOFT_METHODS

    known: dict[str, Any] = METHODS | IMPROVE_METHODS | SOFT_IMPROVE_METHODS
    known = known | AVERAGE_METHODS | SOFT_METHODS if average else known
    if key in known:
        return known[key]()
    names = {made.__name__: k for k, made in known.items()} | {k: k for k in known}
    lower = {name.lower(): k for name, k in names.items()}
    near = difflib.get_close_matches(key.lower(), lower, n=2, cutoff=0.5)
    hint = (
        f"Did you mean {' or '.join(dict.fromkeys(lower[n] for n in near))}? " if near else ""
    )
    listed = ", ".join(f"{k} ({made.__name__})" for k, made in known.items())
    raise ValueError(f"there is no method {key!r}. {hint}The methods are {listed}.")


def model_json(mdp: MDP) -> dict[str, Any]:
    """Return the sizes of a model as every verb prints them."""
    from mdpkit._array import number

    return {
        "states": mdp.n_states,
        "pairs": mdp.n_pairs,
        "transitions": mdp.n_transitions,
        "gamma": number(mdp.gamma),
    }


def model_line(source: str, mdp: MDP) -> str:
    """Return the same in words."""
    from mdpkit._array import number

    return (
        f"{plain(source, 60)}: {mdp.n_states} states, {mdp.n_pairs} pairs, "
        f"{mdp.n_transitions} transitions, γ = {number(mdp.gamma):.12g}"
    )
