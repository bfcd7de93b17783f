"""Checks a saved counterexample with fractions alone: python checker.py FILE

It does the recorded arithmetic again, from the instance's numbers alone. That proves that this
computation gives these sides, and breaks the relation; whether it is the theorem's, read there.
"""

import decimal
import functools
import json
import operator
import sys
from fractions import Fraction

ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
COMPARISON = {"<": operator.lt, "<=": operator.le, "==": operator.eq}
APPROXIMATE = ("sqrt", "exp", "ln")


def broken(relation, left, right, program):
    """Whether a relation fails, and by far more than the digits of a root leave open."""
    doubt = any(step[0] in APPROXIMATE for step in program) * Fraction(1, 10**20)
    clear = abs(left - right) > doubt * (1 + abs(left) + abs(right))
    return clear and {"≤": left > right, "=": left != right}[relation]


def is_model(thing):
    """Whether a dictionary is a Markov decision process: rows of P and stop sum to 1."""
    rows = zip(thing["P"], thing["stop"], thing["r"], strict=True)
    rows = [[Fraction(x) for x in [*row, end]] for row, end, _ in rows]
    good = all(min(row) >= 0 and sum(row) == 1 for row in rows)
    return good and 0 <= Fraction(thing["gamma"]) <= 1


def solution(matrix, right):
    """The solution of a linear system, by elimination; ZeroDivisionError if it is singular."""
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    for i in range(len(rows)):
        pivot = next((k for k in range(i, len(rows)) if rows[k][i] != 0), i)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for k in [k for k in range(len(rows)) if k != i]:
            rows[k] = [x - rows[k][i] * y for x, y in zip(rows[k], rows[i], strict=True)]
    return [row[-1] for row in rows]


def value(step, values, thing):
    """The value of one step of the program; `thing` is the instance."""
    name, *rest = step
    if name == "literal":
        return Fraction(rest[0])
    if name == "input":
        return Fraction(functools.reduce(operator.getitem, rest[0], thing))
    if name in APPROXIMATE:
        x = values[rest[0]]
        with decimal.localcontext(prec=50):
            return Fraction(getattr(decimal.Decimal(x.numerator) / x.denominator, name)())
    if name == "solve":
        matrix = [[values[i] for i in row] for row in rest[0]]
        return solution(matrix, [values[i] for i in rest[1]])[rest[2]]
    made = (ARITHMETIC | COMPARISON)[name](values[rest[0]], values[rest[1]])
    if name in COMPARISON and made is not rest[2]:
        raise ValueError(f"a comparison {name} came out differently")
    return made


def check(body):
    """Both sides; ValueError unless they follow from the instance and break the relation."""
    proof, values = body["certificate"], []
    if not all(is_model(thing) for thing in proof["instance"].values() if "P" in thing):
        raise ValueError("the instance is no Markov decision process")
    for step in proof["program"] or ():
        values.append(value(step, values, proof["instance"]))
    sides = [values[proof[at]] for at in ("left_at", "right_at") if proof["program"]]
    if sides != [Fraction(proof[side] or 0) for side in ("left", "right")]:
        raise ValueError("the file holds no computation of these sides that can be redone")
    if not broken(proof["claimed"], *sides, proof["program"]):
        raise ValueError(f"{sides[0]} {proof['claimed']} {sides[1]} holds")
    return sides


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.write("confirmed: {} against {}\n".format(*check(json.load(file))))
