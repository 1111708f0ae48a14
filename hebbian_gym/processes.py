"""Evaluation on several cores of this machine."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection, get_context
from typing import Any

import numpy as np

from .architecture import Architecture
from .evaluator import Done, Evaluation, Evaluator, Job, Results, SerialEvaluator
from .rollout import Episode
from .task import Task

log = logging.getLogger(__name__)
READY = "ready"  # a worker's first word
MAX_DEATHS = 3  # of workers over the same candidate, then it is lost
TIMEOUT = 600.0  # s
HOME = "define classes of your own at the top of a module that can be imported, not in a notebook or in __main__"
START_SECONDS = 300.0  # that a new worker may take to import what it needs
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

LIFE = np.dtype([("score", "<f8"), ("distance", "<f8"), ("steps", "<i8")])  # how an Episode travels


class ProcessEvaluator(Evaluator):
    """Evaluates on several cores: persistent worker processes, each candidate rebuilt where it is evaluated.

    A population travels to each worker once a generation, then a candidate costs an index. Workers take the next
    candidate when they are done with one, so uneven episodes leave nobody idle. A worker that dies or hangs is replaced
    and its candidate evaluated again, with the same bits; after three workers that candidate is lost.

    Args:
        architecture: of the candidates.
        workers: processes, each with one thread.
        timeout: seconds after which a worker that is still at the same candidate counts as hung.
    """

    def __init__(self, architecture: Architecture, workers: int, timeout: float = TIMEOUT) -> None:
        if workers < 1:
            raise ValueError(f"workers must be 1 or more, not {workers}")
        if not timeout > 0:
            raise ValueError(f"timeout must be a positive number of seconds, not {timeout}")
        self._architecture, self._timeout = architecture, timeout
        self._workers = [_Worker(architecture) for _ in range(workers)]
        self._unborn = 0

    @property
    def pids(self) -> list[int]:
        """Process IDs of the workers."""
        return [worker.process.pid or 0 for worker in self._workers]

    def _evaluate(self, job: Job, done: Done) -> Evaluation:
        size = len(job.population)
        results, waiting, deaths = Results(job.task, size, done), deque(range(size)), [0] * size
        for number, worker in enumerate(self._workers):
            if worker.candidate is not None or not worker.process.is_alive():  # left over from an interrupted call
                self._renew(number)
            self._give(number, job, waiting)
        while any(worker.candidate is not None for worker in self._workers):
            ready = self._wait()
            for number, worker in enumerate(self._workers):
                if worker.pipe not in ready and worker.process.sentinel not in ready:
                    continue
                if (candidate := worker.candidate) is None or (answer := worker.answer(worker.pipe in ready)) is None:
                    continue
                if answer[0] == "died":
                    deaths[candidate] += 1
                    self._bury(number, candidate, deaths[candidate], answer[1], waiting, results)
                elif answer[0] == "lost":
                    results.lose(candidate, answer[1])
                elif answer[0] == "broken":
                    worker.candidate = None
                    raise answer[1]
                else:
                    results.take(candidate, unpack(answer[1], job.task))
                self._give(number, job, waiting)
        return results.evaluation()

    def _wait(self) -> list[Any]:
        """Until a worker has something to say, has died, or has had its time: pipes and sentinels of such workers."""
        busy = [worker for worker in self._workers if worker.candidate is not None]
        ends = [end for worker in busy for end in (worker.pipe, worker.process.sentinel)]
        until = min(worker.until(self._timeout) for worker in busy)
        ready = connection.wait(ends, max(0.0, until - time.monotonic()))
        if ready:
            return ready
        for worker in busy:
            if time.monotonic() >= worker.until(self._timeout):
                worker.process.kill()
                worker.process.join()
                worker.epitaph = f"took longer than {self._timeout if worker.started else START_SECONDS:g} s"
                ready.append(worker.process.sentinel)
        return ready

    def _bury(
        self, number: int, candidate: int, deaths: int, epitaph: str, waiting: deque[int], results: Results
    ) -> None:
        """Replace a worker; its candidate is evaluated again, unless it has cost too many."""
        self._replace(number)
        fate = "is lost" if deaths == MAX_DEATHS else "is evaluated again"
        log.warning("worker %d %s and was replaced; candidate %d %s", number, epitaph, candidate, fate)
        if deaths < MAX_DEATHS:
            waiting.appendleft(candidate)
        else:
            results.lose(
                candidate,
                f"it ended {MAX_DEATHS} worker processes, the last of which {epitaph}; "
                "evaluate it with workers=1 to see why",
            )

    def _replace(self, number: int) -> None:
        """A new worker for one that died or hung; an error if they die before they begin."""
        worker = self._workers[number]
        if not worker.process.is_alive():
            worker.process.join()  # for its exit code: negative if somebody killed it
        self._unborn = 0 if worker.started else self._unborn + 1  # one after the other
        if not worker.started and ((worker.process.exitcode or 0) > 0 or self._unborn > MAX_DEATHS):
            raise RuntimeError(
                "a worker process ended before it began. In a script, whatever starts workers must stand under "
                '`if __name__ == "__main__":`; otherwise see the message above, or use workers=1'
            )
        self._renew(number)

    def _renew(self, number: int) -> None:
        self._workers[number].stop()
        self._workers[number] = _Worker(self._architecture)

    def _give(self, number: int, job: Job, waiting: deque[int]) -> None:
        while waiting:
            candidate = waiting.popleft()
            if self._workers[number].give(job, candidate):
                return
            waiting.appendleft(candidate)
            self._replace(number)
        self._workers[number].candidate = None

    def _close(self) -> None:
        for worker in self._workers:
            worker.pipe.close()  # all of them at once, so that idle ones leave together
        for worker in self._workers:
            worker.stop()
        self._workers = []


class _Worker:
    """The parent's end of one worker process."""

    def __init__(self, architecture: Architecture) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, architecture), daemon=True)
        with one_thread():
            self.process.start()
        theirs.close()
        self.started = False
        self.candidate: int | None = None
        self.began = 0.0  # with that candidate
        self.epitaph = ""
        self._job: Job | None = None  # that it has
        self._waiting: Job | None = None  # that its candidate belongs to

    def give(self, job: Job, candidate: int) -> bool:
        """Hand over a candidate, as soon as the process listens; False if it is gone."""
        self.candidate, self.began, self._waiting = candidate, time.monotonic(), job
        return self._send() if self.started else self.process.is_alive()

    def _send(self) -> bool:
        """The candidate, and first the job it belongs to if that is new."""
        job, self.began = self._waiting, time.monotonic()
        try:
            if job is not self._job:
                self.pipe.send(job)
                self._job = job
            self.pipe.send(self.candidate)
        except OSError:
            return False
        return True

    def until(self, timeout: float) -> float:
        """When it has had its time for what it does now, on the monotonic clock (s)."""
        return self.began + (timeout if self.started else START_SECONDS)

    def answer(self, readable: bool) -> tuple[str, Any] | None:
        """What became of the candidate: ("lives", packed), ("lost", traceback), ("broken", error) or ("died", how).

        None while there is no answer. ``readable`` says that the pipe holds one, or its end; to ask it would cost as
        much as to read it.
        """
        try:
            if readable:
                answer: tuple[str, Any] | str = self.pipe.recv()
                if not isinstance(answer, str):
                    return answer
                self.started = True  # its first word
                if self._send():
                    return None
        except (EOFError, OSError):
            self.process.join(timeout=1.0)
        if self.process.is_alive():
            return None
        return "died", self.epitaph or _ended(self.process.exitcode)

    def stop(self) -> None:
        self.pipe.close()  # an idle worker leaves at the end of its pipe
        self.process.join(timeout=0.2)
        self.process.kill()
        self.process.join()


