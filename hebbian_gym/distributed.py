"""Evaluation on the nodes of a Ray cluster."""

from __future__ import annotations

import logging
import statistics
import textwrap
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

from .architecture import Architecture
from .cluster import Actor, compare, connect, disconnect, import_ray
from .evaluator import Done, Evaluation, Evaluator, Job, Results
from .processes import MAX_DEATHS, THREAD_VARIABLES, TIMEOUT, unpack
from .task import Task

log = logging.getLogger(__name__)
PATIENCE_SECONDS = 30.0  # without any worker, then there is a warning ...
START_SECONDS = 300.0  # ... and here an error: an autoscaler takes minutes to bring its first node
STRAGGLER_SECONDS = 5.0  # no candidate is late before that
POLL_SECONDS = 0.5  # between looks at the clock
MODULES = "All nodes need the same hebbian-gym, and the modules that environments and populations come from"
STARTING, PREPARING, LIVING = "starting", "preparing", "living"


class RayEvaluator(Evaluator):
    """Evaluates on the nodes of a Ray cluster: persistent actors, each candidate rebuilt where it is evaluated.

    A population travels to each node once a generation, then a candidate costs its index out and 24 bytes for each of
    its lifetimes back. Actors take the next candidate when they are done with one; those for which there is no room yet
    start when a node joins. An actor that dies or hangs, alone or with its node, is replaced where there is room, and
    its candidate evaluated again, with the same bits; after three losses that candidate is lost. When no candidate is
    left to begin, a late one is begun once more on an idle actor, and whichever of the two is done first counts.

    :meth:`evaluate` raises a RuntimeError if for 300 s there is no room for a single actor, or if a node has another
    version of hebbian-gym; other differences between nodes are logged as warnings.

    If this process is connected to Ray already, that connection is used whatever the address, and left open. One that
    had to be made ends with the last evaluator that uses it. The cluster itself stays, unless its address is "local".

    Args:
        architecture: of the candidates.
        workers: actors, each with one CPU and one thread.
        address: of the cluster: "host:port", "auto" for the one that RAY_ADDRESS names or else this machine is part
            of, or "local" for a new one, of this machine alone, that ends with the evaluator.
        timeout: seconds after which a worker that is still at the same candidate counts as hung.
        straggler_factor: a candidate is late after so many times the median of those that are done, and 5 s at least.

    Raises:
        ImportError: if Ray is not installed.
        ConnectionError: if there is no cluster at the address.
    """

    def __init__(
        self,
        architecture: Architecture,
        workers: int,
        *,
        address: str = "auto",
        timeout: float = TIMEOUT,
        straggler_factor: float = 3.0,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be 1 or more, not {workers}")
        if not timeout > 0:
            raise ValueError(f"timeout must be a positive number of seconds, not {timeout}")
        if not straggler_factor >= 1:
            raise ValueError(f"straggler_factor must be 1 or more, not {straggler_factor}")
        self._architecture, self._timeout, self._straggler_factor = architecture, timeout, straggler_factor
        self._ray = import_ray()
        self._ours = connect(self._ray, address, workers)
        one_thread = {"env_vars": dict.fromkeys(THREAD_VARIABLES, "1")}  # the actor's process reads them as it starts
        self._make = self._ray.remote(num_cpus=1, max_restarts=0, runtime_env=one_thread)(Actor).remote
        self._workers = [self._hire() for _ in range(workers)]
        self._call = 0  # of evaluate(): answers to an earlier, interrupted one do not count
        self._stillborn = 0  # workers lost before they took a candidate, since the last that did
        self._told: set[str] = set()  # warnings about nodes

    def _evaluate(self, job: Job, done: Done) -> Evaluation:
        self._call += 1
        size, reference = len(job.population), self._ray.put(job)  # in memory until this call ends
        state = _Generation(reference, job.task, size, Results(job.task, size, done))
        while state.open:
            self._employ(state)
            for worker in self._heard():
                self._take(worker, state)
            for worker in self._workers:
                if worker.call is not None and worker.doing != STARTING and worker.seconds >= self._timeout:
                    self._bury(worker, state, f"took longer than {self._timeout:g} s")
            self._check_attendance(state)
        return state.results.evaluation()

    def _employ(self, state: _Generation) -> None:
        """Give those who are free something to do, if there is anything."""
        free = [worker for worker in self._workers if worker.call is None]
        candidates = state.waiting or (self._late(state) if free else deque())
        for worker in free:
            if worker.job != self._call:
                worker.ask(PREPARING, worker.actor.begin.remote(state.job), self._call)
            elif candidates:
                candidate = candidates.popleft()
                worker.ask(LIVING, worker.actor.live.remote(candidate), self._call, candidate)

    def _late(self, state: _Generation) -> deque[int]:
        """Candidates that live on one worker and take unusually long, the latest first."""
        if not state.seconds:
            return deque()
        bound = max(STRAGGLER_SECONDS, self._straggler_factor * statistics.median(state.seconds))
        at_work = sorted(self._living(), key=lambda worker: -worker.seconds)
        copies = Counter(worker.candidate for worker in at_work)
        return deque(worker.candidate for worker in at_work if worker.seconds > bound and copies[worker.candidate] == 1)

    def _living(self) -> list[_Worker]:
        """Workers that are at a candidate of this call."""
        return [w for w in self._workers if w.call is not None and w.doing == LIVING and w.job == self._call]

    def _heard(self) -> list[_Worker]:
        """Workers whose answer is there; waits a while for the first."""
        asked = {worker.call: worker for worker in self._workers if worker.call is not None}
        self._ray.wait(list(asked), timeout=POLL_SECONDS)
        return [asked[call] for call in self._ray.wait(list(asked), num_returns=len(asked), timeout=0)[0]]

    def _take(self, worker: _Worker, state: _Generation) -> None:
        """What a worker answers."""
        try:
            answer = self._ray.get(worker.call)
        except self._ray.exceptions.RayTaskError as error:  # it lives, but could not make sense of what it was sent
            worker.call = None
            if worker.job == self._call:
                raise RuntimeError(f"a worker could not begin: {_told(error)}. {MODULES}") from error
            return
        except self._ray.exceptions.RayError as error:
            # Ray says the same of one that it cancelled before it ran; but that is nobody's fault.
            raised = getattr(error, "actor_init_failed", False) and "creation task" in str(error)
            self._bury(worker, state, _told(error), raised)
            return
        worker.call = None
        if worker.doing == STARTING:
            for difference in compare(answer):
                if difference not in self._told:
                    log.warning("%s: results may differ in the last bits", difference)
                    self._told.add(difference)
        elif worker.doing == PREPARING:
            self._stillborn = 0
        elif worker.job == self._call and worker.candidate in state.open:
            state.seconds.append(worker.seconds)
            state.settle(worker.candidate, answer)

    def _bury(self, worker: _Worker, state: _Generation, epitaph: str, faulty: bool = False) -> None:
        """Replace a worker; its candidate is evaluated again, unless it has cost too many."""
        candidate = worker.candidate if worker in self._living() and worker.candidate in state.open else None
        self._ray.kill(worker.actor)
        self._workers[self._workers.index(worker)] = self._hire()
        if candidate is not None:
            again = state.bereave(candidate, epitaph, any(w.candidate == candidate for w in self._living()))
            log.warning("a worker was replaced: %s; candidate %d %s", epitaph, candidate, again)
            return
        log.warning("a worker was replaced: %s", epitaph)
        self._stillborn += worker.doing != LIVING
        if faulty or self._stillborn > MAX_DEATHS * len(self._workers):
            raise RuntimeError(f"a worker could not begin: {epitaph}. {MODULES}")

    def _hire(self) -> _Worker:
        """A worker, which starts as soon as there is a free CPU."""
        actor = self._make(self._architecture)
        return _Worker(actor, actor.introduce.remote())

    def _check_attendance(self, state: _Generation) -> None:
        """Somebody must be there, or come within :data:`START_SECONDS`."""
        if any(worker.doing != STARTING for worker in self._workers):
            state.attended, state.warned = time.monotonic(), False
            return
        absent = time.monotonic() - state.attended
        if absent < PATIENCE_SECONDS or (state.warned and absent < START_SECONDS):
            return
        cpus, free = (
            resources().get("CPU", 0.0) for resources in (self._ray.cluster_resources, self._ray.available_resources)
        )
        told = (
            f"no worker could start within {absent:.0f} s: each needs a CPU, and of the cluster's {cpus:g} CPUs "
            f"{free:g} are free; add nodes, or end what else runs there"
        )
        if absent >= START_SECONDS:
            raise RuntimeError(told)
        log.warning("%s; waiting for %g s in all", told, START_SECONDS)
        state.warned = True

    def _close(self) -> None:
        workers, self._workers = self._workers, []
        if workers and self._ray.is_initialized():
            for worker in workers:
                self._ray.kill(worker.actor)
        if workers and self._ours:
            disconnect(self._ray)


@dataclass(eq=False)
class _Worker:
    """This process's end of one actor.

    Attributes:
        actor: its handle.
        call: reference to the answer that it owes; None if it is free.
        doing: what it was asked for last.
        job: number of the evaluation whose population it has.
        candidate: that it was asked for last.
        since: when it was asked.
    """

    actor: Any
    call: Any
    doing: str = STARTING
    job: int = 0
    candidate: int = -1
    since: float = 0.0

    def ask(self, doing: str, call: Any, job: int, candidate: int = -1) -> None:
        self.doing, self.call, self.job, self.candidate = doing, call, job, candidate
        self.since = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since it was asked."""
        return time.monotonic() - self.since


class _Generation:
    """What is left to do of one generation.

    Attributes:
        job: reference to the population and what it is judged by.
        results: of the candidates that are done.
        waiting: candidates to begin.
        open: candidates without a result.
        seconds: that each candidate took which is done.
        attended: when there was a worker last.
        warned: that there is none.
    """

    def __init__(self, job: Any, task: Task, size: int, results: Results) -> None:
        self.job, self.results, self._task = job, results, task
        self.waiting, self.open = deque(range(size)), set(range(size))
        self.seconds: list[float] = []
        self.attended, self.warned = time.monotonic(), False
        self._deaths: Counter[int] = Counter()  # of workers, over each candidate

    def settle(self, candidate: int, answer: bytes | str | ValueError) -> None:
        """A candidate's answer, see :meth:`Actor.live`."""
        if isinstance(answer, ValueError):
            raise answer
        self.open.remove(candidate)
        if isinstance(answer, str):
            self.results.lose(candidate, answer)
        else:
            self.results.take(candidate, unpack(answer, self._task))

    def bereave(self, candidate: int, epitaph: str, lives_elsewhere: bool) -> str:
        """A candidate whose worker was lost, and what becomes of it."""
        self._deaths[candidate] += 1
        if self._deaths[candidate] < MAX_DEATHS:
            if not lives_elsewhere:
                self.waiting.appendleft(candidate)
            return "is evaluated again"
        self.open.remove(candidate)
        self.results.lose(candidate, f"it ended {MAX_DEATHS} workers, the last of which: {epitaph}")
        return "is lost"


def _told(error: Exception) -> str:
    """The last line of what Ray says of a lost actor."""
    return textwrap.shorten(str(error).strip().splitlines()[-1], 160)
