"""The ant, beside PyBullet's: its step, and all that a lifetime does in a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from typing import Any
from unittest import mock

import gymnasium as gym
import numpy as np
from gymnasium.error import DependencyNotInstalled

from ..architecture import Architecture, Array, random_genome
from ..network import PlasticNetwork
from .measurement import (
    MICRO,
    Measurement,
    cpu_time,
    dashed,
    interleaved,
    time_per_call,
    time_per_lifetime_step,
)

ANT, PEER = "AntUndamaged-v0", "AntBulletEnv-v0"
PEER_PACKAGE = "pybullet_envs_gymnasium"
PEER_WARM_UP = 40  # steps with zero action, which in our environment belong to the reset


@contextmanager
def _ants() -> Iterator[tuple[gym.Env[Any, Any], gym.Env[Any, Any]]]:
    """Our ant and the peer's, both by way of gym.make."""
    ours = gym.make(ANT, disable_env_checker=True)
    with closing(ours):
        from ..envs.ant.quiet import quiet

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
    return time_per_call(env.step, ((action,) for action in actions))


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
        times = interleaved(
            lambda seed: _time_per_step(ours, actions, seed),
            lambda seed: _time_per_step(peer, actions, seed, PEER_WARM_UP),
            repetitions,
        )
        floor = float(np.median([_physics_time_per_step(ours, actions, seed) for seed in range(1, repetitions + 1)]))
    what = f"{ANT} env.step; peer: {PEER} env.step, same actions; simulation: stepSimulation"
    return Measurement("ant-env-step", what, *times, "us/step", repetitions, floor=floor)


def ant_inner_loop(repetitions: int, size: int = 1000) -> Measurement:
    """Policy, update and our ``env.step`` against the peer's ``env.step`` alone, over ``size`` steps."""
    with _ants() as (env, peer):
        architecture = Architecture.for_spaces(env.observation_space, env.action_space)
        network = PlasticNetwork(architecture, random_genome(architecture, seed=0, scale=0.5))
        actions: list[Array] = []

        def ours(seed: int) -> float:
            time, actions[:] = time_per_lifetime_step(env, network, seed, size)
            return time

        times = interleaved(ours, lambda seed: _time_per_step(peer, actions, seed, PEER_WARM_UP), repetitions)
    what = f"{dashed(architecture.sizes)} ABCD act + learn + {ANT} env.step; peer: {PEER} env.step alone, same actions"
    return Measurement("ant-inner-loop", what, *times, "us/step", repetitions, target=0.40, stretch=0.30)
