"""What an import costs, and that every public name is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import hebbian_gym

HEAVY = ("torch", "pybullet", "numba", "matplotlib", "Box2D", "stable_baselines3", "ray", "cma", "typer", "rich")


def run(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=200, check=True)


def loaded(statement):
    """Which heavy packages a fresh interpreter has loaded after a statement."""
    code = f"{statement}; import sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    return run("-c", code).stdout.split()


def test_importing_the_package_loads_nothing_heavy():
    assert loaded("import hebbian_gym") == []


def test_asking_for_the_environments_ids_loads_nothing_heavy():
    assert loaded("import hebbian_gym, gymnasium; gymnasium.spec('AntUndamaged-v0')") == []


@pytest.mark.parametrize(
    "statement",
    [
        "import hebbian_gym.evaluation",
        "import hebbian_gym.training, hebbian_gym.presets",
        "from hebbian_gym import OpenAIES, PlasticNetwork, ProcessEvaluator, Task, evaluate, train",
        "import hebbian_gym.envs.ant",
    ],
)
def test_evolution_and_its_workers_load_no_torch(statement):
    assert not {"torch", "matplotlib", "typer", "rich"} & set(loaded(statement))


def test_an_environment_needs_no_import_of_ours():
    code = "import gymnasium; print(gymnasium.make('hebbian_gym:AntDamagedLeftFront-v0').observation_space.shape)"
    assert run("-c", code).stdout == "(28,)\n"


@pytest.mark.parametrize("name", hebbian_gym.__all__)
def test_public_names_resolve(name):
    assert getattr(hebbian_gym, name) is not None
    assert name in dir(hebbian_gym)


def test_a_star_import_gives_the_public_names():
    names = {}
    exec("from hebbian_gym import *", names)
    assert set(hebbian_gym.__all__) <= names.keys()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'HebianPolicy'"):
        hebbian_gym.HebianPolicy  # noqa: B018


def test_the_type_checkers_names_are_the_public_ones():
    source = Path(hebbian_gym.__file__).read_text(encoding="utf-8")
    typed = re.findall(r"^    from \.\w+ import (\w+) as \1$", source, re.MULTILINE)
    assert sorted([*typed, "__version__"]) == sorted(hebbian_gym.__all__)
