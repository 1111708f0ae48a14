"""The command line."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from gymnasium.error import Error as GymnasiumError
from rich.console import Console

from . import baselines, evolve, measure, policies  # noqa: F401  # their commands
from .common import app as app

_ORDER = (
    "demo", "train", "evaluate", "record", "baseline", "compare", "reproduce", "bench", "plan", "envs", "presets",
    "optimizers",
)  # fmt: skip
app.registered_commands.sort(key=lambda command: _ORDER.index(getattr(command.callback, "__name__", "")))


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; errors that a user can cure are one sentence, not a traceback."""
    signal.signal(signal.SIGTERM, _interrupt)  # stop as cleanly as on Ctrl-C
    try:
        sys.path.insert(0, os.getcwd())  # where a user's own environments are: --env mine:Maze-v0
        app()
    except (ValueError, OSError, ImportError, RuntimeError, GymnasiumError) as error:
        told = str(error) or type(error).__name__
        Console(stderr=True).print(f"hebbian-gym: {told}", style="red", highlight=False, markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
