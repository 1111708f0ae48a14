"""What the master does besides waiting: its share of a generation, its messages, its checkpoints; and Ray's share."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from gymnasium.error import DependencyNotInstalled

from ..architecture import Array, architecture_for, random_genome
from ..calibration import candidate_bytes, message_bytes
from ..callbacks import Best, CheckpointWriter
from ..evaluator import Evaluator, Job, SerialEvaluator
from ..optimizers import OpenAIES
from ..policy import HebbianPolicy
from ..presets import get_preset
from ..pretrained import pretrained_path
from ..processes import ProcessEvaluator
from ..task import TRAINING, Task
from ..training import Run
from .ant import ANT
from .measurement import Measurement, cpu_time, interleaved

PAPER = "ant-hebbian-paper"  # 500 candidates, each on two bodies


def master_overhead(repetitions: int, size: int = 40) -> Measurement:
    """The master's part in a generation whose candidates walk, so that their lives are whole."""
    genome = HebbianPolicy.load(pretrained_path("ant-hebbian")).genome
    return _master_overhead("master-overhead", "walking", genome, repetitions, size)


def master_overhead_newborns(repetitions: int, size: int = 100) -> Measurement:
    """The same in the first generation, whose candidates early stop ends after a quarter of a life."""
    return _master_overhead("master-overhead-newborns", "newborn", None, repetitions, size)


def _master_overhead(name: str, who: str, start: Array | None, repetitions: int, size: int) -> Measurement:
    """The master's part in a generation of the paper's ant, its messages and the evaluation measured on ``size`` of it.

    The time that two workers need is half of the CPU time of the candidates: what they take by the clock is longer on a
    busy machine, where the master's share would look smaller than it is.
    """
    policy, strategy, task = get_preset(PAPER).make(start=start)
    _, few, _ = get_preset(PAPER).make(start=start, population_size=size)
    candidates = len(strategy.ask())
    fitness, scale = np.random.default_rng(0).normal(size=candidates), candidates / size

    def master(generation: int) -> float:
        start = cpu_time()
        strategy.ask()
        strategy.tell(fitness)
        told = cpu_time()
        processes.evaluate(few.ask(), task, generation)
        return (told - start) + scale * (cpu_time() - told)

    def two_workers(generation: int) -> float:
        start = cpu_time()
        serial.evaluate(few.ask(), task, generation)
        return scale * (cpu_time() - start) / 2

    with ProcessEvaluator(policy.architecture, 2) as processes, SerialEvaluator(policy.architecture) as serial:
        seconds = interleaved(master, two_workers, repetitions)
    what = (
        f"the master's CPU time for ask, tell and messages, {candidates} {who} candidates of {PAPER}; against what "
        f"2 workers need for their evaluation. Messages and evaluation measured on {size} candidates and scaled"
    )
    return Measurement(name, what, *seconds, "s", repetitions, target=0.02)


def message_size(repetitions: int, size: int = 5) -> Measurement:
    """The longest messages, both ways together, of ``size`` candidates of the paper's ant."""
    policy, strategy, task = get_preset(PAPER).make()
    population = strategy.ask()
    last = len(population) - 1  # the longest index

    def ours(generation: int) -> float:
        lives = [serial.candidate(Job(population, task, generation, TRAINING), index) for index in range(size)]
        return max(candidate_bytes(each, last) for each in lives)

    with SerialEvaluator(policy.architecture) as serial:
        figures = interleaved(ours, lambda _: message_bytes(population[last]), repetitions)
    what = f"a candidate's messages both ways, {PAPER}, by worker processes; peer: its genome, one way"
    return Measurement("message-bytes", what, *figures, "bytes", repetitions, target=200, target_of="ours")


def checkpoint_ant(repetitions: int, size: int = 5) -> Measurement:
    """Writing ``size`` checkpoints of the ant."""
    return _checkpoint("checkpoint-ant", PAPER, 0.2, repetitions, size)


def checkpoint_car(repetitions: int, size: int = 3) -> Measurement:
    """Writing ``size`` checkpoints of the car."""
    return _checkpoint("checkpoint-car", "car-hebbian-paper", 1.0, repetitions, size)


def _checkpoint(name: str, preset: str, target: float, repetitions: int, size: int) -> Measurement:
    """Mean wall time of writing a checkpoint, because it waits for the disk, to where temporary files go."""
    policy, strategy, task = get_preset(preset).make(optimizer="adam")
    with tempfile.TemporaryDirectory() as folder, SerialEvaluator(policy.architecture) as evaluator:
        run = Run(policy, strategy, task, evaluator, generations=1, best=Best(policy.genome, 0.0, 0))
        path = Path(folder) / "checkpoint.npz"
        writer = CheckpointWriter(path, every=1)
        writer(run)
        with np.load(path) as file:
            arrays = dict(file)

        def ours() -> None:
            writer(run)

        def peer() -> None:
            np.savez(Path(folder) / "peer.npz", **arrays)

        def mean(write: Callable[[], None]) -> float:
            start = time.perf_counter()
            for _ in range(size):
                write()
            return (time.perf_counter() - start) / size

        seconds = interleaved(lambda _: mean(ours), lambda _: mean(peer), repetitions)
    what = (
        f"a checkpoint of {preset} by OpenAIES with Adam, best genome included; peer: np.savez of the same arrays, "
        "which waits for no disk"
    )
    return Measurement(name, what, *seconds, "s", repetitions, target=target, target_of="ours")


def ray_2(repetitions: int, size: int = 40) -> Measurement:
    """Two Ray actors against two worker processes, on generations of ``size`` candidates."""
    try:
        import ray  # noqa: F401
    except ImportError as error:
        raise DependencyNotInstalled(
            'ray-2 compares with Ray, which is not installed: pip install "hebbian-gym[ray]"'
        ) from error
    from ..distributed import RayEvaluator

    architecture, _ = architecture_for(ANT)
    es = OpenAIES(random_genome(architecture, seed=0, scale=0.1), population_size=size, sigma=0.01)
    task = Task([ANT])

    def speed(evaluator: Evaluator, generation: int) -> float:
        start = time.perf_counter()
        steps = evaluator.evaluate(es.ask(), task, generation).steps.sum()
        return float(steps) / (time.perf_counter() - start)

    with RayEvaluator(architecture, 2, address="local") as actors, ProcessEvaluator(architecture, 2) as processes:
        speeds = interleaved(
            lambda generation: speed(actors, generation), lambda generation: speed(processes, generation), repetitions
        )
    what = f"{size} candidates on {ANT} by 2 Ray actors; peer: ours by 2 worker processes"
    return Measurement("ray-2", what, *speeds, "steps/s", repetitions, better="higher", target=0.9)
