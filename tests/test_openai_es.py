"""OpenAI-ES against the paper's update in plain numpy, evosax, torch's Adam and the ClipUp paper written out."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optimizing import GENES, SIZE, START, candidates, evosax, fitnesses, rosenbrock, sphere

from hebbian_gym import OpenAIES
from hebbian_gym.optimizers import openai_es
from hebbian_gym.optimizers.shaping import SHAPINGS


def make(mean=START, population_size=SIZE, **options):
    return OpenAIES(mean, population_size, **options)


def schedule(start, decay, floor, generation):
    return max(start * decay**generation, floor)


def reference_gradient(mean, population, fitness, sigma, weight_decay=0.01):
    """Of Salimans et al., algorithm 2, as Najarro & Risi's code has it; in float64, without shortcuts."""
    penalized = fitness - weight_decay * np.mean(population**2, axis=1)
    ranks = np.argsort(np.argsort(penalized)) / (len(fitness) - 1) - 0.5
    z = (ranks - ranks.mean()) / ranks.std()
    noise = (population - mean) / sigma
    return (z[:, None] * noise).sum(axis=0) / (len(fitness) * sigma)


# The update


def test_sgd_is_the_papers_update():
    es, mean = make(), START.copy()
    for generation in range(6):
        population, fitness = candidates(es).astype(float), fitnesses(generation)
        sigma = schedule(0.1, 0.999, 0.01, generation)
        mean = mean + schedule(0.2, 0.995, 0.001, generation) * reference_gradient(mean, population, fitness, sigma)
        es.tell(fitness)
        np.testing.assert_allclose(es.mean, mean, rtol=1e-4, atol=1e-4)


def test_weight_decay_is_taken_off_before_ranking():
    fitness = np.zeros(SIZE)  # so the penalty alone decides
    es = make(weight_decay=0.01)
    expected = START + 0.2 * reference_gradient(START, candidates(es).astype(float), fitness, 0.1)
    es.tell(fitness)
    np.testing.assert_allclose(es.mean, expected, rtol=1e-4)
    assert (es.mean - START) @ START < 0  # towards smaller genes


def test_adam_is_torchs():
    es = make(optimizer="adam", learning_rate=0.05, weight_decay=0.0)
    theirs = torch.tensor(START, dtype=torch.float32, requires_grad=True)
    adam = torch.optim.Adam([theirs])
    for generation in range(8):
        gradient = reference_gradient(es.mean.astype(float), candidates(es), fitnesses(generation), es.sigma, 0.0)
        adam.param_groups[0]["lr"] = schedule(0.05, 0.995, 0.001, generation)
        theirs.grad = torch.tensor(-gradient, dtype=torch.float32)
        adam.step()
        es.tell(fitnesses(generation))
        np.testing.assert_allclose(es.mean, theirs.detach(), rtol=1e-4, atol=1e-5)


def centred_ranks_sd(size):
    """Evosax's ranks are from -0.5 to 0.5, ours of unit variance: its learning rate is ours over this."""
    return np.std(np.linspace(-0.5, 0.5, size))


@pytest.mark.parametrize(("optimizer", "scale"), [("sgd", 1 / centred_ranks_sd(SIZE)), ("adam", 1)])
def test_a_step_is_evosaxs(optimizer, scale):
    algorithms, jax, optax = evosax().algorithms, evosax().jax, evosax().optax
    options = {"optimizer": optimizer, "learning_rate": 0.05, "weight_decay": 0.0, "sigma_decay": 1.0}
    step = getattr(optax, optimizer)(optax.exponential_decay(0.05 * scale, 1, 0.995))
    start, key = START.astype(np.float32), jax.random.key(0)
    theirs = algorithms.Open_ES(SIZE, start, optimizer=step, std_schedule=optax.constant_schedule(0.1))
    params = theirs.default_params
    state, es = theirs.init(key, start, params), make(**options)
    for generation in range(5):
        state, _ = theirs.tell(key, candidates(es), -fitnesses(generation), state, params)  # they minimise
        es.tell(fitnesses(generation))
        np.testing.assert_allclose(es.mean, state.mean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("max_speed", [None, 0.03])
def test_clipup_is_the_papers(max_speed):
    es = make(optimizer="clipup", learning_rate=0.05, weight_decay=0.0, learning_rate_decay=0.9, max_speed=max_speed)
    mean, velocity = START.copy(), np.zeros(GENES)
    for generation in range(8):
        gradient = reference_gradient(es.mean.astype(float), candidates(es), fitnesses(generation), es.sigma, 0.0)
        rate = schedule(0.05, 0.9, 0.001, generation)
        velocity = 0.9 * velocity + rate * gradient / np.linalg.norm(gradient)
        velocity *= min(1, (max_speed or 2 * rate) / np.linalg.norm(velocity))
        mean = mean + velocity
        es.tell(fitnesses(generation))
        np.testing.assert_allclose(es.mean, mean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "start", "decay", "floor"), [("learning_rate", 0.2, 0.995, 0.001), ("sigma", 0.1, 0.999, 0.01)]
)
def test_schedules_fall_geometrically_to_a_floor(name, start, decay, floor):
    es = make()
    for generation in (0, 1, 500, 10_000):
        es.generation = generation
        assert getattr(es, name) == pytest.approx(schedule(start, decay, floor, generation))
    assert getattr(es, name) == floor


