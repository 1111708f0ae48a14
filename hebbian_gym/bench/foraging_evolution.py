"""The evolution of static foragers' learning rule, a whole population at once, beside one life after another."""

from __future__ import annotations

from contextlib import closing

import gymnasium as gym
import numpy as np

from ..experiments.static_foragers import Budget, Place, errors, genetic, valuer
from ..network import PlasticNetwork
from ..rollout import run_episode
from ..task import lifetime_seeds
from ..threads import torch_threads
from .measurement import Measurement, cpu_time, interleaved

GENERATIONS, MINUTE = 300, 60.0
PEER_LIVES = 5


def foraging_evolution(repetitions: int, size: int = 1000) -> Measurement:
    """A generation in lives of ``size`` steps, as minutes of 300 generations in lives of 1000."""
    budget, architecture = Budget(1, 1, 50, 20, size, 0), valuer()
    agents = budget.population * budget.lives
    scale = GENERATIONS * (1000 / size) / MINUTE
    env = Place().make(agents, size)
    single = gym.make("FoodValuation-v0", max_episode_steps=size)
    idle = np.zeros((agents, 1), np.float32)

    def ours(seed: int) -> float:
        start = cpu_time()
        ga = genetic(architecture, budget.population, seed)
        ga.tell(-errors(architecture, ga.ask().genomes, env, np.array(lifetime_seeds(seed, budget.lives))))
        return scale * (cpu_time() - start)

    def peer(seed: int) -> float:
        network = PlasticNetwork(architecture, genetic(architecture, budget.population, seed).ask().genomes[0])
        start = cpu_time()
        for reset, birth in lifetime_seeds(seed, PEER_LIVES):
            run_episode(single, network, reset, birth)
        return scale * (agents / PEER_LIVES) * (cpu_time() - start)

    def floor() -> float:
        env.reset(seed=0)
        start = cpu_time()
        for _ in range(size):
            env.step(idle)
        return scale * (cpu_time() - start)

    with torch_threads(), closing(env), closing(single):  # on one thread, so that all of its time is this one's
        minutes, of_peer = interleaved(ours, peer, repetitions)
        of_env = float(np.median([floor() for _ in range(repetitions)]))
    what = (
        "300 generations of 50 static foragers, 20 lives of 1000 steps each, on one core: one generation measured, "
        "times 300; peer: our single environment and numba network, 5 lives measured, times 60,000"
    )
    return Measurement(
        "foraging-evolution", what, minutes, of_peer, "min", repetitions,
        target=10.0, target_of="ours", floor=of_env,
    )  # fmt: skip
