"""Foods to be valued and foods to be found: alone, many at once, and against literal loops."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics
from hebbian_gym.envs.foraging import (
    FoodValuationEnv,
    FoodValuationVectorEnv,
    ForagingEnv,
    ForagingVectorEnv,
    compiled,
    picture,
)
from hebbian_gym.envs.foraging.settings import MOST_NORMAL
from scipy import stats

VALUATION, FORAGING = "FoodValuation-v0", "Foraging-v0"
IDS = (VALUATION, FORAGING)
CLASSES = {VALUATION: (FoodValuationEnv, FoodValuationVectorEnv), FORAGING: (ForagingEnv, ForagingVectorEnv)}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    (VALUATION, {}),
    (VALUATION, {"foods": "one-hot", "ingredients": 3, "distance": 0.25, "noise": 0.0, "transition_probability": 1}),
    (FORAGING, {}),
    (FORAGING, {"foods": "gaussian", "ingredients": 7, "reward": "energy", "particles": 1, "switch_at": 3}),
    (FORAGING, {"eat_speed": 0.06, "eat_radius": 0.5, "arena": 2.5, "transition_probability": 0.5, "ingredients": 2}),
]
variants = pytest.mark.parametrize(("id_", "settings"), VARIANTS, ids=str)
ids = pytest.mark.parametrize("id_", IDS)
EAGER = {"eat_radius": 0.3}  # meals come often

same_bits = np.testing.assert_array_equal


def greedy(observations: np.ndarray, speed: float = 0.4) -> np.ndarray:
    """Turns to the nearest food and keeps to a speed, shape (..., 2)."""
    turn = np.clip(10 * observations[..., -4], -1, 1)
    push = np.where(observations[..., -2] < np.tanh(speed), 1.0, -1.0)
    return np.stack([turn, push], -1).astype(np.float32)


def policy(id_: str, observation: np.ndarray) -> np.ndarray:
    """Something that depends on what is observed, of one agent or many."""
    return greedy(observation) if id_ == FORAGING else observation[..., :1] * np.float32(0.7)


def lived(env: gym.Env, id_: str, seed: int | None, steps: int = 60) -> list[tuple[Any, ...]]:
    """An episode: observation, reward and info of the reset and of each step."""
    observation, info = env.reset(seed=seed)
    rows: list[tuple[Any, ...]] = [(observation, 0.0, info)]
    for _ in range(steps):
        observation, reward, terminated, truncated, info = env.step(policy(id_, observation))
        assert (terminated, truncated) == (False, False)
        rows.append((observation, reward, info))
    return rows


def lived_by_many(env: gym.vector.VectorEnv, id_: str, seed: Any, steps: int = 60) -> list[tuple[Any, ...]]:
    """The same of n agents."""
    observations, infos = env.reset(seed=seed)
    rows: list[tuple[Any, ...]] = [(observations, np.zeros(env.num_envs), infos)]
    for _ in range(steps):
        observations, rewards, terminated, truncated, infos = env.step(policy(id_, observations))
        assert not np.any(terminated | truncated)
        rows.append((observations, rewards, infos))
    return rows


def same_lives(one: list[tuple[Any, ...]], many: list[tuple[Any, ...]], agent: int) -> None:
    """Whether a single environment lived as an agent of a vector environment, to the bit."""
    assert len(one) == len(many)
    for (observation, reward, info), (observations, rewards, infos) in zip(one, many, strict=True):
        same_bits(observation, observations[agent])
        assert reward == rewards[agent]
        assert info.keys() == infos.keys()
        for name, value in info.items():
            same_bits(infos[name][agent], np.full_like(infos[name][agent], np.nan) if value is None else value)


def same(one: Any, two: Any) -> None:
    """Whether the same was told, to the bit; NaN is the same as NaN."""
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        one, two = list(one.values()), list(two.values())
    if isinstance(one, list | tuple):
        assert len(one) == len(two)
        for parts in zip(one, two, strict=True):
            same(*parts)
    else:
        assert type(one) is type(two)
        assert getattr(one, "dtype", None) == getattr(two, "dtype", None)
        same_bits(one, two)


# Gymnasium's protocol


# An estimate has no bounds, by intention; the linear read-out that learns it has none, either
@pytest.mark.filterwarnings(r"ignore:.*A Box action space (minimum|maximum) value is -?infinity:UserWarning")
@pytest.mark.filterwarnings("ignore:.*we recommend using a symmetric and normalized space:UserWarning")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("id_", "settings"), VARIANTS[:2], ids=str)
def test_gymnasium_has_no_complaint_but_that_estimates_are_unbounded(id_: str, settings: dict[str, Any]) -> None:
    check_env(gym.make(id_, **settings).unwrapped)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("id_", "settings"), VARIANTS[2:], ids=str)
def test_gymnasium_has_no_complaint(id_: str, settings: dict[str, Any]) -> None:
    check_env(gym.make(id_, **settings).unwrapped)


@pytest.mark.parametrize(("id_", "steps"), [(VALUATION, 1000), (FORAGING, 2000)])
def test_the_ids_have_their_horizon_alone_and_at_once(id_: str, steps: int) -> None:
    single, vector = CLASSES[id_]
    with closing(gym.make(id_)) as env, closing(gym.make_vec(id_, num_envs=3)) as envs:
        assert isinstance(env.unwrapped, single)
        assert type(envs) is vector
        assert env.spec.max_episode_steps == steps
        env.reset(seed=0)
        envs.reset(seed=0)
        for step in range(1, steps + 1):
            truncated = env.step(np.zeros(env.action_space.shape, np.float32))[3]
            all_truncated = envs.step(np.zeros(envs.action_space.shape, np.float32))[3]
            assert truncated == (step == steps)
            assert all_truncated.tolist() == [truncated] * 3


@ids
def test_the_ids_need_no_import(id_: str) -> None:
    code = f"import gymnasium as gym; print(gym.make_vec('hebbian_gym:{id_}', num_envs=2).reset(seed=0)[0].shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{(2, 4 if id_ == VALUATION else 8)}\n"


@variants
def test_a_spec_survives_json_and_pickle(id_: str, settings: dict[str, Any]) -> None:
    env = gym.make(id_, **settings)
    expected = lived(env, id_, 1)
    for spec in (EnvSpec.from_json(env.spec.to_json()), pickle.loads(pickle.dumps(env.spec))):
        same(lived(gym.make(spec), id_, 1), expected)
    envs = gym.make_vec(id_, 2, **settings)
    again = gym.make_vec(EnvSpec.from_json(envs.spec.to_json()))
    assert type(again) is CLASSES[id_][1]
    same(lived_by_many(again, id_, 1), lived_by_many(envs, id_, 1))


@variants
def test_pickles_go_on(id_: str, settings: dict[str, Any]) -> None:
    single, vector = CLASSES[id_]
    env = single(**settings)
    same(lived(pickle.loads(pickle.dumps(env)), id_, 1), lived(env, id_, 1))
    envs = vector(2, **settings)
    lived_by_many(envs, id_, 1)
    twin = pickle.loads(pickle.dumps(envs))
    actions = np.zeros(envs.action_space.shape)
    same(envs.step(actions), twin.step(actions))


@variants
def test_everything_observed_is_in_its_space(id_: str, settings: dict[str, Any]) -> None:
    with closing(gym.make_vec(id_, 50, **settings)) as envs:
        envs.action_space.seed(0)
        observations, _ = envs.reset(seed=0)
        for step in range(300):
            assert observations in envs.observation_space
            observations = envs.step(envs.action_space.sample() if step % 2 else policy(id_, observations))[0]


def test_the_vector_environments_work_with_gymnasiums_wrappers() -> None:
    envs = DictInfoToList(RecordEpisodeStatistics(gym.make_vec(FORAGING, 3, max_episode_steps=5, **EAGER)))
    observations, infos = envs.reset(seed=0)
    assert [info["energy"] for info in infos] == [2.0] * 3
    total = np.zeros(3)
    for _ in range(5):
        observations, rewards, *_, infos = envs.step(greedy(observations))
        total += rewards
    np.testing.assert_allclose([info["episode"]["r"] for info in infos], total)


# Determinism


@variants
def test_the_same_seed_gives_the_same_bits_fresh_or_used(id_: str, settings: dict[str, Any]) -> None:
    env = gym.make(id_, **settings).unwrapped
    first, going_on = lived(env, id_, 5), lived(env, id_, None)
    lived(env, id_, 6, steps=7)
    same(lived(env, id_, 5), first)
    same(lived(env, id_, None), going_on)
    same(lived(gym.make(id_, **settings).unwrapped, id_, 5), first)
    for other in (going_on, lived(env, id_, 6)):
        assert not np.array_equal(first[0][2]["ingredient_values"], other[0][2]["ingredient_values"])


@variants
def test_an_agent_among_many_lives_as_it_would_alone(id_: str, settings: dict[str, Any]) -> None:
    single, vector = CLASSES[id_]
    env, few, many = single(**settings), vector(3, **settings), vector(20, **settings)
    lives, others = lived_by_many(many, id_, 100), lived_by_many(few, id_, [109, 100, 109])
    for agent in (0, 9, 19):
        same_lives(lived(env, id_, 100 + agent), lives, agent)
    for agent, seed in enumerate([109, 100, 109]):
        same_lives(lived(env, id_, seed), others, agent)
    going_on = lived_by_many(few, id_, [None, 7, None])  # after 109, a new seed, after 109
    lived(env, id_, 109)
    alone = lived(env, id_, None)
    same_lives(alone, going_on, 0)
    same_lives(lived(env, id_, 7), going_on, 1)
    same_lives(alone, going_on, 2)


@ids
def test_it_is_what_sync_makes_of_single_ones_over_the_ends_of_episodes(id_: str) -> None:
    ours = gym.make_vec(id_, 4, max_episode_steps=13, **(EAGER if id_ == FORAGING else {}))
    sync = gym.make_vec(id_, 4, "sync", max_episode_steps=13, **(EAGER if id_ == FORAGING else {}))
    assert isinstance(sync, SyncVectorEnv)
    assert ours.metadata["autoreset_mode"] == sync.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    assert ours.observation_space == sync.observation_space
    assert ours.action_space == sync.action_space
    observations, infos = ours.reset(seed=3)
    rows = [(observations, infos)]
    theirs: list[tuple[Any, ...]] = [sync.reset(seed=3)]
    for _ in range(40):
        actions = policy(id_, observations)
        rows.append(ours.step(actions))
        theirs.append(sync.step(actions))
        observations = rows[-1][0]
    for row, their_row in zip(rows, theirs, strict=True):
        for one, two in zip(row[:-1], their_row[:-1], strict=True):
            assert one.dtype == two.dtype
            same_bits(one, two)
        for name, value in row[-1].items():
            rowwise = [np.nan if told is None else told for told in their_row[-1][name]]
            for one, two in zip(value, rowwise, strict=True):
                same_bits(one, np.broadcast_to(two, one.shape))
    ends = [row[3].all() for row in rows[1:]]
    assert np.flatnonzero(ends).tolist() == [12, 26]  # the step between two episodes counts for none


@ids
def test_what_was_returned_is_not_changed_later(id_: str) -> None:
    envs = gym.make_vec(id_, 3, **(EAGER if id_ == FORAGING else {}))
    rows: list[Any] = [envs.reset(seed=0)]
    for _ in range(5):
        rows.append(envs.step(policy(id_, rows[-1][0])))
    before = pickle.loads(pickle.dumps(rows))
    for _ in range(20):
        envs.step(policy(id_, rows[-1][0]))
    envs.reset(seed=1)
    same(rows, before)
    arrays = [a for row in rows for part in row for a in (part.values() if isinstance(part, dict) else [part])]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


# Random numbers


class Stream:
    """SplitMix64, word for word."""

    def __init__(self, state: int) -> None:
        self.state = state

    def bits(self) -> int:
        self.state = z = (self.state + 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    def uniform(self) -> float:
        return (self.bits() >> 11) / 2**53

    def normal(self) -> float:
        radius = math.sqrt(-2 * math.log(1 - self.uniform()))
        return radius * math.cos(2 * math.pi * self.uniform())

    def food(self, kind: str, n: int) -> list[float]:
        if kind == "gaussian":
            return [float(np.float32(self.normal())) for _ in range(n)]
        drawn = int(self.uniform() * n)
        return [float(k == drawn) for k in range(n)]


def test_the_generator_is_splitmix64() -> None:
    streams = np.array([1234567, 0], np.uint64)
    known = [  # published for that seed, https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [int(compiled.bits(streams, 0)) for _ in known] == known
    literal = Stream(1234567)
    assert [literal.bits() for _ in known] == known


def test_uniform_and_normal_numbers_are_what_they_are_called() -> None:
    streams = np.array([2**63 + 11], np.uint64)
    uniform = np.array([compiled.uniform(streams, 0) for _ in range(20_000)])
    normal = np.array([compiled.normal(streams, 0) for _ in range(20_000)])
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert stats.kstest(uniform, "uniform").pvalue > 0.01
    assert stats.kstest(normal, "norm").pvalue > 0.01
    assert abs(np.corrcoef(normal[:-1], normal[1:])[0, 1]) < 0.03
    assert math.sqrt(-2 * math.log(2.0**-53)) < MOST_NORMAL  # the farthest there is


def test_neighbouring_seeds_have_nothing_in_common() -> None:
    with closing(FoodValuationVectorEnv(2000)) as envs:
        foods, infos = envs.reset(seed=0)
        numbers = np.concatenate([foods, infos["ingredient_values"]], 1)
        between = [np.corrcoef(numbers[:-1, k], numbers[1:, k])[0, 1] for k in range(8)]
        assert np.abs(between).max() < 0.1
        assert np.abs(np.corrcoef(numbers.T) - np.eye(8)).max() < 0.1
        assert stats.kstest(foods.ravel(), "norm").pvalue > 0.01


# FoodValuation


@pytest.mark.parametrize("foods", ["gaussian", "one-hot"])
@pytest.mark.parametrize(("n", "distance"), [(3, 0.0), (5, 0.3), (1, 1.0)])
def test_a_literal_valuation_gives_the_same(foods: str, n: int, distance: float) -> None:
    noise, probability = 0.5, 0.2
    env = FoodValuationEnv(
        ingredients=n, distance=distance, noise=noise, transition_probability=probability, foods=foods
    )
    observation, info = env.reset(seed=11)
    stream = Stream(int(np.random.default_rng(11).integers(2**64, dtype=np.uint64)))
    worth = [stream.normal() for _ in range(n)]
    worth = [w / math.hypot(*worth) for w in worth]
    x, state = stream.food(foods, n), 0
    assert info["modulator"] is None
    assert info["state"] == 0
    for _ in range(200):
        np.testing.assert_allclose(observation, x, atol=1e-6)
        np.testing.assert_allclose(info["ingredient_values"], np.array(worth) * (1 - 2 * distance if state else 1))
        action = env.action_space.sample()
        observation, reward, _, _, info = env.step(action)
        flipped = stream.uniform() < probability
        state = 1 - state if flipped else state
        value = sum(w * k for w, k in zip(worth, x, strict=True)) * (1 - 2 * distance if state else 1)
        told = value + noise * stream.normal()
        expected = {"modulator": told, "value": value, "state": state, "flipped": flipped}
        assert {name: info[name] for name in expected} == pytest.approx(expected, abs=1e-6)
        assert reward == info["reward_error"] == pytest.approx(-((float(action[0]) - told) ** 2), abs=1e-5)
        x = stream.food(foods, n)


@pytest.mark.parametrize("distance", [0.0, 0.25, 0.5, 1.0])
def test_the_values_of_both_states_are_as_far_apart_as_is_said(distance: float) -> None:
    with closing(FoodValuationVectorEnv(500, distance=distance, transition_probability=1.0)) as envs:
        _, infos = envs.reset(seed=0)
        first = infos["ingredient_values"]
        np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1.0)
        second = envs.step(np.zeros((500, 1)))[4]["ingredient_values"]
        np.testing.assert_allclose(second, (1 - 2 * distance) * first, atol=1e-12)
        np.testing.assert_allclose(np.linalg.norm(first - second, axis=1), 2 * distance)
        assert np.abs(first.mean(0)).max() < 0.1  # of sd 0.022: any direction


def test_the_numbers_that_define_the_task() -> None:
    n, steps, noise, probability = 1000, 300, 0.3, 0.01
    with closing(gym.make_vec(VALUATION, n)) as envs:
        foods, _ = envs.reset(seed=1)
        rows = []
        for _ in range(steps):
            following, rewards, _, _, infos = envs.step(np.zeros((n, 1), np.float32))
            np.testing.assert_allclose(infos["value"], (foods * infos["ingredient_values"]).sum(1), atol=1e-12)
            np.testing.assert_allclose(rewards, -(infos["modulator"] ** 2))
            rows.append((infos["flipped"], infos["modulator"] - infos["value"], infos["value"], infos["state"]))
            foods = following
    flipped, error, value, state = map(np.array, zip(*rows, strict=True))
    samples = n * steps
    assert abs(flipped.mean() - probability) < 5 * math.sqrt(probability / samples)
    assert abs(error.std() - noise) < 5 * noise / math.sqrt(2 * samples)
    assert abs(error.mean()) < 5 * noise / math.sqrt(samples)
    assert abs(value.mean()) < 5 / math.sqrt(samples)
    assert abs(value.std() - 1) < 5 / math.sqrt(samples)  # x ~ N(0, I) and |W| = 1
    same_bits(flipped[1:], state[1:] != state[:-1])


def test_one_hot_foods_have_one_ingredient_each_alike_often() -> None:
    with closing(FoodValuationVectorEnv(4000, foods="one-hot", ingredients=5)) as envs:
        foods, _ = envs.reset(seed=0)
        assert set(np.unique(foods)) == {0, 1}
        assert np.all(foods.sum(1) == 1)
        assert stats.chisquare(foods.sum(0)).pvalue > 0.01


def test_an_estimate_that_is_no_number_harms_nobody_else() -> None:
    sane, mad = FoodValuationVectorEnv(3), FoodValuationVectorEnv(3)
    sane.reset(seed=0)
    mad.reset(seed=0)
    for _ in range(3):
        _, rewards, *_ = sane.step(np.zeros((3, 1)))
        _, judged, *_, infos = mad.step(np.array([[np.inf], [0.0], [np.nan]]))
        assert judged[0] == -np.inf
        assert judged[1] == rewards[1]
        assert np.isnan(judged[2])
        assert np.isfinite(infos["modulator"]).all()
    env = FoodValuationEnv()
    env.reset(seed=2)
    _, reward, _, _, info = env.step(np.array([np.nan]))
    assert math.isnan(reward)
    assert math.isnan(info["reward_error"])
    assert math.isfinite(info["modulator"])


def oracle(eta: float, n: int, probability: float, noise: float, apart: float) -> float:
    """The delta rule's mean squared error against noise-free values, in the steady state; valid for eta < 2/(n+2)."""
    q = (1 - 2 * probability) * eta * apart / 2 / (1 - (1 - 2 * probability) * (1 - eta))
    after = (1 - eta) * q + eta * apart / 2
    return (eta**2 * n * noise**2 + 2 * probability * apart * after) / (eta * (2 - eta * (n + 2)))


