"""The environments' IDs in Gymnasium's registry."""

from __future__ import annotations

import importlib
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.envs.registration import EnvSpec

from hebbian_gym.registration import ENVIRONMENTS, importable, metres_per_progress, register

ANTS = {
    "AntUndamaged-v0",
    "AntDamagedLeftFront-v0",
    "AntDamagedRightFront-v0",
    "AntDamagedLeftBack-v0",
    "AntDamagedRightBack-v0",
    "AntDamaged-v0",
    "AntDamagedRandom-v0",
}


@pytest.fixture
def registry() -> Iterator[dict[str, Any]]:
    """Gymnasium's registry, put back after the test."""
    before = dict(gym.registry)
    yield gym.registry
    gym.registry.clear()
    gym.registry.update(before)


def test_metres_are_known_of_those_that_declare_them() -> None:
    assert {metres_per_progress(id_) for id_ in ANTS} == {0.0165}  # s a step, of a progress in m/s
    assert math.isnan(metres_per_progress("CartPole-v1"))
    assert math.isnan(metres_per_progress(EnvSpec("Mine-v0", entry_point=lambda: None)))  # type: ignore[arg-type]


def test_every_ant_is_registered() -> None:
    assert ANTS - set(ENVIRONMENTS) == set()
    assert ANTS - set(gym.registry) == set()


@pytest.mark.parametrize("id_", ENVIRONMENTS)
def test_an_id_makes_what_the_table_says(id_: str) -> None:
    spec, entry = gym.spec(id_), ENVIRONMENTS[id_]
    assert isinstance(spec.entry_point, str)  # so that nothing heavy is imported until an environment is made
    assert (spec.entry_point, spec.kwargs) == (entry["entry_point"], entry["kwargs"])


@pytest.mark.parametrize("id_", sorted(ANTS))
def test_an_ant_has_1000_steps(id_: str) -> None:
    assert gym.spec(id_).max_episode_steps == 1000


@pytest.mark.filterwarnings("error")
def test_registering_again_changes_nothing(registry: dict[str, Any]) -> None:
    before = dict(registry)
    register()
    register()
    assert registry == before
    assert all(registry[id_] is before[id_] for id_ in before)


@pytest.mark.filterwarnings("error")
def test_what_is_missing_is_registered_and_nobody_is_replaced(registry: dict[str, Any]) -> None:
    missing, theirs = sorted(ENVIRONMENTS)[:2]
    del registry[missing], registry[theirs]
    gym.register(theirs, entry_point="someone.elses:Ant")
    register()
    assert missing in registry
    assert registry[theirs].entry_point == "someone.elses:Ant"


def test_a_prefixed_id_needs_no_import() -> None:
    code = """
import gymnasium as gym
for id_ in ("AntUndamaged-v0", "AntDamagedLeftFront-v0"):
    env = gym.make("hebbian_gym:" + id_)
    print(env.spec.id, env.unwrapped.damage)
    env.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["AntUndamaged-v0 {}", "AntDamagedLeftFront-v0 {'left_front': 0.25}"]


@pytest.mark.parametrize("entry_point", sorted({entry["entry_point"] for entry in ENVIRONMENTS.values()}))
def test_the_docstring_has_gymnasiums_headings_and_names_the_newest_version(entry_point: str) -> None:
    versions = [gym.spec(id_).version for id_, entry in ENVIRONMENTS.items() if entry["entry_point"] == entry_point]
    module, name = entry_point.split(":")
    docstring = getattr(importlib.import_module(module), name).__doc__
    headings = re.findall(r"^\s*## (.+)$", docstring, re.MULTILINE)
    assert headings == [
        "Description",
        "Action Space",
        "Observation Space",
        "Rewards",
        "Starting State",
        "Episode End",
        "Arguments",
        "Version History",
    ]
    history = docstring.split("## Version History")[1]
    assert max(map(int, re.findall(r"^\s*[-*] v(\d+):", history, re.MULTILINE))) == max(versions)


class Still(gym.Env[Any, Any]):
    observation_space = action_space = gym.spaces.Discrete(2)


def test_classes_as_entry_points_are_named() -> None:
    spec = EnvSpec("Still-v0", entry_point=Still, vector_entry_point=Still)  # type: ignore[arg-type]
    named = importable(spec)
    assert named.entry_point == named.vector_entry_point == f"{__name__}:Still"
    assert EnvSpec.from_json(named.to_json()) == named
    assert spec.entry_point is Still
