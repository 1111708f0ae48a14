"""Progress on the terminal; one plain line a generation where there is none."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text
from typing_extensions import Self

if TYPE_CHECKING:
    from .training import Run


class _Shown:
    """A bar that is on the terminal within a ``with``."""

    _bar: Progress

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


class TrainingProgress(_Shown):
    """A bar over all candidates of a run, with fitness, env-steps per second and the time left.

    It is a callback of :func:`~hebbian_gym.train`, and its :meth:`candidate` is that function's ``done``.

    Args:
        console: where to draw.
        generations: of the run in all.
        population: candidates of a generation.
    """

    def __init__(self, console: Console, generations: int, population: int) -> None:
        self._console = console
        self._population = population
        self._bar = Progress(
            SpinnerColumn(), TextColumn("generation {task.fields[generation]}/{task.fields[last]}"), BarColumn(),
            TextColumn("{task.fields[fitness]}"), TimeRemainingColumn(elapsed_when_finished=True),
            console=console, transient=False, disable=not console.is_terminal, speed_estimate_period=600,
        )  # fmt: skip
        self._task = self._bar.add_task(
            "", total=generations * population, generation=1, last=generations, fitness="compiling",
        )  # fmt: skip

    def candidate(self) -> None:
        """One candidate is evaluated."""
        self._bar.advance(self._task)

    def __call__(self, run: Run) -> None:
        metrics, generation = run.metrics, run.optimizer.generation
        fitness = (
            f"fitness mean {_short(metrics['fitness/mean'])} best {_short(metrics['fitness/max'])}  "
            f"{metrics['time/steps_per_second']:,.0f} env-steps/s"
        )
        if "held_out/fitness" in metrics:
            fitness += f"  held out {_short(metrics['held_out/fitness']).strip()}"
        if not self._console.is_terminal:
            self._console.print(
                f"generation {generation}/{run.generations}  {fitness}", highlight=False, soft_wrap=True
            )
        self._bar.update(
            self._task, completed=generation * self._population, fitness=fitness,
            generation=min(generation + 1, run.generations),
        )  # fmt: skip


class BaselineProgress(_Shown):
    """A bar over a baseline's training, with scores, env-steps per second and the time left.

    It is the ``progress`` of :func:`~hebbian_gym.baselines.train_baseline`.

    Args:
        console: where to draw; one line a rollout if it is no terminal.
        what: is trained.
    """

    def __init__(self, console: Console, what: str) -> None:
        self._console, self._last = console, (0, 0.0)
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(), console=console, disable=not console.is_terminal, speed_estimate_period=600,
        )  # fmt: skip
        self._task = self._bar.add_task(what, total=1.0, told="")

    def __call__(self, metrics: dict[str, Any]) -> None:
        steps, seconds = metrics["time/env_steps"], metrics["time/wall_seconds"]
        rate = (steps - self._last[0]) / max(seconds - self._last[1], 1e-9)
        self._last = steps, seconds
        told = f"{steps:,} env-steps  {rate:,.0f}/s"
        told += "".join(f"  {name[9:]} {value:.0f}" for name, value in metrics.items() if name.startswith("held_out/"))
        self._bar.update(self._task, completed=metrics["fraction"], told=told)
        if not self._console.is_terminal:
            self._console.print(told, highlight=False, soft_wrap=True)


def _short(value: float) -> str:
    """With one decimal, or three figures of a small number."""
    return f"{value:7.1f}" if abs(value) >= 10 else f"{value:#7.3g}"


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.1f} {task.fields['unit']}/s" if task.speed else "")


class Counter(_Shown):
    """A bar over a known number of things; call it after each.

    Args:
        console: where to draw.
        what: is being done.
        total: how many, None if nobody knows.
        unit: what is counted.
    """

    def __init__(self, console: Console, what: str, total: int | None, unit: str) -> None:
        self._console, self._what = console, what
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), _Rate(), TimeRemainingColumn(True),
            console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task(what, total=total, unit=unit)

    def __call__(self) -> None:
        self._bar.advance(self._task)

    def __enter__(self) -> Self:
        if not self._console.is_terminal:
            self._console.print(f"{self._what} ...", highlight=False)
        return super().__enter__()


class Fraction(_Shown):
    """A bar over something whose done fraction is known; call it with that.

    Args:
        console: where to draw.
        what: is being done.
    """

    def __init__(self, console: Console, what: str) -> None:
        self._console, self._what, self._tenths = console, what, -1
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(True),
            console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task(what, total=1.0)

    def __call__(self, done: float) -> None:
        self._bar.update(self._task, completed=done)
        if not self._console.is_terminal and int(10 * done) > self._tenths:  # one line every tenth
            self._tenths = int(10 * done)
            self._console.print(f"{self._what}: {10 * self._tenths}%", highlight=False)
