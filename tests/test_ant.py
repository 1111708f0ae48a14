"""The Ant environments by themselves. ``test_ant_parity.py`` holds them against Bullet's own ant."""

from __future__ import annotations

import gc
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
import pybullet
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.passive_env_checker import env_render_passive_checker
from hebbian_gym.envs.ant import AntEnv
from hebbian_gym.envs.ant.body import LEGS
from helpers import elsewhere, resident_memory
from scipy.stats import kstest

from hebbian_gym.registration import ENVIRONMENTS

ANTS = [id_ for id_ in ENVIRONMENTS if id_.startswith("Ant")]
TERMS = ("reward_alive", "reward_progress", "reward_electricity", "reward_joints_at_limit")
FALLEN_HEIGHT = 0.26  # m
EVERYTHING = {
    "damage": {"left_front": 0.25, "left_back": 0},
    "reward": "bullet",
    "warm_up_steps": 3,
    "early_stop": True,
}

same_bits = np.testing.assert_array_equal
Make = Callable[..., gym.Env]


def actions(seed: int, steps: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (steps, 8)).astype(np.float32)


def row(observation: np.ndarray, reward: float, terminated: bool, truncated: bool, info: dict[str, Any]) -> np.ndarray:
    """All that a step tells, in one array."""
    damage = [info["damage"].get(leg, 1.0) for leg in LEGS]
    terms = [info.get(term, 0.0) for term in TERMS]
    place = [info["x_position"], info["y_position"]]
    return np.array([*observation, reward, terminated, truncated, *terms, *place, *damage])


def living(env: gym.Env, seed: int, steps: int = 60) -> Iterator[np.ndarray]:
    """An episode under random actions, row by row."""
    observation, info = env.reset(seed=seed)
    yield row(observation, 0.0, False, False, info)
    for action in actions(seed, steps):
        yield row(*env.step(action))


def episode(env: gym.Env, seed: int, steps: int = 60) -> np.ndarray:
    return np.array(list(living(env, seed, steps)))


def torso(env: gym.Env) -> np.ndarray:
    """The torso's position, m, asked of Bullet."""
    ant = env.unwrapped
    return np.array(pybullet.getBasePositionAndOrientation(ant._ant, ant._client)[0])


def bullet_worlds() -> int:
    """How many worlds Bullet holds in this process."""
    return sum(pybullet.isConnected(client) for client in range(1024))


# Gymnasium's protocol


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("id_", ANTS)
def test_gymnasium_has_no_complaint(make: Make, id_: str) -> None:
    check_env(make(id_).unwrapped, skip_render_check=True)  # the window is for a test of its own
    pictured = make(id_, render_mode="rgb_array").unwrapped
    pictured.reset(seed=0)
    env_render_passive_checker(pictured)


@pytest.mark.parametrize(("id_", "kwargs"), [*((id_, {}) for id_ in ANTS), ("AntDamaged-v0", EVERYTHING)])
def test_a_spec_survives_json(make: Make, id_: str, kwargs: dict[str, Any]) -> None:
    env = make(id_, **kwargs)
    spec = EnvSpec.from_json(env.spec.to_json())
    assert spec == env.spec
    same_bits(episode(make(spec), 1), episode(env, 1))


def test_time_is_up_after_1000_steps_and_not_before(make: Make) -> None:
    """The warm-up leaves the ant on its belly, lower than where Bullet calls it dead; it may lie or rise."""
    env = make("AntUndamaged-v0")
    env.reset(seed=0)
    assert torso(env)[2] <= FALLEN_HEIGHT
    ends = [env.step(np.zeros(8, np.float32))[2:4] for _ in range(1000)]
    assert ends == [(False, False)] * 999 + [(False, True)]


def test_the_ids_are_the_bodies_they_name(make: Make) -> None:
    damages = {id_: make(id_).unwrapped.damage for id_ in ANTS if id_ != "AntDamagedRandom-v0"}
    assert damages == {
        "AntUndamaged-v0": {},
        "AntDamaged-v0": {},
        "AntDamagedLeftFront-v0": {"left_front": 0.25},
        "AntDamagedRightFront-v0": {"right_front": 0.25},
        "AntDamagedLeftBack-v0": {"left_back": 0.25},
        "AntDamagedRightBack-v0": {"right_back": 0.25},
    }


