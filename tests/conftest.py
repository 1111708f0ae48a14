"""What holds for the whole process of the tests."""

import os

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
