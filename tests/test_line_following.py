"""The line follower by itself, and the filters between it and a network."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.passive_env_checker import env_render_passive_checker
from hebbian_gym.envs.line_following import LineFollowingEnv, ResonatorBank, RoadBend, robot, track
from hebbian_gym.envs.line_following.success import Success

ID = "LineFollowing-v0"
SQUARE = [[50.0, 50.0], [200.0, 50.0], [200.0, 200.0], [50.0, 200.0]]  # along y = 50 a line as straight as can be
BLACK, WHITE = 0.5, 1 / (1 + math.exp(-1))
NOTHING = np.zeros(1, np.float32)

same_bits = np.testing.assert_array_equal
Make = Callable[..., gym.Env]


def on_the_square(y: float, heading: float = 0.0, **kwargs: Any) -> tuple[LineFollowingEnv, np.ndarray, dict[str, Any]]:
    """A robot on the square's lower side, with its error sensors around x = 125; environment, observation and info."""
    start = (125.0 - 10.0 * math.cos(heading), y - 10.0 * math.sin(heading), heading)
    env = LineFollowingEnv(SQUARE, start=start, wheel_noise=0.0, **kwargs)
    return env, *env.reset(seed=0)


def far_away(**kwargs: Any) -> LineFollowingEnv:
    """A robot in the middle of the square, where there is nothing to be seen, heading for +x; no noise."""
    env = LineFollowingEnv(SQUARE, start=(125.0, 125.0, 0.0), wheel_noise=0.0, **kwargs)
    env.reset(seed=0)
    return env


def row(observation: np.ndarray, reward: float, terminated: bool, truncated: bool, info: dict[str, Any]) -> np.ndarray:
    """All that a step tells, in one array."""
    return np.array([*observation, reward, terminated, truncated, *(info[name] for name in sorted(info))], np.float64)


def living(env: gym.Env, seed: int, steps: int = 60) -> Iterator[np.ndarray]:
    """An episode under random actions, row by row."""
    observation, info = env.reset(seed=seed)
    yield row(observation, 0.0, False, False, info | {"reward_error": 0.0, "reward_lost": 0.0})
    for action in np.random.default_rng(seed).uniform(-10, 10, (steps, 1)).astype(np.float32):
        yield row(*env.step(action))


def episode(env: gym.Env, seed: int, steps: int = 60) -> np.ndarray:
    return np.array(list(living(env, seed, steps)))


# Gymnasium's protocol


@pytest.mark.filterwarnings("ignore:.*we recommend using a symmetric and normalized space:UserWarning")  # -10 to 10
@pytest.mark.parametrize("wrap", [lambda env: env, ResonatorBank, RoadBend, lambda env: ResonatorBank(RoadBend(env))])
def test_gymnasium_has_no_complaint(make: Make, wrap: Callable[[gym.Env], gym.Env]) -> None:
    check_env(make(ID).unwrapped)
    observation, _ = wrap(make(ID)).reset(seed=0)
    assert observation.dtype == np.float32
    pictured = make(ID, render_mode="rgb_array").unwrapped
    pictured.reset(seed=0)
    env_render_passive_checker(pictured)


def test_every_observation_is_in_its_space(make: Make) -> None:
    env = ResonatorBank(RoadBend(make(ID, lost_cost=1.0)))
    rng = np.random.default_rng(0)
    observations = [env.reset(seed=0)[0]]
    for _ in range(600):
        observation, reward, *_ = env.step(rng.uniform(-10, 10, 1).astype(np.float32))
        assert -2 <= reward <= 0
        observations.append(observation)
    assert all(env.observation_space.contains(observation) for observation in observations)
    assert np.max(observations, axis=0)[:720].max() > 0.2


KWARGS = {"track": SQUARE, "track_width": 3, "reflex_gain": 200.0, "speed": 60.0, "start": [60.0, 50.0, 0.1]}


@pytest.mark.parametrize("kwargs", [{}, KWARGS, {"wheel_noise": 0.2, "success_window": 7, "lost_cost": 1.0}])
def test_an_environment_survives_json_and_pickle(make: Make, kwargs: dict[str, Any]) -> None:
    env = make(ID, **kwargs)
    spec = EnvSpec.from_json(env.spec.to_json())
    assert spec == env.spec
    same_bits(episode(make(spec), 1), episode(env, 1))
    same_bits(episode(pickle.loads(pickle.dumps(env)), 1), episode(env, 1))


