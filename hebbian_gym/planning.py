"""How long a generation takes on any number of workers: a model, fed by what :mod:`~hebbian_gym.calibration` measures.

A generation is: ask; the population travels to the workers; candidates are evaluated; tell; now and then a checkpoint.
Of these only the evaluation is shared among workers, and :func:`simulate` plays it through:

- The next candidate goes to the worker that is free first. No other order, no stealing, no batches.
- The master serves one worker at a time. Each candidate takes ``dispatch`` seconds of it: its index out, its answer in,
  and what the master does about both. Each worker's first candidate takes ``broadcast`` seconds more: the population.
- A candidate then takes its duration on a core. Durations are drawn from those that were measured.
- Workers that share a core each get their part of it: with ``workers > cores`` durations are ``workers / cores`` times
  as long. That is a little too long at the end of a generation, when some of them idle.
- Across nodes one copy of the population travels to each node, one after another at ``bandwidth``, before anything
  begins; and each candidate's messages take their bytes / ``bandwidth`` of the master.

What is left out: latency (to a master that is kept waiting by another worker it costs nothing), caches and memory
bandwidth that cores share, workers that die, candidates that are begun twice, and evaluations on held-out births.
"""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

GIGABIT = 1e9 / 8  # bytes/s
DRAWS = 8  # generations that a prediction is the mean of


@dataclass(frozen=True, eq=False)
class Costs:
    """What a generation is made of, on a core like the one it was measured on.

    Attributes:
        durations: of single candidates on one core, all their lifetimes together, s, shape (candidates,). A sample: a
            prediction draws from it.
        full_durations: the same, had each lifetime gone on to the environment's ``max_episode_steps``; equal to
            ``durations`` where there is no such limit. Newborns that are stopped early live shorter than what evolves
            from them, so that a run moves from ``durations`` towards these.
        ask_tell: ask and tell, s.
        population_bytes: a population as it travels, pickled.
        candidate_bytes: a candidate's two messages, its index and its answer, pickled.
        broadcast: the master's time to send the population once, s.
        dispatch: the master's time for one candidate when the next is waiting already, s. With pauses between them its
            caches are cold and it takes several times as long, but then nobody waits for it.
        checkpoint: writing one, s of wall time.
        wait: wall time / CPU time while candidates were timed. Clearly above 1 the machine was busy, or the environment
            waits for something or computes in threads of its own, of which ``durations`` know nothing.
    """

    durations: np.ndarray
    full_durations: np.ndarray
    ask_tell: float
    population_bytes: int
    candidate_bytes: int
    broadcast: float
    dispatch: float
    checkpoint: float
    wait: float = 1.0

    def at_full_length(self) -> Costs:
        """The same for candidates that live as long as they may."""
        return replace(self, durations=self.full_durations)


@dataclass(frozen=True)
class Prediction:
    """Of the time of one generation, the mean over several draws of durations.

    Attributes:
        seconds: all of it, the sum of the four that follow.
        ask_tell: s.
        broadcast: what the population's way to the workers adds, s.
        evaluation: s.
        checkpoint: one in each generation, s.
        speed_up: against one worker on one core.
        limit: what takes longest: "workers" (more of them would help), "cores", "longest candidate" (its end is waited
            for), "master", "ask and tell", "network" or "checkpoint".
    """

    seconds: float
    ask_tell: float
    broadcast: float
    evaluation: float
    checkpoint: float
    speed_up: float
    limit: str


def simulate(durations: Iterable[float], workers: int, dispatch: float = 0.0, broadcast: float = 0.0) -> float:
    """When the last candidate of a generation ends, s.

    Args:
        durations: of the candidates in their order, s.
        workers: how many.
        dispatch: the master's time for each candidate, s.
        broadcast: its time for each worker's first candidate besides, s.
    """
    free, master = [0.0] * workers, 0.0  # when each worker, and the master, is free next
    for candidate, duration in enumerate(durations):
        first = candidate < workers  # all are free at 0, and nobody else is
        master = max(master, heapq.heappop(free)) + dispatch + (broadcast if first else 0.0)
        heapq.heappush(free, master + duration)
    return max(free)


def predict(
    costs: Costs,
    population: int,
    workers: int,
    nodes: int = 1,
    bandwidth: float = GIGABIT,
    cores: int | None = None,
) -> Prediction:
    """How long a generation takes; the model is this module's docstring.

    Args:
        costs: of candidates, master and messages; ``costs.at_full_length()`` gives the other end of the range.
        population: candidates.
        workers: in all.
        nodes: that they are on. On one, the population is sent to each worker; on several, to each node.
        bandwidth: between nodes, bytes/s.
        cores: in all; None for one for each worker.

    Raises:
        ValueError: for a number below 1, or a bandwidth that is not positive.
    """
    cores = workers if cores is None else cores
    if min(population, workers, nodes, cores) < 1 or not bandwidth > 0:
        raise ValueError("population, workers, nodes and cores must be 1 or more, and bandwidth positive")
    lives = np.random.default_rng(0).choice(costs.durations, (DRAWS, population))
    if nodes == 1:
        network, dispatch, send = 0.0, costs.dispatch, costs.broadcast
    else:
        network = costs.broadcast + nodes * costs.population_bytes / bandwidth
        dispatch, send = costs.dispatch + costs.candidate_bytes / bandwidth, 0.0
    shared = (lives * max(1.0, workers / cores)).tolist()
    evaluation = statistics.fmean(simulate(draw, workers, dispatch) for draw in shared)
    sent = statistics.fmean(simulate(draw, workers, dispatch, send) for draw in shared)
    seconds = costs.ask_tell + network + sent + costs.checkpoint
    work = float(lives.sum(axis=1).mean())
    speed_up = (work + costs.ask_tell + costs.checkpoint) / seconds
    least = {  # what each of them needs, if nothing else did
        "workers" if workers <= cores else "cores": work / min(workers, cores),
        "longest candidate": float(lives.max(axis=1).mean()),
        "master": population * dispatch + min(workers, population) * send,
        "ask and tell": costs.ask_tell,
        "network": network,
        "checkpoint": costs.checkpoint,
    }
    return Prediction(
        seconds, costs.ask_tell, network + sent - evaluation, evaluation, costs.checkpoint,
        speed_up, max(least, key=lambda name: least[name]),
    )  # fmt: skip


def master_limit(costs: Costs) -> float:
    """How many workers keep the master busy all the time.

    While one candidate lives, the master serves ``duration / dispatch`` others, so that with as many workers, on the
    mean, somebody is always waiting for it.
    """
    return float(costs.durations.mean()) / costs.dispatch
