"""CarRacing of this project against Gymnasium's CarRacing-v3: the same world to the last bit, nearly its picture."""

from __future__ import annotations

import functools
from contextlib import closing
from typing import Any

import cv2
import numpy as np
import pytest
from gymnasium.envs.box2d.car_racing import CarRacing
from hebbian_gym.envs.car_racing import CarRacingEnv

BAR = 70 / 80  # of the picture are above it
TRACKS, FRAMES = 10, 50
LANDED = 50  # steps until the camera is down
MOMENTS = [*range(1, LANDED, 5), *range(LANDED, LANDED + 400, 10)]
MAX_ERROR = 2.0  # levels of 255

same_bits = np.testing.assert_array_equal


class Peer(CarRacing):
    """Gymnasium's own, which need not paint where nobody looks: that is nine tenths of its time."""

    blind = True

    def _render(self, mode: str) -> Any:
        return None if self.blind else super()._render(mode)


def cruise(env: CarRacing) -> np.ndarray:
    """An action that keeps to the road, from the car's place on the track."""
    hull, track = env.car.hull, np.array(env.track)[:, 2:]
    nearest = np.argmin(((track - hull.position) ** 2).sum(axis=1))
    near, far = (hull.GetLocalVector(track[(nearest + k) % len(track)] - hull.position) for k in (4, 12))
    bend = abs(np.arctan2(far[0], far[1]))
    too_fast = hull.linearVelocity.length - 60 / (1 + 3 * bend)
    return np.array([np.clip(2 * np.arctan2(near[0], near[1]), -1, 1), 0.4 * (too_fast < 0), 0.2 * (too_fast > 10)])


def wander(env: CarRacing, rng: np.random.Generator) -> Any:
    if not env.continuous:
        return np.int64(rng.choice(5, p=[0.1, 0.2, 0.2, 0.4, 0.1]))
    return rng.uniform([-1, 0, 0], [1, 1, 0.1]).astype(np.float32)


def exaggerate(env: CarRacing, rng: np.random.Generator) -> np.ndarray:
    """Beyond the bounds of the actions."""
    return rng.uniform([-3, -2, -0.1], [3, 3, 0.2])


DRIVERS = {
    "cruises": lambda env, rng: cruise(env),
    "wanders": wander,
    "exaggerates": exaggerate,
    "leaves the field": lambda env, rng: np.array([0, 0.25, 0], np.float32),
}


def state(env: CarRacing) -> np.ndarray:
    """All that moves, and the colours of all that does not."""
    hull = env.car.hull
    numbers = [*hull.position, hull.angle, *hull.linearVelocity, hull.angularVelocity, env.t, env.reward]
    for wheel in env.car.wheels:
        numbers += [
            *wheel.position,
            wheel.angle,
            wheel.omega,
            wheel.phase,
            wheel.joint.angle,
            wheel.gas,
            len(wheel.tiles),
        ]
    return np.array([*numbers, env.tile_visited_count, *env.road_color, *env.bg_color, *env.grass_color])


