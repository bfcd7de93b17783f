"""What a device does not do is refused by name, and the error says what to do instead."""

import sys

import numpy as np
import pytest

import mdpkit as mk
from mdpkit import enumerate as enumeration
from mdpkit import policy, structure
from mdpkit.batch import Transitions
from mdpkit.errors import DeviceError
from mdpkit.evaluate import evaluate
from mdpkit.gallery import make
from mdpkit.infer.features import read_features
from mdpkit.learn import QLearning, learn
from mdpkit.learn.linear.least_squares import merged
from mdpkit.mdp import MDP
from mdpkit.operators import bellman, expect, importance, linear, messages, occupancy
from mdpkit.operators.performance import policy_values
from mdpkit.operators.resolvent import policy_value
from mdpkit.operators.rollout import sampler
from mdpkit.operators.stationary import stationary
from mdpkit.operators.successor import successor_representation
from mdpkit.operators.traces import lambda_operator, n_step_operator
from mdpkit.plan import GaussSeidel, QIteration, ValueIteration
from mdpkit.plan.average_reward import gain_and_bias
from mdpkit.plan.linear_program import optimize
from mdpkit.policy import uniform
from tests import fake_cupy


@pytest.fixture
def cupy(monkeypatch):
    made = fake_cupy.module()
    monkeypatch.setitem(sys.modules, "cupy", made)
    return made


def model(storage, gamma=0.9):
    """Six states whose episodes may end, in either storage."""
    sparse = make("lake", size=3, seed=0, gamma=gamma)
    if storage == "sparse":
        return sparse
    return MDP(
        sparse.P.toarray(), sparse.r, gamma, stop=sparse.stop, action_ptr=sparse.action_ptr
    )


def values(there):
    return sys.modules["cupy"].zeros(there.n_states)


REFUSED = {
    "P": lambda there, _: there.P,
    "exact": lambda there, _: there.exact(dyadic=True),
    "replace": lambda there, _: there.replace(gamma=0.5),
    "save": lambda there, path: mk.save(there, path / "m.npz"),
    "to_env": lambda there, _: mk.to_env(there),
    "checkpoint": lambda there, path: mk.solve(there, ValueIteration(), checkpoint=path / "c"),
    "method": lambda there, _: mk.solve(there, QIteration()),
    "worst case": lambda there, _: bellman.backup(
        there, values(there), expect=expect.worst_case(0.1)
    ),
    "log-mean-exp": lambda there, _: bellman.sweep(
        there, values(there), expect=expect.log_mean_exp(0.1)
    ),
    "under": lambda there, _: policy.under(there, uniform(there)),
    "policy_value": lambda there, _: policy_value(there, uniform(there)),
    "policy_values": lambda there, _: policy_values(there, uniform(there)),
    "stationary": lambda there, _: stationary(there, uniform(there)),
    "successors": lambda there, _: successor_representation(there, uniform(there)),
    "state chain": lambda there, _: linear.state_chain(there, uniform(there)),
    "pair chain": lambda there, _: linear.pair_chain(there, uniform(there)),
    "importance": lambda there, _: importance.ratio_growth(
        there, uniform(there), uniform(there)
    ),
    "sampler": lambda there, _: sampler(there),
    "learning": lambda there, _: learn(there, QLearning(), episodes=1),
    "structure": lambda there, _: structure.end_components(there),
    "steps": lambda there, _: structure.steps_to_stop(there),
    "description": lambda there, _: structure.describe(there),
    "order": lambda there, _: structure.component_order(there),
    "enumeration": lambda there, _: enumeration.transitions(there),
    "inference": lambda there, _: read_features(there),
    "dense rows": lambda there, _: messages.dense_rows(there),
    "average reward": lambda there, _: gain_and_bias(there, there.action_ptr[:-1]),
    "linear program": lambda there, _: optimize(there),
}


@pytest.mark.parametrize("storage", ["sparse", "dense"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_device_refuses_what_runs_on_the_cpu(name, storage, cupy, tmp_path):
    there = model(storage).to("gpu")
    with pytest.raises(DeviceError, match=r'mdp\.to\("cpu"\)') as caught:
        REFUSED[name](there, tmp_path)
    assert caught.value.reason == "kernel"
    assert list(tmp_path.iterdir()) == []


UNDISCOUNTED = {
    "solve": lambda there: mk.solve(there),
    "method": lambda there: mk.solve(there, ValueIteration()),
    "evaluate": lambda there: evaluate(there, uniform(there)),
    "occupancy": lambda there: occupancy.occupancy(there, uniform(there)),
    "lambda": lambda there: lambda_operator(there, uniform(there), values(there), 1.0),
}


@pytest.mark.parametrize("name", UNDISCOUNTED)
def test_a_device_refuses_models_without_a_discount(name, cupy):
    with pytest.raises(DeviceError, match=r'mdp\.to\("cpu"\)'):
        UNDISCOUNTED[name](model("sparse", gamma=1.0).to("gpu"))


def test_a_device_takes_what_has_a_kernel(cupy):
    """So that the refusals above are not those of a broken model."""
    there = model("sparse").to("gpu")
    assert mk.solve(there, ValueIteration()).gap < 1e-6
    assert n_step_operator(there, uniform(there), values(there), 2).shape == (there.n_states,)
    assert there.to("cpu").P.shape == (there.n_pairs, there.n_states)


def test_sweeps_by_states_and_merged_samples_name_their_remedy(cupy):
    with pytest.raises(DeviceError, match="coloring"):
        mk.solve(model("sparse").to("gpu"), GaussSeidel())
    batch = Transitions(
        *(cupy.asarray(np.zeros(2, dtype=t)) for t in (int, float, float, int, float))
    )
    with pytest.raises(DeviceError, match=r"\.get\(\)"):
        merged(batch)
