"""Blackjack against hands of cards, played out with Gymnasium's own rules for a hand."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from gymnasium.envs.toy_text.blackjack import deck, is_bust, sum_hand, usable_ace

from mdpkit.gallery import blackjack

CARDS = {card: Fraction(deck.count(card), 13) for card in set(deck)}


@cache
def dealer(hand):
    """Law of the dealer's final sum, 0 for bust; the hand is a sorted tuple of cards."""
    hand = list(hand)
    if sum_hand(hand) >= 17 and len(hand) >= 2:
        return {0 if is_bust(hand) else sum_hand(hand): Fraction(1)}
    law = {}
    for card, p in CARDS.items():
        for total, q in dealer(tuple(sorted([*hand, card]))).items():
            law[total] = law.get(total, 0) + p * q
    return law


def a_hand(total, ace):
    """Some cards that are worth so much."""
    return [1, total - 11] if ace else [10, total - 10] if total < 21 else [10, 9, 2]


def index(total, card, ace):
    return (10 * ace + card - 1) * 10 + total - 12


@pytest.mark.parametrize("card", range(1, 11))
@pytest.mark.parametrize("total", range(12, 22))
def test_sticking_pays_what_the_dealers_hands_say(total, card):
    law = dealer((card,))
    expected = sum(p * ((total > final) - (total < final)) for final, p in law.items())
    r, stop = blackjack().r.reshape(200, 2), np.asarray(blackjack().stop).reshape(200, 2)
    for ace in (0, 1):
        assert r[index(total, card, ace), 0] == float(expected)
        assert stop[index(total, card, ace), 0] == 1


@pytest.mark.parametrize("ace", [0, 1])
@pytest.mark.parametrize("total", range(12, 22))
def test_hitting_leads_where_the_cards_lead(total, ace):
    mdp = blackjack()
    P = mdp.P.toarray().reshape(200, 2, 200)
    r, stop = (np.asarray(x).reshape(200, 2) for x in (mdp.r, mdp.stop))
    expected, bust = np.zeros(200), Fraction(0)
    for card, p in CARDS.items():
        hand = [*a_hand(total, ace), card]
        if is_bust(hand):
            bust += p
        else:
            expected[index(sum_hand(hand), 7, usable_ace(hand))] += p
    s = index(total, 7, ace)
    np.testing.assert_allclose(P[s, 1], expected, atol=1e-16)
    assert stop[s, 1] == -r[s, 1] == float(bust)


def test_hands_are_dealt_up_to_twelve():
    """From two cards, hitting below 12, by hands of cards."""

    @cache
    def dealt(hand):
        hand = list(hand)
        if len(hand) >= 2 and sum_hand(hand) >= 12:
            return {(sum_hand(hand), usable_ace(hand)): Fraction(1)}
        law = {}
        for card, p in CARDS.items():
            for key, q in dealt(tuple(sorted([*hand, card]))).items():
                law[key] = law.get(key, 0) + p * q
        return law

    start = np.zeros(200)
    for (total, ace), p in dealt(()).items():
        for card, q in CARDS.items():
            start[index(total, card, ace)] += p * q
    np.testing.assert_allclose(blackjack().start, start, atol=1e-16)


def test_names_say_what_is_on_the_table():
    states = blackjack().states
    assert states[index(20, 10, 0)] == "20 against 10"
    assert states[index(13, 1, 1)] == "13 with ace against A"


def test_basic_strategy_without_doubling_sticks_and_hits_where_it_should(solver):
    """S&B Figure 5.2: Thorp's strategy, but for the notch at an ace against a usable ace."""
    mdp = blackjack()
    v = solver.answers(mdp)
    greedy = mdp.pair_actions[solver.improve(mdp, v, mdp.action_ptr[:-1])].reshape(2, 10, 10)
    hits = {(d + 1, x + 12) for d, x in zip(*np.nonzero(greedy[0]), strict=True)}
    expected = {(d, x) for d in (1, 7, 8, 9, 10) for x in range(12, 17)} | {(2, 12), (3, 12)}
    assert hits == expected
    with_ace = {(d + 1, x + 12) for d, x in zip(*np.nonzero(greedy[1]), strict=True)}
    soft_18 = {(d, 18) for d in (1, 9, 10)}  # against the ace Thorp sticks
    assert with_ace == {(d, x) for d in range(1, 11) for x in range(12, 18)} | soft_18
