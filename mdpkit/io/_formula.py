"""Formulas over labels: `"a" & !("b" | c)`."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import numpy as np

from mdpkit.errors import FormatError
from mdpkit.io._labeled import Labeled

HELP = 'a property looks like Pmax=? [F "label"] or R{"name"}min=? [F "label" & !"other"]'
LONGEST = 1000
"""Characters of a property."""

DEEPEST = 50


class Formula:
    """A formula, read from left to right."""

    TOKEN = re.compile(r'\s*(?:"([^"]+)"|([\w.$]+)|([!&|()]))')

    def __init__(self, text: str, model: Labeled):
        self.text, self.model, self.at = text, model, 0

    def states(self) -> np.ndarray:
        """(S,) where the formula holds."""
        found = self._either(0)
        if self.text[self.at :].strip():
            self._refuse()
        return found

    def _next(self) -> Any:
        found = self.TOKEN.match(self.text, self.at)
        if found is None:
            self._refuse()
        return found

    def _follows(self, symbol: str) -> bool:
        found = self.TOKEN.match(self.text, self.at)
        if found is None or found[3] != symbol:
            return False
        self.at = found.end()
        return True

    def _either(self, depth: int) -> np.ndarray:
        found = self._both(depth)
        while self._follows("|"):
            found = found | self._both(depth)
        return found

    def _both(self, depth: int) -> np.ndarray:
        found = self._one(depth)
        while self._follows("&"):
            found = found & self._one(depth)
        return found

    def _one(self, depth: int) -> np.ndarray:
        if depth > DEEPEST:
            self._refuse()
        if self._follows("!"):
            return ~self._one(depth + 1)
        if self._follows("("):
            found = self._either(depth + 1)
            if not self._follows(")"):
                self._refuse()
            return found
        token = self._next()
        name, bare = token[1] or token[2], token[1] is None
        if name is None:
            self._refuse()
        self.at = token.end()
        if bare and name in ("true", "false"):
            return np.full(self.model.n_states, name == "true")
        if name not in self.model.labels:
            known = ", ".join(sorted(self.model.labels)) or "none"
            raise FormatError(f"there is no label {name!r}; there is {known}.")
        return self.model.labels[name]

    def _refuse(self) -> NoReturn:
        raise FormatError(f"{self.text[:80]!r}, at {self.text[self.at :][:20]!r}: {HELP}.")
