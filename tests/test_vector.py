"""Whole generations at once: as each candidate alone, whatever ends when; births and seeds as the task says."""

import sys

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from helpers import assert_same

from hebbian_gym import (
    Architecture,
    GeneticAlgorithm,
    PlasticNetwork,
    SerialEvaluator,
    Task,
    VectorEvaluator,
    run_episode,
    run_episodes,
)
from hebbian_gym.architecture import architecture_for, random_genome
from hebbian_gym.optimizers import Copies, MirroredPopulation
from hebbian_gym.task import EVALUATION, HELD_OUT, TRAINING
from hebbian_gym.vector import Episodes, PlasticNetworks, _told

LONGEST = 12


class Meal(gym.Env):
    """Meals of four ingredients with a value: it is to be told, and is the modulator, except of every third meal."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (4,))
    action_space = gym.spaces.Box(-2, 2, (1,))

    def __init__(self, early_stop=False):
        self.early_stop = early_stop

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.worth, self.meals = self.np_random.standard_normal(4), 0
        self.last = int(self.np_random.integers(3, LONGEST))
        return self._serve(), {}

    def _serve(self):
        self.meal = self.np_random.standard_normal(4).astype(np.float32)
        return self.meal

    def step(self, action):
        value = float(self.worth @ self.meal)
        error = np.square(value - action[0])
        self.meals += 1
        terminated, truncated = self.early_stop and self.meals == 2, self.meals == self.last
        info = {"modulator": value if self.meals % 3 else None, "reward_progress": -float(action[0])}
        return self._serve(), -error, terminated, truncated, info


class Meals(VectorEnv):
    """Of n meals; an eater's seed is its own (a list), or that of all and its place."""

    lists, mode, tells = True, AutoresetMode.NEXT_STEP, True

    def __init__(self, num_envs, **options):
        self.metadata = {"autoreset_mode": self.mode}
        self.num_envs, self.envs = num_envs, [Meal(**options) for _ in range(num_envs)]
        self.single_observation_space, self.single_action_space = Meal.observation_space, Meal.action_space

    def reset(self, *, seed=None, options=None):
        if not (isinstance(seed, list) and self.lists):
            super().reset(seed=seed)
            seed = self.seeds(seed, self.num_envs)
        return np.stack([env.reset(seed=one)[0] for env, one in zip(self.envs, seed, strict=True)]), {}

    @staticmethod
    def seeds(seed, n):
        return [seed + place for place in range(n)]

    def step(self, actions):
        steps = [env.step(action) for env, action in zip(self.envs, actions, strict=True)]  # past their ends, too
        observations, rewards, terminated, truncated, infos = zip(*steps, strict=True)
        told = {name: np.array([info[name] for info in infos], object) for name in infos[0]}
        ends = (np.array(terminated), np.array(truncated))
        return np.stack(observations), np.array(rewards), *ends, told if self.tells else {}


class MealsOfOneSeed(Meals):
    lists = False


class SilentMeals(Meals):
    tells = False


