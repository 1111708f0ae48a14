"""One agent as a Gymnasium environment, and n of them as a vector environment, from the same world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from ..checks import check_count, checked_action

Array = np.ndarray[Any, Any]
MAY_LACK = {"modulator", "eaten_ingredients"}  # infos that there may be none of: NaN in a world, None for one agent
TAKES = "the action must be numbers of shape {}"


class World(Protocol):
    """n agents that never meet."""

    @property
    def observation_space(self) -> spaces.Box:
        """Of one agent."""
        ...

    @property
    def action_space(self) -> spaces.Box:
        """Of one agent."""
        ...

    def reset(self, streams: Array) -> Array:
        """Begin anew; the first observations.

        Args:
            streams: seeds of the agents' random numbers, uint64 of shape (n,).
        """
        ...

    def step(self, actions: Array) -> tuple[Array, Array]:
        """Observations and rewards, shape (n,), for actions of shape (n, ...)."""
        ...

    def infos(self, began: bool = False) -> dict[str, Array]:
        """What else there is to tell, in new arrays whose first axis is the agents'; NaN for what there is not.

        Args:
            began: whether this is a reset's, which has no rewards to tell.
        """
        ...


class AgentEnv(gym.Env[Array, Array]):
    """One agent in a world.

    Args:
        world: of one agent.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.observation_space, self.action_space = world.observation_space, world.action_space
        self._takes = TAKES.format(self.action_space.shape)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start a new episode; all randomness is from ``seed``, or goes on from the last one given."""
        super().reset(seed=seed)
        return self._world.reset(draw_streams([self.np_random]))[0], self._info(began=True)

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Act once."""
        action = checked_action(action, self.action_space.shape, self._takes, finite=False)
        observations, rewards = self._world.step(action[np.newaxis])
        return observations[0], rewards.item(), False, False, self._info()

    def _info(self, began: bool = False) -> dict[str, Any]:
        """The world's infos on its only agent; what there is not is None."""
        info = {name: told[0].item() if told.ndim == 1 else told[0] for name, told in self._world.infos(began).items()}
        for name in MAY_LACK & info.keys():
            if np.isnan(info[name]).any():
                info[name] = None
        return info


class VectorAgentsEnv(VectorEnv[Array, Array, Array]):
    """n agents, each in a world of its own, all stepped at once.

    Agent i lives, to the bit, as the single environment would with the same seed: as in Gymnasium's SyncVectorEnv
    ``reset(seed=s)`` seeds it with s + i, and ``reset(seed=[...])`` with a seed of its own (None: its randomness goes
    on). Numbers s closer together than n therefore share lives.

    All episodes begin together, and end together after ``max_episode_steps`` (None: never; ``gym.make_vec`` gives the
    registration's). The step after that ignores its actions and begins the next ones: AutoresetMode.NEXT_STEP.

    Infos are those of the single environment, with the agents along the first axis; where that tells None there is NaN.

    Args:
        world: of n agents.
        num_envs: n.
        max_episode_steps: of every episode.
        render_mode: None; there are no pictures.

    Raises:
        ValueError: for steps below 1, a render mode, actions of another shape, or another number of seeds than n.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 (Gymnasium's)

    def __init__(self, world: World, num_envs: int, max_episode_steps: int | None, render_mode: str | None) -> None:
        if max_episode_steps is not None:
            check_count(1, max_episode_steps=max_episode_steps)
        if render_mode is not None:
            raise ValueError(f"many agents at once have no pictures: render_mode must be None, not {render_mode!r}")
        self._world, self.num_envs = world, int(num_envs)
        self.single_observation_space, self.single_action_space = world.observation_space, world.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._takes = TAKES.format(self.action_space.shape)
        self._max_steps = max_episode_steps
        self._generators: list[np.random.Generator] = []
        self._elapsed = -1

    @property  # type: ignore[misc]  # cannot be set
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]  # as SyncVectorEnv's
        """The agents' generators, each of which seeds its stream at a reset."""
        return tuple(self._generators)

    def reset(  # takes a list of seeds, as SyncVectorEnv's
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start new episodes of all agents."""
        if options and "reset_mask" in options:
            raise ValueError("all agents begin together: reset takes no reset_mask")
        n = self.num_envs
        seeds = [None] * n if seed is None else [seed + i for i in range(n)] if isinstance(seed, int) else list(seed)
        if len(seeds) != n:
            raise ValueError(f"{n} agents need {n} seeds, not {len(seeds)}")
        before: Sequence[np.random.Generator | None] = self._generators or [None] * n
        self._generators = [
            seeding.np_random(seed)[0] if seed is not None or generator is None else generator
            for seed, generator in zip(seeds, before, strict=True)
        ]
        self._elapsed = 0
        return self._world.reset(draw_streams(self._generators)), self._world.infos(began=True)

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Act once, each agent."""
        if self._elapsed < 0:
            raise ResetNeeded("call reset before the first step")
        ended = np.zeros(self.num_envs, bool)
        if self._elapsed == self._max_steps:
            observations, infos = self.reset()
            return observations, np.zeros(self.num_envs), ended, ended.copy(), infos
        # Numbers that are not finite pass: they are an agent's own fault, and must not stop the others
        actions = checked_action(actions, self.action_space.shape, self._takes, finite=False)
        observations, rewards = self._world.step(actions)
        self._elapsed += 1
        truncated = np.full(self.num_envs, self._elapsed == self._max_steps)
        return observations, rewards, ended, truncated, self._world.infos()


def draw_streams(generators: Sequence[np.random.Generator]) -> Array:
    """A seed for a world's stream of random numbers from each generator, uint64 of shape (n,)."""
    return np.array([generator.integers(2**64, dtype=np.uint64) for generator in generators])
