"""Closed-loop learning on the line follower, beside the same learner in numpy."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np

from ..closed_loop import Array, ClosedLoopNetwork
from ..rollout import Agent, run_episode
from .measurement import Measurement, cpu_time, dashed, interleaved

LINE = "LineFollowing-v0"


class NumpyLearner:
    """What a ClosedLoopNetwork of rule "BP" does, written down layer by layer in numpy.

    Args:
        network: whose sizes, settings and birth it takes.
    """

    def __init__(self, network: ClosedLoopNetwork) -> None:
        self._network = network
        self.reset(0)

    def reset(self, rng: int) -> None:
        self._network.reset(rng)
        self.weights = [layer.copy() for layer in self._network.weights]
        self._activities: list[Array] = []

    def act(self, observation: Any) -> Any:
        """Learn from E, the last number of an observation, then steer."""
        inputs, error = np.asarray(observation[:-1], np.float64), float(observation[-1])
        if not self._activities:
            self._forward(inputs)
        self._learn(error)
        self._forward(inputs)
        return np.array([self._network.readout @ self._activities[-1]], np.float32)

    def _forward(self, inputs: Array) -> None:
        boost = self._network.first_layer_boost
        self._activities = [inputs]
        for layer, weights in enumerate(self.weights):
            z = self._activities[-1] @ weights / (boost if layer == 0 else 1.0)
            self._activities.append(1.0 / (1.0 + np.exp(-z)) - 0.5)

    def _learn(self, error: float) -> None:
        slopes = [(0.5 + f) * (0.5 - f) for f in self._activities[1:]]
        deltas = [slopes[-1] * error]
        for weights, slope in zip(self.weights[:0:-1], slopes[-2::-1], strict=True):
            deltas.insert(0, slope * (weights @ deltas[0]))
        for layer, delta in enumerate(deltas):
            boost = self._network.first_layer_boost if layer == 0 else 1.0
            self.weights[layer] += boost * self._network.learning_rate * np.outer(self._activities[layer], delta)


def line_following(repetitions: int, size: int = 2000) -> Measurement:
    """Environment, filters and learning network, over lifetimes of ``size`` steps; the peer's network is in numpy."""
    from ..envs.line_following import ResonatorBank

    network = ClosedLoopNetwork("BP")
    env: gym.Env[Any, Any] = ResonatorBank(gym.make(LINE, max_episode_steps=size, disable_env_checker=True))

    def speed(learner: Agent, seed: int) -> float:
        env_seed, birth_seed = np.random.SeedSequence(seed).generate_state(2).tolist()
        start = cpu_time()
        steps = run_episode(env, learner, env_seed, birth_seed).steps
        return steps / (cpu_time() - start)

    with closing(env):
        peer = NumpyLearner(ClosedLoopNetwork("BP"))
        speeds = interleaved(lambda seed: speed(network, seed), lambda seed: speed(peer, seed), repetitions)
    sizes = dashed((network.sizes[0], *network.sizes[-2:]))
    what = f"{LINE} + filters + {len(network.sizes) - 1} layers ({sizes}) learning by BP; peer: its network in numpy"
    return Measurement(
        "line-following", what, *speeds, "steps/s", repetitions,
        better="higher", target=2000.0, target_of="ours",
    )  # fmt: skip
