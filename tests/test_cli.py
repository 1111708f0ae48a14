"""The command line, as a user types it."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import imageio.v3 as imageio
import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner

import hebbian_gym
from hebbian_gym.architecture import architecture_for
from hebbian_gym.cli import app
from hebbian_gym.cli.common import EXAMPLES, json_object
from hebbian_gym.registration import ENVIRONMENTS

COMMAND = [sys.executable, "-m", "hebbian_gym"]
CARTPOLE = [
    "train",
    "--env",
    "CartPole-v1",
    "--population",
    "4",
    "--workers",
    "1",
    "--held-out-every",
    "2",
    "--score",
    "0",
]


def run(*arguments, status=0, **options):
    """Run the command line in a process of its own; returns what it printed."""
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=300, env=environment, **options
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def evolved(tmp_path_factory):
    """The folder of a short run."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    run(*CARTPOLE, "--generations", 2, "--run-dir", folder)
    return folder


@pytest.mark.parametrize("command", [[], *([name] for name in get_command(app).commands)])
def test_help_says_what_a_command_does(command):
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    assert "Usage" in shown.output
    assert len(shown.output) > 200


def test_envs_lists_every_id_and_writes_specs(tmp_path):
    printed = run("envs", "--json", tmp_path / "envs.json")
    assert all(id_ in printed for id_ in ENVIRONMENTS)
    assert [spec["id"] for spec in json.loads((tmp_path / "envs.json").read_text())] == list(ENVIRONMENTS)


def test_presets_lists_the_papers():
    shown = CliRunner().invoke(app, ["presets"]).output
    papers = ("ant-hebbian", "ant-hebbian-paper", "ant-static", "car-hebbian", "car-hebbian-paper", "car-static")
    assert all(name in shown for name in papers)


def test_train_writes_policy_log_and_config(evolved):
    assert {path.name for path in evolved.iterdir()} == {
        "checkpoint.npz",
        "policy.npz",
        "log.csv",
        "config.json",
        ".lock",
    }
    assert len((evolved / "log.csv").read_text().splitlines()) == 3


def test_resume_goes_on_to_the_same_end_as_a_straight_run(evolved, tmp_path):
    run(*CARTPOLE, "--generations", 4, "--run-dir", tmp_path / "straight")
    run(*CARTPOLE, "--generations", 2, "--run-dir", tmp_path / "halves")
    run(
        "train",
        "--resume",
        tmp_path / "halves",
        "--generations",
        4,
        "--workers",
        1,
        "--held-out-every",
        2,
        "--score",
        0,
    )
    ends = [np.load(tmp_path / name / "checkpoint.npz")["optimizer/mean"] for name in ("straight", "halves")]
    assert np.array_equal(*ends)
    written = (tmp_path / "halves" / "log.csv").read_text()
    told = run("train", "--resume", tmp_path / "straight", "--workers", 1, "--score", 0)
    assert "no generation was left to evolve: --generations N" in " ".join(told.split())
    assert (tmp_path / "halves" / "log.csv").read_text() == written


def test_a_resumed_run_keeps_what_it_was_told(tmp_path):
    run(*CARTPOLE, "--generations", 2, "--run-dir", tmp_path)  # --held-out-every 2
    run("train", "--resume", tmp_path, "--generations", 4, "--workers", 1, "--score", 0)
    assert json.loads((tmp_path / "config.json").read_text())["preset"]["generations"] == 4
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [bool(row["held_out/fitness"]) for row in rows] == [False, True, False, True]


def test_a_run_that_began_with_a_genome_is_resumed_without_its_file(evolved, tmp_path):
    folder = tmp_path / "run"
    run(*CARTPOLE, "--start", evolved, "--generations", 1, "--run-dir", folder)
    (folder / "start.npz").unlink()
    run("train", "--resume", folder, "--generations", 2, "--workers", 1, "--score", 0)
    assert len((folder / "log.csv").read_text().splitlines()) == 3


