"""Moving foragers: a plastic sensory read-out that learns what food is worth, and an evolved motor network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv, VectorWrapper
from torch import Tensor

from hebbian_gym.envs.foraging import ForagingVectorEnv

from ..architecture import Architecture
from ..batch import Lifetimes, act_batch, learn_batch
from ..optimizers.genetic import GeneticAlgorithm
from .static_foragers import (
    INGREDIENTS,
    RULE,
    TERMS,
    Array,
    Budget,
    Stream,
    evolve_together,
    life_seeds,
    run_lives,
)

ETA = len(TERMS)  # index of the learning rate in a genome
RULE_GENES = ETA + 1
HIDDEN, ACTIONS = 8, 2
MOTOR_SCALE = 3.0  # weights of the motor network are so many times their genes: turning in time takes large ones
FIRST_SD = 0.1  # of the first generation's motor genes
SENSED = 3  # angle, nearness and speed go to the motor network (the forager's energy does not), and a constant 1


@dataclass(frozen=True)
class Interface:
    """What the motor network is told of the nearest food's value.

    Attributes:
        read_out: how the sensory neurons are squashed.
        units: how many there are.
        regulariser: what a unit of sum |theta| costs, in fitness.
    """

    read_out: str
    units: int = 1
    regulariser: float = 0.0

    @property
    def sensory(self) -> Architecture:
        """The plastic part. Weights at birth are given by the curriculum."""
        bound = (np.inf if self.read_out == "raw" else 1.0,) * self.units
        low = (-np.inf if self.read_out == "raw" else 0.0 if self.read_out == "step" else -1.0,) * self.units
        return Architecture(
            (INGREDIENTS, self.units), RULE, (self.read_out,) * self.units, low, bound, sharing="network",
            modulation="reward", initial_weights="zeros", normalize="l2",
        )  # fmt: skip

    @property
    def motor_shapes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Of the motor network's two layers."""
        return (self.units + SENSED + 1, HIDDEN), (HIDDEN, ACTIONS)

    @property
    def genes(self) -> int:
        return RULE_GENES + sum(n * m for n, m in self.motor_shapes)


@dataclass(frozen=True)
class Arena:
    """An environment: settings of Foraging-v0."""

    transition_probability: float = 0.01
    switch_at: int | None = None
    noise: float = 0.3
    eat_radius: float = 0.2
    max_speed: float = 0.5

    def make(self, agents: int, steps: int) -> Remembered:
        """An environment of so many agents, each in an arena of its own."""
        return Remembered(ForagingVectorEnv(agents, steps, ingredients=INGREDIENTS, **asdict(self)))


class Remembered(VectorWrapper):
    """Foraging-v0 that keeps its last infos, since a forager learns from what it ate, which observations do not tell.

    It also keeps the rewards of the present lives.
    """

    def __init__(self, env: VectorEnv[Array, Array, Array]) -> None:
        super().__init__(env)
        self.infos: dict[str, Any] = {}
        self.rewards: list[Array] = []

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start new lives."""
        observations, self.infos = self.env.reset(seed=seed, options=options)
        self.rewards = []
        return observations, self.infos

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Move and eat."""
        observations, rewards, terminated, truncated, self.infos = self.env.step(actions)
        self.rewards.append(rewards)
        return observations, rewards, terminated, truncated, self.infos


class Foragers:
    """n foragers, each of a genome of its own: theta, eta, then the motor network's weights.

    In a step the sensory neurons value the nearest food, y = g(W.x), and the motor network, static, of tanh neurons,
    takes [y, angle, nearness, speed, 1] to [turn, acceleration]. After a meal x the sensory neurons learn by the
    reward-modulated rule from x, y = g(W.x) and what they are told.

    Args:
        interface: of all.
        genomes: shape (n, genes).
        env: that they live in.
        ignorance: c, from 0 to 1: weights at birth are (1 - c) W_env + c noise from N(0, 1 / ingredients), divided by
            their norm.
    """

    def __init__(self, interface: Interface, genomes: Array, env: Remembered, ignorance: float) -> None:
        self._sensory, self._env, self._ignorance = interface.sensory, env, ignorance
        genes = torch.from_numpy(np.ascontiguousarray(genomes, np.float32))
        self._rules, motor = genes[:, :RULE_GENES].contiguous(), genes[:, RULE_GENES:]
        self._motor, start = [], 0
        for n, m in interface.motor_shapes:
            self._motor.append(MOTOR_SCALE * motor[:, start : start + n * m].reshape(-1, n, m))
            start += n * m
        self._weights = torch.zeros(0)

    def reset(self, rngs: Sequence[int]) -> None:
        """Be born, each from a seed of its own."""
        values, units = self._env.infos["ingredient_values"], self._sensory.sizes[-1]
        noise = [np.random.default_rng(seed).standard_normal((INGREDIENTS, units)) for seed in rngs]
        known, unknown = 1 - self._ignorance, self._ignorance / np.sqrt(INGREDIENTS)
        weights = known * values[:, :, None] + unknown * np.stack(noise)
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
        self._weights = torch.from_numpy(weights.astype(np.float32))

    @torch.inference_mode()
    def act(self, observations: Array) -> Array:
        """Turn and acceleration, shape (n, 2)."""
        seen = torch.from_numpy(observations)
        value, _ = self._value(self._rules, seen[:, :INGREDIENTS], self._weights)
        sensed = seen[:, INGREDIENTS : INGREDIENTS + SENSED]
        activity = torch.cat([value, sensed, torch.ones(len(seen), 1)], 1)
        for layer in self._motor:
            activity = torch.tanh(torch.einsum("ni,nij->nj", activity, layer))
        return activity.numpy()

    @torch.inference_mode()
    def learn(self, modulators: Array) -> None:
        """Learn, those who ate."""
        ate = np.flatnonzero(~np.isnan(modulators))
        if not len(ate):
            return
        who = torch.from_numpy(ate)
        meals = torch.from_numpy(self._env.infos["eaten_ingredients"][ate])
        rules = self._rules[who]
        _, tasted = self._value(rules, meals, self._weights[who])
        learned = learn_batch(self._sensory, rules, tasted, torch.from_numpy(modulators[ate]))
        self._weights[who] = learned.weights[0]

    def _value(self, rules: Tensor, foods: Tensor, weights: Tensor) -> tuple[Tensor, Lifetimes]:
        return act_batch(self._sensory, rules, foods, Lifetimes((weights,)))


