"""Disturb a lifetime: stop learning, force the outputs, zero weights, cut off actuators.

:func:`freeze`, :func:`saturate` and :func:`lesion` take an agent and give back another to be used in its place, with
:func:`~hebbian_gym.run_episode` or in a loop of one's own; :class:`DisableActuators` wraps an environment. Until the
disturbance begins nothing differs, to the bit. Steps are counted from birth, so one perturbed agent can live many
lifetimes. Perturbations can be nested; of two that come at the same step the outer one acts first.

Example:
    >>> import gymnasium as gym, hebbian_gym as hg
    >>> env, policy = gym.make("CartPole-v1"), hg.HebbianPolicy.for_env("CartPole-v1", hidden=(8,))
    >>> cut_and_frozen = freeze(lesion(policy, at=5, fraction=1.0), after=5)
    >>> _ = hg.run_episode(env, cut_and_frozen)
    >>> float(abs(policy.weights[0]).max())
    0.0
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np

from ..rollout import Agent

ANT_LEGS = {"left_front": (0, 1), "left_back": (2, 3), "right_back": (4, 5), "right_front": (6, 7)}
"""The ant's actuators, hip and ankle of each leg, for :class:`DisableActuators`."""
_UNDISTURBED = ("genome", "architecture", "predict")


class Perturbed:
    """An agent that acts for another and disturbs it.

    It has whatever else the other has (weights, learn ...), but for what would let the other live undisturbed:
    ``genome`` and ``architecture``, from which evaluators make networks of their own, and SB3's ``predict``.

    Args:
        agent: with ``reset`` and ``act``.

    Attributes:
        agent: the other.
        age: steps lived since its birth.
    """

    def __init__(self, agent: Agent) -> None:
        self.agent, self.age = agent, 0

    def __getattr__(self, name: str) -> Any:
        if name == "agent":  # while it is being copied there is none yet
            raise AttributeError(name)
        if name in _UNDISTURBED:
            raise AttributeError(
                f"a perturbed agent has no {name}: what uses it would live undisturbed. Take run_episode(env, agent, "
                "reset seed, birth seed), or a loop of reset() and act()"
            )
        return getattr(self.agent, name)

    def reset(self, rng: int) -> None:
        """Be born."""
        self.age = 0
        self.agent.reset(rng)

    def act(self, observation: Any) -> Any:
        """The other's action."""
        action = self.agent.act(observation)
        self.age += 1
        return action


def freeze(agent: Agent, after: int) -> Perturbed:
    """Let an agent learn for its first ``after`` steps only (Najarro & Risi 2020, figure 3 left).

    Other perturbations within ``agent`` still apply: weights that a lesion zeroes stay zero from then on.

    Args:
        agent: with a switch ``learning``, or with ``weights`` (its updates are then undone).
        after: updates that it makes; 0 for none.

    Raises:
        ValueError: if ``after`` is negative, or the agent has neither.
    """
    _check_step("after", after)
    if isinstance(agent, Perturbed):  # freezing goes beneath: only the agent's own updates are undone
        outer = copy.copy(agent)
        outer.agent = freeze(agent.agent, after)
        return outer
    if not hasattr(agent, "learning"):
        _weights(agent)
    return _Frozen(agent, after)


class _Frozen(Perturbed):
    def __init__(self, agent: Agent, after: int) -> None:
        super().__init__(agent)
        self._after = after

    def act(self, observation: Any) -> Any:
        with self._held(self.age >= self._after):
            return super().act(observation)

    def learn(self, modulator: float | None) -> None:
        """Of an agent that learns from what came of its action: the same, or nothing once it is frozen."""
        if hasattr(self.agent, "learn") and self.age <= self._after:  # the step has been counted already
            self.agent.learn(modulator)

    @contextmanager
    def _held(self, frozen: bool) -> Iterator[None]:
        """Within it the agent does not learn, if frozen."""
        agent: Any = self.agent
        if not frozen:
            yield
        elif hasattr(agent, "learning"):
            before, agent.learning = agent.learning, False
            try:
                yield
            finally:
                agent.learning = before
        else:
            before = [layer.copy() for layer in _weights(agent)]
            yield
            for layer, kept in zip(_weights(agent), before, strict=True):
                layer[:] = kept


def saturate(agent: Agent, start: int, stop: int, action: Any = 1.0) -> Perturbed:
    """Force all outputs from step ``start`` to before ``stop`` (Najarro & Risi 2020, figure 3 right).

    It is the actuators that are forced: the agent meanwhile observes what comes of that, and learns from its own
    outputs.

    Args:
        agent: whose actions are arrays of numbers.
        start: first step, from 0.
        stop: the step after the last.
        action: what is done instead, a number for all outputs or an array of one action's shape.

    Raises:
        ValueError: unless 0 <= start <= stop; in :meth:`act` if the agent's actions are no arrays of numbers.
    """
    _check_step("start", start)
    if stop < start:
        raise ValueError(f"stop must be {start} (start) or later, not {stop}")
    return _Saturated(agent, start, stop, action)


