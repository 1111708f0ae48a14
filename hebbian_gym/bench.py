"""How fast we are, each figure beside a peer's, measured in the same run.

A repetition measures ours, then the peer; the figures are medians over repetitions. What one core does is measured in
CPU time, so that other programs on the machine disturb it less; what two workers do, in wall time.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from unittest import mock

import gymnasium as gym
import numpy as np
from gymnasium.error import DependencyNotInstalled
from numba import njit
from rich.box import SIMPLE
from rich.table import Table

from .architecture import Architecture, Array, architecture_for, random_genome
from .evaluation import THREAD_VARIABLES, ProcessEvaluator, SerialEvaluator, Task
from .network import PlasticNetwork
from .optimizers import OpenAIES
from .optimizers.openai_es import shape_by_rank

ANT, PEER = "AntUndamaged-v0", "AntBulletEnv-v0"
PEER_PACKAGE = "pybullet_envs_gymnasium"
ANT_SIZES, CAR_SIZES = (28, 128, 64, 8), (648, 128, 64, 3)
ANT_GENES = 61_440
PEER_WARM_UP = 40  # steps with zero action, which in our environment belong to the reset
MICRO, MEGA = 1e6, 2.0**20
cpu_time = time.thread_time  # s; of this thread, because BLAS's idle threads spin


@dataclass(frozen=True)
class Measurement:
    """Ours beside a peer's: medians over interleaved repetitions.

    Attributes:
        name: of the benchmark.
        what: what is ours and what is the peer's, in a line.
        ours, peer: in ``unit``.
        unit: of both.
        repetitions: how many the medians are over.
        better: "lower" or "higher".
        target: what ``target_of`` must reach; None for a figure that is only told.
        target_of: "ratio" or "ours".
        stretch: what it should reach.
        floor: the part of ours that is spent in the physics engine, in ``unit``.
        memory_mb: the most that ours allocated meanwhile, MiB.
        memory_target_mb: what that may be.
    """

    name: str
    what: str
    ours: float
    peer: float
    unit: str
    repetitions: int
    better: str = "lower"
    target: float | None = None
    target_of: str = "ratio"
    stretch: float | None = None
    floor: float | None = None
    memory_mb: float | None = None
    memory_target_mb: float | None = None

    @property
    def ratio(self) -> float:
        """Ours / the peer's."""
        return self.ours / self.peer

    @property
    def met(self) -> bool | None:
        """Whether the targets are met; None if there is none."""
        if self.target is None:
            return None
        value = self.ours if self.target_of == "ours" else self.ratio
        fast = value <= self.target if self.better == "lower" else value >= self.target
        return fast and (self.memory_mb is None or self.memory_mb <= (self.memory_target_mb or np.inf))

    def to_json(self) -> dict[str, Any]:
        """As plain data: every attribute, ``ratio`` and ``met``."""
        return asdict(self) | {"ratio": self.ratio, "met": self.met}


def _interleaved(ours: Callable[[int], float], peer: Callable[[int], float], repetitions: int) -> tuple[float, float]:
    """Medians of both, measured in turn; a first repetition, in which numba compiles, does not count."""
    figures = [(ours(repetition), peer(repetition)) for repetition in range(repetitions + 1)]
    return float(np.median([ours for ours, _ in figures[1:]])), float(np.median([peer for _, peer in figures[1:]]))


