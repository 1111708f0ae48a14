"""Static foragers that learn what foods are worth, their evolution, and the best learning rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum, unique
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv, VectorWrapper

from hebbian_gym.envs.foraging import FoodValuationVectorEnv

from ..architecture import Architecture
from ..optimizers.base import Optimizer
from ..optimizers.genetic import GeneticAlgorithm
from ..rules import get_rule
from ..vector import Agents, Episodes, PlasticNetworks, run_episodes

Array = np.ndarray[Any, Any]

RULE = "reward_modulated"
TERMS = get_rule(RULE).coefficients[:-1]  # theta; the last coefficient is the learning rate, eta
REWARD_PRE, PRE_POST = TERMS.index("reward_pre"), TERMS.index("pre_post")
WITH_POST = {"reward_pre_post", "reward_post", "pre_post", "post_only"}  # those of TERMS that y is a factor of
DELTA = np.zeros(len(TERMS), np.float32)  # the delta rule, eta * pre * (reward - post)
DELTA[REWARD_PRE], DELTA[PRE_POST] = 1.0, -1.0
TERM_LABELS = {
    "reward_pre_post": "R·x·y", "reward_post": "R·y", "reward_pre": "R·x", "reward_one": "R",
    "pre_post": "x·y", "post_only": "y", "pre_only": "x", "one": "1",
}  # fmt: skip
INGREDIENTS = 4
RATES = np.geomspace(0.002, 0.3, 41)  # that are tried for the best one


@unique
class Stream(IntEnum):
    """What seeds are for: see :func:`seeds`. None is 0, because numpy takes (n, 0) for (n,)."""

    TRAINING = 1  # lives of candidates
    HELD_OUT = 2  # lives that evolution never saw
    LEARNING_RATE = 3  # run numbers of an experiment, like all that follow
    RULE = 4
    MOVING = 5
    SWITCH = 6
    MODULATION = 7


@dataclass(frozen=True)
class Budget:
    """How much is computed.

    Attributes:
        runs: independent evolutions of each condition.
        generations, population: of each.
        lives: of each candidate in a generation, the same ones for all candidates.
        steps: of a life.
        held_out: lives that evolution never saw, on which errors are reported.
    """

    runs: int
    generations: int
    population: int
    lives: int
    steps: int
    held_out: int

    def words(self) -> str:
        """As a sentence for a summary."""
        return (
            f"{self.runs} run(s) each, {self.generations} generations of {self.population} candidates, "
            f"{self.lives} lives of {self.steps} steps each; errors are on {self.held_out} other lives"
        )


# The static forager


@dataclass(frozen=True)
class Place:
    """An environment: settings of FoodValuation-v0, and whether all lives have the same values at their start."""

    distance: float = 1.0
    noise: float = 0.3
    transition_probability: float = 0.01
    same_values: bool = False

    @property
    def knobs(self) -> tuple[float, float, float]:
        """Distance, noise and transition probability."""
        return self.distance, self.noise, self.transition_probability

    def make(self, agents: int, steps: int, noise_free: bool = False) -> Valuation:
        """An environment of so many agents.

        Args:
            agents: how many.
            steps: of a life.
            noise_free: judge estimates by the foods' values, not by what the agents are told.
        """
        settings = {k: v for k, v in asdict(self).items() if k != "same_values"}
        env = FoodValuationVectorEnv(agents, steps, ingredients=INGREDIENTS, **settings)
        return Valuation(env, self.same_values, noise_free)


class Valuation(VectorWrapper):
    """FoodValuation-v0 with two changes, each if asked for.

    ``same_values``: foods are reflected so that the values at the start of each life are (1, 0, ..., 0). Foods are from
    N(0, I), which no reflection alters; so this is the same environment with values that are not drawn anew.
    ``noise_free``: the reward is minus the squared error against the value without noise.
    """

    def __init__(self, env: VectorEnv[Array, Array, Array], same_values: bool, noise_free: bool) -> None:
        super().__init__(env)
        self._same_values, self._noise_free = same_values, noise_free
        self._mirror = np.zeros((env.num_envs, INGREDIENTS))

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start new lives."""
        foods, infos = self.env.reset(seed=seed, options=options)
        mirror = infos["ingredient_values"].copy()
        mirror[:, 0] -= 1.0
        length = np.linalg.norm(mirror, axis=1, keepdims=True)
        self._mirror = mirror / np.where(length > 0, length, 1.0)
        return self._seen(foods), infos

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Judge the estimates and show the next foods."""
        foods, rewards, terminated, truncated, infos = self.env.step(actions)
        if self._noise_free:
            rewards = -((actions[:, 0] - infos["value"]) ** 2)
        return self._seen(foods), rewards, terminated, truncated, infos

    def _seen(self, foods: Array) -> Array:
        if not self._same_values:
            return foods
        along = (foods * self._mirror).sum(1, keepdims=True)
        return (foods - 2.0 * along * self._mirror).astype(np.float32)


def valuer(read_out: str = "raw", evolved_birth: bool = False) -> Architecture:
    """One plastic neuron that sees the food and says its value, W(0) = 0 or evolved; all synapses share one rule.

    ``read_out`` "step": the neuron is 1 or 0, which says 1 or -1.
    """
    bound = np.inf if read_out == "raw" else 1.0
    return Architecture(
        (INGREDIENTS, 1), RULE, (read_out,), (-bound,), (bound,), sharing="network", modulation="reward",
        initial_weights="evolved" if evolved_birth else "zeros",
    )  # fmt: skip


def seeds(stream: Stream, *numbers: int, count: int) -> Array:
    """Seeds derived from a stream and these numbers, shape (count,). Streams never meet, whatever the numbers.

    The stream is the last number that numpy mixes, so that it counts however many there are before it.
    """
    return np.random.SeedSequence((*numbers, stream)).generate_state(count)


def life_seeds(stream: Stream, *numbers: int, count: int) -> Array:
    """Seeds of the resets and births of so many lives, shape (count, 2); otherwise as :func:`seeds`."""
    return seeds(stream, *numbers, count=2 * count).reshape(count, 2)


def run_lives(env: VectorEnv[Any, Any, Any], agents: Agents, lives: Array) -> Episodes:
    """Lives of many genomes at once: first all of the first one's.

    Args:
        env: of as many agents as there are lives.
        agents: all that live.
        lives: seeds of their resets and births, shape (lives, 2) for every genome, or (n, lives, 2) for each its own.
    """
    count = lives.shape[-2]
    resets, births = np.broadcast_to(lives, (env.num_envs // count, count, 2)).reshape(-1, 2).T.tolist()
    return run_episodes(env, agents, resets, births)


def errors(architecture: Architecture, genomes: Array, env: VectorEnv[Any, Any, Any], lives: Array) -> Array:
    """Mean squared error of each genome over its lives.

    Args:
        architecture: of all.
        genomes: shape (n, genes).
        env: of n times as many agents as each has lives.
        lives: as in :func:`run_lives`.
    """
    count = lives.shape[-2]
    agents = PlasticNetworks(architecture, torch.from_numpy(np.repeat(genomes, count, axis=0)))
    episodes = run_lives(env, agents, lives)
    with np.errstate(invalid="ignore", over="ignore"):
        return -(episodes.score / episodes.steps).reshape(len(genomes), count).mean(axis=1)


def evolve_together(
    optimizers: Sequence[Optimizer],
    numbers: Sequence[int],
    budget: Budget,
    fitness: Callable[[Array, Array, int], Array],
) -> None:
    """Evolve independent runs side by side, all candidates of all runs at once: small networks are faster so.

    It is not :func:`~hebbian_gym.train`, which evolves a single run by the scores of a task: here a batch has the
    candidates of all runs, and what their lives and fitness are may change from generation to generation.

    Args:
        optimizers: of the runs.
        numbers: the runs' seeds; lives of a generation derive from them, the same ones for all of a run's candidates.
        budget: how much.
        fitness: of genomes, shape (n, genes), in lives of these seeds, shape (n, lives, 2), in this generation.
    """
    for generation in range(budget.generations):
        genomes = np.stack([candidate for optimizer in optimizers for candidate in _candidates(optimizer)])
        lives = [life_seeds(Stream.TRAINING, number, generation, count=budget.lives) for number in numbers]
        told = fitness(genomes, np.repeat(lives, budget.population, axis=0), generation)
        for optimizer, own in zip(optimizers, told.reshape(len(optimizers), -1), strict=True):
            optimizer.tell(own)


def _candidates(optimizer: Optimizer) -> list[Array]:
    population = optimizer.ask()
    return [population[index] for index in range(len(population))]


def genetic(architecture: Architecture, population: int, seed: int) -> GeneticAlgorithm:
    """To evolve theta in [-1, 1] and eta in [0, 1], from random ones.

    Population and selection are those of :class:`~hebbian_gym.optimizers.genetic.GeneticAlgorithm`. Gaussian mutation
    of 0.1, the bounds and the first generation are our choices.
    """
    genes, eta = architecture.genome_size, len(TERMS)
    low, high = np.full(genes, -1.0), np.full(genes, 1.0)
    low[eta] = 0.0
    first = np.random.default_rng(seed).uniform(-0.5, 0.5, (population, genes))
    first[:, eta] = np.abs(first[:, eta]) / 2
    return GeneticAlgorithm(first, population, 0.1, seed, low=low, high=high)


@dataclass(frozen=True)
class Static:
    """Evolutions of static foragers.

    Attributes:
        place: where.
        budget: how much.
        numbers: the runs' seeds.
        seed: the experiment's, from which the lives derive that evolution never saw.
        read_out: as in :func:`valuer`, like what follows.
        evolved_birth: see there.
    """

    place: Place
    budget: Budget
    numbers: tuple[int, ...]
    seed: int
    read_out: str = "raw"
    evolved_birth: bool = False


def evolve_static(runs: Static) -> list[dict[str, Any]]:
    """Evolve; then for each run theta, eta, the effective rate, and errors on lives never seen."""
    budget, architecture = runs.budget, valuer(runs.read_out, runs.evolved_birth)
    algorithms = [genetic(architecture, budget.population, seed) for seed in runs.numbers]
    env = runs.place.make(len(algorithms) * budget.population * budget.lives, budget.steps)
    evolve_together(
        algorithms, runs.numbers, budget, lambda genomes, lives, _: -errors(architecture, genomes, env, lives)
    )
    evolved = np.stack([algorithm.mean for algorithm in algorithms])
    never = evolved.copy()
    never[:, len(TERMS)] = 0.0
    env = runs.place.make(2 * len(evolved) * budget.held_out, budget.steps, noise_free=True)
    held_out = life_seeds(Stream.HELD_OUT, runs.seed, count=budget.held_out)
    found = errors(architecture, np.concatenate([evolved, never]), env, held_out)
    return [_described(genome, *both) for genome, both in zip(evolved, found.reshape(2, -1).T, strict=True)]


def _described(genome: Array, error: float, without: float) -> dict[str, Any]:
    theta, eta = genome[: len(TERMS)].astype(float), float(genome[len(TERMS)])
    return {
        "theta": theta.tolist(),
        "eta": eta,
        "effective_rate": effective_rate(theta, eta),
        "cosine": cosine(theta, DELTA),
        "initial_weights": genome[len(TERMS) + 1 :].tolist(),
        "error": float(error),
        "error_without_learning": float(without),
    }


def effective_rate(theta: Array, eta: float) -> float:
    """The learning rate of the delta rule that is nearest to eta * theta: eta (reward_pre - pre_post) / 2.

    Only products eta * theta matter, so that an evolved eta alone says little.
    """
    return float(eta * theta @ DELTA / (DELTA @ DELTA))


def cosine(a: Array, b: Array) -> float:
    """Of the angle between two rules; 0 if one is zero."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths else 0.0


