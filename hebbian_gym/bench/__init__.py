"""How fast we are, each figure beside a peer's, measured in the same run.

A repetition measures ours, then the peer; the figures are medians over repetitions. What one core does is measured in
CPU time, so that other programs on the machine disturb it less; what two workers or a disk do, in wall time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gymnasium.error import DependencyNotInstalled

from .ant import ant_env_step, ant_inner_loop
from .car import car_encoder, car_env_step, car_inner_loop, car_reset
from .foraging import foraging_vector
from .foraging_evolution import foraging_evolution
from .line_following import line_following
from .master import checkpoint_ant, checkpoint_car, master_overhead, master_overhead_newborns, message_size, ray_2
from .measurement import Measurement
from .rule import hebbian_kernel_ant, hebbian_kernel_car
from .strategy import es_ask_tell_ant, es_ask_tell_car
from .table import as_table
from .workers import workers_2

__all__ = ["BENCHMARKS", "Measurement", "as_table", "run"]

BENCHMARKS: dict[str, Callable[..., Measurement]] = {
    "ant-env-step": ant_env_step,
    "ant-inner-loop": ant_inner_loop,
    "car-env-step": car_env_step,
    "car-reset": car_reset,
    "car-inner-loop": car_inner_loop,
    "car-encoder": car_encoder,
    "hebbian-kernel-ant": hebbian_kernel_ant,
    "hebbian-kernel-car": hebbian_kernel_car,
    "es-ask-tell-ant": es_ask_tell_ant,
    "es-ask-tell-car": es_ask_tell_car,
    "workers-2": workers_2,
    "ray-2": ray_2,
    "master-overhead": master_overhead,
    "master-overhead-newborns": master_overhead_newborns,
    "message-bytes": message_size,
    "checkpoint-ant": checkpoint_ant,
    "checkpoint-car": checkpoint_car,
    "line-following": line_following,
    "foraging-vector": foraging_vector,
    "foraging-evolution": foraging_evolution,
}
"""Each takes ``repetitions``, and ``size``: how much one repetition does."""


def run(
    names: Sequence[str] | None = None, repetitions: int = 5, progress: Callable[[str], None] | None = None
) -> list[Measurement]:
    """Measure.

    Args:
        names: which of :data:`BENCHMARKS`; by default all but those that something is not installed for.
        repetitions: of each measurement.
        progress: called with a benchmark's name before it begins, and with a sentence on each that is left out.

    Raises:
        ValueError: for a name that is none of them, or no repetition.
        DependencyNotInstalled: if the peer, or what an environment needs, is missing for one of ``names``.
    """
    chosen = list(names or BENCHMARKS)
    if unknown := [name for name in chosen if name not in BENCHMARKS]:
        raise ValueError(f"unknown benchmark {unknown[0]!r}: choose from {', '.join(BENCHMARKS)}")
    if repetitions < 1:
        raise ValueError(f"repetitions must be 1 or more, not {repetitions}")
    tell = progress or (lambda name: None)
    measurements = []
    for name in chosen:
        tell(name)
        try:
            measurements.append(BENCHMARKS[name](repetitions))
        except DependencyNotInstalled as error:
            if names:
                raise
            tell(f"the others: {name} is left out, {error}")
    return measurements
