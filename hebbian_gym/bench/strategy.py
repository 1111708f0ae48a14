"""The evolution strategy, beside the same one with the whole population in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc

import numpy as np

from ..architecture import Array
from ..optimizers import OpenAIES
from ..optimizers.shaping import shape_by_rank
from ..processes import THREAD_VARIABLES
from .measurement import Measurement, cpu_time, interleaved

ANT_GENES, CAR_GENES = 61_440, 458_002  # of the presets ant-hebbian and car-hebbian
MEGA = 2.0**20


def es_ask_tell_ant(repetitions: int, size: int = 500) -> Measurement:
    """Ask and tell of the ant's genes, ``size`` candidates."""
    return _ask_tell("es-ask-tell-ant", ANT_GENES, 0.5, 32.0, repetitions, size)


def es_ask_tell_car(repetitions: int, size: int = 200) -> Measurement:
    """Ask and tell of the car's genes, ``size`` candidates."""
    return _ask_tell("es-ask-tell-car", CAR_GENES, 1.5, 64.0, repetitions, size)


def _ask_tell(
    name: str, genes: int, target: float, memory_target_mb: float, repetitions: int, size: int
) -> Measurement:
    """Our ask and tell against the same strategy with the whole population in memory, ``size`` candidates."""
    program = f"from {__name__} import print_ask_tell; print_ask_tell({genes}, {repetitions}, {size})"
    one_core = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")  # numpy reads these when it is imported: a new process
    child = subprocess.run([sys.executable, "-c", program], env=one_core, capture_output=True, text=True, check=False)
    if child.returncode:
        raise RuntimeError(f"the process that measures ask and tell failed:\n{child.stderr}")
    ours, peer, memory = json.loads(child.stdout)
    what = f"ask + tell of {genes:,} genes x {size} candidates; peer: the whole population as one numpy array"
    return Measurement(
        name, what, ours, peer, "s", repetitions,
        target=target, target_of="ours", memory_mb=memory, memory_target_mb=memory_target_mb,
    )  # fmt: skip


def print_ask_tell(genes: int, repetitions: int, candidates: int) -> None:
    """Print, as JSON, the CPU time (s) of ask and tell, that of :func:`whole_population`, and our peak memory (MiB)."""
    rng = np.random.default_rng(0)
    mean, fitness = rng.uniform(-1, 1, genes).astype(np.float32), rng.normal(size=candidates)
    es = OpenAIES(mean, population_size=candidates)

    def ours(_: int) -> float:
        start = cpu_time()
        es.ask()
        es.tell(fitness)
        return cpu_time() - start

    def peer(seed: int) -> float:
        start = cpu_time()
        bits = np.random.Generator(np.random.SFC64(seed))  # the generator that ours uses
        noise = bits.standard_normal((candidates // 2, genes), np.float32)
        whole_population(mean, noise, fitness, es.sigma, es.learning_rate, es.weight_decay)
        return cpu_time() - start

    ours(0)  # what numpy allocates once is not a generation's
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    ours(0)
    memory = (tracemalloc.get_traced_memory()[1] - before) / MEGA
    tracemalloc.stop()
    print(json.dumps([*interleaved(ours, peer, repetitions), memory]))


def whole_population(
    mean: Array, noise: Array, fitness: np.ndarray, sigma: float, learning_rate: float, weight_decay: float
) -> Array:
    """The next mean, by the origin's way: every genome an array in memory, the gradient a matrix product.

    Args:
        mean: shape (genes,).
        noise: of each mirrored pair, shape (pairs, genes).
        fitness: of each candidate, pair by pair, shape (2 pairs,).
        sigma: standard deviation of the noise.
        learning_rate: of the step.
        weight_decay: weight of the penalty.
    """
    population = np.empty((len(fitness), len(mean)), np.float32)
    step = np.float32(sigma) * noise
    np.add(mean, step, out=population[0::2])
    np.subtract(mean, step, out=population[1::2])
    penalty = weight_decay * np.einsum("ij,ij->i", population, population) / len(mean)
    shaped = shape_by_rank(fitness - penalty).astype(np.float32)
    gradient = (shaped[0::2] - shaped[1::2]) @ noise / np.float32(len(fitness) * sigma)
    return mean + np.float32(learning_rate) * gradient
