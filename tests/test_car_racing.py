"""CarRacing by itself. ``test_car_parity.py`` holds it against Gymnasium's own."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pygame
import pytest
from gymnasium.envs.box2d.car_racing import CarRacing
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from hebbian_gym.envs.car_racing import CarRacingEnv, raster
from helpers import elsewhere, resident_memory
from hypothesis import given, settings
from hypothesis import strategies as st

ID = "CarRacingPreprocessed-v0"
BAR = 73  # first row that the bar reaches, of 84
GREY = np.array([0.2125, 0.7154, 0.0721])  # Gymnasium's weights of red, green and blue
AHEAD = np.array([0, 0.25, 0], np.float32)  # stays on the road for a second, then leaves the field at step 330 or so
IDLE, BRAKE = np.zeros(3, np.float32), np.array([0, 0, 0.8], np.float32)
EVERYTHING = {
    "size": (48, 64),
    "dtype": "uint8",
    "channels_first": False,
    "grayscale": True,
    "frame_skip": 3,
    "frame_stack": 2,
    "indicators": False,
    "early_stop": True,
    "lap_complete_percent": 0.5,
    "domain_randomize": True,
    "continuous": False,
}
VARIANTS: list[dict[str, Any]] = [
    {},
    {"dtype": "uint8", "size": 96},
    {"channels_first": False, "frame_stack": 3},
    {"grayscale": True, "channels_first": False},
    {"grayscale": True, "frame_stack": 4, "frame_skip": 4},
    {"continuous": False, "early_stop": True},
    {"domain_randomize": True, "indicators": False},
    EVERYTHING,
]

same_bits = np.testing.assert_array_equal
Make = Callable[..., gym.Env]
variants = pytest.mark.parametrize("kwargs", VARIANTS, ids=str)


@pytest.fixture
def make(make: Make) -> Make:
    """Of cars."""
    return partial(make, ID)


def actions(env: gym.Env, seed: int, steps: int) -> list[Any]:
    """Random ones that get the car going."""
    rng = np.random.default_rng(seed)
    if isinstance(env.action_space, gym.spaces.Discrete):
        return [np.int64(choice) for choice in rng.choice(5, steps, p=[0.1, 0.2, 0.2, 0.4, 0.1])]
    return list(rng.uniform([-1, 0, 0], [1, 1, 0.1], (steps, 3)).astype(np.float32))


def living(env: gym.Env, seed: int | None, steps: int = 30) -> Iterator[list[np.ndarray]]:
    """An episode under random actions: pictures, and all else that a step tells."""
    observation, info = env.reset(seed=seed)
    yield [observation, np.array([info["tiles_visited"], info["tiles"]])]
    for action in actions(env, seed or 0, steps):
        observation, reward, terminated, truncated, info = env.step(action)
        yield [observation, np.array([reward, terminated, truncated, *map(float, info.values())])]
        if terminated or truncated:
            return


def same_episodes(*episodes: list[list[np.ndarray]]) -> None:
    first, *others = ([part for row in episode for part in row] for episode in episodes)
    for other in others:
        for one, two in zip(first, other, strict=True):
            same_bits(one, two)


def episode(env: gym.Env, seed: int | None, steps: int = 30) -> list[list[np.ndarray]]:
    return list(living(env, seed, steps))


def pictures(env: gym.Env, seed: int, taken: list[Any]) -> np.ndarray:
    """What is observed at the reset and after each of these actions."""
    return np.array([env.reset(seed=seed)[0], *(env.step(action)[0] for action in taken)])


# Gymnasium's protocol


@pytest.mark.filterwarnings("error")
@variants
def test_gymnasium_has_no_complaint(monkeypatch: pytest.MonkeyPatch, make: Make, kwargs: dict[str, Any]) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    check_env(make(**kwargs).unwrapped)


@variants
def test_a_spec_survives_json_and_pickle(make: Make, kwargs: dict[str, Any]) -> None:
    env = make(**kwargs)
    expected = episode(env, 1)
    for spec in (EnvSpec.from_json(env.spec.to_json()), pickle.loads(pickle.dumps(env.spec))):
        with closing(gym.make(spec)) as twin:
            same_episodes(episode(twin, 1), expected)


def test_the_id_needs_no_import() -> None:
    code = """
import gymnasium as gym
env = gym.make("hebbian_gym:CarRacingPreprocessed-v0")
print(env.spec.id, env.reset(seed=0)[0].shape, env.spec.max_episode_steps)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{ID} (3, 84, 84) 1000\n"  # pygame does not greet, either


def test_time_is_up_after_1000_steps_and_not_before(make: Make) -> None:
    env = make()
    env.reset(seed=0)
    ends = [env.step(IDLE)[2:4] for _ in range(1000)]
    assert ends == [(False, False)] * 999 + [(False, True)]


# Each argument


@pytest.mark.parametrize(
    ("size", "shape"), [(84, (84, 84)), (96, (96, 96)), ((40, 60), (40, 60)), ([60, 33], (60, 33)), (32, (32, 32))]
)
def test_size_is_height_and_width(make: Make, size: Any, shape: tuple[int, int]) -> None:
    env = make(size=size)
    assert env.observation_space.shape == (3, *shape)
    assert env.reset(seed=0)[0].shape == (3, *shape)