def scores(interface: Interface, genomes: Array, env: Remembered, lives: Array, ignorance: float) -> Array:
    """Sum of the values eaten in a life: mean over each genome's lives; as :func:`.static_foragers.errors`."""
    count = lives.shape[-2]
    foragers = Foragers(interface, np.repeat(genomes, count, axis=0), env, ignorance)
    mean = run_lives(env, foragers, lives).score.reshape(len(genomes), count).mean(axis=1)
    return np.where(np.isfinite(mean), mean, np.nan)


# Evolution


@dataclass(frozen=True)
class Moving:
    """Evolutions of moving foragers.

    Attributes:
        interface: between sensory and motor part.
        arena: where.
        budget: how much.
        numbers: the runs' seeds.
        seed: the experiment's, from which the lives derive that evolution never saw.
        ignorance: c at the end; it rises from 0 in the first half of the generations.
        plastic: whether eta evolves; if not it is 0.
    """

    interface: Interface
    arena: Arena
    budget: Budget
    numbers: tuple[int, ...]
    seed: int
    ignorance: float = 1.0
    plastic: bool = True


def first_generation(interface: Interface, population: int, seed: int) -> GeneticAlgorithm:
    """A genetic algorithm as for static foragers; motor networks begin as mutants of :func:`chaser`."""
    low, high = np.full(interface.genes, -np.inf), np.full(interface.genes, np.inf)
    low[:ETA], high[:ETA], low[ETA], high[ETA] = -1.0, 1.0, 0.0, 1.0
    rng = np.random.default_rng(seed)
    first = np.tile(chaser(interface), (population, 1)) + FIRST_SD * rng.standard_normal((population, interface.genes))
    first[:, :ETA] = rng.uniform(-0.5, 0.5, (population, ETA))
    first[:, ETA] = rng.uniform(0, 0.25, population)
    return GeneticAlgorithm(first, population, 0.1, seed, low=low, high=high)


def chaser(interface: Interface) -> Array:
    """A genome that goes for the nearest food, good or bad, and learns nothing: turn to it, gently accelerate."""
    genome = np.zeros(interface.genes)
    inputs, angle, constant = interface.units + SENSED + 1, interface.units, interface.units + SENSED
    first, second = np.zeros((inputs, HIDDEN)), np.zeros((HIDDEN, ACTIONS))
    first[angle, 0], second[0, 0] = 1.0, 1.0
    first[constant, 1], second[1, 1] = 1.0, 0.1
    genome[RULE_GENES:] = np.concatenate([first.ravel(), second.ravel()])
    return genome


def evolve_moving(job: Moving) -> dict[str, Any]:
    """Evolve; the runs' genomes and how the population's median score rose."""
    interface, budget = job.interface, job.budget
    algorithms = [first_generation(interface, budget.population, seed) for seed in job.numbers]
    env = job.arena.make(len(algorithms) * budget.population * budget.lives, budget.steps)
    curves: list[Array] = []

    def fitness(genomes: Array, lives: Array, generation: int) -> Array:
        ignorance = job.ignorance * min(1.0, 2 * generation / budget.generations)
        found = scores(interface, _as_told(job, genomes), env, lives, ignorance)
        curves.append(np.median(found.reshape(len(algorithms), -1), axis=1))
        return found - interface.regulariser * np.abs(genomes[:, :ETA]).sum(axis=1)

    evolve_together(algorithms, job.numbers, budget, fitness)
    genomes = _as_told(job, np.stack([algorithm.mean for algorithm in algorithms]))
    return {"genomes": genomes.tolist(), "training": np.array(curves).T.tolist()}


def _as_told(job: Moving, genomes: Array) -> Array:
    """Genomes; without plasticity with eta = 0."""
    told = genomes.copy()
    if not job.plastic:
        told[:, ETA] = 0.0
    return told


def held_out_scores(job: Moving, genomes: Array) -> tuple[Array, Array]:
    """Scores in lives that evolution never saw, and how they come about.

    Returns:
        Scores of the genomes, shape (n,); and the mean value eaten in each step of a life, shape (steps,).
    """
    env = job.arena.make(len(genomes) * job.budget.held_out, job.budget.steps)
    lives = life_seeds(Stream.HELD_OUT, job.seed, count=job.budget.held_out)
    found = scores(job.interface, genomes, env, lives, job.ignorance)
    return found, np.array(env.rewards).mean(axis=1)
