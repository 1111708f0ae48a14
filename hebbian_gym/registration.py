"""One table: environment ID to entry point and arguments."""

from __future__ import annotations

import copy
import importlib
import math
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec, load_env_creator

ANT = "hebbian_gym.envs.ant:AntEnv"
CAR = "hebbian_gym.envs.car_racing:CarRacingEnv"
LINE = "hebbian_gym.envs.line_following:LineFollowingEnv"
VALUATION = "hebbian_gym.envs.foraging:FoodValuationEnv"
VALUATIONS = "hebbian_gym.envs.foraging:FoodValuationVectorEnv"
FORAGING = "hebbian_gym.envs.foraging:ForagingEnv"
FORAGINGS = "hebbian_gym.envs.foraging:ForagingVectorEnv"
QUARTER = 0.25  # of a lower leg: the paper's damage

ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "AntUndamaged-v0": {"entry_point": ANT, "kwargs": {}},
    "AntDamagedLeftFront-v0": {"entry_point": ANT, "kwargs": {"damage": {"left_front": QUARTER}}},
    "AntDamagedRightFront-v0": {"entry_point": ANT, "kwargs": {"damage": {"right_front": QUARTER}}},
    "AntDamagedLeftBack-v0": {"entry_point": ANT, "kwargs": {"damage": {"left_back": QUARTER}}},
    "AntDamagedRightBack-v0": {"entry_point": ANT, "kwargs": {"damage": {"right_back": QUARTER}}},
    "AntDamaged-v0": {"entry_point": ANT, "kwargs": {}},
    "AntDamagedRandom-v0": {"entry_point": ANT, "kwargs": {"damage": "random"}},
    "CarRacingPreprocessed-v0": {"entry_point": CAR, "kwargs": {}},
    "LineFollowing-v0": {"entry_point": LINE, "kwargs": {}, "max_episode_steps": 5000},
    "FoodValuation-v0": {"entry_point": VALUATION, "vector_entry_point": VALUATIONS, "kwargs": {}},
    "Foraging-v0": {
        "entry_point": FORAGING,
        "vector_entry_point": FORAGINGS,
        "kwargs": {},
        "max_episode_steps": 2000,
    },
}
MAX_EPISODE_STEPS = 1000  # where the table says nothing else


def importable(spec: EnvSpec) -> EnvSpec:
    """The spec with its entry points by name, as files and worker processes need them.

    Raises:
        ValueError: for an entry point that has no name to import it by.
    """
    entries: dict[str, Any] = {name: getattr(spec, name) for name in ("entry_point", "vector_entry_point")}
    called = {name: entry for name, entry in entries.items() if callable(entry)}
    if not called:
        return spec
    named = copy.deepcopy(spec)
    for name, entry in called.items():
        if not getattr(entry, "__qualname__", "").isidentifier():
            raise ValueError(
                f"the entry point of {spec.id} ({entry!r}) cannot be imported by files and worker processes: "
                "define it at the top of a module"
            )
        setattr(named, name, f"{entry.__module__}:{entry.__qualname__}")
    return named


def check_entry(spec: EnvSpec) -> None:
    """Nothing, if the class of an environment can be imported here.

    Raises:
        ValueError: if its module is missing, or has no class of that name.
    """
    if not isinstance(spec.entry_point, str):
        return
    module, _, name = spec.entry_point.partition(":")
    try:
        known = hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise  # the module is there, and lacks one that it needs
        known = False
    if not known:
        raise ValueError(
            f"the class of {spec.id}, {spec.entry_point}, cannot be imported here: define it in a module (not in a "
            "script or notebook), and run where that can be imported, such as in its folder"
        )


def find_spec(env: str | EnvSpec | gym.Env[Any, Any]) -> EnvSpec:
    """The spec of an ID, or of an environment that ``gymnasium.make`` made: a copy, which nobody else changes.

    As in ``gymnasium.make`` an ID may name the module that registers it: "package:Env-v0".

    Raises:
        ValueError: for an environment that was made otherwise.
    """
    if isinstance(env, gym.Env):
        if env.spec is None:
            raise ValueError(
                f"{env} was not made by gymnasium.make, so that it cannot be made again: register its class, "
                'gymnasium.register("Mine-v0", entry_point="module:Class"), and give that ID'
            )
        spec = copy.deepcopy(env.spec)
        if spec.kwargs.get("render_mode") != "rgb_array" or not spec.additional_wrappers:  # which may need pictures
            spec.kwargs.pop("render_mode", None)  # nobody looks at its copies
        return spec
    if isinstance(env, EnvSpec):
        return copy.deepcopy(env)
    module, _, name = env.rpartition(":")
    if module:
        importlib.import_module(module)
    return copy.deepcopy(gym.spec(name))


def metres_per_progress(env: str | EnvSpec) -> float:
    """Metres in a unit of the progress reward, as the environment's metadata tell; NaN where they do not.

    A progress that is a speed, summed over the steps of an episode, is worth their duration in seconds.
    """
    entry = find_spec(env).entry_point
    made_by = load_env_creator(entry) if isinstance(entry, str) else entry
    return float(getattr(made_by, "metadata", {}).get("metres_per_progress", math.nan))


def register() -> None:
    """Register every ID that is not registered yet; ``import hebbian_gym`` does it."""
    for id_, arguments in ENVIRONMENTS.items():
        if id_ not in gym.registry:
            gym.register(id_, **{"max_episode_steps": MAX_EPISODE_STEPS, **arguments})
