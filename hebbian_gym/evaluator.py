"""From a population to its fitness: what an evaluation is, what an evaluator does, and the one of this process."""

from __future__ import annotations

import contextlib
import traceback
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from typing_extensions import Self

from .architecture import Architecture
from .network import PlasticNetwork
from .optimizers.base import Population
from .registration import check_entry
from .rollout import Episode, run_episode
from .rules import get_rule
from .spaces import check_spaces
from .task import TRAINING, Task

Done = Callable[[], None]


@dataclass(frozen=True)
class Evaluation:
    """Episodes of every candidate on every body, arrays of shape (candidates, bodies, episodes).

    Attributes:
        fitness: shape (candidates,); NaN for a candidate that was lost.
        score: sums of the rewards; NaN where lost.
        distance: sums of the progress reward; NaN where lost or where there is none.
        steps: environment steps; 0 where an episode was not lived to its end.
        errors: what was wrong with each lost candidate, by its index: a sentence, or a traceback that ends with one.
    """

    fitness: np.ndarray
    score: np.ndarray
    distance: np.ndarray
    steps: np.ndarray
    errors: Mapping[int, str] = field(default_factory=dict)

    @property
    def losses(self) -> str:
        """A sentence on what was lost; empty if nothing was."""
        if not self.errors:
            return ""
        causes = Counter(error.strip().splitlines()[-1] for error in self.errors.values())
        told = "; ".join(f"{cause} ({n} times)" if n > 1 else cause for cause, n in causes.most_common(3))
        more = "; ..." if len(causes) > 3 else ""
        return f"{len(self.errors)} of {len(self.fitness)} candidates were lost and do not count: {told}{more}"


class Job(NamedTuple):
    """What an evaluator is asked for; together with the architecture it determines every bit of the answer."""

    population: Population
    task: Task
    generation: int
    stream: int


