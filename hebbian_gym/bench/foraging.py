"""Many foragers at once, beside as many environments."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from .measurement import Measurement, cpu_time, interleaved

FORAGING, AGENTS = "Foraging-v0", 100


def foraging_vector(repetitions: int, size: int = 300) -> Measurement:
    """``size`` steps of 100 foragers in one vector environment; the peer steps 100 single environments of ours."""
    ours = gym.make_vec(FORAGING, AGENTS, "vector_entry_point")
    peer = gym.make_vec(FORAGING, AGENTS, "sync", disable_env_checker=True)
    ours.action_space.seed(0)
    actions = [ours.action_space.sample() for _ in range(size)]

    def speed(env: gym.vector.VectorEnv[Any, Any, Any], seed: int) -> float:
        env.reset(seed=seed)
        start = cpu_time()
        for action in actions:
            env.step(action)
        return size * AGENTS / (cpu_time() - start)

    try:
        speeds = interleaved(lambda seed: speed(ours, seed), lambda seed: speed(peer, seed), repetitions)
    finally:
        ours.close()
        peer.close()
    what = f"steps of agents, {AGENTS} of {FORAGING} at once; peer: SyncVectorEnv of {AGENTS} single ones of ours"
    return Measurement(
        "foraging-vector", what, *speeds, "steps/s", repetitions,
        better="higher", target=300_000.0, target_of="ours",
    )  # fmt: skip
