"""What holds for all strategies with mirrored pairs; what each makes of a fitness is in a file of its own."""

import pickle
import tracemalloc

import numpy as np
import pytest
from optimizing import (
    GENES,
    SIZE,
    START,
    assert_same_state,
    candidates,
    fitnesses,
    rastrigin,
    rosenbrock,
    sphere,
    through_a_file,
)

from hebbian_gym import PGPE, SNES, OpenAIES
from hebbian_gym.optimizers import openai_es

STRATEGIES = [OpenAIES, PGPE, SNES]
STEPS = [  # a strategy, and how it steps
    *((OpenAIES, {"optimizer": name}) for name in ("sgd", "adam", "clipup")),
    (PGPE, {}),
    (PGPE, {"max_speed": 0.1}),
    *((PGPE, {"optimizer": name, "learning_rate": 0.1}) for name in ("sgd", "adam")),
    (SNES, {}),
]
ADAPTING = [PGPE, SNES]  # with a sigma of every gene


@pytest.fixture(params=STRATEGIES)
def strategy(request):
    return request.param


def make(strategy, mean=START, population_size=SIZE, sigma=0.3, **options):
    return strategy(mean, population_size, sigma, **options)


# The population


def test_candidates_are_mirrored_pairs_about_the_mean(strategy):
    population = candidates(make(strategy))
    plus, minus = population[::2], population[1::2]
    np.testing.assert_allclose(plus + minus, np.broadcast_to(2 * START, plus.shape), atol=1e-6)
    assert len(np.unique(plus, axis=0)) == SIZE // 2
    assert [make(strategy).ask().pair(i) for i in range(4)] == [0, 0, 1, 1]
    assert population.dtype == np.float32


def test_noise_is_standard_normal(strategy):
    noise = (candidates(make(strategy, np.zeros(2000), 20)) / 0.3)[::2]
    assert noise.std() == pytest.approx(1, abs=0.02)
    assert np.abs(np.corrcoef(noise) - np.eye(10)).max() < 0.1


@pytest.mark.parametrize("adapting", ADAPTING)
def test_every_gene_may_start_with_a_sigma_of_its_own(adapting):
    sigma = np.linspace(0.1, 2, GENES)
    population = candidates(make(adapting, sigma=sigma, population_size=4000))
    np.testing.assert_allclose(population.std(axis=0), sigma, rtol=0.06)
    np.testing.assert_array_equal(make(adapting).sigma, np.full(GENES, 0.3, np.float32))


def test_a_pickled_population_rebuilds_the_same_candidates(strategy):
    es = make(strategy)
    es.tell(fitnesses(0))
    population = es.ask()
    again = pickle.loads(pickle.dumps(population))
    for i in (9, 0, 3):  # in any order
        np.testing.assert_array_equal(again[i], population[i])


@pytest.mark.parametrize(("strategy", "genomes"), [(OpenAIES, 1), (PGPE, 2), (SNES, 2)])
def test_a_population_costs_a_mean_and_a_sigma_not_its_candidates(strategy, genomes):
    assert len(pickle.dumps(make(strategy, np.zeros(10_000), 200).ask())) < (genomes + 1) * 4 * 10_000


@pytest.mark.parametrize("index", [-1, SIZE])
def test_there_is_no_candidate_beyond_the_population(strategy, index):
    with pytest.raises(IndexError, match=f"candidate {index} of {SIZE}"):
        make(strategy).ask()[index]


def test_ask_gives_the_same_candidates_until_tell(strategy):
    es = make(strategy)
    population, first = es.ask(), candidates(es)
    np.testing.assert_array_equal(candidates(es), first)
    es.tell(fitnesses(0))
    assert not np.isclose(candidates(es) - es.mean, first - START).any()
    np.testing.assert_array_equal(population[1], first[1])  # it outlives tell


def test_the_seed_decides_the_noise(strategy):
    np.testing.assert_array_equal(candidates(make(strategy, seed=1)), candidates(make(strategy, seed=1)))
    assert not np.isclose(candidates(make(strategy, seed=1)), candidates(make(strategy, seed=2))).any()


