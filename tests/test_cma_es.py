"""CMA-ES: that it is pycma, told the very candidates, that it bears losses, and that it goes on exactly."""

import math
import pickle
import sys
import tracemalloc

import cma
import numpy as np
import pytest
from optimizing import (
    assert_a_resumed_run_equals_one_at_a_stretch,
    assert_same_state,
    candidates,
    rastrigin,
    rosenbrock,
    through_a_file,
)

from hebbian_gym.optimizers import GaussianPopulation, Genomes
from hebbian_gym.optimizers.cma_es import CMAES

VARIANTS = ("separable", "full", "vkd")
GENES, SIZE = 8, 12
START = np.linspace(-1, 1, GENES)


def sphere(x):
    return -np.square(x).sum()


def ellipsoid(x):
    return -(10 ** np.linspace(0, 10, x.size) * x * x).sum()


def slope(x):
    return x.sum()


def make(covariance="separable", mean=START, population_size=SIZE, sigma=0.5, **options):
    return CMAES(mean, population_size, sigma, covariance=covariance, **options)


def fitness_of(es, function=rosenbrock, lost=0.0):
    fitness = np.array([function(x.astype(float)) for x in candidates(es)])
    fitness[np.random.default_rng(es.generation).random(fitness.size) < lost] = np.nan
    return fitness


def evolved(generations, covariance="separable", function=rosenbrock, lost=0.0, **options):
    es = make(covariance, **options)
    for _ in range(generations):
        es.tell(fitness_of(es, function, lost))
    return es


def bare(covariance, start=START, population_size=SIZE, sigma=0.5, seed=0):
    """Pycma used directly, with randomness of its own."""
    rng = np.random.default_rng(seed)
    options = {
        "popsize": population_size, "CMA_diagonal": covariance == "separable", "CMA_mirrors": 0,
        "AdaptSigma": cma.sigma_adaptation.CMAAdaptSigmaCSA, "randn": lambda *shape: rng.standard_normal(shape),
        "seed": math.nan, "verbose": -9, "verb_log": 0,
    }  # fmt: skip
    if covariance == "vkd":
        options = cma.restricted_gaussian_sampler.GaussVkDSampler.extend_cma_options(options)
        options["CMA_sampler_options"] = {"randn": options["randn"]}
    return cma.CMAEvolutionStrategy(np.array(start, dtype=np.float32), sigma, options)


def assert_same_distribution(ours, theirs):
    """Of our candidates and pycma's: its float64 to the bit, and what we make of it."""
    state = ours.state_dict()
    np.testing.assert_array_equal(state["pycma/mean"], theirs.mean)
    assert state["pycma/sigma"] == theirs.sigma
    np.testing.assert_array_equal(ours.mean, theirs.mean.astype(np.float32))
    np.testing.assert_array_equal(ours.sigma, theirs.stds.astype(np.float32))


# Against pycma


@pytest.mark.parametrize("covariance", VARIANTS)
def test_pycma_told_the_same_samples_has_the_same_mean_and_sigma(covariance):
    ours, theirs = make(covariance), bare(covariance)
    for _ in range(100):
        theirs.ask()  # brings the full covariance's axes up to date; what it draws is not used
        genomes = candidates(ours).astype(float)
        costs = [-rosenbrock(x) for x in genomes]
        theirs.tell(list(genomes), costs, check_points=False)
        ours.tell([-cost for cost in costs])
        assert_same_distribution(ours, theirs)
    assert not np.allclose(ours.mean, START, atol=0.1)


