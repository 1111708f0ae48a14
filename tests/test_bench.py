import json
import math
import re
import shutil
import sys

import cv2
import numpy as np
import pytest
import torch
from gymnasium.error import DependencyNotInstalled
from rich.console import Console

from hebbian_gym import OpenAIES, PlasticNetwork, bench
from hebbian_gym.architecture import Architecture, architecture_for, random_genome
from hebbian_gym.bench import BENCHMARKS, Measurement, ant, car, rule, strategy
from hebbian_gym.bench.measurement import interleaved
from hebbian_gym.machine import machine
from hebbian_gym.presets import PRESETS

# Box2D's wrappers are by SWIG; as an error, this warning would crash the import of their C code.

ES = Measurement(
    "es", "ask + tell", 0.4, 0.1, "s", 5, target=0.5, target_of="ours", memory_mb=1.0, memory_target_mb=2.0
)
LOOP = Measurement("loop", "act + step", 35.0, 100.0, "us/step", 5, target=0.4, stretch=0.3, floor=30.0)
WORKERS = Measurement("workers", "two", 1900.0, 1000.0, "steps/s", 5, better="higher", target=1.85)
TOLD = Measurement("told", "no target", 1.0, 2.0, "us", 5)
WITH_FLOOR = {"ant-env-step", "car-env-step", "foraging-evolution"}
WITH_MEMORY = {"es-ask-tell-ant": 61_440 * 4 / 2**20, "es-ask-tell-car": 458_002 * 4 / 2**20}  # MiB: the mean alone


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_measures_both_sides(name):
    measured = BENCHMARKS[name](repetitions=1, size=2)
    assert measured.name == name
    assert measured.what
    assert measured.unit
    assert measured.repetitions == 1
    assert 0 < measured.ours < math.inf
    assert 0 < measured.peer < math.inf
    assert (measured.floor is not None) == (name in WITH_FLOOR)
    assert measured.floor is None or 0 < measured.floor < math.inf
    assert (measured.memory_mb is not None) == (name in WITH_MEMORY)
    if name in WITH_MEMORY:
        assert 0.9 * WITH_MEMORY[name] < measured.memory_mb < measured.memory_target_mb

    data = json.loads(json.dumps(measured.to_json(), allow_nan=False))
    assert data == measured.to_json()
    assert {"name", "ours", "peer", "ratio", "target", "unit", "better", "stretch", "what"} <= set(data)
    assert data["ratio"] == measured.ours / measured.peer
    del data["ratio"], data["met"]
    assert Measurement(**data) == measured


def test_the_naive_update_is_the_same_learning():
    architecture = Architecture((7, 6, 5, 4))
    genome = random_genome(architecture, seed=3)
    network = PlasticNetwork(architecture, genome)
    network.reset(1)
    weights = tuple(layer.copy() for layer in network.weights)
    coefficients = rule.naive_coefficients(architecture, genome)
    assert coefficients.shape == (architecture.synapses, 5)
    assert coefficients.flags.c_contiguous  # else numba's loop is slow, and the comparison unfair
    rng = np.random.default_rng(0)
    for _ in range(5):
        observation = rng.uniform(-1, 1, 7).astype(np.float32)
        network.act(observation)
        rule.naive_update(coefficients, weights, rule.naive_activities(weights, observation))
    for naive, ours in zip(weights, network.weights, strict=True):
        np.testing.assert_allclose(naive, ours, rtol=1e-5, atol=1e-5)


def test_the_whole_population_in_memory_takes_the_same_step():
    rng = np.random.default_rng(0)
    mean, fitness = rng.normal(size=1000).astype(np.float32), rng.normal(size=8)
    es = OpenAIES(mean, population_size=8, weight_decay=1.0)
    population = es.ask()
    noise = np.stack([population.noise(pair) for pair in range(4)])
    expected = strategy.whole_population(mean, noise, fitness, es.sigma, es.learning_rate, es.weight_decay)
    es.tell(fitness)
    np.testing.assert_allclose(es.mean, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected - mean).max() > 0.1


def test_the_genes_of_ask_and_tell_are_the_presets():
    for preset, genes in (("ant-hebbian", strategy.ANT_GENES), ("car-hebbian", strategy.CAR_GENES)):
        architecture, _ = architecture_for(PRESETS[preset].envs[0], **PRESETS[preset].architecture)
        assert architecture.genome_size == genes


def test_both_encoders_see_the_same():
    ours, peer = car.encoders(np.random.default_rng(0).random((3, 84, 84), np.float32))
    assert ours().shape == (648,)
    np.testing.assert_allclose(ours(), peer().numpy(), rtol=1e-4, atol=1e-5)


def test_the_gentle_drive_follows_the_road_with_both_cars():
    with car._cars() as (ours, peer):
        actions = car.gentle_drive(ours, seed=3, steps=200)
        assert all(ours.action_space.contains(action) for action in actions)
        with car._blind(peer):
            peer.reset(seed=3)
            for action in actions:
                peer.step(action)
        assert ours.unwrapped.tile_visited_count == peer.unwrapped.tile_visited_count > 25
        assert peer.reset(seed=0)[0].shape == (96, 96, 3)  # it paints again


