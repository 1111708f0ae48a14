"""Optimisers of other libraries, so that they run unchanged in :func:`hebbian_gym.train`."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..architecture import Array
from .base import Genomes
from .checks import check_settings, non_finite, told_and_finite
from .cma_es import stop_reasons

SETTINGS = {"algorithm": "AskTell"}  # those of the other library we do not see: the candidates tell


class AskTell:
    """An optimiser made of plain functions.

    Candidates are evaluated as float32; ``tell`` is given what ``ask`` gave. Most optimisers want a fitness for every
    candidate: a lost one (its fitness not finite) is told to be as bad as the worst of its generation.

    The saved state is every fitness told so far. A new optimiser, made in the same way, is told it again and so comes
    to where the saved one was; a checksum over all candidates proves it. It needs randomness of its own, from a seed.

    Args:
        ask: the next candidates, shape (candidates, genes).
        tell: takes those candidates and their fitness, shape (candidates,); higher is better.
        mean: the present estimate of the best genome, shape (genes,).
        stop: reasons to stop, each with a number; asked once after each ``tell``.
    """

    def __init__(
        self,
        ask: Callable[[], Any],
        tell: Callable[[Any, np.ndarray], None],
        mean: Callable[[], ArrayLike],
        stop: Callable[[], dict[str, float]] = dict,
    ) -> None:
        self._ask, self._tell, self._mean, self._stop = ask, tell, mean, stop
        self._asked: tuple[Any, Genomes] | None = None
        self._told: list[np.ndarray] = []
        self._checksum = 0
        self._reasons: dict[str, float] = {}
        self.generation = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> AskTell:
        raise TypeError("an adapter cannot be copied: its functions belong to the one optimiser that it was made of")

    @property
    def mean(self) -> Array:
        return np.array(self._mean(), dtype=np.float32)

    def ask(self) -> Genomes:
        if self._asked is None:
            candidates = self._ask()
            self._asked = candidates, Genomes(np.array(candidates, dtype=np.float32))
        return self._asked[1]

    def tell(self, fitness: ArrayLike) -> dict[str, float]:
        population = self.ask()
        told, finite = told_and_finite(fitness, len(population))
        told[~finite] = told[finite].min()
        assert self._asked is not None  # asked above
        self._tell(self._asked[0], told)
        self._asked = None
        self._told.append(told)
        self._checksum = zlib.crc32(population.genomes.tobytes(), self._checksum)
        self._reasons = self._stop()
        self.generation += 1
        return {"optimizer/lost": float(told.size - finite.sum())}

    def stop(self) -> dict[str, float]:
        return non_finite(mean=self.mean) | self._reasons

    def state_dict(self) -> dict[str, Any]:
        fitness = np.concatenate(self._told) if self._told else np.zeros(0)
        return {
            "mean": self.mean,
            "generation": self.generation,
            "settings": SETTINGS,
            "checksum": self._checksum,
            "fitness": fitness,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Tell a new optimiser all that was told to the saved one.

        Raises:
            ValueError: if it was told something before, or asks for other candidates than the saved one did.
        """
        if self.generation:
            raise ValueError(
                f"this optimizer was told {self.generation} generations already: make a new one, then load the state"
            )
        check_settings(state, SETTINGS)
        fitness, start = np.asarray(state["fitness"], dtype=np.float64), 0
        while start < fitness.size and len(self.ask()) <= fitness.size - start:
            size = len(self.ask())
            self.tell(fitness[start : start + size])
            start += size
        same = (self.generation, self._checksum) == (state["generation"], state["checksum"])
        if not same or not np.array_equal(self.mean, state["mean"]):
            raise ValueError(
                "this optimizer was made with other settings or draws other candidates than the saved one: make it the "
                "same way, with a seed of its own that is always the same (pycma draws from numpy's global generator, "
                'so give it one, {"randn": lambda *shape: rng.standard_normal(shape), "seed": float("nan")}; cmaes has '
                "seed, evosax its key)"
            )


def from_pycma(es: Any) -> AskTell:
    """A ``cma.CMAEvolutionStrategy`` that was not asked yet. It stops for its own reasons, ``maxiter`` among them.

    To resume, it needs the option "randn" with a generator of its own: else it draws from numpy's global one.
    """

    def tell(candidates: Any, fitness: np.ndarray) -> None:
        es.tell(candidates, (-fitness).tolist())  # it minimises

    def mean() -> np.ndarray:
        return es.gp.pheno(es.mean, into_bounds=es.boundary_handler.repair)

    return AskTell(es.ask, tell, mean, lambda: stop_reasons(es))


def from_cmaes(optimizer: Any) -> AskTell:
    """A ``cmaes.CMA``, ``cmaes.SepCMA`` or another of cmaes that was not asked yet. To resume, it needs a seed."""

    def ask() -> np.ndarray:
        return np.array([optimizer.ask() for _ in range(optimizer.population_size)])

    def tell(candidates: np.ndarray, fitness: np.ndarray) -> None:
        optimizer.tell(list(zip(candidates, (-fitness).tolist(), strict=True)))  # it minimises

    def stop() -> dict[str, float]:
        return {"should_stop": 1.0} if optimizer.should_stop() else {}

    return AskTell(ask, tell, lambda: optimizer.mean, stop)


def from_evosax(strategy: Any, state: Any, key: Any, params: Any = None) -> AskTell:
    """An algorithm of evosax, made for a flat solution: ``strategy(population_size, solution=genome)``.

    Args:
        strategy: such as an ``evosax.algorithms.Sep_CMA_ES``. Its mean, or of an algorithm without one the best
            candidate that it keeps, is the estimate of the best genome.
        state: its beginning, from ``strategy.init``.
        key: a ``jax.random.key``, from which all that is to come is drawn.
        params: by default ``strategy.default_params``.
    """
    import jax
    import jax.numpy as jnp

    params = strategy.default_params if params is None else params
    estimate = getattr(strategy, "get_mean", None) or strategy.get_best_solution

    def ask() -> Any:
        nonlocal state, key
        key, now = jax.random.split(key)
        candidates, state = strategy.ask(now, state, params)
        return candidates

    def tell(candidates: Any, fitness: np.ndarray) -> None:
        nonlocal state, key
        key, now = jax.random.split(key)
        state, _ = strategy.tell(now, candidates, jnp.asarray(-fitness, jnp.float32), state, params)  # it minimises

    return AskTell(ask, tell, lambda: estimate(state))
