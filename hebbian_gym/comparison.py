"""Any policies side by side: the same bodies, the same resets, Stable-Baselines3's own evaluation."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec, parse_env_id
from rich.table import Table

from .baseline_files import load_baseline
from .curves import UNITS, Curve, read_curve
from .evaluator import Evaluation
from .plain import plain
from .policy import HebbianPolicy
from .pretrained import find_policy
from .registration import find_spec, metres_per_progress
from .sb3_evaluation import Predicting, evaluate_one

# 97.5% quantiles of Student's t for 1, 2, 3 ... degrees of freedom
T_QUANTILES = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


@dataclass(frozen=True)
class Contender:
    """One training seed of a method.

    Attributes:
        name: of the method; contenders of one name are its training seeds.
        policy: what it came to.
        env_steps: of its whole training, steps of the world; NaN if unknown.
        wall_seconds: of its whole training, on however many cores it had; NaN if unknown.
        curve: of its training, None if unknown.
    """

    name: str
    policy: Predicting
    env_steps: float = math.nan
    wall_seconds: float = math.nan
    curve: Curve | None = None


def load_contender(where: str | Path, name: str | None = None) -> Contender:
    """A contender from its files.

    Args:
        where: the folder of a run, evolved or of a baseline; or a policy's file; or a ready-evolved policy's name.
        name: of the method; by default the baseline's, or that of the policy or of its folder.

    Raises:
        FileNotFoundError: if a folder holds no run.
        ValueError: if there is no such policy.
    """
    path = Path(where)
    if path.suffix == ".zip" or (path / "model.zip").exists():
        baseline = load_baseline(path)
        curve = _curve(path if path.is_dir() else path.parent)
        about = baseline.about
        return Contender(name or about["name"], baseline, about["env_steps"], about["wall_seconds"], curve)
    file = find_policy(where)
    of_run = file.name == "policy.npz"  # not what a run began with, or another file beside it
    counts, curve = (math.nan, math.nan), _curve(file.parent) if of_run else None
    if curve is not None:
        counts = curve.env_steps[-1], curve.wall_seconds[-1]
    elif (card := file.with_suffix(".json")).exists():
        whole = json.loads(card.read_text(encoding="utf-8"))["run"]
        counts = whole["env_steps"], 3600 * whole["hours"]
    policy = HebbianPolicy.load(file)
    return Contender(name or (file.parent.name if of_run else file.stem), policy, *counts, curve=curve)


def _curve(run_dir: Path) -> Curve | None:
    return read_curve(run_dir) if (run_dir / "log.csv").exists() else None


@dataclass(frozen=True)
class Judged:
    """A contender's episodes.

    Attributes:
        name, env_steps, wall_seconds, curve: the contender's.
        results: body's ID to its evaluation.
    """

    name: str
    env_steps: float
    wall_seconds: float
    results: dict[str, Evaluation]
    curve: Curve | None = None


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` found.

    Attributes:
        seen, unseen: IDs of the bodies.
        episodes, seed: of the evaluation.
        runs: one for each contender.
        metres: in a unit of progress, by the body's ID; NaN, or no entry, where that is not known.
    """

    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    episodes: int
    seed: int
    runs: tuple[Judged, ...]
    metres: dict[str, float] = field(default_factory=dict)

    @property
    def bodies(self) -> tuple[str, ...]:
        return self.seen + self.unseen

    def methods(self) -> dict[str, list[Judged]]:
        """Name to training seeds."""
        found: dict[str, list[Judged]] = {}
        for run in self.runs:
            found.setdefault(run.name, []).append(run)
        return found

    def curves(self) -> dict[str, list[Curve]]:
        """Method to the curves of its training seeds; methods of which none is known are left out."""
        found = {name: [run.curve for run in runs if run.curve] for name, runs in self.methods().items()}
        return {name: curves for name, curves in found.items() if curves}

    @property
    def unit(self) -> str:
        """What scores are: distances, where they are sums of progress and nothing else."""
        results = [result for run in self.runs for result in run.results.values()]
        distances = all(np.array_equal(result.score, result.distance) for result in results)
        return "distance (progress units)" if distances else "score"

    def seen_names(self) -> list[str]:
        """What curves call the seen bodies."""
        return [parse_env_id(body)[1] for body in self.seen]

    def at_equal(self, against: str) -> tuple[float, dict[str, float]]:
        """The smallest budget that any method had, and each method's last held-out score within it.

        Args:
            against: "env_steps" or "wall_seconds".

        Returns:
            The budget, and for each method whose curve is known the mean over seen bodies and training seeds; NaN if
            there was no evaluation within it.
        """
        curves = self.curves()
        budget = min((float(getattr(curve, against)[-1]) for seeds in curves.values() for curve in seeds), default=0.0)
        names = self.seen_names()
        reached = {
            method: float(
                np.mean([[curve.at(budget, against).get(name, math.nan) for name in names] for curve in seeds])
            )
            for method, seeds in curves.items()
        }
        return budget, reached

    def to_json(self) -> dict[str, Any]:
        """Every episode, and the summary, as plain data; what is not known is None."""
        runs = [
            {
                "name": run.name, "env_steps": run.env_steps, "wall_seconds": run.wall_seconds,
                "results": {
                    body: {key: getattr(result, key).tolist() for key in ("score", "distance", "steps")}
                    for body, result in run.results.items()
                },
            }
            for run in self.runs
        ]  # fmt: skip
        summary = [
            {"name": name, "body": body, "training_seeds": len(scores), "mean": float(scores.mean()),
             "interval95": interval(scores)}
            for name, judged in self.methods().items() for body in self.bodies for scores in [means(judged, body)]
        ]  # fmt: skip
        equal = {
            against: {"budget": budget, "scores": scores}
            for against in UNITS
            for budget, scores in [self.at_equal(against)]
        }
        about = {"seen": self.seen, "unseen": self.unseen, "episodes": self.episodes, "seed": self.seed}
        told: dict[str, Any] = plain(about | {"summary": summary, "at_equal": equal, "runs": runs})
        return told


