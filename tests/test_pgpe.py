"""PGPE against its papers' formulas in float64 and against evosax."""

import json
import pickle
import tracemalloc

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from hebbian_gym.optimizers.pgpe import PGPE

GENES, SIZE = 7, 10
START = np.linspace(-1, 1, GENES)
CENTRED_RANKS_SD = np.std(np.arange(SIZE) / (SIZE - 1) - 0.5)


def make(mean=START, population_size=SIZE, sigma=0.3, **options):
    return PGPE(mean, population_size, sigma, **options)


def candidates(es):
    return np.array([es.ask()[i] for i in range(es.population_size)])


def fitnesses(generation, size=SIZE):
    return np.random.default_rng(generation).standard_normal(size)


def by_rank(fitness):
    ranks = np.argsort(np.argsort(fitness))
    return (ranks - ranks.mean()) / ranks.std()


def by_zscore(fitness):
    return (fitness - fitness.mean()) / fitness.std()


def raw(fitness):
    return fitness


def gradients(mean, sigma, population, fitness):
    """Of Sehnke et al. (2010) with symmetric sampling, as Toklu et al. (2020) have them: of the mean and of sigma."""
    of_mean, of_sigma = np.zeros(len(mean)), np.zeros(len(mean))
    baseline, pairs = np.mean(fitness), len(fitness) // 2
    for p in range(pairs):
        plus, minus, d = fitness[2 * p], fitness[2 * p + 1], population[2 * p] - mean
        of_mean += (plus - minus) / 2 * d / pairs
        of_sigma += ((plus + minus) / 2 - baseline) * (d**2 - sigma**2) / sigma / pairs
    return of_mean, of_sigma


def bounded(sigma, change, max_change=0.2):
    return np.clip(sigma + change, sigma * (1 - max_change), sigma * (1 + max_change))


# The update


