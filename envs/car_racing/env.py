"""The CarRacing environment: Gymnasium's world, our picture."""

from __future__ import annotations

import os
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import DependencyNotInstalled, ResetNeeded

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # pygame greets on standard output
try:
    from gymnasium.envs.box2d.car_racing import CarRacing
except (ImportError, DependencyNotInstalled) as error:
    raise DependencyNotInstalled(
        'CarRacing needs Box2D and pygame: pip install "hebbian-gym[car]" (wheels of box2d: CPython up to 3.13)'
    ) from error

from ..checks import check_choice, check_count, checked_action, is_number, is_whole
from . import raster
from .picture import Painter

SMALLEST, LARGEST = 32, 512  # pixels: below, the score would run into the track; above, the maps would fill the memory
DTYPES = ("float32", "uint8")
GREY = np.array([0.2125, 0.7154, 0.0721], np.float32)  # Gymnasium's weights of red, green and blue
PATIENCE = 20  # early stop: negative rewards in a row that the paper's code bears with
MAX_ATTEMPTS = 1000  # at a track
FRAME_REWARD = -0.1
OFF_FIELD_REWARD = -100.0
TAKES = "the car takes 3 finite numbers (steering, gas, brake)"


class CarRacingEnv(CarRacing):
    """Gymnasium's CarRacing-v3 with a picture that costs little.

    ## Description

    A car seen from above follows a random track, from pixels. World, tracks, rewards and termination are those of
    ``CarRacing-v3``, by its own code; the picture is painted by ours, straight to the asked-for size, and differs from
    Gymnasium's by less than one level in 255 on average (docs/car.md).

    ## Action Space

    ``Box([-1, 0, 0], [1, 1, 1], (3,), float32)``: steering (left to right), gas, brake. With ``continuous=False``
    ``Discrete(5)``: nothing, right, left, gas, brake.

    ## Observation Space

    ``Box(0, 1, (3, 84, 84), float32)``: red, green and blue of the picture, which turns with the car. Below a bar with
    the score, the speed, the turning rates of the four wheels, the steering angle and the turning rate of the car.

    ## Rewards

    -0.1 for each frame and 1000/N for each of the track's N tiles when it is first touched; -100 for the step that
    leaves the playing field. ``info`` carries each term: ``reward_frame``, ``reward_tiles``, ``reward_off_field``;
    also ``tiles_visited`` and ``tiles``, and at the end ``lap_finished``.

    ## Starting State

    At rest on a new track. The camera comes down during the first second.

    ## Episode End

    Terminated when all tiles have been visited, or when the car leaves the playing field. Truncated after 1000 steps
    (by the registration). With ``early_stop`` (meant for evolution, not for scores) truncated at the 21st negative
    reward in a row, as in the code of Najarro & Risi (2020).

    ``lap_complete_percent`` is handed to Gymnasium, where (1.4) it has no effect: a lap would count as complete when,
    after so many other tiles, the start's is touched for the first time, but the car touches it at the reset. So
    CarRacing-v3 ends episodes as v0 did. (A percentage of almost 0 ends them at the first step.)

    ## Arguments

    - ``size``: of the picture: a number of pixels, or (height, width); 32 to 512.
    - ``dtype``: ``"float32"``, 0 to 1, or ``"uint8"``, 0 to 255.
    - ``channels_first``: shape (channels, height, width), or else (height, width, channels).
    - ``grayscale``: one channel instead of three.
    - ``frame_skip``: frames of a step; the action is repeated, rewards are summed, one picture is painted.
    - ``frame_stack``: pictures of an observation, newest last, along the channels.
    - ``indicators``: whether the bar is painted.
    - ``early_stop``: see above.
    - ``lap_complete_percent``, ``domain_randomize``, ``continuous``, ``render_mode``: Gymnasium's own.

    ``render()`` is Gymnasium's own picture, "rgb_array" or "human". ``reset(options={"randomize": False})`` keeps the
    colours where ``domain_randomize`` is set.

    ## Version History

    - v0: first version, on CarRacing-v3.

    Raises:
        ValueError: for an impossible size, dtype or number, or an action that is not three finite numbers.
        RuntimeError: if no track can be made.
        ResetNeeded: for a step before a reset, or after ``close()``.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "human"], "render_fps": 50}  # noqa: RUF012 (Gymnasium's)

    def __init__(
        self,
        size: int | tuple[int, int] = 84,
        dtype: str = "float32",
        channels_first: bool = True,
        grayscale: bool = False,
        frame_skip: int = 1,
        frame_stack: int = 1,
        indicators: bool = True,
        early_stop: bool = False,
        lap_complete_percent: float = 0.95,
        domain_randomize: bool = False,
        continuous: bool = True,
        render_mode: str | None = None,
    ) -> None:
        height, width = _checked_size(size)
        check_choice("dtype", dtype, DTYPES)
        check_count(1, frame_skip=frame_skip, frame_stack=frame_stack)
        if not is_number(lap_complete_percent) or not 0.0 <= lap_complete_percent <= 1.0:
            raise ValueError(f"lap_complete_percent is a fraction in [0, 1], not {lap_complete_percent!r}")
        check_choice("render_mode", render_mode, (*self.metadata["render_modes"], None))
        super().__init__(render_mode, False, lap_complete_percent, domain_randomize, continuous)
        gym.utils.EzPickle.__init__(
            self, size, dtype, channels_first, grayscale, frame_skip, frame_stack, indicators, early_stop,
            lap_complete_percent, domain_randomize, continuous, render_mode,
        )  # fmt: skip
        self._painter = Painter(width, height, indicators)
        self._grayscale, self._channels_first = grayscale, channels_first
        self._channels = 1 if grayscale else 3
        self._frame_skip, self._early_stop = int(frame_skip), early_stop
        self._scale = np.uint8(1) if dtype == "uint8" else np.float32(1 / 255)
        self._stack = np.zeros((int(frame_stack) * self._channels, height, width), dtype)
        self._colour = np.zeros((3, height, width), dtype)
        shape = self._stack.shape if channels_first else (height, width, len(self._stack))
        self.observation_space = spaces.Box(0, 255 if dtype == "uint8" else 1, shape, np.dtype(dtype).type)
        self._attempts = self._negative = 0
        self._blind = self._settling = False
        self._printed = 0.0  # score, as the latest picture shows it

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start on a new track; all randomness is from ``seed``, or goes on from the last one given."""
        self._attempts = self._negative = self._rewarded = 0
        self._blind, self._settling = False, True
        super().reset(seed=seed, options=options)
        self._settling = False
        pictures = self._stack.reshape(-1, self._channels, *self._stack.shape[1:])
        pictures[:-1] = pictures[-1]
        return self._observation(), self._info()

    def _create_track(self) -> bool:
        self._attempts += 1
        if self._attempts > MAX_ATTEMPTS:
            raise RuntimeError(f"no track came about in {MAX_ATTEMPTS} attempts: reset with another seed")
        created = super()._create_track()  # type: ignore[no-untyped-call]
        if created:
            self._lay_out()
        return created

    def _lay_out(self) -> None:
        """Paint the track, and let Gymnasium's code write the colours of touched tiles where we can compare them."""
        road: Any = self.road
        self._is_tile = np.array([isinstance(colour, np.ndarray) for _, colour in self.road_poly])
        self._tile_colours = np.array([tile.color for tile in road], np.float64)
        rows = iter(self._tile_colours)
        self.road_poly = [
            (polygon, next(rows) if is_tile else colour)
            for (polygon, colour), is_tile in zip(self.road_poly, self._is_tile, strict=True)
        ]
        for tile, row in zip(road, self._tile_colours, strict=True):
            tile.color = row
        self._painted_colours = self._tile_colours.copy()
        self._painter.new_track(self.road_poly, self.bg_color, self.grass_color)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Drive for ``frame_skip`` frames of 0.02 s."""
        if self._settling:  # Gymnasium's reset takes a step without an action
            return super().step(action)
        if self.car is None:
            raise ResetNeeded("a car that is closed or new has no track: reset the environment first")
        action = checked_action(action, (3,), TAKES) if self.continuous else _checked_choice(action, self.action_space)
        rewards = 0.0
        for frame in range(1, self._frame_skip + 1):
            self._blind = frame < self._frame_skip
            _, reward, terminated, _, ended = super().step(action)
            rewards += reward
            if terminated:
                break
        if self._blind:  # the episode ended between two pictures
            self._see()
        info = self._info() | ended
        left = info.get("lap_finished") is False
        info["reward_frame"] = FRAME_REWARD * (frame - left)
        info["reward_tiles"] = 1000.0 / len(self.track) * (self.tile_visited_count - self._rewarded)
        info["reward_off_field"] = OFF_FIELD_REWARD * left
        self._rewarded = self.tile_visited_count
        self._negative = self._negative + 1 if rewards < 0.0 else 0
        truncated = self._early_stop and self._negative > PATIENCE
        return self._observation(), rewards, terminated, truncated, info

    def _info(self) -> dict[str, Any]:
        return {"tiles_visited": self.tile_visited_count, "tiles": len(self.track)}

    def _render(self, mode: str) -> np.ndarray | None:
        """Gymnasium's step asks for "state_pixels"; for other modes the picture is its own."""
        if mode != "state_pixels":
            return super()._render(mode)
        self._printed = self.reward  # the frame's own -0.1 comes later
        if not self._blind:
            self._see()
        return None

    def _see(self) -> None:
        """Append the present picture to the stack."""
        touched = np.flatnonzero(self._tile_colours[:, 0] != self._painted_colours[:, 0])
        if touched.size:
            self._painted_colours[touched] = self._tile_colours[touched]
            self._painter.recolour(np.flatnonzero(self._is_tile)[touched], self._tile_colours[touched])
        assert self.car is not None
        picture = self._painter.paint(self.car, self.t, self._printed)
        self._stack[: -self._channels] = self._stack[self._channels :]
        if self._grayscale:
            raster.unpack(picture, self._colour, self._scale)
            grey = np.tensordot(GREY, self._colour, 1)
            self._stack[-1] = np.rint(grey) if self._stack.dtype == np.uint8 else grey
        else:
            raster.unpack(picture, self._stack[-3:], self._scale)

    def close(self) -> None:
        """Close the window, and forget the track: a reset makes another."""
        self._destroy()  # type: ignore[no-untyped-call]
        self.car = None
        # Both point back here, and would keep the maps (some 50 MB) until Python looks for cycles
        self.world.contactListener = self.world.contactListener_bug_workaround = None
        self.contactListener_keepref = None  # type: ignore[assignment]
        super().close()  # type: ignore[no-untyped-call]

    def _observation(self) -> np.ndarray:
        if self._channels_first:
            return self._stack.copy()
        return self._stack.transpose(1, 2, 0).copy()


def _checked_size(size: Any) -> tuple[int, int]:
    """Height and width, or ValueError."""
    both = (size, size) if is_whole(size) else tuple(size) if isinstance(size, tuple | list) else ()
    if len(both) != 2 or not all(is_whole(n) and SMALLEST <= n <= LARGEST for n in both):
        raise ValueError(
            f"size must be a number of pixels from {SMALLEST} to {LARGEST}, or (height, width) of such, not {size!r}"
        )
    return int(both[0]), int(both[1])


def _checked_choice(action: Any, choices: spaces.Space[Any]) -> Any:
    """The action, or ValueError."""
    if not choices.contains(action):
        raise ValueError(f"the car takes a whole number from 0 to 4 (nothing, right, left, gas, brake), not {action!r}")
    return action
