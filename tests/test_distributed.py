"""Evaluation on a Ray cluster of several nodes, all on this machine: the same bits, whatever is lost or late or new."""

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import ray
import yaml
from gymnasium.envs.registration import EnvSpec
from helpers import assert_same
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.cluster_utils import Cluster

from hebbian_gym import Architecture, Episode, OpenAIES, SerialEvaluator, Task, cluster, distributed, train
from hebbian_gym.architecture import random_genome
from hebbian_gym.cluster import Actor
from hebbian_gym.distributed import RayEvaluator
from hebbian_gym.evaluation import Individual, make_evaluator
from hebbian_gym.evaluator import Job
from hebbian_gym.optimizers import Copies, MirroredPopulation
from hebbian_gym.processes import THREAD_VARIABLES, pack, unpack

pytestmark = pytest.mark.usefixtures("watchdog")

TESTS = str(Path(__file__).parent)
MEMORY = 80 * 2**20  # bytes of a node's object store
STATIC = Architecture((1, 1), rule="static", low=(-1.0,), high=(1.0,))  # the score is the birth's only weight
CARTPOLE = Architecture((4, 2), rule="static", initial_weights="evolved", low=())  # the genome decides: no births


class Probe(gym.Env):
    """One step that tells about the birth (score), the reset, the process or the node (distance).

    Args:
        tells: what.
        seconds: that the step takes.
        once: path of a file; if given, only that step is slow that finds the file missing, and makes it.
    """

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Box(-1, 1, (1,))

    def __init__(self, tells="reset", seconds=0.0, once=""):
        self.tells, self.seconds, self.once = tells, seconds, once

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.ones(1, np.float32), {}

    def step(self, action):
        if not self.once or not os.path.exists(self.once):
            if self.once:
                Path(self.once).touch()
            time.sleep(self.seconds)
        told = self.np_random.random()
        if self.tells == "errors" and told < 0.3:
            raise ArithmeticError("the probe was told to fail")
        if self.tells == "exit":
            os._exit(1)
        if self.tells == "process":
            told = os.getpid()
        if self.tells == "node":
            told = int(ray.get_runtime_context().get_node_id()[:8], 16)
        if self.tells == "one thread":
            told = all(os.environ.get(name) == "1" for name in THREAD_VARIABLES)
        return np.ones(1, np.float32), float(action[0]), True, False, {"reward_progress": float(told)}


def probe(tells="reset", **options):
    """By name: the nodes import this module."""
    return EnvSpec("Probe-v0", entry_point="test_distributed:Probe", kwargs={"tells": tells, **options})


class Heavy(Copies):
    """Copies that take megabytes to send."""

    def __init__(self, size):
        super().__init__(np.zeros(0, np.float32), size)
        object.__setattr__(self, "ballast", np.zeros(8 * 2**20, np.uint8))


def copies(size):
    return Copies(np.zeros(0, np.float32), size)


def serial(architecture, *arguments):
    with SerialEvaluator(architecture) as evaluator:
        return evaluator.evaluate(*arguments)


@pytest.fixture(scope="module")
def nodes():
    """A cluster, to which this process is connected: a head without CPUs, and two nodes of two, which may be lost."""
    folder = tempfile.mkdtemp(prefix="hg-", dir="/tmp")  # short: there is a limit to the length of a socket's path
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        nodes = Cluster()
        nodes.add_node(num_cpus=0, object_store_memory=MEMORY, include_dashboard=False)
        for _ in range(2):
            nodes.add_node(num_cpus=2, object_store_memory=MEMORY)
        ray.init(
            address=nodes.address,
            log_to_driver=False,
            logging_level=logging.WARNING,
            runtime_env={"env_vars": {"PYTHONPATH": TESTS}},
        )
        yield nodes
        ray.shutdown()
        nodes.shutdown()
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if folder in read(path)]
    shutil.rmtree(folder, ignore_errors=True)
    assert not left


def read(path):
    try:
        return path.read_text()
    except OSError:  # the process has ended
        return ""


@pytest.fixture(scope="module")
def judge(nodes):
    """Two workers for probes, shared: what a test breaks must be mended for the next."""
    with RayEvaluator(STATIC, 2) as evaluator:
        yield evaluator


def told(evaluator, tells, size=8):
    return evaluator.evaluate(copies(size), Task(probe(tells, seconds=0.05))).distance.ravel()


