"""Foreign optimisers: that they do what they do by themselves, that they maximise, and that they go on exactly."""

import copy
import functools
import math
import re
import subprocess
import sys
from pathlib import Path

import cma
import cmaes
import numpy as np
import pytest
from optimizing import (
    assert_a_resumed_run_equals_one_at_a_stretch,
    assert_same_state,
    candidates,
    evosax,
    through_a_file,
)

from hebbian_gym.optimizers.adapters import AskTell, from_cmaes, from_evosax, from_pycma
from hebbian_gym.optimizers.cma_es import CMAES

GENES, SIZE, SIGMA = 6, 10, 0.3
START = np.linspace(-1, 1, GENES)


def sphere(x):
    """Its top is at 1."""
    return -np.square(np.asarray(x, dtype=float) - 1).sum()


def new_pycma(seed=0, genome=START):
    rng = np.random.default_rng(seed)
    options = {"popsize": SIZE, "randn": lambda *shape: rng.standard_normal(shape), "seed": math.nan, "verbose": -9}
    return cma.CMAEvolutionStrategy(genome, SIGMA, options)


def new_cmaes(seed=0, genome=START, name="CMA"):
    return getattr(cmaes, name)(np.array(genome, dtype=float), SIGMA, population_size=SIZE, seed=seed)


@functools.cache  # it keeps no state, and JAX compiles each anew
def evosax_strategy(genes):
    return evosax().algorithms.Sep_CMA_ES(population_size=SIZE, solution=np.zeros(genes, dtype=np.float32))


def new_evosax(seed=0, genome=START):
    jax, strategy = evosax().jax, evosax_strategy(len(genome))
    params = strategy.default_params.replace(std_init=SIGMA)
    key, first = jax.random.split(jax.random.key(seed))
    return strategy, strategy.init(first, np.array(genome, dtype=np.float32), params), key, params


ADAPTED = {
    "pycma": lambda *arguments: from_pycma(new_pycma(*arguments)),
    "cmaes": lambda *arguments: from_cmaes(new_cmaes(*arguments)),
    "sep-cmaes": lambda *arguments: from_cmaes(new_cmaes(*arguments, name="SepCMA")),
    "evosax": lambda *arguments: from_evosax(*new_evosax(*arguments)),
}
each_library = pytest.mark.parametrize("make", ADAPTED.values(), ids=ADAPTED)


def evolve(optimizer, generations, lost=0.0):
    for _ in range(generations):
        fitness = np.array([sphere(x) for x in candidates(optimizer)])
        fitness[np.random.default_rng(optimizer.generation).random(fitness.size) < lost] = np.nan
        optimizer.tell(fitness)
    return optimizer


# Against the libraries used directly


def test_pycma_does_what_it_does_by_itself():
    ours, theirs = from_pycma(new_pycma()), new_pycma()
    for _ in range(40):
        asked = theirs.ask()
        np.testing.assert_array_equal(candidates(ours), np.array(asked, dtype=np.float32))
        fitness = [sphere(x) for x in asked]
        theirs.tell(asked, [-f for f in fitness])
        ours.tell(fitness)
        np.testing.assert_array_equal(ours.mean, theirs.mean.astype(np.float32))


@pytest.mark.parametrize("name", ["CMA", "SepCMA"])
def test_cmaes_does_what_it_does_by_itself(name):
    ours, theirs = from_cmaes(new_cmaes(name=name)), new_cmaes(name=name)
    for _ in range(40):
        asked = [theirs.ask() for _ in range(SIZE)]
        np.testing.assert_array_equal(candidates(ours), np.array(asked, dtype=np.float32))
        fitness = [sphere(x) for x in asked]
        theirs.tell([(x, -f) for x, f in zip(asked, fitness, strict=True)])
        ours.tell(fitness)
        np.testing.assert_array_equal(ours.mean, theirs.mean.astype(np.float32))


def test_evosax_does_what_it_does_by_itself():
    jax = evosax().jax
    ours, (strategy, state, key, params) = ADAPTED["evosax"](), new_evosax()
    for _ in range(10):
        key, ask_key = jax.random.split(key)
        asked, state = strategy.ask(ask_key, state, params)
        np.testing.assert_array_equal(candidates(ours), asked)
        fitness = np.array([sphere(x) for x in asked])
        key, tell_key = jax.random.split(key)
        state, _ = strategy.tell(tell_key, asked, -fitness, state, params)
        ours.tell(fitness)
        np.testing.assert_array_equal(ours.mean, strategy.get_mean(state))


