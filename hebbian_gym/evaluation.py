"""Many lifetimes of one policy, and which evaluator lets them live."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from .architecture import Architecture, Array
from .distributed import RayEvaluator
from .evaluator import Done, Evaluation, Evaluator, SerialEvaluator
from .optimizers.base import Copies
from .processes import ProcessEvaluator
from .task import EVALUATION, Task

log = logging.getLogger(__name__)


def make_evaluator(
    architecture: Architecture, workers: int = 1, timeout: float | None = None, ray_address: str | None = None
) -> Evaluator:
    """Serial for one worker, processes for more, actors of a Ray cluster if there is an address.

    Args:
        architecture: of the candidates.
        workers: processes or actors.
        timeout: seconds that a candidate may take in one of them; None for their default.
        ray_address: of the cluster, or "auto".
    """
    limit = {} if timeout is None else {"timeout": timeout}
    if ray_address is not None:
        return RayEvaluator(architecture, workers, address=ray_address, **limit)
    return SerialEvaluator(architecture) if workers == 1 else ProcessEvaluator(architecture, workers, **limit)


class Evolvable(Protocol):
    """What evolution and evaluation need of a policy."""

    @property
    def architecture(self) -> Architecture: ...

    genome: Array


@dataclass
class Individual:
    """The least that evolves: an architecture and a genome, without torch."""

    architecture: Architecture
    genome: Array


def check_evolvable(policy: Any) -> None:
    """Refuse what is not all in its architecture and genome, from which evaluators make networks of their own.

    Raises:
        ValueError: for an agent without these, such as a model of Stable-Baselines3 or a perturbed agent, or with
            ``learning`` switched off.
    """
    if not (hasattr(policy, "architecture") and hasattr(policy, "genome")):
        raise ValueError(
            f"{type(policy).__name__} has no architecture and genome to make networks of. What has reset() and act(), "
            "such as a perturbed agent, lives by run_episode(env, agent); what has predict(), such as a model of "
            "Stable-Baselines3, is judged by hebbian_gym.comparison.compare([Contender(name, model), ...], bodies)"
        )
    if not getattr(policy, "learning", True):
        raise ValueError(
            "learning=False would be lost, since networks are made anew of architecture and genome: let this one live "
            "by run_episode(env, network)"
        )


def evaluate(
    policy: Evolvable,
    env: str | EnvSpec | gym.Env[Any, Any],
    episodes: int = 100,
    seed: int = 1,
    workers: int = 1,
    done: Done = lambda: None,
) -> Evaluation:
    """Many lifetimes of one policy on one body, each with a birth and a reset of its own.

    Args:
        policy: with ``architecture`` and ``genome``.
        env: an ID or an EnvSpec, or an environment, of which only the spec is taken.
        episodes: how many.
        seed: of births and resets; evolution never uses these, whatever its own seed.
        workers: processes.
        done: called after each lifetime.

    Returns:
        An evaluation whose arrays have shape (episodes,). A lifetime that was lost is NaN, and a warning is logged.

    Raises:
        ValueError: for less than one episode, for an agent that is not all in its architecture and genome, or for an
            environment that does not fit it.
        RuntimeError: if more than half of the lifetimes are lost.
    """
    if episodes < 1:
        raise ValueError(f"episodes must be 1 or more, not {episodes}")
    check_evolvable(policy)
    task = Task([env], births="candidate", seed=seed)
    with make_evaluator(policy.architecture, min(workers, episodes)) as evaluator:
        result = evaluator.evaluate(Copies(policy.genome, episodes), task, stream=EVALUATION, done=done)
    if result.errors:
        log.warning("%s", result.losses.replace("candidates", "lifetimes"))
    score, distance, steps = (getattr(result, name).ravel() for name in ("score", "distance", "steps"))
    return Evaluation(result.fitness, score, distance, steps, result.errors)