class Feast(VectorEnv):
    """The same in arrays: a hundred meals for everybody."""

    metadata = {"autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012
    single_observation_space, single_action_space = Meal.observation_space, gym.spaces.Box(-9, 9, (1,))

    def __init__(self, num_envs):
        self.num_envs = num_envs

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.meals, self.worth = 0, self.np_random.standard_normal((self.num_envs, 4))
        return self._serve(), {}

    def _serve(self):
        self.meal = self.np_random.standard_normal((self.num_envs, 4), np.float32)
        return self.meal

    def step(self, actions):
        values = (self.worth * self.meal).sum(1)
        self.meals += 1
        over = np.full(self.num_envs, self.meals == 100)
        return self._serve(), -np.square(values - actions[:, 0]), over, over, {"modulator": values}


def meals(kind="Meals"):
    return EnvSpec(f"{kind}-v0", entry_point=f"{__name__}:Meal", vector_entry_point=f"{__name__}:{kind}")


def sync_vector_env(num_envs, **options):
    """Gymnasium's own, which takes a list of seeds and resets who has ended."""
    return SyncVectorEnv([lambda: Meal(**options)] * num_envs, autoreset_mode=sync_vector_env.mode)


def network(rule="ABCD", **options):
    options = {"low": (-2.0,), "high": (2.0,), **options}
    return Architecture((4, 3, 1), rule=rule, **options)


EATERS = {
    "ABCD": network(),
    "reward-modulated": network("reward_modulated", modulation="reward"),
    "by reward": network("ABC_eta", modulation="reward", average_over=2, update_every=2),
    "static": network("static", initial_weights="evolved"),
}


def genomes(architecture, size=5):
    return MirroredPopulation(0.3 * random_genome(architecture, 1), 0.1, (0, 0), size)


def evaluated(architecture, population, task, *place, **options):
    with VectorEvaluator(architecture) as evaluator:
        return evaluator.evaluate(population, task, *place, **options)


def serially(architecture, population, task, *place, **options):
    with SerialEvaluator(architecture) as evaluator:
        return evaluator.evaluate(population, task, *place, **options)


def assert_alike(ours, theirs):
    np.testing.assert_array_equal(ours.steps, theirs.steps)
    for name in ("fitness", "score", "distance"):
        assert getattr(ours, name).shape == getattr(theirs, name).shape
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=2e-4, atol=2e-4, err_msg=name)


# As each candidate alone


@pytest.mark.parametrize("births", ["candidate", "pair", "generation"])
@pytest.mark.parametrize("eater", EATERS)
def test_all_at_once_are_as_each_alone(eater, births):
    architecture = EATERS[eater]
    population = genomes(architecture, 6)
    task = Task([meals(), meals()], episodes=3, births=births, seed=4)
    ours, theirs = (run(architecture, population, task, 2) for run in (evaluated, serially))
    assert_alike(ours, theirs)
    assert ours.score.shape == (6, 2, 3)
    assert len(np.unique(ours.steps)) > 3  # they end at different times
    if eater == "reward-modulated":
        silent = evaluated(architecture, population, Task([meals("SilentMeals")] * 2, 3, births=births, seed=4), 2)
        assert not np.isclose(silent.score, ours.score).all()  # there rewards modulate


@pytest.mark.parametrize("births", ["candidate", "generation"])
def test_foods_are_valued_as_each_alone(births):
    options = {"modulation": "reward", "sharing": "layer", "initial_weights": "zeros"}
    architecture, _ = architecture_for("FoodValuation-v0", hidden=(), rule="reward_modulated", **options)
    delta_rule = dict.fromkeys(architecture.plasticity.coefficients, 0.0)
    delta_rule |= {"reward_pre": 1.0, "pre_post": -1.0, "eta": 0.1}
    population = MirroredPopulation(np.array(list(delta_rule.values()), np.float32), 0.02, (0,), 4)
    task = Task("FoodValuation-v0", episodes=2, births=births)
    ours = evaluated(architecture, population, task)
    assert_alike(ours, serially(architecture, population, task))
    assert ours.fitness.mean() > -500  # of a thousand values of variance 1, and noise


@pytest.mark.parametrize("aggregate", ["mean", "min"])
@pytest.mark.parametrize("early_stop", [True, False])
def test_the_tasks_options_are_honoured(aggregate, early_stop):
    architecture = EATERS["ABCD"]
    task = Task([meals(), meals()], episodes=2, aggregate=aggregate, early_stop=early_stop)
    ours = evaluated(architecture, genomes(architecture), task, 3, HELD_OUT)
    assert_alike(ours, serially(architecture, genomes(architecture), task, 3, HELD_OUT))
    np.testing.assert_array_equal(ours.fitness, getattr(ours.score, aggregate)((1, 2)))
    assert (ours.steps == 2).all() == early_stop


