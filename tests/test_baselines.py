"""Baselines: recipes, training and its resume, one evaluation for everybody, tables, plots and curves."""

import csv
import dataclasses
import importlib.util
import io
import json
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from rich.console import Console
from scipy import stats
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from typer.testing import CliRunner

import hebbian_gym as hg
from hebbian_gym import baselines
from hebbian_gym.analysis.comparison import plot_comparison
from hebbian_gym.baselines import (
    BASELINES,
    Baseline,
    BaselineProgress,
    Linear,
    get_baseline,
    load_baseline,
    make_venv,
    train_baseline,
)
from hebbian_gym.cli import app
from hebbian_gym.comparison import (
    Comparison,
    Contender,
    Judged,
    compare,
    comparison_table,
    interval,
    load_contender,
)
from hebbian_gym.curves import Curve, plot_curves, read_curve
from hebbian_gym.evaluator import Evaluation
from hebbian_gym.sb3_evaluation import evaluate_one
from hebbian_gym.task import EVALUATION, HELD_OUT

LENGTH = 20


class Push(gym.Env):
    """A point on a line is pushed towards a goal; beyond 2 it is lost."""

    seeds = []  # noqa: RUF012 (of every reset of every environment)

    def __init__(self, wind=0.0, scale=1.0):
        self.observation_space, self.action_space = Box(-10, 10, (3,), np.float32), Box(-1, 1, (1,), np.float32)
        self.wind, self.scale = wind, scale

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        Push.seeds.append(seed)
        self.x, self.goal, self.v = *self.np_random.uniform(-1.5, 1.5, 2), 0.0
        return self._see(), {}

    def _see(self):
        return np.array([self.x, self.v, self.goal], np.float32)

    def step(self, action):
        self.v = 0.8 * self.v + 0.3 * float(action[0]) + self.wind
        self.x += self.v
        reward = 2 - abs(self.x - self.goal)
        return self._see(), self.scale * reward, abs(self.x) > 2, False, {"reward_progress": 2 * reward}


gym.register("Push-v0", Push, max_episode_steps=LENGTH)
gym.register("PushWindy-v0", Push, max_episode_steps=LENGTH, kwargs={"wind": 0.05})

TINY = Baseline(
    about="for these tests", algorithm="PPO", policy="MlpPolicy", envs=("Push-v0", "PushWindy-v0"), timesteps=192,
    n_envs=2, training_kwargs={"scale": 7.0}, normalize={"gamma": 0.9},
    hyperparameters={
        "n_steps": 16, "batch_size": 16, "n_epochs": 2, "gamma": 0.9, "learning_rate": Linear(1e-2), "use_sde": True,
        "sde_sample_freq": 4, "device": "cpu",
        "policy_kwargs": {"activation_fn": "ReLU", "net_arch": {"pi": [8], "vf": [8]}},
    },
)  # fmt: skip
RECURRENT = dataclasses.replace(
    TINY, algorithm="RecurrentPPO", policy="MlpLstmPolicy",
    hyperparameters={
        **TINY.hyperparameters, "policy_kwargs": {"lstm_hidden_size": 8, "net_arch": {"pi": [], "vf": []}},
    },
)  # fmt: skip
ROLLOUT = 32


def train(run_dir=None, baseline=TINY, **options):
    return train_baseline(baseline, run_dir=run_dir, **{"checkpoint_every": 64, "held_out_episodes": 2, **options})


class Interrupt:
    """Ctrl-C after some timesteps."""

    def __init__(self, timesteps):
        self.timesteps = timesteps

    def __call__(self, metrics):
        if metrics["time/timesteps"] >= self.timesteps:
            raise KeyboardInterrupt