def test_of_an_evosax_algorithm_without_a_mean_the_best_candidate_counts():
    jax = evosax().jax
    solution, key = np.zeros(GENES, dtype=np.float32), jax.random.key(0)
    strategy = evosax().algorithms.SimpleGA(SIZE, solution, std_schedule=lambda generation: 0.1)
    first = jax.random.normal(key, (SIZE, GENES))
    costs = np.array([-sphere(x) for x in first])
    ours = from_evosax(strategy, strategy.init(key, first, costs, strategy.default_params), key)
    np.testing.assert_array_equal(ours.mean, first[costs.argmin()])
    for _ in range(30):
        genomes = candidates(ours)
        fitness = np.array([sphere(x) for x in genomes])
        ours.tell(fitness)
        np.testing.assert_array_equal(ours.mean, genomes[fitness.argmax()])
    assert sphere(ours.mean) > -costs.min() / 2


def test_pycma_may_use_the_step_size_rule_that_needs_its_own_candidates_back():
    ours = from_pycma(cma.CMAEvolutionStrategy(300 * [0], SIGMA, {"CMA_diagonal": True, "verbose": -9, "seed": 1}))
    evolve(ours, 40, lost=0.2)
    assert sphere(ours.mean) > -290


# As one of ours


@each_library
def test_it_maximizes(make):
    assert sphere(make().mean) < -6
    assert sphere(evolve(make(), 100).mean) > -1e-4


@each_library
def test_candidates_are_the_same_until_tell_and_float32(make):
    optimizer = make()
    population, first = optimizer.ask(), candidates(optimizer)
    assert first.dtype == optimizer.mean.dtype == np.float32
    assert first.shape == (SIZE, GENES)
    np.testing.assert_array_equal(candidates(optimizer), first)
    np.testing.assert_allclose(optimizer.mean, START, rtol=1e-6)
    evolve(optimizer, 1)
    assert optimizer.generation == 1
    assert not np.isclose(candidates(optimizer), first).any()
    np.testing.assert_array_equal([population[i] for i in range(SIZE)], first)


@each_library
@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_lost_candidate_is_as_bad_as_the_worst(make, lost):
    ours, told = make(), make()
    for generation in range(5):
        fitness = np.round([sphere(x) for x in candidates(ours)], 3)
        fitness[[generation, 7]] = lost
        filled = np.where(np.isfinite(fitness), fitness, fitness[np.isfinite(fitness)].min())
        assert ours.tell(fitness) == {"optimizer/lost": 2.0}
        assert told.tell(filled) == {"optimizer/lost": 0.0}
        np.testing.assert_array_equal(ours.mean, told.mean)


@each_library
def test_without_any_fitness_there_is_nothing_to_select(make):
    optimizer = make()
    before = candidates(optimizer)
    with pytest.raises(ValueError, match=r"no candidate .* has a finite fitness: there is nothing to select"):
        optimizer.tell(np.full(SIZE, np.nan))
    assert optimizer.generation == 0
    np.testing.assert_array_equal(candidates(optimizer), before)


@pytest.mark.parametrize("shape", [(SIZE - 1,), (SIZE, 1), ()])
def test_every_candidate_needs_a_fitness(shape):
    with pytest.raises(ValueError, match="10 candidates need as many fitnesses"):
        ADAPTED["cmaes"]().tell(np.zeros(shape))


def test_plain_functions_make_an_optimizer():
    """A random search that keeps its best."""
    rng, best = np.random.default_rng(0), [np.zeros(GENES), -np.inf]

    def tell(genomes, fitness):
        if fitness.max() > best[1]:
            best[:] = genomes[fitness.argmax()], fitness.max()

    search = AskTell(lambda: best[0] + rng.normal(0, 0.2, (20, GENES)), tell, lambda: best[0])
    evolve(search, 60)
    assert sphere(search.mean) > -0.5
    assert search.stop() == {}


# Stopping


def test_pycma_stops_for_its_reasons():
    optimizer = from_pycma(new_pycma())
    while not optimizer.stop():
        evolve(optimizer, 1)
    assert optimizer.stop() == optimizer.stop()
    assert set(optimizer.stop()) <= {"tolfun", "tolfunhist", "tolx", "tolflatfitness"}
    assert all(isinstance(value, float) for value in optimizer.stop().values())


