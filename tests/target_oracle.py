"""What one-step targets expect: every transition of a model with its probability.

Models are dense, masked or sparse; the tables of a batch are (n, A) with NaN where there is no
action, which a mask has to keep out.
"""

import numpy as np

from mdpkit import enumerate as every
from mdpkit.operators import aggregate
from tests.oracles import random_mdp

SEEDS = range(16)
TAU = 0.7
REDUCTIONS = [
    aggregate.maximum,
    aggregate.soft(TAU),
    aggregate.mellowmax(1.5),
    aggregate.sparsemax(TAU),
    aggregate.expectile(0.8),
    aggregate.epsilon_greedy(0.3),
    aggregate.boltzmann(TAU),
]


def problem(seed):
    """A model with rewards of size 1; three tables of action values, in pair layout."""
    mdp = random_mdp(seed)
    mdp = mdp.replace(r=np.asarray(mdp.r) / max(1.0, abs(mdp.r).max()))
    rng = np.random.default_rng([seed, 5])
    return mdp, *rng.normal(size=(3, *mdp.pair_shape)) * 3


def there(mdp):
    """Which actions there are, (S, A) bool."""
    return mdp.table(np.ones(mdp.pair_shape), 0.0) == 1


def table(mdp, x, fill=np.nan):
    """(…, S, A) of (…, *pair layout), `fill` where there is no action."""
    if np.ndim(x) > len(mdp.pair_shape):
        return np.stack([table(mdp, one, fill) for one in x])
    return np.where(there(mdp), mdp.table(x), fill)


def next_actions(mdp, x):
    """Of pair layout, what stands at the next state of every transition, (n, A); else 0."""
    return table(mdp, x, 0 * mdp.gamma)[every.transitions(mdp).next_state]


def expectation(mdp, target, q, online=None, change=lambda rows: rows):
    """E[y | s, a] over every transition, in pair layout.

    q, online : pair layout, or (k, *that); change : what is done to the transitions before
    """
    rows = change(every.transitions(mdp))
    after = rows.next_state
    others = None if online is None else table(mdp, online)[..., after, :]
    q = table(mdp, q)[..., after, :]
    y = target(rows.reward, rows.discount, q, others, mask=there(mdp)[after])
    out = 0 * mdp._r
    np.add.at(out, rows.pair, rows.weight * y)
    return out.reshape(mdp.pair_shape)


def near(found, wanted):
    """Sums of a few dozen products of numbers ≤ 20 lose less."""
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


def far(found, wanted):
    """Whether they differ by more than any rounding."""
    return abs(found - wanted).max() > 1e-3
