"""One lifetime in one environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np


class Agent(Protocol):
    """What can live an episode: a PlasticNetwork, a HebbianPolicy, or anything with these two methods.

    One that learns from what came of an action has a third, ``learn(modulator: float | None) -> None``. It is optional,
    and therefore not declared: it is called after each step with the modulatory signal, None for no update.
    """

    def reset(self, rng: int) -> None:
        """Be born, all randomness from ``rng``."""
        ...

    def act(self, observation: Any) -> Any:
        """The action for an observation; learns from it, if it learns."""
        ...


@dataclass(frozen=True)
class Episode:
    """What a lifetime came to.

    Attributes:
        score: sum of the rewards.
        distance: sum of the progress reward (progress units), NaN where the environment reports none.
        steps: environment steps.
    """

    score: float
    distance: float
    steps: int


Observer = Callable[[int, Any, Any, float, dict[str, Any]], None]


def run_episode(
    env: gym.Env[Any, Any],
    agent: Agent,
    env_seed: int | None = None,
    birth_seed: int = 0,
    observer: Observer | None = None,
) -> Episode:
    """One lifetime.

    After each step an agent that has a ``learn`` is given its modulatory signal: ``info["modulator"]`` where the
    environment tells one (None: nothing to learn from this step), else the reward.

    Args:
        env: is reset first, and left at the episode's end.
        agent: is born first.
        env_seed: for the environment's reset; None goes on with the environment's own randomness.
        birth_seed: for the agent's birth.
        observer: called after each step, and what was learned from it, with (step, observation acted upon, action,
            reward, info).
    """
    learn = getattr(agent, "learn", None)
    observation, _ = env.reset(seed=env_seed)
    agent.reset(birth_seed)
    score, distance, steps, over = 0.0, 0.0, 0, False
    while not over:
        action = agent.act(observation)
        following, reward, terminated, truncated, info = env.step(action)
        score += float(reward)
        distance += info.get("reward_progress", np.nan)
        if learn is not None:
            learn(info["modulator"] if "modulator" in info else float(reward))
        if observer is not None:
            observer(steps, observation, action, float(reward), info)
        observation, over = following, terminated or truncated
        steps += 1
    return Episode(score, float(distance), steps)