def test_an_environment_of_one_seed_gives_each_agent_what_its_place_gives():
    architecture, episodes = EATERS["reward-modulated"], 3
    population = Copies(0.3 * random_genome(architecture), 4)
    task = Task(meals("MealsOfOneSeed"), episodes=episodes, seed=5)
    ours = evaluated(architecture, population, task, 7)
    seeds = np.stack([task.seeds(population, 7, TRAINING, i)[0] for i in range(4)])  # (candidates, episodes, 2)
    resets = Meals.seeds(int(seeds[0, 0, 0]), 4 * episodes)
    alone = PlasticNetwork(architecture, population[0])
    for (i, j), score in np.ndenumerate(ours.score[:, 0]):
        episode = run_episode(Meal(), alone, resets[i * episodes + j], int(seeds[i, j, 1]))
        assert score == pytest.approx(episode.score, rel=2e-4)
        assert ours.steps[i, 0, j] == episode.steps


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_an_agents_first_end_is_its_last(mode, monkeypatch):
    monkeypatch.setattr(sync_vector_env, "mode", mode, raising=False)
    spec = EnvSpec("Sync-v0", entry_point=f"{__name__}:Meal", vector_entry_point=f"{__name__}:sync_vector_env")
    architecture = EATERS["reward-modulated"]
    ours, theirs = (
        run(architecture, genomes(architecture, 6), Task(body, episodes=2))
        for run, body in ((evaluated, spec), (serially, meals()))
    )
    assert_alike(ours, theirs)


def test_gymnasiums_cartpole_is_as_the_single_one():
    architecture, _ = architecture_for("CartPole-v1", hidden=(3,), rule="ABC_eta")
    n, genome = 20, random_genome(architecture, 3)
    vector, single = gym.make_vec("CartPole-v1", n), gym.make("CartPole-v1")
    agents = PlasticNetworks(architecture, torch.from_numpy(genome).expand(n, -1))
    ours = run_episodes(vector, agents, 1, range(n))
    vector.reset(seed=1)
    starts = vector.unwrapped.state.T.copy()
    alone = PlasticNetwork(architecture, genome)
    for i in range(n):
        single.reset()
        single.unwrapped.state = starts[i]
        alone.reset(i)
        observation, steps, over = starts[i].astype(np.float32), 0, False
        while not over:
            observation, _, terminated, truncated, _ = single.step(alone.act(observation))
            steps, over = steps + 1, terminated or truncated
        assert ours.steps[i] == ours.score[i] == steps
    assert len(np.unique(ours.steps)) > 5
    assert np.isnan(ours.distance).all()


def test_pictures_and_an_encoder_go_through():
    class Screen(Meals):
        def reset(self, **options):
            return super().reset(**options)[0][:, :, None, None] + np.zeros((1, 1, 6, 6), np.float32), {}

        def step(self, actions):
            observations, *rest = super().step(actions)
            return observations[:, :, None, None] + np.zeros((1, 1, 6, 6), np.float32), *rest

    space = gym.spaces.Box(-np.inf, np.inf, (4, 6, 6))
    architecture = Architecture.for_spaces(space, Meal.action_space, hidden=(), encoder=[(2, 3, 1, 2)])
    some = torch.from_numpy(np.stack([random_genome(architecture, seed) for seed in range(3)]))
    episodes = run_episodes(Screen(3), PlasticNetworks(architecture, some), 0, range(3))
    assert np.isfinite(episodes.score).all()
    assert len(np.unique(episodes.score)) == 3


# Births and seeds


def test_births_are_by_default_numbered_from_the_one_that_run_episode_gives():
    architecture = EATERS["ABCD"]
    agents = PlasticNetworks(architecture, torch.from_numpy(random_genome(architecture)).repeat(3, 1))
    scores = run_episodes(Meals(3), agents, [5, 5, 5]).score
    np.testing.assert_array_equal(scores, run_episodes(Meals(3), agents, [5, 5, 5], [0, 1, 2]).score)
    assert len(np.unique(scores)) == 3
    alone = run_episode(Meal(), PlasticNetwork(architecture, random_genome(architecture)), 5).score
    assert scores[0] == pytest.approx(alone, rel=1e-4)


@pytest.mark.parametrize("seeds", [[], [1, 2], range(4)])
@pytest.mark.parametrize("initial_weights", ["uniform", "evolved"])
def test_another_number_of_births_than_of_genomes_is_refused(seeds, initial_weights):
    architecture = network(initial_weights=initial_weights)
    agents = PlasticNetworks(architecture, torch.from_numpy(random_genome(architecture)).repeat(3, 1))
    with pytest.raises(ValueError, match=f"3 genomes need 3 seeds of births, one each, not {len(seeds)}"):
        run_episodes(Meals(3), agents, 0, seeds)