@pytest.mark.parametrize(
    ("probability", "noise", "distance"), [(0.01, 0.3, 1.0), (0.05, 0.3, 1.0), (0.01, 1.0, 1.0), (0.01, 0.3, 0.5)]
)
@pytest.mark.parametrize("eta", [0.03, 0.1, 0.2])
def test_the_delta_rule_errs_as_theory_says(eta: float, probability: float, noise: float, distance: float) -> None:
    n, burn_in, steps = 1000, 300, 1000
    settings = {"transition_probability": probability, "noise": noise, "distance": distance}
    with closing(
        gym.make_vec(VALUATION, n, "vector_entry_point", max_episode_steps=burn_in + steps, **settings)
    ) as envs:
        foods, _ = envs.reset(seed=0)
        weights, squares = np.zeros((n, 4)), 0.0
        for step in range(burn_in + steps):
            estimates = (weights * foods).sum(1)
            following, _, _, truncated, infos = envs.step(estimates[:, np.newaxis])
            weights += eta * foods * (infos["modulator"] - estimates)[:, np.newaxis]
            squares += np.square(estimates - infos["value"]).mean() if step >= burn_in else 0.0
            foods = following
        assert truncated.all()
    assert squares / steps == pytest.approx(oracle(eta, 4, probability, noise, 2 * distance), rel=0.05)


