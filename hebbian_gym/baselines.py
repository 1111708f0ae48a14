"""PPO and RecurrentPPO through Stable-Baselines3, on the bodies of evolved rules and judged as they are."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from .checkpoint import written_aside
from .evaluation import HELD_OUT, TRAINING
from .presets import ANT_BODIES, CAR

try:
    from stable_baselines3 import PPO
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize

    from .comparison import evaluate_all
except ImportError as error:  # pragma: no cover
    raise ImportError('Stable-Baselines3 is not installed: pip install "hebbian-gym[baselines]"') from error

MODEL, LOG = "model.zip", "log.csv"
ABOUT, STATISTICS = "hebbian_gym.json", "normalizer.npz"  # members of MODEL beside Stable-Baselines3's own
UNSEEN = "AntDamagedLeftFront-v0"


@dataclass(frozen=True)
class Linear:
    """A schedule that falls from ``initial`` to 0 over the run."""

    initial: float

    def __call__(self, remaining: float) -> float:
        return self.initial * remaining


@dataclass(frozen=True)
class Baseline:
    """A recipe for Stable-Baselines3.

    Attributes:
        about: one line.
        algorithm: "PPO" or "RecurrentPPO".
        policy: SB3's name of the network.
        envs: bodies for training; an equal share of the ``n_envs`` environments has each.
        timesteps: unless told otherwise: steps of all environments together.
        n_envs: environments that are stepped together.
        unseen: bodies that are evaluated only.
        env_kwargs: of ``gymnasium.make``, in training and in evaluation: what is seen, and how often.
        training_kwargs: of ``gymnasium.make``, in training only.
        normalize: options of VecNormalize, None for none. Evaluation has its statistics, frozen, and raw rewards.
        hyperparameters: of the algorithm. ``policy_kwargs["activation_fn"]`` names a class of torch.nn.
    """

    about: str
    algorithm: str
    policy: str
    envs: tuple[str, ...]
    timesteps: int
    n_envs: int
    unseen: tuple[str, ...] = ()
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    training_kwargs: dict[str, Any] = field(default_factory=dict)
    normalize: dict[str, Any] | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)

    @property
    def frame_skip(self) -> int:
        """Steps of the world in a step of the policy."""
        return int(self.env_kwargs.get("frame_skip", 1))

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return plain


# Hyperparameters are those of RL Baselines3 Zoo (DLR-RM/rl-baselines3-zoo, commit 22e3ff2), tuned there for
# AntBulletEnv-v0 and CarRacing-v3: hyperparams/ppo.yml and hyperparams/ppo_lstm.yml.
# The ant differs from theirs: it drops to the ground for 40 steps before the episode, and falling does not end it.
_ANT = Baseline(
    about="PPO as RL Zoo tuned it for AntBulletEnv-v0, trained on Bullet's full reward",
    algorithm="PPO",
    policy="MlpPolicy",
    envs=ANT_BODIES,
    unseen=(UNSEEN,),
    timesteps=2_000_000,
    n_envs=16,
    training_kwargs={"reward": "bullet"},  # what the hyperparameters were tuned for; evaluation is by distance
    normalize={"gamma": 0.99},
    hyperparameters={  # ppo.yml, AntBulletEnv-v0
        "n_steps": 512, "batch_size": 128, "n_epochs": 20, "gamma": 0.99, "gae_lambda": 0.9, "ent_coef": 0.0,
        "vf_coef": 0.5, "max_grad_norm": 0.5, "learning_rate": 3e-5, "clip_range": 0.4,
        "use_sde": True, "sde_sample_freq": 4,
        "policy_kwargs": {
            "log_std_init": -1, "ortho_init": False, "activation_fn": "ReLU",
            "net_arch": {"pi": [256, 256], "vf": [256, 256]},
        },
    },
)  # fmt: skip
_ANT_RECURRENT = dataclasses.replace(
    _ANT,
    about="RecurrentPPO with RL Zoo's settings for AntBulletEnv-v0, trained on Bullet's full reward",
    algorithm="RecurrentPPO",
    policy="MlpLstmPolicy",
    hyperparameters={  # ppo_lstm.yml, AntBulletEnv-v0
        "n_steps": 256, "batch_size": 128, "n_epochs": 10, "gamma": 0.99, "gae_lambda": 0.9,
        "policy_kwargs": {
            "ortho_init": False, "activation_fn": "ReLU", "net_arch": {"pi": [], "vf": []},
            "enable_critic_lstm": True, "lstm_hidden_size": 128,
        },
    },
)  # fmt: skip
_EYE = {"size": 64, "grayscale": True, "frame_stack": 2, "dtype": "uint8"}
_CAR = Baseline(
    about="PPO with RL Zoo's settings for CarRacing-v3",
    algorithm="PPO",
    policy="CnnPolicy",
    envs=(CAR,),
    timesteps=4_000_000,
    n_envs=8,
    env_kwargs={**_EYE, "frame_skip": 2, "max_episode_steps": 500},  # 1000 frames, as for everyone
    normalize={"norm_obs": False, "gamma": 0.99},
    hyperparameters={  # ppo.yml, CarRacing-v3
        "n_steps": 512, "batch_size": 128, "n_epochs": 10, "gamma": 0.99, "gae_lambda": 0.95, "ent_coef": 0.0,
        "vf_coef": 0.5, "max_grad_norm": 0.5, "learning_rate": Linear(1e-4), "clip_range": 0.2,
        "use_sde": True, "sde_sample_freq": 4,
        "policy_kwargs": {
            "log_std_init": -2, "ortho_init": False, "activation_fn": "GELU", "net_arch": {"pi": [256], "vf": [256]},
        },
    },
)  # fmt: skip
_CAR_RECURRENT = dataclasses.replace(
    _CAR,
    about="RecurrentPPO with RL Zoo's settings for CarRacing-v3",
    algorithm="RecurrentPPO",
    policy="CnnLstmPolicy",
    env_kwargs=_EYE,  # ppo_lstm.yml skips no frames
    hyperparameters={  # ppo_lstm.yml, CarRacing-v3: ppo.yml's but for the network
        **_CAR.hyperparameters,
        "policy_kwargs": {
            "log_std_init": -2, "ortho_init": False, "activation_fn": "GELU", "enable_critic_lstm": False,
            "lstm_hidden_size": 128,
        },
    },
)  # fmt: skip

_ON_DISTANCE: dict[str, Any] = {"training_kwargs": {"reward": "distance"}}
BASELINES: dict[str, Baseline] = {
    "ant-ppo": _ANT,
    "ant-ppo-distance": dataclasses.replace(
        _ANT, about="the same PPO, trained on progress alone, which is what it is judged by", **_ON_DISTANCE
    ),
    "ant-recurrent-ppo": _ANT_RECURRENT,
    "ant-recurrent-ppo-distance": dataclasses.replace(
        _ANT_RECURRENT, about="the same RecurrentPPO, trained on progress alone", **_ON_DISTANCE
    ),
    "car-ppo": _CAR,
    "car-recurrent-ppo": _CAR_RECURRENT,
}


@dataclass(frozen=True)
class Normalizer:
    """VecNormalize's statistics of observations, frozen.

    Attributes:
        mean, var: float64 of an observation's shape.
        epsilon, clip_obs: VecNormalize's.
    """

    mean: np.ndarray
    var: np.ndarray
    epsilon: float
    clip_obs: float

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        scaled = (observation - self.mean) / np.sqrt(self.var + self.epsilon)
        return np.clip(scaled, -self.clip_obs, self.clip_obs).astype(np.float32)


@dataclass(frozen=True)
class Predictor:
    """A trained model behind SB3's ``predict``, its normalisation inside: it takes raw observations.

    Attributes:
        model: Stable-Baselines3's.
        normalizer: of observations, None for none.
        env_kwargs: of ``gymnasium.make``: the model knows environments that are made with these.
        about: "baseline" (the recipe), "name", "seed", "timesteps", "env_steps" and "wall_seconds" of its training.
    """

    model: BaseAlgorithm
    normalizer: Normalizer | None
    env_kwargs: dict[str, Any]
    about: dict[str, Any]

    def predict(
        self,
        observation: Any,
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """SB3's protocol; arguments and returns are those of its models."""
        if self.normalizer is not None:
            observation = self.normalizer(observation)
        return self.model.predict(observation, state, episode_start, deterministic)


