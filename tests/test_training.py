"""Training: resuming is exact, interruptions and failures lose nothing, the best mean is kept, callbacks are heard."""

import csv
import errno
import os
import resource
import signal
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from hypothesis import given
from hypothesis import strategies as st

from hebbian_gym import Architecture, OpenAIES, SerialEvaluator, Task, train
from hebbian_gym.architecture import random_genome
from hebbian_gym.callbacks import StopAt, TensorBoard
from hebbian_gym.checkpoint import load_policy, save_policy
from hebbian_gym.evaluation import (
    Individual,  # a policy without torch: workers import this module, and torch takes seconds
)
from hebbian_gym.logs import append_row, read_rows, write_rows

ARCHITECTURE = Architecture((1, 1), rule="static", initial_weights="evolved", low=(-3.0,), high=(3.0,))
SIZE = 6
HELD_OUT_EVERY = 3  # does not divide most of the generations where a run pauses below


class Hill(gym.Env):
    """Two steps, rewarded for an action near one drawn at the reset: noisy, and quick."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Box(-3, 3, (1,))
    interrupt_at = None  # number of a reset in this process that Ctrl-C hits
    resets = 0

    def __init__(self, hole=0.0):
        self.hole = hole  # actions below it are rewarded with NaN, as blown-up physics does

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        Hill.resets += 1
        if Hill.resets == Hill.interrupt_at:
            raise KeyboardInterrupt
        self.goal, self.left = 2 + 0.5 * self.np_random.standard_normal(), 2
        return np.ones(1, np.float32), {}

    def step(self, action):
        self.left -= 1
        reward = -abs(float(action[0]) - self.goal) if abs(action[0]) >= self.hole else np.nan
        return np.ones(1, np.float32), reward, self.left == 0, False, {}


HILL = EnvSpec("Hill-v0", entry_point=f"{__name__}:Hill")
HILL_WITH_A_HOLE = EnvSpec("HillWithAHole-v0", entry_point=f"{__name__}:Hill", kwargs={"hole": 0.15})


def evolve(folder, generations, *, optimizer="adam", policy=None, es=None, task=None, **options):
    """A small run: held-out evaluations at generations 3, 6, ... and at the end."""
    policy = policy or Individual(ARCHITECTURE, random_genome(ARCHITECTURE))
    es = es or OpenAIES(policy.genome, SIZE, optimizer=optimizer, seed=1)
    settings = {"held_out_every": HELD_OUT_EVERY, "held_out_episodes": 2, "checkpoint_every": 2}
    return train(policy, es, task or Task(HILL), generations, run_dir=folder, **{**settings, **options})


def rows(folder):
    """Of the log, without what a clock wrote."""
    with (folder / "log.csv").open(newline="") as file:
        return [
            {name: text for name, text in row.items() if text and name not in ("time/seconds", "time/steps_per_second")}
            for row in csv.DictReader(file)
        ]


def assert_same(ours, theirs):
    """Two runs ended alike, in memory and on disk."""
    for name, value in theirs.optimizer.state_dict().items():
        np.testing.assert_array_equal(ours.optimizer.state_dict()[name], value, err_msg=name)
    np.testing.assert_array_equal(ours.best[0], theirs.best[0])
    assert ours.best[1] == theirs.best[1]
    np.testing.assert_array_equal(ours.policy.genome, theirs.policy.genome)
    assert ours.env_steps == theirs.env_steps
    assert rows(ours.run_dir) == rows(theirs.run_dir)
    for run in (ours, theirs):
        saved, about = load_policy(run.run_dir / "policy.npz")[1:]
        np.testing.assert_array_equal(saved, run.best[0])
        assert about["about"]["held_out"] == run.best[1]


@pytest.fixture
def interrupted_at():
    """Ctrl-C at a reset, counted from now; no more of them afterwards."""

    def arrange(number):
        Hill.resets, Hill.interrupt_at = 0, number

    yield arrange
    Hill.interrupt_at = None


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Eight generations at a stretch."""
    return evolve(tmp_path_factory.mktemp("straight"), 8)


# Resuming