@pytest.mark.parametrize(("shaping", "shape"), [("rank", by_rank), ("zscore", by_zscore), ("raw", raw)])
def test_it_is_the_papers_algorithm(shaping, shape):
    es = make(shaping=shaping, sigma_learning_rate=0.3, learning_rate=0.05)
    mean, sigma, velocity, bounds = START, np.full(GENES, 0.3), np.zeros(GENES), 0
    for generation in range(10):
        fitness = 3 * fitnesses(generation) + 100
        gradient, sigma_gradient = gradients(mean, sigma, candidates(es).astype(float), shape(fitness))
        velocity = 0.9 * velocity + 0.05 * gradient / np.linalg.norm(gradient)
        velocity *= min(1, 0.1 / np.linalg.norm(velocity))
        mean, before, sigma = mean + velocity, sigma, bounded(sigma, 0.3 * sigma_gradient)
        bounds += np.isclose(np.abs(sigma / before - 1), 0.2).sum()
        es.tell(fitness)
        np.testing.assert_allclose(es.mean, mean, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(es.sigma, sigma, rtol=1e-3)
    assert es.mean.dtype == es.sigma.dtype == np.float32
    assert 0 < bounds < 10 * GENES  # some changes were bounded, some were not


@pytest.mark.parametrize("sigma_rate", [0.1, 2.0])
@pytest.mark.filterwarnings("ignore:optax.global_norm is deprecated:DeprecationWarning")  # evosax 0.3.2 calls it
def test_a_step_is_evosaxs(sigma_rate):
    algorithms, jax = pytest.importorskip("evosax.algorithms"), pytest.importorskip("jax")
    clipup = pytest.importorskip("evosax.core.optimizer").clipup
    start, key = START.astype(np.float32), jax.random.key(0)
    theirs = algorithms.PGPE(SIZE, start, optimizer=clipup(0.05, 0.1))
    params = theirs.default_params.replace(std_init=0.3, std_lr=sigma_rate)
    state, es = theirs.init(key, start, params), make(learning_rate=0.05, sigma_learning_rate=sigma_rate)
    es.sigma_learning_rate *= CENTRED_RANKS_SD  # their ranks are from -0.5 to 0.5, ours of unit variance
    order = [*range(0, SIZE, 2), *range(1, SIZE, 2)]  # theirs: first all pluses, then all minuses
    for generation in range(5):
        fitness = fitnesses(generation)
        state, _ = theirs.tell(key, candidates(es)[order], -fitness[order], state, params)  # they minimise
        es.tell(fitness)
        np.testing.assert_allclose(es.mean, state.mean, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(es.sigma, state.std, rtol=1e-3)


def test_sgd_steps_along_the_gradient():
    es, population = make(optimizer="sgd", learning_rate=0.4), candidates(make()).astype(float)
    gradient, _ = gradients(START, np.full(GENES, 0.3), population, by_rank(fitnesses(0)))
    es.tell(fitnesses(0))
    np.testing.assert_allclose(es.mean, START + 0.4 * gradient, rtol=1e-4, atol=1e-5)


def test_adam_moves_every_gene_by_its_learning_rate_first():
    es, population = make(optimizer="adam", learning_rate=0.05), candidates(make()).astype(float)
    gradient, _ = gradients(START, np.full(GENES, 0.3), population, by_rank(fitnesses(0)))
    es.tell(fitnesses(0))
    np.testing.assert_allclose(es.mean, START + 0.05 * np.sign(gradient), atol=1e-5)


def test_by_default_the_first_sigma_is_fifteen_times_the_max_speed_long():
    sigma = np.linspace(0.1, 2, GENES)
    assert make(sigma=sigma).learning_rate == pytest.approx(np.linalg.norm(sigma) / 30)
    es = PGPE(np.zeros(400))
    assert es.learning_rate == pytest.approx(0.1 * 20 / 30)
    for generation in range(20):
        before = es.mean
        es.tell(fitnesses(generation, 200))
    assert np.linalg.norm(es.mean - before) <= 2 * es.learning_rate * (1 + 1e-5)


def test_the_default_rate_of_sigma_is_the_papers_for_ranks_of_unit_variance():
    assert make().sigma_learning_rate == pytest.approx(0.1 * np.std(np.linspace(-0.5, 0.5, 10_000)), rel=0.05)


@pytest.mark.parametrize("shaping", ["rank", "zscore"])
def test_shift_and_scale_of_fitness_do_not_matter(shaping):
    plain, changed = make(shaping=shaping), make(shaping=shaping)
    for generation in range(5):
        plain.tell(fitnesses(generation))
        changed.tell(1024 * fitnesses(generation) - 7)
    np.testing.assert_allclose(changed.mean, plain.mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(changed.sigma, plain.sigma, rtol=1e-4)


def test_equal_fitnesses_teach_nothing():
    es = make()
    es.tell(np.full(SIZE, 3.0))
    np.testing.assert_array_equal(es.mean, START.astype(np.float32))
    np.testing.assert_array_equal(es.sigma, np.float32(0.3))


# The population


def test_candidates_are_mirrored_pairs_about_the_mean():
    sigma = np.linspace(0.1, 2, GENES)
    population = candidates(make(population_size=4000, sigma=sigma))
    plus, minus = population[::2], population[1::2]
    np.testing.assert_allclose(plus + minus, np.broadcast_to(2 * START, plus.shape), atol=1e-5)
    np.testing.assert_allclose(population.std(axis=0), sigma, rtol=0.06)
    assert [make().ask().pair(i) for i in range(4)] == [0, 0, 1, 1]


def test_ask_gives_the_same_candidates_until_tell():
    es = make()
    population, first = es.ask(), candidates(es)
    np.testing.assert_array_equal(candidates(es), first)
    es.tell(fitnesses(0))
    assert not np.isclose(candidates(es) - es.mean, first - START).any()
    np.testing.assert_array_equal(population[1], first[1])  # it outlives tell
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(population))[3], first[3])


def test_the_seed_decides_the_noise():
    np.testing.assert_array_equal(candidates(make(seed=1)), candidates(make(seed=1)))
    assert not np.isclose(candidates(make(seed=1)), candidates(make(seed=2))).any()


@pytest.mark.parametrize("options", [{}, {"optimizer": "adam", "learning_rate": 0.1}])
def test_tell_holds_a_few_genomes_not_the_population(options):
    genes, size = 50_000, 100
    es = make(np.zeros(genes), size, **options)
    tracemalloc.start()
    es.tell(fitnesses(0, size))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 4 * genes


# What goes wrong


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_lost_fitness_drops_its_pair(lost):
    es, fitness = make(optimizer="sgd", learning_rate=0.4), fitnesses(0)
    population, fitness[3], kept = candidates(es).astype(float), lost, [0, 1, 4, 5, 6, 7, 8, 9]
    metrics = es.tell(fitness)
    sigma = np.full(GENES, 0.3)
    gradient, sigma_gradient = gradients(START, sigma, population[kept], by_rank(fitness[kept]))
    np.testing.assert_allclose(es.mean, START + 0.4 * gradient, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(es.sigma, bounded(sigma, 0.03 * sigma_gradient), rtol=1e-4)
    assert metrics["optimizer/lost"] == 2


@pytest.mark.parametrize("fitness", [np.full(SIZE, np.nan), np.where(np.arange(SIZE) % 2, np.nan, 1.0)])
def test_without_a_whole_pair_there_is_nothing_to_learn(fitness):
    es = make()
    es.tell(fitnesses(0))
    before = es.state_dict()
    with pytest.raises(ValueError, match=r"no mirrored pair .* two finite fitnesses"):
        es.tell(fitness)
    for name, value in es.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("shape", [(SIZE - 1,), (SIZE, 1), ()])
def test_every_candidate_needs_a_fitness(shape):
    with pytest.raises(ValueError, match="10 candidates need as many fitnesses"):
        make().tell(np.zeros(shape))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"population_size": 9}, "population_size must be even"),
        ({"population_size": 0}, "population_size must be even"),
        ({"sigma": 0.0}, "sigma must be positive"),
        ({"sigma": [0.1, -0.1] + 5 * [1]}, "sigma must be positive"),
        ({"sigma": np.nan}, "sigma must be positive"),
        ({"sigma": np.ones(3)}, "a number or one for each of 7 genes"),
        ({"learning_rate": 0.0}, "learning_rate and sigma_learning_rate must be positive, not 0.0 and 0.03"),
        ({"sigma_learning_rate": np.inf}, "learning_rate and sigma_learning_rate must be positive"),
        ({"max_change": 0.0}, "max_change must be between 0 and 1"),
        ({"max_change": 1.0}, "max_change must be between 0 and 1"),
        ({"optimizer": "rmsprop"}, 'optimizer must be "sgd", "adam" or "clipup"'),
        ({"optimizer": "adam"}, "give a learning_rate: there is a default for \"clipup\", none for 'adam'"),
        ({"optimizer": "adam", "learning_rate": 0.1, "max_speed": 0.1}, "max_speed is a positive number"),
        ({"shaping": "square"}, "shaping must be one of rank, zscore, raw"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"mean": np.zeros((2, 3))}, "mean must be finite numbers"),
        ({"mean": np.zeros(0)}, "mean must be finite numbers"),
        ({"mean": [0.0, np.nan]}, "mean must be finite numbers"),
    ],
)
def test_impossible_settings_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(**options)