def test_a_policy_is_given_by_file_by_folder_or_by_name(evolved, tmp_path):
    for policy, out in ((evolved / "policy.npz", "file.json"), (evolved, "folder.json")):
        run("evaluate", policy, "--episodes", 2, "--workers", 1, "--json", tmp_path / out)
    by_file, by_folder = (json.loads((tmp_path / out).read_text())["results"] for out in ("file.json", "folder.json"))
    assert by_file == by_folder
    (tmp_path / "ant-hebbian").mkdir()  # a folder of that name hides no ready-evolved policy
    assert "AntUndamaged" in run("evaluate", "ant-hebbian", "--episodes", 1, "--workers", 1, cwd=tmp_path)


def test_a_folder_without_a_policy_is_named_with_what_to_do(tmp_path):
    (tmp_path / "runs" / "ppo").mkdir(parents=True)
    (tmp_path / "runs" / "ppo" / "model.zip").touch()
    told = " ".join(run("evaluate", "runs/ppo", status=2, cwd=tmp_path).split())
    assert "the folder runs/ppo holds no policy.npz, but a baseline: judge it by hebbian-gym compare runs/ppo" in told
    assert "the folder runs holds no policy.npz" in run("evaluate", "runs", status=2, cwd=tmp_path)


def test_compare_takes_paths_with_an_equals_sign_and_checks_the_picture_first(evolved, tmp_path):
    shutil.copytree(evolved, tmp_path / "lr=0.1")
    options = ["--seen", "CartPole-v1", "--episodes", 1, "--out", tmp_path / "new" / "compare.png"]
    printed = run("compare", "lr=0.1", "named=lr=0.1", *options, cwd=tmp_path)
    assert "named" in printed
    assert (tmp_path / "new" / "compare.png").exists()
    told = run("compare", evolved, *options[:-1], "compare.doc", status=2, cwd=tmp_path)
    assert "a picture is written as one of" in told


def test_evaluate_writes_every_episode(evolved, tmp_path):
    out = tmp_path / "scores.json"
    printed = run("evaluate", evolved / "policy.npz", "--episodes", 3, "--workers", 1, "--json", out)
    assert "CartPole-v1" in printed
    scores = json.loads(out.read_text())["results"]["CartPole-v1"]["score"]
    policy = hebbian_gym.HebbianPolicy.load(evolved / "policy.npz")
    assert scores == hebbian_gym.evaluate(policy, "CartPole-v1", episodes=3, seed=1).score.tolist()
    assert "distance" not in printed  # CartPole has none


def test_evaluate_tells_the_arguments_that_are_not_the_registered_ones(tmp_path):
    options = ["--episodes", 1, "--workers", 1, "--json", tmp_path / "scores.json"]
    damage = {"damage": {"left_back": 0.5}}
    printed = run("evaluate", "ant-hebbian", "--env-kwargs", json.dumps(damage), *options)
    assert f"AntUndamaged-v0 {json.dumps(damage)}" in printed
    assert "distance (m)" in printed
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written["env_kwargs"] == {"AntUndamaged-v0": damage}
    assert written["hebbian_gym"] == hebbian_gym.__version__
    printed = run("evaluate", "ant-hebbian", "--env", "AntDamagedLeftFront-v0", *options)
    assert "left_front" not in printed
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written["env_kwargs"] == {"AntDamagedLeftFront-v0": {"damage": {"left_front": 0.25}}}


def test_arguments_of_an_environment_are_json(evolved):
    policy = evolved / "policy.npz"
    evaluate = ["evaluate", policy, "--episodes", 1, "--workers", 1, "--env-kwargs"]
    assert "CartPole-v1" in run(*evaluate, '{"sutton_barto_reward": true}')
    assert "must be a JSON object" in run(*evaluate, "nonsense", status=2)
    assert "must be a JSON object" in run(*evaluate, "[1]", status=2)
    assert "could not be made" in run(*evaluate, '{"wings": 2}', status=2)


def test_record_films_a_lifetime_with_its_weights(tmp_path):
    policy = hebbian_gym.HebbianPolicy.for_env("AntUndamaged-v0", hidden=(8,))
    policy.genome = 0 * policy.genome
    policy.save(tmp_path / "ant.npz")
    run("record", tmp_path / "ant.npz", "--out", tmp_path / "ant.gif")
    frames = imageio.imread(tmp_path / "ant.gif", index=None)
    assert frames.shape[0] > 10
    assert frames.shape[2] > 320  # the weights stand beside the ant's picture


