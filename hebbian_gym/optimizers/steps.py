"""How a gradient becomes a step uphill: plain, by Adam, or by ClipUp."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..architecture import Array

ADAM_BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-8  # Kingma & Ba (2015)
CLIPUP_MOMENTUM, CLIPUP_SPEED = 0.9, 2.0  # Toklu et al. (2020); the second in learning rates


class Step(Protocol):
    """From a gradient to the change of the mean.

    Attributes:
        moments: what it remembers of earlier gradients, each float32 of shape (genes,). They are its whole state.
    """

    moments: list[Array]

    def __call__(self, gradient: Array, rate: float, time: int) -> Array:
        """The change, shape (genes,).

        Args:
            gradient: of what is maximised, float32 of shape (genes,).
            rate: the learning rate.
            time: 1 for the first step, 2 for the second, and so on.
        """
        ...


class SGD:
    """The gradient times the learning rate. It remembers nothing.

    Args:
        genes: how many there are.
    """

    def __init__(self, genes: int) -> None:
        self.moments: list[Array] = []

    def __call__(self, gradient: Array, rate: float, time: int) -> Array:
        return np.float32(rate) * gradient


class Adam:
    """Kingma & Ba (2015, arXiv 1412.6980), algorithm 1: every gene moves by about the learning rate.

    Args:
        genes: how many there are.
    """

    def __init__(self, genes: int) -> None:
        self.moments = [np.zeros(genes, np.float32) for _ in ADAM_BETAS]

    def __call__(self, gradient: Array, rate: float, time: int) -> Array:
        for moment, beta, power in zip(self.moments, ADAM_BETAS, (1, 2), strict=True):
            moment *= np.float32(beta)
            moment += np.float32(1 - beta) * gradient**power
        first, second = (m / np.float32(1 - b**time) for m, b in zip(self.moments, ADAM_BETAS, strict=True))
        return np.float32(rate) * (first / (np.sqrt(second) + np.float32(ADAM_EPSILON)))


class ClipUp:
    """Toklu, Liskowski & Srivastava (2020, arXiv 2008.02387): momentum of bounded length.

    Only the direction of the gradient counts, so its scale does not matter. The learning rate is the length of the
    change that one gradient causes, all genes together; with momentum the whole change may grow to ``max_speed``.

    Args:
        genes: how many there are.
        max_speed: the greatest length of a change; by default twice the learning rate of each step, as the paper
            recommends.
    """

    def __init__(self, genes: int, max_speed: float | None = None) -> None:
        self.moments = [np.zeros(genes, np.float32)]  # the velocity
        self.max_speed = max_speed

    def __call__(self, gradient: Array, rate: float, time: int) -> Array:
        (velocity,) = self.moments
        length = float(np.linalg.norm(gradient))
        velocity *= np.float32(CLIPUP_MOMENTUM)
        if length > 0:  # without a direction the ball rolls on
            velocity += np.float32(rate / length) * gradient
        speed, limit = float(np.linalg.norm(velocity)), self.max_speed or CLIPUP_SPEED * rate
        if speed > limit:
            velocity *= np.float32(limit / speed)
        return velocity


def make_step(optimizer: str, genes: int, max_speed: float | None = None) -> Step:
    """A step by its name.

    Args:
        optimizer: "sgd", "adam" or "clipup".
        genes: how many there are.
        max_speed: of :class:`ClipUp`.

    Raises:
        ValueError: for another name, a ``max_speed`` that is not positive, or one of another step than ClipUp.
    """
    if max_speed is not None and not (optimizer == "clipup" and 0 < max_speed < np.inf):
        raise ValueError(f'max_speed is a positive number for "clipup" only, not {max_speed} for {optimizer!r}')
    if optimizer == "clipup":
        return ClipUp(genes, max_speed)
    if optimizer == "adam":
        return Adam(genes)
    if optimizer == "sgd":
        return SGD(genes)
    raise ValueError(f'optimizer must be "sgd", "adam" or "clipup", not {optimizer!r}')