def test_stop_says_why():
    es = make()
    assert es.stop() == {}
    es.load_state_dict({**es.state_dict(), "mean": np.full(GENES, np.inf)})
    assert list(es.stop()) == ["non_finite_mean"]
    es.load_state_dict({**make().state_dict(), "sigma": np.full(GENES, np.nan)})
    assert list(es.stop()) == ["non_finite_sigma"]


# It works, and goes on


def test_tell_reports_what_it_did():
    es, population = make(), candidates(make()).astype(float)
    metrics = es.tell(fitnesses(0))
    gradient, _ = gradients(START, np.full(GENES, 0.3), population, by_rank(fitnesses(0)))
    assert metrics["optimizer/sigma"] == pytest.approx(es.sigma.mean())
    assert metrics["optimizer/mean_square"] == pytest.approx(np.mean(es.mean**2))
    assert metrics["optimizer/gradient_norm"] == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
    assert metrics["optimizer/lost"] == 0
    assert all(isinstance(value, float) for value in metrics.values())


@pytest.mark.parametrize(
    "options", [{}, {"max_speed": 0.1}, *({"optimizer": name, "learning_rate": 0.1} for name in ("adam", "sgd"))]
)
def test_a_saved_state_goes_on_bit_for_bit(options):
    es = make(seed=3, **options)
    for generation in range(3):
        es.tell(fitnesses(generation))
    saved = es.state_dict()
    plain = json.loads(json.dumps({k: v for k, v in saved.items() if not isinstance(v, np.ndarray)}))  # as in a file
    again = make(np.zeros(GENES), **options)
    again.load_state_dict({**saved, **plain})
    assert again.generation == 3
    for generation in range(3, 6):
        np.testing.assert_array_equal(candidates(again), candidates(es))
        for each in (es, again):
            each.tell(fitnesses(generation))
    for name, value in es.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], value)


