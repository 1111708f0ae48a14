"""The car, beside Gymnasium's: step, reset and all that a lifetime does in a step; the encoder, beside torch's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any
from unittest import mock

import gymnasium as gym
import numpy as np
from gymnasium.error import DependencyNotInstalled

from ..architecture import Architecture, Array, random_genome
from ..encoder import encode, look, make_stages
from ..network import PlasticNetwork
from ..presets import CAR, PRESETS
from .measurement import Measurement, dashed, interleaved, time_per_call, time_per_lifetime_step

PEER = "CarRacing-v3"
PIXELS = 84  # height and width of our picture
LOOK_AHEAD, GENTLE_GAS, GENTLE_SPEED = 6, 0.2, 40.0  # of the scripted drive: tiles, fraction, units of length / s
SCALE = 0.01  # of coefficients


@contextmanager
def _cars() -> Iterator[tuple[gym.Env[Any, Any], gym.Env[Any, Any]]]:
    """Our car and the peer's, both by way of gym.make; meanwhile opencv, like all the rest, uses one thread."""
    try:
        import cv2
    except ImportError as error:
        raise DependencyNotInstalled(
            f"the pictures of {PEER} are resized by opencv, which is not installed: "
            'pip install "hebbian-gym[car]" opencv-python-headless'
        ) from error
    ours = gym.make(CAR, disable_env_checker=True)
    with closing(ours), closing(gym.make(PEER, disable_env_checker=True)) as peer:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            yield ours, peer
        finally:
            cv2.setNumThreads(threads)


def _blind(peer: gym.Env[Any, Any]) -> AbstractContextManager[Any]:
    """While this lasts, Gymnasium's ``_render`` does nothing: what is left of its step is the physics."""
    return mock.patch.object(peer.unwrapped, "_render", lambda mode: None)


def gentle_drive(env: gym.Env[Any, Any], seed: int, steps: int) -> list[Array]:
    """Actions, each float32 of shape (3,), that follow the road of a seed's track at a moderate speed."""
    env.reset(seed=seed)
    world: Any = env.unwrapped
    road = np.array([(x, y) for _, _, x, y in world.track])
    actions: list[Array] = []
    for _ in range(steps):
        hull = world.car.hull
        nearest = np.argmin(np.square(road - hull.position).sum(axis=1))
        right, forward = hull.GetLocalPoint(road[(nearest + LOOK_AHEAD) % len(road)].tolist())
        gas = GENTLE_GAS if hull.linearVelocity.length < GENTLE_SPEED else 0.0
        actions.append(np.array([np.clip(np.arctan2(right, forward), -1, 1), gas, 0], np.float32))
        env.step(actions[-1])
    return actions


def _time_per_step(env: gym.Env[Any, Any], actions: Sequence[Array], seed: int) -> float:
    """Mean CPU time (us) of ``env.step``."""
    env.reset(seed=seed)
    return time_per_call(env.step, ((action,) for action in actions))


def _peer_time_per_step(peer: gym.Env[Any, Any], actions: Sequence[Array], seed: int) -> float:
    """Mean CPU time (us) of the peer's step, whose picture is resized to the size of ours."""
    import cv2

    def step(action: Array) -> None:
        cv2.resize(peer.step(action)[0], (PIXELS, PIXELS), interpolation=cv2.INTER_AREA)

    peer.reset(seed=seed)
    return time_per_call(step, ((action,) for action in actions))


def car_env_step(repetitions: int, size: int = 300) -> Measurement:
    """Our car's ``env.step`` against the peer's and resizing, over the first ``size`` steps along the road.

    Ours has played every drive once before: it keeps the pixels of each score that it has printed, and what counts here
    is the step of a long run.

    The floor is the peer's step with a ``_render`` that does nothing: physics, rewards and the Python around them.
    """
    with _cars() as (ours, peer):
        drives = [gentle_drive(ours, seed, size) for seed in range(repetitions + 1)]
        times = interleaved(
            lambda seed: _time_per_step(ours, drives[seed], seed),
            lambda seed: _peer_time_per_step(peer, drives[seed], seed),
            repetitions,
        )
        with _blind(peer):
            floor = float(np.median([_time_per_step(peer, drives[seed], seed) for seed in range(1, repetitions + 1)]))
    what = (
        f"{CAR} env.step; peer: {PEER} env.step + cv2.resize to {PIXELS} x {PIXELS}, same actions along the road; "
        f"simulation: {PEER} env.step without _render"
    )
    return Measurement(
        "car-env-step", what, *times, "us/step", repetitions,
        target=1 / 18, stretch=1 / 25, floor=floor,
    )  # fmt: skip