def test_the_same_bits_again_and_in_a_used_evaluator():
    architecture = EATERS["reward-modulated"]
    population, task = genomes(architecture, 4), Task(meals("MealsOfOneSeed"), episodes=2, births="candidate")
    expected = evaluated(architecture, population, task, 3)
    with VectorEvaluator(architecture) as evaluator:
        others = [
            evaluator.evaluate(population, task, g, s) for g, s in ((0, TRAINING), (3, HELD_OUT), (3, EVALUATION))
        ]
        evaluator.evaluate(genomes(architecture, 8), task, 3)
        assert_same(evaluator.evaluate(population, task, 3), expected)
    others.append(evaluated(architecture, population, Task(task.envs, 2, births="candidate", seed=1), 3))
    for other in others:
        assert not np.isclose(other.score, expected.score).any()


@pytest.mark.parametrize(("births", "size"), [("generation", 4), ("pair", 4)])
def test_an_environment_of_one_seed_cannot_share_resets(births, size):
    architecture = EATERS["ABCD"]
    task = Task(meals("MealsOfOneSeed"), births=births)
    with pytest.raises(ValueError, match=rf"births='{births}'.*MealsOfOneSeed-v0 is seeded as a whole.*candidate"):
        evaluated(architecture, genomes(architecture, size), task)


def test_what_has_no_twin_has_its_own_births():
    architecture = EATERS["ABCD"]
    ga = GeneticAlgorithm(random_genome(architecture), 5)
    by_pair, by_candidate = (
        evaluated(architecture, ga.ask(), Task(meals("MealsOfOneSeed"), births=births))
        for births in ("pair", "candidate")
    )
    assert_same(by_pair, by_candidate)


def test_done_is_called_once_for_each_candidate():
    calls = []
    evaluated(EATERS["ABCD"], genomes(EATERS["ABCD"], 4), Task(meals(), episodes=2), done=lambda: calls.append(1))
    assert len(calls) == 4


# What environments tell


@pytest.mark.parametrize(
    ("infos", "expected"),
    [
        ({}, [7, 8, 9]),
        ({"m": np.array([1.0, 2, 3])}, [1, 2, 3]),
        ({"m": np.array([1.0, None, 3], object)}, [1, np.nan, 3]),
        ({"m": np.array([1.0, 0, 3]), "_m": np.array([True, False, True])}, [1, 8, 3]),
        ({"final_info": {"m": np.array([0.0, 5, 0]), "_m": np.array([False, True, False])}}, [7, 5, 9]),
        ({"m": 4.0}, [4, 4, 4]),
    ],
)
def test_infos_are_read_as_gymnasium_writes_them(infos, expected):
    told = np.broadcast_to(_told(infos, "m", np.array([7.0, 8, 9])), 3)
    np.testing.assert_array_equal(told, expected)


def test_one_agents_trouble_is_its_own():
    class Deaf:
        def reset(self, rngs):
            self.steps = 0

        def act(self, observations):
            self.steps += 1
            return np.array([[1.0], [np.nan], [0.5]])

        def learn(self, modulators):
            assert modulators.shape == (3,)

    episodes = run_episodes(Meals(3), Deaf(), [1, 2, 3])
    assert isinstance(episodes, Episodes)
    assert np.isnan(episodes.score).tolist() == [False, True, False]
    again = run_episodes(Meals(3), Deaf(), [1, 2, 3])
    np.testing.assert_array_equal(episodes.score, again.score)


# What goes wrong


def test_an_environment_without_a_vector_entry_point_is_named():
    with pytest.raises(ValueError, match="Acrobot-v1 has no vector entry point: evaluate it with SerialEvaluator"):
        evaluated(EATERS["ABCD"], genomes(EATERS["ABCD"]), Task("Acrobot-v1"))