def means(runs: Sequence[Judged], body: str, of: str = "score") -> np.ndarray:
    """Each training seed's mean over its episodes on a body, shape (training seeds,)."""
    return np.array([getattr(run.results[body], of).mean() for run in runs])


def episode_deviation(runs: Sequence[Judged], body: str) -> float:
    """The standard deviation of the scores on a body over episodes, the mean over training seeds; NaN from one each."""
    scores = [run.results[body].score for run in runs]
    return float(np.mean([each.std() if each.size > 1 else math.nan for each in scores]))


def interval(values: np.ndarray) -> float:
    """Half of the 95% confidence interval of a mean, by Student's t; NaN from one value.

    Beyond 31 values the quantile for 31 is used, which is wide by less than 5%.
    """
    n = len(values)
    if n < 2:
        return math.nan
    return float(T_QUANTILES[min(n - 1, len(T_QUANTILES)) - 1] * np.std(values, ddof=1) / math.sqrt(n))


def compare(
    contenders: Sequence[Contender],
    seen: Sequence[str | EnvSpec],
    unseen: Sequence[str | EnvSpec] = (),
    episodes: int = 100,
    seed: int = 1,
    done: Callable[[], None] = lambda: None,
) -> Comparison:
    """All contenders on all bodies, by :func:`~hebbian_gym.sb3_evaluation.evaluate_one`: everyone has the same resets.

    Args:
        contenders: several of one name are training seeds of one method.
        seen: bodies that training was on, IDs or EnvSpecs.
        unseen: bodies that it was not on.
        episodes: of each contender on each body.
        seed: of resets and births.
        done: called after each episode.

    Raises:
        ValueError: if two bodies have the same ID, or there is nothing to compare.
    """
    seen, unseen = ([envs] if isinstance(envs, str | EnvSpec) else envs for envs in (seen, unseen))
    bodies = {spec.id: spec for spec in map(find_spec, (*seen, *unseen))}
    if len(bodies) < len(seen) + len(unseen):
        raise ValueError(f"every body needs an ID of its own: there are {len(seen) + len(unseen)}, but {list(bodies)}")
    if not contenders or not bodies:
        raise ValueError("a comparison needs at least one contender and one body")
    runs = []
    for each in contenders:
        results = {name: evaluate_one(each.policy, body, episodes, seed, done=done) for name, body in bodies.items()}
        runs.append(Judged(each.name, each.env_steps, each.wall_seconds, results, each.curve))
    names = tuple(bodies)
    metres = {name: metres_per_progress(body) for name, body in bodies.items()}
    return Comparison(names[: len(seen)], names[len(seen) :], episodes, seed, tuple(runs), metres)


def comparison_table(comparison: Comparison) -> Table:
    """For each body a row for each method; below, what their training took."""
    methods = comparison.methods()
    title = f"mean of {comparison.episodes} episodes; their sd: within a training seed, mean over the seeds"
    if any(len(runs) > 1 for runs in methods.values()):
        title += "\n+- 95% t-interval over training seeds, where there are several"
    heads = ("body", "method", "seeds", "score", "sd of\nepisodes", "distance (m)")
    table = Table(*heads, title=title, title_justify="left")
    table.columns[0].overflow = table.columns[1].overflow = "fold"
    for body in comparison.bodies:
        table.add_section()
        for name, runs in methods.items():
            label = f"{body}, {'seen' if body in comparison.seen else 'unseen'}"
            metres = comparison.metres.get(body, math.nan) * means(runs, body, "distance")
            known = "-" if np.isnan(metres).any() else _spread(metres, 1)
            deviation = episode_deviation(runs, body)
            varied = "-" if np.isnan(deviation) else f"{deviation:.1f}"
            table.add_row(label, name, str(len(runs)), _spread(means(runs, body), 1), varied, known)
    told = [_spent(name, runs) for name, runs in methods.items()]
    if len(comparison.curves()) > 1:
        told += [_equal(comparison, against) for against in UNITS]
    table.caption, table.caption_justify = "\n".join(told), "left"
    return table


def _equal(comparison: Comparison, against: str) -> str:
    budget, scores = comparison.at_equal(against)
    spent = f"{budget:,.0f} env-steps" if against == "env_steps" else f"{budget / 3600:.2f} h"
    told = ", ".join(f"{name} {'-' if np.isnan(score) else f'{score:.0f}'}" for name, score in scores.items())
    return f"held-out score on the seen bodies after {spent} of each: {told}"


def _spread(values: np.ndarray, digits: int) -> str:
    half = interval(values)
    mean = round(float(values.mean()), digits) + 0.0  # no minus before a zero
    return f"{mean:.{digits}f}" + ("" if np.isnan(half) else f" +- {half:.{digits}f}")


def _spent(name: str, runs: Sequence[Judged]) -> str:
    steps, seconds = np.mean([(run.env_steps, run.wall_seconds) for run in runs], axis=0)
    if np.isnan(steps) or np.isnan(seconds):
        return f"{name}: it is not known what training took"
    return f"{name}: trained on {steps:,.0f} env-steps, {seconds / 3600:.2f} h each"
