"""Environments by name, by model, and as they are."""

import gymnasium
import pytest

import mdpkit as mk
from mdpkit.deep.envs import CLASSIC, CartPole, Pendulum, Tabular, Vector, make, worlds_of
from mdpkit.deep.envs.host import Host
from mdpkit.errors import SourceError


def test_each_name_makes_its_environment():
    for name, kind in CLASSIC.items():
        assert make(name) == kind()
        assert make(name).name == name
    assert make("CartPole-v1", limit=200).limit == 200
    assert make("Pendulum-v1", gravity=3.0) == Pendulum(gravity=3.0)


def test_models_are_played():
    env = make("gallery:river-swim", limit=20)
    assert isinstance(env, Tabular)
    assert (env.name, env.limit, env.mdp.n_states) == ("gallery:river-swim", 20, 6)
    mdp = mk.load("gallery:river-swim")
    assert make(mdp).mdp is mdp
    assert make(mdp).limit is None
    assert make("gallery:puterman", lacking="repeat").mask.all()


def test_a_gymnasium_id_is_played_on_the_host():
    worlds = make("gym:Pendulum-v1?g=3.5")
    assert isinstance(worlds, Host)
    worlds = worlds_of("gym:CartPole-v1")
    assert isinstance(worlds, Host)
    assert worlds_of(worlds) is worlds


def test_lanes_of_anything():
    assert worlds_of("CartPole-v1") == Vector(CartPole())
    assert worlds_of(CartPole(limit=3)) == Vector(CartPole(limit=3))
    assert worlds_of(Vector(CartPole())) == Vector(CartPole())
    assert worlds_of(mk.load("gallery:river-swim")).name == "MDP"


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        ("CartPole", {}, SourceError, r"no environment 'CartPole'.*Do you mean CartPole-v1\?"),
        ("Taxi-v4", {}, SourceError, "gym:Taxi-v4, if Gymnasium has it"),
        ("gym:NoSuch-v0", {}, SourceError, "cannot make 'NoSuch-v0'"),
        ("gallery:no-such", {}, SourceError, "no model 'no-such'"),
        ("CartPole-v1", {"gravity": 1}, TypeError, "CartPole takes no gravity; it takes limit"),
        ("gym:CartPole-v1", {"limit": 1}, TypeError, "Host takes no limit"),
        (CartPole(), {"limit": 1}, TypeError, r"options \['limit'\] for"),
        (7, {}, TypeError, "an environment is a name, an MDP, or one of mdpkit.deep.envs"),
        (gymnasium.make("CartPole-v1"), {}, TypeError, "Gymnasium's are named gym:ID"),
    ],
)
def test_what_is_no_environment_is_refused(source, options, error, message):
    with pytest.raises(error, match=message):
        make(source, **options)