@pytest.mark.parametrize(
    ("function", "covariance", "start", "size", "sigma", "generations", "decades"),
    [
        (sphere, "separable", 1.0, 10, 0.5, 60, 0.5),  # all from a cost of 8 to about 1e-5
        (sphere, "full", 1.0, 10, 0.5, 60, 0.5),
        (sphere, "vkd", 1.0, 10, 0.5, 60, 0.5),
        (rosenbrock, "separable", 0.0, 12, 0.3, 130, 0.2),  # to about 4: it has to turn in its valley
        (rosenbrock, "full", 0.0, 12, 0.3, 130, 0.3),
        (rosenbrock, "vkd", 0.0, 12, 0.3, 130, 0.3),
        (rastrigin, "separable", 2.0, 30, 2.0, 60, 0.5),
        (rastrigin, "full", 2.0, 30, 2.0, 60, 0.5),
    ],
)
def test_it_comes_as_far_as_pycma_by_itself(function, covariance, start, size, sigma, generations, decades):
    """Medians over 7 seeds of the least cost met, in decades; seeds are up to 0.5 decades apart."""
    reached = []
    for seed in range(7):
        ours = CMAES(np.full(GENES, start), size, sigma, seed, covariance=covariance)
        theirs = bare(covariance, np.full(GENES, start), size, sigma, seed)
        best = [np.inf, np.inf]
        for _ in range(generations):
            fitness = fitness_of(ours, function)
            ours.tell(fitness)
            asked = theirs.ask()
            costs = [-function(x) for x in asked]
            theirs.tell(asked, costs)
            best = np.minimum(best, [-fitness.max(), min(costs)])
        reached.append(np.log10(best))
    ours, theirs = np.median(reached, axis=0)
    assert ours < theirs + decades


@pytest.mark.parametrize("covariance", ["full", "vkd"])
def test_it_finds_the_end_of_rosenbrocks_valley_and_stops_there(covariance):
    es = make(covariance, np.zeros(GENES), 10, 0.3)
    while not es.stop() and es.generation < 2000:
        es.tell(fitness_of(es))
    assert rosenbrock(es.mean.astype(float)) > -1e-8
    assert es.stop()


def test_the_default_population_is_pycmas():
    options = {"CMA_diagonal": True, "verbose": -9, "seed": math.nan}
    for genes in (2, 3, 7, 100, 2000):
        theirs = cma.CMAEvolutionStrategy(np.zeros(genes), 1, options)
        assert make(mean=np.zeros(genes), population_size=None).population_size == theirs.popsize


# Candidates


def test_separable_candidates_are_gaussian_and_travel_as_an_index():
    es = evolved(20, function=ellipsoid, seed=3)
    population = es.ask()
    assert isinstance(population, GaussianPopulation)
    noise = (candidates(es) - es.mean) / es.sigma
    np.testing.assert_allclose(noise, [population.noise(i) for i in range(SIZE)], atol=1e-4)
    assert es.sigma.max() / es.sigma.min() > 2
    assert population[0].dtype == es.mean.dtype == es.sigma.dtype == np.float32


@pytest.mark.parametrize("covariance", ["full", "vkd"])
def test_other_candidates_are_written_out(covariance):
    assert isinstance(make(covariance).ask(), Genomes)
    population = candidates(make(covariance, np.full(GENES, 3.0), 4000, 0.2))
    np.testing.assert_allclose(population.mean(axis=0), 3, atol=0.02)
    np.testing.assert_allclose(population.std(axis=0), 0.2, rtol=0.05)
    assert population.dtype == np.float32


@pytest.mark.parametrize("covariance", VARIANTS)
def test_ask_gives_the_same_candidates_until_tell(covariance):
    es = evolved(3, covariance)
    population, first = es.ask(), candidates(es)
    np.testing.assert_array_equal(candidates(es), first)
    again = pickle.loads(pickle.dumps(population))
    es.tell(fitness_of(es))
    assert not np.isclose(candidates(es), first).any()
    np.testing.assert_array_equal([population[i] for i in range(SIZE)], first)  # a population outlives tell
    np.testing.assert_array_equal([again[i] for i in range(SIZE)], first)


