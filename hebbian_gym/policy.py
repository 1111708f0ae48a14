"""Policies as torch modules: one lifetime on the numba network, many at once on torch, the same genome for both."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
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
        history: activities of the last steps, newest last, each of shape (n, neurons); for ``average_over``.
    """

    weights: tuple[Tensor, ...]
    age: int = 0
    history: tuple[Tensor, ...] = ()


def encode(pictures: Tensor, kernels: Sequence[Tensor], encoder: Sequence[Conv]) -> Tensor:
    """An encoder's features, differentiably.

    Args:
        pictures: shape (n, channels, height, width).
        kernels: for each stage shape (filters, channels, kernel, kernel).
        encoder: the stages.

    Returns:
        Shape (n, features), channel first.
    """
    for conv, kernel in zip(encoder, kernels, strict=True):
        convolved = nn.functional.conv2d(pictures, kernel, stride=conv.stride)
        pictures = torch.tanh(nn.functional.max_pool2d(convolved, conv.pool))  # tanh last: the same, with fewer tanhs
    return pictures.flatten(1)


class HebbianPolicy(nn.Module):
    """A network whose every synapse learns by its own evolved rule.

    Args:
        architecture: its layers, rule and options.
        genome: shape (architecture.genome_size,); by default U(-1, 1) from ``seed``, as the paper begins.
        env_spec: the environment it is meant for, kept in its file.
        seed: of the default genome and, until :meth:`reset`, of births.

    Attributes:
        genes: the genome as a torch parameter; gradients flow to it through every act and every update.
    """

    _scaling: Tensor

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
        self.register_buffer("_scaling", torch.from_numpy(np.stack(architecture.action_scaling())), persistent=False)
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
        """Act, then learn.

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
        if self.architecture.initial_weights == "evolved":
            initial = self.architecture.split(self.genes)[1]
            return Lifetimes(tuple(weights.expand(n, *weights.shape) for weights in initial))
        generator = np.random.default_rng(rng)
        births = [self.architecture.birth(generator) for _ in range(n)]
        layers = (np.stack(layer) for layer in zip(*births, strict=True))
        return Lifetimes(tuple(torch.from_numpy(layer).to(self.genes) for layer in layers))

    def forward(self, observations: Tensor, lifetimes: Lifetimes) -> tuple[Tensor, Lifetimes]:
        """Act, then learn, n lifetimes at once, differentiably.

        Args:
            observations: shape (n, ...), flattened; or (n,) integers for discrete observations; or with an encoder
                pictures, shape (n, channels, height, width).
            lifetimes: as they are before.

        Returns:
            Actions, shape (n, outputs), or (n,) for discrete actions; and the lifetimes after the update.
        """
        architecture = self.architecture
        if architecture.discrete_observations:
            activity = nn.functional.one_hot(
                observations.long() - architecture.first_observation, architecture.sizes[0]
            ).to(self.genes.dtype)
        else:
            activity = observations.reshape(len(observations), -1).to(self.genes.dtype) * architecture.observation_scale
            if architecture.encoder:
                pictures = activity.reshape(-1, *architecture.observation_shape)
                activity = encode(pictures, architecture.kernels(self.genes), architecture.encoder)
        activities = [activity]
        for weights in lifetimes.weights:
            raw = torch.bmm(activities[-1][:, None], weights)[:, 0]  # (n, 1, inputs) (n, inputs, outputs)
            activities.append(torch.tanh(raw))
        squashed = self._squash(raw)
        activities[-1] = raw if architecture.learn_from == "raw" else squashed
        history = (*lifetimes.history, torch.cat(activities, 1))[-architecture.average_over :]
        learned = lifetimes.weights
        if architecture.plasticity.delta is not None and (lifetimes.age + 1) % architecture.update_every == 0:
            averaged = torch.stack(history).mean(0) if len(history) > 1 else history[0]
            learned = self._learn(learned, averaged.split(list(architecture.sizes), 1))
        kept = history if architecture.average_over > 1 else ()
        if architecture.discrete_actions:
            return raw.argmax(1) + architecture.first_action, Lifetimes(learned, lifetimes.age + 1, kept)
        offset, scale, low, high = self._scaling
        actions = (offset + scale * squashed).clamp(low, high)
        if architecture.action_shape:
            actions = actions.reshape(-1, *architecture.action_shape)
        return actions, Lifetimes(learned, lifetimes.age + 1, kept)

    def _squash(self, raw: Tensor) -> Tensor:
        kinds = self.architecture.outputs
        functions = {"tanh": torch.tanh, "logistic": torch.sigmoid, "raw": lambda x: x}
        if len(set(kinds)) == 1:
            return functions[kinds[0]](raw)
        return torch.stack([functions[kind](column) for kind, column in zip(kinds, raw.unbind(1), strict=True)], 1)

    def _learn(self, weights: Sequence[Tensor], activities: Sequence[Tensor]) -> tuple[Tensor, ...]:
        coefficients, _ = self.architecture.split(self.genes)
        delta = self.architecture.plasticity.delta
        assert delta is not None
        learned = []
        for layer, (w, c) in enumerate(zip(weights, coefficients, strict=True)):
            # (n, inputs, 1) and (n, 1, outputs) against coefficients of (inputs, outputs)
            updated = w + delta(activities[layer][:, :, None], activities[layer + 1][:, None, :], w, *c.unbind(0))
            if self.architecture.normalize:
                largest = updated.abs().amax((1, 2), keepdim=True)
                updated = updated / torch.where(largest > 0, largest, torch.ones_like(largest))
            learned.append(updated)
        return tuple(learned)

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
        """
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
