"""Group F, targets of one step: each is unbiased for its operator (THEOREMS.md §2.F, F9, F12).

    E[r + d ⊕_b q(t,b) | s,a] = r + γ Σ_t P(t|s,a) ⊕_b q(t,b),     d = γ, and 0 behind the end

by every transition with its probability. Where ⊕ is not linear in q, that is so for q as it
stands, and not for q that errs at random: there the maximum is biased upwards (F11).
Source: van Seijen et al. (2009); van Hasselt, Guez & Silver (2016); Fujimoto et al. (2018).
"""

import numpy as np

from mdpkit.claim import MDP, ActionValue, All, Eq, FullPolicy, Leq, Policy, claim
from mdpkit.enumerate import transitions
from mdpkit.operators.aggregate import (
    epsilon_greedy,
    expected,
    expectile,
    maximum,
    mellowmax,
    soft,
    sparsemax,
)
from mdpkit.operators.bellman import backup_q
from mdpkit.policy import probabilities
from mdpkit.targets import Double, Expected, OneStep, Twin
from proofs_checks.soft_operators import at_scale
from proofs_checks.soft_vocabulary import Temperature
from proofs_checks.target_vocabulary import allowed, at_next, expectation
from proofs_checks.vocabulary import greedy_in, q_evaluation, tol_v

# ---- F9: one table ---------------------------------------------------------------------------


def told(mdp, rows):
    """γ(1 − terminated)."""
    return rows.discount


def smallest(over):
    """The minimum of the actions, where ⊕ is the maximum."""
    return lambda r, d, q, **options: -OneStep(over)(-r, d, -q, **options)


@claim(
    id="F9-reductions", source="van Seijen et al. (2009); Watkins (1989)", exact="Q",
    substochastic=True, effort=0.5,
)  # fmt: skip
def one_step_target_expects_its_backup(
    mdp: MDP, q: ActionValue, pi: Policy, *, target=OneStep, discount=told
):
    """E[r + d ⊕_b q(t,b)] = (B_⊕ q)(s,a) for ⊕ = max, Σ_b π(b) and sparsemax at τ = ½.

    The second twice, as ⊕ = expected(π) and as the target of expected SARSA.
    """
    rows = transitions(mdp)
    given = rows.reward, discount(mdp, rows), at_next(mdp, rows, q)
    mask, p = allowed(mdp, rows), probabilities(mdp, pi)
    behind, sparse = at_next(mdp, rows, p), sparsemax(0.5)
    pairs = [
        (target(maximum), backup_q(mdp, q)),
        (target(expected(behind)), backup_q(mdp, q, expected(p))),
        (Expected(behind), backup_q(mdp, q, expected(p))),
        (target(sparse), backup_q(mdp, q, sparse)),
    ]
    return All(
        *(
            Eq(expectation(mdp, rows, f(*given, mask=mask)), wanted, tol_v(mdp, q))
            for f, wanted in pairs
        )
    )


one_step_target_expects_its_backup.rejects(
    "without the discount", discount=lambda mdp, rows: 0 * rows.discount + 1
)
one_step_target_expects_its_backup.rejects(
    "bootstraps behind the end", discount=lambda mdp, rows: 0 * rows.discount + mdp.gamma
)
one_step_target_expects_its_backup.rejects("min for max", target=smallest)


def smooth(tau, prior, level):
    """Reductions with a temperature or a level; the prior is of the pairs that are reduced."""
    return [
        soft(tau), soft(tau, prior), mellowmax(1 / tau), expectile(level, prior),
        epsilon_greedy(level),
    ]  # fmt: skip


@claim(
    id="F9-smooth", source="Asadi & Littman (2017); van Seijen et al. (2009)", exact="B",
    substochastic=True,
)  # fmt: skip
def smooth_one_step_target_expects_its_backup(
    mdp: MDP, q: ActionValue, prior: FullPolicy, share: Temperature,
    *, target=OneStep, reductions=smooth
):  # fmt: skip
    """The same for log-sum-exp with and without a prior, mellowmax, expectiles and ε-greedy."""
    rows, tau, level = transitions(mdp), at_scale(share, q), share / 4
    given = rows.reward, rows.discount, at_next(mdp, rows, q)
    found = reductions(tau, at_next(mdp, rows, prior), level)
    return All(
        *(
            Eq(
                expectation(mdp, rows, target(over)(*given, mask=allowed(mdp, rows))),
                backup_q(mdp, q, own),
                tol_v(mdp, q, tau * np.ones(1)),
            )
            for over, own in zip(found, smooth(tau, prior, level), strict=True)
        )
    )


