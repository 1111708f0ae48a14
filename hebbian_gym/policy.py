"""Policies as torch modules: one lifetime on the numba network, many at once on torch, the same genome for both."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec
from torch import Tensor, nn
from typing_extensions import Self

from .architecture import Architecture, Array, architecture_for, random_genome
from .checkpoint import load_policy, save_policy
from .encoder import Conv
from .network import PlasticNetwork
from .registration import importable


@dataclass(frozen=True)
class Lifetimes:
    """The state of n lifetimes in torch.

    Attributes:
        weights: for each layer a tensor of shape (n, inputs, outputs).
        age: steps lived.
        history: activities of the last steps, newest last, each of shape (n, neurons); for ``average_over``, and for
            the update still to come with ``modulation="reward"``.
    """

    weights: tuple[Tensor, ...]
    age: int = 0
    history: tuple[Tensor, ...] = ()


def encode(pictures: Tensor, kernels: Sequence[Tensor], encoder: Sequence[Conv]) -> Tensor:
    """An encoder's features, differentiably.

    Args:
        pictures: shape (n, channels, height, width).
        kernels: for each stage shape (filters, channels, kernel, kernel), or with one more axis in front where each
            picture has kernels of its own.
        encoder: the stages.

    Returns:
        Shape (n, features), channel first.
    """
    for conv, kernel in zip(encoder, kernels, strict=True):
        if kernel.ndim == 5:  # all pictures as channels of one, in a group each
            together, kernels_of_all = pictures.flatten(0, 1)[None], kernel.flatten(0, 1)
            convolved = nn.functional.conv2d(together, kernels_of_all, stride=conv.stride, groups=len(pictures))
            convolved = convolved.unflatten(1, kernel.shape[:2])[0]
        else:
            convolved = nn.functional.conv2d(pictures, kernel, stride=conv.stride)
        pictures = torch.tanh(nn.functional.max_pool2d(convolved, conv.pool))  # tanh last: the same, with fewer tanhs
    return pictures.flatten(1)


def birth_batch(architecture: Architecture, genes: Tensor, rngs: Sequence[np.random.Generator | int]) -> Lifetimes:
    """A newborn from each of n generators or seeds: the one that a PlasticNetwork would be.

    Args:
        architecture: of all.
        genes: shape (genes,), or (n, genes) for a genome each.
        rngs: n of them; one that is there several times goes on from newborn to newborn.
    """
    if architecture.initial_weights == "evolved":
        initial = architecture.split(genes)[1]
        return Lifetimes(tuple(weights.expand(len(rngs), *weights.shape[-2:]) for weights in initial))
    births = [architecture.birth(np.random.default_rng(rng)) for rng in rngs]
    layers = (np.stack(layer) for layer in zip(*births, strict=True))
    return Lifetimes(tuple(torch.from_numpy(layer).to(genes) for layer in layers))


def act_batch(
    architecture: Architecture, genes: Tensor, observations: Tensor, lifetimes: Lifetimes
) -> tuple[Tensor, Lifetimes]:
    """Act, then learn, n lifetimes at once, differentiably. With ``modulation="reward"`` learning is left for later.

    Args:
        architecture: of all.
        genes: shape (genes,), or (n, genes) for a genome each: a whole population at once.
        observations: shape (n, ...), flattened; or (n,) integers for discrete observations; or with an encoder
            pictures, shape (n, channels, height, width).
        lifetimes: as they are before.

    Returns:
        Actions, shape (n, action_size), or (n,) for discrete actions; and the lifetimes after the update.
    """
    activities = [_observe(architecture, genes, observations)]
    for weights in lifetimes.weights:
        raw = torch.bmm(activities[-1][:, None], weights)[:, 0]  # (n, 1, inputs) (n, inputs, outputs)
        activities.append(torch.tanh(raw))
    squashed = _squash(architecture, raw)
    activities[-1] = raw if architecture.learn_from == "raw" else squashed
    history = (*lifetimes.history, torch.cat(activities, 1))[-architecture.average_over :]
    awaits = architecture.modulation == "reward"
    lived = Lifetimes(lifetimes.weights, lifetimes.age + 1, history)
    if not awaits:
        lived = _update(architecture, genes, lived, squashed[:, -1] if architecture.modulation == "output" else None)
    if not awaits and architecture.average_over == 1:
        lived = replace(lived, history=())
    return _actions(architecture, raw, squashed), lived


def learn_batch(architecture: Architecture, genes: Tensor, lifetimes: Lifetimes, modulator: Tensor) -> Lifetimes:
    """The update of n lifetimes with ``modulation="reward"``, differentiably; any others stay as they are.

    Args:
        architecture: of all.
        genes: as in :func:`act_batch`.
        lifetimes: after their last act.
        modulator: shape (n,), the signal that came of each one's action; NaN for no update.
    """
    if architecture.modulation != "reward" or not lifetimes.history:
        return lifetimes
    if modulator.shape != (n := len(lifetimes.weights[0]),):
        raise ValueError(f"{n} lifetimes need {n} modulators, not shape {tuple(modulator.shape)}")
    modulator = modulator.to(genes)
    told = ~modulator.isnan()
    learned = _update(architecture, genes, lifetimes, modulator.where(told, 0.0)).weights
    weights = (new.where(told[:, None, None], old) for new, old in zip(learned, lifetimes.weights, strict=True))
    return replace(lifetimes, weights=tuple(weights))


def _observe(architecture: Architecture, genes: Tensor, observations: Tensor) -> Tensor:
    """The first layer's activity, shape (n, inputs)."""
    if architecture.discrete_observations:
        index = observations.long() - architecture.first_observation
        return nn.functional.one_hot(index, architecture.sizes[0]).to(genes.dtype)
    activity = observations.reshape(len(observations), -1).to(genes.dtype) * architecture.observation_scale
    if architecture.encoder:
        pictures = activity.reshape(-1, *architecture.observation_shape)
        return encode(pictures, architecture.kernels(genes), architecture.encoder)
    return activity