@pytest.mark.parametrize("covariance", VARIANTS)
def test_the_seed_decides_everything(covariance):
    np.testing.assert_array_equal(
        candidates(evolved(4, covariance, seed=1)), candidates(evolved(4, covariance, seed=1))
    )
    assert not np.isclose(candidates(make(covariance, seed=1)), candidates(make(covariance, seed=2))).any()


@pytest.mark.parametrize("covariance", VARIANTS)
def test_it_leaves_numpys_random_state_the_screen_and_the_disk_alone(covariance, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    es = evolved(20, covariance, lost=0.6)
    make(covariance).load_state_dict(es.state_dict())
    es.stop()
    np.testing.assert_array_equal(np.random.random(3), expected)  # noqa: NPY002
    assert list(tmp_path.iterdir()) == []
    assert "".join(capfd.readouterr()) == ""


# Lost candidates


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("covariance", ["separable", "full"])
def test_a_lost_candidate_is_dropped_and_pycma_told_the_others(covariance, lost):
    ours, theirs = make(covariance), bare(covariance)
    for generation in range(30):
        theirs.ask()
        fitness, genomes = fitness_of(ours), candidates(ours).astype(float)
        dropped = [generation % SIZE, (5 * generation + 1) % SIZE]
        fitness[dropped] = lost
        kept = [i for i in range(SIZE) if i not in dropped]
        theirs.tell([genomes[i] for i in kept], [-fitness[i] for i in kept], check_points=False)
        assert ours.tell(fitness)["optimizer/lost"] == len(set(dropped))
        assert_same_distribution(ours, theirs)


@pytest.mark.parametrize("shift", [-1000.0, 1000.0])
@pytest.mark.parametrize("covariance", VARIANTS)
def test_only_the_order_of_fitnesses_matters_with_losses_too(covariance, shift):
    ours, shifted = make(covariance), make(covariance)
    for _ in range(10):
        fitness = np.round(fitness_of(ours, lost=0.5), 6)
        ours.tell(fitness)
        shifted.tell(2 * fitness + shift)
    np.testing.assert_array_equal(shifted.mean, ours.mean)
    np.testing.assert_array_equal(shifted.sigma, ours.sigma)


@pytest.mark.parametrize("covariance", ["separable", "full"])
def test_losing_most_candidates_does_not_drive_sigma_up(covariance):
    """Fitness is chance. The geometric mean of sigma drifts by 0.2 decades at most, whatever is lost."""
    drifts = []
    for lost in (0.0, 0.9):
        changes = []
        for seed in range(8):
            es, rng = make(covariance, np.zeros(40), 20, seed=seed), np.random.default_rng(seed)
            for _ in range(60):
                fitness = rng.standard_normal(20)
                fitness[1:][rng.random(19) < lost] = np.nan
                es.tell(fitness)
            changes.append(np.log10(es.sigma / 0.5).mean())
        drifts.append(np.mean(changes))
    assert np.abs(drifts).max() < 0.2  # 3 with pycma's effective parents


@pytest.mark.parametrize("covariance", VARIANTS)
def test_one_survivor_is_where_the_mean_goes(covariance):
    es = make(covariance)
    fitness = np.full(SIZE, np.nan)
    fitness[4] = -3.0
    survivor = candidates(es)[4]
    assert es.tell(fitness)["optimizer/lost"] == SIZE - 1
    np.testing.assert_allclose(es.mean, survivor, rtol=1e-6)
    assert np.isfinite(es.sigma).all()


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_vkd_keeps_its_step_size_when_it_loses_one_of_the_two_that_it_compares(lost):
    es = evolved(5, "vkd")
    fitness, before = fitness_of(es), es.state_dict()["pycma/sm.sigma"]
    fitness[lost] = np.nan
    es.tell(fitness)
    assert (es.state_dict()["pycma/sm.sigma"] == before) == (lost < 2)


@pytest.mark.parametrize("covariance", VARIANTS)
@pytest.mark.parametrize("fitness", [np.full(SIZE, np.nan), np.full(SIZE, -np.inf)])
def test_without_any_fitness_there_is_nothing_to_select(covariance, fitness):
    es, other = evolved(3, covariance), evolved(3, covariance)
    with pytest.raises(ValueError, match=r"no candidate .* has a finite fitness: there is nothing to select"):
        es.tell(fitness)
    assert es.generation == 3
    es.tell(fitness_of(es))
    other.tell(fitness_of(other))
    np.testing.assert_array_equal(candidates(es), candidates(other))


# Resuming


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("lost", [0.0, 0.4])
@pytest.mark.parametrize("generations", [0, 1, 13])
@pytest.mark.parametrize("covariance", VARIANTS)
def test_a_saved_state_goes_on_bit_for_bit(covariance, generations, lost, asked, tmp_path):
    es = evolved(generations, covariance, lost=lost, seed=3)
    if asked:
        es.ask()
    again = evolved(2, covariance, mean=START[::-1], seed=9)
    again.load_state_dict(through_a_file(es, tmp_path))
    go_on_alike(es, again, rosenbrock, lost)


@pytest.mark.parametrize(
    ("covariance", "function", "genes", "generations", "happened"),
    [
        ("separable", slope, 8, 120, lambda s: s["tolupsigma"] < 1e19),  # pycma moved its sigma to the sampler
        ("full", ellipsoid, 8, 280, lambda s: np.size(s["pycma/sigma_vec.scaling"]) == 8),  # and variances from it
        ("full", rosenbrock, 40, 60, lambda s: s["pycma/sm.last_update"] < s["pycma/sm.count_tell"]),  # axes wait
        ("vkd", rosenbrock, 8, 200, lambda s: s["pycma/sm.k"] > 0),  # and has found a direction
    ],
)
def test_it_goes_on_bit_for_bit_whatever_pycma_has_done(
    covariance, function, genes, generations, happened, tmp_path
):  # fmt: skip
    es = evolved(generations, covariance, function, mean=np.full(genes, 0.3), sigma=0.3)
    assert happened(es.state_dict())
    again = make(covariance, np.zeros(genes), sigma=0.3, seed=7)
    again.load_state_dict(through_a_file(es, tmp_path))
    go_on_alike(es, again, function)


def go_on_alike(es, again, function, lost=0.0):
    assert (again.generation, again.seed, again.stop()) == (es.generation, es.seed, es.stop())
    for _ in range(30):
        np.testing.assert_array_equal(candidates(again), candidates(es))
        metrics = [each.tell(fitness_of(each, function, lost)) for each in (es, again)]
        assert metrics[0] == metrics[1]
        assert str(again.stop()) == str(es.stop())  # text, for the sake of NaN
        assert_same_state(again.state_dict(), es.state_dict())
        np.testing.assert_array_equal(again.sigma, es.sigma)


@pytest.mark.parametrize("covariance", VARIANTS)
def test_a_state_does_not_change_when_an_optimizer_goes_on(covariance):
    saved, loaded = evolved(9, covariance), make(covariance)
    state = saved.state_dict()
    before = pickle.loads(pickle.dumps(state))
    loaded.load_state_dict(state)
    for es in (saved, loaded):
        for _ in range(6):
            es.tell(fitness_of(es))
    assert_same_state(state, before)


@pytest.mark.parametrize(
    "other",
    [{"covariance": "full"}, {"population_size": 14}, {"sigma": 0.3}, {"mean": np.zeros(3)}],
)
def test_a_state_of_another_optimizer_is_refused(other):
    with pytest.raises(ValueError, match="saved"):
        make().load_state_dict(make(**other).state_dict())


def test_a_state_of_another_version_of_pycma_is_refused(monkeypatch):
    es = make()
    state = es.state_dict()
    monkeypatch.setattr(cma, "__version__", "3.0")
    with pytest.raises(ValueError, match=r"other settings: version of pycma .*, not 3\.0\."):
        es.load_state_dict(state)


def test_a_resumed_run_equals_one_at_a_stretch(tmp_path):
    assert_a_resumed_run_equals_one_at_a_stretch(
        lambda genome, seed: CMAES(genome, 6, seed=seed), tmp_path, seed_of_the_resumed=99
    )


# Stopping


def test_it_gives_pycmas_reasons_each_with_a_number():
    es = make(mean=np.zeros(GENES), sigma=1e-13)
    assert es.stop() == {}
    es.tell(np.arange(SIZE))
    assert es.stop() == {"tolx": 1e-11}
    assert es.stop() == es.stop()


def test_equal_fitnesses_are_no_reason_to_stop():
    es = make()
    for _ in range(20):  # as of newborns that all fail alike
        es.tell(np.full(SIZE, -500.0))
        assert es.stop() == {}


def test_a_long_run_does_not_end_for_its_length():
    es, rng = make(mean=np.zeros(2), population_size=40), np.random.default_rng(0)
    limit = 100 + 150 * 5**2 // 40**0.5  # pycma's default for 2 genes
    while es.generation < limit + 2:
        es.tell(rng.standard_normal(40))
        assert "maxiter" not in es.stop()


def test_it_stops_where_float32_cannot_tell_candidates_apart():
    mean = np.zeros(GENES)
    mean[[2, 5]] = 1
    assert make(mean=mean, sigma=1e-7).stop() == {"noeffectcoord": 2.0}
    assert make(mean=mean, sigma=1e-6).stop() == {}


def test_it_stops_at_a_mean_that_is_not_finite():
    es = make()
    es.load_state_dict({**es.state_dict(), "pycma/mean": np.where(np.arange(GENES) == 3, np.nan, START)})
    assert "non_finite_mean" in es.stop()


# Memory


def test_the_covariance_is_full_for_few_genes_and_separable_for_many():
    assert CMAES(np.zeros(2000)).covariance == "full"
    assert CMAES(np.zeros(2001)).covariance == "separable"
    assert CMAES(np.zeros(2001), covariance="vkd").covariance == "vkd"


def test_a_full_covariance_of_many_genes_needs_permission_before_it_takes_memory():
    sentence = r"61,440 genes needs 302\.0 GB \(10 matrices of 30\.2 GB\).*\"separable\""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=sentence):
            CMAES(np.zeros(61440), covariance="full")
        with pytest.raises(ValueError, match=sentence):
            CMAES(np.zeros(61440), covariance="full", allow_memory_gb=300)
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()
    assert CMAES(np.zeros(2001), covariance="full", allow_memory_gb=0.4).covariance == "full"


def test_a_separable_generation_takes_linear_memory_and_gives_it_back():
    genes, size = 20_000, 40
    es = make(mean=np.zeros(genes), population_size=size)
    es.tell(np.arange(size))
    tracemalloc.start()
    try:
        for _ in range(4):
            es.tell(np.random.default_rng(es.generation).standard_normal(size))
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / genes / size < 50  # bytes
    assert held / genes < 8 * 8


# What goes wrong


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mean": np.zeros((2, 2))}, "mean must be finite numbers of shape"),
        ({"mean": [1.0]}, "two or more"),
        ({"mean": [1.0, np.nan]}, "mean must be finite"),
        ({"population_size": 5}, "population_size must be 6 or more, not 5"),
        ({"sigma": 0.0}, "sigma must be positive"),
        ({"sigma": np.inf}, "sigma must be positive"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"covariance": "diagonal"}, "covariance must be one of separable, full, vkd, not 'diagonal'"),
    ],
)
def test_values_out_of_range_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(**options)


def test_without_pycma_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cma", None)
    with pytest.raises(ImportError, match=r'cma is not installed: pip install "hebbian-gym\[cma\]"'):
        make()
