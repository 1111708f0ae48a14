"""The steps that OpenAIES and PGPE share, against torch, the ClipUp paper written out, and evosax."""

import numpy as np
import pytest
import torch
from optimizing import evosax

from hebbian_gym.optimizers.steps import SGD, Adam, ClipUp, make_step

GENES = 6


def gradients(count):
    """Noise about a direction, which changes half way, so that momentum first gathers and then turns."""
    rng, towards = np.random.default_rng(0), np.linspace(-1, 2, GENES)
    return [(rng.standard_normal(GENES) + np.sign(count / 2 - i) * towards).astype(np.float32) for i in range(count)]


def path(step, rate, count):
    """Where the changes lead to from zero, one row for each step."""
    changes = [step(gradient, rate, time).copy() for time, gradient in enumerate(gradients(count), 1)]
    assert all(change.dtype == np.float32 for change in changes)
    return np.cumsum(changes, axis=0)


def papers_clipup(rate, max_speed, count):
    """Toklu et al. (2020) in float64; also which velocities were clipped."""
    x, v, positions, clipped = np.zeros(GENES), np.zeros(GENES), [], []
    for gradient in gradients(count):
        g = gradient.astype(float)
        v = 0.9 * v + rate * g / np.sqrt(np.sum(g * g))
        speed = np.sqrt(np.sum(v * v))
        clipped.append(speed > max_speed)
        if speed > max_speed:
            v = max_speed * v / speed
        x = x + v
        positions.append(x)
    return np.array(positions), clipped


def test_sgd_is_the_gradient_times_the_rate():
    np.testing.assert_allclose(path(SGD(GENES), 0.3, 5), 0.3 * np.cumsum(gradients(5), axis=0), rtol=1e-5)
    assert SGD(GENES).moments == []


def test_adam_is_torchs():
    theirs = torch.zeros(GENES, requires_grad=True)
    adam, positions = torch.optim.Adam([theirs], lr=0.05), []
    for gradient in gradients(20):
        theirs.grad = torch.tensor(-gradient)
        adam.step()
        positions.append(theirs.detach().numpy().copy())
    np.testing.assert_allclose(path(Adam(GENES), 0.05, 20), positions, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("max_speed", [None, 0.3, 0.05])
def test_clipup_is_the_papers(max_speed):
    limit = 0.2 if max_speed is None else max_speed  # by default twice the rate
    expected, clipped = papers_clipup(0.1, limit, 40)
    np.testing.assert_allclose(path(ClipUp(GENES, max_speed), 0.1, 40), expected, rtol=1e-4, atol=1e-5)
    assert any(clipped)
    assert max_speed == 0.05 or not all(clipped)


@pytest.mark.filterwarnings("ignore:optax.global_norm is deprecated:DeprecationWarning")  # evosax 0.3.2 calls it
def test_clipup_is_evosaxs():
    clipup = evosax().clipup(0.1, 0.3)
    state, x, positions = clipup.init(np.zeros(GENES)), np.zeros(GENES), []
    for gradient in gradients(10):
        change, state = clipup.update(-gradient, state)  # they descend
        x = x + np.asarray(change)
        positions.append(x)
    np.testing.assert_allclose(path(ClipUp(GENES, 0.3), 0.1, 10), positions, rtol=1e-4, atol=1e-5)


def test_clipup_never_exceeds_its_speed_and_ignores_the_gradients_scale():
    slow, fast = ClipUp(GENES), ClipUp(GENES)
    for time, gradient in enumerate(gradients(30), 1):
        change = slow(gradient, 0.1, time)
        assert np.linalg.norm(change) <= 0.2 * (1 + 1e-6)
        np.testing.assert_allclose(fast(1e6 * gradient, 0.1, time), change, rtol=1e-4, atol=1e-7)


def test_clipups_default_speed_follows_the_learning_rate():
    step, towards = ClipUp(GENES), np.ones(GENES, np.float32)
    for rate in (0.1, 0.05, 0.2):
        lengths = [np.linalg.norm(step(towards, rate, time)) for time in range(1, 30)]
        assert lengths[-1] == pytest.approx(2 * rate)


def test_without_a_gradient_clipup_rolls_on():
    step, nothing = ClipUp(GENES), np.zeros(GENES, np.float32)
    assert not step(nothing, 0.1, 1).any()
    pushed = step(np.ones(GENES, np.float32), 0.1, 2).copy()
    np.testing.assert_allclose(step(nothing, 0.1, 3), 0.9 * pushed, rtol=1e-6)


@pytest.mark.parametrize(("name", "kind"), [("sgd", SGD), ("adam", Adam), ("clipup", ClipUp)])
def test_moments_are_the_whole_state(name, kind):
    first, second = make_step(name, GENES), make_step(name, GENES)
    assert isinstance(first, kind)
    for time, gradient in enumerate(gradients(6), 1):
        first(gradient, 0.1, time)
    second.moments = [moment.copy() for moment in first.moments]
    again = gradients(7)[-1]
    np.testing.assert_array_equal(second(again, 0.1, 7), first(again, 0.1, 7))


@pytest.mark.parametrize(
    ("name", "max_speed", "sentence"),
    [
        ("rmsprop", None, 'optimizer must be "sgd", "adam" or "clipup", not \'rmsprop\''),
        ("clipup", 0.0, "max_speed is a positive number"),
        ("clipup", -1.0, "max_speed is a positive number"),
        ("clipup", np.nan, "max_speed is a positive number"),
        ("clipup", np.inf, "max_speed is a positive number"),
        ("adam", 0.1, "max_speed is a positive number for \"clipup\" only, not 0.1 for 'adam'"),
    ],
)
def test_impossible_steps_are_refused(name, max_speed, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_step(name, GENES, max_speed)