def at_work(evaluator, workers=2):
    """Process IDs of so many workers, once all of them have begun."""
    while len(pids := set(told(evaluator, "process").astype(int).tolist())) < workers:
        pass
    return pids


# The same bits


def evolved(evaluator):
    """Metrics of the last generation of a short run."""
    policy = Individual(CARTPOLE, random_genome(CARTPOLE))
    task, es = Task("CartPole-v1"), OpenAIES(policy.genome, 4)
    metrics = train(policy, es, task, 3, evaluator=evaluator, held_out_every=1, held_out_episodes=2).metrics
    return {name: value for name, value in metrics.items() if not name.startswith("time/")}, policy.genome.tolist()


def test_a_cluster_gives_the_same_bits_as_one_process_on_cartpole(nodes):
    task = Task("CartPole-v1", episodes=2, seed=3)
    candidates = MirroredPopulation(random_genome(CARTPOLE), 0.5, (0, 0), 8)
    with (
        make_evaluator(CARTPOLE, 2, timeout=100.0, ray_address="auto") as evaluator,
        SerialEvaluator(CARTPOLE) as alone,
    ):
        for generation in range(2):
            expected = alone.evaluate(candidates, task, generation)
            assert len(np.unique(expected.score)) > 4
            assert_same(evaluator.evaluate(candidates, task, generation), expected)
        assert evolved(evaluator) == evolved(alone)


def test_a_cluster_gives_the_same_bits_on_two_bodies_of_an_environment_of_ones_own(judge):
    task = Task([probe(), probe()], episodes=3, births="candidate")
    calls = []
    assert_same(judge.evaluate(copies(9), task, 4, done=lambda: calls.append(1)), serial(STATIC, copies(9), task, 4))
    assert len(calls) == 9


def test_episodes_travel_without_losing_a_bit():
    lives = [
        [Episode(0.1, np.nan, 7), Episode(-np.inf, 1e-320, 2**40)],
        [Episode(-0.0, 3.0, 0), Episode(1 / 3, 0.2, 1)],
    ]
    again = unpack(pack(lives), Task([probe(), probe()], episodes=2))
    assert repr(again) == repr(lives)


def test_a_candidate_costs_less_than_200_bytes_both_ways():
    actor = Actor(STATIC)
    actor.begin(Job(copies(5000), Task(probe()), 0, 0))
    out, back = (len(ray.cloudpickle.dumps(message)) for message in ((4999,), actor.live(4999)))
    assert out + back < 200


# Workers


def test_candidates_are_evaluated_by_the_workers_with_one_thread_each(judge):
    assert len(pids := at_work(judge)) == 2
    assert os.getpid() not in pids
    assert told(judge, "one thread").all()


def test_workers_beyond_the_cpus_begin_when_a_node_joins(nodes, judge):
    with RayEvaluator(STATIC, 3) as evaluator:  # there is room for two
        assert len(set(told(evaluator, "process"))) <= 2
        node = nodes.add_node(num_cpus=1, object_store_memory=MEMORY)
        joined = int(node.node_id[:8], 16)
        while joined not in told(evaluator, "node"):
            pass
    nodes.remove_node(node)


# What is lost


def test_a_killed_worker_is_replaced_and_nothing_is_lost(judge):
    task, calls = Task(probe(seconds=0.2)), []
    victims = at_work(judge)

    def kill():
        calls.append(1)
        if len(calls) == 2:
            for victim in victims:
                os.kill(victim, signal.SIGKILL)

    assert_same(judge.evaluate(copies(8), task, done=kill), serial(STATIC, copies(8), task))
    assert len(calls) == 8
    assert not victims & at_work(judge)


def test_a_worker_killed_between_generations_costs_no_candidate(judge, caplog):
    for victim in at_work(judge):
        os.kill(victim, signal.SIGKILL)
    assert_same(judge.evaluate(copies(2), Task(probe())), serial(STATIC, copies(2), Task(probe())))
    assert "a worker was replaced" in caplog.text
    assert "candidate" not in caplog.text


def test_a_lost_node_loses_no_candidate(nodes, judge):
    task, calls = Task(probe(seconds=0.2)), []
    at_work(judge)
    ids = set(told(judge, "node").tolist())
    victim = next(node for node in nodes.worker_nodes if int(node.node_id[:8], 16) in ids)

    def lose():
        calls.append(1)
        if len(calls) == 2:
            nodes.remove_node(victim, allow_graceful=False)

    assert_same(judge.evaluate(copies(12), task, done=lose), serial(STATIC, copies(12), task))
    assert len(calls) == 12
    nodes.add_node(num_cpus=2, object_store_memory=MEMORY)
    at_work(judge)


