"""What a Ray cluster needs of us: a connection to it, and the actor that lives on its nodes."""

from __future__ import annotations

import importlib
import logging
import platform
import signal
import socket
from typing import Any

import numba
import numpy as np

from . import __version__
from .architecture import Architecture
from .evaluator import Job, SerialEvaluator
from .processes import live

REACH_SECONDS = 5.0  # for a cluster to answer at its address


class Actor:
    """A worker's life on its node: it keeps its environments, and the population of the generation."""

    def __init__(self, architecture: Architecture) -> None:
        self._evaluator = SerialEvaluator(architecture)
        self._job: Job | None = None

    def introduce(self) -> dict[str, str]:
        """Where it is, and what is installed there."""
        return versions() | {"node": import_ray().util.get_node_ip_address()}

    def begin(self, job: Job) -> None:
        """Take a generation's population and what it is judged by."""
        self._job = job

    def live(self, candidate: int) -> bytes | str | ValueError:
        """Packed lifetimes of a candidate, the traceback of what was wrong with it, or what is wrong with the task."""
        assert self._job is not None
        answer: bytes | str | ValueError = live(self._evaluator, self._job, candidate)[1]
        return answer


def versions() -> dict[str, str]:
    """Of what the bits of a result depend on, in this process; the processor, too, for which numba compiles."""
    return {
        "hebbian-gym": __version__,
        "Python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "processor": importlib.import_module("llvmlite.binding").get_host_cpu_name(),
    }


def compare(theirs: dict[str, str]) -> list[str]:
    """What a node has that this process has not, a phrase for each.

    Raises:
        RuntimeError: if it is another hebbian-gym.
    """
    ours, node = versions(), theirs["node"]
    if theirs["hebbian-gym"] != ours["hebbian-gym"]:
        raise RuntimeError(
            f"node {node} has hebbian-gym {theirs['hebbian-gym']}, this process {ours['hebbian-gym']}: results would "
            "differ; install the same on all nodes"
        )
    return [
        f"node {node} has {name} {theirs[name]}, this process {ours[name]}"
        for name in ours
        if theirs[name] != ours[name]
    ]


def import_ray() -> Any:
    """Ray, which is heavy and optional."""
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ImportError('Ray is not installed: pip install "hebbian-gym[ray]"') from error


_users = 0  # open evaluators whose connection to Ray connect() made


def connect(ray: Any, address: str, workers: int) -> bool:
    """Connect this process to Ray, if it is not; whether the connection is to be ended by :func:`disconnect`."""
    global _users
    if not ray.is_initialized():
        _users = 0
        where: dict[str, Any] = {"address": address}
        if address == "local":
            where |= {"num_cpus": workers, "include_dashboard": False}
        else:
            _check_reachable(address)
        before = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise ConnectionError(
                f"could not join the Ray cluster {address}: {error}; run this on one of its nodes, and with "
                "RAY_AUTH_MODE=token if the cluster has a token"
            ) from error
        finally:
            if callable(before) and signal.getsignal(signal.SIGTERM) is not before:  # ray.init takes it for itself
                signal.signal(signal.SIGTERM, before)
    elif not _users:
        return False
    _users += 1
    return True


def disconnect(ray: Any) -> None:
    """End the connection, if nobody else uses it."""
    global _users
    _users -= 1
    if not _users:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray's own attempts to reach what is not there take minutes."""
    try:
        found: str = importlib.import_module("ray._private.services").canonicalize_bootstrap_address(address) or ""
    except ConnectionError as error:
        raise ConnectionError("no Ray cluster was found: `ray start --head` starts one on this machine") from error
    except ValueError:
        found = ""
    host, _, port = found.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise ValueError(f'address must be "auto", "local" or "host:port" of the head node, not {address!r}')
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except OSError as error:
        raise ConnectionError(
            f"no Ray cluster answers at {found} ({error}): start one there with `ray start --head --port {port}`, "
            "or give the address that it told when it was started"
        ) from error
