"""A claim is a function: its signature is the ∀, its return value the statement.

    @claim(id="A3", source="Puterman (1994), Proposition 6.2.4", exact="Q")
    def contracts(mdp: MDP, v: Value, w: Value, *, T=optimality):
        '''‖Tv − Tw‖∞ ≤ γ ‖v − w‖∞.'''
        return Leq(sup(T(mdp, v) - T(mdp, w)), mdp.gamma * sup(v - w))

Positional parameters are quantified, left to right; keyword-only ones are the subject, with its
true value as default. Impostors are other values of the subject that must be refuted.
Checked in tests/claim.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import numpy as np

from mdpkit._array import EPS, sup
from mdpkit.claim.draw import Draw, Source
from mdpkit.claim.quantify import Quantifier, models
from mdpkit.claim.random_source import RandomSource
from mdpkit.claim.statement import Outcome, Statement, judge
from mdpkit.mdp import MDP

EXACT = ("Q", "Q2", "B", None)


class Impostor(NamedTuple):
    """A wrong subject, or a wrong statement, that must be refuted."""

    words: str
    subject: dict[str, Any]
    at: Callable[[], Any] | None  # an instance on which it is to be tried first


class Named(NamedTuple):
    """The instance at which a bound is attained; `equality`: to 1e-9."""

    make: Callable[[], Any]
    equality: bool


@dataclass(frozen=True, eq=False)
class Claim:
    """A statement about every instance; call it on one for the statement there.

    exact       "Q": rational, tolerance 0 on exact instances; "Q2": rational, both sides
                squared; "B": not rational, floats only; None: exact where the code allows
    applies     hypotheses as code: words → predicate, whose arguments are named as the claim's
    mutations   generic controls: "m1" a row of P, "m2" γ², "m5" reversed, "m6" 1 % on an input;
                None: those that fit the statement
    effort      how many instances, relative to other claims
    """

    function: Callable[..., Statement]
    id: str
    source: str
    exact: str | None
    applies: Mapping[str, Callable[..., bool]]
    mutations: Sequence[str] | None
    effort: float
    quantifiers: Mapping[str, Quantifier]
    subject: Mapping[str, Any]
    impostors: list[Impostor] = field(default_factory=list)
    tight: list[Named] = field(default_factory=list)
    examples: list[Callable[[], Any]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    @property
    def group(self) -> str:
        """The letters of the id."""
        found = re.match(r"[A-Za-z]+", self.id)
        return found.group() if found else ""

    @property
    def statement(self) -> str:
        """The docstring's first paragraph."""
        text = inspect.getdoc(self.function) or self.name
        return " ".join(text.split("\n\n")[0].split())

    @property
    def is_experimental(self) -> bool:
        """Whether it never gates."""
        return bool(self.reasons)

    def __call__(self, *instance: Any, **subject: Any) -> Statement:
        """The statement on one instance."""
        return self.function(*instance, **subject)

    # ---- what is said besides ----------------------------------------------------------------

    def rejects(
        self, words: str, *, at: Callable[[], Any] | None = None, **subject: Any
    ) -> Claim:
        """Register an impostor: with this subject the claim must be refuted somewhere.

        at   makes an instance on which to try it first
        """
        unknown = sorted(set(subject) - set(self.subject))
        if unknown:
            raise TypeError(f"{self.name} has no subject {unknown}; it has {[*self.subject]}.")
        if not subject:
            raise TypeError(f"an impostor of {self.name} needs a subject that is wrong.")
        self.impostors.append(Impostor(words, subject, at))
        return self

    def attained_by(
        self, make: Callable[[], Any] | None = None, *, exact_equality: bool = True
    ) -> Any:
        """Register the instance that attains the bound (decorator).

        make returns the arguments: a tuple, a dict by name, or the only one. Without
        exact_equality (a bound attained in the limit) its ratio is only reported.
        """
        if make is None:
            return lambda made: self.attained_by(made, exact_equality=exact_equality)
        self.tight.append(Named(make, exact_equality))
        return make

    def example(self, make: Callable[[], Any]) -> Callable[[], Any]:
        """Register an instance on which the claim is always checked (decorator)."""
        self.examples.append(make)
        return make

    def experimental(self, reason: str) -> Claim:
        """Mark a claim that never gates, and say why."""
        self.reasons.append(reason)
        return self

    # ---- instances ---------------------------------------------------------------------------

    def draw(self, draw: Draw) -> tuple:
        """Draw one instance."""
        return draw_instance(self.quantifiers, draw)

    def named(self, make: Callable[[], Any]) -> tuple:
        """The arguments that an author's function returns."""
        made = make()
        if isinstance(made, Mapping):
            return tuple(made[name] for name in self.quantifiers)
        made = tuple(made) if isinstance(made, tuple | list) else (made,)
        if len(made) != len(self.quantifiers):
            raise TypeError(
                f"{self.name} is about {[*self.quantifiers]}; "
                f"{getattr(make, '__name__', make)} returned {len(made)} things."
            )
        return made

    def failing(self, instance: tuple, but: str | None = None) -> list[str]:
        """The hypotheses that an instance does not satisfy; `but` is not asked."""
        by_name = dict(zip(self.quantifiers, instance, strict=True))
        return [
            words
            for words, holds in self.applies.items()
            if words != but and not holds(*(by_name[p] for p in _parameters(holds)))
        ]

    def check(self, instance: tuple, **subject: Any) -> list[Outcome]:
        """Evaluate the claim on an instance: one outcome for each part of its statement."""
        with np.errstate(all="ignore"):
            return judge(self.function(*instance, **subject), default_rounding(instance))


