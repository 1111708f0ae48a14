"""The command line."""

from __future__ import annotations

import signal
import sys
from typing import Any

from gymnasium.error import Error as GymnasiumError
from rich.console import Console

from . import baselines, evolve, measure, policies  # noqa: F401  # their commands
from .common import app as app


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; errors that a user can cure are one sentence, not a traceback."""
    signal.signal(signal.SIGTERM, _interrupt)  # stop as cleanly as on Ctrl-C
    try:
        app()
    except (ValueError, OSError, ImportError, RuntimeError, GymnasiumError) as error:
        Console(stderr=True).print(f"hebbian-gym: {error}", style="red", highlight=False, markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
