"""Commands that show what there is and what it comes to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..plain import write_json
from .common import CORES, Json, Workers, app, console
from .evolve import evolve


@app.command()
def envs(json_file: Json = None) -> None:
    """List the environments."""
    import gymnasium as gym

    from ..registration import ENVIRONMENTS

    table = Table("ID", "arguments", "steps", title="environments", title_justify="left")
    for id_ in ENVIRONMENTS:
        spec = gym.spec(id_)
        table.add_row(id_, json.dumps(spec.kwargs), str(spec.max_episode_steps))
    console.print(table)
    console.print('make one with  gymnasium.make("hebbian_gym:AntUndamaged-v0")', highlight=False, markup=False)
    if json_file:
        write_json(json_file, [json.loads(gym.spec(id_).to_json()) for id_ in ENVIRONMENTS])


@app.command()
def reproduce(
    name: Annotated[str | None, typer.Argument(help="Which experiment; without a name they are listed.")] = None,
    budget: Annotated[str, typer.Option(help="quick: minutes; full: more seeds, lifetimes, generations.")] = "quick",
    out: Annotated[Path, typer.Option(help="Folder for the picture and its data.")] = Path("runs/reproduce"),
    seed: Annotated[
        int | None, typer.Option(help="All randomness derives from it. Default: that of the documents.", min=0)
    ] = None,
    workers: Workers = CORES,
) -> None:
    """Run an experiment: a picture, the data behind it, and what it came to."""
    from ..experiments import EXPERIMENTS, Settings, find_experiment, reproduce
    from ..progress import Fraction

    if name is None:
        for each, experiment in EXPERIMENTS.items():
            console.print(f"[bold]{each}[/bold]: {experiment.about}", highlight=False)
        return
    if seed is None:
        seed = find_experiment(name).seed
    with Fraction(console, name) as progress:
        outcome = reproduce(name, out, Settings(budget, workers, seed, progress))
    if budget == "quick":
        console.print("budget quick; --budget full lives or evolves more, where there is more to do")
    for sentence in outcome.summary:
        console.print(sentence, highlight=False)
    console.print(f"{out / name}.png, {out / name}.json", highlight=False)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Which lines; all by default.")] = None,
    repetitions: Annotated[int, typer.Option(help="Interleaved repetitions of each measurement.", min=1)] = 5,
    json_file: Json = None,
) -> None:
    """Measure our speed against a peer's, side by side."""
    from .. import bench

    measurements = bench.run(names, repetitions, progress=lambda name: console.print(f"measuring {name} ..."))
    console.print(bench.as_table(measurements))
    if json_file:
        write_json(json_file, [measurement.to_json() for measurement in measurements])


@app.command()
def demo(
    run_dir: Annotated[Path, typer.Option(help="Folder for the run, the table and the pictures.")] = Path("runs/demo"),
    workers: Workers = CORES,
) -> None:
    """The main job in a few minutes: evolve, then try it on a body never seen.

    Evolves learning rules on the whole ant and on the one with a short right front leg, then lets the result live on
    those and on the ant with a short left front leg, next to a rule that has not evolved.
    """
    from .. import demo

    if (run_dir / "checkpoint.npz").exists():
        raise FileExistsError(f"{run_dir} already holds a run: remove it, or choose another folder with --run-dir")
    every = {"held_out_every": demo.HELD_OUT_EVERY}
    evolve(demo.PRESET, demo.SEED, run_dir, False, {"workers": workers}, every)
    demo.show(console, run_dir, workers)
