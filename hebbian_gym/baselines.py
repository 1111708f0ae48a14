"""PPO and RecurrentPPO through Stable-Baselines3, on the bodies of evolved rules and judged as they are."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from .checkpoint import held, refuse_used
from .envs.checks import check_count
from .logs import read_rows, write_rows
from .progress import BaselineProgress
from .recipes import BASELINES, Baseline, Linear, get_baseline
from .registration import find_spec
from .task import HELD_OUT, TRAINING
from .threads import torch_threads

try:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize
except ImportError as error:
    raise ImportError('Stable-Baselines3 is not installed: pip install "hebbian-gym[baselines]"') from error

from .baseline_files import (
    LOG,
    MODEL,
    Predictor,
    algorithm_class,
    load_baseline,
    load_model,
    read_model,
    statistics_of,
    write_model,
)
from .sb3_evaluation import evaluate_one

__all__ = [
    "BASELINES",
    "Baseline",
    "BaselineProgress",
    "Linear",
    "Predictor",
    "get_baseline",
    "load_baseline",
    "make_venv",
    "train_baseline",
]

Metrics = dict[str, Any]


def train_baseline(
    baseline: str | Baseline,
    timesteps: int | None = None,
    *,
    wall_seconds: float = math.inf,
    seed: int = 0,
    run_dir: str | Path | None = None,
    resume: bool = False,
    checkpoint_every: int = 100_000,
    held_out_episodes: int = 5,
    threads: int = 1,
    progress: Callable[[Metrics], None] = lambda metrics: None,
) -> Predictor:
    """Train a baseline.

    SB3 saves neither environments nor random states. So at each checkpoint, whether the run stops there or not, every
    environment begins a new episode and all randomness derives from ``seed`` and the steps so far: a run that was
    interrupted and goes on from its checkpoint has the bits of one that never stopped. That holds on one machine, with
    the same ``timesteps``, ``checkpoint_every`` and ``threads``. A run that has ended may be given more of either
    budget: its episodes begin anew there, and its schedules are then those of the longer run.

    SB3 seeds the global random states of ``random``, numpy and torch, and so does this.

    Args:
        baseline: a name in BASELINES, or a recipe of your own.
        timesteps: in all, those before a resume included, rounded up to whole rollouts. Default: the recipe's.
        wall_seconds: of training in all, evaluations not counted; ends the run after the rollout that exceeds it.
        seed: all randomness derives from it.
        run_dir: folder for ``model.zip`` (SB3's file and the statistics of VecNormalize in it) and ``log.csv``.
        resume: go on from the checkpoint in ``run_dir``.
        checkpoint_every: timesteps between checkpoints, each with a held-out evaluation, a row of the log.
        held_out_episodes: of that on each body, seen or not, with resets that training never uses; 0 for none.
        threads: of torch meanwhile.
        progress: called after each rollout with the log's columns so far and "fraction", that of the budget which runs
            out first; such as a :class:`BaselineProgress`.

    Raises:
        FileExistsError: if ``run_dir`` holds a run and ``resume`` is not set.
        FileNotFoundError: if there is nothing to resume.
        ValueError: for an unknown name, an impossible number, or if the checkpoint is of another recipe or seed.
        RuntimeError: if another process trains in ``run_dir``.
    """
    name, recipe = (baseline, get_baseline(baseline)) if isinstance(baseline, str) else ("own recipe", baseline)
    about: dict[str, Any] = {"name": name, "baseline": recipe.to_json(), "seed": seed}
    about |= {"timesteps": 0, "env_steps": 0, "wall_seconds": 0.0}
    folder = Path(run_dir) if run_dir is not None else None
    timesteps = recipe.timesteps if timesteps is None else timesteps
    check_count(1, timesteps=timesteps, checkpoint_every=checkpoint_every, threads=threads)
    check_count(0, held_out_episodes=held_out_episodes)
    if not wall_seconds > 0:
        raise ValueError(f"wall_seconds must be a positive number of seconds, not {wall_seconds}")
    if resume:
        _resumable(folder, about)  # before a folder is made
    with nullcontext() if folder is None else held(folder), torch_threads(threads):
        if resume:
            about = _resumable(folder, about)
        elif folder is not None:
            refuse_used(folder)
        with closing(make_venv(recipe)) as venv:
            model = load_model(folder / MODEL, venv) if resume and folder is not None else _new(recipe, venv, seed)
            session = _Session(model, recipe, about, folder, held_out_episodes, progress)
            session.run(timesteps, wall_seconds, checkpoint_every)
            return session.predictor()


def make_venv(recipe: Baseline) -> VecEnv:
    """The environments that a recipe trains in, in this process.

    Raises:
        ValueError: if bodies cannot share them evenly.
    """
    share, rest = divmod(recipe.n_envs, len(recipe.envs))
    if rest or not share:
        raise ValueError(f"{recipe.n_envs} environments cannot be shared evenly by {len(recipe.envs)} bodies")
    kwargs = {**recipe.env_kwargs, **recipe.training_kwargs}
    bodies = [env for env in recipe.envs for _ in range(share)]
    venv: VecEnv = DummyVecEnv([partial(gym.make, env, disable_env_checker=True, **kwargs) for env in bodies])
    return venv if recipe.normalize is None else VecNormalize(venv, **recipe.normalize)


def _new(recipe: Baseline, venv: VecEnv, seed: int) -> BaseAlgorithm:
    options = dict(recipe.hyperparameters)
    network = dict(options.pop("policy_kwargs", {}))
    if "activation_fn" in network:
        network["activation_fn"] = getattr(torch.nn, network["activation_fn"])
    algorithm = algorithm_class(recipe.algorithm)
    return algorithm(recipe.policy, venv, policy_kwargs=network, seed=_random_state(seed, 0), **options)


def _random_state(seed: int, timesteps: int) -> int:
    """What all randomness from here on derives from."""
    return int(np.random.SeedSequence((seed, TRAINING, timesteps)).generate_state(1)[0])


class _TimeIsUp(Exception):  # noqa: N818 (no error)
    """Ends SB3's loop between two rollouts."""


class _Session(BaseCallback):
    """One call of train_baseline: SB3 learns, and between two rollouts we look after the rest."""

    def __init__(
        self, model: BaseAlgorithm, recipe: Baseline, about: dict[str, Any], folder: Path | None, episodes: int,
        progress: Callable[[Metrics], None],
    ) -> None:  # fmt: skip
        super().__init__()
        self.model, self._recipe, self._about, self._folder = model, recipe, about, folder
        self._episodes, self._progress = episodes, progress
        self._rows = _rows(folder, model.num_timesteps)
        self._scores: Metrics = {}

    def run(self, timesteps: int, wall_seconds: float, checkpoint_every: int) -> None:
        """Train until a budget is spent."""
        self._first, self._every = self.model.num_timesteps, checkpoint_every
        self._timesteps, self._seconds = timesteps, wall_seconds
        if self._first >= timesteps or self._about["wall_seconds"] >= wall_seconds:
            return
        self.model._last_obs = np.empty(0)  # not None: learn() is to leave the resets to us
        left = timesteps - self._first  # SB3 adds the steps that there are, so that its schedules go on
        try:
            self.model.learn(left, self, log_interval=None, reset_num_timesteps=False)  # type: ignore[arg-type]
        except _TimeIsUp:
            pass
        else:
            self._count()
        self._checkpoint()

    def _begin(self) -> None:
        """New episodes and new random states, from the seed and the steps so far alone."""
        model = self.model
        assert model.env is not None
        model.set_random_seed(_random_state(self._about["seed"], model.num_timesteps))
        model._last_obs = model.env.reset()  # type: ignore[assignment]
        model._last_episode_starts = np.ones(model.n_envs, bool)
        if model.use_sde:  # the rollout's noise is older than this call of us
            model.policy.reset_noise(model.n_envs)  # type: ignore[operator]
        self._mark = time.perf_counter()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        """After the last rollout has been learned from, before the next, and before the first."""
        steps, rollout = self.model.num_timesteps, self.model.n_steps * self.model.n_envs  # type: ignore[attr-defined]
        if steps == self._first:
            self._begin()
            return
        self._count()
        if self._about["wall_seconds"] >= self._seconds:
            raise _TimeIsUp
        if steps // self._every > (steps - rollout) // self._every:
            self._checkpoint()
            self._begin()

    def _count(self) -> None:
        """Steps, and seconds since they were last counted."""
        about, now, steps = self._about, time.perf_counter(), self.model.num_timesteps
        about["timesteps"], about["env_steps"] = steps, steps * self._recipe.frame_skip
        about["wall_seconds"] += now - self._mark
        self._mark = now
        fraction = max(steps / self._timesteps, about["wall_seconds"] / self._seconds)
        self._progress({**self._row(), "fraction": min(fraction, 1.0)})

    def _row(self) -> Metrics:
        counts = {f"time/{name}": self._about[name] for name in ("timesteps", "env_steps", "wall_seconds")}
        return counts | self._scores

    def _checkpoint(self) -> None:
        """A held-out evaluation, a row of the log, the model's file."""
        judged = self.predictor()
        for env in (*self._recipe.envs, *self._recipe.unseen) if self._episodes else ():
            result = evaluate_one(judged, env, self._episodes, self._about["seed"], stream=HELD_OUT)
            self._scores[f"held_out/{find_spec(env).name}"] = float(result.score.mean())
        self._rows.append(self._row())
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_rows(self._folder / LOG, self._rows)  # first: a row too many is dropped on resume
            write_model(self._folder / MODEL, self.model, self._about)

    def predictor(self) -> Predictor:
        """The model as it is now."""
        return Predictor(self.model, statistics_of(self.model.get_vec_normalize_env()), dict(self._about))


def _resumable(folder: Path | None, about: dict[str, Any]) -> dict[str, Any]:
    """What the checkpoint says, if it is of the same run."""
    if folder is None:
        raise ValueError("to resume, say where the run is: run_dir")
    found = read_model(folder / MODEL)[0]
    for name in ("baseline", "seed"):
        if found[name] != about[name]:
            raise ValueError(f"{folder / MODEL} was made with another {name}: resume with the one it began with")
    return found


def _rows(folder: Path | None, timesteps: int) -> list[Mapping[str, Any]]:
    """The log's rows up to a checkpoint."""
    if folder is None or not timesteps or not (folder / LOG).exists():
        return []
    return [row for row in read_rows(folder / LOG) if int(row["time/timesteps"]) <= timesteps]