def test_the_wrappers_are_part_of_the_spec(make: Make) -> None:
    env = ResonatorBank(RoadBend(make(ID)), filters=3, slowest=8.0)
    again = make(EnvSpec.from_json(env.spec.to_json()))
    assert again.observation_space == env.observation_space
    same_bits(episode(again, 1), episode(env, 1))


def test_time_is_up_after_5000_steps_and_not_before(make: Make) -> None:
    env = make(ID)
    env.reset(seed=0)
    ends = [env.step(NOTHING)[2:4] for _ in range(5000)]
    assert ends == [(False, False)] * 4999 + [(False, True)]


@pytest.mark.parametrize("action", [[math.nan], [math.inf], [], [0.0, 0.0], 0.0, "left", None, [1j]])
def test_what_is_not_one_number_is_no_action(action: Any) -> None:
    env = far_away()
    with pytest.raises(ValueError, match="one finite number"):
        env.step(action)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"reflex_gain": -1.0}, {"reflex_gain": math.nan}, {"speed": 101.0}, {"speed": "fast"}, {"wheel_noise": 1.5},
        {"wheel_noise": True}, {"start": (0.0, 0.0)}, {"start": (0.0, 300.0, 0.0)}, {"start": (1.0, 1.0, math.nan)},
        {"start": "here"}, {"lost_cost": -1.0}, {"success_window": 0}, {"success_hold": 2.0},
        {"success_threshold": "x"},
        {"track_width": 0.0}, {"track_width": True}, {"track_width": 8.0}, {"track_width": math.nan},
        {"track_width": "wide"}, {"render_mode": "human"},
    ],
)  # fmt: skip
def test_an_impossible_number_is_told_by_its_name(kwargs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(kwargs))):
        LineFollowingEnv(**kwargs)


NUMPYS = {
    "track_width": np.float32(3.0), "reflex_gain": np.float32(200.1), "speed": np.float32(30.0),
    "wheel_noise": np.float32(0.1), "lost_cost": np.int64(1), "success_threshold": np.float32(50.0),
    "success_window": np.int64(20), "success_hold": np.uint8(5),
}  # fmt: skip


def test_numbers_may_be_numpys(make: Make) -> None:
    theirs, ours = make(ID, **NUMPYS), make(ID, **{name: number.item() for name, number in NUMPYS.items()})
    assert theirs.observation_space == ours.observation_space
    same_bits(episode(theirs, 0), episode(ours, 0))


# Determinism


def test_an_episode_does_not_depend_on_what_the_env_has_been_through(make: Make) -> None:
    expected = episode(ResonatorBank(make(ID)), 7)
    used = ResonatorBank(make(ID))
    episode(used, 1, steps=500)
    used.reset(seed=2)
    used.step(np.ones(1, np.float32))  # left in mid-episode
    used.reset()
    same_bits(episode(used, 7), expected)
    same_bits(episode(used, 7), expected)
    assert not np.array_equal(episode(used, 8), expected)


def test_resets_without_a_seed_go_on_from_the_last_one(make: Make) -> None:
    def three(env: gym.Env) -> list[float]:
        places = []
        for seed in (4, None, None):
            env.reset(seed=seed)
            places.append(env.step(NOTHING)[4]["y"])
        return places

    fresh, used = make(ID), make(ID)
    episode(used, 1)
    assert three(fresh) == three(used)
    assert len(set(three(fresh))) == 3


def test_envs_in_one_process_do_not_disturb_each_other(make: Make) -> None:
    alone = [episode(make(ID), seed) for seed in (0, 1)]
    together = [list(pair) for pair in zip(living(make(ID), 0), living(make(ID), 1), strict=True)]
    same_bits(np.array(together).swapaxes(0, 1), alone)


def test_an_observation_is_the_readers_to_keep() -> None:
    env = LineFollowingEnv()
    first, _ = env.reset(seed=0)
    kept = first.copy()
    second = env.step(NOTHING)[0]
    same_bits(first, kept)
    assert not np.array_equal(first, second)


# Wheels


def test_without_steering_the_robot_drives_straight_on() -> None:
    env = far_away()
    for _ in range(100):
        info = env.step(NOTHING)[4]
    assert (info["x"], info["y"], info["heading"]) == (pytest.approx(125 + 30 * 3), 125, 0)


