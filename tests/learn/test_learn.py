"""The driver: threads, runs, interrupts, bad inputs; and landmarks of whole runs."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mdpkit import gallery
from mdpkit.learn import DoubleQLearning, ExpectedSarsa, QLearning, Sarsa, SoftQLearning, learn
from mdpkit.operators.step_size import Schedule
from tests.oracles import random_mdp


def cliff():
    return gallery.make("cliff")


@pytest.mark.parametrize("method", [QLearning(), DoubleQLearning()], ids=lambda m: m.key)
def test_threads_and_the_number_of_runs_change_nothing(method):
    given = {"episodes": 30, "rng": 7, "reward_noise": 0.5}
    one = learn(cliff(), method, runs=5, **given)
    for threads in (2, 4):
        other = learn(cliff(), method, runs=5, threads=threads, **given)
        assert np.array_equal(one.values, other.values)
        assert np.array_equal(one.returns.values, other.returns.values)
        assert np.array_equal(one.lengths.values, other.lengths.values)
    fewer = learn(cliff(), method, runs=2, **given)
    assert np.array_equal(fewer.values, one.values[:2])
    assert not np.array_equal(one.values[0], one.values[1])
    assert not np.array_equal(one.values, learn(cliff(), method, runs=5, **given | {"rng": 8}))


def test_returns_and_lengths_are_those_of_the_episodes():
    """On the corridor at γ = .5 an episode of n steps at −1 returns −2(1 − 2⁻ⁿ)."""
    found = learn(gallery.make("short-corridor", gamma=0.5), Sarsa(), episodes=50, rng=0)
    n = found.lengths.values
    assert (n >= 3).all()
    assert np.allclose(found.returns.values, -2 * (1 - 0.5**n), atol=1e-14)
    assert found.steps == n.sum()
    assert found.operator.startswith("B^π")


@pytest.mark.stat
def test_noise_on_the_rewards_has_the_spread_it_should():
    """20,000 one-step episodes: mean and deviation within 4.9 standard errors, alarm 2e-6."""
    from mdpkit import MDP

    bandit = MDP(np.zeros((1, 2, 1)), [[1.0, 2.0]], 1.0, stop=np.ones((1, 2)))
    n = 20_000
    given = {"episodes": n, "rng": 0, "reward_noise": [[0.0, 3.0]]}
    x = learn(bandit, QLearning(epsilon=1.0), **given).returns.values[0]
    noisy = x[x != 1.0]
    assert abs(noisy.size - n / 2) < 4.9 * np.sqrt(n / 4)
    assert abs(noisy.mean() - 2.0) < 4.9 * 3 / np.sqrt(noisy.size)
    assert abs(noisy.std() - 3.0) < 4.9 * 3 / np.sqrt(2 * noisy.size)


@pytest.mark.stat
def test_the_cliff():
    """Return of the last 200 of 500 episodes, 40 runs: Q-learning −49 ± 3, SARSA −27 ± 3.

    Sutton & Barto (2018), Figure 6.4. The standard errors are 1.2 and .7.
    """
    given = {"episodes": 500, "runs": 40, "rng": 0}
    for method, mean in ((QLearning(0.5), -49), (Sarsa(0.5), -27)):
        online = learn(cliff(), method, **given).returns.values[:, 300:]
        assert abs(online.mean() - mean) < 3
    from mdpkit.operators.bellman import greedy_pairs
    from mdpkit.operators.performance import performance

    greedy = learn(cliff(), QLearning(0.5), episodes=2000, rng=0).values[0]
    policy = cliff().actions_of(greedy_pairs(cliff(), greedy))
    assert performance(cliff(), policy) == pytest.approx(-13, abs=1e-12)


SCRIPT = """
import sys, numpy as np
from mdpkit import gallery
from mdpkit.learn import QLearning, learn
lake = gallery.make("lake", size=8)
learn(lake, QLearning(), episodes=1)  # compile first
print("ready", flush=True)
try:
    learn(lake, QLearning(), episodes=100_000, runs=50, threads=2)
except KeyboardInterrupt as interrupt:
    found = interrupt.learned
    n = found.returns.values.shape[1]
    print(n > 0, n < 100_000, np.isfinite(found.returns.values).all(), found.steps > 0)
    sys.exit(130)
"""


def test_an_interrupt_keeps_what_was_learned():
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert run.stdout.readline() == "ready\n"
    time.sleep(1.0)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert out == "True True True True\n"


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"method": QLearning(-0.1)}, ValueError, "step_size"),
        ({"method": Sarsa(epsilon=1.5)}, ValueError, "epsilon"),
        ({"method": Sarsa(epsilon="much")}, ValueError, "epsilon"),
        ({"method": QLearning(Schedule(2.0))}, ValueError, "step_size"),
        ({"method": QLearning(initial=np.nan)}, ValueError, "initial"),
        ({"method": QLearning(initial=[1.0, 2.0])}, ValueError, "initial"),
        ({"method": SoftQLearning(0.0)}, ValueError, "tau"),
        ({"method": ExpectedSarsa(target=2.0)}, ValueError, "epsilon"),
        ({"method": QLearning}, TypeError, "QLearning()"),
        ({"method": "sarsa"}, TypeError, "mdpkit.learn"),
        ({"episodes": 0}, ValueError, "episodes"),
        ({"episodes": 2.5}, ValueError, "episodes"),
        ({"runs": 0}, ValueError, "runs"),
        ({"threads": 0}, ValueError, "threads"),
        ({"max_steps": 0}, ValueError, "max_steps"),
        ({"reward_noise": np.nan}, ValueError, "reward_noise"),
        ({"reward_noise": -1.0}, ValueError, "reward_noise"),
        ({"reward_noise": np.ones(3)}, ValueError, "reward_noise"),
        ({"start": np.ones(3)}, ValueError, "start"),
        ({"start": np.full(48, 0.5)}, ValueError, "start"),
        ({"gamma": 0.9}, TypeError, "replace"),
        ({"source": 3}, TypeError, "Gymnasium"),
        ({"source": random_mdp(3).exact(dyadic=True)}, TypeError, "rounded"),
        ({"truth": np.zeros(48)}, TypeError, "truth"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, dict) else "",
)
def test_bad_inputs_are_refused(change, kind, said):
    given = {"source": cliff(), "method": QLearning(), "episodes": 1} | change
    with pytest.raises(kind, match=said):
        learn(given.pop("source"), given.pop("method"), **given)
