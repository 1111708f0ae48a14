"""Recipes for Stable-Baselines3, as data."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from .presets import ANT_BODIES, CAR, UNSEEN_ANT


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

    def __post_init__(self) -> None:
        for name in ("envs", "unseen"):
            bodies = getattr(self, name)
            object.__setattr__(self, name, (bodies,) if isinstance(bodies, str) else tuple(bodies))

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
# What differs there: the ant begins on its feet and an episode ends when it falls, while ours has dropped to the ground
# before the episode and may lie and rise; their first picture of a race is stacked on a black one, ours on itself.
# Episodes of training last 1000 steps, as those of evaluation do; evolution's early stop is not for baselines.
_ANT = Baseline(
    about="PPO as RL Zoo tuned it for AntBulletEnv-v0, trained on Bullet's full reward",
    algorithm="PPO",
    policy="MlpPolicy",
    envs=ANT_BODIES,
    unseen=(UNSEEN_ANT,),
    timesteps=2_000_000,
    n_envs=16,
    training_kwargs={"reward": "bullet"},  # what the hyperparameters were tuned for; evaluation is by distance
    normalize={"gamma": 0.99},
    hyperparameters={  # ppo.yml, AntBulletEnv-v0
        "device": "cpu",  # ours: small networks are faster there
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
        "device": "cpu",
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


def get_baseline(name: str) -> Baseline:
    """The recipe of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in BASELINES:
        raise ValueError(f"unknown baseline {name!r}: choose from {', '.join(BASELINES)}")
    return BASELINES[name]