def car_reset(repetitions: int, size: int = 20) -> Measurement:
    """Our car's ``env.reset`` against the peer's, over ``size`` seeds, others in each repetition."""

    def time(env: gym.Env[Any, Any], repetition: int) -> float:
        seeds = range(repetition * size, (repetition + 1) * size)
        return time_per_call(lambda seed: env.reset(seed=seed), ((seed,) for seed in seeds)) / 1000

    with _cars() as (ours, peer):
        times = interleaved(lambda n: time(ours, n), lambda n: time(peer, n), repetitions)
    what = f"{CAR} env.reset; peer: {PEER} env.reset, same seeds"
    return Measurement("car-reset", what, *times, "ms", repetitions, target=1.5)


def car_inner_loop(repetitions: int, size: int = 300) -> Measurement:
    """Encoder, policy, update and our ``env.step`` against the peer's step and resizing alone, over ``size`` steps."""
    with _cars() as (env, peer):
        architecture = _architecture(env.observation_space, env.action_space)
        network = PlasticNetwork(architecture, random_genome(architecture, seed=0, scale=SCALE))
        actions: list[Array] = []

        def ours(seed: int) -> float:
            time, actions[:] = time_per_lifetime_step(env, network, seed, size)
            return time

        for seed in range(repetitions + 1):
            ours(seed)  # as in car_env_step, the scores have been printed before
        times = interleaved(ours, lambda seed: _peer_time_per_step(peer, actions, seed), repetitions)
    what = (
        f"encoder + {dashed(architecture.sizes)} {architecture.rule} act + learn + {CAR} env.step; "
        f"peer: {PEER} env.step + cv2.resize alone, same actions"
    )
    return Measurement("car-inner-loop", what, *times, "us/step", repetitions, target=1 / 8, stretch=1 / 12)


def car_encoder(repetitions: int, size: int = 500) -> Measurement:
    """Our encoder against torch's on one thread, ``size`` times the same picture."""
    from ..threads import torch_threads

    picture = np.random.default_rng(0).random((3, PIXELS, PIXELS), np.float32)
    ours, peer = encoders(picture)
    calls: list[tuple[()]] = [()] * size
    with torch_threads():
        times = interleaved(lambda _: time_per_call(ours, calls), lambda _: time_per_call(peer, calls), repetitions)
    shape = " x ".join(map(str, picture.shape))
    what = f"the encoder alone, one picture of {shape}; peer: torch's conv2d, max_pool2d and tanh on one thread"
    return Measurement("car-encoder", what, *times, "us", repetitions)


def encoders(picture: Array) -> tuple[Callable[[], Array], Callable[[], Any]]:
    """Functions that give the features (features,) of a picture (3, 84, 84): in numba, and in torch as a tensor."""
    import torch

    from ..batch import encode as encode_in_torch

    seen, done = gym.spaces.Box(0, 1, picture.shape, np.float32), gym.spaces.Box(-1, 1, (3,), np.float32)
    architecture = _architecture(seen, done)
    kernels = architecture.kernels(random_genome(architecture, seed=0))
    genes = np.concatenate([kernel.ravel() for kernel in kernels])
    stages = make_stages(picture.shape, architecture.encoder)
    features, scale = np.empty(architecture.sizes[0], np.float32), np.float32(architecture.observation_scale)
    pictures, filters = torch.as_tensor(picture)[None], [torch.as_tensor(kernel) for kernel in kernels]

    def ours() -> Array:
        look(picture, scale, stages[0])
        encode(stages, genes, features)
        return features

    def peer() -> Any:
        with torch.inference_mode():
            return encode_in_torch(pictures, filters, architecture.encoder)[0]

    return ours, peer


def _architecture(seen: gym.Space[Any], done: gym.Space[Any]) -> Architecture:
    return Architecture.for_spaces(seen, done, **PRESETS["car-hebbian"].architecture)
