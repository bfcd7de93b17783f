"""Checks a saved counterexample with fractions alone: python checker.py FILE

It does the recorded arithmetic again; that it is the theorem's arithmetic is for its reader.
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
    rows = zip(thing["P"], thing["stop"], strict=True)
    rows = [[Fraction(x) for x in [*row, end]] for row, end in rows]
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


def value(step, values, proof):
    """The value of one step of the program; inputs are the instance's or listed constants."""
    name, *rest = step
    if name == "input":
        return Fraction(functools.reduce(operator.getitem, rest[0], proof))
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
    """Both sides; an error unless they follow from the instance and break the relation."""
    proof, values = body["certificate"], []
    if not all(is_model(thing) for thing in proof["instance"].values() if "P" in thing):
        raise ValueError("the instance is no Markov decision process")
    for step in proof["program"]:
        values.append(value(step, values, proof))
    left, right = values[proof["left_at"]], values[proof["right_at"]]
    if (left, right) != (Fraction(proof["left"]), Fraction(proof["right"])):
        raise ValueError(f"the sides are {left} and {right}, not as the file says")
    if not broken(proof["claimed"], left, right, proof["program"]):
        raise ValueError(f"{left} {proof['claimed']} {right} holds")
    return left, right


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.write("confirmed: {} against {}\n".format(*check(json.load(file))))
