"""Checks for what users plug in."""

from __future__ import annotations

import json
import pickle
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .architecture import Array
from .checkpoint import load, save
from .optimizers.base import PROTOCOL, Optimizer, Population, asked

GENES = 12
TARGET = np.linspace(-0.5, 0.5, GENES)  # of the sphere that must be climbed
SMALL, LARGE = 4_000, 16_000  # genes between which memory must grow no more than they do

Factory = Callable[..., Optimizer]


def check_optimizer(factory: Factory, *, generations: int = 150, linear_memory: bool = True, **options: Any) -> None:
    """Check that an optimiser does what the rest of the library relies on.

    It climbs, deterministically; candidates stay until they are told; it goes on after missing fitnesses and from a
    saved state, bit for bit; its memory grows no faster than the genome.

    Args:
        factory: called with a starting genome of shape (genes,), ``seed=`` and ``options``.
        generations: within which it has to take a sphere of 12 genes from its foot to a hundredth of the height.
        linear_memory: False for one that is known to need more, such as a full covariance.
        options: of the factory, such as ``population_size``.

    Raises:
        AssertionError: with a sentence on what it does not do.
    """

    def make(genes: int = GENES, seed: int = 1) -> Optimizer:
        return factory(np.zeros(genes, np.float32), seed=seed, **options)

    _check_population(make)
    _check_randomness(make)
    _check_climbs(make, generations)
    _check_losses(make, generations)
    _check_resume(make)
    if linear_memory:
        _check_memory(make)


def sphere(genomes: np.ndarray) -> np.ndarray:
    """Fitness of genomes of shape (candidates, 12): how near they are to a point, at most 0."""
    return -np.square(genomes.astype(np.float64) - TARGET).sum(axis=1)


def _asked(optimizer: Optimizer) -> Population:
    """As train() has it; what it refuses is a failed check."""
    try:
        return asked(optimizer)
    except ValueError as error:
        raise AssertionError(str(error)) from error


def _genomes(optimizer: Optimizer) -> Array:
    population = _asked(optimizer)
    return np.array([population[index] for index in range(len(population))])


def _generation(optimizer: Optimizer) -> None:
    optimizer.tell(sphere(_genomes(optimizer)))


def _check_population(make: Callable[..., Optimizer]) -> None:
    optimizer = make()
    for name in PROTOCOL:
        assert hasattr(optimizer, name), f"an optimizer has {name}, {type(optimizer).__name__} does not"
    population = _asked(optimizer)
    before = _genomes(optimizer)
    assert optimizer.generation == 0, f"a new optimizer is at generation 0, not {optimizer.generation}"
    assert before.shape == (len(population), GENES), f"candidates must have shape (genes,): got {before.shape[1:]}"
    assert population[0].dtype == np.float32, f"genomes are float32, not {population[0].dtype}"
    assert np.array_equal(before, _genomes(optimizer)), "ask() must give the same candidates until tell()"
    pairs = [population.pair(index) for index in range(len(population))]
    assert all(0 <= pair < len(population) for pair in pairs), f"pair() must number the pairs from 0, not {pairs}"
    again = pickle.loads(pickle.dumps(population))
    assert np.array_equal(before, [again[i] for i in range(len(again))]), "a population must survive pickling"
    metrics = optimizer.tell(sphere(before))
    assert isinstance(metrics, dict), f"tell() must return a dict of what is worth logging, not {metrics!r}"
    assert optimizer.generation == 1, "tell() must count the generation"
    assert all(isinstance(value, int | float) for value in metrics.values()), f"metrics are numbers, not {metrics}"
    assert np.array_equal(before, [population[i] for i in range(len(population))]), (
        "tell() must not change what was asked"
    )
    assert isinstance(optimizer.stop(), dict), "stop() must return a dict of reasons"


