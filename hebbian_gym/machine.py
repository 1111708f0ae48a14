"""What this process runs on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = {  # as machine() calls them, to the distributions that they may come in
    "numpy": ("numpy",),
    "numba": ("numba",),
    "torch": ("torch",),
    "gymnasium": ("gymnasium",),
    "pybullet": ("pybullet",),
    "pybullet_envs_gymnasium": ("pybullet_envs_gymnasium",),
    "Box2D": ("box2d", "box2d-py"),
    "opencv": ("opencv-python-headless", "opencv-python"),
}


def usable_cores() -> int:
    """Those that this process may run on: fewer than the machine's where a scheduler hands them out."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> str:
    """Processor, cores and the versions that matter, in a line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{name} {_version(*distributions)}" for name, distributions in _PACKAGES.items()]
    return f"{model}, {usable_cores()} cores, {', '.join(versions)}"


def _version(*distributions: str) -> str:
    """Of the first that is installed."""
    for distribution in distributions:
        try:
            return version(distribution)
        except PackageNotFoundError:
            pass
    return "not installed"