@pytest.mark.parametrize("until", [1, 3, 4, 7])
def test_a_resumed_run_equals_one_at_a_stretch(straight, tmp_path, until):
    evolve(tmp_path, until)
    assert_same(evolve(tmp_path, 8, resume=True), straight)


def test_a_run_may_be_resumed_again_and_again(straight, tmp_path):
    for until in (2, 3, 5):
        evolve(tmp_path, until, resume=until > 2)
    assert_same(evolve(tmp_path, 8, resume=True), straight)


def test_a_resumed_run_with_two_workers_equals_one_at_a_stretch(straight, tmp_path):
    evolve(tmp_path, 4, workers=2)
    assert_same(evolve(tmp_path, 8, workers=2, resume=True), straight)


def test_resuming_does_not_depend_on_what_the_optimizer_was_made_with(straight, tmp_path):
    evolve(tmp_path, 4)
    es = OpenAIES(np.full(1, 9.0), SIZE, optimizer="adam", seed=99)
    assert_same(evolve(tmp_path, 8, es=es, resume=True), straight)


def test_a_finished_run_may_be_resumed_to_the_same_end(straight, tmp_path):
    evolve(tmp_path, 8)
    assert_same(evolve(tmp_path, 8, resume=True), straight)


def test_a_mean_that_only_an_earlier_session_saw_does_not_count(tmp_path):
    def jump(folder, until, resume=False):  # so fast that no mean resembles the one before
        es = OpenAIES([0.5], SIZE, sigma=0.5, learning_rate=2.0, learning_rate_decay=1.0, seed=3)
        return evolve(tmp_path / folder, until, es=es, resume=resume, task=Task(HILL, seed=2))

    whole = jump("whole", 8)
    for until in range(1, 8):
        jump(f"{until}", until)
        assert_same(jump(f"{until}", 8, resume=True), whole)


def test_a_fresh_run_refuses_a_folder_that_holds_one(tmp_path):
    evolve(tmp_path, 1)
    before = (tmp_path / "log.csv").read_bytes()
    with pytest.raises(
        FileExistsError, match=r"already holds a run .checkpoint.npz, policy.npz.: resume it, or choose"
    ):
        evolve(tmp_path, 2)
    assert (tmp_path / "log.csv").read_bytes() == before


def test_there_must_be_a_run_to_resume(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"checkpoint.npz"):
        evolve(tmp_path, 2, resume=True)
    assert list(tmp_path.iterdir()) == []


def test_resuming_needs_a_folder():
    with pytest.raises(ValueError, match="run_dir"):
        evolve(None, 2, resume=True)


OTHER = Architecture((1, 2, 1), rule="static", initial_weights="evolved", low=(-3.0,), high=(3.0,))


@pytest.mark.parametrize(
    ("named", "options"),
    [
        ("architecture", {"policy": Individual(OTHER, random_genome(OTHER))}),
        ("task", {"task": Task(HILL, episodes=2)}),
        ("task", {"task": Task(HILL, seed=5)}),
        ("optimi[sz]er", {"optimizer": "sgd"}),
        ("optimi[sz]er", {"es": OpenAIES([0.0], 2 * SIZE, optimizer="adam", seed=1)}),
    ],
)
def test_a_run_is_resumed_with_its_own_settings_only(tmp_path, named, options):
    evolve(tmp_path, 2)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    with pytest.raises(ValueError, match=f"checkpoint.npz was made with another {named}"):
        evolve(tmp_path, 4, resume=True, **options)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


@pytest.mark.parametrize("tenths", range(10))
def test_a_truncated_checkpoint_is_refused(tmp_path, tenths):
    evolve(tmp_path, 2)
    path = tmp_path / "checkpoint.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * tenths // 10])
    with pytest.raises(ValueError, match=r"checkpoint.npz is not a hebbian-gym file, or it is damaged"):
        evolve(tmp_path, 4, resume=True)


def test_a_policy_is_no_checkpoint(tmp_path):
    evolve(tmp_path, 3)
    (tmp_path / "policy.npz").replace(tmp_path / "checkpoint.npz")
    with pytest.raises(ValueError, match=r"checkpoint.npz holds a policy, not a training run"):
        evolve(tmp_path, 4, resume=True)


# Interruptions


