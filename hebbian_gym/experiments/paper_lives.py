"""Lifetimes of ready-evolved agents, disturbed or not, in worker processes: what the paper's figures are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium as gym
import numpy as np

from ..analysis import perturb
from ..checkpoint import load_policy
from ..network import PlasticNetwork
from ..pretrained import pretrained_path
from ..rollout import run_episode

Data = dict[str, Any]

ANT, CAR = "ant-hebbian", "car-hebbian"  # ready-evolved
WHOLE, TRACK = "AntUndamaged-v0", "CarRacingPreprocessed-v0"
BODIES = {
    "undamaged (seen)": WHOLE,
    "right front leg short (seen)": "AntDamagedRightFront-v0",
    "left front leg short (unseen)": "AntDamagedLeftFront-v0",
}
NEVER = 10**9  # a step


@dataclass(frozen=True)
class Lives:
    """Lifetimes of one agent in one environment: what a worker is told.

    Attributes:
        rule: a ready-evolved one.
        env: ID.
        seeds: of reset and birth, for each lifetime.
        perturbation: a function of :mod:`hebbian_gym.analysis.perturb`, "" for none.
        arguments: of that function.
        reference: step; the weights with which it begins are those that later ones are compared to.
        keep: numbers of updates after which the first lifetime's weights are kept.
    """

    rule: str
    env: str
    seeds: Sequence[tuple[int, int]]
    perturbation: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    reference: int = NEVER
    keep: tuple[int, ...] = ()


class _Notes:
    """An observer: rewards, how the weights compare to the reference, weights that are to be kept."""

    def __init__(self, lives: Lives, network: PlasticNetwork, mask: np.ndarray) -> None:
        self._lives, self._network, self._mask = lives, network, mask
        self._reference = np.zeros(0)
        self.rewards: list[float] = []
        self.similarity: list[float] = []
        self.share: list[float] = []
        self.weights: dict[int, list[np.ndarray]] = {}
        self._keep(0)

    def __call__(self, step: int, observation: Any, action: Any, reward: float, info: dict[str, Any]) -> None:
        self.rewards.append(reward)
        self._keep(step + 1)
        if step + 1 >= self._lives.reference:
            weights = self._network.state[0][self._mask].astype(np.float64)
            if step + 1 == self._lives.reference:
                self._reference = weights
            product, square = float(weights @ self._reference), float(self._reference @ self._reference)
            self.similarity.append(product / max(np.sqrt(square * float(weights @ weights)), 1e-12))
            self.share.append(product / max(square, 1e-12))

    def _keep(self, updates: int) -> None:
        if updates in self._lives.keep:
            self.weights[updates] = [layer.copy() for layer in self._network.weights]


def live(lives: Lives) -> Data:
    """Live them.

    Returns:
        Arrays of shape (lifetimes, steps): ``rewards``; and from the reference on, of the synapses that a lesion
        concerns or else all, ``similarity``, the cosine between weights and reference, and ``share``, the weights'
        projection on the reference in units of the reference. An ended lifetime earns 0. ``weights`` of the first
        lifetime by updates, and ``masks`` of a lesion.
    """
    architecture, genome, _ = load_policy(pretrained_path(lives.rule))
    network = PlasticNetwork(architecture, genome)
    agent: Any = getattr(perturb, lives.perturbation)(network, **lives.arguments) if lives.perturbation else network
    masks = getattr(agent, "masks", [np.ones(shape, bool) for shape in architecture.layers])
    mask = np.concatenate([layer.ravel() for layer in masks])
    told: list[_Notes] = []
    with gym.make(lives.env, disable_env_checker=True) as env:
        for reset, birth in lives.seeds:
            network.reset(birth)
            told.append(_Notes(lives if not told else replace(lives, keep=()), network, mask))
            run_episode(env, agent, reset, birth, told[-1])
    return {
        **{name: _stack([getattr(notes, name) for notes in told]) for name in ("rewards", "similarity", "share")},
        "weights": told[0].weights, "masks": masks,
    }  # fmt: skip


def _stack(series: list[list[float]]) -> np.ndarray:
    """Of shape (lifetimes, steps), 0 after the end of one that was shorter than others."""
    longest = max(map(len, series))
    return np.array([np.pad(each, (0, longest - len(each))) for each in series])
