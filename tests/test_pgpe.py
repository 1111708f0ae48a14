"""PGPE against its papers' formulas in float64 and against evosax."""

import numpy as np
import pytest
from optimizing import GENES, SIZE, START, candidates, evosax, fitnesses

from hebbian_gym.optimizers.pgpe import PGPE

CENTRED_RANKS_SD = np.std(np.arange(SIZE) / (SIZE - 1) - 0.5)


def make(mean=START, population_size=SIZE, sigma=0.3, **options):
    return PGPE(mean, population_size, sigma, **options)


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
    algorithms, clipup, jax = evosax().algorithms, evosax().clipup, evosax().jax
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


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sigma_learning_rate": np.inf}, "learning_rate and sigma_learning_rate must be positive"),
        ({"max_change": 0.0}, "max_change must be between 0 and 1"),
        ({"max_change": 1.0}, "max_change must be between 0 and 1"),
        ({"optimizer": "rmsprop"}, 'optimizer must be "sgd", "adam" or "clipup"'),
        ({"optimizer": "adam"}, "give a learning_rate: there is a default for \"clipup\", none for 'adam'"),
        ({"optimizer": "adam", "learning_rate": 0.1, "max_speed": 0.1}, "max_speed is a positive number"),
        ({"shaping": "square"}, "shaping must be one of rank, zscore, raw"),
    ],
)
def test_impossible_settings_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(**options)


def test_tell_reports_what_it_did():
    es, population = make(), candidates(make()).astype(float)
    metrics = es.tell(fitnesses(0))
    gradient, _ = gradients(START, np.full(GENES, 0.3), population, by_rank(fitnesses(0)))
    assert metrics["optimizer/sigma"] == pytest.approx(0.3)  # that of the generation which was told
    assert metrics["optimizer/mean_square"] == pytest.approx(np.mean(es.mean**2))
    assert metrics["optimizer/gradient_norm"] == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
    assert metrics["optimizer/lost"] == 0
    assert all(isinstance(value, float) for value in metrics.values())
