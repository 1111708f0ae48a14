"""The plastic network, beside a naive loop over its synapses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from ..architecture import Architecture, Array, random_genome
from ..network import PlasticNetwork
from .measurement import Measurement, dashed, interleaved, time_per_call

ANT_SIZES, CAR_SIZES = (28, 128, 64, 8), (648, 128, 64, 3)


@njit
def naive_update(coefficients, weights, activities):  # type: ignore[no-untyped-def]
    """Rule ABCD, synapse by synapse, the way the paper's origin stores it.

    Args:
        coefficients: A, B, C, eta, D of each synapse, float32 of shape (synapses, 5).
        weights: a tuple of one array of shape (inputs, outputs) for each layer; changed in place.
        activities: a tuple of one array for each layer of neurons.
    """
    synapse = 0
    for layer in range(len(weights)):
        w, pre, post = weights[layer], activities[layer], activities[layer + 1]
        for i in range(len(pre)):
            for j in range(len(post)):
                c = coefficients[synapse]
                w[i, j] += c[3] * (c[0] * pre[i] * post[j] + c[1] * pre[i] + c[2] * post[j] + c[4])
                synapse += 1


def naive_coefficients(architecture: Architecture, genome: Array) -> Array:
    """A genome as :func:`naive_update` takes it, float32 of shape (synapses, coefficients)."""
    layers = architecture.split(genome)[0]
    rows = np.concatenate([layer.reshape(len(layer), -1).T for layer in layers])
    return np.ascontiguousarray(rows)  # numba is twice as slow on anything else, which would flatter us


def naive_activities(weights: Sequence[Array], observation: Array) -> tuple[Array, ...]:
    """What every layer of neurons does at an observation, each float32 of shape (neurons,)."""
    activities = [observation]
    for layer in weights:
        activities.append(np.tanh(activities[-1] @ layer))
    return tuple(activities)


def _kernel(name: str, sizes: tuple[int, ...], target: float, repetitions: int, size: int) -> Measurement:
    """PlasticNetwork.act, which is forward pass and update, against the naive update alone, over ``size`` steps."""
    architecture = Architecture(sizes, low=(-1.0,) * sizes[-1], high=(1.0,) * sizes[-1])
    genome = random_genome(architecture, seed=0, scale=0.1)
    network = PlasticNetwork(architecture, genome)
    network.reset(0)
    coefficients, weights = naive_coefficients(architecture, genome), tuple(layer.copy() for layer in network.weights)
    observations = np.random.default_rng(0).uniform(-1, 1, (size, sizes[0])).astype(np.float32)
    activities = [naive_activities(weights, observation) for observation in observations]

    def ours(seed: int) -> float:
        network.reset(seed)
        return time_per_call(network.act, ((observation,) for observation in observations))

    def peer(seed: int) -> float:
        return time_per_call(naive_update, ((coefficients, weights, now) for now in activities))

    what = f"{dashed(sizes)} ABCD act + learn; peer: a naive numba loop over synapses, learning alone"
    times = interleaved(ours, peer, repetitions)
    return Measurement(name, what, *times, "us/step", repetitions, target=target)


def hebbian_kernel_ant(repetitions: int, size: int = 2000) -> Measurement:
    """Forward pass and update of the ant's network against a naive update alone, over ``size`` steps."""
    return _kernel("hebbian-kernel-ant", ANT_SIZES, 1 / 2, repetitions, size)


def hebbian_kernel_car(repetitions: int, size: int = 500) -> Measurement:
    """Forward pass and update of the car's network against a naive update alone, over ``size`` steps."""
    return _kernel("hebbian-kernel-car", CAR_SIZES, 1 / 3.5, repetitions, size)
