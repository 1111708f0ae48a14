"""Episodes of any policies by Stable-Baselines3's own evaluation, from the births and resets of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from .evaluator import Evaluation
from .registration import find_spec
from .spaces import check_spaces
from .task import EVALUATION, lifetime_seeds

try:
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv
except ImportError as error:
    raise ImportError('Stable-Baselines3 is not installed: pip install "hebbian-gym[baselines]"') from error


class Predicting(Protocol):
    """Whatever has SB3's ``predict``: a model, a HebbianPolicy, a :class:`~hebbian_gym.baseline_files.Predictor`.

    Two more attributes are optional, and therefore not declared. ``reset(seed)``: it is born anew with a seed at the
    beginning of each episode. ``env_kwargs``: arguments of ``gymnasium.make`` for the environments that it knows.
    """

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[np.ndarray, Any]: ...


class _InOrder(gym.Wrapper[Any, Any, Any, Any]):
    """Resets with one seed after the other, and adds up each episode's rewards and progress.

    SB3's Monitor adds up rewards, too, but rounds the sum.
    """

    def __init__(self, env: gym.Env[Any, Any], seeds: Sequence[int]) -> None:
        super().__init__(env)
        self._seeds, self.scores, self.distances = iter(seeds), list[float](), list[float]()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.scores.append(0.0)
        self.distances.append(0.0)
        return self.env.reset(seed=next(self._seeds, None), options=options)  # None: SB3 resets after the last, too

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.scores[-1] += float(reward)
        self.distances[-1] += float(info.get("reward_progress", np.nan))
        return observation, reward, terminated, truncated, info


class _Born:
    """A policy that is born from one seed after the other, at the beginning of each episode."""

    def __init__(self, policy: Any, births: Sequence[int]) -> None:
        self._policy, self._births = policy, iter(births)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[np.ndarray, Any]:
        if episode_start[0]:
            self._policy.reset(next(self._births))
        predicted: tuple[np.ndarray, Any] = self._policy.predict(observation, state, episode_start, deterministic)
        return predicted


def evaluate_one(
    policy: Predicting,
    env: str | EnvSpec,
    episodes: int = 100,
    seed: int = 1,
    *,
    stream: int = EVALUATION,
    done: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Many episodes of a policy on one body, by SB3's ``evaluate_policy``, acting deterministically.

    Resets, and births of whoever is born, are those of :func:`hebbian_gym.evaluate` with the same ``seed``: a
    HebbianPolicy has the very lifetimes that it has there. Scores are sums of raw rewards, without early stop.

    Args:
        policy: one with a ``reset`` is reset.
        env: an ID or an EnvSpec.
        episodes: how many.
        seed: of resets and births; training never uses these, whatever its own seed.
        stream: which of the streams of seeds.
        done: called after each episode.

    Returns:
        An evaluation whose arrays have shape (episodes,).

    Raises:
        ValueError: if a network does not fit the environment.
    """
    if episodes < 1:
        raise ValueError(f"episodes must be 1 or more, not {episodes}")
    resets, births = zip(*lifetime_seeds(seed, episodes, stream), strict=True)

    def after_step(local: dict[str, Any], _: dict[str, Any]) -> None:
        if local["done"]:
            done()

    spec = find_spec(env)
    with closing(gym.make(spec, disable_env_checker=True, **getattr(policy, "env_kwargs", {}))) as body:
        if (architecture := getattr(policy, "architecture", None)) is not None:
            check_spaces(architecture, body.observation_space, body.action_space, spec.id)
        inner = _InOrder(body, resets)
        agent = _Born(policy, births) if hasattr(policy, "reset") else policy
        venv = DummyVecEnv([lambda: Monitor(inner)])  # it has nothing to close but the body
        told = evaluate_policy(agent, venv, episodes, callback=after_step, return_episode_rewards=True)
    score, steps = np.array(inner.scores[:episodes]), np.array(told[1])
    return Evaluation(score, score, np.array(inner.distances[:episodes]), steps)
