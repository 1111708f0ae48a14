"""Fault drills: what goes wrong in a long run, done for real. Nothing is lost but the running generation."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from helpers import resident_memory

from hebbian_gym import Architecture, OpenAIES, ProcessEvaluator, Task, train
from hebbian_gym.checkpoint import load_policy
from hebbian_gym.evaluation import Individual

ARCHITECTURE = Architecture((1, 1), rule="static", initial_weights="evolved", low=(-3.0,), high=(3.0,))
SIZE, GENERATIONS = 20, 12
TRAINER = (
    f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import {Path(__file__).stem} as drill; "
    "drill.evolve(sys.argv[1], workers=2, resume=sys.argv[2] == 'resume', pace=0.004)"
)


class Drill(gym.Env):
    """One step, rewarded for an action near one drawn at the reset, after a pause; sometimes it raises or is NaN."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Box(-3, 3, (1,))

    def __init__(self, faults=0.0):
        self.faults = faults

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.ones(1, np.float32), {}

    def step(self, action):
        time.sleep(float(os.environ.get("DRILL_PACE", "0")))
        fault, goal = self.np_random.random(), 2 + self.np_random.standard_normal()
        if fault < self.faults / 2:
            raise ArithmeticError("a fault was drilled")
        reward = np.nan if fault < self.faults else -abs(float(action[0]) - goal)
        return np.ones(1, np.float32), reward, True, False, {}


def evolve(folder, generations=GENERATIONS, *, workers=1, faults=0.0, resume=False, pace=0.0, **options):
    """A run of a few seconds; ``pace`` slows it down without changing what comes of it."""
    os.environ["DRILL_PACE"] = str(pace)
    policy = Individual(ARCHITECTURE, np.zeros(1, np.float32))
    es = OpenAIES(policy.genome, SIZE, optimizer="adam", learning_rate=0.1, seed=1)
    spec = EnvSpec("Drill-v0", entry_point=f"{__name__}:Drill", kwargs={"faults": faults})
    return train(
        policy, es, Task(spec, births="candidate"), generations, workers=workers, run_dir=folder, resume=resume,
        checkpoint_every=1, held_out_every=4, held_out_episodes=3, **options,
    )  # fmt: skip


def rows(folder):
    """Of the log, without what a clock wrote."""
    path = Path(folder) / "log.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in CLOCK} for row in csv.DictReader(file)]


CLOCK = ("time/seconds", "time/steps_per_second")


def assert_same(folder, other):
    assert rows(folder) == rows(other)
    for name in ("policy.npz", "checkpoint.npz"):
        ours, theirs = (np.load(Path(where) / name) for where in (folder, other))
        assert ours.files == theirs.files
        for array in set(ours.files) - {"json"}:
            np.testing.assert_array_equal(ours[array], theirs[array], err_msg=array)
    assert load_policy(Path(folder) / "policy.npz")[2] == load_policy(Path(other) / "policy.npz")[2]


def trainer(folder, how="begin"):
    """The run in a process of its own, with two workers."""
    return subprocess.Popen(
        [sys.executable, "-c", TRAINER, str(folder), how], stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c
    )


def heed_ctrl_c():
    """In the child: Python leaves an inherited "ignore SIGINT" alone, which is what background jobs begin with."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(condition, seconds=120):
    """A hang is a failure. Generous: it says nothing about speed."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this takes for ever"
        time.sleep(0.01)


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    evolve(folder)
    return folder


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_trainer_that_is_stopped_goes_on_as_if_nothing_had_been(straight, tmp_path, number):
    process = trainer(tmp_path)
    wait_for(lambda: len(rows(tmp_path)) >= 3)
    workers = children(process.pid)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == -number
    assert len(workers) >= 2
    wait_for(lambda: not any(map(alive, workers)))  # nobody is left behind
    assert 3 <= len(rows(tmp_path)) < GENERATIONS
    evolve(tmp_path, resume=True)
    assert_same(tmp_path, straight)


def test_a_second_trainer_refuses_and_the_first_goes_on(straight, tmp_path):
    process = trainer(tmp_path)
    wait_for(lambda: len(rows(tmp_path)) >= 2)
    process.send_signal(signal.SIGSTOP)  # or it might be done before the others have tried
    try:
        sentence = "another process is training in .*: wait for its end, or choose another folder"
        for resume in (True, False):
            with pytest.raises(RuntimeError, match=sentence):
                evolve(tmp_path, resume=resume)
        second = trainer(tmp_path, "resume")
        assert "another process is training" in second.communicate(timeout=120)[1]
    finally:
        process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=120) == 0
    process.stderr.close()
    assert_same(tmp_path, straight)


def test_a_run_loses_nothing_when_workers_are_killed(straight, tmp_path, caplog):
    with ProcessEvaluator(ARCHITECTURE, 2) as evaluator:

        def kill(run):
            if run.optimizer.generation in (2, 5):
                os.kill(evaluator.pids[run.optimizer.generation % 2], signal.SIGKILL)

        calls = []

        def kill_midway():
            calls.append(1)
            if len(calls) == 8 * SIZE + 5:
                os.kill(evaluator.pids[0], signal.SIGKILL)

        evolve(tmp_path, evaluator=evaluator, callbacks=[kill], done=kill_midway)
    assert_same(tmp_path, straight)
    assert any("was killed by SIGKILL" in message and "is evaluated again" in message for message in caplog.messages)


def test_faults_of_the_environment_are_counted_dropped_and_told(tmp_path, caplog):
    for workers in (1, 2):
        evolve(tmp_path / f"{workers}", workers=workers, faults=0.05)
    told = [message for message in caplog.messages if message.startswith("generation")]
    assert_same(tmp_path / "1", tmp_path / "2")
    assert told[: len(told) // 2] == told[len(told) // 2 :]
    lost = [int(row["evaluation/lost"]) for row in rows(tmp_path / "1")]
    assert len(lost) == GENERATIONS
    assert 3 < sum(lost) < 0.15 * SIZE * GENERATIONS
    assert len(told) == 2 * np.count_nonzero(lost)
    assert {"ArithmeticError: a fault was drilled", "a fitness of nan"} <= {
        cause.partition(" (")[0] for message in told for cause in message.partition("count: ")[2].split("; ")
    }
    fitness = [float(row["fitness/mean"]) for row in rows(tmp_path / "1")]
    assert np.isfinite(fitness).all()  # a lost candidate is no zero: means and maxima are of the others
    assert max(float(row["fitness/max"]) for row in rows(tmp_path / "1")) < 0


def test_memory_stays_flat_over_two_hundred_generations(tmp_path):
    memory = []
    with ProcessEvaluator(ARCHITECTURE, 2) as evaluator:

        def measure(run):
            memory.append([resident_memory(pid) for pid in (os.getpid(), *evaluator.pids)])

        evolve(tmp_path, 200, evaluator=evaluator, callbacks=[measure], faults=0.02)
    settled, end = memory[50], memory[-1]
    growth = np.subtract(end, settled)
    assert (growth < 2).all(), f"from generation 50 to 200 the trainer and its workers grew by {growth} MiB"