@pytest.mark.parametrize("steering", [-9.0, -2.0, 2.0, 9.0])
def test_steering_makes_a_circle_of_the_closed_form_and_positive_turns_right(steering: float) -> None:
    env = far_away()
    turning = -2 * steering / 5.2  # rad / s
    radius = 30 / turning
    steps = 60
    for step in range(1, steps + 1):
        info = env.step(np.array([steering], np.float32))[4]
        angle = turning * 0.03 * step
        assert info["x"] == pytest.approx(125 + radius * math.sin(angle), abs=1e-2)
        assert info["y"] == pytest.approx(125 + radius * (1 - math.cos(angle)), abs=1e-2)
        assert math.remainder(info["heading"] - angle, 2 * math.pi) == pytest.approx(0, abs=1e-9)
        assert -math.pi <= info["heading"] < math.pi


def test_the_action_is_clipped_and_wheels_have_a_limit() -> None:
    headings = []
    for action in (10.0, 1e6):
        env = far_away()
        headings.append(env.step(np.array([action], np.float32))[4]["heading"])
    assert headings[0] == headings[1] == pytest.approx(-2 * 10 / 5.2 * 0.03)
    env = far_away(speed=95.0)  # left wheel 105, limited to 100, right wheel 85
    assert env.step(np.array([10.0]))[4]["heading"] == pytest.approx(-15 / 5.2 * 0.03)


def test_the_noise_of_the_wheels_is_uniform_and_of_each_by_itself() -> None:
    env = LineFollowingEnv(SQUARE, start=(125.0, 125.0, 0.0), wheel_noise=0.1)
    wheels = []
    for seed in range(400):
        env.reset(seed=seed)
        info = env.step(NOTHING)[4]
        turn = info["heading"] * 5.2 / 0.03  # right minus left
        mean = (info["x"] - 125) / 0.03  # of both, at nearly no turn
        wheels.append((mean - turn / 2, mean + turn / 2))
    noise = np.array(wheels) / 30 - 1
    assert np.abs(noise).max() <= 0.1 + 1e-3
    assert np.abs(noise).max() > 0.098
    assert np.abs(noise.mean(axis=0)).max() < 0.01
    assert noise.std(axis=0) == pytest.approx(0.1 / math.sqrt(3), rel=0.1)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.15


def test_walls_hold_the_robot() -> None:
    env = far_away()
    for _ in range(200):
        info = env.step(NOTHING)[4]
    assert (info["x"], info["y"]) == (250, 125)


# Sensors


@pytest.mark.parametrize("heading", [0.0, math.pi])
def test_the_error_is_positive_with_the_line_on_the_right(heading: float) -> None:
    ahead = math.cos(heading)  # the robot's left is +y or -y
    for offset, error in ((5.0, 50), (-5.0, -50), (0.0, 0), (2.0, 0), (-2.0, 0), (15.0, 0)):
        env, observation, info = on_the_square(50.0 + offset * ahead, heading)
        assert info["error"] == pytest.approx(error * (WHITE - BLACK), abs=1e-3)
        assert observation[-1] == np.float32(info["error"])
        if error:  # the reflex turns towards the line
            turned = math.remainder(env.step(NOTHING)[4]["heading"] - heading, 2 * math.pi)
            assert turned * error < 0


def test_the_reflex_is_exactly_idle_while_the_line_is_between_its_sensors() -> None:
    for offset in np.linspace(-2.5, 2.5, 21):
        assert on_the_square(50.0 + offset)[2]["error"] == 0.0


def test_the_gain_of_the_reflex_scales_the_error_its_bounds_and_not_the_reward() -> None:
    rewards = []
    for gain in (50.0, 200.0):
        env, _, info = on_the_square(54.5, reflex_gain=gain, speed=0.0)  # turns on the spot
        assert env.observation_space.high[-1] == pytest.approx(gain * (WHITE - BLACK))
        assert 0 < info["error"] <= env.observation_space.high[-1]
        rewards.append(info["error"] / gain)
    assert rewards[0] == rewards[1]
    env = LineFollowingEnv(reflex_gain=0.0)
    env.reset(seed=0)
    assert env.step(NOTHING)[1] == 0