def test_a_candidate_that_always_ends_its_worker_is_lost_and_told(judge):
    with pytest.raises(RuntimeError, match=r"candidates failed; candidate \d so:\nit ended 3 workers, the last"):
        judge.evaluate(copies(1), Task(probe("exit")), generation=7)
    assert np.isfinite(judge.evaluate(copies(2), Task(probe())).score).all()


def test_a_worker_that_hangs_is_replaced_and_nothing_is_lost(judge, monkeypatch, caplog, tmp_path):
    monkeypatch.setattr(judge, "_timeout", 3.0)
    task = Task(probe(seconds=1000.0, once=str(tmp_path / "marker")), births="candidate")
    at_work(judge)
    assert_same(judge.evaluate(copies(4), task), serial(STATIC, copies(4), task))
    assert re.search(r"a worker was replaced: took longer than 3 s; candidate \d is evaluated again", caplog.text)


def test_a_candidate_whose_environment_raises_is_lost_and_the_others_count(judge):
    task = Task(probe("errors"), births="candidate", seed=1)
    ours, theirs = judge.evaluate(copies(20), task), serial(STATIC, copies(20), task)
    assert_same(ours, theirs)
    assert 0 < len(ours.errors) < 10
    assert ours.errors.keys() == theirs.errors.keys()
    for error in ours.errors.values():
        assert re.search(r"test_distributed.py\", line \d+, in step(.|\n)*ArithmeticError: the probe was told", error)


def test_a_task_that_does_not_fit_is_refused_with_one_sentence(judge):
    with pytest.raises(ValueError, match="early_stop=False"):
        judge.evaluate(copies(4), Task(probe(), early_stop=True))
    assert_same(judge.evaluate(copies(4), Task(probe())), serial(STATIC, copies(4), Task(probe())))


def test_a_late_candidate_is_begun_once_more_and_its_first_worker_holds_up_nobody(judge, nodes, tmp_path):
    marker = tmp_path / "marker"
    task = Task(probe(seconds=1000.0, once=str(marker)), births="candidate")  # the watchdog is faster
    with RayEvaluator(STATIC, 2) as evaluator:
        result = evaluator.evaluate(copies(6), task)
        assert marker.exists()
        assert_same(result, serial(STATIC, copies(6), task))
        for generation in range(3):  # one worker is still asleep
            expected = serial(STATIC, copies(6), task, generation)
            assert_same(evaluator.evaluate(copies(6), task, generation), expected)


def test_an_interrupted_evaluation_leaves_a_usable_evaluator(judge):
    def interrupt():
        raise KeyboardInterrupt

    at_work(judge)
    with pytest.raises(KeyboardInterrupt):  # by one worker's answer; the other's comes in the next evaluation
        judge.evaluate(copies(6), Task(probe(seconds=0.5)), generation=3, done=interrupt)
    assert_same(judge.evaluate(copies(6), Task(probe())), serial(STATIC, copies(6), Task(probe())))


def test_populations_do_not_stay_in_memory(judge):
    def references():
        return len(ray._private.worker.global_worker.core_worker.get_all_reference_counts())

    for generation in range(12):  # more than the object stores hold
        judge.evaluate(Heavy(2), Task(probe()), generation)
    assert references() < 12  # a worker that came too late may still owe an answer


# What cannot begin


def test_a_node_with_another_version_is_refused(monkeypatch):
    theirs = Actor(STATIC).introduce()
    assert cluster.compare(theirs) == []
    monkeypatch.setattr(cluster, "__version__", "0.0.1")
    with pytest.raises(RuntimeError, match=r"node [\d.]+ has hebbian-gym .*, this process 0.0.1: .* install the same"):
        cluster.compare(theirs)


def test_other_libraries_on_a_node_are_told_once(nodes, judge, monkeypatch, caplog):
    monkeypatch.setattr(np, "__version__", "1.0")
    with RayEvaluator(STATIC, 2) as evaluator:
        evaluator.evaluate(copies(2), Task(probe()))
        told(evaluator, "process")
    assert len(re.findall(r"has numpy .*, this process 1.0: results may differ in the last bits", caplog.text)) == 1


