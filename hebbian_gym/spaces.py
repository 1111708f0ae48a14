"""Between spaces and a network: how many inputs and outputs they ask for, and how actions are scaled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from .encoder import Conv, encoder_shapes

if TYPE_CHECKING:
    from .architecture import Architecture

Array = NDArray[np.float32]


def as_stages(encoder: Any) -> tuple[Conv, ...]:
    """An encoder's stages, given as :class:`Conv` or as their numbers.

    Raises:
        ValueError: if they are anything else.
    """
    try:
        stages = tuple(Conv(*stage) for stage in encoder)
        fits = all(isinstance(number, Integral) for stage in stages for number in stage)
    except TypeError:  # none at all, or too few or too many numbers
        fits = False
    if not fits:
        raise ValueError(
            "encoder must be its stages, each [filters, kernel], [filters, kernel, stride] or "
            f"[filters, kernel, stride, pool], not {encoder!r}"
        )
    return stages


def network_inputs(space: gym.Space[Any], encoder: Sequence[Conv] = ()) -> tuple[int, dict[str, Any]]:
    """How many inputs observations need, and what else an :class:`~hebbian_gym.Architecture` must know of them.

    Args:
        space: a Box, flattened, or encoded if there is an encoder (bytes up to 255 are scaled to [0, 1]); or a
            Discrete, one-hot.
        encoder: stages of convolution.

    Raises:
        ValueError: for any other space, or what are no stages.
    """
    if isinstance(space, gym.spaces.Discrete):
        return int(space.n), {"discrete_observations": int(space.n), "first_observation": int(space.start)}
    if not isinstance(space, gym.spaces.Box):
        raise ValueError(
            f"observations must be a Box or Discrete, not {space}: wrap the environment, "
            "gymnasium.wrappers.FlattenObservation makes a Box of most spaces"
        )
    known: dict[str, Any] = {"observation_shape": space.shape}
    if space.dtype == np.uint8 and (encoder or (space.high == 255).all()):
        known["observation_scale"] = 1 / 255
    features = encoder_shapes(space.shape, as_stages(encoder))[-1] if encoder else space.shape
    return math.prod(features), known


def network_outputs(space: gym.Space[Any]) -> tuple[int, dict[str, Any]]:
    """How many outputs actions need, and what else an :class:`~hebbian_gym.Architecture` must know of them.

    Args:
        space: a Box, squashed to its bounds (logistic for bounds from 0, else tanh; raw where unbounded), or a
            Discrete, where the largest output wins.

    Raises:
        ValueError: for any other space.
    """
    if isinstance(space, gym.spaces.Discrete):
        return int(space.n), {"outputs": ("tanh",) * int(space.n), "first_action": int(space.start)}
    if not (isinstance(space, gym.spaces.Box) and space.shape and np.issubdtype(space.dtype, np.floating)):
        raise ValueError(
            f"actions must be a Box of floats with an axis, or Discrete, not {space}: wrap the environment, "
            "gymnasium.wrappers.TransformAction takes another space"
        )
    low, high = space.low.ravel().astype(float).tolist(), space.high.ravel().astype(float).tolist()
    known = {"outputs": tuple(map(_squash, low, high)), "low": tuple(low), "high": tuple(high)}
    if len(space.shape) != 1:
        known["action_shape"] = space.shape
    return len(low), known


def check_spaces(
    architecture: Architecture, observation: gym.Space[Any], action: gym.Space[Any], name: str
) -> None:  # fmt: skip
    """Nothing, if such a network can live in an environment of that name with these spaces.

    Raises:
        ValueError: if it cannot.
    """
    if not (_sees(architecture, observation) and _acts(architecture, action)):
        sees = architecture.discrete_observations or " x ".join(map(str, architecture.observation_shape))
        acts = f"{architecture.action_size} {'discrete' if architecture.discrete_actions else 'continuous'}"
        raise ValueError(
            f"this network is for {sees} observations and {acts} actions, but {name} has {observation} and {action}: "
            "choose an environment of the shape that it was made for"
        )


def _sees(architecture: Architecture, space: gym.Space[Any]) -> bool:
    if isinstance(space, gym.spaces.Discrete):
        ours = architecture.discrete_observations, architecture.first_observation
        return (space.n, space.start) == ours
    if architecture.encoder:
        return space.shape == architecture.observation_shape
    size = math.prod(space.shape or ())
    return not architecture.discrete_observations and size == math.prod(architecture.observation_shape)


def _acts(architecture: Architecture, space: gym.Space[Any]) -> bool:
    if isinstance(space, gym.spaces.Discrete):
        ours = architecture.action_size, architecture.first_action
        return architecture.discrete_actions and (space.n, space.start) == ours
    if architecture.discrete_actions or not isinstance(space, gym.spaces.Box):
        return False
    if math.prod(space.shape) != architecture.action_size or not np.issubdtype(space.dtype, np.floating):
        return False
    *_, low, high = action_scaling(architecture)
    lowest, highest = (bound.ravel().astype(np.float32) for bound in (space.low, space.high))
    return bool((low >= lowest).all() and (high <= highest).all())  # wider bounds will do


def action_scaling(architecture: Architecture) -> tuple[Array, Array, Array, Array]:
    """Offset, factor, low and high that take squashed outputs to actions, each float32 of shape (action_size,)."""
    bounds = zip(architecture.outputs, architecture.low, architecture.high, strict=not architecture.discrete_actions)
    scaled = [(*_to_bounds(squash, low, high), low, high) for squash, low, high in bounds]
    offset, factor, low, high = np.array(scaled, np.float32).reshape(-1, 4).T.copy()
    # A bound in float64 must not be left by rounding
    low = np.where(low < architecture.low, np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(high > architecture.high, np.nextafter(high, np.float32(-np.inf)), high)
    return offset, factor, low, high


def _to_bounds(squash: str, low: float, high: float) -> tuple[float, float]:
    """Offset and factor that take a squashed output to its bounds; as it is, if there are none."""
    if squash == "raw" or not math.isfinite(high - low):
        return 0.0, 1.0
    return ((low + high) / 2, (high - low) / 2) if squash == "tanh" else (low, high - low)


def _squash(low: float, high: float) -> str:
    if not (math.isfinite(low) and math.isfinite(high)):
        return "raw"
    return "logistic" if low == 0.0 else "tanh"
