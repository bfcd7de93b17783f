"""Blackjack from an infinite deck, in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache

import numpy as np

from mdpkit.gallery._build import tabulate
from mdpkit.gallery._registry import Known, model
from mdpkit.mdp import MDP

CARDS = {card: Fraction(4 if card == 10 else 1, 13) for card in range(1, 11)}
"""Aces are 1; tens, jacks, queens and kings are 10."""

Hand = tuple[int, bool]
"""The sum, and whether an ace in it counts 11 (is usable)."""


def add(hand: Hand, card: int) -> Hand:
    """Return the hand with one more card; a usable ace falls back to 1 rather than bust."""
    total, usable = hand
    if card == 1 and total <= 10:
        return total + 11, True
    total += card
    return (total - 10, False) if usable and total > 21 else (total, usable)


@cache
def dealer_stands(hand: Hand) -> dict[int, Fraction]:
    """Return the law of the final sum of a dealer who stands on 17; 22 is bust."""
    if hand[0] >= 17:
        return {min(hand[0], 22): Fraction(1)}
    law: dict[int, Fraction] = {}
    for card, p in CARDS.items():
        for total, q in dealer_stands(add(hand, card)).items():
            law[total] = law.get(total, Fraction(0)) + p * q
    return law


def stick_at_20(mdp: MDP) -> np.ndarray:
    """Return the policy that sticks on 20 and 21 and hits on less."""
    sums = mdp.pair_states % 10 + 12
    return ((mdp.pair_actions == 0) == (sums >= 20)).astype(np.float64)


def _state(total: int, dealer: int, usable: bool) -> int:
    return (10 * usable + dealer - 1) * 10 + total - 12


def _hands() -> Iterator[tuple[int, int, bool]]:
    return ((x, d, ace) for ace in (False, True) for d in range(1, 11) for x in range(12, 22))


@model(
    source="Sutton & Barto (2018), Examples 5.1, 5.3 and 5.4",
    known=[
        Known(
            {
                _state(20, 10, usable=False): 0.434958,
                _state(21, 10, usable=False): 0.888576,
                _state(20, 1, usable=False): 0.146095,
                _state(13, 2, usable=True): -0.277204,
            },
            policy=stick_at_20,
            tol=5e-7,
        )
    ],
)
def blackjack(gamma: float = 1.0) -> MDP:
    """Hit or stick against a dealer who stands on 17; the deck never runs out.

    A win pays 1, a loss −1, a draw 0; a natural is 21 like any other. State (usable ace,
    dealer's card 1 … 10, sum 12 … 21) has the index (10·ace + dealer − 1)·10 + sum − 12;
    below 12 one always hits, and the start distribution has done so.
    """
    hands = list(_hands())

    def rule(s: int, a: int) -> list:
        total, dealer, usable = hands[s]
        if a == 0:
            outcomes = dealer_stands(add((0, False), dealer)).items()
            return [(p, None, _pay(total, final)) for final, p in outcomes]
        after = [(p, *add((total, usable), card)) for card, p in CARDS.items()]
        return [
            (p, None, -1) if x > 21 else (p, _state(x, dealer, ace), 0) for p, x, ace in after
        ]

    start = np.zeros(len(hands))
    for (total, usable), p in _dealt((0, False), 0).items():
        for dealer, q in CARDS.items():
            start[_state(total, dealer, usable)] = float(p * q)
    card = {1: "A"} | {d: str(d) for d in range(2, 11)}
    states = [f"{x}{' with ace' if ace else ''} against {card[d]}" for x, d, ace in hands]
    mdp = tabulate(rule, [2] * len(hands), gamma, states=states, actions=["stick", "hit"])
    return mdp.replace(start=start)


def _pay(player: int, dealer: int) -> int:
    return 1 if dealer > 21 else (player > dealer) - (player < dealer)


@cache
def _dealt(hand: Hand, n_cards: int) -> dict[Hand, Fraction]:
    """Return the law of the first hand of two cards or more that is worth 12 or more."""
    if n_cards >= 2 and hand[0] >= 12:
        return {hand: Fraction(1)}
    law: dict[Hand, Fraction] = {}
    for card, p in CARDS.items():
        for dealt, q in _dealt(add(hand, card), n_cards + 1).items():
            law[dealt] = law.get(dealt, Fraction(0)) + p * q
    return law