@dataclass(frozen=True)
class Status:
    """How far a training has come.

    Attributes:
        timesteps: SB3's count, over all sessions.
        env_steps: steps of the world: timesteps times the frame skip.
        wall_seconds: spent on training, over all sessions; evaluations are left out.
        fraction: of the budget that runs out first.
        scores: mean of the last held-out evaluation on each body.
    """

    timesteps: int
    env_steps: int
    wall_seconds: float
    fraction: float
    scores: dict[str, float]


def _nothing(status: Status) -> None:
    pass


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
    progress: Callable[[Status], None] = _nothing,
) -> Predictor:
    """Train a baseline.

    SB3 saves neither environments nor random states. So at each checkpoint, whether the run stops there or not, every
    environment begins a new episode and all randomness derives from ``seed`` and the steps so far: a run that was
    interrupted and goes on from its checkpoint has the bits of one that never stopped. That holds on one machine, with
    the same ``timesteps``, ``checkpoint_every`` and ``threads``. A run that has ended may be given more of either
    budget; a schedule then starts from where the longer run would be.

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
        progress: called after each rollout.

    Raises:
        FileExistsError: if ``run_dir`` holds a run and ``resume`` is not set.
        FileNotFoundError: if there is nothing to resume.
        ValueError: for an unknown name, or if the checkpoint is of another recipe or seed.
    """
    name, recipe = (baseline, get_baseline(baseline)) if isinstance(baseline, str) else (baseline.algorithm, baseline)
    folder = Path(run_dir) if run_dir is not None else None
    about = {"name": name, "baseline": recipe.to_json(), "seed": seed}
    about |= {"timesteps": 0, "wall_seconds": 0.0, "env_steps": 0}
    if resume:
        about = _resumable(folder, about)
    elif folder is not None and (folder / MODEL).exists():
        raise FileExistsError(f"{folder} already holds a run: resume it, or choose another folder")
    total = recipe.timesteps if timesteps is None else timesteps
    venv = make_venv(recipe)
    try:
        with _torch_threads(threads):
            model = _load(folder / MODEL, venv) if resume and folder is not None else _new(recipe, venv, seed)
            session = _Session(model, recipe, about, folder, total, wall_seconds, checkpoint_every, held_out_episodes)
            session.run(progress)
        return session.predictor()
    finally:
        venv.close()


def get_baseline(name: str) -> Baseline:
    """The recipe of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in BASELINES:
        raise ValueError(f"unknown baseline {name!r}: choose from {', '.join(BASELINES)}")
    return BASELINES[name]


def load_baseline(path: str | Path) -> Predictor:
    """A trained baseline, from its run's folder or its ``model.zip``.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the file is not one of :func:`train_baseline`'s.
    """
    file = Path(path) / MODEL if Path(path).is_dir() else Path(path)
    about, statistics = _read(file)
    model = _algorithm(about["baseline"]["algorithm"]).load(file, device="cpu")
    return _predictor(model, statistics, about)


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
