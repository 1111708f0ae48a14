"""What environments make of arguments and actions; how each of them says so is tested with the environment."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hebbian_gym.envs.checks import check_choice, check_count, check_number, checked_action, is_number, is_whole

NUMPYS = [kind(3) for kind in (np.int8, np.uint8, np.int64, np.uint64)]


def refused(sentence: str) -> Any:
    """A refusal in these words."""
    return pytest.raises(ValueError, match=f"^{re.escape(sentence)}$")


@pytest.mark.parametrize("number", [3, 3.0, Fraction(3), *NUMPYS, np.float16(3), np.float32(3), np.float64(3)])
def test_numbers_may_be_pythons_or_numpys(number: Any) -> None:
    check_number(3.0, 3.0, speed=number)
    assert is_number(number)


@pytest.mark.parametrize(
    "bad",
    [True, np.True_, None, "3", [3], np.array(3.0), 3j, math.nan, math.inf, -math.inf, 10**400, np.float32("nan")],
    ids=lambda bad: repr(bad)[:20],
)
def test_what_is_no_finite_number_is_refused(bad: Any) -> None:
    assert not is_number(bad)
    with pytest.raises(ValueError, match="speed must be a number 0 or more, not"):
        check_number(0.0, math.inf, speed=bad)


@pytest.mark.parametrize(
    ("low", "high", "bad", "limits"),
    [
        (-100.0, 100.0, 101, "from -100 to 100"),
        (0.0, 1.0, np.float32(1.5), "from 0 to 1"),
        (0.0, math.inf, -1, "0 or more"),
        (math.ulp(0.0), math.inf, 0.0, "above 0"),
        (math.ulp(0.0), math.inf, np.float32(0.0), "above 0"),  # as which the bound would be 0, too
    ],
)
def test_a_number_beyond_its_limits_is_refused_with_both(low: float, high: float, bad: Any, limits: str) -> None:
    with refused(f"speed must be a number {limits}, not {bad!r}"):
        check_number(low, high, fine=(low + min(high, 1e9)) / 2.0, speed=bad)


@pytest.mark.parametrize("count", [3, *NUMPYS])
def test_counts_may_be_pythons_or_numpys(count: Any) -> None:
    check_count(3, steps=count)
    assert is_whole(count)


@pytest.mark.parametrize("bad", [2, np.int64(2), 3.0, np.float64(3), True, np.True_, None, "3", [3]], ids=repr)
def test_what_is_no_such_count_is_refused(bad: Any) -> None:
    with refused(f"steps must be a whole number, 3 or more, not {bad!r}"):
        check_count(3, fine=3, steps=bad)


CHOICES = {
    ("red", "blue"): '"red" or "blue"',
    ("red", "blue", "green"): '"red", "blue" or "green"',
    ("red", None): '"red" or None',
}


@pytest.mark.parametrize(("choices", "told"), CHOICES.items())
def test_a_choice_is_refused_with_all_there_are(choices: tuple[str | None, ...], told: str) -> None:
    for choice in choices:
        check_choice("colour", choice, choices)
    for bad in ("gold", 3, ["red"]):
        with refused(f"colour must be {told}, not {bad!r}"):
            check_choice("colour", bad, choices)


ACTIONS = [[1, -2], (1.0, -2.0), np.array([1, -2], np.int8), np.float16([1, -2]), np.array([1, 9, -2])[::2]]


@pytest.mark.parametrize("action", ACTIONS, ids=repr)
def test_an_action_becomes_a_new_float64_array(action: Any) -> None:
    checked = checked_action(action, (2,), "it takes 2 numbers")
    assert checked.dtype == np.float64
    assert checked.flags.c_contiguous
    assert not np.shares_memory(checked, action)
    np.testing.assert_array_equal(checked, [1.0, -2.0])


@pytest.mark.parametrize("finite", [True, False])
@pytest.mark.parametrize("bad", [[1.0], 1.0, [[1.0, 2.0]], [[1.0], []], None, "go", ["a", "b"], {"a": 1}, [1j, 0], []])
def test_what_is_no_action_is_refused(bad: Any, finite: bool) -> None:
    with refused(f"it takes 2 numbers, not {bad!r}"):
        checked_action(bad, (2,), "it takes 2 numbers", finite)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_whether_an_action_must_be_finite_is_a_choice(bad: float) -> None:
    assert checked_action([0.0, bad], (2,), "it takes 2 numbers", finite=False).shape == (2,)
    with refused(f"it takes 2 numbers, not {[bad, 0.0]!r}"):
        checked_action([bad, 0.0], (2,), "it takes 2 numbers")
