"""From a population to its fitness: what an evaluation is, evaluators, and many lifetimes of one policy."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from typing_extensions import Self

from .architecture import Architecture, Array
from .network import PlasticNetwork
from .optimizers.base import Copies, Population
from .registration import check_entry
from .rollout import Episode, run_episode
from .rules import get_rule
from .spaces import check_spaces
from .task import EVALUATION, TRAINING, Task

if TYPE_CHECKING:
    from .distributed import RayEvaluator
    from .processes import ProcessEvaluator

log = logging.getLogger(__name__)
METRES = 0.0165  # of a unit of progress: the ant's time step (s), because progress is a speed summed over steps


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


class Evaluator(Protocol):
    """Evaluates populations. The result depends on population, task, stream and generation alone, to the bit."""

    def evaluate(
        self,
        population: Population,
        task: Task,
        generation: int = 0,
        stream: int = TRAINING,
        done: Callable[[], None] = ...,
    ) -> Evaluation:
        """All candidates' episodes; ``done`` is called after each candidate."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Results:
    """What came of the candidates of one generation so far, in whatever order they end.

    A candidate whose environment raises, or that ends its worker or hangs it, is lost: its fitness is NaN, which every
    optimiser drops. So is one whose fitness is not a finite number.

    Args:
        task: that they are judged by.
        size: how many there are.
        done: called after each.
    """

    def __init__(self, task: Task, size: int, done: Callable[[], None]) -> None:
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


class SerialEvaluator:
    """Evaluates in this process. Environments are made once and kept; one that raised is made anew."""

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

    def candidate(
        self, population: Population, task: Task, generation: int, stream: int, index: int
    ) -> list[list[Episode]]:
        """Episodes of one candidate: for each body its lifetimes."""
        if self._network is None:
            self._network = PlasticNetwork(self._architecture, population[index])
        self._network.genome = population[index]
        seeds = task.seeds(stream, generation, population, index)
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

    def evaluate(
        self,
        population: Population,
        task: Task,
        generation: int = 0,
        stream: int = TRAINING,
        done: Callable[[], None] = lambda: None,
    ) -> Evaluation:
        self.prepare(task)
        results = Results(task, len(population), done)
        for index in range(len(population)):
            try:
                lives = self.candidate(population, task, generation, stream, index)
            except Exception:
                results.lose(index, traceback.format_exc())
            else:
                results.take(index, lives)
        return results.evaluation()

    def close(self) -> None:
        for env in self._envs.values():
            env.close()
        self._envs.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()


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


def make_evaluator(
    architecture: Architecture, workers: int = 1, timeout: float | None = None, ray_address: str | None = None
) -> SerialEvaluator | ProcessEvaluator | RayEvaluator:
    """Serial for one worker, processes for more, actors of a Ray cluster if there is an address.

    Args:
        architecture: of the candidates.
        workers: processes or actors.
        timeout: seconds that a candidate may take in one of them; None for their default.
        ray_address: of the cluster, or "auto".
    """
    limit = {} if timeout is None else {"timeout": timeout}
    if ray_address is not None:
        from .distributed import RayEvaluator

        return RayEvaluator(architecture, workers, address=ray_address, **limit)
    if workers == 1:
        return SerialEvaluator(architecture)
    from .processes import ProcessEvaluator  # it imports this module

    return ProcessEvaluator(architecture, workers, **limit)


class Evolvable(Protocol):
    """What evolution and evaluation need of a policy."""

    @property
    def architecture(self) -> Architecture: ...

    genome: Array


@dataclass
class Individual:
    """The least that evolves: an architecture and a genome, without torch."""

    architecture: Architecture
    genome: Array


def check_evolvable(policy: Any) -> None:
    """Refuse what is not all in its architecture and genome, from which evaluators make networks of their own.

    Raises:
        ValueError: for an agent without these, such as a model of Stable-Baselines3 or a perturbed agent, or with
            ``learning`` switched off.
    """
    if not (hasattr(policy, "architecture") and hasattr(policy, "genome")):
        raise ValueError(
            f"{type(policy).__name__} has no architecture and genome to make networks of. What has reset() and act(), "
            "such as a perturbed agent, lives by run_episode(env, agent); what has predict(), such as a model of "
            "Stable-Baselines3, is judged by hebbian_gym.comparison.compare([Contender(name, model), ...], bodies)"
        )
    if not getattr(policy, "learning", True):
        raise ValueError(
            "learning=False would be lost, since networks are made anew of architecture and genome: let this one live "
            "by run_episode(env, network)"
        )


def evaluate(
    policy: Evolvable,
    env: str | EnvSpec | gym.Env[Any, Any],
    episodes: int = 100,
    seed: int = 1,
    workers: int = 1,
    done: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Many lifetimes of one policy on one body, each with a birth and a reset of its own.

    Args:
        policy: with ``architecture`` and ``genome``.
        env: an ID or an EnvSpec, or an environment, of which only the spec is taken.
        episodes: how many.
        seed: of births and resets; evolution never uses these, whatever its own seed.
        workers: processes.
        done: called after each lifetime.

    Returns:
        An evaluation whose arrays have shape (episodes,). A lifetime that was lost is NaN, and a warning is logged.
    """
    if episodes < 1:
        raise ValueError(f"episodes must be 1 or more, not {episodes}")
    check_evolvable(policy)
    task = Task([env], births="candidate", seed=seed)
    with make_evaluator(policy.architecture, min(workers, episodes)) as evaluator:
        result = evaluator.evaluate(Copies(policy.genome, episodes), task, stream=EVALUATION, done=done)
    if result.errors:
        log.warning("%s", result.losses.replace("candidates", "lifetimes"))
    score, distance, steps = (getattr(result, name).ravel() for name in ("score", "distance", "steps"))
    return Evaluation(result.fitness, score, distance, steps, result.errors)