@pytest.mark.parametrize(("decay", "later"), [(0.9, 1.0), (1.0, 1.0), (1.5, 2.25)])
def test_a_start_below_its_floor_never_falls(decay, later):
    es = make(sigma=0.005, learning_rate=0.0005, sigma_decay=decay, learning_rate_decay=decay)
    assert (es.sigma, es.learning_rate, es.ask().sigma) == (0.005, 0.0005, 0.005)
    es.generation = 2
    assert (es.sigma, es.learning_rate) == pytest.approx((0.005 * later, 0.0005 * later))


def test_tell_reports_what_it_did():
    es, fitness = make(), fitnesses(0)
    assert make().tell(fitness)["optimizer/lost"] == 0
    fitness[3] = np.nan
    metrics = es.tell(fitness)
    assert metrics["optimizer/lost"] == 2  # with its twin
    assert metrics["optimizer/sigma"] == 0.1
    assert metrics["optimizer/learning_rate"] == 0.2
    assert all(isinstance(value, float) for value in metrics.values())


def told(fitness, **options):
    es = make(weight_decay=0.0, **options)
    es.tell(fitness)
    return es.mean


whole = st.integers(-1000, 1000).map(float)  # so that sums and products are exact


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
@given(st.lists(whole, min_size=SIZE, max_size=SIZE).map(np.array), whole, st.sampled_from([0.25, 2.0, 1024.0]))
def test_only_the_order_of_fitnesses_matters(fitness, shift, factor):
    np.testing.assert_array_equal(told(factor * fitness + shift), told(fitness))
    np.testing.assert_allclose(told(-fitness) - START, START - told(fitness), atol=1e-5)


def test_turning_fitness_around_turns_the_step_around():
    step = told(fitnesses(0)) - START
    assert np.abs(step).max() > 0.01
    np.testing.assert_allclose(told(-fitnesses(0)) - START, -step, atol=1e-5)


def test_equal_fitnesses_teach_nothing():
    np.testing.assert_array_equal(told(np.full(SIZE, 3.0)), START.astype(np.float32))


def test_tied_candidates_count_alike():
    fitness = np.array([1.0, 1, 0, 0, 0, 0, 0, 0, 0, 0])  # a pair that ties pulls to neither side
    np.testing.assert_allclose(told(fitness), START, atol=1e-6)


# What goes wrong


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_lost_fitness_drops_its_pair(lost):
    es, fitness = make(), fitnesses(0)
    population, fitness[3] = candidates(es).astype(float), lost
    kept = [0, 1, 4, 5, 6, 7, 8, 9]
    es.tell(fitness)
    expected = START + 0.2 * reference_gradient(START, population[kept], fitness[kept], 0.1)
    np.testing.assert_allclose(es.mean, expected, rtol=1e-4, atol=1e-4)


