"""One-step targets: every transition with its probability gives the operator they lift."""

import numpy as np
import pytest

from mdpkit._exact import exact_array
from mdpkit.operators import aggregate
from mdpkit.operators.bellman import action_values, backup_q, greedy_pairs
from mdpkit.operators.expect import mean
from mdpkit.policy import expected_under
from mdpkit.targets import Double, Expected, OneStep, Sampled, Twin
from tests.gradient_oracle import drawn_policy, fractions, layered, whole
from tests.target_oracle import (
    REDUCTIONS,
    SEEDS,
    TAU,
    expectation,
    far,
    near,
    next_actions,
    problem,
)

WEIGHTED = {
    "expected": aggregate.expected,
    "soft with a prior": lambda pi: aggregate.soft(TAU, pi),
    "expectile of a policy": lambda pi: aggregate.expectile(0.8, pi),
}


def weighted(make, mdp, seed):
    """A reduction with a policy in pair layout, and the same with that of the next states."""
    _, pi = drawn_policy(mdp, np.random.default_rng([seed, 6]))
    return make(pi), make(next_actions(mdp, pi))


# ---- OneStep ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("over", REDUCTIONS, ids=lambda over: over.name)
def test_one_step_expects_the_backup(seed, over):
    mdp, q, *_ = problem(seed)
    near(expectation(mdp, OneStep(over), q), backup_q(mdp, q, over))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", WEIGHTED)
def test_one_step_with_a_weight_expects_the_backup(seed, name):
    mdp, q, *_ = problem(seed)
    own, behind = weighted(WEIGHTED[name], mdp, seed)
    near(expectation(mdp, OneStep(behind), q), backup_q(mdp, q, own))


@pytest.mark.parametrize("seed", range(8))
def test_rational_targets_expect_their_operators_in_fractions(seed):
    mdp = layered(seed).exact()
    rng = np.random.default_rng(seed)
    q, online = whole(rng, mdp.pair_shape), whole(rng, mdp.pair_shape)
    pi = fractions(mdp, seed)
    behind = next_actions(mdp, pi)
    assert (expectation(mdp, OneStep(), q) == backup_q(mdp, q)).all()
    sparse = aggregate.sparsemax(0.5)
    assert (expectation(mdp, OneStep(sparse), q) == backup_q(mdp, q, sparse)).all()
    wanted = action_values(mdp, expected_under(mdp, pi, q))
    assert (expectation(mdp, Expected(behind), q) == wanted).all()
    assert (expectation(mdp, OneStep(aggregate.expected(behind)), q) == wanted).all()
    chosen = mdp.pair_actions[greedy_pairs(mdp, online)]
    wanted = action_values(mdp, expected_under(mdp, chosen, q))
    assert (expectation(mdp, Double(), q, online) == wanted).all()
    both = np.stack([q, online])
    wanted = backup_q(mdp, np.minimum(q, online))
    assert (expectation(mdp, Twin(), both) == wanted).all()


def test_what_is_not_rational_has_no_exact_form():
    one = exact_array(np.ones((2, 3)))
    for target, q in (
        (OneStep(aggregate.soft(1.0)), one),
        (Expected(one, tau=1), one),
        (Twin(width=1.0), np.stack([one, one])),
    ):
        with pytest.raises(TypeError, match="not rational"):
            target(one[:, 0], one[:, 0], q)


# ---- the mutants of the one step -------------------------------------------------------------


def test_a_forgotten_discount_is_caught():
    def without(rows):
        return rows._replace(discount=np.where(rows.discount > 0, 1.0, 0.0))

    caught = 0
    for seed in SEEDS:
        mdp, q, *_ = problem(seed)
        if 0 < mdp.gamma < 0.95:
            caught += far(expectation(mdp, OneStep(), q, change=without), backup_q(mdp, q))
    assert caught >= 4


def with_time_limit(rows):
    """Every row twice, with half its weight: once the time limit struck behind it."""
    twice = type(rows)(*(np.concatenate([x, x]) for x in rows))
    truncated = np.arange(twice.weight.size) >= rows.weight.size
    return twice._replace(weight=twice.weight / 2), truncated


@pytest.mark.parametrize("seed", SEEDS)
def test_a_truncated_row_bootstraps_and_one_flag_for_both_is_caught(seed):
    mdp, q, *_ = problem(seed)

    def limited(rows):
        return with_time_limit(rows)[0]

    def one_flag(rows):
        twice, truncated = with_time_limit(rows)
        return twice._replace(discount=np.where(truncated, 0.0, twice.discount))

    wanted = backup_q(mdp, q)
    near(expectation(mdp, OneStep(), q, change=limited), wanted)
    lost = mdp.gamma / 2 * mean(mdp, aggregate_max(mdp, q))
    near(expectation(mdp, OneStep(), q, change=one_flag), wanted - lost)


