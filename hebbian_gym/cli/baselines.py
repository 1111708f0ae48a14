"""Commands that put Stable-Baselines3 beside evolution."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from ..plain import write_json
from .common import Json, Seed, app, console, counted


@app.command()
def baseline(
    name: Annotated[str | None, typer.Argument(help="Which; without a name they are listed.")] = None,
    timesteps: Annotated[
        int | None, typer.Option(help="In all, those before a resume included; default the recipe's.", min=1)
    ] = None,
    hours: Annotated[
        float | None, typer.Option(help="Stop after so much wall time, resumed sessions included.")
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder for the model and its log. Default: runs/NAME-SEED.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this folder.")] = None,
    seed: Annotated[int | None, typer.Option(help="All randomness derives from it. Default: 0.", min=0)] = None,
) -> None:
    """Train PPO or RecurrentPPO on our environments, by the settings that RL Zoo tuned.

    Ctrl-C loses what came after the last checkpoint; --resume DIR goes on from there.
    """
    from ..baseline_files import LOG, MODEL, read_model
    from ..baselines import BASELINES, Baseline, BaselineProgress, train_baseline

    recipe: str | Baseline
    if resume is not None:
        told = {"NAME": name, "--run-dir": run_dir, "--seed": seed}
        if given := [option for option, value in told.items() if value is not None]:
            raise ValueError(f"a run goes on with the settings it began with: leave out {', '.join(given)}")
        about = read_model(resume / MODEL)[0]
        name, recipe, seed, folder = about["name"], Baseline(**about["baseline"]), about["seed"], resume
    elif name is not None:
        recipe, seed = name, seed or 0
        folder = run_dir or Path("runs") / f"{name}-{seed}"
    else:
        for each, known in BASELINES.items():
            console.print(f"[bold]{each}[/bold]: {known.algorithm} on {', '.join(known.envs)}; "
                          f"{known.timesteps:,} time steps\n    {known.about}", highlight=False)  # fmt: skip
        return
    seconds = math.inf if hours is None else 3600 * hours
    with BaselineProgress(console, name) as progress:
        train_baseline(
            recipe, timesteps, wall_seconds=seconds, seed=seed, run_dir=folder, resume=resume is not None,
            progress=progress,
        )  # fmt: skip
    console.print(f"{folder / MODEL}, {folder / LOG}", highlight=False)


@app.command()
def compare(
    contenders: Annotated[
        list[str],
        typer.Argument(
            help="Folders of runs, files of policies or names of ready-evolved ones; METHOD=... to name one."
        ),
    ],
    seen: Annotated[list[str] | None, typer.Option(help="Bodies that training saw; repeat for several.")] = None,
    unseen: Annotated[list[str] | None, typer.Option(help="Bodies that it did not; repeat for several.")] = None,
    episodes: Annotated[int, typer.Option(help="Of each contender on each body.", min=1)] = 100,
    seed: Seed = 1,
    out: Annotated[Path | None, typer.Option(help="Picture to draw.")] = None,
    json_file: Json = None,
) -> None:
    """Judge evolved policies and baselines alike: the same bodies and resets, by SB3's evaluate_policy.

    By default the bodies are the ants that the paper trains on, and the one that it does not. Contenders that are
    given the same name are training seeds of one method: PPO=runs/ant-ppo-0 PPO=runs/ant-ppo-1.
    """
    from ..comparison import compare, comparison_table, load_contender
    from ..presets import ANT_BODIES, UNSEEN_ANT
    from ..progress import Counter

    if not seen:
        seen, unseen = [*ANT_BODIES], unseen or [UNSEEN_ANT]
    unseen = unseen or []
    named = [("", each) if Path(each).exists() else each.partition("=")[::2] for each in contenders]
    loaded = [load_contender(where or name, name or where) for name, where in named]
    lives = len(loaded) * len([*seen, *unseen]) * episodes
    if out:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 4), layout="constrained")
        if out.suffix[1:] not in (known := figure.canvas.get_supported_filetypes()):
            raise ValueError(f"a picture is written as one of {', '.join(known)}, not {out.name}")
        out.parent.mkdir(parents=True, exist_ok=True)
    with Counter(console, counted(lives, "episode"), lives, "episodes") as count:
        comparison = compare(loaded, seen, unseen, episodes, seed, count)
    console.print(comparison_table(comparison))
    if json_file:
        write_json(json_file, comparison.to_json())
    if out:
        from ..analysis.comparison import draw_comparison

        figure.set_size_inches(8, 6.5 if comparison.curves() else 4)
        draw_comparison(figure, comparison)
        figure.savefig(out, dpi=150)
        console.print(f"{out}", highlight=False)
