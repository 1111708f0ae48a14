"""How a generation scales: predicted from a calibration to 1,000 cores, and measured on the cores that are here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..calibration import MINIMAL, calibrate, time_to_dispatch
from ..evaluator import Evaluator
from ..machine import usable_cores
from ..palette import BLUE, RED, SKY
from ..planning import Costs, master_limit, predict
from ..presets import get_preset
from ..processes import ProcessEvaluator
from . import Outcome, Settings
from .common import empty_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data = dict[str, Any]

PRESETS = {"ant": "ant-hebbian-paper", "car": "car-hebbian-paper"}
MEASURED = "ant"
WORKERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1000)
PROCESSES, NODES = (1, 2), (1, 2, 3, 4)  # that are measured
NODE_CORES = 32  # of the cluster that the prediction for Ray is for, gigabit Ethernet between its nodes
NODE_MEMORY = 80 * 2**20  # bytes of each local node's object store
STEPS = len(PRESETS) + len(PROCESSES) + len(NODES)


@dataclass(frozen=True)
class Budget:
    """How much is measured.

    Attributes:
        seconds: of each calibration.
        candidates: of each measured generation.
        repetitions: of it; the median counts.
    """

    seconds: float
    candidates: int
    repetitions: int


BUDGETS = {"quick": Budget(20.0, 40, 1), "full": Budget(90.0, 200, 3)}


def scaling(settings: Settings) -> Outcome:
    """Calibrate ant and car, predict their speed-up, and measure generations of the ant."""
    drawn, budget, steps = empty_figure(14, 4.8), BUDGETS[settings.budget], 0

    def step() -> None:
        nonlocal steps
        steps += 1
        settings.progress(min(1.0, steps / STEPS))

    costs: dict[str, Costs] = {}
    for name, preset in PRESETS.items():
        costs[name] = calibrate(*get_preset(preset).make(settings.seed), budget.seconds)
        step()
    points = [_measure(costs[MEASURED], budget, settings.seed, workers, step) for workers in PROCESSES]
    dispatch, on_nodes = _on_nodes(costs[MEASURED], budget, settings.seed, step)
    settings.progress(1.0)
    data: Data = {
        "budget": asdict(budget), "cores": usable_cores(), "workers": WORKERS, "node_cores": NODE_CORES,
        "ray_dispatch": dispatch, "points": points + on_nodes,
        "settings": {name: _curves(PRESETS[name], each, dispatch) for name, each in costs.items()},
    }  # fmt: skip
    draw(drawn, data)
    return Outcome(data, drawn, _summary(data))


# Predicted


def _curves(preset: str, costs: Costs, ray_dispatch: float | None) -> Data:
    """Costs, and predicted speed-ups by worker processes and by Ray, of newborns and at full length."""
    population = get_preset(preset).optimizer["population_size"]
    lengths = {"newborn": costs, "full length": costs.at_full_length()}
    curves = {
        name: [predict(each, population, workers).speed_up for workers in WORKERS] for name, each in lengths.items()
    }
    limits = {name: master_limit(each) for name, each in lengths.items()}
    if ray_dispatch is not None:
        for name, each in lengths.items():
            by_ray = replace(each, dispatch=ray_dispatch)
            curves[f"{name}, Ray"] = [
                predict(by_ray, population, workers, nodes=math.ceil(workers / NODE_CORES)).speed_up
                for workers in WORKERS
            ]
            limits[f"{name}, Ray"] = master_limit(by_ray)
    scalars = {name: value for name, value in vars(costs).items() if not isinstance(value, np.ndarray)}
    durations = {name: each.durations.tolist() for name, each in lengths.items()}
    return {
        "preset": preset, "population": population, "costs": scalars | {"durations": durations},
        "speed_up": curves, "master_limit": limits,
    }  # fmt: skip


# Measured


def _measure(costs: Costs, budget: Budget, seed: int, workers: int, step: Callable[[], None]) -> Data:
    """A generation by worker processes."""
    architecture = get_preset(PRESETS[MEASURED]).make(seed)[0].architecture
    with ProcessEvaluator(architecture, workers) as evaluator:
        point = _point("processes", evaluator, costs, budget, seed, workers)
    step()
    return point


def _on_nodes(costs: Costs, budget: Budget, seed: int, step: Callable[[], None]) -> tuple[float | None, list[Data]]:
    """The master's time (s) for a candidate by Ray, and generations on 1 to 4 nodes of a cluster on this machine.

    None and nothing if Ray is not installed.
    """
    try:
        from ray.cluster_utils import Cluster
    except ImportError:
        return None, []
    from ..distributed import RayEvaluator

    policy, _, task = get_preset(PRESETS[MEASURED]).make(seed)
    points: list[Data] = []
    with _cluster(Cluster) as (address, add):
        with RayEvaluator(MINIMAL, 1, address=address) as evaluator:
            dispatch = time_to_dispatch(evaluator, task)
        for nodes in NODES:
            if nodes > 1:
                add()
            with RayEvaluator(policy.architecture, nodes, address=address) as evaluator:
                points.append(_point("Ray", evaluator, replace(costs, dispatch=dispatch), budget, seed, nodes))
            step()
    return dispatch, points


@contextmanager
def _cluster(make: Callable[[], Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The address of a cluster of one node with one CPU, and what adds another."""
    node = {"num_cpus": 1, "object_store_memory": NODE_MEMORY}
    cluster = make()
    try:
        cluster.add_node(**node, include_dashboard=False)
        yield cluster.address, lambda: cluster.add_node(**node)
    finally:
        cluster.shutdown()