# Foraging


class LiteralForaging:
    """The environment, number by number."""

    def __init__(self, seed: int, **settings: Any) -> None:
        self.__dict__.update(
            {"n": settings.get("ingredients", 4), "kind": "one-hot", "distance": 1.0, "noise": 0.3, "probability": 0.01}
        )
        self.particles, self.arena, self.radius, self.eat_speed, self.switch_at = 100, 8.0, 0.05, math.inf, None
        self.__dict__.update(settings)
        self.stream = stream = Stream(int(np.random.default_rng(seed).integers(2**64, dtype=np.uint64)))
        self.state = self.steps = self.speed = 0
        self.energy = 2.0
        drawn = [stream.normal() for _ in range(self.n)]
        drawn = [w - sum(drawn) / self.n for w in drawn]
        self.worth = [w / math.hypot(*drawn) for w in drawn]
        self.places: list[tuple[float, float]] = []
        self.foods: list[list[float]] = []
        for _ in range(self.particles):
            self.places.append((self.arena * stream.uniform(), self.arena * stream.uniform()))
            self.foods.append(stream.food(self.kind, self.n))
        self.x, self.y, self.heading = (
            self.arena * stream.uniform(),
            self.arena * stream.uniform(),
            360 * stream.uniform(),
        )

    def nearest(self) -> tuple[float, int, float, float]:
        """Distance to the nearest food, or any of its images around, its number, and the way there."""
        ways = [
            (math.hypot(dx, dy), k, dx, dy)
            for k, (x, y) in enumerate(self.places)
            for dx in (x - self.x - self.arena, x - self.x, x - self.x + self.arena)
            for dy in (y - self.y - self.arena, y - self.y, y - self.y + self.arena)
        ]
        return min(ways)

    def observe(self) -> list[float]:
        distance, k, dx, dy = self.nearest()
        angle = (math.degrees(math.atan2(dy, dx)) - self.heading) % 360
        angle = angle - 360 if angle > 180 else angle
        near = 2 * math.tanh(self.radius / (distance**2 + 1e-6)) - 1
        return [*self.foods[k], angle / 180, near, math.tanh(self.speed), math.tanh(self.energy)]

    def step(self, turn: float, push: float) -> dict[str, Any]:
        flips = self.steps == self.switch_at
        self.steps += 1
        self.heading = (self.heading + turn * 90 * 0.2) % 360
        self.speed = max(self.speed + push * 0.05 * 0.2, 0.0)
        if self.speed > 0.05:
            if self.energy >= 0.05 * self.speed:
                self.energy -= 0.05 * self.speed
            else:
                self.speed = 0.05
        self.x = (self.x + self.speed * math.cos(math.radians(self.heading)) * 0.2) % self.arena
        self.y = (self.y + self.speed * math.sin(math.radians(self.heading)) * 0.2) % self.arena
        distance, k, _, _ = self.nearest()
        eaten = distance <= self.radius and self.speed < self.eat_speed
        if eaten and self.stream.uniform() < self.probability:
            flips = not flips
        if flips:
            self.state = 1 - self.state
        info: dict[str, Any] = {"eaten": eaten, "flipped": flips, "eaten_ingredients": None, "modulator": None}
        info["reward_value"] = 0.0
        if eaten:
            factor = 1 - 2 * self.distance if self.state else 1
            value = factor * sum(w * k for w, k in zip(self.worth, self.foods[k], strict=True))
            info.update(eaten_ingredients=self.foods[k], reward_value=value)
            info["modulator"] = value + self.noise * self.stream.normal()
            self.energy += 1
            self.places[k] = (self.arena * self.stream.uniform(), self.arena * self.stream.uniform())
            self.foods[k] = self.stream.food(self.kind, self.n)
        present = {"x": self.x, "y": self.y, "heading": self.heading, "speed": self.speed, "energy": self.energy}
        return {**info, **present, "state": self.state, "reward_energy": self.energy}


