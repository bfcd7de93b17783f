"""Settings as text: what they mean, and that what they cannot mean is one line."""

import math

import pytest

from mdpkit.deep import DQN, PPO, SAC
from mdpkit.deep.explore import EpsilonGreedy, Linear, Softmax
from mdpkit.deep.loops import OffPolicy
from mdpkit.deep.optim import adam, rmsprop, sgd
from mdpkit.deep.parts import PARTS, read
from mdpkit.deep.presets import ALGORITHMS
from mdpkit.deep.replay import Prioritized, Uniform
from mdpkit.deep.settings import changed
from mdpkit.operators.aggregate import soft
from mdpkit.targets import Double, OneStep

MEANT = [
    (DQN(), "gamma=0.9", DQN(gamma=0.9)),
    (DQN(), " gamma = 9e-1 ", DQN(gamma=0.9)),
    (DQN(), "gamma=1", DQN(gamma=1.0)),
    (DQN(), "kappa=null", DQN(kappa=None)),
    (DQN(), "dueling=true", DQN(dueling=True)),
    (DQN(), "widths=[32,16]", DQN(widths=(32, 16))),
    (DQN(), "widths=[]", DQN(widths=())),
    (DQN(), "target=double", DQN(target=Double())),
    (DQN(), 'target="double"', DQN(target=Double())),
    (DQN(), "target=soft(0.5)", DQN(target=OneStep(soft(0.5)))),
    (DQN(), "behavior=softmax(tau=2)", DQN(behavior=Softmax(2.0))),
    (DQN(), "behavior=epsilon_greedy(0.1)", DQN(behavior=EpsilonGreedy(0.1))),
    (DQN(), "optimizer=sgd", DQN(optimizer=sgd())),
    (DQN(), "optimizer=adam(1e-3,clip=0.5)", DQN(optimizer=adam(1e-3, clip=0.5))),
    (DQN(), "optimizer=rmsprop", DQN(optimizer=rmsprop(2.3e-3))),  # the rate that was there
    (DQN(), "loop.batch=7", DQN(loop=OffPolicy(Uniform(100_000), 1, 1_000, 256, 128, 7))),
    (PPO(), "clip=inf", PPO(clip=math.inf)),
    (PPO(), "clip=linear(0.2,0)", PPO(clip=Linear(0.2, 0.0))),
    (PPO(), "optimizer.rate=-1e-3", "a learning rate must be > 0"),
    (SAC(), "entropy=-2", SAC(entropy=-2.0)),
]


@pytest.mark.parametrize(("algorithm", "text", "meant"), MEANT, ids=[case[1] for case in MEANT])
def test_a_setting_is_what_a_program_would_say(algorithm, text, meant):
    if isinstance(meant, str):
        with pytest.raises(ValueError, match=meant):
            changed(algorithm, [text])
        return
    assert repr(changed(algorithm, [text])) == repr(meant)
    assert repr(meant) != repr(algorithm) or "widths=[]" in text


def test_a_part_takes_what_it_is_not_given_from_the_one_before():
    found = changed(DQN(loop=OffPolicy(Uniform(640))), ["loop.replay=prioritized"]).loop.replay
    assert found == Prioritized(640)
    found = changed(DQN(), ["loop.replay=prioritized(50,beta=[0.5,1])"]).loop.replay
    assert found == Prioritized(50, beta=(0.5, 1.0))


def test_order_is_nothing_and_what_must_fit_is_looked_at_together():
    lanes = ["loop.lanes=3", "loop.warm_up=999", "loop.collect=3"]
    settings = [*lanes, "loop.replay.n_step=2", "loop.replay=prioritized(9)"]
    for order in (settings, settings[::-1]):
        loop = changed(DQN(), order).loop
        assert loop == OffPolicy(Prioritized(9, 2), 3, 999, 3, 128, 64)
    with pytest.raises(ValueError, match="no multiple of the 3 lanes"):
        changed(DQN(), lanes[:1])
    ppo = changed(PPO(), ["minibatches=3", "loop.steps=9"])
    assert ppo.loop.steps == 9


def test_nothing_set_is_nothing_changed():
    assert repr(changed(PPO(), [])) == repr(PPO())


