"""Evolution: ask, evaluate, tell."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .architecture import Architecture
from .callbacks import Best, Callback, CheckpointWriter, CSVWriter, HeldOut, save_best
from .checkpoint import RUN, as_saved, held, load, refuse_used
from .envs.checks import check_count
from .evaluation import Evolvable, check_evolvable, make_evaluator
from .evaluator import Evaluator
from .optimizers.base import PROTOCOL, Optimizer, asked
from .task import Task

if TYPE_CHECKING:
    from .progress import TrainingProgress

log = logging.getLogger(__name__)
CHECKPOINT = "checkpoint.npz"


@dataclass
class Run:
    """An evolution as its callbacks see it.

    Attributes:
        policy: what evolves; its genome becomes the best mean genome found on held-out births.
        optimizer: at the present generation.
        task: that candidates are judged by.
        evaluator: that judges them, free to be used between generations.
        generations: where the run is to end, counted from its very beginning.
        run_dir: its folder, or None.
        env_steps: taken so far, all candidates and interrupted sessions together.
        best: mean genome so far, by its fitness on held-out births; None before the first such evaluation.
        metrics: of the last generation; what callbacks return is added.
    """

    policy: Evolvable
    optimizer: Optimizer
    task: Task
    evaluator: Evaluator
    generations: int
    run_dir: Path | None = None
    env_steps: int = 0
    best: Best | None = None
    metrics: dict[str, Any] = field(default_factory=dict)


def train(
    policy: Evolvable,
    optimizer: Optimizer,
    task: Task,
    generations: int,
    *,
    workers: int = 1,
    run_dir: str | Path | None = None,
    resume: bool = False,
    checkpoint_every: int = 1,
    held_out_every: int = 10,
    held_out_episodes: int = 10,
    callbacks: Sequence[Callback] = (),
    done: Callable[[], None] = lambda: None,
    progress_bar: bool = False,
    evaluator: Evaluator | Callable[[Architecture], Evaluator] | None = None,
) -> Run:
    """Evolve a policy's genome.

    Args:
        policy: with ``architecture`` and ``genome``; its genome is set to the best mean found.
        optimizer: asked and told. Its ``ask()`` may give a plain array of genomes, shape (candidates, genes), too.
        task: gives fitness.
        generations: in all, those before a resume included.
        workers: processes.
        run_dir: folder for ``checkpoint.npz``, ``policy.npz`` (the best mean), ``log.csv``.
        resume: go on from the checkpoint in ``run_dir``, bit for bit as if it had never stopped.
        checkpoint_every: generations between checkpoints. There is one at the end and on Ctrl-C, too.
        held_out_every: generations between evaluations of the mean genome on held-out births and resets.
        held_out_episodes: lifetimes on each body in those.
        callbacks: called with the :class:`Run` after each generation; what they return is logged, and a returned
            ``{"stop": reason}`` ends the run.
        done: called after each candidate.
        progress_bar: draw one on the terminal; where there is none, print a line a generation.
        evaluator: judges the candidates instead of ``workers`` processes, such as a VectorEvaluator; it is left open.
            Or what makes one from an architecture: it is called when nothing speaks against the run any more.

    A candidate that is lost (its environment raises or returns NaN, or its worker dies or hangs again and again) is
    dropped, counted in the log as ``evaluation/lost``, and told as a warning by the logger ``hebbian_gym.training``.

    Raises:
        FileExistsError: if ``run_dir`` holds a run and ``resume`` is not set.
        RuntimeError: if another process trains in ``run_dir``, or more than half of a generation fails.
        FileNotFoundError: if there is nothing to resume.
        ValueError: if the checkpoint is damaged, or of another network or task; for an impossible number; or if the
            task is none, or the optimizer lacks a part of the protocol or is of another genome.
    """
    check_evolvable(policy)
    if not isinstance(task, Task):
        raise ValueError(f"task must be a Task, such as Task(['CartPole-v1']), not {task!r}")
    _check_optimizer(optimizer, policy.architecture)
    if resume and run_dir is None:
        raise ValueError("to resume, say where the run is: run_dir")
    check_count(1, generations=generations, checkpoint_every=checkpoint_every)
    check_count(1, held_out_every=held_out_every, held_out_episodes=held_out_episodes)
    folder, opened = Path(run_dir) if run_dir is not None else None, Opened()
    if resume and folder is not None and not (folder / CHECKPOINT).is_file():
        raise FileNotFoundError(f"there is no file {folder / CHECKPOINT}")
    with ExitStack() as stack:
        if folder is not None:
            stack.enter_context(held(folder))
            opened = _open(policy, optimizer, task, folder, resume)
        if evaluator is None or callable(evaluator):  # not before all that can be refused is
            make = evaluator or partial(make_evaluator, workers=workers)
            evaluator = stack.enter_context(make(policy.architecture))
        run = Run(policy, optimizer, task, evaluator, generations, folder, *opened)
        always: list[Callback] = [HeldOut(held_out_every, held_out_episodes)]
        if folder is not None:
            save_best(run)  # not one that only the end of an earlier session saw
            checkpoint = CheckpointWriter(folder / CHECKPOINT, checkpoint_every)
            always += [*callbacks, CSVWriter(folder / "log.csv", optimizer.generation), checkpoint]
        else:
            always += callbacks
        if optimizer.generation >= generations:
            log.warning("no generation is left to evolve: %d of %d are done", optimizer.generation, generations)
        hooks = [done]
        if progress_bar:
            bar = stack.enter_context(_progress_bar(generations, len(asked(optimizer))))
            always.append(bar)
            hooks.append(bar.candidate)
        try:
            while optimizer.generation < generations and not run.metrics.get("stop"):
                _generation(run, partial(_call, hooks))
                for callback in always:
                    run.metrics.update(_told(callback, run))
        finally:  # on Ctrl-C, too: the writer remembers the last whole generation
            if folder is not None:
                checkpoint.write()
        if optimizer.generation % held_out_every:  # after the checkpoint: a resumed run must not see this one
            run.metrics.update(HeldOut(1, held_out_episodes)(run))
    if run.best is not None:
        policy.genome = run.best.genome
    return run


def _progress_bar(generations: int, population: int) -> TrainingProgress:
    """Rich is loaded by those alone who want to see it."""
    from rich.console import Console

    from .progress import TrainingProgress

    return TrainingProgress(Console(), generations, population)


def _call(hooks: Sequence[Callable[[], None]]) -> None:
    for hook in hooks:
        hook()


def _check_optimizer(optimizer: Any, architecture: Architecture) -> None:
    """What would come to light generations later, told now."""
    if missing := [part for part in PROTOCOL if not hasattr(optimizer, part)]:
        raise ValueError(
            f"{type(optimizer).__name__} lacks {', '.join(missing)} of the Optimizer protocol; "
            "hebbian_gym.testing.check_optimizer checks all of it, and hebbian_gym.optimizers.adapters has some ready"
        )
    if np.shape(optimizer.mean) != (architecture.genome_size,):
        raise ValueError(
            f"the optimizer's mean has shape {np.shape(optimizer.mean)}, but this network has "
            f"{architecture.genome_size} genes: make the optimizer from policy.genome"
        )


def _told(callback: Callback, run: Run) -> dict[str, Any]:
    """What a callback returns."""
    told = callback(run)
    if told is not None and not isinstance(told, dict):
        raise TypeError(f'callbacks return None or a dict to be logged ({{"stop": reason}} ends the run): {callback} '
                        f"returned {told!r}")  # fmt: skip
    return told or {}


def _generation(run: Run, done: Callable[[], None]) -> None:
    """One generation: ask, evaluate, tell."""
    begin = time.perf_counter()
    generation, population = run.optimizer.generation, asked(run.optimizer)
    try:
        result = run.evaluator.evaluate(population, run.task, generation, done=done)
    except RuntimeError as error:
        raise RuntimeError(f"generation {generation}: {error}") from error
    middle = time.perf_counter()
    if result.errors:
        log.warning("generation %d: %s", generation, result.losses)
    told = run.optimizer.tell(result.fitness)
    run.env_steps += int(result.steps.sum())
    run.metrics = {
        "generation": generation,
        "fitness/mean": float(np.nanmean(result.fitness)),
        "fitness/max": float(np.nanmax(result.fitness)),
        "fitness/sd": float(np.nanstd(result.fitness)),
        "time/env_steps": run.env_steps,
        "time/steps_per_second": float(result.steps.sum() / (middle - begin)),
        "time/seconds": time.perf_counter() - begin,
        "evaluation/lost": len(result.errors),
        **(told or {}),
    }
    if reasons := run.optimizer.stop():
        run.metrics["stop"] = ", ".join(f"{name} {value}" for name, value in reasons.items())


class Opened(NamedTuple):
    """What a checkpoint adds to a run: environment steps so far, and the best mean."""

    env_steps: int = 0
    best: Best | None = None


def _open(policy: Evolvable, optimizer: Optimizer, task: Task, folder: Path, resume: bool) -> Opened:
    """Begin a run in its folder, or bring the optimizer to where the one that is there stopped."""
    path = folder / CHECKPOINT
    if not resume:
        refuse_used(folder)
        return Opened()
    meta, arrays = load(path, RUN)
    theirs = {"architecture": Architecture(**meta["architecture"]), "task": Task.from_json(meta["task"])}
    same_task = Task.from_json(as_saved(task.to_json()))  # a tuple among an environment's arguments is a list in files
    mine: dict[str, Any] = {"architecture": policy.architecture, "task": same_task}
    for name, ours in mine.items():
        if theirs[name] != ours:
            others = [f.name for f in fields(ours) if getattr(ours, f.name) != getattr(theirs[name], f.name)]
            raise ValueError(
                f"{path} was made with another {name} ({', '.join(others)}): resume with the settings it began with"
            )
    algorithm = type(optimizer).__name__
    if meta.get("algorithm", algorithm) != algorithm:
        raise ValueError(f"{path} was made with another optimizer: {meta['algorithm']}, not {algorithm}")
    optimizer_arrays = {name[10:]: value for name, value in arrays.items() if name.startswith("optimizer/")}
    try:
        optimizer.load_state_dict({**meta["optimizer"], **optimizer_arrays})
    except ValueError as error:
        raise ValueError(f"{path} was made with another optimizer: {error}") from error
    best = Best(arrays["best"], meta["best_fitness"], meta["best_generation"]) if "best" in arrays else None
    return Opened(meta["env_steps"], best)
