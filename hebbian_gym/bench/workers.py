"""Worker processes, beside one process."""

from __future__ import annotations

import time

from ..architecture import architecture_for, random_genome
from ..evaluator import SerialEvaluator
from ..optimizers import OpenAIES
from ..processes import ProcessEvaluator
from ..task import Task
from .ant import ANT
from .measurement import Measurement, interleaved


def workers_2(repetitions: int, size: int = 40) -> Measurement:
    """Two worker processes against one process, on generations of ``size`` candidates."""
    architecture, _ = architecture_for(ANT)
    es = OpenAIES(random_genome(architecture, seed=0, scale=0.1), population_size=size, sigma=0.01)
    task = Task([ANT])

    def speed(evaluator: SerialEvaluator | ProcessEvaluator, generation: int) -> float:
        start = time.perf_counter()
        steps = evaluator.evaluate(es.ask(), task, generation).steps.sum()
        return float(steps) / (time.perf_counter() - start)

    with SerialEvaluator(architecture) as serial, ProcessEvaluator(architecture, 2) as processes:
        speeds = interleaved(
            lambda generation: speed(processes, generation), lambda generation: speed(serial, generation), repetitions
        )
    what = f"{size} candidates on {ANT} by 2 worker processes; peer: ours in 1 process"
    return Measurement("workers-2", what, *speeds, "steps/s", repetitions, better="higher", target=1.85)
