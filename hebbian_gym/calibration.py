"""What a generation costs on this machine, by a short measurement."""

from __future__ import annotations

import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from threading import Thread
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from .architecture import Architecture, random_genome
from .callbacks import Best, CheckpointWriter
from .evaluation import Evolvable
from .evaluator import Evaluator, Job, SerialEvaluator
from .optimizers.base import Copies, Optimizer, Population
from .planning import Costs
from .processes import ProcessEvaluator, pack
from .task import TRAINING, Task
from .training import Run

HEADER = 4  # bytes, in which multiprocessing says how long a message is
REPETITIONS = 3  # of what is measured as a whole; the median counts
TRIVIAL = 300  # candidates of one trivial step that tell the master's time for one
FEWEST = 3  # candidates that are timed, however long they take
MINIMAL = Architecture((1, 1), rule="static", low=(-1.0,), high=(1.0,))


def calibrate(
    policy: Evolvable,
    optimizer: Optimizer,
    task: Task,
    seconds: float = 20.0,
    progress: Callable[[float], None] = lambda done: None,
) -> Costs:
    """Measure what a generation is made of, on this machine: ``calibrate(*get_preset("ant-hebbian").make())``.

    What computes is measured in CPU time, so that other programs on the machine disturb it less. Two worker processes
    are started: in a script, call it under ``if __name__ == "__main__":``.

    Args:
        policy: with ``architecture`` and ``genome``.
        optimizer: is left as it is; its next population is the one that is timed.
        task: that candidates are judged by.
        seconds: for all of it, about. Candidates are timed for as long as the rest leaves, three at least.
        progress: called with the fraction that is done, 0 to 1.

    Raises:
        TypeError: for an optimizer that cannot be copied, such as another library's behind an adapter.
    """
    begin = time.monotonic()

    def done() -> float:
        fraction = min(1.0, (time.monotonic() - begin) / seconds)
        progress(fraction)
        return fraction

    optimizer = copy.deepcopy(optimizer)
    population = optimizer.ask()
    ask_tell = _ask_and_tell(optimizer)
    done()
    job = Job(population, task, 0, TRAINING)
    checkpoint = _checkpoint(policy, optimizer, task)
    with ProcessEvaluator(MINIMAL, 2) as evaluator:
        dispatch = time_to_dispatch(evaluator, task)
    done()
    durations, full_durations, wait, lives = _candidates(policy, population, task, done)
    progress(1.0)
    return Costs(
        durations, full_durations, ask_tell, message_bytes(job), candidate_bytes(lives, len(population) - 1),
        _send(job), dispatch, checkpoint, wait,
    )  # fmt: skip


def _candidates(
    policy: Evolvable, population: Population, task: Task, done: Callable[[], float]
) -> tuple[np.ndarray, np.ndarray, float, Any]:
    """What is measured on candidates, until ``done`` says 1: three attributes of Costs, and one's episodes."""
    first_step, times = _one_step(task), list[tuple[float, int, float, int]]()
    with SerialEvaluator(policy.architecture) as evaluator:
        _time(evaluator, population, first_step, 0)  # numba compiles, and environments are made
        lives = evaluator.candidate(Job(population, task, 0, TRAINING), 0)
        wall, cpu = time.perf_counter(), time.thread_time()
        while done() < 1.0 or len(times) < FEWEST:
            index = len(times) % len(population)
            times.append((*_time(evaluator, population, task, index), *_time(evaluator, population, first_step, index)))
        wait = (time.perf_counter() - wall) / (time.thread_time() - cpu)
    lived, begun = np.split(np.array(times), 2, axis=1)
    return lived[:, 0], _at_full_length(lived, begun, task), wait, lives


def _time(evaluator: SerialEvaluator, population: Population, task: Task, index: int) -> tuple[float, int]:
    """CPU time (s) of a candidate, and the steps that it lived."""
    begin = time.thread_time()
    lives = evaluator.candidate(Job(population, task, 0, TRAINING), index)
    return time.thread_time() - begin, sum(episode.steps for body in lives for episode in body)