def test_an_environment_without_early_stop_says_so():
    architecture, _ = architecture_for("CartPole-v1", hidden=(), rule="A")
    with pytest.raises(ValueError, match=r"CartPole-v1 could not be made: .*; make the task with early_stop=False"):
        evaluated(architecture, Copies(random_genome(architecture), 2), Task("CartPole-v1", early_stop=True))


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture((5, 1), low=(-2.0,), high=(2.0,)),  # another observation
        Architecture((4, 2), low=(-2.0,) * 2, high=(2.0,) * 2),  # another action
        Architecture((4, 1), low=(-5.0,), high=(5.0,)),  # other bounds
    ],
)
def test_an_environment_of_other_spaces_is_refused_as_by_the_serial_evaluator(architecture):
    told = []
    for evaluator in (VectorEvaluator(architecture), SerialEvaluator(architecture)):
        with evaluator, pytest.raises(ValueError, match="Meals-v0") as refused:
            evaluator.evaluate(genomes(architecture), Task(meals()))
        told.append(str(refused.value))
    assert told[0] == told[1]


def test_a_closed_evaluator_says_so():
    with VectorEvaluator(EATERS["ABCD"]) as evaluator:
        pass
    with pytest.raises(RuntimeError, match="this evaluator is closed: make another"):
        evaluator.evaluate(genomes(EATERS["ABCD"]), Task(meals()))


def test_a_genome_of_another_network_is_refused():
    with pytest.raises(ValueError, match="needs a genome of 75 genes"):
        evaluated(EATERS["ABCD"], Copies(np.zeros(7, np.float32), 2), Task(meals()))


def test_an_error_of_the_environment_comes_through():
    class Broken(Meals):
        def step(self, actions):
            raise ArithmeticError("told to fail")

    sys.modules[__name__].Broken = Broken
    with pytest.raises(ArithmeticError, match="told to fail"):
        evaluated(EATERS["ABCD"], genomes(EATERS["ABCD"]), Task(meals("Broken")))


# It works


def test_evolution_finds_a_rule_that_learns_within_a_lifetime():
    architecture = Architecture(
        (4, 1), rule="reward_modulated", modulation="reward", outputs=("raw",), low=(-9.0,), high=(9.0,),
        sharing="layer", initial_weights="zeros",
    )  # fmt: skip
    task = Task(meals("Feast"), episodes=10)
    ga = GeneticAlgorithm(np.zeros(architecture.genome_size), seed=1, low=-1, high=1)
    reached = []
    with VectorEvaluator(architecture) as evaluator:
        for generation in range(25):
            reached.append(evaluator.evaluate(Copies(ga.mean, 20), task, stream=HELD_OUT).fitness.mean())
            ga.tell(evaluator.evaluate(ga.ask(), task, generation).fitness)
    assert reached[0] == pytest.approx(-400, rel=0.2)  # a hundred times the values' variance: nothing is learned
    assert reached[-1] > -150


class Blind(gym.Env):
    """Three steps; in some lives the second observation is not a number."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left, self.odd = 3, bool(self.np_random.integers(3) == 0)
        return np.ones(1, np.float32), {}

    def step(self, action):
        self.left -= 1
        seen = np.full(1, np.nan if self.odd and self.left == 2 else 1, np.float32)
        return seen, 1.0, self.left == 0, False, {}


def blinds(num_envs):
    return SyncVectorEnv([Blind] * num_envs)


def test_lives_with_observations_that_are_not_numbers_are_lost_as_in_a_serial_evaluator(monkeypatch):
    gym.register("Blind-v0", f"{__name__}:Blind", vector_entry_point=f"{__name__}:blinds")
    try:
        architecture, _ = architecture_for("Blind-v0", hidden=())
        population, task = Copies(random_genome(architecture), 20), Task("Blind-v0", births="candidate")
        found = []
        for kind in (SerialEvaluator, VectorEvaluator):
            with kind(architecture) as evaluator:
                found.append(evaluator.evaluate(population, task))
    finally:
        del gym.registry["Blind-v0"]
    assert 0 < len(found[0].errors) < 10
    np.testing.assert_array_equal(found[1].fitness, found[0].fitness)
    assert found[1].errors.keys() == found[0].errors.keys()
