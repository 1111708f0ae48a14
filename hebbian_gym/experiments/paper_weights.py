"""Weights and coefficients of Najarro & Risi (2020), from ready-evolved rules: figures 5 and 10."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from ..analysis.trajectory import principal_components, record_weights
from ..analysis.weights import label_components, plot_coefficients, plot_path, short
from ..architecture import Architecture, Array, random_genome
from ..checkpoint import load_policy
from ..network import PlasticNetwork
from ..palette import BLUE, GREEN, GREY, ORANGE
from ..pretrained import pretrained_path
from ..task import lifetime_seeds
from . import Outcome, Settings
from .common import in_parallel, require_matplotlib
from .paper_lives import ANT, BODIES, CAR, TRACK, Data

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVERY = {"quick": {ANT: 4, CAR: 4}, "full": {ANT: 2, CAR: 2}}  # updates between two dots; the paper has a dot for each
SETTLED = 0.2  # of a path: what comes before is birth, not an attractor
COMPONENTS = 3
BINS = 80
NORMAL = 0.02  # distance from the normal distribution (Kolmogorov and Smirnov's) up to which it is called normal
COLORS = dict(zip((*BODIES, "car"), (BLUE, ORANGE, GREEN, GREY), strict=True))


# Figure 5: paths of the weights


@dataclass(frozen=True)
class Paths:
    """Lifetimes of one network, one in each environment, all from the same birth: what a worker is told.

    Attributes:
        rule: a ready-evolved one.
        random: draw its coefficients from U(-1, 1) instead; an encoder stays as evolved.
        envs: what they are called, and their IDs.
        seeds: of reset and birth.
        every: updates between two records.
    """

    rule: str
    random: bool
    envs: dict[str, str]
    seeds: tuple[int, int]
    every: int


def follow(paths: Paths) -> Data:
    """The paths of the weights along their common principal components, as plain data."""
    architecture, genome, _ = load_policy(pretrained_path(paths.rule))
    if paths.random:
        genome = randomised(architecture, genome, paths.seeds[1])
    network = PlasticNetwork(architecture, genome)
    scores, records = [], []
    for env_id in paths.envs.values():
        with gym.make(env_id, disable_env_checker=True) as env:
            episode, weights = record_weights(env, network, *paths.seeds, paths.every)
        scores.append(episode.score)
        records.append(weights)
    coordinates, shares = principal_components(np.concatenate(records), COMPONENTS)
    parts = np.split(coordinates, np.cumsum([len(weights) for weights in records])[:-1])
    results = list(zip(paths.envs, parts, scores, records, strict=True))
    return {
        "rule": paths.rule, "random": paths.random, "every": paths.every, "shares": shares.tolist(),
        "paths": {name: part.round(4).tolist() for name, part, _, _ in results},
        "scores": {name: score for name, _, score, _ in results},
        "straightness": {name: straightness(part) for name, part, _, _ in results},
        "rms": {name: float(np.sqrt(np.mean(np.square(weights[-1], dtype=np.float64))))
                for name, _, _, weights in results},
    }  # fmt: skip


def randomised(architecture: Architecture, genome: Array, seed: int) -> Array:
    """The genome with all coefficients from U(-1, 1)."""
    drawn = random_genome(architecture, seed)
    drawn[architecture.coefficient_genes :] = genome[architecture.coefficient_genes :]
    return drawn


def straightness(path: np.ndarray) -> float:
    """Distance between the ends of a path (n, 3), its first fifth left out, over its length: 1 straight, 0 closed."""
    settled = path[int(SETTLED * len(path)) :]
    length = float(np.linalg.norm(np.diff(settled, axis=0), axis=1).sum())
    return float(np.linalg.norm(settled[-1] - settled[0])) / length if length > 0 else 0.0


def attractors(settings: Settings) -> Outcome:
    """Figure 5: weights in their first three principal components, by evolved and by random coefficients."""
    require_matplotlib()
    every, birth = EVERY[settings.budget], lifetime_seeds(settings.seed)[0]
    jobs = [
        Paths(rule, random, envs, birth, every[rule])
        for rule, envs in ((CAR, {"car": TRACK}), (ANT, BODIES))
        for random in (False, True)
    ]
    data = {"panels": in_parallel(follow, jobs, settings)}
    return Outcome(data, draw_paths(data), _summarise_paths(data))


def _summarise_paths(data: Data) -> list[str]:
    lines = []
    for panel in data["panels"]:
        bodies = "; ".join(
            f"{name}: straightness {panel['straightness'][name]:.2f}, rms weight at the end "
            f"{short(panel['rms'][name])}, score {panel['scores'][name]:.0f}"
            for name in panel["paths"]
        )
        lines.append(
            f"{_name(panel)}: three components have {100 * sum(panel['shares']):.0f}% of the variance; {bodies}"
        )
    lines.append(
        "straightness is the distance between a path's ends over its length, without its first fifth: 1 for a straight "
        "line, near 0 for weights that stay about an attractor"
    )
    for rule, what in ((CAR, "the car"), (ANT, "the ant")):
        evolved, random = (panel for panel in data["panels"] if panel["rule"] == rule)
        straight = max(evolved["straightness"].values())
        lines.append(
            f"the paper sees attractors under evolved rules only: for {what} the evolved paths "
            + ("stay" if straight < 0.1 else "do not stay")
            + f" in one place (straightness at most {straight:.2f}, random rules {_range(random['straightness'])})"
        )
    return lines


def _range(told: dict[str, float]) -> str:
    low, high = min(told.values()), max(told.values())
    return f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"


def _name(panel: Data) -> str:
    return f"{panel['rule']}, {'random' if panel['random'] else 'evolved'} coefficients"


def draw_paths(data: Data) -> Figure:
    """A panel for each network, evolved left, random right."""
    figure = require_matplotlib()(figsize=(11, 10), layout="constrained")
    for number, panel in enumerate(data["panels"], 1):
        ax: Any = figure.add_subplot(2, 2, number, projection="3d")
        for body, path in panel["paths"].items():
            plot_path(ax, path, f"ant {body}", COLORS[body])
        label_components(ax, panel["shares"])
        ax.set_title(_name(panel), fontsize=12)
    handles, labels = ax.get_legend_handles_labels()  # of the last panel, an ant's; the car has one path only
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, markerscale=4)
    return figure


# Figure 10: coefficients


def distribution(values: np.ndarray) -> Data:
    """Of one coefficient over all synapses: moments, distance from the normal distribution, histogram."""
    values = np.sort(values.astype(np.float64))
    mean, sd = float(values.mean()), float(values.std())
    standard = (values - mean) / sd
    normal = np.array([0.5 * (1 + math.erf(z / math.sqrt(2))) for z in standard])
    ranks = np.arange(len(values) + 1) / len(values)
    distance = max(np.abs(normal - ranks[1:]).max(), np.abs(normal - ranks[:-1]).max())
    density, edges = np.histogram(values, BINS, density=True)
    return {
        "synapses": len(values), "mean": mean, "sd": sd, "skewness": float(np.mean(standard**3)),
        "excess_kurtosis": float(np.mean(standard**4)) - 3.0, "distance_from_normal": float(distance),
        "density": density.tolist(), "edges": edges.tolist(),
    }  # fmt: skip


def coefficients(settings: Settings) -> Outcome:
    """Figure 10: how the coefficients of the evolved rules are distributed."""
    require_matplotlib()
    data: Data = {}
    for name in (ANT, CAR):
        architecture, genome, _ = load_policy(pretrained_path(name))
        layers = architecture.split(genome)[0]
        data[name] = {
            coefficient: distribution(np.concatenate([layer[index].ravel() for layer in layers]))
            for index, coefficient in enumerate(architecture.plasticity.coefficients)
        }
        settings.progress(len(data) / 2)
    return Outcome(data, draw_coefficients(data), [_summarise(name, told) for name, told in data.items()])


def _summarise(name: str, told: Data) -> str:
    sds = ", ".join(f"{coefficient} {each['sd']:.2f}" for coefficient, each in told.items())
    mean = max(abs(each["mean"]) for each in told.values())
    farthest = max(each["distance_from_normal"] for each in told.values())
    kurtosis = [each["excess_kurtosis"] for each in told.values()]
    return (
        f"{name}: standard deviations {sds}; means within {mean:.3f} of 0; excess kurtosis "
        f"{min(kurtosis):.2f} to {max(kurtosis):.2f}; at most {farthest:.3f} from a normal distribution "
        f"(Kolmogorov-Smirnov). The paper sees a normal one: {'holds' if farthest < NORMAL else 'does not hold'} here"
    )


def draw_coefficients(data: Data) -> Figure:
    """The ant's left, the car's right, as in the paper."""
    figure = require_matplotlib()(figsize=(11, 4.5), layout="constrained")
    for ax, (name, told) in zip(figure.subplots(1, len(data)), data.items(), strict=True):
        plot_coefficients(ax, told)
        ax.set_title(f"{name}, {next(iter(told.values()))['synapses']:,} synapses", fontsize=12)
    return figure