@pytest.mark.parametrize(
    "theirs",
    [
        {"mean": np.zeros(3)},
        {"population_size": 20},
        {"learning_rate": 0.3},
        {"sigma_learning_rate": 0.3},
        {"max_change": 0.1},
        {"max_speed": 0.1},
        {"shaping": "raw"},
        {"optimizer": "adam", "learning_rate": 0.1},
    ],
)
def test_a_state_of_another_optimizer_is_refused(theirs):
    es = make()
    with pytest.raises(ValueError, match="saved"):
        es.load_state_dict(make(**theirs).state_dict())
    np.testing.assert_array_equal(es.mean, START.astype(np.float32))


def sphere(x):
    return np.square(x - 0.5).sum(axis=-1)


def rosenbrock(x):
    return (100 * np.square(x[..., 1:] - x[..., :-1] ** 2) + np.square(1 - x[..., :-1])).sum(axis=-1)


def rastrigin(x):
    return (10 + x**2 - 10 * np.cos(2 * np.pi * x)).sum(axis=-1)


@pytest.fixture(scope="module")
def evosaxs():
    """What evosax's PGPE reaches on a function, from several seeds, with our default rates."""
    algorithms, jax = pytest.importorskip("evosax.algorithms"), pytest.importorskip("jax")
    rate = 0.5 * np.sqrt(10) / 30
    clipup = pytest.importorskip("evosax.core.optimizer").clipup(rate, 2 * rate)
    es = algorithms.PGPE(20, np.zeros(10, np.float32), optimizer=clipup)
    params = es.default_params.replace(std_init=0.5)  # std_lr=0.1, std_max_change=0.2

    def reach(function, generations, seed):
        keys = jax.random.split(jax.random.key(seed), generations + 1)
        state = es.init(keys[0], np.full(10, 1.5, np.float32), params)
        for key in keys[1:]:
            population, state = es.ask(key, state, params)
            state, _ = es.tell(key, population, function(np.asarray(population, float)), state, params)
        return function(np.asarray(state.mean, float))

    return reach


@pytest.mark.filterwarnings("ignore:optax.global_norm is deprecated:DeprecationWarning")  # evosax 0.3.2 calls it
@pytest.mark.parametrize("function", [sphere, rosenbrock, rastrigin])
def test_it_gets_as_far_as_evosaxs(function, evosaxs):
    generations, seeds = 150, range(11)
    ours = []
    for seed in seeds:
        es = PGPE(np.full(10, 1.5), 20, 0.5, seed)
        for _ in range(generations):
            es.tell(-function(candidates(es).astype(float)))
        ours.append(function(es.mean.astype(float)))
    theirs = [evosaxs(function, generations, seed) for seed in seeds]
    assert mannwhitneyu(ours, theirs).pvalue > 0.01  # one algorithm, so one distribution
    assert np.median(ours) < function(np.full(10, 1.5)) / 2  # uphill, at least
