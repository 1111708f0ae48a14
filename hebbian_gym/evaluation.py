"""From a population to its fitness: tasks, and evaluators on one core or many."""

from __future__ import annotations

import os
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, get_context
from types import TracebackType
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from typing_extensions import Self

from .architecture import Architecture, Array
from .network import PlasticNetwork
from .optimizers.base import Copies, Population
from .registration import importable
from .rollout import Episode, run_episode

BIRTHS = ("candidate", "pair", "generation")
AGGREGATES: dict[str, Callable[[Array], Any]] = {"mean": np.mean, "min": np.min}
TRAINING, HELD_OUT, EVALUATION = range(3)  # streams of seeds that never meet
READY = "ready"  # a worker's first word
MAX_DEATHS = 3  # of workers over the same candidate
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Task:
    """What a candidate is judged by.

    Attributes:
        envs: bodies, each an ID ("AntUndamaged-v0") or an EnvSpec; every candidate lives on all of them.
        episodes: lifetimes on each body.
        aggregate: "mean" or "min" over all its lifetimes' scores.
        early_stop: make the environments with ``early_stop=True`` (they must know that argument).
        births: whose births and resets a candidate shares: "candidate" (its own), "pair" (those of its mirrored twin)
            or "generation" (those of everyone: common random numbers).
        seed: all of them derive from it.

    Raises:
        ValueError: for an unknown aggregate or births, or no body at all.
    """

    envs: Sequence[str | EnvSpec]
    episodes: int = 1
    aggregate: str = "mean"
    early_stop: bool = False
    births: str = "pair"
    seed: int = 0

    def __post_init__(self) -> None:
        envs = [self.envs] if isinstance(self.envs, str | EnvSpec) else self.envs
        for env in envs:
            if not isinstance(env, str | EnvSpec):
                raise ValueError(f"envs must be IDs or EnvSpecs, not {env!r}")
        specs = (gym.spec(env) if isinstance(env, str) else env for env in envs)
        object.__setattr__(self, "envs", tuple(importable(spec) for spec in specs))
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more, not {self.seed}")
        if not self.envs or self.episodes < 1:
            raise ValueError("a task needs at least one environment and one episode")
        if self.aggregate not in AGGREGATES:
            raise ValueError(f"aggregate must be one of {tuple(AGGREGATES)}, not {self.aggregate!r}")
        if self.births not in BIRTHS:
            raise ValueError(f"births must be one of {BIRTHS}, not {self.births!r}")

    @property
    def specs(self) -> tuple[EnvSpec, ...]:
        return tuple(env for env in self.envs if isinstance(env, EnvSpec))

    def seeds(self, stream: int, generation: int, population: Population, index: int) -> np.ndarray:
        """Seeds of resets and births of a candidate, uint32 of shape (bodies, episodes, 2)."""
        shared = {"candidate": index, "pair": population.pair(index), "generation": 0}[self.births]
        sequence = np.random.SeedSequence((self.seed, stream, generation, shared))
        return sequence.generate_state(len(self.envs) * self.episodes * 2).reshape(len(self.envs), self.episodes, 2)

    def fitness(self, episodes: Sequence[Sequence[Episode]]) -> float:
        """Of a candidate, from its episodes on each body."""
        return float(AGGREGATES[self.aggregate](np.array([[e.score for e in body] for body in episodes])))

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        envs = [spec.to_json() for spec in self.specs]
        return {"envs": envs} | {
            name: getattr(self, name) for name in ("episodes", "aggregate", "early_stop", "births", "seed")
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Task:
        """From :meth:`to_json`."""
        return cls(**{**data, "envs": [EnvSpec.from_json(spec) for spec in data["envs"]]})


@dataclass(frozen=True)
class Evaluation:
    """Episodes of every candidate on every body, arrays of shape (candidates, bodies, episodes).

    Attributes:
        fitness: shape (candidates,).
        score: sums of the rewards.
        distance: sums of the progress reward, NaN where there is none.
        steps: environment steps.
    """

    fitness: np.ndarray
    score: np.ndarray
    distance: np.ndarray
    steps: np.ndarray


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


def _nothing() -> None:
    pass


class SerialEvaluator:
    """Evaluates in this process. Environments are made once and kept."""

    def __init__(self, architecture: Architecture) -> None:
        self._architecture = architecture
        self._envs: dict[str, gym.Env[Any, Any]] = {}
        self._network: PlasticNetwork | None = None

    def candidate(
        self, population: Population, task: Task, generation: int, stream: int, index: int
    ) -> list[list[Episode]]:
        """Episodes of one candidate: for each body its lifetimes."""
        if self._network is None:
            self._network = PlasticNetwork(self._architecture, population[index])
        self._network.genome = population[index]
        seeds = task.seeds(stream, generation, population, index)
        return [
            [
                run_episode(self._env(spec, task.early_stop), self._network, int(reset), int(birth))
                for reset, birth in body
            ]
            for spec, body in zip(task.specs, seeds, strict=True)
        ]

    def _env(self, spec: EnvSpec, early_stop: bool) -> gym.Env[Any, Any]:
        key = f"{early_stop}{spec.to_json()}"
        if key not in self._envs:
            arguments = {"early_stop": True} if early_stop else {}
            try:
                self._envs[key] = gym.make(spec, disable_env_checker=True, **arguments)
            except TypeError as error:
                cure = "; make the task with early_stop=False" if early_stop else ""
                raise ValueError(f"{spec.id} could not be made: {error}{cure}") from error
        return self._envs[key]

    def evaluate(
        self,
        population: Population,
        task: Task,
        generation: int = 0,
        stream: int = TRAINING,
        done: Callable[[], None] = _nothing,
    ) -> Evaluation:
        lives = []
        for index in range(len(population)):
            lives.append(self.candidate(population, task, generation, stream, index))
            done()
        return _collect(task, lives)

    def close(self) -> None:
        for env in self._envs.values():
            env.close()
        self._envs.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()


def _collect(task: Task, lives: Sequence[Sequence[Sequence[Episode]]]) -> Evaluation:
    def gather(name: str) -> np.ndarray:
        return np.array([[[getattr(e, name) for e in body] for body in bodies] for bodies in lives])

    fitness = np.array([task.fitness(bodies) for bodies in lives])
    return Evaluation(fitness, gather("score"), gather("distance"), gather("steps"))


class ProcessEvaluator:
    """Evaluates on several cores: persistent worker processes, each candidate rebuilt where it is evaluated.

    A population travels to each worker once a generation, then a candidate costs an index. Workers take the next
    candidate when they are done with one, so uneven episodes leave nobody idle. A worker that dies is replaced and its
    candidate evaluated again, with the same bits.

    Args:
        architecture: of the candidates.
        workers: processes, each with one thread.
    """

    def __init__(self, architecture: Architecture, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers must be 1 or more, not {workers}")
        self._architecture = architecture
        self._workers = [_Worker(architecture) for _ in range(workers)]
        self._unborn = 0

    @property
    def pids(self) -> list[int]:
        """Process IDs of the workers."""
        return [worker.process.pid or 0 for worker in self._workers]

    def evaluate(
        self,
        population: Population,
        task: Task,
        generation: int = 0,
        stream: int = TRAINING,
        done: Callable[[], None] = _nothing,
    ) -> Evaluation:
        if not self._workers:
            raise RuntimeError("this evaluator is closed: make another")
        job = (population, task, generation, stream)
        waiting, deaths = deque(range(len(population))), [0] * len(population)
        lives: list[list[list[Episode]] | None] = [None] * len(population)
        for number, worker in enumerate(self._workers):
            if worker.candidate is not None or not worker.process.is_alive():  # left over from an interrupted call
                self._replace(number)
        for number in range(len(self._workers)):
            self._give(number, job, waiting)
        while any(worker.candidate is not None for worker in self._workers):
            ready = connection.wait([w.pipe for w in self._workers] + [w.process.sentinel for w in self._workers])
            for number, worker in enumerate(self._workers):
                if worker.candidate is None or not ({worker.pipe, worker.process.sentinel} & set(ready)):
                    continue
                candidate, answer = worker.candidate, worker.answer()
                if answer is READY:
                    continue
                if answer is None:
                    deaths[candidate] += 1
                    if deaths[candidate] == MAX_DEATHS:
                        raise RuntimeError(
                            f"candidate {candidate} of generation {generation} ended {MAX_DEATHS} worker processes; "
                            "evaluate it with workers=1 to see why (out of memory?)"
                        )
                    waiting.appendleft(candidate)
                    self._replace(number)
                elif isinstance(answer, str):
                    raise RuntimeError(
                        f"candidate {candidate} of generation {generation} failed in its worker:\n{answer}"
                    )
                else:
                    lives[candidate] = answer
                    done()
                self._give(number, job, waiting)
        return _collect(task, [bodies for bodies in lives if bodies is not None])

    def _replace(self, number: int) -> None:
        worker = self._workers[number]
        worker.process.join(timeout=1.0)  # for its exit code: negative if somebody killed it
        self._unborn += not worker.started
        if not worker.started and ((worker.process.exitcode or 0) > 0 or self._unborn > MAX_DEATHS):
            raise RuntimeError(
                "a worker process ended before it began. In a script, whatever starts workers must stand under "
                '`if __name__ == "__main__":`; otherwise see the message above, or use workers=1'
            )
        self._workers[number].stop()
        self._workers[number] = _Worker(self._architecture)

    def _give(self, number: int, job: tuple[Any, ...], waiting: deque[int]) -> None:
        while waiting:
            candidate = waiting.popleft()
            if self._workers[number].give(job, candidate):
                return
            waiting.appendleft(candidate)
            self._replace(number)
        self._workers[number].candidate = None

    def close(self) -> None:
        for worker in self._workers:
            worker.stop()
        self._workers = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()


class _Worker:
    """The parent's end of one worker process."""

    def __init__(self, architecture: Architecture) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, architecture), daemon=True)
        with _one_thread():
            self.process.start()
        theirs.close()
        self.started = False
        self.candidate: int | None = None
        self._job: tuple[Any, ...] | None = None

    def give(self, job: tuple[Any, ...], candidate: int) -> bool:
        """Hand over a candidate, and first the job it belongs to if that is new; False if the process is gone."""
        try:
            if job is not self._job:
                self.pipe.send(job)
                self._job = job
            self.pipe.send(candidate)
        except OSError:
            return False
        self.candidate = candidate
        return True

    def answer(self) -> Any:
        """A candidate's episodes, a traceback as text, READY at first, or None from a process that has died."""
        try:
            answer = self.pipe.recv() if self.pipe.poll() else None
        except (EOFError, OSError):
            return None
        self.started = self.started or answer is not None
        return READY if answer == READY else answer

    def stop(self) -> None:
        self.pipe.close()  # an idle worker leaves at the end of its pipe
        self.process.join(timeout=0.2)
        self.process.kill()
        self.process.join()