def _time_per_call(function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> float:
    """Mean CPU time (us) of a call, over the calls with each of these arguments."""
    calls = list(arguments)
    start = cpu_time()
    for call in calls:
        function(*call)
    return MICRO * (cpu_time() - start) / len(calls)


# --- the ant -------------------------------------------------------------------------------------------------------


@contextmanager
def _ants() -> Iterator[tuple[gym.Env[Any, Any], gym.Env[Any, Any]]]:
    """Our ant and the peer's, both by way of gym.make."""
    ours = gym.make(ANT, disable_env_checker=True)
    with closing(ours):
        from .envs.ant.quiet import quiet

        try:
            with quiet():  # the peer greets and prints its arguments
                import_module(PEER_PACKAGE)  # registers its environments
                peer = gym.make(PEER, disable_env_checker=True)
                peer.reset()
        except ImportError as error:
            raise DependencyNotInstalled(
                f"the ant is compared with that of {PEER_PACKAGE}, which is not installed: pip install {PEER_PACKAGE}"
            ) from error
        with closing(peer):
            yield ours, peer


def _time_per_step(env: gym.Env[Any, Any], actions: Sequence[Array], seed: int, warm_up_steps: int = 0) -> float:
    """Mean CPU time (us) of ``env.step``, after steps with zero action that do not count.

    Steps go on when the peer calls its ant dead: after the warm-up both lie on the ground and struggle, and what costs
    time are the contacts. A peer that is reset whenever it is dead would be falling through the air half of the time.
    """
    env.reset(seed=seed)
    for _ in range(warm_up_steps):
        env.step(np.zeros(8, np.float32))
    return _time_per_call(env.step, ((action,) for action in actions))


def _physics_time_per_step(env: gym.Env[Any, Any], actions: Sequence[Array], seed: int) -> float:
    """The part (us) of :func:`_time_per_step` that is Bullet's stepSimulation."""
    import pybullet

    step, spent = pybullet.stepSimulation, 0.0

    def timed(*arguments: Any) -> None:
        nonlocal spent
        start = cpu_time()
        step(*arguments)
        spent += cpu_time() - start

    env.reset(seed=seed)
    with mock.patch.object(pybullet, "stepSimulation", timed):
        for action in actions:
            env.step(action)
    return MICRO * spent / len(actions)


def ant_env_step(repetitions: int, size: int = 1000) -> Measurement:
    """Our ant's ``env.step`` against the peer's, over ``size`` random actions."""
    actions = list(np.random.default_rng(0).uniform(-1, 1, (size, 8)).astype(np.float32))
    with _ants() as (ours, peer):
        times = _interleaved(
            lambda seed: _time_per_step(ours, actions, seed),
            lambda seed: _time_per_step(peer, actions, seed, PEER_WARM_UP),
            repetitions,
        )
        floor = float(np.median([_physics_time_per_step(ours, actions, seed) for seed in range(1, repetitions + 1)]))
    what = f"{ANT} env.step; peer: {PEER} env.step, same actions"
    return Measurement("ant-env-step", what, *times, "us/step", repetitions, floor=floor)


def ant_inner_loop(repetitions: int, size: int = 1000) -> Measurement:
    """Policy, update and our ``env.step`` against the peer's ``env.step`` alone, over ``size`` steps."""
    with _ants() as (env, peer):
        architecture = Architecture.for_spaces(env.observation_space, env.action_space)
        network = PlasticNetwork(architecture, random_genome(architecture, seed=0, scale=0.5))
        actions: list[Array] = []

        def ours(seed: int) -> float:
            observation, _ = env.reset(seed=seed)
            network.reset(seed)
            actions.clear()
            start = cpu_time()
            for _ in range(size):
                action = network.act(observation)
                observation = env.step(action)[0]
                actions.append(action)
            return MICRO * (cpu_time() - start) / size

        times = _interleaved(ours, lambda seed: _time_per_step(peer, actions, seed, PEER_WARM_UP), repetitions)
    what = f"{_dashed(ANT_SIZES)} ABCD act + learn + {ANT} env.step; peer: {PEER} env.step alone, same actions"
    return Measurement("ant-inner-loop", what, *times, "us/step", repetitions, target=0.40, stretch=0.30)


# --- the rule ------------------------------------------------------------------------------------------------------


@njit
def naive_update(coefficients, weights, activities):  # type: ignore[no-untyped-def]
    """Rule ABCD, synapse by synapse, the way the paper's origin stores it.

    Args:
        coefficients: A, B, C, eta, D of each synapse, float32 of shape (synapses, 5).
        weights: a tuple of one array of shape (inputs, outputs) for each layer; changed in place.
        activities: a tuple of one array for each layer of neurons.
    """
    synapse = 0
    for layer in range(len(weights)):
        w, pre, post = weights[layer], activities[layer], activities[layer + 1]
        for i in range(len(pre)):
            for j in range(len(post)):
                c = coefficients[synapse]
                w[i, j] += c[3] * (c[0] * pre[i] * post[j] + c[1] * pre[i] + c[2] * post[j] + c[4])
                synapse += 1


def naive_coefficients(architecture: Architecture, genome: Array) -> Array:
    """A genome as :func:`naive_update` takes it, float32 of shape (synapses, coefficients)."""
    layers = architecture.split(genome)[0]
    rows = np.concatenate([layer.reshape(len(layer), -1).T for layer in layers])
    return np.ascontiguousarray(rows)  # numba is twice as slow on anything else, which would flatter us


def naive_activities(weights: Sequence[Array], observation: Array) -> tuple[Array, ...]:
    """What every layer of neurons does at an observation, each float32 of shape (neurons,)."""
    activities = [observation]
    for layer in weights:
        activities.append(np.tanh(activities[-1] @ layer))
    return tuple(activities)


def _kernel(name: str, sizes: tuple[int, ...], target: float, repetitions: int, size: int) -> Measurement:
    """PlasticNetwork.act, which is forward pass and update, against the naive update alone, over ``size`` steps."""
    architecture = Architecture(sizes, low=(-1.0,) * sizes[-1], high=(1.0,) * sizes[-1])
    genome = random_genome(architecture, seed=0, scale=0.1)
    network = PlasticNetwork(architecture, genome)
    network.reset(0)
    coefficients, weights = naive_coefficients(architecture, genome), tuple(layer.copy() for layer in network.weights)
    observations = np.random.default_rng(0).uniform(-1, 1, (size, sizes[0])).astype(np.float32)
    activities = [naive_activities(weights, observation) for observation in observations]

    def ours(seed: int) -> float:
        network.reset(seed)
        return _time_per_call(network.act, ((observation,) for observation in observations))

    def peer(seed: int) -> float:
        return _time_per_call(naive_update, ((coefficients, weights, now) for now in activities))

    what = f"{_dashed(sizes)} ABCD act + learn; peer: a naive numba loop over synapses, learning alone"
    times = _interleaved(ours, peer, repetitions)
    return Measurement(name, what, *times, "us/step", repetitions, target=target)


def hebbian_kernel_ant(repetitions: int, size: int = 2000) -> Measurement:
    """Forward pass and update of the ant's network against a naive update alone, over ``size`` steps."""
    return _kernel("hebbian-kernel-ant", ANT_SIZES, 1 / 2, repetitions, size)


def hebbian_kernel_car(repetitions: int, size: int = 500) -> Measurement:
    """Forward pass and update of the car's network against a naive update alone, over ``size`` steps."""
    return _kernel("hebbian-kernel-car", CAR_SIZES, 1 / 3.5, repetitions, size)


def _dashed(sizes: tuple[int, ...]) -> str:
    return "-".join(map(str, sizes))


# --- the evolution strategy ----------------------------------------------------------------------------------------


def es_ask_tell_ant(repetitions: int, size: int = 500) -> Measurement:
    """Our ask and tell against the same strategy with the whole population in memory, ``size`` candidates."""
    program = f"from hebbian_gym import bench; bench.print_ask_tell({repetitions}, {size})"
    one_core = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")  # numpy reads these when it is imported: a new process
    child = subprocess.run([sys.executable, "-c", program], env=one_core, capture_output=True, text=True, check=False)
    if child.returncode:
        raise RuntimeError(f"the process that measures ask and tell failed:\n{child.stderr}")
    ours, peer, memory = json.loads(child.stdout)
    what = f"ask + tell of {ANT_GENES:,} genes x {size} candidates; peer: the whole population as one numpy array"
    return Measurement(
        "es-ask-tell-ant", what, ours, peer, "s", repetitions,
        target=0.5, target_of="ours", memory_mb=memory, memory_target_mb=32.0,
    )  # fmt: skip


def print_ask_tell(repetitions: int, candidates: int) -> None:
    """Print, as JSON, the CPU time (s) of ask and tell, that of :func:`whole_population`, and our peak memory (MiB)."""
    rng = np.random.default_rng(0)
    mean, fitness = rng.uniform(-1, 1, ANT_GENES).astype(np.float32), rng.normal(size=candidates)
    es = OpenAIES(mean, population_size=candidates)

    def ours(_: int) -> float:
        start = cpu_time()
        es.ask()
        es.tell(fitness)
        return cpu_time() - start

    def peer(seed: int) -> float:
        start = cpu_time()
        bits = np.random.Generator(np.random.SFC64(seed))  # the generator that ours uses
        noise = bits.standard_normal((candidates // 2, ANT_GENES), np.float32)
        whole_population(mean, noise, fitness, es.sigma, es.learning_rate, es.weight_decay)
        return cpu_time() - start

    ours(0)  # what numpy allocates once is not a generation's
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    ours(0)
    memory = (tracemalloc.get_traced_memory()[1] - before) / MEGA
    tracemalloc.stop()
    print(json.dumps([*_interleaved(ours, peer, repetitions), memory]))


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


# --- workers -------------------------------------------------------------------------------------------------------


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
        speeds = _interleaved(
            lambda generation: speed(processes, generation), lambda generation: speed(serial, generation), repetitions
        )
    what = f"{size} candidates on {ANT} by 2 worker processes; peer: ours in 1 process"
    return Measurement("workers-2", what, *speeds, "steps/s", repetitions, better="higher", target=1.85)


# --- all of them ---------------------------------------------------------------------------------------------------

BENCHMARKS: dict[str, Callable[..., Measurement]] = {
    "ant-env-step": ant_env_step,
    "ant-inner-loop": ant_inner_loop,
    "hebbian-kernel-ant": hebbian_kernel_ant,
    "hebbian-kernel-car": hebbian_kernel_car,
    "es-ask-tell-ant": es_ask_tell_ant,
    "workers-2": workers_2,
}
"""Each takes ``repetitions``, and ``size``: how much one repetition does."""


def run(
    names: Sequence[str] | None = None, repetitions: int = 5, progress: Callable[[str], None] | None = None
) -> list[Measurement]:
    """Measure.

    Args:
        names: which of :data:`BENCHMARKS`; all by default.
        repetitions: of each measurement.
        progress: called with a benchmark's name before it begins.

    Raises:
        ValueError: for a name that is none of them, or no repetition.
        DependencyNotInstalled: if the peer is missing.
    """
    names = list(names or BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        raise ValueError(f"unknown benchmark {unknown[0]!r}: choose from {', '.join(BENCHMARKS)}")
    if repetitions < 1:
        raise ValueError(f"repetitions must be 1 or more, not {repetitions}")
    measurements = []
    for name in names:
        if progress is not None:
            progress(name)
        measurements.append(BENCHMARKS[name](repetitions))
    return measurements


def as_table(measurements: Sequence[Measurement]) -> Table:
    """The measurements, what they are of and the machine they were taken on, for a rich console."""
    legend = [f"{m.name}: {m.what}" for m in measurements]
    table = Table(box=SIMPLE, caption="\n".join([*legend, "", machine()]), caption_justify="left", pad_edge=False)
    for name in ("benchmark", "ours", "peer", "unit", "ratio", "target", "met"):
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
    for m in measurements:
        target = "" if m.target is None else f"{_SIGNS[m.better]} {m.target:.3g}"
        target += f" {m.unit}" if m.target_of == "ours" else ""
        table.add_row(m.name, _figure(m.ours), _figure(m.peer), m.unit, f"{m.ratio:.3f}", target, _yes_or_no(m.met))
        if m.stretch is not None:
            reached = m.ratio <= m.stretch if m.better == "lower" else m.ratio >= m.stretch
            table.add_row("", "", "", "", "stretch", f"{_SIGNS[m.better]} {m.stretch:.3g}", _yes_or_no(reached))
        if m.floor is not None:
            table.add_row("  of it, physics", _figure(m.floor), "", m.unit)
        if m.memory_mb is not None:
            limit = "" if m.memory_target_mb is None else f"<= {m.memory_target_mb:g} MiB"
            table.add_row("  memory", _figure(m.memory_mb), "", "MiB", "", limit)
    return table


_NUMBERS = ("ours", "peer", "ratio")
_SIGNS = {"lower": "<=", "higher": ">="}


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _yes_or_no(answer: bool | None) -> str:
    return {True: "yes", False: "no", None: ""}[answer]


def machine() -> str:
    """Processor, cores and the versions that matter, in a line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    packages = ["numpy", "numba", "pybullet", PEER_PACKAGE]
    versions = [f"Python {platform.python_version()}", *(f"{name} {_version(name)}" for name in packages)]
    return f"{model}, {os.cpu_count()} cores, {', '.join(versions)}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
