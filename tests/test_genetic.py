"""The genetic algorithm: who survives, what children are made of, how far it gets, and that it goes on exactly."""

import pickle
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optimizing import (
    GENES,
    SIZE,
    START,
    assert_a_resumed_run_equals_one_at_a_stretch,
    assert_same_state,
    candidates,
    evosax,
    fitnesses,
    rastrigin,
    rosenbrock,
    sphere,
    through_a_file,
)

from hebbian_gym import GeneticAlgorithm
from hebbian_gym.optimizers import Genomes


def make(genome=START, population_size=SIZE, **options):
    return GeneticAlgorithm(genome, population_size, **options)


def told(fitness, **options):
    """Candidates before and after, and the optimiser."""
    ga = make(**options)
    before = candidates(ga)
    ga.tell(fitness)
    return before, candidates(ga), ga


# The population


def test_the_first_generation_is_the_genome_and_mutants_of_it():
    population = candidates(make(np.full(4000, 3.0), initial_sd=0.3))
    np.testing.assert_array_equal(population[0], np.float32(3))
    np.testing.assert_allclose(population[1:].std(axis=1), 0.3, rtol=0.05)
    np.testing.assert_allclose(population[1:].mean(axis=1), 3, atol=0.02)
    assert len(np.unique(population, axis=0)) == SIZE
    assert population.dtype == np.float32


def test_the_first_generation_may_be_given_whole():
    given = np.random.default_rng(0).standard_normal((SIZE, GENES)).astype(np.float32)
    np.testing.assert_array_equal(candidates(make(given)), given)
    np.testing.assert_allclose(make(given).mean, given.mean(axis=0), rtol=1e-5)


def test_the_mean_is_the_start_then_the_survivors_average():
    np.testing.assert_array_equal(make().mean, START.astype(np.float32))
    before, _, ga = told(np.arange(SIZE), elites=3)
    np.testing.assert_allclose(ga.mean, before[[9, 8, 7]].mean(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(ga.best, before[9])
    assert ga.mean.dtype == np.float32


def test_every_candidate_is_its_own_pair():
    population = make().ask()
    assert [population.pair(i) for i in range(len(population))] == list(range(SIZE))


def test_a_pickled_population_has_the_same_candidates():
    population = make().ask()
    again = pickle.loads(pickle.dumps(population))
    for i in (9, 0, 3):
        np.testing.assert_array_equal(again[i], population[i])


@pytest.mark.parametrize("index", [-1, SIZE])
def test_there_is_no_candidate_beyond_the_population(index):
    with pytest.raises(IndexError, match=f"candidate {index} of {SIZE}"):
        make().ask()[index]


def test_ask_gives_the_same_candidates_until_tell():
    ga = make()
    first, population = candidates(ga), ga.ask()
    np.testing.assert_array_equal(candidates(ga), first)
    ga.tell(fitnesses(0))
    assert not np.isclose(candidates(ga)[4:], first[4:]).any()
    np.testing.assert_array_equal([population[i] for i in range(SIZE)], first)  # a population outlives tell


# Selection


def test_of_fifty_twenty_survive_fifteen_are_copies_and_fifteen_crossovers():
    ga = make(population_size=50)
    assert (ga.elites, ga.parents, ga.crossovers) == (20, 10, 15)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 7, 50, 200])
def test_the_split_scales_with_the_population(size):
    ga = make(population_size=size)
    for generation in range(3):
        ga.tell(fitnesses(generation, size))
    assert len(ga.ask()) == size
    assert 1 <= ga.parents <= ga.elites < size


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
@given(
    st.lists(st.sampled_from([-2.0, 0.0, 0.5, 3.0, np.nan, np.inf, -np.inf]), min_size=SIZE, max_size=SIZE).map(
        np.array
    ),
    st.integers(1, SIZE - 1),
)
def test_the_best_survive_unchanged_and_in_order(fitness, elites):
    if not np.isfinite(fitness).any():
        return
    before, after, ga = told(fitness, elites=elites)
    finite = [i for i in range(SIZE) if np.isfinite(fitness[i])]
    expected = sorted(finite, key=lambda i: (-fitness[i], i))[:elites]  # of equals the first is ahead; none is lost
    np.testing.assert_array_equal(after[: len(expected)], before[expected])
    assert len(after) == SIZE
    assert np.isfinite(after).all()
    np.testing.assert_allclose(ga.mean, before[expected].mean(axis=0), rtol=1e-4, atol=1e-5)


def test_a_survivor_stays_as_long_as_it_is_the_best():
    ga, goal = make(), candidates(make())[6]
    for _ in range(5):
        ga.tell([-np.square(x - goal).sum() for x in candidates(ga)])
        np.testing.assert_array_equal(ga.best, goal)


