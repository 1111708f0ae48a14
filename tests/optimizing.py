"""What tests of several optimisers share: a start, made-up fitnesses, functions to climb, evosax, and a resumed run."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest

from hebbian_gym import Task, train
from hebbian_gym.architecture import architecture_for, random_genome
from hebbian_gym.checkpoint import load, save
from hebbian_gym.evaluation import Individual  # a policy without torch

GENES, SIZE = 7, 10
START = np.linspace(-1, 1, GENES)


def candidates(optimizer):
    """Of this generation, shape (candidates, genes)."""
    population = optimizer.ask()
    return np.array([population[i] for i in range(len(population))])


def fitnesses(generation, size=SIZE):
    return np.random.default_rng(generation).standard_normal(size)


# To be maximised, over the last axis; the top of each is 0


def sphere(x):
    return -np.square(x - 0.5).sum(axis=-1)


def rosenbrock(x):
    return -(100 * np.square(x[..., 1:] - x[..., :-1] ** 2) + np.square(1 - x[..., :-1])).sum(axis=-1)


def rastrigin(x):
    return -(10 + x**2 - 10 * np.cos(2 * np.pi * x)).sum(axis=-1)


@functools.cache
def evosax():
    """Evosax's algorithms and its ClipUp, and what they are written in; where there is none, the test is skipped."""
    algorithms = pytest.importorskip("evosax.algorithms")
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    clipup = pytest.importorskip("evosax.core.optimizer").clipup
    return SimpleNamespace(algorithms=algorithms, clipup=clipup, jax=jax, optax=optax)


# States


def assert_same_state(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


def through_a_file(optimizer, folder):
    """Its state, as a checkpoint keeps it: arrays, and JSON."""
    state = optimizer.state_dict()
    arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
    save(folder / "state.npz", "test", {name: value for name, value in state.items() if name not in arrays}, arrays)
    meta, arrays = load(folder / "state.npz", "test")
    return {**meta, **arrays}


def assert_a_resumed_run_equals_one_at_a_stretch(make, folder, seed_of_the_resumed=1):
    """Of a small policy, which ``make(genome, seed)`` is to evolve; where it paused no mean was judged."""
    architecture, _ = architecture_for("CartPole-v1", hidden=(2,), rule="A")

    def run(name, generations, seed=1, **options):
        policy = Individual(architecture, random_genome(architecture))
        settings = {"held_out_every": 3, "held_out_episodes": 2, "checkpoint_every": 2}
        task = Task("CartPole-v1", seed=2)
        return train(policy, make(policy.genome, seed), task, generations, run_dir=folder / name, **settings, **options)

    straight = run("straight", 7)
    run("resumed", 4)
    resumed = run("resumed", 7, seed=seed_of_the_resumed, resume=True)
    assert_same_state(resumed.optimizer.state_dict(), straight.optimizer.state_dict())
    np.testing.assert_array_equal(resumed.optimizer.mean, straight.optimizer.mean)
    np.testing.assert_array_equal(resumed.policy.genome, straight.policy.genome)
    assert resumed.best[1:] == straight.best[1:]
    assert resumed.env_steps == straight.env_steps
    assert straight.best[1] > 9  # steps of a pole that falls at once
