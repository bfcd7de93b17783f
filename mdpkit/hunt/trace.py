"""A certificate: the arithmetic that a claim's code did on one instance, step by step.

The claim is run once more on numbers that record what is done with them. The record is a
straight-line program over the instance's numbers and a few constants: sums, products,
quotients, solutions of linear systems, and the comparisons that chose its branches, with their
answers. A reader who runs it with fractions gets both sides and need trust neither this package
nor its solvers: `checker.py` beside this file, run as a script, does so in 80 lines. What it
does not prove is that the program is the theorem's: that is for the reader of the claim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mdpkit._exact import fraction, rational
from mdpkit.claim.linear import solve, solve_exact
from mdpkit.claim.statement import Eq, Exists, Rate, flat
from mdpkit.hunt.checker import broken
from mdpkit.hunt.checker import value as value_of
from mdpkit.hunt.pool import redraw
from mdpkit.mdp import MDP

if TYPE_CHECKING:
    from mdpkit.hunt.counterexample import Counterexample


class Program:
    """The steps so far; step i computes value i."""

    def __init__(self) -> None:
        self.steps: list[list] = []
        self.values: list[Any] = []
        self._known: dict[tuple, Number] = {}

    def add(self, value: Any, *step: Any) -> Number:
        """Append a step, or find the same one made before."""
        key = tuple(map(str, step))
        if key not in self._known:
            self._known[key] = Number(self, len(self.steps), value)
            self.steps.append(list(step))
            self.values.append(value)
        return self._known[key]

    def of(self, x: Any) -> Number:
        """A number of this program; a constant is listed as one."""
        if isinstance(x, Number):
            return x
        text = str(fraction(rational(x)))
        return self.add(rational(x), "input", ["constants", text])


class Number:
    """An exact rational that records what is done with it."""

    __slots__ = ("index", "program", "value")
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __init__(self, program: Program, index: int, value: Any):
        self.program, self.index, self.value = program, index, value

    def _binary(self, name: str, x: Any, y: Any) -> Any:
        if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
            return NotImplemented  # the array does it entry by entry
        a, b = self.program.of(x), self.program.of(y)
        value = _APPLY[name](a.value, b.value)
        return self.program.add(value, name, a.index, b.index)

    def _compared(self, name: str, other: Any) -> bool:
        b = self.program.of(other)
        truth = bool(_COMPARE[name](self.value, b.value))
        self.program.add(truth, name, self.index, b.index, truth)
        return truth

    def __add__(self, other: Any) -> Any:
        return self._binary("+", self, other)

    def __radd__(self, other: Any) -> Any:
        return self._binary("+", other, self)

    def __sub__(self, other: Any) -> Any:
        return self._binary("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._binary("-", other, self)

    def __mul__(self, other: Any) -> Any:
        return self._binary("*", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._binary("*", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._binary("/", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._binary("/", other, self)

    def __pow__(self, power: Any) -> Any:
        if power != int(power):
            return (
                self.sqrt() ** int(2 * power) if 2 * power == int(2 * power) else NotImplemented
            )
        out: Any = self.program.of(1)
        for _ in range(abs(int(power))):
            out = out * self
        return out if power >= 0 else 1 / out

    def __neg__(self) -> Any:
        return 0 - self

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self if self >= 0 else 0 - self

    def __lt__(self, other: Any) -> bool:
        return self._compared("<", other)

    def __le__(self, other: Any) -> bool:
        return self._compared("<=", other)

    def __gt__(self, other: Any) -> bool:
        return not self._compared("<=", other)

    def __ge__(self, other: Any) -> bool:
        return not self._compared("<", other)

    def __eq__(self, other: object) -> bool:
        return self._compared("==", other)

    def __ne__(self, other: object) -> bool:
        return not self._compared("==", other)

    def __bool__(self) -> bool:
        return not self._compared("==", 0)

    def _near(self, name: str) -> Any:
        value = rational(value_of([name, 0], [fraction(self.value)], None))
        return self.program.add(value, name, self.index)

    def sqrt(self) -> Any:
        """√x, to fifty digits."""
        return self._near("sqrt")

    def exp(self) -> Any:
        """eˣ, to fifty digits."""
        return self._near("exp")

    def log(self) -> Any:
        """log x, to fifty digits."""
        return self._near("ln")

    def chain_solved(self, row: Any, column: Any, P: Any, gamma: Any, right: Any) -> np.ndarray:
        """The solution of (I − γP) x = right, P given by its entries."""
        n = len(right)
        matrix = np.full((n, n), self.program.of(0), dtype=object)
        np.add.at(matrix, (row, column), 0 - gamma * P)
        matrix[np.arange(n), np.arange(n)] += self.program.of(1)
        return self.solved(matrix, right)

    def solved(self, matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
        """The solution of a linear system, as one step for each unknown."""
        program = self.program
        left = [[program.of(x) for x in row] for row in matrix]
        b = [program.of(x) for x in right]
        values = np.vectorize(lambda x: x.value, otypes=[object])
        x = solve_exact(values(np.array(left, dtype=object)), values(np.array(b, dtype=object)))
        rows, column = [[y.index for y in row] for row in left], [y.index for y in b]
        out = np.empty(len(b), dtype=object)
        out[:] = [program.add(x[i], "solve", rows, column, i) for i in range(len(b))]
        return out


class Recorded(np.ndarray):
    """An array of recording numbers, for which NumPy's linear algebra is ours."""

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Solve and invert on the record; everything else as NumPy does."""
        plain = [np.asarray(x) if isinstance(x, np.ndarray) else x for x in args]
        if function is np.linalg.solve:
            return solve(*plain).view(Recorded)
        if function is np.linalg.inv:
            return solve(plain[0], np.eye(len(plain[0]), dtype=int)).view(Recorded)
        return super().__array_function__(function, types, args, kwargs)


_APPLY = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}
_COMPARE = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b, "==": lambda a, b: a == b}


# ---- certificates ----------------------------------------------------------------------------


def certificate(found: Counterexample) -> dict[str, Any]:
    """The instance in fractions, the relation claimed, both sides, and the program for them.

    A violation found on floats is recorded on the fractions of its tape, roots and exponentials
    to fifty digits; it counts if the sides differ by much more than that.
    """
    from mdpkit.hunt.counterexample import in_rows

    things = {n: in_rows(x) if isinstance(x, MDP) else x for n, x in found.things.items()}
    if not found.sample.exact and found.sample.tape:
        domain = found.domain or found.claim.quantifiers
        again = redraw(domain, found.sample.tape, exact=True)
        things = dict(zip(domain, again.instance, strict=True))
    body: dict[str, Any] = {"instance": {}, "constants": {}, "claimed": found.outcome.relation}
    body |= {"left": None, "right": None, "program": None}
    try:
        body["instance"] = {name: _plain(x) for name, x in things.items()}
        body.update(_record(found, things))
    except Exception as error:  # whatever the claim's code does to numbers it did not expect
        body["why"] = f"the claim's code does more than arithmetic: {error}"
    return body


def _record(found: Counterexample, things: dict[str, Any]) -> dict[str, Any]:
    """Run the claim on recording numbers, and point at two sides that disagree."""
    program = Program()
    traced = [_traced(program, ["instance", name], x) for name, x in things.items()]
    differ: list[tuple[Number, Number]] = []
    for part in flat(found.claim.function(*traced)):
        relation = "=" if isinstance(part, Eq) else "≤"
        if relation != found.outcome.relation or isinstance(part, Exists):
            continue
        pair = (part.measured, part.bound) if isinstance(part, Rate) else (part.lhs, part.rhs)
        sides = np.broadcast_arrays(*(np.asarray(x, dtype=object) for x in pair))
        for a, b in zip(sides[0].flat, sides[1].flat, strict=True):
            a, b = program.of(a), program.of(b)
            if broken(relation, fraction(a.value), fraction(b.value), program.steps):
                differ.append((a, b))
    if not differ:
        raise ValueError("in fractions no two sides disagree")
    same = [pair for pair in differ if (pair[0].value, pair[1].value) == found.outcome.worst]
    a, b = (same or differ)[0]
    sides = {"left": str(fraction(a.value)), "right": str(fraction(b.value))}
    paths = [step[1] for step in program.steps if step[0] == "input"]
    constants = {path[1]: path[1] for path in paths if path[0] == "constants"}
    places = {"left_at": a.index, "right_at": b.index}
    return {"constants": constants, "program": program.steps, **places, **sides}


def _plain(x: Any) -> Any:
    """A thing as JSON, every number a fraction."""
    if isinstance(x, MDP):
        return {
            "actions_per_state": np.diff(x.action_ptr).tolist(),
            "P": _plain(x.rows),
            "r": _plain(x.r.reshape(-1)),
            "gamma": _plain(x.gamma),
            "stop": _plain(x.stop.reshape(-1)),
            "start": _plain(x.start),
        }
    if isinstance(x, np.ndarray | tuple | list):
        return [_plain(part) for part in x]
    return str(fraction(x))


def _traced(program: Program, where: list, x: Any) -> Any:
    """The same thing in recording numbers; integers stay what they are."""
    if isinstance(x, MDP):
        return _traced_model(program, where, x)
    if isinstance(x, tuple):
        return tuple(_traced(program, [*where, i], part) for i, part in enumerate(x))
    if isinstance(x, np.ndarray):
        if x.dtype != np.dtype(object):
            return x
        out = np.empty(x.shape, dtype=object)
        for i in np.ndindex(*x.shape):
            out[i] = program.add(x[i], "input", [*where, *i])
        return out.view(Recorded)
    return program.add(x, "input", where) if hasattr(x, "p") else x


def _traced_model(program: Program, where: list, mdp: MDP) -> MDP:
    parts = {"rows": ("P", mdp.rows), "_r": ("r", mdp._r), "_stop": ("stop", mdp._stop)}
    parts["_start"] = ("start", mdp.start)
    fields = {
        field: None if x is None else _traced(program, [*where, name], x)
        for field, (name, x) in parts.items()
    }
    return mdp._with(**fields, gamma=program.add(mdp.gamma, "input", [*where, "gamma"]))
