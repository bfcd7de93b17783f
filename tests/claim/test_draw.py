"""One generator, many sources: every answer, edited or not, is a valid instance."""

from typing import Annotated

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdpkit import strategies
from mdpkit._exact import rational
from mdpkit.claim import (
    MDP,
    AboveImage,
    ActionValue,
    BelowImage,
    DetPolicy,
    Leq,
    Order,
    Policy,
    State,
    Value,
    claim,
    models,
    sequences,
    values,
)
from mdpkit.claim.declare import random_instance
from mdpkit.claim.draw import Block
from mdpkit.claim.random_source import RandomSource
from mdpkit.hunt.pool import redraw
from mdpkit.hunt.shrink import _shorter
from mdpkit.operators.bellman import backup
from mdpkit.policy import as_pairs, probabilities


@claim(source="-")
def everything(
    mdp: Annotated[MDP, models(stops="some", start="any")],
    v: Value,
    low: BelowImage,
    high: AboveImage,
    pi: Policy,
    d: DetPolicy,
    q: ActionValue,
    s: State,
    order: Order,
    several: Annotated[tuple, sequences(values())],
):
    """Every kind of thing."""
    return Leq(0, 1)


def check_instance(instance):
    mdp, v, low, high, pi, d, q, s, order, several = instance
    slack = 0 if mdp.is_exact else 1e-9 * (1 + abs(low).max() + abs(high).max())
    assert v.shape == (mdp.n_states,)
    assert (low <= backup(mdp, low) + slack).all()
    assert (high >= backup(mdp, high) - slack).all()
    probabilities(mdp, pi)  # raises unless it is a policy
    as_pairs(mdp, d)
    assert q.shape == mdp.pair_shape
    assert 0 <= s < mdp.n_states
    assert sorted(order.tolist()) == list(range(mdp.n_states))
    assert all(w.shape == v.shape for w in several)
    sums = mdp.rows.sum(axis=1) + mdp.stop.reshape(-1)
    assert (abs(sums - 1) <= (0 if mdp.is_exact else 1e-12)).all()


@pytest.mark.parametrize("exact", [True, False])
def test_random_instances_are_valid_and_their_tapes_draw_them_again(exact):
    rng = np.random.default_rng(3)
    ragged = 0
    for _ in range(60):
        instance, draw = random_instance(everything.quantifiers, RandomSource(rng), exact)
        check_instance(instance)
        again = redraw(everything.quantifiers, draw.tape, exact)
        assert (again.instance[0].rows == instance[0].rows).all()
        assert (again.instance[4] == instance[4]).all()
        ragged += instance[0].r.ndim == 1
    assert 3 <= ragged <= 40


@pytest.mark.parametrize("denominator", [1, 3, None])
def test_a_float_tape_rationalizes_to_a_valid_exact_instance(denominator):
    rng = np.random.default_rng(4)
    for _ in range(15):
        _, draw = random_instance(everything.quantifiers, RandomSource(rng), False)
        sample = redraw(everything.quantifiers, draw.tape, True, denominator)
        assert sample.instance[0].is_exact
        check_instance(sample.instance)


def test_a_tape_without_a_state_is_the_model_without_it():
    rng = np.random.default_rng(5)
    for _ in range(15):
        instance, draw = random_instance(everything.quantifiers, RandomSource(rng), True)
        for shorter in _shorter(draw.tape):
            sample = redraw(everything.quantifiers, shorter, True)
            check_instance(sample.instance)
            before, after = instance[0], sample.instance[0]
            smaller = (before.n_states - after.n_states) + (before.n_pairs > after.n_pairs)
            fewer = len(sample.instance[-1]) <= len(instance[-1])
            assert smaller or fewer


def test_any_nonsense_on_a_tape_still_gives_an_instance():
    rng = np.random.default_rng(6)
    _, draw = random_instance(everything.quantifiers, RandomSource(rng), False)
    nonsense = tuple(Block(b.request, b.data * 0 - 7) for b in draw.tape)
    check_instance(redraw(everything.quantifiers, nonsense, False).instance)
    check_instance(redraw(everything.quantifiers, (), True).instance)


# ---- Hypothesis ------------------------------------------------------------------------------


@given(strategies.instances(everything))
def test_hypothesis_draws_valid_exact_instances(instance):
    assert instance[0].is_exact
    check_instance(instance)


GENERATORS = [
    strategies.mdps(),
    strategies.ergodic_mdps(),
    strategies.deterministic_mdps(),
    strategies.absorbing_mdps(),
    strategies.proper_mdps(),
    strategies.patient_mdps(),
    strategies.tied_mdps(),
    strategies.cyclic_mdps(),
    strategies.chains(),
    strategies.grids(),
]


@pytest.mark.parametrize("generator", range(len(GENERATORS)))
def test_every_generator_of_models_draws_exact_ones(generator):
    @given(GENERATORS[generator], st.data())
    def look(mdp, data):
        assert mdp.is_exact
        assert mdp.n_states >= 1
        v = data.draw(strategies.values(mdp))
        pi = data.draw(strategies.policies(mdp))
        assert v.shape == (mdp.n_states,)
        probabilities(mdp, pi)

    look()


def test_models_shrink_to_one_state_and_small_fractions():
    from hypothesis import find, settings

    quiet = settings(database=None, deadline=None, max_examples=500)
    mdp = find(strategies.mdps(), lambda m: m.n_states >= 2 and (m.r > 2).any(), settings=quiet)
    assert mdp.n_states == 2
    assert mdp.n_actions == 1
    assert mdp.gamma == rational("1/2")
    assert max(abs(x) for x in mdp.r.flat) == 3