def test_the_car_is_evolved_from_pixels_scored_and_filmed(tmp_path):
    folder = tmp_path / "car"
    train = ["train", "--preset", "car-hebbian", "--population", 2, "--workers", 1, "--run-dir", folder]
    run(*train, "--generations", 1, "--score", 0)
    printed = run("train", "--resume", folder, "--workers", 1, "--generations", 2, "--score", 1)
    assert "mean +- sd over 1 lifetime " in " ".join(printed.split())
    assert "1000" in printed  # steps of the lifetime: scores are without early stop
    policy = hebbian_gym.HebbianPolicy.load(folder / "policy.npz")
    assert policy.genome.size == 458_002
    printed = run("evaluate", folder / "policy.npz", "--episodes", 1, "--workers", 1)
    assert "CarRacingPreprocessed-v0" in printed
    assert "1000" in printed  # steps: no early stop
    run("record", folder / "policy.npz", "--out", tmp_path / "car.gif", "--env-kwargs", '{"early_stop": true}')
    frames = imageio.imread(tmp_path / "car.gif", index=None)
    assert frames.shape[1] > 400
    assert frames.shape[2] > 600 + 400  # what the network sees, and its weights, beside Gymnasium's picture


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "--preset", "nope"], "unknown preset 'nope': choose from ant-hebbian"),
        (["train", "--env", "NoSuch-v0"], "NoSuch"),
        (["train", "--preset", "hebbian"], "name one with --env"),
        (["train", "--preset", "ant-static", "--env", "CartPole-v1", "--workers", "1"], "early_stop"),
        (["train", "--resume", "nowhere"], "holds no run that can be resumed"),
        (["baseline", "--resume", "nowhere"], "there is no file nowhere/model.zip"),
        (["baseline", "ant-ppo", "--resume", "nowhere"], "goes on with the settings it began with: leave out NAME"),
        (["train", "--env", "CartPole-v1", "--population", "3"], "must be even"),
        (["train", "--env", "CartPole-v1", "--optimizer", "nope"], "unknown optimizer 'nope': choose from openai-es"),
        (["train", "--env", "CartPole-v1", "--optimizer-kwargs", "[1]"], "must be a JSON object"),
        (
            ["train", "--env", "CartPole-v1", "--optimizer-kwargs", '{"wings": 2}'],
            "unexpected keyword argument 'wings'; its options are population_size, sigma, learning_rate, ",
        ),
        (["train", "--env", "CartPole-v1", "--population", "0"], "greater than or equal to 1"),
        (["train", "--env", "CartPole-v1", "--optimizer", "json:Nope"], "there is no Nope in the module json"),
        (["train", "--architecture", '{"hiden": [16]}'], "a network has no option hiden: choose from hidden, rule, "),
        (["train", "--architecture", "hidden"], 'must be a JSON object, such as {"rule": "ABC", "hidden": [8]}, not'),
        (["train", "--env", "AntDamaged-v0", "--env-kwargs", '{"damag": 1}'], "AntDamaged-v0 could not be made: "),
        (["evaluate", "nothing.npz"], "there is no file nothing.npz"),
        (["evaluate", "nobody"], "no ready-evolved policy 'nobody': choose from ant-hebbian, "),
        (["reproduce", "nothing"], "unknown experiment 'nothing': choose from"),
        (["bench", "nope"], "nope"),
    ],
)
def test_bad_input_is_one_sentence_not_a_traceback(arguments, sentence, tmp_path):
    printed = run(*arguments, status=2, cwd=tmp_path)
    assert sentence in " ".join(printed.split())
    assert "Traceback" not in printed


def test_a_second_run_in_a_folder_is_refused_and_changes_nothing(evolved):
    before = {path: path.read_bytes() for path in evolved.iterdir()}
    told = " ".join(run(*CARTPOLE, "--run-dir", evolved, status=2).split())
    assert "already holds a run (checkpoint.npz, policy.npz): resume it, or choose another folder" in told
    assert f"on the command line it goes on by hebbian-gym train --resume {evolved}" in told
    assert {path: path.read_bytes() for path in evolved.iterdir()} == before