@pytest.mark.parametrize(
    ("settings", "literal", "seed"),
    [
        ({}, {}, 0),
        (
            {"foods": "gaussian", "ingredients": 3, "eat_radius": 0.2},
            {"kind": "gaussian", "ingredients": 3, "radius": 0.2},
            1,
        ),
        (
            {
                "transition_probability": 0.4,
                "distance": 0.3,
                "switch_at": 50,
                "arena": 3.0,
                "particles": 20,
                "noise": 1.0,
            },
            {"probability": 0.4, "distance": 0.3, "switch_at": 50, "arena": 3.0, "particles": 20, "noise": 1.0},
            2,
        ),
        ({"eat_speed": 0.15, "reward": "energy"}, {"eat_speed": 0.15}, 3),
    ],
)
def test_a_literal_forager_lives_the_same(settings: dict[str, Any], literal: dict[str, Any], seed: int) -> None:
    env, other = ForagingEnv(**settings), LiteralForaging(seed, **literal)
    observation, info = env.reset(seed=seed)
    assert info["modulator"] is None
    meals, spent, rng = 0, 0, np.random.default_rng(seed)
    for step in range(500):
        np.testing.assert_allclose(observation, other.observe(), atol=1e-5)
        np.testing.assert_allclose(
            info["ingredient_values"],
            np.array(other.worth) * (1 - 2 * other.distance if info["state"] else 1),
            atol=1e-12,
        )
        speed = 0.1 if settings.get("eat_speed") else 0.1 + 0.5 * (step // 100 % 2)
        action = np.clip(greedy(observation, speed) + rng.normal(0, 0.3, 2), -1, 1)
        observation, reward, _, _, info = env.step(action)
        expected = other.step(*action)
        assert (info["modulator"] is None) == (expected["modulator"] is None)
        for name, value in expected.items():
            assert info[name] == (value if value is None else pytest.approx(value, abs=1e-6)), name
        assert reward == info["reward_" + settings.get("reward", "value")]
        meals += info["eaten"]
        spent += info["speed"] > 0.05
    assert meals > 3
    assert spent > 100


def test_the_nearest_food_is_found_across_the_edges() -> None:
    rng, arena = np.random.default_rng(0), 8.0
    places = rng.uniform(0, arena, (2, 40))
    images = [places + np.array([[dx], [dy]]) for dx in (-arena, 0, arena) for dy in (-arena, 0, arena)]
    across = 0
    for x, y in rng.uniform(0, arena, (300, 2)):
        squares = np.array([((image - np.array([[x], [y]])) ** 2).sum(0) for image in images])
        found, square = compiled.nearest(x, y, places, arena)
        assert found == squares.min(0).argmin()
        assert square == pytest.approx(squares.min(), abs=1e-12)
        across += squares[4, found] > squares.min() + 1e-9
    assert across > 10


def test_a_place_on_the_edge_stays_inside() -> None:
    assert compiled.wrapped(-1e-18, 8.0) == 0.0
    assert compiled.wrapped(8.0, 8.0) == 0.0
    assert compiled.wrapped(-0.5, 8.0) == 7.5
    assert compiled.wrapped(1000.5, 8.0) == 0.5


def test_every_agent_has_values_of_mean_0_and_length_1() -> None:
    with closing(ForagingVectorEnv(500, ingredients=6)) as envs:
        _, infos = envs.reset(seed=0)
    np.testing.assert_allclose(infos["ingredient_values"].mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(infos["ingredient_values"], axis=1), 1)


def test_it_begins_at_rest_anywhere() -> None:
    with closing(ForagingVectorEnv(3000)) as envs:
        observations, infos = envs.reset(seed=0)
        places = envs.unwrapped._world._places
    for name, period in (("x", 8), ("y", 8), ("heading", 360)):
        assert stats.kstest(infos[name] / period, "uniform").pvalue > 0.01
    assert stats.kstest(places[:100].ravel() / 8, "uniform").pvalue > 0.01
    assert np.all(infos["speed"] == 0)
    assert np.all(infos["energy"] == 2)
    assert np.all(infos["state"] == 0)
    np.testing.assert_allclose(observations[:, -1], np.tanh(2), rtol=1e-6)


def foraged(steps: int, agents: int = 200, **settings: Any) -> tuple[list[dict[str, np.ndarray]], np.ndarray]:
    """The infos of a life of greedy agents, and their rewards of shape (steps, agents)."""
    with closing(ForagingVectorEnv(agents, **settings)) as envs:
        observations, _ = envs.reset(seed=0)
        rows, rewards = [], []
        for _ in range(steps):
            observations, reward, _, _, infos = envs.step(greedy(observations))
            rows.append(infos)
            rewards.append(reward)
    return rows, np.array(rewards)


def column(rows: list[dict[str, np.ndarray]], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows])


