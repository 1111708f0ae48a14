"""The main job, small: evolve on two bodies, live on a third, look at what happened."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
from rich.console import Console
from rich.table import Table

from .analysis import record_lifetime
from .analysis.plots import lifetime_figure, plot_training, read_log
from .analysis.video import film
from .architecture import random_genome
from .checkpoint import load_policy
from .envs.ant.state import TIME_STEP
from .evaluation import make_evaluator
from .evaluator import Evaluation
from .network import PlasticNetwork
from .optimizers import Copies
from .presets import ANT_BODIES, UNSEEN_ANT, Preset
from .pretrained import pretrained_path
from .progress import Counter
from .task import EVALUATION, Task, lifetime_seeds

SEED = 1
HELD_OUT_EVERY = 4
LIFETIMES = 20
READY = "ant-hebbian"  # of the same architecture, evolved for hours

BODIES = {"AntUndamaged-v0": "undamaged, seen", "AntDamagedRightFront-v0": "right front leg short, seen",
          UNSEEN_ANT: "left front leg short, UNSEEN"}  # fmt: skip
FILMED, WEIGHTS_AT = "AntDamagedRightFront-v0", (-1, 49, 499)
PRESET = Preset(
    about="the demo: the paper's strategy with a small population",
    envs=ANT_BODIES,
    generations=20,
    genome_scale=0.5,
    task={"early_stop": True, "births": "pair"},
    optimizer={"population_size": 100, "sigma": 0.1, "learning_rate": 0.2},
)


def show(console: Console, run_dir: Path, workers: int) -> None:
    """Let the rule evolved here, an un-evolved one and the ready-evolved one live on three bodies; draw pictures."""
    architecture, evolved, _ = load_policy(run_dir / "policy.npz")
    genomes = {
        "evolved now": evolved,
        "un-evolved": random_genome(architecture, SEED, PRESET.genome_scale),
        READY: load_policy(pretrained_path(READY))[1],
    }
    lives: dict[str, Evaluation] = {}
    task = Task(tuple(BODIES), births="candidate", seed=1)
    with (
        Counter(console, f"{LIFETIMES} lifetimes on each of three bodies", LIFETIMES * len(genomes), "lives") as count,
        make_evaluator(architecture, workers) as evaluator,
    ):
        for name, genome in genomes.items():
            lives[name] = evaluator.evaluate(Copies(genome, LIFETIMES), task, stream=EVALUATION, done=count)
    distances = {name: {body: life.distance[:, i, 0] for i, body in enumerate(BODIES)} for name, life in lives.items()}
    console.print(_table(distances))
    data = {name: {body: d.tolist() for body, d in bodies.items()} for name, bodies in distances.items()}
    (run_dir / "table.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    _draw(run_dir, PlasticNetwork(architecture, evolved))
    films = {"seen.mp4": (FILMED, "evolved now"), "unseen.mp4": (UNSEEN_ANT, READY)}
    for name, (body, rule) in films.items():
        with Counter(console, f"filming {rule} on {body}", 1000, "steps") as count:
            network = PlasticNetwork(architecture, genomes[rule])
            film(body, network, run_dir / name, *lifetime_seeds(SEED)[0], count)
    written = ", ".join(["training.png", "weights.png", *films, "table.json", "policy.npz", "log.csv"])
    console.print(f"in {run_dir}: {written}", highlight=False)
    console.print(f"go on evolving with  hebbian-gym train --resume {run_dir} --generations 100", highlight=False)


def _table(distances: dict[str, dict[str, np.ndarray]]) -> Table:
    title = f"distance walked along x in 1000 steps, mean +- sd over {LIFETIMES} lifetimes: progress units (metres)"
    table = Table("body", *distances, title=title, title_justify="left")
    for body, description in BODIES.items():
        cells = [bodies[body] for bodies in distances.values()]
        table.add_row(
            description,
            *(
                f"{c.mean():.0f} +- {c.std():.0f} ({c.mean() * TIME_STEP:.1f} +- {c.std() * TIME_STEP:.1f} m)"
                for c in cells
            ),
        )
    return table


def _draw(run_dir: Path, network: PlasticNetwork) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    plot_training(figure.subplots(), read_log(run_dir / "log.csv"))
    figure.savefig(run_dir / "training.png", dpi=150)
    with gym.make(FILMED, disable_env_checker=True) as env:
        life = record_lifetime(env, network, *lifetime_seeds(SEED)[0], WEIGHTS_AT)
    title = "one lifetime: the weights organise themselves (ant with a short right front leg)"
    lifetime_figure(life, title).savefig(run_dir / "weights.png", dpi=150)