def _at_full_length(lived: np.ndarray, begun: np.ndarray, task: Task) -> np.ndarray:
    """What the candidates would take if each of their lifetimes went on for as long as it may, s, shape (candidates,).

    Args:
        lived: durations (s) and steps of candidates, shape (candidates, 2).
        begun: the same when they lived for one step only, so that building, making and resetting is not multiplied.
        task: that they lived.
    """
    seconds, steps = (lived - begun).sum(axis=0)
    limits = [spec.max_episode_steps for spec in task.specs]
    if None in limits or steps == 0:
        return lived[:, 0]
    full = task.episodes * sum(limit for limit in limits if limit is not None)
    return begun[:, 0] + max(0.0, seconds / steps) * (full - begun[:, 1])


def _one_step(task: Task) -> Task:
    """The same task in lifetimes of one step, which tell what building, making and resetting cost."""
    specs = copy.deepcopy(task.specs)
    for spec in specs:
        spec.max_episode_steps = 1
    return replace(task, envs=specs)


def _ask_and_tell(optimizer: Optimizer) -> float:
    """CPU time (s) of ask and tell, with fitness made up."""
    fitness = np.random.default_rng(0).normal(size=len(optimizer.ask()))

    def both() -> None:
        optimizer.ask()
        optimizer.tell(fitness)

    return _median(both, time.thread_time)


def _checkpoint(policy: Evolvable, optimizer: Optimizer, task: Task) -> float:
    """Wall time (s) of writing a checkpoint, to where temporary files go."""
    with tempfile.TemporaryDirectory() as folder, SerialEvaluator(policy.architecture) as evaluator:
        run = Run(policy, optimizer, task, evaluator, generations=1, best=Best(policy.genome, 0.0, 0))
        writer = CheckpointWriter(Path(folder) / "checkpoint.npz", every=1)
        return _median(lambda: writer(run), time.perf_counter)


def time_to_dispatch(evaluator: Evaluator, task: Task) -> float:
    """CPU time (s), of all threads of this process, that an evaluator needs for a candidate that needs none itself.

    Args:
        evaluator: of the architecture :data:`MINIMAL`.
        task: whose answers have the same size: as many lifetimes on as many bodies.
    """
    spec = EnvSpec("OneStep-v0", entry_point=f"{__name__}:OneStep")
    trivial = Task([spec] * len(task.specs), task.episodes)
    genome = random_genome(MINIMAL)
    return _median(lambda: evaluator.evaluate(Copies(genome, TRIVIAL), trivial), time.process_time) / TRIVIAL


class OneStep(gym.Env[np.ndarray, np.ndarray]):
    """Ends with its first step, and does nothing: what is left of its evaluation is messages."""

    def __init__(self) -> None:
        self.observation_space = self.action_space = gym.spaces.Box(-1.0, 1.0, (1,))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        return np.zeros(1, np.float32), 0.0, True, False, {}


def _send(job: Any) -> float:
    """CPU time (s) of sending something through a pipe, the other end of which is read meanwhile."""
    theirs, ours = Pipe(duplex=False)

    def read() -> None:
        for _ in range(1 + REPETITIONS):
            theirs.recv_bytes()

    reader = Thread(target=read)
    reader.start()
    seconds = _median(lambda: ours.send(job), time.thread_time)
    reader.join()
    ours.close()
    theirs.close()
    return seconds


def message_bytes(message: Any) -> int:
    """How long a message is as multiprocessing sends it."""
    return len(ForkingPickler.dumps(message)) + HEADER


def candidate_bytes(lives: Any, index: int) -> int:
    """Bytes of a candidate's messages both ways: its index, and what a worker process answers.

    Args:
        lives: its episodes, as :meth:`SerialEvaluator.candidate` returns them.
        index: of the candidate.
    """
    return message_bytes(index) + message_bytes(("lives", pack(lives)))


def _median(function: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Of a few calls (s), after one that does not count."""
    times = []
    for _ in range(1 + REPETITIONS):
        begin = clock()
        function()
        times.append(clock() - begin)
    return statistics.median(times[1:])