REFUSED = [
    ("gamma", "a setting is key=value, as gamma=0.9"),
    ("=1", "a setting is key=value"),
    ("gamma=", "a setting is key=value"),
    ("gama=1", r"no setting gama\. Did you mean gamma\? There are gamma, target, widths"),
    ("loop.lane=1", r"no setting loop\.lane\. Did you mean loop\.lanes\?"),
    ("key=x", "no setting key"),
    ("optimizer.direction=1", r"no setting optimizer\.direction"),
    ("__class__=1", "no setting __class__"),
    ("gamma.x=1", "gamma has no settings of its own, so no 'x'"),
    ("gamma=true", "gamma=true: wanted is a number"),
    ("refresh=1.5", "wanted is a whole number"),
    ("dueling=1", "wanted is true or false"),
    ("kappa=max", "wanted is a number or null"),
    ("widths=8", "wanted is a list of whole numbers"),
    ("widths=[8,0.5]", "wanted is a list of whole numbers"),
    ("loop=3", "wanted is no value, but settings of its own"),
    ("target=duble", r"no part 'duble'\. Did you mean double\?"),
    ("target=uniform(1)", "wanted is max or soft or mellowmax or double or double_soft"),
    ("target=soft", r"soft\(tau\): missing a required argument: 'tau'"),
    ("behavior=softmax(0)", "tau must be > 0"),
    ("behavior=softmax(max)", r"tau of softmax\(…\): wanted is a number"),
    ("behavior=epsilon_greedy(max)", r"wanted is a number or linear\(start, stop\)"),
    ("loop.replay=prioritized(beta=[1])", "wanted is a list of 2 numbers"),
    ("loop.replay=uniform(1.5)", "wanted is a whole number"),
    ("loop.replay=prioritized(1,2,3,4,5,6,7)", "too many positional arguments"),
    ("optimizer=adam(lr=1)", "unexpected keyword argument 'lr'"),
    ("gamma=9**9", r"is no value\. Values are as 1e-3"),
    ("gamma=1 2", "is no value"),
    ("gamma=\x00", "is no value"),
    ("gamma=[x for x in y]", "is no value"),
    ("gamma=f(*x)", "is no value"),
    ("gamma=f(**x)", "is no value"),
    ("gamma=a.b", "is no value"),
    ("gamma=1j", "is no value"),
    ("gamma=-true", "is no value"),
    ("gamma=" + "(" * 250, "is no value"),
    ("gamma=" + "1" * 400, "it has 400 characters"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED, ids=[case[0][:30] for case in REFUSED])
def test_what_cannot_be_meant_is_named(text, words):
    with pytest.raises(ValueError, match=words) as refused:
        changed(DQN(), [text])
    assert len(str(refused.value)) < 400


def test_set_twice_is_refused():
    with pytest.raises(ValueError, match=r"gamma is set twice, to 0\.9 and to 0\.8"):
        changed(DQN(), ["gamma=0.9", "gamma=0.8"])


def test_text_is_never_run(tmp_path):
    path = tmp_path / "run"
    with pytest.raises(ValueError, match=r"no part|no value"):
        read(f"__import__('pathlib').Path({str(path)!r}).touch()")
    assert not path.exists()


@pytest.mark.parametrize("key", ALGORITHMS)
def test_all_settings_of_all_algorithms_can_be_set_to_what_they_are(key):
    """Every field that is a number can be named; what is read of its text is what it is."""
    made = ALGORITHMS[key]()
    texts = [
        f"{name}={str(value).lower() if isinstance(value, bool) else repr(value)}"
        for name, value in vars(made).items()
        if isinstance(value, bool | int | float | tuple)
    ]
    texts += [f"loop.{x}={y}" for x, y in vars(made.loop).items() if isinstance(y, int)]
    assert len(texts) > 5
    assert repr(changed(made, texts)) == repr(made)


def test_every_part_is_made_of_its_first_arguments():
    needs = {"uniform": "(8)", "prioritized": "(8)", "linear": "(1,0)"}
    numbers = {
        "soft",
        "mellowmax",
        "double_soft",
        "epsilon_greedy",
        "softmax",
        "adam",
        "rmsprop",
    }
    for name in PARTS:
        made = read(name + needs.get(name, "(0.5)" if name in numbers else ""))
        assert type(made).__module__.startswith("mdpkit.")