def test_what_is_eaten_is_told_and_what_is_told_was_eaten() -> None:
    rows, rewards = foraged(300, noise=0.5, **EAGER)
    eaten, told, value = (column(rows, name) for name in ("eaten", "modulator", "reward_value"))
    meals, worth = column(rows, "eaten_ingredients"), column(rows, "ingredient_values")
    assert eaten.sum() > 5000
    same_bits(np.isnan(told), ~eaten)
    same_bits(np.isnan(meals), np.repeat(~eaten[..., np.newaxis], 4, -1))
    assert np.all(value[~eaten] == 0)
    np.testing.assert_allclose(value[eaten], (meals * worth).sum(-1)[eaten], atol=1e-12)
    same_bits(rewards, value)
    noise = (told - value)[eaten]
    assert abs(noise.std() - 0.5) < 5 * 0.5 / math.sqrt(2 * noise.size)
    assert abs(noise.mean()) < 5 * 0.5 / math.sqrt(noise.size)
    assert abs(value[eaten].mean()) < 5 * 0.5 / math.sqrt(noise.size)  # eating everything comes to nothing


def test_states_flip_at_meals() -> None:
    rows, _ = foraged(300, transition_probability=0.2, **EAGER)
    eaten, flipped, state = (column(rows, name) for name in ("eaten", "flipped", "state"))
    assert not flipped[~eaten].any()
    assert abs(flipped[eaten].mean() - 0.2) < 5 * math.sqrt(0.2 * 0.8 / eaten.sum())
    same_bits(flipped[1:], state[1:] != state[:-1])


