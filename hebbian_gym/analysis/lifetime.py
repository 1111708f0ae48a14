"""Record one lifetime: rewards, positions, weights at chosen steps, pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from ..architecture import Array
from ..network import PlasticNetwork
from ..rollout import Episode, run_episode
from ..spaces import check_spaces


@dataclass
class Lifetime:
    """What happened in an episode.

    Attributes:
        rewards: one for each step.
        weights: step to the weights after its update, (inputs, outputs) for each layer; those at birth are at -1.
        frames: pictures, uint8 of shape (height, width, 3).
        episode: its sums.
    """

    rewards: list[float] = field(default_factory=list)
    weights: dict[int, list[Array]] = field(default_factory=dict)
    frames: list[np.ndarray] = field(default_factory=list)
    episode: Episode | None = None


def record_lifetime(
    env: gym.Env[Any, Any],
    network: PlasticNetwork,
    env_seed: int = 0,
    birth_seed: int = 0,
    weights_at: Collection[int] = (),
    frame_every: int = 0,
    draw: Callable[[np.ndarray, np.ndarray, PlasticNetwork, Lifetime], np.ndarray] | None = None,
    done: Callable[[], None] = lambda: None,
) -> Lifetime:
    """Live one episode and record it.

    Args:
        env: for pictures, made with ``render_mode="rgb_array"``.
        network: lives in it.
        env_seed: for the environment's reset.
        birth_seed: for the network's birth.
        weights_at: steps whose weights to keep; -1 for those at birth.
        frame_every: steps between pictures; 0 for none.
        draw: makes the picture to keep from the environment's, the observation, the network and the lifetime so far.
        done: called after each step.

    Raises:
        ValueError: for pictures of an environment that was made without a render mode, or if the network does not fit
            the environment.
    """
    if (architecture := getattr(network, "architecture", None)) is not None:
        check_spaces(architecture, env.observation_space, env.action_space, env.spec.id if env.spec else str(env))
    if frame_every and env.render_mode is None:
        raise ValueError('for pictures make the environment with render_mode="rgb_array"')
    life = Lifetime()
    if -1 in weights_at:
        network.reset(birth_seed)
        life.weights[-1] = [layer.copy() for layer in network.weights]

    def observe(step: int, observation: Any, action: Any, reward: float, info: dict[str, Any]) -> None:
        life.rewards.append(reward)
        if step in weights_at:
            life.weights[step] = [layer.copy() for layer in network.weights]
        if frame_every and step % frame_every == 0:
            picture = np.asarray(env.render())
            life.frames.append(draw(picture, observation, network, life) if draw else picture)
        done()

    life.episode = run_episode(env, network, env_seed, birth_seed, observe)
    return life