def _work(pipe: connection.Connection, architecture: Architecture) -> None:
    """A worker's life: take jobs and candidates, answer with episodes, end with the pipe."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    evaluator = SerialEvaluator(architecture)
    job: tuple[Population, Task, int, int] | None = None
    pipe.send(READY)
    try:
        while True:
            message = pipe.recv()
            if isinstance(message, tuple):
                job = message
                continue
            assert job is not None
            try:
                pipe.send(evaluator.candidate(*job, message))
            except Exception:
                pipe.send(traceback.format_exc())
    except (EOFError, OSError):
        evaluator.close()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started within read these variables before they import numpy."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def make_evaluator(architecture: Architecture, workers: int = 1) -> SerialEvaluator | ProcessEvaluator:
    """Serial for one worker, processes for more."""
    return SerialEvaluator(architecture) if workers == 1 else ProcessEvaluator(architecture, workers)


class Evolvable(Protocol):
    """What evolution and evaluation need of a policy."""

    @property
    def architecture(self) -> Architecture: ...

    genome: Array


def evaluate(
    policy: Evolvable,
    env: str | EnvSpec,
    episodes: int = 100,
    seed: int = 1,
    workers: int = 1,
    done: Callable[[], None] = _nothing,
) -> Evaluation:
    """Many lifetimes of one policy on one body, each with a birth and a reset of its own.

    Args:
        policy: with ``architecture`` and ``genome``.
        env: an ID or an EnvSpec.
        episodes: how many.
        seed: of births and resets; evolution never uses these, whatever its own seed.
        workers: processes.
        done: called after each lifetime.

    Returns:
        An evaluation whose arrays have shape (episodes,).
    """
    if episodes < 1:
        raise ValueError(f"episodes must be 1 or more, not {episodes}")
    task = Task([env], births="candidate", seed=seed)
    with make_evaluator(policy.architecture, min(workers, episodes)) as evaluator:
        result = evaluator.evaluate(Copies(policy.genome, episodes), task, stream=EVALUATION, done=done)
    return Evaluation(result.fitness, *(getattr(result, name).ravel() for name in ("score", "distance", "steps")))
