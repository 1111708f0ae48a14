"""Whole generations at once: every lifetime of every candidate in one vector environment, all networks in torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec, VectorizeMode
from gymnasium.vector import VectorEnv
from numpy.typing import ArrayLike
from torch import Tensor

from .architecture import Architecture
from .batch import Lifetimes, act_batch, birth_batch, learn_batch
from .evaluator import Done, Evaluation, Evaluator, Job, evaluation, make_body
from .spaces import check_spaces
from .task import AGGREGATES, Task
from .threads import torch_threads


class Agents(Protocol):
    """What can live in a vector environment: n at once, each as an :class:`~hebbian_gym.rollout.Agent` lives alone."""

    def reset(self, rngs: Sequence[int]) -> None:
        """Be born, each from a seed of its own."""
        ...

    def act(self, observations: np.ndarray) -> np.ndarray:
        """The actions, shape (n, ...), for observations of shape (n, ...)."""
        ...

    def learn(self, modulators: np.ndarray) -> None:
        """Learn from what came of the actions: shape (n,), NaN for no update."""
        ...


@dataclass(frozen=True)
class Episodes:
    """What n lifetimes came to; every array has shape (n,).

    Attributes:
        score: sums of the rewards.
        distance: sums of the progress reward (progress units), NaN where the environment reports none.
        steps: environment steps.
    """

    score: np.ndarray
    distance: np.ndarray
    steps: np.ndarray


def run_episodes(
    env: VectorEnv[Any, Any, Any],
    agents: Agents,
    env_seed: int | list[int] | None = None,
    birth_seeds: Sequence[int] | None = None,
) -> Episodes:
    """One lifetime of each of n agents: the vector sibling of :func:`~hebbian_gym.rollout.run_episode`.

    An agent's first termination or truncation ends its lifetime. The environment is stepped until all have ended;
    whatever an agent does and sees in between no longer counts. Who has to act upon an observation with NaN scores NaN.
    After each step the agents are given their modulatory signals: ``infos["modulator"]``, shape (n,), where the
    environment tells it, else the rewards.

    Args:
        env: is reset first, and left when the last lifetime has ended.
        agents: are born first.
        env_seed: for the environment's reset: one for all agents, or a list with one for each if its ``reset`` takes
            that; None goes on with the environment's own randomness.
        birth_seeds: for the agents' births, n of them; by default 0 to n - 1, so that the first agent has the birth
            that ``run_episode`` gives by default.
    """
    observations, _ = env.reset(seed=env_seed)  # type: ignore[arg-type]  # SyncVectorEnv, too, takes lists
    agents.reset(range(env.num_envs) if birth_seeds is None else birth_seeds)
    score, distance, steps = np.zeros(env.num_envs), np.zeros(env.num_envs), np.zeros(env.num_envs, np.int64)
    alive = np.ones(env.num_envs, bool)
    while alive.any():
        if observations.dtype.kind == "f" and np.isnan(observations.sum()):
            score[alive & np.isnan(observations).reshape(len(alive), -1).any(axis=1)] = np.nan
        observations, rewards, terminated, truncated, infos = env.step(agents.act(observations))
        rewards = np.asarray(rewards, np.float64)
        np.add(score, rewards, out=score, where=alive)
        np.add(distance, _told(infos, "reward_progress", np.nan), out=distance, where=alive)
        agents.learn(np.broadcast_to(_told(infos, "modulator", rewards), alive.shape))
        steps += alive
        alive &= ~np.logical_or(terminated, truncated)
    return Episodes(score, distance, steps)


def _told(infos: dict[str, Any], name: str, default: ArrayLike) -> np.ndarray:
    """An entry of a vector environment's infos, shape (n,) or (): None is NaN, and who tells nothing has the default.

    Gymnasium marks in ``_name`` who tells, and keeps what was told in a last step in ``final_info`` if an environment
    resets itself in that very step.
    """
    value = np.asarray(default, np.float64)
    for told in (infos, infos.get("final_info", {})):
        if name in told:
            value = np.where(told.get(f"_{name}", True), np.asarray(told[name], np.float64), value)
    return value


class PlasticNetworks:
    """n lifetimes at once, each of a genome of its own: many a :class:`~hebbian_gym.PlasticNetwork`, in torch.

    Args:
        architecture: of all.
        genomes: float32 of shape (n, genes).
    """

    def __init__(self, architecture: Architecture, genomes: Tensor) -> None:
        self.architecture, self.genomes = architecture, genomes
        self.lifetimes = Lifetimes(())

    @torch.inference_mode()
    def reset(self, rngs: Sequence[int]) -> None:
        """Be born, each as a PlasticNetwork would be from its seed."""
        self.lifetimes = birth_batch(self.architecture, self.genomes, rngs)

    @torch.inference_mode()
    def act(self, observations: np.ndarray) -> np.ndarray:
        """Act, then learn, unless learning waits for what comes of it. Shapes (n, ...)."""
        seen = torch.from_numpy(np.ascontiguousarray(observations))
        actions, self.lifetimes = act_batch(self.architecture, self.genomes, seen, self.lifetimes)
        return actions.numpy()

    @torch.inference_mode()
    def learn(self, modulators: np.ndarray) -> None:
        """Learn with ``modulation="reward"``, shape (n,), NaN for no update; otherwise do nothing."""
        if self.architecture.modulation == "reward":
            signals = torch.tensor(modulators)
            self.lifetimes = learn_batch(self.architecture, self.genomes, self.lifetimes, signals)


class VectorEvaluator(Evaluator):
    """Evaluates a whole population at once, in this process, where the environment has a vector entry point.

    Every lifetime is an agent of one vector environment, candidates times episodes of them for each body, and has its
    network in one batch. That pays off for small networks in cheap environments; each agent has a copy of its genome
    (n x genes x 4 bytes).

    Births are those that the task's seeds give, as in every evaluator. So are resets if the environment's
    ``reset(seed=...)`` takes a list with a seed for each agent, as SyncVectorEnv's does: then all of ``Task`` is
    honoured, and the result is that of :class:`~hebbian_gym.SerialEvaluator` to the accuracy of float32. Otherwise the
    environment is seeded as a whole, with one seed for each (task.seed, stream, generation, body): agents then differ
    by their place in it, no two candidates can share resets, and a task that wants them to (``births="generation"``,
    or "pair" for mirrored pairs) is refused.

    :meth:`evaluate` raises a ValueError for an environment without a vector entry point, too, or one that cannot do
    what the task asks, and calls ``done`` for all candidates when all are done. Torch works on one thread meanwhile:
    with another number of them the last bits may differ, and networks that are worth a batch are too small to be
    shared out.

    Args:
        architecture: of the candidates.
    """

    def __init__(self, architecture: Architecture) -> None:
        self._architecture = architecture
        self._envs: dict[tuple[str, int, bool], tuple[VectorEnv[Any, Any, Any], bool]] = {}

    def _evaluate(self, job: Job, done: Done) -> Evaluation:
        population, task, generation, stream = job
        candidates = range(len(population))
        genomes = np.stack([self._architecture.check_genome(population[i]) for i in candidates])
        agents = PlasticNetworks(self._architecture, torch.from_numpy(genomes).repeat_interleave(task.episodes, 0))
        seeds = np.stack([task.seeds(population, generation, stream, i) for i in candidates])
        with torch_threads():
            bodies = [self._live(agents, spec, task, seeds[:, body]) for body, spec in enumerate(task.specs)]
        for _ in candidates:
            done()
        score, distance, steps = (
            np.stack([getattr(lives, name).reshape(-1, task.episodes) for lives in bodies], axis=1)
            for name in ("score", "distance", "steps")
        )
        fitness = np.array([AGGREGATES[task.aggregate](lives) for lives in score])
        return evaluation(fitness, score, distance, steps, {})

    def _live(self, agents: PlasticNetworks, spec: EnvSpec, task: Task, seeds: np.ndarray) -> Episodes:
        """All lifetimes on one body; seeds of resets and births: shape (candidates, episodes, 2)."""
        resets, births = seeds.reshape(-1, 2).T.tolist()
        env, each = self._env(spec, len(resets), task.early_stop)
        if not each and len(np.unique(seeds.reshape(len(seeds), -1), axis=0)) < len(seeds):
            raise ValueError(
                f"candidates are to share their resets (births={task.births!r}), but {spec.id} is seeded as a whole: "
                'make the task with births="candidate", or evaluate it with SerialEvaluator'
            )
        return run_episodes(env, agents, resets if each else resets[0], births)

    def _env(self, spec: EnvSpec, n: int, early_stop: bool) -> tuple[VectorEnv[Any, Any, Any], bool]:
        """A body for n agents, and whether it takes a seed for each; made once and kept."""
        key = (spec.to_json(), n, early_stop)
        if key not in self._envs:
            if spec.vector_entry_point is None:
                raise ValueError(
                    f"{spec.id} has no vector entry point: evaluate it with SerialEvaluator or ProcessEvaluator"
                )
            env = make_body(gym.make_vec, spec, early_stop, n, VectorizeMode.VECTOR_ENTRY_POINT)
            check_spaces(self._architecture, env.single_observation_space, env.single_action_space, spec.id)
            self._envs[key] = env, _takes_lists(env)
        return self._envs[key]

    def _close(self) -> None:
        for env, _ in self._envs.values():
            env.close()
        self._envs.clear()


def _takes_lists(env: VectorEnv[Any, Any, Any]) -> bool:
    """Whether ``reset`` takes a list of seeds, one for each agent. Gymnasium's base class refuses it."""
    try:
        env.reset(seed=list(range(env.num_envs)))  # type: ignore[arg-type]
    except Exception:  # any other fault will show again
        return False
    return True