@pytest.mark.parametrize("switch_at", [0, 7])
def test_a_switch_comes_to_everybody_in_its_step(switch_at: int) -> None:
    rows, _ = foraged(20, switch_at=switch_at, transition_probability=0.0)
    state, flipped = column(rows, "state"), column(rows, "flipped")
    assert np.all(state[:switch_at] == 0)
    assert np.all(state[switch_at:] == 1)
    assert flipped.any(1).nonzero()[0].tolist() == [switch_at]


def test_a_switch_and_a_meals_flip_undo_each_other() -> None:
    rows, _ = foraged(60, switch_at=40, transition_probability=1.0, **EAGER)
    eaten, flipped = column(rows, "eaten"), column(rows, "flipped")
    assert eaten[40].any()
    assert not eaten[40].all()
    same_bits(np.delete(flipped, 40, 0), np.delete(eaten, 40, 0))
    same_bits(flipped[40], ~eaten[40])


def test_a_switch_comes_again_in_the_next_episode() -> None:
    with closing(ForagingVectorEnv(2, max_episode_steps=3, switch_at=1)) as envs:
        envs.reset(seed=0)
        states = [envs.step(np.zeros((2, 2)))[4]["state"].tolist() for _ in range(7)]
    assert states == [[0, 0], [1, 1], [1, 1], [0, 0], [0, 0], [1, 1], [1, 1]]