def rows(run_dir):
    with (Path(run_dir) / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def learned(predictor):
    """All that training has made: weights, the optimiser's moments, statistics, the number of steps."""
    model = predictor.model
    found = {f"weights {name}": value.numpy().copy() for name, value in model.policy.state_dict().items()}
    for index, state in model.policy.optimizer.state_dict()["state"].items():
        found |= {f"optimiser {index} {name}": value.numpy().copy() for name, value in state.items()}
    found["learning rate"] = np.array(model.policy.optimizer.param_groups[0]["lr"])
    return found | predictor.statistics | {"timesteps": np.array(predictor.about["timesteps"])}


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def differs(ours, theirs):
    return any(not np.array_equal(ours[name], theirs[name]) for name in ours)


# Recipes


def shrunk(recipe):
    """The same recipe with rollouts of a few steps; the networks and all else stay."""
    small = {"n_steps": 8, "batch_size": 8, "n_epochs": 1}
    n = len(recipe.envs)
    return dataclasses.replace(recipe, n_envs=n, hyperparameters={**recipe.hyperparameters, **small, "device": "cpu"})


@pytest.mark.parametrize("name", BASELINES)
def test_a_recipe_trains_on_its_bodies(name, tmp_path):
    recipe = shrunk(BASELINES[name])
    rollout = 8 * recipe.n_envs
    predictor = train_baseline(recipe, 2 * rollout, run_dir=tmp_path, held_out_episodes=0)
    assert predictor.about["timesteps"] == 2 * rollout
    assert predictor.about["env_steps"] == 2 * rollout * recipe.frame_skip
    with gym.make(recipe.envs[0], disable_env_checker=True, **predictor.env_kwargs) as env:
        observation, _ = env.reset(seed=0)
        action, _ = load_baseline(tmp_path).predict(observation, None, np.ones(1, bool))
        assert env.action_space.contains(action)
        np.testing.assert_array_equal(action, predictor.predict(observation, None, np.ones(1, bool))[0])


def test_half_of_the_ants_are_whole_and_half_have_a_short_right_front_leg():
    venv = make_venv(BASELINES["ant-ppo"])
    assert venv.get_attr("damage") == [{}] * 8 + [{"right_front": 0.25}] * 8
    assert {env.spec.kwargs["reward"] for env in venv.get_attr("unwrapped")} == {"bullet"}
    venv.close()
    assert BASELINES["ant-ppo"].unseen == ("AntDamagedLeftFront-v0",)


@pytest.mark.parametrize("name", ["car-ppo", "car-recurrent-ppo"])
def test_a_car_drives_for_a_thousand_frames_whatever_it_skips(name):
    recipe = BASELINES[name]
    with gym.make(recipe.envs[0], **recipe.env_kwargs) as env:
        assert env.spec.max_episode_steps * recipe.frame_skip == 1000
        assert env.observation_space == Box(0, 255, (2, 64, 64), np.uint8)


def test_a_recipe_is_plain_data():
    for recipe in BASELINES.values():
        assert json.loads(json.dumps(recipe.to_json())) == recipe.to_json()


# Training


@pytest.mark.parametrize("baseline", [TINY, RECURRENT], ids=["PPO", "RecurrentPPO"])
@pytest.mark.parametrize("interrupted", [64 + ROLLOUT, 128])  # between two checkpoints, and before one is written
def test_an_interrupted_run_goes_on_as_if_it_had_never_stopped(baseline, interrupted, tmp_path):
    straight = train(tmp_path / "straight", baseline)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", baseline, progress=Interrupt(interrupted))
    assert load_baseline(tmp_path / "stopped").about["timesteps"] == 64
    np.random.seed(1)  # noqa: NPY002 (what else happened to the global random states does not matter)
    torch.manual_seed(1)
    resumed = train(tmp_path / "stopped", baseline, resume=True)
    assert_same(learned(resumed), learned(straight))
    ours, theirs = rows(tmp_path / "stopped"), rows(tmp_path / "straight")
    assert [row["time/timesteps"] for row in ours] == ["64", "128", "192"]
    for row in (*ours, *theirs):
        assert float(row.pop("time/wall_seconds")) > 0
    assert ours == theirs


@pytest.mark.parametrize("name", ["ant-ppo", "car-ppo"])
def test_so_it_is_on_ants_and_cars(name, tmp_path):
    recipe = shrunk(BASELINES[name])
    steps = 8 * recipe.n_envs
    options = {"timesteps": 3 * steps, "checkpoint_every": steps, "held_out_episodes": 0}
    straight = train(tmp_path / "straight", recipe, **options)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", recipe, progress=Interrupt(2 * steps), **options)
    assert_same(learned(train(tmp_path / "stopped", recipe, resume=True, **options)), learned(straight))


def test_a_run_that_ended_at_a_checkpoint_can_be_made_longer(tmp_path):
    constant = dataclasses.replace(TINY, hyperparameters={**TINY.hyperparameters, "learning_rate": 1e-2})
    train(tmp_path, constant, timesteps=128)
    longer = train(tmp_path, constant, timesteps=256, resume=True)
    assert_same(learned(longer), learned(train(baseline=constant, timesteps=256)))


def test_the_seed_and_nothing_else_makes_the_difference():
    first, again, other = (learned(train(seed=seed, timesteps=64)) for seed in (0, 0, 1))
    assert_same(first, again)
    assert differs(first, other)


def test_a_schedule_goes_on_after_a_resume(tmp_path):
    def rate():
        return load_baseline(tmp_path).model.policy.optimizer.param_groups[0]["lr"]

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, progress=Interrupt(96))
    assert rate() == pytest.approx(1e-2 * (1 - 64 / 192))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, resume=True, progress=Interrupt(160))
    assert rate() == pytest.approx(1e-2 * (1 - 128 / 192))
    train(tmp_path, resume=True)
    assert rate() == 0