class Evaluator(ABC):
    """Evaluates populations. The result depends on the architecture and on the :class:`Job` alone, to the bit.

    A subclass says in ``_evaluate`` how, and in ``_close`` what it lets go of. As a context manager it closes itself.
    """

    _closed = False

    def evaluate(
        self,
        population: Population,
        task: Task,
        generation: int = 0,
        stream: int = TRAINING,
        done: Done = lambda: None,
    ) -> Evaluation:
        """Let all candidates live all their episodes.

        Args:
            population: its items are genomes, float32 of shape (genes,).
            task: bodies, lifetimes on each, and how their scores become a fitness.
            generation: one more number that the seeds of births and resets derive from.
            stream: TRAINING, HELD_OUT or EVALUATION of :mod:`hebbian_gym.task`: seeds of two streams never meet.
            done: called after each candidate, lost or not.

        Raises:
            ValueError: if an environment of the task cannot be made, or does not fit the network.
            RuntimeError: if more than half of the candidates are lost, or if the evaluator is closed.
        """
        if self._closed:
            raise RuntimeError("this evaluator is closed: make another")
        return self._evaluate(Job(population, task, generation, stream), done)

    def close(self) -> None:
        """Let go of environments and workers; closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._close()

    @abstractmethod
    def _evaluate(self, job: Job, done: Done) -> Evaluation: ...

    @abstractmethod
    def _close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()


class Results:
    """What came of the candidates of one generation so far, in whatever order they end.

    A candidate whose environment raises, or that ends its worker or hangs it, is lost: its fitness is NaN, which every
    optimiser drops. So is one whose fitness is not a finite number.

    Args:
        task: that they are judged by.
        size: how many there are.
        done: called after each.
    """

    def __init__(self, task: Task, size: int, done: Done) -> None:
        self._task, self._done = task, done
        self._lives: list[Sequence[Sequence[Episode]] | None] = [None] * size
        self._errors: dict[int, str] = {}

    def take(self, candidate: int, lives: Sequence[Sequence[Episode]]) -> None:
        """The episodes of a candidate: for each body its lifetimes."""
        self._lives[candidate] = lives
        self._done()

    def lose(self, candidate: int, error: str) -> None:
        """A candidate that has no episodes.

        Raises:
            RuntimeError: if more than half of the generation is lost: then it is not the candidates' fault.
        """
        self._errors[candidate] = error
        if 2 * len(self._errors) > len(self._lives):
            raise RuntimeError(
                f"{len(self._errors)} of {len(self._lives)} candidates failed; candidate {candidate} so:\n{error}"
            )
        self._done()

    def evaluation(self) -> Evaluation:
        """Of all candidates, once each is taken or lost."""
        lost = Episode(np.nan, np.nan, 0)
        shape = len(self._task.specs), self._task.episodes
        lives = [[[lost] * shape[1]] * shape[0] if bodies is None else bodies for bodies in self._lives]

        def gather(name: str) -> np.ndarray:
            return np.array([[[getattr(e, name) for e in body] for body in bodies] for bodies in lives])

        fitness = np.array([self._task.fitness(bodies) for bodies in lives])
        return evaluation(fitness, gather("score"), gather("distance"), gather("steps"), self._errors)


def evaluation(
    fitness: np.ndarray, score: np.ndarray, distance: np.ndarray, steps: np.ndarray, errors: Mapping[int, str]
) -> Evaluation:
    """An Evaluation in which a fitness that is not a finite number is one more loss.

    Raises:
        RuntimeError: if more than half of the generation is lost: then it is not the candidates' fault.
    """
    odd = {i: f"a fitness of {fitness[i]}" for i in np.flatnonzero(~np.isfinite(fitness)).tolist()}
    result = Evaluation(np.where(np.isfinite(fitness), fitness, np.nan), score, distance, steps, {**odd, **errors})
    if 2 * len(result.errors) > len(fitness):
        raise RuntimeError(result.losses)
    return result


class SerialEvaluator(Evaluator):
    """Evaluates in this process. Environments are made once and kept; one that raised is made anew.

    Args:
        architecture: of the candidates.
    """

    def __init__(self, architecture: Architecture) -> None:
        self._architecture = architecture
        self._envs: dict[str, gym.Env[Any, Any]] = {}
        self._network: PlasticNetwork | None = None

    def prepare(self, task: Task) -> None:
        """Make the task's environments, unless they are there.

        Raises:
            ValueError: if one cannot be made, or does not fit the network; or if the network's rule is unknown here.
        """
        get_rule(self._architecture.rule)
        for spec in task.specs:
            self._env(spec, task.early_stop)

    def candidate(self, job: Job, index: int) -> list[list[Episode]]:
        """Episodes of one candidate: for each body its lifetimes."""
        population, task, generation, stream = job
        if self._network is None:
            self._network = PlasticNetwork(self._architecture, population[index])
        self._network.genome = population[index]
        seeds = task.seeds(population, generation, stream, index)
        return [
            self._live(spec, task.early_stop, self._network, body) for spec, body in zip(task.specs, seeds, strict=True)
        ]

    def _live(self, spec: EnvSpec, early_stop: bool, network: PlasticNetwork, seeds: np.ndarray) -> list[Episode]:
        """Lifetimes on one body; seeds of resets and births: shape (episodes, 2)."""
        env = self._env(spec, early_stop)
        try:
            return [run_episode(env, network, reset, birth) for reset, birth in seeds.tolist()]
        except Exception:  # whatever state it is in now must not reach the next candidate
            with contextlib.suppress(Exception):
                self._envs.pop(_key(spec, early_stop)).close()
            raise

    def _env(self, spec: EnvSpec, early_stop: bool) -> gym.Env[Any, Any]:
        key = _key(spec, early_stop)
        if key not in self._envs:
            env = make_body(gym.make, spec, early_stop, disable_env_checker=True)
            check_spaces(self._architecture, env.observation_space, env.action_space, spec.id)
            self._envs[key] = env
        return self._envs[key]

    def _evaluate(self, job: Job, done: Done) -> Evaluation:
        self.prepare(job.task)
        results = Results(job.task, len(job.population), done)
        for index in range(len(job.population)):
            try:
                lives = self.candidate(job, index)
            except Exception:
                results.lose(index, traceback.format_exc())
            else:
                results.take(index, lives)
        return results.evaluation()

    def _close(self) -> None:
        for env in self._envs.values():
            env.close()
        self._envs.clear()


def _key(spec: EnvSpec, early_stop: bool) -> str:
    return f"{early_stop}{spec.to_json()}"


def make_body(make: Callable[..., Any], spec: EnvSpec, early_stop: bool, *arguments: Any, **options: Any) -> Any:
    """An environment of a task, by gym.make or gym.make_vec.

    Raises:
        ValueError: if its class cannot be imported, or does not know ``early_stop`` or another argument.
    """
    check_entry(spec)
    try:
        return make(spec, *arguments, **options, **({"early_stop": True} if early_stop else {}))
    except TypeError as error:
        cure = "; make the task with early_stop=False" if early_stop else ""
        raise ValueError(f"{spec.id} could not be made: {error}{cure}") from error