@pytest.mark.parametrize(("strategy", "options"), STEPS)
def test_tell_holds_a_few_genomes_not_the_population(strategy, options, monkeypatch):
    genes, size, kept = 50_000, 100, 2**20
    monkeypatch.setattr(openai_es, "KEPT_BYTES", kept)
    es = make(strategy, np.zeros(genes), size, **options)
    tracemalloc.start()
    es.tell(fitnesses(0, size))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 4 * genes + (kept if strategy is OpenAIES else 0)


# What goes wrong


@pytest.mark.parametrize("fitness", [np.full(SIZE, np.nan), np.where(np.arange(SIZE) % 2, np.nan, 1.0)])
def test_without_a_whole_pair_there_is_nothing_to_learn(strategy, fitness):
    es = make(strategy)
    es.tell(fitnesses(0))
    before = es.state_dict()
    with pytest.raises(ValueError, match=r"no mirrored pair .* two finite fitnesses"):
        es.tell(fitness)
    assert_same_state(es.state_dict(), before)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"population_size": 9}, "population_size must be even"),
        ({"population_size": 0}, "population_size must be even"),
        ({"population_size": -2}, "population_size must be even"),
        ({"sigma": 0.0}, "sigma.* must be positive"),
        ({"sigma": -0.1}, "sigma.* must be positive"),
        ({"sigma": np.nan}, "sigma.* must be positive"),
        ({"learning_rate": 0.0}, "learning_rate.* must be positive"),
        ({"learning_rate": np.inf}, "learning_rate.* must be positive"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"mean": np.zeros((2, 3))}, "mean must be finite numbers"),
        ({"mean": np.zeros(0)}, "mean must be finite numbers"),
        ({"mean": [0.0, np.nan]}, "mean must be finite numbers"),
    ],
)
def test_impossible_settings_are_refused(strategy, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(strategy, **options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sigma": [0.1, -0.1] + 5 * [1]}, "sigma must be positive"),
        ({"sigma": np.ones(3)}, "a number or one for each of 7 genes"),
        ({"learning_rate": 0.0}, r"learning_rate and sigma_learning_rate must be positive, not 0\.0 and"),
        ({"sigma_learning_rate": np.inf}, "learning_rate and sigma_learning_rate must be positive"),
    ],
)
@pytest.mark.parametrize("adapting", ADAPTING)
def test_impossible_sigmas_and_rates_are_refused(adapting, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(adapting, **options)


def test_stop_says_why(strategy):
    es = make(strategy)
    assert es.stop() == {}
    es.load_state_dict({**es.state_dict(), "mean": np.full(GENES, np.inf)})
    assert list(es.stop()) == ["non_finite_mean"]


@pytest.mark.parametrize("adapting", ADAPTING)
def test_it_stops_for_a_sigma_that_is_not_finite(adapting):
    es = make(adapting)
    es.load_state_dict({**es.state_dict(), "sigma": np.full(GENES, np.nan)})
    assert list(es.stop()) == ["non_finite_sigma"]


# It works, and goes on


PLAIN = {"sigma": 0.1, "learning_rate": 0.02, "weight_decay": 0.0, "learning_rate_decay": 1.0, "sigma_decay": 1.0}


@pytest.mark.parametrize(
    ("strategy", "options", "function", "reached"),
    [  # from -10, -508 and -223; behind each what evosax reaches, by the median over as many seeds
        (OpenAIES, PLAIN, sphere, -0.004),  # -0.004
        (OpenAIES, PLAIN, rosenbrock, -6.5),  # -5.4
        (OpenAIES, PLAIN, rastrigin, -20),  # -14.2
        (PGPE, {"sigma": 0.5}, sphere, -0.05),  # -0.031
        (PGPE, {"sigma": 0.5}, rosenbrock, -12),  # -12.3
        (PGPE, {"sigma": 0.5}, rastrigin, -105),  # -90.6
        (SNES, {"sigma": 0.5}, sphere, -1e-9),  # -1.2e-9
        (SNES, {"sigma": 0.5}, rosenbrock, -0.25),  # -0.089
        (SNES, {"sigma": 0.5}, rastrigin, -10),  # -9.9
    ],
)
def test_it_gets_about_as_far_as_evosaxs(strategy, options, function, reached):
    """That each step is evosax's is tested with the strategy; here with candidates of its own."""
    ends = []
    for seed in range(11):
        es = strategy(np.full(10, 1.5), 20, seed=seed, **options)
        for _ in range(150):
            es.tell(function(candidates(es).astype(float)))
        ends.append(function(es.mean.astype(float)))
    assert np.median(ends) > reached


@pytest.mark.parametrize(("strategy", "options"), STEPS)
def test_a_saved_state_goes_on_bit_for_bit(strategy, options, tmp_path):
    es = make(strategy, seed=3, **options)
    for generation in range(3):
        es.tell(fitnesses(generation))
    again = make(strategy, np.zeros(GENES), **options)
    again.load_state_dict(through_a_file(es, tmp_path))
    assert again.generation == 3
    for generation in range(3, 6):
        np.testing.assert_array_equal(candidates(again), candidates(es))
        for each in (es, again):
            each.tell(fitnesses(generation))
    assert_same_state(again.state_dict(), es.state_dict())


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        *(((kind, {}), (kind, {"mean": np.zeros(3)})) for kind in STRATEGIES),
        *(((kind, {}), (kind, {"population_size": 20})) for kind in STRATEGIES),
        *(((kind, {}), (kind, {"learning_rate": 0.3})) for kind in STRATEGIES),
        *(((kind, {}), (kind, {"sigma_learning_rate": 0.3})) for kind in ADAPTING),
        *(
            ((OpenAIES, {}), (OpenAIES, other))
            for other in ({"optimizer": "adam"}, {"sigma": 0.2}, {"weight_decay": 0})
        ),
        ((OpenAIES, {"optimizer": "adam"}), (OpenAIES, {})),
        ((OpenAIES, {"optimizer": "clipup"}), (OpenAIES, {"optimizer": "clipup", "max_speed": 0.1})),
        *(((PGPE, {}), (PGPE, other)) for other in ({"max_change": 0.1}, {"max_speed": 0.1}, {"shaping": "raw"})),
        ((PGPE, {}), (PGPE, {"optimizer": "adam", "learning_rate": 0.1})),
        ((PGPE, {}), (SNES, {})),
        ((SNES, {}), (PGPE, {})),
    ],
)
def test_a_state_of_another_optimizer_is_refused(ours, theirs):
    (kind, settings), (other, others) = ours, theirs
    es = make(kind, **settings)
    with pytest.raises(ValueError, match="saved"):
        es.load_state_dict(make(other, **others).state_dict())
    np.testing.assert_array_equal(es.mean, START.astype(np.float32))


def test_a_state_of_other_settings_is_refused_by_their_names(strategy):
    es = make(strategy, learning_rate=0.25)
    with pytest.raises(ValueError, match=r"other settings: learning_rate 0\.5, not 0\.25\. To go on with others"):
        es.load_state_dict(make(strategy, learning_rate=0.5).state_dict())


def test_settings_that_only_one_of_two_has_are_named():
    pgpe, snes = make(PGPE, learning_rate=0.5), make(SNES, learning_rate=0.5, sigma_learning_rate=0.03)
    with pytest.raises(ValueError, match=r"settings: algorithm PGPE, not SNES, optimizer clipup, not missing, max_"):
        snes.load_state_dict(pgpe.state_dict())
    with pytest.raises(ValueError, match=r"algorithm SNES, not PGPE, optimizer missing, not clipup, .* rank\. To go"):
        pgpe.load_state_dict(snes.state_dict())


@pytest.mark.parametrize("settings", [None, [SIZE, 1.0]])
def test_a_state_without_settings_by_name_is_refused(strategy, settings):
    es = make(strategy)
    with pytest.raises(ValueError, match=f"algorithm missing, not {strategy.__name__}, population_size missing, not"):
        es.load_state_dict({**es.state_dict(), "settings": settings})
