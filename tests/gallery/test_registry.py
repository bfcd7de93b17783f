"""The catalog: names, sources, parameters, and what is said when one is wrong."""

import re
import subprocess
import sys

import numpy as np
import pytest

from mdpkit import gallery
from mdpkit.errors import ModelError, SourceError
from mdpkit.gallery import _registry
from mdpkit.mdp import MDP

NAMES = gallery.names()

PROMISED = {
    *("puterman", "gambler", "river-swim", "lspi-chain", "forest", "random-walk", "garnet"),
    *("linear-mdp", "lake", "inventory", "queue", "singh-yee", "scherrer-lesner", "grid4x4"),
    *("short-corridor", "jack-car", "blackjack", "identity", "grid5x5", "cliff", "windy"),
    *("pi-chain", "feinberg-huang", "azar", "cycle", "leak", "gpi-tie", "lottery", "bc-cliff"),
    *("baird", "boyan-chain", "jumping-walk", "tsitsiklis-van-roy"),
}

HUGE = [
    ("garnet", {"S": 10**9, "A": 10, "b": 10}),
    ("linear-mdp", {"S": 60_000, "A": 1000}),
    ("lake", {"size": 10**6}),
    ("lake", {"size": 10**12}),
    ("queue", {"capacity": 2 * 10**9}),
    ("inventory", {"capacity": 10**9, "demand": 1000}),
    ("jack-car", {"capacity": 200, "max_move": 200}),
]

BAD = [
    ("azar", {"alpha": 0.5}, "alpha"),
    ("azar", {"gamma": 0.2}, "gamma"),
    ("azar", {"S": True}, "S"),
    ("bc-cliff", {"horizon": 0}, "horizon"),
    ("boyan-chain", {"n": 1}, "n"),
    ("cliff", {"width": 2}, "width"),
    ("cycle", {"n": "12"}, "n"),
    ("feinberg-huang", {"delta": 0}, "delta"),
    ("forest", {"p_fire": 1.5}, "p_fire"),
    ("forest", {"wait_reward": float("nan")}, "wait_reward"),
    ("gambler", {"goal": 1}, "goal"),
    ("gambler", {"p_heads": "fair"}, "p_heads"),
    ("garnet", {"b": 0}, "b"),
    ("garnet", {"S": 5, "b": 6}, "b"),
    ("garnet", {"concentration": 0}, "concentration"),
    ("garnet", {"seed": -1}, "seed"),
    ("garnet", {"seed": 0.5}, "seed"),
    ("gpi-tie", {"epsilon": -1}, "epsilon"),
    ("gpi-tie", {"gamma": 1}, "gamma"),
    ("grid4x4", {"size": 1}, "size"),
    ("inventory", {"demand": (0.5, 0.6)}, "demand"),
    ("inventory", {"demand": "0.5"}, "demand"),
    ("inventory", {"max_order": 4}, "max_order"),
    ("jack-car", {"requests": 3}, "requests"),
    ("jack-car", {"returns": (1, 1000)}, "returns"),
    ("jumping-walk", {"reach": 0}, "reach"),
    ("lake", {"board": "SF/F"}, "board"),
    ("lake", {"board": "SX/FG"}, "board"),
    ("lake", {"board": ["FF", "FG"]}, "board"),
    ("lake", {"board": 3}, "board"),
    ("lake", {"size": 1}, "size"),
    ("lake", {"size": 50, "frozen": 0.1}, "frozen"),
    ("linear-mdp", {"d": 0}, "d"),
    ("lspi-chain", {"rewarded": [4]}, "rewarded"),
    ("lspi-chain", {"rewarded": 1}, "rewarded"),
    ("queue", {"slowest": 0.7}, "slowest"),
    ("queue", {"fastest": 0.8}, "fastest"),
    ("queue", {"arrival": -0.1}, "arrival"),
    ("random-walk", {"n": 0}, "n"),
    ("scherrer-lesner", {"epsilon": float("inf")}, "epsilon"),
    ("singh-yee", {"epsilon": None}, "epsilon"),
    ("tsitsiklis-van-roy", {"epsilon": 2}, "epsilon"),
    ("windy", {"kings": "yes"}, "kings"),
]


