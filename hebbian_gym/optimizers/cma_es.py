"""CMA-ES by the library pycma: separable for networks, full or VkD covariance for small genomes."""

from __future__ import annotations

import copy
import functools
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..architecture import Array
from .base import GaussianPopulation, Genomes, Population
from .checks import check_positive, check_saved, check_seed, non_finite, start_from, told_and_finite

COVARIANCES = ("separable", "full", "vkd")
FULL_UP_TO = 2000
"""Genes up to which the full covariance is the default and asks for no permission."""
FULL_MATRICES = 10
"""Matrices of genes x genes in memory at most: 8 in pycma while it decomposes one, 2 in a copy for a checkpoint."""
SMALLEST_POPULATION = 6
"""With fewer pycma would add mirrored ones, and their better half would be fewer than the three it must be told."""


class CMAES:
    """Evolution strategy with covariance matrix adaptation (Hansen 2016, arXiv 1604.00772), by pycma.

    The covariance is "separable" (one standard deviation for each gene: Ros & Hansen 2008, linear in memory and time),
    "full" (its memory grows with the square of the genes, its time with the cube) or "vkd" (a diagonal and k
    directions, as many as it finds useful: Akimoto & Hansen 2016, linear in the genes for each direction).

    Candidates are float32, pycma computes in float64 and is told the very candidates that were evaluated. Those of the
    separable covariance travel to workers as an index, the others as genomes.

    A lost candidate (its fitness not finite) is dropped, the others are told. Where fewer are left than are recombined
    (half of the population), they are told repeatedly, to that number, and count as the fewer that they are.

    The step size is adapted along the path of the mean (CSA), not by pycma's choice for 300 genes and more (TPA), which
    fails when a candidate is lost. VkD brings its own, which compares the first two candidates of a generation: when
    one of these is lost the step size stays as it is.

    At its peak :meth:`tell` of a separable one holds 41 bytes for each gene of each candidate, 0.5 GB for 61,440 genes
    and 200 candidates; between generations it holds some genomes only.

    Args:
        mean: where to start, shape (genes,), two genes or more.
        population_size: candidates of a generation, 6 or more; by default ``4 + 3 ln(genes)``, pycma's.
        sigma: standard deviation of every gene at the start.
        seed: all randomness derives from it and from the generation.
        covariance: "separable", "full" or "vkd"; by default full up to 2,000 genes, separable beyond.
        allow_memory_gb: what a full covariance of more than 2,000 genes may take (1 GB is 1e9 bytes).

    Raises:
        ImportError: if pycma is not installed.
        ValueError: for a value outside these, or a full covariance that needs more memory than is allowed.
    """

    def __init__(
        self,
        mean: ArrayLike,
        population_size: int | None = None,
        sigma: float = 0.1,
        seed: int = 0,
        *,
        covariance: str | None = None,
        allow_memory_gb: float | None = None,
    ) -> None:
        start = start_from(mean)
        if start.size < 2:
            raise ValueError(f"mean must be finite numbers of shape (genes,), two or more, not {mean!r}")
        size = int(4 + 3 * math.log(start.size)) if population_size is None else population_size
        if size < SMALLEST_POPULATION:
            raise ValueError(f"population_size must be {SMALLEST_POPULATION} or more, not {population_size}")
        check_positive(sigma=sigma)
        check_seed(seed)
        if covariance not in (*COVARIANCES, None):
            raise ValueError(f"covariance must be one of {', '.join(COVARIANCES)}, not {covariance!r}")
        self.covariance = covariance or ("full" if start.size <= FULL_UP_TO else "separable")
        if self.covariance == "full":
            _check_memory(start.size, allow_memory_gb)
        self.population_size, self.seed, self.generation = size, seed, 0
        self._first_sigma = float(sigma)
        self._es = self._strategy(start)
        self._population: Population | None = None
        self._reasons: dict[str, float] = {}

    def _strategy(self, start: Array) -> Any:
        """A pycma strategy at its beginning."""
        cma = _pycma()
        self._rng = np.random.default_rng(0)  # of each generation another: see ask
        options = {
            "popsize": self.population_size,
            "CMA_diagonal": self.covariance == "separable",  # True alone takes linear memory, a number does not
            "AdaptSigma": cma.sigma_adaptation.CMAAdaptSigmaCSA,
            "CMA_mirrors": 0,
            "conditioncov_alleviate": [1e8, False],  # the second would replace genes by coordinates of pycma's own
            "randn": self._randn,
            "seed": math.nan,  # anything else seeds numpy's global generator
            "maxiter": math.inf,
            # Where nobody solves a task yet, all fitnesses are equal; that is no end.
            **{"tolfun": 0, "tolfunhist": 0, "tolflatfitness": math.inf},
            "verbose": -9,  # pycma's other strategies in this process, too, are then silent: it is a global of its own
            "verb_log": 0,
            "signals_filename": "",  # not even a file that changes options
        }
        if self.covariance == "vkd":
            sampler = cma.restricted_gaussian_sampler.GaussVkDSampler
            options = sampler.extend_cma_options(options)
            options["CMA_sampler_options"] = {"randn": self._randn}  # it would not ask pycma's option
        return cma.CMAEvolutionStrategy(start, self._first_sigma, options)

    def _randn(self, *shape: int) -> np.ndarray:
        return self._rng.standard_normal(shape)

    @property
    def mean(self) -> Array:
        return np.asarray(self._es.mean, dtype=np.float32)

    @property
    def sigma(self) -> Array:
        """Standard deviation of every gene in this generation, float32 of shape (genes,)."""
        return np.asarray(self._es.stds, dtype=np.float32)

    def ask(self) -> Population:
        if self._population is None:
            seed = (self.seed, self.generation)
            if self.covariance == "separable":
                self._population = GaussianPopulation(self.mean, self.sigma, seed, self.population_size)
            else:
                self._rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed)))
                self._population = Genomes(np.array(self._es.ask(), dtype=np.float32))
        return self._population

    def tell(self, fitness: ArrayLike) -> dict[str, float]:
        told, finite = told_and_finite(fitness, self.population_size)
        sigma = self._es.stds
        metrics = {
            "optimizer/sigma": float(sigma.mean()),
            "optimizer/sigma_ratio": float(sigma.max() / sigma.min()),
            "optimizer/lost": float(told.size - finite.sum()),
        }
        self._tell(np.flatnonzero(finite), -told)
        self._population = None
        self.generation += 1
        self._reasons = stop_reasons(self._es)
        return metrics

    def _tell(self, finite: np.ndarray, cost: np.ndarray) -> None:
        """Tell pycma the candidates ``finite``, what to minimise of all being ``cost``."""
        population, es, weights = self.ask(), self._es, self._es.sp.weights
        told = finite if finite.size >= weights.mu else np.resize(finite, weights.mu)
        effective = weights.mueff
        if self.covariance == "separable":
            es.ask(1)  # pycma does not listen before it was asked
        if self.covariance != "vkd":
            weights.mueff = _effective_parents(told, cost, weights)
        elif not np.isin((0, 1), told).all():  # the two that VkD compares (it reckons with weights of its own)
            es.sm.flg_injection = False
        try:
            with warnings.catch_warnings():  # of VkD's two, mirror images, which rounded to float32 are not exact
                warnings.filterwarnings("ignore", "no (first|second) mirrored vector", RuntimeWarning)
                es.tell([population[i] for i in told], cost[told].tolist(), check_points=False)
        finally:
            weights.mueff = effective
        _forget(es)

    def stop(self) -> dict[str, float]:
        """Pycma's reasons, but for equal fitnesses and the number of iterations; a list's first number stands for it.

        "noeffectcoord" (a gene's number: a fifth of its standard deviation does not change its mean) is judged in
        float32, as candidates are.
        """
        reasons, mean = dict(self._reasons), self.mean
        stuck = np.flatnonzero(mean + np.float32(0.2) * self.sigma == mean)
        if stuck.size:
            reasons["noeffectcoord"] = float(stuck[0])
        return non_finite(mean=mean) | reasons

    def state_dict(self) -> dict[str, Any]:
        state = {f"pycma/{path}": value for path, value in _plain(self._es)}
        return {
            "mean": self.mean,
            "generation": self.generation,
            "seed": self.seed,
            "settings": self._settings,
            "stop": dict(self._reasons),
            "tolupsigma": self._es.opts["tolupsigma"],  # the one option that pycma changes
            **state,
        }

    @property
    def _settings(self) -> dict[str, Any]:
        # With another version of pycma the generations to come would be others.
        return {
            "algorithm": type(self).__name__,
            "version of pycma": _pycma().__version__,
            "covariance": self.covariance,
            "population_size": self.population_size,
            "sigma": self._first_sigma,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_saved(state, self.mean, self._settings)
        es = self._strategy(np.zeros_like(self.mean))
        if state["generation"]:  # pycma makes some attributes in its first generation only
            parents = es.sp.weights.mu
            es.tell(parents * es.ask(1), list(range(parents)))
            _forget(es)
        for name, value in state.items():
            if name.startswith("pycma/"):
                *holders, attribute = name[6:].split(".")
                owner = functools.reduce(getattr, holders, es)
                setattr(owner, attribute, copy.copy(value))  # pycma changes lists and arrays in place
        es.opts["tolupsigma"] = state["tolupsigma"]
        es._updateBDfromSM()  # what pycma copies from its sampler
        self._es, self._population, self._reasons = es, None, dict(state["stop"])
        self.generation, self.seed = int(state["generation"]), int(state["seed"])


HOLDERS = {
    "sm", "sm.ema_log_sigma", "sm.ema_log_d", "sm.ema_log_s",
    "sigma_vec", "adapt_sigma", "fit", "best", "_stoptolxstagnation",
}  # fmt: skip
DERIVED = {  # or constant, or not used again
    "x0", "mean0", "mean_after_tell", "mean_old", "mean_old_old", "pc_neg", "_isotropic_mean_shift",
    "B", "C", "D", "dC", "ary", "pop", "pop_sorted", "best.x", "sm.U", "sm._mueff", "sm._lam",
}  # fmt: skip


def _plain(owner: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """State of a pycma strategy by path, as copies: arrays, numbers and lists of numbers of it and of its holders."""
    for name, value in vars(owner).items():
        path = prefix + name
        if path in DERIVED:
            continue
        if path in HOLDERS:
            yield from _plain(value, f"{path}.")
        elif isinstance(value, np.ndarray):
            yield path, copy.copy(value)  # keeps the order in memory, on which the last bit of a product depends
        elif isinstance(value, np.generic):
            yield path, value.item()
        elif value is None or isinstance(value, bool | int | float):
            yield path, value
        elif type(value) is list:  # pycma has lists with methods, too, for its log
            yield path, list(value)


def _effective_parents(told: np.ndarray, cost: np.ndarray, weights: Any) -> float:
    """The variance-effective number of parents (Hansen 2016, eq. 8), a repeated one counting as one."""
    if np.unique(told).size == told.size:
        return float(weights.mueff)
    parents = told[np.argsort(cost[told])]
    return float(1 / np.square(np.bincount(parents, weights.positive_weights)).sum())


def _forget(es: Any) -> None:
    """Let go of what pycma would keep: a thousand candidates that were asked and not told, and those last told."""
    es.sent_solutions.clear()
    es.ary = es.pop_sorted = es._tell2_args = None


def stop_reasons(es: Any) -> dict[str, float]:
    """Reasons of a pycma strategy to stop, each with one number: a list's first, NaN where there is none."""
    return {name: float(np.append(np.array(value, float), np.nan)[0]) for name, value in es.stop().items()}


def _check_memory(genes: int, allowed: float | None) -> None:
    needed = FULL_MATRICES * 8 * genes**2 / 1e9
    if genes > FULL_UP_TO and (allowed is None or allowed < needed):
        raise ValueError(
            f"a full covariance of {genes:,} genes needs {needed:,.1f} GB ({FULL_MATRICES} matrices of "
            f'{needed / FULL_MATRICES:,.1f} GB): choose covariance="separable", or set allow_memory_gb to that much'
        )


def _pycma() -> Any:
    try:
        import cma
        import cma.restricted_gaussian_sampler
    except ImportError as error:
        raise ImportError('cma is not installed: pip install "hebbian-gym[cma]"') from error
    return cma