def test_another_size_is_the_same_view(make: Make) -> None:
    """Means over sixths of the picture agree, for the squeezed as for the larger one."""
    means = []
    for size in (84, 168, (84, 42), (42, 168)):
        env = make(size=size, dtype="uint8")
        picture = pictures(env, 0, [AHEAD] * 60)[-1].astype(float)
        height, width = picture.shape[1:]
        means.append(picture.reshape(3, 6, height // 6, 6, width // 6).mean(axis=(2, 4)))
    for mean in means[1:]:
        np.testing.assert_allclose(mean, means[0], atol=6)
    assert np.ptp(means[0]) > 100


@pytest.mark.parametrize("grayscale", [False, True])
def test_floats_are_bytes_over_255(make: Make, grayscale: bool) -> None:
    """Grey bytes are rounded; floats are not."""
    whole, real = make(dtype="uint8", grayscale=grayscale), make(dtype="float32", grayscale=grayscale)
    assert (whole.observation_space.dtype, real.observation_space.dtype) == (np.uint8, np.float32)
    taken = actions(whole, 0, 60)
    levels, fractions = pictures(whole, 0, taken), pictures(real, 0, taken)
    assert (levels.dtype, fractions.dtype) == (np.uint8, np.float32)
    np.testing.assert_allclose(fractions, levels / 255, atol=0.501 / 255 if grayscale else 1e-7)
    assert levels.max() > 200
    assert 0 <= fractions.min() < fractions.max() <= 1


@pytest.mark.parametrize("kwargs", [{}, {"frame_stack": 3}, {"grayscale": True}, {"size": (40, 60), "dtype": "uint8"}])
def test_channels_last_are_the_first_transposed(make: Make, kwargs: dict[str, Any]) -> None:
    first, last = make(**kwargs), make(channels_first=False, **kwargs)
    assert last.observation_space.shape == (*first.observation_space.shape[1:], first.observation_space.shape[0])
    taken = actions(first, 0, 30)
    ours = pictures(last, 0, taken)
    assert ours.flags.c_contiguous
    same_bits(ours, pictures(first, 0, taken).transpose(0, 2, 3, 1))


def test_grey_has_gymnasiums_weights(make: Make) -> None:
    colour, grey = make(), make(grayscale=True)
    assert grey.observation_space.shape == (1, 84, 84)
    taken = actions(colour, 0, 40)
    expected = np.tensordot(pictures(colour, 0, taken), GREY, (1, 0))[:, None]
    np.testing.assert_allclose(pictures(grey, 0, taken), expected, atol=1e-6)
    np.testing.assert_allclose(
        pictures(make(grayscale=True, dtype="uint8"), 0, taken), expected * 255, atol=0.501
    )  # rounded, not cut


@pytest.mark.parametrize("skip", [2, 3, 8])
def test_frame_skip_repeats_the_action_and_sums_the_rewards(make: Make, skip: int) -> None:
    skipping, single = make(frame_skip=skip, dtype="uint8"), make(dtype="uint8")
    same_bits(skipping.reset(seed=0)[0], single.reset(seed=0)[0])
    for action in actions(single, 0, 120 // skip):
        rewards, terms = 0.0, np.zeros(3)
        for _ in range(skip):
            expected, reward, _, _, told = single.step(action)
            rewards += reward
            terms += [told["reward_frame"], told["reward_tiles"], told["reward_off_field"]]
        picture, got, terminated, truncated, info = skipping.step(action)
        same_bits(picture, expected)
        assert got == rewards
        assert not terminated
        assert not truncated
        assert info["tiles_visited"] == told["tiles_visited"]
        np.testing.assert_allclose(
            [info["reward_frame"], info["reward_tiles"], info["reward_off_field"]], terms, atol=1e-9
        )


@pytest.mark.parametrize("skip", [7, 16])
def test_an_episode_may_end_within_a_skip(make: Make, skip: int) -> None:
    """With the last frame's picture: its score, too, must be that of the moment, however near it is to the next one."""
    skipping, single = make(frame_skip=skip, dtype="uint8"), make(dtype="uint8")
    middle = 0
    for tenths in range(10):
        same_bits(skipping.reset(seed=0)[0], single.reset(seed=0)[0])
        for env in (skipping.unwrapped, single.unwrapped):
            env.reward = env.prev_reward = tenths / 10
        terminated = False
        while not terminated:
            frames, rewards = 0, 0.0
            while frames < skip and not terminated:
                expected, reward, terminated, _, told = single.step(AHEAD)
                frames, rewards = frames + 1, rewards + reward
            picture, got, ended, _, info = skipping.step(AHEAD)
            same_bits(picture, expected)
            assert (got, ended) == (rewards, terminated)
        assert info["lap_finished"] is told["lap_finished"] is False
        middle += frames < skip
    assert middle > 0


@pytest.mark.parametrize("kwargs", [{}, {"grayscale": True}, {"channels_first": False}, {"frame_skip": 2}], ids=str)
@pytest.mark.parametrize("stack", [2, 4])
def test_frame_stack_is_the_history_newest_last(make: Make, stack: int, kwargs: dict[str, Any]) -> None:
    stacked, single = make(frame_stack=stack, **kwargs), make(**kwargs)
    axis = 0 if kwargs.get("channels_first", True) else 2
    for seed in (0, 1):
        history = [single.reset(seed=seed)[0]] * stack
        same_bits(stacked.reset(seed=seed)[0], np.concatenate(history, axis))
        for action in actions(single, seed, 8):
            history = [*history[1:], single.step(action)[0]]
            same_bits(stacked.step(action)[0], np.concatenate(history, axis))
    assert not np.array_equal(history[0], history[-1])


def test_without_indicators_there_is_road_in_place_of_the_bar(make: Make) -> None:
    barred, bare = (make(indicators=indicators, dtype="uint8") for indicators in (True, False))
    with_bar, without = (pictures(env, 0, [AHEAD] * 60) for env in (barred, bare))
    same_bits(with_bar[:, :, :BAR], without[:, :, :BAR])
    black = [(seen[50:, :, BAR + 1 :] == 0).all(axis=1).mean() for seen in (with_bar, without)]  # the camera is down
    assert black[0] > 0.5
    assert black[1] == 0
    behind = without[-1, :, BAR:, 40:44]  # the car is in the middle of the road, which is straight here
    assert np.abs(behind - 103.0).max() < 5
    assert np.ptp(without[-1, :, -1], axis=1).max() > 50  # with meadow to both sides


@pytest.mark.parametrize("skip", [1, 3])
def test_early_stop_is_at_the_21st_negative_reward_in_a_row(make: Make, skip: int) -> None:
    patient, hasty = make(frame_skip=skip), make(frame_skip=skip, early_stop=True)
    for seed in range(3):
        patient.reset(seed=seed), hasty.reset(seed=seed)
        negative = 0
        for t in range(100):
            action = AHEAD if t < 50 // skip else BRAKE
            observation, reward, terminated, truncated, _ = patient.step(action)
            assert (terminated, truncated) == (False, False)
            after, same_reward, terminated, truncated, _ = hasty.step(action)
            same_bits(after, observation)
            assert same_reward == reward
            negative = negative + 1 if reward < 0 else 0
            assert (terminated, truncated) == (False, negative > 20)
            if truncated:
                break
        assert negative == 21
        assert t > 21  # so some tile came in between


@pytest.mark.parametrize(("fraction", "ends"), [(0.01, True), (0.02, True), (0.05, False), (0.95, False)])
def test_a_lap_is_complete_at_the_start_when_enough_tiles_are_visited(make: Make, fraction: float, ends: bool) -> None:
    """The wheels stand on the start to begin with, so it is told that it is a tile 10 further on."""
    env = make(lap_complete_percent=fraction)
    env.reset(seed=0)
    env.unwrapped.road[10].idx = 0
    for _ in range(130):
        *_, terminated, _, info = env.step(AHEAD)
        if terminated:
            break
    assert terminated == ends
    assert info.get("lap_finished") == (True if ends else None)
    assert info["tiles_visited"] > 10


def colours(env: gym.Env) -> np.ndarray:
    ours = env.unwrapped
    return np.array([ours.road_color, ours.bg_color, ours.grass_color])


def test_domain_randomize_draws_colours_at_each_reset_but_on_request(make: Make) -> None:
    env = make(domain_randomize=True, dtype="uint8", indicators=False)
    drawn = []
    for seed in range(4):
        env.reset(seed=seed)
        drawn.append(colours(env))
        env.reset(options={"randomize": False})
        same_bits(colours(env), drawn[-1])
        for _ in range(55):  # until nothing is seen but meadow and road
            kept = env.step(IDLE)[0]
        common = np.unique(kept.reshape(3, -1), axis=1, return_counts=True)
        most = common[0][:, common[1].argmax()]
        assert np.abs(drawn[-1] - 2 - most).max(axis=1).min() < 2  # and it is these that are seen
    assert len(np.unique(drawn, axis=0)) == 4
    env.reset(options={"randomize": True})
    assert not np.array_equal(colours(env), drawn[-1])


def test_colours_are_the_usual_ones_without_domain_randomize(make: Make) -> None:
    env = make(dtype="uint8", indicators=False)
    picture = env.reset(seed=3)[0]
    same_bits(np.unique(picture[:, 0], axis=1)[:, 0], [0, 0, 0])  # beyond the field, in the first frame
    for colour in ([100, 202, 100], [100, 228, 100], [100, 100, 100]):
        assert (np.abs(picture.transpose(1, 2, 0) - np.array(colour)).max(axis=2) < 4).any()


def test_discrete_actions_are_gymnasiums(make: Make) -> None:
    equal = np.array([[0, 0, 0], [0.6, 0, 0], [-0.6, 0, 0], [0, 0.2, 0], [0, 0, 0.8]])  # in float64, as 0.6 is
    choosing, steering = make(continuous=False), make()
    assert choosing.action_space == gym.spaces.Discrete(5)
    assert steering.action_space == gym.spaces.Box(np.array([-1, 0, 0], "f"), np.array([1, 1, 1], "f"))
    choices = actions(choosing, 0, 80)
    assert set(choices) == set(range(5))
    same_bits(pictures(choosing, 0, choices), pictures(steering, 0, list(equal[choices])))


# Gymnasium's own picture, for people


@pytest.mark.parametrize("kwargs", [{}, {"frame_skip": 3}, {"domain_randomize": True}], ids=str)
def test_rgb_array_is_gymnasiums_picture_bit_for_bit(make: Make, kwargs: dict[str, Any]) -> None:
    env = make(render_mode="rgb_array", **kwargs)
    domain = {"domain_randomize": True} if "domain_randomize" in kwargs else {}
    with closing(CarRacing(render_mode="rgb_array", **domain)) as peer:
        env.reset(seed=5), peer.reset(seed=5)
        peer._render, draw = (lambda mode: None), peer._render  # its step need not paint
        for t in range(30):
            action = AHEAD if t < 20 else np.array([1, 0.8, 0], np.float32)  # then skids
            env.step(action)
            for _ in range(kwargs.get("frame_skip", 1)):
                peer.step(action)
            if t % 5 == 4:
                same_bits(env.render(), draw("rgb_array"))
    assert env.unwrapped.tile_visited_count > 3  # in their new colours


def test_looking_changes_nothing(make: Make) -> None:
    seen = []
    env = make(render_mode="rgb_array")
    for row in living(env, 0):
        seen.append(row)
        env.render()
    same_episodes(seen, episode(make(), 0))


def test_a_window_shows_the_drive(monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    shown = make(render_mode="human")
    pictured = make(render_mode="rgb_array")
    same_episodes(episode(shown, 0, 5), episode(pictured, 0, 5))
    window = pygame.display.get_surface()
    assert window.get_size() == (1000, 800)
    scaled = pygame.surfarray.array3d(pygame.transform.smoothscale(window, (600, 400))).transpose(1, 0, 2)
    same_bits(scaled, pictured.render())
    shown.close()  # which ends pygame for all of the process
    assert not pygame.font.get_init()
    same_episodes(episode(make(), 3), episode(pictured, 3))


# Rewards and info


@pytest.mark.parametrize("skip", [1, 4])
@pytest.mark.parametrize("style", ["random", "ahead"])
def test_the_reward_is_the_sum_of_the_terms_in_info(make: Make, style: str, skip: int) -> None:
    env = make(frame_skip=skip)
    for seed in range(2):
        _, info = env.reset(seed=seed)
        assert info["tiles"] == len(env.unwrapped.road)
        start, total, tiles, ended = 0, 0.0, 0.0, False
        for random in actions(env, seed, 400 // skip):
            _, reward, terminated, _, info = env.step(AHEAD if style == "ahead" else random)
            terms = [info["reward_frame"], info["reward_tiles"], info["reward_off_field"]]
            assert reward == pytest.approx(sum(terms), abs=1e-9)
            assert (terms[2] == -100.0) == terminated == ("lap_finished" in info)
            assert terms[1] == pytest.approx(1000 / info["tiles"] * (info["tiles_visited"] - start), abs=1e-9)
            start, total, tiles = info["tiles_visited"], total + reward, tiles + terms[1]
            if terminated:
                ended = True
                break
        assert info["tiles_visited"] == sum(tile.road_visited for tile in env.unwrapped.road) > 3
        assert tiles == pytest.approx(1000 / info["tiles"] * info["tiles_visited"])
        assert ended or style == "random"


def test_reset_tells_how_many_tiles_there_are(make: Make) -> None:
    env = make()
    counts = []
    for seed in range(3):
        info = env.reset(seed=seed)[1]
        assert info["tiles_visited"] == env.unwrapped.tile_visited_count
        counts.append(info["tiles"])
    assert len(set(counts)) == 3


# Determinism


@variants
def test_the_same_seed_gives_the_same_bits_in_two_fresh_envs(make: Make, kwargs: dict[str, Any]) -> None:
    same_episodes(episode(make(**kwargs), 5), episode(make(**kwargs), 5))


@variants
def test_an_episode_does_not_depend_on_what_the_env_has_been_through(make: Make, kwargs: dict[str, Any]) -> None:
    expected = episode(make(**kwargs), 7)
    used = make(**kwargs)
    episode(used, 1, steps=150)
    used.reset(seed=2)
    used.step(actions(used, 0, 1)[0])  # left in mid-episode
    used.reset()
    same_episodes(episode(used, 7), expected, episode(used, 7))


def test_a_long_episode_is_the_same_in_a_used_env(make: Make) -> None:
    used = make(dtype="uint8")
    same_episodes(episode(used, 0, steps=800), episode(used, 0, steps=800))


def test_a_closed_env_goes_at_once_with_its_maps_and_can_be_reset_until_then() -> None:
    closed = gym.make("CarRacingPreprocessed-v0")
    expected = episode(closed, 7)
    closed.close()
    closed.close()
    with pytest.raises(gym.error.ResetNeeded, match="reset the environment first"):
        closed.step(closed.action_space.sample())
    same_episodes(episode(closed, 7), expected)
    closed.close()
    maps = weakref.ref(closed.unwrapped._painter)
    gc.disable()
    try:
        del closed
        assert maps() is None
    finally:
        gc.enable()


def test_numbers_may_be_numpys(make: Make) -> None:
    theirs = make(size=np.int64(40), frame_skip=np.int32(2), frame_stack=np.int64(2))
    same_episodes(episode(theirs, 0), episode(make(size=40, frame_skip=2, frame_stack=2), 0))


def test_many_pictures_do_not_overflow_numpys_small_numbers(make: Make) -> None:
    assert make(size=32, frame_stack=np.int8(50)).observation_space.shape == (150, 32, 32)


def test_another_seed_gives_another_track(make: Make) -> None:
    env = make()
    first, second = (env.reset(seed=seed)[0] for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_resets_without_a_seed_go_on_from_the_last_one(make: Make) -> None:
    fresh, used = make(), make()
    episode(used, 1)
    seen = [np.array([env.reset(seed=4)[0], env.reset()[0], env.reset()[0]]) for env in (fresh, used)]
    same_bits(*seen)
    assert len(np.unique(seen[0], axis=0)) == 3


def test_envs_in_one_process_do_not_disturb_each_other(make: Make) -> None:
    alone = [episode(make(**kwargs), seed) for seed, kwargs in enumerate(VARIANTS[:3])]
    together = zip(*(living(make(**kwargs), seed) for seed, kwargs in enumerate(VARIANTS[:3])), strict=True)
    for expected, rows in zip(alone, zip(*together, strict=True), strict=True):
        same_episodes(expected, list(rows))


def episodes_of(specs: list[EnvSpec | str]) -> list[list[list[np.ndarray]]]:
    episodes = []
    for spec in specs:
        with closing(gym.make(spec)) as env:
            episodes.append(episode(env, 3))
    return episodes


def test_a_spawned_process_computes_the_same_bits(make: Make) -> None:
    specs = ["hebbian_gym:" + ID, make(**EVERYTHING).spec]
    for there, here in zip(elsewhere(episodes_of, specs), episodes_of(specs), strict=True):
        same_episodes(there, here)


@variants
def test_a_pickled_env_is_another_env_with_the_same_bits(make: Make, kwargs: dict[str, Any]) -> None:
    env = make(**kwargs)
    expected = episode(env, 2)
    with closing(pickle.loads(pickle.dumps(env))) as twin:
        env.reset(seed=9)
        same_episodes(episode(twin, 2), expected)
    same_episodes(episode(env, 2), expected)


@variants
def test_an_observation_belongs_to_whom_it_was_given(make: Make, kwargs: dict[str, Any]) -> None:
    """Writing into one changes neither an earlier nor a later one."""
    expected = [row[0].copy() for row in living(make(**kwargs), 0)]
    given: list[np.ndarray] = []
    for observation, _ in living(make(**kwargs), 0):
        same_bits(observation, expected[len(given)])
        assert observation.flags.writeable
        assert not any(np.shares_memory(observation, earlier) for earlier in given)
        observation[:] = 7
        given.append(observation)
    assert all((observation == 7).all() for observation in given)


# Long use


def resets(times: int) -> float:
    """By how many MB this process grows in so many episodes of a few steps."""
    with closing(CarRacingEnv()) as env:
        for seed in range(100 + times):
            if seed == 100:
                before = resident_memory()
            _, info = env.reset(seed=seed)
            assert env.world.bodyCount == info["tiles"] + 5  # hull and wheels
            for _ in range(3):
                env.step(AHEAD)
        return resident_memory() - before


def test_episodes_leave_nothing_behind() -> None:
    """But for 2.4 KB each in Box2D, where every ``fixtureDef`` of Gymnasium's car forgets a shape: 0.5 MB."""
    assert elsewhere(resets, 200) < 1.5


@pytest.mark.parametrize("score", [0.0, -7.4, 999.6, -1234.0, 10_000.0, -123_456.0, -1e9])
def test_any_score_fits_in_the_picture(make: Make, score: float) -> None:
    """An episode without a time limit gets there; a window of Gymnasium's would cut the number, too."""
    env = make(dtype="uint8")
    env.reset(seed=0)
    env.unwrapped.reward = env.unwrapped.prev_reward = score
    digits = env.step(IDLE)[0][:, BAR + 1 :, :10]
    assert digits.max() > 120
    assert digits.min() == 0


# Bad input


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        *(
            ({"size": size}, r"size must be a number of pixels from 32 to 512, or \(height, width\) of such, not")
            for size in (0, -84, 31, 513, 84.0, "84", None, True, (84,), (84, 84, 3), (84, 20), (84, 84.0), ())
        ),
        *(
            ({"dtype": dtype}, 'dtype must be "float32" or "uint8", not')
            for dtype in ("float64", "int8", None, np.float32, 8)
        ),
        *(
            ({name: count}, f"{name} must be a whole number, 1 or more, not {count!r}")
            for name in ("frame_skip", "frame_stack")
            for count in (0, -1, 1.5, "2", None, True)
        ),
        *(
            ({"lap_complete_percent": fraction}, r"lap_complete_percent is a fraction in \[0, 1\], not")
            for fraction in (-0.1, 1.1, 95, float("nan"), "0.95", None, True)
        ),
        *(
            ({"render_mode": mode}, 'render_mode must be "rgb_array", "human" or None, not')
            for mode in ("ansi", "state_pixels", "", 3)
        ),
    ],
    ids=str,
)
def test_a_bad_argument_is_refused_with_a_clear_sentence(kwargs: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        CarRacingEnv(**kwargs)


BAD_ACTIONS = {
    "NaN": np.array([0, np.nan, 0], np.float32),
    "infinite": [np.inf, 0, 0],
    "too short": np.zeros(2, np.float32),
    "too long": np.zeros(4, np.float32),
    "a batch": np.zeros((1, 3), np.float32),
    "one number": 0.5,
    "ragged": [[0.0] * 3, [0.0]],
    "None": None,
    "text": "drive",
    "texts": ["a"] * 3,
    "mapping": {"gas": 1.0},
    "complex": np.full(3, 1j),
}
BAD_CHOICES = {
    "too many": 5,
    "negative": -1,
    "real": 1.0,
    "None": None,
    "text": "gas",
    "array": np.zeros(3, np.float32),
}


@pytest.mark.parametrize(
    ("continuous", "sentence", "action"),
    [
        *((True, r"the car takes 3 finite numbers \(steering, gas, brake\), not", bad) for bad in BAD_ACTIONS.values()),
        *((False, r"the car takes a whole number from 0 to 4 \(.*\), not", bad) for bad in BAD_CHOICES.values()),
    ],
    ids=[*BAD_ACTIONS, *(f"choice {name}" for name in BAD_CHOICES)],
)
def test_a_bad_action_is_refused_and_does_no_harm(continuous: bool, sentence: str, action: Any) -> None:
    with (
        closing(CarRacingEnv(continuous=continuous)) as env,
        closing(CarRacingEnv(continuous=continuous)) as untroubled,
    ):
        episode(env, 0, steps=5), episode(untroubled, 0, steps=5)
        with pytest.raises(ValueError, match=sentence):
            env.step(action)
        for good in actions(env, 1, 10):
            same_bits(env.step(good)[0], untroubled.step(good)[0])


def test_an_action_may_be_a_list(make: Make) -> None:
    env = make()
    same_bits(pictures(env, 0, [[0, 1, 0]] * 5), pictures(env, 0, [np.array([0.0, 1.0, 0.0])] * 5))


def test_a_track_that_never_comes_about_is_an_error_and_not_a_hang(monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    env = make()
    episode(env, 0)
    with monkeypatch.context() as patch:
        patch.setattr(CarRacing, "_create_track", lambda self: False)
        with pytest.raises(RuntimeError, match="no track came about in 1000 attempts: reset with another seed"):
            env.reset(seed=1)
    same_episodes(episode(env, 2), episode(make(), 2))  # and the next reset is as good as any


@pytest.mark.parametrize("module", ["Box2D", "pygame"])
def test_without_box2d_or_pygame_the_error_names_the_command(module: str) -> None:
    code = f"""
import sys
import weakref
sys.modules[{module!r}] = None
import gymnasium as gym
try:
    gym.make("hebbian_gym:{ID}")
except gym.error.DependencyNotInstalled as error:
    print("caught:", error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "hebbian-gym[car]"' in done.stdout


# Painting and looking

slow_at_first = settings(deadline=None)  # because numba compiles
SIDE = 16  # texels
GROUND = np.array([100, 202, 100])
WHITE, BLACK, RED = np.array([255, 255, 255]), np.array([0, 0, 0]), np.array([253, 0, 0])


def rgb(texels: np.ndarray) -> np.ndarray:
    """Levels of a packed picture, integers of shape (..., 3)."""
    return np.stack([texels >> np.uint64(shift) & np.uint64(0xFF) for shift in (0, 21, 42)], axis=-1).astype(int)


class Canvas:
    """A small map in one colour."""

    def __init__(self, ground: np.ndarray = GROUND) -> None:
        self.texels = np.full((SIDE, SIDE), raster.pack(ground))
        self.ground = self.texels.copy()
        self.free = np.full((SIDE, SIDE), raster.WHOLE, np.uint16)

    def paint(self, polygons: Any, colours: Any) -> Canvas:
        polygons, corners = padded(polygons)
        raster.paint(self.texels, self.free, self.ground, polygons, corners, raster.pack(np.array(colours)))
        return self

    @property
    def rgb(self) -> np.ndarray:
        return rgb(self.texels)


def padded(polygons: Any) -> tuple[np.ndarray, np.ndarray]:
    """The last corner does not count in the array that is handed over."""
    return np.array([[*polygon, (99.0, 99.0)] for polygon in polygons]), np.array([len(p) for p in polygons])


def area(polygon: Any) -> float:
    x, y = np.reshape(polygon, (-1, 2)).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def cut(polygon: list[Any], axis: int, side: int, at: float) -> list[Any]:
    """What of a convex polygon is beyond a line, on its lower (-1) or upper (1) side."""
    kept = []
    for a, b in zip([polygon[-1], *polygon], polygon, strict=False):
        inside_a, inside_b = (side * (point[axis] - at) >= 0 for point in (a, b))
        if inside_a != inside_b:
            share = (at - a[axis]) / (b[axis] - a[axis])
            kept.append(tuple(p + share * (q - p) for p, q in zip(a, b, strict=True)))
        if inside_b:
            kept.append(tuple(b))
    return kept


def exact_coverage(polygon: Any) -> np.ndarray:
    """The area that a polygon shares with each texel."""
    shared = np.zeros((SIDE, SIDE))
    for row in range(SIDE):
        band = list(map(tuple, polygon))
        for side, at in ((1, row), (-1, row + 1)):
            band = cut(band, 1, side, at) if band else band
        for column in range(SIDE if band else 0):
            piece = band
            for side, at in ((1, column), (-1, column + 1)):
                piece = cut(piece, 0, side, at) if piece else piece
            shared[row, column] = area(piece) if piece else 0.0
    return shared


@st.composite
def quads(draw: st.DrawFn, lowest: float = -4.0, highest: float = SIDE + 4.0, radius: float = 10.0) -> np.ndarray:
    """Convex, of any size and slimness, in either direction of turning."""
    centre = [draw(st.floats(lowest, highest)) for _ in range(2)]
    angles = np.sort([draw(st.floats(0, 2 * np.pi)) for _ in range(4)])
    radii = [draw(st.floats(0.01, radius)) for _ in range(2)]
    corners = np.array(centre) + np.column_stack([np.cos(angles), np.sin(angles)]) * radii
    return corners[:: draw(st.sampled_from([1, -1]))]


@slow_at_first
@given(quads())
def test_a_polygon_covers_the_area_that_it_shares_with_each_texel(quad: np.ndarray) -> None:
    canvas = Canvas().paint([quad], [WHITE])
    exact = exact_coverage(quad)
    np.testing.assert_allclose(1 - canvas.free / raster.WHOLE, exact, atol=0.5 / raster.WHOLE + 1e-9)
    expected = exact[..., None] * WHITE + (1 - exact[..., None]) * GROUND
    np.testing.assert_allclose(canvas.rgb, expected, atol=0.5 + 0.5 / raster.WHOLE * 255)


@slow_at_first
@given(quads(lowest=6.0, highest=SIDE - 6.0, radius=6.0))
def test_a_polygons_total_coverage_is_its_area(quad: np.ndarray) -> None:
    covered = np.sum(1 - Canvas().paint([quad], [WHITE]).free / raster.WHOLE)
    box = np.prod(np.ptp(quad, axis=0) + 2)
    assert covered == pytest.approx(area(quad), abs=box * 0.5 / raster.WHOLE)


@st.composite
def roads(draw: st.DrawFn) -> np.ndarray:
    """Tiles with common edges along a bend that crosses the canvas, shape (n, 4, 2)."""
    turn, start = draw(st.floats(-0.12, 0.12)), draw(st.floats(0, 2 * np.pi))
    x, y = (draw(st.floats(5, SIDE - 5)) for _ in range(2))
    step, half_width = draw(st.floats(0.7, 3.0)), draw(st.floats(1.0, 4.0))
    headings = start + turn * np.arange(14)
    middle = np.array([x, y]) + np.cumsum(step * np.column_stack([np.cos(headings), np.sin(headings)]), axis=0)
    middle -= middle[7] - [x, y]
    across = half_width * np.column_stack([-np.sin(headings), np.cos(headings)])
    left, right = middle + across, middle - across
    return np.stack([left[1:], right[1:], right[:-1], left[:-1]], axis=1)


@slow_at_first
@given(roads())
def test_neighbours_leave_no_seam(road: np.ndarray) -> None:
    canvas = Canvas(BLACK).paint(road, [WHITE] * len(road))
    inside = sum(exact_coverage(tile) for tile in road) > 1 - 1e-9
    assert canvas.rgb[inside].min(initial=255) >= 253
    assert canvas.free[inside].max(initial=0) <= 1


@slow_at_first
@given(quads(), quads())
def test_the_last_polygon_is_uppermost(below: np.ndarray, above: np.ndarray) -> None:
    canvas = Canvas().paint([below, above], [WHITE, RED])
    upper = exact_coverage(above)[..., None]
    lower = np.minimum(exact_coverage(below)[..., None], 1 - upper)
    expected = upper * RED + lower * WHITE + (1 - upper - lower) * GROUND
    np.testing.assert_allclose(canvas.rgb, expected, atol=2.5)
    covered = upper[..., 0] > 1 - 1e-9
    same_bits(canvas.rgb[covered], np.broadcast_to(RED, (covered.sum(), 3)))


@pytest.mark.parametrize("colour", [BLACK, WHITE, RED])
@slow_at_first
@given(st.lists(st.floats(0, SIDE), min_size=3, max_size=12))
def test_many_slivers_do_not_add_up_to_an_impossible_colour(colour: np.ndarray, cuts: list[float]) -> None:
    """Their rounding errors add up, and one level below black would be white."""
    edges = [0.0, *sorted(cuts), float(SIDE)]
    slivers = [[(a, 0), (b, 0), (b, SIDE), (a, SIDE)] for a, b in pairwise(edges)]
    painted = Canvas().paint(slivers, [colour] * len(slivers)).rgb
    assert np.abs(painted - colour).max() <= 0.5 * len(slivers) + 1


@slow_at_first
@given(roads(), st.integers(0, 12))
def test_recolouring_equals_painting_in_the_new_colours(road: np.ndarray, which: int) -> None:
    old, new = np.array([105, 105, 105]), np.array([100, 90, 100])
    colours = [old if n == which else WHITE for n in range(len(road))]
    canvas = Canvas().paint(road, colours)
    polygons, corners = padded(road[which : which + 1])
    raster.recolour(canvas.texels, polygons, corners, raster.pack(old[None]), raster.pack(new[None]))
    colours[which] = new
    again = Canvas().paint(road, colours)
    assert np.abs(canvas.rgb - again.rgb).max() <= 1
    untouched = exact_coverage(road[which]) < 0.25 / raster.WHOLE
    same_bits(canvas.rgb[untouched], again.rgb[untouched])


@slow_at_first
@given(quads(), quads())
def test_recolouring_what_another_polygon_covers_keeps_colours_possible(below: np.ndarray, above: np.ndarray) -> None:
    old, new = np.array([[105, 105, 105]]), np.array([[100, 100, 100]])
    canvas = Canvas().paint([below, above], [old[0], RED])
    before = canvas.rgb
    polygons, corners = padded([below])
    raster.recolour(canvas.texels, polygons, corners, raster.pack(old), raster.pack(new))
    assert np.abs(canvas.rgb - before).max() <= 5


@slow_at_first
@given(roads(), quads())
def test_clearing_undoes_painting(road: np.ndarray, quad: np.ndarray) -> None:
    canvas, polygons = Canvas(), [*road, quad]
    canvas.paint(polygons, [WHITE] * len(polygons))
    raster.clear(canvas.texels, canvas.free, canvas.ground, *padded(polygons))
    same_bits(canvas.texels, canvas.ground)
    assert (canvas.free == raster.WHOLE).all()


def interpolated(levels: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear interpolation in float64; the outermost texels go on for ever."""
    last = SIDE - 1
    x, y = np.clip(x, 0, last), np.clip(y, 0, last)
    column, row = np.minimum(x.astype(int), last - 1), np.minimum(y.astype(int), last - 1)
    a, b = (x - column)[..., None], (y - row)[..., None]
    upper = (1 - a) * levels[row, column] + a * levels[row, column + 1]
    lower = (1 - a) * levels[row + 1, column] + a * levels[row + 1, column + 1]
    return (1 - b) * upper + b * lower


@slow_at_first
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 255),
    st.tuples(st.floats(-8, SIDE + 8), st.floats(-8, SIDE + 8)),
    st.floats(0, 2 * np.pi),
    st.tuples(st.floats(0.1, 3.0), st.floats(0.1, 3.0)),
)
def test_a_look_is_a_bilinear_interpolation(
    seed: int, contrast: int, start: tuple[float, float], angle: float, steps: tuple[float, float]
) -> None:
    levels = np.random.default_rng(seed).integers(255 - contrast, 256, (SIDE, SIDE, 3))
    right = steps[0] * np.array([np.cos(angle), np.sin(angle)])
    down = steps[1] * np.array([-np.sin(angle), np.cos(angle)])
    picture = np.zeros((9, 12), np.uint64)
    raster.look(raster.pack(levels), *start, *right, *down, picture)
    rows, columns = np.mgrid[:9, :12]
    x, y = (start[k] + columns * right[k] + rows * down[k] for k in range(2))
    tolerance = 0.5 + 2 * contrast / 2**raster.FRACTION  # positions are cut off to a 64th of a texel, on both axes
    np.testing.assert_allclose(rgb(picture), interpolated(levels, x, y), atol=tolerance + 1e-3)


def test_a_look_straight_on_is_the_map_itself() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3))
    picture = np.zeros((SIDE, SIDE), np.uint64)
    raster.look(raster.pack(levels), 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, picture)
    np.testing.assert_allclose(rgb(picture)[:-1, :-1], levels[:-1, :-1])
    np.testing.assert_allclose(rgb(picture), levels, atol=2 * 255 / 2**raster.FRACTION)  # short of the last by a hair
    raster.look(raster.pack(levels), 3.0, 2.0, 0.0, 1.0, 1.0, 0.0, picture[:8, :8])  # a quarter turn
    same_bits(rgb(picture[:8, :8]), levels[2:10, 3:11].transpose(1, 0, 2))


@slow_at_first
@given(st.integers(0, 2**32 - 1))
def test_unpacking_undoes_packing(seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 256, (5, 7, 3))
    levels[0, 0], levels[-1, -1] = 0, 255
    back, halves = np.zeros((3, 5, 7), np.uint8), np.zeros((3, 5, 7), np.float32)
    raster.unpack(raster.pack(levels), back, np.uint8(1))
    raster.unpack(raster.pack(levels), halves, np.float32(0.5))
    same_bits(back, levels.transpose(2, 0, 1))
    same_bits(halves, levels.transpose(2, 0, 1) / 2)