class _Saturated(Perturbed):
    def __init__(self, agent: Agent, start: int, stop: int, action: Any) -> None:
        super().__init__(agent)
        self._when, self._action = range(start, stop), action

    def act(self, observation: Any) -> Any:
        forced = self.age in self._when
        action = super().act(observation)
        if not forced:
            return action
        if not (isinstance(action, np.ndarray) and action.dtype.kind == "f"):
            raise ValueError(f"saturate is for actions that are arrays of numbers, not for {action!r}")
        return np.broadcast_to(np.asarray(self._action, action.dtype), action.shape).copy()


def lesion(agent: Agent, at: int, fraction: float = 1 / 3, seed: int = 0, band: bool = False) -> Lesioned:
    """Zero a part of every layer's weights, once, before the agent acts at step ``at`` (Najarro & Risi 2020, figure 4).

    Args:
        agent: with ``weights``.
        at: step, from 0.
        fraction: of a layer's synapses, in [0, 1].
        seed: draws which; they are the same in every lifetime.
        band: all synapses of adjacent neurons, as in the paper's picture, on the layer's larger side; else scattered.

    Raises:
        ValueError: for a negative step, a fraction outside [0, 1], or an agent without weights.
    """
    _check_step("at", at)
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"fraction must be in [0, 1], not {fraction}")
    rng = np.random.default_rng(seed)
    choose = _band if band else _scattered
    return Lesioned(agent, at, [choose(layer.shape, fraction, rng) for layer in _weights(agent)])


class Lesioned(Perturbed):
    """An agent that loses weights at a step.

    Attributes:
        masks: for each layer bool of shape (inputs, outputs), True for the synapses that it loses.
    """

    def __init__(self, agent: Agent, at: int, masks: Sequence[np.ndarray]) -> None:
        super().__init__(agent)
        self.masks, self._at = list(masks), at

    def act(self, observation: Any) -> Any:
        """Lose them if it is time; then the other's action."""
        if self.age == self._at:
            for layer, mask in zip(_weights(self.agent), self.masks, strict=True):
                layer[mask] = 0
        return super().act(observation)


def _scattered(shape: tuple[int, ...], fraction: float, rng: np.random.Generator) -> np.ndarray:
    size = int(np.prod(shape))
    mask = np.zeros(size, bool)
    mask[rng.choice(size, round(fraction * size), replace=False)] = True
    return mask.reshape(shape)


def _band(shape: tuple[int, ...], fraction: float, rng: np.random.Generator) -> np.ndarray:
    side = int(np.argmax(shape))
    width = round(fraction * shape[side])
    first = rng.integers(shape[side] - width + 1)
    adjacent = np.zeros(shape[side], bool)
    adjacent[first : first + width] = True
    return np.broadcast_to(np.expand_dims(adjacent, 1 - side), shape).copy()


class DisableActuators(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """An environment whose actuators fail within the episode: from a step on, some of the action's numbers are zero.

    It stands for damage in mid-life where a body cannot be changed while it lives: the ant's legs are cut to length
    when its environment is made. A leg whose actuators fail hangs limp.

    Args:
        env: with a Box of shape (n,) for actions.
        actuators: indices into the action, such as ``ANT_LEGS["left_front"]``.
        at: first step at which they fail, from 0.

    Raises:
        ValueError: for other actions, an actuator that is not there, or a negative step.
    """

    def __init__(self, env: gym.Env[Any, Any], actuators: Sequence[int], at: int) -> None:
        actuators = [int(actuator) for actuator in actuators]
        gym.utils.RecordConstructorArgs.__init__(self, actuators=actuators, at=at)
        super().__init__(env)
        space = env.action_space
        if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
            raise ValueError(f"actuators can be disabled where actions are a Box of shape (n,), not {space}")
        if not all(0 <= actuator < space.shape[0] for actuator in actuators):
            raise ValueError(f"actuators must be in 0 to {space.shape[0] - 1}, not {actuators}")
        _check_step("at", at)
        self._actuators, self._at, self._steps = actuators, at, 0

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Start a new episode, all actuators whole."""
        self._steps = 0
        return super().reset(**kwargs)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """A step of the environment with what is left of the action."""
        if self._steps >= self._at:
            action = np.array(action)
            action[self._actuators] = 0
        self._steps += 1
        return super().step(action)


def _check_step(name: str, step: int) -> None:
    if step < 0:
        raise ValueError(f"{name} is a step: 0 or more, not {step}")


def _weights(agent: Any) -> list[Any]:
    """The weights of the agent's lifetime, arrays to be changed in place."""
    weights = getattr(agent, "weights", None)
    if weights is None or not all(isinstance(layer, np.ndarray) for layer in weights):
        raise ValueError(
            f"{type(agent).__name__} has no weights of one lifetime to freeze or to zero: take a PlasticNetwork, or a "
            "HebbianPolicy that lives one lifetime at a time"
        )
    return list(weights)
