"""SNES against the paper's algorithm in float64 and against evosax."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optimizing import GENES, SIZE, START, candidates, evosax, fitnesses

from hebbian_gym.optimizers.shaping import utilities
from hebbian_gym.optimizers.snes import SNES

ETA_SIGMA = (3 + np.log(GENES)) / (5 * np.sqrt(GENES))  # the paper's


def make(mean=START, population_size=SIZE, sigma=0.3, **options):
    return SNES(mean, population_size, sigma, **options)


def paper(mean, sigma, noise, fitness, eta_mu=1.0, eta_sigma=ETA_SIGMA):
    """Wierstra et al. (2014), algorithm 6, one generation: the next mean and sigma."""
    size = len(fitness)
    weights = [max(0.0, np.log(size / 2 + 1) - np.log(k)) for k in range(1, size + 1)]
    mean_gradient, sigma_gradient = np.zeros(len(mean)), np.zeros(len(mean))
    for k, i in enumerate(sorted(range(size), key=lambda i: -fitness[i])):  # the best first
        utility = weights[k] / sum(weights) - 1 / size
        mean_gradient += utility * noise[i]
        sigma_gradient += utility * (noise[i] ** 2 - 1)
    return mean + eta_mu * sigma * mean_gradient, sigma * np.exp(eta_sigma / 2 * sigma_gradient)


# The update


@pytest.mark.parametrize("rates", [{}, {"learning_rate": 0.7, "sigma_learning_rate": 0.2}])
def test_it_is_the_papers_algorithm(rates):
    es, mean, sigma = make(**rates), START, np.full(GENES, 0.3)
    theirs = [rates[name] for name in ("learning_rate", "sigma_learning_rate") if rates]
    for generation in range(10):
        population = es.ask()
        noise = [(-1) ** i * population.noise(i // 2).astype(float) for i in range(SIZE)]
        np.testing.assert_allclose(candidates(es), mean + sigma * noise, rtol=1e-4, atol=1e-5)
        mean, sigma = paper(mean, sigma, noise, fitnesses(generation), *theirs)
        es.tell(fitnesses(generation))
        np.testing.assert_allclose(es.mean, mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(es.sigma, sigma, rtol=1e-4)
    assert es.mean.dtype == es.sigma.dtype == np.float32
    assert es.sigma.max() > 1.1 * es.sigma.min()


def test_a_step_is_evosaxs():
    algorithms, jax = evosax().algorithms, evosax().jax
    theirs = algorithms.SNES(SIZE, START.astype(np.float32))
    params = theirs.default_params.replace(std_init=0.3)
    key = jax.random.key(0)
    state, es = theirs.init(key, START.astype(np.float32), params), make()
    for generation in range(5):
        state, _ = theirs.tell(key, candidates(es), -fitnesses(generation), state, params)  # they minimise
        es.tell(fitnesses(generation))
        np.testing.assert_allclose(es.mean, state.mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(es.sigma, state.std, rtol=1e-4)


@pytest.mark.parametrize(("genes", "size"), [(1, 4), (7, 10), (10, 10), (61_440, 38)])
def test_the_defaults_are_the_papers(genes, size):
    es = SNES(np.zeros(genes))
    assert es.population_size == size  # 4 + floor(3 ln n), made even
    assert es.learning_rate == 1
    assert es.sigma_learning_rate == pytest.approx((3 + np.log(genes)) / (5 * np.sqrt(genes)))


# Utilities


def test_utilities_are_the_papers():
    by_hand = np.log(3.5) - np.log([1, 2, 3])  # of five, three are better than the fourth and fifth's log(n / 2 + 1)
    by_hand = np.array([*by_hand, 0, 0]) / by_hand.sum() - 1 / 5
    np.testing.assert_allclose(utilities(np.array([3.0, 1, 5, 2, 4])), by_hand[[2, 4, 0, 3, 1]])


@given(st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=30).map(np.array))
def test_utilities_follow_the_order_alone_and_sum_to_zero(fitness):
    found = utilities(fitness)
    assert found.sum() == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(utilities(8 * fitness + 3), found)
    for a, b in zip(fitness, found, strict=True):
        assert (found[fitness > a] >= b - 1e-12).all()
        assert (found[fitness == a] == b).all()


def test_equal_fitnesses_teach_nothing():
    es = make()
    es.tell(np.full(SIZE, 3.0))
    np.testing.assert_allclose(es.mean, START, atol=1e-6)
    np.testing.assert_allclose(es.sigma, 0.3, rtol=1e-6)


# What goes wrong


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_lost_fitness_drops_its_pair(lost):
    es, fitness = make(), fitnesses(0)
    noise = np.array([(-1) ** i * es.ask().noise(i // 2) for i in range(SIZE)], float)
    fitness[3], kept = lost, [0, 1, 4, 5, 6, 7, 8, 9]
    metrics = es.tell(fitness)
    mean, sigma = paper(START, np.full(GENES, 0.3), noise[kept], fitness[kept])
    np.testing.assert_allclose(es.mean, mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(es.sigma, sigma, rtol=1e-4)
    assert metrics["optimizer/lost"] == 2


def test_tell_reports_what_it_did():
    es = make()
    metrics = es.tell(fitnesses(0))
    assert metrics["optimizer/sigma"] == pytest.approx(0.3)  # that of the generation which was told
    assert metrics["optimizer/mean_square"] == pytest.approx(np.mean(es.mean**2))
    assert metrics["optimizer/gradient_norm"] == pytest.approx(np.linalg.norm((es.mean - START) / 0.3), rel=1e-3)
    assert metrics["optimizer/lost"] == 0
    assert all(isinstance(value, float) for value in metrics.values())