def test_training_learns():
    options = {**TINY.hyperparameters, "n_steps": 128, "batch_size": 128, "n_epochs": 5}
    recipe = dataclasses.replace(TINY, hyperparameters=options)
    newborn = train(baseline=recipe, timesteps=1)  # its learning rate is 0 when the first rollout is over
    trained = train(baseline=recipe, timesteps=6_000, checkpoint_every=10_000)
    before, after = (evaluate_one(each, "Push-v0", episodes=50).score.mean() for each in (newborn, trained))
    assert after > before + 15


def test_time_that_is_up_ends_a_run_after_a_rollout(tmp_path):
    predictor = train(tmp_path, wall_seconds=1e-9)
    assert predictor.about["timesteps"] == ROLLOUT
    assert learned(load_baseline(tmp_path))["timesteps"] == ROLLOUT
    assert_same(learned(train(tmp_path, wall_seconds=1e-9, resume=True)), learned(predictor))  # nothing is left
    assert [row["time/timesteps"] for row in rows(tmp_path)] == [str(ROLLOUT)]


def test_env_steps_count_the_frames_that_are_skipped():
    recipe = dataclasses.replace(shrunk(BASELINES["car-ppo"]), n_envs=1)
    predictor = train_baseline(recipe, 8, held_out_episodes=0)
    assert (predictor.about["timesteps"], predictor.about["env_steps"]) == (8, 16)


def test_every_rollout_is_told():
    told = []
    train(progress=told.append)
    assert [metrics["time/timesteps"] for metrics in told] == list(range(ROLLOUT, 193, ROLLOUT))
    assert [metrics["fraction"] for metrics in told] == pytest.approx([(i + 1) / 6 for i in range(6)])
    assert "held_out/PushWindy" in told[-1]
    assert "held_out/PushWindy" not in told[1]