# Determinism


@pytest.mark.parametrize("id_", ANTS)
def test_the_same_seed_gives_the_same_bits_in_two_fresh_envs(make: Make, id_: str) -> None:
    same_bits(episode(make(id_), 5), episode(make(id_), 5))


@pytest.mark.parametrize("id_", ANTS)
def test_another_seed_gives_another_episode(make: Make, id_: str) -> None:
    env = make(id_)
    first, second = (env.reset(seed=seed)[0] for seed in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("id_", ANTS)
def test_an_episode_does_not_depend_on_what_the_env_has_been_through(make: Make, id_: str) -> None:
    expected = episode(make(id_), 7)
    used = make(id_, max_episode_steps=150)
    episode(used, 1, steps=150)  # to the end of its time
    used.reset(seed=2)
    used.step(np.ones(8, np.float32))  # left in mid-episode
    used.reset()
    same_bits(episode(used, 7), expected)
    same_bits(episode(used, 7), expected)


@pytest.mark.parametrize("id_", ANTS)
def test_the_first_reset_equals_later_ones(make: Make, id_: str) -> None:
    env = make(id_, warm_up_steps=0)
    first = episode(env, 0, steps=200)
    same_bits(episode(env, 0, steps=200), first)


@pytest.mark.parametrize("id_", ["AntUndamaged-v0", "AntDamagedRandom-v0"])
def test_resets_without_a_seed_go_on_from_the_last_one(make: Make, id_: str) -> None:
    fresh, used = make(id_), make(id_)
    episode(used, 1)
    observations = [[env.reset(seed=4)[0], env.reset()[0], env.reset()[0]] for env in (fresh, used)]
    same_bits(*observations)
    assert len(np.unique(observations[0], axis=0)) == 3


@pytest.mark.parametrize(
    "ids", [("AntUndamaged-v0", "AntDamagedLeftFront-v0"), ("AntDamagedRandom-v0", "AntUndamaged-v0")]
)
def test_envs_in_one_process_do_not_disturb_each_other(make: Make, ids: tuple[str, str]) -> None:
    alone = [episode(make(id_), seed) for seed, id_ in enumerate(ids)]
    bystander, one, other = make("AntDamagedRightBack-v0"), make(ids[0]), make(ids[1])
    together = []
    for pair in zip(living(one, 0), living(other, 1), strict=True):
        together.append(pair)
        if len(together) == 20:
            bystander.close()
            bystander = make("AntUndamaged-v0")  # takes over the closed one's place in Bullet
        bystander.reset(seed=len(together))
    same_bits(np.array(together).swapaxes(0, 1), alone)


def episodes_of(specs: list[EnvSpec | str]) -> list[np.ndarray]:
    episodes = []
    for spec in specs:
        with closing(gym.make(spec)) as env:
            episodes.append(episode(env, 3))
    return episodes


def test_a_spawned_process_computes_the_same_bits(make: Make) -> None:
    specs = ["hebbian_gym:AntUndamaged-v0", make("AntDamaged-v0", **EVERYTHING).spec, "AntDamagedRandom-v0"]
    same_bits(elsewhere(episodes_of, specs), episodes_of(specs))


@pytest.mark.parametrize("id_", ANTS)
def test_a_pickled_env_is_another_env_with_the_same_bits(make: Make, id_: str) -> None:
    env = make(id_)
    expected = episode(env, 2)
    with closing(pickle.loads(pickle.dumps(env))) as twin:
        env.reset(seed=9)  # must not reach the twin's world
        same_bits(episode(twin, 2), expected)
    same_bits(episode(env, 2), expected)  # nor does closing the twin close this one


# Damage


def test_each_damage_is_another_body(make: Make) -> None:
    damages = [{}, *({leg: 0.25} for leg in LEGS), {"left_front": 0.5}]
    episodes = [episode(make("AntDamaged-v0", damage=damage), 0)[:, :28] for damage in damages]
    assert len(np.unique(episodes, axis=0)) == len(damages)


@pytest.mark.parametrize("damage", [None, {}, {"left_back": 1}, dict.fromkeys(LEGS, 1.0)])
def test_a_whole_leg_is_no_damage(make: Make, damage: dict[str, float] | None) -> None:
    whole, env = make("AntUndamaged-v0"), make("AntDamaged-v0", damage=damage)
    same_bits(episode(env, 0), episode(whole, 0))


def test_nobody_outside_can_change_the_damage(make: Make) -> None:
    damage = {"left_back": 0.5}
    env = make("AntDamaged-v0", damage=damage)
    damage["left_back"] = 0.0
    info = env.reset(seed=0)[1]
    info["damage"]["left_back"] = 0.0
    assert env.step(np.zeros(8, np.float32))[4]["damage"] == {"left_back": 0.5}


def random_damages() -> tuple[list[dict[str, float]], float]:
    """The damage of many resets in a row, and by how many MB the process grew in the last 200 of them."""
    with closing(AntEnv(damage="random", warm_up_steps=0)) as env:
        damages = [env.reset(seed=0)[1]["damage"]] + [env.reset()[1]["damage"] for _ in range(39)]
        before = resident_memory()
        damages += [env.reset()[1]["damage"] for _ in range(200)]
        return damages, resident_memory() - before


def test_random_damage_is_uniform_and_takes_no_memory() -> None:
    """One leg, drawn uniformly, keeps a uniform fraction; and a body that is replaced leaves nothing behind."""
    damages, growth = elsewhere(random_damages)
    assert {len(damage) for damage in damages} == {1}
    legs = [leg for damage in damages for leg in damage]
    assert all(35 < legs.count(leg) < 85 for leg in LEGS)  # 60 +- 6.7 expected
    assert kstest([damage[leg] for damage, leg in zip(damages, legs, strict=True)], "uniform").pvalue > 0.001
    assert growth < 0.8  # MB; files kept in Bullet's cache would take 1.9


def test_the_random_body_is_the_one_that_info_tells(make: Make) -> None:
    env = make("AntDamagedRandom-v0")
    for seed in range(5):
        damage = env.reset(seed=seed)[1]["damage"]
        assert env.step(np.zeros(8, np.float32))[4]["damage"] == damage
        told = make("AntDamaged-v0", damage=damage)
        masses = [
            [pybullet.getDynamicsInfo(ant._ant, link, physicsClientId=ant._client)[0] for link in range(8)]
            for ant in (env.unwrapped, told.unwrapped)
        ]
        same_bits(*masses)


# Rewards and info


@pytest.mark.parametrize("reward", ["bullet", "distance"])
def test_the_reward_is_made_of_the_terms_in_info(make: Make, reward: str) -> None:
    env = make("AntDamagedLeftBack-v0", reward=reward)
    env.reset(seed=0)
    for action in actions(0, 100):
        _, got, _, _, info = env.step(action)
        assert got == (info["reward_progress"] if reward == "distance" else sum(info[term] for term in TERMS))
        assert info["damage"] == {"left_back": 0.25}
        same_bits((info["x_position"], info["y_position"]), torso(env)[:2])


def test_the_choice_of_reward_changes_only_the_reward(make: Make) -> None:
    bullet, distance = (episode(make("AntUndamaged-v0", reward=reward), 0) for reward in ("bullet", "distance"))
    same_bits(np.delete(bullet, 28, axis=1), np.delete(distance, 28, axis=1))


def test_distance_is_progress_towards_x(make: Make) -> None:
    """Bullet averages 21 links and the floor; beside that, the sum of the rewards is a distance over a time step."""
    env = make("AntUndamaged-v0", reward="distance")
    start = env.reset(seed=0)[1]["x_position"]
    total = sum(env.step(np.sin(0.25 * t + 0.8 * np.arange(8)).astype(np.float32))[1] for t in range(300))
    assert total * 0.0165 * 22 / 21 == pytest.approx(torso(env)[0] - start, abs=0.15)


def test_reset_tells_place_and_damage(make: Make) -> None:
    env = make("AntDamagedRightFront-v0")
    info = env.reset(seed=0)[1]
    assert info["damage"] == {"right_front": 0.25}
    same_bits((info["x_position"], info["y_position"]), torso(env)[:2])


# Beginning and end


@pytest.mark.parametrize("steps", [1, 2, *range(18, 28), 40])  # it comes to the ground from step 20 to 25
@pytest.mark.parametrize("id_", ["AntUndamaged-v0", "AntDamagedRandom-v0"])
def test_warming_up_is_taking_zero_actions(make: Make, id_: str, steps: int) -> None:
    warm, cold = make(id_, warm_up_steps=steps), make(id_, warm_up_steps=0)
    expected = warm.reset(seed=3)[0]
    cold.reset(seed=3)
    for _ in range(steps):
        observation = cold.step(np.zeros(8, np.float32))[0]
    same_bits(observation, expected)
    for action in actions(3, 50):
        cooler, warmer = cold.step(action), warm.step(action)
        same_bits(cooler[0], warmer[0])
        assert cooler[1] == warmer[1]
        assert cooler[4] == warmer[4]


def test_numbers_may_be_numpys(make: Make) -> None:
    damage = {"left_front": 0.5}
    theirs = make("AntDamaged-v0", damage={"left_front": np.float32(0.5)}, warm_up_steps=np.int64(3))
    same_bits(episode(theirs, 0), episode(make("AntDamaged-v0", damage=damage, warm_up_steps=3), 0))


def test_a_pictures_size_may_be_numpys(make: Make) -> None:
    env = make("AntUndamaged-v0", render_mode="rgb_array", width=np.uint8(32), height=np.int64(20))
    env.reset(seed=0)
    assert env.render().shape == (20, 32, 3)


def test_warm_up_is_40_steps_by_default(make: Make) -> None:
    same_bits(episode(make("AntUndamaged-v0"), 0), episode(make("AntUndamaged-v0", warm_up_steps=40), 0))


def test_bullets_ant_terminates_when_it_has_fallen(make: Make) -> None:
    env = make("AntUndamaged-v0", warm_up_steps=0)
    env.reset(seed=0)
    seen = set()
    for action in [*np.zeros((60, 8), np.float32), *actions(0, 60)]:  # drops on its belly, then struggles
        _, _, terminated, truncated, info = env.step(action)
        assert terminated == (torso(env)[2] <= FALLEN_HEIGHT) == (info["reward_alive"] == -1.0)
        assert not truncated
        seen.add(terminated)
    assert seen == {False, True}


def random_gait(seed: int) -> Callable[[int], np.ndarray]:
    rng = np.random.default_rng(seed)
    phase, frequency, amplitude = rng.uniform(0, 2 * np.pi, 8), rng.uniform(0.1, 0.4), rng.uniform(0.2, 1.0)
    return lambda t: (amplitude * np.sin(frequency * t + phase)).astype(np.float32)


def test_early_stop_is_that_of_the_papers_code(make: Make) -> None:
    """After t = 200 it stops when fallen (terminated) or at more than 30 negative rewards in a row (truncated)."""
    patient, hasty = make("AntUndamaged-v0"), make("AntUndamaged-v0", early_stop=True)
    reasons = []
    for seed in range(20):
        gait, negative = random_gait(seed), 0
        patient.reset(seed=seed), hasty.reset(seed=seed)
        for t in range(450):
            observation, reward, _, _, info = patient.step(gait(t))
            after, same_reward, terminated, truncated, _ = hasty.step(gait(t))
            same_bits(after, observation)
            assert same_reward == reward
            fallen = False
            if t > 200:  # as in fitness_functions.py of the paper's code
                negative = negative + 1 if reward < 0.0 else 0
                fallen = info["reward_alive"] < 0
            assert (terminated, truncated) == (fallen, negative > 30)
            if terminated or truncated:
                reasons.append("fallen" if terminated else "went backwards")
                break
    assert set(reasons) == {"fallen", "went backwards"}


# Pictures


def ant_in(picture: np.ndarray) -> tuple[int, np.ndarray]:
    """Size (pixels) and centre (row, column) of what is brown or red; the world is white, blue and green."""
    brown = picture[..., 0].astype(int) > picture[..., 1].astype(int) + 20
    return int(brown.sum()), np.argwhere(brown).mean(axis=0)


def test_a_picture_shows_the_ant_as_it_moves(make: Make) -> None:
    env = make("AntUndamaged-v0", render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    for action in actions(0, 20):
        env.step(action)
    after = env.render()
    assert before.shape == after.shape == (240, 320, 3)
    assert before.dtype == after.dtype == np.uint8
    assert np.mean(before != after) > 0.01
    assert ant_in(after)[0] > 1000


def test_the_camera_follows(make: Make) -> None:
    env = make("AntUndamaged-v0", render_mode="rgb_array")
    env.reset(seed=0)
    size, centre = ant_in(env.render())
    ant = env.unwrapped
    pybullet.resetBasePositionAndOrientation(
        ant._ant, torso(env) + np.array([6.0, 2.5, 0.0]), (0, 0, 0, 1), physicsClientId=ant._client
    )
    size_there, centre_there = ant_in(env.render())
    assert size_there == pytest.approx(size, rel=0.2)
    assert centre_there == pytest.approx(centre, abs=10)


def test_looking_changes_nothing(make: Make) -> None:
    env = make("AntUndamaged-v0", render_mode="rgb_array")
    expected = episode(make("AntUndamaged-v0"), 0, steps=20)
    seen = []
    for step in living(env, 0, steps=20):
        seen.append(step)
        env.render()
    same_bits(seen, expected)


def test_a_window_without_a_display_is_an_error_that_names_the_cure() -> None:
    """Bullet itself would end the whole process."""
    code = """
import gymnasium as gym
try:
    gym.make("hebbian_gym:AntUndamaged-v0", render_mode="human")
except Exception as error:
    print("caught:", error)
"""
    without = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run([sys.executable, "-c", code], env=without, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert re.search('caught: .*"rgb_array"', done.stdout)


# Closing


def test_closing_twice_is_fine_and_closes_nobody_elses_world(make: Make) -> None:
    first = make("AntUndamaged-v0")
    first.close()
    second = make("AntUndamaged-v0")  # with the first one's number in Bullet
    first.close()
    episode(second, 0)


def test_an_ant_that_is_dropped_takes_its_world_with_it() -> None:
    before = bullet_worlds()
    ants = [AntEnv() for _ in range(3)]
    ants[0].reset(seed=0)
    ants.append(pickle.loads(pickle.dumps(ants[0])))
    assert bullet_worlds() == before + 4
    del ants
    gc.collect()
    assert bullet_worlds() == before


def test_an_ant_dropped_by_a_forked_process_leaves_the_world_to_its_maker(monkeypatch: pytest.MonkeyPatch) -> None:
    before = bullet_worlds()
    ant = AntEnv()
    client = ant._client
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        del ant
        gc.collect()
    assert bullet_worlds() == before + 1
    pybullet.disconnect(client)


def test_an_ant_that_could_not_be_loaded_leaves_no_world(monkeypatch: pytest.MonkeyPatch) -> None:
    before = bullet_worlds()
    monkeypatch.setattr(pybullet, "saveState", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError) as kept:  # with all that its traceback holds
        AntEnv()
    assert bullet_worlds() == before
    del kept


def test_an_ant_that_is_left_when_python_ends_is_no_fault() -> None:
    code = "from hebbian_gym.envs.ant import AntEnv; env = AntEnv(); env.self = env; env.reset(seed=0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def open_and_close_many() -> tuple[int, int, float]:
    """By how many Bullet worlds, open files and MB this process grows over 200 environments."""

    def open_and_close(times: int) -> None:
        for seed in range(times):
            with closing(AntEnv(warm_up_steps=0)) as env:
                env.reset(seed=seed)
                env.step(np.zeros(8))

    open_and_close(10)
    worlds, files, memory = bullet_worlds(), len(os.listdir("/proc/self/fd")), resident_memory()
    open_and_close(200)
    return bullet_worlds() - worlds, len(os.listdir("/proc/self/fd")) - files, resident_memory() - memory


def test_hundreds_of_envs_leak_nothing() -> None:
    worlds, files, memory = elsewhere(open_and_close_many)
    assert (worlds, files) == (0, 0)
    assert memory < 5.0  # MB


# Bad input


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        (
            {"damage": {"front_left": 0.5}},
            "unknown leg 'front_left': the legs are left_front, right_front, left_back, right_back",
        ),
        ({"damage": {3: 0.5}}, "unknown leg 3"),
        (
            {"damage": {"left_front": -0.01}},
            r"left_front must keep a fraction in \[0, 1\] of its lower segment, not -0.01",
        ),
        ({"damage": {"right_back": 1.01}}, r"right_back must keep a fraction in \[0, 1\]"),
        (
            {"damage": {"right_back": 0.5, "left_back": float("nan")}},
            r"left_back must keep a fraction in \[0, 1\].* not nan",
        ),
        ({"damage": {"left_front": "0.5"}}, r"left_front must keep a fraction in \[0, 1\].* not '0.5'"),
        ({"damage": {"left_front": None}}, r"left_front must keep a fraction in \[0, 1\].* not None"),
        ({"damage": {"left_front": True}}, r"left_front must keep a fraction in \[0, 1\].* not True"),
        ({"damage": "left_front"}, "damage must map legs to fractions.* not 'left_front'"),
        ({"damage": ["left_front"]}, "damage must map legs to fractions"),
        ({"damage": 0.25}, "damage must map legs to fractions.* not 0.25"),
        ({"reward": "speed"}, 'reward must be "distance" or "bullet", not \'speed\''),
        ({"reward": None}, 'reward must be "distance" or "bullet", not None'),
        ({"render_mode": "ansi"}, 'render_mode must be "rgb_array", "human" or None, not \'ansi\''),
        ({"warm_up_steps": -1}, "warm_up_steps must be .*not -1"),
        ({"warm_up_steps": 2.5}, "warm_up_steps must be .*not 2.5"),
        ({"warm_up_steps": "40"}, "warm_up_steps must be .*not '40'"),
        ({"warm_up_steps": True}, "warm_up_steps must be .*not True"),
        ({"width": 0}, "width must be a whole number, 1 or more, not 0"),
        ({"height": -3}, "height must be a whole number, 1 or more, not -3"),  # of which Bullet would end the process
        ({"height": 240.0}, "height must be a whole number, 1 or more, not 240.0"),
    ],
    ids=str,
)
def test_a_bad_argument_is_refused_with_a_clear_sentence(kwargs: dict[str, Any], sentence: str) -> None:
    worlds = bullet_worlds()
    with pytest.raises(ValueError, match=sentence):
        AntEnv(**kwargs)
    assert bullet_worlds() == worlds


BAD_ACTIONS = {
    "NaN": np.array([0, 0, 0, np.nan, 0, 0, 0, 0], np.float32),
    "infinite": [np.inf, -np.inf, 0, 0, 0, 0, 0, 0],
    "too short": np.zeros(7, np.float32),
    "too long": np.zeros(9, np.float32),
    "a batch": np.zeros((1, 8), np.float32),
    "one number": 0.5,
    "ragged": [[0.0] * 8, [0.0]],
    "None": None,
    "text": "walk",
    "texts": ["a"] * 8,
    "mapping": {"left_front": 1.0},
    "complex": np.full(8, 1j),
}


@pytest.mark.parametrize("action", BAD_ACTIONS.values(), ids=BAD_ACTIONS)
def test_a_bad_action_is_refused_and_does_no_harm(action: Any) -> None:
    with closing(AntEnv()) as env, closing(AntEnv()) as untroubled:
        episode(env, 0, steps=10), episode(untroubled, 0, steps=10)
        with pytest.raises(ValueError, match="the ant takes 8 finite numbers, one for each joint, not"):
            env.step(action)
        for good in actions(1, 20):
            same_bits(row(*env.step(good)), row(*untroubled.step(good)))


def test_actions_beyond_the_bounds_are_clipped(make: Make) -> None:
    env, bounded = make("AntUndamaged-v0"), make("AntUndamaged-v0")
    env.reset(seed=0), bounded.reset(seed=0)
    for action in 3 * actions(0, 50):
        same_bits(env.step(action)[0], bounded.step(np.clip(action, -1, 1))[0])


def test_without_pybullet_the_error_names_the_command() -> None:
    code = """
import sys
sys.modules["pybullet"] = None
import gymnasium as gym
try:
    gym.make("hebbian_gym:AntUndamaged-v0")
except gym.error.DependencyNotInstalled as error:
    print("caught:", error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "hebbian-gym[ant]"' in done.stdout