def _point(kind: str, evaluator: Evaluator, costs: Costs, budget: Budget, seed: int, workers: int) -> Data:
    """A generation of a smaller population, measured by the clock and predicted."""
    preset = get_preset(PRESETS[MEASURED])
    _, strategy, task = preset.make(seed, population_size=budget.candidates)
    _, few, _ = preset.make(seed, population_size=2 * workers)
    evaluator.evaluate(few.ask(), task)  # workers start, numba compiles
    seconds = []
    for _ in range(budget.repetitions):
        begin = time.perf_counter()
        strategy.tell(evaluator.evaluate(strategy.ask(), task, strategy.generation).fitness)
        seconds.append(time.perf_counter() - begin)
    share = budget.candidates / preset.optimizer["population_size"]
    of_fewer = replace(costs, ask_tell=share * costs.ask_tell, checkpoint=0.0)
    predicted = predict(of_fewer, budget.candidates, workers, cores=usable_cores()).seconds
    return {"kind": kind, "workers": workers, "measured": float(np.median(seconds)), "predicted": predicted}


# Told

_WORDS = {"processes": "worker processes", "Ray": "nodes of Ray"}


def _summary(data: Data) -> list[str]:
    lines = []
    for name, setting in data["settings"].items():
        at = {length: f"{curve[-1]:.0f}" for length, curve in setting["speed_up"].items()}
        told = ", ".join(f"{value} ({length})" for length, value in at.items())
        master = ", ".join(f"{value:,.0f} ({length})" for length, value in setting["master_limit"].items())
        lines.append(
            f"{name}, {setting['population']} candidates: predicted speed-up on {data['workers'][-1]:,} cores {told}; "
            f"workers that keep the master busy: {master}"
        )
    candidates, cores = data["budget"]["candidates"], data["cores"]
    for point in data["points"]:
        lines.append(
            f"{point['workers']} {_WORDS[point['kind']]}: {candidates} candidates of the {MEASURED} took "
            f"{point['measured']:.1f} s, predicted for {cores} idle cores {point['predicted']:.1f} s"
        )
    wait = data["settings"][MEASURED]["costs"]["wait"]
    lines.append(f"meanwhile candidates in one process took {wait:.1f} times their CPU time by the clock")
    if data["ray_dispatch"] is None:
        lines.append('Ray is not installed (pip install "hebbian-gym[ray]"): what is by Ray was left out')
    return lines


# Drawn

_COLOURS = {"newborn": BLUE, "full length": RED}


def draw(figure: Figure, data: Data) -> None:
    """Predicted speed-ups of all settings, and measured beside predicted seconds."""
    settings = data["settings"]
    axes = figure.subplots(1, len(settings) + 1, width_ratios=[1.0] * len(settings) + [1.2])
    for ax, (name, setting) in zip(axes, settings.items(), strict=False):
        plot_speed_up(ax, data["workers"], setting, name)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=5, frameon=False)
    plot_points(axes[-1], data)


def plot_speed_up(ax: Axes, workers: list[int], setting: Data, name: str) -> None:
    """Predicted speed-up over workers, with a line where there is a worker for each candidate.

    A curve has a diamond where workers keep the master busy all the time, unless that many have no candidate.
    """
    ax.plot(workers, workers, ":", color="0.6", linewidth=1, label="a core each, nothing else")
    for length, curve in setting["speed_up"].items():
        born, _, ray = length.partition(", ")
        ax.plot(workers, curve, "--" if ray else "-", color=_COLOURS[born], linewidth=2, label=length)
        limit = setting["master_limit"][length]
        if limit <= min(setting["population"], workers[-1]):
            height = np.interp(np.log(limit), np.log(workers), curve)
            ax.plot(limit, height, "D", color=_COLOURS[born], markeredgecolor="black", markersize=8, zorder=3)
    ax.axvline(setting["population"], color="0.6", linewidth=1)
    ax.text(0.95 * setting["population"], 1.15, "as many workers\nas candidates", ha="right", fontsize=9, color="0.35")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(1, workers[-1])
    ax.set_title(f"{name}: {setting['population']} candidates, predicted")
    ax.set_xlabel("workers, each on a core (diamond: master busy)")
    ax.set_ylabel("speed-up of a generation")
    ax.spines[["top", "right"]].set_visible(False)


def plot_points(ax: Axes, data: Data) -> None:
    """Seconds of a generation on this machine, by the clock and predicted."""
    points = data["points"]
    x = np.arange(len(points))
    ax.bar(x, [point["measured"] for point in points], width=0.6, color=SKY, label="measured")
    predicted = [point["predicted"] for point in points]
    ax.hlines(predicted, x - 0.4, x + 0.4, color="black", linewidth=2.5, label="predicted, machine idle")
    ax.set_xticks(x, [f"{point['workers']}\n{point['kind']}" for point in points], fontsize=9)
    ax.set_ylim(bottom=0)
    ax.set_title(f"{MEASURED}: {data['budget']['candidates']} candidates on {data['cores']} cores")
    ax.set_ylabel("generation (s)")
    ax.legend(frameon=False, loc="upper right")
    ax.spines[["top", "right"]].set_visible(False)