def test_torch_has_its_threads_back():
    before = torch.get_num_threads()
    during = []
    try:
        torch.set_num_threads(2)
        train(timesteps=ROLLOUT, progress=lambda _: during.append(torch.get_num_threads()))
        assert (during, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def test_the_log_has_raw_scores_on_every_body_from_resets_of_their_own(tmp_path):
    recipe = dataclasses.replace(TINY, envs=("Push-v0",), unseen=("PushWindy-v0",))
    predictor = train(tmp_path, recipe, seed=3)
    (*_, last) = rows(tmp_path)
    for body in ("Push", "PushWindy"):
        again = evaluate_one(predictor, f"{body}-v0", 2, seed=3, stream=HELD_OUT)
        assert float(last[f"held_out/{body}"]) == again.score.mean()
        np.testing.assert_allclose(again.distance, 2 * again.score, rtol=1e-5)  # scale is 1: of training only


# Files


def test_stable_baselines3_reads_the_file_and_names_come_back(tmp_path):
    predictor = train(tmp_path, timesteps=64)
    theirs, ours = PPO.load(tmp_path / "model.zip", device="cpu"), load_baseline(tmp_path / "model.zip")
    for name, value in predictor.model.policy.state_dict().items():
        np.testing.assert_array_equal(theirs.policy.state_dict()[name].numpy(), value.numpy())
    assert ours.about == predictor.about
    assert ours.about["name"] == "own recipe"
    assert_same(ours.statistics, predictor.statistics)


def test_what_cannot_be_resumed_says_why(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        train(tmp_path, resume=True)
    with pytest.raises(ValueError, match="say where the run is"):
        train(resume=True)
    train(tmp_path, timesteps=ROLLOUT)
    with pytest.raises(FileExistsError, match="already holds a run"):
        train(tmp_path)
    with pytest.raises(ValueError, match="another seed"):
        train(tmp_path, seed=1, resume=True)
    with pytest.raises(ValueError, match="another baseline"):
        train(tmp_path, dataclasses.replace(TINY, normalize=None), resume=True)


def test_a_run_that_another_process_finishes_meanwhile_is_not_overwritten(tmp_path, monkeypatch):
    @contextmanager
    def held_after_another(folder):
        (folder / "model.zip").write_bytes(b"another's")
        yield

    monkeypatch.setattr(baselines, "held", held_after_another)
    with pytest.raises(FileExistsError, match="already holds a run"):
        train(tmp_path)
    assert (tmp_path / "model.zip").read_bytes() == b"another's"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"timesteps": 0}, "timesteps must be a whole number, 1 or more, not 0"),
        ({"checkpoint_every": 0}, "checkpoint_every must be a whole number, 1 or more, not 0"),
        ({"held_out_episodes": -1}, "held_out_episodes must be a whole number, 0 or more, not -1"),
        ({"threads": 0}, "threads must be a whole number, 1 or more, not 0"),
        ({"wall_seconds": 0.0}, "wall_seconds must be a positive number of seconds, not 0.0"),
    ],
)
def test_an_impossible_number_is_refused_before_anything_is_made(options, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        train(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_none_of_ours_is_refused(tmp_path):
    path = tmp_path / "model.zip"
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match="damaged"):
        load_baseline(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("anything", "{}")
    with pytest.raises(ValueError, match="not a baseline's file"):
        load_baseline(path)


def test_unknown_names_and_uneven_shares_are_refused():
    with pytest.raises(ValueError, match="unknown baseline 'ant-sac': choose from ant-ppo"):
        get_baseline("ant-sac")
    with pytest.raises(ValueError, match='"PPO" or "RecurrentPPO"'):
        train(baseline=dataclasses.replace(TINY, algorithm="SAC"))
    with pytest.raises(ValueError, match="3 environments cannot be shared evenly by 2 bodies"):
        make_venv(dataclasses.replace(TINY, n_envs=3))


@pytest.mark.parametrize("module", ["baselines", "comparison"])
def test_without_stable_baselines3_an_import_says_what_to_install(module):
    code = f"import sys; sys.modules['stable_baselines3'] = None; import hebbian_gym.{module}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last == 'ImportError: Stable-Baselines3 is not installed: pip install "hebbian-gym[baselines]"'


def test_without_sb3_contrib_ppo_trains_and_recurrent_ppo_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sb3_contrib", None)
    train(timesteps=ROLLOUT)
    with pytest.raises(ImportError, match=r'SB3-Contrib is not installed: pip install "hebbian-gym\[baselines\]"'):
        train(baseline=RECURRENT)


# One evaluation for everybody


def policies():
    return {
        "plastic": hg.HebbianPolicy.for_env("Push-v0", hidden=(4,), seed=1),
        "static": hg.StaticPolicy.for_env("Push-v0", hidden=(4,), seed=2),
        "trained": train(timesteps=ROLLOUT),
    }


def test_everybody_has_the_same_resets_and_they_are_evaluates_own():
    found = []
    for policy in policies().values():
        Push.seeds.clear()
        evaluate_one(policy, "PushWindy-v0", episodes=4, seed=5)
        found.append(list(Push.seeds))
    Push.seeds.clear()
    hg.evaluate(policies()["plastic"], "PushWindy-v0", episodes=4, seed=5)
    expected = Push.seeds[-4:]
    assert len(set(expected)) == 4
    assert None not in expected
    assert found == [[*expected, None]] * 3  # Stable-Baselines3 also resets after the last episode


@pytest.mark.parametrize("name", ["plastic", "static"])
@pytest.mark.parametrize("env", ["PushWindy-v0", "Pendulum-v1"])
def test_a_policy_has_the_lifetimes_that_evaluate_gives_it(name, env):
    kind = {"plastic": hg.HebbianPolicy, "static": hg.StaticPolicy}[name]
    policy = kind.for_env(env, hidden=(4,), seed=1)
    ours, theirs = evaluate_one(policy, env, 5, seed=2), hg.evaluate(policy, env, 5, seed=2)
    np.testing.assert_array_equal(ours.steps, theirs.steps)
    np.testing.assert_array_equal(ours.score, theirs.score)
    np.testing.assert_array_equal(ours.distance, theirs.distance)
    assert len(np.unique(ours.score)) == 5


def test_the_walker_has_the_distance_that_evaluate_gives_it():
    policy, body = hg.load_pretrained("ant-hebbian"), "AntDamagedLeftFront-v0"
    ours, theirs = evaluate_one(policy, body, 1), hg.evaluate(policy, body, 1)
    np.testing.assert_array_equal(ours.distance, theirs.distance)
    np.testing.assert_array_equal(ours.score, theirs.score)


def test_scores_are_those_of_a_loop_written_out():
    predictor = train(timesteps=64)
    result = evaluate_one(predictor, "Push-v0", episodes=3, seed=9)
    env, scores = gym.make("Push-v0"), []
    for episode in range(3):
        seed = np.random.SeedSequence((9, EVALUATION, 0, episode)).generate_state(2)[0]
        observation, _ = env.reset(seed=int(seed))
        score, over = 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(predictor.predict(observation)[0])
            score, over = score + reward, terminated or truncated
        scores.append(score)
    np.testing.assert_allclose(result.score, scores, rtol=1e-5)
    np.testing.assert_array_equal(result.fitness, result.score)


def frozen(predictor, venv):
    """Stable-Baselines3's own normaliser with a predictor's statistics, as it recommends it for evaluation."""
    normalize = VecNormalize(venv, training=False, norm_reward=False)
    for name in ("mean", "var", "count"):
        setattr(normalize.obs_rms, name, predictor.statistics[f"obs_rms/{name}"])
    return normalize


def test_normalisation_is_stable_baselines3s_and_is_frozen():
    predictor = train(timesteps=64)
    before = {name: value.copy() for name, value in predictor.statistics.items()}
    assert before["obs_rms/count"] > 64
    ours = evaluate_one(predictor, "PushWindy-v0", episodes=1, seed=4)
    assert_same(predictor.statistics, before)
    venv = frozen(predictor, DummyVecEnv([lambda: gym.make("PushWindy-v0")]))
    venv.seed(int(np.random.SeedSequence((4, EVALUATION, 0, 0)).generate_state(2)[0]))
    theirs, lengths = evaluate_policy(predictor.model, venv, 1, return_episode_rewards=True, warn=False)
    assert ours.steps[0] == lengths[0]
    np.testing.assert_allclose(ours.score, theirs, rtol=1e-5)


def test_training_goes_on_learning_statistics_and_what_was_handed_out_does_not(tmp_path):
    train(tmp_path, timesteps=64)
    early = load_baseline(tmp_path)
    late = train(tmp_path, timesteps=128, resume=True)
    assert early.statistics["obs_rms/count"] < late.statistics["obs_rms/count"]


def test_without_normalisation_observations_stay_as_they_are():
    predictor = train(baseline=dataclasses.replace(TINY, normalize=None), timesteps=ROLLOUT)
    assert predictor.statistics == {}
    observation = np.array([1, 2, 3], np.float32)
    expected = predictor.model.predict(observation, deterministic=True)[0]
    np.testing.assert_array_equal(predictor.predict(observation)[0], expected)


def test_an_evaluation_has_an_episode_at_least():
    with pytest.raises(ValueError, match="episodes must be 1 or more, not 0"):
        evaluate_one(policies()["plastic"], "Push-v0", episodes=0)


def test_each_episode_is_told():
    told = []
    evaluate_one(policies()["plastic"], "Push-v0", episodes=3, done=lambda: told.append(1))
    assert len(told) == 3


class Fails:
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("policy", "error"),
    [(Fails(), ZeroDivisionError), (hg.HebbianPolicy.for_env("CartPole-v1", hidden=(2,)), ValueError)],
    ids=["of a policy that fails", "of a network that does not fit"],
)
def test_the_body_is_closed(policy, error, monkeypatch):
    closed = []
    monkeypatch.setattr(Push, "close", lambda self: closed.append(self))
    with pytest.raises(error):
        evaluate_one(policy, "Push-v0", 1)
    assert len(closed) == 1


# Comparisons


def judged(name, by_body, env_steps=1e6):
    results = {
        body: Evaluation(scores, scores, 100 * scores, np.full(len(scores), 7)) for body, scores in by_body.items()
    }
    return Judged(name, env_steps, 1800.0, results)


def made_up():
    """Two methods; three training seeds of the first, with means 1, 2 and 6 on one body."""
    one = [judged("one", {"A": np.array([m - 1.0, m + 1.0]), "B": np.full(2, 10.0 * m)}) for m in (1, 2, 6)]
    two = judged("two", {"A": np.array([4.0, 5.0]), "B": np.full(2, np.nan)}, np.nan)
    return Comparison(("A",), ("B",), 2, 1, (*one, two), {"A": 0.0165, "B": 0.0165})


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=31))
def test_the_interval_is_students(values):
    expected = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    np.testing.assert_allclose(interval(np.array(values)), expected, rtol=3e-4, atol=1e-9)