def aggregate_max(mdp, q):
    return np.maximum.reduceat(q.reshape(-1), mdp.action_ptr[:-1])


# ---- masks -----------------------------------------------------------------------------------


TARGETS = {
    "one step": OneStep(),
    "soft": OneStep(aggregate.soft(TAU)),
    "sparsemax": OneStep(aggregate.sparsemax(TAU)),
    "double": Double(),
    "soft double": Double(aggregate.soft(TAU)),
    "twin": Twin(),
    "bound": Twin(width=0.5),
    "expected": Expected(np.array([[0.25, 0.75, 0.0], [1.0, 0.0, 0.0]]), TAU),
}
ENSEMBLES = ("twin", "bound")


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("rubbish", [np.nan, np.inf, -np.inf, 1e9])
def test_forbidden_actions_may_hold_anything(name, rubbish):
    target, q = TARGETS[name], np.array([[1.0, 3.0, rubbish], [2.0, rubbish, rubbish]])
    mask = np.array([[True, True, False], [True, False, False]])
    plain = np.where(mask, q, -50.0)  # at τ = 0.7 e⁻⁷⁰ is nothing
    if name in ENSEMBLES:
        q, plain = np.stack([q, q + 1]), np.stack([plain, plain + 1])
    found = target(np.zeros(2), np.ones(2), q, q + 1, mask=mask)
    near(found, target(np.zeros(2), np.ones(2), plain, plain + 1))


@pytest.mark.parametrize("name", TARGETS)
def test_behind_an_end_no_action_need_be_allowed(name):
    target, q = TARGETS[name], np.array([[1.0, 3.0, 5.0], [2.0, np.nan, np.nan]])
    mask = np.array([[True, True, True], [False, False, False]])
    q = np.stack([q, q]) if name in ENSEMBLES else q
    y = target(np.ones(2), np.array([0.9, 0.0]), q, q, mask=mask)
    assert np.isfinite(y).all()
    assert y[1] == 1.0
    with pytest.raises(ValueError, match=r"mask\[1\] allows no action"):
        target(np.ones(2), np.array([0.9, 0.9]), q, q, mask=mask)


# ---- what is refused -------------------------------------------------------------------------

Q = np.zeros((4, 3))
N = np.zeros(4)


@pytest.mark.parametrize("name", [*TARGETS, "sampled"])
def test_a_column_beside_a_row_is_refused(name):
    """(4, 1) beside (4,) would make (4, 4) in silence."""
    target = {**TARGETS, "expected": Expected(Q + 1 / 3), "sampled": Sampled()}[name]
    q = {"sampled": N, **dict.fromkeys(ENSEMBLES, np.stack([Q, Q]))}.get(name, Q)
    for shapes in ((N[:, None], N), (N, N[:, None]), (N[:3], N)):
        with pytest.raises(
            ValueError, match=r"has shape \(.*\) beside q_next \(4.*\); \(4,\) is"
        ):
            target(*shapes, q, q)


def test_other_things_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"q_next_online has shape \(4, 2\) .*\(4, 3\)"):
        Double()(N, N, Q, Q[:, :2])
    with pytest.raises(ValueError, match="q_next_online, which is missing"):
        Double()(N, N, Q)
    with pytest.raises(ValueError, match=r"mask has shape \(3,\) .*\(4, 3\)"):
        OneStep()(N, N, Q, mask=np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match=r"probabilities has shape \(3,\)"):
        Expected(np.ones(3) / 3)(N, N, Q)
    with pytest.raises(ValueError, match=r"probabilities\[0, 2\] is not 0 where the mask"):
        Expected(Q + 1 / 3)(N, N + 1, Q, mask=np.arange(3) + Q < 2)
    with pytest.raises(ValueError, match=r"log_probability has shape \(4, 1\)"):
        Sampled(N[:, None], 0.1)(N, N, N)
    with pytest.raises(ValueError, match=r"\(2, 4\) is needed"):  # an ensemble without Twin
        OneStep()(N, N, np.stack([Q, Q]))
    with pytest.raises(ValueError, match="log_probability is missing"):
        Sampled(tau=0.1)
    for wrong in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="tau must be ≥ 0"):
            Expected(Q, wrong)
        with pytest.raises(ValueError, match="tau must be ≥ 0"):
            Sampled(N, wrong)
        with pytest.raises(ValueError, match="width must be ≥ 0"):
            Twin(width=wrong)
    for wrong in (aggregate.soft, max, "max"):
        with pytest.raises(TypeError, match="a reduction is needed"):
            OneStep(wrong)
        with pytest.raises(TypeError, match="a reduction is needed"):
            Double(wrong)