def kept_only(fitness, kept):
    """Fitness that lost one candidate of every pair but those that are kept."""
    lost = fitness.copy()
    lost[[2 * pair + pair % 2 for pair in range(len(fitness) // 2) if pair not in kept]] = np.nan
    return lost


@pytest.mark.parametrize("left", [1, 2, 3, 4])
def test_the_mean_step_over_every_way_to_lose_pairs_is_the_step_of_all_pairs(left):
    fitness = fitnesses(1)
    ways = itertools.combinations(range(SIZE // 2), left)
    steps = [told(kept_only(fitness, kept), shaping="raw").astype(float) - START for kept in ways]
    whole = told(fitness, shaping="raw") - START
    np.testing.assert_allclose(np.mean(steps, axis=0), whole, atol=1e-5 * np.abs(steps).max())
    assert np.std(steps, axis=0).min() > 0.01  # each way is a step of its own


@pytest.mark.parametrize("shaping", ["raw", "zscore", "rank"])
def test_over_random_losses_the_mean_step_is_the_step_of_all_pairs(shaping):
    rng, size = np.random.default_rng(0), 100
    fitness = fitnesses(2, size)

    def step(fitness):
        return told(fitness, population_size=size, shaping=shaping, learning_rate=1.0).astype(float) - START

    whole = step(fitness)
    steps = [step(np.where(rng.random(size) < 0.1, np.nan, fitness)) for _ in range(600)]
    lengths = np.array(steps) @ whole / (whole @ whole)  # 1 is the whole step's
    error = lengths.std(ddof=1) / np.sqrt(len(steps))
    assert error < 0.02  # the sum over the pairs left, divided by the number of all, would have a mean of 0.81
    assert abs(lengths.mean() - 1) < 3 * error
    errors = np.std(steps, axis=0, ddof=1) / np.sqrt(len(steps))
    assert (np.abs(np.mean(steps, axis=0) - whole) < 4 * errors).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sigma": 0.0}, "sigma and learning_rate must be positive"),
        ({"optimizer": "rmsprop"}, 'must be "sgd", "adam" or "clipup", not \'rmsprop\''),
        ({"max_speed": 0.1}, "max_speed is a positive number for \"clipup\" only, not 0.1 for 'sgd'"),
        ({"optimizer": "clipup", "max_speed": 0.0}, "max_speed is a positive number"),
    ],
)
def test_impossible_settings_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(**options)


# It works, and goes on


@pytest.mark.parametrize(
    ("function", "options", "reached"),
    [
        (sphere, {"optimizer": "sgd", "learning_rate": 0.02}, -0.01),
        (sphere, {"optimizer": "adam", "learning_rate": 0.05}, -0.01),
        (sphere, {"optimizer": "clipup", "learning_rate": 0.02}, -0.01),
        (sphere, {"optimizer": "sgd", "learning_rate": 0.02, "shaping": "raw"}, -0.01),
        (rosenbrock, {"optimizer": "sgd", "learning_rate": 0.005}, -0.2),
        (rosenbrock, {"optimizer": "adam", "learning_rate": 0.05}, -0.2),
        (rosenbrock, {"optimizer": "clipup", "learning_rate": 0.02}, -0.2),
    ],
)
def test_it_maximizes(function, options, reached):
    es = make([-0.5, 0.5], 40, sigma=0.05, weight_decay=0.0, **options)
    for _ in range(300):
        es.tell([function(x) for x in candidates(es).astype(float)])
    assert function(es.mean.astype(float)) > reached


def test_noise_that_is_kept_is_the_same_noise(monkeypatch):
    means = []
    for kept in (0, 3 * 4 * GENES, openai_es.KEPT_BYTES):  # none of it, three of five pairs, all
        monkeypatch.setattr(openai_es, "KEPT_BYTES", kept)
        means.append(told(fitnesses(0)))
    np.testing.assert_array_equal(means[0], means[1])
    np.testing.assert_array_equal(means[0], means[2])


def test_zscores_let_a_far_better_candidate_count_for_more():
    fitness = np.array([0.0, 1.0, 2.0, 100.0])
    by_rank, by_zscore = (SHAPINGS[name](fitness) for name in ("rank", "zscore"))
    for shaped in (by_rank, by_zscore):
        assert shaped.mean() == pytest.approx(0)
        assert shaped.std() == pytest.approx(1)
    np.testing.assert_allclose(by_zscore, (fitness - fitness.mean()) / fitness.std())
    assert by_zscore[3] - by_zscore[2] > 2 * (by_rank[3] - by_rank[2])
    assert not SHAPINGS["zscore"](np.ones(4)).any()


def test_the_step_by_zscores_is_the_formula():
    rng = np.random.default_rng(0)
    es = OpenAIES(rng.normal(size=20), 6, shaping="zscore", weight_decay=0.0)
    mean, population, fitness = es.mean.copy(), es.ask(), rng.normal(size=6)
    z = (fitness - fitness.mean()) / fitness.std()
    gradient = sum(z[i] * (population[i] - mean) / population.sigma for i in range(6)) / (6 * population.sigma)
    rate = es.learning_rate
    es.tell(fitness)
    np.testing.assert_allclose(es.mean, mean + rate * gradient, rtol=1e-4, atol=1e-5)


def test_the_step_by_raw_fitness_is_the_formula_and_grows_with_fitness():
    fitness, population = fitnesses(0), candidates(make()).astype(float)
    gradient = ((fitness - 7)[:, None] * (population - START)).sum(axis=0) / (SIZE * 0.1**2)  # any baseline cancels
    step = told(fitness, shaping="raw") - START
    np.testing.assert_allclose(step, 0.2 * gradient, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(told(1000 * fitness + 5, shaping="raw") - START, 1000 * step, rtol=1e-4, atol=1e-2)


def test_a_resume_with_another_shaping_is_refused():
    ranks, zscores = OpenAIES(np.zeros(3), 4), OpenAIES(np.zeros(3), 4, shaping="zscore")
    with pytest.raises(ValueError, match="other settings"):
        zscores.load_state_dict(ranks.state_dict())
    with pytest.raises(ValueError, match="rank, zscore, raw"):
        OpenAIES(np.zeros(3), 4, shaping="square")
