"""The weights that a newborn has."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

INITIAL_WEIGHTS = ("uniform", "normal", "xavier", "kaiming", "sparse", "ones", "zeros", "evolved")


def random_weights(kind: str, scale: float, inputs: int, outputs: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A newborn layer, float32 of shape (inputs, outputs).

    Args:
        kind: one of :data:`INITIAL_WEIGHTS` but "evolved".
        scale: half-width of "uniform", standard deviation of "normal" and of "sparse".
        inputs: of the layer.
        outputs: of the layer.
        rng: to draw from.
    """
    shape = inputs, outputs
    if kind == "normal":
        return scale * rng.standard_normal(shape, np.float32)
    if kind == "sparse":  # 80% of each neuron's inputs are zero
        weights = scale * rng.standard_normal(shape, np.float32)
        dropped = np.argsort(rng.random(shape), axis=0) < math.ceil(0.8 * inputs)
        return np.where(dropped, np.float32(0), weights)
    if kind in ("ones", "zeros"):
        return np.full(shape, kind == "ones", np.float32)
    bound = {"uniform": scale, "xavier": math.sqrt(6 / (inputs + outputs)), "kaiming": math.sqrt(6 / inputs)}[kind]
    return (2 * rng.random(shape, np.float32) - 1) * np.float32(bound)
