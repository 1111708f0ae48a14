"""Trained baselines as files: Stable-Baselines3's own, with what is known of the training in them."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .checkpoint import written_aside

try:
    from stable_baselines3 import PPO
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv, VecNormalize
except ImportError as error:
    raise ImportError('Stable-Baselines3 is not installed: pip install "hebbian-gym[baselines]"') from error

MODEL, LOG = "model.zip", "log.csv"
ABOUT, STATISTICS = "hebbian_gym.json", "normalizer.npz"  # members of MODEL beside Stable-Baselines3's own


@dataclass(frozen=True)
class Predictor:
    """A trained model behind SB3's ``predict``, its normalisation inside: it takes raw observations.

    Attributes:
        model: Stable-Baselines3's.
        statistics: of VecNormalize, frozen; empty without it. With "obs_rms/mean" observations are normalised.
        about: "name", "baseline" (the recipe), "seed", "timesteps", "env_steps" and "wall_seconds" of the training.
    """

    model: BaseAlgorithm
    statistics: dict[str, np.ndarray]
    about: dict[str, Any]

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """Arguments of ``gymnasium.make`` for the environments that the model knows."""
        kwargs: dict[str, Any] = self.about["baseline"]["env_kwargs"]
        return kwargs

    def predict(
        self,
        observation: Any,
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """SB3's protocol; arguments and returns are those of its models."""
        if "obs_rms/mean" in self.statistics:
            mean, var, epsilon, bound = (
                self.statistics[name] for name in ("obs_rms/mean", "obs_rms/var", "epsilon", "clip_obs")
            )
            scaled = (observation - mean) / np.sqrt(var + epsilon)
            observation = np.clip(scaled, -bound, bound).astype(np.float32)
        return self.model.predict(observation, state, episode_start, deterministic)


def load_baseline(path: str | Path) -> Predictor:
    """A trained baseline, from its run's folder or its ``model.zip``.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the file is not one of :func:`~hebbian_gym.baselines.train_baseline`'s.
    """
    file = Path(path) / MODEL if Path(path).is_dir() else Path(path)
    about, statistics = read_model(file)
    model = algorithm_class(about["baseline"]["algorithm"]).load(file, device="cpu")
    return Predictor(model, statistics, about)


def algorithm_class(name: str) -> Any:
    """The algorithm of that name.

    Raises:
        ImportError: if it needs SB3-Contrib, which is missing.
        ValueError: for an unknown name.
    """
    if name == "PPO":
        return PPO
    if name != "RecurrentPPO":
        raise ValueError(f'algorithm must be "PPO" or "RecurrentPPO", not {name!r}')
    try:
        from sb3_contrib import RecurrentPPO
    except ImportError as error:
        raise ImportError('SB3-Contrib is not installed: pip install "hebbian-gym[baselines]"') from error
    return RecurrentPPO


def write_model(path: Path, model: BaseAlgorithm, about: dict[str, Any]) -> None:
    """SB3's file, with two more members, so that model and statistics cannot come apart; SB3 reads it, too."""
    file, arrays = io.BytesIO(), io.BytesIO()
    model.save(file)
    np.savez(arrays, **statistics_of(model.get_vec_normalize_env()))  # type: ignore[arg-type]
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(ABOUT, json.dumps(about))
        archive.writestr(STATISTICS, arrays.getvalue())
    with written_aside(path) as target:
        target.write(file.getvalue())


def read_model(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What is said about a model, and its statistics; without the model itself.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the file is not one of ours, or damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            if ABOUT not in archive.namelist() and "data" in archive.namelist():
                raise ValueError(
                    f"{path} is a model of your own, saved by Stable-Baselines3: load it there, and "
                    'hebbian_gym.comparison.compare([Contender("mine", model), ...], bodies) takes it'
                )
            about = json.loads(archive.read(ABOUT))
            with np.load(io.BytesIO(archive.read(STATISTICS)), allow_pickle=False) as arrays:
                return about, dict(arrays)
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a baseline's file, or it is damaged ({error})") from error


def load_model(path: Path, venv: VecEnv) -> BaseAlgorithm:
    """The model of a checkpoint, to go on in ``venv``, whose statistics are set to those of the file."""
    about, statistics = read_model(path)
    recipe = about["baseline"]
    device = recipe["hyperparameters"].get("device", "auto")
    model: BaseAlgorithm = algorithm_class(recipe["algorithm"]).load(path, env=venv, device=device)
    for name, value in statistics.items():
        owner, _, part = name.rpartition("/")
        setattr(getattr(venv, owner) if owner else venv, part, value.copy() if value.ndim else value.item())
    return model


def statistics_of(normalize: VecNormalize | None) -> dict[str, np.ndarray]:
    """All that VecNormalize knows; nothing without one."""
    if normalize is None:
        return {}
    found = {name: np.asarray(getattr(normalize, name)) for name in ("epsilon", "clip_obs")}
    for name in ("obs_rms", "ret_rms"):
        if hasattr(normalize, name):  # without norm_obs there is no obs_rms
            rms = getattr(normalize, name)
            found |= {f"{name}/{part}": np.array(getattr(rms, part)) for part in ("mean", "var", "count")}
    return found
