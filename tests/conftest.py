"""What holds for the whole process of the tests."""

import os
import signal
from contextlib import ExitStack, closing

import gymnasium as gym
import pytest

from hebbian_gym.rules import ALIASES, RULES

# Ray remembers for as long as the process lives whether its clusters ask for a token, and a local one does by default:
# it would write a token into the home directory, and the nodes of a later cluster without tokens would not be trusted.
os.environ["RAY_AUTH_MODE"] = "disabled"


@pytest.fixture
def registry():
    """Rules registered by a test are forgotten after it."""
    rules, aliases = dict(RULES), dict(ALIASES)
    yield
    for table, before in ((RULES, rules), (ALIASES, aliases)):
        table.clear()
        table.update(before)


@pytest.fixture
def make():
    """``gym.make`` whose environments are closed after the test."""
    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(closing(gym.make(*args, **kwargs)))


@pytest.fixture
def watchdog():
    """A hang is a failure. Generous: it says nothing about speed."""

    def bark(*_):
        raise TimeoutError("this test hangs")

    before = signal.signal(signal.SIGALRM, bark)
    signal.alarm(300)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def progress(request):
    """What each of a module's experiments, its NAMES, tells of its progress."""
    return {name: [] for name in request.module.NAMES}
