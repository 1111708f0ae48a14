"""The arena from above."""

from __future__ import annotations

import numpy as np

from . import robot
from .track import ARENA, Track

SIZE = 500  # pixels, height and width
BODY, FRONT, SENSOR = (80, 130, 200), (150, 190, 235), (220, 60, 50)  # red, green, blue
SENSOR_RADIUS = 0.8  # units


def paint(track: Track, pose: np.ndarray) -> np.ndarray:
    """The track, the robot's body, lighter where its predictors look, and its error sensors.

    Args:
        track: what to paint.
        pose: x, y (units) and heading (rad) of the robot.

    Returns:
        uint8 of shape (500, 500, 3); y points up.
    """
    across = (np.arange(SIZE) + 0.5) * ARENA / SIZE
    nodes = np.rint(across / ARENA * (len(track.distance) - 1)).astype(np.intp)
    blackness = np.clip((track.width / 2.0 - track.distance[np.ix_(nodes, nodes)]) * SIZE / ARENA + 0.5, 0.0, 1.0)
    picture = np.repeat((255.0 * (1.0 - blackness)).astype(np.uint8)[:, :, None], 3, axis=2)
    x, y = np.meshgrid(across - pose[0], across - pose[1])
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    ahead, left = x * cos + y * sin, y * cos - x * sin
    near, far = robot.PREDICTOR_X[0], robot.PREDICTOR_X[-1]
    picture[(np.abs(ahead) <= robot.LENGTH / 2.0) & (np.abs(left) <= robot.BREADTH / 2.0)] = BODY
    seen = (near <= ahead) & (ahead <= far) & (np.abs(left) <= robot.PREDICTOR_Y[0])
    picture[seen] = picture[seen] // 2 + np.array(FRONT, np.uint8) // 2
    picture[np.hypot(ahead - robot.ERROR_X, np.abs(left) - robot.ERROR_Y) <= SENSOR_RADIUS] = SENSOR
    return picture[::-1].copy()
