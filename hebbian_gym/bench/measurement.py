"""What a benchmark measures, and how: CPU time of ours and the peer's, in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from ..architecture import Array
from ..network import PlasticNetwork
from ..task import lifetime_seeds

MICRO = 1e6
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
        floor: the part of ours that is simulation, in ``unit``: the engine's step, or where that cannot be told apart
            all of the environment's (of the car's, all but the picture).
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


def interleaved(ours: Callable[[int], float], peer: Callable[[int], float], repetitions: int) -> tuple[float, float]:
    """Medians of both, measured in turn; a first repetition, in which numba compiles, does not count."""
    figures = [(ours(repetition), peer(repetition)) for repetition in range(repetitions + 1)]
    return float(np.median([ours for ours, _ in figures[1:]])), float(np.median([peer for _, peer in figures[1:]]))


def time_per_call(function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> float:
    """Mean CPU time (us) of a call, over the calls with each of these arguments."""
    calls = list(arguments)
    start = cpu_time()
    for call in calls:
        function(*call)
    return MICRO * (cpu_time() - start) / len(calls)


def time_per_lifetime_step(
    env: gym.Env[Any, Any], network: PlasticNetwork, seed: int, steps: int
) -> tuple[float, list[Array]]:
    """Mean CPU time (us) of acting, learning and ``env.step`` in a lifetime of so many steps, and the actions taken.

    The environment is reset with ``seed``, as the peer's is; the birth's seed is another, which derives from it.
    """
    ((_, birth),) = lifetime_seeds(seed)
    observation, _ = env.reset(seed=seed)
    network.reset(birth)
    actions: list[Array] = []
    start = cpu_time()
    for _ in range(steps):
        action = network.act(observation)
        observation = env.step(action)[0]
        actions.append(action)
    return MICRO * (cpu_time() - start) / steps, actions


def dashed(sizes: tuple[int, ...]) -> str:
    """Sizes of layers as one writes them: 28-128-64-8."""
    return "-".join(map(str, sizes))