def test_a_lost_candidate_leaves_its_place_to_a_child():
    fitness = np.full(SIZE, np.nan)
    fitness[3] = -5.0
    before, after, ga = told(fitness)
    np.testing.assert_array_equal(after[0], before[3])
    assert not (after[1:] == before[3]).all(axis=1).any()
    metrics = ga.tell(np.where(np.arange(SIZE) == 1, np.nan, 0.0))
    assert metrics["optimizer/lost"] == 1


@pytest.mark.parametrize("fitness", [np.full(SIZE, np.nan), np.full(SIZE, -np.inf)])
def test_without_any_fitness_there_is_nothing_to_select(fitness):
    ga = make()
    before = candidates(ga)
    with pytest.raises(ValueError, match=r"no candidate .* has a finite fitness"):
        ga.tell(fitness)
    assert ga.generation == 0
    np.testing.assert_array_equal(candidates(ga), before)


whole = st.integers(-1000, 1000).map(float)  # so that sums and products are exact


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=30)
@given(st.lists(whole, min_size=SIZE, max_size=SIZE).map(np.array), whole, st.sampled_from([0.25, 2.0, 1024.0]))
def test_only_the_order_of_fitnesses_matters(fitness, shift, factor):
    np.testing.assert_array_equal(told(factor * fitness + shift)[1], told(fitness)[1])


# Children


def test_without_mutation_copies_are_of_parents_alone():
    before, after, _ = told(-np.arange(200.0), population_size=200, elites=20, parents=5, mutation_probability=0.0)
    copies = after[20:110]
    sources = [int(np.flatnonzero((before[:20] == copy).all(axis=1))[0]) for copy in copies]
    assert set(sources) == set(range(5))


def test_without_mutation_crossovers_lie_between_two_different_survivors():
    options = {"population_size": 200, "elites": 3, "mutation_probability": 0.0, "crossovers": 197}
    before, after, _ = told(-np.arange(200.0), genome=np.zeros(30), **options)
    pairs = set()
    for child in after[3:]:
        for a, b in ((0, 1), (0, 2), (1, 2)):
            low, high = np.minimum(before[a], before[b]), np.maximum(before[a], before[b])
            if (low - 1e-6 <= child).all() and (child <= high + 1e-6).all():
                share = (child - before[b]) / (before[a] - before[b])
                pairs.add((a, b))
                break
        else:
            pytest.fail("a crossover lies between no two survivors")
        assert 0.1 < share.std() < 0.45  # every gene has a share of its own, U(0, 1): sd 0.29
    assert len(pairs) == 3


def test_mutations_are_gaussian_of_that_sd_and_probability():
    options = {"genome": np.zeros(2000), "initial_sd": 0.0, "mutation_sd": 0.3, "mutation_probability": 0.25}
    _, after, _ = told(np.zeros(SIZE), **options)
    changed = after[4:][after[4:] != 0]
    assert changed.size / after[4:].size == pytest.approx(0.25, abs=0.02)
    assert changed.std() == pytest.approx(0.3, rel=0.05)
    assert not after[:4].any()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=30)
@given(
    st.lists(st.floats(-2, 0, width=32), min_size=GENES, max_size=GENES),
    st.floats(0.0625, 2, width=32),
    st.booleans(),
)
def test_genes_stay_within_their_bounds(low, width, everywhere):
    bounds = (np.array(low[0] if everywhere else low), np.array(low[0] if everywhere else low) + width)
    ga = make(np.linspace(-5, 5, GENES), low=bounds[0], high=bounds[1], mutation_sd=1.0)
    for generation in range(3):
        population = candidates(ga)
        assert (population >= np.float32(bounds[0])).all()
        assert (population <= np.float32(bounds[1])).all()
        assert (ga.mean >= np.float32(bounds[0]) - 1e-6).all()
        ga.tell(fitnesses(generation))


def test_one_bound_may_be_open():
    population = candidates(make(np.zeros(500), low=-0.1))
    assert population.min() == np.float32(-0.1)
    assert population.max() > 1


# Determinism


def evolved(generations, **options):
    ga = make(**options)
    for generation in range(generations):
        ga.tell(fitnesses(generation))
    return ga


def test_the_seed_decides_everything():
    np.testing.assert_array_equal(candidates(evolved(4, seed=1)), candidates(evolved(4, seed=1)))
    assert not np.isclose(candidates(evolved(1, seed=1))[4:], candidates(evolved(1, seed=2))[4:]).any()


def test_each_generation_has_noise_of_its_own():
    ga, changes = make(np.zeros(GENES), initial_sd=0.0), []
    for _ in range(3):
        ga.tell(np.zeros(SIZE))  # the first, all zero, survive
        changes.append(candidates(ga)[4:])
        assert not candidates(ga)[:4].any()
    assert len(np.unique(np.concatenate(changes), axis=0)) == 18


