"""Evaluation: the same bits on any number of workers, through crashes and errors; tasks, births and seeds."""

import json
import os
import re
import signal
import subprocess
import sys
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from helpers import assert_same

from hebbian_gym import (
    Architecture,
    Episode,
    OpenAIES,
    PlasticNetwork,
    ProcessEvaluator,
    SerialEvaluator,
    Task,
    evaluate,
    run_episode,
)
from hebbian_gym.architecture import architecture_for, random_genome
from hebbian_gym.evaluation import (
    Individual,  # a policy without torch: workers import this module, and must not import torch
    make_evaluator,
)
from hebbian_gym.evaluator import Job
from hebbian_gym.optimizers import Copies, MirroredPopulation
from hebbian_gym.processes import THREAD_VARIABLES
from hebbian_gym.task import EVALUATION, HELD_OUT, TRAINING, lifetime_seeds

pytestmark = pytest.mark.usefixtures("watchdog")

ANTS = ("AntUndamaged-v0", "AntDamagedRightFront-v0")


class Probe(gym.Env):
    """One step that tells about the birth (score), the reset (distance) and the process."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Box(-1, 1, (1,))

    def __init__(self, tells="reset"):
        self.tells = tells

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.ones(1, np.float32), {}

    def step(self, action):
        if self.tells == "error":
            raise ArithmeticError("the probe was told to fail")
        if self.tells == "exit":
            os._exit(1)
        told = {
            "reset": self.np_random.random,
            "one thread by the environment": lambda: all(os.environ.get(name) == "1" for name in THREAD_VARIABLES),
            "threads": lambda: len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1,
            "heavy modules": lambda: sum(name in sys.modules for name in ("torch", "matplotlib", "Box2D")),
            "process": os.getpid,
        }[self.tells]()
        return np.ones(1, np.float32), float(action[0]), True, False, {"reward_progress": float(told)}


def probe(tells="reset"):
    """By name: worker processes import this module."""
    return EnvSpec(f"Probe-{tells.replace(' ', '')}-v0", entry_point=f"{__name__}:Probe", kwargs={"tells": tells})


STATIC = Architecture((1, 1), rule="static", low=(-1.0,), high=(1.0,))  # the score is the birth's only weight
CARTPOLE = Architecture((4, 2), rule="static", initial_weights="evolved", low=())  # the genome decides: no births


def population(architecture, size):
    """Of mirrored pairs about a random genome."""
    return MirroredPopulation(random_genome(architecture), 0.5, (0, 0), size)


def newborn(env, **options):
    """An un-evolved policy for an environment."""
    architecture, _ = architecture_for(env, hidden=(4,), rule="A", **options)
    return Individual(architecture, random_genome(architecture))


@pytest.fixture(scope="module")
def probing():
    """Two workers for probes, shared: what a test breaks must be mended for the next."""
    with ProcessEvaluator(STATIC, 2) as evaluator:
        yield evaluator


# The same bits


def test_any_number_of_workers_gives_the_same_bits_on_cartpole():
    architecture = newborn("CartPole-v1").architecture
    task, candidates = Task("CartPole-v1", episodes=2, seed=3), population(architecture, 8)
    with SerialEvaluator(architecture) as serial:
        expected = [serial.evaluate(candidates, task, generation) for generation in range(2)]
    assert len(np.unique(expected[0].score)) > 4
    for workers in (1, 3):
        with ProcessEvaluator(architecture, workers) as evaluator:
            for generation in range(2):
                assert_same(evaluator.evaluate(candidates, task, generation), expected[generation])


def test_two_workers_give_the_same_bits_on_two_ants():
    architecture = newborn(ANTS[0]).architecture
    task, candidates = Task(ANTS, early_stop=True), population(architecture, 4)
    with SerialEvaluator(architecture) as serial:
        expected = serial.evaluate(candidates, task)
        assert_same(serial.evaluate(candidates, task), expected)  # in used environments
    assert expected.score.shape == (4, 2, 1)
    assert len(np.unique(expected.score)) == 8
    with ProcessEvaluator(architecture, 2) as evaluator:
        assert_same(evaluator.evaluate(candidates, task), expected)


def test_done_is_called_once_for_each_candidate(probing):
    for evaluator in (SerialEvaluator(STATIC), probing):
        calls = []
        evaluator.evaluate(Copies(np.zeros(0), 5), Task(probe()), done=lambda calls=calls: calls.append(1))
        assert len(calls) == 5


# Births and seeds


@pytest.mark.parametrize(
    ("births", "groups"), [("candidate", [0, 1, 2, 3, 4, 5]), ("pair", [0, 0, 1, 1, 2, 2]), ("generation", [0] * 6)]
)
@pytest.mark.parametrize("stream", [TRAINING, HELD_OUT])
def test_candidates_share_births_and_resets_as_told(births, groups, stream):
    task = Task([probe(), probe()], episodes=3, births=births)
    candidates = MirroredPopulation(np.zeros(0, np.float32), 0.1, (0,), 6)
    with SerialEvaluator(STATIC) as serial:
        first, second = (serial.evaluate(candidates, task, generation, stream) for generation in (0, 1))
    for lives in (first.score, first.distance):  # births, resets: (candidates, bodies, episodes)
        for i in range(6):
            for j in range(i):
                assert (lives[i] == lives[j]).all() == (groups[i] == groups[j])
                assert (lives[i] == lives[j]).any() == (groups[i] == groups[j])
        assert len(np.unique(lives[0])) == 6  # each body and each episode has its own
    assert not np.isin(first.score, second.score).any()
    assert not np.isin(first.distance, second.distance).any()


def test_a_copy_is_its_own_pair():
    task = Task(probe())
    seeds = {task.seeds(Copies(np.zeros(0), 4), 0, HELD_OUT, index).tobytes() for index in range(4)}
    assert len(seeds) == 4


@pytest.mark.parametrize("births", ["candidate", "pair", "generation"])
def test_no_life_of_one_stream_is_lived_in_another(births):
    copies, lives = Copies(np.zeros(0), 50), []
    for stream in (TRAINING, HELD_OUT, EVALUATION):
        task = Task(probe(), births=births, episodes=4)
        seeds = [task.seeds(copies, generation, stream, i) for generation in range(100) for i in range(0, 50, 5)]
        lives.append({tuple(life) for life in np.reshape(seeds, (-1, 2)).tolist()})
    training, held_out, evaluation = lives
    assert len(training | held_out | evaluation) == len(training) + len(held_out) + len(evaluation)


def test_the_tasks_seed_decides_the_lives():
    def seeds(seed):
        return Task(probe(), seed=seed).seeds(Copies(np.zeros(0), 1), 0, TRAINING, 0)

    np.testing.assert_array_equal(seeds(1), seeds(1))
    assert not np.isin(seeds(1), seeds(2)).any()


# What goes wrong


@pytest.mark.parametrize("victims", [[0], [0, 1]])
def test_a_killed_worker_is_replaced_and_nothing_is_lost(victims):
    task, candidates = Task("CartPole-v1", episodes=3), population(CARTPOLE, 8)
    with SerialEvaluator(CARTPOLE) as serial:
        expected = serial.evaluate(candidates, task)
    with ProcessEvaluator(CARTPOLE, 2) as evaluator:
        evaluator.evaluate(candidates, task)
        before, calls = evaluator.pids, []

        def kill():
            calls.append(1)
            if len(calls) == 2:
                for victim in victims:
                    os.kill(before[victim], signal.SIGKILL)

        assert_same(evaluator.evaluate(candidates, task, done=kill), expected)
        assert len(calls) == 8
        assert [old != new for old, new in zip(before, evaluator.pids, strict=True)] == [i in victims for i in range(2)]


def test_a_worker_killed_between_generations_is_replaced(probing):
    task, candidates = Task(probe()), Copies(np.zeros(0), 4)
    expected = probing.evaluate(candidates, task)
    os.kill(probing.pids[1], signal.SIGKILL)
    assert_same(probing.evaluate(candidates, task), expected)


def test_a_worker_killed_while_it_starts_is_replaced():
    with ProcessEvaluator(STATIC, 2) as evaluator:
        os.kill(evaluator.pids[0], signal.SIGKILL)
        result = evaluator.evaluate(Copies(np.zeros(0), 4), Task(probe()))
    assert np.isfinite(result.score).all()


def lost(result):
    """Indices of the candidates that were lost, after checks of what is left of them."""
    indices = sorted(result.errors)
    assert np.flatnonzero(np.isnan(result.fitness)).tolist() == indices
    assert np.isnan(result.score[indices]).all()
    return indices


class Some:
    """Copies of a genome, some of which (by their index) carry a gene that the Victim environment fails on."""

    def __init__(self, size, marked):
        self.size, self.marked = size, marked

    def __len__(self):
        return self.size

    def pair(self, index):
        return index

    def __getitem__(self, index):
        return np.full(1, -1.0 if index in self.marked else 1.0, np.float32)


class Victim(Probe):
    """Does to the process what it was told to, when the action is negative."""

    def step(self, action):
        if action[0] > 0:
            return np.ones(1, np.float32), float(self.np_random.random()), True, False, {}
        if self.tells == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.tells == "hang":
            signal.pause()
        if self.tells == "raise":
            raise ArithmeticError("the victim was told to fail")
        observation = np.full(1, np.nan if self.tells == "observe nan" else 1, np.float32)
        return observation, np.nan, self.tells == "reward nan", False, {}


def victim(tells):
    return EnvSpec(f"Victim-{tells.replace(' ', '')}-v0", entry_point=f"{__name__}:Victim", kwargs={"tells": tells})


WILL = Architecture((1, 1), rule="static", initial_weights="evolved", low=(-1.0,), high=(1.0,))  # the gene is the will


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("tells", "cause"),
    [
        ("raise", "ArithmeticError: the victim was told to fail"),
        ("reward nan", "a fitness of nan"),
        ("observe nan", "ValueError: the environment returned an observation that is not a number (NaN)"),
    ],
)
def test_a_candidate_whose_environment_fails_is_lost_and_no_other(tells, cause, workers):
    with make_evaluator(WILL, workers) as evaluator:
        whole = evaluator.evaluate(Some(12, ()), Task(victim(tells)))
        result = evaluator.evaluate(Some(12, (3, 7)), Task(victim(tells)))
    assert lost(whole) == []
    assert whole.losses == ""
    assert lost(result) == [3, 7]
    assert result.losses == f"2 of 12 candidates were lost and do not count: {cause} (2 times)"
    assert (result.steps[[3, 7]] == (tells == "reward nan")).all()  # those that were lived to the end
    rest = [i for i in range(12) if i not in (3, 7)]
    np.testing.assert_array_equal(result.score[rest], whole.score[rest])


@pytest.mark.parametrize(
    ("tells", "epitaph"),
    [("kill", r"was killed by SIGKILL \(out of memory\?\)"), ("hang", "took longer than 0.5 s")],
)
def test_a_candidate_that_costs_three_workers_is_lost_and_no_other(tells, epitaph, caplog):
    with ProcessEvaluator(WILL, 2) as evaluator:
        whole = evaluator.evaluate(Some(6, ()), Task(victim(tells)))
        evaluator._timeout = 0.5 if tells == "hang" else 600.0  # not at first: workers have to compile
        result = evaluator.evaluate(Some(6, (4,)), Task(victim(tells)))
    assert lost(result) == [4]
    assert re.search(f"ended 3 worker processes, the last of which {epitaph}; .* workers=1", result.errors[4])
    np.testing.assert_array_equal(np.delete(result.score, 4, 0), np.delete(whole.score, 4, 0))
    told = [re.fullmatch(rf"worker \d {epitaph} and was replaced; candidate 4 (is .*)", m) for m in caplog.messages]
    assert [match[1] for match in told] == ["is evaluated again", "is evaluated again", "is lost"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_generation_that_mostly_fails_comes_with_its_traceback_and_the_evaluator_goes_on(workers):
    candidates = Copies(np.zeros(0), 4)
    with make_evaluator(STATIC, workers) as evaluator:
        expected = evaluator.evaluate(candidates, Task(probe()))
        with pytest.raises(RuntimeError, match=r"3 of 4 candidates failed; candidate \d so:\n") as failure:
            evaluator.evaluate(candidates, Task(probe("error")), generation=5)
        assert re.search(
            r"test_evaluation.py\", line \d+, in step(.|\n)*ArithmeticError: the probe", str(failure.value)
        )
        assert_same(evaluator.evaluate(candidates, Task(probe())), expected)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (Task("Acrobot-v1"), "this network is for 4 observations and 2 discrete actions, but Acrobot-v1 has Box"),
        (Task("CartPole-v1", early_stop=True), "CartPole-v1 could not be made: .*early_stop.*; make the task with"),
    ],
)
def test_a_task_that_does_not_fit_is_refused_in_one_sentence(task, sentence, workers):
    with make_evaluator(CARTPOLE, workers) as evaluator, pytest.raises(ValueError, match=sentence):
        evaluator.evaluate(population(CARTPOLE, 4), task)


def test_evaluate_tells_what_was_lost(caplog):
    mixed = EnvSpec("Moody-v0", entry_point=f"{__name__}:Moody")
    result = evaluate(Individual(STATIC, np.zeros(0)), mixed, episodes=20)
    assert 0 < len(lost(result)) < 10
    assert caplog.messages == [
        f"{len(result.errors)} of 20 lifetimes were lost and do not count: RuntimeError: a bad mood "
        f"({len(result.errors)} times)"
    ]


class Moody(Probe):
    """Raises in every fourth of its lives, more or less."""

    def step(self, action):
        if self.np_random.random() < 0.25:
            raise RuntimeError("a bad mood")
        return super().step(action)


def test_an_interrupted_evaluation_leaves_a_usable_evaluator(probing):
    candidates, task = Copies(np.zeros(0), 6), Task(probe(), episodes=2)
    expected = probing.evaluate(candidates, task)

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probing.evaluate(candidates, task, generation=3, done=interrupt)
    assert_same(probing.evaluate(candidates, task), expected)


def test_close_ends_the_workers_and_may_be_repeated():
    with ProcessEvaluator(STATIC, 1) as evaluator:
        pids = evaluator.pids
        evaluator.evaluate(Copies(np.zeros(0), 1), Task(probe()))
        evaluator.close()
        with pytest.raises(ProcessLookupError):
            os.kill(pids[0], 0)
        with pytest.raises(RuntimeError, match="closed"):
            evaluator.evaluate(Copies(np.zeros(0), 1), Task(probe()))


@pytest.mark.parametrize("workers", [0, -1])
def test_there_must_be_a_worker(workers):
    with pytest.raises(ValueError, match=f"workers must be 1 or more, not {workers}"):
        ProcessEvaluator(STATIC, workers)


def test_a_script_without_a_main_guard_is_told_so(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np, hebbian_gym as hg\n"
        "architecture = hg.Architecture((4, 2), rule='static')\n"
        "hg.ProcessEvaluator(architecture, 2).evaluate([np.zeros(0)] * 3, hg.Task('CartPole-v1'))\n"
    )
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=200, check=False)
    assert result.returncode != 0
    assert 'whatever starts workers must stand under `if __name__ == "__main__":`' in result.stderr


# Workers


def told(evaluator, tells):
    return evaluator.evaluate(Copies(np.zeros(0), 4), Task(probe(tells))).distance.ravel()


def test_workers_have_one_thread_and_leave_the_parents_settings(monkeypatch):
    for name in THREAD_VARIABLES:
        monkeypatch.setenv(name, "2")
    monkeypatch.delenv(THREAD_VARIABLES[0])
    with ProcessEvaluator(STATIC, 1) as evaluator:
        assert told(evaluator, "one thread by the environment").all()
        assert (told(evaluator, "threads") == 1).all()
    assert [os.environ.get(name) for name in THREAD_VARIABLES] == [None, "2", "2", "2"]


def test_workers_import_no_torch(probing):
    assert (told(probing, "heavy modules") == 0).all()


def test_candidates_are_evaluated_in_the_workers(probing):
    assert set(told(probing, "process")) <= set(probing.pids)


# evaluate()


def test_evaluate_gives_an_array_entry_for_each_episode():
    policy = newborn("AntUndamaged-v0")
    result = evaluate(policy, "AntDamagedLeftFront-v0", episodes=3, seed=5)
    assert [getattr(result, name).shape for name in ("fitness", "score", "distance", "steps")] == [(3,)] * 4
    np.testing.assert_array_equal(result.score, result.distance)  # this environment rewards nothing but progress

    task, progress = Task("AntDamagedLeftFront-v0", births="candidate", seed=5), []
    network = PlasticNetwork(policy.architecture, policy.genome)
    with gym.make("AntDamagedLeftFront-v0") as env:
        for i in range(3):
            ((reset, birth),) = task.seeds(Copies(policy.genome, 3), 0, EVALUATION, i)[0].tolist()
            infos = []
            run_episode(env, network, reset, birth, lambda *step, infos=infos: infos.append(step[-1]))
            progress.append(sum(info["reward_progress"] for info in infos))
            assert len(infos) == result.steps[i]
    np.testing.assert_allclose(result.distance, progress, rtol=1e-12)
    assert len(set(progress)) == 3


def test_where_there_is_no_progress_distance_is_nan():
    result = evaluate(newborn("CartPole-v1"), "CartPole-v1", episodes=4)
    assert np.isnan(result.distance).all()
    np.testing.assert_array_equal(result.score, result.steps)  # CartPole gives 1 for each step


def test_evaluate_gives_the_same_bits_with_workers():
    policy = Individual(STATIC, np.zeros(0))
    assert_same(evaluate(policy, probe(), episodes=5, workers=2), evaluate(policy, probe(), episodes=5))


def test_evaluate_needs_an_episode():
    with pytest.raises(ValueError, match="episode"):
        evaluate(Individual(STATIC, np.zeros(0)), probe(), episodes=0)


def test_an_environment_registered_by_its_class_can_be_evaluated():
    spec = EnvSpec("OwnProbe-v0", entry_point=Probe)
    candidates, task = Copies(np.zeros(0), 3), Task(spec)
    with SerialEvaluator(STATIC) as serial, ProcessEvaluator(STATIC, 1) as evaluator:
        assert_same(serial.evaluate(candidates, task), evaluator.evaluate(candidates, task))


# Tasks


@pytest.mark.parametrize(("aggregate", "expected"), [("mean", 2.5), ("min", -1.0)])
def test_fitness_is_the_aggregate_over_all_lives(aggregate, expected):
    lives = [[Episode(score, np.nan, 1) for score in scores] for scores in [(4.0, 5.0), (-1.0, 2.0)]]
    assert Task([probe(), probe()], episodes=2, aggregate=aggregate).fitness(lives) == expected


@pytest.mark.parametrize("aggregate", ["mean", "min"])
def test_evaluators_aggregate_as_the_task_says(aggregate):
    task = Task([probe(), probe()], episodes=3, aggregate=aggregate)
    with SerialEvaluator(STATIC) as serial:
        result = serial.evaluate(Copies(np.zeros(0), 2), task)
    np.testing.assert_allclose(result.fitness, getattr(result.score, aggregate)((1, 2)))


@pytest.mark.parametrize(
    "task",
    [
        Task("CartPole-v1"),
        Task([*ANTS, "AntDamagedRandom-v0"], episodes=3, aggregate="min", early_stop=True, births="generation", seed=9),
        Task(EnvSpec("Own-v3", entry_point="own:Env", max_episode_steps=7, kwargs={"damage": {"left_back": 0.5}})),
    ],
)
def test_a_task_survives_json(task):
    assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"envs": []}, "at least one environment"),
        ({"envs": "CartPole-v1", "episodes": 0}, "one episode"),
        ({"envs": "CartPole-v1", "aggregate": "median"}, r"aggregate must be one of .*'mean', 'min'.*, not 'median'"),
        ({"envs": "CartPole-v1", "births": "pairs"}, r"births must be one of .*'candidate', 'pair', .*, not 'pairs'"),
        ({"envs": [42]}, "42"),
        ({"envs": "CartPole-v1", "seed": -1}, "seed"),
    ],
)
def test_an_impossible_task_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Task(**arguments)


def test_an_unknown_environment_is_named():
    with pytest.raises(gym.error.NameNotFound, match="AntUndamged"):
        Task("AntUndamged-v0")


def test_the_optimizers_populations_are_evaluated_as_they_are():
    es = OpenAIES(random_genome(CARTPOLE), 4)
    task = Task("CartPole-v1")
    with SerialEvaluator(CARTPOLE) as serial:
        together = serial.evaluate(es.ask(), task, 2)
        alone = [serial.candidate(Job(es.ask(), task, 2, TRAINING), i)[0][0].score for i in (3, 1, 2, 0)]
    np.testing.assert_array_equal(together.score.ravel()[[3, 1, 2, 0]], alone)


def test_an_id_may_name_the_module_that_registers_it():
    task = Task(id_ for id_ in ["hebbian_gym:AntUndamaged-v0", "CartPole-v1"])
    assert [spec.id for spec in task.specs] == ["AntUndamaged-v0", "CartPole-v1"]
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        Task("no_such_module:CartPole-v1")


def test_what_is_more_than_its_genome_is_refused():
    network = PlasticNetwork(CARTPOLE, np.zeros(8, np.float32))
    network.learning = False
    with pytest.raises(ValueError, match="learning=False would be lost"):
        evaluate(network, "CartPole-v1", 2)
    with pytest.raises(ValueError, match=r"object has no architecture and genome .*compare\("):
        evaluate(object(), "CartPole-v1", 2)


def test_a_body_may_be_an_environment_that_gymnasium_made():
    policy = Individual(CARTPOLE, np.linspace(-1, 1, 8).astype(np.float32))
    with gym.make("CartPole-v1", max_episode_steps=7, render_mode="rgb_array") as env:
        assert Task(env) == Task(gym.make("CartPole-v1", max_episode_steps=7))
        assert Task(env).specs[0].kwargs == gym.spec("CartPole-v1").kwargs
        assert Task([env]).specs[0].max_episode_steps == 7
        ours = evaluate(policy, env, 3).score
    np.testing.assert_array_equal(ours, np.minimum(evaluate(policy, "CartPole-v1", 3).score, 7))
    with pytest.raises(ValueError, match=r"was not made by gymnasium.make.*register its class"):
        Task(Probe())


def test_arguments_that_no_file_can_hold_are_refused():
    spec = EnvSpec("Probe-v0", entry_point=f"{__name__}:Probe", kwargs={"tells": np.zeros(2)})
    with pytest.raises(ValueError, match=r"the spec of Probe-v0 cannot be written .*lists, no arrays"):
        Task(spec)


@pytest.mark.parametrize("entry", ["no_such_module:Probe", f"{__name__}:NoSuchClass"])
def test_a_class_that_cannot_be_imported_is_one_sentence(entry):
    task = Task(EnvSpec("Elsewhere-v0", entry_point=entry))
    with SerialEvaluator(STATIC) as evaluator, pytest.raises(ValueError, match="cannot be imported here: define it"):
        evaluator.evaluate(Copies(np.zeros(0, np.float32), 2), task)


def test_an_unknown_rule_is_one_sentence_in_workers_too():
    architecture = Architecture((1, 1), low=(-1.0,), high=(1.0,))
    object.__setattr__(architecture, "rule", "a_notebooks")  # as unpickled where nobody registered it
    with ProcessEvaluator(architecture, 1) as evaluator, pytest.raises(ValueError, match="unknown rule 'a_notebooks'"):
        evaluator.evaluate(Copies(np.zeros(5, np.float32), 4), Task(probe()))


def missing():
    raise FileNotFoundError(2, "No such file or directory", "noise.bin")


class Unreadable(Copies):
    """Copies that no other process can unpickle, for want of a file."""

    def __reduce__(self):
        return missing, ()


def test_what_workers_cannot_unpickle_is_one_sentence_and_the_workers_stay():
    task, population = Task(probe(), births="candidate"), Copies(np.zeros(0, np.float32), 4)
    with ProcessEvaluator(STATIC, 2) as evaluator:
        before = evaluator.pids
        with pytest.raises(ValueError, match=r"could not unpickle what it is to evaluate: .*noise.bin"):
            evaluator.evaluate(Unreadable(population.genome, 4), task)
        found = evaluator.evaluate(population, task).score
        assert set(evaluator.pids) & set(before)
    with SerialEvaluator(STATIC) as evaluator:
        np.testing.assert_array_equal(found, evaluator.evaluate(population, task).score)


@pytest.mark.parametrize("make", [SerialEvaluator, partial(ProcessEvaluator, workers=1)])
def test_a_closed_evaluator_says_so(make):
    with make(STATIC) as evaluator:
        pass
    evaluator.close()
    with pytest.raises(RuntimeError, match="this evaluator is closed: make another"):
        evaluator.evaluate(Copies(np.zeros(0, np.float32), 2), Task(probe()))


def test_a_task_does_not_see_what_becomes_of_the_registry(monkeypatch):
    task = Task("CartPole-v1")
    monkeypatch.setitem(gym.spec("CartPole-v1").kwargs, "sutton_barto_reward", True)
    assert task.specs[0].kwargs == {}
    assert task != Task("CartPole-v1")


def test_many_interrupted_calls_are_not_taken_for_workers_that_cannot_begin(monkeypatch):
    task, population = Task(probe(), births="candidate"), Copies(np.zeros(0, np.float32), 6)
    with ProcessEvaluator(STATIC, 2) as evaluator:
        with monkeypatch.context() as patch:

            def interrupt(self):
                raise KeyboardInterrupt

            patch.setattr(ProcessEvaluator, "_wait", interrupt)
            for _ in range(4):
                with pytest.raises(KeyboardInterrupt):
                    evaluator.evaluate(population, task)
        found = evaluator.evaluate(population, task)
    with SerialEvaluator(STATIC) as evaluator:
        np.testing.assert_array_equal(found.score, evaluator.evaluate(population, task).score)


def test_seeds_of_lifetimes_are_those_of_evaluate():
    policy = Individual(STATIC, np.zeros(0, np.float32))
    network = PlasticNetwork(STATIC, policy.genome)
    lived = [run_episode(Probe(), network, *pair) for pair in lifetime_seeds(5, 3)]
    found = evaluate(policy, probe(), 3, seed=5)
    assert [life.score for life in lived] == found.score.tolist()
    assert [life.distance for life in lived] == found.distance.tolist()