def interruption(at):
    """A ``done`` that Ctrl-C hits at its n-th call."""
    calls = []

    def done():
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt

    return done


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_between_candidates_loses_nothing(straight, tmp_path, workers):
    with pytest.raises(KeyboardInterrupt):
        evolve(tmp_path, 8, workers=workers, checkpoint_every=100, done=interruption(4 * SIZE + 3))
    assert len(rows(tmp_path)) == 4
    assert_same(evolve(tmp_path, 8, resume=True), straight)


def test_after_ctrl_c_in_the_first_generation_the_folder_is_free(straight, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        evolve(tmp_path, 8, done=interruption(2))
    assert_same(evolve(tmp_path, 8), straight)


@pytest.mark.parametrize("at", [*range(2 * SIZE + 1, 4 * SIZE + 4, 2)])
def test_ctrl_c_at_any_episode_loses_nothing(straight, tmp_path, interrupted_at, at):
    interrupted_at(at)  # in generation 2, in the held-out episodes after it, or in generation 3
    with pytest.raises(KeyboardInterrupt):
        evolve(tmp_path, 8)
    interrupted_at(None)
    assert_same(evolve(tmp_path, 8, resume=True), straight)


def test_ctrl_c_in_a_callback_loses_nothing(straight, tmp_path):
    def callback(run):
        if run.metrics["generation"] == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evolve(tmp_path, 8, callbacks=[callback])
    assert_same(evolve(tmp_path, 8, resume=True), straight)


def test_an_error_loses_nothing_either(straight, tmp_path):
    def done():
        done.calls += 1
        if done.calls == 5 * SIZE + 1:
            raise ArithmeticError("not Ctrl-C")

    done.calls = 0
    with pytest.raises(ArithmeticError, match="not Ctrl-C"):
        evolve(tmp_path, 8, checkpoint_every=100, done=done)
    assert_same(evolve(tmp_path, 8, resume=True), straight)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_file_is_written_waits_for_its_end(tmp_path, monkeypatch, number):
    heard, savez = [], np.savez

    def interrupted(*arguments, **arrays):
        signal.raise_signal(number)
        savez(*arguments, **arrays)
        assert heard == []

    monkeypatch.setattr(np, "savez", interrupted)
    before = signal.signal(number, lambda *_: heard.append((tmp_path / "policy.npz").exists()))
    try:
        save_policy(tmp_path / "policy.npz", ARCHITECTURE, np.zeros(1, np.float32))
        assert heard == [True]
    finally:
        signal.signal(number, before)


# A disk that fails


@contextmanager
def failing_sync(monkeypatch):
    def fsync(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield


@contextmanager
def no_room(_):
    """A real write that fails midway: no file may grow beyond 500 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("failure", [failing_sync, no_room])
def test_a_full_disk_leaves_the_previous_checkpoint(straight, tmp_path, monkeypatch, failure):
    evolve(tmp_path, 4)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    with failure(monkeypatch), pytest.raises(OSError, match=r"could not write .* free some space"):
        evolve(tmp_path, 8, resume=True)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []
    assert_same(evolve(tmp_path, 8, resume=True), straight)


def test_a_full_disk_leaves_the_previous_log(tmp_path, monkeypatch):
    evolve(tmp_path, 4)
    before = (tmp_path / "log.csv").read_bytes()

    def writerows(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(csv.DictWriter, "writerows", writerows)
    with pytest.raises(OSError, match=r"could not write .*log.csv .*free some space"):
        evolve(tmp_path, 8, resume=True)
    assert (tmp_path / "log.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abc"), st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1)),
        min_size=1, max_size=6,
    )
)  # fmt: skip
def test_a_log_that_grows_row_by_row_is_the_one_written_whole(told):
    logged = [{"generation": str(i), **row} for i, row in enumerate(told)]
    with tempfile.TemporaryDirectory() as folder:
        grown, whole = Path(folder) / "grown.csv", Path(folder) / "whole.csv"
        write_rows(grown, logged[:1])
        for row in logged[1:]:
            append_row(grown, row)
        write_rows(whole, logged)
        assert grown.read_bytes() == whole.read_bytes()
        assert [{name: text for name, text in row.items() if text} for row in read_rows(grown)] == logged


def test_a_row_that_was_cut_short_does_not_count(straight, tmp_path):
    evolve(tmp_path, 4)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("1")  # of generation 12, say
    assert [row["generation"] for row in read_rows(tmp_path / "log.csv")] == ["0", "1", "2", "3"]
    assert_same(evolve(tmp_path, 8, resume=True), straight)
    assert rows(tmp_path) == rows(straight.run_dir)


# What a run gives


def test_the_best_mean_on_held_out_births_is_kept(tmp_path):
    means, scores = [], []

    def remember(run):
        if "held_out/fitness" in run.metrics:
            means.append(run.optimizer.mean)
            scores.append(run.metrics["held_out/fitness"])

    es = OpenAIES([0.5], SIZE, sigma=0.5, learning_rate=2.0, seed=1)  # so fast that means get worse, too
    run = evolve(tmp_path, 9, es=es, held_out_every=1, callbacks=[remember])
    best = int(np.argmax(scores))
    assert len(scores) == 9
    assert 0 < best < 8
    np.testing.assert_array_equal(run.best[0], means[best])
    assert run.best[1] == scores[best]
    np.testing.assert_array_equal(run.policy.genome, means[best])
    np.testing.assert_array_equal(load_policy(tmp_path / "policy.npz")[1], means[best])


def test_training_learns_and_needs_no_folder():
    run = evolve(None, 30, held_out_every=30)
    assert run.run_dir is None
    first = evolve(None, 1, held_out_every=1)
    assert run.best[1] > first.best[1] + 0.5


def test_a_trained_policy_loads_as_a_policy_for_its_environment(tmp_path):
    from hebbian_gym import HebbianPolicy

    policy = HebbianPolicy(ARCHITECTURE)
    evolve(tmp_path, 3, policy=policy)
    loaded = HebbianPolicy.load(tmp_path / "policy.npz")
    np.testing.assert_array_equal(loaded.genome, policy.genome)
    assert loaded.env_spec.id == "Hill-v0"


def test_the_log_has_a_row_for_each_generation(straight):
    logged = rows(straight.run_dir)
    assert [row["generation"] for row in logged] == [str(i) for i in range(8)]
    assert [i for i, row in enumerate(logged) if "held_out/fitness" in row] == [2, 5]
    assert {"fitness/mean", "fitness/max", "fitness/sd", "time/env_steps", "optimizer/sigma"} <= logged[0].keys()
    assert [float(row["time/env_steps"]) for row in logged] == [2 * SIZE * (i + 1) for i in range(8)]
    assert all(float(row["fitness/max"]) > float(row["fitness/mean"]) for row in logged)


def test_a_lost_fitness_spoils_neither_the_log_nor_the_best_mean(tmp_path):
    held_out = []
    es = OpenAIES([0.02], SIZE, learning_rate=0.03, optimizer="adam", seed=4)  # its first mean is still in the hole
    run = evolve(
        tmp_path, 6, es=es, task=Task(HILL_WITH_A_HOLE), held_out_every=1,
        callbacks=[lambda run: held_out.append(run.metrics["held_out/fitness"])],
    )  # fmt: skip
    assert np.isnan(held_out[0])
    assert run.best[1] == np.nanmax(held_out)
    assert all(np.isfinite(float(row[f"fitness/{name}"])) for row in rows(tmp_path) for name in ("mean", "max", "sd"))


# Callbacks


def test_what_callbacks_return_is_logged(tmp_path):
    run = evolve(tmp_path, 3, callbacks=[lambda run: {"mine": 2 * run.metrics["generation"]}, lambda run: None])
    assert [row["mine"] for row in rows(tmp_path)] == ["0", "2", "4"]
    assert run.metrics["mine"] == 4


@pytest.mark.parametrize("folder", [True, False])
def test_a_callback_can_stop_the_run(tmp_path, folder):
    def callback(run):
        return {"stop": "enough"} if run.metrics["generation"] == 2 else None

    run = evolve(tmp_path if folder else None, 8, callbacks=[callback])
    assert run.optimizer.generation == 3
    assert run.metrics["stop"] == "enough"
    if folder:
        assert rows(tmp_path)[-1]["stop"] == "enough"


def test_a_stopped_run_goes_on_when_resumed(straight, tmp_path):
    evolve(tmp_path, 8, callbacks=[lambda run: {"stop": "for now"} if run.metrics["generation"] == 4 else None])
    run = evolve(tmp_path, 8, resume=True)
    np.testing.assert_array_equal(run.optimizer.mean, straight.optimizer.mean)


@pytest.mark.parametrize(("target", "generations"), [(-1e9, HELD_OUT_EVERY), (1e9, 5)])
def test_stop_at_ends_the_run_once_the_held_out_fitness_is_reached(target, generations):
    run = evolve(None, 5, callbacks=[StopAt(target)])
    assert run.optimizer.generation == generations
    assert ("stop" in run.metrics) == (target < 0)


def test_the_optimizers_own_reasons_stop_the_run():
    class Restless(OpenAIES):
        def stop(self):
            return {"patience": 2.0} if self.generation >= 2 else {}

    run = evolve(None, 8, es=Restless([0.0], SIZE))
    assert run.optimizer.generation == 2
    assert "patience" in str(run.metrics["stop"])


def test_tensorboard_gets_every_metric(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    evolve(None, 3, callbacks=[TensorBoard(tmp_path)])
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Scalars("fitness/mean")] == [0, 1, 2]
    assert [event.step for event in events.Scalars("held_out/fitness")] == [2]


def test_a_missing_tensorboard_is_answered_with_the_command(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r'pip install "hebbian-gym\[plots\]"'):
        TensorBoard(tmp_path)


def test_an_evaluator_of_ones_own_is_used_and_left_open(tmp_path):
    class Counting(SerialEvaluator):
        calls, closed = 0, False

        def evaluate(self, *arguments, **options):
            self.calls += 1
            return super().evaluate(*arguments, **options)

        def close(self):
            self.closed = True
            super().close()

    own = Counting(ARCHITECTURE)
    evolve(tmp_path, 2, evaluator=own, workers=2)
    assert own.calls >= 2
    assert not own.closed
    own.close()


class Wide(Hill):
    """A hill whose arguments are not what JSON gives back."""

    def __init__(self, size=()):
        super().__init__()


def test_a_run_whose_environment_takes_a_tuple_can_be_resumed(tmp_path):
    task = Task(EnvSpec("Wide-v0", entry_point=f"{__name__}:Wide", kwargs={"size": (3, 1)}))
    straight = evolve(tmp_path / "straight", 4, task=task)
    evolve(tmp_path / "halves", 2, task=task)
    assert_same(evolve(tmp_path / "halves", 4, task=task, resume=True), straight)


def test_numpys_numbers_are_settings_like_pythons(tmp_path):
    policy = Individual(ARCHITECTURE, random_genome(ARCHITECTURE))
    for folder, number, sigma in (("python", int, float), ("numpy", np.int64, np.float64)):
        es = OpenAIES(policy.genome, SIZE, sigma=sigma(0.1), seed=number(1))
        evolve(tmp_path / folder, 2, es=es, task=Task(HILL, seed=number(3)))
    assert rows(tmp_path / "python") == rows(tmp_path / "numpy")


@pytest.mark.parametrize("name", ["checkpoint_every", "held_out_every", "held_out_episodes"])
def test_an_impossible_number_is_refused_before_anything_is_evaluated(tmp_path, name):
    before = Hill.resets
    with pytest.raises(ValueError, match=f"{name} must be a whole number, 1 or more, not 0"):
        evolve(tmp_path, 2, **{name: 0})
    assert Hill.resets == before


@pytest.mark.parametrize("name", ["policy.npz", "model.zip"])
def test_a_fresh_run_refuses_a_folder_with_files_of_another(tmp_path, name):
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(FileExistsError, match=f"already holds a run .{name}."):
        evolve(tmp_path, 2)
    assert (tmp_path / name).read_bytes() == b"precious"


class Fragile(Hill):
    """Raises in lifetimes that evolution does not live: those of the held-out evaluation."""

    training = True

    def step(self, action):
        if not Fragile.training:
            raise ArithmeticError("blown up")
        return super().step(action)


def test_a_held_out_evaluation_that_fails_ends_no_run(tmp_path, monkeypatch, caplog):
    evaluate = SerialEvaluator.evaluate

    def watched(self, population, task, generation=0, **options):
        Fragile.training = "stream" not in options
        return evaluate(self, population, task, generation, **options)

    monkeypatch.setattr(SerialEvaluator, "evaluate", watched)
    run = evolve(tmp_path, 4, task=Task(EnvSpec("Fragile-v0", entry_point=f"{__name__}:Fragile")))
    assert run.optimizer.generation == 4
    assert run.best is None
    assert "held-out births, generation 3: 2 of 2 candidates failed" in caplog.text
    assert rows(tmp_path)[2]["held_out/lost"] == "2"


def test_a_generation_that_fails_is_named():
    task = Task(EnvSpec("Fragile-v0", entry_point=f"{__name__}:Fragile"))
    Fragile.training = False
    try:
        with pytest.raises(RuntimeError, match="generation 0: 4 of 6 candidates failed"):
            evolve(None, 1, task=task)
    finally:
        Fragile.training = True


class Plain:
    """An optimiser as people write them: arrays asked, nothing told, reasons in words."""

    def __init__(self, mean, reasons=None):
        self.mean, self.generation, self.reasons = np.asarray(mean, np.float32), 0, reasons or {}

    def ask(self):
        return [self.mean + step for step in (-0.1, 0.1, 0.2)]

    def tell(self, fitness):
        self.mean, self.generation = self.ask()[int(np.argmax(fitness))], self.generation + 1

    def stop(self):
        return self.reasons

    def state_dict(self):
        return {"mean": self.mean}

    def load_state_dict(self, state):
        self.mean = state["mean"]


def test_a_plain_optimizer_will_do():
    run = evolve(None, 5, es=Plain([0.0]), task=Task([HILL], births="generation"))
    assert run.optimizer.mean > 0.5  # of 1.0 if every step were the best
    assert evolve(None, 5, es=Plain([0.0], {"enough": "of it"})).metrics["stop"] == "enough of it"


@pytest.mark.parametrize("part", ["ask", "tell", "stop", "mean", "generation", "state_dict", "load_state_dict"])
def test_an_optimizer_that_lacks_a_part_is_refused_at_once(part):
    parts = {name: getattr(Plain([0.0]), name) for name in ("ask", "tell", "stop", "state_dict", "load_state_dict")}
    parts |= {"mean": np.zeros(1, np.float32), "generation": 0}
    lacking = type("Lacking", (), {name: value for name, value in parts.items() if name != part})()
    with pytest.raises(ValueError, match=f"Lacking lacks {part} of the Optimizer protocol"):
        evolve(None, 1, es=lacking)


def test_an_optimizer_of_another_genome_is_refused_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"mean has shape \(3,\), but this network has 1 genes"):
        evolve(tmp_path / "run", 1, es=OpenAIES(np.zeros(3), SIZE))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("told", [True, "stop", 3.0])
def test_a_callback_that_returns_something_else_is_named(told):
    with pytest.raises(TypeError, match=f"callbacks return None or a dict.* returned {told!r}"):
        evolve(None, 1, callbacks=[lambda run: told])


def test_a_run_without_a_generation_left_says_so(caplog):
    es = OpenAIES(random_genome(ARCHITECTURE), SIZE, seed=1)
    evolve(None, 2, es=es)
    assert "no generation is left" not in caplog.text
    evolve(None, 2, es=es)
    assert "no generation is left to evolve: 2 of 2 are done" in caplog.text


def test_a_task_is_asked_for_where_an_id_is_given():
    with pytest.raises(ValueError, match=r"task must be a Task, such as Task\(\['CartPole-v1'\]\), not 'Hill-v0'"):
        train(Individual(ARCHITECTURE, random_genome(ARCHITECTURE)), OpenAIES(np.zeros(1)), "Hill-v0", 1)


def test_a_progress_bar_changes_nothing_and_tells_every_generation(straight, tmp_path, capsys):
    assert_same(evolve(tmp_path, 8, progress_bar=True), straight)
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in told] == [f"{i}/8" for i in range(1, 9)]