def test_there_is_no_interval_from_one_seed_and_a_wide_one_from_many():
    assert np.isnan(interval(np.array([3.0])))
    values = np.random.default_rng(0).standard_normal(200)
    assert 1 < interval(values) / (stats.t.ppf(0.975, 199) * stats.sem(values)) < 1.05


def shown(table):
    file = io.StringIO()
    Console(width=200, file=file).print(table)
    return file.getvalue()


def test_a_table_has_means_over_training_seeds_intervals_and_metres():
    text = shown(comparison_table(made_up()))
    half = stats.t.ppf(0.975, 2) * stats.sem([1, 2, 6])
    one, two, one_unseen, two_unseen = (line for line in text.splitlines() if " seen" in line or " unseen" in line)
    assert f"3.0 +- {half:.1f}" in one
    assert f"{300 * 0.0165:.1f} +- {100 * 0.0165 * half:.1f}" in one
    assert "4.5 " in two  # one seed: a mean, and no interval
    assert "+-" not in two
    assert "A, seen" in two
    assert "B, unseen" in one_unseen
    assert f"30.0 +- {10 * half:.1f}" in one_unseen
    assert " - " in two_unseen  # no distance
    assert [line.split("│")[5].strip() for line in (one, two, one_unseen)] == ["1.0", "0.5", "0.0"]
    assert "+- 95% t-interval over training seeds, where there are several" in text
    alone = dataclasses.replace(made_up(), runs=made_up().runs[-1:])
    assert "t-interval" not in shown(comparison_table(alone))
    assert "one: trained on 1,000,000 env-steps, 0.50 h each" in text
    assert "two: it is not known" in text


