"""The line following environment."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from ..checks import check_choice, check_count, check_number, checked_action
from . import robot
from .picture import paint
from .success import Success
from .track import ARENA, REACH, WIDTH, Points, Track, make_track

STEERING_BOUND = 10.0  # units / s
ERROR_SCALE = 11.6 / 50.0  # of the reward, per unit of reflex gain: the authors' largest error, 11.6 at gain 50
LARGEST_DIFFERENCE = 1.0 / (1.0 + math.exp(-1.0)) - 0.5  # of two ground sensors: white minus black
OUT_OF_SIGHT = 1.0 + robot.ERROR_Y  # units, and half the line: from here on no error sensor sees it
TAKES = "the robot takes an array of one finite number, the steering"


class LineFollowingEnv(gym.Env[np.ndarray, np.ndarray], gym.utils.EzPickle):
    """A robot with a reflex follows a line; what learns may steer before the reflex has to.

    ## Description

    A robot on two wheels drives along a black line on white ground, in an arena of 250 x 250 units (cm, we infer). Two
    ground sensors, 10 units ahead, 5 to the left and 5 to the right, make the error E = ``reflex_gain`` x (left -
    right): positive when the line is on the right, 0 while it is within 2.5 units of the middle. The reflex steers by
    E; the action is added to it. Three rows of sensors a little further ahead see the line before the error does.
    After Daryanavard & Porr's simulated line follower (arXiv 2110.07292, 2309.03825): its numbers are those of the
    authors' program; the track, Gymnasium's spaces and rewards, and whatever is called our choice below are ours.

    A control step is 30 ms: wheel speeds are set, left to ``speed`` + E + action and right to ``speed`` - E - action,
    limited to 100 units/s, each multiplied by a number from U(1 - ``wheel_noise``, 1 + ``wheel_noise``), and the robot
    moves three times by 10 ms. The wheels are 5.2 units apart and neither slip nor need time to turn (our choice).
    Walls keep the robot's centre in the arena (our choice).

    Ground sensors tell 1 / (1 + exp(-grey)): white 0.731, black 0.5. Grey is a mean over 9 x 9 samples of a patch of
    2 x 2 units, weighted by a Gaussian (sd 0.4 for the error, 2 for predictors); the patch lies along the arena's axes
    (our choice). It is looked up in a map made once, linear between nodes 0.25 units apart. Taking the 81 samples from
    the same smooth-edged line instead would change what an error sensor tells near the line by 0.0007 on average and
    0.006 at most (a predictor: 0.0004 and 0.004), of 0.231 between white and black; taking samples that are either
    black or white, by 0.002 and 0.024 (0.0014 and 0.014), which is the coarseness of such samples.

    ## Action Space

    ``Box(-10, 10, (1,), float32)``: steering (units/s), added to the left wheel and taken off the right one, so that
    positive turns right; clipped.

    ## Observation Space

    ``Box(float32)`` of shape (145,):

    | Num | Observation | Min | Max | Type (Unit) |
    |---|---|---|---|---|
    | 0-47 | nearest row of predictors, 11 units ahead, from 5.875 units left to 5.875 right | 0 | 0.231059 | - |
    | 48-95 | the next row, 12 units ahead | 0 | 0.231059 | - |
    | 96-143 | the third row, 13 units ahead | 0 | 0.231059 | - |
    | 144 | error E | -0.2311 x ``reflex_gain`` | 0.2311 x ``reflex_gain`` | speed (units/s) |

    A predictor is max(0, 0.731059 - sensor): 0.231 on the line.

    ## Rewards

    ``reward_error``: -abs(E) / 11.6, with another ``reflex_gain`` than 50 in proportion. ``reward_lost``:
    -``lost_cost`` in each step in which the line is lost, that is out of sight of both error sensors. ``info`` carries
    both, and also ``error`` (E), ``x``, ``y`` (units), ``heading`` (rad, counter-clockwise from +x),
    ``line_distance`` (units, at most 10, from the point between the error sensors to the line's centre), ``lost``,
    ``success`` and ``success_step``.

    Without ``lost_cost`` the reward does not ask that the line is followed: far from it E is 0 as well. The learners
    of the authors do not use rewards; for those that do, set it to 1.

    ``success``: the sum of abs(E) over ``success_window`` steps has been below ``success_threshold`` in
    ``success_hold`` steps in a row, the first of them after ``success_window`` steps; once met it stays. As our
    addition, the line must not have been lost in any of them. ``success_step``, -1 before, is the number of the first
    of these steps.

    ## Starting State

    The robot's centre on the track's first point, heading for the second (our choice; in the authors' program it meets
    the line a little later), or ``start``. The seed decides the noise of the wheels.

    ## Episode End

    Truncated after 5,000 steps (by the registration); never terminated.

    ## Arguments

    - ``track``: points (x, y) of a closed polygon (units), which must not meet itself nor leave the arena. Lists, if
      the environment's spec is to be written as JSON.
    - ``track_width``: of the line (units), below 8.
    - ``reflex_gain``: 50; the authors' runs with the reflex alone have 200.
    - ``speed``: 30 units/s; the authors' runs with the reflex alone have 60.
    - ``wheel_noise``: 0.05, a fraction.
    - ``start``: x, y (units) and heading (rad).
    - ``lost_cost``: see Rewards; 0.
    - ``success_threshold``, ``success_window``, ``success_hold``: 0.1 units/s, 200 and 200 steps.
    - ``render_mode``: ``"rgb_array"``: the arena from above, y upwards, 500 x 500 pixels.

    ## Version History

    - v0: first version.

    Raises:
        ValueError: for an impossible track, number or render mode, or an action that is not one finite number.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 33}  # noqa: RUF012 (Gymnasium's)

    def __init__(
        self,
        track: Points | None = None,
        track_width: float = WIDTH,
        reflex_gain: float = 50.0,
        speed: float = 30.0,
        wheel_noise: float = 0.05,
        start: tuple[float, float, float] | None = None,
        lost_cost: float = 0.0,
        success_threshold: float = 0.1,
        success_window: int = 200,
        success_hold: int = 200,
        render_mode: str | None = None,
    ) -> None:
        gym.utils.EzPickle.__init__(
            self, track, track_width, reflex_gain, speed, wheel_noise, start, lost_cost,
            success_threshold, success_window, success_hold, render_mode,
        )  # fmt: skip
        check_number(0.0, math.inf, reflex_gain=reflex_gain, lost_cost=lost_cost, success_threshold=success_threshold)
        check_number(-robot.MAX_WHEEL_SPEED, robot.MAX_WHEEL_SPEED, speed=speed)
        check_number(0.0, 1.0, wheel_noise=wheel_noise)
        check_count(1, success_window=success_window, success_hold=success_hold)
        check_choice("render_mode", render_mode, (*self.metadata["render_modes"], None))
        self.track: Track = make_track(track, track_width)
        self._start = _first_pose(self.track) if start is None else _checked_start(start)
        self._reflex_gain, self._speed, self._noise = float(reflex_gain), float(speed), float(wheel_noise)
        self._lost_cost, self._error_scale = float(lost_cost), ERROR_SCALE * self._reflex_gain or 1.0
        self._out_of_sight = OUT_OF_SIGHT + self.track.width / 2.0
        if self._out_of_sight >= REACH:  # distances beyond are not known
            raise ValueError(f"track_width must be below {2 * (REACH - OUT_OF_SIGHT):g} units, not {track_width}")
        self._success = Success(float(success_threshold), int(success_window), int(success_hold))
        self.render_mode = render_mode
        high = np.full(robot.PREDICTORS + 1, robot.WHITE - 0.5, np.float32)
        high[-1] = np.nextafter(np.float32(LARGEST_DIFFERENCE * self._reflex_gain), np.float32(np.inf))
        low = np.zeros_like(high)
        low[-1] = -high[-1]
        self.observation_space = spaces.Box(low, high, dtype=np.float32)
        self.action_space = spaces.Box(-STEERING_BOUND, STEERING_BOUND, (1,), np.float32)
        self._maps = (self.track.distance, self.track.error, self.track.predictor)
        self._pose = self._start.copy()
        self._sense()

    def _sense(self) -> np.ndarray:
        """Read the sensors; the new observation."""
        observation = np.empty(robot.PREDICTORS + 1, np.float32)
        difference, self._line_distance = robot.sense(self._pose, *self._maps, observation)
        self._error = self._reflex_gain * difference
        observation[-1] = self._error
        self._lost = self._line_distance > self._out_of_sight
        return observation

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Put the robot at its start; the wheels' noise is from ``seed``, or goes on from the last one given."""
        super().reset(seed=seed)
        self._pose[:] = self._start
        self._success.reset()
        return self._sense(), self._info()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Drive for 30 ms."""
        steering = checked_action(action, (1,), TAKES).item()
        if abs(steering) > STEERING_BOUND:
            steering = math.copysign(STEERING_BOUND, steering)
        steering += self._error
        most = robot.MAX_WHEEL_SPEED
        left = min(max(self._speed + steering, -most), most)
        right = min(max(self._speed - steering, -most), most)
        noise, (u, v) = self._noise, self.np_random.random(2).tolist()
        robot.move(self._pose, left * (1.0 + noise * (2.0 * u - 1.0)), right * (1.0 + noise * (2.0 * v - 1.0)), ARENA)
        observation = self._sense()
        self._success.count(math.inf if self._lost else abs(self._error))
        info = self._info()
        info["reward_error"] = -abs(self._error) / self._error_scale
        info["reward_lost"] = -self._lost_cost * self._lost
        return observation, info["reward_error"] + info["reward_lost"], False, False, info

    def _info(self) -> dict[str, Any]:
        x, y, heading = self._pose.tolist()
        return {
            "error": self._error,
            "x": x,
            "y": y,
            "heading": heading,
            "line_distance": self._line_distance,
            "lost": self._lost,
            "success": self._success.step >= 0,
            "success_step": self._success.step,
        }

    def render(self) -> np.ndarray | None:
        """A picture of the whole arena from above, uint8 of shape (500, 500, 3)."""
        return paint(self.track, self._pose) if self.render_mode == "rgb_array" else None


def _first_pose(track: Track) -> np.ndarray:
    """On the track's first point, heading for the second."""
    first, second = track.points[:2]
    return np.array([*first, np.arctan2(*(second - first)[::-1])])


def _checked_start(start: tuple[float, float, float]) -> np.ndarray:
    """The pose as float64 of shape (3,), or ValueError."""
    try:
        pose = np.array(start, dtype=np.float64)
    except (TypeError, ValueError):
        pose = np.full(3, np.nan)
    if pose.shape != (3,) or not np.all(np.isfinite(pose)) or pose[:2].min() < 0.0 or pose[:2].max() > ARENA:
        raise ValueError(f"start is x, y in the arena (0 to {ARENA:g} units) and a heading (rad), not {start!r}")
    return pose
