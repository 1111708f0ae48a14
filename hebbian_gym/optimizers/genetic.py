"""A genetic algorithm: the best survive, copies and crossovers of them are mutated."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..architecture import Array
from .base import Genomes
from .checks import check_saved, check_seed, start_from, told_and_finite


class GeneticAlgorithm:
    """Elitism, truncation selection, crossover and Gaussian mutation.

    A generation is ranked by fitness; of equals the one that came first, the older, is ahead. The best ``elites``
    survive, in order of rank, to be evaluated again. The other places go to children: mutated copies of random ones of
    the best ``parents``, and ``crossovers`` of two different survivors a and b, gene by gene
    ``u * a + (1 - u) * b`` with u ~ U(0, 1), mutated too. A lost candidate (its fitness not finite) never survives; if
    fewer than ``elites`` are left, copies take the free places.

    Sources. Of 50 candidates 20 survivors, 15 copies of the best 10 and 15 crossovers are the numbers of ``evolve`` in
    the code of "When to be critical?" (arXiv 2303.16195; LevinaLab/evolution_dynamical_regime, embodied_ising.py), and
    so is the crossover. That the same group's foraging agents with plastic synapses (arXiv 2303.06734) evolved by a
    genetic algorithm with elitism and mutation is recalled, not read. Our choices are: the first generation; Gaussian
    mutation of every gene of every child, where that code redraws one weight from U(-2, 2), of a crossover always and
    of a copy with probability 0.1; crossing survivors only, where it draws from the best 35 to 49; and the bounds.

    Args:
        genome: where to start, shape (genes,); or the whole first generation, shape (population_size, genes).
        population_size: candidates of a generation.
        mutation_sd: standard deviation of the mutations.
        seed: all randomness derives from it and from the generation.
        mutation_probability: of each gene of a child.
        elites: how many survive; by default two fifths of the population.
        parents: how many of them are copied; by default half of the survivors.
        crossovers: how many of the children are; by default half of them.
        initial_sd: the first generation is ``genome`` and mutants of it, every gene with this standard deviation.
        low, high: bounds that genes are clipped to, each a number or of shape (genes,); None for no bound.

    Raises:
        ValueError: for a value outside these.
    """

    def __init__(
        self,
        genome: ArrayLike,
        population_size: int = 50,
        mutation_sd: float = 0.1,
        seed: int = 0,
        *,
        mutation_probability: float = 1.0,
        elites: int | None = None,
        parents: int | None = None,
        crossovers: int | None = None,
        initial_sd: float = 0.5,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
    ) -> None:
        if population_size < 2:
            raise ValueError(f"population_size must be 2 or more, a survivor and a child, not {population_size}")
        self.elites = max(1, 2 * population_size // 5) if elites is None else elites
        self.parents = max(1, self.elites // 2) if parents is None else parents
        children = population_size - self.elites
        self.crossovers = children // 2 if crossovers is None else crossovers
        if not 1 <= self.elites < population_size:
            raise ValueError(f"elites must be 1 to {population_size - 1}, to leave room for children, not {elites}")
        if not 1 <= self.parents <= self.elites:
            raise ValueError(f"parents must be 1 to {self.elites}, the elites, not {parents}")
        if not 0 <= self.crossovers <= children:
            raise ValueError(f"crossovers must be 0 to {children}, the children, not {crossovers}")
        if not (0 <= mutation_sd < np.inf and 0 <= initial_sd < np.inf):
            raise ValueError(f"mutation_sd and initial_sd must be 0 or more, not {mutation_sd} and {initial_sd}")
        if not 0 <= mutation_probability <= 1:
            raise ValueError(f"mutation_probability must be between 0 and 1, not {mutation_probability}")
        check_seed(seed)
        start = _start(genome, population_size)
        self.population_size, self.seed, self.generation = population_size, seed, 0
        self.mutation_sd, self.mutation_probability = mutation_sd, mutation_probability
        self._low, self._high = _bounds(low, high, start.shape[-1])
        self._mean = self._clipped(start if start.ndim == 1 else start.mean(axis=0))
        self._population = self._clipped(start if start.ndim == 2 else self._mutants(start, initial_sd))

    @property
    def mean(self) -> Array:
        """The average of the survivors; at the start ``genome`` (or the first generation's average).

        Not the genome with the best score, which is partly luck where fitness is noisy: there the average is better as
        soon as the population has gathered about one peak (2 to 7 times nearer the top of a noisy sphere of 10 genes).
        Before that it may lie between two peaks, and :attr:`best` is the better estimate.
        """
        return self._mean

    @property
    def best(self) -> Array:
        """The best genome of the last generation told; at the start the first genome."""
        return self._population[0]

    def ask(self) -> Genomes:
        return Genomes(self._population)

    def tell(self, fitness: ArrayLike) -> dict[str, float]:
        told, finite = told_and_finite(fitness, self.population_size)
        ranked = np.argsort(np.where(finite, -told, np.inf), kind="stable")
        best = ranked[: min(self.elites, int(finite.sum()))]
        survivors = self._population[best]
        self.generation += 1
        self._mean = survivors.mean(axis=0)
        self._population = np.concatenate([survivors, self._children(survivors)])
        return {
            "optimizer/elite_fitness": float(told[best].mean()),
            "optimizer/elite_spread": float(survivors.std(axis=0).mean()),
            "optimizer/lost": float(self.population_size - finite.sum()),
        }

    def _children(self, survivors: Array) -> Array:
        """Mutated copies and crossovers for the places that are left, from survivors of shape (survivors, genes)."""
        rng, places = self._rng(), self.population_size - len(survivors)
        copies = survivors[rng.integers(min(self.parents, len(survivors)), size=places - self.crossovers)]
        first = rng.integers(len(survivors), size=self.crossovers)
        second = first + rng.integers(1, max(2, len(survivors)), size=self.crossovers)  # another one, if there is
        a, b = survivors[first], survivors[second % len(survivors)]
        u = rng.random(a.shape, np.float32)
        children = np.concatenate([copies, u * a + (1 - u) * b])
        change = np.float32(self.mutation_sd) * rng.standard_normal(children.shape, np.float32)
        if self.mutation_probability < 1:
            change *= rng.random(children.shape, np.float32) < self.mutation_probability
        return self._clipped(children + change)

    def _mutants(self, genome: Array, sd: float) -> Array:
        """A genome and mutants of it, shape (population_size, genes)."""
        noise = self._rng().standard_normal((self.population_size, genome.size), np.float32)
        noise[0] = 0
        return genome + np.float32(sd) * noise

    def _rng(self) -> np.random.Generator:
        """Of this generation, so that no state of it needs to be saved."""
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence((self.seed, self.generation))))

    def _clipped(self, genomes: Array) -> Array:
        return np.clip(genomes, self._low, self._high)

    def stop(self) -> dict[str, float]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {
            "population": self._population,
            "mean": self._mean,
            "generation": self.generation,
            "seed": self.seed,
            "settings": self._settings,
        }

    @property
    def _settings(self) -> dict[str, Any]:
        names = ("population_size", "elites", "parents", "crossovers", "mutation_sd", "mutation_probability")
        bounds = {"low": self._low, "high": self._high}
        told = {name: None if np.isinf(bound).all() else bound.tolist() for name, bound in bounds.items()}
        return {"algorithm": type(self).__name__, **{name: getattr(self, name) for name in names}, **told}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_saved(state, self._mean, self._settings)
        self._population = np.array(state["population"], dtype=np.float32)
        self._mean = np.array(state["mean"], dtype=np.float32)
        self.generation, self.seed = int(state["generation"]), int(state["seed"])


def _start(genome: ArrayLike, population_size: int) -> Array:
    """As float32 of shape (genes,) or (population_size, genes)."""
    start = np.array(genome, dtype=np.float32)
    if start.ndim == 2 and len(start) != population_size:
        raise ValueError(f"a first generation of {population_size} genomes was expected, not of {len(start)}")
    return start_from(start.ravel() if start.ndim == 2 else start, "genome").reshape(start.shape)


def _bounds(low: ArrayLike | None, high: ArrayLike | None, genes: int) -> tuple[Array, Array]:
    """Both as float32, each of shape () or (genes,)."""
    lowest, highest = (
        np.array(default if given is None else given, dtype=np.float32)
        for given, default in ((low, -np.inf), (high, np.inf))
    )
    for bound in (lowest, highest):
        if bound.shape not in ((), (genes,)):
            raise ValueError(f"low and high must be a number or one for each of {genes} genes, not {bound.shape}")
    if not (lowest < highest).all():
        raise ValueError(f"low must be below high, not {low!r} and {high!r}")
    return lowest, highest
