"""What experiments share: many runs at a time, colours, figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TYPE_CHECKING, TypeVar

import torch

from . import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Job = TypeVar("Job")
Result = TypeVar("Result")

# For pictures: colours of Okabe & Ito (2008), which the colour-blind can tell apart.
BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#7f7f7f"


def require_matplotlib() -> type[Figure]:
    """matplotlib's Figure, or an ImportError that names the extra."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:  # pragma: no cover
        raise ImportError('plots need matplotlib: pip install "hebbian-gym[plots]"') from error
    return Figure


def one_thread() -> None:
    """With small networks torch is fastest on one thread, and its sums are always the same."""
    torch.set_num_threads(1)


def in_parallel(function: Callable[[Job], Result], jobs: Sequence[Job], settings: Settings) -> list[Result]:
    """What a function of the top level returns for each job, in their order, whatever the number of workers."""
    if settings.workers == 1:
        threads, results = torch.get_num_threads(), []
        one_thread()
        try:
            for job in jobs:
                results.append(function(job))
                settings.progress(len(results) / len(jobs))
        finally:
            torch.set_num_threads(threads)
        return results
    with ProcessPoolExecutor(min(settings.workers, len(jobs)), get_context("spawn"), one_thread) as pool:
        futures = [pool.submit(function, job) for job in jobs]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                future.result()  # a job that failed is told at once
                settings.progress(done / len(jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]


def empty_figure(width: float, height: float) -> Figure:
    """One to draw into (inches); made before an experiment is run, so that a missing matplotlib is told at once."""
    return require_matplotlib()(figsize=(width, height), layout="constrained")