@pytest.mark.parametrize("offset", [-4.1, -1.0, 0.0, 0.3, 5.0])
def test_predictors_see_the_line_where_it_is(offset: float) -> None:
    """The line is ``offset`` units to the robot's left."""
    _, observation, _ = on_the_square(50.0 - offset)
    rows = observation[:-1].reshape(3, 48)
    left = (23.5 - np.arange(48)) * 0.25
    seen = rows.sum(axis=1)
    assert rows @ left / seen == pytest.approx(min(offset, 4.6), abs=0.15)  # a line beyond the outermost is cut
    same_bits(rows[0], rows[1])
    same_bits(rows[0], rows[2])
    assert rows.max() == pytest.approx(0.731059 - BLACK, abs=2e-2)
    assert rows.min() < 1e-6


def test_rows_of_predictors_are_nearest_first() -> None:
    """Driving down upon the line, the third row sees it first."""
    env, _, _ = on_the_square(50.0 + 6.0, heading=-math.pi / 2)
    seeing = []
    for _ in range(4):
        rows = env.step(NOTHING)[0][:-1].reshape(3, 48).max(axis=1)
        seeing.append(np.flatnonzero(rows > 0.001).tolist())
    assert seeing == [[2], [1, 2], [0, 1, 2], [0, 1, 2]]