def test_energy_is_kept_like_a_purse() -> None:
    rows, rewards = foraged(400, reward="energy", food_energy=0.5, move_cost=0.2, min_speed=0.1, start_energy=1.5)
    energy, speed, eaten = (column(rows, name) for name in ("energy", "speed", "eaten"))
    same_bits(rewards, energy)
    same_bits(energy, column(rows, "reward_energy"))
    before = np.concatenate([np.full((1, 200), 1.5), energy[:-1]])
    cost = np.where(speed > 0.1, 0.2 * speed, 0.0)
    np.testing.assert_allclose(energy, before - cost + 0.5 * eaten, atol=1e-12)
    assert energy.min() >= 0
    assert (before < 0.2 * 0.12).any()  # somebody was poor,
    assert np.all(speed[before < 0.2 * 0.1] <= 0.1)  # and slow


def test_what_was_eaten_is_gone_and_another_food_lies_elsewhere() -> None:
    with closing(ForagingVectorEnv(100, **EAGER)) as envs:
        observations, _ = envs.reset(seed=0)
        world, new = envs.unwrapped._world, []
        for _ in range(200):
            before, foods = world._places.copy(), world._foods.copy()
            observations, _, _, _, infos = envs.step(greedy(observations))
            moved = (world._places != before).any(1)
            assert moved.sum(1).tolist() == infos["eaten"].astype(int).tolist()
            same_bits(foods[moved], infos["eaten_ingredients"][infos["eaten"]])
            new.append(world._places.transpose(0, 2, 1)[moved])
    places = np.concatenate(new)
    assert len(places) > 1000
    for axis in range(2):
        assert stats.kstest(places[:, axis] / 8, "uniform").pvalue > 0.01


def test_a_fast_agent_does_not_eat_if_so_set() -> None:
    rows, _ = foraged(200, eat_speed=0.2, **EAGER)
    eaten, speed = column(rows, "eaten"), column(rows, "speed")
    assert eaten.any()
    assert speed[eaten].max() < 0.2
    assert not foraged(200, eat_speed=0.0, **EAGER)[0][-1]["eaten"].any()


def test_actions_are_clipped_and_an_agent_without_a_number_lets_things_be() -> None:
    with closing(ForagingVectorEnv(4)) as envs, closing(ForagingVectorEnv(4)) as twins:
        envs.reset(seed=0)
        twins.reset(seed=0)
        for _ in range(20):
            one = envs.step(np.array([[9.0, 2.0], [-np.inf, np.inf], [np.nan, np.nan], [0.5, -0.5]]))
            two = twins.step(np.array([[1.0, 1.0], [-1.0, 1.0], [0.0, 0.0], [0.5, -0.5]]))
            same(one, two)


@ids
def test_numbers_may_be_numpys(id_: str) -> None:
    single, vector = CLASSES[id_]
    theirs = {"ingredients": np.int64(3), "distance": np.float32(0.1), "transition_probability": np.float64(1)}
    ours = {name: number.item() for name, number in theirs.items()}
    same(lived(single(**theirs), id_, 0), lived(single(**ours), id_, 0))
    same(*(lived_by_many(vector(n, **settings), id_, 0) for n, settings in ((np.uint8(3), theirs), (3, ours))))


