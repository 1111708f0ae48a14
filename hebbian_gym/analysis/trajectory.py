"""The path of a lifetime's weights, and its principal components."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from ..architecture import Array
from ..network import PlasticNetwork
from ..rollout import Episode, run_episode
from ..spaces import check_spaces

BLOCK = 4096  # columns that are multiplied at a time, in float64


def record_weights(
    env: gym.Env[Any, Any], network: PlasticNetwork, env_seed: int = 0, birth_seed: int = 0, every: int = 1
) -> tuple[Episode, Array]:
    """Live one episode and keep all weights now and then.

    Args:
        env: to live in.
        network: lives in it.
        env_seed: for the environment's reset.
        birth_seed: for the network's birth.
        every: updates between two records.

    Returns:
        The episode; and the weights, float32 of shape (records, synapses), the first at birth.

    Raises:
        ValueError: if the network does not fit the environment, or ``every`` is less than 1.
    """
    check_spaces(network.architecture, env.observation_space, env.action_space, env.spec.id if env.spec else str(env))
    if every < 1:
        raise ValueError(f"every must be 1 or more, not {every}")
    network.reset(birth_seed)
    records = [network.state[0]]

    def observe(step: int, *_: Any) -> None:
        if (step + 1) % every == 0:
            records.append(network.state[0])

    return run_episode(env, network, env_seed, birth_seed, observe), np.stack(records)


def principal_components(samples: Array, count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Where samples lie along their first principal components.

    With fewer samples than dimensions the eigenvectors of the Gram matrix of the centred samples, X X^T, give what the
    singular value decomposition of X would, X = U S V^T, at a fraction of its size: coordinates U S, variances S^2.

    Args:
        samples: shape (n, dimensions).
        count: of components.

    Returns:
        Coordinates, float64 of shape (n, count), each component's sign such that the last sample lies at or above 0;
        and each component's share of the variance, shape (count,).

    Raises:
        ValueError: for fewer samples than components.
    """
    n, dimensions = samples.shape
    if not 1 <= count <= n:
        raise ValueError(f"{n} samples have at most {n} components, not {count}: record more often")
    gram = np.zeros((n, n))
    for first in range(0, dimensions, BLOCK):  # (n, n) += (n, block) (block, n)
        block = samples[:, first : first + BLOCK].astype(np.float64)
        block -= block.mean(axis=0)
        gram += block @ block.T
    variances, vectors = np.linalg.eigh(gram)  # ascending
    variances, vectors = np.maximum(variances[::-1], 0.0), vectors[:, ::-1]
    total = variances.sum()
    coordinates = vectors[:, :count] * np.sqrt(variances[:count])
    coordinates *= np.where(coordinates[-1] < 0, -1.0, 1.0)
    return coordinates, variances[:count] / total if total > 0 else np.zeros(count)