def test_the_data_are_plain_json_with_every_episode():
    data = json.loads(json.dumps(made_up().to_json(), allow_nan=False))
    first = data["summary"][0]
    assert (first["name"], first["body"], first["training_seeds"], first["mean"]) == ("one", "A", 3, 3.0)
    assert first["interval95"] == pytest.approx(stats.t.ppf(0.975, 2) * stats.sem([1, 2, 6]), rel=1e-3)
    assert data["runs"][0]["results"]["A"]["score"] == [0.0, 2.0]
    assert data["runs"][3]["env_steps"] is None
    assert data["summary"][2]["interval95"] is None
    assert (data["seen"], data["unseen"]) == (["A"], ["B"])


def test_a_plot_has_a_dot_for_each_training_seed_and_the_mean():
    ax = Figure().subplots()
    plot_comparison(ax, made_up())
    (dots,) = (line.get_ydata() for line in ax.lines if line.get_marker() == "o")  # none of the one that has one seed
    np.testing.assert_array_equal(dots, [1, 2, 6, 10, 20, 60])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]
    bars = ax.containers[0]
    np.testing.assert_array_equal(bars.lines[0].get_ydata(), [3, 30])
    low, high = bars.lines[2][0].get_segments()[0][:, 1]
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 2) * stats.sem([1, 2, 6]), rel=1e-3)
    low, high = ax.containers[1].lines[2][0].get_segments()[0][:, 1]
    assert (low, high) == (4.0, 5.0)  # the episodes' sd
    told = ax.get_legend().get_title().get_text()
    assert "95% interval" in told
    assert "sd over the episodes" in told


def test_contenders_come_from_their_files_and_are_compared(tmp_path):
    for seed in (0, 1):
        train(tmp_path / f"ppo{seed}", seed=seed, timesteps=64)
    policy = hg.HebbianPolicy.for_env("Push-v0", hidden=(4,))
    es = hg.OpenAIES(policy.genome, population_size=4, seed=0)
    hg.train(policy, es, hg.Task("Push-v0"), 2, run_dir=tmp_path / "es", held_out_every=1, held_out_episodes=1)
    contenders = [load_contender(tmp_path / name) for name in ("ppo0", "ppo1", "es")]
    assert [each.name for each in contenders] == ["own recipe", "own recipe", "es"]
    assert contenders[0].env_steps == 64
    assert contenders[2].env_steps == float(rows(tmp_path / "es")[-1]["time/env_steps"])
    beside = tmp_path / "es" / "other.npz"
    beside.write_bytes((tmp_path / "es" / "policy.npz").read_bytes())
    assert load_contender(beside).name == "other"
    assert np.isnan(load_contender(beside).env_steps)  # the run's are policy.npz's alone
    result = compare(contenders, ["Push-v0"], ["PushWindy-v0"], episodes=3)
    assert (result.bodies, [len(runs) for runs in result.methods().values()]) == (("Push-v0", "PushWindy-v0"), [2, 1])
    alone = hg.evaluate(hg.HebbianPolicy.load(tmp_path / "es" / "policy.npz"), "PushWindy-v0", 3)
    np.testing.assert_allclose(result.runs[2].results["PushWindy-v0"].score, alone.score, atol=1e-6)