# Bad input


@ids
@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("ingredients", 0),
        ("ingredients", 2.5),
        ("ingredients", True),
        ("distance", -0.1),
        ("distance", 1.5),
        ("distance", math.nan),
        ("noise", -1),
        ("noise", math.inf),
        ("noise", "much"),
        ("transition_probability", 1.01),
        ("transition_probability", -0.01),
        ("transition_probability", None),
        ("foods", "cake"),
        ("render_mode", "human"),
        ("num_envs", 0),
        ("max_episode_steps", 0),
    ],
)
def test_bad_settings_are_refused_in_a_sentence_that_names_them(id_: str, name: str, bad: Any) -> None:
    single, vector = CLASSES[id_]
    with pytest.raises(ValueError, match=rf"{name} must be .*, not {bad!r}"):
        vector(**{name: bad})
    if name not in ("num_envs", "max_episode_steps"):
        with pytest.raises(ValueError, match=rf"{name} must be .*, not {bad!r}"):
            single(**{name: bad})


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("reward", "fun"),
        ("switch_at", -1),
        ("switch_at", 1.5),
        ("particles", 0),
        ("arena", 0),
        ("arena", -8.0),
        ("time_step", 0.0),
        ("eat_radius", 0.0),
        ("eat_speed", -1.0),
        ("turn_rate", -90),
        ("acceleration", math.nan),
        ("max_speed", math.inf),
        ("start_energy", -2),
        ("food_energy", -1),
        ("move_cost", -0.05),
        ("min_speed", -0.05),
    ],
)
def test_bad_settings_of_the_arena_are_refused(name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be .*, not {bad!r}"):
        ForagingEnv(**{name: bad})


def test_a_single_ingredient_cannot_be_foraged_for() -> None:
    with pytest.raises(ValueError, match="ingredients must be 2 or more: their values have mean 0"):
        ForagingEnv(ingredients=1)


@ids
def test_unknown_settings_are_refused(id_: str) -> None:
    for made in CLASSES[id_]:
        with pytest.raises(TypeError, match="early_stop"):
            made(early_stop=True)


@ids
@pytest.mark.parametrize("bad", [None, "left", [0.0, 0.0, 0.0], 0.5, [[0.0]], [1j, 0]], ids=str)
def test_bad_actions_are_refused(id_: str, bad: Any) -> None:
    single, vector = CLASSES[id_]
    env, envs = single(), vector(3)
    env.reset(seed=0)
    envs.reset(seed=0)
    shape = "1," if id_ == VALUATION else "2,"
    with pytest.raises(ValueError, match=rf"the action must be numbers of shape \({shape}\), not"):
        env.step(bad)
    with pytest.raises(ValueError, match=rf"the action must be numbers of shape \(3, {shape[0]}\), not"):
        envs.step(bad)


@ids
def test_a_vector_environment_wants_a_reset_and_a_seed_for_each_agent(id_: str) -> None:
    envs = CLASSES[id_][1](3)
    with pytest.raises(ResetNeeded):
        envs.step(np.zeros(envs.action_space.shape))
    with pytest.raises(ValueError, match="3 agents need 3 seeds, not 2"):
        envs.reset(seed=[1, 2])
    with pytest.raises(ValueError, match="all agents begin together"):
        envs.reset(options={"reset_mask": np.array([True, False, False])})
    envs.reset()
    assert len(set(envs.reset()[1]["ingredient_values"][:, 0])) == 3
    assert len(envs.np_random) == 3


# The picture


def test_the_picture_shows_foods_by_their_value_and_where_the_agent_is_heading() -> None:
    env = gym.make(FORAGING, render_mode="rgb_array", particles=2).unwrapped
    env.reset(seed=0)
    world = env._world
    world._bodies[0, :3] = 4.0, 6.0, 90.0
    world._places[0] = [[2.0, 7.99], [1.0, 0.01]]
    world._foods[0] = np.eye(4)[:2]
    world._values[0] = [1.0, -1.0, 0.0, 0.0]
    seen = env.render()
    size = picture.SIZE
    assert seen.shape == (size, size, 3)
    assert seen.dtype == np.uint8
    assert tuple(seen[size * 7 // 8, size // 4]) == picture.GOOD
    for corner in (seen[0, 0], seen[0, -1], seen[-1, 0], seen[-1, -1]):
        assert tuple(corner) == picture.BAD
    assert tuple(seen[size // 4, size // 2]) == picture.AGENT
    dark = (seen == picture.AGENT).all(-1)
    above, below = dark[: size // 4].sum(), dark[size // 4 + 1 :].sum()
    assert above > below + 10  # its nose
    assert (seen == picture.GROUND).all(-1).mean() > 0.95
    world._states[0] = 1  # every value is reversed
    assert tuple(env.render()[size * 7 // 8, size // 4]) == picture.BAD
    env.step(np.array([1.0, 0.0]))
    assert not np.array_equal(env.render(), seen)


def test_nothing_is_painted_unless_asked_for() -> None:
    env = ForagingEnv()
    env.reset(seed=0)
    assert env.render() is None
