"""What an optimiser and its population are to the rest of the library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..architecture import Array


class Population(Protocol):
    """Candidates that can be rebuilt anywhere from a small, picklable description."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Array:
        """The genome of one candidate, float32 of shape (genes,)."""
        ...

    def pair(self, index: int) -> int:
        """The number of the mirrored pair that a candidate belongs to; its own index where there are no pairs."""
        ...


class Optimizer(Protocol):
    """Ask for a population, evaluate it, tell its fitness."""

    generation: int
    """How many populations have been told."""

    @property
    def mean(self) -> Array:
        """The present estimate of the best genome, float32 of shape (genes,)."""
        ...

    def ask(self) -> Population:
        """The candidates of this generation; the same ones until :meth:`tell`."""
        ...

    def tell(self, fitness: ArrayLike) -> dict[str, float]:
        """Take the candidates' fitness (shape (candidates,), NaN for a lost one) and move on.

        Returns:
            What is worth logging. Ours tell ``optimizer/lost``, the candidates that did not count, and, where they have
            one, ``optimizer/sigma``: the mean over the genes of what this generation was drawn with.

        Raises:
            ValueError: if there is not one number for each candidate, or too few of them are finite.
        """
        ...

    def stop(self) -> dict[str, float]:
        """Reasons to stop, each with its value; empty to go on."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next generations depend on: arrays and plain numbers."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`, bit for bit."""
        ...


PROTOCOL = ("generation", "mean", "ask", "tell", "stop", "state_dict", "load_state_dict")
"""What an :class:`Optimizer` has."""


def normal(shape: tuple[int, ...], *seed: int) -> Array:
    """Standard normal numbers, float32, that these numbers decide."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed))).standard_normal(shape, np.float32)


@dataclass(frozen=True)
class MirroredPopulation:
    """Gaussian candidates in pairs, ``mean + sigma * noise`` and ``mean - sigma * noise``.

    Attributes:
        mean: float32 of shape (genes,).
        sigma: standard deviation of the noise, one for all genes or float32 of shape (genes,).
        seed: what the noise derives from; pair p draws from the numbers of ``seed`` and p.
        size: number of candidates, even.
    """

    mean: Array
    sigma: float | Array
    seed: tuple[int, ...]
    size: int

    def __len__(self) -> int:
        return self.size

    def pair(self, index: int) -> int:
        return index // 2

    def noise(self, pair: int) -> Array:
        """The standard normal noise of a pair, float32 of shape (genes,)."""
        return normal(self.mean.shape, *self.seed, pair)

    def __getitem__(self, index: int) -> Array:
        if not 0 <= index < self.size:
            raise IndexError(f"candidate {index} of {self.size}")
        sign = np.float32(1 - 2 * (index % 2))
        return self.mean + sign * np.float32(self.sigma) * self.noise(self.pair(index))


@dataclass(frozen=True)
class GaussianPopulation:
    """Gaussian candidates, each with noise and births of its own: ``mean + sigma * noise``.

    Attributes:
        mean: float32 of shape (genes,).
        sigma: standard deviation of the noise, one for all genes or float32 of shape (genes,).
        seed: what the noise derives from; candidate i draws from the numbers of ``seed`` and i.
        size: number of candidates.
    """

    mean: Array
    sigma: float | Array
    seed: tuple[int, ...]
    size: int

    def __len__(self) -> int:
        return self.size

    def pair(self, index: int) -> int:
        return index

    def noise(self, index: int) -> Array:
        """The standard normal noise of a candidate, float32 of shape (genes,)."""
        return normal(self.mean.shape, *self.seed, index)

    def __getitem__(self, index: int) -> Array:
        if not 0 <= index < self.size:
            raise IndexError(f"candidate {index} of {self.size}")
        return self.mean + np.float32(self.sigma) * self.noise(index)


@dataclass(frozen=True)
class Genomes:
    """Candidates written out, each with births of its own.

    Attributes:
        genomes: float32 of shape (candidates, genes).
    """

    genomes: Array

    def __len__(self) -> int:
        return len(self.genomes)

    def pair(self, index: int) -> int:
        return index

    def __getitem__(self, index: int) -> Array:
        if not 0 <= index < len(self):
            raise IndexError(f"candidate {index} of {len(self)}")
        return self.genomes[index]


def asked(optimizer: Optimizer) -> Population:
    """What an optimizer asks for; a plain array of genomes, shape (candidates, genes), becomes a population.

    Raises:
        ValueError: if it is neither.
    """
    population: Any = optimizer.ask()
    if hasattr(population, "pair"):
        return population
    genomes = np.asarray(population, np.float32)
    if genomes.ndim != 2:
        raise ValueError(f"ask() must return a Population or an array of shape (candidates, genes), not {population!r}")
    return Genomes(genomes)


@dataclass(frozen=True)
class Copies:
    """One genome many times over: its lifetimes are then evaluated like a population's."""

    genome: Array
    size: int

    def __len__(self) -> int:
        return self.size

    def pair(self, index: int) -> int:
        return index

    def __getitem__(self, index: int) -> Array:
        if not 0 <= index < self.size:
            raise IndexError(f"copy {index} of {self.size}")
        return self.genome