smooth_one_step_target_expects_its_backup.rejects(
    "the maximum for all of them", target=lambda over: OneStep()
)
smooth_one_step_target_expects_its_backup.rejects("−⊕(−q)", target=smallest)
smooth_one_step_target_expects_its_backup.rejects(
    "the prior forgotten",
    reductions=lambda tau, prior, level: smooth(tau, 0 * prior + 1, level),
)


# ---- F12: two tables -------------------------------------------------------------------------


def double(q, online):
    """Chosen by the one, evaluated by the other."""
    return q, online


@claim(
    id="F12-target", source="van Hasselt, Guez & Silver (2016), (4)", exact="Q",
    substochastic=True, effort=0.5,
)  # fmt: skip
def double_target_expects_the_evaluation_of_what_the_other_chose(
    mdp: MDP, q: ActionValue, online: ActionValue, *, tables=double
):
    """E[r + d q(t, argmax_b q'(t,b))] = B^π q ≤ B q, π greedy in q'; equal where q' = q.

    With sparsemax in the place of max its policy is charged for: still below, and equal.
    """
    rows = transitions(mdp)
    given, mask, tol = (rows.reward, rows.discount), allowed(mdp, rows), tol_v(mdp, q, online)

    def found(over, *pair):
        one, other = (at_next(mdp, rows, x) for x in pair)
        return expectation(mdp, rows, Double(over)(*given, one, other, mask=mask))

    sparse = sparsemax(0.5)
    hard, kept = found(maximum, *tables(q, online)), found(sparse, *tables(q, online))
    return All(
        Eq(hard, q_evaluation(greedy_in(mdp, online))(mdp, q), tol),
        Leq(hard, backup_q(mdp, q), tol, ratio=False),
        Leq(kept, backup_q(mdp, q, sparse), tol, ratio=False),
        Eq(found(maximum, q, q), backup_q(mdp, q), tol),
        Eq(found(sparse, q, q), backup_q(mdp, q, sparse), tol),
    )


double_target_expects_the_evaluation_of_what_the_other_chose.rejects(
    "the tables exchanged", tables=lambda q, online: (online, q)
)
double_target_expects_the_evaluation_of_what_the_other_chose.rejects(
    "one table for both", tables=lambda q, online: (q, q)
)


clipped = Twin()


def larger(r, d, q, *, mask):
    """The maximum of the ensemble."""
    return OneStep()(r, d, q.max(axis=0), mask=mask)


def of_backups(r, d, q, *, mask):
    """The smaller of two targets."""
    return np.minimum(*(OneStep()(r, d, one, mask=mask) for one in q))


@claim(id="F12-twin", source="Fujimoto, van Hoof & Meger (2018), (10)", exact="Q",
    substochastic=True, effort=0.5,
)  # fmt: skip
def twin_target_expects_the_backup_of_the_smaller(
    mdp: MDP, q: ActionValue, other: ActionValue, *, target=clipped
):
    """E[r + d max_b min_i q_i(t,b)] = B(min_i q_i) ≤ min_i B q_i; the minimum before ⊕."""
    rows = transitions(mdp)
    both = np.stack([at_next(mdp, rows, x) for x in (q, other)])
    y = target(rows.reward, rows.discount, both, mask=allowed(mdp, rows))
    found, tol = expectation(mdp, rows, y), tol_v(mdp, q, other)
    return All(
        Eq(found, backup_q(mdp, np.minimum(q, other)), tol),
        Leq(found, np.minimum(backup_q(mdp, q), backup_q(mdp, other)), tol, ratio=False),
    )


twin_target_expects_the_backup_of_the_smaller.rejects(
    "the minimum of the targets", target=of_backups
)
twin_target_expects_the_backup_of_the_smaller.rejects("the larger of the two", target=larger)
twin_target_expects_the_backup_of_the_smaller.rejects(
    "the minimum over actions",
    target=lambda r, d, q, *, mask: smallest(maximum)(r, d, q[0], mask=mask),
)
