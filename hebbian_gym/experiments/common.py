"""What experiments share: many runs at a time, colours, figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from math import comb
from multiprocessing import get_context
from typing import TYPE_CHECKING, TypeVar

import torch

from ..threads import torch_threads
from . import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Job = TypeVar("Job")
Result = TypeVar("Result")


def require_matplotlib() -> type[Figure]:
    """matplotlib's Figure, or an ImportError that names the extra."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:  # pragma: no cover
        raise ImportError('plots need matplotlib: pip install "hebbian-gym[plots]"') from error
    return Figure


def use_one_torch_thread() -> None:
    """With small networks torch is fastest on one thread, and its sums are always the same."""
    torch.set_num_threads(1)


def in_parallel(function: Callable[[Job], Result], jobs: Sequence[Job], settings: Settings) -> list[Result]:
    """What a function of the top level returns for each job, in their order, whatever the number of workers."""
    if settings.workers == 1:
        results = []
        with torch_threads():
            for job in jobs:
                results.append(function(job))
                settings.progress(len(results) / len(jobs))
        return results
    with ProcessPoolExecutor(min(settings.workers, len(jobs)), get_context("spawn"), use_one_torch_thread) as pool:
        futures = [pool.submit(function, job) for job in jobs]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                future.result()  # a job that failed is told at once
                settings.progress(done / len(jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]


def sign_test(below: int, above: int, one_sided: bool = False) -> float:
    """Exact p of so many differences below and above 0, if either were as likely; those equal to 0 are left out.

    Args:
        below: how many.
        above: how many.
        one_sided: whether the question is only if there are more above than chance would have it.
    """
    fewer = below if one_sided else min(below, above)
    tail = sum(comb(below + above, k) for k in range(fewer + 1)) / 2 ** (below + above)
    return tail if one_sided else min(1.0, 2.0 * tail)


def empty_figure(width: float, height: float) -> Figure:
    """One to draw into (inches); made before an experiment is run, so that a missing matplotlib is told at once."""
    return require_matplotlib()(figsize=(width, height), layout="constrained")
