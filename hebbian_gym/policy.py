"""Policies as torch modules: one lifetime on the numba network, many at once on torch, the same genome for both."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec
from torch import Tensor, nn
from typing_extensions import Self

from .architecture import Architecture, Array, architecture_for, random_genome
from .batch import Lifetimes, act_batch, birth_batch, learn_batch
from .checkpoint import load_policy, save_policy
from .network import PlasticNetwork
from .registration import importable


class HebbianPolicy(nn.Module):
    """A network whose synapses learn by an evolved rule, each by its own unless they share one.

    Args:
        architecture: its layers, rule and options.
        genome: shape (architecture.genome_size,); by default U(-1, 1) from ``seed``, as the paper begins.
        env_spec: the environment it is meant for, kept in its file.
        seed: of the default genome and, until :meth:`reset`, of births.

    Attributes:
        genes: the genome as a torch parameter; gradients flow to it through every act and every update.
        learning: set to False to freeze the weights of the present lifetimes, and of later ones. The file does not
            hold it, and :func:`~hebbian_gym.evaluate`, which makes networks of its own, refuses it.
    """

    def __init__(
        self,
        architecture: Architecture,
        genome: Array | None = None,
        env_spec: EnvSpec | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.architecture, self.env_spec, self.learning = architecture, env_spec, True
        if genome is None:
            genome = random_genome(architecture, (seed, 1))  # not the numbers that the first birth is made of
        self.genes = nn.Parameter(torch.from_numpy(architecture.check_genome(genome).copy()))
        self._predictor = PlasticNetwork(architecture, self._genome())
        self.reset(seed)

    @classmethod
    def for_env(
        cls,
        env: str | EnvSpec | gym.Env[Any, Any],
        rule: str = "ABCD",
        hidden: Sequence[int] | int = (128, 64),
        **options: Any,
    ) -> Self:
        """The policy that fits an environment.

        Args:
            env: an ID, an EnvSpec or an environment.
            rule: name of a plasticity rule.
            hidden: sizes of the hidden layers; a number for one layer.
            options: other attributes of :class:`~hebbian_gym.Architecture`; ``genome`` and ``seed``.
        """
        own = {name: options.pop(name) for name in ("genome", "seed") if name in options}
        architecture, spec = architecture_for(env, rule=rule, hidden=hidden, **options)
        return cls(architecture, env_spec=spec, **own)

    @property
    def genome(self) -> Array:
        """What evolves: a copy, float32 of shape (genes,). Assign to set; the present lifetime goes on."""
        return self._genome().copy()

    @genome.setter
    def genome(self, genome: Array) -> None:
        with torch.no_grad():
            self.genes.copy_(torch.from_numpy(self.architecture.check_genome(genome)))

    def _genome(self) -> Array:
        """Without a copy where the genes are on the CPU: they are many, and a step is short."""
        return self.genes.detach().cpu().numpy()

    def reset(self, seed: int | None = None) -> None:
        """Forget everything: the next act is that of a newborn, drawn from ``seed`` (None: from no seed)."""
        self._births = np.random.default_rng(seed)
        self._network: PlasticNetwork | None = None
        self._lifetimes: Lifetimes | None = None
        self._stateless = 0  # calls of predict() in a row that were given neither a state nor an episode's start

    def act(self, observation: Any) -> Any:
        """Act, then learn; with ``modulation="reward"`` learning is left to :meth:`learn`.

        Args:
            observation: one observation, for one lifetime on the numba network; or n of them (a first axis more), for
                n lifetimes at once on torch, on the device and with the gradients of ``genes``.

        Returns:
            For one observation an action as the environment takes it; for n, an array of n actions, or a tensor if the
            observations are one.

        Raises:
            ValueError: if there is another number of lifetimes than of observations.
        """
        if np.ndim(observation) == len(self.architecture.observation_shape):
            return self._alone().act(observation)
        given = isinstance(observation, Tensor)
        observations = torch.as_tensor(observation, device=self.genes.device)
        self._lifetimes = self._together(len(observations))
        with torch.set_grad_enabled(given and torch.is_grad_enabled()):
            actions, self._lifetimes = self(observations, self._lifetimes)
        return actions if given else actions.cpu().numpy()

    def _alone(self) -> PlasticNetwork:
        """The network of one lifetime."""
        if self._lifetimes is not None:
            raise ValueError(
                f"one observation for {len(self._lifetimes.weights[0])} lifetimes: reset() before the number of "
                "environments changes, or give an array of n observations, even if n is 1"
            )
        network = self._newborn() if self._network is None else self._network
        network.genome, network.learning = self._genome(), self.learning
        return network

    def _together(self, n: int) -> Lifetimes:
        """The n lifetimes that there are, or n newborns."""
        if self._lifetimes is None:
            if self._network is not None and self._network.state[1]:  # at age 0 it was only looked at
                raise ValueError(
                    f"an array of {n} observations for a policy that lives one lifetime: reset() before the number of "
                    "environments changes, or give one observation"
                )
            self._network = None
            return self.birth(n, self._births)
        if len(self._lifetimes.weights[0]) != n:
            raise ValueError(
                f"{n} observations for {len(self._lifetimes.weights[0])} lifetimes: reset() before the number of "
                "environments changes"
            )
        return self._lifetimes

    def learn(self, modulator: Any) -> None:
        """The update of a policy with ``modulation="reward"``; for any other, or a frozen one, this does nothing.

        Args:
            modulator: the signal that came of the last action, such as the reward: a number for one lifetime; for n
                lifetimes n of them (a tensor lets gradients flow). None or NaN for no update.

        Raises:
            ValueError: if there is another number of lifetimes than of signals.
        """
        if modulator is None or self.architecture.modulation != "reward" or not self.learning:
            return
        if np.ndim(modulator) == 0:
            if self._network is not None:
                self._network.learning = self.learning
                self._network.learn(float(modulator))
            elif self._lifetimes is not None:
                raise ValueError("one signal for n lifetimes: give an array of n, even if n is 1")
        elif self._lifetimes is None:
            if self._network is not None:
                raise ValueError(f"{len(modulator)} signals for a policy that lives one lifetime: give a number")
        else:
            given = isinstance(modulator, Tensor)
            signals = modulator if given else torch.from_numpy(np.asarray(modulator, np.float64))  # None becomes NaN
            with torch.set_grad_enabled(given and torch.is_grad_enabled()):
                self._lifetimes = learn_batch(self.architecture, self.genes, self._lifetimes, signals)

    @property
    def weights(self) -> list[Any]:
        """The present lifetime's weights, (inputs, outputs) for each layer; (n, inputs, outputs) for n lifetimes.

        They are the lifetime's own, not copies: of what is to be kept ``.copy()`` (numpy) or ``.clone()`` (torch).
        """
        if self._lifetimes is not None:
            return list(self._lifetimes.weights)
        return (self._newborn() if self._network is None else self._network).weights

    def _newborn(self) -> PlasticNetwork:
        self._network = PlasticNetwork(self.architecture, self._genome())
        self._network.reset(copy.deepcopy(self._births))  # who only looks at its weights must not change who is born
        return self._network

    def birth(self, n: int, rng: np.random.Generator | int) -> Lifetimes:
        """n newborns. The first is the one that a single network would be with the same ``rng``."""
        return birth_batch(self.architecture, self.genes, [np.random.default_rng(rng)] * n)

    def forward(self, observations: Tensor, lifetimes: Lifetimes) -> tuple[Tensor, Lifetimes]:
        """Act, then learn, n lifetimes at once: :func:`~hebbian_gym.batch.act_batch` with this policy's genes."""
        return act_batch(self.architecture, self.genes, observations, lifetimes, self.learning)

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
            state: what the last call returned; None for newborns. Who never hands it back sees the first step of one
                newborn after the other, and is warned.
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
        self._warn_if_stateless(state is None and episode_start is None)
        single = np.ndim(observation) == len(self.architecture.observation_shape)
        observations = np.asarray(observation)[None] if single else np.asarray(observation)
        n = len(observations)
        network = self._predictor
        network.genome, network.learning = self._genome(), self.learning
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

    def _warn_if_stateless(self, newborn: bool) -> None:
        self._stateless = self._stateless + 1 if newborn else 0
        if self._stateless == 3:
            warnings.warn(
                "predict() was called three times without the state that it returned: each time a newborn takes its "
                "first step, and none ever learns. Pass it (actions, state = policy.predict(observation, state)), or "
                "use act()", stacklevel=3,
            )  # fmt: skip

    def save(self, path: str | os.PathLike[str], **about: Any) -> None:
        """Write the architecture, the genome and the environment's spec; never the weights of a lifetime.

        Raises:
            ValueError: if the spec cannot be written, such as that of a wrapper around a function.
        """
        try:
            spec = importable(self.env_spec).to_json() if self.env_spec else None
        except TypeError as error:
            raise ValueError(
                f"the environment's spec cannot be written ({error}): set env_spec to None, or to that of the "
                "environment without its wrappers"
            ) from error
        save_policy(path, self.architecture, self._genome(), spec, **about)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote."""
        architecture, genome, meta = load_policy(path)
        return cls(architecture, genome, EnvSpec.from_json(meta["env"]) if meta["env"] else None)


class StaticPolicy(HebbianPolicy):
    """An ordinary network of fixed weights, which are its genome: the paper's baseline.

    Args as for :class:`HebbianPolicy`; a rule that changes weights is a ValueError.
    """

    def __init__(
        self,
        architecture: Architecture,
        genome: Array | None = None,
        env_spec: EnvSpec | None = None,
        seed: int = 0,
    ) -> None:
        if architecture.plasticity.delta is not None:
            raise ValueError(
                f"a StaticPolicy's weights never change, but rule {architecture.rule} changes them: take a "
                "HebbianPolicy, from a file HebbianPolicy.load"
            )
        super().__init__(architecture, genome, env_spec, seed)

    @classmethod
    def for_env(
        cls,
        env: str | EnvSpec | gym.Env[Any, Any],
        rule: str = "static",
        hidden: Sequence[int] | int = (128, 64),
        **options: Any,
    ) -> Self:
        """As :meth:`HebbianPolicy.for_env`, with evolved weights that do not change."""
        return super().for_env(env, rule=rule, hidden=hidden, **{"initial_weights": "evolved", **options})