# The best learning rate, by algebra and by trial


def analytic_error(rate: Any, distance: float, noise: float, probability: float, n: int = INGREDIENTS) -> Any:
    """Steady-state squared error of the delta rule with a linear read-out, against the value without noise.

    Our derivation, for foods from N(0, I_n) and values that jump by D = 2 ``distance`` with ``probability``: the mean
    error's component along the jump is q just after an update, and the variance's balance gives the rest. It takes
    the present error for independent of the one before, and so is an approximation.

    Args:
        rate: eta, below 2 / (n + 2).
        distance: a setting of FoodValuation-v0, like the next two.
        noise: see there.
        probability: of a transition, see there.
        n: ingredients.
    """
    jump, stay = 2.0 * distance, 1.0 - 2.0 * probability
    q = stay * rate * jump / 2 / (1 - stay * (1 - rate))
    after = (1 - rate) * q + rate * jump / 2
    return (rate**2 * n * noise**2 + 2 * probability * jump * after) / (rate * (2 - rate * (n + 2)))


def analytic_rate(distance: float, noise: float, probability: float) -> float:
    """The rate with the least analytic error; 0 where not to learn is better.

    Without learning the error is that of W = 0, the mean of both values' squared lengths (both states are as frequent).
    """
    rates = np.linspace(1e-4, 2 / (INGREDIENTS + 2) - 1e-4, 20001)
    found = analytic_error(rates, distance, noise, probability)
    return float(rates[found.argmin()]) if found.min() < idle_error(distance) else 0.0