def claim(
    *,
    id: str | None = None,
    source: str,
    exact: str | None = None,
    applies: Mapping[str, Callable[..., bool]] | Callable[..., bool] | None = None,
    mutations: Sequence[str] | None = None,
    substochastic: bool = False,
    effort: float = 1.0,
) -> Callable[[Callable[..., Statement]], Claim]:
    """Make a claim of a function; see `Claim`. id: the specification's, or the function's name.

    substochastic   plain `mdp: MDP` parameters may end the episode (`models(stops="some")`)
    """
    if exact not in EXACT:
        raise ValueError(f"exact is {exact!r}; it must be one of {EXACT}.")
    if unknown := sorted(set(mutations or ()) - {"m1", "m2", "m4", "m5", "m6"}):
        raise ValueError(f"there are no mutation controls {unknown}; see mdpkit.hunt.mutants.")
    if callable(applies):
        applies = {"the hypotheses": applies}

    def declare(function: Callable[..., Statement]) -> Claim:
        plain = models(stops="some") if substochastic else models()
        quantifiers, subject = _read_signature(function, plain)
        name = function.__name__
        return Claim(
            function,
            id or name,
            source,
            exact,
            applies or {},
            mutations,
            effort,
            quantifiers,
            subject,
        )

    return declare


def _read_signature(
    function: Callable, plain: Quantifier
) -> tuple[dict[str, Quantifier], dict[str, Any]]:
    """The quantifiers of the positional parameters, and the subject's true values."""
    hints = get_type_hints(function, include_extras=True)
    quantifiers: dict[str, Quantifier] = {}
    subject: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            if parameter.default is parameter.empty:
                raise TypeError(
                    f"{function.__name__}: the subject {name} needs its true value."
                )
            subject[name] = parameter.default
        else:
            quantifiers[name] = _quantifier(function.__name__, name, hints.get(name), plain)
    return quantifiers, subject


def _quantifier(where: str, name: str, hint: Any, plain: Quantifier) -> Quantifier:
    if hint is MDP:
        return plain
    if get_origin(hint) is Annotated:
        found = [x for x in get_args(hint)[1:] if callable(x)]
        if found:
            return found[-1]
    if callable(hint) and not isinstance(hint, type):
        return hint
    raise TypeError(
        f"{where}: {name} is annotated {hint!r}, which says nothing to draw. "
        "Write MDP, Value, Policy, …, or Annotated[Any, quantifier] (mdpkit.claim)."
    )


def _parameters(function: Callable) -> list[str]:
    return [*inspect.signature(function).parameters]


def draw_instance(quantifiers: Mapping[str, Quantifier], draw: Draw) -> tuple:
    """Draw every parameter, left to right."""
    earlier: dict[str, Any] = {}
    for name, quantifier in quantifiers.items():
        earlier[name] = quantifier(draw, earlier)
    return tuple(earlier.values())


def random_instance(
    quantifiers: Mapping[str, Quantifier], source: Source | RandomSource, exact: bool
) -> tuple[tuple, Draw]:
    """Draw an instance from a source; also returns the draw, which holds the tape."""
    draw = Draw(source, exact)
    return draw_instance(quantifiers, draw), draw


def default_rounding(instance: tuple) -> float:
    """64·u·S·H²·max(1, R, ‖inputs‖∞): a linear solve, and one more division by 1 − γ.

    H² is 1 without a model or at γ = 1; S is then the size of the largest input.
    """
    size, states, horizon = 1.0, 1, 1.0
    for thing in instance:
        if isinstance(thing, MDP):
            if thing.is_exact:
                return 0.0
            states = max(states, thing.n_states)
            size = max(size, float(sup(thing.r)))
            horizon = max(horizon, 1 / (1 - thing.gamma)) if thing.gamma < 1 else horizon
        elif isinstance(thing, np.ndarray) and thing.dtype.kind == "f" and thing.size:
            states = max(states, thing.shape[0] if thing.ndim else 1)
            size = max(size, float(sup(thing)))
    return 64 * EPS * states * horizon**2 * size