def _step(raw: Tensor) -> Tensor:
    return torch.relu(torch.sign(raw))  # 1 above 0, else 0; its gradient is 0


_SQUASH = {"tanh": torch.tanh, "logistic": torch.sigmoid, "raw": lambda x: x, "step": _step}


def _squash(architecture: Architecture, raw: Tensor) -> Tensor:
    kinds = architecture.squashes
    if len(set(kinds)) == 1:
        return _SQUASH[kinds[0]](raw)
    return torch.stack([_SQUASH[kind](column) for kind, column in zip(kinds, raw.unbind(1), strict=True)], 1)


def _actions(architecture: Architecture, raw: Tensor, squashed: Tensor) -> Tensor:
    size = architecture.action_size  # beyond is the output that modulates
    if architecture.discrete_actions:
        return raw[:, :size].argmax(1) + architecture.first_action
    offset, scale, low, high = _action_scaling(architecture, squashed.dtype, squashed.device)
    actions = (offset + scale * squashed[:, :size]).clamp(low, high)
    return actions.reshape(-1, *architecture.action_shape) if architecture.action_shape else actions


@lru_cache(maxsize=64)
def _action_scaling(architecture: Architecture, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # a tensor made in that mode could not be used outside it
        return torch.from_numpy(np.stack(architecture.action_scaling())).to(device, dtype)


def _update(architecture: Architecture, genes: Tensor, lifetimes: Lifetimes, modulator: Tensor | None) -> Lifetimes:
    """Learn from the activities in ``history``, averaged; modulator: shape (n,), None for 1."""
    rule, history = architecture.plasticity, lifetimes.history
    if rule.delta is None or lifetimes.age % architecture.update_every:
        return lifetimes
    averaged = torch.stack(history).mean(0) if len(history) > 1 else history[0]
    activities = averaged.split(list(architecture.sizes), 1)
    signal = 1.0 if modulator is None else modulator[:, None, None]
    learned = []
    for layer, (w, c) in enumerate(zip(lifetimes.weights, architecture.split(genes)[0], strict=True)):
        # (n, inputs, 1) and (n, 1, outputs) against coefficients of (inputs, outputs), (1, 1), (n, inputs, outputs) ..
        pre, post = activities[layer][:, :, None], activities[layer + 1][:, None, :]
        coefficients = c.unbind(-3)
        if rule.modulated:
            change = rule.delta(pre, post, w, signal, *coefficients)
        else:
            change = rule.delta(pre, post, w, *coefficients)
            change = change if modulator is None else signal * change
        learned.append(_normalize(w + change, architecture.normalize))
    return replace(lifetimes, weights=tuple(learned))


def _normalize(weights: Tensor, how: str) -> Tensor:
    """Weights (n, inputs, outputs) normalized as the architecture says."""
    if how == "max":
        largest = weights.abs().amax((1, 2), keepdim=True)
        return weights / torch.where(largest > 0, largest, torch.ones_like(largest))
    if how == "clip":
        return weights.clamp(-1, 1)
    if how in ("l2", "zscore"):
        centred = weights
        if how == "zscore":  # in float64 the mean of equal weights is that weight exactly, and their norm then zero
            centred = weights - weights.double().mean(1, keepdim=True).to(weights)
        squares = centred.square().sum(1, keepdim=True)
        divisible = squares > 0
        norm = torch.where(divisible, squares, torch.ones_like(squares)).sqrt()  # no gradient through sqrt(0)
        return torch.where(divisible, centred / norm, weights)
    return weights


class HebbianPolicy(nn.Module):
    """A network whose synapses learn by an evolved rule, each by its own unless they share one.

    Args:
        architecture: its layers, rule and options.
        genome: shape (architecture.genome_size,); by default U(-1, 1) from ``seed``, as the paper begins.
        env_spec: the environment it is meant for, kept in its file.
        seed: of the default genome and, until :meth:`reset`, of births.

    Attributes:
        genes: the genome as a torch parameter; gradients flow to it through every act and every update.
    """

    def __init__(
        self,
        architecture: Architecture,
        genome: Array | None = None,
        env_spec: EnvSpec | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.architecture, self.env_spec = architecture, env_spec
        if genome is None:
            genome = random_genome(architecture, seed)
        self.genes = nn.Parameter(torch.from_numpy(architecture.check_genome(genome).copy()))
        self._predictor = PlasticNetwork(architecture, self.genome)
        self.reset(seed)

    @classmethod
    def for_env(
        cls,
        env: str | EnvSpec | gym.Env[Any, Any],
        rule: str = "ABCD",
        hidden: Sequence[int] = (128, 64),
        **options: Any,
    ) -> Self:
        """The policy that fits an environment.

        Args:
            env: an ID, an EnvSpec or an environment.
            rule: name of a plasticity rule.
            hidden: sizes of the hidden layers.
            options: other attributes of :class:`~hebbian_gym.Architecture`; ``genome`` and ``seed``.
        """
        own = {name: options.pop(name) for name in ("genome", "seed") if name in options}
        architecture, spec = architecture_for(env, rule=rule, hidden=hidden, **options)
        return cls(architecture, env_spec=spec, **own)

    @property
    def genome(self) -> Array:
        """What evolves: float32 of shape (genes,). Assign to set; the present lifetime goes on."""
        return self.genes.detach().cpu().numpy()

    @genome.setter
    def genome(self, genome: Array) -> None:
        with torch.no_grad():
            self.genes.copy_(torch.from_numpy(self.architecture.check_genome(genome)))

    def reset(self, seed: int | None = None) -> None:
        """Forget everything: the next act is that of a newborn, drawn from ``seed``."""
        self._births = np.random.default_rng(seed)
        self._network: PlasticNetwork | None = None
        self._lifetimes: Lifetimes | None = None

    def act(self, observation: Any) -> Any:
        """Act, then learn; with ``modulation="reward"`` learning is left to :meth:`learn`.

        Args:
            observation: one observation, for one lifetime on the numba network; or n of them (a first axis more), for
                n lifetimes at once on torch, on the device and with the gradients of ``genes``.

        Returns:
            For one observation an action as the environment takes it; for n, an array of n actions, or a tensor if the
            observations are one.
        """
        if np.ndim(observation) == len(self.architecture.observation_shape):
            network = self._newborn() if self._network is None else self._network
            network.genome = self.genome
            return network.act(observation)
        given = isinstance(observation, Tensor)
        observations = torch.as_tensor(observation, device=self.genes.device)
        if self._lifetimes is None:
            self._lifetimes = self.birth(len(observations), self._births)
        elif len(self._lifetimes.weights[0]) != len(observations):
            raise ValueError(
                f"{len(observations)} observations for {len(self._lifetimes.weights[0])} lifetimes: reset() before "
                "the number of environments changes"
            )
        if given:
            actions, self._lifetimes = self(observations, self._lifetimes)
            return actions
        with torch.no_grad():
            actions, self._lifetimes = self(observations, self._lifetimes)
        return actions.cpu().numpy()

    def learn(self, modulator: Any) -> None:
        """The update of a policy with ``modulation="reward"``; for any other this does nothing.

        Args:
            modulator: the signal that came of the last action, such as the reward: a number for one lifetime; for n
                lifetimes n of them (a tensor lets gradients flow). None or NaN for no update.
        """
        if modulator is None or self.architecture.modulation != "reward":
            return
        if np.ndim(modulator) == 0:
            if self._network is not None:
                self._network.learn(float(modulator))
        elif self._lifetimes is not None:
            given = isinstance(modulator, Tensor)
            signals = modulator if given else torch.from_numpy(np.asarray(modulator, np.float64))  # None becomes NaN
            with torch.set_grad_enabled(given and torch.is_grad_enabled()):
                self._lifetimes = learn_batch(self.architecture, self.genes, self._lifetimes, signals)

    @property
    def weights(self) -> list[Any]:
        """The present lifetime's weights, (inputs, outputs) for each layer; (n, inputs, outputs) for n lifetimes."""
        if self._lifetimes is not None:
            return list(self._lifetimes.weights)
        return (self._newborn() if self._network is None else self._network).weights

    def _newborn(self) -> PlasticNetwork:
        self._network = PlasticNetwork(self.architecture, self.genome)
        self._network.reset(self._births)
        return self._network

    def birth(self, n: int, rng: np.random.Generator | int) -> Lifetimes:
        """n newborns. The first is the one that a single network would be with the same ``rng``."""
        return birth_batch(self.architecture, self.genes, [np.random.default_rng(rng)] * n)

    def forward(self, observations: Tensor, lifetimes: Lifetimes) -> tuple[Tensor, Lifetimes]:
        """Act, then learn, n lifetimes at once, differentiably: :func:`act_batch` with this policy's genes."""
        return act_batch(self.architecture, self.genes, observations, lifetimes)

    def predict(
        self,
        observation: Any,
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Stable-Baselines3's protocol: one lifetime for each environment, its weights the state.

        Args:
            observation: of a VecEnv, shape (n, ...); or of one environment.
            state: what the last call returned; None for newborns.
            episode_start: shape (n,), True where an episode begins: there a newborn takes over.
            deterministic: ignored; a network always acts deterministically, given its birth.

        Returns:
            Actions, shape (n, ...) (or one action for one observation), and the state: weights (n, synapses),
            ages (n,), recent activities (n, window, neurons).

        Raises:
            ValueError: with ``modulation="reward"``, since this protocol never tells what came of an action.
        """
        if self.architecture.modulation == "reward":
            raise ValueError(
                'a policy with modulation="reward" learns from rewards, which predict() is never told: use act() and '
                "learn(reward), run_episode() or evaluate()"
            )
        single = np.ndim(observation) == len(self.architecture.observation_shape)
        observations = np.asarray(observation)[None] if single else np.asarray(observation)
        n = len(observations)
        network = self._predictor
        network.genome = self.genome
        starts = np.ones(n, bool) if state is None or episode_start is None else np.asarray(episode_start, bool)
        if state is not None and episode_start is None:
            starts[:] = False
        states, actions = [], []
        for i in range(n):
            if starts[i]:
                network.reset(self._births)
            else:
                assert state is not None
                network.state = (state[0][i], int(state[1][i]), state[2][i])
            actions.append(network.act(observations[i]))
            states.append(network.state)
        stacked = tuple(np.array(part) for part in zip(*states, strict=True))
        return (np.asarray(actions[0]) if single else np.array(actions)), stacked

    def save(self, path: str | os.PathLike[str], **about: Any) -> None:
        """Write the architecture, the genome and the environment's spec; never the weights of a lifetime."""
        save_policy(
            path,
            self.architecture,
            self.genome,
            importable(self.env_spec).to_json() if self.env_spec else None,
            **about,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote."""
        architecture, genome, meta = load_policy(path)
        return cls(architecture, genome, EnvSpec.from_json(meta["env"]) if meta["env"] else None)


class StaticPolicy(HebbianPolicy):
    """An ordinary network of fixed weights, which are its genome: the paper's baseline."""

    @classmethod
    def for_env(
        cls,
        env: str | EnvSpec | gym.Env[Any, Any],
        rule: str = "static",
        hidden: Sequence[int] = (128, 64),
        **options: Any,
    ) -> Self:
        """As :meth:`HebbianPolicy.for_env`, with evolved weights that do not change."""
        return super().for_env(env, rule=rule, hidden=hidden, **{"initial_weights": "evolved", **options})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote."""
        policy = super().load(path)
        if policy.architecture.plasticity.delta is not None:
            raise ValueError(
                f"{path} holds a network that learns by rule {policy.architecture.rule}: HebbianPolicy.load it"
            )
        return policy