def _check_randomness(make: Callable[..., Optimizer]) -> None:
    untouched = _global_state()
    same, twin, other = make(), make(), make(seed=2)
    for _ in range(3):
        assert np.array_equal(_genomes(same), _genomes(twin)), "the same seed must give the same candidates"
        for optimizer in (same, twin, other):
            _generation(optimizer)
    assert not np.array_equal(_genomes(same), _genomes(other)), "another seed must give other candidates"
    assert untouched == _global_state(), "numpy's global random state must be left alone"


def _global_state() -> str:
    with np.printoptions(threshold=1_000):
        return repr(np.random.get_state())  # noqa: NPY002  # read, not used


def _check_climbs(make: Callable[..., Optimizer], generations: int) -> None:
    optimizer = make()
    for _ in range(generations):
        _generation(optimizer)
    left = sphere(optimizer.mean[None])[0] / sphere(np.zeros((1, GENES)))[0]
    assert optimizer.mean.dtype == np.float32, f"mean is float32, not {optimizer.mean.dtype}"
    assert left < 0.01, (
        f"it must maximise: {left:.0%} of the way to the sphere's top is left after {generations} generations"
    )


def _check_losses(make: Callable[..., Optimizer], generations: int) -> None:
    optimizer, rng = make(), np.random.default_rng(0)
    for _ in range(generations):
        fitness = sphere(_genomes(optimizer))
        fitness[rng.random(fitness.size) < 0.05] = np.nan
        optimizer.tell(fitness)
    left = sphere(optimizer.mean[None])[0] / sphere(np.zeros((1, GENES)))[0]
    assert left < 0.02, f"it must go on without the 5% of fitnesses that are NaN: {left:.0%} of the way is left"
    generation, size = optimizer.generation, len(_asked(optimizer))
    for wrong in (np.full(size, np.nan), np.zeros(size + 1)):
        try:
            optimizer.tell(wrong)
        except ValueError:
            assert optimizer.generation == generation, "a refused tell() must change nothing"
        else:
            raise AssertionError(f"tell() must refuse {'all NaN' if wrong.size == size else 'a fitness too many'}")


def _check_resume(make: Callable[..., Optimizer]) -> None:
    straight = make()
    for _ in range(4):
        _generation(straight)
    resumed = make(seed=3)
    resumed.load_state_dict(_through_a_file(straight.state_dict()))
    assert resumed.generation == 4, f"a resumed optimizer goes on at generation 4, not {resumed.generation}"
    for _ in range(4):
        assert np.array_equal(_genomes(straight), _genomes(resumed)), "a resumed run must give the same candidates"
        _generation(straight)
        _generation(resumed)
    assert np.array_equal(straight.mean, resumed.mean), "a resumed run must give the same mean"
    try:
        make(GENES + 1).load_state_dict(_through_a_file(straight.state_dict()))
    except ValueError:
        return
    raise AssertionError("load_state_dict() must refuse a state with another number of genes")


def _through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """As a checkpoint keeps it: arrays, and JSON."""
    arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
    rest = {name: value for name, value in state.items() if name not in arrays}
    try:
        json.dumps(rest)
    except TypeError as error:
        raise AssertionError(f"a state is arrays and plain data: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.npz"
        save(path, "state", rest, arrays)
        meta, arrays = load(path, "state")
    return meta | arrays


def _check_memory(make: Callable[..., Optimizer]) -> None:
    peaks = [_peak(make, genes) for genes in (SMALL, LARGE)]
    growth = peaks[1] / peaks[0]
    assert growth < 1.5 * LARGE / SMALL, (
        f"memory must be linear in genes: from {SMALL:,} to {LARGE:,} of them it grew {growth:.1f} times"
    )


def _peak(make: Callable[..., Optimizer], genes: int) -> int:
    """Bytes at most in use during the making, ask and tell, of one candidate at a time."""
    tracemalloc.start()
    try:
        optimizer = make(genes)
        population = _asked(optimizer)
        optimizer.tell([float(population[index][0]) for index in range(len(population))])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