def test_a_ready_evolved_policy_knows_what_its_training_took():
    contender = load_contender("ant-hebbian", name="Hebbian ES")
    assert contender.name == "Hebbian ES"
    assert contender.env_steps > 1e7
    assert contender.wall_seconds > 3600
    with pytest.raises(ValueError, match="no ready-evolved policy 'nobody'"):
        load_contender("nobody")


@pytest.mark.parametrize("name", ["car-hebbian", "car-static"])  # their runs have not gone on since
def test_by_its_name_or_by_its_run_a_training_took_the_same(name):
    ready, run = load_contender(name), load_contender(Path(__file__).parents[1] / "runs" / name)
    assert ready.env_steps == run.env_steps
    assert ready.wall_seconds == pytest.approx(run.wall_seconds, abs=18)  # a card has hundredths of hours


def test_an_empty_comparison_and_bodies_of_one_name_are_refused():
    contender = Contender("", hg.HebbianPolicy.for_env("Push-v0"))
    with pytest.raises(ValueError, match="at least one contender and one body"):
        compare([], ["Push-v0"])
    with pytest.raises(ValueError, match="an ID of its own"):
        compare([contender], ["Push-v0"], ["Push-v0"])


# Curves


def test_curves_of_both_kinds_of_runs_are_read_and_cut_at_a_budget(tmp_path):
    train(tmp_path / "ppo")
    columns = "generation,time/env_steps,time/seconds,held_out/fitness,held_out/best,held_out/Push,stop"
    (tmp_path / "es").mkdir()
    (tmp_path / "es" / "log.csv").write_text(
        f"{columns}\n0,100,2.0,,,,\n1,250,1.5,-3,-3,-3,\n2,400,1.0,-2,-2,-2,enough\n"
    )
    ppo, es = read_curve(tmp_path / "ppo"), read_curve(tmp_path / "es")
    np.testing.assert_array_equal(ppo.env_steps, [64, 128, 192])
    assert set(ppo.scores) == {"Push", "PushWindy"}
    np.testing.assert_array_equal(es.wall_seconds, [2.0, 3.5, 4.5])
    assert set(es.scores) == {"Push"}
    assert es.at(399) == {"Push": -3.0}
    assert es.at(4.5, "wall_seconds") == {"Push": -2.0}
    assert np.isnan(es.at(200)["Push"])
    ax = Figure().subplots()
    plot_curves(ax, {"PPO": [ppo, ppo], "ES": [es]}, ["Push"], "wall_seconds")
    np.testing.assert_array_equal(ax.lines[2].get_xydata(), [[3.5 / 3600, -3], [4.5 / 3600, -2]])
    assert [line.get_label() for line in (ax.lines[0], ax.lines[2])] == ["PPO", "ES"]
    plot_curves(ax, {"PPO": [ppo], "ES": [es]}, ["Push", "PushWindy"])  # the evolution knows one of them only
    np.testing.assert_array_equal(ax.lines[3].get_ydata(), (ppo.scores["Push"] + ppo.scores["PushWindy"]) / 2)
    assert len(ax.lines) == 4


def test_methods_are_compared_at_the_smallest_budget_of_any():
    def judged(name, steps, *scores):
        curve = Curve(np.array(steps), np.array(steps) / 10, {"Push": np.array(scores)})
        return Judged(name, steps[-1], 0.0, {}, curve)

    runs = judged("PPO", [10, 20], 1.0, 2.0), judged("ES", [5, 15, 90], 3.0, np.nan, 9.0), Judged("rule", 1.0, 1.0, {})
    comparison = Comparison(("Push-v0",), (), 1, 1, runs)
    assert comparison.at_equal("env_steps") == (20.0, {"PPO": 2.0, "ES": 3.0})
    assert comparison.at_equal("wall_seconds") == (2.0, {"PPO": 2.0, "ES": 3.0})


def test_an_empty_log_is_refused(tmp_path):
    (tmp_path / "log.csv").write_text("time/env_steps\n")
    with pytest.raises(ValueError, match="is empty"):
        read_curve(tmp_path)


# The terminal


def test_progress_is_a_line_a_rollout_where_there_is_no_terminal(tmp_path):
    with (tmp_path / "out").open("w") as file, BaselineProgress(Console(file=file, width=200), "PPO") as progress:
        train(progress=progress)
    lines = (tmp_path / "out").read_text().splitlines()
    assert len(lines) == 192 // ROLLOUT
    assert lines[0].startswith("32 env-steps")
    assert "PushWindy" in lines[-1]


def command(*arguments):
    return CliRunner().invoke(app, ["baseline", *map(str, arguments)])