def same_drive(ours: CarRacingEnv, peer: Peer, driver: str, steps: int, seed: int) -> dict[str, Any]:
    """Step both until the end or for so many steps; what was told last."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        action = DRIVERS[driver](ours, rng)
        _, reward, terminated, truncated, info = ours.step(action)
        _, expected, *ends, told = peer.step(action)
        assert (reward, terminated, truncated) == (expected, *ends)
        assert told.items() <= info.items()
        same_bits(state(ours), state(peer))
        if terminated:
            break
    assert [tile.road_visited for tile in ours.road] == [tile.road_visited for tile in peer.road]
    same_bits([tile.color for tile in ours.road], [tile.color for tile in peer.road])
    return info


@pytest.mark.parametrize(
    ("driver", "kwargs"),
    [
        ("wanders", {}),
        ("wanders", {"continuous": False}),
        ("wanders", {"domain_randomize": True}),
        ("exaggerates", {}),
        ("cruises", {"domain_randomize": True}),
        ("leaves the field", {}),
    ],
    ids=str,
)
def test_the_world_is_the_peers_bit_for_bit(driver: str, kwargs: dict[str, Any]) -> None:
    with closing(CarRacingEnv(**kwargs)) as ours, closing(Peer(**kwargs)) as peer:
        for seed in range(3):
            ours.reset(seed=seed), peer.reset(seed=seed)
            same_bits(ours.track, peer.track)
            same_bits(state(ours), state(peer))
            info = same_drive(ours, peer, driver, 400, seed)
            assert info["tiles_visited"] > 2
            if driver == "leaves the field":
                assert info["lap_finished"] is False


@pytest.mark.parametrize("percent", [0.95, 1.0])
def test_a_lap_ends_as_the_peers(percent: float) -> None:
    with (
        closing(CarRacingEnv(lap_complete_percent=percent)) as ours,
        closing(Peer(lap_complete_percent=percent)) as peer,
    ):
        ours.reset(seed=3), peer.reset(seed=3)
        info = same_drive(ours, peer, "cruises", 2500, 0)
        assert info["lap_finished"] is True
        assert info["tiles_visited"] > percent * info["tiles"] - 1


@pytest.mark.parametrize("kwargs", [{}, {"domain_randomize": True}], ids=str)
def test_later_resets_are_the_peers(kwargs: dict[str, Any]) -> None:
    with closing(CarRacingEnv(**kwargs)) as ours, closing(Peer(**kwargs)) as peer:
        for seed, options in (
            (1, None),
            (None, None),
            (None, {"randomize": False}),
            (None, {"randomize": True}),
            (7, {}),
        ):
            ours.reset(seed=seed, options=options), peer.reset(seed=seed, options=options)
            same_bits(ours.track, peer.track)
            same_bits(state(ours), state(peer))
            same_drive(ours, peer, "wanders", 60, 0)


# The picture


@functools.cache
def gallery(size: tuple[int, int], domain_randomize: bool) -> tuple[np.ndarray, np.ndarray]:
    """Our pictures and the peer's, resized, of a cruise on each track: float64 of shape (tracks, frames, ..., 3)."""
    pictures = np.zeros((2, TRACKS, len(MOMENTS), *size, 3))
    ours = CarRacingEnv(size=size, dtype="uint8", channels_first=False, domain_randomize=domain_randomize)
    with closing(ours), closing(Peer(domain_randomize=domain_randomize)) as peer:
        for track in range(TRACKS):
            ours.reset(seed=track), peer.reset(seed=track)
            for t in range(1, MOMENTS[-1] + 1):
                action = cruise(ours)
                peer.blind = t not in MOMENTS
                mine, theirs = ours.step(action)[0], peer.step(action)[0]
                if not peer.blind:
                    frame = MOMENTS.index(t)
                    pictures[:, track, frame] = mine, cv2.resize(theirs, size[::-1], interpolation=cv2.INTER_AREA)
    return pictures[0], pictures[1]


galleries = pytest.mark.parametrize(
    ("size", "domain_randomize"), [((84, 84), False), ((84, 84), True), ((96, 96), False), ((48, 72), False)], ids=str
)


@galleries
def test_pictures_are_the_peers_within_two_levels(size: tuple[int, int], domain_randomize: bool) -> None:
    """In the mean, and each single one; while the camera comes down and after."""
    ours, peers = gallery(size, domain_randomize)
    errors = np.abs(ours - peers).mean(axis=(2, 3, 4))
    assert errors.shape == (TRACKS, FRAMES)
    assert errors.mean() < MAX_ERROR / 2
    assert errors.max() <= MAX_ERROR
    above = np.abs(ours - peers)[:, :, : int(BAR * size[0])].mean(axis=(2, 3, 4))
    assert above.max() <= MAX_ERROR
    assert peers.std(axis=(0, 1)).mean() > 10  # they are not all the same


def shift(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """By how many pixels the one lies to the right of the other and below it: phase correlation above the bar."""
    rows = int(BAR * len(one)) // 8 * 8  # OpenCV is half a pixel off where it pads to an odd number
    window = cv2.createHanningWindow((one.shape[1], rows), cv2.CV_64F)
    (x, y), _ = cv2.phaseCorrelate(other[:rows].mean(axis=2), one[:rows].mean(axis=2), window)
    return x, y


@galleries
def test_pictures_are_not_shifted(size: tuple[int, int], domain_randomize: bool) -> None:
    """Once the camera is down. The yardstick does see pictures that are moved by a pixel."""
    first = sum(t < LANDED for t in MOMENTS)
    ours, peers = (pictures[:, first:].reshape(-1, *size, 3) for pictures in gallery(size, domain_randomize))
    assert len(ours) == TRACKS * (FRAMES - first)
    shifts = np.array([shift(*pair) for pair in zip(ours, peers, strict=True)])
    assert np.abs(np.median(shifts, axis=0)).max() < 0.1
    assert np.median(np.abs(shifts), axis=0).max() < 0.5
    moved = [shift(np.roll(one, (1, 1), axis=(0, 1)), other) for one, other in zip(ours, peers, strict=True)]
    assert np.median(moved, axis=0).min() > 0.5


@galleries
def test_no_place_is_off_by_much_in_the_mean(size: tuple[int, int], domain_randomize: bool) -> None:
    """Over all frames. The car and the bar, always in the same place, are sharper than in a resized picture."""
    ours, peers = gallery(size, domain_randomize)
    difference = (ours - peers).mean(axis=(0, 1))
    assert np.abs(difference.mean(axis=(0, 1))).max() < 0.5  # of each colour
    assert np.abs(difference[: size[0] // 2]).max() < 15
    if size == (96, 96):
        assert np.abs(difference).max() < 25
