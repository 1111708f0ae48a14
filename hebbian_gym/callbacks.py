"""What happens beside evolution: held-out scores, logs, checkpoints. A callback is any callable that takes the run."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .architecture import Array
from .checkpoint import RUN, save, save_policy
from .logs import append_row, read_rows, write_rows
from .optimizers.base import Copies
from .task import HELD_OUT

if TYPE_CHECKING:
    from .training import Run

log = logging.getLogger(__name__)
Callback = Callable[["Run"], "dict[str, Any] | None"]


class Best(NamedTuple):
    """A mean genome: itself (float32, shape (genes,)), its held-out fitness, and how many generations led to it."""

    genome: Array
    fitness: float
    generation: int


class HeldOut:
    """Evaluates the mean genome on births and resets that evolution never sees, and keeps the best mean.

    They are the same ones each time, so that means of different generations compare.
    """

    def __init__(self, every: int, episodes: int) -> None:
        self.every, self.episodes = every, episodes

    def __call__(self, run: Run) -> dict[str, float]:
        generation = run.optimizer.generation
        if generation % self.every:
            return {}
        mean = run.optimizer.mean
        task = replace(run.task, births="candidate")  # each copy is to have births and resets of its own
        try:
            result = run.evaluator.evaluate(Copies(mean, self.episodes), task, stream=HELD_OUT)
        except RuntimeError as error:  # most lifetimes failed: no reason to end a run whose candidates live
            log.warning("held-out births, generation %d: %s", generation, error)
            return {"held_out/fitness": np.nan, "held_out/lost": self.episodes}
        if result.errors:
            log.warning("held-out births, generation %d: %s", generation, result.losses)
        fitness = _mean(result.fitness)
        if np.isfinite(fitness) and (run.best is None or fitness > run.best.fitness):
            run.best = Best(np.array(mean), fitness, generation)
            save_best(run)
        bodies: dict[str, float] = {}
        for i, spec in enumerate(run.task.specs):
            name = f"held_out/{spec.name}"
            bodies[f"{name}-{i}" if name in bodies else name] = _mean(result.score[:, i])
        best = run.best.fitness if run.best is not None else np.nan
        return {"held_out/fitness": fitness, "held_out/best": best, "held_out/lost": len(result.errors), **bodies}


def _mean(values: np.ndarray) -> float:
    """Of those that were not lost; NaN if all were."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else np.nan


def save_best(run: Run) -> None:
    """Write ``policy.npz``, if the run has a folder and a best mean."""
    if run.run_dir is not None and run.best is not None:
        genome, fitness, generation = run.best
        env = run.task.specs[0].to_json()
        path = run.run_dir / "policy.npz"
        save_policy(path, run.policy.architecture, genome, env, generation=generation, held_out=fitness)


class CheckpointWriter:
    """Writes all that a resume needs: optimiser, best mean, counters, settings."""

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every
        self._unwritten: tuple[dict[str, Any], dict[str, np.ndarray]] | None = None

    def __call__(self, run: Run) -> None:
        self._remember(run)
        if run.optimizer.generation % self.every == 0:
            self.write()

    def write(self) -> None:
        """The last whole generation, unless it is written already."""
        if self._unwritten is not None:
            save(self.path, RUN, *self._unwritten)
            self._unwritten = None

    def _remember(self, run: Run) -> None:
        state = run.optimizer.state_dict()
        arrays = {f"optimizer/{name}": value for name, value in state.items() if isinstance(value, np.ndarray)}
        meta: dict[str, Any] = {
            "architecture": run.policy.architecture.to_json(),
            "task": run.task.to_json(),
            "optimizer": {name: value for name, value in state.items() if not isinstance(value, np.ndarray)},
            "algorithm": type(run.optimizer).__name__,
            "env_steps": run.env_steps,
        }
        if run.best is not None:
            arrays["best"], meta["best_fitness"], meta["best_generation"] = run.best
        self._unwritten = meta, arrays


class CSVWriter:
    """One row a generation. On resume, rows of generations that are to be repeated are dropped.

    Columns are those of the first row and of every held-out evaluation; cells without a value are empty.
    """

    def __init__(self, path: Path, generation: int) -> None:
        self.path = path
        former = read_rows(path) if generation and path.exists() else []
        self._kept: list[Mapping[str, Any]] | None = [row for row in former if int(row["generation"]) < generation]

    def __call__(self, run: Run) -> None:
        if self._kept is None:
            append_row(self.path, run.metrics)
        else:
            write_rows(self.path, [*self._kept, run.metrics])
            self._kept = None


class TensorBoard:
    """Writes every metric to TensorBoard event files in ``folder``, until it is closed."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError('TensorBoard is not installed: pip install "hebbian-gym[plots]"') from error
        self._writer = SummaryWriter(str(folder))

    def __call__(self, run: Run) -> None:
        for name, value in run.metrics.items():
            if isinstance(value, int | float):
                self._writer.add_scalar(name, value, run.metrics["generation"])
        self._writer.flush()

    def close(self) -> None:
        """End the files, and the thread that writes them."""
        self._writer.close()


class StopAt:
    """Ends the run once the mean genome's held-out fitness reaches a target."""

    def __init__(self, fitness: float) -> None:
        self.fitness = fitness

    def __call__(self, run: Run) -> dict[str, str] | None:
        reached = run.metrics.get("held_out/fitness", -np.inf) >= self.fitness
        return {"stop": f"held-out fitness reached {self.fitness:g}"} if reached else None
