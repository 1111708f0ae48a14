"""Commands that evolve."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ..plain import write_json
from ..pretrained import find_policy
from .common import (
    CONFIG,
    CORES,
    EXAMPLES,
    EnvKwargs,
    Json,
    Workers,
    app,
    console,
    counted,
    json_object,
    read_config,
    score_policy,
)

if TYPE_CHECKING:
    from ..architecture import Architecture
    from ..evaluator import Evaluator
    from ..presets import Preset

HELD_OUT_EVERY = 10  # generations
START = "start.npz"  # the genome that a run began with, if it was given one


@app.command()
def train(
    preset: Annotated[
        str | None,
        typer.Option(
            help="Settings to begin with; `hebbian-gym presets` lists them. Default: ant-hebbian; with --env, hebbian."
        ),
    ] = None,
    generations: Annotated[int | None, typer.Option(help="In all, those before a resume included.", min=1)] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder for checkpoints, logs, the best policy. Default: runs/PRESET.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this folder.")] = None,
    env: Annotated[list[str] | None, typer.Option(help="Evolve on these instead; repeat for several.")] = None,
    env_kwargs: EnvKwargs = None,
    architecture: Annotated[
        str | None,
        typer.Option(help=f"Options of the network, as JSON, such as '{EXAMPLES['--architecture']}'."),
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="Begin with this policy's genome: a file, or the name of a ready-evolved one.")
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(help="Evolve by this one instead; `hebbian-gym optimizers` lists them, module:Class is yours."),
    ] = None,
    optimizer_kwargs: Annotated[
        str | None, typer.Option(help=f"Its options, as JSON, such as '{EXAMPLES['--optimizer-kwargs']}'.")
    ] = None,
    population: Annotated[int | None, typer.Option(help="Candidates of a generation.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="All randomness derives from it. Default: 0.", min=0)] = None,
    workers: Workers = CORES,
    ray_address: Annotated[
        str | None, typer.Option(help='Let the workers live on this Ray cluster; "auto" finds the one that runs here.')
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            help="Seconds after which a worker that is still at one candidate is replaced; "
            "needs two workers or a Ray cluster."
        ),
    ] = 600.0,
    checkpoint_every: Annotated[int, typer.Option(help="Generations between checkpoints.", min=1)] = 1,
    held_out_every: Annotated[
        int | None, typer.Option(help="Generations between held-out evaluations. Default: 10.", min=1)
    ] = None,
    score: Annotated[
        int, typer.Option(help="At the end, score the best mean over so many lifetimes, without early stop.", min=0)
    ] = 100,
    tensorboard: Annotated[bool, typer.Option(help="Also write TensorBoard events into the folder.")] = False,
) -> None:
    """Evolve learning rules.

    Ctrl-C stops cleanly; --resume DIR goes on, bit for bit.
    """
    from ..presets import Preset, get_preset

    if resume is not None:
        told = {
            "--preset": preset, "--env": env, "--env-kwargs": env_kwargs, "--architecture": architecture,
            "--start": start, "--optimizer": optimizer, "--optimizer-kwargs": optimizer_kwargs,
            "--population": population, "--seed": seed, "--run-dir": run_dir,
        }  # fmt: skip
        if given := [option for option, value in told.items() if value not in (None, [])]:
            raise ValueError(f"a run goes on with the settings it began with: leave out {', '.join(given)}")
        config = read_config(resume)
        held_out_every = held_out_every or config.get("held_out_every")
        chosen, seed, run_dir = Preset(**config["preset"]), config["seed"], resume
        # One that an earlier run left there is none of this run's; and the checkpoint has all that a resume needs
        start = str(resume / START) if config.get("start") and (resume / START).exists() else None
    else:
        preset = preset or ("hebbian" if env else "ant-hebbian")
        chosen = get_preset(preset)
        chosen = dataclasses.replace(
            chosen, envs=tuple(env) if env else chosen.envs, env_kwargs=json_object("--env-kwargs", env_kwargs),
            architecture={**chosen.architecture, **json_object("--architecture", architecture)},
        )  # fmt: skip
        chosen = chosen.evolved_by(optimizer, population, json_object("--optimizer-kwargs", optimizer_kwargs))
        run_dir = run_dir or Path("runs") / preset
    if generations is not None:
        chosen = dataclasses.replace(chosen, generations=generations)
    for body in chosen.specs:
        if body.max_episode_steps is None:
            console.print(
                f"{body.id} has no max_episode_steps: a lifetime lasts until the environment ends it", highlight=False
            )
    evaluator = {"workers": workers, "timeout": timeout, "ray_address": ray_address}
    every = {"checkpoint_every": checkpoint_every, "held_out_every": held_out_every or HELD_OUT_EVERY}
    evolve(chosen, seed or 0, run_dir, resume is not None, evaluator, every, start, tensorboard)
    if score and (run_dir / "policy.npz").exists():
        score_policy(str(run_dir / "policy.npz"), chosen.specs, score, 1, min(workers, CORES))


def evolve(
    preset: Preset, seed: int, run_dir: Path, resume: bool, evaluator: dict[str, Any], every: dict[str, Any],
    start: str | None = None, tensorboard: bool = False,
) -> None:  # fmt: skip
    """Evolve in a folder, with a progress bar; on Ctrl-C say how to go on."""
    from ..callbacks import Callback, TensorBoard
    from ..checkpoint import held, load_policy, save_policy
    from ..evaluation import make_evaluator
    from ..training import CHECKPOINT, train

    policy, optimizer, task = preset.make(seed, None if start is None else load_policy(find_policy(start))[1])

    def begin(architecture: Architecture) -> Evaluator:
        made = make_evaluator(architecture, **evaluator)
        if resume:
            config = read_config(run_dir)  # of which only these two may be others now, and hold from here on
        else:
            if start is not None:
                save_policy(run_dir / START, architecture, policy.genome)
            config = {"seed": seed, "start": start, "command": shlex.join(["hebbian-gym", *sys.argv[1:]])}
        config |= {"preset": dataclasses.asdict(preset), "held_out_every": every["held_out_every"]}
        write_json(run_dir / CONFIG, config)
        return made

    try:
        with held(run_dir), ExitStack() as stack:
            callbacks: list[Callback] = []
            if tensorboard:
                callbacks.append(stack.enter_context(closing(TensorBoard(run_dir / "tensorboard"))))
            run = train(
                policy, optimizer, task, preset.generations, evaluator=begin, run_dir=run_dir, resume=resume,
                callbacks=callbacks, progress_bar=True, **every,
            )  # fmt: skip
    except KeyboardInterrupt:
        saved = (run_dir / CHECKPOINT).exists()
        cure = f"Go on with  hebbian-gym train --resume {run_dir}" if saved else "Nothing to resume yet."
        done = counted(optimizer.generation, "generation")
        console.print(f"stopped after {done}; only the running one is lost. {cure}", highlight=False)
        raise typer.Exit(130) from None
    if "fitness/mean" not in run.metrics:
        console.print(f"no generation was left to evolve: --generations N, with N over {optimizer.generation}, goes on")
    held_out = f", {run.best.fitness:.1f} on held-out births" if run.best else ""
    console.print(
        f"{counted(optimizer.generation, 'generation')}; best mean genome{held_out}: {run_dir / 'policy.npz'}",
        highlight=False,
    )


@app.command()
def optimizers() -> None:
    """List the optimisers that `train --optimizer` takes."""
    from ..optimizers import get_optimizer, optimizer_names
    from ..optimizers.registry import optimizer_options

    for name in optimizer_names():
        try:
            about = (get_optimizer(name).__doc__ or "").strip().partition("\n")[0]
            about += f"\n    {json.dumps(optimizer_options(name), default=str)}"
        except Exception as error:  # another package's
            about = f"cannot be loaded: {error}"
        console.print(f"[bold]{name}[/bold]: {escape(about)}", highlight=False)


@app.command()
def presets() -> None:
    """List the settings that `train --preset` takes."""
    from ..presets import PRESETS

    for name, preset in PRESETS.items():
        size = preset.optimizer["population_size"]
        console.print(f"[bold]{name}[/bold]: {preset.about}", highlight=False)
        console.print(
            f"    {', '.join(preset.envs) or '--env'}; {counted(preset.generations, 'generation')} of {size}",
            highlight=False,
        )


@app.command()
def plan(
    preset: Annotated[str, typer.Option(help="Settings; `hebbian-gym presets` lists them.")] = "ant-hebbian",
    env: Annotated[list[str] | None, typer.Option(help="Evolve on these instead; repeat for several.")] = None,
    generations: Annotated[int | None, typer.Option(help="In all.", min=1)] = None,
    population: Annotated[int | None, typer.Option(help="Candidates of a generation.", min=1)] = None,
    workers: Annotated[int, typer.Option(help="On as many cores.", min=1)] = CORES,
    nodes: Annotated[int, typer.Option(help="Machines that they are on.", min=1)] = 1,
    gigabits: Annotated[float, typer.Option(help="Network between the machines, Gbit/s.")] = 1.0,
    seconds: Annotated[float, typer.Option(help="Of measuring on this machine first.", min=1)] = 20.0,
    json_file: Json = None,
) -> None:
    """Predict how long a run takes, from a short measurement here.

    Episodes are shorter at first, where newborns are stopped early, than later: "first" and "full length" are the two
    ends of the range. Speed-up (against one worker) and what limits it are those of full length.
    """
    from ..calibration import calibrate
    from ..planning import GIGABIT, master_limit, predict
    from ..presets import get_preset
    from ..progress import Fraction

    chosen = get_preset(preset)
    chosen = dataclasses.replace(
        chosen, envs=tuple(env) if env else chosen.envs, generations=generations or chosen.generations
    ).evolved_by(None, population, {})
    policy, optimizer, task = chosen.make()
    size = len(optimizer.ask())
    with Fraction(console, f"measuring candidates of {preset}") as progress:
        costs = calibrate(policy, optimizer, task, seconds, progress)
    table = Table("workers", "first", "full length", f"{chosen.generations} of them", "speed-up", "limited by",
                  title=f"a generation of {size} candidates", title_justify="left")  # fmt: skip
    rows = []
    for count in sorted({1, *(2**k for k in range(1, 20) if 2**k < workers), workers}):
        spread = min(nodes, count)
        first, full = (predict(c, size, count, spread, gigabits * GIGABIT) for c in (costs, costs.at_full_length()))
        rows.append({"workers": count, "nodes": spread, "first": vars(first), "full": vars(full)})
        ends = [_duration(end.seconds * scale) for scale in (1, chosen.generations) for end in (first, full)]
        table.add_row(str(count), *ends[:2], " ... ".join(ends[2:]), f"{full.speed_up:.1f}", full.limit)
    console.print(table)
    console.print(
        f"The master is busy all the time from about {master_limit(costs):,.0f} workers on, and more than {size} "
        "have no candidate.", highlight=False,
    )  # fmt: skip
    if costs.wait > 1.5:
        console.print(f"This machine was busy ({costs.wait:.1f} times slower than its cores): real runs would be, too.",
                      highlight=False)  # fmt: skip
    if json_file:
        write_json(json_file, {"preset": preset, "population": size, "generations": chosen.generations, "rows": rows})


def _duration(seconds: float) -> str:
    """For people."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
