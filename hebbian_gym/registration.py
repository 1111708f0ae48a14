"""One table: environment ID to entry point and arguments."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

ANT = "hebbian_gym.envs.ant:AntEnv"
QUARTER = 0.25  # of a lower leg: the paper's damage

ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "AntUndamaged-v0": {"entry_point": ANT, "kwargs": {}},
    "AntDamagedLeftFront-v0": {"entry_point": ANT, "kwargs": {"damage": {"left_front": QUARTER}}},
    "AntDamagedRightFront-v0": {"entry_point": ANT, "kwargs": {"damage": {"right_front": QUARTER}}},
    "AntDamagedLeftBack-v0": {"entry_point": ANT, "kwargs": {"damage": {"left_back": QUARTER}}},
    "AntDamagedRightBack-v0": {"entry_point": ANT, "kwargs": {"damage": {"right_back": QUARTER}}},
    "AntDamaged-v0": {"entry_point": ANT, "kwargs": {}},
    "AntDamagedRandom-v0": {"entry_point": ANT, "kwargs": {"damage": "random"}},
}
MAX_EPISODE_STEPS = 1000


def register() -> None:
    """Register every ID that is not registered yet; ``import hebbian_gym`` does it."""
    for id_, arguments in ENVIRONMENTS.items():
        if id_ not in gym.registry:
            gym.register(id_, max_episode_steps=MAX_EPISODE_STEPS, **arguments)