def distances(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Of places (n, 2) to a closed polygon, one segment at a time."""
    nearest = np.full(len(places), np.inf)
    for a, b in zip(np.roll(points, 1, axis=0), points, strict=True):
        t = np.clip((places - a) @ (b - a) / np.sum((b - a) ** 2), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(places - a - t[:, None] * (b - a), axis=1))
    return nearest


@pytest.mark.parametrize(
    ("map_", "sd", "smooth", "hard"),
    [("error", 0.4, (0.0009, 0.0065), (0.0024, 0.025)), ("predictor", 2.0, (0.0006, 0.0045), (0.0018, 0.015))],
)
def test_a_look_at_the_map_is_nearly_the_mean_of_81_samples(
    map_: str, sd: float, smooth: tuple[float, float], hard: tuple[float, float]
) -> None:
    """The mean and the largest difference, to samples of a line with smooth edges and of one with hard edges."""
    line = track.make_track()
    rng = np.random.default_rng(0)
    places = line.points[rng.integers(len(line.points), size=400)] + rng.uniform(-3.5, 3.5, (400, 2))
    offsets = np.linspace(-1, 1, 9)
    weights = np.exp(-np.add.outer(offsets**2, offsets**2) / (2 * sd**2)).ravel()
    patch = np.stack(np.meshgrid(offsets, offsets), axis=-1).reshape(-1, 2)
    away = distances(line.points, (places[:, None] + patch).reshape(-1, 2)).reshape(400, 81)
    looked = np.array([robot.lookup(getattr(line, map_), *place) for place in places])
    for black, (mean, largest) in (
        (np.clip((2.75 / 2 - away) / 0.25 + 0.5, 0, 1), smooth),
        ((away <= 2.75 / 2).astype(float), hard),
    ):
        literal = 1 / (1 + np.exp(-(1 - black @ (weights / weights.sum()))))
        difference = np.abs(literal - looked)
        assert difference.mean() < mean
        assert difference.max() < largest
    assert looked.min() < 0.51
    assert looked.max() == pytest.approx(WHITE)


def test_the_distance_to_the_line_is_that_of_the_point_between_the_error_sensors() -> None:
    for offset, distance in ((0.0, 0.0), (3.0, 3.0), (-9.0, 9.0), (40.0, 10.0)):
        for heading in (0.0, 1.0, -2.0):
            assert on_the_square(50.0 + offset, heading)[2]["line_distance"] == pytest.approx(distance, abs=1e-5)
    line = track.make_track()
    places = np.random.default_rng(0).uniform(0, 250, (300, 2))
    looked = [robot.lookup(line.distance, *place) for place in places]
    assert looked == pytest.approx(np.minimum(distances(line.points, places), 10), abs=0.02)


def test_far_from_the_line_the_robot_is_lost() -> None:
    for offset, lost in ((0.0, False), (7.3, False), (7.5, True), (-7.5, True)):
        assert on_the_square(50.0 + offset)[2]["lost"] == lost


# Rewards and success


def test_rewards_are_the_sum_of_their_terms(make: Make) -> None:
    env = make(ID, lost_cost=0.5)
    env.reset(seed=0)
    seen = set()
    for step in range(400):
        _, reward, _, _, info = env.step(np.array([10.0 * (step > 200)], np.float32))
        assert info["reward_error"] == -abs(info["error"]) / 11.6
        assert info["reward_lost"] == -0.5 * info["lost"]
        assert reward == info["reward_error"] + info["reward_lost"]
        seen.add((info["error"] != 0, info["lost"]))
    assert {(True, False), (False, True)} <= seen


def literal_success(errors: np.ndarray, threshold: float, window: int, hold: int) -> int:
    """From step window + 1 on, the sum over the window below the threshold in so many steps in a row."""
    held = 0
    for count in range(window + 1, len(errors) + 1):
        held = held + 1 if sum(errors[count - window : count]) < threshold else 0
        if held == hold:
            return count - hold
    return -1


@pytest.mark.parametrize("seed", range(30))
def test_success_is_the_references(seed: int) -> None:
    rng = np.random.default_rng(seed)
    errors = np.where(rng.random(120) < 0.02, rng.choice([0.5, math.inf], 120), rng.uniform(0, 0.02, 120))
    success, expected = Success(0.08, 7, 12), literal_success(errors, 0.08, 7, 12)
    for _ in range(2):  # a second episode begins anew
        success.reset()
        for count, error in enumerate(errors, 1):
            success.count(error)
            assert success.step == (expected if 0 <= expected <= count - 12 else -1)


def test_an_idle_reflex_succeeds_after_400_steps_on_the_line_and_never_away_from_it() -> None:
    env, _, info = on_the_square(50.0, speed=1.0)
    away = far_away(speed=0.0)
    for step in range(1, 1000):
        info = env.step(NOTHING)[4]
        assert (info["success"], info["success_step"]) == ((True, 200) if step >= 400 else (False, -1))
        lost = away.step(NOTHING)[4]
        assert lost["error"] == 0
        assert not lost["success"]
    assert not env.reset()[1]["success"]
    assert [env.step(NOTHING)[4]["success"] for _ in range(400)] == [False] * 399 + [True]


@pytest.mark.parametrize("kwargs", [{}, {"reflex_gain": 200.0, "speed": 60.0}])
@pytest.mark.parametrize("seed", range(5))
def test_the_reflex_alone_follows_the_line_and_never_succeeds(seed: int, kwargs: dict[str, float]) -> None:
    env = LineFollowingEnv(**kwargs)
    env.reset(seed=seed)
    told = [env.step(NOTHING)[4] for _ in range(5000)]
    assert not any(info["lost"] or info["success"] for info in told)
    quarters = {(info["x"] > 125, info["y"] > 125) for info in told}
    assert len(quarters) == 4  # it has been all around


# Tracks


def test_our_track_is_a_closed_curve_of_the_told_length() -> None:
    line = track.make_track()
    assert line.length == pytest.approx(560.5, abs=0.1)
    assert line.width == 2.75
    assert line.points.min() > 19
    assert line.points.max() < 231
    sides = np.roll(line.points, -1, axis=0) - line.points
    turns = np.unwrap(np.arctan2(sides[:, 1], sides[:, 0]))
    assert turns[-1] - turns[0] == pytest.approx(2 * math.pi, abs=0.02)
    assert np.abs(np.diff(turns)).max() < 0.03  # rad between neighbouring sides: no corners
    env = LineFollowingEnv()
    _, info = env.reset(seed=0)
    assert (info["x"], info["y"]) == pytest.approx((23, 125))
    assert info["line_distance"] < 1


def test_a_track_is_painted_once_and_belongs_to_all() -> None:
    one, other = LineFollowingEnv(SQUARE), LineFollowingEnv(np.array(SQUARE, np.float32))
    assert one.track is other.track
    assert one.track is not LineFollowingEnv(SQUARE, track_width=3.0).track
    for array in (one.track.points, one.track.distance, one.track.error, one.track.predictor):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_points_that_repeat_are_one() -> None:
    corners = [*SQUARE, SQUARE[0]]
    assert track.make_track([corners[0], corners[0], *corners]) is track.make_track(SQUARE)


@pytest.mark.parametrize(
    "corners",
    [
        [[50, 50], [200, 200], [200, 50], [50, 200]],  # an eight
        [[50, 50], [200, 50], [200, 200], [125, 50], [50, 200]],  # touches a side
        [[50, 50], [200, 50], [100, 50], [100, 200]],  # turns back upon itself
        [[50, 50], [100, 50], [200, 50], [200, 200], [100, 50], [50, 200]],  # comes twice to a point
        [[50, 50], [200, 50], [100, 50]],  # is flat
    ],
)
def test_a_track_must_not_cross_itself(corners: list[list[float]]) -> None:
    for first in range(len(corners)):
        with pytest.raises(ValueError, match="crosses or touches itself"):
            LineFollowingEnv(corners[first:] + corners[:first])


@pytest.mark.parametrize("place", [1.0, -20.0, 249.0])
def test_a_track_must_stay_in_the_arena(place: float) -> None:
    with pytest.raises(ValueError, match="leaves the arena"):
        LineFollowingEnv([[100, 100], [place, 120], [100, 140]])


@pytest.mark.parametrize(
    "points", [[], [[1.0, 2.0]], [[50, 50], [60, 60]], [[50, 50, 1]] * 4, [[50, 50], [math.nan, 60], [70, 50]], "oval"]
)
def test_what_is_no_track_is_refused(points: Any) -> None:
    with pytest.raises(ValueError, match="a track"):
        LineFollowingEnv(points)


# Rendering


def test_the_picture_shows_line_and_robot_from_above() -> None:
    env = LineFollowingEnv(SQUARE, start=(60.0, 150.0, 0.0), render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.shape == (500, 500, 3)
    assert picture.dtype == np.uint8

    def at(x: float, y: float) -> tuple[int, ...]:  # units; y points up
        return tuple(picture[round(500 - 2 * y), round(2 * x)].tolist())

    assert at(125, 50) == at(200, 125) == (0, 0, 0)
    assert at(125, 125) == at(20, 230) == (255, 255, 255)
    red, green, blue = at(60, 150)
    assert blue > red
    assert at(60, 152) == (red, green, blue)
    for side in (5, -5):
        assert at(70, 150 + side)[0] > 200 > at(70, 150 + side)[2]
    assert at(60, 170) == (255, 255, 255)
    assert LineFollowingEnv().render() is None


# Filters


def literal_filters(
    inputs: np.ndarray, filters: int = 5, quality: float = 0.51, fast: float = 3, slow: float = 10
) -> Any:
    """The formula, filter by filter and number by number; inputs of shape (steps, n)."""
    outputs = np.zeros((len(inputs), filters, inputs.shape[1]))
    for k in range(filters):
        f = 1 / slow + (1 / fast - 1 / slow) * k / max(filters - 1, 1)
        e = 2 * math.pi * f / (2 * quality)
        w = math.sqrt((2 * math.pi * f) ** 2 - e**2)

        def run(x: np.ndarray, e: float = e, w: float = w) -> list[float]:
            y: list[float] = [0.0, 0.0]
            for number in x:
                y.append(number + 2 * math.exp(-e) * math.cos(w) * y[-1] - math.exp(-2 * e) * y[-2])
            return y[2:]

        peak = max(map(abs, run(np.ones(1000))))
        for i in range(inputs.shape[1]):
            outputs[:, k, i] = np.array(run(inputs[:, i])) / peak
    return outputs


class Replay(gym.Env):
    """Observes given numbers, whatever is done."""

    action_space = gym.spaces.Discrete(2)

    def __init__(self, observations: np.ndarray, low: Any = 0.0, high: Any = 1.0) -> None:
        self.observations = observations
        shape = observations.shape[1:]
        low, high = (np.broadcast_to(np.asarray(bound, np.float32), shape) for bound in (low, high))
        self.observation_space = gym.spaces.Box(low, high, dtype=np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        self.k = 0
        return self.observations[0], {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.k += 1
        return self.observations[self.k], 0.0, False, False, {}


def replayed(env: gym.Env, steps: int) -> np.ndarray:
    return np.array([env.reset()[0], *(env.step(0)[0] for _ in range(steps - 1))])


@pytest.mark.parametrize(
    ("numbers", "reference"),
    [
        ({}, {}),
        ({"filters": 1, "quality": 3.0}, {"filters": 1, "quality": 3.0}),
        ({"slowest": 40.0, "fastest": 2.5, "quality": 0.7}, {"slow": 40.0, "fast": 2.5, "quality": 0.7}),
    ],
)
def test_the_bank_is_a_literal_loop(numbers: dict[str, Any], reference: dict[str, Any]) -> None:
    observations = np.random.default_rng(0).random((50, 9)).astype(np.float32)
    env = ResonatorBank(Replay(observations), predictors=7, **numbers)
    expected = literal_filters(observations[:, :7].astype(np.float64), **reference)
    for _ in range(2):  # a reset empties the filters
        seen = replayed(env, 50)
        np.testing.assert_allclose(seen[:, :-2], expected.reshape(50, -1), rtol=2e-7, atol=1e-12)
        same_bits(seen[:, -2:], observations[:, 7:])
        assert all(env.observation_space.contains(observation) for observation in seen)


def test_the_response_to_a_step_peaks_at_1() -> None:
    env = ResonatorBank(Replay(np.ones((3000, 3), np.float32)), predictors=2, slowest=50.0, quality=5.0)
    peaks = np.abs(replayed(env, 3000)).max(axis=0)
    assert peaks[:-1] == pytest.approx(1.0, abs=1e-6)


def test_the_banks_bounds_are_reached_and_not_crossed() -> None:
    """By inputs that are at their bound whenever that helps."""
    coefficients = ResonatorBank(Replay(np.zeros((1, 2))), predictors=1, quality=2.0).coefficients
    for k, (a, b, c) in enumerate(coefficients):
        response = [c, a * c]
        for _ in range(498):
            response.append(a * response[-1] + b * response[-2])
        worst = np.where(np.array(response[::-1]) > 0, 3.0, -1.0).astype(np.float32)
        env = ResonatorBank(Replay(np.stack([worst, worst], 1), -1.0, 3.0), predictors=1, quality=2.0)
        assert replayed(env, 500)[-1, k] == pytest.approx(env.observation_space.high[k], rel=1e-5)
        assert replayed(env, 500)[-1, k] <= env.observation_space.high[k]


@pytest.mark.parametrize(
    "numbers",
    [
        {"predictors": 0}, {"predictors": 146}, {"predictors": 2.0}, {"filters": 0}, {"filters": True},
        {"fastest": 2.0}, {"fastest": 11.0}, {"slowest": math.inf}, {"slowest": math.nan},
        {"quality": 0.5}, {"quality": math.nan}, {"slowest": "10"}, {"fastest": None}, {"quality": True},
    ],
)  # fmt: skip
def test_a_bank_of_impossible_numbers_is_refused(numbers: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|must take|need observations"):
        ResonatorBank(LineFollowingEnv(), **numbers)


def test_a_bank_of_numpys_numbers_is_one_of_pythons() -> None:
    numbers = {"predictors": np.int64(48), "filters": np.uint8(6), "slowest": np.float32(9.9)}
    theirs = ResonatorBank(LineFollowingEnv(), **numbers)
    ours = ResonatorBank(LineFollowingEnv(), **{name: number.item() for name, number in numbers.items()})
    same_bits(theirs.coefficients, ours.coefficients)
    assert theirs.observation_space == ours.observation_space
    same_bits(episode(theirs, 0), episode(ours, 0))


@pytest.mark.parametrize("wrap", [ResonatorBank, RoadBend])
def test_filters_refuse_other_observations(wrap: Callable[[gym.Env], gym.Env]) -> None:
    with pytest.raises(ValueError, match="need observations"):
        wrap(Replay(np.zeros((1, 3, 48))))
    with pytest.raises(ValueError, match="bounded"):
        wrap(Replay(np.zeros((1, 145)), high=np.inf))


def test_the_bend_of_the_road_is_how_far_the_line_moves_from_row_to_row() -> None:
    rng = np.random.default_rng(0)
    observations = rng.random((30, 145)).astype(np.float32)
    observations[0, :96] = 0  # no line
    env = RoadBend(Replay(observations, high=[*[1.0] * 144, 9.0]))
    for plain, told in zip(observations, replayed(env, 30), strict=True):
        rows = plain[:144].reshape(3, 48)
        assert told[-2] == abs(int(np.argmax(rows[1])) - int(np.argmax(rows[0]))) + 1
        same_bits(np.delete(told, -2), plain)
        assert env.observation_space.contains(told)
    assert env.observation_space.high[-2:].tolist() == [48, 9]
    assert env.observation_space.low[-2:].tolist() == [1, 0]


def test_a_straight_road_has_the_least_bend_and_a_slanting_one_more() -> None:
    for heading, bend in ((0.0, 1), (0.45, 3), (-0.45, 3)):
        env, _, _ = on_the_square(50.0, heading)
        assert RoadBend(env).reset()[0][-2] == bend