def test_a_saved_state_goes_on_bit_for_bit(tmp_path):
    ga, options = evolved(3, seed=3, low=-1.0, high=START + 2), {"low": -1.0, "high": START + 2}
    again = make(np.zeros(GENES), seed=9, **options)
    again.load_state_dict(through_a_file(ga, tmp_path))
    assert again.generation == 3
    for generation in range(3, 6):
        np.testing.assert_array_equal(candidates(again), candidates(ga))
        np.testing.assert_array_equal(again.mean, ga.mean)
        for each in (ga, again):
            each.tell(fitnesses(generation))
    assert_same_state(again.state_dict(), ga.state_dict())
    np.testing.assert_array_equal(candidates(again), candidates(ga))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {"genome": np.zeros(3)}),
        ({}, {"population_size": 20}),
        ({}, {"mutation_sd": 0.3}),
        ({}, {"mutation_probability": 0.3}),
        ({}, {"elites": 2}),
        ({"parents": 1}, {}),
        ({}, {"crossovers": 1}),
        ({}, {"low": -1.0}),
        ({"high": START + 1}, {"high": START + 2}),
    ],
)
def test_a_state_of_another_optimizer_is_refused(ours, theirs):
    with pytest.raises(ValueError, match="saved"):
        make(**ours).load_state_dict(make(**theirs).state_dict())


def test_a_resumed_run_equals_one_at_a_stretch(tmp_path):
    def bounded(genome, seed):
        return GeneticAlgorithm(genome, 6, seed=seed, low=-1.0, high=1.0)

    assert_a_resumed_run_equals_one_at_a_stretch(bounded, tmp_path, seed_of_the_resumed=99)


# What goes wrong


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"population_size": 1}, "population_size must be 2 or more"),
        ({"population_size": -2}, "population_size must be 2 or more"),
        ({"elites": 0}, "elites must be 1 to 9"),
        ({"elites": SIZE}, "elites must be 1 to 9"),
        ({"parents": 0}, "parents must be 1 to 4"),
        ({"parents": 5}, "parents must be 1 to 4"),
        ({"crossovers": 7}, "crossovers must be 0 to 6"),
        ({"crossovers": -1}, "crossovers must be 0 to 6"),
        ({"mutation_sd": -0.1}, "mutation_sd and initial_sd must be 0 or more"),
        ({"mutation_sd": np.nan}, "mutation_sd and initial_sd must be 0 or more"),
        ({"initial_sd": np.inf}, "mutation_sd and initial_sd must be 0 or more"),
        ({"mutation_probability": 1.5}, "mutation_probability must be between 0 and 1"),
        ({"mutation_probability": np.nan}, "mutation_probability must be between 0 and 1"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"genome": np.zeros((2, 3))}, "a first generation of 10 genomes was expected, not of 2"),
        ({"genome": np.zeros((2, 3, 4))}, "genome must be finite numbers"),
        ({"genome": np.zeros(0)}, "genome must be finite numbers"),
        ({"genome": [0.0, np.nan]}, "genome must be finite numbers"),
        ({"genome": np.full((SIZE, GENES), np.nan)}, "genome must be finite numbers"),
        ({"genome": np.zeros((SIZE, 0))}, "genome must be finite numbers"),
        ({"low": 1.0, "high": 0.0}, "low must be below high"),
        ({"low": np.nan}, "low must be below high"),
        ({"low": np.zeros(3)}, "low and high must be a number or one for each of 7 genes"),
    ],
)
def test_impossible_settings_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(**options)


def test_there_is_no_reason_to_stop():
    assert make().stop() == {}


def test_tell_reports_what_it_did():
    before, _, _ = told(np.arange(SIZE))
    metrics = make().tell(np.arange(SIZE))
    assert metrics["optimizer/elite_fitness"] == np.mean([9, 8, 7, 6])
    assert metrics["optimizer/elite_spread"] == pytest.approx(before[6:].std(axis=0).mean())
    assert metrics["optimizer/lost"] == 0
    assert all(isinstance(value, float) for value in metrics.values())


def test_genomes_written_out_are_a_population():
    genomes = Genomes(np.arange(6, dtype=np.float32).reshape(3, 2))
    assert len(genomes) == 3
    np.testing.assert_array_equal(genomes[2], [4, 5])


# It works


FINE = {"mutation_sd": 0.02, "mutation_probability": 0.3}


def run_on(function, generations, genome, **options):
    ga = GeneticAlgorithm(genome, **options)
    for _ in range(generations):
        ga.tell(function(candidates(ga).astype(float)))
    return ga


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("function", "start", "options", "reached"),
    [
        (sphere, 1.5, {}, -0.005),  # from -10
        (sphere, 1.5, FINE, -0.001),
        (rosenbrock, 1.5, {}, -2),  # from -508 into the valley
        (rosenbrock, 1.5, FINE, -0.5),
        (rosenbrock, 0.0, FINE, -7),  # from -9 along the valley, which is narrower than the default mutations
    ],
)
def test_it_maximizes(function, start, options, reached, seed):
    ga = run_on(function, 300, np.full(10, start), seed=seed, **options)
    assert function(ga.mean.astype(float)) > reached