def idle_error(distance: float) -> float:
    """Squared error of always saying 0, in the long run."""
    return (1.0 + (1.0 - 2.0 * distance) ** 2) / 2


def delta_genomes(rates: Sequence[float] | Array) -> Array:
    """Genomes of the delta rule with these rates."""
    rule = np.tile(np.append(DELTA, 0.0), (len(rates), 1))
    rule[:, -1] = rates
    return rule.astype(np.float32)


def best_rate(place: Place, budget: Budget, seed: int, read_out: str = "raw") -> dict[str, float]:
    """The delta rule on the held-out lives: with the analytic rate (for a linear read-out), and the best of many.

    Args:
        place: where.
        budget: how many lives, and how long.
        seed: the experiment's.
        read_out: as in :func:`valuer`.
    """
    analytic = analytic_rate(place.distance, place.noise, place.transition_probability)
    env = place.make((len(RATES) + 1) * budget.held_out, budget.steps, noise_free=True)
    genomes = delta_genomes([*RATES, analytic])
    held_out = life_seeds(Stream.HELD_OUT, seed, count=budget.held_out)
    found = errors(valuer(read_out), genomes, env, held_out)
    best = int(np.nanargmin(found[:-1]))
    return {
        "analytic_rate": analytic,
        "analytic_error": float(analytic_error(analytic, *place.knobs)) if analytic else idle_error(place.distance),
        "error_at_analytic_rate": float(found[-1]),
        "simulated_rate": float(RATES[best]),
        "simulated_error": float(found[best]),
    }


def evolved_and_best(runs: Static) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """What evolved, and the delta rule in the same place."""
    return evolve_static(runs), best_rate(runs.place, runs.budget, runs.seed, runs.read_out)


def run_mean(point: dict[str, Any], name: str) -> float:
    """Of a number that each run of a point or condition has."""
    return float(np.mean([run[name] for run in point["runs"]]))