def test_a_population_that_a_node_cannot_import_is_told(judge, monkeypatch):
    monkeypatch.setattr(Heavy, "__module__", "nowhere")
    monkeypatch.setitem(sys.modules, "nowhere", sys.modules[__name__])
    with pytest.raises(RuntimeError, match=r"could not begin: .*No module named 'nowhere'.* All nodes need"):
        judge.evaluate(Heavy(2), Task(probe()))


def test_a_cluster_without_room_is_told(nodes, judge, monkeypatch, caplog):
    monkeypatch.setattr(distributed, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(distributed, "START_SECONDS", 2.0)

    class Hog:
        def there(self):
            return True

    hogs = [ray.remote(num_cpus=1)(Hog).remote() for _ in range(2)]
    assert all(ray.get([hog.there.remote() for hog in hogs]))
    sentence = r"no worker could start within \d+ s: each needs a CPU, and of the cluster's 4 CPUs \d are free"
    with RayEvaluator(STATIC, 1) as evaluator:
        with pytest.raises(RuntimeError, match=sentence):
            evaluator.evaluate(copies(2), Task(probe()))
        assert len(re.findall(sentence, caplog.text)) == 1
        for hog in hogs:
            ray.kill(hog)
        monkeypatch.undo()
        assert np.isfinite(evaluator.evaluate(copies(2), Task(probe())).score).all()


@pytest.mark.parametrize(("address", "variable"), [("127.0.0.1:1", ""), ("auto", "localhost:1")])
def test_a_cluster_that_is_not_there_is_told(monkeypatch, address, variable):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", variable)
    with pytest.raises(ConnectionError, match=r"no Ray cluster answers at .*:1 .*`ray start --head --port 1`"):
        RayEvaluator(STATIC, 2, address=address)


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:port", ""])
def test_an_address_is_a_host_and_a_port(monkeypatch, address):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ValueError, match='"host:port" of the head node'):
        RayEvaluator(STATIC, 2, address=address)


def test_the_example_of_a_cluster_is_one():
    config = yaml.safe_load((Path(TESTS).parent / "examples/ray_cluster.yaml").read_text())
    nodes = config["provider"]["worker_ips"]
    config = prepare_config(config)
    validate_config(config)
    assert config["available_node_types"]["local.cluster.node"]["max_workers"] == len(nodes)


def test_without_ray_the_cure_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=re.escape('Ray is not installed: pip install "hebbian-gym[ray]"')):
        RayEvaluator(STATIC, 2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"workers": 0}, "workers must be 1 or more, not 0"),
        ({"workers": 1, "timeout": 0}, "timeout must be a positive number of seconds, not 0"),
        ({"workers": 1, "straggler_factor": 0.5}, "straggler_factor must be 1 or more, not 0.5"),
    ],
)
def test_impossible_settings_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        RayEvaluator(STATIC, **arguments)


# The end


def test_close_ends_the_workers_but_not_a_connection_of_ones_own(nodes, judge):
    with RayEvaluator(STATIC, 1) as evaluator:
        (pid,) = set(told(evaluator, "process", 1).astype(int).tolist())
        evaluator.close()
        with pytest.raises(RuntimeError, match="closed"):
            evaluator.evaluate(copies(1), Task(probe()))
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.1)
    assert ray.is_initialized()


SCRIPT = """
import signal, sys
import numpy as np, ray
import hebbian_gym as hg
from hebbian_gym.distributed import RayEvaluator

signal.signal(signal.SIGTERM, hears := lambda *_: None)
architecture = hg.Architecture((4, 2), rule="static", low=())
task, candidates = hg.Task("CartPole-v1"), hg.optimizers.Copies(np.zeros(0, np.float32), 4)
with RayEvaluator(architecture, 1, address=sys.argv[1]) as first:
    with RayEvaluator(architecture, 1, address=sys.argv[1]):
        pass
    print(first.evaluate(candidates, task).score.ravel().tolist())
print(ray.is_initialized(), signal.getsignal(signal.SIGTERM) is hears)
"""


@pytest.mark.parametrize("where", ["local", "cluster"])
def test_a_connection_made_ends_with_the_last_evaluator_and_a_cluster_stays(nodes, judge, where):
    address = "local" if where == "local" else nodes.address
    command = [sys.executable, "-W", "error", "-c", SCRIPT, address]
    result = subprocess.run(command, capture_output=True, text=True, timeout=140, check=False)
    architecture = Architecture((4, 2), rule="static", low=())
    expected = serial(architecture, copies(4), Task("CartPole-v1")).score.ravel().tolist()
    assert result.stdout.splitlines() == [str(expected), "False True"], result.stderr
    at_work(judge)