@pytest.mark.parametrize("function", [sphere, rosenbrock, rastrigin])
def test_it_gets_further_than_as_many_random_mutants_of_the_start(function):
    ga, rng = run_on(function, 100, np.full(10, 1.5)), np.random.default_rng(0)
    blind = function(1.5 + 0.5 * rng.standard_normal((100 * 50, 10))).max()
    assert function(ga.best.astype(float)) > blind / 2


def by_loops(function, generations, seed, mutation_sd=0.1, mutation_probability=1.0):
    """What the algorithm of the docstring reaches: of 50, 20 survivors, 15 copies of the best 10, 15 crossovers."""
    rng = random.Random(seed)

    def mutated(genome, sd, probability):
        return [gene + rng.gauss(0, sd) if rng.random() < probability else gene for gene in genome]

    def crossed(a, b):
        return [b[i] + rng.random() * (a[i] - b[i]) for i in range(len(a))]

    start = [1.5] * 10
    population = [start] + [mutated(start, 0.5, 1) for _ in range(49)]
    for _ in range(generations):
        fitness = function(np.array(population))
        survivors = [population[i] for i in sorted(range(50), key=lambda i: -fitness[i])[:20]]
        children = [rng.choice(survivors[:10]) for _ in range(15)]
        children += [crossed(*rng.sample(survivors, 2)) for _ in range(15)]
        population = survivors + [mutated(child, mutation_sd, mutation_probability) for child in children]
    return function(np.mean(survivors, axis=0))


def decades(reached):
    """By how many of them it is from the top, which is 0."""
    return np.log10(-np.asarray(reached))


@pytest.mark.parametrize("options", [{}, FINE])
@pytest.mark.parametrize("function", [sphere, rosenbrock, rastrigin])
def test_it_gets_as_far_as_plain_loops(function, options):
    """Evosax has none that crosses and keeps as this one does, so the reference is written out, with its own noise."""
    seeds = range(41)
    means = [run_on(function, 100, np.full(10, 1.5), seed=seed, **options).mean for seed in seeds]
    ours = decades(function(np.array(means, float)))
    theirs = decades([by_loops(function, 100, seed, **options) for seed in seeds])
    assert abs(ours.mean() - theirs.mean()) < 0.5 * theirs.std()  # without crossovers it is up to 2 sd behind


@pytest.fixture(scope="module")
def evosaxs():
    """The best that evosax's mutation and truncation find, its mutations held at 0.1; left free they get further."""
    algorithms, jax = evosax().algorithms, evosax().jax
    es = algorithms.MR15_GA(50, np.zeros(10, np.float32))
    params = es.default_params.replace(std_init=0.1, std_min=0.1, std_max=0.1)

    def reach(function, generations, first, seed):
        keys = jax.random.split(jax.random.key(seed), generations)
        state = es.init(keys[0], first, -function(first.astype(float)), params)  # this is its first generation
        for key in keys[1:]:
            population, state = es.ask(key, state, params)
            state, _ = es.tell(key, population, -function(np.asarray(population, float)), state, params)
        return function(np.asarray(state.population[0], float))

    return reach


@pytest.mark.parametrize(("function", "behind"), [(sphere, -0.7), (rosenbrock, -0.5), (rastrigin, 0.1)])
def test_with_as_many_evaluations_its_mean_gets_as_far_as_evosaxs_best(function, behind, evosaxs):
    """Each by its own answer; ``behind`` in decades. On Rastrigin our best alone is behind theirs (-22.3 to -20.1)."""
    ours, theirs = [], []
    for seed in range(11):
        first = 1.5 + 0.5 * np.random.default_rng(seed).standard_normal((50, 10)).astype(np.float32)
        ours.append(function(run_on(function, 100, first, seed=seed).mean.astype(float)))
        theirs.append(evosaxs(function, 100, first, seed))
    assert decades(ours).mean() - decades(theirs).mean() < behind  # averaging and crossover make it better


def test_under_noise_the_mean_is_better_than_the_best():
    rng = np.random.default_rng(0)
    reached = []
    for seed in range(5):
        ga = GeneticAlgorithm(np.zeros(10), seed=seed)
        for _ in range(60):
            ga.tell([sphere(x) + 0.3 * rng.standard_normal() for x in candidates(ga)])
        reached.append((sphere(ga.mean), sphere(ga.best)))
    mean, best = np.mean(reached, axis=0)
    assert best / 2 < mean  # at most half as far from the top
    assert mean > -0.1
