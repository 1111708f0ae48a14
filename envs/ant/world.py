"""A world of Bullet's."""

from __future__ import annotations

import os
import sys

import pybullet

from .quiet import quiet


class World:
    """An empty world, which ends with ``close()`` or with the last who holds it.

    An object of its own, since Gymnasium's EzPickle hands what an environment holds on to another one.

    Args:
        window: whether Bullet opens its window.

    Attributes:
        client: Bullet's number of the world; -1 once it is closed.

    Raises:
        RuntimeError: for a window on a machine without a display.
    """

    client = -1

    def __init__(self, window: bool) -> None:
        if window and sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
            # Bullet would end the whole process
            raise RuntimeError('Bullet needs a display to open its window; on a machine without one use "rgb_array"')
        self._process = os.getpid()
        with quiet():
            self.client = pybullet.connect(pybullet.GUI if window else pybullet.DIRECT)

    def close(self) -> None:
        """Release the world; a second call does nothing."""
        if self.client >= 0:
            pybullet.disconnect(self.client)
            self.client = -1

    def __del__(self) -> None:
        try:
            if self._process == os.getpid():  # the world is not a forked process's
                self.close()
        except Exception:
            pass  # the interpreter is going down, and the world with it