def test_opencv_and_torch_get_their_threads_back():
    before = cv2.getNumThreads(), torch.get_num_threads()
    try:
        cv2.setNumThreads(2)
        torch.set_num_threads(2)
        BENCHMARKS["car-reset"](repetitions=1, size=1)
        BENCHMARKS["car-encoder"](repetitions=1, size=1)
        assert (cv2.getNumThreads(), torch.get_num_threads()) == (2, 2)
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])


def test_figures_are_medians_over_interleaved_repetitions_after_one_that_does_not_count():
    calls = []

    def measure(side, figures):
        return lambda repetition: calls.append((side, repetition)) or figures[repetition]

    assert interleaved(measure("ours", [99, 3, 1, 2]), measure("peer", [0, 6, 5, 40]), 3) == (2, 6)
    assert calls == [(side, repetition) for repetition in range(4) for side in ("ours", "peer")]


@pytest.mark.parametrize(
    ("measured", "changes", "met"),
    [
        (LOOP, {}, True),
        (LOOP, {"ours": 41.0}, False),
        (WORKERS, {}, True),
        (WORKERS, {"ours": 1800.0}, False),
        (ES, {}, True),  # although slower than the peer: the target is in seconds
        (ES, {"ours": 0.6}, False),
        (ES, {"memory_mb": 3.0}, False),
        (TOLD, {}, None),
    ],
)
def test_a_target_is_met_on_its_better_side(measured, changes, met):
    assert Measurement(**{**vars(measured), **changes}).met is met


def test_the_table_fits_a_terminal_and_names_the_machine():
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(bench.as_table([ES, LOOP, WORKERS, TOLD]))
    printed = capture.get()
    assert "…" not in printed
    rows = [line.split() for line in printed.splitlines()]
    assert ["loop", "35", "100", "us/step", "0.350", "<=", "0.4", "yes"] in rows
    assert ["stretch", "<=", "0.3", "no"] in rows
    assert ["workers", "1,900", "1,000", "steps/s", "1.900", ">=", "1.85", "yes"] in rows
    assert ["es", "0.4", "0.1", "s", "4.000", "ours", "<=", "0.5", "yes"] in rows
    assert ["told", "1", "2", "us", "0.500"] in rows
    assert " ".join(machine().split()) in " ".join(printed.split())
    for package in ("cores", "Python", "numpy", "numba", "torch", "gymnasium", "pybullet", "Box2D", "opencv"):
        assert package in machine()


def test_run_takes_names_in_their_order_and_tells_which_it_is_at(monkeypatch):
    monkeypatch.setattr(
        bench, "BENCHMARKS", {"a": lambda n: ("a", n), "b": lambda n: ("b", n), "c": lambda n: ("c", n)}
    )
    told = []
    assert bench.run(["c", "a"], 7, told.append) == [("c", 7), ("a", 7)]
    assert told == ["c", "a"]
    assert bench.run() == [("a", 5), ("b", 5), ("c", 5)]


def test_run_refuses_what_it_cannot_measure():
    with pytest.raises(ValueError, match="unknown benchmark 'nope': choose from ant-env-step"):
        bench.run(["ant-env-step", "nope"])
    with pytest.raises(ValueError, match="1 or more"):
        bench.run(["ant-env-step"], repetitions=0)


def test_a_missing_peer_is_told_with_the_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, ant.PEER_PACKAGE, None)
    with pytest.raises(DependencyNotInstalled, match="pip install pybullet_envs_gymnasium"):
        bench.run(["ant-inner-loop"], repetitions=1)


def test_ray_that_is_missing_is_told_with_the_cure_and_left_out_of_all(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DependencyNotInstalled, match=re.escape('pip install "hebbian-gym[ray]"')):
        bench.run(["ray-2"], repetitions=1)
    monkeypatch.setattr(bench, "BENCHMARKS", {"ray-2": BENCHMARKS["ray-2"], "other": lambda n: n})
    told = []
    assert bench.run(progress=told.append) == [5]
    assert [line.split()[0] for line in told] == ["ray-2", "the", "other"]
    assert "ray-2 is left out" in told[1]
    assert 'pip install "hebbian-gym[ray]"' in told[1]


@pytest.mark.parametrize("package", ["Box2D", "pygame", "cv2"])
def test_what_the_car_lacks_is_told_with_the_cure(monkeypatch, package):
    for module in list(sys.modules):
        if module.startswith((package, "gymnasium.envs.box2d", "hebbian_gym.envs.car_racing")):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DependencyNotInstalled, match=re.escape('pip install "hebbian-gym[car]"')):
        bench.run(["car-inner-loop"], repetitions=1)


def test_a_failure_of_the_child_process_is_told(monkeypatch):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(RuntimeError, match="ask and tell failed"):
        bench.run(["es-ask-tell-ant"], repetitions=1)
