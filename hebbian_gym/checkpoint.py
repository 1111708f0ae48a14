"""Files: arrays and JSON in one ``.npz``, never pickle, never half-written."""

from __future__ import annotations

import json
import os
import platform
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock, Timeout

from . import __version__
from .architecture import Architecture, Array

POLICY, RUN = "policy", "training run"
RUN_FILES = ("checkpoint.npz", "policy.npz", "model.zip")  # of an evolution, and of a baseline


def save(path: str | os.PathLike[str], kind: str, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write a file beside its destination, then rename it, so that the previous one survives any accident.

    Args:
        path: where to; its folder is made.
        kind: what the file is, checked by :func:`load`.
        meta: plain data.
        arrays: by name.

    Raises:
        OSError: if it could not be written (a full disk, no permission); what was at ``path`` is untouched.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    stamp = {"kind": kind, "hebbian_gym": __version__, "numpy": np.__version__, "python": platform.python_version()}
    text = np.array(json.dumps(stamp | {"meta": meta}, default=_as_list))
    with uninterrupted(), written_aside(target) as file:
        np.savez(file, **{"json": text, **arrays})  # type: ignore[arg-type]


def _as_list(value: Any) -> Any:
    """numpy's numbers and arrays as plain data."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} is no plain data")


def as_saved(data: dict[str, Any]) -> dict[str, Any]:
    """Plain data as it comes back from a file."""
    read: dict[str, Any] = json.loads(json.dumps(data, default=_as_list))
    return read


def refuse_used(folder: Path) -> None:
    """Refuse a folder with files of a run, evolved or of a baseline, which a new one would overwrite.

    Raises:
        FileExistsError: if there are any.
    """
    if found := [name for name in RUN_FILES if (folder / name).exists()]:
        command = "baseline" if "model.zip" in found else "train"
        raise FileExistsError(
            f"{folder} already holds a run ({', '.join(found)}): resume it, or choose another folder; "
            f"on the command line it goes on by  hebbian-gym {command} --resume {folder}"
        )


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait for the end: within numpy's zip file they would come out as an error of that."""
    if threading.current_thread() is not threading.main_thread():  # signals are another's
        yield
        return
    pending: list[tuple[int, FrameType | None]] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *call: pending.append(call)) for number in numbers}
    try:
        yield
    finally:
        for listened, handler in before.items():
            signal.signal(listened, handler)
        for number, frame in pending[:1]:
            handler = before[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)
            elif handler == signal.SIG_DFL:
                signal.raise_signal(number)


@contextmanager
def written_aside(target: Path) -> Iterator[BinaryIO]:
    """A file beside its destination, renamed in the end, so that what was there survives any accident."""
    handle, aside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with explained(target):
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(aside, 0o644)
            os.replace(aside, target)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


@contextmanager
def explained(target: Path) -> Iterator[None]:
    """What a full disk and the like come out as."""
    try:
        yield
    except OSError as error:
        raise OSError(
            error.errno, f"could not write {target} ({error.strerror}): free some space or choose another folder; "
            "what was there before is untouched"
        ) from error  # fmt: skip


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """A folder that no other process holds meanwhile; it is let go when this process ends, however it ends.

    The same process may hold it twice, one within the other.

    Raises:
        RuntimeError: if another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RuntimeError(
            f"another process is training in {folder}: wait for its end, or choose another folder"
        ) from None
    try:
        for left in folder.glob(".*.part"):  # by somebody who was killed while writing
            left.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def load(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The meta data and arrays of a file that :func:`save` wrote.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is truncated, not one of ours, or of another kind.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with Path(path).open("rb") as raw:
            if raw.read(2) != b"PK":  # numpy would take it for a pickle
                raise ValueError("its beginning is not that of an .npz")
            raw.seek(0)
            with np.load(raw, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        stamp = json.loads(str(arrays.pop("json")))
        found, meta = stamp["kind"], stamp["meta"]
    except Exception as error:  # zip files break in many ways
        raise ValueError(f"{path} is not a hebbian-gym file, or it is damaged ({error})") from error
    if found != kind:
        raise ValueError(f"{path} holds a {found}, not a {kind}")
    return meta, arrays


def save_policy(
    path: str | os.PathLike[str], architecture: Architecture, genome: Array, env: str | None = None, **about: Any
) -> None:
    """Write a policy: architecture, genome, the JSON of the EnvSpec it was made for, and whatever ``about`` tells."""
    meta = {"architecture": architecture.to_json(), "env": env, "about": about}
    save(path, POLICY, meta, {"genome": architecture.check_genome(genome)})


def load_policy(path: str | os.PathLike[str]) -> tuple[Architecture, Array, dict[str, Any]]:
    """Architecture, genome and meta data of a policy's file."""
    meta, arrays = load(path, POLICY)
    try:
        architecture = Architecture(**meta["architecture"])
        return architecture, architecture.check_genome(arrays["genome"]), meta
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} was written by another version of hebbian-gym ({error})") from error