def _ended(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"ended with exit status {exit_code}"


def _work(pipe: connection.Connection, architecture: Architecture) -> None:
    """A worker's life: take jobs and candidates, answer with what came of them, end with the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    evaluator = SerialEvaluator(architecture)
    job: Job | None = None
    pipe.send(READY)
    broken: Exception | None = None
    try:
        while True:
            data = pipe.recv_bytes()
            try:
                message = pickle.loads(data)
            except Exception as fault:  # whatever an import may raise; the next message is a candidate
                broken = fault
                continue
            if isinstance(message, Job):
                job, broken = message, None
            elif broken is not None or job is None:
                error = ValueError(f"a worker could not unpickle what it is to evaluate: {broken}; {HOME}")
                pipe.send(("broken", error))
            else:
                pipe.send(live(evaluator, job, message))
    except (EOFError, OSError):
        evaluator.close()


def live(evaluator: SerialEvaluator, job: Job, candidate: int) -> tuple[str, Any]:
    """What became of a candidate: ("lives", packed), ("lost", traceback) or ("broken", what is wrong with the task)."""
    try:
        evaluator.prepare(job.task)
    except ValueError as error:  # one sentence, the same for all candidates
        return "broken", ValueError(str(error))
    except Exception:
        return "lost", traceback.format_exc()
    try:
        return "lives", pack(evaluator.candidate(job, candidate))
    except Exception:
        return "lost", traceback.format_exc()


def pack(lives: Sequence[Sequence[Episode]]) -> bytes:
    """Episodes of a candidate, for each body its lifetimes, as 24 bytes each."""
    return np.array([[(e.score, e.distance, e.steps) for e in body] for body in lives], LIFE).tobytes()


def unpack(packed: bytes, task: Task) -> list[list[Episode]]:
    """The inverse of :func:`pack`, to the bit."""
    lives = np.frombuffer(packed, LIFE).reshape(len(task.specs), task.episodes)
    return [[Episode(*life) for life in body] for body in lives.tolist()]


@contextmanager
def one_thread() -> Iterator[None]:
    """Processes started within read these variables before they import numpy."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