def test_by_command_a_run_goes_on_with_the_recipe_and_the_seed_it_began_with(tmp_path, monkeypatch):
    monkeypatch.setitem(BASELINES, "tiny", TINY)
    assert command("tiny", "--seed", 3, "--timesteps", 64, "--run-dir", tmp_path / "run").exit_code == 0
    monkeypatch.setitem(BASELINES, "tiny", RECURRENT)  # another by now
    told = command("--resume", tmp_path / "run", "--timesteps", 128)
    assert told.exit_code == 0, told.exception
    assert str(tmp_path / "run" / "model.zip") in told.output.replace("\n", "")
    found = load_baseline(tmp_path / "run")
    assert {key: found.about[key] for key in ("name", "seed", "timesteps")} == {
        "name": "tiny", "seed": 3, "timesteps": 128,
    }  # fmt: skip
    assert found.about["baseline"] == TINY.to_json()
    train(tmp_path / "script", TINY, seed=3, timesteps=64)
    assert_same(learned(found), learned(train(tmp_path / "script", TINY, seed=3, timesteps=128, resume=True)))


def test_by_command_a_resume_takes_no_other_settings(tmp_path):
    train(tmp_path, timesteps=ROLLOUT)
    before = (tmp_path / "model.zip").read_bytes()
    told = command("ant-ppo", "--seed", 0, "--run-dir", "elsewhere", "--resume", tmp_path)
    assert str(told.exception).endswith("the settings it began with: leave out NAME, --run-dir, --seed")
    assert (tmp_path / "model.zip").read_bytes() == before


def test_by_command_hours_end_a_run(tmp_path, monkeypatch):
    monkeypatch.setitem(BASELINES, "tiny", TINY)
    assert command("tiny", "--hours", 1e-9, "--run-dir", tmp_path).exit_code == 0
    assert load_baseline(tmp_path).about["timesteps"] == ROLLOUT


def test_the_example_prints_both_on_seen_and_unseen_bodies(capsys, monkeypatch):
    monkeypatch.setitem(BASELINES, "ant-ppo", shrunk(BASELINES["ant-ppo"]))
    monkeypatch.setenv("COLUMNS", "120")
    path = Path(__file__).parents[1] / "examples" / "ppo_beside_hebbian.py"
    spec = importlib.util.spec_from_file_location("ppo_beside_hebbian", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.main(["--timesteps", "1", "--episodes", "1"])
    text = capsys.readouterr().out
    for word in ("PPO", "ant-hebbian", "AntDamagedLeftFront-v0, unseen", "distance (m)"):
        assert word in text


def test_scores_that_are_distances_are_called_so():
    contenders = [Contender("walker", hg.load_pretrained("ant-hebbian"))]
    assert compare(contenders, "hebbian_gym:AntUndamaged-v0", episodes=1).unit == "distance (progress units)"
    pushed = compare([Contender("pushed", hg.HebbianPolicy.for_env("Push-v0", hidden=(2,)))], "Push-v0", episodes=1)
    assert pushed.unit == "score"
    ax = Figure().subplots()
    plot_comparison(ax, pushed)
    assert ax.get_ylabel() == "score"


def test_a_curve_knows_its_bodies_and_nothing_else(tmp_path):
    (tmp_path / "log.csv").write_text(
        "time/env_steps,time/seconds,held_out/fitness,held_out/best,held_out/lost,held_out/Push\n9,1.0,1.0,1.0,0,2.0\n"
    )
    assert list(read_curve(tmp_path).scores) == ["Push"]


def test_a_recipe_takes_one_body():
    assert dataclasses.replace(TINY, envs="Push-v0").envs == ("Push-v0",)


@pytest.mark.parametrize("name", ["checkpoint.npz", "model.zip"])
def test_training_refuses_a_folder_with_files_of_another_run(tmp_path, name):
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(FileExistsError, match=f"already holds a run .{name}."):
        train(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == [name]


def test_a_model_of_ones_own_is_compared_in_python_and_its_file_says_so(tmp_path):
    model = PPO("MlpPolicy", gym.make("Push-v0"), n_steps=8, batch_size=8, device="cpu")
    model.save(tmp_path / "mine.zip")
    with pytest.raises(ValueError, match=r"mine.zip is a model of your own.*compare\("):
        load_contender(tmp_path / "mine.zip")
    (judged,) = compare([Contender("mine", model)], "Push-v0", episodes=2).runs
    assert judged.results["Push-v0"].score.shape == (2,)


def test_a_network_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="choose an environment of the shape that it was made for"):
        evaluate_one(hg.load_pretrained("ant-hebbian"), "Push-v0", 1)