def test_cmaes_stops_when_it_should():
    optimizer = ADAPTED["cmaes"]()
    while not optimizer.stop():
        evolve(optimizer, 1)
    assert optimizer.stop() == {"should_stop": 1.0}
    assert optimizer.generation > 30


def test_a_mean_that_is_not_finite_is_a_reason_to_stop():
    optimizer = AskTell(lambda: np.zeros((2, 1)), lambda genomes, fitness: None, lambda: [np.nan])
    assert list(optimizer.stop()) == ["non_finite_mean"]


# Resuming


@each_library
@pytest.mark.parametrize("generations", [0, 7])
def test_a_saved_state_goes_on_bit_for_bit(make, generations, tmp_path):
    optimizer, again = evolve(make(), generations, lost=0.2), make()
    optimizer.ask()
    again.load_state_dict(through_a_file(optimizer, tmp_path))
    assert again.generation == generations
    for _ in range(5):
        np.testing.assert_array_equal(candidates(again), candidates(optimizer))
        np.testing.assert_array_equal(again.mean, optimizer.mean)
        for each in (optimizer, again):
            evolve(each, 1, lost=0.2)
    assert_same_state(again.state_dict(), optimizer.state_dict())


@each_library
@pytest.mark.parametrize("arguments", [(1,), (0, START[::-1])])
@pytest.mark.parametrize("generations", [1, 4])
def test_another_seed_or_start_is_noticed_and_the_cure_named(make, arguments, generations):
    state = evolve(make(), generations).state_dict()
    with pytest.raises(ValueError, match=r"make it the same way, with a seed of its own"):
        make(*arguments).load_state_dict(state)


def test_pycma_on_numpys_global_generator_is_noticed():

    def make():
        return from_pycma(cma.CMAEvolutionStrategy(START, SIGMA, {"seed": 3, "verbose": -9}))

    optimizer = evolve(make(), 3)
    make().load_state_dict(optimizer.state_dict())  # the seed helps as long as nothing else draws
    optimizer = make()
    for _ in range(3):
        np.random.random()  # noqa: NPY002 - as an environment might
        evolve(optimizer, 1)
    with pytest.raises(ValueError, match="pycma draws from numpy's global generator"):
        make().load_state_dict(optimizer.state_dict())


@each_library
def test_a_state_of_other_genes_or_candidates_is_refused(make):
    state = evolve(make(), 2).state_dict()
    with pytest.raises(ValueError, match="make it the same way"):
        make(0, np.zeros(GENES + 1)).load_state_dict(state)
    with pytest.raises(ValueError, match="make it the same way"):
        make().load_state_dict({**state, "fitness": state["fitness"][:-1]})


def test_a_state_is_only_for_a_new_optimizer():
    optimizer = evolve(ADAPTED["cmaes"](), 2)
    with pytest.raises(ValueError, match="told 2 generations already: make a new one"):
        optimizer.load_state_dict(optimizer.state_dict())


def test_a_state_of_one_of_our_algorithms_is_refused():
    es, adapted = CMAES(START, SIZE), ADAPTED["cmaes"]()
    for ours, other in ((es, adapted), (adapted, es)):
        with pytest.raises(ValueError, match="the saved optimizer was made with other settings"):
            ours.load_state_dict(other.state_dict())


@each_library
def test_a_resumed_run_equals_one_at_a_stretch(make, tmp_path):
    assert_a_resumed_run_equals_one_at_a_stretch(lambda genome, seed: make(seed, genome), tmp_path)


@pytest.mark.parametrize("name", ["pycma", "cmaes", "evosax"])
def test_the_example_learns(name):
    if name == "evosax":
        evosax()
    script = Path(__file__).parents[1] / "examples" / "other_optimizers.py"
    command = [sys.executable, script, "--optimizer", name, "--generations", "3"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    before, after = (float(re.search(rf"{when}\D*(\d+)", result.stdout)[1]) for when in ("before", "after"))
    assert after > 2 * before, result.stdout


def test_an_adapter_cannot_be_copied():
    with pytest.raises(TypeError, match="an adapter cannot be copied"):
        copy.deepcopy(AskTell(lambda: np.zeros((2, 3)), lambda candidates, fitness: None, lambda: np.zeros(3)))