def test_every_model_promised_is_there():
    assert set(NAMES) >= PROMISED


@pytest.mark.parametrize("name", NAMES)
def test_every_model_builds_with_a_source_and_says_what_its_parameters_are(name):
    entry = gallery.get(name)
    assert isinstance(gallery.make(name), MDP)
    assert entry.source
    assert entry.summary.endswith((".", ":"))
    silent = set(entry.parameters) - set(re.findall(r"\w+", entry.description)) - {"gamma"}
    assert not silent, f"not described: {silent}"


@pytest.mark.parametrize("name", NAMES)
def test_every_model_takes_a_discount(name):
    assert gallery.make(name, gamma=0.5).gamma == 0.5


@pytest.mark.parametrize("name", NAMES)
def test_every_model_is_a_function_of_the_package(name):
    assert getattr(gallery, name.replace("-", "_")) is gallery.get(name).function
    assert name.replace("-", "_") in dir(gallery)


def test_a_name_that_is_no_model_is_no_attribute():
    assert not hasattr(gallery, "garnets")


def test_a_module_that_shares_a_name_with_a_model_would_hide_it():
    modules = {m.rpartition(".")[2] for m in sys.modules if m.startswith("mdpkit.gallery.")}
    assert not modules & {name.replace("-", "_") for name in NAMES}


def test_an_unknown_name_gets_the_closest():
    with pytest.raises(SourceError, match=r"no model 'river-swin'; close: river-swim"):
        gallery.make("river-swin")
    with pytest.raises(SourceError, match=r"there are: .*garnet.*windy"):
        gallery.get("???")


def test_an_unknown_parameter_gets_the_valid_ones():
    with pytest.raises(SourceError, match=r"no parameter 'sise'; it takes size, board, seed"):
        gallery.make("lake", sise=300)


@pytest.mark.parametrize(("name", "parameters", "named"), BAD)
def test_a_bad_parameter_is_named(name, parameters, named):
    with pytest.raises(ModelError, match=named) as caught:
        gallery.make(name, **parameters)
    assert caught.value.witness["parameter"] == named


@pytest.mark.parametrize("gamma", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("name", NAMES)
def test_a_bad_discount_is_refused(name, gamma):
    with pytest.raises(ModelError, match="gamma"):
        gallery.make(name, gamma=gamma)


@pytest.mark.parametrize(("name", "parameters"), HUGE)
def test_a_model_too_large_is_refused_with_numbers(name, parameters):
    with pytest.raises(ModelError, match=r"needs .* GiB; .* GiB may be used") as caught:
        gallery.make(name, **parameters)
    assert caught.value.witness["needed"] > caught.value.witness["limit"] > 0


def test_a_model_that_fits_is_not_refused():
    _registry.require_memory(1 << 20, "a megabyte")


def test_a_model_registers_itself_and_nothing_else_is_touched(monkeypatch):
    monkeypatch.setattr(_registry, "_ENTRIES", dict(_registry._ENTRIES))

    @_registry.model(source="here", known=[gallery.Known({0: 2})])
    def one_more(r: float = 1, gamma: float = 0.5) -> MDP:
        """Stay for r."""
        return MDP(np.ones((1, 1, 1)), np.array([[r]]), gamma)

    assert "one-more" in gallery.names()
    entry = gallery.get("one-more")
    assert (entry.summary, dict(entry.parameters)) == ("Stay for r.", {"r": 1, "gamma": 0.5})
    assert gallery.one_more is one_more
    with pytest.raises(TypeError, match="exists already"):
        _registry.model(source="there")(one_more)
    with pytest.raises(TypeError, match=r"needs defaults for \['x'\]"):
        _registry.model(source="there")(lambda x: x)


def test_the_gallery_is_light():
    code = (
        "import sys; from mdpkit import gallery; gallery.make('lake'); gallery.make('garnet');"
        "print(*sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"numba", "scipy", "scipy.sparse", "networkx", "flint", "gymnasium"}
    assert not heavy & set(run.stdout.split())