def test_a_run_may_start_from_another_runs_policy(evolved, tmp_path):
    start = hebbian_gym.HebbianPolicy.load(evolved / "policy.npz").genome
    still = ["--optimizer", "genetic", "--optimizer-kwargs", '{"mutation_sd": 0, "initial_sd": 0}']
    folder = tmp_path / "run"
    run(*CARTPOLE, "--start", evolved / "policy.npz", *still, "--generations", 1, "--run-dir", folder)
    assert json.loads((folder / "config.json").read_text())["start"] == str(evolved / "policy.npz")
    np.testing.assert_array_equal(np.load(folder / "checkpoint.npz")["optimizer/mean"], start)
    told = run("train", "--start", evolved / "policy.npz", "--run-dir", tmp_path / "other", status=2)  # it is no ant
    assert "this network needs a genome of 61440 genes" in " ".join(told.split())
    assert not (tmp_path / "other").exists()


def test_a_resume_with_another_optimizer_is_refused(evolved, tmp_path):
    folder = shutil.copytree(evolved, tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    config["preset"] |= {"algorithm": "genetic", "optimizer": {"population_size": 4}}
    (folder / "config.json").write_text(json.dumps(config))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    told = run("train", "--resume", folder, "--generations", 4, "--workers", 1, status=2)
    assert "made with another optimizer: OpenAIES, not GeneticAlgorithm" in " ".join(told.split())
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_resume_takes_no_other_settings(evolved):
    before = {path: path.read_bytes() for path in evolved.iterdir()}
    told = run("train", "--resume", evolved, "--optimizer", "genetic", "--population", 50, "--seed", 0, status=2)
    assert "leave out --optimizer, --population, --seed" in " ".join(told.split())
    assert {path: path.read_bytes() for path in evolved.iterdir()} == before


def test_an_unreachable_cluster_is_told_before_anything_is_written(tmp_path):
    told = run(*CARTPOLE, "--ray-address", "127.0.0.1:1", "--run-dir", tmp_path / "run", status=2)
    assert "no Ray cluster answers at" in " ".join(told.split())
    assert not list((tmp_path / "run").glob("*.*[!k]"))


def test_a_file_that_is_not_a_policy_is_named(evolved, tmp_path):
    (tmp_path / "noise.npz").write_bytes(b"noise")
    told = run("evaluate", tmp_path / "noise.npz", status=2)
    assert "not a hebbian-gym file" in told
    assert "pickle" not in told  # numpy's advice is not for ours
    assert "holds a training run, not a policy" in run("evaluate", evolved / "checkpoint.npz", status=2)


def listens_to_interrupts():
    """In the child: Python leaves an inherited "ignore SIGINT" alone, which is what background jobs begin with."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on_and_can(number, tmp_path):
    folder = tmp_path / "run"
    with subprocess.Popen(
        [*COMMAND, *CARTPOLE, "--workers", "2", "--generations", "100000", "--run-dir", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "COLUMNS": "200"}, preexec_fn=listens_to_interrupts,
    ) as process:  # fmt: skip
        try:
            deadline = time.monotonic() + 120
            while not (folder / "policy.npz").exists() and time.monotonic() < deadline:
                time.sleep(0.1)
            process.send_signal(number)
            printed, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, printed
    assert f"--resume {folder}" in printed
    rows = len((folder / "log.csv").read_text().splitlines())
    run("train", "--resume", folder, "--generations", rows + 1, "--workers", 1, "--score", 0)
    assert len((folder / "log.csv").read_text().splitlines()) == rows + 2


def test_plan_prints_and_writes_a_prediction(tmp_path):
    told = run("plan", "--preset", "hebbian", "--env", "CartPole-v1", "--population", 20, "--generations", 7,
               "--workers", 6, "--nodes", 2, "--seconds", 2, "--json", tmp_path / "plan.json")  # fmt: skip
    assert "a generation of 20 candidates" in told
    assert "7 of them" in told
    assert "The master is busy all the time from about" in told
    rows = json.loads((tmp_path / "plan.json").read_text())["rows"]
    assert [row["workers"] for row in rows] == [1, 2, 4, 6]
    assert [row["nodes"] for row in rows] == [1, 2, 2, 2]
    assert all(0 < row["first"]["seconds"] <= row["full"]["seconds"] for row in rows)


def test_compare_judges_runs_alike_and_draws(evolved, tmp_path):
    told = run("compare", f"ours={evolved}", evolved / "policy.npz", "--seen", "CartPole-v1", "--episodes", 3,
               "--out", tmp_path / "bars.png", "--json", tmp_path / "bars.json")  # fmt: skip
    assert "ours" in told
    assert imageio.imread(tmp_path / "bars.png").shape[1] == 1200
    scores = {each["name"]: each["results"] for each in json.loads((tmp_path / "bars.json").read_text())["runs"]}
    assert set(scores) == {"ours", str(evolved / "policy.npz")}
    assert scores["ours"] == scores[str(evolved / "policy.npz")]  # the same policy, the same resets and births


def test_baselines_are_listed():
    listed = run("baseline")
    assert "ant-ppo: PPO on AntUndamaged-v0, AntDamagedRightFront-v0" in listed
    assert "trained on progress alone" in listed  # what ant-ppo-distance differs in


def test_the_version_and_the_commands_from_the_main_one_on():
    runner = CliRunner()
    assert runner.invoke(app, ["--version"]).output == f"hebbian-gym {hebbian_gym.__version__}\n"
    assert [*get_command(app).commands][:4] == ["demo", "train", "evaluate", "record"]


def test_help_gives_examples_that_work(monkeypatch):
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 300)
    shown = CliRunner().invoke(app, ["train", "--help"]).output
    for option, example in EXAMPLES.items():
        assert f"such as '{example}'" in shown
        assert json_object(option, example)
    assert architecture_for("CartPole-v1", **json_object("--architecture", EXAMPLES["--architecture"]))


MAZE = """
import gymnasium as gym
import numpy as np


class Maze(gym.Env):
    observation_space = action_space = gym.spaces.Box(-1, 1, (2,))

    def __init__(self, worth=1.0):
        self.worth = worth

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.ones(2, np.float32), 0.45 * self.worth, True, False, {}


gym.register("Maze-v0", "maze:Maze")
"""


def test_an_environment_and_settings_of_ones_own(tmp_path):
    """By the module beside which the command is called, with arguments; small scores have more decimals."""
    (tmp_path / "maze.py").write_text(MAZE)
    network = '{"hidden": [3], "rule": "A"}'
    settings = ["--env", "maze:Maze-v0", "--env-kwargs", '{"worth": 2}', "--architecture", network, "--population", 4]
    printed = run("train", *settings, "--generations", 1, "--workers", 2, "--run-dir", "run", cwd=tmp_path)
    assert "0.900 +- 0.000" in printed
    assert "Maze-v0 has no max_episode_steps: a lifetime lasts until the environment ends it" in printed
    assert "1 generation;" in printed
    policy = hebbian_gym.HebbianPolicy.load(tmp_path / "run" / "policy.npz")
    assert (policy.architecture.sizes, policy.architecture.rule) == ((2, 3, 2), "A")
    assert policy.env_spec.kwargs == {"worth": 2}
    run("train", "--resume", "run", "--generations", 2, "--workers", 1, "--score", 0, cwd=tmp_path)
    assert "0.900 +- 0.000" in run("evaluate", "run", "--episodes", 2, "--workers", 1, cwd=tmp_path)
    told = run("evaluate", tmp_path / "run", "--episodes", 2, "--workers", 1, status=2)  # from another folder
    assert "maze:Maze, cannot be imported here" in " ".join(told.split())


def test_a_run_of_a_script_is_not_resumed_here(evolved, tmp_path):
    folder = shutil.copytree(evolved, tmp_path / "run")
    (folder / "config.json").unlink()
    assert "holds a run of a script" in run("train", "--resume", folder, status=2)
