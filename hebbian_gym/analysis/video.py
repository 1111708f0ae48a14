"""A film of a lifetime: the environment's picture, what the network sees, its weights, and below them the reward."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec, load_env_creator

from ..evaluator import make_body
from ..network import PlasticNetwork
from ..palette import BLUE
from ..registration import check_entry, find_spec
from .lifetime import Lifetime, record_lifetime
from .plots import colour

try:
    import imageio.v3 as imageio
    from PIL import Image, ImageDraw
except ImportError as error:  # pragma: no cover
    raise ImportError('films need imageio: pip install "hebbian-gym[plots]"') from error

FRAME_EVERY = 3  # steps: 20 pictures for a second of the ant's 60 steps
GAP, STRIP = 8, 60  # pixels: between panels, height of the reward's strip
SUFFIXES = (".mp4", ".gif")


def film(
    env: str | EnvSpec | gym.Env[Any, Any],
    network: PlasticNetwork,
    path: str | Path,
    env_seed: int = 0,
    birth_seed: int = 0,
    done: Callable[[], None] = lambda: None,
) -> Lifetime:
    """Film one lifetime.

    Args:
        env: an ID or an EnvSpec with an rgb_array render mode, or an environment, of which only the spec is taken.
        network: lives in it.
        path: ends in .mp4 or .gif.
        env_seed: for the environment's reset.
        birth_seed: for the network's birth.
        done: called after each step.

    Raises:
        ValueError: for another ending, or if the environment draws no pictures or does not know an argument.
    """
    if Path(path).suffix not in SUFFIXES:
        raise ValueError(f"a film is written as {' or '.join(SUFFIXES)}, not {Path(path).name}")
    spec = find_spec(env)
    if "rgb_array" not in _render_modes(spec):
        raise ValueError(f"there is no film of {spec.id}: it has no render mode rgb_array")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with make_body(gym.make, spec, False, render_mode="rgb_array", disable_env_checker=True) as made:
        life = record_lifetime(made, network, env_seed, birth_seed, frame_every=FRAME_EVERY, draw=compose, done=done)
        fps = made.metadata.get("render_fps", 30) / FRAME_EVERY
    height, width = (2 * (size // 2) for size in life.frames[0].shape[:2])  # video codecs want even sizes
    frames = np.stack(life.frames)[:, :height, :width]
    mp4: dict[str, Any] = {"fps": fps, "macro_block_size": 2}
    gif: dict[str, Any] = {"duration": 1000 / fps, "loop": 0}  # ms of a frame, for ever
    imageio.imwrite(path, frames, **(mp4 if Path(path).suffix == ".mp4" else gif))
    return life


def _render_modes(spec: EnvSpec) -> Any:
    """Of an environment's class; made with another mode it would only warn."""
    check_entry(spec)
    maker: Any = load_env_creator(spec.entry_point) if isinstance(spec.entry_point, str) else spec.entry_point
    return getattr(maker, "metadata", {}).get("render_modes", ("rgb_array",))  # a function does not say


def compose(picture: np.ndarray, observation: np.ndarray, network: PlasticNetwork, life: Lifetime) -> np.ndarray:
    """The environment's picture; to its right what a network for pixels sees, and the weights; the reward below."""
    height = picture.shape[0]
    seen = [_seen(observation, height)] if network.architecture.encoder else []
    panels = [picture, *seen] + [_layer(weights, height) for weights in network.weights]
    gap = np.full((height, GAP, 3), 255, np.uint8)
    row = np.concatenate([part for panel in panels for part in (panel, gap)][:-1], axis=1)
    strip = _strip(life.rewards, row.shape[1])
    return np.concatenate([row, strip])


def _seen(observation: np.ndarray, height: int) -> np.ndarray:
    """The newest picture of an observation of shape (channels, rows, columns), 0 to 1 or 0 to 255, enlarged."""
    channels = observation[-3:] if len(observation) % 3 == 0 else np.repeat(observation[-1:], 3, axis=0)
    pixels = channels if channels.dtype == np.uint8 else np.rint(255 * channels).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    width = round(image.width * height / image.height)
    return np.asarray(image.resize((width, height), Image.Resampling.NEAREST))


def _layer(weights: np.ndarray, height: int) -> np.ndarray:
    picture = weights.T if weights.shape[0] <= weights.shape[1] else weights
    scale = height / picture.shape[0]
    image = Image.fromarray(colour(picture, float(np.quantile(np.abs(picture), 0.98))))
    width = max(24, round(picture.shape[1] * min(scale, 2.0)))
    return np.asarray(image.resize((width, height), Image.Resampling.NEAREST))


def _strip(rewards: list[float], width: int) -> np.ndarray:
    image = Image.new("RGB", (width, STRIP), "white")
    draw = ImageDraw.Draw(image)
    progress = np.cumsum(rewards)
    low, high = min(0.0, float(progress.min())), max(0.0, float(progress.max()))
    x = np.arange(len(progress)) * (width - 1) / max(len(progress), 1000)
    y = STRIP - 4 - (STRIP - 20) * (progress - low) / max(high - low, 1e-9)
    draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=BLUE, width=2)
    draw.text((4, 2), f"step {len(rewards)}   sum of rewards {round(float(progress[-1]))}", fill="black")
    return np.asarray(image)
